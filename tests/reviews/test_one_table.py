"""`read`: one table of counts, from any file or frame, is evidence that pools as the frame does."""

from __future__ import annotations

import contextlib

import numpy as np
import pandas as pd
import pytest

import metanet as mn
from metanet.base.errors import ArgumentError, DataError
from metanet.reviews.importers.registry import importers
from tests.hostile.corpus import TEXTS
from tests.work import counted

TABLE = pd.DataFrame(
    {
        "author": ["Adam", "Baker", "Clark", "Adam", "Egg"],
        "year": [2010, 2012, 2015, 2018, 2020],
        "resp": [4, 9, 12, 3, 8],
        "tox": [1, 0, 3, 2, 1],
        "n": [20, 31, 40, 18, 22],
        "Funding source": ["industry", "public", "none", "industry", "public"],
        "dose": [1.5, 2.0, 3.0, 4.5, np.nan],
        "drug": ["A", "B", "A", "B", "A"],
    }
)
BOTH = {"Response": "resp", "Toxicity": "tox"}


def _xls(frame, path):
    pytest.importorskip("xlwt")
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet("a")
    for column, name in enumerate(frame.columns):
        sheet.write(0, column, name)
        for row, value in enumerate(frame[name].tolist(), 1):
            if value == value:
                sheet.write(row, column, value)
    book.save(path)


def _spss(frame, path):
    pyreadstat = pytest.importorskip("pyreadstat")
    pyreadstat.write_sav(frame.rename(columns={"Funding source": "Funding_source"}), path)


WRITERS = {
    "table.csv": lambda frame, path: frame.to_csv(path, index=False),
    "semicolons.csv": lambda frame, path: frame.to_csv(path, index=False, sep=";", decimal=","),
    "table.xlsx": lambda frame, path: frame.to_excel(path, index=False),
    "table.dta": lambda frame, path: frame.rename(columns={"Funding source": "Funding_source"}).to_stata(path, write_index=False),
    "table.sav": _spss,
}


@pytest.mark.parametrize("name", [*WRITERS, "frame", "mapping"])
def test_every_kind_of_source_is_the_same_evidence(tmp_path, name):
    if name == "frame":
        source = TABLE
    elif name == "mapping":
        source = TABLE.to_dict("list")
    else:
        source = tmp_path / name
        WRITERS[name](TABLE, source)
    evidence = mn.read(source, "resp", "n", study="author", by="drug", outcome="Objective response")
    rates = evidence.rates("objective_response")
    assert rates["study"].tolist() == ["Adam 2010", "Baker 2012", "Clark 2015", "Adam 2018", "Egg 2020"]
    assert rates[["events", "total"]].to_numpy().tolist() == TABLE[["resp", "n"]].to_numpy().tolist()
    assert rates["modality_class"].tolist() == TABLE["drug"].tolist()
    assert evidence.label("objective_response") == "Objective response"
    funding = next(column for column in rates.columns if str(column).startswith("Funding"))
    assert rates[funding].tolist() == TABLE["Funding source"].tolist()
    assert rates["dose"].tolist()[:4] == [1.5, 2.0, 3.0, 4.5]
    assert np.isnan(rates["dose"].iloc[4])
    by_hand = mn.pool(TABLE, "resp", "n")
    assert mn.pool(evidence).numbers() == by_hand.numbers()
    if name in WRITERS:
        assert evidence.name == name


def test_every_importer_of_tables_is_read_by_what_the_file_is(tmp_path):
    """A new format of tables needs an entry here; others are refused with the way they come in."""
    tables = {name for name, row in importers().items() if row.lines is not None}
    assert tables == {"csv", "excel", "stata", "spss", "r"}
    (tmp_path / "review.txt").write_text("TY  - JOUR\nAU  - Adam\nER  - \n", encoding="utf-8")
    with pytest.raises(ArgumentError, match=r"list of references.*metanet import citations"):
        mn.read(tmp_path / "review.txt")
    (tmp_path / "a.rm5").write_text("<COCHRANE_REVIEW></COCHRANE_REVIEW>", encoding="utf-8")
    with pytest.raises(ArgumentError, match="metanet import revman5"):
        mn.read(tmp_path / "a.rm5")


def test_columns_of_other_programs_are_found_without_being_named():
    for names in (("xi", "ni"), ("event", "n"), ("event.e", "n.e"), ("ai", "n1i"), ("Events", "Total")):
        frame = pd.DataFrame({"studlab": ["A", "B"], names[0]: [1, 2], names[1]: [9, 8]})
        assert mn.pool(mn.read(frame)).n == 17
    frame = pd.DataFrame({"study": ["A", "B"], "ai": [1, 2], "bi": [8, 6]})
    assert mn.pool(mn.read(frame)).n == 17


