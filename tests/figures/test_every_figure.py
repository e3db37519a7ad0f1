"""What holds for every kind of figure, for every hard case, and whatever the caller's settings are."""

import re
import sys
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib import cycler
from matplotlib.backends.backend_agg import FigureCanvasAgg

import metanet as mn
from metanet.base.display import interval, number, per_cent
from metanet.figures.page.save import FORMATS, description_of, save_figure
from metanet.figures.registry import Figure, figures
from tests.figures.cases import EVENTS, NAMES
from tests.figures.chart_cases import shown_texts
from tests.figures.every_kind import (
    BY_EXAMPLE,
    CASES,
    KIND_OF,
    KINDS,
    NETWORKS,
    comparison_of,
    draw,
    figure,
    fit_of,
    network_of,
    ratio_of,
    result_of,
)
from tests.figures.test_chart_layout import check

#: A regression on one or two studies has no line, and `meta_regression` refuses it.
PAIRS = [(kind, case) for kind in KINDS for case in CASES if kind != "bubble" or case not in ("one study", "two studies")]
#: Kinds whose bitmaps and PDF are compared as well: texts, marks, a cloud, a density.
BITMAPS, VECTORS = ("forest", "gosh", "heterogeneity", "influence"), ("svg",)
#: What users have in their matplotlibrc, all at once.
ODD = {
    "text.usetex": True,
    "text.parse_math": False,
    "text.color": "red",
    "text.hinting": "force_autohint",
    "text.antialiased": False,
    "font.size": 30,
    "font.family": "serif",
    "font.weight": "bold",
    "axes.unicode_minus": False,
    "axes.facecolor": "black",
    "axes.edgecolor": "white",
    "axes.labelcolor": "white",
    "axes.labelsize": 30,
    "axes.grid": True,
    "axes.spines.left": False,
    "axes.linewidth": 7,
    "axes.prop_cycle": cycler(color=["red"]),
    "xaxis.labellocation": "right",
    "xtick.direction": "in",
    "xtick.top": True,
    "xtick.labelbottom": False,
    "ytick.labelright": True,
    "ytick.minor.visible": True,
    "ytick.alignment": "top",
    "lines.linewidth": 9,
    "lines.linestyle": ":",
    "lines.marker": "o",
    "lines.scale_dashes": False,
    "lines.solid_capstyle": "round",
    "scatter.edgecolors": "red",
    "patch.force_edgecolor": True,
    "hatch.color": "red",
    "path.simplify": False,
    "path.sketch": (1, 100, 2),
    "image.interpolation": "bilinear",
    "figure.facecolor": "black",
    "figure.edgecolor": "black",
    "figure.frameon": False,
    "figure.autolayout": True,
    "figure.dpi": 30,
    "savefig.facecolor": "black",
    "savefig.transparent": True,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 3,
    "savefig.dpi": 20,
    "svg.fonttype": "none",
    "svg.image_inline": False,
    "pdf.fonttype": 3,
    "pdf.use14corefonts": True,
    "pdf.compression": 0,
}


@pytest.fixture(scope="module")
def ordinary():
    """Every kind drawn once with the ordinary data, the figures of the registry that drew them, and what pyplot then holds."""
    from matplotlib import pyplot

    before, names, check_value = pyplot.get_fignums(), set(), Figure.check
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "check", lambda self, *given: (names.add(self.name), check_value(self, *given))[1])
        axes = {kind: draw(kind) for kind in KINDS}
    return axes, names, [number for number in pyplot.get_fignums() if number not in before]


