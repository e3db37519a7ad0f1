"""Where a new figure lives, and figures as wide as a column of a journal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.figures.page import style
from metanet.figures.page.save import DescribedFigure

# Where a new figure lives: on its own, or with pyplot when a notebook or an interactive session shows pyplot's figures.
#
# A notebook shows the figures that pyplot made during a cell, once, at the end of the cell, whether or not the axes are the
# cell's last value; a bare `Figure` would show only as text there. In scripts, workers and reports without a screen the same
# call makes a bare figure: pyplot is not even imported, nothing is registered, nothing has to be closed.

#: For screens: a notebook shows the figure at this resolution. Files have their own.
SCREEN_DPI = 120
_NOTEBOOK = ("inline", "ipympl", "nbagg", "widget")
_kept_bare: ContextVar[bool] = ContextVar("figures without pyplot", default=False)


@contextmanager
def bare_figures() -> Iterator[None]:
    """Figures made inside are never pyplot's: something else than the notebook shows them."""
    token = _kept_bare.set(True)
    try:
        yield
    finally:
        _kept_bare.reset(token)


def shown_by_pyplot() -> bool:
    """Whether a figure that pyplot makes now will be shown without anybody asking for it."""
    backend = matplotlib.get_backend(auto_select=False)
    if backend is None or _kept_bare.get():
        return False
    name = backend.lower()
    if any(word in name for word in _NOTEBOOK):
        # The kernel's choice of backend is inherited by its child processes, which show nothing.
        ipython = sys.modules.get("IPython")
        return ipython is not None and ipython.get_ipython() is not None
    from matplotlib.backends.registry import BackendFilter, backend_registry

    with_windows: list[str] = backend_registry.list_builtin(BackendFilter.INTERACTIVE)  # type: ignore[no-untyped-call]
    return "matplotlib.pyplot" in sys.modules and matplotlib.is_interactive() and name in with_windows


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of this size in inches."""
    white: dict[str, Any] = {"facecolor": "white", "edgecolor": "white", "frameon": True}
    figure: Figure
    if shown_by_pyplot():
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(width, height), dpi=SCREEN_DPI, layout="none", FigureClass=DescribedFigure, **white)
    else:
        with style.settings():
            # Matplotlib's stubs leave "none" out of the layouts, though it is the word that overrides the user's setting.
            figure = DescribedFigure(figsize=(width, height), dpi=SCREEN_DPI, layout="none", **white)  # type: ignore[arg-type]
            FigureCanvasAgg(figure)
    with style.settings():
        # A dark style colours the page of every file anew while it is written; dark ink needs a ground that stays.
        ground = Rectangle((0, 0), 1, 1, facecolor="white", edgecolor="none", zorder=-1, label="_ground")
    ground.set_in_layout(False)
    figure.add_artist(ground)
    return figure


def discard(figure: Figure) -> None:
    """Take a half-drawn figure away again, so that no empty one is shown."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)


#: Millimetres that fit the columns of most journals (Nature and Science: 89 and 183; Elsevier: 90, 140 and 190).
COLUMNS = {"single": 89.0, "one and a half": 140.0, "double": 183.0}
_POINTS = 72 / 25.4
_LEAST, _MOST = 40.0, 1000.0
_width: ContextVar[float | None] = ContextVar("width of a journal's column", default=None)


@checked()
@contextmanager
def column_width(width: str | float) -> Iterator[None]:
    """Draw every figure inside the block as wide as a column of a journal.

    Parameters
    ----------
    width
        "single" (89 mm), "one and a half" (140 mm), "double" (183 mm), or millimetres.

    Raises
    ------
    ArgumentError
        Another word, or a width that is no number from 40 to 1000.

    Notes
    -----
    Text keeps its 9 points where the content leaves room, and shrinks otherwise. A forest plot sets the numbers of a row under its
    name before its letters get too small, and a warning names the smallest text of a figure where it has less than 6 points.
    Axes that are given with ``ax=`` keep their place and size.

    Examples
    --------
    >>> import metanet as mn
    >>> fit = mn.pool(events=[3, 5, 8], total=[20, 30, 40])
    >>> with mn.column_width("single"):
    ...     ax = fit.funnel()
    >>> round(float(ax.get_figure().get_size_inches()[0]) * 25.4)
    89
    """
    given: object = width
    if isinstance(given, str):
        millimetres = COLUMNS[check_choice("width", given, tuple(COLUMNS))]
    elif not isinstance(given, bool) and isinstance(given, Real) and _LEAST <= float(given) <= _MOST:
        millimetres = float(given)
    else:
        raise ArgumentError(
            f"width={as_given(width)} must be a number of millimetres from {_LEAST:g} to {_MOST:g}, or one of {', '.join(COLUMNS)}."
        )
    token = _width.set(millimetres * _POINTS)
    try:
        yield
    finally:
        _width.reset(token)


def wanted_width() -> float | None:
    """The width of a new figure in points; None where the content decides."""
    return _width.get()
