"""Columns of a review's own (funding, registration, a moderator) come in under their names."""

from __future__ import annotations

import json

import pytest

import metanet as mn
from metanet.base.errors import ArgumentError, DataError
from metanet.evidence.folders import DESCRIPTOR, TABLES
from metanet.reviews.importing import import_review
from metanet.reviews.new import new_review

SHEET = (
    "study,year,events,total,Funding source,share,Registered\n"
    'Adam,2010,4,20,"industry, public",45%,TRUE\n'
    "Baker,2012,9,31,=cmd(),30%,FALSE\n"
    "Clark,2015,3,9,NR,,\n"
)
GIVEN = {"values": ["modality=Drug", "modality_class=Drug"], "outcomes": ["response"]}


@pytest.fixture
def review(tmp_path):
    return new_review(tmp_path / "mine", outcomes=["response"], modalities=["Drug"])


def put(tmp_path, text, name="sheet.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_other_columns_are_kept_with_type_and_title(review, tmp_path):
    done = import_review("csv", put(tmp_path, SHEET), review, columns=["*=+"], **GIVEN)
    assert done.new_columns == ("Funding source", "share", "Registered")
    assert "New columns of the arms" in done.summary()
    assert mn.validate(review).ok
    rates = mn.load_evidence(review).rates("response")
    # A cell that a spreadsheet would run is a text.
    assert rates["Funding source"].tolist() == ["industry, public", "'=cmd()", ""]
    assert rates["share"].tolist()[:2] == [45.0, 30.0]
    assert rates["Registered"].tolist()[:2] == ["TRUE", "FALSE"]
    assert rates.attrs["titles"]["share"] == "share (%)"
    assert "Funding source" in mn.characteristics_table(rates).summary()
    assert mn.pool(rates).subset("share > 40").k == 1
    assert set(mn.compare(rates, "Funding source").groups) == {"industry, public", "'=cmd()"}


def test_one_column_is_kept_and_the_rest_as_it_is_asked(review, tmp_path):
    done = import_review("csv", put(tmp_path, SHEET), review, columns=["Funding source=+", "*="], **GIVEN)
    assert done.new_columns == ("Funding source",)
    assert "share" in done.left_out[0]
    with pytest.raises(DataError, match=r"keep it under its name with columns=\['share=\+'\]"):
        import_review("csv", put(tmp_path, SHEET, "b.csv"), review, columns=["Registered="], **GIVEN)


def test_a_second_file_fills_the_column_and_earlier_rows_keep_their_bytes(review, tmp_path):
    import_review("csv", put(tmp_path, SHEET), review, columns=["*=+"], **GIVEN)
    before = (review / TABLES / "arms.csv").read_text(encoding="utf-8").splitlines()
    more = put(tmp_path, "study,year,events,total,Funding source,Extra\nDorn,2018,4,20,none,7\n", "more.csv")
    done = import_review("csv", more, review, columns=["Extra=+", "Funding source=+"], **GIVEN)
    assert done.new_columns == ("Extra",)
    after = (review / TABLES / "arms.csv").read_text(encoding="utf-8").splitlines()
    assert [line + "," for line in before[1:]] == after[1:-1]
    assert after[0] == before[0] + ",Extra"
    rates = mn.load_evidence(review).rates("response")
    assert rates["Funding source"].tolist()[-1] == "none"
    assert rates["Extra"].tolist()[-1] == 7


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["Year=+", "*="], "is that of the field 'year'. Fix: columns=\\['Year=year'\\]"),
        (["*=all"], r"'\*=\+' to keep them under their names"),
        (["Fundng=+"], "Did you mean 'Funding source'"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_a_fix(review, tmp_path, columns, words):
    text = SHEET.replace("study,year,", "study,Year,")
    with pytest.raises(ArgumentError, match=words):
        import_review("csv", put(tmp_path, text), review, columns=columns, **GIVEN)


def test_nothing_is_written_where_a_row_fails_and_a_folder_without_a_descriptor_gets_no_column(review, tmp_path):
    before = {path.name: path.read_bytes() for path in (review / TABLES).iterdir() if path.is_file()}
    with pytest.raises(DataError):
        import_review("csv", put(tmp_path, SHEET.replace("4,20", "40,20")), review, columns=["*=+"], **GIVEN)
    assert {path.name: path.read_bytes() for path in (review / TABLES).iterdir() if path.is_file()} == before
    described = json.loads((review / TABLES / DESCRIPTOR).read_text(encoding="utf-8"))
    assert "Funding source" not in json.dumps(described)
