"""What holds for every kind of figure, for every hard case, and whatever the caller's settings are."""

import re
import sys
from collections.abc import Callable

import matplotlib
import numpy as np
import pytest
from matplotlib import cycler

import metanet as mn
from metanet.base.display import interval, number, per_cent
from metanet.figures.page.save import FORMATS, description_of, save_figure
from metanet.figures.registry import Figure, figures
from tests.figures.every_kind import BY_EXAMPLE, CASES, KIND_OF, KINDS, comparison_of, draw, figure, fit_of, ratio_of, result_of
from tests.figures.test_chart_layout import check

#: A regression on one study has no line, and `meta_regression` refuses it.
PAIRS = [(kind, case) for kind in KINDS for case in CASES if (kind, case) != ("bubble", "one study")]
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
    title, text = description_of(figure(ax))
    assert title
    assert len(text) > 30
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


def _heterogeneity() -> list[str]:
    fit = fit_of("ordinary")
    return [number(fit.tau), _rate(fit.i2), number(fit.h2), number(fit.lrt)]


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
    "heterogeneity": _heterogeneity,
    "overview": _estimate,
}


@pytest.mark.parametrize("kind", TOLD)
def test_the_alternative_text_tells_the_numbers_of_the_result(kind, ordinary):
    _, text = description_of(figure(ordinary[0][kind]))
    for word in TOLD[kind]():
        assert word in text, word
