"""`network`: what it takes, what it says, and what it refuses."""

import json

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.kernels.network.two_step import Fit
from metanet.models.network.part import arms_of
from tests.work import holding_at_most


def arms(studies, treatments, events, total=40, **more):
    return {"study": list(studies), "treatment": list(treatments), "events": events, "total": total, **more} | (
        {"total": [total] * len(events)} if isinstance(total, int) else {}
    )


TRIANGLE = arms("AABBCC", "xyxzyz", [10, 20, 12, 15, 9, 8])
BIG = arms("AABBCCDDD", "xyxzyzxyz", [30, 52, 35, 41, 48, 42, 26, 40, 33], 120)
#: Hostile but fittable shapes.
SHAPES = {
    "one study": arms("AA", "xy", [10, 20]),
    "one study of four arms": arms("AAAA", "wxyz", [10, 20, 12, 15]),
    "a tree": arms("AABB", "xyyz", [10, 20, 12, 15]),
    "several arms only": arms("AAABBB", "xyzxyz", [10, 20, 12, 15, 9, 8]),
    "two components": arms("AABBCC", "xyxyvw", [10, 20, 12, 15, 9, 8]),
    "no events": arms("AABB", "xyxy", [0, 0, 0, 0]),
    "events only": arms("AABB", "xyxy", [40, 40, 40, 40]),
    "none against all": arms("AABB", "xyxy", [0, 40, 0, 40]),
    "a treatment without events": arms("AABBCC", "xyxzyz", [10, 20, 12, 0, 9, 0]),
    "a study without events": arms("AABBCC", "xyxzyz", [10, 20, 0, 0, 9, 8]),
    "one-arm study": arms("AABBC", "xyxyz", [10, 20, 12, 15, 3]),
    "one treatment": arms("AB", "xx", [10, 20]),
    "repeated arms": arms("AAABB", "xxyxy", [10, 20, 12, 15, 9]),
    "hard names": arms(["<b>A", "<b>A", "$x^2$", "$x^2$"], ["<script>1</script>", "y\n", "<script>1</script>", "y"], [10, 20, 12, 15]),
    "huge": arms("AABB", "xyxy", [1_000_000, 2_000_000, 5, 15], [9_000_000, 9_000_000, 40, 40]),
    "one patient an arm": arms("AABBCC", "xyxzyz", [1, 0, 0, 1, 1, 0], 1),
}
MODELS = ("exact", "inverse_variance", "common", "exact_common")


@pytest.mark.parametrize("model", [None, *MODELS])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_has_every_view_in_every_model(shape, model):
    fit = mn.network(**SHAPES[shape], model=model)
    assert fit.summary()
    assert "<script" not in fit._repr_html_()
    assert repr(fit)
    json.dumps(fit.to_dict(), allow_nan=False)
    for view in (fit.split, fit.designs, fit.leave_one_out, fit.influence, fit.comparisons, fit.rankogram, fit.league_table):
        assert isinstance(view(), pd.DataFrame)
    frame = fit.contrasts
    known = frame["mu"].notna()
    assert (frame.loc[known, "se"] > 0).all()
    assert (frame.loc[known, "ci_lower"] < frame.loc[known, "estimate"]).all()
    assert (frame.loc[~known, "note"] != "").all()
    assert set(fit.treatments) == {name for names in fit.components for name in names}


def test_one_treatment_is_no_network():
    fit = mn.network(**SHAPES["one treatment"])
    assert fit.reason.startswith("No study compares two treatments")
    assert fit.components == ()
    assert fit.contrasts.empty
    assert fit.tau2 is None


def test_contrasts_hold_the_columns_and_the_reference_is_second():
    fit = mn.network(**TRIANGLE, reference="z")
    frame = fit.contrasts
    names = ("first", "second", "estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper", "mu", "se")
    assert set(names) <= set(frame.columns)
    assert list(zip(frame["first"], frame["second"], strict=True)) == [("x", "y"), ("x", "z"), ("y", "z")]
    np.testing.assert_allclose(np.log(frame["estimate"]), frame["mu"])
    a, b, c = frame["mu"]
    np.testing.assert_allclose(a, b - c)


