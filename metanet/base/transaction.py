"""Several files that change together: all of them or none, also after a kill, and one writer at a time."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from metanet.base.errors import ArgumentError, MetanetError, shorten
from metanet.base.untrusted import listing, visible
from metanet.base.whole_files import locked, write_bytes

#: The folder of a writer beside the files: its lock, and what is to take their place.
HOME = ".metanet"
_STAGE, _PLAN = "change", "plan.json"
#: How long a writer waits for another one, in seconds; a change takes a moment.
_PATIENCE = 60.0


@contextmanager
def writing(folder: Path) -> Iterator[list[str]]:
    """Hold the lock of a folder for a change that begins with reading it.

    Yields
    ------
    list of str
        What was found of a writer that was killed, and what was done about it.

    Raises
    ------
    ArgumentError
        Another writer does not end.
    MetanetError
        The folder cannot be written.
    """
    home = folder / HOME
    if home.is_symlink():
        raise ArgumentError(f"{visible(home)} is a link to another place. Fix: remove it.")
    try:
        home.mkdir(exist_ok=True)
        if not (home / ".gitignore").exists():
            (home / ".gitignore").write_text("*\n", encoding="ascii")
    except OSError as error:
        raise MetanetError(f"{visible(folder.name)} cannot be written ({error.strerror or error}). Fix: check its rights.") from None
    # The file of the lock stays: whoever waits for it may have opened it already.
    with locked(home / "lock", f"{visible(folder.name)} is being written by another process. Fix: wait for it.", _PATIENCE):
        yield recovered(folder)


def change(folder: Path, content: Mapping[Path, bytes]) -> None:
    """Write files of a folder and of the one around it, all or none; call it inside `writing`.

    The new files are written beside the old ones first, then a plan; with the plan the change is decided, and whoever finds it
    completes it. A file that cannot be put in its place undoes the others.

    Raises
    ------
    MetanetError
        Nothing was written.
    """
    root, stage = _root(folder), folder / HOME / _STAGE
    before = {place: place.read_bytes() if place.exists() else None for place in content}
    done: list[Path] = []
    try:
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True)
        names = {}
        for number, (place, data) in enumerate(content.items()):
            (stage / str(number)).write_bytes(data)
            names[str(number)] = place.relative_to(root).as_posix()
            place.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(stage / _PLAN, json.dumps(names).encode())
        for name, place in zip(names, content, strict=True):
            done.append(place)
            os.chmod(stage / name, 0o644)
            os.replace(stage / name, place)
    except BaseException as error:
        # Without the plan nobody completes what is undone here.
        with suppress(OSError):
            (stage / _PLAN).unlink(missing_ok=True)
        for place in reversed(done):
            old = before[place]
            with suppress(OSError):
                if old is None:
                    place.unlink(missing_ok=True)
                else:
                    write_bytes(place, old)
        shutil.rmtree(stage, ignore_errors=True)
        if isinstance(error, OSError):
            why = error.strerror or type(error).__name__
            raise MetanetError(f"{visible(folder.name)} cannot be written ({why}). Fix: check its rights.") from None
        raise
    shutil.rmtree(stage, ignore_errors=True)


def recovered(folder: Path) -> list[str]:
    """Complete a change whose writer was killed after it was decided, and clear one that was not; what was done, in words."""
    stage = folder / HOME / _STAGE
    if stage.is_symlink() or not stage.is_dir():
        return []
    names = _planned(stage / _PLAN)
    if names is None:
        shutil.rmtree(stage, ignore_errors=True)
        return ["A change that was interrupted before anything was written has been cleared away."]
    root, done = _root(folder), []
    for name, target in names.items():
        place = root / target
        # Whoever sent the folder may have written the plan.
        if not place.resolve().is_relative_to(root.resolve()) or place.is_symlink() or not name.isdecimal():
            raise ArgumentError(
                f"{visible(stage / _PLAN)} names {shorten(visible(target))!r}, which is outside. Fix: delete the folder."
            )
        if (stage / name).is_file() and not (stage / name).is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(stage / name, place)
            done.append(target)
    shutil.rmtree(stage, ignore_errors=True)
    return [f"A change that was interrupted has been completed: {listing(done, 9)}."] if done else []


def completed(folder: Path) -> list[str]:
    """As `recovered`, for readers: nothing happens while somebody writes, or where the folder cannot be written."""
    if not (folder / HOME / _STAGE / _PLAN).is_file():
        return []
    with suppress(OSError, ArgumentError), locked(folder / HOME / "lock", ""):
        return recovered(folder)
    return []


def _planned(path: Path) -> dict[str, str] | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(found, dict) and all(isinstance(text, str) for text in found.values())
    return found if whole else None


def _root(folder: Path) -> Path:
    """The folder around tables that lie in the folder of a review."""
    return folder.parent if folder.name == "extracted_data" else folder
