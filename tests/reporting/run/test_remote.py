"""Reports in a store that fsspec knows: whole reports only, and the journal works there as it does here."""

from __future__ import annotations

import pytest

import metanet as mn
from metanet.reporting.run.batch import report
from metanet.reporting.run.remote import is_remote, local_path
from tests.reporting.run.test_journal import bytes_of

fsspec = pytest.importorskip("fsspec")


@pytest.fixture
def store():
    from fsspec.implementations.memory import MemoryFileSystem

    MemoryFileSystem.store.clear()
    yield fsspec.filesystem("memory")
    MemoryFileSystem.store.clear()


def content(store, root="/bucket/reports"):
    return {name[len(root) + 1 :]: store.cat_file(name) for name in store.find(root) if ".metanet" not in name}


def test_a_store_holds_the_same_bytes_as_a_folder_and_keeps_what_is_unchanged(store, tmp_path):
    assert report("hepatotoxicity", "TACE", out=tmp_path / "here").ok
    made = report("hepatotoxicity", "TACE", out="memory://bucket/reports")
    assert made.ok
    assert "memory://bucket/reports/index.html" in made.summary()
    here = {path.relative_to(tmp_path / "here").as_posix(): path.read_bytes() for path in (tmp_path / "here").rglob("*")
            if path.is_file() and ".metanet" not in path.parts}  # fmt: skip
    assert content(store) == here
    assert report("hepatotoxicity", "TACE", out="memory://bucket/reports").kept == 1
    assert content(store) == here
    # A report that lost a file there is made again.
    store.rm_file("/bucket/reports/hepatotoxicity/TACE/forest.svg")
    assert report("hepatotoxicity", "TACE", out="memory://bucket/reports").kept == 0
    assert content(store) == here
    # Reports that a run does not make stay, and the list still has them.
    assert report("hepatotoxicity", "TAE", out="memory://bucket/reports").ok
    index = content(store)["index.html"].decode()
    assert 'href="hepatotoxicity/TACE/report.html"' in index
    assert 'href="hepatotoxicity/TAE/report.html"' in index


def test_a_file_address_is_a_folder_here(tmp_path):
    assert not is_remote("reports")
    assert not is_remote("C:\\reports")
    assert not is_remote(f"file://{tmp_path}")
    assert local_path("file:///a%20b") == local_path("/a b")
    assert report("hepatotoxicity", "TACE", out=f"file://{tmp_path}/out").ok
    assert (tmp_path / "out/index.html").is_file()
    assert bytes_of(tmp_path / "out")


def test_a_store_that_is_not_known_is_refused_before_anything_runs():
    with pytest.raises(mn.ArgumentError, match=r"is not an address that fsspec knows|needs a package"):
        report("hepatotoxicity", "TACE", out="nowhere://bucket/reports")


def test_a_name_in_a_store_that_leads_out_is_refused(store):
    store.pipe_file("/bucket/reports/a/about.json", b"{}")
    store.store["/bucket/reports/../../x/about.json"] = store.store["/bucket/reports/a/about.json"]
    with pytest.raises(mn.ArgumentError, match="points outside its folder"):
        report("hepatotoxicity", "TACE", out="memory://bucket/reports")


def test_an_object_of_equal_size_that_somebody_wrote_is_made_again(store):
    assert report("hepatotoxicity", "TACE", out="memory://bucket/reports").ok
    name = "/bucket/reports/hepatotoxicity/TACE/numbers.json"
    before = store.cat_file(name)
    store.pipe_file(name, before.replace(b"1", b"2", 1))
    assert report("hepatotoxicity", "TACE", out="memory://bucket/reports").kept == 0
    assert store.cat_file(name) == before
    # Written again with the same bytes, as a copy of the store does: nothing is made.
    store.pipe_file(name, before)
    assert report("hepatotoxicity", "TACE", out="memory://bucket/reports").kept == 1


def test_a_reader_s_own_object_stays(store):
    assert report("hepatotoxicity", "TACE", out="memory://bucket/reports").ok
    store.pipe_file("/bucket/reports/hepatotoxicity/TACE/notes.txt", b"mine")
    assert report("hepatotoxicity", "TACE", out="memory://bucket/reports", force=True).ok
    assert store.cat_file("/bucket/reports/hepatotoxicity/TACE/notes.txt") == b"mine"


def test_a_store_that_cannot_be_written_is_found_before_a_report_is_made(store, monkeypatch):
    def refuse(*arguments, **options):
        raise FileNotFoundError("The specified bucket does not exist")

    monkeypatch.setattr(type(store), "pipe_file", refuse)
    monkeypatch.setattr("metanet.reporting.run.batch.run_job", lambda *arguments: pytest.fail("a report was made"))
    with pytest.raises(mn.ReportError, match=r"cannot be written .*bucket does not exist"):
        report("hepatotoxicity", "TACE", out="memory://bucket/reports")