def test_two_groups_are_compared_by_pool_and_refused_by_reports(tmp_path):
    frame = pd.DataFrame({"trial": ["A", "B", "C"], "ai": [4, 6, 2], "n1i": [20, 40, 15], "ci": [1, 9, 5], "n2i": [21, 38, 16]})
    evidence = mn.read(frame)
    two = mn.pool(events=[4, 6, 2], total=[20, 40, 15], events_control=[1, 9, 5], total_control=[21, 38, 16])
    assert mn.pool(evidence).numbers() == two.numbers()
    assert mn.pool(evidence, measure="PLO").n == 75
    with pytest.raises(ArgumentError, match="control group"):
        mn.report(data=evidence, out=tmp_path / "made")
    assert not (tmp_path / "made").exists()
    # Half a control group is a column of the table.
    half = mn.read(frame.drop(columns="n2i"), "ai", "n1i")
    assert half.rates(half.outcome_names[0])["ci"].tolist() == [1, 9, 5]


def test_several_outcomes_with_directions_weigh_benefit_against_harm():
    evidence = mn.read(
        TABLE, BOTH, "n", study="author", by="drug", direction={"Response": "higher_is_better", "Toxicity": "lower_is_better"}
    )
    assert evidence.outcome_names == ("response", "toxicity")
    balance = mn.benefit_risk(evidence)
    assert set(balance.groups) == {"A", "B"}
    named = mn.read(TABLE, ["resp", "tox"], {"resp": "n", "tox": "n"})
    assert named.outcome_names == ("resp", "tox")
    with pytest.raises(ArgumentError, match="2 outcomes: response and toxicity"):
        mn.pool(evidence)
    assert mn.summary_of_findings(evidence, modality="A").to_frame().shape[0] == 2


def test_percentages_fractions_and_sums_are_read_as_an_import_reads_them():
    frame = pd.DataFrame({"study": ["A", "B", "C", "Total"], "resp": ["16.1%", "9 (16.1%)", "9/56", ""], "n": [56, 56, 56, 168]})
    evidence = mn.read(frame.iloc[:3], "resp", "n")
    assert evidence.rates("resp")["events"].tolist() == [9, 9, 9]
    assert evidence.rates("resp")["derived"].tolist() == [True, False, False]
    with_sum = frame.assign(resp=["9", "9", "9", "27"])
    summed = mn.read(with_sum, "resp", "n")
    assert len(summed.rates("resp")) == 3
    assert any("sums the others" in note and "Total" in note for note in summed.rates("resp").attrs["notes"])
    assert mn.read(pd.DataFrame({"study": ["A"], "resp": ["9/56"]}), "resp").rates("resp")["total"].tolist() == [56]


def test_gaps_are_refused_at_once_or_left_out_by_name():
    frame = TABLE.assign(resp=[4, None, 12, "NR", 8])
    with pytest.raises(DataError, match=r"Baker.*Adam 2018.*missing='skip'"):
        mn.read(frame, "resp", "n", study="author")
    evidence = mn.read(frame, "resp", "n", study="author", missing="skip")
    rates = evidence.rates("resp")
    assert rates["study"].tolist() == ["Adam 2010", "Clark 2015", "Egg 2020"]
    assert any("Baker 2012" in note and "Adam 2018" in note for note in rates.attrs["notes"])


def test_equal_names_are_arms_of_one_study_and_told_apart():
    frame = pd.DataFrame({"study": ["A", "A", "B"], "e": [1, 2, 3], "n": [9, 9, 9]})
    rates = mn.read(frame, "e", "n").rates("e")
    assert rates["study"].tolist() == ["A (1)", "A (2)", "B"]
    assert rates["study_id"].tolist() == ["A", "A", "B"]
    grouped = mn.read(frame.assign(drug=["x", "y", "x"]), "e", "n", by="drug").rates("e")
    assert grouped["study"].tolist() == ["A (x)", "A (y)", "B"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"events": "rsp"}, "Did you mean 'resp'"),
        ({"events": "resp", "total": "m"}, "total='m' is not a column"),
        ({"events": "resp", "total": "n", "study": "auther"}, "Did you mean 'author'"),
        ({"events": "resp", "total": "n", "by": "drag"}, "Did you mean 'drug'"),
        ({}, "no column of data is called events"),
        ({"events": 3}, "events=3 must be a text or a sequence"),
        ({"events": []}, "must be the name of a column"),
        ({"events": BOTH, "outcome": "x"}, "outcome='x' is one label"),
        ({"events": "resp", "total": "n", "direction": "good"}, "higher_is_better"),
        ({"events": BOTH, "total": "n", "direction": "higher_is_better"}, "one word, and there are 2"),
        ({"events": BOTH, "total": {"Response": "n"}}, "no column for 'Toxicity'"),
        ({"events": "resp", "total": "n", "sheet": "x"}, "a frame has no sheets"),
        ({"events": "resp", "total": "n", "events_control": "tox"}, "total_control is missing"),
        ({"events": "resp", "total": "n", "missing": "drop"}, "skip"),
    ],
)
def test_a_mistake_is_one_error_that_names_the_fix(given, words):
    with pytest.raises(ArgumentError, match=words):
        mn.read(TABLE, **given)


