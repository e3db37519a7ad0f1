"""What the names of a review mean: contrasts of treatments and of other things, subgroups, and outcomes of several comparisons."""

from __future__ import annotations

import shutil

import pytest

from metanet.reviews.importers.labels import contrast

from .conftest import Review
from .test_revman import outcome, review_of

# --- contrasts


@pytest.mark.parametrize(
    "text",
    [
        "Adults versus children",
        "Low versus high risk of bias",
        "Males vs females",
        "Term versus preterm infants",
        "Smokers versus non-smokers",
        "HIV-positive versus HIV-negative",
        "Early (pre-1975) versus late studies (post-1975)",
        "Intention-to-treat versus per protocol",
        "Death in participants with versus without diabetes",
        "Recovery - anxiety versus mixed anxiety disorders",
        "Improvement compared to baseline",
        "Toxicity (grade 3: oral vs IV drug)",
        "High versus low-dose fish oil",
        "Pregnancy 500 mg vs 80 mg",
        "Grade V haemorrhage",
        "MedDRA v 5.0 terms",
        "Fever: children compared with adults",
    ],
)
def test_contrasts_of_patients_studies_and_times_are_no_treatments(text):
    assert contrast(text) is None


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("Alfa + beta versus alfa", ("Alfa + beta", "alfa")),
        ("Alfa versus beta (60 mg)", ("Alfa", "beta (60 mg)")),
        ("Interferon (Rebif) versus interferon (Avonex)", ("Interferon (Rebif)", "interferon (Avonex)")),
        ("Nasal continuous positive airway pressure versus usual care", ("Nasal continuous positive airway pressure", "usual care")),
        ("Comparison 4 Alfa versus placebo, Outcome 2 Response", ("Alfa", "placebo")),
        ("Response (short-term) - alfa vs care-as-usual (ITT)", ("alfa", "care-as-usual")),
        (
            "Restrictive (target: 7-9 g/dL) versus liberal (target: 10-12 g/dL)",
            ("Restrictive (target: 7-9 g/dL)", "liberal (target: 10-12 g/dL)"),
        ),
        ("Drug versus placebo/no treatment by allocation concealment", ("Drug", "placebo/no treatment")),
        ("250 ppm F versus 1450 ppm F in young children (first teeth)", ("250 ppm F", "1450 ppm F")),
        ("Alfa vs beta in combination with gamma", ("Alfa", "beta in combination with gamma")),
        ("Alfa versus progestin. Surgery for persistent disease", ("Alfa", "progestin")),
        ("Alfa versus placebo (PP, sensitivity analysis)", ("Alfa", "placebo")),
        ("阿司匹林 vs 安慰剂", ("阿司匹林", "安慰剂")),
    ],
)
def test_contrasts_of_treatments_are_read_whole(text, pair):
    assert contrast(text) == pair


ROLES = ("Experimental", "Control")
A, B, C = [("A", 3, 30, 9, 31)], [("B", 2, 40, 4, 41)], [("C", 5, 50, 6, 52)]


def test_headings_of_subgroups_that_contrast_patients_give_no_treatments(review):
    rows = {"Adults versus children": A, "Low versus high risk of bias": B}
    made = review.take("revman5", review_of(("Antibiotics", [outcome("Pain", rows, labels=ROLES)])))
    assert set(review.column("arms", "modality")) == set(ROLES)
    assert any("does not tell it for certain" in note and "renames=['Experimental=TREATMENT']" in note for note in made.notes)


def test_one_heading_among_others_that_looks_like_a_contrast_gives_no_treatments(review):
    rows = {"Adults": A, "Alfa versus beta": B, "Children": C}
    review.take("revman5", review_of(("Antibiotics", [outcome("Pain", rows, labels=ROLES)])))
    assert set(review.column("arms", "modality")) == set(ROLES)


