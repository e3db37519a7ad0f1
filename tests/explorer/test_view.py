"""A view: every choice changes the result, and its code gives the same numbers."""

import ast

import pytest
from hypothesis import given, strategies as st

import metanet as mn
from metanet.base.errors import ArgumentError, MetanetWarning
from metanet.evidence import load_evidence
from metanet.explorer import view as view_module
from metanet.explorer.choices import (
    CERTAINTIES,
    LEVELS,
    MODELS,
    OVERLAPS,
    Condition,
    definitions_of,
    filters_of,
    intervals_of,
    literal,
    modalities_of,
    outcomes_of,
)
from metanet.explorer.view import Loading, View
from tests.explorer.small import OUTCOME, SmallEvidence
from tests.reporting.conftest import HOSTILE, hostile_evidence  # noqa: F401 - a fixture


@pytest.fixture(scope="module")
def evidence():
    return load_evidence()


@pytest.fixture
def view(evidence):
    return View(evidence, "objective_response", "TARE")


def fit_of_code(view):
    """The result of the code that a view shows, run where nothing but Python is known."""
    known = {}
    exec(view.code, known)
    return known["fit"]


def same_numbers(view):
    return view.fit.to_dict() == fit_of_code(view).to_dict()


def test_a_view_pools_what_its_selection_holds(view, evidence):
    expected = mn.pool(evidence.rates("objective_response", modality="TARE"))
    assert view.fit.to_dict() == expected.to_dict()
    assert view.trouble == ""


def test_the_code_of_every_outcome_gives_the_numbers_of_the_view(evidence):
    for outcome in outcomes_of(evidence).values():
        assert same_numbers(View(evidence, outcome)), outcome


def test_the_code_of_every_modality_gives_the_numbers_of_the_view(evidence):
    for modality in modalities_of(evidence, "hepatotoxicity"):
        assert same_numbers(View(evidence, "hepatotoxicity", modality)), modality


@pytest.mark.parametrize("model", MODELS)
def test_the_code_of_every_model_gives_the_numbers_of_the_view(view, model):
    assert same_numbers(view.with_choice(model=model))


def test_every_model_is_another_model(view):
    sentences = {view.with_choice(model=model).fit.method.sentence() for model in MODELS}
    assert len(sentences) == len(MODELS)


@pytest.mark.parametrize("overlap", OVERLAPS.values())
@pytest.mark.parametrize("certainty", CERTAINTIES.values())
def test_the_code_of_every_overlap_policy_and_certainty_gives_the_numbers_of_the_view(view, overlap, certainty):
    chosen = view.with_choice(overlap=overlap, certainty=certainty)
    if chosen.fit is None:
        assert "No study matches" in chosen.trouble
    else:
        assert same_numbers(chosen)


def test_overlap_policy_and_certainty_change_the_rows(evidence):
    view = View(evidence, "objective_response")
    assert len(view.with_choice(overlap="keep_all").rates) > len(view.rates)
    assert 0 < len(view.with_choice(certainty="moderate").rates) < len(view.rates)


def test_a_study_that_is_left_out_is_neither_pooled_nor_in_the_numbers_of_the_code(view):
    name = view.all_rates["study"].iloc[2]
    without = view.with_choice(left_out=frozenset([name]))
    rates = view.all_rates
    assert without.fit.to_dict() == mn.pool(rates[rates["study"] != name]).to_dict()
    assert without.fit.k == view.fit.k - 1
    assert literal(name) in without.code
    assert same_numbers(without)


def test_names_that_are_not_in_another_selection_are_forgotten(view, evidence):
    name = view.all_rates["study"].iloc[0]
    other = view.with_choice(left_out=frozenset([name])).with_choice(outcome="carcinoid_crisis", modality=None)
    assert name not in set(other.all_rates["study"])
    assert other.left_out == frozenset()
    assert other.with_choice(outcome="objective_response", modality="TARE").fit.k == view.fit.k


def test_names_that_stay_in_another_selection_stay_left_out(view):
    name = view.all_rates["study"].iloc[0]
    assert view.with_choice(left_out=frozenset([name])).with_choice(modality=None).left_out == {name}


def test_an_outcome_without_studies_of_the_modality_takes_all_modalities(evidence):
    view = View(evidence, "objective_response", "TARE").with_choice(outcome="local_control")
    assert "TARE" not in modalities_of(evidence, "local_control")
    assert view.modality is None


def test_a_view_with_every_study_left_out_says_so(view):
    none = view.with_choice(left_out=frozenset(view.all_rates["study"]))
    assert none.fit is None
    assert none.trouble == "All studies are excluded."


def test_a_failure_of_the_fit_is_shown_in_its_words(view, monkeypatch):
    def refuse(*given, **options):
        raise ArgumentError("This cannot be pooled. Fix: something else.")

    monkeypatch.setattr(view_module, "pool", refuse)
    assert (view.fit, view.trouble) == (None, "This cannot be pooled. Fix: something else.")


def test_a_warning_of_the_fit_does_not_escape_because_the_notes_repeat_it(view, monkeypatch):
    import warnings

    fit = view.fit

    def warn(*given, **options):
        warnings.warn("Few studies.", MetanetWarning, stacklevel=2)
        return fit

    monkeypatch.setattr(view_module, "pool", warn)
    assert view.with_choice(model="Beta-binomial").fit is fit


def test_two_rows_of_one_name_are_left_out_together():
    view = View(SmallEvidence(["A", "B", "B", "C"]), OUTCOME).with_choice(left_out=frozenset(["B"]))
    assert list(view.rates["study"]) == ["A", "C"]
    assert view.fit.k == 2


def test_a_hostile_name_is_only_text_in_the_code(hostile_evidence):  # noqa: F811
    view = View(load_evidence(hostile_evidence), "objective_response", "TARE", loading=Loading(f"mn.load_evidence({literal(str(hostile_evidence))})"))
    (name,) = [name for name in view.all_rates["study"] if name.startswith(HOSTILE)]
    without = view.with_choice(left_out=frozenset([name]))
    assert without.fit.k == view.fit.k - 1
    assert same_numbers(without)


@given(st.text(st.characters(codec=None)))
def test_any_text_becomes_one_line_of_code_that_means_the_text(text):
    written = literal(text)
    assert ast.literal_eval(written) == text
    assert written.isprintable()


def test_names_stay_readable_in_the_code():
    assert literal("Sundlöv 2022") == '"Sundlöv 2022"'
    assert literal('a"); import os; ("\n') == '"a\\"); import os; (\\"\\n"'
