"""The waterfall of response categories shows every share where the result has it, whatever the arms."""

from functools import cache

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import metanet as mn
from metanet.base.errors import ArgumentError, MetanetWarning
from metanet.base.results import Method
from metanet.figures.page.save import description_of, save_figure
from metanet.figures.plots.waterfall import COLOURS, SORTS, waterfall
from metanet.models.comparison.response_categories import CATEGORIES, ResponseArm, ResponseCategories
from tests.figures.cases import HOSTILE, LONG, texts
from tests.figures.chart_cases import text_boxes, words_of
from tests.figures.test_chart_layout import check

ALL_PARTS = ("CR", "PR", "SD", "PD")


def _arm(name, counts, parts=ALL_PARTS, unit="patients", year=2001):
    counts = tuple(zip(parts, counts, strict=True))
    return ResponseArm(name, name, "all", "TAE", "TAE", year, unit, sum(n for _, n in counts), counts)


def made(*arms):
    return ResponseCategories(arms, (), None, Method({"notes": ["A note."]}))


def _many(k):
    rng = np.random.default_rng(4)
    shares = rng.dirichlet([0.6, 2, 2, 1], k)
    return made(*(_arm(f"Author {i} {2000 + i % 25}", rng.multinomial(20 + i, p)) for i, p in enumerate(shares)))


@cache
def curated():
    return mn.load_evidence()


JOINED = (
    _arm("A", (5, 5), ("CR+PR", "SD+PD")),
    _arm("B", (1, 3, 6), ("CR", "PR", "SD+PD")),
    _arm("C", (7, 3), ("CR+PR+SD", "PD")),
    _arm("D", (1, 8, 1), ("CR", "PR+SD", "PD")),
    _arm("E", (2, 8), ("CR", "PR+SD+PD")),
    _arm("F", (10,), ("CR+PR+SD+PD",)),
)
CASES = {
    "one": lambda: made(_arm("Alone 2019", (1, 5, 9, 5))),
    "sixty": lambda: _many(60),
    "joined": lambda: made(*JOINED),
    "names": lambda: made(
        *(_arm(n, (1, 2, 3, 4)) for n in (LONG[:80], LONG, "x" * 10_000, HOSTILE, "$x^2$ & \\alpha _b_", "王伟 2019", "محمد 2020"))
    ),
    "ends": lambda: made(_arm("none", (0, 0, 0, 9)), _arm("all", (12, 0, 0, 0)), _arm("stable", (0, 0, 5, 0))),
    "one giant": lambda: made(_arm("Giant", (3, 4000, 4900, 97)), _arm("Small", (1, 0, 0, 2))),
    "units": lambda: made(_arm("P", (1, 2, 3, 4)), _arm("Q", (4, 3, 2, 1), unit=HOSTILE), _arm("R", (0, 3, 2, 1), unit="lesions")),
    "evidence": lambda: mn.response_categories(curated()),
    "TARE": lambda: mn.response_categories(curated(), "TARE"),
    "PRRT": lambda: mn.response_categories(curated(), "PRRT"),
    "TAE": lambda: mn.response_categories(curated(), "TAE"),
}


@cache
def result_of(name):
    return CASES[name]()


@cache
def drawn(name):
    """The figure of a case; no test changes it."""
    return waterfall(result_of(name))


def _segments(ax):
    """Rows of (category, start, width) from top to bottom."""
    rows = {}
    for patch in ax.patches:
        name = patch.get_label().removeprefix("_")
        if set(name.split("+")) <= set(CATEGORIES):
            rows.setdefault(round(patch.get_y(), 6), []).append((name, patch.get_x(), patch.get_width()))
    return [sorted(rows[y], key=lambda one: one[1]) for y in sorted(rows)]


def _names(ax):
    found = [t for t in ax.get_children() if t.get_label() == "_name"]
    return [t.get_text() for t in sorted(found, key=lambda t: -t.get_position()[1])]


@pytest.mark.parametrize("name", ["joined", "TARE", "ends"])
def test_widths_are_the_shares_in_order_and_fill_the_bar(name):
    result, ax = result_of(name), drawn(name)
    by_name = {arm.study: arm for arm in result.arms}
    rows = _segments(ax)
    assert len(rows) == len(result.arms)
    for shown, segments in zip(_names(ax), rows, strict=True):
        arm = by_name[shown]
        wanted = [(part, 100 * n / arm.total) for part, n in arm.parts if n]
        assert [s[0] for s in segments] == [w[0] for w in wanted]
        np.testing.assert_allclose([s[2] for s in segments], [w[1] for w in wanted], rtol=1e-12)
        np.testing.assert_allclose([s[1] for s in segments], np.cumsum([0, *[w[1] for w in wanted]])[:-1], atol=1e-9)
        assert sum(s[2] for s in segments) == pytest.approx(100)


def test_arms_stand_by_objective_response_and_unknown_ones_last():
    result, ax = result_of("TARE"), drawn("TARE")
    by_name = {arm.study: arm for arm in result.arms}
    shown = [by_name[name] for name in _names(ax)]
    shares = [None if arm.at_least("PR") is None else arm.at_least("PR") / arm.total for arm in shown]
    known = [s for s in shares if s is not None]
    assert len(known) > 15
    assert shares == [*sorted(known, reverse=True), *[None] * (len(shares) - len(known))]


