"""`verify`: make the reports of a folder again from their evidence, and compare numbers and pages."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metanet.base.arguments import checked, whole
from metanet.base.display import plural
from metanet.base.errors import ArgumentError, shorten
from metanet.base.temporary import temporary_folder
from metanet.base.untrusted import listing, visible
from metanet.evidence import folders
from metanet.reporting.diff.compare import TOLERANCE, Change, compare_runs
from metanet.reporting.files import analyses_folder
from metanet.reporting.index.lines import Report, read_reports
from metanet.reporting.plan.jobs import Job, check_parameters
from metanet.reporting.run.batch import run_jobs

#: Files that equal numbers and an equal version give byte by byte.
_COMPARED = ("report.html", "numbers.json", "numbers.csv", "studies.csv", "forest.svg")


@dataclass(frozen=True, eq=False, repr=False)
class Verification:
    """What came of making reports again.

    Attributes
    ----------
    folder : str
        The reports.
    changes : tuple of Change
        The reports whose numbers are others, or could not be made again.
    pages : tuple of (str, tuple of str)
        Reports with the same numbers and the files in them that say something else.
    left : tuple of (str, str)
        Reports that were not made again, and why.
    checked : int
        Reports that were made again.
    """

    folder: str
    changes: tuple[Change, ...]
    pages: tuple[tuple[str, tuple[str, ...]], ...]
    left: tuple[tuple[str, str], ...]
    checked: int

    @property
    def ok(self) -> bool:
        """Whether every report that was made again is as it was."""
        return not self.changes and not self.pages

    def sentence(self) -> str:
        """How many reports were made again, and what was found."""
        text = f"{plural(self.checked, 'report')} made again: "
        text += f"the numbers of {len(self.changes)} differ" if self.changes else "all numbers are those of the evidence"
        text += f", and the files of {len(self.pages)} with equal numbers differ" if self.pages else ""
        return f"{text}.{f' Not made again: {len(self.left)}.' if self.left else ''}"

    def summary(self) -> str:
        """Everything as text."""
        lines = [self.sentence()]
        for change in self.changes:
            lines.append(f"{visible(change.folder)}: {change.status}{f': {visible(change.error)}' if change.error else ''}")
            lines += [f"  {name}: {_shown(old)} in the report, {_shown(new)} again" for name, old, new in change.numbers[:20]]
            lines += [f"  {name}: {_shown(old)} in the report, {_shown(new)} again" for name, old, new in change.values[:20]]
            lines += [f"  row of {visible(row.study)}: {row.what}, {visible(row.text)}" for row in change.rows[:20]]
        lines += [f"{visible(folder)}: {listing(names, 9)} would be written otherwise" for folder, names in self.pages]
        lines += [f"{visible(folder)}: {why}" for folder, why in self.left]
        if self.pages:
            lines.append("Files differ where they were edited, or made by another version of metanet or of a package.")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Verification: {self.sentence()}>"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "folder": self.folder,
            "ok": self.ok,
            "checked": self.checked,
            "sentence": self.sentence(),
            "changes": [{"folder": each.folder, "status": each.status, "error": each.error} for each in self.changes],
            "pages": [{"folder": folder, "files": list(names)} for folder, names in self.pages],
            "left": [{"folder": folder, "why": why} for folder, why in self.left],
        }


@checked(jobs=whole(1))
def verify(folder: str | os.PathLike[str], data: str | os.PathLike[str] | None = None, *, jobs: int | None = None) -> Verification:
    """Make the reports of a folder again from their evidence, in another place, and compare.

    Parameters
    ----------
    folder : path-like
        A folder of reports.
    data : path-like, optional
        The evidence; None takes the folder that each report names.
    jobs : int, optional
        Reports made at the same time; None takes the number of processors.

    Returns
    -------
    Verification
        Reports with other numbers, reports whose pages say something else, and those that could not be made again: of notebooks that
        metanet does not have, or that failed.

    Raises
    ------
    ArgumentError
        A folder without reports.

    Notes
    -----
    The journal of a folder knows what was changed by accident. Whoever can write reports can write a journal to match; only the
    evidence tells then.
    """
    place = Path(folder).expanduser()
    found = _reports(place)
    if not found:
        raise ArgumentError(f"folder={shorten(str(folder))!r} has no reports. Fix: name the folder that has index.html.")
    tables = None if data is None else str(folders.given_path(data).resolve())
    todo: list[tuple[Job, tuple[str, ...]]] = []
    left: list[tuple[str, str]] = []
    for report in found:
        try:
            todo.append((_job(report, tables), _formats(report)))
        except ArgumentError as error:
            left.append((report.folder, str(error)))
    with temporary_folder("verify") as again:
        out = again / "reports"
        for formats in dict.fromkeys(formats for _, formats in todo):
            some = [job for job, own in todo if own == formats]
            # A report that names no folder rests on the curated tables, whatever the folder one works in has.
            with folders.fixed(tables):
                run_jobs(some, out, jobs or os.cpu_count() or 1, formats=formats)
        made = {job.folder for job, _ in todo}
        compared = [change for change in compare_runs(place, out, TOLERANCE) if change.folder in made] if made else []
        changes = tuple(change for change in compared if change.status != "same")
        alike = [change.folder for change in compared if change.status == "same"]
        pages = tuple((name, files) for name in alike if (files := _differing(place / name, out / name)))
    return Verification(str(folder), changes, pages, tuple(left), len(todo))


def _reports(place: Path) -> list[Report]:
    if not place.is_dir():
        return []
    rates, analyses, gone = read_reports(place, None)
    return [*rates, *(report for reports in analyses.values() for report in reports), *gone]


def _job(report: Report, data: str | None) -> Job:
    """The job that made a report, by what it says of itself; nothing of it is run that metanet does not have."""
    about = report.about
    if report.failed:
        raise ArgumentError("it has failed")
    name, given = str(about.get("notebook") or ""), about.get("parameters")
    notebook = analyses_folder() / name
    if not name or Path(name).name != name or not notebook.is_file() or not isinstance(given, dict):
        raise ArgumentError(f"its notebook {shorten(name or 'unknown')!r} is none of metanet's")
    parameters = check_parameters(notebook, {str(key): value for key, value in given.items() if key != "output_dir"})
    if data is not None and "data" in parameters:
        parameters["data"] = data
    subset = about.get("subset")
    first, second = subset if isinstance(subset, list) and len(subset) == 2 else (None, None)
    identity = {key: value for key, value in about.items() if key not in ("title", "subset", "notebook", "parameters")}
    # Other evidence gives other numbers, which is for the comparison to say.
    return Job(notebook, parameters, report.title, report.folder, {**identity, "evidence": ""} if data is not None else identity,
               (tuple(first) if isinstance(first, list) else first, second))  # fmt: skip


def _formats(report: Report) -> tuple[str, ...]:
    return ("html", *(name for name in ("pdf", "docx") if f"report.{name}" in report.files))


def _differing(old: Path, new: Path) -> tuple[str, ...]:
    """The files that both have with other bytes."""
    both = [name for name in _COMPARED if (old / name).is_file() and (new / name).is_file()]
    return tuple(name for name in both if _digest(old / name) != _digest(new / name))


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def _shown(value: object) -> str:
    return visible(shorten(str(value), 40)) if not isinstance(value, float) else f"{value:.6g}"
