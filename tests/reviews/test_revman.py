"""What RevMan files hold beside plain pairs of groups: subgroups, generic labels, contrasts, years, and other files of a package."""

from __future__ import annotations

import json

import pytest

import metanet as mn
from metanet.reviews.importers.labels import Context, contrast, is_generic, resolved, treatment

from .conftest import RELIEF, ROWS, SETTINGS, package, rm5

STUDIES = "".join(
    f'<STUDY ID="S-{name[0]}" NAME="{name}" YEAR="{year}"/>\n'
    for name, year in (("Adam 2001", "2001"), ("Berg 2005", "2005"), ("Cruz 2010", "2010"))
)


def outcome(name, rows, *, number=1, labels=("Drug", "Placebo"), totals="YES"):
    """A dichotomous outcome; `rows` are (study, events, total, events, total), or a dict of them by subgroup."""

    def data(listed):
        return "".join(
            f'<DICH_DATA STUDY_ID="S-{study}" EVENTS_1="{a}" TOTAL_1="{b}" EVENTS_2="{c}" TOTAL_2="{d}"/>'
            for study, a, b, c, d in listed
        )

    if isinstance(rows, dict):
        body = "".join(
            f'<DICH_SUBGROUP NO="{place}"><NAME>{subgroup}</NAME>{data(listed)}</DICH_SUBGROUP>'
            for place, (subgroup, listed) in enumerate(rows.items(), 1)
        )
    else:
        body = data(rows)
    return (
        f'<DICH_OUTCOME NO="{number}" TOTALS="{totals}"><NAME>{name}</NAME><GROUP_LABEL_1>{labels[0]}</GROUP_LABEL_1>'
        f"<GROUP_LABEL_2>{labels[1]}</GROUP_LABEL_2>{body}</DICH_OUTCOME>"
    )


def review_of(*comparisons):
    """An .rm5 file of (name, outcomes)."""
    text = rm5("@", studies=STUDIES)
    head, tail = text[: text.index("<COMPARISON")], "</ANALYSES_AND_DATA></COCHRANE_REVIEW>\n"
    body = "".join(
        f'<COMPARISON NO="{number}"><NAME>{name}</NAME>{"".join(outcomes)}</COMPARISON>'
        for number, (name, outcomes) in enumerate(comparisons, 1)
    )
    return head + body + tail


def arms(review, table):
    return {(study, arm): (int(events), int(total)) for study, arm, events, total in review.counts(table)}


# --- labels


@pytest.mark.parametrize(
    ("label", "means"),
    [("Favours placebo", "placebo"), ("Favors the drug", "drug"), ("In favour of Drug A", "Drug A"), ("Drug&nbsp;A", "Drug A")],
)
def test_a_label_is_the_treatment_that_it_names(label, means):
    assert treatment(label) == means


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("Alfa versus placebo", ("Alfa", "placebo")),
        ("Alfa vs. beta (adults)", ("Alfa", "beta")),
        ("Main analysis: alfa compared with beta: sensitivity", ("alfa", "beta")),
        ("Alfa v beta - children", ("Alfa", "beta")),
        ("Alfa versus beta versus gamma", None),
        ("Mortality", None),
        ("Alfa versus ALFA", None),
    ],
)
def test_a_contrast_is_read_from_a_name(text, pair):
    assert contrast(text) == pair


@pytest.mark.parametrize(
    "label", ["Intervention", "Control", "1st intervention", "Treatment 2", "Experimental group", "Higher dose", "Comparator"]
)
def test_roles_are_no_treatments(label):
    assert is_generic(label)


@pytest.mark.parametrize(
    "label", ["Drug A", "Placebo", "High dose", "Group therapy", "Controlled ovarian stimulation", "Active surveillance"]
)
def test_treatments_are_no_roles(label):
    assert not is_generic(label)


