"""All reports of one run: what there is to make, several at a time, a summary at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.errors import ArgumentError, check_choice, shorten
from metanet.evidence import Evidence, load_evidence
from metanet.models.cards import card
from metanet.models.display import interval, per_cent, plural
from metanet.reporting.analysis_files import KINDS
from metanet.reporting.files import slug
from metanet.reporting.index import ANALYSES_FOLDER, REPLICATION, write_index
from metanet.reporting.locate import analyses_folder
from metanet.reporting.parameters import check_parameters
from metanet.reporting.run import Job, Outcome, kernel_settings, run_job
from metanet.reporting.warm import Kernels

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("html",)
#: Parameters of a report that the batch sets itself.
_OWN = ("outcome", "modality_class", "data", "output_dir")
#: What a run can make: the pooled rates, what is said about them, and a published pooling repeated.
ANALYSES = ("rates", *KINDS, "replication")
#: Studies from which on the analyses of one outcome and modality have something to look at.
_LEAST_STUDIES = 3
#: Outcomes that are set against each other.
_BENEFITS, _RISK = ("objective_response", "disease_control"), "hepatotoxicity"


@dataclass(frozen=True)
class Batch:
    """What a run made: one outcome for each report, the folder, the index page."""

    out: Path
    index: Path
    outcomes: tuple[Outcome, ...] = field(repr=False)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The reports that failed; each has its traceback in its own page."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)

    @property
    def ok(self) -> bool:
        """Whether every report was made."""
        return not self.failed

    def to_frame(self) -> pd.DataFrame:
        """One row for each report: title, status, estimate, interval, k, n, folder, error, seconds."""
        import pandas as pd

        rows = []
        for made in self.outcomes:
            result = (made.numbers or {}).get("result") or {}
            row = {name: result.get(name) for name in ("status", "estimate", "ci_lower", "ci_upper", "k", "n")}
            row["status"] = "failed" if made.error else row["status"]
            extra = {"folder": str(self.out / made.job.folder), "error": made.error, "seconds": made.seconds}
            rows.append({"title": made.job.title, **row, **extra})
        return pd.DataFrame(rows)

    def _lines(self) -> list[tuple[str, str, str, str, str, str]]:
        out = []
        for made in self.outcomes:
            result = (made.numbers or {}).get("result") or {}
            status = "FAILED" if made.error else str(result.get("status") or (made.numbers or {}).get("kind", ""))
            rate, ci = per_cent(result.get("estimate")), interval(result.get("ci_lower"), result.get("ci_upper"))
            out.append((made.job.title, status, rate, ci, str(result.get("k", "")), str(result.get("n", ""))))
        return out

    def summary(self) -> str:
        """A table of all reports as text, then the failures, then where to look."""
        head = ("report", "status", "rate, %", "interval", "k", "n")
        rows = [head, *self._lines()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = [
            "  ".join(
                text.ljust(w) if i < 2 else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        lines.insert(1, "  ".join("-" * w for w in widths))
        lines += [f"FAILED {made.job.title}: {made.error}" for made in self.failed]
        lines.append(f"{plural(len(self.outcomes), 'report')}, {len(self.failed)} failed. Open {self.index}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Batch of {len(self.outcomes)} reports, {len(self.failed)} failed: {self.index}>"

    def _repr_html_(self) -> str:
        head = ["Report", "Status", "Rate, %", "Interval", "k", "n"]
        return card(f"{len(self.outcomes)} reports in {self.out}", head=head, rows=self._lines())


def report(
    outcome: str | None = None,
    modality: str | None = None,
    *,
    out: str | Path = "reports",
    jobs: int | None = None,
    scheduler: str | None = None,
    formats: Sequence[str] = FORMATS,
    data: str | Path | None = None,
    parameters: Mapping[str, Any] | None = None,
    analyses: Sequence[str] | None = None,
    progress: bool = False,
) -> Batch:
    """Make the reports: the notebook of every outcome and modality class that has a poolable study.

    Parameters
    ----------
    outcome, modality
        One outcome, one modality class; None makes all.
    out
        Folder of the reports; ``index.html`` there lists them.
    jobs
        How many reports are made at the same time; None takes the number of processors.
    scheduler
        Address of a cluster; not available in this version, and refused.
    formats
        "html".
    data
        Folder of the evidence; None takes the curated tables.
    parameters
        Further parameters of the notebook ``modality_rate.ipynb``, such as ``{"overlap": "keep_all"}``. They are checked before
        anything runs.
    analyses
        "rates" (the pooled rates), "findings" (all outcomes of a modality), "comparison" (of the modalities, by outcome),
        "benefit_risk", "heterogeneity" and "sensitivity" (by outcome and modality, from three studies on), "replication". None
        makes all of them in a complete run, and the rates alone where an outcome, a modality or parameters are named.
    progress
        Show a progress bar on standard error.

    Returns
    -------
    Batch
        What was made. A report that fails leaves its traceback in its own page and does not stop the others.

    Raises
    ------
    ArgumentError
        An unknown outcome, modality class or parameter, with the nearest known word.
    DataError
        Evidence with faults: all of them at once.
    """
    if scheduler is not None:
        raise ArgumentError(
            "scheduler is not available in this version: reports are made on this machine. Mend: leave it out."
        )
    for wanted in formats:
        check_choice("formats", wanted, FORMATS)
    workers = _workers(jobs)
    evidence = load_evidence(data)
    wanted_kinds = _kinds(analyses, complete=outcome is None and modality is None and not parameters)
    folder = None if data is None else str(data)
    todo = list(_plan(evidence, outcome, modality, folder, dict(parameters or {}), wanted_kinds))
    to = Path(out)
    if to.exists() and not to.is_dir():
        raise ArgumentError(f"out={shorten(str(out))!r} is a file, not a folder.")
    to.mkdir(parents=True, exist_ok=True)
    made = _run(todo, to.resolve(), workers, progress=progress)
    index = write_index(to, evidence.fingerprint, evidence.outcome_names)
    return Batch(to, index, tuple(made))


def _workers(jobs: int | None) -> int:
    if jobs is None:
        return os.cpu_count() or 1
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1:
        raise ArgumentError(f"jobs={shorten(jobs)!r} must be a whole number of at least 1.")
    return jobs


def _kinds(analyses: Sequence[str] | None, *, complete: bool) -> tuple[str, ...]:
    """The kinds of reports to make."""
    if analyses is None:
        return ANALYSES if complete else ("rates",)
    words = (analyses,) if isinstance(analyses, str) else tuple(analyses)
    if not words:
        raise ArgumentError(f"analyses is empty. Mend: name at least one of {', '.join(map(repr, ANALYSES))}.")
    return tuple(dict.fromkeys(check_choice("analyses", word, ANALYSES) for word in words))


def _plan(
    evidence: Evidence,
    outcome: str | None,
    modality: str | None,
    data: str | None,
    extra: dict[str, Any],
    kinds: Sequence[str],
) -> Iterator[Job]:
    """The jobs of a run, everything checked before the first is given out."""
    notebook = analyses_folder() / "modality_rate.ipynb"
    for name in _OWN:
        if name in extra:
            raise ArgumentError(f"parameter {name!r} is set by the report itself. Mend: use the argument of report.")
    extra = check_parameters(notebook, extra)
    if outcome is not None:
        check_choice("outcome", outcome, evidence.outcome_names)
    if modality is not None:
        check_choice("modality", modality, evidence.modality_classes)
    pairs = _pairs(evidence, outcome, modality, extra)
    if not pairs:
        raise ArgumentError(
            f"There is no poolable study for outcome={outcome or 'any'!r}, modality={modality or 'any'!r} under these choices."
        )
    for name, modality_class in pairs if "rates" in kinds else ():
        label = evidence.label(name)
        parameters = {**extra, "outcome": name, "modality_class": modality_class, "data": data}
        identity = {"outcome": name, "label": label, "modality_class": modality_class, "evidence": evidence.fingerprint}
        title = f"{label}: {modality_class}"
        yield Job(notebook, parameters, title, f"{slug(name)}/{slug(modality_class)}", identity)
    yield from _analyses(evidence, pairs, data, kinds)
    if "replication" in kinds and outcome is None and modality is None and data is None and not extra:
        replication = analyses_folder() / "replicate_devcic2014.ipynb"
        identity = {
            "outcome": "replication",
            "label": "Replication of published results",
            "modality_class": "Devcic 2014, TARE",
        }
        yield Job(replication, {}, "Replication: Devcic 2014", f"{REPLICATION}/devcic2014", identity)


def _analyses(
    evidence: Evidence, pairs: Sequence[tuple[str, str]], data: str | None, kinds: Sequence[str]
) -> Iterator[Job]:
    """The analyses beside the pooled rates."""
    folder = analyses_folder()

    def job(kind: str, notebook: str, about: str, title: str, **parameters: Any) -> Job:
        identity = {"kind": kind, "title": title, "evidence": evidence.fingerprint}
        return Job(
            folder / notebook, {**parameters, "data": data}, title, f"{ANALYSES_FOLDER}/{kind}/{about}", identity
        )

    for group in dict.fromkeys(group for _, group in pairs) if "findings" in kinds else ():
        title = f"{group}: summary of findings"
        yield job("findings", "modality_findings.ipynb", slug(group), title, modality_class=group)
    for name in dict.fromkeys(name for name, _ in pairs) if "comparison" in kinds else ():
        if sum(outcome == name for outcome, _ in pairs) > 1:
            title = f"{evidence.label(name)}: modalities compared"
            yield job("comparison", "compare_modalities.ipynb", slug(name), title, outcome=name)
    for benefit in _BENEFITS if "benefit_risk" in kinds else ():
        shared = {group for name, group in pairs if name == benefit} & {group for name, group in pairs if name == _RISK}
        if shared:
            title = f"{evidence.label(benefit)} against {evidence.label(_RISK).lower()}"
            yield job(
                "benefit_risk", "benefit_risk.ipynb", slug(f"{benefit}-{_RISK}"), title, benefit=benefit, risk=_RISK
            )
    for kind, notebook, words in (
        ("heterogeneity", "heterogeneity.ipynb", "heterogeneity"),
        ("sensitivity", "method_sensitivity.ipynb", "sensitivity"),
    ):
        for name, group in pairs if kind in kinds else ():
            if len(evidence.rates(name, modality=group)) >= _LEAST_STUDIES:
                title = f"{evidence.label(name)}: {group}, {words}"
                about = f"{slug(name)}-{slug(group)}"
                yield job(kind, notebook, about, title, outcome=name, modality_class=group)


def _pairs(
    evidence: Evidence, outcome: str | None, modality: str | None, extra: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Outcomes and modality classes with at least one row under the choices."""
    names = evidence.outcome_names if outcome is None else (outcome,)
    classes = evidence.modality_classes if modality is None else (modality,)
    chosen = {key: extra[key] for key in ("overlap", "certainty", "definition") if extra.get(key) is not None}
    wanted = chosen.get("definition")
    if wanted is not None and outcome is None:
        # A definition belongs to one outcome; the others have nothing to report under it.
        names = tuple(
            name
            for name in names
            if any(wanted in (family, *rest) for family, rest in evidence.definitions(name).items())
        )
    return [(name, group) for name in names for group in classes if len(evidence.rates(name, modality=group, **chosen))]


def _run(todo: Sequence[Job], out: Path, workers: int, *, progress: bool) -> list[Outcome]:
    """Run the jobs on threads: the work is in the kernels, which are processes of their own."""
    from tqdm import tqdm

    made: dict[str, Outcome] = {}
    with (
        kernel_settings(),
        # A warm server pays off from the second report on.
        Kernels(warm=len(todo) > 1) as kernels,
        tqdm(total=len(todo), desc="reports", unit="report", disable=not progress, dynamic_ncols=True) as bar,
        ThreadPoolExecutor(max_workers=min(workers, len(todo))) as pool,
    ):
        futures = [pool.submit(run_job, job, out, kernels) for job in todo]
        try:
            for future in as_completed(futures):
                outcome = future.result()
                made[outcome.job.folder] = outcome
                bar.set_postfix_str(shorten(outcome.job.title, 40), refresh=False)
                bar.update()
        except BaseException:
            for future in futures:
                future.cancel()
            raise
    return [made[job.folder] for job in todo]
