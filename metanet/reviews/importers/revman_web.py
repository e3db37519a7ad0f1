"""RevMan Web: the data package (ZIP), read in memory, or the `data-rows.csv` out of it, to analyses of two groups."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from metanet.base.errors import nearest
from metanet.base.untrusted import visible
from metanet.evidence.findings import Findings
from metanet.reviews.importers.extracted_counts import Found, Place, Request, name_fault
from metanet.reviews.importers.labels import plain_text
from metanet.reviews.importers.registry import importer
from metanet.reviews.importers.revman_study_data import ARMS, BIAS, RESULTS, arm_counts, json_lines, judgements
from metanet.reviews.importers.tabular import Line, Lines, read_lines
from metanet.reviews.importers.two_groups import DICHOTOMOUS, Analysis, GroupRow, counts_of
from metanet.reviews.names import year_of

#: Limits of what is read; a data package of a large Cochrane review has some megabytes.
MOST_MEMBERS = 2_000
LARGEST_MEMBER = 50 * 1024 * 1024
LARGEST_SUM = 200 * 1024 * 1024
_MB = 1024 * 1024
_DRIVE = re.compile(r"[A-Za-z]:")


def read_members(data: bytes, file: str, ends: tuple[str, ...], findings: Findings, *, inner: bool = False) -> dict[str, bytes]:
    """The members whose name ends so, from the package or from the `-data.zip` inside of it."""
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            members = package.infolist()
            if not _harmless(members, file, findings):
                return {}
            total = 0
            for member in members:
                name = PurePosixPath(member.filename).name
                nested = not inner and name.endswith(("-data.zip", "-dataPackage.zip"))
                if member.is_dir() or not (nested or name.endswith(ends)):
                    continue
                if member.flag_bits & 1:
                    findings.cannot_read(file, "is protected by a password", "Unpack it, and give the file data-rows.csv")
                    return {}
                with package.open(member) as stream:
                    # The sizes that the package states are not to be trusted: reading stops at the limit.
                    content = stream.read(LARGEST_MEMBER + 1)
                total += len(content)
                if len(content) > LARGEST_MEMBER or total > LARGEST_SUM:
                    _too_large(visible(name), file, findings)
                    return {}
                if nested:
                    found |= read_members(content, visible(name), ends, findings, inner=True)
                elif name in found:
                    findings.cannot_read(file, f"contains {visible(name)} twice", "Give the package of one review")
                    return {}
                else:
                    found[name] = content
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        findings.cannot_read(file, "is a damaged ZIP file", "Download it again")
        return {}
    except (NotImplementedError, RuntimeError):
        findings.cannot_read(file, "is packed in a way that cannot be read", "Unpack it, and give the file data-rows.csv")
        return {}
    return found


def _harmless(members: list[zipfile.ZipInfo], file: str, findings: Findings) -> bool:
    if len(members) > MOST_MEMBERS:
        findings.cannot_read(
            file, f"contains {len(members):,} files; up to {MOST_MEMBERS:,} are read", "Give the package of one review"
        )
        return False
    for member in members:
        name = member.filename
        if name.startswith(("/", "\\")) or _DRIVE.match(name) or ".." in re.split(r"[/\\]", name):
            findings.cannot_read(
                file, "contains a file whose path points outside the package", "Do not unpack it; ask where it comes from", value=name
            )
            return False
    if sum(member.file_size for member in members) > LARGEST_SUM:
        _too_large("all of it", file, findings)
        return False
    return True


def _too_large(what: str, file: str, findings: Findings) -> None:
    findings.cannot_read(
        file,
        f"unpacks to more than is read ({what}): {LARGEST_MEMBER // _MB} MB for one file, {LARGEST_SUM // _MB} MB for all",
        "Check that this is the data package of a review",
    )


_ROWS, _SETTINGS = "data-rows.csv", "overall-estimates-and-settings.csv"
_RESULTS, _ARMS, _BIAS, _JSON = "study-results.csv", "study-arms.csv", "risk-of-bias.csv", ".json"
_NUMBERS = {"events_1": "Experimental cases", "total_1": "Experimental N", "events_2": "Control cases", "total_2": "Control N"}
_PLACE = {**_NUMBERS, "study": "Study", "year": "Study year"}
_NEEDED = ("Analysis group", "Analysis number", "Study", *_NUMBERS.values())
#: Every column of the rows that is read.
_COLUMNS = (
    "Analysis group", "Analysis number", "Analysis name", "Analysis group name", "Subgroup", "Subgroup number", "Applicability",
    "Study", "Study year", "GIV Mean", "GIV SE", "Experimental mean", "Experimental SD", "Experimental cases", "Experimental N",
    "Control mean", "Control SD", "Control cases", "Control N", "O-E", "Variance", "Weight", "Mean", "CI start", "CI end", "Footnotes",
)  # fmt: skip
#: The files of a package that are read, with the columns by which their separator is found.
_COLUMNS_OF: Mapping[str, Sequence[str]] = {
    _ROWS: _NEEDED,
    _SETTINGS: ("Analysis group", "Analysis number", "Data type"),
    _RESULTS: RESULTS,
    _ARMS: ARMS,
    _BIAS: BIAS,
}
#: Columns that identify the kind of a row, where the settings do not: some exports write 0.0 into columns that are not used.
_SIGNS = (
    (("Experimental SD", "Control SD", "Experimental mean", "Control mean"), "continuous"),
    (("O-E",), "O-E and variance"),
    (("Experimental cases", "Control cases"), DICHOTOMOUS),
    (("GIV Mean",), "generic inverse variance"),
)
_TYPES = (
    ("dichotomous", DICHOTOMOUS),
    ("continuous", "continuous"),
    ("contrast", "generic inverse variance"),
    ("generic", "generic inverse variance"),
    ("o-e", "O-E and variance"),
)


@importer(
    "revman-web",
    title="RevMan Web",
    suffixes=(".zip", ".csv", ".json"),
    file="the data package (ZIP), or of it data-rows.csv, study-results.csv, risk-of-bias.csv or the JSON",
)
def read_revman_web(data: bytes, file: str, request: Request) -> Found:
    """The dichotomous analyses of a data package, or of its rows alone; or the results of the arms of its studies."""
    found = Found(file, f"RevMan Web data package {file}")
    members = _members(data, file, found)
    if found.findings.faults:
        return found
    lines = {end: _lines(end, *members[end], members, found) for end in members if end != _JSON}
    if found.findings.faults:
        return found
    bias = lines.get(_BIAS)
    if bias is not None and (judged := judgements(bias.rows)):
        found.beside["risk_of_bias"] = judged
    rows, results = lines.get(_ROWS), lines.get(_RESULTS)
    if rows is not None:
        # Places refer to the file with the rows, which may be inside the package.
        found.file = members[_ROWS][0]
        rows = _named(rows)
        settings = lines.get(_SETTINGS)
        if settings is None:
            found.notes.append(
                f"{file} has no settings beside it, so the groups are called Experimental and Control. The whole data package "
                "names them."
            )
        if _complete(rows, _NEEDED, _ROWS, found):
            counts_of(_analyses(rows.rows, () if settings is None else settings.rows, found), request, found)
    elif results is not None:
        found.file = members[_RESULTS][0]
        arms = lines.get(_ARMS)
        if _complete(results, RESULTS, _RESULTS, found):
            arm_counts(results.rows, () if arms is None else arms.rows, request, found)
    elif _JSON in members:
        found.file = members[_JSON][0]
        listed, treated = json_lines(members[_JSON][1], found.file, found)
        if not found.findings.faults:
            arm_counts(listed, treated, request, found)
    elif not found.beside:
        found.refuse(f"contains no file {_ROWS}", "Give the data package that RevMan Web exports for one review")
    return found


def _lines(end: str, name: str, content: bytes, members: Mapping[str, tuple[str, bytes]], found: Found) -> Lines | None:
    """The lines of a file; one that only goes with the counts of another may be empty or unreadable, which is noted."""
    needed = end == next((each for each in (_ROWS, _RESULTS, _BIAS) if each in members), end)
    findings = found.findings if needed else Findings()
    lines = read_lines(content, name, _COLUMNS_OF[end], findings)
    if not needed and (faults := findings.faults) and "no rows" not in faults[0].wrong:
        found.notes.append(f"{name} was not read: {visible(faults[0].wrong)}.")
    return lines


def _complete(lines: Lines, needed: Sequence[str], what: str, found: Found) -> bool:
    for name in needed:
        if name not in lines.columns:
            near = nearest(name, lines.columns)
            fix = f"Is {visible(near)!r} the column? Name it as RevMan does" if near else f"Give the file {what} of RevMan Web"
            found.refuse("is not among the column names", fix, row=lines.header_line, value=name)
    return not found.findings.faults


def _named(lines: Lines) -> Lines:
    """The columns as RevMan writes them; R writes points for spaces and hyphens."""
    folded = {re.sub(r"[^a-z]", "", name.casefold()): name for name in _COLUMNS}
    names = {name: folded.get(re.sub(r"[^a-z]", "", name.casefold()), name) for name in lines.columns}
    if list(names) == list(names.values()) or len(set(names.values())) < len(names):
        return lines
    rows = tuple(replace(line, cells={names[name]: text for name, text in line.cells.items()}) for line in lines.rows)
    return Lines(lines.header_line, tuple(names.values()), rows)


def _members(data: bytes, file: str, found: Found) -> dict[str, tuple[str, bytes]]:
    """The files that are read, by their ends: those of a package, or the one that was given, known by its columns."""
    if not data.startswith(b"PK\x03\x04"):
        if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[")):
            return {_JSON: (file, data)}
        head = re.sub(r"[^a-z,]", "", (data[:4096].decode("utf-8-sig", "replace").splitlines() or [""])[0].casefold())
        kinds = ((_ROWS, "analysisgroup"), (_RESULTS, "samplesize"), (_BIAS, "domainjudgement"), (_SETTINGS, "datatype"))
        end = next((end for end, sign in kinds if sign in head), _ROWS)
        if end == _SETTINGS or (end == _ROWS and "experimentalgrouplabel" in head):
            found.refuse("has the settings of the analyses and not their rows", f"Give the whole data package, or {_ROWS}")
        elif end == _ROWS and "intervention" in head and "arm" in head and "analysisgroup" not in head:
            found.refuse("has the arms of the studies and no results", f"Give the whole data package, or {_RESULTS}")
        return {} if found.findings.faults else {end: (file, data)}
    made: dict[str, tuple[str, bytes]] = {}
    for name, content in read_members(data, file, (*_COLUMNS_OF, _JSON), found.findings).items():
        end = next(end for end in (*_COLUMNS_OF, _JSON) if name.endswith(end))
        if end in made:
            found.refuse("contains the data of several reviews", "Give the data package that RevMan Web exports for one review")
            return {}
        made[end] = visible(name), content
    return made


def _analyses(rows: Sequence[Line], settings: Sequence[Line], found: Found) -> list[Analysis]:
    about = {(line.cells.get("Analysis group", ""), line.cells.get("Analysis number", "")): line for line in settings}
    made: dict[tuple[str, str], Analysis] = {}
    filled: dict[tuple[str, str], list[Line]] = {}
    for line in rows:
        cells = line.cells
        key = cells["Analysis group"], cells["Analysis number"]
        if key not in made:
            settled = about[key].cells if key in about else {}
            number = ".".join(part for part in key if part)
            made[key] = Analysis(
                number,
                plain_text(settled.get("Analysis name") or cells.get("Analysis name") or f"Analysis {number}"),
                plain_text(settled.get("Analysis group name") or cells.get("Analysis group name") or ""),
                "",
                (_label(settled, "Experimental"), _label(settled, "Control")),
                line.number,
                settled.get("Swap event and non-event", "").strip().casefold() in {"true", "yes"},
                totals=_totals(cells.get("Applicability", "")),
                stated=settled,
            )
        filled.setdefault(key, []).append(line)
        study = plain_text(cells["Study"])
        if (fault := name_fault(study)) is not None:
            found.refuse(*fault, row=line.number, column="Study", value=cells["Study"])
            continue
        year = year_of(cells.get("Study year", "")) or year_of(study)
        numbers = {ours: cells.get(theirs, "") for ours, theirs in _NUMBERS.items()}
        row = GroupRow(Place(line.number, _PLACE), study, plain_text(cells.get("Subgroup", "")), numbers, {"year": year}, cells)
        made[key].rows.append(row)
    for key, analysis in made.items():
        stated = (about[key].cells.get("Data type", "") if key in about else "").casefold()
        analysis.kind = next((kind for word, kind in _TYPES if stated.startswith(word)), "") or _kind(filled[key])
    return list(made.values())


def _kind(lines: Sequence[Line]) -> str:
    """The kind of the rows, by their filled columns: the first version of the package does not name it."""
    for columns, kind in _SIGNS:
        if any(line.cells.get(column, "").strip(" 0.-") for line in lines for column in columns):
            return kind
    # Newer packages have a standard error for counts, too. Without events in either group a row of counts has no estimate.
    estimated = any(line.cells.get("CI start", "").strip() and line.cells.get("GIV SE", "").strip(" 0.-") for line in lines)
    return "generic inverse variance" if estimated else DICHOTOMOUS


def _label(settled: Mapping[str, str], side: str) -> str:
    """The label of a group: as the forest plot has it, else the intervention, else its role."""
    return settled.get(f"{side} group label") or settled.get(f"{side} intervention") or side


def _totals(applicability: str) -> str:
    """Whether the rows are added up, from the column that says to which total a row belongs."""
    words = applicability.upper()
    return "YES" if "OVERALL" in words else "SUB" if "SUBGROUP" in words else "NO" if words else ""
