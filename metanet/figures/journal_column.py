"""Figures as wide as a column of a journal: they are laid out anew for that width, so that text keeps a readable size."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real

from metanet.errors import ArgumentError, MetanetWarning, check_choice, shorten
from metanet.figures import style

#: Millimetres that fit the columns of most journals (Nature and Science: 89 and 183; Elsevier: 90, 140 and 190).
COLUMNS = {"single": 89.0, "one and a half": 140.0, "double": 183.0}
_POINTS = 72 / 25.4
_LEAST, _MOST = 40.0, 1000.0
_width: ContextVar[float | None] = ContextVar("width of a journal's column", default=None)


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
    Text keeps its 9 points where the content leaves room, and shrinks otherwise; a warning tells when it gets too small to read. Axes
    that are given with ``ax=`` keep their place and size.

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
            f"width={shorten(width)!r} must be a number of millimetres from {_LEAST:g} to {_MOST:g}, or one of {', '.join(COLUMNS)}."
        )
    token = _width.set(millimetres * _POINTS)
    try:
        yield
    finally:
        _width.reset(token)


def wanted_width() -> float | None:
    """The width of a new figure in points; None where the content decides."""
    return _width.get()


def warn_if_unreadable(size: float, stacklevel: int) -> None:
    """A warning where the text of a figure got too small for its column."""
    if size < style.SMALLEST_READABLE:
        warnings.warn(
            f"The column is too narrow for this figure: its text has {size:.1f} points. Mend: a wider column, or fewer columns "
            "in the table.",
            MetanetWarning,
            stacklevel=stacklevel + 1,
        )
