"""The certainty of the evidence by GRADE: ratings by people, summed, checked, and shown with their reasons."""

import csv
import shutil

import pytest

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.evidence.folders import curated_folder
from metanet.evidence.grade import DOWN, FIVE, LEVELS, UP, level_of, ratings_allowed, start_of

HEAD = ("outcome", "modality", "definition", "question", "domain", "rating", "reason", "assessor")
FINE = dict.fromkeys(FIVE, "not_serious")


def rows(outcome="objective_response", modality="TARE", definition="", question="rate", **ratings):
    return [
        (outcome, modality, definition, question, domain, rating, f"Because of {domain}", "AB")
        for domain, rating in {**FINE, **ratings}.items()
        if rating
    ]


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "extracted_data"
    shutil.copytree(curated_folder(), place)

    def write(*lines, name="certainty.csv", head=HEAD):
        with (place / name).open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([head, *lines])
        return place

    return write


def problems(place):
    return [str(each) for each in mn.validate(place).problems]


@pytest.mark.parametrize("start", ["high", "low"])
def test_levels_are_the_start_and_the_sum_between_the_ends(start):
    names = list(LEVELS)
    for bias in DOWN:
        for imprecise in DOWN:
            for effect in (None, *UP):
                given = [{"domain": "risk_of_bias", "rating": bias}, {"domain": "imprecision", "rating": imprecise}]
                given += [] if effect is None else [{"domain": "large_effect", "rating": effect}]
                steps = names.index(start) + DOWN[bias] + DOWN[imprecise] + (UP[effect] if effect else 0)
                assert level_of(start, given) == names[max(0, min(3, steps))]


def test_a_rate_starts_high_and_a_contrast_low_unless_it_says_otherwise():
    assert start_of("rate", []) == "high"
    assert start_of("contrast", []) == "low"
    assert start_of("contrast", [{"domain": "start", "rating": "high"}]) == "high"


def test_ratings_of_the_table_become_a_level_with_reasons(folder):
    place = folder(*rows(risk_of_bias="serious", imprecision="very_serious", overall="very_low"))
    assert problems(place) == []
    evidence = mn.load_evidence(place)
    grade = evidence.grade("Objective response", "TARE")
    assert (grade.start, grade.level, grade.symbols) == ("high", "very low", "⊕⊖⊖⊖")
    assert grade.changes == (("risk of bias", -1, "Because of risk_of_bias"), ("imprecision", -2, "Because of imprecision"))
    assert "very low ⊕⊖⊖⊖; it starts high, −1 risk of bias and −2 imprecision" in grade.sentence()
    assert grade.to_frame()["steps"].tolist() == [-1, 0, 0, -2, 0]
    assert grade.to_dict()["level"] == "very low"
    none = evidence.grade("objective_response", "PRRT")
    assert (none.level, none.symbols, none.reason) == (None, "", "The certainty of the evidence (GRADE) was not assessed.")


def test_without_a_table_nothing_is_assessed():
    grade = mn.load_evidence().grade("objective_response", "TARE")
    assert grade.level is None
    assert "was not assessed" in grade.summary()


def test_a_domain_that_nobody_rated_leaves_no_level(folder):
    grade = mn.load_evidence(folder(*rows(indirectness=None, imprecision="serious"))).grade("objective_response", "TARE")
    assert grade.level is None
    assert grade.reason.endswith("not every domain was rated: indirectness.")


def test_the_default_definition_may_be_named_or_left_empty(folder):
    evidence = mn.load_evidence(
        folder(*rows("hepatotoxicity"), *rows("hepatotoxicity", definition="liver_failure", imprecision="serious"))
    )
    assert evidence.grade("hepatotoxicity", "TARE").level == "high"
    assert evidence.grade("hepatotoxicity", "TARE", "graded").level == "high"
    assert evidence.grade("hepatotoxicity", "TARE", "liver_failure").level == "moderate"


def test_a_contrast_starts_high_only_with_judgements_by_robins_i(folder):
    lines = rows(modality="TACE versus TARE", question="contrast", start="high", risk_of_bias="very_serious")
    (problem,) = problems(folder(*lines))
    assert "certainty.csv" in problem
    assert "has no judgements by ROBINS-I" in problem
    study = mn.load_evidence().studies["study_id"].iloc[0]
    head = ("study_id", "tool", "domain", "judgement", "assessor")
    place = folder((study, "robins_i", "confounding", "serious", "AB"), name="risk_of_bias.csv", head=head)
    assert problems(place) == []
    grade = mn.load_evidence(place).grade("objective_response", "TACE versus TARE", question="contrast")
    assert (grade.start, grade.level) == ("high", "low")


