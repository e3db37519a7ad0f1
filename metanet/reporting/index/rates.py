"""The list of pooled rates on the index: a line each, as HTML for the first of them and as data for the others."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from metanet.base.display import RATE, TOO_WIDE, interval, per_cent
from metanet.base.untrusted import html_text, listing
from metanet.evidence import Evidence
from metanet.models.registry import MODELS
from metanet.reporting.index.lines import Report
from metanet.reporting.saved import digits_of, number_of, rates_of

#: So many lines are in the page as HTML, which a browser shows without the script; the script draws the others as they are needed.
DRAWN = 300
#: Columns of the list: heading, how it is sorted, whether its cells are numbers.
COLUMNS = (
    ("Outcome", "text", False),
    ("Modality", "text", False),
    ("Median, %", "number", True),
    ("Interval", "number", True),
    ("Average, %", "number", True),
    ("Interval of the average", "number", True),
    ("Prediction interval", "number", True),
    ("k", "number", True),
    ("Events/total", "total", True),
    ("Status", "text", False),
)
#: Files of a report that the list links to, with their labels.
FILES = (
    ("notebook", "report.ipynb"),
    ("PDF", "report.pdf"),
    ("Word", "report.docx"),
    ("forest plot", "forest.svg"),
    ("numbers", "numbers.csv"),
    ("R script", "check.R"),
)


@dataclass(frozen=True)
class Line:
    """What the list says of one report: `cells` are the texts of the columns of numbers, `kind` is the class of its row."""

    report: Report
    cells: tuple[str, ...]
    status: str
    model: str
    kind: str


def line_of(report: Report) -> Line:
    """The line of a report."""
    result = report.result
    rates = rates_of(result)
    vague = not report.failed and RATE.is_vague(*rates[0][1:])
    status = "failed" if report.failed else _status(result, vague)
    status += _judged(report.numbers.get("risk_of_bias"))
    status += " (made from other evidence)" if report.stale else ""
    # numbers.json may have been edited: a model is a text that is known, or nothing.
    name = str(result.get("model"))
    title = MODELS[name].title if name in MODELS and result.get("status") != "not pooled" else ""
    cells = [""] * 7
    if not report.failed:
        low, high = (number_of(result.get(name)) for name in ("pi_lower", "pi_upper"))
        # The decimals of the estimate for everything beside it, as in its report.
        digits = digits_of(result)
        cells = []
        for value, lower, upper in rates:
            cells += [per_cent(value, digits), interval(lower, upper, digits)]
        cells += [interval(low, high, digits), str(result.get("k", "")), f"{result.get('events')}/{result.get('n')}"]
    return Line(report, tuple(cells), status, title, "failed" if report.failed else "faint" if vague else "")


def _status(result: Mapping[str, Any], vague: bool) -> str:
    """The status of a saved result, what it rests on, and whether its interval says anything."""
    parts = [str(result.get("status", ""))]
    events, total = result.get("events"), result.get("n")
    if result.get("status") == "pooled" and result.get("model") == "bayes" and isinstance(events, int) and events in (0, total):
        parts.append(f"{'no events' if events == 0 else 'events only'}: estimate partly from the prior")
    return "; ".join([*parts, *([TOO_WIDE] if vague else [])])


def _judged(found: object) -> str:
    """How many studies have which risk of bias; numbers.json may have been edited, so that only what is of its form is said."""
    levels = found.get("levels") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(levels, dict):
        return ""
    told = [f"{count} {str(level).lower()}" for level, count in levels.items() if isinstance(count, int)]
    without = found.get("without")
    told += [f"{without} not assessed"] if isinstance(without, int) and without else []
    return f"; risk of bias: {listing(told, 9)}" if told else ""


def address(folder: str, name: str) -> str:
    """A file of a report, seen from the index; no name of a folder makes it anything but a file below it."""
    return f"{quote(folder)}/{quote(name)}"


def links(report: Report, files: Sequence[tuple[str, str]] = FILES) -> str:
    """Links to the files that exist; each label names the report, for screen readers."""
    title = html_text(report.title)
    return " · ".join(
        f'<a href="{html_text(address(report.folder, name))}" aria-label="{text}: {title}">{text}</a>'
        for text, name in files
        if name in report.files
    )


def table(lines: Sequence[Line]) -> str:
    """The list with its first lines."""
    head = "".join(f'<th scope="col" data-sort="{kind}"{_num(right)}>{text}</th>' for text, kind, right in COLUMNS)
    body = "".join(map(_row, lines[:DRAWN]))
    rest = len(lines) - DRAWN
    more = (
        f'<button id="more" type="button" hidden>Show more</button><noscript><p>{rest} more are not shown without scripts; they are '
        'in <a href="index.csv">index.csv</a>.</p></noscript>'
        if rest > 0
        else ""
    )
    return (
        '<div class="scroll" tabindex="0" role="group" aria-labelledby="list">'
        f'<table id="rates" class="rates" aria-labelledby="list"><thead><tr>{head}<th scope="col">Files</th></tr>'
        f"</thead><tbody>{body}</tbody></table></div>{more}"
    )


def _row(line: Line) -> str:
    report = line.report
    outcome, group = map(html_text, report.subset)
    mark = f' class="{line.kind}"' if line.kind else ""
    link = f'<a href="{html_text(address(report.folder, "report.html"))}">{html_text(report.modality)}</a>'
    numbers = "".join(f'<td class="num">{html_text(text)}</td>' for text in line.cells)
    model = f"{html_text(line.model)}. " if line.model else ""
    return (
        f'<tr{mark} data-outcome="{outcome}" data-group="{group}"><th scope="row">{html_text(report.outcome)}</th><td>{link}</td>'
        f'{numbers}<td>{html_text(line.status)}</td><td class="links"><details><summary aria-label="Files: {html_text(report.title)}">'
        f"Files</summary>{model}{links(report)}</details></td></tr>"
    )


def _num(yes: bool) -> str:
    return ' class="num"' if yes else ""


def data(lines: Sequence[Line], evidence: Evidence | None) -> str:
    """The lines that are not in the page, and where each study is, as JSON; empty where there is neither."""
    found: dict[str, Any] = {}
    if rest := lines[DRAWN:]:
        words: dict[str, int] = {}

        def place(text: str) -> int:
            return words.setdefault(text, len(words))

        found["rows"] = [
            [
                *(place(text) for text in (*line.report.subset, line.report.outcome, line.report.modality)),
                line.report.folder,
                "|".join(line.cells),
                *(place(text) for text in (line.status, line.model, line.kind, line.report.title)),
                sum(1 << bit for bit, (_, name) in enumerate(FILES) if name in line.report.files),
            ]
            for line in rest
        ]
        found["words"] = list(words)
        found["files"] = FILES
    if evidence is not None and (studies := _studies(evidence)):
        found["studies"] = studies
    return json.dumps(found, ensure_ascii=True, separators=(",", ":")) if found else ""


def _studies(evidence: Evidence) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Name and title of every study, and the outcomes and modality classes that it reports."""
    arms = {(row["study_id"], row["arm"]): str(row["modality_class"]) for row in evidence.arms.to_dict("records")}
    places: dict[str, dict[tuple[str, str], None]] = {}
    for outcome, study, arm in evidence.outcomes[["outcome", "study_id", "arm"]].itertuples(index=False, name=None):
        places.setdefault(study, {})[outcome, arms.get((study, arm), "")] = None
    titles = {row["study_id"]: row.get("title") for row in evidence.studies.to_dict("records")}
    labels = evidence.labels
    return [
        (labels.get(study, study), text if isinstance(text := titles.get(study), str) else "", list(found))
        for study, found in places.items()
    ]


def csv_rows(lines: Sequence[Line]) -> list[list[str]]:
    """The list as rows of texts, with a head."""
    head = [text for text, _, _ in COLUMNS] + ["Model", "Report"]
    return [
        head,
        *([line.report.outcome, line.report.modality, *line.cells, line.status, line.model, line.report.folder] for line in lines),
    ]
