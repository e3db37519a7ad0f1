"""The journal of a folder of reports: the inputs and files of each report, so that an interrupted run can continue."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import metanet
from metanet._version import __version__
from metanet.base.errors import ArgumentError, shorten
from metanet.base.untrusted import visible
from metanet.base.whole_files import locked, write_text
from metanet.reporting.files import is_report
from metanet.reporting.plan.jobs import Job

#: Folder in the folder of reports for what is about the runs: journal, logs, lock.
HOME = ".metanet"
#: Staging folders begin so; a run that was killed leaves them behind.
STAGED = ".staged-"
_OLD = ".old"
#: Files of a run that were being written, and how deep reports lie.
_HALF = re.compile(r"\.(index\.html|overview\.\w+|pooled\.csv|supplement\.zip|journal\.jsonl)\.\w+\.part")
_DEEPEST = 3
#: Packages whose version can move a byte of a report.
_PACKAGES = (
    "numpy", "scipy", "pandas", "matplotlib", "statsmodels", "formulaic", "frictionless", "papermill", "nbconvert", "nbformat",
    "ipython", "great-tables", "python-docx", "typst",
)  # fmt: skip

#: Documents of a report that people edit.
EDITED = (".docx", ".ipynb")
#: What the files of reports are.
_MADE = (*EDITED, ".html", ".pdf", ".svg", ".png", ".json", ".csv", ".R")
#: Files of this package that make a report.
_SOURCES = {".py", ".css", ".js", ".typ", ".R"}

File = tuple[int, int, str, int]
Files = dict[str, File]


@cache
def versions_digest() -> str:
    """SHA-256 of the versions of everything that makes a report, and of the source of this package."""
    digest = hashlib.sha256(f"metanet {__version__} python {sys.version_info[:2]}\n".encode())
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            digest.update(f"{name} {metadata.version(name)}\n".encode())
    root = Path(metanet.__file__).parent
    for path in sorted(path for path in root.rglob("*") if path.suffix in _SOURCES):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _is_edited(path: Path, about: Sequence[Any]) -> bool:
    """Whether a document has other bytes than a run made. One about which nothing has moved is not read: it may stand for an object
    of a store."""
    stat = path.stat()
    if len(about) < 3 or not stat.st_size or [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] == [*about[:2], *about[3:]]:
        return False
    return bool(hashlib.sha256(path.read_bytes()).hexdigest() != about[2])


@cache
def _digest_of(path: Path, size: int, changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def key_of(job: Job, rows: str, formats: Iterable[str]) -> str:
    """The inputs of a report as one digest: rows, parameters, notebook, formats, packages."""
    stat = job.notebook.stat()
    content = {
        "rows": rows,
        "parameters": job.parameters,
        "title": job.title,
        "identity": job.identity,
        "notebook": _digest_of(job.notebook, stat.st_size, stat.st_mtime_ns),
        "formats": sorted(formats),
        "check_with_r": job.check_with_r,
        "versions": versions_digest(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def file_of(path: Path) -> File:
    """Size, time, SHA-256 and time of the last change of a file: the last one moves with every change, whatever `cp -p` says."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest(), stat.st_ctime_ns


