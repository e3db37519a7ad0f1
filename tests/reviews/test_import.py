"""Importers: what RevMan, Covidence and plain files become, what is left out and said, and what is refused."""

from __future__ import annotations

import os

import pytest
from click.testing import CliRunner

import metanet as mn
from metanet.base.errors import ArgumentError, DataError, MetanetError
from metanet.base.transaction import HOME
from metanet.cli import cli
from metanet.evidence.folders import curated_folder
from metanet.reviews.importing import import_review

from .conftest import COVIDENCE, COVIDENCE_OPTIONS, NAUSEA, PLAIN, RELIEF, ROWS, SCORE, SETTINGS, STUDIES, package, rm5

WEB = {"X-analysis-data/X-data-rows.csv": ROWS, "X-analysis-data/X-overall-estimates-and-settings.csv": SETTINGS}


def test_two_groups_become_two_arms_of_a_study(review):
    review.take("revman5", rm5(RELIEF), "pain.rm5")
    assert review.counts("pain_relief") == [
        ("Muller2010", "Drug A", "14", "40"),
        ("Muller2010", "Placebo", "6", "41"),
        ("Smith2012a", "Drug A", "16", "50"),
        ("Smith2012a", "Placebo", "7", "51"),
    ]
    assert review.column("arms", "modality") == ["Drug A", "Placebo", "Drug A", "Placebo"]


def test_a_study_brings_author_year_title_journal_and_doi(review):
    review.take("revman5", rm5(RELIEF))
    study = review.rows("studies")[0]
    assert [study[name] for name in ("first_author", "year", "title", "journal", "doi")] == [
        *("Müller", "2010", "Drug A against placebo", "J Pain", "10.1000/abc")
    ]
    # The year stands in the name where RevMan's field has a full stop behind it or is empty.
    assert review.column("studies", "year") == ["2010", "2012"]


def test_what_was_imported_validates_and_says_where_it_comes_from(review):
    review.take("revman5", rm5(RELIEF), "pain.rm5")
    assert mn.validate(review.data).ok
    row = review.rows("pain_relief")[0]
    assert row["source"] == "RevMan 5 file pain.rm5 (Pain)"
    assert row["source_locator"] == "Analysis 1.1"
    assert (row["certainty"], row["double_extracted"]) == ("moderate", "false")


def test_an_arm_is_as_large_as_its_largest_total(review):
    review.take("revman5", rm5(RELIEF, NAUSEA))
    assert review.column("arms", "n") == ["42", "41", "50", "51"]


def test_a_new_outcome_gets_a_table_and_its_description_and_the_others_stay(review):
    before = mn.load_evidence(review.data).outcome_names
    made = review.take("revman5", rm5(RELIEF))
    assert made.new_outcomes == ("pain_relief",)
    assert mn.load_evidence(review.data).label("pain_relief") == "Pain relief"
    assert (review.data / "response.csv").read_text().count("\n") == 1
    assert before == ("response", "harm")


def test_an_outcome_that_is_there_is_found_by_its_label(review):
    made = review.take("revman5", rm5(RELIEF.replace("Pain relief", "RESPONSE")))
    assert made.new_outcomes == ()
    assert len(review.rows("response")) == 4


def test_a_continuous_outcome_is_left_out_and_said(review):
    made = review.take("revman5", rm5(RELIEF, SCORE))
    assert made.left_out == ("1.2 Pain score: continuous data", "1 study that no analysis has counts of: Lee 2015")
    assert "Left out:\n  1.2 Pain score: continuous data" in made.summary()


@pytest.mark.parametrize(
    ("element", "words"), [("CONT", "continuous"), ("IV", "generic inverse variance"), ("IPD", "O-E and variance"), ("OTHER", "other")]
)
def test_a_file_without_two_by_two_counts_is_refused_by_what_it_has(review, element, words):
    content = rm5(f'<{element}_OUTCOME NO="1"><NAME>Score</NAME></{element}_OUTCOME>')
    assert words in review.only("revman5", content).wrong


def test_an_outcome_that_is_asked_for_and_continuous_is_refused(review):
    problem = review.only("revman5", rm5(RELIEF, SCORE), outcomes=["Pain score"])
    assert "continuous data" in problem.wrong
    assert problem.row is not None