@pytest.mark.parametrize(
    ("labels", "text", "names"),
    [
        (("Experimental", "Control"), "Drug versus placebo", ("Drug", "placebo")),
        (("Antibiotics", "Control"), "Placebo versus antibiotics", ("Antibiotics", "Placebo")),
        (("Higher dose", "Lower dose"), "250 ppm versus 1000 ppm", ("1000 ppm", "250 ppm")),
        (("Shorter course", "Longer course"), "7 days versus 3 days", ("3 days", "7 days")),
    ],
)
def test_a_generic_label_is_resolved_by_the_contrast(labels, text, names):
    assert resolved(labels, [Context(text)]) == (names, (True, True))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (("Experimental", "Control"), "Placebo versus drug"),
        (("Treatment", "Control"), "Intervention versus control"),
        (("Higher dose", "Lower dose"), "Early versus late"),
        (("Higher dose", "Lower dose"), "10 to 20 mg versus 5 mg"),
    ],
)
def test_a_contrast_that_could_be_the_wrong_way_round_resolves_nothing(labels, text):
    assert not all(resolved(labels, [Context(text)])[1])


def test_labels_of_pairs_in_subgroups_become_their_treatments(review):
    rows = {
        "Alfa versus placebo": [("A", 3, 30, 9, 31)],
        "Beta versus placebo": [("B", 2, 40, 4, 41)],
        "Alfa versus beta": [("C", 5, 50, 6, 52)],
    }
    content = review_of(("Any drug", [outcome("Death", rows, labels=("Intervention", "Comparator"), totals="SUB")]))
    review.take("revman5", content)
    assert arms(review, "death") == {
        ("Adam2001", "Alfa"): (3, 30),
        ("Adam2001", "placebo"): (9, 31),
        ("Berg2005", "Beta"): (2, 40),
        ("Berg2005", "placebo"): (4, 41),
        ("Cruz2010", "Alfa"): (5, 50),
        ("Cruz2010", "Beta"): (6, 52),
    }


def test_the_arms_of_a_trial_of_three_are_one_each(review):
    rows = {"B vs A": [("A", 26, 194, 32, 193)], "C vs A": [("A", 43, 193, 32, 193)], "C vs B": [("A", 43, 193, 26, 194)]}
    made = review.take(
        "revman5", review_of(("Pairs", [outcome("Birth", rows, labels=("1st intervention", "2nd intervention"), totals="SUB")]))
    )
    assert arms(review, "birth") == {("Adam2001", "B"): (26, 194), ("Adam2001", "A"): (32, 193), ("Adam2001", "C"): (43, 193)}
    assert any("the same counts in several rows and is one arm" in note for note in made.notes)


def test_a_dose_of_two_comparisons_is_one_arm(review):
    labels = ("Higher dose", "Lower dose")
    content = review_of(
        ("1000 versus 250", [outcome("Caries", [("A", 56, 145, 60, 140)], labels=labels)]),
        ("1500 versus 1000", [outcome("Caries", [("A", 40, 150, 56, 145)], labels=labels)]),
    )
    review.take("revman5", content)
    assert arms(review, "caries") == {("Adam2001", "1000"): (56, 145), ("Adam2001", "250"): (60, 140), ("Adam2001", "1500"): (40, 150)}


def test_an_unresolved_label_keeps_its_comparison_and_is_noted_with_a_rename_that_works(review):
    labels = ("Treatment", "Placebo")
    content = review_of(
        ("Drugs", [outcome("Pain", [("A", 3, 30, 9, 31)], labels=labels)]),
        ("Devices", [outcome("Pain", [("B", 2, 40, 4, 41)], labels=labels)]),
    )
    made = review.take("revman5", content, renames=["Treatment (versus Placebo)=Treatment of drugs"])
    assert set(review.column("arms", "modality")) == {"Treatment of drugs", "Placebo"}
    assert any("may mean another treatment in each" in note for note in made.notes)


def test_generic_labels_of_both_groups_are_kept_apart_by_the_comparison(review):
    labels = ("Experimental", "Control")
    content = review_of(
        ("Drugs", [outcome("Pain", [("A", 3, 30, 9, 31)], labels=labels)]),
        ("Devices", [outcome("Pain", [("B", 2, 40, 4, 41)], labels=labels)]),
    )
    review.take("revman5", content)
    assert len(set(review.column("arms", "modality"))) == 4


