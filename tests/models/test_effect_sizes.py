"""`effect_sizes` and `back_transform`: frames, stamps, refusals."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.effects.measures import MEASURES

EVENTS, TOTAL = [0, 4, 3], [20, 20, 10]
TWO = {"events": [4, 0], "total": [20, 20], "events_control": [2, 0], "total_control": [10, 10]}
RATE = {"events": [4, 0], "person_time": [3.5, 2]}
RATES = {**RATE, "events_control": [1, 2], "person_time_control": [10, 4.5]}


def arguments(measure):
    """Good arguments of a measure."""
    chosen = MEASURES[measure]
    both = TWO if chosen.data == "counts" else RATES
    return {name: both[name] for name in chosen.arguments}


def test_the_logit_of_two_studies():
    # escalc(measure="PLO", xi=c(0,4), ni=c(20,20)) of metafor 3.8.
    made = mn.effect_sizes(measure="PLO", events=[0, 4], total=[20, 20])
    assert list(made.columns) == ["yi", "vi", "corrected"]
    assert made["yi"].tolist() == pytest.approx([-3.7135720667, -1.3862943611], rel=1e-10)
    assert made["vi"].tolist() == pytest.approx([2.0487804878, 0.3125], rel=1e-10)
    assert made["corrected"].tolist() == [True, False]
    assert made["corrected"].dtype == bool


@pytest.mark.parametrize("measure", list(MEASURES))
def test_every_measure_makes_a_frame_and_goes_back(measure):
    made = mn.effect_sizes(measure=measure, **arguments(measure))
    assert np.isfinite(made[["yi", "vi"]].to_numpy()).all()
    assert made["corrected"].tolist() == [False, MEASURES[measure].corrects]
    size = {"PFT": 20, "IRFT": 3.5}.get(measure)
    expected = {
        **dict.fromkeys(("PR", "PLN", "PLO", "PAS", "PFT"), 0.2),
        **dict.fromkeys(("IR", "IRLN", "IRS", "IRFT"), 4 / 3.5),
        **dict.fromkeys(("OR", "RR", "PETO"), 1),
        **dict.fromkeys(("RD", "AS"), 0),
        "IRR": 4 / 3.5 / 0.1,
        "IRD": 4 / 3.5 - 0.1,
    }
    assert mn.back_transform(made["yi"], measure, total=size)[0] == pytest.approx(expected[measure], rel=1e-12)


def test_the_columns_and_the_index_of_the_data_are_kept_and_the_data_unchanged():
    data = pd.DataFrame({"x": EVENTS, "n": TOTAL, "year": [2001, 2002, 2003]}, index=["c", "a", "b"])
    data.attrs["left_out"] = "none"
    before = data.copy()
    made = mn.effect_sizes(data, measure="PAS", events="x", total="n")
    assert list(made.columns) == ["x", "n", "year", "yi", "vi", "corrected"]
    assert list(made.index) == ["c", "a", "b"]
    assert made.loc["a", "yi"] == pytest.approx(np.arcsin(np.sqrt(0.2)), rel=1e-14)
    assert made.attrs["left_out"] == "none"
    pd.testing.assert_frame_equal(data, before)
    assert data.attrs == before.attrs


def test_columns_that_bear_the_names_of_arguments_are_found():
    found = mn.effect_sizes(pd.DataFrame(RATES), measure="IRR")
    assert found["yi"].tolist() == mn.effect_sizes(measure="IRR", **RATES)["yi"].tolist()


def test_series_with_different_indexes_are_refused_not_guessed():
    events = pd.Series([1, 2, 3], index=list("abc"))
    with pytest.raises(mn.ArgumentError, match="Series with different indexes"):
        mn.effect_sizes(measure="PR", events=events, total=pd.Series([40, 30, 20], index=list("cba")))
    made = mn.effect_sizes(measure="PR", events=events, total=pd.Series([40, 30, 20], index=list("abc")))
    np.testing.assert_allclose(made["yi"], [1 / 40, 2 / 30, 3 / 20])


def test_the_stamp_names_every_choice():
    made = mn.effect_sizes(measure="OR", add=0.25, to="if0all", drop00=True, **{**TWO, "events": [4, 20]})
    method = made.attrs["method"]
    assert {key: method[key] for key in ("measure", "add", "to", "drop00", "k")} == {
        "measure": "OR",
        "add": 0.25,
        "to": "if0all",
        "drop00": True,
        "k": 2,
    }
    assert (method["studies_corrected"], method["studies_dropped"]) == (2, 0)
    assert method["version"] == mn.__version__
    assert "0.25 added to the cells of 2 of 2 studies (rule if0all)" in method["sentence"]
    assert json.loads(json.dumps(method)) == method


def test_the_stamp_of_a_measure_that_needs_no_correction_says_that_nothing_was_added():
    method = mn.effect_sizes(measure="PFT", events=EVENTS, total=TOTAL).attrs["method"]
    assert (method["add"], method["to"], method["studies_corrected"]) == (0, "none", 0)
    assert "added" not in method["sentence"]


def test_a_dropped_study_has_no_effect_and_is_named():
    made = mn.effect_sizes(measure="RR", drop00=True, **TWO)
    assert made["yi"].isna().tolist() == [False, True]
    assert made["vi"].isna().tolist() == [False, True]
    assert made.attrs["method"]["studies_dropped"] == 1
    assert "row 1" in made.attrs["method"]["notes"][0]


def test_an_effect_that_does_not_exist_is_warned_of_and_named():
    with pytest.warns(mn.MetanetWarning, match="No finite effect.*1 study, row 0"):
        made = mn.effect_sizes(measure="PLO", events=EVENTS, total=TOTAL, add=0)
    assert made["yi"].isna().tolist() == [True, False, False]
    assert made.attrs["method"]["studies_undefined"] == 1
    assert not made["corrected"].any()


def test_a_variance_of_zero_is_warned_of():
    with pytest.warns(mn.MetanetWarning, match="Variance 0"):
        made = mn.effect_sizes(measure="PR", events=EVENTS, total=TOTAL, to="none")
    assert (made["yi"][0], made["vi"][0]) == (0, 0)


def test_no_warning_where_every_effect_exists():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        made = mn.effect_sizes(measure="PLO", events=EVENTS, total=TOTAL)
    assert not seen
    assert made.attrs["method"]["notes"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"events": [0, -1, 3]}, r"events\[1\]=-1 is negative"),
        ({"events": [0, 1.5, 3]}, r"events\[1\]=1.5 is not a whole number"),
        ({"total": [20, 20, 10.5]}, r"total\[2\]=10.5 is not a whole number"),
        ({"events": [0, 21, 3]}, r"events\[1\]=21 is more than total\[1\]=20.*swapped"),
        ({"events": [0, np.nan, 3]}, r"events\[1\]=nan is missing"),
        ({"events": [0, None, 3]}, r"events\[1\]=None is missing"),
        ({"events": [0, "4", 3]}, r"events\[1\]='4' is not a number"),
        ({"events": [0, True, 3]}, r"events\[1\]=True is a truth value"),
        ({"total": [20, 0, 10]}, r"total\[1\]=0.*without patients"),
        ({"total": [20, np.inf, 10]}, r"total\[1\]=inf is infinite"),
        ({"total": [20, 2e7, 10]}, r"total\[1\]=2e\+07 is more than 10,000,000"),
        ({"events": [0, 4]}, r"differ in length \(events: 2, total: 3\)"),
        ({"events": [], "total": []}, "No studies: events is empty"),
        ({"events": {0, 4, 3}}, "events=.*must be a sequence"),
        ({"events": 4}, "events=4 must be a sequence"),
        ({"events": "x"}, "events='x' names a column, but no data were given"),
        ({"total": None}, "total is missing; measure='PLO' takes events and total"),
        ({"events_control": [1, 2, 3]}, "events_control does not go with measure='PLO', which takes events and total"),
        ({"person_time": [1, 2, 3]}, "person_time does not go with measure='PLO'"),
        ({"measure": "PL0"}, "measure='PL0' is not known. Did you mean 'PLO'"),
        ({"measure": "plo"}, "Did you mean 'PLO'"),
        ({"measure": None}, "measure=None must be a text"),
        ({"to": "only"}, "to='only' is not known. Did you mean 'only0'"),
        ({"add": -0.5}, "add=-0.5 is negative"),
        ({"add": "0.5"}, "add='0.5' must be a number"),
        ({"add": True}, "add=True must be a number"),
        ({"add": None}, "add=None must be a number"),
        ({"add": np.nan}, "add=nan must be a number"),
        ({"drop00": 1}, "drop00=1 must be True or False"),
        ({"drop00": True}, "drop00=True does not go with measure='PLO', which has one group"),
        ({"measure": "PAS", "add": 1}, "add=1 does not go with measure='PAS'"),
        ({"measure": "PFT", "to": "all"}, "to='all' does not go with measure='PFT'"),
        ({"data": [1, 2]}, "data must be a pandas DataFrame, evidence .* not list"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(changes, message):
    given = {"measure": "PLO", "events": EVENTS, "total": TOTAL, **changes}
    with pytest.raises(mn.ArgumentError, match=message):
        mn.effect_sizes(given.pop("data", None), **given)


@pytest.mark.parametrize(
    ("measure", "changes", "message"),
    [
        ("OR", {"events_control": [2, 11]}, r"events_control\[1\]=11 is more than total_control\[1\]=10"),
        ("OR", {"total_control": [10, 0]}, r"total_control\[1\]=0"),
        ("OR", {"events_control": [2, 1.5]}, r"events_control\[1\]=1.5 is not a whole number"),
        ("OR", {"total_control": None}, "total_control is missing; measure='OR' takes events, total, events_control and"),
        ("OR", {"total_control": [10]}, "differ in length"),
        ("IRR", {"person_time": [3.5, 0]}, r"person_time\[1\]=0 must be above zero"),
        ("IRR", {"person_time_control": [-1, 2]}, r"person_time_control\[0\]=-1 must be above zero"),
        ("IRR", {"events": [0.5, 1]}, r"events\[0\]=0.5 is not a whole number"),
        ("IRR", {"events_control": [-1, 1]}, r"events_control\[0\]=-1 is negative"),
        ("IR", {"person_time": [3.5, np.inf]}, r"person_time\[1\]=inf is infinite"),
        ("IR", {"total": [3, 4]}, "total does not go with measure='IR', which takes events and person_time"),
    ],
)
def test_the_control_group_and_person_time_are_checked_by_name(measure, changes, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.effect_sizes(measure=measure, **{**arguments(measure), **changes})


def test_a_column_that_is_not_there_is_refused_with_the_nearest():
    data = pd.DataFrame({"responders": EVENTS, "n": TOTAL})
    with pytest.raises(mn.ArgumentError, match="Did you mean 'responders'"):
        mn.effect_sizes(data, measure="PLO", events="responder", total="n")
    with pytest.raises(mn.ArgumentError, match="events is missing \\(a column of data, or a sequence\\)"):
        mn.effect_sizes(data, measure="PLO", total="n")


def test_a_sequence_beside_data_must_have_a_value_for_each_row():
    data = pd.DataFrame({"n": TOTAL})
    with pytest.raises(mn.ArgumentError, match="data: 3"):
        mn.effect_sizes(data, measure="PLO", events=[1, 2], total=[10, 20])


@pytest.mark.parametrize("column", ["yi", "vi", "corrected"])
def test_a_column_that_would_be_lost_is_refused(column):
    data = pd.DataFrame({"events": EVENTS, "total": TOTAL, column: 1})
    with pytest.raises(mn.ArgumentError, match=f"data has a column '{column}' already"):
        mn.effect_sizes(data, measure="PLO")


def test_a_number_goes_back_to_a_number_and_an_array_to_an_array_of_its_shape():
    assert mn.back_transform(0, "PLO") == 0.5
    assert type(mn.back_transform(np.float64(0), "PLO")) is float
    assert type(mn.back_transform(np.array(0.0), "PLO")) is float
    for values in ([0.0, 1.0], (0.0, 1.0), pd.Series([0.0, 1.0]), np.array([0.0, 1.0])):
        made = mn.back_transform(values, "RR")
        assert isinstance(made, np.ndarray)
        assert made.tolist() == [1, np.e]
    square = mn.back_transform(np.zeros((2, 3)), "PLO")
    assert square.shape == (2, 3)
    assert (square == 0.5).all()


def test_the_sizes_of_freeman_tukey_are_pooled_by_their_harmonic_mean():
    mean = 3 / (1 / 10 + 1 / 20 + 1 / 40)
    assert mn.back_transform(0.5, "PFT", total=[10, 20, 40]) == mn.back_transform(0.5, "PFT", total=mean)
    assert mn.back_transform(0.5, "IRFT", total=[2.5, 7]) == mn.back_transform(0.5, "IRFT", total=2 / (1 / 2.5 + 1 / 7))
    # transf.ipft.hm(0.5, targs = list(ni = c(10, 20, 40))) of metafor 3.8.
    assert mn.back_transform(0.5, "PFT", total=[10, 20, 40]) == pytest.approx(0.214704040938, rel=1e-11)


@pytest.mark.parametrize(
    ("value", "measure", "total", "message"),
    [
        (0.5, "PFT", None, "total is missing; the back-transformation of measure='PFT' needs the number of patients"),
        (0.5, "IRFT", None, "total is missing; the back-transformation of measure='IRFT' needs the person-time"),
        (0.5, "PLO", 20, "total does not go with measure='PLO'"),
        (0.5, "PFT", 0.5, "total=0.5 must be at least 1"),
        (0.5, "PFT", -3, "total=-3 must be at least 1"),
        (0.5, "IRFT", 0, "total=0 must be above zero"),
        (0.5, "PFT", [10, 0], r"total\[1\]=0"),
        (0.5, "PFT", [10, 2.5], r"total\[1\]=2.5 is not a whole number"),
        (0.5, "PFT", [10, np.nan], r"total\[1\]=nan is missing"),
        (0.5, "PFT", [], "total is empty"),
        (0.5, "PFT", "20", "total='20' is not a number"),
        (0.5, "IRFT", [2.5, -1], r"total\[1\]=-1 must be above zero"),
        (np.nan, "PLO", None, "value=nan must be a finite number"),
        (np.inf, "PLO", None, "value=inf must be a finite number"),
        ("0.5", "PLO", None, "value='0.5' is not a number"),
        (True, "PLO", None, "value=True is not a number"),
        (None, "PLO", None, "value=None is not a number"),
        ([0.5, np.nan], "PLO", None, r"value\[1\]=nan is missing"),
        ([0.5, "1"], "PLO", None, r"value\[1\]='1' is not a number"),
        (np.ma.array([[0.5, 1.0]], mask=[[False, True]]), "PLO", None, r"value\[1\]=None is missing"),
        ([], "PLO", None, "value is empty"),
        (0.5, "GEN", None, "measure='GEN' is not known"),
        (0.5, "OOR", None, "Did you mean 'OR'"),
    ],
)
def test_what_cannot_go_back_is_refused_by_name(value, measure, total, message):
    with pytest.raises(mn.ArgumentError, match=message):
        mn.back_transform(value, measure, total=total)
