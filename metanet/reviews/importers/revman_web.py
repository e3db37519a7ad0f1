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
_NUMBERS = {"events_1": "Experimental cases", "total_1": "Experimental N", "events_2": "Control cases", "total_2": "Control N"}
_PLACE = {**_NUMBERS, "study": "Study", "year": "Study year"}
_NEEDED = ("Analysis group", "Analysis number", "Study", *_NUMBERS.values())
#: Every column of the rows that is read.
_COLUMNS = (
    "Analysis group", "Analysis number", "Analysis name", "Analysis group name", "Subgroup", "Subgroup number", "Applicability",
    "Study", "Study year", "GIV Mean", "GIV SE", "Experimental mean", "Experimental SD", "Experimental cases", "Experimental N",
    "Control mean", "Control SD", "Control cases", "Control N", "O-E", "Variance", "Weight", "Mean", "CI start", "CI end", "Footnotes",
)  # fmt: skip
#: Columns that identify the kind of a row, where the settings do not: some exports write 0.0 into columns that are not used.
_SIGNS = (
    (("Experimental SD", "Control SD", "Experimental mean", "Control mean"), "continuous"),
    (("O-E",), "O-E and variance"),
    (("Experimental cases", "Control cases"), DICHOTOMOUS),
    (("GIV Mean", "GIV SE"), "generic inverse variance"),
)
_TYPES = (
    ("dichotomous", DICHOTOMOUS),
    ("continuous", "continuous"),
    ("contrast", "generic inverse variance"),
    ("generic", "generic inverse variance"),
    ("o-e", "O-E and variance"),
)


@importer("revman-web", title="RevMan Web", suffixes=(".zip", ".csv"), file="the data package (ZIP), or the data-rows.csv in it")
def read_revman_web(data: bytes, file: str, request: Request) -> Found:
    """The dichotomous analyses of a data package, or of its rows alone."""
    found = Found(file, f"RevMan Web data package {file}")
    rows_file, rows, settings = _files(data, file, found)
    if rows is None or found.findings.faults:
        return found
    lines = read_lines(rows, rows_file, _NEEDED, found.findings)
    lines = None if lines is None else _named(lines)
    about = () if settings is None else _rows(settings, found)
    if lines is None or found.findings.faults:
        return found
    for name in _NEEDED:
        if name not in lines.columns:
            near = nearest(name, lines.columns)
            found.findings.cannot_read(
                rows_file,
                "is not among the column names",
                f"Is {visible(near)!r} the column? Name it as RevMan does" if near else "Give the file data-rows.csv of RevMan Web",
                row=lines.header_line,
                value=name,
            )
    if found.findings.faults:
        return found
    # Places refer to the file with the rows, which may be inside the package.
    found.file = rows_file
    counts_of(_analyses(lines.rows, about, found), request, found)
    return found


def _named(lines: Lines) -> Lines:
    """The columns as RevMan writes them; R writes points for spaces and hyphens."""
    folded = {re.sub(r"[^a-z]", "", name.casefold()): name for name in _COLUMNS}
    names = {name: folded.get(re.sub(r"[^a-z]", "", name.casefold()), name) for name in lines.columns}
    if list(names) == list(names.values()) or len(set(names.values())) < len(names):
        return lines
    rows = tuple(replace(line, cells={names[name]: text for name, text in line.cells.items()}) for line in lines.rows)
    return Lines(lines.header_line, tuple(names.values()), rows)


def _files(data: bytes, file: str, found: Found) -> tuple[str, bytes | None, bytes | None]:
    if not data.startswith(b"PK\x03\x04"):
        found.notes.append(
            f"{file} has no settings beside it, so the groups are called Experimental and Control. The whole data package names them."
        )
        return file, data, None
    members = read_members(data, file, (_ROWS, _SETTINGS), found.findings)
    rows = [name for name in members if name.endswith(_ROWS)]
    settings = [name for name in members if name.endswith(_SETTINGS)]
    if not found.findings.faults and (len(rows) != 1 or len(settings) > 1):
        wrong = "contains the data of several reviews" if rows else f"contains no file {_ROWS}"
        found.refuse(wrong, "Give the data package that RevMan Web exports for one review")
    if found.findings.faults:
        return file, None, None
    return visible(rows[0]), members[rows[0]], members[settings[0]] if settings else None


def _rows(settings: bytes, found: Found) -> Sequence[Line]:
    lines = read_lines(settings, _SETTINGS, ("Analysis group", "Analysis number", "Data type"), found.findings)
    return () if lines is None else lines.rows


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
    return DICHOTOMOUS


def _label(settled: Mapping[str, str], side: str) -> str:
    """The label of a group: as the forest plot has it, else the intervention, else its role."""
    return settled.get(f"{side} group label") or settled.get(f"{side} intervention") or side


def _totals(applicability: str) -> str:
    """Whether the rows are added up, from the column that says to which total a row belongs."""
    words = applicability.upper()
    return "YES" if "OVERALL" in words else "SUB" if "SUBGROUP" in words else "NO" if words else ""
