"""Dataclasses of arrays whose first axis is the batch: rows of every array at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self, TypeVar

import numpy as np

from metanet.base.arrays import Array, Indices, Mask

Part = TypeVar("Part")


class Batch:
    """Base of a dataclass whose fields are arrays, or such batches themselves, with the batch as their first axis."""

    def take(self, rows: Indices | Mask | slice) -> Self:
        """The chosen rows of every array."""
        return type(self)(**{name: _rows(value, rows) for name, value in vars(self).items()})

    def put(self, rows: Indices, part: Self) -> None:
        """Write the rows of `part` into these arrays."""
        for name, value in vars(self).items():
            if isinstance(value, Batch):
                value.put(rows, getattr(part, name))
            else:
                value[rows] = getattr(part, name)


def _rows(value: Any, rows: Indices | Mask | slice) -> Any:
    return value.take(rows) if isinstance(value, Batch) else value[rows]


def joined(parts: Sequence[Part]) -> Part:
    """Pieces of one batch, one after the other."""
    if len(parts) == 1:
        return parts[0]
    names = vars(parts[0])
    return type(parts[0])(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def highest(owner: Indices, loglik: Array) -> tuple[Indices, Indices]:
    """Of several climbs of one row the highest: the rows, each once and in order, and the place of its best climb."""
    order = np.lexsort((-loglik, owner))
    rows, first = np.unique(owner[order], return_index=True)
    return rows, order[first]
