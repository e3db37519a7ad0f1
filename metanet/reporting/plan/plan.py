"""What a run makes: jobs for every outcome and modality class that has a poolable study, all checked before the first runs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metanet.base.errors import ArgumentError, check_choice
from metanet.evidence import Evidence
from metanet.reporting.files import analyses_folder, outcome_folder, slug
from metanet.reporting.index.lines import ANALYSES_FOLDER, REPLICATION
from metanet.reporting.plan.jobs import Job, Subset, check_parameters, known_parameters
from metanet.reporting.results_files import KINDS

#: What a run can make: the pooled rates, what is said about them, and a published pooling repeated.
ANALYSES = ("rates", *KINDS, "replication")
NOTEBOOKS = {
    "rates": "modality_rate.ipynb",
    "findings": "modality_findings.ipynb",
    "comparison": "compare_modalities.ipynb",
    "benefit_risk": "benefit_risk.ipynb",
    "heterogeneity": "heterogeneity.ipynb",
    "sensitivity": "method_sensitivity.ipynb",
    "replication": "replicate_devcic2014.ipynb",
}
#: Parameters of a report that the run sets itself.
OWN = ("outcome", "modality_class", "benefit", "risk", "data", "output_dir")
#: Studies from which on the analyses of one outcome and modality have something to look at.
_LEAST_STUDIES = 3
#: Of the outcomes whose direction the tables tell, so many benefits are set against the harm that most studies report.
_BENEFITS = 2
#: Choices of rows, which every notebook that has them takes in the same sense.
_ROWS = ("overlap", "certainty", "definition")


@dataclass(frozen=True)
class Entry:
    """One kind of report over outcomes and modality classes.

    Attributes
    ----------
    analysis
        One of `ANALYSES`; None for a `notebook` of one's own.
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
        return analyses_folder() / NOTEBOOKS[self.analysis]

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
        check_choice("outcome", name, evidence.outcome_names)
    for name in entry.modalities or ():
        check_choice("modality", name, evidence.modality_classes)
    for name in (*entry.parameters, *entry.vary):
        if name in OWN and name in known_parameters(entry.path):
            raise ArgumentError(f"parameter {name!r} is set by the report itself. Fix: use the argument of report.")
    for parameters, _ in _variants(entry):
        check_parameters(entry.path, parameters)
        for name, words in (
            ("overlap", ("keep_largest", "keep_newest", "keep_all")),
            ("certainty", ("low", "moderate", "high")),
        ):
            if parameters.get(name) is not None and name in known_parameters(entry.path):
                check_choice(name, parameters[name], words)


def _variants(entry: Entry) -> Iterator[tuple[dict[str, Any], str]]:
    """Parameters of every combination, and what tells it from the others in words; "" where there is one."""
    names = list(entry.vary)
    for values in itertools.product(*entry.vary.values()):
        chosen = dict(zip(names, values, strict=True))
        words = ", ".join(f"{name} {'none' if value is None else value}" for name, value in chosen.items())
        yield {**entry.parameters, **chosen}, words


def _jobs(
    entry: Entry, evidence: Evidence, data: str | None, parameters: Mapping[str, Any], variant: str
) -> Iterator[Job]:
    notebook, kind = entry.path, entry.name
    known = known_parameters(notebook)
    given = check_parameters(notebook, parameters)
    suffix = f".{slug(variant)}" if variant else ""
    words = f" ({variant})" if variant else ""

    def job(folder: str, title: str, about: Mapping[str, Any], subset: Subset, **own: Any) -> Job:
        rows = evidence.fingerprint_of(*subset)
        place = {"data": data} if "data" in known else {}
        identity = {**about, "evidence": rows, **({"variant": variant} if variant else {})}
        return Job(notebook, {**given, **own, **place}, f"{title}{words}", f"{folder}{suffix}", identity, subset)

    if entry.analysis == "rates":
        for name, group in pairs_of(entry, evidence, given):
            label = evidence.label(name)
            about = {"outcome": name, "label": label, "modality_class": group}
            yield job(
                f"{outcome_folder(name)}/{slug(group)}",
                f"{label}: {group}",
                about,
                (name, group),
                outcome=name,
                modality_class=group,
            )
        return
    if entry.analysis == "replication":
        about = {
            "outcome": "replication",
            "label": "Replication of published results",
            "modality_class": "Devcic 2014, TARE",
        }
        yield job(f"{REPLICATION}/devcic2014", "Replication: Devcic 2014", about, (None, "TARE"))
        return
    for what, title, subset, own in _subjects(entry, evidence, given, known):
        yield job(
            f"{ANALYSES_FOLDER}/{slug(kind)}/{what}", title, {"kind": kind, "title": f"{title}{words}"}, subset, **own
        )


