"""Cumulative meta-analysis: the estimate as the evidence came in, study after study, as one batch of masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metanet.diagnostics.series import COLUMNS, Series, rate_or_effect, refit
from metanet.diagnostics.two_step_twin import check_fit, two_step_twin
from metanet.errors import ArgumentError, nearest, shorten
from metanet.models.display import plural
from metanet.models.inputs import is_sequence, missing
from metanet.models.results import Method, Pooled
from metanet.words import listing

#: Orders that need no column of their own.
ORDERS = ("given", "size", "precision")


@dataclass(frozen=True, eq=False, repr=False)
class Cumulative(Series):
    """One row for each study added, with the numbers of all studies up to it; `order` names what they were sorted by."""

    order: str = "given"

    word: ClassVar[str] = "+"
    heading: ClassVar[str] = "Study added"
    drawn_by: ClassVar[tuple[str, str]] = ("metanet.figures.leave_one_out", "cumulative_plot")

    def sentence(self) -> str:
        """Where the estimate began, where it ended, and from when on it stayed near its end."""
        if self.reason:
            return self.reason
        rows = [row for row in self._frame.to_dict("records") if not np.isnan(row["estimate"])]
        if not rows:
            return "No estimate exists, with however many studies."
        last = rows[-1]
        text = f"From {rate_or_effect(self.fit, rows[0]['estimate'])} with {plural(rows[0]['k'], 'study', 'studies')} "
        text += f"the estimate went to {rate_or_effect(self.fit, last['estimate'])} with all {last['k']}"
        inside = [not (row["ci_lower"] > last["estimate"] or row["ci_upper"] < last["estimate"]) for row in rows]
        since = len(rows) - next((i for i, fine in enumerate(reversed(inside)) if not fine), len(rows))
        if since == 0:
            return f"{text}; every interval on the way holds that value."
        return f"{text}; from {plural(rows[since]['k'], 'study', 'studies')} on every interval holds that value."


def cumulative(fit: Pooled, order: str | Sequence[Any] = "year", *, descending: bool = False) -> Cumulative:
    """Pool the first study, the first two, and so on to all of them.

    Parameters
    ----------
    fit
        The result of `pool`, whatever its model.
    order
        A column of ``fit.studies``, such as "year"; or "size" (largest study first), "precision" (smallest variance of the
        two-step effect first), "given" (as the rows stand); or a sequence of values, one for each study. Equal values keep the
        order of the rows.
    descending
        Turn the order round: from the largest value of a column on.

    Returns
    -------
    Cumulative
        One row for each study in the order in which it is added: ``study``, ``added`` (its value), ``k`` and the numbers of the
        fit so far. Studies without a value come last, with a note.

    Raises
    ------
    ArgumentError
        A column that is not there, or values that cannot be put in order.

    References
    ----------
    Lau, Antman, Jimenez-Silva, Kupelnick, Mosteller, Chalmers (1992), doi:10.1056/NEJM199207233270406.
    """
    import pandas as pd

    check_fit(fit)
    if not isinstance(descending, bool):
        raise ArgumentError(f"descending={shorten(descending)!r} must be True or False.")
    values, name = _values(fit, order)
    by_size = name == "size" and "size" not in fit.studies.columns
    # The largest study first is the order that "size" names; `descending` turns it round.
    rank, unknown = _ranked(values, name, descending ^ by_size)
    labels = fit.studies["study"].to_numpy()
    keep = np.zeros((fit.k, fit.k), dtype=bool)
    for row, study in enumerate(rank):
        keep[row:, study] = True
    fitted = refit(fit, keep, whole=True)
    columns = {column: getattr(fitted, column) for column in COLUMNS}
    frame = pd.DataFrame(
        {
            "study": labels[rank],
            "added": [values[i] for i in rank],
            "k": fitted.k.astype(int),
            "status": fitted.status,
            **columns,
        }
    )
    method = fit.method
    if unknown:
        note = f"Without a value of {name}, added last: {listing(labels[i] for i in unknown)}."
        method = Method({**fit.method, "notes": [*fit.method["notes"], note]})
    return Cumulative(fit, method, None, frame, order=name)


def _values(fit: Pooled, order: object) -> tuple[list[Any], str]:
    """What the studies are sorted by, and its name."""
    studies = fit.studies
    if isinstance(order, str):
        if order in studies.columns:
            return list(studies[order]), order
        if order == "given":
            return list(range(1, fit.k + 1)), order
        if order == "size":
            sizes = [
                c for c in ("total", "total_control", "person_time", "person_time_control") if c in studies.columns
            ]
            if not sizes:
                raise ArgumentError("order='size': effects without counts have no size. Mend: order='precision'.")
            return [float(value) for value in studies[sizes].sum(axis=1)], order
        if order == "precision":
            return [float(value) for value in two_step_twin(fit).vi[0]], order
        known = [str(c) for c in studies.columns]
        near = nearest(order, [*known, *ORDERS])
        meant = f" Did you mean {near!r}?" if near else ""
        raise ArgumentError(
            f"order={shorten(order)!r} is not a column of the studies.{meant} Known: {', '.join(known)}."
        )
    if not is_sequence(order):
        raise ArgumentError(
            f"order={shorten(order)!r} must be a column, {', '.join(map(repr, ORDERS))}, or a sequence."
        )
    items = list(order)  # type: ignore[call-overload]
    if len(items) != fit.k:
        raise ArgumentError(f"order has {len(items)} values, and there are {plural(fit.k, 'study', 'studies')}.")
    return items, "the values given"


def _ranked(values: list[Any], name: str, descending: bool) -> tuple[NDArray[np.intp], list[int]]:
    """Positions in the order of the values, those without one last; and which these are."""
    known = [i for i, value in enumerate(values) if not missing(value)]
    unknown = [i for i in range(len(values)) if i not in set(known)]
    try:
        # Python's sort keeps the order of equal values, from the largest on as well.
        ranked = sorted(known, key=lambda i: values[i], reverse=descending)
    except TypeError:
        raise ArgumentError(f"order: the values of {name} cannot be put in order, because they mix kinds.") from None
    return np.array([*ranked, *unknown], dtype=np.intp), unknown
