"""The studies of a result as a frame: counts or effects, own values with intervals, weights, shrunken values, and their data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arrays import Array
from metanet.effects.formulas import CORRECTION
from metanet.effects.measures import MEASURES
from metanet.effects.study_intervals import INTERVALS, normal_on_scale, poisson_exact
from metanet.kernels.numerics.distributions import two_sided_z
from metanet.models.options import Options

if TYPE_CHECKING:
    import pandas as pd

    from metanet.models.pooling.inputs import Studies


_COUNTS = ("events", "total", "events_control", "total_control")


@dataclass(frozen=True, eq=False)
class StudyTable:
    """What the frame is made of; the frame itself is made when it is first asked for, because a fit is faster than a frame."""

    studies: Studies
    weights: Array
    shrunken: Array
    options: Options
    _made: list[pd.DataFrame] = field(default_factory=list, repr=False)

    def frame(self) -> pd.DataFrame:
        """The frame; not a copy."""
        if not self._made:
            self._made.append(self._make())
        return self._made[0]

    def rows(self) -> pd.DataFrame:
        """What was read: study, counts or effects, and the other columns of the data under their own names."""
        import pandas as pd

        frame, extra = pd.DataFrame(self._read()), self.studies.extra
        if extra is None:
            return frame
        unique = extra.loc[:, ~extra.columns.duplicated()]
        made = pd.concat([frame, unique[[c for c in unique.columns if c not in frame.columns]]], axis=1)
        made.attrs = dict(extra.attrs)
        return made

    def _read(self) -> dict[str, Any]:
        """Study, and counts or effects."""
        columns: dict[str, Any] = {"study": list(self.studies.labels)}
        for name, values in self.studies.columns.items():
            columns[name] = values.astype(np.int64) if name in _COUNTS else values
        return columns

    def _make(self) -> pd.DataFrame:
        import pandas as pd

        columns = self._read()
        own, value, lower, upper = self._own()
        if own is not None:
            columns[own] = value
        columns |= {"ci_lower": lower, "ci_upper": upper, "weight": self.weights, "shrunken": self.shrunken}
        frame = pd.DataFrame(columns)
        if self.studies.extra is None:
            return frame
        # Equal names keep their first column; a column that has the name of one of ours is kept under another.
        extra = self.studies.extra.loc[:, ~self.studies.extra.columns.duplicated()]
        taken = ("study", *self.studies.columns)
        others = extra[[c for c in extra.columns if c not in taken]]
        others = others.rename(columns={c: f"{c} (data)" for c in others.columns if c in frame.columns})
        made = pd.concat([frame, others], axis=1)
        made.attrs = dict(extra.attrs)
        return made

    def _own(self) -> tuple[str | None, Array, Array, Array]:
        """Each study's own value under its name (None where it stands there already), and its interval."""
        data, options = self.studies.columns, self.options
        # Models that correct nothing show their studies as the default rule would.
        add, to = (CORRECTION, "only0") if options.exact else (options.add, options.to)
        if "yi" in data:
            half = two_sided_z(options.level) * np.sqrt(data["vi"])
            return None, data["yi"], data["yi"] - half, data["yi"] + half
        if options.scale == "rate":
            events, total = data["events"], data["total"]
            if options.study_interval == "normal":
                ends = normal_on_scale(events, total, options.level, measure=options.measure, add=add, to=to)
            else:
                ends = INTERVALS[options.study_interval](events, total, options.level)
            return "rate", events / total, *ends
        if options.scale == "rate per person-time":
            events, time = data["events"], data["person_time"]
            return "rate", events / time, *poisson_exact(events, time, options.level)
        measure = MEASURES[options.measure]
        found = measure.effects(*(data[name] for name in measure.arguments), add=add, to=to, convention=options.convention)
        known = np.isfinite(found.vi)
        half = two_sided_z(options.level) * np.sqrt(np.where(known, found.vi, np.nan))
        value = np.where(known, found.yi, np.nan)
        value, lower, upper = (np.where(known, measure.back(np.nan_to_num(x)), np.nan) for x in (value, value - half, value + half))
        return "effect", value, lower, upper
