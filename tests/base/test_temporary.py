"""Temporary folders go with their process, also where it was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from metanet.base.temporary import TemporaryFolder, sweep, temporary_folder
from tests.work import HANG

SCRIPT = """
import sys
from metanet.base.temporary import TemporaryFolder
held = TemporaryFolder("test", sys.argv[1])
print(held.path, flush=True)
sys.stdin.read()
"""


def test_a_folder_is_gone_when_it_is_closed(tmp_path):
    with temporary_folder("test", str(tmp_path)) as folder:
        (folder / "file").write_text("x")
        assert folder.stat().st_mode & 0o077 == 0
        sweep(tmp_path)
        assert (folder / "file").exists()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_folder_of_a_process_that_was_killed_is_removed_by_the_next(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    left = Path(process.stdout.readline().strip())
    sweep(tmp_path)
    assert left.is_dir(), "the folder of a process that is alive stays"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=HANG)
    assert left.is_dir()
    mine = TemporaryFolder("test", str(tmp_path))
    assert not left.exists()
    mine.close()


def test_what_is_not_such_a_folder_stays(tmp_path):
    (tmp_path / "metanet-notes").mkdir()
    (tmp_path / "metanet-notes" / "mine.txt").write_text("mine")
    (tmp_path / "metanet-file").write_text("mine")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".held").write_text("")
    (tmp_path / "metanet-link").symlink_to(elsewhere)
    sweep(tmp_path)
    assert (tmp_path / "metanet-notes" / "mine.txt").exists()
    assert (tmp_path / "metanet-file").exists()
    assert elsewhere.is_dir()
