"""Drawing on request: a result names its figure, and whoever provides figures draws it. This room knows no figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: Where an output of a notebook keeps what its picture shows, beside the picture.
FIGURE_MARK = "metanet"

_providers: list[Callable[[], Callable[..., Any]]] = []


def provide(load: Callable[[], Callable[..., Any]]) -> None:
    """Name the function that loads the drawing: called once a figure is wanted, it returns ``draw(name, result, **options)``."""
    _providers[:] = [load]


_pictures: list[Callable[[], Callable[[Any], str]]] = []


def provide_picture(load: Callable[[], Callable[[Any], str]]) -> None:
    """Name the function that loads the small picture beside a card; it takes a result and returns SVG, or nothing."""
    _pictures[:] = [load]


def picture(result: object) -> str:
    """The small picture of a result as SVG; empty where it has none, or nobody draws."""
    return _pictures[0]()(result) if _pictures else ""


def draw(figure: str, result: object, **options: Any) -> Any:
    """The axes of `figure`, a name in the registry of figures, drawn from `result`."""
    return _providers[0]()(figure, result, **options)
