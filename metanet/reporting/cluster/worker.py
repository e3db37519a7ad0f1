"""What a worker of the cluster does: unpack what a report needs, make it, and send it back whole."""

from __future__ import annotations

import atexit
import hashlib
import io
import os
import shutil
import tempfile
import threading
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metanet.base.errors import ReportError
from metanet.base.temporary import TemporaryFolder
from metanet.evidence.folders import fixed
from metanet.reporting.plan.jobs import Job
from metanet.reporting.run.journal import versions_digest
from metanet.reporting.run.makers import Limits, Maker, maker

_LOCK = threading.Lock()
#: Warm parents by what they hold, the last used last, and how many reports each is making; so many are kept.
_MAKERS: OrderedDict[tuple[Any, ...], Maker] = OrderedDict()
_BUSY: Counter[tuple[Any, ...]] = Counter()
_MOST = 2
_HOME: list[TemporaryFolder] = []


def make_remote(
    bundle: bytes, job: dict[str, Any], formats: tuple[str, ...], seconds: float | None, megabytes: int | None, versions: str
) -> tuple[bytes, str | None, str]:
    """Make one report on this worker.

    Parameters
    ----------
    bundle
        What `pack` made of the evidence and the notebooks.
    job
        As `Job.to_dict` gives it, its notebook and its data by their names in the bundle.
    formats, seconds, megabytes
        Formats and limits.
    versions
        What made the plan; a worker with other packages would make other reports.

    Returns
    -------
    tuple
        The report's folder as a zip, its error in one line or None, its log.

    Raises
    ------
    ReportError
        Another version of metanet or of a package it rests on.
    """
    if versions != versions_digest():
        raise ReportError(
            "A worker of the cluster has different versions of metanet or its packages from this machine. Fix: install the same "
            "requirements.lock on both."
        )
    place = _unpacked(bundle)
    here = Job.from_dict(job)
    data = here.parameters.get("data")
    parameters = dict(here.parameters)
    tables = None if data is None else str(place / "data" / place_of(data))
    if tables is not None:
        parameters["data"] = tables
    made = Job(place / "notebooks" / here.notebook, parameters, here.title, here.folder, here.identity, here.subset, here.check_with_r)
    staged = Path(tempfile.mkdtemp(dir=place.parent, prefix="report-"))
    log = staged.with_suffix(".log")
    try:
        shown = {} if tables is None else {tables: str(data)}
        with fixed(tables), _maker(formats, seconds, megabytes, tables) as hands:
            error = hands.make(made, staged, log, shown)
        return packed(staged), error, log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    finally:
        shutil.rmtree(staged, ignore_errors=True)
        log.unlink(missing_ok=True)


def place_of(data: str) -> str:
    """Where the tables of a folder are on a worker: below a folder of its name, because reports name it."""
    return "/".join(part for part in Path(data).parts[-2:] if part != Path(data).anchor)


@contextmanager
def _maker(formats: tuple[str, ...], seconds: float | None, megabytes: int | None, data: str | None) -> Iterator[Maker]:
    """The warm parent of this worker; it is kept for the next report, and ended where others were used since."""
    key = (formats, seconds, megabytes, data)
    with _LOCK:
        if key not in _MAKERS:
            _MAKERS[key] = maker(None, formats, Limits(seconds, megabytes), several=True, data=[data or ""])
        _MAKERS.move_to_end(key)
        _BUSY[key] += 1
        for old in [each for each in _MAKERS if not _BUSY[each]][: max(0, len(_MAKERS) - _MOST)]:
            _MAKERS.pop(old).stop()
            if old[3] is not None:
                shutil.rmtree(_bundle_of(old[3]), ignore_errors=True)
        chosen = _MAKERS[key]
    try:
        yield chosen
    finally:
        with _LOCK:
            _BUSY[key] -= 1


@atexit.register
def _end() -> None:
    """End what this worker keeps."""
    while _MAKERS:
        _MAKERS.popitem()[1].stop()
    while _HOME:
        _HOME.pop().close()


def _home() -> Path:
    """The folder of this worker."""
    if not _HOME:
        _HOME.append(TemporaryFolder("worker"))
    return _HOME[0].path


def _bundle_of(tables: str) -> Path:
    """The folder of the bundle that has these tables."""
    return _home() / Path(tables).relative_to(_home()).parts[0]


def _unpacked(bundle: bytes) -> Path:
    """The folder of a bundle on this worker; each is unpacked once."""
    with _LOCK:
        place = _home() / hashlib.sha256(bundle).hexdigest()[:16]
        if not place.is_dir():
            partial = place.with_suffix(f".{os.getpid()}")
            unpack(bundle, partial)
            os.replace(partial, place)
        return place


def packed(folder: Path) -> bytes:
    """A folder as a zip."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder).as_posix())
    return content.getvalue()


def unpack(content: bytes, folder: Path) -> None:
    """Unpack a zip into a folder; a name that points outside of it is refused."""
    root = folder.resolve()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if not (root / name).resolve().is_relative_to(root):
                raise ReportError(f"An archive contains {name!r}, which points outside its folder.")
        archive.extractall(root)
