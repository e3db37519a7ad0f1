"""`metanet lab`: the starter notebook, and how JupyterLab is opened on it."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from metanet import cli
from metanet.base.errors import ArgumentError, MetanetError
from metanet.explorer import lab
from tests.work import HANG


@pytest.fixture
def started(monkeypatch):
    """The commands that would have taken the place of this process, or run below it."""
    commands = []
    monkeypatch.setattr(os, "execv", lambda path, command: commands.append((path, command)))
    monkeypatch.setattr(subprocess, "call", lambda command: commands.append((command[0], command)) or 7)
    monkeypatch.setattr(lab, "find_spec", lambda name: object())
    return commands


def test_the_starter_notebook_is_written_where_there_is_none(tmp_path):
    path = lab.starter_notebook(tmp_path)
    assert path == tmp_path / "metanet_start.ipynb"
    nbformat.validate(nbformat.read(path, as_version=4))


def test_what_was_changed_in_the_starter_notebook_stays(tmp_path):
    path = lab.starter_notebook(tmp_path)
    path.write_text("mine", encoding="utf-8")
    assert lab.starter_notebook(str(tmp_path)) == path
    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_what_is_no_folder_is_refused(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(ArgumentError, match=r"is not a folder\. Fix: create it first"):
        lab.starter_notebook(tmp_path / name)


@pytest.fixture
def opening(monkeypatch):
    """Lets a test decide what opening a file that must be new gives; everything else opens as always."""
    ordinary = Path.open

    def decide(new):
        def opened(self, mode="r", *given, **options):
            def make():
                return ordinary(self, mode, *given, **options)

            return new(make) if mode == "x" else make()

        monkeypatch.setattr(Path, "open", opened)

    return decide


def test_a_folder_that_cannot_be_written_is_an_error_with_a_mend(tmp_path, opening):
    def refuse(make):
        raise PermissionError(errno.EACCES, "Permission denied")

    opening(refuse)
    with pytest.raises(MetanetError, match=r"cannot be written \(Permission denied\)\. Fix:"):
        lab.starter_notebook(tmp_path)


def test_half_a_notebook_does_not_stay(tmp_path, opening):
    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *fault):
            self.file.close()

        def write(self, text):
            self.file.write(text[:100])
            raise OSError(errno.ENOSPC, "No space left on device")

    opening(lambda make: Full(make()))
    with pytest.raises(MetanetError, match="No space left"):
        lab.starter_notebook(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", ["jupyterlab", "ipywidgets"])
def test_a_missing_package_is_named_before_anything_is_written(tmp_path, monkeypatch, missing):
    monkeypatch.setattr(lab, "find_spec", lambda name: None if name == missing else object())
    with pytest.raises(MetanetError, match=rf"needs {missing}. Fix: python -m pip install 'jupyterlab>="):
        lab.open_lab(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="only POSIX systems put one process in the place of another")
def test_jupyterlab_takes_the_place_of_the_command(tmp_path, started):
    lab.open_lab(tmp_path, ["--no-browser", "--port=9000"])
    command = [sys.executable, "-m", "jupyterlab", str(tmp_path / lab.NAME), "--no-browser", "--port=9000"]
    assert started[0] == (sys.executable, command)


def test_elsewhere_the_exit_code_is_that_of_jupyterlab(tmp_path, started, monkeypatch):
    monkeypatch.setattr(lab, "_REPLACES", False)
    assert lab.open_lab(tmp_path) == 7
    assert len(started) == 1


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (["lab"], []),
        (["lab", "--no-browser"], ["--no-browser"]),
        (["lab", ".", "--port=9000", "--no-browser"], ["--port=9000", "--no-browser"]),
    ],
)
def test_the_command_hands_folder_and_options_on(tmp_path, started, monkeypatch, given, options):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["metanet", *given])
    with pytest.raises(SystemExit):
        cli.main()
    assert started[0][1][3:] == [lab.NAME, *options]


def test_the_command_says_in_one_line_that_a_folder_is_not_there(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(lab, "find_spec", lambda name: object())
    monkeypatch.setattr(sys, "argv", ["metanet", "lab", str(tmp_path / "nothing")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    captured = capsys.readouterr()
    assert end.value.code == 2
    assert captured.out == ""
    assert captured.err.startswith("metanet: folder=")
    assert len(captured.err.splitlines()) == 1


def test_the_starter_notebook_is_kept_without_outputs(tmp_path):
    notebook = nbformat.read(lab.starter_notebook(tmp_path), as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


def test_every_cell_of_the_starter_notebook_runs_and_shows_something(tmp_path):
    pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")
    notebook = nbformat.read(lab.starter_notebook(tmp_path), as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, kernel_name="python3", timeout=int(HANG), resources=resources).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs, cell.source
            assert not [o for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"], cell.source
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert "application/vnd.jupyter.widget-view+json" in first.outputs[-1].data