def test_the_two_studies_of_one_pair_are_a_meta_analysis():
    fit = mn.network(**arms("AABBCC", "xyxyxy", [30, 52, 35, 41, 48, 42], 120), model="inverse_variance", tau2="DL", reference="y")
    events, total = np.array([[30, 52], [35, 41], [48, 42]]), [120] * 3
    pooled = mn.pool(
        events=events[:, 0], total=total, events_control=events[:, 1], total_control=total, measure="OR", model="inverse_variance",
        tau2="DL", ci="z", prediction="V",
    )  # fmt: skip
    row = fit.contrasts.iloc[0]
    np.testing.assert_allclose(
        row[["estimate", "ci_lower", "ci_upper"]].astype(float), [pooled.estimate, pooled.ci_lower, pooled.ci_upper]
    )
    np.testing.assert_allclose(row[["pi_lower", "pi_upper"]].astype(float), [pooled.pi_lower, pooled.pi_upper])


def test_small_counts_take_the_exact_model_and_large_ones_two_steps():
    assert mn.network(**BIG).model == "inverse_variance"
    few = mn.network(**{**BIG, "events": [4, *BIG["events"][1:]]})
    assert few.model == "exact"
    assert "fewer than 5 events or non-events in 1 study" in few.notes[0]
    full = mn.network(**{**BIG, "events": [117, *BIG["events"][1:]]})
    assert full.model == "exact"
    assert mn.network(**BIG, tau2="DL").method["tau2"] == "DL"
    assert mn.network(**BIG).method["tau2"] == "REML"
    assert mn.network(**{**BIG, "events": [0, *BIG["events"][1:]]}, measure="RR").model == "inverse_variance"


def test_a_frame_of_evidence_is_taken_by_its_columns():
    rates = mn.load_evidence().rates("disease_control")
    fit = mn.network(rates, study="study_id", treatment="modality_class")
    again = mn.network(rates)
    assert fit.components == again.components
    assert all(len(names) > 1 for names in fit.components)


def test_disconnected_treatments_are_fitted_by_component_and_named():
    fit = mn.network(**SHAPES["two components"], tau2="REML")
    assert fit.components == (("x", "y"), ("v", "w"))
    assert not fit.connected
    assert (fit.tau2, fit.q, fit.i2) == (None, None, None)
    assert any("1: x and y; 2: v and w" in note for note in fit.notes)
    assert list(fit.contrasts["component"]) == [1, 2]
    alone = mn.network(**arms("CC", "vw", [9, 8]), tau2="REML", reference="v")
    np.testing.assert_allclose(
        fit.contrasts["mu"].iloc[1], alone.contrasts["mu"].iloc[0] * (1 if fit.contrasts["second"].iloc[1] == "v" else -1)
    )


def test_a_treatment_without_events_has_a_test_and_no_number():
    fit = mn.network(**SHAPES["a treatment without events"], reference="x", better="lower")
    rows = {each.first: each for each in fit.against()}
    assert rows["z"].estimate is None
    assert "goes to zero" in rows["z"].note
    assert rows["y"].estimate is not None
    test = fit.tests["z"]
    assert test.pvalue < 0.001
    assert any(note.startswith("z (0 of 80) has no finite odds ratio against x") for note in fit.notes)
    ranking = fit.ranking
    assert np.isnan(ranking["p_score"].iloc[-1])
    assert ranking["treatment"].iloc[-1] == "z"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"events": [10, 50, 12, 15, 9, 8]}, r"events\[1\]=50 \(study 'A'\) is more than total"),
        ({"events": [10, np.nan, 12, 15, 9, 8]}, r"events\[1\]=nan is missing"),
        ({"events": [10, 2.5, 12, 15, 9, 8]}, "whole number"),
        ({"events": [10, -2, 12, 15, 9, 8]}, "negative"),
        ({"study": ["A", None, "B", "B", "C", "C"]}, r"study\[1\] is missing"),
        ({"treatment": ["x", "Y", "x", "z", "y", "z"]}, "'Y' and 'y' differ only in capitals or blanks"),
        ({"treatment": ["x", "a  b", "x", "z", "a b", "z"]}, "differ only in capitals or blanks"),
        ({"study": ["A", "a", "B", "B", "C", "C"]}, "study: 'A' and 'a' differ only"),
        ({"reference": "q"}, "reference='q' is not a treatment of the data"),
        ({"reference": "xx"}, "Did you mean 'x'"),
        ({"model": "exact", "measure": "RR"}, "model='exact' goes with measure='OR'"),
        ({"model": "exact", "tau2": "DL"}, "tau2='DL' does not go with model='exact'"),
        ({"model": "common", "tau2": "DL"}, "has no heterogeneity variance"),
        ({"level": 95}, "level=95"),
        ({"measure": "HR"}, "measure='HR' is not known"),
        ({"better": "big"}, "better='big' is not known"),
        ({"control": ["x"] * 6}, "control=.* goes with measure='GEN'"),
        ({"yi": [1.0] * 6}, "events does not go with measure='GEN'"),
        ({"total": [40] * 5}, "differ in length"),
        ({"allocation": ["rct", "cohort", "rct", "rct", "rct", "rct"]}, "allocation: the rows of study 'A' differ"),
    ],
)
def test_what_cannot_be_is_refused_in_words(change, words):
    with pytest.raises(mn.ArgumentError, match=words):
        mn.network(**{**TRIANGLE, **change})


