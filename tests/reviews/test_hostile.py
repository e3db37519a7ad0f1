"""Files that mean harm: nothing runs, nothing is written outside of the review, nothing hangs, and the words are clear."""

from __future__ import annotations

import csv
import io
import os
import shutil
import stat
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import metanet as mn
from metanet.base.errors import MetanetError
from metanet.reviews.importers import revman_web
from metanet.reviews.importers.extracted_counts import MOST_ROWS
from metanet.reviews.names import outcome_stem
from tests.work import at_most, counted, holding_at_most, not_hanging

from .conftest import NAUSEA, PLAIN, RELIEF, ROWS, SETTINGS, Review, package, rm5
from .formats import OPENMETA, ROWS_OF_PLAIN, dta, rds, sav, xls, xlsx

ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>\n'
OUTSIDE = '<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/passwd">]>\n'
REMOTE = '<!DOCTYPE x SYSTEM "http://example.invalid/x.dtd">\n'
FORMULAS = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "＝1", "\t=1")


@pytest.mark.parametrize("top", [ENTITIES, OUTSIDE, REMOTE])
def test_a_document_type_is_refused_before_anything_is_expanded(review, top):
    problem = review.only("revman5", rm5(RELIEF.replace("Pain relief", "&c;"), top=top))
    assert problem.row == 2
    assert "document type" in problem.wrong


def test_an_entity_that_nothing_defines_is_no_xml(review):
    assert "undefined entity" in review.only("revman5", rm5(RELIEF.replace("Pain relief", "&c;"))).wrong


@pytest.mark.parametrize(
    "content", ["", "<", "<a/>", "<COCHRANE_REVIEW>", "<COCHRANE_REVIEW/>", rm5(RELIEF)[:700], PLAIN, "\x00" * 99]
)
def test_what_is_no_review_is_refused(review, content):
    assert review.refused("revman5", content)[0].fix


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_the_encoding_that_a_file_states_is_followed(review, encoding):
    stated = {"latin-1": "ISO-8859-1", "utf-8-sig": "UTF-8"}.get(encoding, "UTF-16")
    review.take("revman5", rm5(RELIEF).replace("UTF-8", stated).encode(encoding))
    assert review.column("studies", "first_author")[0] == "Müller"


@pytest.mark.parametrize("stated", ["klingon", "idna", "rot13", "zlib"])
def test_an_encoding_that_is_none_is_refused(review, stated):
    assert review.refused("revman5", rm5(RELIEF).replace("UTF-8", stated))


def test_elements_without_end_are_refused(review):
    assert "deep" in review.only("revman5", "<COCHRANE_REVIEW>" + "<A>" * 200_000).wrong


def test_more_rows_than_a_review_has_are_refused(review):
    row = '<DICH_DATA STUDY_ID="STD-1" EVENTS_1="1" TOTAL_1="2" EVENTS_2="1" TOTAL_2="2"/>'
    content = rm5(f'<DICH_OUTCOME NO="1"><NAME>A</NAME>{row * (MOST_ROWS + 1)}</DICH_OUTCOME>')
    assert f"more than {MOST_ROWS:,} rows" in review.only("revman5", content).wrong


@pytest.mark.parametrize(
    "name",
    [
        "../evil-data-rows.csv",
        "/etc/evil-data-rows.csv",
        "a/../../evil-data-rows.csv",
        "..\\evil-data-rows.csv",
        "C:\\x-data-rows.csv",
    ],
)
def test_a_package_that_leads_out_of_itself_is_refused(review, tmp_path, name):
    problem = review.only("revman-web", package({name: ROWS}))
    assert "points outside the package" in problem.wrong
    assert not list(tmp_path.parent.glob("evil*"))


@pytest.mark.parametrize("format", ["revman-web", "excel", "covidence"])
def test_a_link_in_a_package_is_not_followed(review, tmp_path, format):
    """The content of such an entry is a path. Nothing is unpacked, so that the file there is not read."""
    (tmp_path / "secret.csv").write_text(PLAIN if format != "revman-web" else ROWS, encoding="utf-8")
    workbook = xlsx({"Data": ROWS_OF_PLAIN})
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as parts, zipfile.ZipFile(io.BytesIO(workbook)) as whole:
        name = "data-rows.csv" if format == "revman-web" else "xl/worksheets/sheet1.xml"
        for member in whole.namelist() if format != "revman-web" else ():
            if member != name:
                parts.writestr(member, whole.read(member))
        entry = zipfile.ZipInfo(name)
        entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        parts.writestr(entry, str(tmp_path / "secret.csv"))
    problems = review.refused(format, out.getvalue(), "x.zip" if format == "revman-web" else "x.xlsx")
    assert problems
    assert "Adams" not in "".join(map(str, problems))