def test_spellings_of_one_treatment_become_one_and_plurals_are_listed(review):
    content = review_of(
        (
            "Bone",
            [
                outcome("Pain", [("A", 3, 30, 9, 31)], labels=("Bisphosphonates", "placebo")),
                outcome("Fever", [("A", 5, 30, 9, 31)], number=2, labels=("Bisphosphonate", "Placebo")),
                outcome("Nausea", [("A", 1, 30, 2, 31)], number=3, labels=("Favours bisphosphonates", "Favours placebo")),
            ],
        )
    )
    made = review.take("revman5", content)
    assert set(review.column("arms", "modality")) == {"Bisphosphonates", "Bisphosphonate", "placebo"}
    rename = "Bisphosphonate=Bisphosphonates"
    assert any(f"renames=['{rename}']" in note for note in made.notes)
    assert "'Placebo' is written 'placebo'" in " ".join(made.notes)


def test_the_spelling_of_the_review_is_kept(review):
    review.take("revman5", review_of(("x", [outcome("Pain", [("A", 3, 30, 9, 31)], labels=("Drug A", "Placebo"))])))
    review.take("revman5", review_of(("x", [outcome("Fever", [("A", 2, 30, 8, 31)], labels=("drug a", "PLACEBO"))])))
    assert set(review.column("arms", "modality")) == {"Drug A", "Placebo"}


# --- studies in several subgroups


def test_a_control_group_of_several_doses_is_one_arm(review):
    rows = {"1 mg": [("A", 3, 30, 9, 31)], "3 mg": [("A", 1, 32, 9, 31)]}
    made = review.take("revman5", review_of(("x", [outcome("Pain", rows)])))
    assert arms(review, "pain") == {
        ("Adam2001", "Drug, 1 mg"): (3, 30),
        ("Adam2001", "Drug, 3 mg"): (1, 32),
        ("Adam2001", "Placebo"): (9, 31),
    }
    assert any("although the total of the review counts it in each" in note for note in made.notes)


def test_subgroups_of_other_drugs_that_are_not_added_up_are_other_treatments(review):
    rows = {"Alfa": [("A", 3, 30, 9, 31)], "Beta": [("B", 4, 44, 8, 40)]}
    review.take("revman5", review_of(("x", [outcome("Pain", rows, totals="SUB")])))
    assert set(review.column("arms", "modality")) == {"Drug (Alfa)", "Drug (Beta)", "Placebo"}


def test_doses_with_equal_counts_are_two_arms(review):
    rows = {"1 mg": [("A", 0, 30, 9, 31)], "3 mg": [("A", 0, 30, 4, 33)]}
    review.take("revman5", review_of(("x", [outcome("Pain", rows)])))
    assert ("Adam2001", "Drug, 1 mg") in arms(review, "pain")
    assert ("Adam2001", "Drug, 3 mg") in arms(review, "pain")


@pytest.mark.parametrize("totals", ["SUB", "NO"])
def test_subgroups_that_are_not_added_up_are_outcomes(review, totals):
    rows = {"Short term": [("A", 3, 30, 9, 31), ("B", 4, 44, 8, 40)], "Long term": [("A", 5, 28, 10, 29)]}
    made = review.take("revman5", review_of(("x", [outcome("Pain", rows, totals=totals)])))
    assert made.new_outcomes == ("pain_short_term", "pain_long_term")
    assert arms(review, "pain_long_term") == {("Adam2001", "Drug"): (5, 28), ("Adam2001", "Placebo"): (10, 29)}


def test_other_events_of_the_same_patients_are_outcomes_although_they_are_added_up(review):
    rows = {"Stroke": [("A", 3, 30, 9, 31)], "Heart": [("A", 5, 30, 4, 31)]}
    made = review.take("revman5", review_of(("x", [outcome("Death", rows)])))
    assert made.new_outcomes == ("death_stroke", "death_heart")
    assert any("with the same patients (Adam 2001)" in note for note in made.notes)


def test_two_rows_of_one_study_in_one_subgroup_are_two_arms(review):
    made = review.take("revman5", review_of(("x", [outcome("Pain", [("A", 3, 30, 9, 31), ("A", 2, 20, 5, 21)])])))
    assert {arm for _, arm in arms(review, "pain")} == {"Drug, 1", "Drug, 2", "Placebo, 1", "Placebo, 2"}
    assert any("Check that no patient is in two" in note for note in made.notes)


# --- outcomes


