"""The jobs of a run: for every outcome and modality class that has a poolable study, all checked before the first one runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metanet.base.errors import ArgumentError, check_choice
from metanet.evidence import Evidence
from metanet.reporting.files import analyses_folder, slug
from metanet.reporting.plan.jobs import Job, check_parameters, known_parameters
from metanet.reporting.plan.registry import NOTEBOOKS, Scope, own_notebook, rows_of

#: Parameters of a report that the run sets itself.
OWN = ("outcome", "modality_class", "benefit", "risk", "data", "output_dir")


@dataclass(frozen=True)
class Entry:
    """One kind of report over outcomes and modality classes.

    Attributes
    ----------
    analysis
        A name of `NOTEBOOKS`; None for a `notebook` given by its path.
    outcomes, modalities
        Which ones; None takes all.
    parameters
        Parameters of the notebook.
    vary
        Parameter -> values: a report for every combination.
    """

    analysis: str | None = "rates"
    notebook: Path | None = None
    outcomes: tuple[str, ...] | None = None
    modalities: tuple[str, ...] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    vary: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The notebook that runs."""
        if self.notebook is not None:
            return self.notebook
        assert self.analysis is not None  # an entry has one of the two
        return analyses_folder() / NOTEBOOKS[self.analysis].file

    @property
    def name(self) -> str:
        """What it is called."""
        return self.analysis or self.path.stem


def jobs_of(entries: Sequence[Entry], evidence: Evidence, data: str | None) -> list[Job]:
    """The jobs of all entries, everything checked.

    Raises
    ------
    ArgumentError
        An unknown outcome, modality class or parameter, with the nearest known word; two entries that would write one folder;
        nothing to make.
    """
    jobs: list[Job] = []
    for entry in entries:
        check_entry(entry, evidence)
        for parameters, variant in _variants(entry):
            jobs += _jobs(entry, evidence, data, parameters, variant)
    seen: dict[str, Job] = {}
    for job in jobs:
        # Names that differ by case are one folder on some systems.
        place = job.folder.casefold()
        if place in seen:
            raise ArgumentError(
                f"Two reports of the plan would be written to {job.folder}: {seen[place].title!r} and {job.title!r}. Fix: vary "
                "the parameter in one entry, or leave one out."
            )
        seen[place] = job
    return jobs


def check_entry(entry: Entry, evidence: Evidence) -> None:
    """Every name and value of an entry."""
    for name in entry.outcomes or ():
        evidence.outcome(name)
    for name in entry.modalities or ():
        check_choice("modality", name, evidence.modality_classes)
    for name in (*entry.parameters, *entry.vary):
        if name in OWN and name in known_parameters(entry.path):
            raise ArgumentError(f"parameter {name!r} is set by the report itself. Fix: use the argument of report.")
    for parameters, _ in _variants(entry):
        check_parameters(entry.path, parameters)
        for name, words in (("overlap", ("keep_largest", "keep_newest", "keep_all")), ("certainty", ("low", "moderate", "high"))):
            if parameters.get(name) is not None and name in known_parameters(entry.path):
                check_choice(name, parameters[name], words)


def _variants(entry: Entry) -> Iterator[tuple[dict[str, Any], str]]:
    """Parameters of every combination, and its description; "" where there is one."""
    names = list(entry.vary)
    for values in itertools.product(*entry.vary.values()):
        chosen = dict(zip(names, values, strict=True))
        words = ", ".join(f"{name} {'none' if value is None else value}" for name, value in chosen.items())
        yield {**entry.parameters, **chosen}, words


def _jobs(entry: Entry, evidence: Evidence, data: str | None, parameters: Mapping[str, Any], variant: str) -> Iterator[Job]:
    notebook = entry.path
    known = known_parameters(notebook)
    given = check_parameters(notebook, parameters)
    chosen = rows_of({**known, **given})
    outcomes = None if entry.outcomes is None else tuple(map(evidence.outcome, entry.outcomes))
    scope = Scope(evidence, outcomes, entry.modalities, chosen)
    suffix = f".{slug(variant)}" if variant else ""
    variant = variant.replace("_", " ")
    subjects = own_notebook(scope, entry.name, known) if entry.analysis is None else NOTEBOOKS[entry.analysis].subjects(scope)
    for about in subjects:
        title = f"{about.title} ({variant})" if variant else about.title
        identity = {**about.identity, **({"title": title} if "kind" in about.identity else {})}
        identity |= {
            "evidence": evidence.fingerprint_of(*about.subset),
            "evidence_name": evidence.name,
            **({"variant": variant} if variant else {}),
        }
        own = {**given, **about.parameters, **({"data": data} if "data" in known else {})}
        yield Job(notebook, own, title, f"{about.folder}{suffix}", identity, about.subset)
