"""Files that appear whole or not at all, and CSV with cells that no spreadsheet runs."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path

from metanet.base.errors import ArgumentError, MetanetError, shorten
from metanet.base.untrusted import harmless_cell, visible


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


@contextmanager
def locked(place: Path, refusal: str, seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder; who does not get it within so many seconds is refused.

    The system frees it when its holder ends, however it ends. Where a file system has no locks, nothing is kept apart.

    Raises
    ------
    ArgumentError
        `refusal`, where another process holds it.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(place, timeout=seconds, mode=0o644)
    try:
        lock.acquire()
    except Timeout:
        raise ArgumentError(refusal) from None
    except (NotImplementedError, OSError) as error:
        # A file system without locks; one without room or rights says so when something is written.
        if isinstance(error, PermissionError):
            raise
    try:
        yield
    finally:
        lock.release()


def write_folder(place: Path, content: Mapping[str, bytes]) -> Path:
    """Write a folder that does not exist or is empty in one step: its files are made beside it and moved.

    Raises
    ------
    MetanetError
        It cannot be written; nothing is left behind.
    """
    made = None
    try:
        made = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name[:40]}.", suffix=".part"))
        for name, data in content.items():
            write_bytes(made / name, data)
        os.chmod(made, 0o755)
        if place.exists():
            _fill(made, place)
        else:
            os.rename(made, place)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise MetanetError(
            f"{visible(shorten(place.name))} cannot be written ({why}). Fix: choose a folder that you can write to."
        ) from None
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
    return place


def _fill(made: Path, place: Path) -> None:
    """Move the content into an empty folder, which may be the current one."""
    moved: list[Path] = []
    try:
        for entry in sorted(made.iterdir()):
            os.rename(entry, place / entry.name)
            moved.append(place / entry.name)
    except OSError:
        for entry in moved:
            with suppress(OSError):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        raise