def test_the_outcome_is_the_comparison_where_the_analysis_is_a_contrast(review):
    content = review_of(
        ("Relapse", [outcome("Alfa versus placebo", [("A", 3, 30, 9, 31)], labels=("Alfa", "placebo"))]),
        ("Injury", [outcome("Alfa versus placebo", [("B", 2, 40, 4, 41)], labels=("Alfa", "placebo"))]),
    )
    assert review.take("revman5", content).new_outcomes == ("relapse", "injury")


def test_a_comparison_is_chosen_by_name_or_number_and_all_but_some_by_a_minus(review):
    content = review_of(
        ("Drugs", [outcome("Pain", [("A", 3, 30, 9, 31)]), outcome("Fever", [("A", 3, 30, 9, 31)], number=2)]),
        ("Devices", [outcome("Nausea", [("B", 2, 40, 4, 41)])]),
    )
    assert review.take("revman5", content, outcomes=["Drugs"]).new_outcomes == ("pain", "fever")
    assert review.take("revman5", content, outcomes=["2"]).new_outcomes == ("nausea",)


def test_all_but_some_are_imported(review):
    content = review_of(("Drugs", [outcome("Pain", [("A", 3, 30, 9, 31)]), outcome("Fever", [("A", 3, 30, 9, 31)], number=2)]))
    made = review.take("revman5", content, outcomes=["-1.2"])
    assert made.new_outcomes == ("pain",)
    assert "1.2 Fever: not chosen" in made.left_out


def test_long_names_stay_two(review):
    first = "Incidence of rheumatic fever within two months as defined by clinical diagnosis " * 3
    content = review_of(
        ("x", [outcome(first + "before", [("A", 3, 30, 9, 31)]), outcome(first + "after", [("A", 4, 30, 8, 31)], number=2)])
    )
    made = review.take("revman5", content)
    assert len(made.new_outcomes) == 2
    assert review.take("revman5", content).there == 4


def test_entities_become_characters(review):
    content = review_of(("x", [outcome("Infection (&amp;lt; 100 units)&amp;nbsp;", [("A", 3, 30, 9, 31)])]))
    review.take("revman5", content)
    assert mn.load_evidence(review.data).label("infection_100_units") == "Infection (< 100 units)"


# --- studies


@pytest.mark.parametrize(
    ("name", "year", "reference", "found"),
    [
        ("Adam 2001 Study 309", "", "", "2001"),
        ("NCT00000001", "", "<REFERENCE><YR>2004</YR></REFERENCE>", "2004"),
        ("Adam 2001", "2005/07/01", "", "2005"),
        ("Adam 2001a", "2001a", "", "2001"),
        ("Adam", "", "", ""),
    ],
)
def test_a_year_comes_from_the_study_its_name_or_its_report(review, name, year, reference, found):
    studies = f'<STUDY ID="S-A" NAME="{name}" YEAR="{year}">{reference}</STUDY>'
    content = review_of(("x", [outcome("Pain", [("A", 3, 30, 9, 31)])])).replace(STUDIES, studies)
    review.take("revman5", content)
    assert review.column("studies", "year") == [found]
    assert mn.validate(review.data).ok