def test_a_package_that_unpacks_to_too_much_is_refused(review):
    bomb = package({"data-rows.csv": b"\x00" * (revman_web.LARGEST_MEMBER + 1)})
    assert len(bomb) < 100_000
    assert "unpacks to more" in review.only("revman-web", bomb).wrong


def test_a_package_that_lies_about_its_sizes_is_refused(review):
    honest = bytearray(package({"data-rows.csv": b"\x00" * (revman_web.LARGEST_MEMBER + 1)}))
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = honest.index(mark) + place
        honest[start : start + 4] = (10).to_bytes(4, "little")
    assert review.refused("revman-web", bytes(honest))


def test_a_package_in_a_package_in_a_package_is_not_followed(review):
    inner = package({"x-data.zip": package({"x-data.zip": package({"data-rows.csv": ROWS})})})
    assert "contains no file" in review.only("revman-web", inner).wrong


def test_more_files_than_a_package_has_are_refused(review):
    many = package({f"{number}.txt": "" for number in range(revman_web.MOST_MEMBERS + 1)})
    assert "files" in review.only("revman-web", many).wrong


def test_a_package_with_a_password_is_refused(review):
    locked = bytearray(package({"data-rows.csv": ROWS}))
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        locked[locked.index(mark) + place] |= 1
    assert "password" in review.only("revman-web", bytes(locked)).wrong


def test_a_file_that_stands_twice_in_a_package_is_refused(review):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("a/data-rows.csv", ROWS)
        made.writestr("b/data-rows.csv", ROWS)
    assert "twice" in review.only("revman-web", out.getvalue()).wrong


@pytest.mark.parametrize("cut", [10, 60, 200])
def test_a_package_that_breaks_off_is_refused(review, cut):
    assert review.refused("revman-web", package({"data-rows.csv": ROWS})[:cut])


def test_a_cell_of_a_hundred_megabytes_is_refused_without_reading_it(review):
    content = PLAIN.encode() + b'"' + b"x" * 100_000_000
    with holding_at_most(5):
        assert "is 95 MB" in review.only("csv", content, outcomes=["response"]).wrong


def test_a_cell_longer_than_a_spreadsheet_holds_is_refused(review):
    problem = review.only("csv", PLAIN + f"{'x' * 40_000},2012,A,1,2\n", outcomes=["response"])
    assert "40,000 characters" in problem.wrong


def test_a_quotation_mark_that_never_closes_is_refused(review):
    assert review.refused("csv", PLAIN + '"' + "a,b\n" * 50_000, outcomes=["response"])


@pytest.mark.parametrize("format", ["csv", "covidence", "revman-web"])
def test_a_million_rows_are_refused_after_the_most_that_are_read(review, format):
    content = PLAIN + "Adams 2010,2010,Drug A,5,20\n" * 1_000_000
    options = {} if format == "revman-web" else {"outcomes": ["response"]}
    with at_most(30 * MOST_ROWS):
        assert "imported" in review.only(format, content, **options).wrong


@pytest.mark.parametrize("content", ["," * 20_000_000, "a," * 6_000 + "\n1", "\n" * 40_000_000, "a;" * 4_000_000])
def test_columns_and_lines_without_end_are_refused_with_few_calls(review, content):
    # Counting costs more than reading where there are millions of cells; their calls are counted below.
    with not_hanging() if content.count(";") else at_most(30 * MOST_ROWS):
        assert review.refused("csv", content, outcomes=["response"])


def test_the_calls_for_columns_that_are_too_many_are_in_proportion_to_them(review):
    calls = []
    for columns in (20_000, 40_000):
        with counted() as work:
            assert review.refused("csv", "a;" * columns, outcomes=["response"])
        calls.append(work.calls)
    assert calls[1] < 2.1 * calls[0]


