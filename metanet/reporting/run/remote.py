"""Reports in an object store or another file system that fsspec knows: written from a local working folder, complete reports only."""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from metanet.base.errors import ArgumentError, shorten
from metanet.base.extras import install
from metanet.reporting.plan.jobs import Outcome
from metanet.reporting.run.journal import HOME

_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
#: What the list of reports and the journal need of reports that are there already.
_SMALL = ("about.json", "numbers.json")
_JOURNAL = f"{HOME}/journal.jsonl"


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

    The journal is copied first; a report is complete once the remote journal lists it and its files have their sizes. A
    report goes over file by file and then into the journal there, so that a run that was killed leaves no report that counts and is
    not whole.
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

    def pull(self) -> None:
        """Copy the journal and the small files, and create placeholders for the others."""
        with contextlib.suppress(FileNotFoundError):
            found = self._fs.find(self._root, detail=True)
            self._sizes = {name[len(self._root) + 1 :]: int(about["size"] or 0) for name, about in found.items()}
        wanted = [name for name in self._sizes if name == _JOURNAL or Path(name).name in _SMALL]
        for name in wanted:
            self._bring(name)
        self._stand_in()

    def _bring(self, name: str) -> None:
        place = self._place(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self._fs.cat_file(f"{self._root}/{name}"))

    def _place(self, name: str) -> Path:
        place = (self.folder / name).resolve()
        if not place.is_relative_to(self.folder.resolve()):
            raise ArgumentError(f"{shorten(self.address)} contains {name!r}, which points outside its folder.")
        return place

    def _stand_in(self) -> None:
        """Reports of the journal whose files are all there with their sizes get files of that size here, with the times that the
        journal knows: it then takes them for what they are, and no bytes travel."""
        with contextlib.suppress(OSError):
            for line in (self.folder / _JOURNAL).read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                    entry = json.loads(line)
                    self._one(entry["folder"], entry["files"])

    def _one(self, folder: str, files: dict[str, Any]) -> None:
        import os

        theirs = {name for name in self._sizes if name.startswith(f"{folder}/")}
        if theirs != {f"{folder}/{name}" for name in files}:
            return
        if any(self._sizes[f"{folder}/{name}"] != about[0] for name, about in files.items()):
            return
        for name, (size, changed, _) in files.items():
            place = self._place(f"{folder}/{name}")
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                with place.open("wb") as file:
                    file.truncate(size)
            os.utime(place, ns=(changed, changed))

    def push(self, outcome: Outcome) -> None:
        """Send a finished report, and then the journal."""
        if outcome.kept or not (self.folder / outcome.job.folder).is_dir():
            return
        folder = outcome.job.folder
        here = {path.relative_to(self.folder).as_posix() for path in (self.folder / folder).rglob("*") if path.is_file()}
        for name in sorted(here):
            self._fs.pipe_file(f"{self._root}/{name}", (self.folder / name).read_bytes())
        for name in sorted(name for name in self._sizes if name.startswith(f"{folder}/")):
            if name not in here:
                self._fs.rm_file(f"{self._root}/{name}")
                del self._sizes[name]
        self._sizes |= {name: (self.folder / name).stat().st_size for name in here}
        self._send(_JOURNAL)

    def finish(self) -> None:
        """Send the list of reports, the journal and the logs."""
        for path in sorted(self.folder.glob("*")):
            if path.is_file() and not path.name.startswith("."):
                self._send(path.name)
        for path in sorted((self.folder / HOME / "logs").glob("*.log")):
            self._send(path.relative_to(self.folder).as_posix())
        self._send(_JOURNAL)

    def _send(self, name: str) -> None:
        self._fs.pipe_file(f"{self._root}/{name}", (self.folder / name).read_bytes())


@contextmanager
def working_folder(out: str | Path) -> Iterator[tuple[Path, Remote | None]]:
    """The folder that a run writes to: `out` itself, or a temporary local folder for a remote `out`."""
    if not is_remote(out):
        yield local_path(out), None
        return
    with tempfile.TemporaryDirectory(prefix="metanet-remote-") as name:
        remote = Remote(str(out), Path(name))
        remote.pull()
        yield Path(name), remote
