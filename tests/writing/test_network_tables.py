"""The tables of a network print its numbers under titles that a reader knows."""

import re

import numpy as np
import pandas as pd
import pytest

import metanet as mn

TRIALS = pd.DataFrame(
    {
        "study": list("AABBCCDDDEE"),
        "treatment": ["x", "y", "x", "z", "y", "z", "x", "y", "z", "x", "y"],
        "events": [12, 24, 11, 28, 18, 24, 14, 22, 31, 15, 25],
        "total": [80, 82, 78, 84, 75, 77, 90, 88, 92, 70, 72],
    }
)
PARTS = ("contrasts", "split", "designs", "influence")


@pytest.fixture(scope="module")
def network():
    return mn.network(TRIALS, study="study", treatment="treatment", reference="x", model="inverse_variance", tau2="DL")


@pytest.mark.parametrize("part", PARTS)
def test_no_name_of_the_code_is_in_a_table(network, part):
    table = mn.network_table(network, part)
    shown = " ".join([table.title, *table.labels, *table.foot, *(cell for row in table.texts() for cell in row)])
    assert not re.search(r"\w_\w|pvalue|\bnan\b|None", shown)
    assert table.rows
    assert "<script" not in table.to_html()


def test_the_contrasts_are_those_of_the_network(network):
    frame = mn.network_table(network).to_frame()
    np.testing.assert_allclose(frame["estimate"].astype(float), network.contrasts["estimate"])
    np.testing.assert_allclose(frame["ci_lower"].astype(float), network.contrasts["ci_lower"])
    assert mn.network_table(network).texts()[0][3] == f"{network.contrasts['estimate'].iloc[0]:.2f}"


def test_the_split_has_the_pairs_with_both_sources(network):
    frame, split = mn.network_table(network, "split").to_frame(), network.split()
    both = split[split["difference"].notna() & (split["studies"] > 0)]
    assert len(frame) == len(both)
    np.testing.assert_allclose(frame["difference"].astype(float), both["difference"])
    tree = mn.network(TRIALS[TRIALS["study"].isin(list("AB"))], study="study", treatment="treatment")
    assert "No contrast has both" in repr(mn.network_table(tree, "split"))


def test_designs_end_with_their_sums(network):
    texts = mn.network_table(network, "designs").texts()
    assert [row[0] for row in texts][-1] == "Total"
    assert float(texts[-1][2]) == pytest.approx(network.q, abs=0.006)


def test_a_treatment_that_is_lost_with_a_study_is_named():
    tree = mn.network(TRIALS[TRIALS["study"].isin(list("ACE"))], study="study", treatment="treatment", reference="x")
    table = mn.network_table(tree, "influence")
    assert table.labels[-1] == "No longer compared"
    assert any(row[-1] == "z" for row in table.texts())


def test_without_a_network_there_is_a_sentence_and_no_row():
    nothing = mn.network(study=["A", "B"], treatment=["x", "x"], events=[3, 4], total=[9, 9])
    for part in PARTS:
        table = mn.network_table(nothing, part)
        assert not table.rows or part == "designs"
        assert table.empty
    with pytest.raises(mn.ArgumentError, match=r"part=.contrast. is not known\. Did you mean .contrasts."):
        mn.network_table(nothing, "contrast")
    with pytest.raises(mn.ArgumentError, match=r"network must be a result of mn\.network"):
        mn.network_table(3)
