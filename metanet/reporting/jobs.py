"""A report to make, and what became of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: Outcome, several outcomes or None for all, and modality class or None for all.
Subset = tuple[str | tuple[str, ...] | None, str | None]


@dataclass(frozen=True)
class Job:
    """A report to make: its notebook, its checked parameters, its title and its folder below the output.

    `identity` goes into the numbers of a report that failed, so that the list of reports knows what it is; `subset` names the rows
    that it rests on (outcome and modality class, None for all), for the journal.
    """

    notebook: Path
    parameters: dict[str, Any]
    title: str
    folder: str
    identity: dict[str, Any] = field(default_factory=dict)
    subset: Subset = (None, None)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {**asdict(self), "notebook": str(self.notebook), "subset": list(self.subset)}

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Job:
        """From what `to_dict` gave."""
        first, second = given["subset"]
        first = tuple(first) if isinstance(first, list) else first
        return cls(**{**given, "notebook": Path(given["notebook"]), "subset": (first, second)})


@dataclass(frozen=True)
class Outcome:
    """What became of a job: its numbers (None without), the error in one line, the time in seconds, whether it was there already."""

    job: Job
    numbers: dict[str, Any] | None
    error: str | None
    seconds: float
    kept: bool = False
