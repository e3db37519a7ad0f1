"""Files that change together: all or none, whoever is killed, and one writer at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from metanet.base import transaction
from metanet.base.errors import ArgumentError, MetanetError
from metanet.base.transaction import HOME, change, completed, writing
from metanet.reviews.new import new_review
from tests.work import HANG

KILLED = """
import os, sys
from pathlib import Path
from metanet.base import transaction
folder, when = Path(sys.argv[1]), int(sys.argv[2])
count, real = 0, os.replace
def replace(a, b):
    global count
    if count == when:
        os._exit(9)
    count += 1
    real(a, b)
os.replace = replace
with transaction.writing(folder):
    beside = folder.parent / "imported" / "c.csv"
    transaction.change(folder, {folder / "a.csv": b"new a", folder / "b.csv": b"new b", beside: b"new c"})
"""
OLD = {"a.csv": b"old a", "b.csv": b"old b"}
NEW = {"a.csv": b"new a", "b.csv": b"new b", "imported/c.csv": b"new c"}


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "extracted_data"
    made.mkdir()
    for name, content in OLD.items():
        (made / name).write_bytes(content)
    return made


def content(folder):
    found = [path for path in folder.parent.rglob("*") if path.is_file() and HOME not in path.parts]
    return {path.relative_to(folder if folder in path.parents else folder.parent).as_posix(): path.read_bytes() for path in found}


@pytest.mark.parametrize("when", range(5))
def test_a_writer_that_is_killed_anywhere_leaves_all_or_none(folder, when):
    """The first replacement is that of the plan: before it nothing has happened, behind it everything will."""
    ran = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(when)], timeout=HANG, check=False)
    assert (ran.returncode == 9) == (when < 4)
    with writing(folder) as told:
        pass
    assert content(folder) == (OLD if when == 0 else NEW)
    words = {0: "interrupted before anything was written"} | dict.fromkeys((1, 2, 3), "has been completed")
    assert words.get(when, "") in " ".join(told)
    assert bool(told) == (when < 4)
    assert {path.name for path in (folder / HOME).iterdir()} == {"lock", ".gitignore"}


def test_a_reader_completes_what_was_decided_and_waits_for_nobody(folder):
    subprocess.run([sys.executable, "-c", KILLED, str(folder), "2"], timeout=HANG, check=False)
    with transaction.locked(folder / HOME / "lock", ""):
        assert completed(folder) == []
    assert "a.csv" not in completed(folder)[0]
    assert content(folder) == NEW
    assert completed(folder) == []


def test_a_file_that_cannot_be_put_in_place_undoes_the_others(folder, monkeypatch):
    real = os.replace

    def replace(source, target):
        if str(target).endswith("b.csv") and HOME in str(source):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with writing(folder), pytest.raises(MetanetError, match="No space left"):
        change(folder, {folder / "a.csv": b"new a", folder / "b.csv": b"new b"})
    assert content(folder) == OLD


@pytest.mark.parametrize("target", ["../outside.csv", "/tmp/metanet-outside.csv", "extracted_data/../../outside.csv"])
def test_a_plan_that_leads_out_is_refused(folder, target):
    """The folder may come from somebody else."""
    stage = folder / HOME / "change"
    stage.mkdir(parents=True)
    (stage / "0").write_bytes(b"evil")
    (stage / "plan.json").write_text(json.dumps({"0": target}))
    assert completed(folder) == []
    with pytest.raises(ArgumentError, match="outside"), writing(folder):
        pytest.fail("the folder was opened")
    assert not (folder.parent.parent / "outside.csv").exists()
    assert content(folder) == OLD


def test_two_imports_at_once_both_arrive(tmp_path):
    """Each waits for the other: none reads tables that the other is about to replace."""
    script = (
        "import sys, pandas as pd\nfrom metanet.reviews.importing import import_review\n"
        "import_review('csv', sys.argv[1], sys.argv[2], outcomes=['response'], values=['modality=TAE'])"
    )
    new_review(tmp_path / "review", outcomes=["response"])
    for name in ("one", "two", "three"):
        rows = "".join(f"{name} {number},2001,{number % 9},20\n" for number in range(60))
        (tmp_path / f"{name}.csv").write_text(f"study,year,events,total\n{rows}")
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / f"{name}.csv"), str(tmp_path / "review")])
        for name in ("one", "two", "three")
    ]
    assert [each.wait(HANG) for each in running] == [0, 0, 0]
    rows = (tmp_path / "review/extracted_data/response.csv").read_text().splitlines()
    assert len(rows) == 1 + 180
