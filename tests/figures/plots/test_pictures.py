"""Icon array, timeline, published rates, one outcome by modality, paired forests, keys: what they show is what is there."""

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.figures.page.save import description_of
from metanet.figures.plots.icon_array import limits, patients, shades_of
from tests.figures.cases import corners, diamonds, fit_of, lines, texts
from tests.figures.chart_cases import cloud, influence_of, plane, plane_of, shown_texts, words_of
from tests.figures.test_chart_layout import check
from tests.figures.two_groups import pooled

EVIDENCE = mn.load_evidence()


def described(ax):
    return description_of(ax.get_figure(root=True))


# Icon array


def icons(ax, of=100) -> dict[str, int]:
    """Icons of each shade, without those of the key."""
    found = {c.get_label().removeprefix("_"): [len(d.get_offsets()) for d in ax.collections if d.get_label() == c.get_label()]
             for c in ax.collections}  # fmt: skip
    return {shade: sum(counts) - 1 for shade, counts in found.items()}


def test_icons_are_the_rate_and_its_interval():
    fit = fit_of("twelve")
    drawn = icons(mn.icon_array(fit))
    assert sum(drawn.values()) == 100
    low, value, high = (round(100 * v) for v in (fit.ci_lower, fit.estimate, fit.ci_upper))
    assert (drawn["sure"], drawn["sure"] + drawn["rate"], 100 - drawn["rest"]) == (low, value, high)
    shown = texts(mn.icon_array(fit))
    assert f"{value} of 100 patients" in shown
    assert f"95 % interval: {low} to {high} of 100" in shown


@pytest.mark.parametrize(
    ("rate", "of", "words"),
    [
        (0.0, 100, "0"),
        (0.004, 100, "fewer than 1"),
        (0.005, 100, "1"),
        (0.004, 1000, "4"),
        (0.0004, 1000, "fewer than 1"),
        (0.38, 100, "38"),
        (0.125, 100, "13"),
        (0.996, 100, "more than 99"),
        (1.0, 100, "100"),
        (0.99951, 1000, "more than 999"),
    ],
)
def test_no_rate_is_rounded_to_none_or_to_all_silently(rate, of, words):
    assert patients(rate, of) == words


def test_an_interval_within_one_patient_is_said_once():
    assert limits(0.001, 0.002, 100) == "fewer than 1"
    assert limits(0.29, 0.48, 100) == "29 to 48"


@pytest.mark.parametrize("value", [0.0, 0.001, 0.004, 0.3, 0.5, 0.996, 1.0])
@pytest.mark.parametrize("spread", [0.0, 0.003, 0.2, 1.0])
def test_shades_add_up_and_a_rate_above_none_has_an_icon(value, spread):
    found = shades_of(value, max(0.0, value - spread), min(1.0, value + spread), 100)
    assert len(found) == 100
    assert found == sorted(found, key=["sure", "rate", "upper", "rest"].index)
    assert (found.count("sure") + found.count("rate") > 0) == (value > 0)
    if value < 1:
        assert found.count("upper") + found.count("rest") > 0


def test_icons_of_the_average_of_a_thousand_and_of_other_results():
    fit = fit_of("near zero")
    assert sum(icons(mn.icon_array(fit, of=1000)).values()) == 1000
    averaged = round(100 * fit.marginal_estimate)
    assert f"{averaged} of 100 patients" in texts(mn.icon_array(fit, average=True))
    assert "of one study (3 of 20), not pooled" in words_of(mn.icon_array(fit_of("one")))
    assert "Icon array" in words_of(mn.icon_array(fit_of("not estimable")))
    with pytest.raises(ArgumentError, match="one group"):
        mn.icon_array(pooled("six"))
    with pytest.raises(ArgumentError, match="100 or 1000"):
        mn.icon_array(fit, of=50)


# Timeline


