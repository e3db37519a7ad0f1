"""Drawing on request: a result names its figure, and whoever provides figures draws it. This room knows no figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_providers: list[Callable[[], Callable[..., Any]]] = []


def provide(load: Callable[[], Callable[..., Any]]) -> None:
    """Name the function that loads the drawing: called once a figure is wanted, it returns ``draw(name, result, **options)``."""
    _providers[:] = [load]


def draw(figure: str, result: object, **options: Any) -> Any:
    """The axes of `figure`, a name in the registry of figures, drawn from `result`."""
    return _providers[0]()(figure, result, **options)
