"""Where things are: what comes with metanet, or a folder of the user's."""

from __future__ import annotations

import os
from pathlib import Path

from metanet.base.errors import ArgumentError, DataError, Problem, shorten

DESCRIPTOR = "datapackage.json"
_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_folder(name: str, holds: str) -> Path | None:
    """A folder that comes with metanet and `holds` a file: inside an installed package, or beside the package in a checkout."""
    for folder in (_PACKAGE / "embedded" / name, _PACKAGE.parent / name):
        if (folder / holds).is_file():
            return folder
    return None


def curated_folder() -> Path:
    """The curated tables."""
    if (folder := shipped_folder("extracted_data", DESCRIPTOR)) is not None:
        return folder
    raise DataError(
        "The curated tables are not where metanet was installed. Install metanet again, or give a folder.",
        [Problem("extracted_data", wrong="is missing from the installation", fix="Install metanet again")],
    )


def given_path(path: object) -> Path:
    """The path that a caller gave, or the curated folder for None."""
    if path is None:
        return curated_folder()
    if isinstance(path, str | os.PathLike):
        text = os.fspath(path)
        if isinstance(text, str) and text.strip() and "\x00" not in text:
            return Path(text).expanduser()
    raise ArgumentError(
        f"path={shorten(repr(path))} is not a path. Give the folder that contains studies.csv and arms.csv, or None for "
        "the curated tables."
    )