def test_a_disc_for_each_arm_at_its_year_in_the_row_of_its_modality():
    rates = EVIDENCE.rates("objective_response")
    ax = mn.timeline(rates, colour="rate")
    (dots,) = [c for c in ax.collections if c.get_label() == "_studies"]
    offsets, areas = np.asarray(dots.get_offsets()), dots.get_sizes()
    np.testing.assert_array_equal(np.sort(offsets[:, 0]), np.sort(rates["year"].astype(float)))
    # No disc lies on another.
    points = ax.transData.transform(offsets) * 72 / ax.get_figure(root=True).dpi
    away = np.hypot(*(points[:, None] - points).T)
    radius = np.sqrt(areas) / 2
    np.fill_diagonal(away, np.inf)
    assert (away >= radius[:, None] + radius - 0.3).all()
    names = sorted((t for t in ax.texts if t.get_text() in ("PRRT", "TARE", "TACE", "TAE", "Ablation", "Combination")),
                   key=lambda t: -t.get_position()[1])  # fmt: skip
    assert [t.get_text() for t in names] == ["Ablation", "Combination", "PRRT", "TACE", "TAE", "TARE"]
    largest = rates.loc[rates["n"].idxmax()]
    assert offsets[areas.argmax(), 0] == largest["year"]
    assert f"{int(rates['n'].max()):,}" in texts(ax)


def test_studies_without_a_year_are_counted_and_a_table_without_years_is_refused():
    frame = pd.DataFrame({"study": list("abc"), "events": [1, 2, 3], "total": [9, 9, 9], "year": [2001, None, 2010]})
    assert "Not drawn, because the year is not known: 1 study arm." in words_of(mn.timeline(frame))
    assert "No study has a year" in words_of(mn.timeline(frame.assign(year=np.nan)))
    assert "no column of years" in words_of(mn.timeline(frame.drop(columns="year")))
    with pytest.raises(ArgumentError, match="'country'"):
        mn.timeline(frame, by="country")
    with pytest.raises(ArgumentError, match="events and total"):
        mn.timeline(frame[["study", "year"]], colour="rate")
    with pytest.raises(ArgumentError, match="colour"):
        mn.timeline(frame, colour="blue")


def test_all_arms_of_the_evidence_stand_on_the_timeline():
    ax = mn.timeline(EVIDENCE)
    assert len(cloud(ax, "_studies")) == EVIDENCE.arms["modality_class"].isin(EVIDENCE.modality_classes).sum()
    check(ax, 150)


# Published rates


def test_published_rates_stand_beside_ours():
    ax = mn.published_rates(EVIDENCE, "objective_response", "TARE")
    rows = EVIDENCE.published.query("outcome == 'objective_response' and modality_class == 'TARE'")
    (dots,) = [c for c in ax.collections if c.get_label() == "_dots"]
    np.testing.assert_allclose(np.asarray(dots.get_offsets())[:, 0], 100 * rows["estimate"])
    intervals = [line.get_xdata() for line in lines(ax, "_interval")]
    np.testing.assert_allclose(intervals, 100 * rows[["ci_lower", "ci_upper"]])
    fit = mn.pool(EVIDENCE.rates("objective_response", modality="TARE"))
    assert corners(diamonds(ax)[0])["middle"] == pytest.approx(100 * fit.estimate)
    assert corners(diamonds(ax, "_hollow diamond")[0])["middle"] == pytest.approx(100 * fit.marginal_estimate)
    words = words_of(ax)
    assert all(citation.split()[0] in words for citation in rows["citation"])
    assert "they rest on other studies and other methods" in words


def test_all_modalities_with_published_rates_are_blocks_and_none_is_said():
    found = EVIDENCE.published.query("outcome == 'objective_response'")["modality_class"].unique()
    assert set(found) <= set(texts(mn.published_rates(EVIDENCE, "objective_response")))
    fit = mn.pool(EVIDENCE.rates("objective_response", modality="TARE"))
    given = mn.published_rates(EVIDENCE, "objective_response", "TARE", fits={"TARE": fit})
    assert described(given) == described(mn.published_rates(EVIDENCE, "objective_response", "TARE"))
    assert "no published pooled rate" in words_of(mn.published_rates(EVIDENCE, "carcinoid_crisis"))
    with pytest.raises(ArgumentError, match="must be a result"):
        mn.published_rates(EVIDENCE, "objective_response", "TARE", fits={"TARE": 3})


# One outcome by modality


