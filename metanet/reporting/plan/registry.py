"""The registry of notebooks: what each one is called, which reports it makes, and where they are filed.

A notebook is one file in `analyses/` and one function here that bears `notebook`. Plans, the command line, the list of reports,
new reviews and the warm process read the registry; a notebook without a row, a test or a line in `docs/reports.md` fails a test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from metanet.base.errors import ArgumentError
from metanet.reporting.files import outcome_folder, slug

if TYPE_CHECKING:
    from metanet.evidence import Evidence
    from metanet.reporting.plan.jobs import Subset


#: Folder of the reports that repeat a published pooling.
REPLICATION = "replication"
#: Folder of the analyses beside the pooled rates: one folder for each kind, one in it for each analysis.
ANALYSES_FOLDER = "analyses"
#: Parameters that choose rows; every notebook that has them gives them the same meaning.
ROWS = ("overlap", "certainty", "definition", "risk_of_bias")
#: A name that a notebook of one's own may use for something else: it chooses rows beside this one alone.
_WITH = {"tool": "risk_of_bias"}


def rows_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a notebook that choose rows, as arguments of `Evidence.rates`; those without a value are left out."""
    names = [*ROWS, *(name for name, other in _WITH.items() if other in given)]
    return {name: given[name] for name in names if given.get(name) is not None}


#: Studies that heterogeneity and sensitivity need.
_LEAST_STUDIES = 3
#: Modality classes that are joined by comparisons within studies: two are no network.
_LEAST_TREATMENTS = 3
#: Benefits that are plotted against the harm reported for most modality classes.
_BENEFITS = 2


@dataclass(frozen=True)
class Subject:
    """What one report is about: its folder, its title, its rows, its parameters, and what its numbers say when it fails."""

    folder: str
    title: str
    subset: Subset
    parameters: Mapping[str, Any] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """The part of the evidence that reports are made of: outcomes, modality classes (None takes all) and choices of rows."""

    evidence: Evidence
    outcomes: tuple[str, ...] | None
    modalities: tuple[str, ...] | None
    chosen: Mapping[str, Any]

    @cached_property
    def pairs(self) -> list[tuple[str, str]]:
        """Outcomes and modality classes with at least one row under the choices."""
        names: Sequence[str] = self.outcomes or self.evidence.outcome_names
        classes = self.modalities or self.evidence.modality_classes
        wanted = self.chosen.get("definition")
        if wanted is not None and self.outcomes is None:
            # A definition belongs to one outcome; the others have nothing to report under it.
            names = [
                name for name in names if any(wanted in (family, *rest) for family, rest in self.evidence.definitions(name).items())
            ]
        found = [(name, group) for name in names for group in classes if self.evidence.has_rates(name, modality=group, **self.chosen)]
        if not found:
            what = [", ".join(part) if part else "any" for part in (self.outcomes or (), self.modalities or ())]
            raise ArgumentError(f"There is no poolable study for outcome={what[0]!r}, modality={what[1]!r} under these choices.")
        return found

    @property
    def names(self) -> list[str]:
        """The outcomes of the pairs."""
        return list(dict.fromkeys(name for name, _ in self.pairs))

    @property
    def groups(self) -> list[str]:
        """The modality classes of the pairs."""
        return list(dict.fromkeys(group for _, group in self.pairs))

    def rates(self, outcome: str, group: str) -> Any:
        """The rows of a pair."""
        return self.evidence.rates(outcome, modality=group, **self.chosen)


Subjects = Callable[[Scope], Iterator[Subject]]


@dataclass(frozen=True)
class Notebook:
    """One notebook.

    Attributes
    ----------
    name
        Its name as an analysis.
    file
        The notebook in `analyses/`.
    title
        What a reader calls its reports, as a heading of the list of reports.
    shows
        What one report is about, in one line.
    subjects
        The reports that it makes.
    pools
        Whether its reports are pooled rates, listed as such, and not analyses beside them.
    curated
        Whether it is about the curated tables alone.
    nothing
        What a run says where the evidence gives it no report; empty where that needs no word.
    """

    name: str
    file: str
    title: str
    shows: str
    subjects: Subjects
    pools: bool = False
    curated: bool = False
    nothing: str = ""


