"""Reports in an object store or another file system that fsspec knows: written from a local working folder, complete reports only."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from metanet.base.errors import ArgumentError, ReportError, shorten
from metanet.base.extras import install
from metanet.base.temporary import temporary_folder
from metanet.base.untrusted import visible
from metanet.reporting.plan.jobs import Outcome
from metanet.reporting.run.journal import EDITED, HOME

_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
#: What the list of reports and the journal need of reports that are there already.
_SMALL = ("about.json", "numbers.json")
_JOURNAL = f"{HOME}/journal.jsonl"
#: The marks of the objects that runs sent, and where stores say what changes with every write.
_SENT = f"{HOME}/sent.json"
_TRIED = f"{HOME}/tried"
#: The digests of the report that is on its way.
_SENDING = f"{HOME}/sending.json"
_MARKS = ("ETag", "etag", "md5Hash", "content_md5", "crc32c", "LastModified", "last_modified", "updated", "mtime", "created")


def is_remote(out: str | Path) -> bool:
    """Whether `out` is an address such as ``s3://bucket/reports``, not a local folder."""
    return bool(_ADDRESS.match(str(out))) and not str(out).lower().startswith("file://")


def local_path(out: str | Path) -> Path:
    """The folder that a path or a ``file://`` address names."""
    if str(out).lower().startswith("file://"):
        return Path(unquote(urlparse(str(out)).path))
    return Path(out)


