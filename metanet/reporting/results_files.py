"""The numbers of a report as JSON and CSV: one pooled rate, or another analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, check_choice, shorten
from metanet.base.results import plain, without_marks
from metanet.base.whole_files import write_csv
from metanet.diagnostics.own_series.against import Against
from metanet.diagnostics.studies.count_bounds import CountBounds
from metanet.diagnostics.studies.series import LeaveOneOut
from metanet.evidence.bias.filter import COLUMN
from metanet.evidence.bias.tools import OVERALL, tools
from metanet.evidence.selection import selection_of
from metanet.evidence.sources import Rates
from metanet.models.comparison.result import Comparison
from metanet.models.regression.result import Regression
from metanet.models.results.pooled import Pooled
from metanet.models.results.rows import pooled_rows
from metanet.reporting.files import slug, write_json
from metanet.reporting.plan.registry import titles
from metanet.reporting.r_check import SCRIPT

if TYPE_CHECKING:
    import pandas as pd


@checked()
def save_results(
    folder: str | Path,
    fit: Pooled,
    *,
    second: Pooled | None = None,
    others: Sequence[Pooled] = (),
    omitted: LeaveOneOut | None = None,
    bounds: CountBounds | None = None,
    rates: Rates | None = None,
    modality_class: str | None = None,
    series: Against | None = None,
) -> list[Path]:
    """Write every number of a report: numbers.json, numbers.csv, studies.csv and leave_one_out.csv, and the R script check.R.

    Parameters
    ----------
    folder
        The target; it is created if needed. Each file is written atomically.
    fit, second, others
        The primary result; another model's beside it; all sensitivity analyses, each with a column of its own in numbers.csv.
    omitted
        The leave-one-out analysis.
    bounds
        What `count_bounds` returned: the range of the result over counts that their printed figures leave open.
    rates
        What `Evidence.rates` returned; its selection, what it left out, and the studies that were removed from it afterwards
        go into numbers.json. None takes the rows that were pooled.
    modality_class
        The class the report is about.
    series
        What `against` returned: a series of one's own.

    Returns
    -------
    list of Path
        The files written.
    """
    if not isinstance(fit, Pooled):
        raise ArgumentError(f"fit must be a result of pool, not {type(fit).__name__}.")
    to = Path(folder)
    frame = pooled_rows(fit, rates)
    attrs: dict[str, Any] = {str(key): value for key, value in frame.attrs.items()}
    # What is said of the selection holds for the rows that were pooled, or is not said.
    record = selection_of(frame)
    whole = record is not None and record.is_whole
    content = {
        "outcome": attrs.get("outcome"),
        "label": attrs.get("label"),
        "modality_class": modality_class,
        "definition": attrs.get("definition"),
        "definition_title": attrs.get("definition_title"),
        "selection": None if record is None else dict(record.chosen),
        "result": fit.to_dict(),
        "second": None if second is None else _without_studies(second),
        "others": [_without_studies(each) for each in others],
        "leave_one_out": None if omitted is None else omitted.to_dict(),
        "count_bounds": None if bounds is None else bounds.to_dict(),
        "risk_of_bias": _judged(fit.studies),
        "left_out": [] if record is None else list(record.left_out),
        "removed": {} if record is None else dict(record.removed),
        "notes": [] if record is None else list(record.notes),
        "evidence": attrs.get("fingerprint") if whole else None,
        "evidence_name": None if record is None else attrs.get("evidence"),
    }
    if series is not None:
        content["series"] = series.to_dict()
    files = [to / "numbers.json", to / "numbers.csv", to / "studies.csv"]
    write_json(files[0], plain_tree(content))
    # One column for each model.
    fits = list({each.model: each for each in (*others, *([second] if second is not None else []))}.values())
    fits = [fit, *(each for each in fits if each.model != fit.model)]
    names = list(fit.numbers())
    rows = [[name, *(plain(f.numbers()[name]) for f in fits)] for name in names]
    rows += [["method", *(f.method.sentence() for f in fits)], ["notes", *(" ".join(f.notes) for f in fits)]]
    write_csv(files[1], ["quantity", *(f.model for f in fits)], rows)
    write_frame(files[2], fit.studies)
    if omitted is not None and not omitted.reason:
        files.append(to / "leave_one_out.csv")
        write_frame(files[3], omitted.to_frame())
    if fit.method.get("heterogeneity") != "common":
        # A group of a joint model cannot be computed from its own studies.
        files.append(to / SCRIPT)
        fit.to_r(files[-1])
    return files


def _without_studies(fit: Pooled) -> dict[str, Any]:
    """Another model of the same studies, which stand in the result."""
    return {name: value for name, value in fit.to_dict().items() if name != "studies"}


def _judged(studies: pd.DataFrame) -> dict[str, Any] | None:
    """How many of the studies have which overall risk of bias, the best level first; None where nothing was judged."""
    tool = tools().get(str(studies.attrs.get("bias_tool")))
    if tool is None or COLUMN not in studies.columns:
        return None
    levels = [tool.level(value, OVERALL) if isinstance(value, str) and value else None for value in studies[COLUMN].tolist()]
    counts = {level.title: levels.count(level) for level in tool.categories if level in levels}
    return {"tool": tool.title, "levels": counts, "without": levels.count(None)} if counts else None


def plain_tree(content: dict[str, Any]) -> dict[str, Any]:
    """`content` with values that JSON can represent."""
    return {str(key): plain(value) for key, value in content.items()}


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """A frame as CSV, written atomically, with harmless cells."""
    rows = ([plain(value) for value in row] for row in without_marks(frame).itertuples(index=False))
    write_csv(path, [str(c) for c in frame.columns], rows)


@checked()
def save_analysis(
    folder: str | Path,
    kind: str,
    title: str,
    result: Any,
    *,
    frames: Mapping[str, pd.DataFrame] | None = None,
    evidence: str | None = None,
) -> list[Path]:
    """Write the numbers of an analysis: numbers.json, a CSV for each frame, and the R script of a comparison or a regression.

    Parameters
    ----------
    folder
        The target; it is created if needed. Each file is written atomically.
    kind
        "findings", "comparison", "benefit_risk", "heterogeneity" or "sensitivity".
    title
        Its title in the list of reports.
    result
        The analysis: anything with ``sentence()`` and ``to_dict()``.
    frames
        Name of a file (without ``.csv``) -> its frame.
    evidence
        Fingerprint of the tables.

    Returns
    -------
    list of Path
        The files written.
    """
    check_choice("kind", kind, tuple(titles()))
    if not hasattr(result, "sentence") or not hasattr(result, "to_dict"):
        raise ArgumentError(f"result={shorten(type(result).__name__)!r} is not the result of an analysis.")
    to = Path(folder)
    content = {
        "kind": kind,
        "title": title,
        # The list of reports shows the test of a comparison, not every group.
        "sentence": getattr(result, "test_sentence", result.sentence)(),
        "analysis": plain(result.to_dict()),
        "evidence": evidence,
    }
    files = [to / "numbers.json"]
    write_json(files[0], content)
    for name, frame in (frames or {}).items():
        files.append(to / f"{slug(name)}.csv")
        write_frame(files[-1], frame)
    if isinstance(result, Comparison | Regression):
        # Some comparisons and regressions have no script, for reasons that to_r names.
        with suppress(ArgumentError):
            result.to_r(to / SCRIPT)
            files.append(to / SCRIPT)
    return files
