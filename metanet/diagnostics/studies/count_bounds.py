"""Counts that their printed figures leave open: between which values the pooled estimate lies, from one batch of refits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import checked
from metanet.base.arrays import Array
from metanet.base.display import count, level_text, plural
from metanet.base.errors import ArgumentError, as_given
from metanet.base.groups import absent
from metanet.base.results import Method, Result
from metanet.base.untrusted import listing, visible
from metanet.evidence.proof.printed import words
from metanet.evidence.proof.rows import verdict
from metanet.evidence.sources import Rates, rates_of
from metanet.models.options import lean, options_of
from metanet.models.pooling.batch import Data, pool_batch
from metanet.models.pooling.inputs import unique_labels
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


#: The numbers of a refit whose ranges are given.
_NUMBERS = ("estimate", "ci_lower", "ci_upper")
#: The pooled counts that a frame of the rates has to agree with.
_COUNTS = ("events", "total", "person_time")
_ENDS = ("lowest", "highest")
_SETS = ("study", "printed", "events", "lowest", "highest", "total")


@dataclass(frozen=True, eq=False, repr=False)
class CountBounds(Result):
    """The range of the pooled estimate over counts that their printed figures leave open.

    Attributes
    ----------
    fit : Pooled
        The result with the counts as they were pooled.
    reason : str or None
        Why printed figures do not apply to these data.
    studies : tuple of str
        The rows whose printed figures fit several counts.
    lowest, highest : dict
        The least and the greatest value of `estimate`, `ci_lower` and `ci_upper` over all refits and the result itself; None where no
        refit has one.
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    lowest: dict[str, float | None]
    highest: dict[str, float | None]
    _sets: pd.DataFrame = field(repr=False)
    _frame: pd.DataFrame = field(repr=False)

    _entries = ("reason", "lowest", "highest", ("counts", "_sets"), ("rows", "_frame"))

    @property
    def studies(self) -> tuple[str, ...]:
        """The rows whose printed figures fit several counts."""
        return tuple(self._sets["study"])

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Counts that their printed figures leave open"

    @property
    def counts(self) -> pd.DataFrame:
        """One row for each count that is left open: study, printed, events (as pooled), lowest, highest, total; a copy."""
        return self._sets.copy()

    def to_frame(self) -> pd.DataFrame:
        """One row for each refit, after the result itself: study ("" for all of them), counts ("as pooled", "lowest", "highest"),
        status, estimate, ci_lower, ci_upper; a copy."""
        return self._frame.copy()

    def sentence(self) -> str:
        """Between which values estimate and interval lie."""
        if self.reason:
            return self.reason
        if not self.studies:
            return "No pooled count is left open by printed figures."
        named = _few(f"{visible(row['study'])}: {_set(row)}" for row in self._sets.to_dict("records"))
        fit = "fit" if len(self.studies) > 1 else "fits"
        text = f"What is printed for {len(self.studies)} of {plural(self.fit.k, 'row')} {fit} several counts ({'; '.join(named)})."
        if len(self.studies) > 1:
            return f"{text} With these counts at their lowest and at their highest, all together and one at a time, {self._moved()}"
        return f"{text} With this count at its lowest and at its highest, {self._moved()}"

    def _moved(self) -> str:
        """The second half of the sentence: what moves at the decimals that the result is printed with."""
        fit, scale, missing = self.fit, self.fit.scale, int(self._frame["estimate"].isna().sum())
        digits = scale.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
        if self.lowest["estimate"] is None:
            return "no estimate exists."
        gaps = f" In {missing} of {len(self._frame)} cases no estimate exists." if missing else ""
        estimate, lower, upper = (self._range(name, digits) for name in _NUMBERS)
        moving = [each for each in (estimate, lower, upper) if each.startswith("ranges")]
        if not moving:
            ends = self.lowest["ci_lower"], self.lowest["ci_upper"]
            shown = scale.estimate(self.lowest["estimate"], *ends, fit.level, fit.interval_name, digits)
            return f"the estimate and its interval do not change as printed: {shown}.{gaps}"
        text = f"the estimate {estimate}"
        if lower and upper:
            name = f"{level_text(fit.level)} {fit.interval_name}"
            text += f", the lower limit of its {name} {lower}, the upper limit {upper}"
        return f"{text}.{gaps}"

    def _range(self, name: str, digits: int) -> str:
        """The range of a number as what it does; empty where there is none."""
        low, high = self.lowest[name], self.highest[name]
        if low is None or high is None:
            return ""
        scale = self.fit.scale
        same = scale.text(low, digits) == scale.text(high, digits)
        return f"stays at {scale.value(low, digits)}" if same else f"ranges from {scale.limits(low, high, digits)}"

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """A row for each count that is left open, and for all together: the estimates at its lowest and at its highest."""
        if not self.studies:
            return [], []
        scale, frame = self.fit.scale, self._frame
        lows, highs = (frame.loc[frame["counts"] == end, "estimate"].tolist() for end in _ENDS)
        digits = scale.column((None, low, high) for low, high in zip(lows, highs, strict=True))
        ends = [(scale.text(low, digits), scale.text(high, digits)) for low, high in zip(lows, highs, strict=True)]
        rows = [
            (visible(row["study"]), visible(row["printed"]), count(row["events"]), _set(row)) for row in self._sets.to_dict("records")
        ]
        if len(rows) > 1:
            rows.insert(0, ("All together", "", "", ""))
        head = ["Study", "Printed", "Pooled", "Counts that fit", f"{scale.name}, at the lowest", "At the highest"]
        return head, [(*row, *pair) for row, pair in zip(rows, ends, strict=True)]


