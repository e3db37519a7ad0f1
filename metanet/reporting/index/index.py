"""reports/index.html: the main findings, every report with its rate, interval, k, n and links, and the analyses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from metanet._version import __version__
from metanet.base.display import RATE, TOO_WIDE, interval, per_cent, plural
from metanet.base.untrusted import html_text, listing
from metanet.base.whole_files import write_csv, write_text
from metanet.evidence import Evidence
from metanet.reporting.index.lines import Report, read_reports
from metanet.reporting.index.pictures import Pictures, inside, pictures_of
from metanet.reporting.index.rates import DRAWN, FILES, Line, address as address_of, csv_rows, data, line_of, links, table
from metanet.reporting.page import page
from metanet.reporting.plan.registry import titles
from metanet.reporting.saved import digits_of, rates_of

#: The script searches, filters and sorts the lines, and draws those of a long list as they are needed.
_STYLE, SCRIPT = (files("metanet.reporting.index").joinpath(name).read_text(encoding="utf-8") for name in ("index.css", "index.js"))
_TITLE = "Pooled rates by outcome and treatment modality"
_OBSERVATIONAL = (
    "<p>Rates of different modalities come from different, mostly single-arm studies: a comparison between them is observational.</p>"
)
#: Outcomes whose rates are said at the top, and modality classes of each.
_SAID, _MOST_SAID = 2, 8


def write_index(out: Path, evidence: Evidence | None = None) -> Path:
    """Write index.html and the overview over all reports below `out`, and return the path of the page.

    The page has no date, so the same reports give the same page.
    """
    rates, analyses, gone = read_reports(out, evidence)
    lines = [line_of(report) for report in rates]
    path = out / "index.html"
    if len(lines) > DRAWN:
        head, *rows = csv_rows(lines)
        write_csv(out / "index.csv", head, rows)
    else:
        (out / "index.csv").unlink(missing_ok=True)
    write_text(path, _page(lines, analyses, pictures_of(out, rates), evidence, gone))
    return path


def _page(
    lines: Sequence[Line],
    analyses: Mapping[str, Sequence[Report]],
    pictures: Pictures,
    evidence: Evidence | None,
    gone: Sequence[Report],
) -> str:
    kinds = {kind: found for kind, found in analyses.items() if found}
    rates = [line.report for line in lines]
    whose = f'<p class="source">Evidence: {html_text(evidence.name)}</p>' if evidence else ""
    parts = [f"<h1>{_TITLE}</h1>", whose, _contents(pictures, kinds), _findings(rates)]
    if pictures.map is not None:
        parts.append(
            '<section class="map"><h2 id="map">Evidence map</h2><figure><div class="scroll" tabindex="0" role="group" '
            f'aria-labelledby="map">{inside(pictures.map, "Evidence map")}</div><figcaption>Each cell leads to its report. As a file: '
            f'<a href="evidence_map.svg">SVG</a> <a href="evidence_map.png">PNG</a> <details><summary>In words</summary> '
            f"{html_text(pictures.map.words)}</details></figcaption></figure></section>"
        )
    parts += ['<h2 id="list">All pooled rates</h2>', _counts(rates), _controls(rates, evidence), table(lines)]
    if pictures.overview is not None:
        parts.append(
            '<section class="overview"><h2 id="overview">Overview</h2><figure><div class="scroll" tabindex="0" role="group" '
            f'aria-labelledby="overview"><img src="overview.svg" loading="lazy" alt="{html_text(pictures.overview.alt)}"></div>'
            '<figcaption>As a file: <a href="overview.svg">SVG</a> <a href="overview.png">PNG</a> '
            f"<details><summary>In words</summary> {html_text(pictures.overview.words)}</details></figcaption></figure></section>"
        )
    folded = "".join(
        f'<details id="{html_text(kind)}"><summary><h2>{html_text(_heading(kind))}</h2> {plural(len(found), "report")}</summary>'
        f"{_analyses(found)}</details>"
        for kind, found in kinds.items()
    )
    parts.append(f'<div id="analyses">{folded}</div>')
    source = f" Evidence: {html_text(evidence.name)} (sha256 {html_text(evidence.fingerprint[:12])})." if evidence else ""
    if gone:
        one = len(gone) == 1
        folders = listing([report.folder for report in gone], 12)
        parts.append(
            f"<p><small>Not listed: {plural(len(gone), 'earlier report')} on rows that the evidence no longer has, in "
            f"{html_text(folders)}. {'Its folder' if one else 'The folders'} can be deleted.</small></p>"
        )
    parts.append(f"<p><small>metanet {html_text(__version__)}.{source}</small></p>")
    body = f'<main id="main" class="tex2jax_ignore">{"".join(parts)}</main>'
    return page("Pooled rates: all reports", body, style=_STYLE, script=SCRIPT, data=data(lines, evidence))


def _findings(rates: Sequence[Report]) -> str:
    """The rates of the outcomes that most study arms report, as one sentence each, and what may not be read from them."""
    groups: dict[str, list[Report]] = {}
    for report in rates:
        if not report.failed and report.result.get("status") == "pooled" and not _is_variant(report):
            groups.setdefault(report.outcome, []).append(report)
    arms = {outcome: sum(k for report in found if isinstance(k := report.result.get("k"), int)) for outcome, found in groups.items()}
    chosen = sorted(sorted(groups, key=lambda name: -arms[name])[:_SAID], key=list(groups).index)
    said = "".join(f"<p>{html_text(_sentence(outcome, groups[outcome]))}</p>" for outcome in chosen)
    return f'<div class="findings">{said}{_OBSERVATIONAL if rates else ""}</div>'


def _is_variant(report: Report) -> bool:
    return bool(report.numbers.get("variant") or report.about.get("variant"))


def _sentence(outcome: str, found: Sequence[Report]) -> str:
    """The rates of one outcome: those whose intervals say something, and how many others there are."""
    told, vague = [], 0
    for report in found:
        (value, lower, upper), (average, low, high) = rates_of(report.result)
        if RATE.is_vague(lower, upper) or (lower is None and RATE.is_vague(low, high)):
            vague += 1
            continue
        digits = digits_of(report.result)
        limits = f" ({interval(lower, upper, digits)})" if lower is not None else ""
        average_text = f"average {per_cent(average, digits)} %"
        told.append(f"{report.modality} {per_cent(value, digits)} %{limits}, {average_text}, k = {report.result.get('k')}")
    more = len(told) - _MOST_SAID
    text = "; ".join(told[:_MOST_SAID]) + (f"; and {more} more" if more > 0 else "")
    rest = f" For {vague} more the interval is too wide to tell." if vague and told else ""
    if not told:
        return f"{outcome}: every interval is too wide to tell."
    return f"{outcome}, median rate with its interval, and average, of k study arms: {text}.{rest}"


def _heading(kind: str) -> str:
    return titles().get(kind, kind.replace("_", " "))


def _contents(pictures: Pictures, kinds: Iterable[str]) -> str:
    places = [("map", "Evidence map")] if pictures.map is not None else []
    places += [("list", "All pooled rates")]
    places += [("overview", "Overview")] if pictures.overview is not None else []
    places += [(kind, _heading(kind)) for kind in kinds]
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


def _controls(rates: Sequence[Report], evidence: Evidence | None) -> str:
    """The controls of the script; hidden where scripts are disabled. The full names of modality classes are in their menu."""
    outcomes = {report.subset[0]: report.outcome for report in reversed(rates) if report.subset[0]}
    groups = dict.fromkeys(report.subset[1] for report in rates if report.subset[1])
    full = evidence.modality_titles if evidence else {}
    names = [(name, full[name]) for name in groups if name in full]
    spelled = "; ".join(f"{name}: {title}" for name, title in names)
    return (
        (f"<p><small>{html_text(spelled)}.</small></p>" if names else "") + '<div id="controls" class="controls" role="search" hidden>'
        '<label>Search<input id="search" type="search" autocomplete="off" spellcheck="false" '
        'placeholder="outcome, modality, study"></label>'
        f"{_choice('outcome', 'Outcome', dict(reversed(outcomes.items())))}"
        f"{_choice('group', 'Modality', {name: f'{name}: {full[name]}' if name in full else name for name in groups})}"
        '<button id="reset" type="button">Show all</button></div>'
        '<p id="count" role="status" aria-live="polite"></p><p id="studies-found"></p>'
    )


def _choice(name: str, label: str, options: Mapping[str, str]) -> str:
    inside = "".join(f'<option value="{html_text(key)}">{html_text(text)}</option>' for key, text in options.items())
    return f'<label>{label}<select id="{name}"><option value="">all</option>{inside}</select></label>'


def _analyses(found: Sequence[Report]) -> str:
    """The analyses of a kind, a line each; what it shows and its files are folded."""
    rows = []
    for report in found:
        words = "failed" if report.failed else str(report.numbers.get("sentence", ""))
        if report.stale:
            words = f"(made from other evidence) {words}"
        outcome, group = map(html_text, report.subset)
        mark = ' class="failed"' if report.failed else ""
        title = html_text(report.title)
        beside = links(report, (*FILES[:3], ("numbers", "numbers.json")))
        rows.append(
            f'<li{mark} data-outcome="{outcome}" data-group="{group}"><a href="{html_text(address_of(report.folder, "report.html"))}">'
            f'{title}</a> <details><summary aria-label="Result and files: {title}">result</summary><p>{html_text(words)}</p>'
            f'<p class="links">{beside}</p></details></li>'
        )
    return f'<ul class="analyses">{"".join(rows)}</ul>'
