"""Leave-one-out: the same model without each study in turn, as one batch of masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from metanet.diagnostics.series import COLUMNS, Series, rate_or_effect, refit
from metanet.diagnostics.two_step_twin import check_fit
from metanet.models.results import Pooled
from metanet.words import visible


@dataclass(frozen=True, eq=False, repr=False)
class LeaveOneOut(Series):
    """One row for each omitted study, with the numbers of the fit without it; `reason` says why there is none."""

    word: ClassVar[str] = "without"
    heading: ClassVar[str] = "Without"
    drawn_by: ClassVar[tuple[str, str]] = ("metanet.figures.leave_one_out", "leave_one_out_plot")

    def sentence(self) -> str:
        """Between which values the estimate moves, and which studies move it there."""
        if self.reason:
            return self.reason
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
            text = f"Leaving out one study at a time moves the estimate between {ends}."
        missing = len(self._frame) - len(rows)
        return text + (f" In {missing} of {len(self._frame)} cases no estimate exists." if missing else "")


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

    check_fit(fit)
    if fit.k < 2:
        reason = "One study: leaving it out leaves nothing, so there is no leave-one-out analysis."
        return LeaveOneOut(fit, fit.method, reason, pd.DataFrame(columns=["study", "status", *COLUMNS]))
    fitted = refit(fit, ~np.eye(fit.k, dtype=bool), whole=True)
    columns = {name: getattr(fitted, name) for name in COLUMNS}
    frame = pd.DataFrame({"study": fit.studies["study"], "status": fitted.status, **columns})
    return LeaveOneOut(fit, fit.method, None, frame)