def test_faults_of_counts_name_row_column_and_value():
    with pytest.raises(DataError) as caught:
        mn.read(TABLE.assign(resp=[4, 99, 12, -3, 8.5]), "resp", "n", study="author")
    assert {(problem.row, problem.column) for problem in caught.value.problems} == {(1, "resp"), (3, "resp"), (4, "resp")}
    assert all(problem.fix for problem in caught.value.problems)
    assert "columns=[" not in str(caught.value)


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_names_stay_texts(text):
    frame = pd.DataFrame({"study": ["A", "B"], "e": [1, 2], "n": [9, 8], "note": [text, "x"], "drug": [text or "y", "z"]})
    with contextlib.suppress(DataError, ArgumentError):
        evidence = mn.read(frame, "e", "n", by="drug")
        mn.pool(evidence)._repr_html_()
        assert "<script" not in mn.characteristics_table(evidence)._repr_html_()


def test_the_code_of_evidence_reads_it_again(tmp_path):
    path = tmp_path / 'a "quoted" table.csv'
    TABLE.to_csv(path, index=False)
    evidence = mn.read(path, BOTH, "n", study="author", by="drug", missing="skip", direction={"Response": "higher_is_better"})
    space = {"mn": mn}
    exec(f"again = {evidence.code}", space)
    assert space["again"].fingerprint == evidence.fingerprint


def test_evidence_is_saved_as_a_folder_that_is_the_same_evidence(tmp_path):
    evidence = mn.read(TABLE, BOTH, "n", study="author", by="drug")
    evidence.save(tmp_path / "mine")
    again = mn.load_evidence(tmp_path / "mine")
    assert mn.validate(tmp_path / "mine").ok
    for name in evidence.outcome_names:
        pd.testing.assert_frame_equal(again.rates(name), evidence.rates(name))
    with pytest.raises(ArgumentError, match="not an empty folder"):
        evidence.save(tmp_path / "mine")
    curated = mn.load_evidence()
    curated.save(tmp_path / "curated")
    assert mn.load_evidence(tmp_path / "curated").fingerprint_of() == curated.fingerprint_of()


def test_a_selection_of_rates_becomes_the_same_evidence_again():
    rates = mn.load_evidence().rates("objective_response")
    evidence = mn.read(rates)
    again = evidence.rates(evidence.outcome_names[0])
    assert sorted(again["study"]) == sorted(rates["study"])
    assert mn.pool(evidence).n == mn.pool(rates).n
    assert evidence.label(evidence.outcome_names[0]) == "Objective response"
    assert evidence.direction(evidence.outcome_names[0]) == "higher_is_better"


def test_columns_of_the_review_are_regressed_on_compared_and_titled():
    evidence = mn.read(TABLE, "resp", "n", study="author", by="drug")
    assert mn.meta_regression(evidence, "~ dose").k == 4
    assert set(mn.compare(evidence, "Funding source").groups) == {"industry", "public", "none"}
    table = mn.characteristics_table(evidence)
    assert "Funding source" in str(table.summary())
    assert "Earlier PRRT" not in table.summary()
    assert "certainty" not in table.summary().casefold()
    assert mn.pool(evidence).subset("dose > 2").k == 2


def test_rows_that_became_no_count_are_excluded_with_their_reason():
    frame = TABLE.assign(resp=["4", None, "12", "NR", "36"])
    frame.loc[4, ["author", "n"]] = ["Total", 131]
    frame["n"] = frame["n"].astype(str)
    evidence = mn.read(frame, "resp", "n", study="author", by="drug", missing="skip")
    rates = evidence.rates("resp")
    left = {row["study"]: row["reason"] for row in rates.attrs["left_out"]}
    assert left == {"Baker 2012": "events not given", "Adam 2018": "events not given", "Total 2020": "the row sums the others"}
    text = mn.report_text(mn.pool(rates)).items["13a"]
    assert "3 rows were excluded (events not given, 2; the row sums the others, 1)" in text
    # A table without marks of overlapping cohorts says nothing of them.
    assert "overlapping" not in text
    assert "No row" not in text
    assert [row["study"] for row in evidence.rates("resp", modality="A").attrs["left_out"]] == ["Total 2020"]
    assert "Baker 2012" in mn.left_out_table(rates).summary()