def test_a_control_group_is_not_called_by_a_contrast_of_routes(review):
    named = outcome("Toxicity (grade 3: oral vs IV alfa)", A, labels=("Alfa", "Control"))
    review.take("revman5", review_of(("Sensitivity analyses", [named]), ("Others", [outcome("Pain", B)])))
    assert review.column("arms", "modality")[:2] == ["Alfa", "Control (versus Alfa)"]


def test_a_heading_with_a_role_names_one_group(review):
    rows = {"Alfa versus control": A, "Beta versus placebo": B}
    content = review_of(("Any drug versus drug or nothing", [outcome("Pain", rows, labels=("Intervention", "Comparator"))]))
    review.take("revman5", content)
    assert review.column("arms", "modality") == ["Alfa", "Comparator", "Beta", "placebo"]


@pytest.mark.parametrize(
    ("labels", "names"),
    [(("Drug A", "Control"), ("Drug A", "Control (versus Drug A)")), (("Experimental", "Drug A"), ("Drug A + Drug B", "Drug A"))],
)
def test_a_combination_is_not_given_to_the_control_group(review, labels, names):
    content = review_of(("Drug A + Drug B versus Drug A", [outcome("Pain", A, labels=labels)]), ("Others", [outcome("Fever", B)]))
    review.take("revman5", content)
    assert tuple(review.column("arms", "modality")[:2]) == names


@pytest.mark.parametrize(
    "labels",
    [
        ("High dose", "Low dose"),
        ("1", "2"),
        ("5 mg", "10 mg"),
        ("Group A", "Group B"),
        ("[experimental]", "[control]"),
        ("Behandlung", "Kontrolle"),
        ("Traitement", "Contrôle"),
        ("Grupo de intervención", "Grupo control"),
        ("试验组", "对照组"),
        ("Основная группа", "Контрольная группа"),
        ("介入群", "対照群"),
    ],
)
def test_labels_that_mean_other_treatments_in_other_comparisons_are_kept_apart(review, labels):
    content = review_of(("Splints", [outcome("Pain", A, labels=labels)]), ("Massage", [outcome("Pain", B, labels=labels)]))
    made = review.take("revman5", content)
    names = review.column("arms", "modality")
    assert len(set(names)) == 4
    rename = next(note for note in made.notes if "may mean another" in note).partition("renames=['")[2].partition("=TREATMENT']")[0]
    assert rename in names


def test_amounts_are_those_of_the_drug_in_front_of_them(review):
    content = review_of(
        ("Alfa: 5 mg versus 10 mg", [outcome("Pain", A, labels=ROLES)]),
        ("Beta: 5 mg versus 10 mg", [outcome("Pain", B, labels=ROLES)]),
    )
    review.take("revman5", content)
    assert review.column("arms", "modality") == ["5 mg (Alfa)", "10 mg (Alfa)", "5 mg (Beta)", "10 mg (Beta)"]


# --- which outcome an analysis has


def test_analyses_of_other_outcomes_that_contrast_patients_keep_their_names(review):
    named = [outcome("Fever: children compared with adults", A), outcome("Headache: blinded versus unblinded studies", B, number=2)]
    made = review.take("revman5", review_of(("Antibiotics", named)))
    assert made.new_outcomes == ("fever_children_compared_with_adults", "headache_blinded_versus_unblinded_studies")


def test_names_that_contrast_something_else_stay_apart_by_their_comparison(review):
    labels = ("4 g", "2 g")
    content = review_of(
        ("Relapse", [outcome("4 g versus 2 g mesalazine", A, labels=labels)]),
        ("Harm", [outcome("4 g versus 2 g mesalazine", A, labels=labels)]),
    )
    assert len(review.take("revman5", content).new_outcomes) == 2


def test_comparisons_of_the_same_treatments_are_outcomes_of_their_own(review):
    content = review_of(("Adults", [outcome("Pain", A)]), ("Children", [outcome("Pain", B)]))
    made = review.take("revman5", content)
    assert made.new_outcomes == ("pain", "pain_children")
    assert any("compares the same treatments as analysis 1.1" in note for note in made.notes)