GIVEN = {
    "study": list("AAABC"), "treatment": list("xxyxy"), "control": list("yzzyz"), "yi": [0.1, 0.3, 0.2, 0.15, 0.1],
    "vi": [0.1, 0.12, 0.12, 0.2, 0.3],
}  # fmt: skip


def test_contrasts_of_arms_are_the_arms():
    fit = mn.network(**BIG, model="inverse_variance", tau2="DL")
    found, _ = arms_of(fit.parts[0].cells, "OR")
    rows = []
    for s, name in enumerate(fit.parts[0].studies):
        there = np.flatnonzero(found.present[s])
        for a, b in ((a, b) for a in there for b in there if a < b):
            names = (fit.treatments[found.node[s, a]], fit.treatments[found.node[s, b]])
            rows.append((name, *names, found.effect[s, a] - found.effect[s, b], found.variance[s, a] + found.variance[s, b]))
    frame = pd.DataFrame(rows, columns=["study", "treatment", "control", "yi", "vi"])
    given = mn.network(frame, study="study", treatment="treatment", control="control", yi="yi", vi="vi", measure="GEN", tau2="DL")
    np.testing.assert_allclose(given.contrasts["mu"], fit.contrasts["mu"], rtol=1e-10)
    np.testing.assert_allclose(given.contrasts["se"], fit.contrasts["se"], rtol=1e-10)
    np.testing.assert_allclose([given.tau2, given.q], [fit.tau2, fit.q], rtol=1e-9)
    assert given.patients is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vi": [0.1, 0.12, 0.9, 0.2, 0.3]}, "study='A': its variances imply a negative variance"),
        ({"yi": [0.1, 0.3, 0.9, 0.15, 0.1]}, "study='A': its effects do not add up"),
        ({"study": list("AABBC")}, "study='A': it has 2 of the 3 contrasts"),
        ({"control": list("xzzyz")}, r"treatment\[0\] and control\[0\] are both 'x'"),
        ({"vi": [0.1, 0.12, 0.12, 0.0, 0.3]}, r"vi\[3\]=0 must be above zero"),
        ({"model": "exact"}, "model='exact' goes with measure='OR'"),
    ],
)
def test_contrasts_that_cannot_come_from_arms_are_refused_with_their_study(change, words):
    with pytest.raises(mn.ArgumentError, match=words):
        mn.network(**{**GIVEN, **change})


def test_differences_and_ratios_of_risks_are_on_their_scales():
    difference, ratio, odds = (mn.network(**BIG, measure=measure, tau2="DL", reference="x") for measure in ("RD", "RR", "OR"))
    rows = [fit.contrasts.set_index(["first", "second"]).loc[("y", "x")] for fit in (difference, ratio, odds)]
    assert 0 < rows[0]["estimate"] < 0.3
    assert 1 < rows[1]["estimate"] < rows[2]["estimate"]
    pair = arms("AA", "xy", [30, 52], 120)
    one = mn.network(**pair, measure="RD", reference="x").contrasts.iloc[0]
    np.testing.assert_allclose(one["estimate"], 22 / 120)
    np.testing.assert_allclose(one["se"], np.sqrt(0.25 * 0.75 / 120 + 52 / 120 * 68 / 120 / 120))
    one = mn.network(**pair, measure="RR", reference="x").contrasts.iloc[0]
    np.testing.assert_allclose(one["estimate"], 52 / 30)
    np.testing.assert_allclose(one["se"], np.sqrt(1 / 30 + 1 / 52 - 2 / 120))


def test_arms_of_one_treatment_in_a_study_are_summed():
    fit = mn.network(**SHAPES["repeated arms"], tau2="DL")
    same = mn.network(**arms("AABB", "xyxy", [30, 12, 15, 9], [80, 40, 40, 40]), tau2="DL")
    np.testing.assert_allclose(fit.contrasts["mu"], same.contrasts["mu"])
    assert any("were summed: A" in note for note in fit.notes)