def test_years_and_treatments_keep_the_names_of_the_table():
    evidence = mn.read(TABLE.rename(columns={"year": "Year"}), "resp", "n", study="author", by="drug")
    assert set(mn.compare(evidence, "drug").groups) == {"A", "B"}
    assert mn.pool(evidence).subset("Year > 2012").k == 3
    assert mn.meta_regression(evidence, "~ Year").k == 5
    assert mn.cumulative(mn.pool(evidence), "Year").order == "Year"
    # Once in the characteristics.
    assert mn.characteristics_table(evidence).summary().count("2012") == 1


def _text(tmp_path, text, *given, name="a.csv", **named):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return mn.read(tmp_path / name, *given, **named)


def _counts(evidence):
    rates = evidence.rates(evidence.outcome_names[0])
    return rates[["study", "events", "total"]].to_numpy().tolist()


def _notes(evidence):
    return " ".join(map(str, evidence.rates(evidence.outcome_names[0]).attrs["notes"]))


@pytest.mark.parametrize(
    ("events", "total"),
    [
        ("Events (n)", "Total (N)"),
        ("n", "N"),
        ("N", "n"),
        ("r", "n"),
        ("x", "size"),
        ("cases", "sample_size"),
        ("events_n", "total_n"),
        ("No. of events", "No. of patients"),
        ("num", "denom"),
        ("Ereignisse", "Gesamt"),
        ("事件", "总数"),
    ],
)
def test_names_that_reviews_use_are_found_and_doubtful_ones_are_noted(events, total):
    evidence = mn.read(
        {
            "study": ["A", "B"],
            "group": ["x", "y"],
            total: [20, 31] if events != "N" else [4, 9],
            events: [4, 9] if events != "N" else [20, 31],
        }
    )
    assert _counts(evidence) == [["A", 4, 20], ["B", 9, 31]]
    assert (events in _notes(evidence)) == (events not in ("Events (n)", "n", "N"))
    assert evidence.label(evidence.outcome_names[0]) == "Events"


def test_a_column_whose_name_may_mean_patients_is_taken_only_where_its_cells_fit():
    with pytest.raises(ArgumentError, match="total is missing"):
        mn.read({"study": ["A", "B"], "resp": [4, 9], "size": [3, 31]}, "resp")
    with pytest.raises(ArgumentError, match="events is missing"):
        mn.read({"study": ["A", "B"], "r": [0.4, 0.9], "n": [3, 31]})


@pytest.mark.parametrize(("author", "year"), [("First Author", "Publication year"), ("authorName", "yr"), ("Author(s)", "Jahr")])
def test_authors_and_years_of_any_common_name_are_the_names_of_studies(author, year):
    frame = {author: ["Adam et al.", "Adam et al.", "Baker"], year: [2001, 2004, 2003], "e": [1, 2, 3], "n": [9, 9, 9]}
    rates = mn.read(frame, "e", "n").rates("e")
    assert sorted(rates["study_id"]) == ["Adam 2001", "Adam 2004", "Baker 2003"]


def test_authors_who_would_get_one_name_stay_two_studies():
    frame = {"authors": ["Adam and Baker", "Adam et al.", "Clark [3]"], "year": [2001, 2001, 2003], "e": [1, 2, 3], "n": [9, 9, 9]}
    assert mn.read(frame, "e", "n").rates("e")["study_id"].nunique() == 3
    same = {"author": ["Adam et al. [1]", "Adam et al. [2]"], "year": [2001, 2001], "e": [1, 2], "n": [9, 9]}
    assert mn.read(same, "e", "n").rates("e")["study_id"].nunique() == 2


def test_numbered_studies_are_called_after_their_authors_where_these_tell_them_apart():
    frame = {"trial": [1, 2, 2], "author": ["Adam", "Baker", "Baker"], "year": [2001, 2003, 2003], "ai": [1, 2, 3], "n1i": [9, 9, 9]}
    assert mn.read(frame).rates("events")["study_id"].tolist() == ["Adam 2001", "Baker 2003", "Baker 2003"]
    other = frame | {"trial": [1, 2, 3]}
    assert mn.read(other).rates("events")["study_id"].tolist() == ["1", "2", "3"]
    assert mn.read(frame, study="trial").rates("events")["study_id"].tolist() == ["1", "2", "2"]


def test_a_table_without_names_of_studies_says_so():
    evidence = mn.read({"centre": ["A", "B"], "e": [1, 2], "n": [9, 9]}, "e", "n")
    assert "numbered by their rows" in _notes(evidence)
    assert "study=" in _notes(evidence)
    assert mn.read({"id": [7, 7], "e": [1, 2], "n": [9, 9]}, "e", "n").rates("e")["study_id"].tolist() == ["7", "7"]


