"""Titles and descriptions of figures: remembered beside the figure, written into the files."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import matplotlib
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DESCRIBED: WeakKeyDictionary[Figure, list[tuple[str, str]]] = WeakKeyDictionary()


class DescribedFigure(Figure):
    """A figure whose text form is what it shows in words: a notebook keeps that beside the picture, and a report reads it there."""

    def __repr__(self) -> str:
        known = description_of(self)
        return f"<Figure: {known[1]}>" if known and known[1] else super().__repr__()


def describe(axes: Axes, title: str, text: str) -> None:
    """Remember what `axes` show; several axes of one figure are described in the order in which they were drawn."""
    figure = axes.get_figure(root=True)
    assert figure is not None  # axes without a figure cannot be drawn into
    _DESCRIBED.setdefault(figure, []).append((title, text))
    # A notebook draws a figure when it shows it, at the end of the cell; pyplot's own drawing of what is stale would come before that
    # and be thrown away.
    if "inline" in str(matplotlib.get_backend(auto_select=False)).lower():
        figure.stale = False


def description_of(figure: Figure) -> tuple[str, str] | None:
    """Title and text of a figure; None where nothing of ours was drawn in it."""
    known = _DESCRIBED.get(figure)
    if not known:
        return None
    return known[0][0], " ".join(text for _, text in known)
