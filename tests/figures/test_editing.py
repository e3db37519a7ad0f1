"""What a production editor would send back: misleading, unreadable or untidy figures."""

import warnings
from functools import cache
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import metanet as mn
from metanet.figures.page.canvas import new_figure
from metanet.figures.page.label_places import Wanted, boxes_of, in_points, label_points
from metanet.figures.page.text import LINE, Label, width_of, wrap
from metanet.figures.plots.bubble import bubble
from metanet.figures.plots.specification_curve import ABOVE, ACROSS, BELOW
from tests.figures.cases import diamonds, lines, texts
from tests.figures.chart_cases import shown_texts, text_boxes, words_of
from tests.figures.every_kind import comparison_of, draw, figure, fit_of, ratio_of, result_of

SMALL_PRINT = "Squares: area by weight; lines: 95 % intervals (Clopper-Pearson); diamond: median rate and its interval."


def _boxes(ax, dpi=144):
    """Boxes in pixels by text; equal texts keep the last."""
    names, boxes = text_boxes(ax, dpi)
    return dict(zip(names, boxes, strict=True))


@cache
def crowd(seed):
    """Sixty studies that differ much, so that many stand out."""
    rng = np.random.default_rng(seed)
    total = rng.integers(8, 150, 60)
    events = rng.binomial(total, 1 / (1 + np.exp(-rng.normal(-0.6, 0.9, 60))))
    return mn.pool(events=events, total=total, study=[f"Author {i} {2000 + i % 25}" for i in range(60)])


def _label(ax, name):
    return [t for t in ax.texts if t.get_label() == name]


# Text


@pytest.mark.parametrize("hinting", ["default", "none", "force_autohint"])
def test_text_is_as_wide_at_every_resolution_as_it_was_measured(hinting):
    canvas = FigureCanvasAgg(Figure((12, 2)))
    with matplotlib.rc_context({"text.hinting": hinting}):
        for size, bold in ((7.5, False), (9.0, True), (5.5, False)):
            text = Label(0, 0.5, SMALL_PRINT, size=size, bold=bold)
            canvas.figure.add_artist(text)
            for dpi in (60, 72, 100, 130, 150, 300):
                canvas.figure.set_dpi(dpi)
                width = text.get_window_extent(canvas.get_renderer()).width * 72 / dpi
                assert width == pytest.approx(width_of(SMALL_PRINT, size, bold), rel=0.005), (size, dpi)
        assert matplotlib.rcParams["text.hinting"] == hinting


def test_lines_of_a_paragraph_stand_as_far_apart_as_the_layout_leaves_them():
    figure = Figure((12, 6))
    canvas = FigureCanvasAgg(figure)
    one, ten = (Label(0, 0.1, "\n".join(["Hpgx"] * n), size=9) for n in (1, 10))
    figure.add_artist(one)
    figure.add_artist(ten)
    heights = [t.get_window_extent(canvas.get_renderer()).height * 72 / figure.dpi for t in (one, ten)]
    assert (heights[1] - heights[0]) / 9 == pytest.approx(LINE * 9, rel=0.01)


@pytest.mark.parametrize("whole", ["k − 2", "metanet 0.1.0", "p < 0.001", "95 %"])
def test_no_line_break_parts_what_is_read_as_one(whole):
    text = f"t with {whole} degrees of freedom of {whole}; {whole} and {whole}."
    for width in range(30, 200, 3):
        if width_of(f"({whole});", 7.5) < width:
            assert wrap(text, width, 7.5).replace("\n", " ").count(whole) == 4
            assert all(whole in wrap(f"{'x' * n} {whole}", width, 7.5) for n in range(1, 9))


# Scales


@pytest.mark.parametrize("case", ["ordinary", "sixty studies", "rates 0 and 1", "one study of 9,000"])
def test_tick_labels_of_neighbouring_panels_cannot_be_read_as_one_number(case):
    panels = result_of("influence", case).plot()
    root = figure(panels[0])
    root.draw_without_rendering()
    renderer = root.canvas.get_renderer()
    letter = 9.0 * root.dpi / 72
    edges = []
    for ax in panels:
        found = [t.get_window_extent(renderer) for t in ax.get_xticklabels() if t.get_text()]
        edges.append((min(b.x0 for b in found), max(b.x1 for b in found)))
    gaps = [b[0] - a[1] for a, b in pairwise(edges)]
    assert min(gaps) >= 1.2 * letter


@pytest.mark.parametrize("case", ["ordinary", "one study", "non-Latin names", "rates 0 and 1"])
def test_the_arc_has_several_rates_and_its_name_stands_over_the_panel(case):
    ax = draw("radial", case)
    assert len(_label(ax, "_arc label")) >= 3
    (name,) = _label(ax, "_arc name")
    box = _boxes(ax)[name.get_text()]
    root = figure(ax)
    (arc,) = lines(ax, "_arc")
    x, y = ax.transAxes.transform(np.column_stack(arc.get_data())[-1])
    letter = 9.0 * root.dpi / 72
    assert name.get_text().startswith("Arc: Events, % of patients")
    assert box[1] > max(y, ax.bbox.y1)
    assert box[1] - ax.bbox.y1 < 1.5 * letter
    assert box[2] > x


