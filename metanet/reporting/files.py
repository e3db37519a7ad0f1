"""Files that appear whole or not at all, under names that are safe on every system, with cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

_RESERVED = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(10)), *(f"lpt{i}" for i in range(10))}
#: A cell that starts so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def slug(name: str) -> str:
    """`name` as a folder name: letters, digits, dot, dash and underscore; a changed name carries a digest, so that two stay two."""
    kept = re.sub(r"[^A-Za-z0-9._+-]+", "_", name).strip("._")[:60]
    if kept == name and kept.split(".")[0].lower() not in _RESERVED:
        return kept
    return f"{kept or 'x'}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def write_text(path: Path, text: str) -> None:
    """Write a file in one stroke: a reader sees the old one or the new one, never a part."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_text`, for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes files that only their owner can read; a report is for others too.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Strict JSON (no NaN), readable, keys in the order given."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def harmless_cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula gets an apostrophe before it; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """UTF-8 CSV with harmless cells; a missing value is an empty cell."""
    # The module's default line end, CR LF, makes it quote a carriage return inside a cell as well.
    out = StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([harmless_cell(c) for c in columns])
    for row in rows:
        writer.writerow(["" if value is None else harmless_cell(value) for value in row])
    write_text(path, out.getvalue())


def replace_folder(staged: Path, target: Path) -> None:
    """Put a finished folder where the report belongs; the old one goes only when the new one stands."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = target.parent / f".{target.name}.old"
    if old.exists():
        shutil.rmtree(old)
    if target.exists():
        os.replace(target, old)
    os.replace(staged, target)
    if old.exists():
        shutil.rmtree(old)