@pytest.mark.parametrize(
    ("lines", "column", "words"),
    [
        (rows("objective_respons"), "outcome", "Write 'objective_response' if that is meant"),
        (rows(modality="TARRE"), "modality", "names TARRE, which no arm has"),
        (rows(modality="TACE versus TARE"), "modality", "names two treatments, and a rate has one"),
        (rows(question="contrast"), "modality", "names one treatment, and a contrast has two"),
        (rows(definition="x"), "definition", "Leave it empty: the outcome has one definition"),
        (rows(inconsistency="extremely_serious"), "rating", "three levels can be lost in risk_of_bias and imprecision alone"),
        (rows(large_effect="serious"), "rating", "large_effect is rated not_serious, +1 and +2"),
        (rows(start="high"), "domain", "always starts high"),
        (rows(overall="high", imprecision="serious"), "rating", "is high, and the ratings give moderate (start high, -1 imprecision)"),
        (rows(overall="high", imprecision=None), "rating", "states a level, and imprecision is not rated"),
        (rows(risk_of_bias="bad"), "rating", "Write one of not_serious, serious"),
        ([*rows(), rows()[0]], None, "certainty.csv"),
    ],
)
def test_a_faulty_rating_is_named_with_its_place_and_what_to_write(folder, lines, column, words):
    found = problems(folder(*lines))
    assert found
    assert all("certainty.csv" in each for each in found)
    assert any(words in each and (column is None or f":{column}:" in each) for each in found), found


def test_every_domain_takes_its_ratings():
    for domain in FIVE:
        assert ("extremely_serious" in ratings_allowed(domain)) == (domain in ("risk_of_bias", "imprecision"))
    assert ratings_allowed("overall") == ("high", "moderate", "low", "very_low")


def test_the_summary_of_findings_shows_levels_with_footnotes(folder):
    place = folder(
        *rows(risk_of_bias="serious", inconsistency="serious"),
        *rows("disease_control", risk_of_bias="serious"),
        *rows("hepatotoxicity", imprecision=None),
    )
    table = mn.summary_of_findings(
        mn.load_evidence(place), ["objective_response", "disease_control", "hepatotoxicity", "mortality"], "TARE"
    )
    shown = table.to_frame(shown=True).iloc[:, -1].tolist()
    assert shown[:2] == ["⊕⊕⊖⊖ low a, b", "⊕⊕⊕⊖ moderate a"]
    assert "not every domain was rated: imprecision" in shown[2]
    assert "a. Risk of bias (−1): Because of risk_of_bias." in table.foot
    assert "b. Inconsistency (−1): Because of inconsistency." in table.foot
    assert any("as the reviewers rated it" in line for line in table.foot)


def test_words_that_are_not_known_are_refused():
    evidence = mn.load_evidence()
    for given, words in (
        (("objective_response", "TARRE"), "TARE"),
        (("objective_response", "TARE versus TACE"), "must be one treatment"),
        (("objective_response", "TARE", None, "contrast"), "must be two treatments"),
        (("objective_response", "TARE", "x"), "definition"),
        (("objective_response", "TARE", None, "both"), "question"),
    ):
        with pytest.raises(ArgumentError, match=words):
            evidence.grade(*given)


def test_ratings_are_part_of_what_a_report_rests_on(folder):
    before = mn.load_evidence().fingerprint_of("objective_response")
    evidence = mn.load_evidence(folder(*rows()))
    assert evidence.fingerprint_of("objective_response") != before
    assert evidence.fingerprint_of("disease_control") == mn.load_evidence().fingerprint_of("disease_control")


def test_a_domain_is_not_rated_under_an_empty_definition_and_the_default_one(folder):
    twice = [*rows("hepatotoxicity"), *rows("hepatotoxicity", definition="graded", imprecision="serious")[3:4]]
    (problem,) = problems(folder(*twice))
    assert "rates imprecision again, after line 5: an empty definition is the default one" in problem
    # A stated level is compared with the ratings of its body under either name of the definition.
    mixed = [
        *rows("hepatotoxicity", imprecision="serious"),
        ("hepatotoxicity", "TARE", "graded", "rate", "overall", "high", "x", "AB"),
    ]
    (problem,) = problems(folder(*mixed))
    assert "is high, and the ratings give moderate" in problem
