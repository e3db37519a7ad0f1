"""Sums over the clusters of a batch: arms in the order of their clusters, added up where these begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which arm belongs to which cluster.

    Attributes
    ----------
    order
        Arms ``[k]`` sorted by cluster, in order of appearance within it.
    starts, sizes
        Where each cluster begins in that order, and its number of arms, ``[g]``.
    code
        The cluster of each arm ``[k]``, numbered in order of appearance.
    """

    order: Indices
    starts: Indices
    sizes: Indices
    code: Indices

    @staticmethod
    def of(keys: Sequence[object]) -> Clusters:
        """Clusters of equal keys, in order of appearance."""
        seen: dict[object, int] = {}
        return Clusters.of_codes(np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.intp))

    @staticmethod
    def of_codes(code: Indices) -> Clusters:
        """Clusters of numbers from 0 on, each of which occurs."""
        sizes = np.bincount(code).astype(np.intp)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.intp)
        return Clusters(np.argsort(code, kind="stable").astype(np.intp), starts, sizes, code)

    @property
    def count(self) -> int:
        """Number of clusters."""
        return int(self.sizes.size)

    def sum(self, values: Array, axis: int = -1) -> Array:
        """Sums over the arms of each cluster along `axis`, which then counts clusters."""
        ordered = np.take(values, self.order, axis=axis)
        return np.asarray(np.add.reduceat(ordered, self.starts, axis=axis))

    def spread(self, values: Array) -> Array:
        """Values by cluster ``[..., g]`` as values by arm ``[..., k]``."""
        return np.asarray(np.take(values, self.code, axis=-1))
