"""`performance_goal`: an objective performance criterion from pooled studies, and how large a series must be to meet it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from metanet.base.arguments import between, checked, choice, whole
from metanet.base.arrays import Array
from metanet.base.display import RATE, level_text, per_cent
from metanet.base.errors import ArgumentError
from metanet.base.results import Method, Result
from metanet.base.untrusted import listing
from metanet.diagnostics.own_series.predictive import Literature, mixed_definitions, prediction_of
from metanet.kernels.numerics import predictive as kernel

if TYPE_CHECKING:
    import pandas as pd

#: Sizes of the table, the largest that is searched, and the chance that a size must give.
_SIZES = (10, 20, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500)
_LARGEST = 3_000
_CHANCE = 0.8
_NOTE = (
    "The goal is met by comparable settings only: patients unlike those of the pooled studies move it. It is a benchmark of what was "
    "reported, not of what a treatment can do."
)


@dataclass(frozen=True, eq=False, repr=False)
class PerformanceGoal(Result):
    """A rate that a new series is to beat.

    Attributes
    ----------
    goal
        The rate (fraction), `margin` included.
    side
        "lower": the rate is to be higher than the goal (a benefit); "upper": lower (a harm).
    level
        The share of comparable settings whose true rate is on the good side of the quantile.
    margin
        By how much the goal is easier than the quantile (fraction).
    alpha
        One-sided error of the exact test of a series against the goal.
    rate
        The true rate at which the chances are computed.
    size
        The smallest series from which on the chance at that rate stays at or above 80 %; None where no size up to 3,000 does.
    k
        Pooled studies (arms).
    """

    goal: float
    side: str
    level: float
    margin: float
    alpha: float
    rate: float
    size: int | None
    k: int
    reason: str | None
    method: Method = field(repr=False)
    _cells: kernel.Cells | None = field(repr=False)
    _frame: pd.DataFrame = field(repr=False)

    _entries = ("goal", "side", "level", "margin", "alpha", "rate", "size", "k", "reason", ("sizes", "_frame"))

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Performance goal"

    def to_frame(self) -> pd.DataFrame:
        """One row for each size: n, passes_at (the fewest, or most, events with which the series passes; NaN where none do), chance
        (at the true rate), chance_comparable (over the true rates of comparable settings)."""
        return self._frame.copy()

    @checked(n=whole(1, 1_000_000), rate=between(0.0, 1.0))
    def chance(self, n: int, rate: float | None = None) -> float:
        """The chance that a series of `n` passes at a true rate; None takes that of the result. Exact binomial."""
        return chance(self.goal, self.side, self.alpha, int(n), np.array([self.rate if rate is None else rate]))[0]

    def sentence(self) -> str:
        """The goal, where it comes from, and the size that meets it."""
        if self.reason:
            return self.reason
        high = self.side == "lower"
        share = f"{per_cent(self.level, 0)} %"
        margin = f", with a margin of {RATE.exact(self.margin).replace(' %', ' points')}" if self.margin else ""
        text = (
            f"Performance goal: {RATE.value(self.goal)}. The true rate of {share} of comparable settings is predicted to be "
            f"{'above' if high else 'below'} {'that' if not self.margin else RATE.value(self.quantile)}{margin}."
        )
        limit = f"{'lower' if high else 'upper'} {level_text(1 - self.alpha)} confidence limit"
        at = f"At a true rate of {RATE.value(self.rate)}"
        if self.size is None:
            return f"{text} {at} no series of up to {_LARGEST:,} has a chance of 80 % that its {limit} meets it."
        return (
            f"{text} {at} a series of {self.size:,} has a chance of at least 80 % that its {limit} lies "
            f"{'above' if high else 'below'} the goal."
        )

    @property
    def quantile(self) -> float:
        """The quantile of the predictive distribution, without the margin."""
        return self.goal + self.margin if self.side == "lower" else self.goal - self.margin

    def rows(self) -> list[tuple[str, str]]:
        """The goal and its choices."""
        if self.reason:
            return []
        side = "above" if self.side == "lower" else "below"
        return [
            ("Goal", RATE.value(self.goal)),
            (f"Comparable settings with a true rate {side} the quantile", f"{per_cent(self.level, 0)} %"),
            ("Margin", RATE.exact(self.margin).replace(" %", " points")),
            ("Test", f"exact binomial, one-sided, {RATE.exact(self.alpha)}"),
            ("True rate assumed", RATE.value(self.rate)),
            ("Smallest series with a chance of 80 %", "none" if self.size is None else f"{self.size:,}"),
        ]

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """A row for each size."""
        least = "Fewest events to pass" if self.side == "lower" else "Most events to pass"
        head = ["n", least, f"Chance at {RATE.value(self.rate)}", "Chance of a comparable setting"]
        out: list[tuple[str, ...]] = []
        for row in self._frame.to_dict("records"):
            at = "none" if row["passes_at"] != row["passes_at"] else f"{row['passes_at']:.0f}"
            out.append((f"{row['n']:,.0f}", at, f"{per_cent(row['chance'], 0)} %", f"{per_cent(row['chance_comparable'], 0)} %"))
        return head, out


def critical(goal: float, side: str, alpha: float, n: int) -> int | None:
    """The fewest (side "lower") or most (side "upper") events of `n` that refute the goal at one-sided `alpha`; None where none do."""
    counts = np.arange(n + 1)
    if side == "lower":
        # P(X >= x) = P(X > x - 1).
        tail = np.where(counts == 0, 1.0, special.bdtrc(np.maximum(counts - 1, 0), n, goal))
        passes = np.flatnonzero(tail <= alpha)
        return int(passes[0]) if passes.size else None
    passes = np.flatnonzero(special.bdtr(counts, n, goal) <= alpha)
    return int(passes[-1]) if passes.size else None


def chance(goal: float, side: str, alpha: float, n: int, rates: Array) -> list[float]:
    """The exact probability that a series of `n` passes, at each of some true rates."""
    at = critical(goal, side, alpha, n)
    if at is None:
        return [0.0] * len(rates)
    if side == "upper":
        return [float(p) for p in special.bdtr(at, n, rates)]
    return [1.0 if at == 0 else float(p) for p in special.bdtrc(max(at - 1, 0), n, rates)]


@checked(
    level=between(0.5, 1.0, inside=True),
    side=choice("lower", "upper"),
    margin=between(0.0, 0.5),
    alpha=between(0.0, 0.5, inside=True),
    rate=between(0.0, 1.0, inside=True),
)
def performance_goal(
    bayes: Literature, *, level: float = 0.8, side: str = "lower", margin: float = 0.0, alpha: float = 0.025, rate: float | None = None
) -> PerformanceGoal:
    """Derive a performance goal for a single-arm study from pooled studies.

    Parameters
    ----------
    bayes
        A result of `bayes_pool`, or of `pool` with model "bayes" (or "glmm" with three studies or more), of one definition of the
        event.
    level
        Share of comparable settings whose true rate is on the good side of the quantile, such as 0.8, 0.9 or 0.95.
    side
        "lower" for a benefit, whose rate is to be above the goal; "upper" for a harm, whose rate is to be below.
    margin
        By how much the goal is easier than the quantile, as a fraction.
    alpha
        One-sided error of the exact binomial test of a series against the goal: 0.025 is the limit of a two-sided 95 % interval.
    rate
        True rate at which chances are computed; None takes the median of the predictive distribution.

    Returns
    -------
    PerformanceGoal
        The goal, the chance of a series of any size to pass, exact, at a true rate and for comparable settings, and the smallest size
        with a chance of 80 %.

    Raises
    ------
    ArgumentError
        Another kind of result, rows that mix definitions of the event, or a margin that leaves no rate.

    Notes
    -----
    The quantile is one of the predictive distribution of a true rate, so that the uncertainty of the pooled studies and their
    heterogeneity are in it; a goal set at the pooled mean would fail half of equally good settings. A series passes where the exact
    test refutes a true rate at the goal, which is where its one-sided Clopper-Pearson limit lies beyond it. The chance goes up and
    down with n, because counts are whole; the size is the one from which on it stays at 80 % or above.
    """
    import pandas as pd

    prediction = prediction_of(bayes, "bayes")
    mixed = mixed_definitions(bayes)
    if mixed:
        raise ArgumentError(
            f"bayes mixes definitions of the event ({listing(mixed)}), for which no one goal exists. Fix: pool one definition, such "
            "as evidence.rates(outcome, definition='graded')."
        )
    stamp = Method(
        {**bayes.method, "goal_level": level, "goal_side": side, "goal_margin": margin, "goal_alpha": alpha, "notes": [_NOTE]}
    )
    if prediction.below is None:
        nan = float("nan")
        reason = f"{prediction.reason} Fix: pool with model='bayes'."
        return PerformanceGoal(nan, side, level, margin, alpha, nan, None, bayes.k, reason, stamp, None, pd.DataFrame())
    cells = kernel.cells_of(prediction.below)
    quantile, median = (float(q) for q in cells.quantile(np.array([1 - level if side == "lower" else level, 0.5])))
    goal = quantile - margin if side == "lower" else quantile + margin
    if not 0 < goal < 1:
        raise ArgumentError(
            f"margin={margin:g} leaves no rate: the quantile is {RATE.value(quantile)}. Fix: take a smaller margin, as a fraction."
        )
    at = median if rate is None else float(rate)
    frame = _table(goal, side, alpha, at, cells)
    size = _smallest(goal, side, alpha, at)
    return PerformanceGoal(goal, side, level, margin, alpha, at, size, bayes.k, None, stamp, cells, frame)


def _table(goal: float, side: str, alpha: float, at: float, cells: kernel.Cells) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for n in _SIZES:
        passes = critical(goal, side, alpha, n)
        own = chance(goal, side, alpha, n, np.array([at]))[0]
        comparable = float(cells.mass @ np.array(chance(goal, side, alpha, n, cells.rate)))
        rows.append((n, float("nan") if passes is None else passes, own, comparable))
    return pd.DataFrame(rows, columns=["n", "passes_at", "chance", "chance_comparable"])


def _smallest(goal: float, side: str, alpha: float, at: float) -> int | None:
    """The smallest size from which on the chance stays at or above 80 %, up to the largest that is searched."""
    sizes = np.arange(1, _LARGEST + 1)
    enough = np.array([chance(goal, side, alpha, int(n), np.array([at]))[0] >= _CHANCE for n in sizes])
    if not enough[-1]:
        return None
    short = np.flatnonzero(~enough)
    return int(sizes[short[-1] + 1]) if short.size else 1
