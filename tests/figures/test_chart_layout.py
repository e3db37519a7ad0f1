"""No text of any figure meets another or leaves the canvas, whatever the data; files are the same again."""

import re
import sys
import warnings

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from metanet.base.errors import MetanetWarning
from metanet.diagnostics.studies.series import cumulative
from metanet.figures.page.save import description_of, save_figure
from metanet.figures.plots.bubble import bubble
from metanet.figures.plots.calibration import calibration_plot
from metanet.figures.plots.comparison import comparison_forest
from metanet.figures.plots.specification_curve import specification_curve
from tests.figures.cases import fit_of
from tests.figures.chart_cases import BY_FIT, PLAIN, calibration_of, comparison_of, multiverse_of, plane, regression_of, text_boxes
from tests.figures.forest.test_forest_layout import PIXEL, _reach

#: Fits that have broken figures before, or would.
HARD = ("one", "two", "no events", "not estimable", "one giant", "long names", "hostile names", "scripts", "effects")
#: A drawing of every hard case that is no fit: groups with awkward names, regressions without a line, thousands of analyses.
OTHERS = {
    "cumulative, long names": lambda: cumulative(fit_of("long names"), "given").plot(),
    "cumulative, one giant": lambda: cumulative(fit_of("one giant"), "precision").plot(),
    "baujat of sixty": lambda: BY_FIT["baujat"]("sixty"),
    "influence of sixty": lambda: BY_FIT["influence"]("sixty"),
    "funnel of sixty": lambda: BY_FIT["funnel"]("sixty"),
    "comparison, hard": lambda: comparison_forest(comparison_of("hard")),
    "comparison, every study": lambda: comparison_forest(comparison_of("hard"), studies=True, title="T " * 90),
    "evidence, every study": lambda: comparison_forest(comparison_of("evidence"), studies=True),
    "calibration of effects": lambda: calibration_plot(calibration_of("effects")),
    "calibration without events": lambda: calibration_plot(calibration_of("no events")),
    "bubble of effects": lambda: bubble(regression_of("effects")),
    "bubble without a line": lambda: bubble(regression_of("separated")),
    "bubble, large values": lambda: bubble(regression_of("pct_dose")),
    "bubble, two moderators": lambda: bubble(regression_of("year + pct_dose"), moderator="year"),
    "plane, one group": lambda: plane("one"),
    "plane, edges": lambda: plane("edges"),
    "plane, many groups": lambda: plane("many", title="Benefit and risk"),
    "curve of effects": lambda: specification_curve(multiverse_of("effects")),
    "curve without a threshold": lambda: specification_curve(multiverse_of("all")),
    "curve, thinned": lambda: specification_curve(multiverse_of("all"), most=10),
}


def check(ax, dpi=144):
    """No text meets another or leaves the canvas."""
    names, boxes = text_boxes(ax, dpi)
    size = ax.get_figure(root=True).bbox
    outside = (boxes[:, :2] < -0.5) | (boxes[:, 2:] > [size.x1 + 0.5, size.y1 + 0.5])
    assert not outside.any(), [names[i] for i in np.flatnonzero(outside.any(-1))]
    met = _reach(boxes, boxes) >= PIXEL
    np.fill_diagonal(met, False)
    assert not met.any(), [(names[i], names[j]) for i, j in np.argwhere(met)]


@pytest.mark.parametrize("kind", BY_FIT)
@pytest.mark.parametrize("name", HARD)
def test_no_text_of_a_figure_of_a_fit_meets_another_or_leaves_the_canvas(kind, name):
    ax = BY_FIT[kind](name)
    check(ax)
    assert description_of(ax.get_figure(root=True))


@pytest.mark.parametrize("name", OTHERS)
def test_no_text_of_the_other_figures_meets_another_or_leaves_the_canvas(name):
    ax = OTHERS[name]()
    check(ax)
    assert description_of(ax.get_figure(root=True))


@pytest.mark.parametrize("name", PLAIN)
def test_texts_keep_apart_at_print_resolution_under_a_long_heading(name):
    ax = PLAIN[name](title=f"{name} $x^2$ " * 12)
    check(ax, 300)
    title, _, text = description_of(ax.get_figure(root=True))
    assert title.startswith(f"{name} $x^2$")
    assert len(text) > 60


@pytest.mark.parametrize("name", PLAIN)
def test_figures_fit_into_axes_that_are_given(name):
    figure = Figure(figsize=(11, 9))
    ax = figure.subplots(1, 2, width_ratios=[5, 1])[0]
    place = ax.get_position()
    with warnings.catch_warnings():
        # Wide tables have letters under 6 points here, which is told.
        warnings.filterwarnings("ignore", "The axes are too small", MetanetWarning)
        assert PLAIN[name](ax=ax) is ax
    assert tuple(figure.get_size_inches()) == (11, 9)
    figure.axes[1].set_axis_off()
    check(ax)
    _, boxes = text_boxes(ax)
    edges = np.array([place.x0, place.y0, place.x1, place.y1]) * np.tile([figure.bbox.width, figure.bbox.height], 2)
    assert (boxes[:, :2] >= edges[:2] - 2).all()
    assert (boxes[:, 2:] <= edges[2:] + 2).all()


@pytest.mark.parametrize("name", ["drapery", "plane"])
def test_axes_too_small_to_read_are_drawn_with_a_warning(name):
    figure = Figure(figsize=(1.1, 0.9))
    with pytest.warns(MetanetWarning, match="too small"):
        PLAIN[name](ax=figure.add_subplot())


#: The tables are drawn by the renderer of the forest plot, whose files have tests of their own.
CHARTS = [name for name in PLAIN if name not in ("cumulative", "comparison", "centred radial", "gosh with a study")]


@pytest.mark.parametrize("name", CHARTS)
def test_files_of_a_second_run_have_the_same_bytes_whatever_the_settings_of_the_caller(name, tmp_path):
    formats = ("svg", "pdf") if name == "gosh" else ("svg",)
    ours = save_figure(PLAIN[name](), tmp_path / "a" / "figure", formats)
    theirs = {"font.size": 30, "axes.grid": True, "lines.linewidth": 9, "axes.labelcolor": "red", "text.color": "red"}
    with matplotlib.rc_context(theirs):
        others = save_figure(PLAIN[name](), tmp_path / "b" / "figure", formats)
    for one, other in zip(ours, others, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.stat().st_size < 900_000


def test_the_cloud_of_subsets_is_a_bitmap_inside_of_the_vector_file(tmp_path):
    (path,) = save_figure(PLAIN["gosh"](), tmp_path / "gosh", ("svg",))
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"<image ", text)) == 1
    assert text.count("<use ") < 2000


def test_nothing_is_registered_with_pyplot():
    PLAIN["baujat"]()
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
