"""What stands in a folder of reports: every report read once, for the list, the overview and the supplement."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metanet.errors import MetanetError
from metanet.evidence import Evidence
from metanet.reporting.analysis_files import KINDS
from metanet.reporting.files import outcome_folder, read_object

#: Folder of the reports that repeat a published pooling.
REPLICATION = "replication"
#: Folder of the analyses beside the pooled rates: one folder for each kind, one in it for each analysis.
ANALYSES_FOLDER = "analyses"


@dataclass(frozen=True)
class Report:
    """A report in the folder: its place, its numbers, what it says of itself, its files, whether the evidence has changed since."""

    folder: str
    numbers: Mapping[str, Any]
    about: Mapping[str, Any]
    files: frozenset[str]
    stale: bool

    @property
    def failed(self) -> bool:
        """Whether it has an error instead of numbers."""
        return "error" in self.numbers

    @property
    def result(self) -> Mapping[str, Any]:
        """The pooled result; empty where there is none."""
        found = self.numbers.get("result")
        return found if isinstance(found, dict) else {}

    @property
    def subset(self) -> tuple[str, str]:
        """Outcome and modality class that it is about; "" where it is about several."""
        found = self.about.get("subset")
        first, second = found if isinstance(found, list) and len(found) == 2 else (None, None)
        one = first if isinstance(first, str) else self._named("outcome")
        return one, second if isinstance(second, str) else self._named("modality_class")

    def _named(self, name: str) -> str:
        return str(self.numbers.get(name) or "") if self.kind == "" else ""

    @property
    def kind(self) -> str:
        """Kind of an analysis; "" for a pooled rate."""
        parts = self.folder.split("/")
        return parts[1] if parts[0] == ANALYSES_FOLDER and len(parts) == 3 else ""

    @property
    def outcome(self) -> str:
        """The outcome of a pooled rate, as the list calls it."""
        if self.folder.startswith(f"{REPLICATION}/"):
            return "Replication of published results"
        name = str(self.numbers.get("label") or self.numbers.get("outcome") or self.folder.split("/")[0])
        return f"{name} ({self.numbers['definition']})" if self.numbers.get("definition") else name

    @property
    def modality(self) -> str:
        """The modality class of a pooled rate, with what tells it from others of the same class."""
        name = str(self.numbers.get("modality_class") or self.folder.split("/")[-1])
        variant = self.numbers.get("variant") or self.about.get("variant")
        return f"{name} ({variant})" if variant else name

    @property
    def title(self) -> str:
        """What the report is called."""
        return str(self.numbers.get("title") or self.about.get("title") or f"{self.outcome}: {self.modality}")


def read_reports(out: Path, evidence: Evidence | None) -> tuple[list[Report], dict[str, list[Report]]]:
    """The pooled rates below `out` in the order of the evidence in use, and the analyses by their kind."""
    outcomes = {outcome_folder(name): place for place, name in enumerate(evidence.outcome_names if evidence else ())}
    classes = {name: place for place, name in enumerate(evidence.modality_classes if evidence else ())}

    def place(report: Report) -> tuple[int, int, str]:
        first = report.folder.split("/")[0]
        group = str(report.numbers.get("modality_class"))
        return (
            outcomes.get(first, len(outcomes) + (first == REPLICATION)),
            classes.get(group, len(classes)),
            report.folder,
        )

    rates, analyses = [], {kind: [] for kind in KINDS}  # type: tuple[list[Report], dict[str, list[Report]]]
    for first in _folders(out):
        for second in _folders(out / first):
            folder = f"{first}/{second}"
            if (found := _read(out, folder, evidence)) is not None:
                rates.append(found)
            elif first == ANALYSES_FOLDER:
                for third in _folders(out / folder):
                    if (found := _read(out, f"{folder}/{third}", evidence)) is not None:
                        analyses.setdefault(second, []).append(found)
    rates.sort(key=place)
    return rates, analyses


def _folders(path: Path) -> list[str]:
    """Folders in a folder, by name; those that begin with a dot are ours and no reports."""
    try:
        with os.scandir(path) as found:
            return sorted(entry.name for entry in found if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []


def _read(out: Path, folder: str, evidence: Evidence | None) -> Report | None:
    numbers = read_object(out / folder / "numbers.json")
    if numbers is None:
        return None
    about = read_object(out / folder / "about.json")
    with os.scandir(out / folder) as found:
        files = frozenset(entry.name for entry in found if entry.is_file())
    return Report(folder, numbers, about or {}, files, _stale(about, evidence))


def _stale(about: Mapping[str, Any] | None, evidence: Evidence | None) -> bool:
    """Whether a report was made from other rows than the evidence has now for it."""
    if evidence is None:
        return False
    try:
        assert about is not None
        return bool(about["evidence"] != evidence.fingerprint_of(*about["subset"]))
    except (AssertionError, KeyError, TypeError, MetanetError):
        # A report of an outcome that is gone, or of an earlier version.
        return True
