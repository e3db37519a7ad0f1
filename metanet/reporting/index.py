"""reports/index.html: every report with its rate, interval, k, n and links, read from the numbers beside the reports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metanet._version import __version__
from metanet.errors import MetanetError
from metanet.evidence import Evidence
from metanet.models.display import MODEL_NAMES, interval, per_cent
from metanet.reporting.analysis_files import KINDS
from metanet.reporting.files import slug
from metanet.reporting.page import page
from metanet.words import html_text
from metanet.writing.whole_files import write_text

#: Folder of the reports that repeat a published pooling.
REPLICATION = "replication"
#: Folder of the analyses beside the pooled rates: one folder for each kind, one in it for each analysis.
ANALYSES_FOLDER = "analyses"


@dataclass(frozen=True)
class Line:
    """One line of the index, texts ready to be escaped."""

    outcome: str
    modality: str
    model: str
    status: str
    rate: str
    ci: str
    average: str
    prediction: str
    k: str
    counts: str
    folder: str
    failed: bool
    stale: bool


def read_lines(out: Path, evidence: Evidence | None) -> list[Line]:
    """Every report below `out`, outcomes in the order of the evidence in use."""
    places = {slug(name): place for place, name in enumerate(evidence.outcome_names if evidence else ())}

    def place(path: Path) -> tuple[int, str]:
        first = path.relative_to(out).parts[0]
        return places.get(first, len(places) + (first == REPLICATION)), path.as_posix()

    found = []
    for path in sorted(out.glob("*/*/numbers.json"), key=place):
        if any(part.startswith(".") for part in path.relative_to(out).parts):
            continue
        try:
            numbers = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(numbers, dict):
            found.append(_line(path.parent.relative_to(out).as_posix(), numbers, stale(path.parent, evidence)))
    return found


def stale(folder: Path, evidence: Evidence | None) -> bool:
    """Whether a report was made from other rows than the evidence has now for it."""
    if evidence is None:
        return False
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        return bool(about["evidence"] != evidence.fingerprint_of(*about["subset"]))
    except (OSError, ValueError, KeyError, TypeError, MetanetError):
        # A report of an outcome that is gone, or of an earlier version.
        return True


def _line(folder: str, numbers: dict[str, Any], old: bool) -> Line:
    outcome = str(numbers.get("label") or numbers.get("outcome") or folder.split("/")[0])
    if folder.startswith(f"{REPLICATION}/"):
        outcome = "Replication of published results"
    elif numbers.get("definition"):
        outcome += f" ({numbers['definition']})"
    modality = str(numbers.get("modality_class") or folder.split("/")[-1])
    if numbers.get("variant"):
        modality += f" ({numbers['variant']})"
    if "error" in numbers:
        return Line(outcome, modality, "", "failed", "", "", "", "", "", "", folder, True, old)
    result = numbers.get("result") or {}
    return Line(
        outcome,
        modality,
        "–" if result.get("status") == "not pooled" else MODEL_NAMES.get(str(result.get("model")), ""),
        str(result.get("status", "")),
        per_cent(result.get("estimate")),
        interval(result.get("ci_lower"), result.get("ci_upper")),
        per_cent(result.get("marginal_estimate")),
        interval(result.get("pi_lower"), result.get("pi_upper")),
        str(result.get("k", "")),
        f"{result.get('events')}/{result.get('n')}",
        folder,
        False,
        old,
    )


def write_index(out: Path, evidence: Evidence | None = None) -> Path:
    """Write index.html over all reports below `out` and return its path."""
    lines = read_lines(out, evidence)
    outcomes = list(dict.fromkeys(line.outcome for line in lines))
    parts = ["<h1>Pooled rates by outcome and treatment modality</h1>"]
    pooled = sum(line.status in ("pooled", "no events", "only events") for line in lines)
    failed = sum(line.failed for line in lines)
    counts = f"{len(lines)} reports, {pooled} of them pooled"
    if failed:
        counts += f", {failed} failed"
    parts.append(
        f"<p>{html_text(counts)}. Rates and intervals in per cent; the rate is the median of the model named (of a beta-binomial "
        "model the mean), the average is over the population: where studies differ widely they lie far apart. k counts study arms.</p>"
    )
    parts.append(
        "<p>Rates of different modalities come from different, mostly single-arm studies: a comparison between rows is "
        "observational.</p>"
    )
    parts.extend(
        f"<h2>{html_text(name)}</h2>{_table([line for line in lines if line.outcome == name])}" for name in outcomes
    )
    parts.append(_analyses(out, evidence))
    # No date: the same reports have the same list.
    source = f" Evidence sha256 {html_text(evidence.fingerprint[:12])}." if evidence else ""
    parts.append(f"<p><small>metanet {html_text(__version__)}.{source}</small></p>")
    path = out / "index.html"
    write_text(path, page("Pooled rates: all reports", f'<main class="tex2jax_ignore">{"".join(parts)}</main>'))
    return path


def _analyses(out: Path, evidence: Evidence | None) -> str:
    """The analyses beside the pooled rates, by kind, each with what it shows in words."""
    parts = []
    for kind, heading in KINDS.items():
        rows = []
        for path in sorted(out.glob(f"{ANALYSES_FOLDER}/{kind}/*/numbers.json")):
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if not isinstance(found, dict) or path.parent.name.startswith("."):
                continue
            failed = "error" in found
            words = "failed" if failed else str(found.get("sentence", ""))
            if stale(path.parent, evidence):
                words = f"(made from other evidence) {words}"
            folder = html_text(path.parent.relative_to(out).as_posix())
            links = f'<a href="{folder}/report.html">report</a> · <a href="{folder}/report.ipynb">notebook</a>'
            links += "" if failed else f' · <a href="{folder}/numbers.json">numbers</a>'
            mark = ' class="failed"' if failed else ""
            rows.append(
                f"<tr{mark}><td>{html_text(found.get('title', path.parent.name))}</td><td>{html_text(words)}</td><td>{links}</td></tr>"
            )
        if rows:
            head = "".join(f'<th scope="col">{text}</th>' for text in ("Analysis", "What it shows", "Report"))
            table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
            parts.append(f'<h2>{html_text(heading)}</h2><div class="scroll">{table}</div>')
    return "".join(parts)


def _table(lines: list[Line]) -> str:
    head = (
        "Modality class",
        "Model",
        "Status",
        "Rate",
        "Interval",
        "Average",
        "Prediction interval",
        "k",
        "Events/total",
        "Report",
    )
    numeric = {3, 4, 5, 6, 7, 8}
    top = "".join(f'<th scope="col"{_num(i in numeric)}>{html_text(text)}</th>' for i, text in enumerate(head))
    body = []
    for line in lines:
        status = line.status + (" (made from other evidence)" if line.stale else "")
        cells = [
            line.modality,
            line.model,
            status,
            line.rate,
            line.ci,
            line.average,
            line.prediction,
            line.k,
            line.counts,
        ]
        row = "".join(f"<td{_num(i in numeric)}>{html_text(text)}</td>" for i, text in enumerate(cells))
        files = [("report", "report.html"), ("notebook", "report.ipynb")]
        if not line.failed:
            files += [("forest plot", "forest.svg"), ("numbers", "numbers.csv")]
        links = " · ".join(f'<a href="{html_text(line.folder)}/{name}">{text}</a>' for text, name in files)
        mark = ' class="failed"' if line.failed else ""
        body.append(f"<tr{mark}>{row}<td>{links}</td></tr>")
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _num(yes: bool) -> str:
    return ' class="num"' if yes else ""