def test_no_name_of_a_study_meets_the_arc():
    for seed in range(8):
        ax = crowd(seed).radial()
        found = _boxes(ax)
        (arc,) = lines(ax, "_arc")
        curve = ax.transAxes.transform(np.column_stack(arc.get_data()))
        for name in _label(ax, "_name"):
            box = found[name.get_text()]
            assert not ((curve > box[:2]) & (curve < box[2:])).all(1).any(), name.get_text()


@pytest.mark.parametrize("kind", ["funnel of effects", "radial", "drapery"])
def test_the_axis_of_an_effect_has_the_name_of_its_measure(kind):
    draws = {"funnel of effects": "funnel", "radial": "radial", "drapery": "drapery"}
    assert "Odds ratio" in words_of(getattr(ratio_of("ordinary"), draws[kind])())


def test_p_values_on_an_axis_have_as_many_decimals_each():
    labels = [t.get_text() for t in draw("drapery").get_yticklabels()]
    assert labels == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]


def test_rates_of_zero_alone_do_not_get_an_axis_of_a_fraction_of_a_per_cent():
    assert draw("bubble", "all zero").get_ylim()[1] >= 5
    assert draw("GOSH", "labels of 80 characters").get_ylim()[1] >= 10


@pytest.mark.parametrize("width", ["single", "double"])
def test_the_name_of_the_axis_of_analyses_is_never_cut(width):
    with mn.column_width(width), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The column is too narrow", mn.MetanetWarning)
        ax = draw("specification curve")
    names = [other.get_xlabel() for other in figure(ax).axes if other.get_xlabel()]
    assert names
    assert all(name.startswith("3 analyses") and "…" not in name for name in names)


def test_the_end_of_a_scale_of_heterogeneity_keeps_clear_of_its_dot_and_arrow():
    for case in ("one study of 9,000", "rates 0 and 1"):
        ax = draw("heterogeneity", case)
        panel = figure(ax).axes[-1]
        names, boxes = text_boxes(panel)
        marks = [m for word in ("_figure", "_figure arrow") for m in lines(panel, word)]
        assert marks
        for mark in marks:
            x, y = panel.transData.transform(np.column_stack(mark.get_data()))[0]
            half = (mark.get_markersize() / 2 + 0.25 * 9.0) * figure(ax).dpi / 72
            near = (boxes[:, 0] < x + half) & (boxes[:, 2] > x - half) & (boxes[:, 1] < y) & (boxes[:, 3] > y)
            assert not near.any(), [names[i] for i in np.flatnonzero(near)]


# Marks


@pytest.mark.parametrize("case", ["ordinary", "all zero", "rates 0 and 1", "one study of 9,000"])
def test_bubbles_stand_inside_of_the_axes_clear_of_the_tick_labels(case):
    for width in (None, "single"):
        if width is None:
            ax = draw("bubble", case)
        else:
            with mn.column_width(width):
                ax = draw("bubble", case)
        (dots,) = [c for c in ax.collections if c.get_label() == "_bubbles"]
        at = ax.transData.transform(np.asarray(dots.get_offsets()))
        half = np.sqrt(np.asarray(dots.get_sizes()))[:, None] / 2 * figure(ax).dpi / 72
        panel = ax.get_window_extent().extents
        assert (at - half >= panel[:2] - 0.5).all()
        assert (at + half <= panel[2:] + 0.5).all()


def test_a_band_and_a_line_keep_their_values_where_the_axis_was_widened_for_a_bubble():
    result = result_of("bubble", "all zero")
    ax = bubble(result)
    (dots,) = [c for c in ax.collections if c.get_label() == "_bubbles"]
    np.testing.assert_array_equal(np.asarray(dots.get_offsets())[:, 1], 0)
    assert ax.get_yticklabels()[0].get_text() == "0"


def test_a_subset_at_the_end_of_the_axis_keeps_its_whole_dot():
    for case in ("rates 0 and 1", "one study of 9,000"):
        (dots,) = [c for c in draw("GOSH", case).collections if c.get_label() == "_subsets"]
        assert isinstance(dots, PathCollection)
        assert not dots.get_clip_on()


def test_no_diamond_of_the_prediction_covers_a_dot():
    for case in ("one study of 9,000", "ordinary"):
        ax = draw("calibration", case)
        marks = lines(ax, "_prediction coverage")
        assert marks
        (dots,) = [c for c in ax.collections if c.get_label() == "_dots"]
        at = ax.transData.transform(dots.get_offsets())
        letter = 9.0 * figure(ax).dpi / 72
        for mark in marks:
            place = ax.transData.transform(np.column_stack(mark.get_data()))
            assert (np.abs(at - place).max(1) > 0.35 * letter).all()
        assert {m.get_markerfacecolor() for m in marks} == {"none"}


def test_sides_of_a_threshold_part_in_grey():
    shades = sorted(float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114))) for colour in (ABOVE, BELOW, ACROSS))
    assert np.diff(shades).min() > 0.1
    ax = draw("specification curve")
    assert [c for c in ax.collections if isinstance(c, LineCollection)]