@pytest.mark.parametrize("word", ["Nausea", "nausea", "1.3"])
def test_an_outcome_is_chosen_by_name_or_number(review, word):
    made = review.take("revman5", rm5(RELIEF, NAUSEA), outcomes=[word])
    assert made.new_outcomes == ("nausea",)
    assert "1.1 Pain relief: not chosen" in made.left_out


def test_one_subgroup_is_chosen_by_its_name(review):
    review.take("revman5", rm5(NAUSEA), outcomes=["1.3 / High dose"])
    assert review.counts("nausea") == [("Smith2012a", "Drug A", "5", "50"), ("Smith2012a", "Placebo", "2", "51")]


def test_a_study_in_two_subgroups_has_an_arm_in_each_and_is_named(review):
    made = review.take("revman5", rm5(NAUSEA.replace('STUDY_ID="STD-2"', 'STUDY_ID="STD-1"')))
    assert [row[1:] for row in review.counts("nausea")] == [
        ("Drug A, Low dose", "4", "42"),
        ("Drug A, High dose", "5", "50"),
        ("Placebo, Low dose", "2", "41"),
        ("Placebo, High dose", "2", "51"),
    ]
    assert any("became an arm each (Müller 2010)" in note for note in made.notes)


def test_an_unknown_outcome_gets_the_nearest(review):
    with pytest.raises(ArgumentError, match="Did you mean 'Nausea'"):
        review.take("revman5", rm5(NAUSEA), outcomes=["Nausae"])


def test_names_are_changed_on_the_way(review):
    review.take("revman5", rm5(RELIEF), renames=["Pain relief=response", "Drug A=Aspirin", "Smith 2012a=Smith2012"])
    assert review.counts("response")[2][:2] == ("Smith2012", "Aspirin")


def test_a_rename_of_what_is_not_there_gets_the_nearest(review):
    with pytest.raises(ArgumentError, match="Did you mean 'Placebo'"):
        review.take("revman5", rm5(RELIEF), renames=["Placbo=Control"])


@pytest.mark.parametrize(
    ("old", "new", "column", "words"),
    [
        ('EVENTS_1="14"', 'EVENTS_1="35%"', "EVENTS_1", "per cent sign"),
        ('EVENTS_1="14"', 'EVENTS_1="-1"', "EVENTS_1", "below 0"),
        ('EVENTS_1="14"', 'EVENTS_1="3-5"', "EVENTS_1", "range"),
        ('EVENTS_1="14"', 'EVENTS_1="1.5"', "EVENTS_1", "whole number"),
        ('EVENTS_1="14"', "", "EVENTS_1", "is empty"),
        (' TOTAL_2="41"', "", "TOTAL_2", "is empty"),
        ('STUDY_ID="STD-1"', 'STUDY_ID="STD-9"', "STUDY_ID", "is not the ID of a study"),
    ],
)
def test_a_number_that_cannot_be_one_is_refused_at_its_line_and_attribute(review, old, new, column, words):
    content = rm5(RELIEF.replace(old, new))
    problems = review.refused("revman5", content, "pain.rm5")
    line = next(i for i, text in enumerate(content.splitlines(), 1) if "<DICH_DATA" in text)
    problem = next(problem for problem in problems if problem.column == column)
    assert words in problem.wrong
    assert (problem.file, problem.row) == ("pain.rm5", line)
    assert problem.fix


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [('EVENTS_1="14"', 'EVENTS_1="41"', "41 of 40 in a group"), (' TOTAL_2="41"', ' TOTAL_2="0"', "6 of 0 in a group")],
)
def test_a_row_that_cannot_be_is_left_out_and_the_rest_comes_in(review, old, new, words):
    made = review.take("revman5", rm5(RELIEF.replace(old, new)))
    assert f"1.1 Pain relief: Müller 2010, {words}" in made.left_out
    assert [row[0] for row in review.counts("pain_relief")] == ["Smith2012a", "Smith2012a"]


def test_every_fault_is_told_in_one_run(review):
    content = rm5(RELIEF.replace('TOTAL_1="40"', 'TOTAL_1="NA"').replace('EVENTS_2="7"', 'EVENTS_2="7 to 9"'))
    assert len(review.refused("revman5", content)) == 2


