"""Temporary folders that the next run removes where their holder was killed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: How the names of all of them begin, and the file that their holder has locked.
PREFIX = "metanet-"
_HELD = ".held"


class TemporaryFolder:
    """A folder of this process, which only its user can enter. `close` removes it; a later process does where this one was killed.

    Parameters
    ----------
    kind
        What it is for; a part of its name.
    within
        Where it is made; None takes the system's place for temporary files.
    """

    def __init__(self, kind: str, within: str | None = None) -> None:
        from filelock import FileLock

        place = Path(within or tempfile.gettempdir())
        sweep(place)
        self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-" if kind else PREFIX, dir=place))
        self._lock = FileLock(self.path / _HELD, timeout=0)
        # Without locks nothing is swept either.
        with suppress(OSError, NotImplementedError):
            self._lock.acquire()

    def close(self) -> None:
        """Remove it."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


@contextmanager
def temporary_folder(kind: str, within: str | None = None) -> Iterator[Path]:
    """A `TemporaryFolder` for a block."""
    folder = TemporaryFolder(kind, within)
    try:
        yield folder.path
    finally:
        folder.close()


def sweep(place: Path) -> None:
    """Remove the folders of processes that have ended: their files are no longer locked. Those of other users stay."""
    from filelock import FileLock, Timeout

    user = os.getuid() if hasattr(os, "getuid") else None
    with suppress(OSError), os.scandir(place) as found:
        for entry in [each for each in found if each.name.startswith(PREFIX) and each.is_dir(follow_symlinks=False)]:
            held = Path(entry.path) / _HELD
            with suppress(OSError, NotImplementedError, Timeout):
                # One that is just being made has no such file yet.
                if not held.is_file() or held.is_symlink() or (user is not None and entry.stat().st_uid != user):
                    continue
                lock = FileLock(held, timeout=0)
                lock.acquire()
                lock.release()
                shutil.rmtree(entry.path, ignore_errors=True)