def _few(texts: Iterable[str], most: int = 8) -> list[str]:
    """The first of some texts, and how many more there are."""
    found = list(texts)
    return found if len(found) <= most else [*found[:most], f"{len(found) - most} more"]


def _set(row: Mapping[Any, Any]) -> str:
    """The counts of a row in words: "171, 172, 173 or 174 of 443"."""
    shown = words(range(int(row["lowest"]), int(row["highest"]) + 1))
    total = row["total"]
    return shown if total is None or np.isnan(total) else f"{shown} of {int(total):,}"


@checked()
def count_bounds(fit: Pooled, rates: Rates | None = None) -> CountBounds:
    """Refit with the lowest and the highest counts that the printed figures leave open.

    Parameters
    ----------
    fit
        The result of `pool`, whatever its model, of the counts of one group.
    rates
        A frame with the columns ``study`` and ``printed`` of the same rows. Without it they are those of the frame that was pooled,
        such as `Evidence.rates` returns it.

    Returns
    -------
    CountBounds
        The range of the estimate and of the limits of its interval over these refits: all open counts at their lowest, all at their
        highest, each one alone at its lowest and at its highest; the other counts as they were pooled. Not open are rows without
        printed figures, rows whose figures fit one count, and rows whose figures cannot be read or do not fit the pooled count, which
        a note names. Two groups and effects have no rows, and a reason.

    Raises
    ------
    ArgumentError
        If `rates` has other studies or other counts than `fit`.

    Notes
    -----
    The pooled count is one of the counts that fit, chosen by the reviewers. Which of them is more probable is not known, so these are
    bounds and not an interval with a coverage.

    Examples
    --------
    >>> import metanet as mn, pandas as pd
    >>> data = pd.DataFrame({"study": ["A", "B"], "events": [173, 9], "total": [443, 56], "printed": ["39% of 443", "16.1% of 56"]})
    >>> mn.count_bounds(mn.pool(data)).counts
      study     printed  events  lowest  highest  total
    0     A  39% of 443     173     171      174  443.0
    """
    import pandas as pd

    if reason := _reason(fit):
        return CountBounds(fit, fit.method, reason, dict.fromkeys(_NUMBERS), dict.fromkeys(_NUMBERS), _sets_of([]), pd.DataFrame())
    open_, left = _open(fit, _printed(fit, None if rates is None else rates_of(rates, "rates")))
    frame = _refits(fit, open_)
    low, high = (_known(ends) for ends in (frame[list(_NUMBERS)].min(), frame[list(_NUMBERS)].max()))
    method = fit.method
    if left:
        note = f"Not used, because they cannot be read or do not fit the pooled count: the printed figures of {listing(left)}."
        method = Method({**method, "notes": [*method["notes"], note]})
    rows = [(fit.studies["study"][place], text, *(int(n) for n in counts), total) for place, text, counts, total in open_]
    return CountBounds(fit, method, None, low, high, _sets_of(rows), frame)


def _known(ends: pd.Series[Any]) -> dict[str, float | None]:
    """The ends by name; None where there is none."""
    return {name: None if np.isnan(ends[name]) else float(ends[name]) for name in _NUMBERS}


