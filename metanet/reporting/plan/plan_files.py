"""Plans in TOML: which notebook runs over which outcomes, modalities and options."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from metanet.base.errors import ArgumentError, check_choice, shorten
from metanet.base.untrusted import visible
from metanet.reporting.plan.jobs import known_parameters
from metanet.reporting.plan.plan import Entry
from metanet.reporting.plan.registry import NOTEBOOKS

_KEYS = ("analysis", "notebook", "outcomes", "modalities", "parameters", "vary")
_TOP = ("title", "parameters", "report")
#: A plan is written by people; beyond this it is something else.
_LARGEST = 1 << 20
#: Combinations of one entry.
_MOST = 1000
Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Plan:
    """A plan as it was read: its title and its entries."""

    title: str
    entries: tuple[Entry, ...]


def read_plan(path: str | Path) -> Plan:
    """Read a plan and check everything that does not need the evidence.

    Parameters
    ----------
    path
        A TOML file: ``title``, ``[parameters]`` for all entries, and ``[[report]]`` with ``analysis`` (or ``notebook``, a path
        below the folder of the plan), ``outcomes``, ``modalities`` ("all", one, or a list), ``parameters`` and ``vary`` (lists of
        values: a report for every combination). The text "none" means no value, which TOML cannot express.

    Raises
    ------
    ArgumentError
        A file that cannot be read or is no TOML, an unknown key with the nearest known one, a value of another type, a notebook
        outside of the plan's folder. It names the file and the entry.
    """
    place = Path(path)
    content = _content(place)
    _known(place, "", content, _TOP)
    title = content.get("title", place.stem)
    if not isinstance(title, str):
        raise ArgumentError(f"{visible(place)}: title={shorten(title)!r} must be a text.")
    common = _parameters(place, "parameters", content.get("parameters", {}))
    reports = content.get("report")
    if not isinstance(reports, list) or not reports:
        raise ArgumentError(f"{visible(place)}: there is no [[report]]. Fix: add one, with analysis = 'rates'.")
    entries = [_entry(place, number, each) for number, each in enumerate(reports, 1)]
    known = {name for entry in entries for name in known_parameters(entry.path)}
    for name in common:
        check_choice("parameter", name, sorted(known), where=f"in {place.name}")
    return Plan(title, tuple(_with_common(entry, common) for entry in entries))


def _with_common(entry: Entry, common: Mapping[str, Scalar]) -> Entry:
    """Common parameters apply to the notebooks that have them; those of an entry take precedence."""
    theirs = {name: value for name, value in common.items() if name in known_parameters(entry.path)}
    return replace(entry, parameters={**theirs, **entry.parameters})


def _content(place: Path) -> dict[str, Any]:
    try:
        if place.exists() and not place.is_file():
            raise ArgumentError(f"{visible(place)} is not a file. Fix: give the path of a plan.")
        if place.stat().st_size > _LARGEST:
            raise ArgumentError(f"{visible(place)} is larger than a plan may be ({_LARGEST} bytes).")
        return tomllib.loads(place.read_text(encoding="utf-8"))
    except OSError as fault:
        raise ArgumentError(f"{visible(place)} cannot be read ({fault.strerror}). Fix: give the path of a plan.") from None
    except UnicodeDecodeError:
        raise ArgumentError(f"{visible(place)} is not text in UTF-8. Fix: save it as UTF-8.") from None
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        raise ArgumentError(f"{visible(place)} is not TOML: {shorten(str(fault), 200)}.") from None


def _entry(place: Path, number: int, given: object) -> Entry:
    where = f"report {number}"
    if not isinstance(given, dict):
        raise ArgumentError(f"{visible(place)}: {where} must be a table, [[report]].")
    _known(place, where, given, _KEYS)
    analysis, notebook = given.get("analysis"), given.get("notebook")
    if (analysis is None) == (notebook is None):
        raise ArgumentError(f"{visible(place)}: {where} needs either analysis or notebook. Analyses: {', '.join(NOTEBOOKS)}.")
    if analysis is not None:
        check_choice("analysis", analysis, tuple(NOTEBOOKS), where=f"in {place.name}, {where}")
    vary = given.get("vary", {})
    if not isinstance(vary, dict) or not all(isinstance(values, list) and values for values in vary.values()):
        raise ArgumentError(f"{visible(place)}: {where}: vary must give a list of values for each parameter.")
    values = {name: tuple(_scalar(place, where, name, one) for one in found) for name, found in vary.items()}
    count = 1
    for found in values.values():
        if len(set(map(repr, found))) < len(found):
            raise ArgumentError(f"{visible(place)}: {where}: vary lists a value twice.")
        count *= len(found)
    if count > _MOST:
        raise ArgumentError(f"{visible(place)}: {where}: {count} combinations are more than {_MOST}.")
    own = _parameters(place, where, given.get("parameters", {}))
    return Entry(
        analysis,
        None if notebook is None else _notebook(place, where, notebook),
        _words(place, where, "outcomes", given.get("outcomes", "all")),
        _words(place, where, "modalities", given.get("modalities", "all")),
        own,
        values,
    )


def _known(place: Path, where: str, given: Mapping[str, Any], keys: Sequence[str]) -> None:
    for key in given:
        check_choice("key", key, keys, where=f"in {place.name}{f', {where}' if where else ''}")


def _parameters(place: Path, where: str, given: object) -> dict[str, Scalar]:
    if not isinstance(given, dict):
        raise ArgumentError(f"{visible(place)}: {where}: parameters must be a table of names and values.")
    return {name: _scalar(place, where, name, value) for name, value in given.items()}


def _scalar(place: Path, where: str, name: str, value: object) -> Scalar:
    if value == "none":
        return None
    if isinstance(value, str | bool | int | float):
        return value
    raise ArgumentError(f"{visible(place)}: {where}: {name}={shorten(value)!r} must be a text, a number, true or false.")


def _words(place: Path, where: str, name: str, given: object) -> tuple[str, ...] | None:
    if given == "all":
        return None
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise ArgumentError(f"{visible(place)}: {where}: {name} must be 'all', a word or a list of words.")
    return tuple(dict.fromkeys(words))


def _notebook(place: Path, where: str, given: object) -> Path:
    """A notebook runs code, so it must be beside the plan; a plan cannot point to another place."""
    if not isinstance(given, str):
        raise ArgumentError(f"{visible(place)}: {where}: notebook={shorten(given)!r} must be a path.")
    folder = place.resolve().parent
    try:
        found = (folder / given).resolve()
        inside = found.is_relative_to(folder.parent) and found.is_file() and found.suffix == ".ipynb"
    except (OSError, ValueError):
        inside = False
    if not inside:
        raise ArgumentError(
            f"{visible(place)}: {where}: notebook={shorten(given)!r} is not a notebook in the folder of the plan or "
            f"in its parent folder."
        )
    return found
