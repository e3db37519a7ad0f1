"""Typed rows to DataFrames: one dtype for each kind of column, however many rows there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from metanet.evidence.contract import Column, TableContract

if TYPE_CHECKING:
    import pandas as pd


def dtype_of(column: Column) -> str:
    """The dtype of a column. Whole numbers that may be missing are `Int64`, so that a year stays a year."""
    if column.type == "number":
        return "float64"
    if column.type == "integer":
        return "int64" if column.required else "Int64"
    if column.type == "boolean":
        return "bool" if column.required else "boolean"
    return "str"


def to_frame(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """A frame of `rows` with the given columns and dtypes; missing text is empty text, not NaN."""
    import pandas as pd

    data: dict[str, Any] = {}
    for name, dtype in columns.items():
        values = [row.get(name) for row in rows]
        if dtype == "str":
            values = ["" if value is None else value for value in values]
        elif dtype == "float64":
            values = [float("nan") if value is None else value for value in values]
        elif None in values and dtype in {"int64", "bool"}:
            # A folder with a contract of its own may lack the column.
            dtype = {"int64": "Int64", "bool": "boolean"}[dtype]
        data[name] = pd.Series(values, dtype=cast("Any", dtype))
    return pd.DataFrame(data, columns=list(columns))


def columns_of(contract: TableContract) -> dict[str, str]:
    """The columns of a table and their dtypes."""
    return {column.name: dtype_of(column) for column in contract.columns}


def joint_columns(contracts: Iterable[TableContract]) -> dict[str, str]:
    """The columns of several tables in one, in the order in which they first occur."""
    joint: dict[str, str] = {}
    for contract in contracts:
        for name, dtype in columns_of(contract).items():
            if joint.setdefault(name, dtype) != dtype:
                joint[name] = {"int64": "Int64", "bool": "boolean"}.get(dtype, joint[name])
    return joint