@pytest.mark.parametrize(("kind", "case"), PAIRS)
def test_no_text_meets_another_or_leaves_the_canvas(kind, case, ordinary):
    ax = ordinary[0][kind] if case == "ordinary" else draw(kind, case)
    # A resolution that nothing was laid out for: texts keep their widths at each.
    check(ax, 130)
    # What journals print at the least, at the size that the figure has by itself.
    small = min((t.get_fontsize(), t.get_text()) for t in shown_texts(figure(ax)))
    assert small[0] >= 5.95, small
    title, alt, text = description_of(figure(ax))
    assert title
    assert len(text) > 30
    assert 30 < len(alt) < 300
    assert alt.endswith((".", "…"))
    assert "  " not in "".join(t.get_text() for t in shown_texts(figure(ax)))
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_has_the_same_bytes_in_every_format_whatever_the_settings_of_the_caller(kind, tmp_path):
    # The other formats take longest, and each is made by one renderer for all kinds.
    formats = FORMATS if kind in BITMAPS else VECTORS
    ours = save_figure(draw(kind), tmp_path / "a" / "figure", formats)
    with matplotlib.rc_context(ODD):
        theirs = dict(matplotlib.rcParams)
        others = save_figure(draw(kind), tmp_path / "b" / "figure", formats)
        assert dict(matplotlib.rcParams) == theirs
    assert [one.suffix for one in ours] == [f".{name}" for name in formats]
    for one, other in zip(ours, others, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.suffix


@pytest.mark.parametrize("kind", KINDS)
def test_fonts_are_embedded_as_type_42_whatever_the_settings_of_the_caller(kind, tmp_path):
    with matplotlib.rc_context({"pdf.fonttype": 3, "pdf.use14corefonts": True}):
        (path,) = save_figure(draw(kind, "non-Latin names"), tmp_path / "figure", ("pdf",))
    data = path.read_bytes()
    described = re.findall(rb"/Type /FontDescriptor\b.*?>>", data, re.DOTALL)
    assert described
    assert all(b"/FontFile2" in one for one in described)
    assert b"/Type3" not in data
    # Every font that is named is one of those.
    assert len(re.findall(rb"/Subtype /CIDFontType2\b", data)) == len(described)
    assert b"/Subtype /Type1" not in data


#: Kinds that say of themselves what they draw, and whose data have no outcome.
SELF_NAMED = (
    "plane",
    "waterfall",
    "pooled categories",
    "overview",
    "evidence_map",
    "published_rates",
    "traffic light",
    "bias bars",
    "prisma flow",
    "ladder",
    *NETWORKS,
)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in SELF_NAMED])
def test_outcome_treatment_unit_and_direction_are_named(kind):
    ax = draw(kind, "a long outcome")
    _, alt, text = description_of(figure(ax))
    for told in (alt, text):
        assert "reatment-related mortality" in told, told
        assert "lower is better" in told or "(worse)" in told, told
    assert "Embolisation" in text or kind == "specification curve"
    shown = " ".join(" ".join(t.get_text().split()) for t in shown_texts(figure(ax)))
    if kind not in ("Baujat", "influence", "calibration"):
        assert "Treatment-related mortality" in shown or "of treatment-related mortality" in shown
        assert "of patients" in shown or "Odds ratio" in shown


@pytest.mark.parametrize("kind", [*NETWORKS, "ladder"])
def test_figures_of_networks_name_the_outcome_and_its_direction(kind):
    ax = draw(kind, "a long outcome")
    _, alt, _ = description_of(figure(ax))
    assert "treatment-related mortality" in alt
    assert "lower is better" in alt
    shown = " ".join(" ".join(t.get_text().split()) for t in shown_texts(figure(ax)))
    assert "reatment-related mortality" in shown
    assert "ower is better" in shown or "(lower is better)" in shown


