"""The numbers of a report as JSON and CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.diagnostics.leave_one_out import LeaveOneOut
from metanet.errors import ArgumentError
from metanet.models.results import Pooled
from metanet.models.views import plain
from metanet.reporting.files import write_json
from metanet.writing.whole_files import write_csv

if TYPE_CHECKING:
    import pandas as pd


def save_results(
    folder: str | Path,
    fit: Pooled,
    *,
    second: Pooled | None = None,
    omitted: LeaveOneOut | None = None,
    rates: pd.DataFrame | None = None,
    modality_class: str | None = None,
) -> list[Path]:
    """Write every number of a report: numbers.json, numbers.csv, studies.csv and leave_one_out.csv.

    Parameters
    ----------
    folder
        Where to; it is made if it is not there. Each file appears whole or not at all.
    fit, second
        The result, and another model's beside it.
    omitted
        The leave-one-out analysis.
    rates
        What `Evidence.rates` returned; its selection and what it left out go into numbers.json.
    modality_class
        The class the report is about.

    Returns
    -------
    list of Path
        The files written.
    """
    if not isinstance(fit, Pooled):
        raise ArgumentError(f"fit must be a result of pool, not {type(fit).__name__}.")
    to = Path(folder)
    attrs: dict[str, Any] = {str(key): value for key, value in rates.attrs.items()} if rates is not None else {}
    content = {
        "outcome": attrs.get("outcome"),
        "label": attrs.get("label"),
        "modality_class": modality_class,
        "definition": attrs.get("definition"),
        "selection": attrs.get("selection"),
        "result": fit.to_dict(),
        "second": None if second is None else second.to_dict(),
        "leave_one_out": None if omitted is None else omitted.to_dict(),
        "left_out": attrs.get("left_out", []),
        "notes": attrs.get("notes", []),
        "evidence": attrs.get("fingerprint"),
    }
    files = [to / "numbers.json", to / "numbers.csv", to / "studies.csv"]
    write_json(files[0], plain_tree(content))
    fits = [fit, *([second] if second is not None else [])]
    names = list(fit.numbers())
    rows = [[name, *(plain(f.numbers()[name]) for f in fits)] for name in names]
    rows += [["method", *(f.method.sentence() for f in fits)], ["notes", *(" ".join(f.notes) for f in fits)]]
    write_csv(files[1], ["quantity", *(f.model for f in fits)], rows)
    write_frame(files[2], fit.studies)
    if omitted is not None and not omitted.reason:
        files.append(to / "leave_one_out.csv")
        write_frame(files[3], omitted.to_frame())
    return files


def plain_tree(content: dict[str, Any]) -> dict[str, Any]:
    """`content` with every value as JSON can hold it."""
    return {str(key): plain(value) for key, value in content.items()}


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """A frame as CSV, whole or not at all, with harmless cells."""
    rows = ([plain(value) for value in row] for row in frame.itertuples(index=False))
    write_csv(path, [str(c) for c in frame.columns], rows)