def test_judgements_excluded_studies_and_references_are_written_beside(review):
    studies = """<STUDY ID="S-A" NAME="Adam 2001" YEAR="2001"><REFERENCE PRIMARY="YES"><AU>Adam A</AU><TI>A <I>first</I> trial</TI>
    <SO>J Pain</SO><YR>2001</YR><IDENTIFIERS><IDENTIFIER TYPE="DOI" VALUE="https://doi.org/10.1000/x1"/>
    <IDENTIFIER TYPE="MEDLINE" VALUE="PUBMED 1234567"/></IDENTIFIERS></REFERENCE></STUDY>
    </INCLUDED_STUDIES><EXCLUDED_STUDIES><STUDY ID="S-X" NAME="Xu 1999" YEAR="1999">
    <REFERENCE><AU>Xu B</AU><TI>Not this</TI><YR>1999</YR></REFERENCE></STUDY></EXCLUDED_STUDIES><INCLUDED_STUDIES>"""
    bias = """<QUALITY_ITEMS><QUALITY_ITEM ID="QIT-1" LEVEL="GROUP"><NAME>Blinding</NAME><DESCRIPTION><P>x</P></DESCRIPTION>
    <QUALITY_ITEM_DATA_ENTRY_GROUP ID="QIG-1" NO="1"><NAME>Pain</NAME></QUALITY_ITEM_DATA_ENTRY_GROUP><QUALITY_ITEM_DATA>
    <QUALITY_ITEM_DATA_ENTRY RESULT="NO" STUDY_ID="S-A" GROUP_ID="QIG-1"><DESCRIPTION><P>=open</P><P>label</P></DESCRIPTION>
    </QUALITY_ITEM_DATA_ENTRY></QUALITY_ITEM_DATA></QUALITY_ITEM></QUALITY_ITEMS><CHARACTERISTICS_OF_EXCLUDED_STUDIES>
    <EXCLUDED_CHAR STUDY_ID="S-X"><CHAR_REASON_FOR_EXCLUSION><P>not randomised</P></CHAR_REASON_FOR_EXCLUSION></EXCLUDED_CHAR>
    </CHARACTERISTICS_OF_EXCLUDED_STUDIES>"""
    content = review_of(("x", [outcome("Pain", [("A", 3, 30, 9, 31)])])).replace(STUDIES, studies)
    content = content.replace("<ANALYSES_AND_DATA>", f"{bias}<ANALYSES_AND_DATA>")
    made = review.take("revman5", content, name="pain.rm5")
    assert dict(made.beside) == {
        "imported/pain/risk_of_bias.csv": 1,
        "imported/pain/excluded.csv": 1,
        "imported/pain/references.csv": 2,
    }
    place = review.path / "imported" / "pain"
    assert (place / "risk_of_bias.csv").read_text().splitlines()[1] == "Adam2001,Pain,RevMan 5,Blinding,high,'=open label"
    assert "Xu B. Not this. 1999,,,full_text,not randomised" in (place / "excluded.csv").read_text()
    assert (review.column("studies", "title"), review.column("studies", "doi")) == (["A first trial"], ["10.1000/x1"])
    assert review.column("studies", "pmid") == ["1234567"]
    assert "no analysis has counts of" not in made.summary()
    assert dict(made.added)["excluded.csv"] == 1
    listed = [dict(row) for row in mn.load_evidence(review.path).optional_rows("excluded")]
    assert [(row["citation"], row["stage"], row["reason"]) for row in listed] == [
        ("Xu B. Not this. 1999", "full_text", "not randomised")
    ]
    # Once more: nothing is there twice.
    again = review.take("revman5", content, name="pain.rm5")
    assert "excluded.csv" not in dict(again.added)
    assert len(mn.load_evidence(review.path).optional_rows("excluded")) == 1


def test_excluded_studies_do_not_contradict_a_flow_that_is_filled(review):
    content = review_of(("x", [outcome("Pain", [("A", 3, 30, 9, 31)])])).replace(
        STUDIES,
        f"""{STUDIES}</INCLUDED_STUDIES><EXCLUDED_STUDIES><STUDY ID="S-X" NAME="Xu 1999" YEAR="1999"><REFERENCE><AU>Xu B</AU>
        </REFERENCE></STUDY></EXCLUDED_STUDIES><INCLUDED_STUDIES>""",
    )
    flow = review.path / "extracted_data" / "search_flow.csv"
    flow = flow if flow.parent.is_dir() else review.path / "search_flow.csv"
    flow.write_text('data,n\ndbr_assessed,3\ndbr_excluded,"Not randomised, 2"\n')
    made = review.take("revman5", content, name="pain.rm5")
    assert any("1 excluded study of the file did not go into excluded.csv" in note for note in made.notes)
    assert not mn.load_evidence(review.path).optional_rows("excluded")


def test_a_failed_import_writes_nothing_beside(review):
    content = review_of(("x", [outcome("Pain", [("A", "x", 30, 9, 31)])]))
    content = content.replace(STUDIES, '<STUDY ID="S-A" NAME="Adam 2001" YEAR="2001"><REFERENCE><TI>T</TI></REFERENCE></STUDY>')
    review.refused("revman5", content)
    assert not (review.path / "imported").exists()


# --- the export of RevMan 5, and files of a data package

