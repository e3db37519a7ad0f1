"""`read_judgements`: tables of robvis and Covidence, or the judgements of a RevMan file, as rows of risk_of_bias.csv."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, nearest
from metanet.base.groups import absent
from metanet.base.untrusted import listing, visible
from metanet.evidence.bias.tools import OVERALL, Tool, tool_named
from metanet.evidence.evidence import Evidence
from metanet.evidence.findings import Findings, data_error
from metanet.evidence.reading.text import decode, read_bytes, split

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("study_id", "arm", "outcome", "tool", "domain", "judgement", "support", "source_locator", "assessor", "consensus")
#: Columns of the file that an import of RevMan writes beside the tables.
_LONG = frozenset({"study_id", "domain", "judgement"})
#: Other spellings of levels, without case and signs.
_SPELT = {
    "low risk": "low",
    "l": "low",
    "high risk": "high",
    "h": "high",
    "c": "critical",
    "m": "moderate",
    "some": "some_concerns",
    "unclear risk": "unclear",
    "u": "unclear",
    "ni": "no_information",
    "n": "no_information",
    "y": "yes",
    "not applicable": "na",
}
#: Words by which RevMan and others call the domains of the Cochrane tools; the first that fits is the domain.
_DOMAINS = {
    "sequence_generation": ("sequence generation",),
    "allocation_concealment": ("allocation concealment",),
    "blinding_of_people": ("participants and personnel", "performance bias"),
    "blinding_of_assessment": ("outcome assessment", "detection bias"),
    "incomplete_data": ("incomplete outcome",),
    "selective_reporting": ("selective reporting", "selective outcome"),
    "other": ("other bias", "other sources"),
    "randomisation": ("randomisation", "randomization"),
    "confounding": ("confounding",),
    "classification": ("classification",),
    "deviations": ("deviation",),
    "missing_data": ("missing",),
    "measurement": ("measurement",),
    "reported_result": ("reported result",),
    "selection": ("selection",),
}
#: Columns of a wide table that are no judgements.
_NO_JUDGEMENT = frozenset({"", "weight", "weights", "covidence #", "title", "reviewer name"})
#: The column of the reasons for a judgement, and that of a judgement which says so; the name in front is the domain.
_SUPPORT = re.compile(
    r"(.+?)[\s:(\-\u2013]*\b(?:supporting text|support for judge?ment|support|comments?|notes?)\)?", re.IGNORECASE | re.DOTALL
)
_JUDGED = re.compile(r"(.+?)[\s:(\-\u2013]*\b(?:judge?ment|rating)\)?", re.IGNORECASE | re.DOTALL)
#: A number in front of the name of a domain.
_ITEM = re.compile(r"^(?:item\s*)?\d{1,2}\s*[.):]\s*", re.IGNORECASE)
_NUMBERED = re.compile(r"d\s*(\d{1,2})", re.IGNORECASE)


@dataclass
class _Lines:
    """The cells of a file: names of columns and rows with their numbers."""

    name: str
    columns: list[str]
    rows: list[tuple[int, list[str]]]
    findings: Findings = field(default_factory=Findings)

    def refuse(self, row: int | None, column: str, value: str, wrong: str, fix: str) -> None:
        self.findings.breaks_rule(self.name, wrong, fix, row=row, column=column, value=value)


@checked()
def read_judgements(
    source: str | os.PathLike[str] | pd.DataFrame,
    tool: str | None = None,
    *,
    evidence: Evidence | None = None,
    assessor: str = "consensus of the review",
    outcomes: Mapping[str, str] | None = None,
    domains: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Read judgements of the risk of bias that another program wrote, as rows of risk_of_bias.csv.

    Parameters
    ----------
    source : path-like or pandas.DataFrame
        A table as robvis (R) takes it: the studies in the first column, then D1 to Dn in the order of the tool (or the names of its
        domains), Overall, and Weight last, which is not a judgement. The quality assessment that Covidence exports: a column for each
        domain, with the reader in "Reviewer Name" and the reasons in a column that ends in "supporting text" or "comments". Or
        ``imported/.../risk_of_bias.csv``, which `metanet import` writes for RevMan files.
    tool : str, optional
        The tool of the judgements. Judgements of RevMan are those of the Cochrane tool of 2011 ("rob1") unless another is named.
    evidence : Evidence, optional
        Names of studies, such as "Kennedy 2008", become the study_id of its studies; without it they stay as they are.
    assessor : str
        What the column ``assessor`` gets; the rows are entered as the consensus. Readers that the file names go before it: their
        rows are those of one reader each, and only those of "Consensus" are the consensus.
    outcomes : mapping, optional
        Names of outcomes in a RevMan file -> outcomes of the evidence; "" for all outcomes.
    domains : mapping, optional
        Names of columns -> domains of the tool, where the columns have other names, such as the questions of one's own form.

    Returns
    -------
    pandas.DataFrame
        The columns of risk_of_bias.csv, one row for each study and domain. ``frame.to_csv("risk_of_bias.csv", index=False)`` in the
        folder of the tables adds them to the evidence.

    Raises
    ------
    DataError
        With every cell that cannot be read, by row and column.
    ArgumentError
        A tool that is missing or not known.

    Examples
    --------
    >>> import metanet as mn, pandas as pd
    >>> wide = pd.DataFrame({"Study": ["A"], "D1": ["Low"], "D2": ["High"], "D3": ["Low"], "D4": ["Low"], "D5": ["Low"]})
    >>> mn.read_judgements(wide, "rob2")["judgement"].tolist()
    ['low', 'high', 'low', 'low', 'low']
    """
    import pandas as pd

    if not assessor.strip():
        raise ArgumentError("assessor='' is empty. Fix: give initials or a name.")
    lines = _read(source)
    long = {*lines.columns} >= _LONG or {*lines.columns} >= {"study", "domain", "judgement"}
    if long and tool is None:
        tool = "rob1"
    if tool is None:
        raise ArgumentError("tool is missing. Fix: name the tool of the judgements, such as tool='robins_i'.")
    chosen = tool_named(tool)
    study = _study_finder(lines, evidence)
    rows = _long(lines, chosen, study, evidence, dict(outcomes or {})) if long else _wide(lines, chosen, study, dict(domains or {}))
    if lines.findings.faults:
        raise data_error(lines.name, lines.findings.faults)
    made = [{"assessor": assessor, "consensus": True, **row, "tool": chosen.key} for row in rows]
    frame = pd.DataFrame([{name: row.get(name, "") for name in COLUMNS} for row in made], columns=list(COLUMNS))
    return frame.astype({"consensus": bool})


