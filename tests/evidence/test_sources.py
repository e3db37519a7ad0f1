"""Functions that take rates, or evidence, take them in every form in which a caller has them."""

from __future__ import annotations

import inspect
import re

import pandas as pd
import pytest

import metanet as mn

FRAME = pd.DataFrame(
    {
        "study": [f"Study {letter}" for letter in "ABCDEFGH"],
        "events": [4, 9, 12, 3, 8, 6, 2, 7],
        "total": [20, 31, 40, 18, 22, 30, 15, 25],
        "modality_class": ["A", "A", "A", "A", "B", "B", "B", "B"],
        "dose": [1.0, 2, 3, 4, 1, 2, 3, 5],
    }
)
#: What else a function needs to run.
MORE = {
    "meta_regression": ("~ dose",),
    "pool_many": ("modality_class",),
    "published_table": ("events", "A"),
    "contrast_ladder": ("events", "A", "B"),
}
OPTIONS = {"effect_sizes": {"measure": "PLO"}, "summary_of_findings": {"modality": "A"}}
#: Functions whose other arguments say more: tested where they are.
APART = {"report", "report_text", "save_results", "count_bounds", "benefit_risk", "response_categories", "bias_ladder"}


def _taking(alias):
    found = []
    for name in mn.__all__:
        function = getattr(mn, name)
        if inspect.isfunction(function) and name not in APART:
            first = next(iter(inspect.signature(function).parameters.values()), None)
            if first is not None and alias in str(first.annotation):
                found.append(name)
    return found


def _shown(result):
    """What a result says, for the comparison of the forms."""
    if isinstance(result, pd.DataFrame):
        return [str(value) for name in result.columns if name in ("yi", "vi", "estimate", "k") for value in result[name]]
    for name in ("sentence", "summary"):
        if hasattr(result, name):
            return getattr(result, name)()
    return repr(result)


@pytest.mark.parametrize("name", _taking("Rates"))
def test_every_function_of_rates_takes_a_frame_evidence_rates_and_a_result(name):
    evidence = mn.read(FRAME)
    outcome = evidence.outcome_names[0]
    forms = {"frame": FRAME, "evidence": evidence, "rates": evidence.rates(outcome), "result": mn.pool(FRAME)}
    if name in ("three_level", "within_studies"):
        # They need to know which arms are of one study.
        forms["frame"] = FRAME.assign(study_id=FRAME["study"])
        forms["result"] = mn.pool(forms["frame"])
    function = getattr(mn, name)
    said = {form: _shown(function(source, *MORE.get(name, ()), **OPTIONS.get(name, {}))) for form, source in forms.items()}
    if name not in ("study_table", "source_table", "characteristics_table", "left_out_table"):
        # A frame without titles calls its columns by their names.
        assert len({str(each).replace("_", " ") for each in said.values()}) == 1, said


@pytest.mark.parametrize("name", _taking("Tables"))
def test_every_function_of_evidence_takes_a_frame_a_file_a_folder_and_a_result(name, tmp_path):
    evidence = mn.read(FRAME)
    FRAME.to_csv(tmp_path / "table.csv", index=False)
    evidence.save(tmp_path / "folder")
    forms = [FRAME, evidence, mn.pool(FRAME), tmp_path / "table.csv", str(tmp_path / "folder")]
    function = getattr(mn, name)
    if name == "multiverse":
        # A frame is one selection, whose groups are not analysed alone; evidence is a question.
        forms = [evidence, tmp_path / "table.csv", str(tmp_path / "folder")]
    said = {str(_shown(function(source, *MORE.get(name, ()), **OPTIONS.get(name, {})))) for source in forms}
    # The explorer names the evidence, which each form calls otherwise.
    assert len({re.sub(r" \(evidence: [^)]*\)", "", each) for each in said}) == 1, said


def test_a_path_given_as_rates_is_told_to_be_read():
    with pytest.raises(mn.ArgumentError, match=r"Fix: read the file first, with mn\.read\('a\.csv'\)"):
        mn.pool("a.csv")


def test_a_result_hands_on_its_model_measure_and_level():
    fit = mn.pool(FRAME, model="inverse_variance", level=0.9)
    compared = mn.compare(fit)
    assert (compared.method["model"], compared.level) == ("inverse_variance", 0.9)
    assert mn.compare(fit, model="glmm").method["model"] == "glmm"
    assert mn.meta_regression(fit, "~ dose").model == "inverse_variance"
    # A model that compare does not have leaves its default.
    assert mn.compare(mn.pool(FRAME, model="beta_binomial")).method["model"] == "bayes"


TRIALS = pd.DataFrame(
    {
        "study": list("ABCDEF"),
        "ai": [4, 6, 2, 8, 1, 5],
        "n1i": [20, 40, 15, 30, 22, 30],
        "ci": [1, 9, 5, 3, 2, 4],
        "n2i": [21, 38, 16, 29, 60, 31],
        "country": list("xyxyxy"),
        "year": range(2000, 2006),
    }
)


def test_two_groups_stay_two_groups_in_every_form():
    """One table with a control group: evidence, its result and the frame are analysed as the comparison that they are."""
    evidence = mn.read(TRIALS)
    fit = mn.pool(evidence)
    assert fit.measure == "OR"
    said = {mn.compare(source, "country").sentence() for source in (evidence, fit, TRIALS)}
    assert len(said) == 1, said
    said = {mn.meta_regression(source, "~ year").sentence() for source in (evidence, fit, TRIALS)}
    assert len(said) == 1, said
    for source in (evidence, fit):
        assert mn.pool_many(source, "country")["measure"].tolist() == ["OR", "OR"]
        assert mn.pool_many(source, "country", measure="PLO")["measure"].tolist() == ["PLO", "PLO"]
        frame = mn.multiverse(source).to_frame()
        assert frame["estimate"].between(0.5, 2).all()
        assert mn.multiverse(source, measure="PLO").to_frame()["estimate"].between(0.1, 0.3).all()
    # One group is analysed where its measure is named.
    assert mn.compare(evidence, "country", measure="PLO").groups["x"].measure == "PLO"


def test_sizes_of_arms_are_those_of_both_groups():
    assert "Arms had 15 to 60 patients" in mn.report_text(mn.pool(mn.read(TRIALS))).results


def test_changed_counts_of_the_control_group_are_not_of_the_selection():
    rates = mn.read(TRIALS).rates("events")
    named = {name: name for name in ("events", "total", "events_control", "total_control")}
    assert "13a" in mn.report_text(mn.pool(rates, **named)).items
    changed = rates.assign(events_control=1)
    assert "13a" not in mn.report_text(mn.pool(changed, **named)).items
