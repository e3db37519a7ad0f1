"""Effect sizes and ways back against metafor: `effects.json` (made by effects.R) and the files of whole analyses."""

import numpy as np
import pytest

from metanet.effects.back_transforms import harmonic_mean
from metanet.effects.measures import MEASURES

from .cases import MEASURES as ONE_GROUP, SINGLE, as_list, counts, load

#: The digits of the reference.
RTOL = 1e-10
TWO_GROUPS = ("OR", "RR", "RD", "AS", "PETO")
CASES = load("effects")["cases"]
BACK = load("effects")["back"]


def numbers(values):
    """R's NA, a study without an effect, as NaN."""
    return np.array([np.nan if value is None else value for value in as_list(values)], dtype=float)


def compare(made, yi, vi):
    """A study without an effect has no weight here and NA there; metafor's NA is of effect and variance together."""
    yi, vi = numbers(yi), numbers(vi)
    without = np.isinf(made.vi)
    np.testing.assert_array_equal(without, np.isnan(yi))
    np.testing.assert_array_equal(without, np.isnan(vi))
    np.testing.assert_allclose(made.yi[~without], yi[~without], rtol=RTOL, atol=1e-15)
    np.testing.assert_allclose(made.vi[~without], vi[~without], rtol=RTOL, atol=0)


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("measure", ONE_GROUP)
def test_one_group_effects_are_those_of_the_reference_analyses(name, measure):
    fit = load(name)["fits"][measure]
    compare(MEASURES[measure].effects(*counts(name)), fit["yi"], fit["vi"])


@pytest.mark.parametrize("name", ["bcg", "nielweise2007"])
@pytest.mark.parametrize("measure", TWO_GROUPS)
def test_two_group_effects_are_those_of_the_reference_analyses(name, measure):
    data = load(name)
    made = MEASURES[measure].effects(data["ai"], data["n1i"], data["ci"], data["n2i"])
    compare(made, data["fits"][measure]["yi"], data["fits"][measure]["vi"])


def label(case):
    return "-".join(str(case[key]) for key in ("measure", "data", "add", "to", "drop00"))


@pytest.mark.parametrize("case", CASES, ids=label)
def test_zero_cells_and_drop00_follow_escalc(case):
    # metafor names its arguments differently and keeps them in this order.
    columns = load("effects")["data"][case["data"]].values()
    rules = {"to": case["to"], "drop00": case["drop00"]} | ({} if case["add"] is None else {"add": case["add"]})
    made = MEASURES[case["measure"]].effects(*columns, **rules)
    compare(made, case["yi"], case["vi"])


def test_the_cases_cover_every_measure_rule_and_kind_of_study():
    assert {case["measure"] for case in CASES} == set(MEASURES)
    for name, measure in MEASURES.items():
        of_it = [case for case in CASES if case["measure"] == name]
        assert {case["to"] for case in of_it} == {"only0", "if0all", "all", "none"}
        assert {case["add"] for case in of_it} == ({0, 0.25, 0.5} if measure.corrects else {None})
        assert {case["drop00"] for case in of_it} == ({False, True} if measure.groups == 2 else {False})
    # Dropped studies, and effects that do not exist, are among them.
    assert any(None in case["yi"] and case["drop00"] and case["add"] == 0.5 for case in CASES)
    assert any(None in case["yi"] and not case["drop00"] for case in CASES)
    assert load("effects")["made_by"]["metafor"] == "3.8.1"


@pytest.mark.parametrize("entry", BACK, ids=lambda entry: f"{entry['measure']}-{entry['size']}")
def test_ways_back_are_those_of_metafor(entry):
    size = None if entry["size"] is None else harmonic_mean(as_list(entry["size"]))
    made = MEASURES[entry["measure"]].back(entry["value"], size)
    # metafor's closed form keeps 1e-13 of a proportion, not of a small one.
    np.testing.assert_allclose(made, np.array(entry["response"], dtype=float), rtol=RTOL, atol=1e-13)


def test_the_ways_back_cover_sizes_and_values_outside_the_image():
    assert {entry["measure"] for entry in BACK} >= {"PFT", "IRFT", "PLO", "PAS", "PLN", "OR", "IRS"}
    inside = [entry for entry in BACK if entry["measure"] == "PFT"]
    assert len(inside) == 9
    assert sum(response in (0, 1) for entry in inside for response in entry["response"]) >= 24
    assert not any(response is None for entry in BACK for response in entry["response"])
