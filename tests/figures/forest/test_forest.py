"""What a forest plot shows is what the result says."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb

import metanet as mn
from metanet.base.display import interval, per_cent
from metanet.base.errors import ArgumentError
from metanet.figures.forest.captions import alt_text
from metanet.figures.forest.forest import forest
from metanet.figures.forest.presets import FOREST_PRESETS
from metanet.figures.forest.rows import plan_for, summary_row
from metanet.figures.page import style
from metanet.figures.page.scale import scale_of
from tests.figures.cases import ALL, HOSTILE, NAMES, corners, diamonds, figure_of, fit_of, lines, squares, texts, with_columns

COUNTED = [name for name in ALL if name != "effects"]


def _rows(ax, names):
    """The study labels in the order from top to bottom."""
    placed = [(t.get_position()[1], t.get_text()) for t in ax.texts if t.get_text() in names]
    return [text for _, text in sorted(placed)]


@pytest.mark.parametrize("name", ["twelve", "two", "near zero", "near all", "rare", "inverse variance", "one giant"])
def test_diamond_ends_are_the_interval_and_its_middle_the_estimate(name):
    fit = fit_of(name)
    (diamond,) = diamonds(forest(fit))
    assert corners(diamond) == pytest.approx(
        {"left": 100 * fit.ci_lower, "right": 100 * fit.ci_upper, "middle": 100 * fit.estimate, "other middle": 100 * fit.estimate}
    )


@pytest.mark.parametrize("name", ["twelve", "forty", "near zero", "one giant", "effects"])
def test_areas_of_squares_are_in_proportion_to_the_weights(name):
    fit = fit_of(name)
    found = squares(forest(fit, sort=None))
    np.testing.assert_allclose(found.get_sizes() / found.get_sizes().max(), fit.weights / fit.weights.max(), rtol=1e-9)
    assert 4 < found.get_sizes().max() ** 0.5 < 14


@pytest.mark.parametrize("name", COUNTED)
def test_every_study_has_its_numbers_its_interval_and_its_place(name):
    fit = fit_of(name)
    ax = forest(fit, sort=None, fold=False)
    shown = texts(ax)
    studies = fit.studies
    digits = scale_of("rate", "cent", fit.estimate).digits
    drawn = lines(ax, "_interval")
    assert len(drawn) == fit.k
    low, high = ax.get_xlim()
    for line, (_, row) in zip(drawn, studies.iterrows(), strict=True):
        assert f"{row.events}/{row.total}" in shown
        assert f"{per_cent(row.rate, digits)} ({interval(row.ci_lower, row.ci_upper, digits)})" in shown
        ends = np.clip([100 * row.ci_lower, 100 * row.ci_upper], low, high)
        np.testing.assert_allclose(line.get_xdata(), ends, atol=1e-9)
    # The weight of a study that stands alone says nothing.
    assert ("Weight" in shown) == (fit.k > 1)
    if fit.status != "not estimable" and fit.k > 1:
        for weight in studies["weight"]:
            assert f"{per_cent(weight)} %" in shown


def test_every_number_of_the_summary_is_printed_from_the_result():
    fit = fit_of("twelve")
    shown = texts(forest(fit))
    assert f"{per_cent(fit.estimate)} ({interval(fit.ci_lower, fit.ci_upper)})" in shown
    assert f"({interval(fit.pi_lower, fit.pi_upper)})" in shown
    averaged = interval(fit.marginal_ci_lower, fit.marginal_ci_upper)
    assert f"{per_cent(fit.marginal_estimate)} ({averaged})" in shown
    assert {"Median rate (95 % CrI)", "Average rate (95 % CrI)", "Prediction interval (95 %)", "235/435", "100.0 %"} <= set(shown)
    assert {"Study", "Events/Total", "Rate, % (95 % CI/CrI)", "Weight"} <= set(shown)
    (line,) = [t for t in shown if t.startswith("Heterogeneity")]
    assert f"τ = {fit.tau:.2f} ({fit.tau2_lower**0.5:.2f} to {fit.tau2_upper**0.5:.2f})" in line
    assert f"I² = {per_cent(fit.i2)} %" in line
    assert f"{fit.lrt:.2f} on 11 df, p < 0.001" in line
    method = " ".join(shown[-1].split())
    assert fit.method.sentence() in method


def test_by_maximum_likelihood_every_interval_is_a_confidence_interval():
    shown = texts(forest(fit_of("twelve, ML")))
    assert {"Pooled rate (median)", "Average rate", "Rate, % (95 % CI)"} <= set(shown)
    assert not [text for text in shown if "CrI" in text]


@pytest.mark.parametrize("preset", ["revman", "jama", "lancet"])
def test_house_styles_name_the_kind_of_interval(preset):
    for name, kind in (("twelve", "CrI"), ("twelve, ML", "CI")):
        assert any(
            t.startswith(("Total (95", "Overall (95")) and t.endswith(f"{kind})") for t in texts(forest(fit_of(name), preset=preset))
        )


def test_an_interval_that_says_nothing_is_grey_and_worded():
    fit = mn.pool(events=[1, 9], total=[10, 12], model="glmm")
    ax = forest(fit)
    (diamond,) = diamonds(ax)
    assert to_hex(diamond.get_facecolor()).upper() == style.FAINT
    grey = {t.get_text() for t in ax.texts if t.get_color() == style.VAGUE}
    assert "Pooled rate (median)" in grey
    assert f"{per_cent(fit.estimate)} ({interval(fit.ci_lower, fit.ci_upper)})" in grey
    words = " ".join(" ".join(t.split()) for t in texts(ax))
    assert "Grey: the interval is wider than 60 points, too few data to tell." in words
    assert "too few data to tell" in alt_text(fit)
    (clear,) = diamonds(forest(fit_of("twelve")))
    assert to_hex(clear.get_facecolor()).upper() == style.DIAMOND
    assert not [t for t in forest(fit_of("twelve")).texts if t.get_color() == style.VAGUE]


def test_grey_text_is_legible_on_white():
    channels = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(style.VAGUE)]
    luminance = sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), channels, strict=True))
    assert 1.05 / (luminance + 0.05) >= 4.5


def test_the_prediction_interval_is_a_bar_of_its_own():
    fit = fit_of("twelve")
    (bar,) = lines(forest(fit), "_prediction")
    np.testing.assert_allclose(bar.get_xdata(), [100 * fit.pi_lower, 100 * fit.pi_upper])
    ax = forest(fit, show_prediction=False)
    assert not lines(ax, "_prediction")
    assert not [t for t in texts(ax) if "rediction interval (" in t]


def test_a_prediction_interval_that_does_not_exist_is_said_so():
    ax = forest(fit_of("two, ML"))
    assert not lines(ax, "_prediction")
    assert lines(forest(fit_of("two")), "_prediction")
    assert "Prediction interval: needs 3 studies" in texts(ax)
    unasked = mn.pool(events=[3, 5, 6], total=[20, 30, 30], prediction=None)
    assert not [t for t in texts(forest(unasked)) if t.startswith("Prediction")]


def test_the_dashed_line_stands_at_the_estimate():
    fit = fit_of("twelve")
    (line,) = lines(forest(fit), "_reference")
    assert list(line.get_xdata()) == pytest.approx([100 * fit.estimate] * 2)
    assert line.is_dashed()


def test_one_study_has_no_diamond_and_says_that_it_is_not_pooled():
    ax = forest(fit_of("one"))
    assert not diamonds(ax)
    assert not lines(ax, "_reference")
    assert "One study: not pooled" in texts(ax)


@pytest.mark.parametrize(("name", "counts"), [("no events", "0.0 % (exact"), ("only events", "100.0 % (exact")])
def test_one_sided_data_show_the_posterior_and_name_the_exact_interval_on_the_sum(name, counts):
    fit = fit_of(name)
    ax = forest(fit)
    (diamond,) = diamonds(ax)
    assert corners(diamond)["middle"] == pytest.approx(100 * fit.estimate)
    words = " ".join(" ".join(t.split()) for t in texts(ax))
    assert "so the estimate comes partly from the prior" in words
    assert f"if the studies are alike, their summed counts give {counts}" in words
    assert lines(ax, "_prediction")


@pytest.mark.parametrize(("name", "end"), [("no events, summed", 0.0), ("only events, summed", 100.0)])
def test_one_sided_data_have_the_exact_interval_on_the_sum(name, end):
    fit = fit_of(name)
    ax = forest(fit)
    (diamond,) = diamonds(ax)
    found = corners(diamond)
    assert (found["left"], found["right"]) == pytest.approx((100 * fit.ci_lower, 100 * fit.ci_upper))
    assert found["middle"] == end
    assert not diamond.get_clip_on()
    assert "Exact rate of the summed counts" in texts(ax)
    assert not [t for t in texts(ax) if t.startswith(("Heterogeneity", "Prediction"))]


def test_data_without_an_estimate_have_no_diamond_and_say_why():
    fit = fit_of("not estimable")
    ax = forest(fit)
    assert not diamonds(ax)
    shown = texts(ax)
    assert "No pooled rate: not estimable" in shown
    assert fit.notes[0] in [" ".join(t.split()) for t in shown]
    assert not [c for c in ax.collections if c.get_label() == "_squares"]
    (dots,) = [c for c in ax.collections if c.get_label() == "_dots"]
    assert len(dots.get_offsets()) == 4


def test_marks_at_the_ends_of_the_axis_are_whole():
    ax = forest(fit_of("no events"))
    assert not any(c.get_clip_on() for c in ax.collections)
    assert list(squares(ax).get_offsets()[:, 0]) == [0.0] * 4


def test_a_second_model_is_a_hollow_diamond_with_its_name():
    fit, second = fit_of("twelve"), fit_of("inverse variance")
    ax = forest(fit, second=second)
    (hollow,) = diamonds(ax, "_hollow diamond")
    assert corners(hollow)["left"] == pytest.approx(100 * second.ci_lower)
    assert hollow.get_facecolor()[:3] == (1.0, 1.0, 1.0)
    assert "Inverse-variance model" in texts(ax)
    assert len(diamonds(ax)) == 1


def test_a_second_result_of_another_measure_or_level_is_refused():
    fit = fit_of("twelve")
    with pytest.raises(ArgumentError, match="response='effect'"):
        forest(fit, second=fit_of("effects"))
    with pytest.raises(ArgumentError, match=re.escape("level=0.9,")):
        forest(fit, second=mn.pool(events=[3, 5], total=[20, 30], level=0.9))
    with pytest.raises(ArgumentError, match="not int"):
        forest(fit, second=3)


def test_the_level_stands_in_the_headings():
    ax = forest(mn.pool(events=[3, 5, 6], total=[20, 30, 30], level=0.9))
    assert {"Rate, % (90 % CI/CrI)", "Median rate (90 % CrI)", "Prediction interval (90 %)"} <= set(texts(ax))


def test_effects_have_an_effect_axis_and_no_counts():
    fit = fit_of("effects")
    ax = forest(fit)
    shown = texts(ax)
    assert "Effect (95 % CI)" in shown
    assert "Events/Total" not in shown
    assert ax.get_xlabel() == "Effect"
    assert corners(diamonds(ax)[0])["left"] == pytest.approx(fit.ci_lower)
    assert lines(ax, "_no effect")
    assert f"0.500 ({fit.studies.ci_lower[2]:.3f} to {fit.studies.ci_upper[2]:.3f})" in shown


def test_rates_can_be_given_per_thousand():
    fit = fit_of("rare")
    ax = forest(fit, per="hundred thousand")
    assert ax.get_xlabel() == "Events, per 100,000 patients"
    assert f"{1e5 * fit.estimate:.1f} ({1e5 * fit.ci_lower:.1f} to {1e5 * fit.ci_upper:.1f})" in texts(ax)
    assert corners(diamonds(ax)[0])["middle"] == pytest.approx(1e5 * fit.estimate)


def test_a_rate_under_a_tenth_of_a_per_cent_keeps_two_digits():
    fit = fit_of("rare")
    assert f"{100 * fit.estimate:.3f} ({100 * fit.ci_lower:.3f} to {100 * fit.ci_upper:.3f})" in texts(forest(fit))


@pytest.mark.parametrize(
    ("sort", "ascending", "key", "reverse"),
    [
        ("rate", None, lambda r: r.rate, False),
        ("rate", False, lambda r: r.rate, True),
        ("weight", None, lambda r: r.weight, True),
        ("total", None, lambda r: r.total, True),
        ("events", True, lambda r: r.events, False),
        ("study", None, lambda r: r.study.casefold(), False),
        (None, None, lambda r: 0, False),
    ],
)
def test_studies_stand_in_the_wanted_order(sort, ascending, key, reverse):
    fit = fit_of("twelve")
    rows = sorted(fit.studies.itertuples(), key=key, reverse=reverse)
    assert _rows(forest(fit, sort=sort, ascending=ascending), NAMES) == [row.study for row in rows]


def test_absent_values_come_last_and_numbers_are_written_as_they_are():
    fit = with_columns()
    columns = ("year", "dose", "rate", "certainty")
    ax = forest(fit, sort="year", columns=columns)
    assert _rows(ax, ["B", "a", "C"]) == ["C", "B", "a"]
    assert _rows(forest(fit, sort="year", ascending=False), ["B", "a", "C"]) == ["B", "C", "a"]
    shown = texts(ax)
    assert {"Year", "Dose", "Certainty", "2015", "2009", "1.25", "10.50", "–", "high"} <= set(shown)
    assert "Weight" not in shown
    assert [t for t in shown if t.startswith("very low") and t.endswith("…")]


def test_columns_of_every_kind_are_written_for_readers():
    frame = pd.DataFrame(
        {
            "study": ["a", "b", "c"],
            "events": [1, 3, 2],
            "total": [10, 20, 30],
            "closed": pd.to_datetime(["2001-01-31", None, "1999-05-05 10:30"], format="mixed"),
            "pct_pancreatic": pd.array([10, None, 35], dtype="Int64"),
            "derived": [True, False, True],
            "certainty": pd.Categorical(["low", None, "high"], categories=["low", "moderate", "high"], ordered=True),
            "doi": ["10.1/x", "10.1/y", None],
            7: [1, 2, 3],
        }
    )
    fit = mn.pool(frame)
    ax = forest(fit, sort="certainty", columns=("closed", "pct_pancreatic", "derived", "certainty", "doi", "7", "rate"))
    shown = texts(ax)
    assert {"Closed", "Pancreatic, %", "Derived", "Certainty", "DOI", "7"} <= set(shown)
    assert {"2001-01-31", "1999-05-05 10:30:00", "35", "yes", "no", "10.1/y"} <= set(shown)
    assert _rows(ax, ["a", "b", "c"]) == ["a", "c", "b"]
    assert _rows(forest(fit, sort="certainty", ascending=False), ["a", "b", "c"]) == ["c", "a", "b"]
    assert _rows(forest(fit, sort="closed"), ["a", "b", "c"]) == ["c", "a", "b"]


def test_columns_before_the_rate_stand_left_of_the_panel():
    ax = forest(with_columns(), columns=("year", "rate", "certainty"))
    figure = figure_of(ax)
    panel = ax.get_window_extent()
    at = {t.get_text(): t.get_window_extent() for t in ax.texts}
    assert at["Year"].x1 <= panel.x0
    assert at["Certainty"].x0 >= at["Rate, % (95 % CI/CrI)"].x1 > panel.x1
    assert figure.bbox.width > at["Certainty"].x1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sort": "yeer"}, "sort='yeer' is not known"),
        ({"columns": ("wieght",)}, "Did you mean 'weight'"),
        ({"columns": "rate"}, "must be a sequence"),
        ({"columns": ("rate", "rate")}, "twice"),
        ({"per": "cents"}, "Did you mean 'cent'"),
        ({"backend": "plotly"}, "backend='plotly'"),
        ({"xlim": (0, 40)}, "Did you mean (0, 0.4)"),
        ({"xlim": (0.4, 0.1)}, "the lower one first"),
        ({"xlim": 3}, "must be a sequence"),
        ({"ax": "here"}, "ax must be a Matplotlib Axes"),
    ],
)
def test_an_argument_that_cannot_be_used_is_refused_with_its_mend(options, words):
    with pytest.raises(ArgumentError, match=re.escape(words)):
        forest(fit_of("two"), **options)


def test_intervals_that_leave_the_axis_end_in_an_arrow():
    fit = fit_of("twelve")
    ax = forest(fit, xlim=(0.3, 0.6))
    assert ax.get_xlim() == pytest.approx((30.0, 60.0))
    arrows = lines(ax, "_arrow")
    rows = fit.studies
    left, right = (rows.ci_lower < 0.3).sum(), (rows.ci_upper > 0.6).sum()
    # The prediction interval leaves at both ends, the diamond at the right one.
    assert fit.pi_lower < 0.3
    assert fit.pi_upper > 0.6
    assert fit.ci_upper > 0.6
    assert [a.get_marker() for a in arrows].count("<") == left + 1
    assert [a.get_marker() for a in arrows].count(">") == right + 2
    assert diamonds(ax)[0].get_clip_on()
    assert len(squares(ax).get_offsets()) == ((rows.rate >= 0.3) & (rows.rate <= 0.6)).sum()


def test_a_hostile_name_appears_as_its_own_characters():
    ax = forest(fit_of("hostile names"))
    shown = texts(ax)
    assert HOSTILE in shown
    assert "$x^2$ & \\alpha _b_" in shown
    assert "a b c d e" in [t.replace("de", "d e") for t in shown]
    assert not any(t.get_parse_math() for t in ax.texts)


def test_the_callers_settings_neither_change_the_figure_nor_are_changed():
    import matplotlib

    before = dict(matplotlib.rcParams)
    plain = figure_of(forest(fit_of("twelve"))).canvas.buffer_rgba()
    with matplotlib.rc_context(
        {"axes.grid": True, "font.family": ["serif"], "xtick.direction": "in", "axes.facecolor": "red", "font.size": 20}
    ):
        changed = figure_of(forest(fit_of("twelve"))).canvas.buffer_rgba()
    np.testing.assert_array_equal(np.asarray(plain), np.asarray(changed))
    assert dict(matplotlib.rcParams) == before


def test_the_result_draws_itself():
    ax = fit_of("twelve").forest(title="Response", sort="weight")
    assert "Response" in texts(ax)


def test_one_study_is_said_once_though_two_models_are_given():
    fit, second = (mn.pool(events=[3], total=[20], model=model) for model in ("glmm", "inverse_variance"))
    axes = fit.forest(second=second)
    texts = [artist.get_text() for artist in axes.texts]
    assert texts.count("One study: not pooled") == 1


PART = {"events": [0, 5, 7, 0], "total": [25] * 4, "events_control": [0, 3, 2, 1], "total_control": [25] * 4}


@pytest.mark.parametrize(
    ("options", "sums", "data"),
    [
        ({"model": "mantel_haenszel", "measure": "OR"}, ("12/75", "6/75"), "3 of 4 studies, 18 events in 150 patients"),
        ({"model": "mantel_haenszel", "measure": "RR"}, ("12/75", "6/75"), "3 of 4 studies, 18 events in 150 patients"),
        ({"model": "peto"}, ("12/75", "6/75"), "3 of 4 studies, 18 events in 150 patients"),
        ({"model": "CM.EL"}, ("12/75", "6/75"), "3 of 4 studies, 18 events in 150 patients"),
        (
            {"measure": "OR", "model": "inverse_variance", "drop00": True},
            ("12/75", "6/75"),
            "3 of 4 studies, 18 events in 150 patients",
        ),
        ({"model": "mantel_haenszel", "measure": "RD"}, ("12/100", "6/100"), "4 studies, 18 events in 200 patients"),
        ({"model": "UM.RS"}, ("12/100", "6/100"), "4 studies, 18 events in 200 patients"),
    ],
)
def test_the_sums_are_those_of_the_studies_in_the_estimate(options, sums, data):
    fit = mn.pool(**PART, **options)
    assert dict(fit.rows())["Data"] == data
    row = summary_row(fit, plan_of(fit))
    assert tuple(row.cells[name].text for name in ("events/total", "events_control/total_control")) == sums


def plan_of(fit):
    """What the rows of a figure show by default."""
    chosen = {"columns": None, "risk_of_bias": (), "headings": None, "sort": None, "ascending": None, "show_prediction": True}
    return plan_for(fit.studies, scale_of(fit.response), next(iter(FOREST_PRESETS.values())), **chosen)
