"""A series of refits of one result, a row each: what leave-one-out and the cumulative analysis have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from metanet.models.batch import Batch, pool_batch
from metanet.models.cards import card
from metanet.models.data import Mask
from metanet.models.display import (
    ABSENT,
    effect_digits,
    interval,
    level_text,
    number,
    per_cent,
    rate_digits,
)
from metanet.models.options import lean, options_of
from metanet.models.results import Method, Pooled
from metanet.models.views import plain
from metanet.words import visible

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


def refit(fit: Pooled, keep: Mask, *, whole: bool = False, threads: int = 1) -> Batch:
    """The same model with the studies that each row of `keep` ``[b, k]`` leaves.

    The interval of tau2 and the prediction interval are computed only for a `whole` refit.
    """
    options = options_of(fit.method)
    return pool_batch(fit.data.only(keep), options if whole else lean(options), threads=threads)


def rate_or_effect(fit: Pooled, value: float) -> str:
    """An estimate as this result prints its own, with the sign of per cent where it is a rate."""
    if fit.response == "rate":
        return f"{per_cent(value, rate_digits(fit.estimate))} %"
    return number(value, effect_digits(fit.estimate))


@dataclass(frozen=True, eq=False)
class Series(ABC):
    """Rows of refits; `reason` says why there are none."""

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    _frame: pd.DataFrame = field(repr=False)

    #: What stands before a study's name in the text, and over the names in a table.
    word: ClassVar[str]
    heading: ClassVar[str]
    #: The module and function that draw it.
    drawn_by: ClassVar[tuple[str, str]]

    @abstractmethod
    def sentence(self) -> str:
        """What the rows show."""

    def to_frame(self) -> pd.DataFrame:
        """Study, status, estimate, interval, tau2, I2 and tests of every row; a copy."""
        return self._frame.copy()

    def to_dict(self) -> dict[str, Any]:
        """The rows as plain JSON-able values."""
        rows = [{str(c): plain(v) for c, v in row.items()} for row in self._frame.to_dict("records")]
        return {"reason": self.reason, "rows": rows, "method": plain(dict(self.method))}

    def summary(self) -> str:
        """The sentence, and one line for each row."""
        if self.reason:
            return self.reason
        rows = self._shown()
        width = max(len(row[0]) for row in rows)
        return "\n".join(
            [self.sentence(), *(f"  {self.word} {a:<{width}}  {b} ({c}); tau {d}" for a, b, c, d, _ in rows)]
        )

    def _shown(self) -> list[tuple[str, str, str, str, str]]:
        rate = self.fit.response == "rate"
        out = []
        for row in self._frame.to_dict("records"):
            if rate:
                digits = rate_digits(self.fit.estimate)
                shown, limits = per_cent(row["estimate"], digits), interval(row["ci_lower"], row["ci_upper"], digits)
            else:
                digits = effect_digits(self.fit.estimate)
                shown = number(row["estimate"], digits)
                limits = f"{number(row['ci_lower'], digits)} to {number(row['ci_upper'], digits)}"
            tau = number(float(np.sqrt(row["tau2"])))
            i2 = ABSENT if np.isnan(row["i2"]) else f"{per_cent(row['i2'])} %"
            out.append((visible(row["study"]), shown, limits, tau, i2))
        return out

    def __repr__(self) -> str:
        return self.reason or f"<{type(self).__name__} of {len(self._frame)} studies: {self.sentence()}>"

    def _repr_html_(self) -> str:
        title = type(self).__name__
        title = {"LeaveOneOut": "Leave-one-out", "Cumulative": "Cumulative pooling"}.get(title, title)
        if self.reason:
            return card(title, self.reason)
        value = "Rate, %" if self.fit.response == "rate" else "Effect"
        head = [self.heading, value, f"{level_text(self.fit.level)} CI", "tau", "I²"]
        return card(title, self.sentence(), head=head, rows=self._shown(), method=self.fit.method.sentence())

    def plot(self, **options: Any) -> Axes:
        """Draw the estimates; see `metanet.figures`."""
        from importlib import import_module

        # Drawing lies in a later room; it is reached by name so that this room does not depend on it.
        module, function = self.drawn_by
        axes: Axes = getattr(import_module(module), function)(self._frame, fit=self.fit, **options)
        return axes
