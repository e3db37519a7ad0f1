"""Study data of RevMan Web: results of single arms, their treatments and judgements of bias, as CSV and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metanet.base.untrusted import counted, listing, visible
from metanet.reviews.importers.extracted_counts import Count, Found, Place, Request, cell, count_cell, name_fault
from metanet.reviews.importers.labels import Names, folded, plain_text, treatment
from metanet.reviews.importers.tabular import Line
from metanet.reviews.names import year_of

RESULTS = ("Study", "Outcome", "Data type", "Arm", "Sample size", "Cases")
ARMS = ("Study", "Arm", "Intervention")
BIAS = ("Study",)
_JUDGEMENT = re.compile(r"Domain \((?P<what>judgement|support)\):\s*(?P<domain>.+)", re.IGNORECASE)
_LEVELS = {"low": "low", "high": "high", "unclear": "unclear", "some": "some concerns"}


def arm_counts(results: Sequence[Line], arms: Sequence[Line], request: Request, found: Found) -> None:
    """Put the counts of study results into `found`; `arms` say what each arm was treated with."""
    treated = {(plain_text(line.cells.get("Study", "")), plain_text(line.cells.get("Arm", ""))): line.cells for line in arms}
    names = Names({folded(name): name for name in request.treatments})
    wanted = {word.casefold() for word in request.outcomes}
    others: dict[str, None] = {}
    empty: list[str] = []
    seen: set[str] = set()
    for line in results:
        study, outcome = plain_text(line.cells.get("Study", "")), plain_text(line.cells.get("Outcome", ""))
        arm = plain_text(line.cells.get("Arm", ""))
        seen.add(outcome)
        if wanted and outcome.casefold() not in wanted:
            continue
        if not line.cells.get("Data type", "").strip().casefold().startswith("dichotomous"):
            others[f"{visible(outcome)}: {visible(line.cells.get('Data type', '').strip() or 'no')} data"] = None
            continue
        events, total = (count_cell(line.cells.get(name, "")) for name in ("Cases", "Sample size"))
        if not total.strip("0") or (not events and not total):
            empty.append(f"{visible(study)}, {visible(arm)} ({visible(outcome)})")
            continue
        place = Place(line.number, {"study": "Study", "outcome": "Outcome", "arm": "Arm", "events": "Cases", "total": "Sample size"})
        for what, text in (("study", study), ("outcome", outcome), ("arm", arm)):
            if (fault := name_fault(text)) is not None:
                found.refuse(*fault, row=line.number, column=place.columns[what], value=text)
                break
        else:
            about = treated.get((study, arm), {})
            given = plain_text(about.get("Intervention", "")) or arm
            found.counts.append(
                Count(
                    place,
                    study,
                    request.renames(outcome),
                    {
                        "year": year_of(study),
                        "arm": cell(request.renames(arm)),
                        "modality": cell(names(request.renames(treatment(given)))),
                        "events": events,
                        "total": total,
                        "source_locator": cell(f"Study results, line {line.number}"),
                    },
                )
            )
    found.left_out += list(others)
    if empty:
        found.left_out.append(f"{counted(len(empty), 'arm')} without patients: {listing(empty, 200)}")
    found.notes += names.notes()
    if not found.counts and not found.findings.faults:
        there = f"; its outcomes are {listing(map(visible, sorted(seen)), 12)}" if wanted else ""
        found.refuse(f"has no events and patients of an arm{there}", "Give another file, or name another outcome")


def judgements(lines: Sequence[Line]) -> list[dict[str, str]]:
    """The judgements of a table of bias: a column for each domain."""
    rows = []
    for line in lines:
        support: dict[str, str] = {}
        given: dict[str, str] = {}
        for column, text in line.cells.items():
            found = _JUDGEMENT.fullmatch(column)
            if found is not None and text.strip():
                (given if found["what"].casefold() == "judgement" else support)[plain_text(found["domain"])] = plain_text(text)
        for domain, judgement in given.items():
            name, _, outcome = domain.partition(": ")
            word = _LEVELS.get(judgement.split(" ")[0].casefold(), judgement)
            rows.append(
                {
                    "study": plain_text(line.cells.get("Study", "")),
                    "outcome": outcome,
                    "tool": "RevMan Web",
                    "domain": name,
                    "judgement": word,
                    "support": support.get(domain, ""),
                }
            )
    return rows


#: Objects of a JSON file that are walked.
_MOST_NODES = 2_000_000


def json_lines(data: bytes, file: str, found: Found) -> tuple[list[Line], list[Line]]:
    """The results and the arms of a JSON export, as the lines of the CSV."""
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        found.refuse("is not JSON in UTF-8", "Export the study data of RevMan again")
        return [], []
    results: list[Line] = []
    arms: list[Line] = []
    for study, node in _studies(content):
        for arm in node.get("arms") or node.get("study-arms") or ():
            if isinstance(arm, dict) and (name := _text(arm, "name", "arm", "label")):
                cells = {"Study": study, "Arm": name, "Intervention": _text(arm, "intervention", "intervention-name")}
                arms.append(Line(len(arms) + 1, cells))
        for result in node.get("results") or node.get("study-results") or ():
            if not isinstance(result, dict):
                continue
            level = result.get("arm-level-result")
            outcome = _text(result, "outcome", "outcome-name", "name")
            rows = level.get("dichotomous-data-rows") if isinstance(level, dict) else None
            if not isinstance(rows, list):
                results.append(Line(len(results) + 1, {"Study": study, "Outcome": outcome, "Arm": "-", "Data type": "other"}))
                continue
            for row in rows:
                if isinstance(row, dict):
                    cells = {
                        "Study": study,
                        "Outcome": outcome,
                        "Data type": "Dichotomous",
                        "Arm": _text(row, "arm", "arm-name"),
                        "Cases": _text(row, "cases"),
                        "Sample size": _text(row, "sample-size"),
                    }
                    results.append(Line(len(results) + 1, cells))
    return results, arms


def _studies(content: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every object with results, and the name of its study."""
    waiting = [content]
    seen = 0
    while waiting and seen < _MOST_NODES:
        node = waiting.pop(0) if seen == 0 else waiting.pop()
        seen += 1
        if isinstance(node, dict):
            name = _text(node, "name", "study", "study-name", "id")
            if name and (isinstance(node.get("results"), list) or isinstance(node.get("study-results"), list)):
                yield name, node
            else:
                waiting += reversed(list(node.values()))
        elif isinstance(node, list):
            waiting += reversed(node)


def _text(node: Mapping[str, Any], *names: str) -> str:
    """The first of these entries that is a text or a number."""
    for name in names:
        value = node.get(name)
        if isinstance(value, str) and value.strip():
            return plain_text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return f"{value:.17g}"
    return ""