def test_a_study_without_a_year_comes_in_and_is_named(review):
    studies = STUDIES.replace('NAME="Smith 2012a" YEAR="2012."', 'NAME="Smith" YEAR="unpublished"')
    made = review.take("revman5", rm5(RELIEF, studies=studies))
    assert any("1 study without a year (Smith)" in note for note in made.notes)
    evidence = mn.load_evidence(review.data)
    rates = evidence.rates("pain_relief")
    assert rates["study"].tolist()[-1].startswith("Smith")
    assert rates["year"].isna().tolist() == [False, False, True, True]
    assert mn.pool(rates, model="glmm").k == 4


def test_one_id_for_two_studies_is_refused(review):
    assert "is also the ID" in review.refused("revman5", rm5(RELIEF, studies=STUDIES.replace("STD-2", "STD-1")))[0].wrong


def test_two_names_that_become_one_key_are_refused_with_a_rename(review):
    problem = review.only("revman5", rm5(RELIEF, studies=STUDIES.replace("Smith 2012a", "Muller 2010").replace("2012.", "2010")))
    assert "same study_id 'Muller2010'" in problem.wrong
    assert "renames=['Muller 2010=Muller2010b']" in problem.fix


def test_two_groups_of_one_label_are_refused(review):
    assert "both groups" in review.only("revman5", rm5(RELIEF.replace("Placebo", "Drug A"))).wrong


def test_two_outcomes_that_become_one_file_are_numbered(review):
    content = rm5(RELIEF, RELIEF.replace('NO="1"', 'NO="2"').replace("Pain relief", "Pain relief!").replace('"14"', '"13"'))
    made = review.take("revman5", content)
    assert made.new_outcomes == ("pain_relief", "pain_relief_2")
    assert review.counts("pain_relief")[0][2:] == ("14", "40")
    assert review.counts("pain_relief_2")[0][2:] == ("13", "40")
    # The next import finds each by its label.
    again = review.take("revman5", content)
    assert (again.there, again.added) == (8, ())


def test_an_analysis_with_other_counts_of_the_same_arm_is_an_outcome_of_its_own(review):
    content = rm5(RELIEF, RELIEF.replace('NO="1"', 'NO="2"').replace('EVENTS_1="14"', 'EVENTS_1="13"'))
    made = review.take("revman5", content)
    assert made.new_outcomes == ("pain_relief", "pain_relief_drug_a_versus_placebo")
    assert any("has other counts for an arm than analysis 1.1 (Müller 2010)" in note for note in made.notes)


def test_the_same_count_twice_comes_in_once_and_is_said(review):
    made = review.take("revman5", rm5(RELIEF, RELIEF.replace('NO="1"', 'NO="2"')))
    assert made.twice == 4
    assert len(review.rows("pain_relief")) == 4
    assert "Repeated in the file" in made.summary()


def test_events_that_revman_swaps_come_in_as_entered_and_are_said(review):
    made = review.take("revman5", rm5(RELIEF.replace('SWAP_EVENTS="NO"', 'SWAP_EVENTS="YES"')))
    assert any("as they were entered" in note for note in made.notes)
    assert review.counts("pain_relief")[0][2] == "14"


def test_a_label_that_means_something_else_in_the_next_comparison_is_resolved_by_the_contrast(review):
    settings = SETTINGS.replace("Drug A,", "Treatment,") + "2,1,Harm,Drug B versus placebo,Dichotomous,Treatment,Placebo,FALSE\n"
    members = {"data-rows.csv": ROWS + "2,1,Harm,,Zee 2016,2016,,,1,20,,2,21,\n", "overall-estimates-and-settings.csv": settings}
    made = review.take("revman-web", package(members))
    # The contrast of the comparison says which drug it is.
    assert set(review.column("arms", "modality")) == {"Drug A", "Drug B", "Placebo"}
    assert not any("'Treatment'" in note for note in made.notes)


def test_an_empty_row_is_left_out_and_said(review):
    content = rm5(
        RELIEF + '<DICH_OUTCOME NO="2"><NAME>Death</NAME><DICH_DATA STUDY_ID="STD-1" TOTAL_1="0" TOTAL_2="0"/></DICH_OUTCOME>'
    )
    assert "1.2 Death: 1 row without a number (Müller 2010)" in review.take("revman5", content).left_out