# Names


def _places(kind, fit):
    """Where the studies of a fit stand in a figure, by name."""
    if kind == "Baujat":
        frame = mn.influence(fit).to_frame()
        x, y = frame["heterogeneity"], frame["shift"]
    elif kind == "radial":
        frame = mn.radial(fit)
        x, y = frame["precision"], frame["standardised"]
    else:
        frame = fit.studies
        x, y = 100 * frame["rate"], frame["total"]
    return dict(zip(frame["study"], np.column_stack([x, y]), strict=True))


@pytest.mark.parametrize("kind", ["funnel", "radial", "Baujat"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_name_without_a_line_stands_nearest_to_its_own_point(kind, seed):
    fit = crowd(seed)
    ax = {"funnel": fit.funnel, "radial": fit.radial, "Baujat": fit.baujat}[kind]()
    found, places = _boxes(ax), _places(kind, fit)
    at = {name: ax.transData.transform(place) for name, place in places.items()}
    starts = [ax.transAxes.transform(np.column_stack(line.get_data()))[0] for line in lines(ax, "_leader")]
    names = [t.get_text() for t in _label(ax, "_name")]
    assert len(names) > 1
    for name in names:
        box, own = found[name], at[name]
        if any(np.abs(start - own).max() < 0.5 for start in starts):
            continue
        gaps = {n: np.hypot(*np.maximum(np.maximum(box[:2] - p, p - box[2:]), 0)) for n, p in at.items()}
        # Points that lie on one another are one to the reader.
        nearest = min(gap for n, gap in gaps.items() if n == name or np.abs(at[n] - own).max() > 3)
        assert gaps[name] <= nearest + 1e-9, name


def test_a_name_gives_way_where_another_point_would_be_taken_for_its_own():
    ax = new_figure(4, 3).add_axes((0, 0, 1, 1))
    points = np.array([[0.5, 0.5], [0.5, 0.53], [0.5, 0.47]])
    marks = boxes_of(in_points(ax, *points.T), 3.0)
    wanted = [Wanted(f"study {i}", *point) for i, point in enumerate(points.tolist())]
    label_points(ax, wanted, 9.0, np.empty((0, 4)), marks)
    shown = {t.get_text(): t for t in _label(ax, "_name")}
    boxes = _boxes(ax)
    scale = figure(ax).dpi / 72
    at = ax.transData.transform(points)
    leaders = len(lines(ax, "_leader"))
    plain = 0
    for i in range(3):
        if f"study {i}" in shown:
            box = boxes[f"study {i}"]
            gaps = np.hypot(*np.maximum(np.maximum(box[:2] - at, at - box[2:]), 0).T) - 3 * scale
            plain += int(np.argmin(gaps)) == i
    assert len(shown) >= 2
    assert plain + leaders >= len(shown)


# One study


def test_one_study_is_never_drawn_as_if_it_had_been_pooled():
    for kind in ("forest", "forest of groups", "cumulative"):
        ax = draw(kind, "one study")
        assert not diamonds(ax), kind
        assert not lines(ax, "_reference"), kind
        assert "One study: not pooled" in texts(ax)
        # "Diamond" in the small print would speak of a mark that is not there.
        assert "iamond" not in words_of(ax)


def test_a_single_study_without_a_leave_one_out_analysis_says_so():
    assert "A leave-one-out analysis needs at least two studies" in words_of(draw("leave-one-out", "one study"))


# Small print


def test_the_legend_of_groups_names_the_marks_that_are_there():
    alone = mn.compare(
        fit_of("ordinary").studies[["study", "events", "total"]].head(2).assign(group=["A", "B"]), "group", bootstrap=0
    ).forest()
    assert "Dots: single studies" in words_of(alone)
    assert "iamonds" not in words_of(alone)
    every = words_of(comparison_of("ordinary").forest())
    assert "Diamonds: estimates of the groups" in every
    assert "ingle studies" not in every


def test_the_row_of_a_prediction_interval_names_its_level():
    assert texts(draw("forest of groups")).count("Prediction interval (95 %)") == 4
    assert "Prediction (95 %)" in texts(draw("groups"))


def test_subsets_that_are_not_drawn_are_counted():
    result = result_of("GOSH", "rates 0 and 1")
    every = int((result.size > 1).sum())
    used = int(((result.size > 1) & np.isfinite(result.i2) & np.isfinite(result.estimate)).sum())
    assert 0 < used < every
    shown = words_of(draw("GOSH", "rates 0 and 1"))
    assert f"{used} of {used}" in shown
    assert f"{every - used} more" in shown
    assert "Not drawn" not in words_of(draw("GOSH"))


def test_the_name_of_an_axis_keeps_clear_of_its_tick_labels():
    ax = draw("forest")
    root = figure(ax)
    root.draw_without_rendering()
    renderer = root.canvas.get_renderer()
    ticks = [t.get_window_extent(renderer).y0 for t in shown_texts(ax.xaxis) if t is not ax.xaxis.label]
    assert min(ticks) - ax.xaxis.label.get_window_extent(renderer).y1 >= 0.2 * 9 * root.dpi / 72
