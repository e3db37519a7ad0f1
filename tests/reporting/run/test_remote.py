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


PLACE = "/bucket/reports/hepatotoxicity/TACE"


def run(**more):
    return report("hepatotoxicity", "TACE", out="memory://bucket/reports", **more)


def test_an_upload_that_breaks_off_leaves_no_report_that_counts(store, monkeypatch):
    assert run().ok
    before = content(store)
    real, sent = type(store).pipe_file, []

    def broken(self, path, value, **options):
        if "/TACE/" in path:
            sent.append(path)
            if len(sent) > 3:
                raise OSError(110, "Connection timed out")
        real(self, path, value, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "pipe_file", broken)
        # Other parameters give other files: the store now has three new ones among old ones.
        with pytest.raises(mn.ReportError, match="Connection timed out"):
            run(parameters={"model": "beta_binomial"})
    assert [name for name, data in content(store).items() if data != before.get(name)]
    journal = store.cat_file("/bucket/reports/.metanet/journal.jsonl").decode()
    assert journal.count("hepatotoxicity/TACE") == 1
    for parameters in ({"model": "beta_binomial"}, None):
        again = run(parameters=parameters)
        assert again.ok
        assert again.kept == 0
    assert content(store) == before


def test_a_notebook_that_a_reader_edited_in_the_store_is_kept_and_one_of_a_run_is_not(store):
    assert run().ok
    assert run(parameters={"model": "beta_binomial"}).kept == 0
    assert not [name for name in content(store) if "edited" in name]
    store.pipe_file(f"{PLACE}/report.ipynb", b"what I made of it")
    assert run().kept == 0
    now = content(store)
    assert now["hepatotoxicity/TACE/report (edited).ipynb"] == b"what I made of it"
    assert len(now["hepatotoxicity/TACE/report.ipynb"]) > 1000
    assert run().kept == 1


def test_a_store_that_loses_bytes_is_found_out(store, monkeypatch):
    real = type(store).pipe_file

    def cut(self, path, value, **options):
        real(self, path, value[: len(value) // 2] if path.endswith("numbers.json") else value, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "pipe_file", cut)
        with pytest.raises(mn.ReportError, match=r"numbers\.json.* is not what was sent"):
            run()
    assert not store.exists("/bucket/reports/.metanet/journal.jsonl")
    assert run().kept == 0


def test_two_runs_at_once_do_not_pass_off_a_mixture_as_a_report(store, monkeypatch):
    """Another run writes one file of the report while this one sends it, and another one after it was read back."""
    assert run(parameters={"model": "beta_binomial"}).ok
    theirs = content(store)
    real_find = type(store).find

    def interfering(self, path, **options):
        if path.rstrip("/").endswith("/TACE"):
            self.pipe_file(f"{PLACE}/numbers.csv", theirs["hepatotoxicity/TACE/numbers.csv"])
        return real_find(self, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "find", interfering)
        with pytest.raises(mn.ReportError, match="another run writes there"):
            run()
    assert run().kept == 0
    mine = content(store)
    assert mine["hepatotoxicity/TACE/numbers.csv"] != theirs["hepatotoxicity/TACE/numbers.csv"]
    # The other run ends later: one file of its report, then its marks and its journal. Or its marks alone.
    ours = {name: store.cat_file(f"/bucket/reports/.metanet/{name}") for name in ("journal.jsonl", "sent.json")}
    store.pipe_file(f"{PLACE}/numbers.json", theirs["hepatotoxicity/TACE/numbers.json"])
    assert run().kept == 0
    assert content(store) == mine
    marks = store.cat_file("/bucket/reports/.metanet/sent.json")
    store.pipe_file("/bucket/reports/.metanet/journal.jsonl", ours["journal.jsonl"])
    store.pipe_file("/bucket/reports/.metanet/sent.json", marks)
    assert run().kept == 1


def test_marks_of_one_run_and_a_journal_of_another_are_not_believed_together(store):
    home = "/bucket/reports/.metanet"
    assert run().ok
    ours = store.cat_file(f"{home}/journal.jsonl")
    # The other run wrote everything, and then this one's journal came.
    assert run(parameters={"model": "beta_binomial"}).ok
    store.pipe_file(f"{home}/journal.jsonl", ours)
    made = run()
    assert made.kept == 0
    assert '"glmm"' in store.cat_file(f"{PLACE}/numbers.json").decode()
    assert run().kept == 1


def test_reports_that_are_still_to_be_sent_are_not_in_the_journal_of_the_store(store, monkeypatch):
    from metanet.reporting.run.remote import Remote

    real, seen = Remote.push, []

    def push(self, outcome):
        real(self, outcome)
        listed = store.cat_file("/bucket/reports/.metanet/journal.jsonl").decode().splitlines()
        seen.append(len(listed))

    monkeypatch.setattr(Remote, "push", push)
    assert report("hepatotoxicity", out="memory://bucket/reports", jobs=2, analyses=["rates"]).ok
    assert len(seen) > 2
    assert seen == list(range(1, len(seen) + 1))