@pytest.mark.parametrize("kind", KINDS)
def test_texts_of_an_svg_are_texts_with_their_fonts(kind, ordinary, tmp_path):
    ax = ordinary[0][kind]
    (path,) = save_figure(ax, tmp_path / "figure", ("svg",))
    content = path.read_text(encoding="utf-8")
    root = ElementTree.fromstring(content)
    drawn = {"".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")}
    known = description_of(figure(ax))
    assert [root.find(f"{{http://www.w3.org/2000/svg}}{name}").text for name in ("title", "desc")] == [known.alt, known.text]
    assert root.get("role") == "img"
    for name in {"forest": NAMES, "waterfall": NAMES, "influence": NAMES}.get(kind, ()):
        assert name in drawn
    assert not re.search(r'<use [^>]*xlink:href="#DejaVu', content)
    fonts = sum(len(data) for data in re.findall(r"data:font/woff;base64,([^)]*)", content))
    assert 3_000 < fonts < 25_000


@pytest.mark.parametrize("kind", KINDS)
def test_without_notes_the_small_print_is_the_caption_alone(kind):
    result = result_of(kind, "ordinary")
    whole = draw(kind)
    with mn.figure_style(notes=False):
        bare = draw(kind)
    assert bare.metanet_caption == whole.metanet_caption
    assert len(whole.metanet_caption) > 40
    shown = " ".join(t.get_text() for t in shown_texts(figure(bare)))
    assert "metanet 0" not in shown
    assert figure(bare).get_figheight() < figure(whole).get_figheight()
    if hasattr(result, "forest") and kind == "forest":
        assert result.forest(notes=False).metanet_caption == whole.metanet_caption
        with pytest.raises(mn.ArgumentError, match="notes"):
            result.forest(notes="no")


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_in_grey_has_no_colour(kind):
    with mn.figure_style(colours="grey"):
        ax = draw(kind)
    root = figure(ax)
    root.set_dpi(60)
    canvas = FigureCanvasAgg(root)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    assert (pixels.max(-1) - pixels.min(-1)).max() <= 2
    assert (pixels < 140).any()


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_single_column_no_text_is_below_six_points_or_it_is_told(kind):
    with mn.column_width(84), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        ax = draw(kind)
    check(ax, 130)
    assert figure(ax).get_size_inches()[0] * 25.4 == pytest.approx(84, rel=2e-3)
    smallest = min(t.get_fontsize() for t in shown_texts(figure(ax)))
    if smallest < 5.95:
        (warning,) = (w for w in told if "too narrow" in str(w.message))
        assert f"has {smallest:.1f} points" in str(warning.message)
        assert warning.filename == __file__ or "every_kind" in warning.filename
        assert kind not in ("forest", "forest of groups", "forest of ratios", "groups", "leave-one-out", "cumulative", "calibration")


def test_every_figure_of_the_registry_is_drawn_here(ordinary):
    _, names, _ = ordinary
    assert names == set(figures()) == set(KIND_OF) | set(BY_EXAMPLE)
    assert set(TOLD) == set(KINDS) - set(BY_EXAMPLE)


@pytest.mark.parametrize("name", figures())
def test_every_figure_of_the_registry_has_an_example_that_draws_it(name):
    rates = mn.load_evidence().rates("objective_response", modality=["TARE", "TAE"])
    names = {"mn": mn, "rates": rates, "fit": mn.pool(rates)}
    exec(compile(figures()[name].example, name, "exec"), names)
    assert description_of(figure(names["ax"]))[1]


def test_a_script_that_uses_pyplot_finds_no_figure_of_ours_in_it(ordinary):
    _, _, found = ordinary
    assert found == []


def test_a_dark_style_leaves_dark_ink_on_white_also_where_the_user_saves(tmp_path):
    from matplotlib import image, style

    with style.context("dark_background"):
        for kind in ("forest", "funnel", "waterfall"):
            figure(draw(kind)).savefig(tmp_path / "figure.png", dpi=60)
            pixels = image.imread(tmp_path / "figure.png")[..., :3]
            assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1]] == 1).all()
            assert (pixels.min(-1) > 0.95).mean() > 0.5


def _rate(value: float) -> str:
    return f"{per_cent(value)} %"


def _estimate() -> list[str]:
    fit = fit_of("ordinary")
    return [_rate(fit.estimate), interval(fit.ci_lower, fit.ci_upper)]


def _ratio() -> list[str]:
    fit = ratio_of("ordinary")
    return [number(v, 2) for v in (fit.estimate, fit.ci_lower, fit.ci_upper)]


def _groups() -> list[str]:
    return [per_cent(fit.estimate) for fit in comparison_of("ordinary").groups.values()]


def _series(kind: str) -> list[str]:
    estimates = result_of(kind, "ordinary").to_frame()["estimate"]
    return [_rate(v) for v in ((estimates.iloc[0], estimates.iloc[-1]) if kind == "cumulative" else
                               (estimates.min(), estimates.max()))]  # fmt: skip


def _baujat() -> list[str]:
    frame = result_of("Baujat", "ordinary").to_frame()
    top = frame.loc[frame["shift"].idxmax()]
    return [str(top["study"]), number(top["heterogeneity"]), number(top["shift"])]


def _influence() -> list[str]:
    frame = result_of("influence", "ordinary").to_frame()
    out = []
    for title, column in (("Residual", "rstudent"), ("DFFITS", "dffits"), ("Cook's D", "cook_d")):
        row = frame.loc[frame[column].abs().idxmax()]
        out.append(f"{title} {number(row[column])} ({row['study']})")
    return out


def _gosh() -> list[str]:
    result = result_of("GOSH", "ordinary")
    used = (result.size > 1) & np.isfinite(result.i2)
    return [number(100 * float(np.quantile(result.i2[used], q)), 1) for q in (0.05, 0.95)]