EXPORT = """\
Comparison Number,Outcome Number,Subgroup Number,Name,Data Type,Events 1,Mean 1,SD 1,Total 1,Events 2,Total 2,\
Effect Estimate,Group Label 1,Group Label 2,Year of study
1,0,0,Drug versus placebo,,,,,,,,,,,
1,1,0,Pain relief,DIC,7,,,74,17,71,0.4,Drug,Placebo,
1,1,1,Adults,DIC,3,,,30,9,31,0.3,,,
1,1,1,Adam 2001,,3,,,30,9,31,0.3,,,2001
1,1,2,Children,DIC,4,,,44,8,40,0.4,,,
1,1,2,Berg 2005,,4,,,44,8,40,0.4,,,2005
1,2,0,Score,CON,,,,106,,126,,Drug,Placebo,
1,2,0,Adam 2001,,0,5,4.7,13,0,13,,,,2001
"""


def test_the_exported_analysis_data_of_revman_5_are_read(review):
    made = review.take("revman5", EXPORT, name="export.csv")
    assert review.counts("pain_relief") == [
        ("Adam2001", "Drug", "3", "30"),
        ("Adam2001", "Placebo", "9", "31"),
        ("Berg2005", "Drug", "4", "44"),
        ("Berg2005", "Placebo", "8", "40"),
    ]
    assert "1.2 Score: continuous data" in made.left_out
    assert review.column("pain_relief", "source_locator")[0] == "Analysis 1.1, Adults"


def test_zeros_in_unused_columns_are_no_continuous_data(review):
    head = ROWS.splitlines()[0]
    rows = f"{head}\n1,1,Death,,Smith 2010,2010,0.0,0.0,3,40,0.0,5,41,0.0\n"
    review.take("revman-web", rows)
    assert review.counts("death") == [("Smith2010", "Experimental", "3", "40"), ("Smith2010", "Control", "5", "41")]


def test_points_in_place_of_spaces_are_the_same_columns(review):
    head, *rest = ROWS.splitlines()
    review.take("revman-web", "\n".join([head.replace(" ", ".").replace("O-E", "O.E"), *rest, ""]))
    assert len(review.rows("death")) == 4


def test_analyses_of_unnamed_comparisons_that_are_contrasts_stay_apart(review):
    head = ROWS.splitlines()[0]
    rows = f"{head}\n1,1,A versus B,,Smith 2010,2010,,,3,40,,5,41,\n2,1,A versus B,,Wu 2014,2014,,,2,30,,4,31,\n"
    assert len(review.take("revman-web", rows).new_outcomes) == 2


RESULTS = """\
Study,Outcome,Data type,Effect measure,Arm,Reference arm,Sample size,Cases,Mean
Adam 2001,Pain,Dichotomous,,Drug A 5 mg,,30,3,
Adam 2001,Pain,Dichotomous,,Placebo,,31,9,
Adam 2001,Fever,Dichotomous,,Placebo,,0,0,
Adam 2001,Score,Continuous,,Placebo,,31,,2
"""
ARMS = "Study,Arm,Description,Intervention\nAdam 2001,Drug A 5 mg,five,Drug A\n"


def test_study_results_are_counts_of_arms(review):
    made = review.take("revman-web", package({"CD1-study-results.csv": RESULTS, "CD1-study-arms.csv": ARMS}))
    assert arms(review, "pain") == {("Adam2001", "Drug A 5 mg"): (3, 30), ("Adam2001", "Placebo"): (9, 31)}
    assert review.column("arms", "modality") == ["Drug A", "Placebo"]
    assert made.left_out == ("Score: Continuous data", "1 arm without patients: Adam 2001, Placebo (Fever)")


def test_study_results_alone_take_the_arm_for_the_treatment(review):
    review.take("revman-web", RESULTS, outcomes=["Pain"])
    assert review.column("arms", "modality") == ["Drug A 5 mg", "Placebo"]


def test_study_data_as_json_are_the_same(review):
    study = {
        "name": "Adam 2001",
        "arms": [{"name": "Drug A 5 mg", "intervention": "Drug A"}],
        "results": [
            {
                "outcome": "Pain",
                "arm-level-result": {
                    "dichotomous-data-rows": [
                        {"arm": "Drug A 5 mg", "cases": 3, "sample-size": 30},
                        {"arm": "Placebo", "cases": 9, "sample-size": 31},
                    ]
                },
            },
            {"outcome": "Score", "contrast-level-results": []},
        ],
    }
    made = review.take("revman-web", json.dumps({"studies": [study]}))
    assert arms(review, "pain") == {("Adam2001", "Drug A 5 mg"): (3, 30), ("Adam2001", "Placebo"): (9, 31)}
    assert review.column("arms", "modality") == ["Drug A", "Placebo"]
    assert made.left_out == ("Score: other data",)