_FOUND: dict[str, Notebook] = {}


def notebook(name: str, file: str, **row: Any) -> Callable[[Subjects], Subjects]:
    """Enter the function that gives the reports of a notebook into the registry."""

    def enter(subjects: Subjects) -> Subjects:
        _FOUND[name] = Notebook(name, file, subjects=subjects, **row)
        return subjects

    return enter


#: Every notebook by its name, in the order in which a run makes their reports.
NOTEBOOKS: Mapping[str, Notebook] = MappingProxyType(_FOUND)


def titles() -> dict[str, str]:
    """The kinds of analyses beside the pooled rates, with their titles."""
    return {row.name: row.title for row in NOTEBOOKS.values() if not row.pools}


@notebook(
    "rates", "modality_rate.ipynb", title="Pooled rates", shows="the pooled rate of one outcome in one modality class", pools=True
)
def _rates(scope: Scope) -> Iterator[Subject]:
    for name, group in scope.pairs:
        label = scope.evidence.label(name)
        yield Subject(
            f"{outcome_folder(name)}/{slug(group)}",
            f"{label}: {group}",
            (name, group),
            {"outcome": name, "modality_class": group},
            {"outcome": name, "label": label, "modality_class": group},
        )


def _analysis(kind: str, what: str, title: str, subset: Subset, parameters: Mapping[str, Any] = MappingProxyType({})) -> Subject:
    return Subject(f"{ANALYSES_FOLDER}/{slug(kind)}/{what}", title, subset, parameters, {"kind": kind})


@notebook(
    "findings",
    "modality_findings.ipynb",
    title="Summary of findings by modality",
    shows="all outcomes of one modality class, and the kinds of response in every arm",
)
def _findings(scope: Scope) -> Iterator[Subject]:
    for group in scope.groups:
        yield _analysis("findings", slug(group), f"{group}: summary of findings", (None, group), {"modality_class": group})


@notebook(
    "comparison",
    "compare_modalities.ipynb",
    title="Comparison of modalities",
    shows="the modality classes of one outcome side by side",
)
def _comparison(scope: Scope) -> Iterator[Subject]:
    for name in scope.names:
        if sum(outcome == name for outcome, _ in scope.pairs) > 1:
            title = f"{scope.evidence.label(name)}: modalities compared"
            yield _analysis("comparison", slug(name), title, (name, None), {"outcome": name})


@notebook(
    "network",
    "network.ipynb",
    title="Network meta-analysis",
    shows="three modality classes or more that studies compare within themselves, directly and through each other",
    nothing="No network meta-analysis was made: for no outcome of the run do comparisons within studies join three treatments.",
)
def _network(scope: Scope) -> Iterator[Subject]:
    from metanet.models.network.fit import largest_component

    for name in scope.names:
        rates = scope.evidence.rates(name, within="modality_class", **scope.chosen)
        if largest_component(rates, "study_id", "modality_class") >= _LEAST_TREATMENTS:
            title = f"{scope.evidence.label(name)}: network of modalities"
            yield _analysis("network", slug(name), title, (name, None), {"outcome": name})


@notebook(
    "benefit_risk",
    "benefit_risk.ipynb",
    title="Benefit against harm",
    shows="the rate of a benefit against the rate of a harm, by modality class",
)
def _benefit_risk(scope: Scope) -> Iterator[Subject]:
    evidence, pairs = scope.evidence, scope.pairs
    benefits = [name for name in scope.names if evidence.direction(name) == "higher_is_better"][:_BENEFITS]
    harms = [name for name in scope.names if evidence.direction(name) == "lower_is_better"]
    # The harm that is reported for most modality classes.
    risk = max(harms, key=lambda name: sum(other == name for other, _ in pairs), default="")
    for benefit in benefits if risk else []:
        if {group for name, group in pairs if name == benefit} & {group for name, group in pairs if name == risk}:
            title = f"{evidence.label(benefit)} against {evidence.label(risk).lower()}"
            own = {"benefit": benefit, "risk": risk}
            yield _analysis("benefit_risk", slug(f"{benefit}-{risk}"), title, ((benefit, risk), None), own)