def test_the_calls_for_five_thousand_studies_are_in_proportion_to_them(fresh, tmp_path):
    calls = []
    for many in (250, 1_000, 5_000):
        review = Review(shutil.copytree(fresh, tmp_path / str(many)))
        rows = "".join(f"Author{number} 2010,2010,Drug A,5,20\n" for number in range(many))
        # Counting costs more than reading; what it says of a thousand is true of five thousand.
        with counted() if many <= 1_000 else not_hanging() as work:
            review.take("csv", PLAIN + rows, name=f"{many}.csv", outcomes=["response"])
        calls.append(work)
        assert len(review.rows("response")) == many + 2
    assert calls[1].calls < 4.4 * calls[0].calls


def test_a_file_for_every_row_is_refused(review):
    rows = "".join(f"Adams 2010,2010,A,outcome {number},1,2\n" for number in range(1100))
    problems = review.refused("csv", f"study,year,modality,outcome,events,total\n{rows}")
    assert "more than the 1000" in problems[0].wrong


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_stays_text_in_every_table(review, formula):
    review.take("csv", PLAIN.replace("Drug A", f'"{formula}"'), outcomes=["response"])
    for path in review.data.glob("*.csv"):
        for row in review.rows(path.stem):
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝")) for cell in row.values())
    assert mn.validate(review.data).ok


@pytest.mark.parametrize("character", ["\u202e", "\u200f", "\u2066", "\x1b", "\x07", "\u2028", "\ufeff"])
@pytest.mark.parametrize("old", ["Adams 2010,", "Drug A,5"])
def test_an_invisible_character_is_refused_and_shown(review, character, old):
    content = PLAIN.replace(old, old[:3] + character + old[3:])
    for problem in review.refused("csv", content, outcomes=["response"]):
        assert "invisible" in problem.wrong
        assert character not in str(mn.base.errors.DataError(problem.wrong))


@pytest.mark.parametrize("format", ["csv", "covidence", "revman-web"])
def test_zero_bytes_are_refused(review, format):
    assert "zero" in review.only(format, PLAIN.replace("Adams", "Ad\x00ms"), **_table(format)).wrong


@pytest.mark.parametrize("format", ["csv", "covidence", "revman-web"])
@pytest.mark.parametrize(
    "content", [b"PK\x05\x06" + bytes(18), b"%PDF-1.7", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"<html>", b"", b"\xff\xfe"]
)
def test_another_kind_of_file_is_refused_by_its_kind(review, format, content):
    assert review.refused(format, content, **_table(format))[0].fix


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\x", "/etc/passwd", "C:\\x", "CON", "nul.txt", "studies", "datapackage"])
def test_an_outcome_cannot_lead_out_of_the_folder(review, tmp_path, name):
    content = f"study,year,modality,outcome,events,total\nAdams 2010,2010,A,{name},5,20\n"
    assert review.refused("csv", content)[0].fix
    assert not (tmp_path / "etc").exists()


@pytest.mark.parametrize("name", ["../../x", "C:\\x", "CON", "aux.y"])
def test_a_group_cannot_be_called_like_a_path_or_a_device(review, name):
    assert review.refused("revman5", rm5(RELIEF.replace("Drug A", name)))
    assert review.refused("csv", PLAIN.replace("Drug A", name), outcomes=["response"])