def _bubble() -> list[str]:
    line = result_of("bubble", "ordinary").bubble_data().query("part == 'line'")["value"]
    return [_rate(line.iloc[0]), _rate(line.iloc[-1])]


def _curve() -> list[str]:
    frame = result_of("specification curve", "ordinary").to_frame()
    return [_rate(frame["estimate"].min()), _rate(frame["estimate"].max())]


def _calibration() -> list[str]:
    frame = result_of("calibration", "ordinary").to_frame()
    return [word for row in frame.itertuples() for word in (f"coverage {_rate(row.coverage)}", number(100 * row.bias))]


def _plane() -> list[str]:
    return [_rate(v) for v in result_of("plane", "ordinary")["benefit"]]


def _waterfall() -> list[str]:
    arm = result_of("waterfall", "ordinary").arms[0]
    return [arm.study, per_cent(dict(arm.parts)["SD"] / arm.total, 0)]


def _against() -> list[str]:
    found = result_of("against", "ordinary")
    return [found.name, _rate(found.rate), _rate(found.own), f"{found.count_lower} to {found.count_upper} events"]


def _pooled_categories() -> list[str]:
    pooled = result_of("pooled categories", "ordinary")
    return [pooled.arms[0].study, _rate(pooled.objective_response.estimate), _rate(pooled.disease_control.ci_upper)]


def _heterogeneity() -> list[str]:
    fit = fit_of("ordinary")
    return [number(fit.tau), _rate(fit.i2), number(fit.h2), number(fit.lrt)]


def _worst() -> int:
    return int((result_of("traffic light", "ordinary").overall["overall"] == "critical").sum())


def _judged() -> list[str]:
    bias = result_of("traffic light", "ordinary")
    counts = bias.overall["overall"].value_counts()
    words = [f"{counts[level]} {level.replace('_', ' ')}" for level in counts.index if level]
    return [*words, *NAMES]


def _flow() -> list[str]:
    numbers = result_of("prisma flow", "ordinary").numbers
    return [f"{numbers[key]:,}" for key in ("records_screened", "dbr_sought_reports", "dbr_assessed", "dbr_excluded", "new_reports")]


def _networked() -> list[str]:
    network = network_of("ordinary")
    return [f"{network.k} studies of {len(network.treatments)} treatments", f"{network.patients:,} patients"]


def _ranked() -> list[str]:
    return [f"SUCRA {100 * value:.0f} %" for value in network_of("ordinary").ranking["sucra"].dropna()]


def _laddered() -> list[str]:
    known = [rung for rung in result_of("ladder", "ordinary").rungs if rung.odds_ratio is not None]
    return [text for rung in known for text in (rung.title, f"{rung.odds_ratio:.2f}")]


#: Numbers that the description of each kind must tell, from its result.
TOLD: dict[str, Callable[[], list[str]]] = {
    "forest": _estimate,
    "forest of groups": _groups,
    "forest of ratios": _ratio,
    "groups": _groups,
    "funnel": _estimate,
    "funnel of effects": _ratio,
    "Baujat": _baujat,
    "influence": _influence,
    "leave-one-out": lambda: _series("leave-one-out"),
    "cumulative": lambda: _series("cumulative"),
    "GOSH": _gosh,
    "drapery": _estimate,
    "radial": _estimate,
    "L'Abbé": _ratio,
    "bubble": _bubble,
    "specification curve": _curve,
    "calibration": _calibration,
    "plane": _plane,
    "waterfall": _waterfall,
    "pooled categories": _pooled_categories,
    "against": _against,
    "heterogeneity": _heterogeneity,
    "overview": _estimate,
    "traffic light": _judged,
    **dict.fromkeys(("network_graph", "network_forest", "league"), lambda: _networked()),
    "ladder": lambda: _laddered(),
    "rankogram": lambda: _ranked(),
    "network_funnel": lambda: ["Comparison-adjusted funnel plot of", "outside the dashed limits"],
    "bias bars": lambda: [f"{_worst() / len(EVENTS):.0%}".replace("%", " % critical")],
    "prisma flow": _flow,
}


@pytest.mark.parametrize("kind", TOLD)
def test_the_alternative_text_tells_the_numbers_of_the_result(kind, ordinary):
    _, _, text = description_of(figure(ordinary[0][kind]))
    for word in TOLD[kind]():
        assert word in text, word