def _enough(scope: Scope, kind: str) -> Iterator[Subject]:
    for name, group in scope.pairs:
        if len(scope.rates(name, group)) >= _LEAST_STUDIES:
            title = f"{scope.evidence.label(name)}: {group}, {kind}"
            own = {"outcome": name, "modality_class": group}
            yield _analysis(kind, f"{slug(name)}-{slug(group)}", title, (name, group), own)


notebook(
    "heterogeneity",
    "heterogeneity.ipynb",
    title="Heterogeneity",
    shows="spread, influence, subgroups and moderators of one pooled rate with three rows or more",
)(partial(_enough, kind="heterogeneity"))
notebook(
    "sensitivity",
    "method_sensitivity.ipynb",
    title="Sensitivity to data and method",
    shows="other data, other methods and calibration of one pooled rate with three rows or more",
)(partial(_enough, kind="sensitivity"))


@notebook(
    "audit",
    "audit.ipynb",
    title="Audit of the counts",
    shows="what the counts of all tables rest on, which printed figures prove them, and what deserves a second look",
)
def _audit(scope: Scope) -> Iterator[Subject]:
    # All tables, whatever part of them is reported.
    yield _analysis("audit", "counts", _FOUND["audit"].title, (None, None))


@notebook(
    "search",
    "search.ipynb",
    title="Search and selection",
    shows="the PRISMA 2020 flow diagram, searches, excluded reports and the checklist, of a review that has tables of its search",
    nothing="No report of the search was made: search_flow.csv, searches.csv and excluded.csv are empty or not there.",
)
def _search(scope: Scope) -> Iterator[Subject]:
    from metanet.evidence.search.flow import prisma_flow

    evidence = scope.evidence
    if prisma_flow(evidence).reason is None or evidence.optional_rows("searches") or evidence.optional_rows("excluded"):
        yield _analysis("search", "flow", _FOUND["search"].title, (None, None))


@notebook(
    "manuscript",
    "manuscript.ipynb",
    title="Manuscript",
    shows="the review as one document: methods, results, summary of findings, limitations, statements and references",
)
def _manuscript(scope: Scope) -> Iterator[Subject]:
    # The outcomes of a run in part are those of its text.
    chosen = " ".join(scope.outcomes) if scope.outcomes else ""
    yield _analysis("manuscript", "review", _FOUND["manuscript"].title, (None, None), {"outcomes": chosen} if chosen else {})


@notebook(
    "replication",
    "replicate_devcic2014.ipynb",
    title="Replication of published results",
    shows="a published review, pooled again from the curated tables",
    pools=True,
    curated=True,
)
def _replication(scope: Scope) -> Iterator[Subject]:
    about = {"outcome": "replication", "label": _FOUND["replication"].title, "modality_class": "Devcic 2014, TARE"}
    yield Subject(f"{REPLICATION}/devcic2014", "Replication: Devcic 2014", (None, "TARE"), {}, about)


def own_notebook(scope: Scope, name: str, known: Mapping[str, Any]) -> Iterator[Subject]:
    """The reports of a notebook that a plan names by its path: one for each value of the parameters that it has."""
    title = name.replace("_", " ")
    if "outcome" in known and "modality_class" in known:
        for outcome, group in scope.pairs:
            own = {"outcome": outcome, "modality_class": group}
            heading = f"{scope.evidence.label(outcome)}: {group}, {title}"
            yield _analysis(name, f"{slug(outcome)}-{slug(group)}", heading, (outcome, group), own)
    elif "outcome" in known:
        for outcome in scope.names:
            heading = f"{scope.evidence.label(outcome)}: {title}"
            yield _analysis(name, slug(outcome), heading, (outcome, None), {"outcome": outcome})
    elif "modality_class" in known:
        for group in scope.groups:
            yield _analysis(name, slug(group), f"{group}: {title}", (None, group), {"modality_class": group})
    else:
        yield _analysis(name, "all", title, (None, None))
