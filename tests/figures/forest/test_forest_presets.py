"""House styles, chosen columns, judgements and ratios: the same numbers in other words and places."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base import display
from metanet.base.errors import ArgumentError
from metanet.figures.forest.forest import forest
from metanet.figures.forest.presets import FOREST_PRESETS, ForestPreset
from tests.figures.cases import HOSTILE, LONG, boxes, corners, diamonds, figure_of, fit_of, lines, squares, texts
from tests.figures.forest.test_forest_layout import _check

BCG = (
    [4, 6, 3, 62, 33, 180, 8, 505],
    [123, 306, 231, 13598, 5069, 1541, 2545, 88391],
    [11, 29, 11, 248, 47, 372, 10, 499],
    [139, 303, 220, 12867, 5808, 1451, 629, 88391],
)


def two_groups(measure="RR", **options):
    events, total, events_control, total_control = BCG
    return mn.pool(
        events=events,
        total=total,
        events_control=events_control,
        total_control=total_control,
        study=[f"Study {letter}" for letter in "ABCDEFGH"],
        measure=measure,
        **options,
    )


def judged():
    rng = np.random.default_rng(3)
    words = ["low", "Some concerns", "HIGH", "no information", None, "very_high"]
    frame = pd.DataFrame({"study": [f"Study {i}" for i in range(12)], "events": range(3, 15), "total": [30] * 12})
    return mn.pool(frame.assign(selection=rng.choice(words[:5], 12), reporting=words * 2, certainty=["high", "low"] * 6))


@pytest.mark.parametrize("preset", FOREST_PRESETS)
@pytest.mark.parametrize("name", ["twelve", "one", "no events", "long names", "rare", "effects"])
def test_every_style_keeps_its_texts_apart(preset, name):
    _check(forest(fit_of(name), preset=preset, title="A title"), 144)


@pytest.mark.parametrize("preset", FOREST_PRESETS)
def test_every_style_shows_the_numbers_of_the_result(preset):
    fit = fit_of("twelve")
    ax = forest(fit, preset=preset)
    shown = [t.replace("·", ".") for t in texts(ax)]
    for value, lower, upper in fit.studies[["rate", "ci_lower", "ci_upper"]].to_numpy():
        wanted = [display.per_cent(v) for v in (value, lower, upper)]
        assert any(re.findall(r"\d+\.\d", text) == wanted for text in shown), wanted
    for weight in fit.weights:
        assert any(text.rstrip(" %") == display.per_cent(weight) for text in shown)
    (diamond,) = diamonds(ax)
    at = corners(diamond)
    assert (at["left"], at["right"]) == pytest.approx((100 * fit.ci_lower, 100 * fit.ci_upper))


def test_styles_write_intervals_as_the_journals_do():
    fit = fit_of("twelve")
    first = fit.studies.iloc[0]
    low, high = display.per_cent(first["ci_lower"]), display.per_cent(first["ci_upper"])
    for preset, wanted in {
        "metanet": f"({low} to {high})",
        "revman": f"[{low}, {high}]",
        "cochrane": f"[{low} , {high}]",
        "jama": f"({low}–{high})",
        "lancet": f"({low}–{high})".replace(".", "·"),
        "bmj": f"({low} to {high})",
    }.items():
        assert any(text.endswith(wanted) for text in texts(forest(fit, preset=preset))), preset


def test_a_negative_limit_is_never_joined_by_a_dash():
    shown = texts(forest(fit_of("effects"), preset="jama"))
    assert not any("--" in text or "−-" in text or "-−" in text for text in shown)
    assert any(" to " in text and "(−" in text for text in shown)


def test_a_p_value_has_no_leading_zero_in_the_style_that_wants_none():
    assert any("P < .001" in text for text in texts(forest(fit_of("twelve"), preset="jama")))
    assert any("p<0·001" in text for text in texts(forest(fit_of("twelve"), preset="lancet")))
    assert any("P<0.001" in text for text in texts(forest(fit_of("twelve"), preset="bmj")))
    for preset in ("revman", "cochrane"):
        assert any("Tau²" in text and "(P < 0.00001)" in text for text in texts(forest(fit_of("twelve"), preset=preset)))


@pytest.mark.parametrize(("p", "shown"), [("0.340", "0.34"), ("0.0049", "0.0049"), ("0.049", "0.049"), ("0.051", "0.05")])
def test_p_values_are_rounded_as_journals_do_and_never_over_the_limit(p, shown):
    assert FOREST_PRESETS["bmj"].written(f"a test, p = {p}") == f"a test, P={shown}"


@pytest.mark.parametrize("preset", ["revman", "cochrane"])
def test_two_groups_have_heads_over_their_columns_and_the_test_of_no_effect(preset):
    fit = two_groups("OR", model="inverse_variance")
    shown = texts(forest(fit, preset=preset))
    for head in ("Experimental", "Control", "Odds ratio", "IV, Random, 95% CI", "Total (95% CI)", "Total events"):
        assert head in shown, head
    assert [shown.count(head) for head in ("Events", "Total")] == [2, 2]
    (test,) = (text for text in shown if text.startswith("Test for overall effect: T = "))
    assert f"{abs(fit.mu / fit.se):.2f}, df = 7 (P = 0.005)" in test
    (line,) = (text for text in shown if text.startswith("Heterogeneity: Tau²"))
    assert "Chi² = 146.16, df = 7 (P < 0.00001); I² = 93%" in line
    fixed = texts(forest(two_groups("OR", model="mantel_haenszel"), preset=preset))
    assert "M-H, Fixed, 95% CI" in fixed
    assert any(text.startswith("Test for overall effect: Z = ") for text in fixed)


@pytest.mark.parametrize("preset", [name for name in FOREST_PRESETS if name != "metanet"])
def test_the_sides_of_the_axis_are_named_as_far_as_the_data_know_them(preset):
    fit = two_groups("OR", model="inverse_variance")
    treated, control = (name.lower() for name in FOREST_PRESETS[preset].groups)
    assert {f"← More events: {control}", f"More events: {treated} →"} <= {
        " ".join(t.split()) for t in texts(forest(fit, preset=preset))
    }
    frame = pd.DataFrame(dict(zip(("events", "total", "events_control", "total_control"), BCG, strict=True)))
    frame = frame.assign(study=[f"Study {i}" for i in range(8)], modality_class="BCG")
    frame.attrs = {"label": "Tuberculosis", "direction": "lower_is_better"}
    shown = [" ".join(t.split()) for t in texts(forest(mn.pool(frame, measure="OR", model="inverse_variance"), preset=preset))]
    word = FOREST_PRESETS[preset].favours
    assert f"← {word.format(group='BCG')}" in shown
    assert f"{word.format(group=control)} →" in shown
    assert "BCG" in shown


def test_the_version_of_the_package_keeps_its_dots():
    assert any(f"metanet {mn.__version__}" in text.replace("\n", " ") for text in texts(forest(fit_of("two"), preset="lancet")))


def test_a_style_of_ones_own():
    own = replace(FOREST_PRESETS["jama"], square="#444444", headings={"study": "Trial"}, columns=("rate", "|", "weight"))
    ax = forest(fit_of("twelve"), preset=own)
    assert squares(ax).get_facecolor()[0][:3] == pytest.approx([0x44 / 255] * 3)
    assert "Trial" in texts(ax)
    assert "Events/Total" not in texts(ax)


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("nejm", "preset"),
        (ForestPreset(square="no colour"), "no colour"),
        (ForestPreset(interval=("(", ")")), "three texts"),
        (ForestPreset(heterogeneity="none"), "heterogeneity"),
    ],
)
def test_a_style_that_cannot_be_is_refused(preset, message):
    with pytest.raises(ArgumentError, match=message):
        forest(fit_of("two"), preset=preset)


def test_the_panel_stands_where_its_sign_is():
    fit = fit_of("twelve")
    panel = {}
    for columns in (("|", "events/total", "rate"), ("events/total", "rate", "|")):
        ax = forest(fit, columns=columns)
        figure = figure_of(ax)
        heading = next(t for t in ax.texts if t.get_text() == "Events/Total")
        panel[columns] = ax.get_window_extent().x1 < heading.get_window_extent(figure.canvas.get_renderer()).x0
    assert list(panel.values()) == [True, False]


def test_sums_of_counts_stand_in_the_summary_row():
    fit = fit_of("twelve")
    shown = texts(forest(fit, columns=("events", "total", "rate")))
    assert str(fit.events) in shown
    assert str(fit.n) in shown
    both = two_groups()
    assert any(f"{sum(BCG[2])}/{sum(BCG[3])}" == text for text in texts(forest(both)))


def test_headings_are_replaced_and_unknown_ones_refused():
    shown = texts(forest(fit_of("twelve"), headings={"study": "Author $x^2$", "rate": "Response"}))
    assert "Author $x^2$" in shown
    assert "Response" in shown
    with pytest.raises(ArgumentError, match="no column of this figure"):
        forest(fit_of("twelve"), headings={"year": "Published"})
    with pytest.raises(ArgumentError, match="must be a mapping"):
        forest(fit_of("twelve"), headings="Study")


def test_judgements_are_discs_with_signs_and_a_legend():
    fit = judged()
    ax = forest(fit, risk_of_bias={"selection": "Selection", "reporting": HOSTILE}, sort=None)
    _check(ax, 144)
    shown = texts(ax)
    words = fit.studies["reporting"].tolist()
    (discs,) = [c for c in ax.collections if c.get_label() == "_judgements"]
    assert len(discs.get_offsets()) == 24
    assert shown.count("!") == words.count("very_high")
    legend = " ".join(next(t for t in shown if t.startswith("Judgements")).split())
    assert f"(A) Selection, (B) {HOSTILE}." in legend
    assert "! critical risk" in legend


def test_the_sign_of_a_judgement_stands_in_the_row_of_its_study():
    fit = judged()
    ax = forest(fit, risk_of_bias=["reporting"], sort=None)
    rows = {t.get_text(): round(t.get_position()[1]) for t in ax.texts if t.get_text().startswith("Study ")}
    signs = {round(t.get_position()[1]): t.get_text() for t in ax.texts if t.get_text() in ("+", "?", "−", "!")}
    wanted = {"low": "+", "Some concerns": "?", "HIGH": "−", "very_high": "!"}
    for study, word in zip(fit.studies["study"], fit.studies["reporting"], strict=True):
        assert signs.get(rows[study]) == (wanted.get(word) if isinstance(word, str) else None)


def test_much_certainty_is_good_and_much_risk_is_bad():
    shown = texts(forest(judged(), risk_of_bias=["certainty"]))
    assert any("+ high certainty, − low certainty" in " ".join(t.split()) for t in shown)
    assert "Certainty" in shown


def test_an_unknown_judgement_is_refused_with_its_study():
    frame = pd.DataFrame({"study": ["Good", "Odd"], "events": [3, 4], "total": [9, 9], "bias": ["low", "perhaps"]})
    with pytest.raises(ArgumentError, match="'bias' has 'perhaps' for 'Odd'"):
        forest(mn.pool(frame), risk_of_bias=["bias"])
    with pytest.raises(ArgumentError, match="risk_of_bias"):
        forest(mn.pool(frame), risk_of_bias=["blas"])
    with pytest.raises(ArgumentError, match="must be a sequence"):
        forest(mn.pool(frame), risk_of_bias="bias")


@pytest.mark.parametrize("measure", ["OR", "RR"])
@pytest.mark.parametrize("preset", FOREST_PRESETS)
def test_ratios_stand_on_a_logarithmic_axis(measure, preset):
    fit = two_groups(measure)
    ax = forest(fit, preset=preset, favours=("Favours " + LONG, "Favours control"))
    _check(ax, 144)
    assert ax.get_xscale() == "log"
    at = corners(diamonds(ax)[0])
    assert (at["left"], at["middle"], at["right"]) == pytest.approx((fit.ci_lower, fit.estimate, fit.ci_upper))
    (no_effect,) = lines(ax, "_no effect")
    assert no_effect.get_xdata()[0] == 1.0
    for row, line in zip(fit.studies.sort_values("effect").itertuples(), lines(ax, "_interval"), strict=True):
        low, high = ax.get_xlim()
        assert tuple(line.get_xdata()) == pytest.approx((max(low, row.ci_lower), min(high, row.ci_upper)))


def test_ticks_of_a_logarithmic_axis_are_few_and_apart():
    for events in (([1, 2, 3], [3, 2, 1]), ([0, 40, 1], [38, 0, 1]), ([20, 21, 19], [20, 20, 20])):
        fit = mn.pool(events=events[0], total=[40] * 3, events_control=events[1], total_control=[40] * 3, measure="OR")
        ax = forest(fit)
        _check(ax, 144)
        ticks = list(ax.get_xticks())
        assert 2 <= len(ticks) <= 7
        assert ax.get_xlim()[0] <= min(ticks) <= 1 <= max(ticks) <= ax.get_xlim()[1]


def test_limits_of_a_logarithmic_axis_are_obeyed_or_refused():
    ax = forest(two_groups(), xlim=(0.3, 3))
    assert ax.get_xlim() == pytest.approx((0.3, 3))
    assert lines(ax, "_arrow")
    with pytest.raises(ArgumentError, match="above 0"):
        forest(two_groups(), xlim=(0, 3))


def test_favours_needs_two_texts():
    with pytest.raises(ArgumentError, match="must be a sequence"):
        forest(two_groups(), favours="treatment")


def test_the_name_of_the_measure_stands_on_the_axis():
    def name(fit):
        return " ".join(forest(fit).get_xlabel().split())

    assert name(two_groups("OR")) == "Odds ratio, treated / control (log scale); above 1: more events with treatment"
    assert name(two_groups("RD")) == "Risk difference, treated − control; above 0: more events with treatment"
    assert name(mn.pool(events=[3, 5], person_time=[20.5, 30])) == "Incidence rate, per unit of time"


def test_rates_per_hundred():
    ax = forest(fit_of("twelve"), per="hundred")
    assert ax.get_xlabel() == "Events, per 100 patients"
    assert boxes(ax, 100)
