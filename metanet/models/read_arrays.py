"""Arguments of `pool_arrays`: padded two-dimensional arrays, checked as a whole; the first fault is named by row and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanet.errors import ArgumentError
from metanet.models.data import Data
from metanet.models.inputs import LARGEST, listed

Array = NDArray[np.float64]


def _numeric(name: str, values: object) -> Array:
    """An array of floats in which a masked place is NaN; texts, truth values and complex numbers are refused."""
    try:
        found: Any = np.ma.asanyarray(values)
    except ValueError:
        raise ArgumentError(f"{name} must be a two-dimensional array of numbers [analyses, studies].") from None
    if found.dtype.kind not in "iuf" or found.ndim != 2:
        raise ArgumentError(f"{name} must be a two-dimensional array of numbers [analyses, studies].")
    return np.asarray(np.ma.filled(found.astype(np.float64), np.nan), dtype=np.float64)


def read_arrays(given: Mapping[str, object], arguments: Sequence[str], takes: str) -> Data:
    """Equal shapes, NaN in every array where a study is absent."""
    for name, value in given.items():
        if value is not None and name not in arguments:
            raise ArgumentError(f"{name} does not go with {takes}, which takes {listed(arguments)}.")
        if value is None and name in arguments:
            raise ArgumentError(f"{name} is missing; {takes} takes {listed(arguments)}.")
    columns = {name: _numeric(name, given[name]) for name in arguments}
    if len({values.shape for values in columns.values()}) > 1:
        shapes = ", ".join(f"{name} {values.shape}" for name, values in columns.items())
        raise ArgumentError(f"The arrays differ in shape ({shapes}). Mend: equal shapes [analyses, studies].")
    first = arguments[0]
    gone = np.isnan(columns[first])
    for name in arguments[1:]:
        other = np.isnan(columns[name])
        if not np.array_equal(gone, other):
            row, column = np.argwhere(gone != other)[0]
            raise ArgumentError(
                f"{first}[{row}, {column}] and {name}[{row}, {column}]: one is missing, the other is not."
            )
    for name, values in columns.items():
        _check(name, values, gone)
        if gone.any():
            columns[name] = np.where(gone, np.inf if name == "vi" else 0.0, values)
    for events, total in (("events", "total"), ("events_control", "total_control")):
        if total in columns and (above := columns[events] > columns[total]).any():
            row, column = np.argwhere(above)[0]
            most = columns[total][row, column]
            raise ArgumentError(
                f"{events}[{row}, {column}]={columns[events][row, column]:g} is more than {total}[{row}, {column}]={most:g}."
            )
    return Data(columns)


def _check(name: str, values: Array, gone: NDArray[np.bool_]) -> None:
    """The values of one argument where a study is present."""
    if name == "yi":
        wrong, what = ~(np.abs(values) <= 1e30), "is no effect that can be computed with"
    elif name == "vi":
        wrong, what = (
            ~((values >= 1e-30) & (values <= 1e30)),
            "must be above zero, and of a size that can be computed with",
        )
    elif name.startswith("person_time"):
        wrong, what = ~((values >= 1e-15) & (values <= 1e15)), "is no person-time that can be computed with"
    else:
        least = 1 if name.startswith("total") else 0
        wrong = ~((values >= least) & (values <= LARGEST) & (values == np.round(values)))
        what = (
            "is not a count"
            if least == 0
            else "is not a number of patients; mark an absent study by NaN in every array"
        )
    wrong &= ~gone
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ArgumentError(f"{name}[{row}, {column}]={values[row, column]:g} {what}.")