def test_the_invented_studies_leave_and_are_named(review):
    made = review.take("csv", PLAIN, outcomes=["response"])
    assert made.examples == ("Example2020", "Example2021")
    assert review.column("studies", "study_id") == ["Adams2010", "Baker2011"]
    assert "Example2020" not in "".join(path.read_text() for path in review.data.glob("*.csv"))


def test_a_study_that_somebody_made_of_an_example_stays(review):
    for path in review.data.glob("*.csv"):
        path.write_text(path.read_text().replace('"EXAMPLE: invented counts, delete this row"', "Read in the paper"))
    made = review.take("csv", PLAIN, outcomes=["response"])
    assert made.examples == ()
    assert len(review.rows("response")) == 4


def test_rows_that_are_there_stay_byte_for_byte(review):
    review.take("csv", PLAIN, outcomes=["response"])
    before = {path.name: path.read_bytes() for path in review.data.glob("*.csv")}
    review.take("csv", PLAIN.replace("Adams", "Clark").replace("Baker", "Davis"), outcomes=["response"])
    for name, content in before.items():
        assert (review.data / name).read_bytes().startswith(content)


def test_the_same_import_twice_adds_nothing(review):
    review.take("revman5", rm5(RELIEF))
    before = review.content()
    made = review.take("revman5", rm5(RELIEF))
    assert (made.added, made.there) == ((), 4)
    assert review.content() == before


def test_another_count_than_the_one_that_is_there_is_refused(review):
    review.take("csv", PLAIN, outcomes=["response"])
    problem = review.only("csv", PLAIN.replace(",5,", ",6,"), outcomes=["response"])
    assert "than 5/20 in response.csv line 2" in problem.wrong
    assert problem.row == 2


def test_a_study_that_is_there_with_another_year_is_refused(review):
    review.take("csv", PLAIN, outcomes=["response"])
    problem = review.only("csv", PLAIN.replace("2010,2010", "2010,2009"), outcomes=["harm"])
    assert (problem.column, problem.wrong) == ("year", "contradicts '2010' of Adams2010 in studies.csv line 2")


def test_the_size_of_an_arm_that_an_import_wrote_grows(review):
    review.take("csv", PLAIN, outcomes=["response"])
    review.take("csv", PLAIN.replace("5,20", "5,21"), outcomes=["harm"])
    assert review.column("arms", "n") == ["21", "30"]
    review.take("csv", PLAIN.replace("5,20", "5,19"), outcomes=["third"])
    assert review.column("arms", "n") == ["21", "30"]


def test_a_total_beyond_the_arm_that_somebody_wrote_is_refused(review):
    review.take("csv", PLAIN, outcomes=["response"])
    rows = (review.data / "response.csv").read_text().replace("Imported; not yet checked against the source.", "Checked.")
    (review.data / "response.csv").write_text(rows)
    problem = review.only("csv", PLAIN.replace("5,20", "5,21"), outcomes=["harm"])
    assert (problem.row, problem.column) == (2, "total")
    assert "more than the 20 patients" in problem.wrong


def test_a_study_that_is_there_gets_its_second_outcome(review):
    review.take("csv", PLAIN, outcomes=["response"])
    made = review.take("csv", PLAIN, outcomes=["harm"])
    assert made.added == (("harm.csv", 2),)


def test_a_review_with_problems_of_its_own_is_not_added_to(review):
    arms = review.data / "arms.csv"
    arms.write_text(arms.read_text().replace("Example2021", "Exmaple2021"))
    with pytest.raises(DataError, match="tables of the review have problems"):
        review.take("csv", PLAIN, outcomes=["response"])


def test_a_table_of_semicolons_is_not_added_to(review):
    path = review.data / "studies.csv"
    path.write_text(path.read_text().replace('"EXAMPLE: invented, delete this study"', "x").replace(",", ";"))
    with pytest.raises(DataError, match="not separated by commas"):
        review.take("csv", PLAIN, outcomes=["response"])


def test_line_ends_and_byte_order_mark_of_a_table_are_kept(review):
    for path in review.data.glob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    review.take("csv", PLAIN, outcomes=["response"])
    content = (review.data / "response.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfstudy_id")
    assert content.count(b"\r\n") == content.count(b"\n") == 3
    assert mn.validate(review.data).ok


