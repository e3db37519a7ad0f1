"""The pooled numbers of every report of a plan in one batch call, before the first notebook runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.results import plain
from metanet.base.whole_files import write_csv
from metanet.evidence import Evidence
from metanet.reporting.plan.jobs import Job, known_parameters
from metanet.reporting.plan.registry import rows_of

if TYPE_CHECKING:
    import pandas as pd


_MODEL = ("model", "ci", "level")


def pooled_numbers(jobs: Sequence[Job], evidence: Evidence) -> pd.DataFrame:
    """Pool what the reports of pooled rates will pool; reports of other kinds have no row.

    Parameters
    ----------
    jobs
        As `planned` gives them.
    evidence
        What they rest on.

    Returns
    -------
    pandas.DataFrame
        One row for each report: folder, title, then what `pool_many` gives. The numbers are those that the reports print.
    """
    import pandas as pd

    from metanet.models.pooling.pool import pool_many

    batches: dict[tuple[Any, ...], list[pd.DataFrame]] = {}
    titles: dict[str, str] = {}
    selected: dict[tuple[Any, ...], pd.DataFrame] = {}
    for job in jobs:
        outcome, group = job.subset
        if not isinstance(outcome, str) or group is None or "modality_class" not in job.identity:
            continue
        given = {**known_parameters(job.notebook), **job.parameters}
        chosen = rows_of(given)
        key = (outcome, group, *sorted(chosen.items()))
        if key not in selected:
            selected[key] = evidence.rates(outcome, modality=group, **chosen)
        titles[job.folder] = job.title
        options = tuple((name, given[name]) for name in _MODEL if given.get(name) is not None)
        batches.setdefault(options, []).append(selected[key].assign(folder=job.folder))
    made = [
        pool_many(pd.concat(parts, ignore_index=True), "folder", study="study", **dict(options)) for options, parts in batches.items()
    ]
    if not made:
        return pd.DataFrame(columns=["folder", "title"])
    frame = pd.concat(made, ignore_index=True)
    order = {folder: place for place, folder in enumerate(titles)}
    frame = frame.sort_values("folder", key=lambda column: column.map(order), kind="stable", ignore_index=True)
    frame.insert(1, "title", frame["folder"].map(titles))
    return frame


def write_numbers(path: Path, jobs: Sequence[Job], evidence: Evidence) -> int:
    """Write them as CSV and return their number."""
    frame = pooled_numbers(jobs, evidence)
    rows = ([plain(value) for value in row] for row in frame.itertuples(index=False, name=None))
    write_csv(path, [str(name) for name in frame.columns], rows)
    return len(frame)