def test_prediction_intervals_need_two_degrees_of_freedom():
    assert np.isnan(mn.network(**TRIANGLE, tau2="DL").contrasts["pi_lower"]).all()
    assert mn.network(**BIG, tau2="DL").contrasts["pi_lower"].notna().all()
    assert np.isnan(mn.network(**BIG, model="common").contrasts["pi_lower"]).all()


def test_intervals_nest_in_the_level():
    wide, narrow = (mn.network(**BIG, level=level).contrasts for level in (0.99, 0.8))
    assert (wide["ci_lower"] < narrow["ci_lower"]).all()
    assert (wide["pi_upper"] > narrow["pi_upper"]).all()


@pytest.mark.parametrize("model", ["exact", "inverse_variance"])
def test_the_network_without_a_study_is_that_of_the_others(model):
    fit = mn.network(**BIG, model=model, reference="x")
    frame = fit.leave_one_out()
    keep = [i for i, name in enumerate(BIG["study"]) if name != "B"]
    other = mn.network(**{name: [values[i] for i in keep] for name, values in BIG.items()}, model=model, reference="x")
    expected = {each.first: each.mu for each in other.against()}
    found = frame[frame["study"] == "B"].set_index("first")["mu"]
    for name, mu in expected.items():
        np.testing.assert_allclose(found[name], mu, rtol=1e-7)
    influence = fit.influence().set_index("study")
    base = {each.first: each for each in fit.against()}
    changes = {name: (mu - base[name].mu) / base[name].se for name, mu in expected.items()}
    np.testing.assert_allclose(abs(influence.loc["B", "change"]), max(map(abs, changes.values())), rtol=1e-6)


def test_a_study_that_holds_a_network_together_is_named():
    fit = mn.network(**SHAPES["a tree"], reference="x")
    influence = fit.influence().set_index("study")
    assert influence.loc["B", "lost"] == "z"
    assert np.isnan(fit.leave_one_out().query("study == 'B' and first == 'z'")["mu"]).all()


def test_the_league_table_has_network_below_and_direct_above_the_diagonal():
    fit = mn.network(**SHAPES["a tree"], tau2="DL")
    table = fit.league_table()
    names = list(table.index)
    assert names == list(table.columns) == fit.ranking["treatment"].tolist()
    assert [table.loc[name, name] for name in names] == names
    i, j = sorted((names.index("x"), names.index("z")))
    assert table.iloc[i, j] == "–"
    row = fit.contrasts.set_index(["first", "second"])
    key = (names[j], names[i])
    value = row.loc[key, "estimate"] if key in row.index else 1 / row.loc[key[::-1], "estimate"]
    assert table.iloc[j, i].startswith(f"{value:.2f} (")


def test_the_comparisons_of_a_study_are_about_the_mean_of_their_pair():
    frame = mn.network(**BIG, reference="x").comparisons()
    assert len(frame) == 6
    for _, pair in frame.groupby(["first", "second"]):
        np.testing.assert_allclose((pair["adjusted"] / pair["sei"] ** 2).sum(), 0, atol=1e-12)
    assert (frame["first"] != "x").all()


def test_allocation_is_read_from_words_and_truth_values():
    words = mn.network(**TRIANGLE, allocation=["RCT", "RCT", "cohort", "cohort", None, None])
    assert words._cells.allocation == (True, False, None)
    assert any("at random in 1 of 3 studies, not stated in 1" in note for note in words.notes)
    truth = mn.network(**TRIANGLE, allocation=[True] * 6)
    assert any("at random in all studies" in note for note in truth.notes)


def test_a_rankogram_says_how_it_was_drawn():
    frame = mn.network(**BIG).rankogram()
    assert frame.attrs["draws"] == 100_000
    assert 0 < frame.attrs["standard_error"] < 0.0017
    np.testing.assert_allclose(frame.groupby("treatment")["probability"].sum(), 1.0)
    np.testing.assert_allclose(frame.groupby("rank")["probability"].sum(), 1.0)


