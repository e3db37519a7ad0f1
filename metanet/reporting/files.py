"""Folders that are replaced atomically, names that are safe on every system, strict JSON, and where the analyses are."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from metanet.base.errors import ReportError
from metanet.base.untrusted import visible
from metanet.base.whole_files import write_text
from metanet.evidence.folders import shipped_folder

#: Devices, which Windows finds behind any suffix.
_DEVICES = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(10)), *(f"lpt{i}" for i in range(10))}
#: Other entries of a folder of reports than the folders of the outcomes.
_TAKEN = {"analyses", "evidence", "replication", "index.html", "overview.svg", "overview.png", "pooled.csv", "supplement.zip"}
#: Files one of which every report has.
_MARKS = ("report.html", "numbers.json", "about.json")
#: A file of numbers is some hundred kilobytes; beyond this it is something else.
_LARGEST = 64 << 20


def slug(name: str) -> str:
    """`name` as a folder name: letters, digits, dot, dash and underscore; a changed name carries a digest, so that two stay two."""
    kept = re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("._")[:60]
    device = kept.split(".")[0].lower() in _DEVICES
    if kept == name and not device:
        return kept
    return f"{kept.replace('.', '_') if device else kept or 'x'}-{_digest(name)}"


def outcome_folder(name: str) -> str:
    """The folder of an outcome among the reports: `slug`, except names of other entries."""
    made = slug(name)
    return f"{made}-{_digest(name)}" if made.lower() in _TAKEN else made


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file of a report, as `write_json` writes it; None without one.

    The file may come from elsewhere: pipes are not read, and numbers beyond the range of a float are refused.
    """
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return None
        content = path.read_bytes()
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError:
            # It is strict: a text with half a character is no UTF-8, but was written and is read.
            found = json.loads(content, parse_int=_whole, parse_constant=_no_number)
    except (OSError, ValueError, OverflowError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def single_numbers(found: Mapping[str, Any]) -> dict[str, Any]:
    """The single numbers and words of a finished report, without its studies and tables: who holds many reports holds these."""
    result = found.get("result")
    kept = {name: value for name, value in found.items() if not isinstance(value, dict | list)}
    single = {name: value for name, value in result.items() if not isinstance(value, dict | list)} if isinstance(result, dict) else {}
    return {**kept, "result": single} if single else kept


def _whole(text: str) -> int:
    number = int(text)
    float(number)
    return number


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number")


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Strict JSON (no NaN), readable, keys in the order given."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def is_report(folder: Path) -> bool:
    """Whether a folder contains a report, finished or failed."""
    return any((folder / name).is_file() for name in _MARKS)


def replace_folder(staged: Path, target: Path) -> None:
    """Put a finished folder in the place of the report; the old one is removed only after the new one is in place.

    A folder that is not a report belongs to the user, and a link points elsewhere: both are left alone.
    """
    # The staging folder lies in the folder of the reports itself.
    places = [target, *(p for p in target.parents if p != staged.parent and p.is_relative_to(staged.parent))]
    if link := next((place for place in places if place.is_symlink()), None):
        raise ReportError(f"{visible(link)} is a link to another place. Fix: remove it, or choose another folder as out.")
    if target.is_dir() and any(target.iterdir()) and not is_report(target):
        raise ReportError(f"{visible(target)} exists and is not a report. Fix: choose another folder as out.")
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.parent / f".{target.name}.old"
    if old.exists():
        shutil.rmtree(old)
    if target.exists():
        os.replace(target, old)
    os.replace(staged, target)
    if old.exists():
        shutil.rmtree(old)


def keep_foreign(target: Path, staged: Path, names: Sequence[str]) -> list[str]:
    """Copy a reader's own files from a report into the folder that replaces it; one whose name is taken gets another.

    Parameters
    ----------
    target, staged
        The folder of the report, and the one that takes its place.
    names
        Files of `target` that are a reader's.

    Returns
    -------
    list of str
        Their names in `staged`.
    """
    kept = []
    for name in names:
        place, number = staged / name, 1
        while place.exists():
            extra = " (edited)" if number == 1 else f" (edited {number})"
            place = (staged / name).with_name(f"{Path(name).stem}{extra}{Path(name).suffix}")
            number += 1
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(target / name, place)
        kept.append(place.relative_to(staged).as_posix())
    return kept


def analyses_folder() -> Path:
    """The folder of the notebooks that come with metanet."""
    if (folder := shipped_folder("analyses", "modality_rate.ipynb")) is not None:
        return folder
    raise ReportError("The analysis notebooks are missing from this installation. Fix: install metanet again.")