def test_names_with_line_breaks_are_given_as_pandas_shows_them(tmp_path):
    text = '"Study\nname","Responders\n(n)","Patients\n(n)"\nA,4,20\nB,9,31\n'
    evidence = _text(tmp_path, text, "Responders\n(n)", "Patients\n(n)", study="Study\nname")
    assert _counts(evidence) == [["A", 4, 20], ["B", 9, 31]]
    assert evidence.label(evidence.outcome_names[0]) == "Responders"


def test_one_name_of_two_columns_is_refused_and_chosen_by_number(tmp_path):
    text = "study,e,n,e\nA,1,9,5\nB,2,9,6\n"
    with pytest.raises(ArgumentError, match=r"events='e \(1\)' for the first, events='e \(2\)' for the second"):
        _text(tmp_path, text, "e", "n")
    assert _counts(_text(tmp_path, text, "e (1)", "n")) == [["A", 1, 9], ["B", 2, 9]]
    assert _counts(_text(tmp_path, text, "e (2)", "n")) == [["A", 5, 9], ["B", 6, 9]]
    with pytest.raises(ArgumentError, match=r"events='Events \(1\)'"):
        _text(tmp_path, text.replace("e,n,e", "Events,n,Events"))
    assert len(_counts(_text(tmp_path, "study,e,n,e\nA,1,9,1\nB,2,9,2\n", "e", "n"))) == 2


def test_percentages_named_in_the_heading_are_no_counts(tmp_path):
    evidence = _text(tmp_path, "study,ORR (%),n\nA,20.0,20\nB,29.0,31\nC,16,56\n", "ORR (%)", "n")
    assert _counts(evidence) == [["A", 4, 20], ["B", 9, 31], ["C", 9, 56]]
    assert evidence.label("orr") == "ORR"
    for heading in ("Responders, n (%)", "n/N (%)"):
        cells = mn.read({"study": ["A", "B"], heading: ["4 (20.0%)", "9 (29.0%)"], "of": [20, 31]}, heading, "of")
        assert _counts(cells) == [["A", 4, 20], ["B", 9, 31]]
    assert _counts(mn.read({"study": ["A"], "n (%)": [4], "of": [20]}, "n (%)", "of")) == [["A", 4, 20]]


@pytest.mark.parametrize(
    "text",
    [
        'study,events,total\nA,"1,204","12,431"\nB,15,300\n',
        "study;events;total\nA;1.204;12.431\nB;15;300\n",
        "study;events;total\nA;1 204;12 431\nB;15;300\n",
        "study\tevents\ttotal\nA\t1'204\t12’431\nB\t15\t300\n",
    ],
)
def test_thousands_of_counts_are_read_and_noted(tmp_path, text):
    evidence = _text(tmp_path, text)
    assert _counts(evidence) == [["A", 1204, 12431], ["B", 15, 300]]
    assert "2 counts of a.csv with a separator of thousands" in _notes(evidence)


@pytest.mark.parametrize(
    "text",
    [
        "study,events,total\nA,354.071,1000\nB,202.91,300\n",
        'study,events,total\nA,"354,071",1000\nB,"202,91",300\n',
        "study;events;total;dose\nA;1.204;12431;1.5\nB;15;300;2.25\n",
        "study\tevents\ttotal\nA\t1.204\t12431\nB\t15\t300\n",
    ],
)
def test_a_decimal_is_never_taken_for_thousands(tmp_path, text):
    with pytest.raises(DataError, match="events"):
        _text(tmp_path, text)


def test_a_year_that_is_none_stops_nothing_and_is_noted(tmp_path):
    evidence = _text(tmp_path, "author,year,e,n\nA,2001a,1,9\nB,2003-2005,2,9\nC,in press,3,9\n", "e", "n")
    rates = evidence.rates("e")
    assert rates["year"].isna().tolist() == [False, True, True]
    assert "line 3 (2003-2005)" in _notes(evidence)


def test_what_all_outcomes_lack_is_noted_once():
    frame = pd.DataFrame(
        {"trial": ["A", "B", "C"], "ai": [4, None, 2], "n1i": [20, None, 15], "ci": [1, None, 5], "n2i": [21, None, 16]}
    )
    notes = [note for note in mn.read(frame).rates("events").attrs["notes"] if "Left out" in note]
    assert len(notes) == 1
    assert "(Events)" not in notes[0]


def _workbook(tmp_path, rows, merged=()):
    import openpyxl

    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for area in merged:
        book.active.merge_cells(area)
    book.save(tmp_path / "a.xlsx")
    return tmp_path / "a.xlsx"


_TWO_LINES = [["Study", "Response", None, "Toxicity", None], [None, "n", "N", "n", "N"], ["A", 4, 20, 1, 19], ["B", 9, 31, 2, 30]]


