"""JupyterLab on a starter notebook."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from metanet.errors import ArgumentError, MetanetError, shorten

NAME = "metanet_start.ipynb"


def starter_notebook(folder: str | Path) -> Path:
    """The starter notebook in `folder`, written where there is none yet: what was changed in it stays."""
    place = Path(folder)
    if not place.is_dir():
        raise ArgumentError(
            f"folder={shorten(folder)!r} is not a folder. Mend: make it first, or leave it out for this one."
        )
    path = place / NAME
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(files("metanet.explorer").joinpath("start.ipynb").read_text(encoding="utf-8"))
    except FileExistsError:
        pass
    except OSError as error:
        raise MetanetError(f"{path} cannot be written ({error.strerror}). Mend: a folder of your own.") from None
    return path


def open_lab(folder: str | Path = ".", options: Sequence[str] = ()) -> int:
    """Open JupyterLab on the starter notebook; the exit code of JupyterLab when it ends.

    `options` are JupyterLab's own, such as ``--port=9000`` or ``--no-browser``.
    """
    for package in ("jupyterlab", "ipywidgets"):
        if find_spec(package) is None:
            raise MetanetError(f'metanet lab needs {package}. Mend: pip install "metanet[lab]".')
    path = starter_notebook(folder)
    return subprocess.call([sys.executable, "-m", "jupyterlab", str(path), *options])
