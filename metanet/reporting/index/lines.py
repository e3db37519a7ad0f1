"""The reports that the index lists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metanet.base.errors import MetanetError
from metanet.base.groups import Key, natural
from metanet.evidence import Evidence
from metanet.reporting.files import outcome_folder, read_object, single_numbers
from metanet.reporting.plan.registry import ANALYSES_FOLDER, NOTEBOOKS, REPLICATION, titles


@dataclass(frozen=True)
class Report:
    """A report: its folder, its numbers, its description, its files, and whether the evidence has changed since.

    It is `gone` where the evidence no longer has rows of its outcome and modality class. Of its numbers it holds those that stand
    alone, and the judgements of the risk of bias; `studies` is how many studies were pooled, by their names.
    """

    folder: str
    numbers: Mapping[str, Any]
    about: Mapping[str, Any]
    files: frozenset[str]
    stale: bool
    gone: bool = False
    studies: int = 0

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
        """Outcome and modality class of the report; "" where it covers several."""
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
        """The outcome of a pooled rate, as listed."""
        if self.folder.startswith(f"{REPLICATION}/"):
            return NOTEBOOKS[REPLICATION].title
        name = str(self.numbers.get("label") or self.numbers.get("outcome") or self.folder.split("/")[0])
        definition = self.numbers.get("definition_title") or self.numbers.get("definition")
        return f"{name} ({definition})" if definition else name

    @property
    def modality(self) -> str:
        """The modality class of a pooled rate, with its variant."""
        name = str(self.numbers.get("modality_class") or self.folder.split("/")[-1])
        variant = self.numbers.get("variant") or self.about.get("variant")
        return f"{name} ({variant})" if variant else name

    @property
    def title(self) -> str:
        """The title of the report."""
        return str(self.numbers.get("title") or self.about.get("title") or f"{self.outcome}: {self.modality}")


def read_reports(out: Path, evidence: Evidence | None) -> tuple[list[Report], dict[str, list[Report]], list[Report]]:
    """The pooled rates below `out` in the order of the evidence, the analyses by their kind, and the reports that are `gone`."""
    pairs = _pairs(evidence)
    outcomes = {outcome_folder(name): place for place, name in enumerate(evidence.outcome_names if evidence else ())}
    classes = {name: place for place, name in enumerate(evidence.modality_classes if evidence else ())}

    def place(report: Report) -> tuple[int, int, Key]:
        first = report.folder.split("/")[0]
        group = str(report.numbers.get("modality_class"))
        return (outcomes.get(first, len(outcomes) + (first == REPLICATION)), classes.get(group, len(classes)), natural(report.folder))

    rates, analyses = [], {kind: [] for kind in titles()}  # type: tuple[list[Report], dict[str, list[Report]]]
    for first in _folders(out):
        for second in _folders(out / first):
            folder = f"{first}/{second}"
            if (found := _read(out, folder, evidence, pairs)) is not None:
                rates.append(found)
            elif first == ANALYSES_FOLDER:
                for third in _folders(out / folder):
                    if (found := _read(out, f"{folder}/{third}", evidence, pairs)) is not None:
                        analyses.setdefault(second, []).append(found)
    rates.sort(key=place)
    gone = [report for found in (rates, *analyses.values()) for report in found if report.gone]
    listed = {kind: [report for report in found if not report.gone] for kind, found in analyses.items()}
    return [report for report in rates if not report.gone], listed, gone


def _folders(path: Path) -> list[str]:
    """Folders in a folder, by name, without those that begin with a dot, which are not reports."""
    try:
        with os.scandir(path) as found:
            return sorted((entry.name for entry in found if entry.is_dir() and not entry.name.startswith(".")), key=natural)
    except OSError:
        return []


def _pairs(evidence: Evidence | None) -> frozenset[tuple[str, str]]:
    """Outcome and modality class of every row of the evidence."""
    if evidence is None:
        return frozenset()
    arms = {(row["study_id"], row["arm"]): row["modality_class"] for row in evidence.arms.to_dict("records")}
    rows = evidence.outcomes[["outcome", "study_id", "arm"]].itertuples(index=False, name=None)
    return frozenset((outcome, str(arms.get((study, arm)))) for outcome, study, arm in rows)


def _gone(about: Mapping[str, Any] | None, pairs: frozenset[tuple[str, str]]) -> bool:
    """Whether the evidence has no row of an outcome of a report, or none of its modality class."""
    subset = None if about is None else about.get("subset")
    if not pairs or not isinstance(subset, list) or len(subset) != 2:
        return False
    first, group = subset
    names = [first] if isinstance(first, str) else first if isinstance(first, list) else []
    outcomes = {outcome for outcome, _ in pairs}
    if any(name not in outcomes for name in names):
        return True
    return group is not None and not any(own == group and (not names or outcome in names) for outcome, own in pairs)


def _read(out: Path, folder: str, evidence: Evidence | None, pairs: frozenset[tuple[str, str]]) -> Report | None:
    numbers = read_object(out / folder / "numbers.json")
    if numbers is None:
        return None
    result, judged = numbers.get("result"), numbers.get("risk_of_bias")
    rows = result.get("studies") if isinstance(result, dict) else None
    studies = len({str(row.get("study")) for row in rows if isinstance(row, dict)}) if isinstance(rows, list) else 0
    numbers = {**single_numbers(numbers), "risk_of_bias": judged}
    about = read_object(out / folder / "about.json")
    with os.scandir(out / folder) as found:
        files = frozenset(entry.name for entry in found if entry.is_file())
    return Report(folder, numbers, about or {}, files, _stale(about, evidence), _gone(about, pairs), studies)


def _stale(about: Mapping[str, Any] | None, evidence: Evidence | None) -> bool:
    """Whether the rows of a report have changed since it was made."""
    if evidence is None:
        return False
    try:
        assert about is not None
        return bool(about["evidence"] != evidence.fingerprint_of(*about["subset"]))
    except (AssertionError, KeyError, TypeError, MetanetError):
        # A report of a removed outcome, or of an earlier version.
        return True
