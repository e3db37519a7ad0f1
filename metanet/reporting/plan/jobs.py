"""A report to be made: its notebook, and parameters that are checked before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from metanet.base.errors import ArgumentError, check_choice, shorten
from metanet.base.untrusted import visible


@cache
def known_parameters(notebook: Path) -> dict[str, Any]:
    """Names and defaults of the cell tagged `parameters`, read as literals; nothing is run."""
    import nbformat

    try:
        book = nbformat.read(notebook, as_version=4)
        cell = next((cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])), None)
    # nbformat raises what it comes upon in a file that is no notebook.
    except Exception as fault:
        words = visible(shorten(str(fault), 120))
        raise ArgumentError(f"{visible(notebook)} is not a readable notebook ({words}).") from None
    try:
        return {} if cell is None else _literals(cell.source)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise ArgumentError(
            f"{visible(notebook)}: its cell of parameters cannot be read. Fix: use only names with plain values, such as level = 0.95."
        ) from None


def _literals(source: str) -> dict[str, Any]:
    import ast

    found: dict[str, Any] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def names_in(source: str) -> tuple[str, ...] | None:
    """Names that a cell assigns, with a type or without; None where it cannot be read as Python."""
    import ast

    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    found = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    found += [node.target for node in body if isinstance(node, ast.AnnAssign)]
    return tuple(name.id for target in found for name in ast.walk(target) if isinstance(name, ast.Name))


def check_parameters(notebook: Path, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return `parameters` if the notebook knows every one and each has its default's type; otherwise raise.

    A text for a parameter whose default is a number (as a command line gives it) is read as that number.
    """
    known = known_parameters(notebook)
    checked: dict[str, Any] = {}
    for name, value in parameters.items():
        check_choice("parameter", name, list(known), where=f"in {notebook.name}")
        checked[name] = _typed(name, value, known[name])
    return checked


def _typed(name: str, value: Any, default: Any) -> Any:
    if value is None or default is None:
        if value is None or isinstance(value, str | bool | int | float):
            return value
        raise ArgumentError(f"parameter {name}={shorten(value)!r} must be a text, a number or None.")
    if isinstance(default, bool):
        words = {"true": True, "false": False}
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        if isinstance(value, bool):
            return value
        raise ArgumentError(f"parameter {name}={shorten(value)!r} must be true or false.")
    if isinstance(default, int | float):
        try:
            if isinstance(value, bool):
                raise ValueError
            return type(default)(value)
        except (TypeError, ValueError):
            raise ArgumentError(f"parameter {name}={shorten(value)!r} must be a number, such as {default!r}.") from None
    if isinstance(default, str) and not isinstance(value, str):
        raise ArgumentError(f"parameter {name}={shorten(value)!r} must be a text, such as {default!r}.")
    return value


#: Outcome, several outcomes or None for all, and modality class or None for all.
Subset = tuple[str | tuple[str, ...] | None, str | None]


@dataclass(frozen=True)
class Job:
    """A report to make: its notebook, its checked parameters, its title and its folder below the output.

    `identity` goes into the numbers of a report that failed, so that the list of reports knows what it is; `subset` names the rows
    that it rests on (outcome and modality class, None for all), for the journal. `check_with_r` names the R that is to find the same
    numbers (None: no check), because a report with a check is another report.
    """

    notebook: Path
    parameters: dict[str, Any]
    title: str
    folder: str
    identity: dict[str, Any] = field(default_factory=dict)
    subset: Subset = (None, None)
    check_with_r: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON can represent."""
        return {**asdict(self), "notebook": str(self.notebook), "subset": list(self.subset)}

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Job:
        """From what `to_dict` gave."""
        first, second = given["subset"]
        first = tuple(first) if isinstance(first, list) else first
        return cls(**{**given, "notebook": Path(given["notebook"]), "subset": (first, second)})


@dataclass(frozen=True)
class Outcome:
    """The outcome of a job: its numbers (or None), the error in one line, the time in seconds, whether it was kept."""

    job: Job
    numbers: dict[str, Any] | None
    error: str | None
    seconds: float
    kept: bool = False
