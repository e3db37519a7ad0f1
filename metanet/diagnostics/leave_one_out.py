"""Leave-one-out: the same model without each study in turn, as one batch of masks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.errors import ArgumentError
from metanet.models.batch import pool_batch
from metanet.models.display import ABSENT, effect_digits, interval, level_text, number, per_cent, rate_digits
from metanet.models.options import options_of
from metanet.models.results import Method, Pooled
from metanet.models.views import html_frame, plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_COLUMNS = (
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


@dataclass(frozen=True, eq=False)
class LeaveOneOut:
    """One row for each omitted study, with the numbers of the fit without it; `reason` says why there is none."""

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    _frame: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Omitted study, status, estimate, interval, tau2, I2 and tests; a copy."""
        return self._frame.copy()

    def to_dict(self) -> dict[str, Any]:
        """The rows as plain JSON-able values."""
        rows = [{str(c): plain(v) for c, v in row.items()} for row in self._frame.to_dict("records")]
        return {"reason": self.reason, "rows": rows, "method": plain(dict(self.method))}

    def summary(self) -> str:
        """The range of the estimate in words, and one line for each study."""
        if self.reason:
            return self.reason
        rows = self._shown()
        width = max(len(row[0]) for row in rows)
        return "\n".join([self.sentence(), *(f"  without {a:<{width}}  {b} ({c}); tau {d}" for a, b, c, d, _ in rows)])

    def sentence(self) -> str:
        """Between which values the estimate moves, and which studies move it there."""
        if self.reason:
            return self.reason
        frame = self._frame.dropna(subset=["estimate"])
        if frame.empty:
            return "Without any one of the studies no estimate exists."
        rows = sorted(frame.to_dict("records"), key=lambda row: float(row["estimate"]))
        rate = self.fit.response == "rate"

        def shown(row: dict[Any, Any]) -> str:
            if rate:
                return f"{per_cent(row['estimate'], rate_digits(self.fit.estimate))} %"
            return number(row["estimate"], effect_digits(self.fit.estimate))

        low, high = rows[0], rows[-1]
        if shown(low) == shown(high):
            text = f"Leaving out one study at a time leaves the estimate at {shown(low)}."
        else:
            ends = f"{shown(low)} (without {low['study']}) and {shown(high)} (without {high['study']})"
            text = f"Leaving out one study at a time moves the estimate between {ends}."
        missing = len(self._frame) - len(rows)
        return text + (f" In {missing} of {len(self._frame)} cases no estimate exists." if missing else "")

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
            out.append((str(row["study"]), shown, limits, tau, i2))
        return out

    def __repr__(self) -> str:
        return self.reason or f"<LeaveOneOut of {len(self._frame)} studies: {self.sentence()}>"

    def _repr_html_(self) -> str:
        if self.reason:
            return html_frame([], [], title=self.reason)
        head = [
            "Without",
            "Rate, %" if self.fit.response == "rate" else "Effect",
            f"{level_text(self.fit.level)} CI",
            "tau",
            "I²",
        ]
        return html_frame(head, self._shown(), title=self.sentence())

    def plot(self, **options: Any) -> Axes:
        """Draw the estimates; see `metanet.figures`."""
        from importlib import import_module

        # Drawing lies in a later room; it is reached by name so that this room does not depend on it.
        axes: Axes = import_module("metanet.figures.leave_one_out").leave_one_out_plot(
            self._frame, fit=self.fit, **options
        )
        return axes


def leave_one_out(fit: Pooled) -> LeaveOneOut:
    """Refit without each study in turn.

    Parameters
    ----------
    fit
        The result of `pool`, whatever its model.

    Returns
    -------
    LeaveOneOut
        Rows in the order of ``fit.studies``. A single study leaves nothing to omit: no rows, and a reason.
    """
    import pandas as pd

    if not isinstance(fit, Pooled):
        raise ArgumentError(f"fit must be a result of pool, not {type(fit).__name__}.")
    studies = fit.studies
    if fit.k < 2:
        reason = "One study: leaving it out leaves nothing, so there is no leave-one-out analysis."
        return LeaveOneOut(fit, fit.method, reason, pd.DataFrame(columns=["study", "status", *_COLUMNS]))
    options = options_of(fit.method)
    omit = np.eye(fit.k, dtype=bool)
    fitted = pool_batch(fit.data.only(~omit), options)
    columns = {name: getattr(fitted, name) for name in _COLUMNS}
    frame = pd.DataFrame({"study": studies["study"], "status": fitted.status, **columns})
    return LeaveOneOut(fit, fit.method, None, frame)
