"""The studies of a batch of analyses as arrays: what every model is fitted to, and every diagnostic masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Mask

#: Columns that hold the size of a study, or of one of its groups; zero there marks an absent study.
SIZES = ("total", "total_control", "person_time", "person_time_control")


@dataclass(frozen=True)
class Data:
    """Arrays ``[b, k]`` by name: counts, counts and person-time, or effects `yi` with variances `vi`.

    An absent study has zeros everywhere, and with effects an infinite variance.
    """

    columns: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    @property
    def shape(self) -> tuple[int, int]:
        """Analyses and studies."""
        b, k = next(iter(self.columns.values())).shape
        return b, k

    @property
    def by_effect(self) -> bool:
        """Whether the studies come as effects and variances."""
        return "yi" in self.columns

    @property
    def groups(self) -> int:
        """1, or 2 where there is a control group."""
        return 2 if "events_control" in self.columns else 1

    @property
    def timed(self) -> bool:
        """Whether events are counted over person-time."""
        return "person_time" in self.columns

    @property
    def present(self) -> Mask:
        """Which studies are there, ``[b, k]``."""
        if self.by_effect:
            return np.isfinite(self["vi"])
        return np.asarray(np.all([self[name] > 0 for name in SIZES if name in self.columns], axis=0))

    def rows(self, rows: slice | NDArray[np.intp]) -> Data:
        """Some of the analyses."""
        return Data({name: values[rows] for name, values in self.columns.items()})

    def only(self, keep: Mask) -> Data:
        """The same studies where `keep` ``[b, k]`` is true; the others are absent. One analysis is repeated for every row."""
        gone = {name: np.inf if name == "vi" else 0.0 for name in self.columns}
        return Data({name: np.where(keep, values, gone[name]) for name, values in self.columns.items()})

    def total_of(self, *names: str) -> Array:
        """Sum over studies of the named columns, ``[b]``."""
        return np.asarray(sum(self[name].sum(-1) for name in names if name in self.columns), dtype=np.float64)
