"""reports/index.html: an overview, every report with its rate, interval, k, n and links, and the analyses."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from metanet._version import __version__
from metanet.base.display import RATE, TOO_WIDE, interval, per_cent, plural
from metanet.base.untrusted import html_text, listing
from metanet.base.whole_files import write_text
from metanet.evidence import Evidence
from metanet.models.registry import MODELS
from metanet.reporting.index.lines import Picture, Report, picture_of, read_reports
from metanet.reporting.page import page
from metanet.reporting.plan.registry import titles
from metanet.reporting.saved import digits_of, number_of, rates_of

#: The script searches, filters and sorts the rows of the page and adds none; without it the page shows all of them in one order.
_STYLE, SCRIPT = (files("metanet.reporting.index").joinpath(name).read_text(encoding="utf-8") for name in ("index.css", "index.js"))
_TITLE = "Pooled rates by outcome and treatment modality"
#: Columns of the list: heading, how it is sorted, whether its cells are numbers.
_COLUMNS = (
    ("Outcome", "text", False),
    ("Modality class", "text", False),
    ("Median, %", "number", True),
    ("Interval", "number", True),
    ("Average, %", "number", True),
    ("Interval of the average", "number", True),
    ("Prediction interval", "number", True),
    ("k", "number", True),
    ("Events/total", "number", True),
    ("Status", "text", False),
    ("Model", "text", False),
)
#: Files of a report that the list links to, with their labels.
_FILES = (
    ("notebook", "report.ipynb"),
    ("PDF", "report.pdf"),
    ("Word", "report.docx"),
    ("forest plot", "forest.svg"),
    ("numbers", "numbers.csv"),
    ("R script", "check.R"),
)


def write_index(out: Path, evidence: Evidence | None = None) -> Path:
    """Write index.html and the overview over all reports below `out`, and return the path of the page.

    The page has no date, so the same reports give the same page.
    """
    rates, analyses, gone = read_reports(out, evidence)
    path = out / "index.html"
    write_text(path, _page(rates, analyses, picture_of(out, rates), evidence, gone))
    return path


def _page(
    rates: Sequence[Report],
    analyses: Mapping[str, Sequence[Report]],
    picture: Picture | None,
    evidence: Evidence | None,
    gone: Sequence[Report],
) -> str:
    kinds = {kind: found for kind, found in analyses.items() if found}
    whose = f'<p class="source">Evidence: {html_text(evidence.name)}</p>' if evidence else ""
    parts = [f"<h1>{_TITLE}</h1>", whose, _contents(picture, kinds), _counts(rates)]
    parts.append(
        "<p>Rates of different modalities come from different, mostly single-arm studies: a comparison between rows is "
        "observational.</p>"
    )
    if picture is not None:
        source = "data:image/svg+xml;base64," + base64.b64encode(picture.svg).decode("ascii")
        parts.append(
            f'<section class="overview"><h2 id="overview">Overview</h2><div class="scroll" tabindex="0" role="region" '
            f'aria-labelledby="overview"><img src="{source}" alt="{html_text(picture.alt)}"></div>'
            '<p><small>The figure as a file: <a href="overview.svg">SVG</a> <a href="overview.png">PNG</a></small></p></section>'
        )
    parts += ['<h2 id="list">All pooled rates</h2>', _controls(rates), _table(rates)]
    inside = "".join(
        f'<section><h2 id="{html_text(kind)}">{html_text(_heading(kind))}</h2>{_analyses(found)}</section>'
        for kind, found in kinds.items()
    )
    parts.append(f'<div id="analyses">{inside}</div>')
    source = f" Evidence: {html_text(evidence.name)} (sha256 {html_text(evidence.fingerprint[:12])})." if evidence else ""
    if gone:
        one = len(gone) == 1
        folders = listing([report.folder for report in gone], 12)
        parts.append(
            f"<p><small>Not listed: {plural(len(gone), 'earlier report')} on rows that the evidence no longer has, in "
            f"{html_text(folders)}. {'Its folder' if one else 'The folders'} can be deleted.</small></p>"
        )
    parts.append(f"<p><small>metanet {html_text(__version__)}.{source}</small></p>")
    body = f'<main class="tex2jax_ignore">{"".join(parts)}</main>'
    return page("Pooled rates: all reports", body, style=_STYLE, script=SCRIPT)


def _heading(kind: str) -> str:
    return titles().get(kind, kind.replace("_", " "))


def _contents(picture: Picture | None, kinds: Iterable[str]) -> str:
    places = [("overview", "Overview")] if picture is not None else []
    places += [("list", "All pooled rates"), *((kind, _heading(kind)) for kind in kinds)]
    links = " ".join(f'<a href="#{html_text(place)}">{html_text(name)}</a>' for place, name in places)
    return f'<nav class="contents" aria-label="On this page">{links}</nav>'


def _counts(rates: Sequence[Report]) -> str:
    pooled = sum(report.result.get("status") in ("pooled", "no events", "only events") for report in rates)
    failed = sum(report.failed for report in rates)
    counts = f"{plural(len(rates), 'report')}, {pooled} of them pooled" + (f", {failed} failed" if failed else "")
    return (
        f"<p>{counts}. Rates and intervals in per cent. The median is the rate to expect in a typical study, the average the rate to "
        "expect among the patients of all such studies together; both are of the primary result of the report. Where nothing was "
        "pooled, the first rate is the observed one. Intervals of Bayesian models are credible intervals, others confidence "
        f"intervals. Grey: the interval {RATE.vague_rule()}, {TOO_WIDE}. k counts study arms.</p>"
    )


def _controls(rates: Sequence[Report]) -> str:
    """The controls of the script; hidden where scripts are disabled."""
    outcomes = {report.subset[0]: report.outcome for report in reversed(rates) if report.subset[0]}
    groups = dict.fromkeys(report.subset[1] for report in rates if report.subset[1])
    return (
        '<div id="controls" class="controls" role="search" hidden>'
        '<label>Search<input id="search" type="search" autocomplete="off" spellcheck="false"></label>'
        f"{_choice('outcome', 'Outcome', dict(reversed(outcomes.items())))}"
        f"{_choice('group', 'Modality class', {name: name for name in groups})}"
        '<button id="reset" type="button">Show all</button></div>'
        '<p id="count" role="status" aria-live="polite"></p>'
    )


def _choice(name: str, label: str, options: Mapping[str, str]) -> str:
    inside = "".join(f'<option value="{html_text(key)}">{html_text(text)}</option>' for key, text in options.items())
    return f'<label>{label}<select id="{name}"><option value="">all</option>{inside}</select></label>'


def _table(rates: Sequence[Report]) -> str:
    head = "".join(f'<th scope="col" data-sort="{kind}"{_num(right)}>{text}</th>' for text, kind, right in _COLUMNS)
    body = "".join(map(_row, rates))
    return (
        '<div class="scroll" tabindex="0" role="region" aria-labelledby="list">'
        f'<table id="rates" class="rates" aria-labelledby="list"><thead><tr>{head}<th scope="col" class="links">Files</th></tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _row(report: Report) -> str:
    result, folder = report.result, html_text(report.folder)
    rates = rates_of(result)
    vague = not report.failed and RATE.is_vague(*rates[0][1:])
    status = "failed" if report.failed else _status(result, vague)
    status += " (made from other evidence)" if report.stale else ""
    # numbers.json may have been edited: a model is a text that is known, or nothing.
    name = str(result.get("model"))
    title = MODELS[name].title.removesuffix(" model") if name in MODELS else ""
    model = "–" if result.get("status") == "not pooled" else title
    events, total = result.get("events"), result.get("n")
    cells: list[tuple[str, Any]] = [("", None)] * 7
    if not report.failed:
        low, high = (number_of(result.get(name)) for name in ("pi_lower", "pi_upper"))
        # The decimals of the estimate for everything beside it, as in its report.
        digits = digits_of(result)
        cells = []
        for value, lower, upper in rates:
            cells += [(per_cent(value, digits), value), (interval(lower, upper, digits), lower)]
        cells += [(interval(low, high, digits), low), (str(result.get("k", "")), result.get("k")), (f"{events}/{total}", total)]
    outcome, group = map(html_text, report.subset)
    mark = ' class="failed"' if report.failed else ' class="faint"' if vague else ""
    link = f'<a href="{folder}/report.html">{html_text(report.modality)}</a>'
    texts = "".join(f"<td>{html_text(text)}</td>" for text in (status, model))
    numbers = "".join(f'<td class="num"{_value(value)}>{html_text(text)}</td>' for text, value in cells)
    return (
        f'<tr{mark} data-outcome="{outcome}" data-group="{group}"><th scope="row">{html_text(report.outcome)}</th><td>{link}</td>'
        f'{numbers}{texts}<td class="links">{_links(report)}</td></tr>'
    )


def _status(result: Mapping[str, Any], vague: bool) -> str:
    """The status of a saved result, what it rests on, and whether its interval says anything."""
    parts = [str(result.get("status", ""))]
    events, total = result.get("events"), result.get("n")
    if result.get("status") == "pooled" and result.get("model") == "bayes" and isinstance(events, int) and events in (0, total):
        parts.append(f"{'no events' if events == 0 else 'events only'}: estimate partly from the prior")
    return "; ".join([*parts, *([TOO_WIDE] if vague else [])])


def _value(value: object) -> str:
    """The value by which a cell is sorted."""
    known = number_of(value)
    return "" if known is None else f' data-value="{known:.12g}"'


def _links(report: Report, files: Sequence[tuple[str, str]] = _FILES) -> str:
    """Links to the files that exist; each label names the report, for screen readers."""
    folder, title = html_text(report.folder), html_text(report.title)
    return " · ".join(
        f'<a href="{folder}/{name}" aria-label="{text}: {title}">{text}</a>' for text, name in files if name in report.files
    )


def _analyses(found: Sequence[Report]) -> str:
    """The analyses of a kind, each with its result in one sentence."""
    rows = []
    for report in found:
        words = "failed" if report.failed else str(report.numbers.get("sentence", ""))
        if report.stale:
            words = f"(made from other evidence) {words}"
        outcome, group = map(html_text, report.subset)
        mark = ' class="failed"' if report.failed else ""
        link = f'<a href="{html_text(report.folder)}/report.html">{html_text(report.title)}</a>'
        rows.append(
            f'<tr{mark} data-outcome="{outcome}" data-group="{group}"><th scope="row">{link}</th><td>{html_text(words)}</td>'
            f'<td class="links">{_links(report, (*_FILES[:3], ("numbers", "numbers.json")))}</td></tr>'
        )
    head = "".join(f'<th scope="col"{extra}>{text}</th>' for text, extra in _ANALYSIS_COLUMNS)
    return f'<div class="scroll"><table class="rates"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


_ANALYSIS_COLUMNS = (("Analysis", ""), ("What it shows", ""), ("Files", ' class="links"'))


def _num(yes: bool) -> str:
    return ' class="num"' if yes else ""
