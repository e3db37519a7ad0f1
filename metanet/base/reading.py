"""Tables on request: a function that takes evidence is given a frame, and whoever reads tables makes evidence of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_providers: list[Callable[[], Callable[..., Any]]] = []


def provide(load: Callable[[], Callable[..., Any]]) -> None:
    """Name the function that loads the reader: called once a table is read, it returns ``read(source, **options)``."""
    _providers[:] = [load]


def read(source: object, **options: Any) -> Any:
    """The evidence that a file or a frame holds."""
    return _providers[0]()(source, **options)