@pytest.mark.parametrize(
    ("sort", "order"), [("total", "bca"), ("year", "cab"), ("study", "abc"), ("disease_control", "bca"), ("complete_response", "cba")]
)
def test_other_orders_are_followed(sort, order):
    arms = (_arm("a", (0, 3, 0, 7), year=2002), _arm("b", (1, 1, 17, 1), year=2003), _arm("c", (2, 0, 8, 5), year=2001))
    assert "".join(_names(waterfall(made(*arms), sort=sort))) == order
    assert sort in SORTS


def test_shares_are_written_where_they_fit_and_totals_at_every_row():
    result = made(_arm("A", (1, 49, 30, 20)))
    ax = waterfall(result)
    written = [t.get_text() for t in ax.get_children() if t.get_label() == "_share"]
    assert written == ["49", "30", "20"]
    assert "100" in texts(ax)
    ax.get_figure().draw_without_rendering()
    for label in (t for t in ax.get_children() if t.get_label() == "_share"):
        box = ax.transData.inverted().transform(label.get_window_extent().extents.reshape(2, 2))[:, 0]
        (start, width) = next((s, w) for _, s, w in _segments(ax)[0] if s <= label.get_position()[0] <= s + w)
        assert start <= box[0] <= box[1] <= start + width


def test_other_units_than_patients_stand_beside_their_totals():
    words = words_of(drawn("TARE"))
    assert words.count("procedures") >= 12
    assert "Best response, % of those counted" in words
    assert "Best response, % of patients" in words_of(drawn("one"))


def test_categories_that_are_not_told_apart_are_hatched_in_the_colours_of_both_and_named_in_the_legend():
    ax = drawn("joined")
    hatched = {p.get_label(): p for p in ax.patches if p.get_hatch()}
    assert {"_CR+PR", "_SD+PD", "_CR+PR+SD", "_PR+SD", "_PR+SD+PD", "_CR+PR+SD+PD"} <= set(hatched)
    patch = hatched["_PR+SD"]
    assert to_rgb(patch.get_facecolor()) == pytest.approx(to_rgb(COLOURS["SD"]))
    assert to_rgb(patch.get_hatchcolor()) == pytest.approx(to_rgb(COLOURS["PR"]))
    entries = [t.get_text() for t in ax.get_children() if t.get_label() == "_entry"]
    assert "CR+PR, combined" in entries
    assert not [p for p in drawn("one").patches if p.get_hatch()]


def test_colours_grow_lighter_from_category_to_category():
    linear = [np.where((c := np.array(to_rgb(COLOURS[n]))) <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for n in CATEGORIES]
    luminance = np.array(linear) @ [0.2126, 0.7152, 0.0722]
    lightness = 116 * np.cbrt(luminance) - 16
    # Twenty steps of lightness apart are told apart in a photocopy.
    assert (np.diff(np.maximum(lightness, 0)) > 18).all()


# Sixty-five arms are those of the evidence; TAE is looked at inside of given axes.
@pytest.mark.parametrize("name", [name for name in CASES if name not in ("sixty", "TAE")])
def test_no_text_meets_another_or_leaves_the_canvas(name):
    check(drawn(name))


def test_a_long_heading_wraps():
    check(waterfall(result_of("joined"), title="Response $x$ " * 20))


def test_names_are_drawn_as_they_are():
    assert "$x^2$ & \\alpha _b_" in _names(drawn("names"))


def test_the_figure_fits_into_axes_that_are_given():
    figure = Figure(figsize=(6, 9))
    ax = figure.subplots(1, 2, width_ratios=[6, 1])[0]
    place = ax.get_position()
    assert result_of("TAE").plot(ax=ax) is ax
    figure.axes[1].set_axis_off()
    check(ax)
    _, boxes = text_boxes(ax)
    edges = np.array([place.x0, place.y0, place.x1, place.y1]) * np.tile([figure.bbox.width, figure.bbox.height], 2)
    assert (boxes[:, :2] >= edges[:2] - 2).all()
    assert (boxes[:, 2:] <= edges[2:] + 2).all()


def test_axes_too_small_to_read_are_drawn_with_a_warning():
    with pytest.warns(MetanetWarning, match="too small"):
        waterfall(CASES["sixty"](), ax=Figure(figsize=(3, 2)).add_subplot())


def test_the_alternative_text_holds_the_numbers():
    title, _, text = description_of(waterfall(result_of("TARE"), title="TARE").get_figure())
    assert title == "TARE"
    assert "Kennedy 2008, n 168: CR 5 (3.0 %), PR 112 (66.7 %), SD 42 (25.0 %), PD 9 (5.4 %)" in text
    assert "Frilling 2019, n 24: CR+PR 14 (58.3 %), SD 7 (29.2 %), PD 3 (12.5 %)" in text


def test_an_empty_selection_and_wrong_words_are_said():
    empty = mn.response_categories(curated(), "transplant")
    assert "No study arm" in words_of(waterfall(empty))
    with pytest.raises(ArgumentError, match="response_categories"):
        waterfall(empty.to_frame())
    with pytest.raises(ArgumentError, match="Did you mean 'total'"):
        waterfall(CASES["one"](), sort="totals")


def test_a_second_run_has_the_same_bytes_whatever_the_settings_of_the_caller(tmp_path):
    (one,) = save_figure(waterfall(CASES["joined"]()), tmp_path / "a", ("svg",))
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "hatch.linewidth": 9, "hatch.color": "red"}):
        (other,) = save_figure(waterfall(CASES["joined"]()), tmp_path / "b", ("svg",))
    assert one.read_bytes() == other.read_bytes()