@pytest.mark.parametrize("kind", ["csv", "csv with title", "xlsx", "xlsx with title", "merged"])
def test_names_in_two_lines_are_joined(tmp_path, kind):
    title = [["Table 2. Outcomes", None, None, None, None]] if "title" in kind else []
    rows = [*title, *_TWO_LINES]
    if kind.startswith("csv"):
        path = tmp_path / "a.csv"
        path.write_text("\n".join(",".join("" if cell is None else str(cell) for cell in row) for row in rows), encoding="utf-8")
    else:
        path = _workbook(tmp_path, rows, ["B1:C1", "D1:E1"] if kind == "merged" else ())
    evidence = mn.read(path, "Response n", "Response N")
    assert _counts(evidence) == [["A", 4, 20], ["B", 9, 31]]
    assert evidence.rates("response_n")["Toxicity N"].tolist() == [19, 30]
    assert ("Table 2" in _notes(evidence)) == bool(title)


def test_groups_above_repeated_names_tell_them_apart_where_they_begin_with_them(tmp_path):
    head = ["Study", "n", "N", "n", "N", "Setting"]
    rows = [[None, "Response", None, "Toxicity", None, None], head, ["A", 4, 20, 1, 19, "DE"], ["B", 9, 31, 2, 30, "FR"]]
    evidence = mn.read(_workbook(tmp_path, rows), "Toxicity n", "Toxicity N")
    assert _counts(evidence) == [["A", 1, 19], ["B", 2, 30]]
    assert evidence.rates("toxicity_n")["Setting"].tolist() == ["DE", "FR"]
    # In the middle of their columns they do not.
    rows[0] = [None, None, "Response", None, "Toxicity", None]
    with pytest.raises(ArgumentError, match=r"events='n \(1\)'"):
        mn.read(_workbook(tmp_path, rows), "n", "N (1)")
    assert _counts(mn.read(_workbook(tmp_path, rows), "n (2)", "N (2)")) == [["A", 1, 19], ["B", 2, 30]]


def test_a_name_merged_over_one_line_stands_beside_merged_groups(tmp_path):
    rows = [["Study", "Response", None, "Age"], [None, "n", "N", None], ["A", 4, 20, 60], ["B", 9, 31, 61]]
    evidence = mn.read(_workbook(tmp_path, rows, ["B1:C1"]), "Response n", "Response N")
    assert _counts(evidence) == [["A", 4, 20], ["B", 9, 31]]
    assert evidence.rates("response_n")["Age"].tolist() == [60, 61]


def test_labels_that_an_office_adds_to_a_workbook_are_not_read(tmp_path):
    import zipfile

    path = _workbook(tmp_path, [["study", "e", "n"], ["A", 4, 20]])
    with zipfile.ZipFile(path, "a") as package:
        package.writestr("customXml/item1.xml", '<?xml version="1.0" encoding="utf-16"?><a/>'.encode("utf-16"))
    assert _counts(mn.read(path, "e", "n")) == [["A", 4, 20]]


def test_one_fault_of_many_rows_is_one_that_names_them(tmp_path):
    with pytest.raises(DataError, match=r"study: is empty, and the row has counts \(rows 3, 4, 5 and 6\)") as caught:
        _text(tmp_path, "study,e,n\nA,1,9\n,2,9\n,3,9\n,4,9\n,5,9\n", "e", "n")
    assert len(caught.value.problems) == 1


def test_a_first_row_of_words_is_no_second_line_of_names(tmp_path):
    evidence = _text(tmp_path, "study,drug,events,total\n,note,,\nA,x,4,20\nB,y,9,31\n")
    assert len(_counts(evidence)) == 2
    evidence = _text(tmp_path, "study,events,total,note\nA,4,20,fine\nB,9,31,\n")
    assert len(_counts(evidence)) == 2


@pytest.mark.parametrize(
    "text",
    [
        '"study" "events" "total"\n"1" "Adam et al" 4 20\n"2" "Baker" 9 31\n',
        '"events" "total"\n"Adam et al" 4 20\n"Baker" 9 31\n',
        '"","events","total"\n"Adam et al",4,20\n"Baker",9,31\n',
        "study|events|total\nAdam et al|4|20\nBaker|9|31\n",
        "| study | events | total |\n|---|---|--:|\n| Adam et al | 4 | 20 |\n| Baker | 9 | 31 |\n",
        'study   events  total\n"Adam et al"   4     20\nBaker        9     31\n',
    ],
)
def test_cells_between_bars_or_spaces_and_names_of_rows_are_read(tmp_path, text):
    assert _counts(_text(tmp_path, text)) == [["Adam et al", 4, 20], ["Baker", 9, 31]]