def test_comparisons_in_other_patients_are_other_outcomes(review):
    content = review_of(
        ("Alfa versus placebo in adults", [outcome("Pain", A, labels=("Alfa", "Placebo"))]),
        ("Beta versus placebo in children", [outcome("Pain", B, labels=("Beta", "Placebo"))]),
    )
    made = review.take("revman5", content)
    assert made.new_outcomes == ("pain_in_adults", "pain_in_children")
    assert any("is the outcome 'Pain (in children)'" in note for note in made.notes)


def test_patients_that_another_analysis_divides_otherwise_are_counted_once(review):
    rows = [("A", 3, 30, 9, 31), ("A", 2, 20, 5, 21)]
    by_dose = outcome("Pain", dict(zip(("1 mg", "3 mg"), ([row] for row in rows), strict=True)))
    by_risk = outcome("Pain", dict(zip(("Low risk", "High risk"), ([row] for row in rows), strict=True)), number=2)
    made = review.take("revman5", review_of(("Main", [by_dose, by_risk])))
    assert len(review.rows("pain")) == 4
    assert made.twice == 4


def test_the_sum_of_arms_is_no_further_arm(review):
    by_dose = outcome("Pain", {"1 mg": [("A", 3, 30, 9, 31)], "3 mg": [("A", 1, 32, 9, 31)]}, labels=("Alfa", "Placebo"))
    summed = outcome("Pain", [("A", 4, 62, 9, 31)], labels=("Alfa", "Placebo"))
    made = review.take("revman5", review_of(("By dose", [by_dose]), ("All", [summed])))
    assert made.new_outcomes == ("pain", "pain_all")


@pytest.mark.parametrize("totals", ["SUB", "NO"])
def test_other_studies_in_subgroups_that_are_not_added_up_are_other_outcomes(review, totals):
    rows = {"Laser": A, "Steam": B}
    made = review.take("revman5", review_of(("x", [outcome("Pain", rows, labels=("Surgery", "Sham"), totals=totals)])))
    assert made.new_outcomes == ("pain_laser", "pain_steam")
    note = next(note for note in made.notes if "does not add up" in note)
    assert "renames=['Pain: Laser=Pain']" in note


def test_named_groups_are_not_pooled_over_pairs_that_the_review_does_not_add_up(review):
    rows = {"Alfa versus placebo": A, "Beta versus placebo": B}
    content = review_of(("Any drug", [outcome("Pain", rows, labels=("SSRI", "Placebo"), totals="SUB")]))
    assert len(review.take("revman5", content).new_outcomes) == 2


def test_subgroups_are_joined_by_the_rename_of_the_note(review):
    rows = {"Laser": A, "Steam": B}
    content = review_of(("x", [outcome("Pain", rows, labels=("Surgery", "Sham"), totals="SUB")]))
    made = review.take("revman5", content, renames=["Pain: Laser=Pain", "Pain: Steam=Pain"])
    assert made.new_outcomes == ("pain",)


# --- one outcome after another


def by_number(review, content, numbers):
    for number in numbers:
        review.take("revman5", content, outcomes=[number])
    return {path.name: sorted(path.read_text().splitlines()) for path in review.data.glob("*.csv")}


def test_outcomes_one_after_another_are_the_same_tables_as_all_at_once(review, fresh, tmp_path):
    content = review_of(
        ("Splints", [outcome("Pain", A, labels=ROLES), outcome("Fever", {"1 mg": A, "3 mg": [("A", 1, 35, 9, 31)]}, number=2)]),
        ("Massage", [outcome("Pain", B, labels=ROLES), outcome("Fever", [("A", 4, 65, 9, 31)], number=2)]),
        ("Alfa versus placebo in adults", [outcome("Pain", C, labels=ROLES)]),
    )
    whole = tmp_path / "whole"
    shutil.copytree(fresh, whole)
    other = Review(whole)
    other.take("revman5", content)
    expected = {path.name: sorted(path.read_text().splitlines()) for path in other.data.glob("*.csv")}
    assert by_number(review, content, ["1.1", "1.2", "2.1", "2.2", "3.1"]) == expected