def _read(source: Any) -> _Lines:
    if hasattr(source, "columns") and hasattr(source, "loc"):
        cells = [["" if absent(value) else str(value).strip() for value in row] for row in source.itertuples(index=False, name=None)]
        return _Lines("the frame", [str(name).strip() for name in source.columns], list(enumerate(cells, start=1)))
    path = Path(source).expanduser()
    name, findings = visible(path.name), Findings()
    data = read_bytes(path, name, findings)
    text = None if data is None else decode(data, name, findings)
    sheet = None if text is None else split(text, name, ("Study", "Study ID", "Reviewer Name", "Overall", "Weight", *_LONG), findings)
    if sheet is None or findings.faults:
        raise data_error(name, findings.faults)
    columns = list(sheet.header.cells)
    rows = [(each.line, [*each.cells, *[""] * (len(columns) - len(each.cells))]) for each in sheet.records]
    return _Lines(name, columns, rows)


def _study_finder(lines: _Lines, evidence: Evidence | None) -> Callable[[int, str, str], str]:
    """What a name of a study is in the evidence; one that it does not have is a fault."""
    if evidence is None:
        return lambda row, column, name: name
    known = {" ".join(label.split()).casefold(): study for study, label in evidence.labels.items()}
    known |= {study.casefold(): study for study in evidence.labels}

    def find(row: int, column: str, name: str) -> str:
        found = known.get(" ".join(name.split()).casefold())
        if found is None:
            near = nearest(name, [*evidence.labels.values(), *evidence.labels])
            fix = f"Write {near!r} if that is meant" if near else "Write the study_id or the label of a study"
            lines.refuse(row, column, name, "is not a study of the evidence", fix)
        return found or ""

    return find


def _level(lines: _Lines, tool: Tool, domain: str, where: tuple[int, str], text: str) -> str:
    """The level of a word; one that is not known is a fault."""
    levels = tool.levels_of(domain)
    word = " ".join(text.replace("_", " ").split()).casefold()
    spelt = {" ".join(level.key.replace("_", " ").split()).casefold(): level.key for level in levels}
    spelt |= {level.title.casefold(): level.key for level in levels}
    other = _SPELT.get(word)
    # The letter s is what robvis takes for both.
    found = spelt.get(word) or (other if other in spelt.values() else None)
    if found is None and word == "s":
        found = next((level.key for level in levels if level.key in ("some_concerns", "serious")), None)
    if found is None and word.endswith(" risk"):
        found = spelt.get(word.removesuffix(" risk"))
    if found is None:
        known = listing((level.title for level in levels), 20)
        lines.refuse(where[0], where[1], text, f"is not a level of {tool.title}", f"Write one of {known}")
    return found or ""