def test_judgements_of_a_package_are_written_beside(review):
    bias = "Study,Domain (judgement): Blinding: Pain,Domain (support): Blinding: Pain\nSmith 2010,Low risk,=blind\n"
    members = {"data-rows.csv": ROWS, "overall-estimates-and-settings.csv": SETTINGS, "CD1-risk-of-bias.csv": bias}
    made = review.take("revman-web", package(members), name="CD1.zip")
    assert dict(made.beside) == {"imported/CD1/risk_of_bias.csv": 1}
    text = (review.path / "imported" / "CD1" / "risk_of_bias.csv").read_text()
    assert text.splitlines()[1] == "Smith2010,Pain,RevMan Web,Blinding,low,'=blind"


def test_judgements_of_a_package_become_rows_of_the_table_of_the_review(review):
    head = "Study,Domain (judgement): Blinding of outcome assessment: Pain,Domain (judgement): Other bias"
    bias = f"{head}\nSmith 2010,Low risk,Unclear risk\n"
    members = {"data-rows.csv": ROWS, "overall-estimates-and-settings.csv": SETTINGS, "CD1-risk-of-bias.csv": bias}
    review.take("revman-web", package(members), name="CD1.zip")
    evidence = mn.load_evidence(review.data)
    rows = mn.read_judgements(review.path / "imported" / "CD1" / "risk_of_bias.csv", evidence=evidence, outcomes={"Pain": "response"})
    assert rows[["study_id", "outcome", "tool", "domain", "judgement"]].to_numpy().tolist() == [
        ["Smith2010", "response", "rob1", "blinding_of_assessment", "low"],
        ["Smith2010", "", "rob1", "other", "unclear"],
    ]
    rows.to_csv(review.data / "risk_of_bias.csv", index=False)
    assert mn.validate(review.data).ok


