"""Parameters of a notebook: known names and types, checked before anything runs. papermill only warns of a misspelt one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from metanet.errors import ArgumentError, check_choice, shorten


@cache
def known_parameters(notebook: Path) -> dict[str, Any]:
    """Names and defaults of the cell tagged `parameters`, read as literals; nothing is run."""
    import ast

    import nbformat

    book = nbformat.read(notebook, as_version=4)
    for cell in book.cells:
        if "parameters" in cell.metadata.get("tags", []):
            found: dict[str, Any] = {}
            for node in ast.parse(cell.source).body:
                if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                    found[node.targets[0].id] = ast.literal_eval(node.value)
            return found
    return {}


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
