"""Where the tables are: those of the folder one works in, or the curated ones; and whose they are, in words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from metanet.base.errors import ArgumentError, DataError, Problem, shorten
from metanet.base.untrusted import visible

DESCRIPTOR = "datapackage.json"
#: Where the tables of a review are below its folder.
TABLES = "extracted_data"
#: Environment variable with the folder of the tables that None stands for, or `CURATED`. A run of reports sets it for its kernels, so
#: that all of them read the tables that the run was planned from.
VARIABLE = "METANET_EVIDENCE"
CURATED = "curated"
_STUDIES = "studies.csv"
_PACKAGE = Path(__file__).resolve().parent.parent


def shipped_folder(name: str, holds: str) -> Path | None:
    """A folder that comes with metanet and `holds` a file: inside an installed package, or beside the package in a checkout."""
    for folder in (_PACKAGE / "embedded" / name, _PACKAGE.parent / name):
        if (folder / holds).is_file():
            return folder
    return None


def curated_folder() -> Path:
    """The curated tables."""
    if (folder := shipped_folder(TABLES, DESCRIPTOR)) is not None:
        return folder
    raise DataError(
        "The curated tables are not where metanet was installed. Install metanet again, or give a folder.",
        [Problem(TABLES, wrong="is missing from the installation", fix="Install metanet again")],
    )


def is_curated(folder: Path) -> bool:
    """Whether a folder is that of the curated tables."""
    return folder.resolve() == curated_folder().resolve()


def own_tables(start: Path | None = None) -> Path | None:
    """The tables of the folder one works in: `extracted_data` in it or in the nearest folder above it, or the folder itself.

    `start` is the folder, by default the current one. A folder has tables if it contains a descriptor or studies, and is itself one of
    tables if it contains both, or studies and arms. None where there is none up to the root.
    """
    try:
        here = Path.cwd() if start is None else start.resolve()
    except OSError:
        # The current folder was deleted.
        return None
    for folder in (here, *here.parents):
        below = folder / TABLES
        if (below / DESCRIPTOR).is_file() or (below / _STUDIES).is_file():
            return below
        if (folder / _STUDIES).is_file() and ((folder / DESCRIPTOR).is_file() or (folder / "arms.csv").is_file()):
            return folder
    return None


def used_folder() -> Path:
    """The tables that None stands for: those of the folder one works in, or else the curated ones."""
    fixed = os.environ.get(VARIABLE, "").strip()
    if fixed:
        return curated_folder() if fixed == CURATED else _tables_in(Path(fixed).expanduser())
    return own_tables() or curated_folder()


def _tables_in(place: Path) -> Path:
    """A folder of tables, or the tables in the folder of a review."""
    inside = place / TABLES
    has_own = any((place / name).is_file() for name in (DESCRIPTOR, _STUDIES))
    return inside if not has_own and any((inside / name).is_file() for name in (DESCRIPTOR, _STUDIES)) else place


@contextmanager
def fixed(folder: str | Path | None) -> Iterator[None]:
    """Tables that None stands for in this process and in those that it starts meanwhile; None fixes the curated ones."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = CURATED if folder is None else str(folder)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


def given_path(path: object) -> Path:
    """The path that a caller gave, or the tables that None stands for; of the folder of a review the tables in it."""
    if path is None:
        folder = used_folder()
        if os.environ.get(VARIABLE, "").strip() and not folder.is_dir():
            named = f"The environment variable {VARIABLE} names {visible(folder)}"
            fix = f"Unset it, or write the folder of the tables or {CURATED!r}"
            raise DataError(f"{named}, which is not a folder. {fix}.", [Problem(visible(folder), wrong="is not a folder", fix=fix)])
        return folder
    if isinstance(path, str | os.PathLike):
        text = os.fspath(path)
        if isinstance(text, str) and text.strip() and "\x00" not in text:
            return _tables_in(Path(text).expanduser())
    raise ArgumentError(
        f"path={shorten(repr(path))} is not a path. Give the folder that contains studies.csv and arms.csv, or None for "
        f"the tables of the folder you work in ({TABLES}) or, where there are none, the curated ones."
    )


def from_here(folder: Path) -> str:
    """The tables of the folder one works in as they are seen from there, such as extracted_data; other folders as they are."""
    if is_curated(folder) or folder != own_tables():
        return str(folder)
    shown = os.path.relpath(folder)
    # A point names nothing.
    return os.path.join(os.pardir, folder.name) if shown == os.curdir else shown


def whose(folder: Path) -> str:
    """Whose tables a folder has, in words: "the curated tables of metanet", or the folder below the one that a person names."""
    if is_curated(folder):
        return "the curated tables of metanet"
    place = folder.resolve()
    parts = place.parts[-2:] if place.name == TABLES else place.parts[-1:]
    return visible("/".join(part for part in parts if part != place.anchor)) or visible(place)