def test_judgements_alone_come_in_and_the_tables_stay(review):
    before = {path.name: path.read_bytes() for path in review.data.iterdir() if path.is_file()}
    made = review.take("revman-web", "Study,Domain (judgement): Blinding\nSmith 2010,High risk\n", name="rob.csv")
    assert (made.added, dict(made.beside)) == ((), {"imported/rob/risk_of_bias.csv": 1})
    assert {path.name: path.read_bytes() for path in review.data.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(("content", "words"), [(ARMS, "no results"), (SETTINGS, "not their rows"), ("{", "is not JSON")])
def test_a_file_of_the_package_without_counts_is_named(review, content, words):
    assert words in review.refused("revman-web", content)[0].wrong


def test_empty_files_of_a_package_do_not_matter(review):
    members = {"data-rows.csv": ROWS, "overall-estimates-and-settings.csv": SETTINGS, "CD1-study-results.csv": "Study,Outcome\n"}
    review.take("revman-web", package(members))
    assert len(review.rows("death")) == 4


def test_pain_relief_of_the_example_is_unchanged(review):
    review.take("revman5", rm5(RELIEF))
    assert review.counts("pain_relief")[0] == ("Muller2010", "Drug A", "14", "40")


# --- tracked changes


def test_tracked_changes_are_taken_as_accepted(review):
    named = outcome("Pain @", [("A", 3, 30, 9, 31)], labels=("Drug <DEL>A</DEL><INS>B</INS>", "Placebo"))
    other = outcome("<INS>Nau</INS>\n<INS>sea</INS>", [("A", 1, 30, 2, 31)], number=2)
    content = review_of(("Drug", [named.replace("@", "at <DEL>one</DEL><INS>two</INS> weeks"), other]))
    made = review.take("revman5", content)
    assert made.new_outcomes == ("pain_at_two_weeks", "nausea")
    assert "Drug B" in review.column("arms", "modality")
    assert "one" not in made.summary()


# --- kinds of data, by their filled columns


FULL = "Analysis group,Analysis number,Analysis name,Subgroup,Study,Study year,GIV Mean,GIV SE,Experimental cases,Experimental N,"
FULL += "Control cases,Control N,O-E,Variance,Mean,CI start,CI end\n"


def test_counts_without_any_event_are_counts_although_they_have_a_standard_error(review):
    review.take("revman-web", f"{FULL}1,1,Death,,Smith 2010,2010,0.0,1.4067,0,20,0,21,0.0,1.9788,,,\n")
    assert sorted(count[2:] for count in review.counts("death")) == [("0", "20"), ("0", "21")]


def test_an_estimate_of_exactly_zero_with_numbers_of_patients_is_not_a_count(review):
    rows = (
        f"{FULL}1,1,Score,,Smith 2010,2010,0.0,0.05,0,103,0,101,0.0,0.0,0.0,-0.09,0.09\n1,2,Death,,Smith 2010,2010,,,3,40,5,41,,,,,\n"
    )
    assert "1.1 Score: generic inverse variance data" in review.take("revman-web", rows).left_out


# --- outcomes whose names differ in signs


def signs():
    rows = [("A", 3, 30, 9, 31)]
    names = ("All-cause death", "All cause death", "Score (&lt; 5)", "Score (&gt; 5)")
    return review_of(("Drug", [outcome(name, rows, number=number) for number, name in enumerate(names, 1)]))


def test_outcomes_that_differ_in_signs_stay_apart_in_a_second_import(review):
    made = review.take("revman5", signs())
    assert made.new_outcomes == ("all_cause_death", "all_cause_death_2", "score_5", "score_5_2")
    before = review.content()
    assert review.take("revman5", signs()).there == 8
    assert review.content() == before


def test_outcomes_that_differ_in_signs_stay_apart_when_they_are_imported_one_by_one(review):
    for number in (1, 2, 3, 4):
        review.take("revman5", signs(), outcomes=[f"1.{number}"])
    evidence = mn.load_evidence(review.data)
    titles = {"score_5": "Score (< 5)", "score_5_2": "Score (> 5)", "all_cause_death_2": "All cause death"}
    assert {name: evidence.label(name) for name in titles} == titles


def test_the_rename_of_the_note_joins_outcomes_that_differ_in_signs(review):
    note = next(note for note in review.take("revman5", signs()).notes if note.startswith("'All cause death'"))
    rename = note.partition("renames=['")[2].partition("']")[0]
    assert rename == "All cause death=All-cause death"


def test_the_renames_of_the_note_work_for_names_with_an_equals_sign(review):
    content = review_of(
        ("Drug", [outcome(f"Pain (ICC {sign} 1)", PAIRS, number=number) for number, sign in enumerate(("=", "&lt;"), 1)])
    )
    note = next(note for note in review.take("revman5", content).notes if "If they are one outcome" in note)
    renames = ["Pain (ICC < 1)=NAME", "Pain (ICC = 1)=NAME"]
    assert all(f"renames=['{rename}']" in note for rename in renames)
    assert review.take("revman5", content, renames=renames).new_outcomes == ("name",)


def test_a_joined_outcome_has_one_table(review):
    made = review.take("revman5", signs(), renames=["All cause death=All-cause death"])
    assert made.new_outcomes == ("all_cause_death", "score_5", "score_5_2")
    assert made.twice == 2


# --- names

PAIRS = [("A", 3, 30, 9, 31)]


def test_an_analysis_without_a_name_is_called_by_its_number(review):
    made = review.take("revman5", review_of(("x", [outcome("", PAIRS), outcome("Pain", PAIRS, number=2)])))
    assert made.new_outcomes == ("analysis_1_1", "pain")


def test_an_outcome_in_another_script_has_a_table_and_its_title(review):
    content = review_of(("抗生素", [outcome("疼痛", PAIRS), outcome("发热", PAIRS, number=2)]))
    made = review.take("revman5", content)
    assert len(made.new_outcomes) == 2
    assert [mn.load_evidence(review.data).label(name) for name in made.new_outcomes] == ["疼痛", "发热"]
    assert review.take("revman5", content).there == 4


def test_an_export_with_totals_of_the_subgroups_alone_keeps_them_apart(review):
    export = EXPORT.replace("1,1,0,Pain relief,DIC,7,,,74,17,71,0.4,", "1,1,0,Pain relief,DIC,7,,,74,17,71,,")
    made = review.take("revman5", export, name="export.csv")
    assert made.new_outcomes == ("pain_relief_adults", "pain_relief_children")