def test_an_index_of_texts_names_the_studies_and_one_of_numbers_the_rows():
    frame = pd.DataFrame({"e": [1, 2], "n": [9, 9]}, index=["Adam 2001", "Baker 2003"])
    assert mn.read(frame, "e", "n").rates("e")["study"].tolist() == ["Adam 2001", "Baker 2003"]
    with pytest.raises(DataError, match="data:17:e"):
        mn.read(pd.DataFrame({"study": ["A", "B"], "e": [1, 20], "n": [9, 9]}, index=[4, 17]), "e", "n")


def test_columns_without_a_name_beside_an_even_table_are_left_out(tmp_path):
    evidence = _text(tmp_path, "study,e,n,,\nA,1,9,,\nB,2,9,,a remark\n", "e", "n")
    assert _counts(evidence) == [["A", 1, 9], ["B", 2, 9]]
    assert "without a name" in _notes(evidence)
    # A comma that nobody quoted makes a row longer, or moves its numbers.
    with pytest.raises(DataError, match="more cells than the 3 columns"):
        _text(tmp_path, "study,e,n,,\nA,1,9,,\nB,1,234,2000\n", "e", "n")


def test_a_formula_without_its_result_is_a_fault_only_where_a_number_is_needed(tmp_path):
    rows = [["study", "e", "n", "rate"], ["A", 4, 20, "=B2/C2"], ["B", 9, 31, "=B3/C3"], ["Total", "=SUM(B2:B3)", "=SUM(C2:C3)", None]]
    evidence = mn.read(_workbook(tmp_path, rows), "e", "n")
    assert _counts(evidence) == [["A", 4, 20], ["B", 9, 31]]
    assert "'rate'" in _notes(evidence)
    rows[1][1] = "=2+2"
    with pytest.raises(DataError, match=r"a\.xlsx:2:e: is a formula without its result.*save it there, and read it again"):
        mn.read(_workbook(tmp_path, rows), "e", "n")


def test_a_study_without_a_group_is_refused_by_name_or_left_out(tmp_path):
    text = "study,e,n,drug\nA,1,9,x\nB,2,9,NA\nC,3,9,\nTotal,6,27,\n"
    with pytest.raises(DataError, match=r"drug: is missing in 2 rows: line 3 \(B\) and line 4 \(C\).*missing='skip'") as caught:
        _text(tmp_path, text, "e", "n", by="drug")
    assert len(caught.value.problems) == 1
    evidence = _text(tmp_path, text, "e", "n", by="drug", missing="skip")
    assert _counts(evidence) == [["A", 1, 9]]
    reasons = {row["study"]: row["reason"] for row in evidence.rates("e").attrs["left_out"]}
    assert reasons == {"B": "drug not given", "C": "drug not given", "Total": "the row sums the others"}
    with pytest.raises(DataError, match=r"4:drug: is empty\. Fix: Write the group of C, or"):
        _text(tmp_path, text.replace("NA", "y"), "e", "n", by="drug")


def test_characters_without_width_are_no_part_of_a_name(tmp_path):
    evidence = _text(tmp_path, "study,e,n,drug\nA\u200b,1,9,x\nB,2,9,x\u200b\n", "e", "n", by="drug")
    assert _counts(evidence) == [["A", 1, 9], ["B", 2, 9]]
    assert evidence.rates("e")["modality_class"].nunique() == 1


@pytest.mark.parametrize(
    ("cells", "total", "words"),
    [
        ("16.1", "56", r"is not a whole number\. Fix: Write the count; where the cells are percentages.*12\.5%"),
        ("354.071", "1000", r"Fix: Write the count; where"),
        ("-1", "56", r"is below 0\. Fix: Check it$"),
        ("1", "56.5", r"Fix: Write the number of patients"),
        ("3", "", r"resp: is a count without its total \(A\)\. Fix: Write both, as in 9/56"),
    ],
)
def test_fixes_of_counts_name_no_column_of_ours_and_work_when_followed(tmp_path, cells, total, words):
    head = "study,resp,n\n" if total else "study,resp\n"
    row = f"A,{cells},{total}\n" if total else f"A,{cells}\nB,9/56\n"
    with pytest.raises(DataError, match=words):
        _text(tmp_path, head + row, "resp", "n" if total else None)
    if cells == "16.1":
        assert _counts(_text(tmp_path, head + "A,16.1%,56\n", "resp", "n")) == [["A", 9, 56]]


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["0.42616218328476", "0.33871731162071234", "1"], [0.42616218328476, 0.33871731162071234, 1.0]),
        (["1e-05", "2.5E+02", "3"], [1e-05, 250.0, 3.0]),
        (["\u22120.5", "+2", "1.5"], [-0.5, 2.0, 1.5]),
        (["12,431", "800", "1,200.5"], [12431.0, 800.0, 1200.5]),
        (["58,5", "61", "60,125"], [58.5, 61.0, 60.125]),
        (["#DIV/0!", "####", "3"], [np.nan, np.nan, 3.0]),
        (["not stated", "n.r.", "3"], [np.nan, np.nan, 3.0]),
    ],
)
def test_numbers_of_other_columns_are_numbers_however_they_are_written(cells, numbers):
    rates = mn.read({"study": ["A", "B", "C"], "e": [1, 2, 3], "n": [9, 9, 9], "x": cells}, "e", "n").rates("e")
    np.testing.assert_array_equal(rates["x"].to_numpy(dtype=float), numbers)


