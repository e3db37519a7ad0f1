"""Facts of design: as moderators of the rates, and in words in the table of characteristics."""

from __future__ import annotations

from dataclasses import replace

import pytest

import metanet as mn
from metanet.evidence.contract import curated_contract
from metanet.evidence.design_facts import STATED, DesignFact, facts_of

YES_NO = DesignFact("prospective", "Prospective", "str", {"yes": "prospective", "no": "not prospective"})
NUMBER = DesignFact("n_centres", "Centres", "float64", {"number": "centres"}, "multicentre")
WORD = DesignFact("review", "Review", "str", {"text": "review of images"})


@pytest.mark.parametrize(
    ("fact", "cell", "value", "said"),
    [
        (YES_NO, "yes", "yes", "prospective"),
        (YES_NO, "yes (phase II, interim)", "yes", "prospective"),
        (YES_NO, "no (review of records)", "no", "not prospective"),
        (YES_NO, "not stated", None, ""),
        (YES_NO, None, None, ""),
        (NUMBER, "41", 41.0, "41 centres"),
        (NUMBER, "135 in the registry (those with a case not stated)", 135.0, "135 centres"),
        (NUMBER, "1", 1.0, ""),
        (NUMBER, "several", None, ""),
        (WORD, "central (progression), open-label", "central", "review of images: central"),
        (WORD, "<b>none</b>", "<b>none</b>", "review of images: <b>none</b>"),
    ],
)
def test_a_cell_is_a_value_and_words(fact, cell, value, said):
    assert fact.value(cell) == value
    assert fact.said(value) == said


def test_the_rates_have_what_the_reports_state(curated):
    rates = curated.rates("objective_response", modality="PRRT")
    facts = {row["study_id"]: row for row in curated.facts.to_dict("records")}
    for row in rates.to_dict("records"):
        stated = facts.get(row["study_id"], {"prospective": "not stated", "n_centres": "not stated"})
        assert (row["prospective"] or "not stated") == stated["prospective"].split(" (")[0]
        assert (row["n_centres"] == row["n_centres"]) == stated["n_centres"][0].isdigit()
    assert {"yes", "no"} <= set(rates["prospective"]) <= {"yes", "no", ""}
    fit = mn.meta_regression(rates, "~ prospective")
    assert fit.k == int((rates["prospective"] != "").sum())
    assert "prospective" in mn.heterogeneity_report(mn.pool(rates), subsets=False).moderators


def test_the_characteristics_say_them_in_one_column(curated):
    table = mn.characteristics_table(curated.rates("objective_response", modality="TARE"))
    labels = [column.label for column in table.columns]
    assert labels.count("Stated in the report") == 1
    assert not {"Prospective", "Several centres", "Number of centres"} & set(labels)
    words = dict(table.to_frame()[["study", STATED]].itertuples(index=False))
    assert words["Braat 2020a"] == "not prospective; several centres"
    assert words["King 2007"] == ""


def test_a_number_of_centres_stands_in_place_of_several_centres(curated):
    rates = curated.rates("objective_response")
    many = rates[rates["n_centres"] > 1]
    assert len(many)
    assert all(f"{row.n_centres:g} centres" in row.design_stated and "several" not in row.design_stated for row in many.itertuples())


def test_another_table_keeps_its_own_column():
    """A fact under the name of a column of arms does not replace it."""
    tables = curated_contract().tables
    facts, arms = tables["design_facts.csv"], tables["arms.csv"]
    assert "prospective" in [fact.name for fact in facts_of(facts, [arms])]
    own = replace(arms, columns=(*arms.columns, replace(arms.columns[0], name="prospective")))
    assert "prospective" not in [fact.name for fact in facts_of(facts, [own])]
    assert facts_of(None, [arms]) == ()


def test_what_a_descriptor_says_otherwise_is_not_taken(curated):
    """Only facts that the descriptor lets travel do: the place where they were read does not."""
    rates = curated.rates("objective_response")
    assert "seen_in" not in rates.columns
    assert "comparator" not in rates.columns
    assert "reported by" not in " ".join(rates["design_stated"])