_Subject = tuple[str, str, Subset, dict[str, Any]]


def _subjects(
    entry: Entry, evidence: Evidence, given: Mapping[str, Any], known: Mapping[str, Any]
) -> Iterator[_Subject]:
    """Folder, title, rows and parameters of what an entry is about."""
    pairs = pairs_of(entry, evidence, given)
    outcomes, groups = (list(dict.fromkeys(pair[i] for pair in pairs)) for i in (0, 1))
    kind = entry.analysis
    if kind == "findings":
        for group in groups:
            yield slug(group), f"{group}: summary of findings", (None, group), {"modality_class": group}
    elif kind == "comparison":
        for name in outcomes:
            if sum(outcome == name for outcome, _ in pairs) > 1:
                yield slug(name), f"{evidence.label(name)}: modalities compared", (name, None), {"outcome": name}
    elif kind == "benefit_risk":
        benefits, risk = _sides(evidence, pairs)
        for benefit in benefits:
            shared = {group for name, group in pairs if name == benefit} & {g for name, g in pairs if name == risk}
            if shared:
                title = f"{evidence.label(benefit)} against {evidence.label(risk).lower()}"
                yield slug(f"{benefit}-{risk}"), title, ((benefit, risk), None), {"benefit": benefit, "risk": risk}
    elif kind in ("heterogeneity", "sensitivity"):
        chosen = {name: given[name] for name in _ROWS if given.get(name) is not None}
        for name, group in pairs:
            if len(evidence.rates(name, modality=group, **chosen)) >= _LEAST_STUDIES:
                title = f"{evidence.label(name)}: {group}, {kind}"
                yield f"{slug(name)}-{slug(group)}", title, (name, group), {"outcome": name, "modality_class": group}
    else:
        yield from _own_notebook(entry, evidence, pairs, outcomes, groups, known)


def _sides(evidence: Evidence, pairs: Sequence[tuple[str, str]]) -> tuple[list[str], str]:
    """Benefits, in the order of the tables, and the harm that is reported for most modality classes; "" where there is none."""
    names = list(dict.fromkeys(name for name, _ in pairs))
    benefits = [name for name in names if evidence.direction(name) == "higher_is_better"][:_BENEFITS]
    harms = [name for name in names if evidence.direction(name) == "lower_is_better"]
    risk = max(harms, key=lambda name: sum(other == name for other, _ in pairs), default="")
    return (benefits if risk else []), risk


def _own_notebook(
    entry: Entry,
    evidence: Evidence,
    pairs: Sequence[tuple[str, str]],
    outcomes: Sequence[str],
    groups: Sequence[str],
    known: Mapping[str, Any],
) -> Iterator[_Subject]:
    """A notebook of one's own runs over what its parameters name."""
    title = entry.path.stem.replace("_", " ")
    if "outcome" in known and "modality_class" in known:
        for name, group in pairs:
            about = {"outcome": name, "modality_class": group}
            yield f"{slug(name)}-{slug(group)}", f"{evidence.label(name)}: {group}, {title}", (name, group), about
    elif "outcome" in known:
        for name in outcomes:
            yield slug(name), f"{evidence.label(name)}: {title}", (name, None), {"outcome": name}
    elif "modality_class" in known:
        for group in groups:
            yield slug(group), f"{group}: {title}", (None, group), {"modality_class": group}
    else:
        yield "all", title, (None, None), {}


def pairs_of(entry: Entry, evidence: Evidence, given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Outcomes and modality classes with at least one row under the choices."""
    names: Sequence[str] = entry.outcomes or evidence.outcome_names
    classes = entry.modalities or evidence.modality_classes
    chosen = {name: given[name] for name in _ROWS if given.get(name) is not None}
    wanted = chosen.get("definition")
    if wanted is not None and entry.outcomes is None:
        # A definition belongs to one outcome; the others have nothing to report under it.
        names = [
            name
            for name in names
            if any(wanted in (family, *rest) for family, rest in evidence.definitions(name).items())
        ]
    found = [
        (name, group) for name in names for group in classes if len(evidence.rates(name, modality=group, **chosen))
    ]
    if not found:
        what = [", ".join(part) if part else "any" for part in (entry.outcomes or (), entry.modalities or ())]
        raise ArgumentError(
            f"There is no poolable study for outcome={what[0]!r}, modality={what[1]!r} under these choices."
        )
    return found