def test_better_turns_the_ranking():
    up, down = (mn.network(**BIG, better=word).ranking for word in ("higher", "lower"))
    assert up["treatment"].tolist() == down["treatment"].tolist()[::-1]


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(3)
    order = rng.permutation(len(BIG["study"]))
    turned = mn.network(**{name: [values[i] for i in order] for name, values in BIG.items()}, reference="x")
    first = {each.first: each.mu for each in mn.network(**BIG, reference="x").against()}
    for each in turned.against():
        np.testing.assert_allclose(each.mu, first[each.first], rtol=1e-7)


def test_many_networks_are_those_of_a_loop():
    rng = np.random.default_rng(5)
    treatment = np.array([[0, 1, 2], [0, 1, 0], [1, 2, 0], [0, 2, 0]])
    total = np.where([[True] * 3, *[[True, True, False]] * 3], 60.0, np.nan)[None].repeat(7, 0)
    events = np.where(np.isnan(total), np.nan, rng.binomial(60, 0.3, total.shape))
    found = mn.network_arrays(events, total, treatment, tau2="REML")
    for b in range(7):
        there = ~np.isnan(events[b])
        study = np.nonzero(there)[0]
        one = mn.network(
            study=study.tolist(),
            treatment=treatment[there].tolist(),
            events=events[b][there],
            total=total[b][there],
            model="inverse_variance",
        )
        assert one.treatments == ("0", "1", "2")
        np.testing.assert_allclose(found.mu[b], one.parts[0].mu, rtol=1e-7, atol=1e-10)
        np.testing.assert_allclose(found.tau2[b], one.tau2, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(found.p_score[b], one.parts[0].p_scores(True), rtol=1e-6)


@pytest.mark.parametrize(
    ("events", "total", "treatment", "words"),
    [
        ([[1, 2]], [[9, 9]], [[0, 0]], "twice in one study"),
        ([[1, 12]], [[9, 9]], [[0, 1]], "events=12 is more than total=9"),
        ([[1, 2]], [[9, 9, 9]], [[0, 1]], "differ in shape"),
        ([[1, np.nan]], [[9, 9]], [[0, 1]], "not missing in the same places"),
        ([[1, 2]], [[9, 0]], [[0, 1]], "total has a 0"),
        ([[1, 2]], [[9, 9]], [[0, -1]], "whole numbers from 0"),
        ("text", [[9, 9]], [[0, 1]], "events must be an array"),
        ([], [[9, 9]], [[0, 1]], "events must be an array"),
    ],
)
def test_arrays_that_cannot_be_are_refused(events, total, treatment, words):
    with pytest.raises(mn.ArgumentError, match=words):
        mn.network_arrays(events, total, treatment)


def test_the_sums_of_q_are_those_of_its_parts():
    fit = mn.network(**BIG, tau2="DL")
    np.testing.assert_allclose(fit.q, fit.q_within + fit.q_between)
    assert fit.q_df == fit.q_within_df + fit.q_between_df
    found, _ = arms_of(fit.parts[0].cells, "OR")
    np.testing.assert_allclose(Fit(found, np.zeros(1)).of_studies.sum(), fit.q)


def test_memory_grows_with_the_arms_and_not_with_their_square():
    rng = np.random.default_rng(2)
    treatment = rng.random((1000, 100)).argsort(1)[:, :4]
    total = rng.integers(30, 300, treatment.shape).astype(float)
    events = rng.binomial(total.astype(int), 0.3).astype(float)
    mn.network_arrays(events, total, treatment)
    # A matrix over the 3,000 contrasts would take 72 MB.
    with holding_at_most(12):
        found = mn.network_arrays(events, total, treatment)
    assert np.isfinite(found.se).all()


def test_studies_of_evidence_are_called_by_their_names_and_not_by_their_keys():
    rates = mn.load_evidence().rates("disease_control", within="modality_class")
    fit = mn.network(rates, study="study_id", treatment="modality_class")
    keys = set(rates["study_id"])
    names = set(fit.arms["study"])
    assert names
    assert not names & keys
    assert all(any(label.startswith(name) for label in rates["study"]) for name in names)


def test_intervals_of_the_exact_model_with_heterogeneity_are_said_to_be_narrow():
    apart = arms("AABBCCDD", "xyxyxyxy", [10, 60, 50, 45, 20, 70, 60, 30], 120)
    fit = mn.network(**apart, model="exact")
    assert fit.tau2 > 0
    assert any("anti-conservative" in note for note in fit.notes)
    alike = mn.network(**arms("AABBCC", "xyxyxy", [20, 40, 21, 41, 19, 40], 120), model="exact")
    assert alike.tau2 == 0
    assert not any("anti-conservative" in note for note in alike.notes)