def _reason(fit: Pooled) -> str | None:
    """Why printed figures do not apply, if so."""
    if fit.events is None:
        return "Effects are pooled as given, so there are no counts that printed figures could leave open."
    if fit.data.groups == 2:
        return "Printed figures are about the counts of one group, and two groups are compared here."
    return None


def _sets_of(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(_SETS))
    kinds = {"events": "int64", "lowest": "int64", "highest": "int64", "total": "float64"}
    return frame.astype(kinds)


def _printed(fit: Pooled, rates: pd.DataFrame | None) -> list[object]:
    """The printed figures of each row, in the order of the rows of `fit`; None where there are none."""
    if rates is None:
        extra = fit.inputs.extra
        if extra is None or "printed" not in extra.columns:
            return [None] * fit.k
        return list(extra.loc[:, ~extra.columns.duplicated()]["printed"])
    for name in ("study", "printed"):
        if name not in rates.columns or rates[name].ndim != 1:
            raise ArgumentError(
                f"rates has no column {name!r}. Fix: give what Evidence.rates returned, or a frame with study and printed."
            )
    labels, own = list(unique_labels(rates["study"], len(rates))), list(fit.inputs.labels)
    if len(labels) != len(own):
        raise ArgumentError(f"rates has {plural(len(labels), 'row')}, but fit pooled {len(own)}. Fix: give the frame that was pooled.")
    if strange := [label for label in labels if label not in own]:
        raise ArgumentError(
            f"rates has the study {as_given(strange[0])}, which fit does not have. Fix: give the frame that was pooled."
        )
    order = [labels.index(label) for label in own]
    for name in _COUNTS:
        if name in rates.columns and name in fit.inputs.columns and rates[name].ndim == 1:
            given = [rates[name].iloc[place] for place in order]
            for label, value, pooled in zip(own, given, fit.inputs.columns[name], strict=True):
                if not absent(value) and value != pooled:
                    raise ArgumentError(
                        f"rates has {name} {as_given(value)} for {as_given(label)}, but fit pooled {pooled:g}. "
                        "Fix: give the frame that was pooled."
                    )
    return [rates["printed"].iloc[place] for place in order]


#: Place of a row, its printed figures, its count with the lowest and the highest that fit, and its total (NaN with person-time).
Open = tuple[int, str, tuple[float, int, int], float]


def _open(fit: Pooled, printed: list[object]) -> tuple[list[Open], list[str]]:
    """The rows whose figures fit several counts, and the labels of those whose figures cannot be used."""
    events = fit.inputs.columns["events"]
    totals = fit.inputs.columns.get("total", np.full(fit.k, np.nan))
    found: list[Open] = []
    left: list[str] = []
    for place, text in enumerate(printed):
        if absent(text) or (isinstance(text, str) and not text.strip()):
            continue
        total = float(totals[place])
        judged = verdict(text, int(events[place]), None if np.isnan(total) else int(total)) if isinstance(text, str) else None
        if judged is None or judged.why:
            left.append(fit.inputs.labels[place])
        elif judged.open:
            found.append((place, str(text), (events[place], judged.counts[0], judged.counts[-1]), total))
    return found, left


def _refits(fit: Pooled, open_: list[Open]) -> pd.DataFrame:
    """The result and every refit as rows; one batch."""
    import pandas as pd

    labels = fit.inputs.labels
    rows: list[dict[str, Any]] = [
        {"study": "", "counts": "as pooled", "status": fit.status, **{name: getattr(fit, name) for name in _NUMBERS}}
    ]
    if open_:
        # The one open count alone is all of them.
        together = [("", open_)] if len(open_) > 1 else []
        cases = [(name, end, each) for name, each in (*together, *((labels[row[0]], [row]) for row in open_)) for end in _ENDS]
        counts = np.repeat(fit.inputs.columns["events"][None], len(cases), axis=0)
        for row, (_, end, changed) in enumerate(cases):
            for place, _, (_, low, high), _ in changed:
                counts[row, place] = low if end == "lowest" else high
        columns: dict[str, Array] = {
            name: counts if name == "events" else np.repeat(values[None], len(cases), axis=0)
            for name, values in fit.inputs.columns.items()
        }
        fitted = pool_batch(Data(columns), lean(options_of(fit.method)))
        rows += [
            {"study": study, "counts": end, "status": str(fitted.status[row]), **{n: float(getattr(fitted, n)[row]) for n in _NUMBERS}}
            for row, (study, end, _) in enumerate(cases)
        ]
    frame = pd.DataFrame(rows)
    return frame.astype(dict.fromkeys(_NUMBERS, "float64"))
