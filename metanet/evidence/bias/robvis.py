"""Judgements as robvis (R) reads them: a row for each study, D1 to Dn, Overall, Weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.errors import ArgumentError, MetanetError, as_given
from metanet.base.untrusted import listing, visible
from metanet.base.whole_files import write_csv as write_cells
from metanet.evidence.bias.tools import OVERALL

if TYPE_CHECKING:
    import pandas as pd

    from metanet.evidence.bias.board import Board


def robvis_frame(board: Board, weights: Any) -> pd.DataFrame:
    """The wide frame; the first column is the study and the last one its weight, as robvis needs them."""
    import pandas as pd

    units = board.units
    tool = board.tool
    # Where a tool has its domains, each has its column, judged or not: robvis knows them by their places.
    domains = board.domains if tool.any_domain else tuple(each.key for each in tool.domains)
    controls = {each.key for each in tool.domains if each.control}
    if not controls & {*board.domains}:
        domains = tuple(key for key in domains if key not in controls)
    columns: dict[str, list[Any]] = {"Study": [board.name_of(unit) for unit in units]}
    for i, domain in enumerate(domains):
        columns[f"D{i + 1}"] = [_word(board, unit, domain) for unit in units]
    columns["Overall"] = [_word(board, unit, OVERALL) for unit in units]
    columns["Weight"] = _weights(board, weights)
    return pd.DataFrame(columns)


def _word(board: Board, unit: tuple[str, str], domain: str) -> str:
    level = board.level_at(unit, domain)
    return "" if level is None else level.title


def _weights(board: Board, weights: Any) -> list[float]:
    if isinstance(weights, Mapping):
        names = [board.name_of(unit) for unit in board.units]
        if strange := [name for name in weights if name not in names]:
            raise ArgumentError(f"weights names {as_given(strange[0])}, which was not judged. The studies are {listing(names, 6)}.")
        found = [weights.get(name, 1.0) for name in names]
        try:
            made = [float(value) for value in found]
        except (TypeError, ValueError):
            made = [math.nan]
        if not all(math.isfinite(value) and value >= 0 for value in made):
            raise ArgumentError("weights must be numbers of at least 0 for names of studies.")
        return made
    if weights == "studies":
        return [1.0] * len(board.units)
    if weights == "patients":
        sizes = [board.patients_of(unit) for unit in board.units]
        return [1.0 if math.isnan(size) else size for size in sizes]
    raise ArgumentError(f"weights={as_given(weights)} must be 'patients', 'studies' or a mapping of names of studies to weights.")


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write the frame as CSV whose cells no spreadsheet runs."""
    try:
        rows = frame.astype({"Weight": object}).itertuples(index=False, name=None)
        write_cells(path.expanduser(), [str(name) for name in frame.columns], rows)
    except OSError as error:
        raise MetanetError(f"{visible(path)} cannot be written ({error.strerror}). Fix: give another place.") from error
