"""Functions of later rooms that an earlier one offers: a frame that is read into evidence, a result that is pooled again.

The package, which knows every room, names them; a room that calls one by its name does not know where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_LOADERS: dict[str, Callable[[], Callable[..., Any]]] = {}


def provide(name: str, load: Callable[[], Callable[..., Any]]) -> None:
    """Name what loads a function: it is called once the function is wanted."""
    _LOADERS[name] = load


def call(name: str, *arguments: Any, **options: Any) -> Any:
    """What the function of this name returns."""
    return _LOADERS[name]()(*arguments, **options)
