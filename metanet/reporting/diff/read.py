"""A run as it lies in its folder: every report with what it is and its numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metanet.errors import ArgumentError, shorten
from metanet.reporting.files import read_object
from metanet.reporting.run import ABOUT

#: What tells one row of a report from the others.
KEY = ("study_id", "arm", "definition")


@dataclass(frozen=True)
class Made:
    """One report of a run."""

    folder: str
    title: str
    about: Mapping[str, Any]
    numbers: Mapping[str, Any]

    @property
    def error(self) -> str | None:
        """Why it failed; None where it did not."""
        found = self.numbers.get("error")
        return None if found is None else str(found)

    @property
    def result(self) -> Mapping[str, Any] | None:
        """The pooled result; None for analyses of another kind."""
        found = self.numbers.get("result")
        return found if isinstance(found, dict) else None

    @property
    def rows(self) -> dict[tuple[str, ...], Mapping[str, Any]]:
        """The pooled rows by their key."""
        listed = (self.result or {}).get("studies")
        rows: dict[tuple[str, ...], Mapping[str, Any]] = {}
        for row in listed if isinstance(listed, list) else ():
            if isinstance(row, dict):
                key = tuple(str(row.get(name) or "") for name in KEY)
                # Data without an id are told apart by their names.
                rows.setdefault(key if key[0] else (str(row.get("study")), *key[1:]), row)
        return rows


def read_run(folder: str | os.PathLike[str]) -> dict[str, Made]:
    """Every report below a folder, by its place.

    Raises
    ------
    ArgumentError
        No folder, or one without a report.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ArgumentError(f"{shorten(str(folder))!r} is not a folder of reports. Mend: give what --out named.")
    found: dict[str, Made] = {}
    for path in sorted(root.rglob("numbers.json")):
        place = path.parent.relative_to(root)
        if any(part.startswith(".") for part in place.parts) or not (path.parent / ABOUT).is_file():
            continue
        numbers, about = read_object(path), read_object(path.parent / ABOUT)
        if numbers is not None and about is not None:
            name = place.as_posix()
            found[name] = Made(name, str(about.get("title") or name), about, numbers)
    if not found:
        raise ArgumentError(f"{shorten(str(folder))!r} holds no report of this version. Mend: give what --out named.")
    return found


def method_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The method of a pooled result; empty where the file says something else."""
    found = result.get("method")
    return found if isinstance(found, dict) else {}
