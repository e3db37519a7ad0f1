"""Rows of the tables as frames with the dtypes of their columns, and the columns of a selection of rates."""

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


# The columns of `rates` that come first, in this order; the moderators of the arms follow.
LEADING = {
    "study": "str",
    "study_id": "str",
    "arm": "str",
    "modality": "str",
    "modality_class": "str",
    "events": "int64",
    "total": "int64",
    "year": "int64",
    "unit": "str",
    "criteria": "str",
    "definition": "str",
    "timepoint_months": "float64",
    "certainty": "str",
    "source_kind": "str",
    "source": "str",
    "source_locator": "str",
    "derived": "bool",
    "derivation": "str",
    "printed": "str",
    "double_extracted": "bool",
    "poolable": "bool",
    "overlap_group": "str",
    "note": "str",
}
#: Those of them that a lean selection has even where the tables have no such column.
_ALWAYS = frozenset({"study", "year", "poolable"})
# What a study says that may move a rate; its citation is in `studies`.
_FROM_STUDY = ("design", "country", "enrol_start", "enrol_end", "doi", "pmid")
#: Columns of studies that say who a report is by and where it is. Every other one is of the review itself, and travels with the rates.
_CITATION = frozenset({"study_id", "label", "first_author", "year", "title", "journal", "centre", "overlap_group"})


def of_study(studies: TableContract, arms: TableContract) -> tuple[str, ...]:
    """The columns of studies that travel with the rates: the common ones, then those that a review added and arms do not have."""
    known = {*_CITATION, *_FROM_STUDY, *LEADING, *arms.column_names}
    return (*_FROM_STUDY, *(name for name in studies.column_names if name not in known))


def rate_columns(studies: TableContract, arms: TableContract, outcome: TableContract, lean: bool) -> dict[str, str]:
    """The columns of the rates of an outcome: the common ones (`lean`: those that the tables have), then what its tables add."""
    columns = dict(LEADING)
    if lean:
        known = {name for contract in (studies, arms, outcome) for name in contract.column_names}
        columns = {name: dtype for name, dtype in LEADING.items() if name in known or name in _ALWAYS}
    for contract, names in ((studies, of_study(studies, arms)), (arms, arms.column_names), (outcome, outcome.column_names)):
        for name in names:
            column = contract.column(name)
            if column is not None and name not in columns:
                # Moderators go into arrays, where a missing whole number has to be NaN.
                dtype = dtype_of(column)
                columns[name] = "float64" if dtype == "Int64" else dtype
    return columns