class Remote:
    """A remote folder of reports, and the local folder that represents it during a run.

    The journal is copied first; a report is complete once the remote journal lists it and its files are those that a run sent: the
    store's own mark of an object (ETag, checksum, time) says so, and where it has moved the bytes are read. A report goes over file by
    file and then into the journal there, so that a run that was killed leaves no report that counts and is not whole. Stores have no
    locks that a killed run would give back, so two runs at once are not kept apart: every object of a report is read back before the
    report goes into the journal, and its mark is kept with the digest of its bytes. A report whose files two runs have mixed is made
    again by whoever sees it.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.address, self.folder = address, folder
        try:
            import fsspec

            self._fs, root = fsspec.core.url_to_fs(address)
        except ImportError as fault:
            raise ArgumentError(
                f"out={shorten(address)!r} needs a package ({fault}). Fix: {install('cluster', 'fsspec')}; and the one for this store."
            ) from None
        except ValueError as fault:
            raise ArgumentError(
                f"out={shorten(address)!r} is not an address that fsspec knows ({shorten(str(fault), 120)})."
            ) from None
        self._root = str(root).rstrip("/")
        self._sizes: dict[str, int] = {}
        #: Name -> what the store says of an object now; and what it said of those that a run sent, with the digest of their bytes.
        self._marks: dict[str, str] = {}
        self._sent: dict[str, tuple[str, str]] = {}
        #: Folder of a report -> the files that the journal knows, and its line in the journal of the store.
        self._known: dict[str, set[str]] = {}
        self._lines: dict[str, str] = {}
        #: Digests of a report whose sending may have broken off.
        self._begun: set[str] = set()

    def pull(self) -> None:
        """Copy the journal and the small files, and create placeholders for the others."""
        self._try()
        with contextlib.suppress(FileNotFoundError):
            found = self._fs.find(self._root, detail=True)
            self._note(found)
        self._sent = self._marks_sent()
        self._begun = {str(digest) for digest in self._read(_SENDING).values()}
        wanted = [name for name in self._sizes if name == _JOURNAL or Path(name).name in _SMALL]
        for name in wanted:
            self._bring(name)
        self._stand_in()

    def _try(self) -> None:
        """Find out whether the store can be written before the first report is made."""
        try:
            self._fs.pipe_file(f"{self._root}/{_TRIED}", b"")
        # Every store raises what it likes: no bucket, no rights, no connection.
        except Exception as fault:
            raise ReportError(
                f"out={shorten(self.address)!r} cannot be written ({shorten(str(fault) or type(fault).__name__, 120)}). Fix: create "
                "the bucket, and check the rights."
            ) from None

    def _note(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Take down sizes and marks of objects."""
        for name, about in found.items():
            short = name[len(self._root) + 1 :]
            self._sizes[short] = int(about["size"] or 0)
            self._marks[short] = next((str(about[key]) for key in _MARKS if about.get(key)), "")

    def _read(self, name: str) -> dict[str, Any]:
        """A JSON object of the store; empty where it is not there or is none."""
        if name not in self._sizes:
            return {}
        try:
            found = json.loads(self._fs.cat_file(f"{self._root}/{name}"))
        except (OSError, ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    def _marks_sent(self) -> dict[str, tuple[str, str]]:
        """The marks of the objects that runs sent, with the digests of their bytes."""
        pairs = self._read(_SENT).items()
        return {name: (str(about[0]), str(about[1])) for name, about in pairs if isinstance(about, list) and len(about) == 2}

    def _is_sent(self, name: str, about: Sequence[Any]) -> bool:
        """Whether an object is the one of the journal; it is read where its mark does not say so."""
        if self._sizes[name] != about[0]:
            return False
        mark = self._marks.get(name, "")
        if mark and self._sent.get(name) == (mark, about[2]):
            return True
        same = bool(_digest(self._fs.cat_file(f"{self._root}/{name}")) == about[2])
        if same:
            self._sent[name] = (mark, about[2])
        return same

    def _bring(self, name: str) -> None:
        place = self._place(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self._fs.cat_file(f"{self._root}/{name}"))

    def _bring_edited(self, name: str) -> None:
        """Copy a document that a reader has changed, so that the run keeps it; not one of a report that was never sent whole."""
        if name.endswith(EDITED) and _digest(self._fs.cat_file(f"{self._root}/{name}")) not in self._begun:
            self._bring(name)

    def _place(self, name: str) -> Path:
        place = (self.folder / name).resolve()
        if not place.is_relative_to(self.folder.resolve()):
            raise ArgumentError(f"{shorten(self.address)} contains {name!r}, which points outside its folder.")
        return place

    def _stand_in(self) -> None:
        """Reports of the journal whose files are all there as they were sent get files of that size here, with the times that the
        journal then knows: it takes them for what they are, and no bytes travel."""
        journal, lines = self.folder / _JOURNAL, []
        with contextlib.suppress(OSError):
            for line in journal.read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError, IndexError):
                    entry = json.loads(line)
                    self._known[str(entry["folder"])] = {str(name) for name in entry["files"]}
                    self._one(entry)
                    lines.append(json.dumps(entry, ensure_ascii=True))
                    self._lines[str(entry["folder"])] = lines[-1]
        if lines:
            journal.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def _one(self, entry: dict[str, Any]) -> None:
        folder, files = entry["folder"], entry["files"]
        there = [name for name in files if f"{folder}/{name}" in self._sizes]
        moved = [name for name in there if not self._is_sent(f"{folder}/{name}", files[name])]
        for name in moved:
            self._bring_edited(f"{folder}/{name}")
        if moved or len(there) < len(files):
            return
        for name, (size, changed, digest, *_) in files.items():
            place = self._place(f"{folder}/{name}")
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                with place.open("wb") as file:
                    file.truncate(size)
            os.utime(place, ns=(changed, changed))
            files[name] = [size, changed, digest, place.stat().st_ctime_ns]

    def push(self, outcome: Outcome) -> None:
        """Send a finished report, and then the journal."""
        if outcome.kept or not (self.folder / outcome.job.folder).is_dir():
            return
        folder = outcome.job.folder
        here = {path.relative_to(self.folder).as_posix() for path in (self.folder / folder).rglob("*") if path.is_file()}
        digests = {name: _digest((self.folder / name).read_bytes()) for name in here}
        self._fs.pipe_file(f"{self._root}/{_SENDING}", json.dumps(digests, sort_keys=True).encode())
        for name in sorted(here):
            self._send(name)
        # What a run sent before and no longer makes; a reader's own file stays.
        for name in sorted(f"{folder}/{name}" for name in self._known.get(folder, ())):
            if name in self._sizes and name not in here:
                self._fs.rm_file(f"{self._root}/{name}")
                self._sizes.pop(name)
        self._known[folder] = {name[len(folder) + 1 :] for name in here}
        self._sent |= self._arrived(folder, digests)
        self._fs.pipe_file(f"{self._root}/{_SENT}", json.dumps(self._sent, sort_keys=True).encode())
        self._lines[folder] = self._line_of(folder)
        self._send_journal()

    def _line_of(self, folder: str) -> str:
        """The line of a report in the journal here, which can be ahead of the store by reports that are still to be sent."""
        lines = (self.folder / _JOURNAL).read_text(encoding="utf-8").splitlines()
        return next(line for line in reversed(lines) if json.loads(line)["folder"] == folder)

    def _send_journal(self) -> None:
        """Send the lines of the reports that have arrived."""
        lines = [line for folder, line in sorted(self._lines.items()) if (self.folder / folder).is_dir()]
        self._fs.pipe_file(f"{self._root}/{_JOURNAL}", "".join(f"{line}\n" for line in lines).encode())

    def _arrived(self, folder: str, digests: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """The marks and digests of the objects of a report, read back from the store.

        A mark that is taken before the bytes belongs to them or to older ones, never to what another run wrote afterwards.

        Raises
        ------
        ReportError
            An object does not have the bytes that were sent.
        """
        self._fs.invalidate_cache()
        self._note(self._fs.find(f"{self._root}/{folder}", detail=True))
        out = {}
        for name, digest in sorted(digests.items()):
            if self._back(name) != digest:
                raise ReportError(
                    f"{shorten(visible(name))} in {shorten(self.address)} is not what was sent: another run writes there, or the "
                    "store lost it. Fix: let one run at a time write there, and start this one again; it continues from there."
                )
            out[name] = (self._marks.get(name, ""), digest)
        return out

    def _back(self, name: str) -> str | None:
        """The digest of an object; None where it is gone."""
        try:
            return _digest(self._fs.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    def finish(self) -> None:
        """Send the list of reports, the journal and the logs."""
        for path in sorted(self.folder.glob("*")):
            if path.is_file() and not path.name.startswith("."):
                self._send(path.name)
        for path in sorted((self.folder / HOME / "logs").glob("*.log")):
            self._send(path.relative_to(self.folder).as_posix())
        self._send_journal()

    def _send(self, name: str) -> None:
        self._fs.pipe_file(f"{self._root}/{name}", (self.folder / name).read_bytes())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@contextmanager
def working_folder(out: str | Path) -> Iterator[tuple[Path, Remote | None]]:
    """The folder that a run writes to: `out` itself, or a temporary local folder for a remote `out`."""
    if not is_remote(out):
        yield local_path(out), None
        return
    with temporary_folder("remote") as folder:
        # The lock of the folder itself is no file of the reports.
        place = folder / "reports"
        place.mkdir()
        remote = Remote(str(out), place)
        remote.pull()
        yield place, remote