def test_a_write_that_fails_takes_the_others_back(review, monkeypatch):
    before = review.content()
    real, calls = os.replace, []

    def third_fails(source, target):
        # The first one is that of the plan.
        if HOME in str(source):
            calls.append(target)
            if len(calls) == 4:
                raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", third_fails)
    with pytest.raises(MetanetError, match="No space left"):
        review.take("revman5", rm5(RELIEF))
    assert len(calls) == 4
    assert review.content() == before


def test_the_curated_tables_are_not_imported_into(tmp_path):
    (tmp_path / "plain.csv").write_text(PLAIN)
    with pytest.raises(ArgumentError, match="only people edit"):
        import_review("csv", tmp_path / "plain.csv", curated_folder(), outcomes=["objective_response"])


def test_a_folder_that_is_no_review_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="new_review"):
        import_review("csv", tmp_path / "plain.csv", tmp_path)


def test_an_unknown_format_gets_the_nearest(review):
    with pytest.raises(ArgumentError, match="Did you mean 'revman5'"):
        review.take("revman", PLAIN)


# RevMan Web


def test_a_data_package_of_revman_web_is_read_with_its_labels(review):
    made = review.take("revman-web", package(WEB), "X.zip")
    assert review.counts("death")[:2] == [("Smith2010", "Drug A", "3", "40"), ("Smith2010", "Placebo", "5", "41")]
    assert made.left_out == ("1.2 Pain score: continuous data",)
    assert review.column("studies", "year") == ["2010", "2014"]


def test_a_package_inside_the_export_of_the_review_is_found(review):
    review.take("revman-web", package({"X-files/X-data.zip": package(WEB), "X-files/picture.png": b"\x89PNG"}))
    assert len(review.rows("death")) == 4


def test_the_rows_alone_have_groups_without_a_name_and_that_is_said(review):
    made = review.take("revman-web", ROWS, "X-data-rows.csv")
    assert review.column("arms", "arm")[:2] == ["Experimental", "Control"]
    assert any("no settings beside it" in note for note in made.notes)


def test_a_table_that_is_not_of_revman_web_is_refused_by_each_missing_column(review):
    problems = review.refused("revman-web", PLAIN)
    assert {problem.value for problem in problems} >= {"Analysis group", "Experimental cases"}


def test_a_package_without_rows_is_refused(review):
    assert "contains no file data-rows.csv" in review.only("revman-web", package({"readme.txt": "x"})).wrong


def test_two_reviews_in_one_package_are_refused(review):
    members = {"A-data-rows.csv": ROWS, "B-data-rows.csv": ROWS}
    assert "several reviews" in review.only("revman-web", package(members)).wrong


# Covidence


def test_of_an_extraction_by_two_readers_the_consensus_is_taken(review):
    made = review.take("covidence", COVIDENCE, **COVIDENCE_OPTIONS)
    assert review.counts("response") == [("Smith2010", "Drug A", "5", "20"), ("Wu2014", "Drug B", "9", "30")]
    assert review.column("response", "double_extracted") == ["true", "false"]
    assert made.left_out == (
        "1 column: Notes on design",
        "2 rows of single readers, replaced by their consensus: Smith 2010",
        "1 row without events and total: line 6 (Zee 2016)",
    )


def test_two_readers_without_a_consensus_are_refused(review):
    content = "".join(line for line in COVIDENCE.splitlines(keepends=True) if "Consensus" not in line)
    problem = review.only("covidence", content, **COVIDENCE_OPTIONS)
    assert (problem.row, problem.column, problem.value) == (2, "Covidence #", "12")
    assert "2 extractions and no consensus" in problem.wrong


def test_a_form_whose_columns_are_not_named_is_refused_with_the_option(review):
    problems = review.refused("covidence", COVIDENCE)
    assert all("columns=[" in problem.fix or "outcomes=[" in problem.fix for problem in problems)
    assert any("'events'" in problem.wrong for problem in problems)


def test_words_in_place_of_a_count_are_refused(review):
    content = COVIDENCE.replace("China,9,30", "China,NR,30")
    problem = review.only("covidence", content, **COVIDENCE_OPTIONS)
    assert (problem.row, problem.column) == (5, "Responders")


