"""Evidence folders that mean harm: each is read or refused in words, with few calls, and nothing outside of it is shown or touched."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import metanet as mn
from metanet.base.errors import nearest
from metanet.evidence import evidence as loading
from metanet.evidence.contract import costly
from tests.work import at_most, counted, not_hanging

from . import corpus
from .conftest import acting
from .corpus import write_csv, write_evidence

HEAD = ",".join(corpus._COUNTS)
ROW = "S0,Author 0,1,20,patients,,false,,s,\n"
#: Calls that any of these may make: six for each of the 1,100,000 lines that are looked at before a file is refused, and some.
CALLS = 9_000_000


class Folder:
    """A sound evidence folder, to be spoilt."""

    def __init__(self, path: Path) -> None:
        self.path = write_evidence(path, [f"Author {place}" for place in range(6)])

    def put(self, name: str, content: bytes | str) -> None:
        data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        (self.path / name).unlink(missing_ok=True)
        (self.path / name).write_bytes(data)

    def counts(self, content: bytes | str) -> None:
        self.put("response0.csv", content)

    def spoil(self, change: Callable[[Any], object]) -> None:
        """Change the descriptor."""
        content = json.loads((self.path / "datapackage.json").read_text())
        made = change(content)
        self.put("datapackage.json", json.dumps(made if isinstance(made, (list, str)) else content))

    def instead(self, name: str, make: Callable[[Path], object]) -> None:
        """Something else than a file under this name."""
        (self.path / name).unlink(missing_ok=True)
        make(self.path / name)

    def sparse(self, name: str, start: bytes, size: int) -> None:
        with (self.path / name).open("wb") as file:
            file.write(start)
            file.truncate(size)


def table(given: Any, place: int) -> Any:
    return given["resources"][place]


def field(given: Any, place: int, number: int) -> Any:
    return table(given, place)["schema"]["fields"][number]


def with_pattern(pattern: str) -> Callable[[Folder], None]:
    return lambda f: f.spoil(lambda d: field(d, 0, 1).update(constraints={"pattern": pattern}))


def about(place: int, **more: Any) -> Callable[[Folder], None]:
    return lambda f: f.spoil(lambda d: table(d, place)["metanet"].update(more))


def path_of(path: Any) -> Callable[[Folder], None]:
    return lambda f: f.spoil(lambda d: table(d, 0).update(path=path))


def keys_that_miss(f: Folder) -> None:
    numbers = range(3_000)
    write_csv(f.path / "studies.csv", corpus._STUDIES, [{"study_id": f"Study{n}", "year": 2000} for n in numbers])
    arms = [{"study_id": f"Stady{n}", "arm": "a", "modality": "A", "modality_class": "A", "n": 9} for n in numbers]
    write_csv(f.path / "arms.csv", corpus._ARMS, arms)


#: Name -> what is done to a sound folder, and words of the problem.
REFUSED: dict[str, tuple[Callable[[Folder], object], str]] = {
    "utf-16 that breaks off": (lambda f: f.counts(b"\xff\xfe" + HEAD.encode("utf-16-le") + b"\x00"), "breaks off"),
    "utf-32 of nothing": (lambda f: f.counts(b"\xff\xfe\x00\x00\x00\x00\x11\x00"), "breaks off"),
    "bytes of no encoding": (lambda f: f.counts(HEAD.encode() + b"\n\x81\x8d\x8f\x90\x9d"), "neither UTF-8"),
    "overlong utf-8": (lambda f: f.counts(HEAD.encode() + b"\nS0,\xc0\xaf\x81"), "neither UTF-8"),
    "zero bytes": (lambda f: f.counts(HEAD + "\nS0,Au\x00thor 0,1,20,patients,,false,,s,\n"), "zero bytes"),
    "only zero bytes": (lambda f: f.counts(b"\x00" * 5_000_000), "empty"),
    "empty": (lambda f: f.counts(b""), "empty"),
    "a mark and nothing else": (lambda f: f.counts(b"\xef\xbb\xbf"), "empty"),
    "a zip file": (lambda f: f.counts(b"PK\x03\x04" + b"x" * 99), "workbook"),
    "a PDF": (lambda f: f.counts(b"%PDF-1.7\n"), "PDF"),
    "gzip": (lambda f: f.counts(b"\x1f\x8b\x08"), "compressed"),
    "a web page": (lambda f: f.counts(b"<html><script>window.PWNED=1</script>"), "web page"),
    "XML with entities": (lambda f: f.counts(b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>'), "XML"),
    "a quotation mark that never closes": (lambda f: f.counts(f'{HEAD}\n"' + ROW * 50_000), "was not read"),
    "text after a closing quotation mark": (lambda f: f.counts(f'{HEAD}\n"S0"x,Author 0\n'), "quotation mark"),
    "a column twice": (lambda f: f.counts(f"{HEAD},events\n"), "occurs 2 times"),
    "a column of nobody": (lambda f: f.counts(f"{HEAD},__class__\n"), "not a column"),
    "a column whose name acts": (lambda f: f.counts(f"{HEAD},x\x1b[2J\u202e\n"), "not a column"),
    "no column of counts": (lambda f: f.counts(HEAD.replace("events,", "") + "\n"), "column is missing"),
    "data without a name": (lambda f: f.counts(f"{HEAD},\n{ROW.strip()},9\n"), "has no name"),
    "more cells than columns": (lambda f: f.counts(f"{HEAD}\n{ROW.strip()},1,2,3\n"), "where the header has"),
    "fewer cells than columns": (lambda f: f.counts(f"{HEAD}\nS0\n"), "where the header has"),
    "thousands of columns": (lambda f: f.counts(",".join(f"c{n}" for n in range(200_000)) + "\n"), "columns, more than"),
    "a column name without end": (lambda f: f.counts("x" * 130_000 + "\n"), "not a column"),
    "a cell of 100 MB": (lambda f: f.sparse("response0.csv", HEAD.encode() + b'\n"', 100_000_000), "95 MB"),
    "a cell of 20 MB": (lambda f: f.counts(HEAD + "\n" + "x" * 20_000_000), ""),
    "a cell longer than a spreadsheet holds": (lambda f: f.counts(f"{HEAD}\n{ROW.strip()}{'x' * 40_000}\n"), "40,000"),
    "a million rows": (lambda f: f.counts(HEAD + "\n" + ROW * 1_000_000), "has more than 100,000 rows"),
    "a million rows of rubbish": (lambda f: f.counts(HEAD + "\n" + "a,b\n" * 1_000_000), "has more than 100,000 rows"),
    "lines without end": (lambda f: f.counts(HEAD + "\n" * 30_000_000), "has more than 100,000 rows"),
    "thousands of keys that miss": (keys_that_miss, "is not in studies.csv"),
    "counts that are words": (lambda f: f.counts(f"{HEAD}\n{ROW.replace(',1,', ',1e999,')}"), "scientific"),
    "counts of another script": (lambda f: f.counts(f"{HEAD}\n{ROW.replace(',1,', ',١,')}"), "not a number"),
    "a count without end": (lambda f: f.counts(f"{HEAD}\n{ROW.replace(',1,', ',' + '9' * 9_000 + ',')}"), ""),
    "more events than patients": (lambda f: f.counts(f"{HEAD}\n{ROW.replace(',1,', ',21,')}"), "more than the total"),
    "a pipe as a table": (lambda f: f.instead("arms.csv", os.mkfifo), "ordinary file"),
    "a folder as a table": (lambda f: f.instead("arms.csv", Path.mkdir), "is a folder"),
    "a device as a table": (lambda f: f.instead("arms.csv", lambda p: p.symlink_to("/dev/zero")), "ordinary file"),
    "a link in a circle": (lambda f: f.instead("arms.csv", lambda p: p.symlink_to(p)), "cannot be opened"),
    "a link to nowhere": (lambda f: f.instead("arms.csv", lambda p: p.symlink_to("nowhere")), "does not exist"),
    "a pipe as a descriptor": (lambda f: f.instead("datapackage.json", os.mkfifo), "ordinary file"),
    "a device as a descriptor": (lambda f: f.instead("datapackage.json", lambda p: p.symlink_to("/dev/zero")), "ordinary"),
    "a folder as a descriptor": (lambda f: f.instead("datapackage.json", Path.mkdir), "is a folder"),
    "a descriptor of 100 MB": (lambda f: f.sparse("datapackage.json", b"{", 100_000_000), "95 MB"),
    "a descriptor without end": (lambda f: f.put("datapackage.json", "[" * 300_000), "not JSON"),
    "a deep descriptor": (lambda f: f.put("datapackage.json", '{"a":' * 900 + "1" + "}" * 900), "list of resources"),
    "a descriptor that is a list": (lambda f: f.put("datapackage.json", "[1]"), "list of resources"),
    "a descriptor with a huge number": (lambda f: f.put("datapackage.json", '{"a": ' + "9" * 5_000 + "}"), "not JSON"),
    "a path that leads out": (path_of("../../etc/passwd"), "plain file name"),
    "an absolute path": (path_of("/etc/passwd"), "plain file name"),
    "a path of another system": (path_of("..\\..\\x.csv"), "plain file name"),
    "an address as a path": (path_of("https://example.invalid/x.csv"), "plain file name"),
    "a list of paths": (path_of(["studies.csv", "/etc/passwd"]), "plain file name"),
    "a path that acts": (path_of("s\x1b[2J.csv"), "control character"),
    "a schema elsewhere": (lambda f: f.spoil(lambda d: table(d, 0).update(schema="/etc/passwd")), "no schema"),
    "a schema by reference": (lambda f: f.spoil(lambda d: table(d, 0).update(schema={"$ref": "/etc/passwd"})), "no schema"),
    "a type that is a class": (lambda f: f.spoil(lambda d: field(d, 0, 1).update(type="os.system")), "datapackage.json"),
    "a pattern that takes for ever": (with_pattern("(a+)+b"), "repeats a group"),
    "a pattern with a choice in a repeat": (with_pattern("(a|a)*b"), "repeats a group"),
    "a pattern of many repeats": (with_pattern("a*a*a*a*a*b"), "more than 3 repeats"),
    "a pattern that is none": (with_pattern("("), "datapackage.json"),
    "an outcome that acts": (about(2, outcome="x\x1b[2J"), "control character"),
    "a label that turns round": (about(2, label="\u202e%001"), "control character"),
    "a label with half a letter": (about(2, label="\ud800"), "control character"),
    "classes that are a list": (about(1, modality_classes=[1]), "modality_classes"),
    "classes of numbers": (about(1, modality_classes={"A": [1]}), "modality_classes"),
    "titles that are numbers": (about(1, modality_titles={"A": 1}), "modality_titles"),
    "shares that are a number": (about(1, at_most_100=5), "at_most_100"),
    "shares of words": (about(1, at_most_100=[["arm", "n"]]), "at_most_100"),
    "an unknown role": (about(1, role="__init__"), "unknown role"),
    "no outcome": (lambda f: f.spoil(lambda d: d.update(resources=d["resources"][:2])), "no outcome"),
    "the same file twice": (lambda f: f.spoil(lambda d: d["resources"].append(table(d, 0))), "twice"),
    "words of an enum that are none": (lambda f: f.spoil(lambda d: field(d, 0, 1).update(constraints={"enum": 5})), ""),
    "two classes that look the same": (
        lambda f: f.put("arms.csv", (f.path / "arms.csv").read_text().replace(",B,B,", ",a ,A,")), "case, spaces",
    ),
    "two classes of other letters alike": (
        lambda f: f.put("arms.csv", (f.path / "arms.csv").read_text().replace(",B,B,", ",Ａ,Ａ,")), "case, spaces",
    ),
}  # fmt: skip

FULL = "a sheet full of empty rows"
#: Folders that are odd and can be read.
TAKEN: dict[str, Callable[[Folder], object]] = {
    "mixed line ends": lambda f: f.counts(f"{HEAD}\r\n{ROW.strip()}\r{ROW.replace('S0,Author 0', 'S1,Author 1')}"),
    "semicolons": lambda f: f.counts((HEAD + "\n" + ROW).replace(",", ";")),
    "tabs": lambda f: f.counts((HEAD + "\n" + ROW).replace(",", "\t")),
    "a line for Excel": lambda f: f.counts("sep=,\n" + HEAD + "\n" + ROW),
    "utf-16": lambda f: f.counts(f"{HEAD}\n{ROW}".encode("utf-16")),
    FULL: lambda f: f.counts(f"{HEAD}\n{ROW}" + ",,,,,,,,,\n" * 1_000_000),
    "a pipe beside the tables": lambda f: os.mkfifo(f.path / "more.csv"),
    "a device beside the tables": lambda f: (f.path / "more.csv").symlink_to("/dev/zero"),
    "a folder beside the tables": lambda f: (f.path / "more.csv").mkdir(),
    "a link to nowhere beside the tables": lambda f: (f.path / "more.csv").symlink_to("nowhere"),
    "a file whose name acts": lambda f: f.put("x\x1b[2J\u202e.csv", "a,b\n1,2\n"),
    "a workbook whose name acts": lambda f: f.put("=cmd|'x'!A0.xlsx", "x"),
    "a name that is no text": lambda f: (Path(os.fsdecode(os.fsencode(f.path) + b"/\xff\xfe.csv"))).write_text("a\n"),
    "an outcome that is a path": about(2, outcome="../../etc", label="/etc/passwd"),
    "an outcome that is a device": about(2, outcome="CON", label="NUL"),
    "an outcome that is a folder of ours": about(2, outcome="analyses", label="replication"),
    "an outcome that is a page": about(2, outcome="index.html", label="<script>window.PWNED=1</script>"),
}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "data")


def test_there_are_at_least_fifty_hostile_folders():
    assert len(REFUSED) + len(TAKEN) >= 85


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_folder_is_refused_in_words_and_with_few_calls(folder, warm, name):
    spoil, words = REFUSED[name]
    spoil(folder)
    with at_most(CALLS):
        report = mn.validate(folder.path)
    summary = report.summary()
    assert not report.ok
    assert words in summary
    assert not acting(summary)
    assert len(summary) < 100_000
    assert all(problem.file for problem in report.problems)
    assert all(problem.fix for problem in report.problems)
    assert "root:" not in summary


@pytest.mark.parametrize("name", ["a pipe as a descriptor", "a pipe as a table", "a label that turns round"])
def test_a_hostile_folder_is_not_loaded_either(folder, name):
    REFUSED[name][0](folder)
    with not_hanging(), pytest.raises(mn.DataError):
        mn.load_evidence(folder.path)


@pytest.mark.parametrize("name", TAKEN)
def test_an_odd_folder_is_read_with_few_calls(folder, warm, name):
    TAKEN[name](folder)
    # Counting costs more than reading where a million rows are read; their calls are counted below.
    with not_hanging() if name == FULL else at_most(500_000):
        report = mn.validate(folder.path)
        evidence = mn.load_evidence(folder.path)
    assert report.ok, report.summary()
    assert not acting(report.summary() + repr(evidence))
    assert len(evidence.rates(evidence.outcome_names[0])) >= 1


def test_the_calls_for_empty_rows_are_in_proportion_to_them(folder, warm):
    calls = []
    for rows in (5_000, 10_000):
        folder.counts(f"{HEAD}\n{ROW}" + ",,,,,,,,,\n" * rows)
        with counted() as work:
            assert mn.validate(folder.path).ok
        calls.append(work.calls)
    assert calls[1] < 2.1 * calls[0]


def test_a_table_by_itself_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.csv")
    with not_hanging():
        assert "ordinary" in mn.validate(tmp_path / "x.csv").summary()


@pytest.mark.parametrize(
    "pattern", [r"[A-Z][a-z]+", r"10\.\d{4,9}/\S+", r"(a|b|other:.*\S.*)", r"(abc)+", r"[]*+]+", r"\(+\)+", r"(?:a)?b", r"(?=a)b"]
)
def test_an_ordinary_pattern_is_taken(pattern):
    assert costly(pattern) is None


@pytest.mark.parametrize("pattern", ["((a+))+", "(a?a?)*", r"(\w+\s?)*x", "(?:a{1,9}){2,}", "(a*)+?", r"([^]]+)*", r"(\)|a)*"])
def test_a_pattern_that_takes_for_ever_is_known(pattern):
    assert costly(pattern)


def test_a_long_cell_is_not_held_against_a_pattern(folder):
    folder.spoil(lambda d: field(d, 0, 1).update(constraints={"pattern": r"x?other:.*\S.*"}))
    (folder.path / "studies.csv").write_text(
        (folder.path / "studies.csv").read_text().replace("Author 0", '"other:' + "a" * 30_000 + '\nb"', 1)
    )
    with not_hanging():
        assert "longer than 500" in mn.validate(folder.path).summary()


def test_a_word_as_long_as_a_page_has_no_nearest():
    # Of words without end not a letter is looked at, and of a hundred thousand words each once.
    with at_most(100):
        assert nearest("a" * 30_000, ["a" * 29_999]) is None
    with at_most(150_000):
        assert nearest("x5", [f"y{number}" for number in range(100_000)]) is None


def test_a_folder_that_cannot_be_told_apart_is_loaded_anew(folder, monkeypatch):
    # A link to nowhere has no size and no time: whether anything changed cannot be told.
    (folder.path / "more.csv").symlink_to("nowhere")
    monkeypatch.setattr(loading, "_HELD", {})
    first = loading.hold_evidence(folder.path)
    folder.counts(f"{HEAD}\n{ROW}")
    assert mn.load_evidence(folder.path).fingerprint != first.fingerprint
