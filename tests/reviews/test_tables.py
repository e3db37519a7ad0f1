"""Tables as reviewers have them: gaps, sums, repeated names, doses, several groups in a row, and lines above the column names."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

import metanet as mn
from metanet.base.errors import ArgumentError
from metanet.cli import cli
from tests.work import counted

from .conftest import PLAIN

HEAD = "study,year,modality,events,total\n"
ONE = {"outcomes": ["response"]}


def table(*rows):
    return HEAD + "".join(f"{row}\n" for row in rows)


GAPPY = table("Adams 2010,2010,A,5,20", "Baker 2011,2011,A,{},30", "Clark 2012,2012,A,4,{}", "Davis 2013,2013,A,NA,n/r")


@pytest.mark.parametrize("gap", ["", " ", "NA", "N/A", "NR", "n/r", "-", ".", "–", "not reported"])
def test_rows_without_a_number_are_named_at_once_and_the_choice_works(review, gap):
    content = GAPPY.format(gap, gap)
    problem = review.only("csv", content, **ONE)
    assert problem.wrong == "one of them is missing in 2 rows: line 3 (Baker 2011) events and line 4 (Clark 2012) total"
    assert problem.fix == "Write the numbers, or leave these rows out with missing='skip'"
    made = review.take("csv", content, **ONE, missing="skip")
    assert review.counts("response") == [("Adams2010", "A", "5", "20")]
    assert "2 rows without events or total: line 3 (Baker 2011) and line 4 (Clark 2012)" in made.left_out
    assert "1 row without events and total: line 5 (Davis 2013)" in made.left_out


def test_one_gap_is_refused_at_its_cell(review):
    problem = review.only("csv", table("Adams 2010,2010,A,5,20", "Baker 2011,2011,A,NR,30"), **ONE)
    assert (problem.row, problem.column, problem.value) == (3, "events", "NR")
    assert problem.wrong == "is a word for a missing value (Baker 2011)"


def test_the_command_has_the_choice_and_names_it(review, tmp_path):
    (tmp_path / "gappy.csv").write_text(GAPPY.format("NR", "-"))
    words = ["import", "csv", str(tmp_path / "gappy.csv"), "--into", str(review.path), "--outcome", "response"]
    assert "--skip-missing" in str(CliRunner().invoke(cli, words).exception)
    assert "line 3 (Baker 2011)" in CliRunner().invoke(cli, [*words, "--skip-missing"]).output


def test_gaps_in_other_columns_are_empty_cells(review):
    content = "study,year,modality,events,total,country,journal\nAdams 2010,NR,A,5,20,NA,-\n"
    review.take("csv", content, **ONE)
    (study,) = review.rows("studies")
    assert (study["year"], study["country"], study["journal"]) == ("2010", "", "")


def test_the_choice_is_refused_where_it_means_nothing(review):
    with pytest.raises(ArgumentError, match="missing='skip' is given, and RevMan 5"):
        review.take("revman5", "", missing="skip")
    with pytest.raises(ArgumentError, match="missing='drop' is not known"):
        review.take("csv", PLAIN, **ONE, missing="drop")
    with pytest.raises(ArgumentError, match="sheet='x' is given, and Any CSV has no sheets"):
        review.take("csv", PLAIN, **ONE, sheet="x")


@pytest.mark.parametrize("name", ["Total", "Overall", "Sum", "All", "Pooled", "TOTAL (95% CI)"])
@pytest.mark.parametrize("numbers", ["12,50", "13,51"])
def test_a_row_that_is_called_a_sum_is_left_out(review, name, numbers):
    made = review.take("csv", f"{PLAIN}{name},,Drug A,{numbers}\n", **ONE)
    assert len(review.rows("response")) == 2
    assert f"1 row that sums the others: line 4 ({name})" in made.left_out


def test_a_row_without_a_study_that_sums_the_others_is_left_out_and_another_is_refused(review):
    problem = review.only("csv", f"{PLAIN},,Drug A,12,51\n", **ONE)
    assert (problem.row, problem.column, problem.wrong) == (4, "study", "is empty, and the row has counts")
    made = review.take("csv", f"{PLAIN},,Drug A,12,50\n", **ONE)
    assert "1 row that sums the others: line 4" in made.left_out


def test_a_study_with_the_sums_of_the_others_is_imported_and_noted(review):
    rows = ("Adams 2010,2010,A,1,10", "Baker 2011,2011,A,2,20", "Clark 2012,2012,A,3,30", "Davis 2013,2013,A,6,60")
    made = review.take("csv", table(*rows), **ONE)
    assert len(review.rows("response")) == 4
    assert "Line 5 (Davis 2013) has exactly the sums of the other rows. Check that it is a study." in made.notes


def test_a_group_without_patients_is_left_out_and_named(review):
    made = review.take("csv", PLAIN + "Clark 2012,2012,Drug A,0,0\nDavis 2013,2013,Drug A,,0\n", **ONE)
    assert "2 groups without patients: line 4 (Clark 2012) and line 5 (Davis 2013)" in made.left_out
    assert len(review.rows("response")) == 2
    assert review.refused("csv", PLAIN.replace("Adams 2010", "Evans 2014") + "Clark 2012,2012,Drug A,1,0\n", outcomes=["harm"])


def test_counts_that_are_whole_but_for_rounding_are_whole(review):
    review.take("csv", table("Adams 2010,2010,A,28.999999999999996,100.00000000000001"), **ONE)
    assert review.counts("response") == [("Adams2010", "A", "29", "100")]


def test_lines_above_the_column_names_are_left_out_and_said(review):
    made = review.take("csv", f"Table 1. Extraction;;;;\n\n{PLAIN.replace(',', ';')}", **ONE)
    assert "1 line above the column names left out: 'Table 1. Extraction'." in made.notes
    assert len(review.rows("response")) == 2
    assert review.column("response", "source_locator") == ["line 4", "line 5"]


def test_a_column_name_on_two_lines_is_one_name(review):
    content = 'study,year,modality,"Responders\nn (%)",total\nAdams 2010,2010,A,5 (25%),20\n'
    review.take("csv", content, **ONE, columns=["Responders n (%)=events"])
    assert review.counts("response") == [("Adams2010", "A", "5", "20")]


def test_one_author_of_several_years_is_several_studies(review):
    review.take("csv", table("Adams,2010,A,5,20", "Adams,2014,A,6,20", "Baker,2011,A,7,30"), **ONE)
    assert [row[0] for row in review.counts("response")] == ["Adams2010", "Adams2014", "Baker"]
    assert review.column("studies", "year") == ["2010", "2014", "2011"]


def test_the_numbers_of_rows_that_r_writes_are_no_column(review):
    rows = PLAIN.splitlines()
    review.take("csv", "\n".join(['""' + f",{rows[0]}", f'"1",{rows[1]}', f'"2",{rows[2]}']), **ONE)
    assert len(review.rows("response")) == 2
    problem = review.only("csv", "\n".join([f",{rows[0]}", f"x,{rows[1]}", f"y,{rows[2]}"]), outcomes=["harm"])
    assert (problem.row, problem.value, problem.wrong) == (2, "x", "is in a column without a name")


def test_a_percentage_in_brackets_without_its_sign_is_checked(review):
    review.take("csv", table("Adams 2010,2010,A,9 (16.1),56"), **ONE)
    assert review.column("response", "printed") == ["9 = 16.1% of 56"]
    assert "does not fit the count 9" in review.only("csv", table("Adams 2010,2010,A,9 (16.7),60"), outcomes=["harm"]).wrong


def test_the_number_of_a_reference_is_no_part_of_a_study(review):
    review.take("csv", table('"Adams et al., 2010 [12]",2010,A,5,20', "Baker 2011 [3-5],2011 [3],A,6,20"), **ONE)
    assert [row[0] for row in review.counts("response")] == ["Adams2010", "Baker2011"]
    assert review.column("studies", "first_author") == ["Adams", "Baker"]


def test_an_author_is_read_without_what_stands_behind_the_name(review):
    content = 'Author,Year,Events,N\nAdams et al. [3],2010,5,20\n"Baker, 2011",2011,6,30\nClark*,in press,7,30\n'
    made = review.take("csv", content, **ONE, values=["modality=A"])
    assert review.column("studies", "study_id") == ["Adams2010", "Baker2011", "Clarkinpress"]
    assert review.column("studies", "first_author") == ["Adams", "Baker", "Clark"]
    assert review.column("studies", "year") == ["2010", "2011", ""]
    assert any("1 study without a year (Clarkinpress)" in note for note in made.notes)


def test_two_columns_of_one_meaning_are_never_chosen_between(review):
    content = "study,ni,ai,n1i,ci,n2i\nAdams 2010,41,5,20,3,21\n"
    problem = review.only("csv", content, **ONE, columns=["*="])
    assert (problem.value, problem.wrong) == ("n1i", "would be 'total', which 'ni' is already")
    assert problem.fix == "Choose it with columns=['n1i=total'], or leave it out with columns=['n1i=']"
    review.take("csv", content, outcomes=["harm"], columns=["n1i=", "*="])
    assert review.counts("harm")[0][3] == "41"
    review.take("csv", content, **ONE, columns=["n1i=total", "*="])
    assert review.counts("response") == [("Adams2010", "Experimental", "5", "20"), ("Adams2010", "Control", "3", "21")]


def test_two_comparisons_of_one_study_are_refused_with_a_fix_that_works(review):
    content = "study,ai,n1i,ci,n2i\nAdams 2010,5,20,3,21\nAdams 2010,6,30,4,31\n"
    problems = review.refused("csv", content, **ONE)
    assert {problem.fix for problem in problems} == {"Write another name of the study into one of the two rows, or keep one of them"}
    review.take("csv", content.replace("Adams 2010,6", "Adams 2010b,6"), **ONE)
    assert len(review.rows("response")) == 4


def test_studies_that_are_called_by_numbers_have_readable_keys(review):
    review.take("csv", table("1,2010,A,5,20", "12,2011,A,6,20"), **ONE)
    assert review.column("studies", "study_id") == ["Study-1", "Study-12"]


def test_events_and_patients_without_one_make_the_total(review):
    review.take("csv", "author,year,tpos,tneg,cpos,cneg\nAdams,2010,4,119,11,128\n", **ONE)
    assert [row[2:] for row in review.counts("response")] == [("4", "123"), ("11", "139")]
    problem = review.only("csv", "author,year,tpos,tneg,cpos,cneg\nAdams,2010,4,NR,11,128\n", outcomes=["harm"])
    assert (problem.row, problem.column, problem.value) == (2, "tneg", "NR")
    content = "study,events,nonevents,total\nAdams 2010,4,6,12\n"
    problem = review.only("csv", content, outcomes=["harm"], values=["modality=A"])
    assert (problem.value, problem.wrong) == ("6", "and the 4 events are 10 patients, and the total is 12")
    review.take("csv", content, outcomes=["harm"], values=["modality=A"], columns=["nonevents="])
    assert review.column("harm", "total") == ["12"]


# Repeated names

TWICE = "study,year,modality,events,total,events\nAdams 2010,2010,A,5,20,6\n"


def test_a_mapped_name_of_two_columns_is_refused_and_both_fixes_work(review):
    (problem,) = (p for p in review.refused("csv", TWICE, **ONE, columns=["*="]) if p.value == "events")
    assert "is the name of 2 columns with different cells" in problem.wrong
    assert "columns=['events (1)=events']" in problem.fix
    review.take("csv", TWICE, **ONE, columns=["events (1)=events", "*="])
    assert review.column("response", "events") == ["5"]
    review.take("csv", TWICE, outcomes=["harm"], columns=["events (2)=events", "events="])
    assert review.column("harm", "events") == ["6"]


def test_a_repeated_name_without_a_meaning_or_with_equal_cells_is_no_fault(review):
    content = TWICE.replace(",6\n", ",5\n").replace("total,events", "total,events,note,note").replace("20,5", "20,5,x,y")
    made = review.take("csv", content, **ONE, columns=["*=", "note="])
    assert "3 columns: events (2), note and note (2)" in made.left_out


# Doses and several groups

DOSES = "Source,Drug,Dose,n,Fever\n2010-Adam,Drug A,1 mg,20,2\n2010-Adam,Drug A,3 mg,22,4\n2012-Berg,Drug A,3 mg,50,5\n"
DRUGS = ["Source=study", "Drug=modality", "Fever=events"]


def test_a_dose_tells_the_arms_of_a_treatment_apart(review):
    review.take("csv", DOSES, outcomes=["fever"], columns=DRUGS)
    assert review.counts("fever") == [
        ("Adam2010", "Drug A 1 mg", "2", "20"),
        ("Adam2010", "Drug A 3 mg", "4", "22"),
        ("Berg2012", "Drug A 3 mg", "5", "50"),
    ]
    assert set(review.column("arms", "modality")) == {"Drug A"}
    assert [(row["first_author"], row["year"]) for row in review.rows("studies")] == [("Adam", "2010"), ("Berg", "2012")]


def test_arms_of_one_treatment_without_their_dose_are_refused_and_the_fix_works(review):
    problem = review.only("csv", DOSES, outcomes=["fever"], columns=[*DRUGS, "Dose="])
    assert "is another count of 2010-Adam | Drug A than 2/20 in line 2" in problem.wrong
    assert "columns=['COLUMN=dose']" in problem.fix
    review.take("csv", DOSES, outcomes=["fever"], columns=[*DRUGS, "Dose=dose"])


GROUPS = "study,year,e1,n1,e2,n2,e3,n3\nAdams 2010,2010,1,10,2,20,3,30\nBaker 2011,2011,4,40,5,50,,\n"
MAPPED = ["e1=events", "n1=total", "e2=events_2", "n2=total_2", "e3=events_3", "n3=total_3"]
TREATED = ["modality=A", "modality_2=B", "modality_3=C"]


def test_a_row_may_have_three_groups(review):
    made = review.take("csv", GROUPS, **ONE, columns=MAPPED, values=TREATED)
    assert [row[1:] for row in review.counts("response")] == [
        *(("A", "1", "10"), ("B", "2", "20"), ("C", "3", "30"), ("A", "4", "40"), ("B", "5", "50"))
    ]
    assert "1 group without events and total: line 3 (Baker 2011, C)" in made.left_out
    assert mn.validate(review.data).ok


def test_three_groups_need_their_treatments_and_the_fix_works(review):
    problems = review.refused("csv", GROUPS, **ONE, columns=MAPPED, values=TREATED[:2])
    assert ["values=['modality_3=VALUE']" in problem.fix for problem in problems] == [True]


# Covidence

FORM = "Covidence #,Study ID,Title,Reviewer Name,Author,Title,Responders,Assessed,Arm\n"
COLUMNS = {"columns": ["Responders=events", "Assessed=total", "Arm=modality"], "outcomes": ["response"]}


def test_a_form_that_repeats_a_name_of_covidence_is_imported(review):
    made = review.take("covidence", FORM + "11,Adam 2001,One trial,Consensus,Adam,Other,12,40,Drug A\n", **COLUMNS)
    assert review.column("studies", "title") == ["One trial"]
    assert "1 column: Title (2)" in made.left_out


def test_equal_study_ids_are_told_apart_by_their_number(review):
    rows = "11,Adam 2001,One trial,Consensus,,,12,40,Drug A\n12,Adam 2001,Another trial,Consensus,,,9,30,Drug A\n"
    made = review.take("covidence", FORM + rows, **COLUMNS)
    assert [row[0] for row in review.counts("response")] == ["Adam2001", "Adam2001-12"]
    assert [(row["first_author"], row["year"]) for row in review.rows("studies")] == [("Adam", "2001")] * 2
    assert "1 study with the Study ID of another, told apart by the Covidence number: Adam 2001 (#12)." in made.notes


def test_html_and_line_ends_of_a_form_are_no_part_of_a_cell(review):
    row = '11,Adam 2001,"<p>Pain &lt; 12&nbsp;weeks</p>\n<br/>in adults, dose <5 mg",Consensus,,,<p>12</p>,"40\n",<b>Drug A</b>\n'
    review.take("covidence", FORM + row, **COLUMNS)
    assert review.column("studies", "title") == ["Pain < 12 weeks in adults, dose <5 mg"]
    assert review.counts("response") == [("Adam2001", "Drug A", "12", "40")]


def test_an_extraction_with_a_column_for_each_arm_is_imported(review):
    head = "Covidence #,Study ID,Title,Reviewer Name,Arm 1 name,Arm 1 events,Arm 1 N,Arm 2 name,Arm 2 events,Arm 2 N\n"
    fields = {"name": "modality", "events": "events", "N": "total"}
    columns = [f"Arm {arm} {name}={field}{'_2' * (arm == 2)}" for arm in (1, 2) for name, field in fields.items()]
    review.take("covidence", head + "7,Adam 2001,One,Consensus,Drug A,12,40,Placebo,9,41\n", columns=columns, outcomes=["response"])
    assert review.counts("response") == [("Adam2001", "Drug A", "12", "40"), ("Adam2001", "Placebo", "9", "41")]


def test_sixty_studies_and_twenty_outcomes_are_imported_with_few_calls(review):
    rows = [f"S{n} {1950 + n},{1950 + n},A,Outcome {o},{n % 7},{20 + n}\n" for n in range(60) for o in range(20)]
    with counted() as work:
        made = review.take("csv", "study,year,modality,outcome,events,total\n" + "".join(rows))
    assert len(made.new_outcomes) == 20
    assert work.calls < 15_000_000


def test_an_author_alone_names_a_study(review):
    rows = "Author,n,Response,Drug\nAdam,40,12,A\nBerg,30,9,A\n"
    made = review.take("csv", rows, columns=["Response=events", "Drug=modality"], outcomes=["response"])
    assert review.column("studies", "study_id") == ["Adam", "Berg"]
    assert any("2 studies without a year (Adam and Berg)" in note for note in made.notes)
