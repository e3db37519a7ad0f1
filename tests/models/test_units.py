"""Counts are called what they are counts of: a rate of procedures is not said to be one of patients."""

import pandas as pd
import pytest

import metanet as mn
from metanet.models.results.units import counted_units, units_of


def pooled(units):
    return mn.pool(
        pd.DataFrame({"study": list("abc"), "events": [2, 5, 8], "total": [20, 30, 40], "unit": units}), study="study", model="glmm"
    )


@pytest.mark.parametrize(
    ("units", "words"),
    [
        (["patients"] * 3, "90 patients"),
        (["procedures"] * 3, "90 procedures"),
        (["procedures", "patients", "lesions"], "90 patients or procedures or lesions"),
        (["procedures", None, "procedures"], "90 procedures"),
        (["mg", "mg", "kg"], "90 patients"),
        (["procedures", "mg", "mg"], "90 patients"),
        ([None, None, None], "90 patients"),
    ],
)
def test_every_sentence_names_what_was_counted(units, words):
    fit = pooled(units)
    assert f"15 of {words}" in fit.sentence()
    assert f"15 events in {words}" in repr(fit)
    assert f"15 events in {words}" in fit._repr_html_()
    rates = fit.studies
    assert f"3 studies with {words} contributed" in mn.report_text(fit, rates=rates).items["20a"]
    bayes = mn.bayes_pool(rates)
    assert words in bayes.sentence()
    assert words in repr(bayes)


def test_one_of_a_kind_is_singular():
    assert counted_units(1, ("patients", "procedures")) == "1 patient or procedure"
    assert units_of(pd.DataFrame({"events": [1]})) == ("patients",)


def test_the_evidence_that_mixes_units_says_so_in_the_sentence():
    rates = mn.load_evidence().rates("objective_response", modality="TARE")
    assert set(rates["unit"]) == {"patients", "procedures"}
    assert "300 of 648 patients or procedures" in mn.pool(rates, model="glmm").sentence()


def test_designs_that_a_report_does_not_state_are_counted():
    rates = mn.load_evidence().rates("objective_response", modality="TARE")
    text = mn.report_text(mn.pool(rates, model="glmm"), rates=rates).items["20a"]
    silent = int((rates["design"].fillna("") == "").sum())
    assert silent
    assert f"not stated ({silent})" in text
