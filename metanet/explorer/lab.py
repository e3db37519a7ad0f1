"""JupyterLab on a starter notebook."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from metanet.base.errors import ArgumentError, MetanetError, shorten
from metanet.base.extras import install

NAME = "metanet_start.ipynb"
#: Whether one process can take the place of another, as POSIX systems have it.
_REPLACES = os.name == "posix"


def starter_notebook(folder: str | Path) -> Path:
    """The starter notebook in `folder`, created if it does not exist; an existing one is kept."""
    place = Path(folder)
    if not place.is_dir():
        raise ArgumentError(f"folder={shorten(folder)!r} is not a folder. Fix: create it first, or omit it to use the current folder.")
    path = place / NAME
    text = files("metanet.explorer").joinpath("start.ipynb").read_text(encoding="utf-8")
    try:
        file = path.open("x", encoding="utf-8", newline="\n")
    except FileExistsError:
        return path
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        with file:
            file.write(text)
    except OSError as error:
        # An incomplete notebook would be taken for the user's own the next time.
        with suppress(OSError):
            path.unlink()
        raise _unwritable(path, error) from None
    return path


def _unwritable(path: Path, error: OSError) -> MetanetError:
    return MetanetError(f"{shorten(path)} cannot be written ({error.strerror}). Fix: choose a folder that you can write to.")


def open_lab(folder: str | Path = ".", options: Sequence[str] = ()) -> int:
    """Open JupyterLab on the starter notebook; the exit code of JupyterLab when it ends.

    `options` are JupyterLab's own, such as ``--port=9000`` or ``--no-browser``. Where the system can, JupyterLab takes the place of
    this process and the function does not return.
    """
    for package in ("jupyterlab", "ipywidgets"):
        if find_spec(package) is None:
            raise MetanetError(f"metanet lab needs {package}. Fix: {install('lab')}")
    path = starter_notebook(folder)
    command = [sys.executable, "-m", "jupyterlab", str(path), *options]
    if _REPLACES:
        # A process between the terminal and JupyterLab would die of Ctrl+C while JupyterLab still asks whether to stop, and
        # would keep a signal to end from it and its kernels.
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, command)
    return subprocess.call(command)