def test_each_modality_is_a_block_with_the_rate_of_its_own_report():
    ax = mn.outcome_forest(EVIDENCE, "objective_response")
    rates = EVIDENCE.rates("objective_response", within="modality_class")
    fits = {name: mn.pool(EVIDENCE.rates("objective_response", modality=name)) for name in sorted(rates["modality_class"].unique())}
    own = sorted(fit.estimate for fit in fits.values() if fit.status == "pooled")
    assert sorted(corners(d)["middle"] / 100 for d in diamonds(ax)) == pytest.approx(own)
    shown = texts(ax)
    assert all(any(text.startswith(f"{name} (") for text in shown) for name in fits)
    assert not [text for text in shown if text.startswith("All studies")]
    assert "Objective response" in shown


def test_an_overall_diamond_is_drawn_when_asked_for():
    ax = mn.outcome_forest(EVIDENCE, "hepatotoxicity", overall=True)
    fit = mn.pool(EVIDENCE.rates("hepatotoxicity"))
    assert corners(diamonds(ax)[-1])["middle"] == pytest.approx(100 * fit.estimate)
    assert [text for text in texts(ax) if text.startswith("All studies")]
    with pytest.raises(ArgumentError, match="leave groups out"):
        mn.outcome_forest(EVIDENCE, "hepatotoxicity", overall=True, groups=["TARE"])


def test_sixty_studies_of_six_modalities_fit():
    rng = np.random.default_rng(3)
    total = rng.integers(9, 90, 60)
    frame = pd.DataFrame({"study": [f"Author {i}" for i in range(60)], "events": rng.binomial(total, 0.4), "total": total,
                          "modality": [f"Modality {i % 6}" for i in range(60)]})  # fmt: skip
    ax = mn.outcome_forest(frame, fold=False)
    shown = texts(ax)
    assert all(name in shown for name in frame["study"])
    assert len(diamonds(ax)) == 6
    check(ax, 130)


def test_one_modality_is_an_ordinary_forest_and_the_order_can_be_chosen():
    single = mn.outcome_forest(EVIDENCE, "objective_response", groups=["TARE"])
    assert len(diamonds(single)) == 1
    ax = mn.outcome_forest(EVIDENCE, "objective_response", groups=["TARE", "PRRT"])
    place = {t.get_text().split(" (")[0]: t.get_position()[1] for t in ax.texts}
    assert place["TARE"] < place["PRRT"]
    with pytest.raises(ArgumentError, match="outcome is missing"):
        mn.outcome_forest(EVIDENCE)


# Benefit and risk as forests


def test_paired_forests_have_a_row_for_each_group_the_most_benefit_first():
    frame = plane_of("four").copy()
    ax = plane("four", view="forests")
    panels = [one for one in ax.get_figure(root=True).axes if one.lines]
    order = frame.sort_values("benefit", ascending=False)
    for panel, word in zip(panels, ("benefit", "risk"), strict=True):
        marks = sorted(lines(panel, "_group"), key=lambda line: line.get_ydata()[0])
        np.testing.assert_allclose([m.get_xdata()[0] for m in marks], 100 * order[word])
        bars = sorted(lines(panel, f"_{word}"), key=lambda line: line.get_ydata()[0])
        np.testing.assert_allclose([b.get_xdata() for b in bars], 100 * order[[f"{word}_lower", f"{word}_upper"]])
    assert "more is better" in words_of(ax)
    assert "less is better" in words_of(ax)
    with pytest.raises(ArgumentError, match="view"):
        plane("four", view="rows")


def test_labels_of_the_plane_stand_beside_their_points_where_there_is_room():
    ax = mn.benefit_risk(EVIDENCE).plot()
    assert not lines(ax, "_key")
    assert {"TAE", "TACE", "PRRT", "TARE", "combination"} <= set(texts(ax))
    check(ax, 150)


# Keys, axes and columns


def test_the_bubbles_have_a_key_of_their_weights():
    result = mn.meta_regression(EVIDENCE.rates("objective_response", modality="TARE"), "~ year")
    ax = result.bubble()
    weight = result.bubble_data().query("part == 'study'")["weight"].to_numpy()
    (dots,) = [c for c in ax.collections if c.get_label() == "_bubbles"]
    largest = 100 * weight.max() / weight.sum()
    assert f"{largest:.1f} %" in texts(ax)
    keys = lines(ax, "_key")
    assert max(line.get_markersize() for line in keys) == pytest.approx(np.sqrt(dots.get_sizes().max()))