@settings(max_examples=200)
@given(st.text(max_size=80))
def test_the_file_of_an_outcome_is_named_by_letters_digits_and_underscores(label):
    assert set(outcome_stem(label)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


def _table(format: str) -> dict[str, object]:
    return {} if format == "revman-web" else {"outcomes": ["response"]}


# A corpus: real files with one thing put into them that does harm, each way of it in each place.

HARM = (
    *("\x00", "\u202e", "\x1b]0;x\x07", "=cmd|'/C calc'!A0", "../../../etc/passwd", "CON", "%00", "{0.__class__}", "${jndi:x}"),
    *("<script>alert(1)</script>", '"', "'", "\\", "&", "\r", "\n\n", ";", "\t", "é\udcff", "9" * 400, "1e999", "NaN", "-0", "٣", " "),
)
#: More of them, drawn anew each time, by METANET_EXAMPLES; the suite takes the same few on every run.
EXAMPLES = int(os.environ.get("METANET_EXAMPLES", "60"))
SOURCES = {
    "revman5": (rm5(RELIEF, NAUSEA), {}),
    "revman-web": (ROWS, {}),
    "covidence": (
        "Covidence #,Study ID,Reviewer Name,E,N,M\n1,Smith 2010,Ann,4,20,Drug\n2,Wu 2014,Ann,9,30,Drug\n",
        {"columns": ["E=events", "N=total", "M=modality"], "outcomes": ["response"]},
    ),
    "csv": (PLAIN, {"outcomes": ["response"]}),
    "openmeta": (OPENMETA, {"outcomes": ["response"]}),
}
#: Files that are no text; bytes of them are changed.
BINARY = {"excel": (xlsx({"Data": ROWS_OF_PLAIN}), xls()), "stata": (dta(),), "spss": (sav(),), "r": (rds(),)}


@settings(max_examples=EXAMPLES, derandomize=EXAMPLES < 100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_something_harmful_in_it_is_refused_in_words_or_comes_in_harmless(fresh, tmp_path_factory, data):
    format = data.draw(st.sampled_from(tuple(SOURCES)))
    content, options = SOURCES[format]
    place = data.draw(st.integers(0, len(content)))
    harm = data.draw(st.sampled_from(HARM))
    cut = data.draw(st.integers(0, 12))
    content = content[:place] + harm + content[place + cut :]
    folder = tmp_path_factory.mktemp("hostile")
    review = Review(folder / "review")
    review.data.mkdir(parents=True)
    for path in (fresh / "extracted_data").iterdir():
        (review.data / path.name).write_bytes(path.read_bytes())
    before = review.content()
    words = ""
    try:
        review.take(format, content.encode("utf-8", "surrogateescape"), **options)
    except MetanetError as refused:
        words = str(refused)
    assert all(character.isprintable() or character == "\n" for character in words)
    if words:
        assert review.content() == before
    else:
        assert mn.validate(review.data).ok
        texts = [path.read_text(encoding="utf-8") for path in review.path.rglob("*.csv")]
        cells = [cell for text in texts for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
        assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) for cell in cells)
    assert {path.name for path in folder.iterdir()} == {"review", "file"}
    assert all(path.parent == review.data or "imported" in path.parts for path in review.path.rglob("*.csv"))


def test_settings_that_lie_change_no_count(review):
    lying = SETTINGS.replace("Dichotomous", "Continuous", 1)
    made = review.take("revman-web", package({"data-rows.csv": ROWS, "overall-estimates-and-settings.csv": SETTINGS}))
    assert made.new_outcomes == ("death",)
    assert "continuous" in str(
        review.refused("revman-web", package({"data-rows.csv": ROWS, "overall-estimates-and-settings.csv": lying}))[0]
    )


@pytest.mark.parametrize("start", ["=cmd|'/C calc'!A0", "+1", "@SUM(1)", "＝1"])
def test_an_author_that_begins_as_a_formula_does_comes_in_as_text(fresh, tmp_path, start):
    review = Review(tmp_path / "review")
    review.data.mkdir(parents=True)
    for path in (fresh / "extracted_data").iterdir():
        (review.data / path.name).write_bytes(path.read_bytes())
    review.take("csv", PLAIN.replace("Baker 2011", f"{start}Baker 2011").encode(), outcomes=["response"])
    authors = [row["first_author"] for row in review.rows("studies")]
    assert authors == ["Adams", f"'{start}Baker"]


def test_a_row_that_was_cut_off_is_refused_in_words(fresh, tmp_path):
    review = Review(tmp_path / "review")
    review.data.mkdir(parents=True)
    for path in (fresh / "extracted_data").iterdir():
        (review.data / path.name).write_bytes(path.read_bytes())
    content, options = SOURCES["covidence"]
    before = review.content()
    with pytest.raises(mn.DataError, match="'9' is more than the total 3"):
        review.take("covidence", content[: content.rindex("0,Drug")].encode(), **options)
    assert review.content() == before


@settings(max_examples=EXAMPLES, derandomize=EXAMPLES < 100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_other_bytes_in_it_is_refused_in_words_or_comes_in(fresh, tmp_path_factory, data):
    format = data.draw(st.sampled_from(tuple(BINARY)))
    content = bytearray(data.draw(st.sampled_from(BINARY[format])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("bytes")
    review = Review(shutil.copytree(fresh, folder / "review"))
    before = review.content()
    words = ""
    try:
        review.take(format, bytes(content), outcomes=["response"], missing="skip")
    except MetanetError as refused:
        words = str(refused)
    assert all(character.isprintable() or character == "\n" for character in words)
    assert review.content() == before if words else mn.validate(review.data).ok
