"""Leave-one-out and cumulative meta-analysis: series of refits of one result, a row each, as one batch of masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metanet.base.arguments import checked
from metanet.base.arrays import Mask
from metanet.base.display import ABSENT, interval_kind, level_text, number, per_cent, plural
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError, as_given, no_column
from metanet.base.groups import ranks_of
from metanet.base.results import Method, Result
from metanet.base.untrusted import listing, visible
from metanet.diagnostics.study_effects import two_step_twin
from metanet.models.options import lean, options_of
from metanet.models.pooling.batch import Batch, pool_batch
from metanet.models.pooling.inputs import is_sequence
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: The numbers of a refit that a row holds.
COLUMNS = (
    "estimate",
    "ci_lower",
    "ci_upper",
    "pi_lower",
    "pi_upper",
    "marginal_estimate",
    "mu",
    "se",
    "tau2",
    "i2",
    "q",
    "q_pvalue",
    "lrt",
    "lrt_pvalue",
)


#: Up to so many studies each is left out, and every step of a cumulative analysis has a fit; beyond, so many studies are refitted in
#: all, of at least so many fits.
EVERY, _REFITS, _FEWEST = 400, 40_000, 10
#: Steps of a cumulative analysis of more studies.
_STEPS = 100


def refit(fit: Pooled, keep: Mask, *, whole: bool = False, threads: int = 1) -> Batch:
    """The same model with the studies that each row of `keep` ``[b, k]`` leaves.

    The interval of tau2 and the prediction interval are computed only for a `whole` refit.
    """
    options = options_of(fit.method)
    return pool_batch(fit.data.only(keep), options if whole else lean(options), threads=threads)


def rate_or_effect(fit: Pooled, value: float) -> str:
    """An estimate as this result prints its own, with the sign of per cent where it is a rate."""
    return fit.scale.value(value, fit.scale.digits(fit.estimate, fit.ci_lower, fit.ci_upper))


@dataclass(frozen=True, eq=False, repr=False)
class Series(Result):
    """Rows of refits; `reason` says why there are none."""

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    _frame: pd.DataFrame = field(repr=False)

    #: What the analysis is called, and the heading over the names of the studies.
    title: ClassVar[str]
    column: ClassVar[str]
    #: The figure that draws it.
    figure: ClassVar[str]

    _entries = ("reason", ("rows", "_frame"))

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return self.title

    def to_frame(self) -> pd.DataFrame:
        """Study, status, estimate, interval, tau2, I2 and tests of every row; a copy."""
        return self._frame.copy()

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """A row for each refit: study, estimate, interval, tau, I2."""
        scale = self.fit.scale
        out: list[tuple[str, ...]] = []
        records = self._frame.to_dict("records")
        digits = scale.column((row["estimate"], row["ci_lower"], row["ci_upper"]) for row in records)
        for row in records:
            shown = (scale.text(row["estimate"], digits), scale.limits(row["ci_lower"], row["ci_upper"], digits, unit=False))
            i2 = ABSENT if np.isnan(row["i2"]) else f"{per_cent(row['i2'])} %"
            out.append((visible(row["study"]), *shown, number(float(np.sqrt(row["tau2"]))), i2))
        return [self.column, scale.name, f"{level_text(self.fit.level)} {self.interval_name}", "tau", "I²"], out

    @property
    def interval_name(self) -> str:
        """What the intervals of the rows are called: those of single studies are exact confidence intervals under every model."""
        bayes = self.fit.model == "bayes"
        return interval_kind("CrI" if bayes and status == "pooled" else "CI" for status in self._frame["status"])

    def plot(self, **options: Any) -> Axes:
        """Draw the estimates; see `metanet.figures`."""
        axes: Axes = draw(self.figure, self._frame, fit=self.fit, **options)
        return axes


@dataclass(frozen=True, eq=False, repr=False)
class LeaveOneOut(Series):
    """One row for each omitted study, with the numbers of the fit without it; `reason` says why there is none."""

    title: ClassVar[str] = "Leave-one-out analysis"
    column: ClassVar[str] = "Without"
    figure: ClassVar[str] = "leave_one_out"

    def sentence(self) -> str:
        """Between which values the estimate moves, and which studies move it there."""
        if self.reason:
            return self.reason
        rest = self.fit.k - len(self._frame)
        told = f" The {rest:,} others, expected to move it less, were not left out." if rest else ""
        return f"{self._range()}{told}"

    def _range(self) -> str:
        frame = self._frame.dropna(subset=["estimate"])
        if frame.empty:
            return "Without any one of the studies no estimate exists."
        rows = sorted(frame.to_dict("records"), key=lambda row: float(row["estimate"]))
        low, high = rows[0], rows[-1]
        first, last = rate_or_effect(self.fit, low["estimate"]), rate_or_effect(self.fit, high["estimate"])
        if first == last:
            text = f"Leaving out one study at a time leaves the estimate at {first}."
        else:
            ends = f"{first} (without {visible(low['study'])}) and {last} (without {visible(high['study'])})"
            text = f"Without one study at a time the estimate ranges between {ends}."
        missing = len(self._frame) - len(rows)
        return text + (f" In {missing} of {len(self._frame)} cases no estimate exists." if missing else "")


@checked()
def leave_one_out(fit: Pooled) -> LeaveOneOut:
    """Refit without each study in turn.

    Parameters
    ----------
    fit
        The result of `pool`, whatever its model.

    Returns
    -------
    LeaveOneOut
        Rows in the order of ``fit.studies``. A single study leaves nothing to omit: no rows, and a reason. Of more than 400 studies
        only those that are expected to move the estimate most are left out, one at a time (100 of 401, 10 of 4,000 or more), and the
        sentence says so: every one of them needs a fit of all others.
    """
    import pandas as pd

    if fit.k < 2:
        reason = "A leave-one-out analysis needs at least two studies."
        return LeaveOneOut(fit, fit.method, reason, pd.DataFrame(columns=["study", "status", *COLUMNS]))
    chosen = _movers(fit)
    keep = np.ones((chosen.size, fit.k), dtype=bool)
    keep[np.arange(chosen.size), chosen] = False
    fitted = refit(fit, keep, whole=True)
    columns = {name: getattr(fitted, name) for name in COLUMNS}
    frame = pd.DataFrame({"study": fit.studies["study"].to_numpy()[chosen], "status": fitted.status, **columns})
    return LeaveOneOut(fit, fit.method, None, frame)


def _movers(fit: Pooled) -> NDArray[np.intp]:
    """The studies to leave out: all, or of many those with the largest weight times distance from the mean."""
    if fit.k <= EVERY:
        return np.arange(fit.k)
    twin = two_step_twin(fit)
    away = np.nan_to_num(np.abs(twin.yi[0] - np.nanmean(twin.yi[0] if fit.mu is None else fit.mu)))
    moves = np.nan_to_num(np.asarray(fit.weights, dtype=float)) * away
    most = np.argsort(-moves, kind="stable")[: max(_FEWEST, _REFITS // fit.k)]
    return np.sort(most)


#: Orders that need no column of their own.
ORDERS = ("given", "size", "precision")


@dataclass(frozen=True, eq=False, repr=False)
class Cumulative(Series):
    """One row for each study added, with the numbers of all studies up to it; `order` names what they were sorted by."""

    order: str = "given"

    title: ClassVar[str] = "Cumulative meta-analysis"
    column: ClassVar[str] = "Study added"
    figure: ClassVar[str] = "cumulative"

    def sentence(self) -> str:
        """Where the estimate began, where it ended, and from when on it stayed near its end."""
        if self.reason:
            return self.reason
        rows = [row for row in self._frame.to_dict("records") if not np.isnan(row["estimate"])]
        if not rows:
            return "No estimate exists, with however many studies."
        last, every = rows[-1], len(self._frame)
        missing = every - len(rows)
        if len(rows) == 1:
            shown = rate_or_effect(self.fit, last["estimate"])
            if not missing:
                return f"One study, with an estimate of {shown}: there is none to add."
            return f"Only with {plural(last['k'], 'study', 'studies')} of {every} an estimate exists: {shown}."
        text = f"From {rate_or_effect(self.fit, rows[0]['estimate'])} with {plural(rows[0]['k'], 'study', 'studies')} "
        end = f"all {every}" if np.isfinite(self._frame["estimate"].iloc[-1]) else f"{last['k']} of {every}"
        text += f"the estimate went to {rate_or_effect(self.fit, last['estimate'])} with {end}"
        inside = [not (row["ci_lower"] > last["estimate"] or row["ci_upper"] < last["estimate"]) for row in rows]
        since = len(rows) - next((i for i, fine in enumerate(reversed(inside)) if not fine), len(rows))
        if since == 0:
            text = f"{text}; every interval contains that value."
        else:
            text = f"{text}; from {plural(rows[since]['k'], 'study', 'studies')} on every interval contains that value."
        return f"{text} At {missing} of {every} steps no estimate exists." if missing else text


@checked()
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
        fit so far; of more than 400 studies a hundred steps at equal distances. Studies without a value come last, with a note.

    Raises
    ------
    ArgumentError
        A column that is not there, or values that cannot be put in order.

    References
    ----------
    Lau, Antman, Jimenez-Silva, Kupelnick, Mosteller, Chalmers (1992), doi:10.1056/NEJM199207233270406.
    """
    import pandas as pd

    values, name = _values(fit, order)
    by_size = name == "size" and "size" not in fit.studies.columns
    # The largest study first is the order that "size" names; `descending` turns it round.
    rank, unknown = _ranked(values, name, descending ^ by_size)
    values = list(values)
    labels = fit.studies["study"].to_numpy()
    # The places of the last study of each step.
    steps = np.arange(fit.k) if fit.k <= EVERY else np.unique(np.linspace(0, fit.k - 1, _STEPS).round().astype(int))
    keep = np.zeros((steps.size, fit.k), dtype=bool)
    keep[:, rank] = np.arange(fit.k) <= steps[:, None]
    fitted = refit(fit, keep, whole=True)
    columns = {column: getattr(fitted, column) for column in COLUMNS}
    added = {"study": labels[rank][steps], "added": [values[i] for i in rank[steps]]}
    frame = pd.DataFrame({**added, "k": fitted.k.astype(int), "status": fitted.status, **columns})
    method = fit.method
    if steps.size < fit.k:
        note = f"Of {fit.k:,} steps {steps.size} at equal distances have a fit; each row names the last study added."
        method = Method({**method, "notes": [*method["notes"], note]})
    if unknown:
        note = f"Without a value of {name}, added last: {listing(labels[i] for i in unknown)}."
        method = Method({**method, "notes": [*method["notes"], note]})
    return Cumulative(fit, method, None, frame, order=name)


