"""Files that appear whole or not at all, and CSV with cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Sequence
from io import StringIO
from pathlib import Path

from metanet.base.untrusted import harmless_cell


def write_text(path: Path, text: str) -> None:
    """Write a file in one stroke: a reader sees the old one or the new one, never a part."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_bytes(path: Path, content: bytes) -> None:
    """As `write_text`, for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:60]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        # mkstemp makes files that only their owner can read; a report is for others too.
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """UTF-8 CSV with harmless cells; a missing value is an empty cell."""
    # The module's default line end, CR LF, makes it quote a carriage return inside a cell as well.
    out = StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow([harmless_cell(c) for c in columns])
    for row in rows:
        writer.writerow(["" if value is None else harmless_cell(value) for value in row])
    write_text(path, out.getvalue())