def files_of(folder: Path, but: Collection[str] = ()) -> Files:
    """Every file of a report, except those that are a reader's own."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: file_of(path) for name, path in found.items() if name not in but}


class Journal:
    """The reports in a folder. Every finished report is a line, written once the report is in place."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out / HOME / "journal.jsonl"
        self._lines: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError):
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                # The last line of a run that was killed can be half a line: that report is made again.
                with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
                    entry = json.loads(line)
                    self._lines[str(entry["folder"])] = {**entry, "key": str(entry["key"])}

    def fresh(self, job: Job, key: str) -> bool:
        """Whether the report has the same inputs, no error and unchanged files."""
        entry = self._lines.get(job.folder)
        if entry is None or entry.get("key") != key or entry.get("error"):
            return False
        return self._intact(self.out / job.folder, entry)

    def _intact(self, folder: Path, entry: dict[str, Any]) -> bool:
        """Whether every file has the bytes that it was made with. A file is read anew unless nothing about it has moved."""
        try:
            files = entry["files"]
            if not files:
                return False
            for name, (size, changed, digest, *rest) in list(files.items()):
                path = folder / name
                stat = path.stat()
                if stat.st_size != size:
                    return False
                if stat.st_mtime_ns == changed and rest == [stat.st_ctime_ns]:
                    continue
                now = file_of(path)
                if now[2] != digest:
                    return False
                files[name] = list(now)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return False
        return True

    def foreign(self, folder: str) -> list[str]:
        """Files in the folder of a report that no run made, and documents of a run that somebody has edited since."""
        place, entry = self.out / folder, self._lines.get(folder, {})
        known = entry.get("files")
        if not place.is_dir():
            return []
        if not isinstance(known, dict):
            # The journal is gone or knows nothing of it: what no report is made of is somebody's.
            others = (path for path in sorted(place.rglob("*")) if path.is_file() and path.suffix not in _MADE)
            return [path.relative_to(place).as_posix() for path in others]
        found = []
        for path in sorted(place.rglob("*")):
            name = path.relative_to(place).as_posix()
            if not path.is_file() or path.is_symlink():
                continue
            ours = known.get(name)
            if ours is None or (path.suffix in EDITED and isinstance(ours, list | tuple) and _is_edited(path, ours)):
                found.append(name)
        return found

    def made(self, job: Job, key: str, error: str | None, theirs: Collection[str] = ()) -> None:
        """Record a report that is in place; `theirs` are the files of a reader in its folder."""
        entry = {"folder": job.folder, "key": key, "error": error, "files": files_of(self.out / job.folder, theirs)}
        self._lines[job.folder] = entry
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=True) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def keys(self) -> dict[str, str]:
        """Folder -> what its report was made from."""
        return {folder: str(entry["key"]) for folder, entry in self._lines.items()}

    def compact(self) -> None:
        """One line for each report that is still there, by folder."""
        kept = {folder: entry for folder, entry in sorted(self._lines.items()) if _is_folder(self.out / folder)}
        self._lines = kept
        # On a full disk the lines stay as they were written, which say the same.
        with contextlib.suppress(OSError):
            write_text(self.path, "".join(json.dumps(entry, ensure_ascii=True) + "\n" for entry in kept.values()))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # A name that no report has, such as one that is too long.
        return False


@contextmanager
def opened(out: Path) -> Iterator[Journal]:
    """The journal of a folder, locked against other runs; leftovers of a killed run are removed first."""
    home = out / HOME
    for place in (home, home / "logs", home / "lock", home / "journal.jsonl"):
        if place.is_symlink():
            raise ArgumentError(
                f"{shorten(visible(place))} is a link to another place. Fix: remove it, or choose another folder as out."
            )
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / "lock", f"out={shorten(str(out))!r} is in use by another run. Fix: wait for it, or choose another folder."):
        recover(out)
        yield Journal(out)


def recover(out: Path) -> None:
    """Remove the leftovers of a killed run, and restore a report that it had moved but not replaced.

    `out` may contain other things: only files with the name and content of a run are touched.
    """
    for left in out.glob(f"{STAGED}*"):
        shutil.rmtree(left, ignore_errors=True)
    for folder, names, files in os.walk(out):
        here = Path(folder)
        for name in [each for each in names if each.startswith(".") and each.endswith(_OLD)]:
            names.remove(name)
            aside, target = here / name, here / name[1 : -len(_OLD)]
            if aside.is_symlink() or not is_report(aside):
                continue
            if target.exists():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                os.replace(aside, target)
        for name in files:
            # A file is written beside its place under such a name, see `whole_files`.
            if _HALF.fullmatch(name):
                with contextlib.suppress(OSError):
                    (here / name).unlink()
        if len(here.relative_to(out).parts) >= _DEEPEST - 1:
            names.clear()
