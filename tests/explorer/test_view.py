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
    view = View(
        load_evidence(hostile_evidence),
        "objective_response",
        "TARE",
        loading=Loading(f"mn.load_evidence({literal(str(hostile_evidence))})"),
    )
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


@pytest.mark.parametrize("model", MODELS)
def test_the_code_of_every_interval_and_level_gives_the_numbers_of_the_view(view, model):
    for ci in (None, *intervals_of(model).values()):
        chosen = view.with_choice(model=model, ci=ci, level=0.9)
        assert chosen.trouble == ""
        assert chosen.fit.level == 0.9
        assert same_numbers(chosen)


def test_every_interval_that_a_menu_offers_is_another_one(view):
    for model in MODELS:
        words = list(intervals_of(model).values())
        fits = [view.with_choice(model=model, ci=word).fit for word in words]
        assert len({fit.method.sentence() for fit in fits}) == len(words)


def test_another_model_forgets_an_interval_that_it_does_not_have_and_keeps_the_level(view):
    chosen = view.with_choice(model="Inverse variance, logit", ci="KR", level=LEVELS["99 %"])
    assert chosen.with_choice(model="Beta-binomial").options == {"model": "beta_binomial", "level": 0.99}
    assert chosen.with_choice(model="Inverse variance, Freeman-Tukey").ci == "KR"


def test_the_code_of_every_definition_gives_the_numbers_of_the_view(evidence):
    for outcome in ("hepatotoxicity", "mortality"):
        view = View(evidence, outcome)
        titles = set()
        for definition in definitions_of(evidence, outcome).values():
            chosen = view.with_choice(definition=definition)
            assert same_numbers(chosen)
            titles.add(chosen.title)
            assert len(chosen.rates)
        assert len(titles) == len(definitions_of(evidence, outcome)) > 1


def test_the_code_of_every_filter_gives_the_numbers_of_the_view(evidence):
    view = View(evidence, "objective_response")
    columns = filters_of(evidence, "objective_response")
    assert {"year", "country", "unit", "modality"} <= set(columns)
    for column in columns.values():
        whole = view.with_choice(filter=Condition(column.name))
        assert len(whole.rates) == len(view.rates)
        if column.kind == "range":
            conditions = [Condition(column.name, "from to", (column.values[0], column.values[-2]))]
        else:
            conditions = [Condition(column.name, how, column.values[0]) for how in ("is", "is not")]
        for condition in conditions:
            chosen = view.with_choice(filter=condition)
            assert chosen.filter == condition
            assert len(chosen.all_rates) < len(view.rates)
            assert chosen.fit is None or same_numbers(chosen)


def test_columns_that_say_where_a_count_was_found_are_no_filter(evidence):
    for outcome in outcomes_of(evidence).values():
        assert not {"doi", "note", "source", "study", "events", "certainty"} & set(filters_of(evidence, outcome))


def test_a_filter_of_a_column_that_another_outcome_does_not_have_is_forgotten(evidence):
    view = View(evidence, "objective_response").with_choice(filter=Condition("unit", "is", "patients"))
    assert view.filter == Condition("unit", "is", "patients")
    assert view.with_choice(outcome="carcinoid_crisis").filter in (None, Condition("unit"))


def test_a_frame_of_its_own_columns_is_filtered_by_words_truth_values_and_numbers():
    evidence = SmallEvidence(
        ["A", "B", "C", "D"],
        titles={"rob": "Risk of bias", "dose": "Dose (Gy)"},
        rob=["low", "high", "low", ""],
        dose=[1.5, None, 2.0, 3.0],
        blind=[True, False, True, True],
        remark=["each", "is", "another", "text"],
        lists=[[1], [1], [2], [2]],
        same=[1, 1, 1, 1],
    )
    columns = filters_of(evidence, OUTCOME)
    assert {name: (column.title, column.values) for name, column in columns.items()} == {
        "rob": ("Risk of bias", ("high", "low")),
        "dose": ("Dose (Gy)", (1.5, 2.0, 3.0)),
        "blind": ("blind", (False, True)),
    }
    view = View(evidence, OUTCOME, loading=Loading("evidence"))
    expected = {
        Condition("rob", "is", "low"): "AC",
        Condition("rob", "is not", "high"): "ACD",
        Condition("dose", "from to", (1.5, 2.0)): "AC",
        Condition("dose", "from to", (1.6, 2.9)): "C",
        Condition("blind", "is", False): "B",
        Condition("dose", "from to", (0, 9)): "ABCD",
    }
    for condition, names in expected.items():
        chosen = view.with_choice(filter=condition)
        assert "".join(chosen.rates["study"]) == names
        known = {"evidence": evidence}
        exec(chosen.code, known)
        assert list(known["rates"]["study"]) == list(names)
    gaps = {condition.column + str(condition.how): condition.gaps(view.rates) for condition in expected}
    assert gaps == {"robis": 1, "robis not": 0, "dosefrom to": 1, "blindis": 0}


def test_evidence_without_groups_has_no_modality_and_pools_all_its_rows():
    evidence = SmallEvidence(["A", "B", "C"])
    assert modalities_of(evidence, OUTCOME) == ()
    view = View(evidence, OUTCOME)
    assert view.title == "Response"
    assert view.fit.k == 3


def test_two_outcomes_of_one_label_are_told_apart():
    class Two(SmallEvidence):
        outcome_names = ("one", "two")

    assert outcomes_of(Two(["A", "B"])) == {"Response (one)": "one", "Response (two)": "two"}


@pytest.mark.parametrize("condition", [Condition("country", "is", "Italy"), Condition("year", "from to", (2010, 2012))])
def test_a_filter_of_a_selection_without_a_row_excludes_none(evidence, condition):
    view = View(evidence, "hepatotoxicity", "PRRT").with_choice(certainty="high", filter=condition)
    assert view.selection.empty
    assert condition.gaps(view.selection) == 0
    assert "No study matches" in view.trouble
