"""Counts that their printed figures leave open: the range is that of refits with the counts changed by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import metanet as mn

#: A fits 171 to 174, B exactly 9, C 28 or 29; D has no figures.
DATA = pd.DataFrame(
    {
        "study": list("ABCD"),
        "events": [173, 9, 28, 7],
        "total": [443, 56, 129, 40],
        "printed": ["39% of 443", "16.1% of 56", "22% of 129", ""],
    }
)
MODELS = ("bayes", "glmm", "beta_binomial", "inverse_variance", "common")


def by_hand(data, **options):
    """The fits with all counts at one end, and with each alone."""
    sets = {"A": (171, 174), "C": (28, 29)}
    cases = [{"A": 171, "C": 28}, {"A": 174, "C": 29}, *({name: count} for name, ends in sets.items() for count in ends)]
    made = []
    for case in cases:
        events = [case.get(name, count) for name, count in zip(data["study"], data["events"], strict=True)]
        made.append(mn.pool(data.assign(events=events), **options))
    return [mn.pool(data, **options), *made]


@pytest.mark.parametrize("model", MODELS)
def test_every_refit_is_the_pooling_of_the_counts_changed_by_hand(model):
    fit = mn.pool(DATA, model=model)
    found = mn.count_bounds(fit)
    fits = by_hand(DATA, model=model)
    frame = found.to_frame()
    assert frame["study"].tolist() == ["", "", "", "A", "A", "C", "C"]
    assert frame["counts"].tolist() == ["as pooled", *["lowest", "highest"] * 3]
    for name in ("estimate", "ci_lower", "ci_upper"):
        assert frame[name].tolist() == pytest.approx([getattr(each, name) for each in fits], rel=1e-7)
        assert found.lowest[name] == min(frame[name])
        assert found.highest[name] == max(frame[name])
    assert found.studies == ("A", "C")
    assert found.counts[["lowest", "highest"]].to_numpy().tolist() == [[171, 174], [28, 29]]


def test_the_choices_of_the_fit_are_kept():
    options = {"model": "inverse_variance", "measure": "PFT", "tau2": "DL", "ci": "z", "level": 0.9}
    found = mn.count_bounds(mn.pool(DATA, **options)).to_frame()
    assert found["ci_upper"].tolist() == pytest.approx([each.ci_upper for each in by_hand(DATA, **options)], rel=1e-9)


@given(st.lists(st.tuples(st.integers(30, 300), st.floats(0, 1)), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_more_events_raise_the_rate_and_the_pooled_count_lies_between(drawn):
    total = [n for n, _ in drawn]
    events = [round(n * share) for n, share in drawn]
    printed = [f"{(200 * x + n) // (2 * n)}% of {n}" for x, n in zip(events, total, strict=True)]
    found = mn.count_bounds(mn.pool(pd.DataFrame({"events": events, "total": total, "printed": printed}), model="bayes"))
    frame = found.to_frame().set_index(["study", "counts"])["estimate"]
    assert not found.notes or "Not used" not in " ".join(found.notes)
    for study in {name for name, _ in frame.index if name}:
        assert frame[study, "lowest"] <= frame["", "as pooled"] + 1e-9
        assert frame["", "as pooled"] <= frame[study, "highest"] + 1e-9
    if len(found.studies) > 1:
        # A count that is already at its end makes two cases one, up to rounding.
        assert frame["", "lowest"] == pytest.approx(found.lowest["estimate"], rel=1e-9)
        assert frame["", "highest"] == pytest.approx(found.highest["estimate"], rel=1e-9)


def test_the_sentence_says_what_moves_and_what_does_not():
    text = mn.count_bounds(mn.pool(DATA, model="glmm")).sentence()
    assert text.startswith("What is printed for 2 of 4 rows fit several counts (A: 171, 172, 173 or 174 of 443; C: 28 or 29 of 129).")
    assert "all together and one at a time, the estimate ranges from" in text
    assert "the lower limit of its 95 % CI" in text


def test_where_nothing_moves_the_sentence_prints_the_one_estimate():
    # 28 or 29 of many more patients.
    many = pd.DataFrame({"study": list("abc"), "events": [50_000, 40_000, 171], "total": [100_000, 100_000, 443]})
    fit = mn.pool(many.assign(printed=["", "", "39% of 443"]), model="common")
    found = mn.count_bounds(fit)
    assert found.lowest["estimate"] < found.highest["estimate"]
    shown = fit.scale.estimate(fit.estimate, fit.ci_lower, fit.ci_upper, 0.95)
    assert found.sentence().endswith(f"do not change as printed: {shown}.")
    assert "What is printed for 1 of 3 rows fits several counts (c: 171, 172, 173 or 174 of 443). With this count" in found.sentence()


@pytest.mark.parametrize(
    "data",
    [
        DATA.drop(columns="printed"),
        DATA.assign(printed=""),
        DATA.assign(printed=None),
        DATA.assign(printed=["", "16.1% of 56", "", ""]),
    ],
)
def test_without_open_counts_there_is_one_short_sentence_and_no_refit(data):
    found = mn.count_bounds(mn.pool(data))
    assert found.sentence() == "No pooled count is left open by printed figures."
    assert (found.studies, found.table(), len(found.to_frame())) == ((), ([], []), 1)
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_sequences_have_no_printed_figures():
    assert mn.count_bounds(mn.pool(events=[3, 4], total=[9, 9])).studies == ()


def test_figures_that_cannot_be_read_or_do_not_fit_are_left_out_and_named():
    printed = ["39% of 443", "KM 16.1%", "50% of 129", 0.16]
    found = mn.count_bounds(mn.pool(DATA.assign(printed=printed)))
    assert found.studies == ("A",)
    assert found.notes[-1].endswith("the printed figures of B, C and D.")


def test_a_set_does_not_exceed_the_patients():
    data = DATA.assign(events=[173, 9, 28, 39], printed=["", "", "", "39 + 1% of 40"])
    assert mn.count_bounds(mn.pool(data.assign(printed=["", "", "", "(49%+50%) of 40"]))).studies == ()
    found = mn.count_bounds(mn.pool(data.assign(printed=["", "", "", "38 + 3% of 40"], total=[443, 56, 129, 40])))
    assert found.studies == ()
    wide = mn.count_bounds(mn.pool(data.assign(printed=["", "", "", "20% of 200"], total=[443, 56, 129, 40])))
    assert wide.counts[["lowest", "highest"]].to_numpy().tolist() == [[39, 40]]


def test_one_study_moves_with_its_count():
    one = DATA.head(1)
    found = mn.count_bounds(mn.pool(one))
    assert found.lowest["estimate"] == pytest.approx(171 / 443)
    assert found.highest["estimate"] == pytest.approx(174 / 443)
    assert "the estimate ranges from 38.6 to 39.3 %" in found.sentence()


@pytest.mark.parametrize("model", ["glmm", "bayes"])
def test_counts_without_events_can_gain_some(model):
    data = pd.DataFrame({"study": list("ab"), "events": [0, 0], "total": [273, 40], "printed": ["0% of 273", ""]})
    found = mn.count_bounds(mn.pool(data, model=model))
    assert found.counts[["lowest", "highest"]].to_numpy().tolist() == [[0, 1]]
    assert found.lowest["estimate"] == pytest.approx(mn.pool(data, model=model).estimate, rel=1e-7)
    assert found.highest["estimate"] == pytest.approx(mn.pool(data.assign(events=[1, 0]), model=model).estimate, rel=1e-7)
    assert json.dumps(found.to_dict(), allow_nan=False)


def test_person_time_has_counts_without_a_total():
    data = pd.DataFrame({"study": list("ab"), "events": [173, 20], "person_time": [900.0, 100.0], "printed": ["39% of 443", ""]})
    found = mn.count_bounds(mn.pool(data))
    assert np.isnan(found.counts["total"][0])
    assert "(a: 171, 172, 173 or 174)" in found.sentence()
    assert found.highest["estimate"] == pytest.approx(mn.pool(data.assign(events=[174, 20])).estimate, rel=1e-7)


def test_two_groups_and_effects_have_a_reason():
    two = mn.pool(events=[1, 2], total=[9, 9], events_control=[2, 3], total_control=[9, 9])
    for fit, words in ((two, "two groups are compared"), (mn.pool(yi=[0.1, 0.2], vi=[0.1, 0.2]), "Effects are pooled as given")):
        found = mn.count_bounds(fit)
        assert words in found.reason == found.sentence()
        assert found.studies == ()
        assert json.dumps(found.to_dict(), allow_nan=False)


def test_a_frame_of_rates_is_matched_by_the_names_of_the_studies():
    fit = mn.pool(DATA.drop(columns="printed"))
    turned = mn.count_bounds(fit, DATA.iloc[::-1])
    assert turned.to_frame().equals(mn.count_bounds(mn.pool(DATA)).to_frame())
    for rates, words in (
        (DATA.assign(study=list("ABCX")), "rates has the study 'X', which fit does not have"),
        (DATA.head(3), "rates has 3 rows, but fit pooled 4"),
        (DATA.drop(columns="printed"), "rates has no column 'printed'"),
        (DATA.assign(events=[172, 9, 28, 7]), "rates has events 172 for 'A', but fit pooled 173"),
    ):
        with pytest.raises(mn.ArgumentError, match=words):
            mn.count_bounds(fit, rates)


def test_equal_names_are_matched_in_their_order():
    data = DATA.assign(study="S")
    assert mn.count_bounds(mn.pool(data), data).studies == ("S", "S (3)")


def test_report_text_has_one_sentence_where_a_count_is_open_and_none_elsewhere():
    fit = mn.pool(DATA)
    bounds = mn.count_bounds(fit)
    plain, text = mn.report_text(fit), mn.report_text(fit, bounds)
    assert text.items["20d"] == bounds.sentence()
    assert text.methods == plain.methods
    sure = mn.pool(DATA.assign(printed=""))
    assert mn.report_text(sure, mn.count_bounds(sure)).items == mn.report_text(sure).items


def test_the_numbers_of_a_report_hold_the_range(tmp_path):
    fit = mn.pool(DATA)
    bounds = mn.count_bounds(fit)
    mn.save_results(tmp_path, fit, bounds=bounds)
    saved = json.loads((tmp_path / "numbers.json").read_text("utf-8"))["count_bounds"]
    assert saved["highest"] == bounds.highest
    assert [row["study"] for row in saved["counts"]] == ["A", "C"]


def test_the_range_of_a_published_percentage_of_443_patients():
    rates = mn.load_evidence().rates("objective_response", modality="PRRT")
    own = rates["study"].eq("Brabander 2017")
    rates["printed"] = rates["printed"].mask(own, "39% of 443").where(own, "")
    found = mn.count_bounds(mn.pool(rates, model="glmm"))
    assert found.studies == ("Brabander 2017",)
    ends = [mn.pool(rates.assign(events=rates["events"].mask(own, count)), model="glmm").estimate for count in (171, 174)]
    assert [found.lowest["estimate"], found.highest["estimate"]] == pytest.approx(ends, rel=1e-9)
    # Three patients of 443 are 0.7 points of the study, and 0.03 of the pooled rate.
    assert 100 * (ends[1] - ends[0]) == pytest.approx(0.034, abs=0.005)