@pytest.mark.parametrize("cells", [["007", "012", "1"], ["1234567890123456", "1", "2"], ["1e5", "2e3", "12"], ["1/2", "3", "4"]])
def test_codes_and_doubtful_numbers_stay_as_they_are_written(cells):
    rates = mn.read({"study": ["A", "B", "C"], "e": [1, 2, 3], "n": [9, 9, 9], "x": cells}, "e", "n").rates("e")
    assert rates["x"].tolist() == cells


def test_point_or_comma_of_a_file_with_semicolons_is_taken_where_it_is_sure(tmp_path):
    head = "study;e;n;a;b;c\n"
    rates = _text(tmp_path, head + "A;1;9;1.125;1.125;1,125\nB;2;9;2.250;2.5;2,5\n", "e", "n").rates("e")
    assert rates["a"].tolist() == ["1.125", "2.250"]
    assert rates["b"].tolist() == [1.125, 2.5]
    assert rates["c"].tolist() == [1.125, 2.5]


def test_single_precision_of_stata_has_the_digits_that_were_typed(tmp_path):
    frame = pd.DataFrame({"study": ["A", "B"], "e": [1, 2], "n": [9, 9], "se": np.array([0.0157, 1e-7], dtype="float32")})
    frame.to_stata(tmp_path / "a.dta", write_index=False)
    for source in (frame, tmp_path / "a.dta"):
        assert mn.read(source, "e", "n").rates("e")["se"].tolist() == [0.0157, 1e-7]


def test_a_few_words_that_make_a_column_of_numbers_a_text_are_noted():
    frame = pd.DataFrame(
        {"study": list("ABCDEF"), "e": 1, "n": 9, "age": ["60", "61", "ca. 60", "58", "57", "55"], "design": list("abcde2")}
    )
    notes = _notes(mn.read(frame, "e", "n"))
    assert "age ('ca. 60')" in notes
    assert "design" not in notes


@pytest.mark.parametrize("text", ["#REF!", "M\u00c3\u00bcller", "\x01x", "a\u200db", "\u202eabc", "lost \ufffd"])
def test_no_cell_of_another_column_stops_a_table(text):
    frame = pd.DataFrame({"study": ["A", "B"], "e": [1, 2], "n": [9, 9], "remark": [text, "b"]})
    assert mn.read(frame, "e", "n").rates("e")["remark"].tolist()[1] == "b"


def test_columns_that_evidence_knows_keep_the_names_of_the_table():
    frame = pd.DataFrame(
        {"Study": list("ABCD"), "Country": ["DE", "FR"] * 2, "Design": list("xyxy"), "Timepoint months": [1, 2, 3, 4]}
    )
    evidence = mn.read(frame.assign(e=[1, 2, 3, 4], n=9), "e", "n")
    assert set(mn.compare(evidence, "Country").groups) == set(mn.compare(evidence, "country").groups) == {"DE", "FR"}
    assert mn.meta_regression(evidence, "~ Design").k == 4
    assert mn.pool(evidence).subset('Country == "DE"').k == 2
    assert mn.characteristics_table(evidence).summary().count("Country") == 1
    assert evidence.rates("e")["Timepoint months"].tolist() == [1, 2, 3, 4]


def test_rows_of_several_outcomes_are_noted():
    frame = pd.DataFrame({"study": ["A", "A"], "Outcome": ["response", "harm"], "e": [1, 2], "n": [9, 9]})
    assert "2 values of 'Outcome'" in _notes(mn.read(frame, "e", "n"))
    assert "values of" not in _notes(mn.read(frame.iloc[:1], "e", "n"))


def test_rows_without_a_study_are_compared_with_the_sums_once():
    work = []
    for rows in (500, 1000):
        frame = pd.DataFrame({"study": ["A"] * rows + [""] * rows, "e": 1, "n": 9})
        with counted() as calls, pytest.raises(DataError, match="is empty, and the row has counts"):
            mn.read(frame, "e", "n")
        work.append(calls.calls)
    assert work[1] < 2.3 * work[0]


def test_a_column_of_groups_without_any_is_one_fault():
    with pytest.raises(DataError) as caught:
        mn.read({"study": ["A", "B"], "e": [1, 2], "n": [9, 9], "g": [None, None]}, "e", "n", by="g")
    assert [problem.column for problem in caught.value.problems] == ["g"]