# Any CSV


def test_columns_of_our_names_need_no_mapping(review):
    made = review.take("csv", PLAIN, outcomes=["response"])
    assert made.left_out == ()
    assert review.counts("response") == [("Adams2010", "Drug A", "5", "20"), ("Baker2011", "Drug A", "7", "30")]


def test_an_unknown_column_is_refused_with_the_option_that_says_what_it_is(review):
    problem = review.only("csv", PLAIN.replace("modality", "drug"), columns=[], values=["modality=x"], outcomes=["response"])
    assert problem.value == "drug"
    assert "columns=['drug=']" in problem.fix


@pytest.mark.parametrize("columns", [["drug=modality", "site="], ["drug=modality", "*="]])
def test_a_column_is_mapped_or_left_out_as_the_caller_says(review, columns):
    content = PLAIN.replace("modality", "drug").replace(",total", ",total,site").replace("0\n", "0,Oslo\n")
    made = review.take("csv", content, columns=columns, outcomes=["response"])
    assert made.left_out == ("1 column: site",)


def test_the_columns_of_meta_are_two_groups(review):
    content = "author;year;event.e;n.e;event.c;n.c\nAdams;2010;5;10;2;11\n"
    review.take("csv", content, values=["modality=Drug", "modality_control=Placebo", "certainty=high"], outcomes=["death"])
    assert review.counts("death") == [("Adams2010", "Drug", "5", "10"), ("Adams2010", "Placebo", "2", "11")]
    assert review.column("death", "certainty") == ["high", "high"]


def test_a_column_of_outcomes_fills_several_tables(review):
    content = "study,year,modality,outcome,events,total\nAdams 2010,2010,A,Response,5,20\nAdams 2010,2010,A,Death,1,20\n"
    review.take("csv", content)
    assert (len(review.rows("response")), len(review.rows("death"))) == (1, 1)


def test_a_table_that_does_not_say_its_outcome_is_refused(review):
    assert "which outcome" in review.only("csv", PLAIN).wrong


def test_a_repeated_study_with_other_counts_is_refused_by_both_lines(review):
    problem = review.only("csv", PLAIN + "Adams 2010,2010,Drug A,6,20\n", outcomes=["response"])
    assert problem.row == 4
    assert "in line 2" in problem.wrong


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ({"columns": ["drug=modality"]}, "is not a column"),
        ({"columns": ["study=studdy"]}, "Did you mean 'study'"),
        ({"columns": ["study"]}, "COLUMN=FIELD"),
        ({"columns": ["study=study", "study=arm"]}, "twice"),
        ({"columns": ["study=study", "year=study"]}, "two columns"),
        ({"columns": ["*=study"]}, "stands for all other columns"),
        ({"values": ["certanty=high"]}, "Did you mean 'certainty'"),
        ({"values": ["certainty="]}, "is empty"),
        ({"renames": ["Adams"]}, "NAME=OTHER"),
        ({"outcomes": ["../../x"]}, "path"),
        ({"outcomes": [""]}, "empty"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(review, option, words):
    before = review.content()
    with pytest.raises(ArgumentError, match=words):
        review.take("csv", PLAIN, **{"outcomes": ["response"], **option})
    assert review.content() == before


def test_an_option_for_columns_is_refused_where_there_are_none_to_name(review):
    with pytest.raises(ArgumentError, match="columns='a=study' is given, and RevMan 5 defines"):
        review.take("revman5", rm5(RELIEF), columns=["a=study"])


def test_words_of_the_review_are_kept_to(review):
    problem = review.only("csv", PLAIN, values=["certainty=hihg"], outcomes=["response"])
    assert (problem.row, problem.column) == (None, "values=['certainty=VALUE']")
    assert "'high'" in problem.fix


def test_the_command_prints_what_came_in_and_what_did_not(review, tmp_path):
    (tmp_path / "pain.rm5").write_text(rm5(RELIEF, SCORE))
    arguments = ["import", "revman5", str(tmp_path / "pain.rm5"), "--into", str(review.path)]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, result.output
    assert "10 rows added" in result.output
    assert "1.2 Pain score: continuous data" in result.output