def test_the_shades_of_a_contour_funnel_have_a_key():
    ax = fit_of("effects").funnel()
    assert {"p of the study ≥ 0.1", "0.05 to 0.1", "0.01 to 0.05", "< 0.01"} <= set(texts(ax))
    assert len([p for p in ax.patches if p.get_label() == "_key"]) == 4
    assert not [p for p in fit_of("forty").funnel().patches if p.get_label() == "_key"]
    with mn.column_width("single"):
        check(fit_of("effects").funnel(), 200)


def test_studies_at_one_place_of_a_labbe_plot_have_one_name():
    ax = pooled("no events").labbe()
    (name,) = [t.get_text() for t in ax.texts if t.get_label() == "_name"]
    assert name.endswith("and 5 more")


def test_the_axis_of_a_leave_one_out_analysis_fits_its_spread():
    fit = fit_of("sixty")
    result = mn.leave_one_out(fit)
    frame = result.to_frame()
    low, high = result.plot().get_xlim()
    assert low <= 100 * frame["ci_lower"].min()
    assert high >= 100 * frame["ci_upper"].max()
    assert high - low < 2 * 100 * (frame["ci_upper"].max() - frame["ci_lower"].min())
    assert result.plot(xlim=(0, 1)).get_xlim() == (0, 100)


def test_a_radial_plot_without_events_is_refused_in_words():
    for name, words in (("no events", "No patient had the event"), ("only events", "Every patient had the event")):
        ax = fit_of(name).radial()
        assert words in words_of(ax)
        assert not ax.collections


@pytest.mark.parametrize(("width", "blocks"), [(None, 1), ("double", 1), ("single", 2)])
def test_influence_is_legible_in_the_columns_of_a_journal(width, blocks):
    if width is None:
        panels = influence_of("twelve").plot()
    else:
        with mn.column_width(width):
            panels = influence_of("twelve").plot()
    assert len({round(panel.get_position().y0, 3) for panel in panels}) == blocks
    check(panels[0], 300)
    assert min(text.get_fontsize() for text in shown_texts(panels[0].get_figure(root=True))) >= 5.99


def test_gosh_colours_the_study_that_parts_the_results_and_judges_nothing_below_ten():
    events, total = [3, 4, 5, 6, 4, 5, 3, 6, 5, 4, 19, 5], [20] * 12
    ax = mn.gosh(mn.pool(events=events, total=total, study=[f"S{i}" for i in range(12)])).plot()
    assert {"with S10", "without it"} <= set(texts(ax.get_figure(root=True).axes[1]))
    assert "with and without S10" in described(ax).alt
    few = mn.gosh(mn.pool(events=events[5:], total=total[5:])).plot()
    assert "it is not judged whether the results form groups" in words_of(few)
    assert "without it" not in words_of(few)


@pytest.mark.parametrize(
    ("outcome", "modality"),
    [("objective_response", "TARE"), ("hepatotoxicity", "TARE"), ("mortality", "TAE"), ("disease_control", "PRRT")],
)
def test_chosen_thresholds_lie_between_the_true_rates(outcome, modality):
    report = mn.heterogeneity_report(
        mn.pool(EVIDENCE.rates(outcome, modality=modality)), thresholds="auto", subsets=False, moderators=()
    )
    assert 2 <= len(report.shares) <= 3
    assert all(0.1 < share.above < 0.9 for share in report.shares)


def test_without_spread_no_threshold_is_chosen_and_other_words_are_refused():
    fit = fit_of("twelve")
    flat = mn.pool(events=[5, 5, 5], total=[10, 10, 10], model="glmm")
    assert mn.heterogeneity_report(flat, thresholds="auto", subsets=False, moderators=()).shares == ()
    assert "Settings above" in words_of(fit.spread(thresholds="auto"))
    with pytest.raises(ArgumentError, match="thresholds"):
        fit.spread(thresholds="some")