def _wide(lines: _Lines, tool: Tool, study: Callable[[int, str, str], str], domains: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of a table with a row for each study (and reader): of robvis, or of the quality assessment of Covidence."""
    named = {name.casefold(): i for i, name in enumerate(lines.columns)}
    who, reader = named.get("study id", 0), named.get("reviewer name")
    places, supports = [], {}
    for i, name in enumerate(lines.columns):
        if i == who or name.casefold() in _NO_JUDGEMENT:
            continue
        told = _SUPPORT.fullmatch(name)
        plain = (told or _JUDGED.fullmatch(name) or re.fullmatch("(.*)", name, re.DOTALL))[1]  # type: ignore[index]
        domain = domains.get(name) or domains.get(plain) or _domain_of(tool, plain)
        if domain and domain not in (OVERALL, *(each.key for each in tool.domains)) and not tool.any_domain:
            domain = ""
        if not domain:
            known = listing(["D1", f"D{len(tool.domains)}", *(each.key for each in tool.domains), "Overall"], 20)
            fix = f"Name the columns {known}, or give domains={{{name!r}: the domain}}"
            lines.refuse(None, name, name, f"is not a domain of {tool.title}", fix)
        elif told:
            supports[domain] = i
        else:
            places.append((i, name, domain))
    rows: list[dict[str, Any]] = []
    for row, cells in lines.rows:
        name = cells[who] if cells else ""
        if not name:
            if any(cells):
                lines.refuse(row, lines.columns[who], "", "is empty", "Write the name of the study")
            continue
        about: dict[str, Any] = {"study_id": study(row, lines.columns[who], name)}
        if reader is not None and cells[reader]:
            agreed = cells[reader].casefold() == "consensus"
            about |= {"consensus": agreed} | ({} if agreed else {"assessor": cells[reader]})
        for i, column, domain in places:
            if cells[i]:
                judged = _level(lines, tool, domain, (row, column), cells[i])
                support = cells[supports[domain]] if domain in supports else ""
                rows.append({**about, "domain": domain, "judgement": judged, "support": support})
    return rows


def _domain_of(tool: Tool, column: str) -> str:
    """The domain of a column: by its number, its word, its title or the words of a program; "" where there is none."""
    plain = _ITEM.sub("", " ".join(column.replace("_", " ").split()).casefold())
    if plain in ("overall", "overall bias", "overall risk of bias"):
        return OVERALL
    by_name = {each.key.replace("_", " "): each.key for each in tool.domains} | {e.title.casefold(): e.key for e in tool.domains}
    if plain in by_name:
        return by_name[plain]
    numbered = _NUMBERED.fullmatch(plain)
    if numbered and tool.domains and 1 <= int(numbered[1]) <= len(tool.domains):
        return tool.domains[int(numbered[1]) - 1].key
    own = {each.key for each in tool.domains}
    for key, words in _DOMAINS.items():
        if key in own and any(word in plain for word in words):
            return key
    return _word(column) if tool.any_domain else ""


def _word(text: str) -> str:
    """A name as the word of a domain that a review adds."""
    return re.sub(r"[^\w]+", "_", visible(text)).strip("_").casefold()[:120] or "domain"


def _long(
    lines: _Lines, tool: Tool, study: Callable[[int, str, str], str], evidence: Evidence | None, outcomes: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The rows of the judgements of a RevMan file."""
    places = {name: i for i, name in enumerate(lines.columns)}
    who = "study_id" if "study_id" in places else "study"
    rows: list[dict[str, Any]] = []
    for row, cells in lines.rows:

        def cell(name: str, cells: Sequence[str] = cells) -> str:
            return cells[places[name]] if name in places and places[name] < len(cells) else ""

        domain = _domain_of(tool, cell("domain"))
        if not domain:
            known = listing((each.key for each in tool.domains), 20)
            lines.refuse(
                row, "domain", cell("domain"), f"is not a domain of {tool.title}", f"Write one of {known}, or name another tool"
            )
            continue
        rows.append(
            {
                "study_id": study(row, who, cell(who)),
                "outcome": _outcome(lines, row, cell("outcome"), evidence, outcomes),
                "domain": domain,
                "judgement": _level(lines, tool, domain, (row, "judgement"), cell("judgement")),
                "support": cell("support").removeprefix("'"),
            }
        )
    return rows


def _outcome(lines: _Lines, row: int, text: str, evidence: Evidence | None, outcomes: Mapping[str, str]) -> str:
    """The outcome of the evidence that a name of RevMan stands for."""
    if not text or text in outcomes:
        return outcomes.get(text, "")
    if evidence is None:
        return text
    same = [name for name in evidence.outcome_names if text.casefold() in (name.casefold(), evidence.label(name).casefold())]
    if same:
        return same[0]
    known = listing(evidence.outcome_names, 20)
    fix = f"Give outcomes={{{text!r}: name}} with one of {known} as the name, or '' for all outcomes"
    lines.refuse(row, "outcome", text, "is not an outcome of the evidence", fix)
    return ""
