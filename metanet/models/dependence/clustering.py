"""Which arms belong to one study: a column of the data, or a sequence, as clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.base.display import plural
from metanet.base.errors import ArgumentError, as_given, no_column
from metanet.base.groups import absent, name_of
from metanet.kernels.inverse_variance.clusters import Clusters
from metanet.models.pooling.inputs import is_sequence

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Grouping:
    """Arms in clusters, with the clusters' names in order of appearance and what has to be said about them."""

    clusters: Clusters
    names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def arms(self) -> dict[str, int]:
        """Number of arms by cluster."""
        return dict(zip(self.names, self.clusters.sizes.tolist(), strict=True))

    def sizes_text(self) -> str:
        """Clusters and their arms as text: "12 arms of 9 studies (1 to 3 arms in each)"."""
        sizes = self.clusters.sizes
        text = f"{plural(int(sizes.sum()), 'arm')} of {plural(sizes.size, 'study', 'studies')}"
        if sizes.min() == sizes.max():
            return f"{text} ({plural(int(sizes[0]), 'arm')} in each)"
        return f"{text} ({sizes.min()} to {sizes.max()} arms in each)"


def read_grouping(frame: pd.DataFrame | None, cluster: object, k: int, used: NDArray[np.bool_] | None = None) -> Grouping:
    """The clusters of the `used` ones of k arms, by a column of `frame` or a sequence of k keys.

    An arm without a key is a study of its own, as `count_studies` has it.
    """
    keys = _keys(frame, cluster, k)
    chosen = range(k) if used is None else np.flatnonzero(used).tolist()
    known: list[object] = [f"own {i}" if absent(keys[i]) else None for i in chosen]
    found = [(name_of(keys[i]), "") if own is None else (f"arm {i + 1}", own) for i, own in zip(chosen, known, strict=True)]
    alone = sum(own is not None for own in known)
    notes = [f"{plural(alone, 'arm')} without a value of cluster count as separate studies."] if alone else []
    return Grouping(Clusters.of(found), tuple(name for name, _ in dict.fromkeys(found)), tuple(notes))


def _keys(frame: pd.DataFrame | None, cluster: object, k: int) -> list[Any]:
    if isinstance(cluster, str):
        if frame is None:
            raise ArgumentError(
                f"cluster={as_given(cluster)} names a column, but no data were given. Fix: pass data=frame, or a sequence with one "
                "key for each arm."
            )
        if cluster not in frame.columns:
            raise no_column("cluster", cluster, frame.columns)
        column = frame[cluster]
        if column.ndim != 1:
            raise ArgumentError(f"cluster={as_given(cluster)} names several columns of the data. Fix: rename them.")
        return list(column.tolist())
    if not is_sequence(cluster):
        raise ArgumentError(f"cluster={as_given(cluster)} must be a column of the data, or a sequence with one key for each arm.")
    given: Any = cluster
    keys = list(given.tolist() if hasattr(given, "tolist") else given)
    if len(keys) != k:
        raise ArgumentError(f"cluster has {plural(len(keys), 'key')} for {plural(k, 'arm')}. Fix: give one key for each arm.")
    return keys