def _values(fit: Pooled, order: object) -> tuple[Any, str]:
    """What the studies are sorted by (a column or a sequence), and its name."""
    studies = fit.studies
    if isinstance(order, str):
        if order in studies.columns:
            return studies[order], order
        if order == "given":
            return list(range(1, fit.k + 1)), order
        if order == "size":
            sizes = [c for c in ("total", "total_control", "person_time", "person_time_control") if c in studies.columns]
            if not sizes:
                raise ArgumentError("order='size': effects without counts have no size. Fix: order='precision'.")
            return [float(value) for value in studies[sizes].sum(axis=1)], order
        if order == "precision":
            return [float(value) for value in two_step_twin(fit).vi[0]], order
        raise no_column("order", order, [*ORDERS, *studies.columns], of="the studies")
    if not is_sequence(order):
        raise ArgumentError(f"order={as_given(order)} must be a column, {', '.join(map(repr, ORDERS))}, or a sequence.")
    items = list(order)  # type: ignore[call-overload]
    if len(items) != fit.k:
        raise ArgumentError(f"order has {len(items)} values, and there are {plural(fit.k, 'study', 'studies')}.")
    return order, "the values given"


def _ranked(values: Any, name: str, descending: bool) -> tuple[NDArray[np.intp], list[int]]:
    """Positions in the order of the values, those without one last; and which these are."""
    ranks = ranks_of(values)
    known = [i for i, rank in enumerate(ranks) if rank is not None]
    unknown = [i for i, rank in enumerate(ranks) if rank is None]
    try:
        # Python's sort keeps the order of equal values, from the largest on as well.
        ranked = sorted(known, key=lambda i: ranks[i], reverse=descending)
    except TypeError:
        raise ArgumentError(f"order: the values of {name} cannot be put in order, because they mix kinds.") from None
    return np.array([*ranked, *unknown], dtype=np.intp), unknown
