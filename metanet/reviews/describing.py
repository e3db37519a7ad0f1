"""References to the studies that a review has: empty titles, journals, DOIs and PMIDs are filled, and nothing is overwritten."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.checks.check import Reading
from metanet.evidence.reading.cells import Row
from metanet.reviews.importers.extracted_counts import Citation, Found, Place
from metanet.reviews.merge import Draft, Merged, open_draft
from metanet.reviews.names import author_and_year
from metanet.reviews.new import still_examples

#: Studies and references that a list names.
_MOST_NAMED = 50
#: Letters of a title that is no other's.
_SURE = 30
_COLUMNS = ("title", "journal", "doi", "pmid")


@dataclass
class Described:
    """The files as they would be, and how many cells of how many studies were filled."""

    merged: Merged
    cells: int = 0
    studies: int = 0


def describe(folder: Path, reading: Reading, found: Found) -> Described:
    """Fill the empty cells of the studies that the references are about."""
    assert reading.contract is not None  # a folder without faults has both
    assert reading.tables is not None
    done = Described(Merged())
    table = reading.tables.studies
    counts = [row.text for each in reading.tables.outcomes for row in each.rows]
    rows = [] if table is None else table.rows
    invented = still_examples([row.text for row in rows], counts)
    rows = [row for row in rows if row.text["study_id"] not in invented]
    if table is None or not rows:
        found.refuse("is a list of references, and the review has no studies yet", "Import the counts of the studies first")
        return done
    columns = [name for name in _COLUMNS if name in table.columns]
    matched = _matched(rows, _once(found.citations), found)
    changes: dict[int, dict[str, str]] = {}
    differs = []
    for row, citation in matched:
        for name in columns:
            text, there = citation.cells.get(name, ""), row.text.get(name, "")
            if text and not there:
                changes.setdefault(row.line, {})[name] = text
            elif text and _letters(text) != _letters(there):
                differs.append(f"{name} of {row.text['study_id']}")
    if differs:
        found.notes.append(f"Written differently in the tables, which are not changed: {listing(differs, _MOST_NAMED)}.")
    if changes:
        draft = open_draft(folder / table.file, table.contract, found.findings)
        if draft is not None:
            _fill(draft, changes, {row.line: citation for row, citation in matched})
            done.merged.drafts[table.file] = draft
            done.studies, done.cells = len(changes), sum(map(len, changes.values()))
    return done


def _once(citations: Sequence[Citation]) -> list[Citation]:
    """References that several databases gave once: of one DOI, else of one author, year and title."""
    kept: dict[object, Citation] = {}
    for each in citations:
        key: object = each.cells.get("doi", "").lower() or (_letters(each.author), each.year, _letters(each.cells.get("title", "")))
        before = kept.get(key)
        if before is not None:
            each = Citation(before.number, before.label, before.author, before.year, {**each.cells, **before.cells})
        kept[key] = each
    return list(kept.values())


def _matched(rows: Sequence[Row], citations: Sequence[Citation], found: Found) -> list[tuple[Row, Citation]]:
    """Studies with their reference: by DOI, PMID or title, else by author and year where this is one study and one reference."""
    pairs: list[tuple[Row, Citation]] = []
    free = list(citations)
    unmatched = []
    for row in rows:
        sure = [each for each in free if _same_title(row, each) or any(_same_id(name, row, each) for name in ("doi", "pmid"))]
        if len(sure) == 1:
            pairs.append((row, sure[0]))
            free.remove(sure[0])
        else:
            unmatched.append(row)
    by_name: dict[tuple[str, str], list[Citation]] = defaultdict(list)
    for each in free:
        by_name[_letters(each.author), each.year].append(each)
    same: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in unmatched:
        same[_author_and_year(row)].append(row)
    ambiguous, without = [], []
    used: set[int] = set()
    for key, members in same.items():
        fitting = by_name.get(key, []) if all(key) else []
        # A study whose own DOI is another one is not the one of this reference.
        fitting = [each for each in fitting if not all(_other_doi(row, each) for row in members)]
        if len(members) == 1 and len(fitting) == 1:
            pairs.append((members[0], fitting[0]))
            used.add(fitting[0].number)
        elif fitting:
            names = listing((row.text["study_id"] for row in members), _MOST_NAMED)
            titles = listing((visible(each.cells.get("title", each.label))[:60] for each in fitting), _MOST_NAMED)
            ambiguous.append(f"{names}: {titles}")
            used |= {each.number for each in fitting}
        else:
            without += [row.text["study_id"] for row in members]
    for words in ambiguous:
        found.left_out.append(f"Several references or studies of one author and year, of which none was filled: {words}")
    if rest := [each.label for each in free if each.number not in used]:
        found.left_out.append(f"{counted(len(rest), 'reference')} of no study of the review: {listing(rest, _MOST_NAMED)}")
    if without:
        found.notes.append(f"{counted(len(without), 'study', 'studies')} without a reference: {listing(without, _MOST_NAMED)}.")
    return sorted(pairs, key=lambda pair: pair[0].line)


def _same_id(name: str, row: Row, citation: Citation) -> bool:
    given, there = _identifier(citation.cells.get(name, "")), _identifier(row.text.get(name, ""))
    return bool(given) and given == there


def _same_title(row: Row, citation: Citation) -> bool:
    """Whether both have one title, which is long enough to be no other's."""
    given = _letters(citation.cells.get("title", ""))
    return len(given) > _SURE and given == _letters(row.text.get("title", ""))


def _other_doi(row: Row, citation: Citation) -> bool:
    given, there = _identifier(citation.cells.get("doi", "")), _identifier(row.text.get("doi", ""))
    return bool(given and there) and given != there


def _identifier(text: str) -> str:
    """A DOI or PMID without the address before it and without case."""
    return re.sub(r"^(?:https?://)?(?:dx\.)?(?:doi\.org/|doi:\s*)", "", text.strip().lower())


def _author_and_year(row: Row) -> tuple[str, str]:
    author, year = row.text.get("first_author", ""), row.text.get("year", "")
    if not (author and year):
        own = re.fullmatch(r"(?P<author>[A-Za-z-]+?)[_-]?(?P<year>(?:19|20)\d\d)[a-z]?(?:-\d+)?", row.text["study_id"])
        named = (own["author"], own["year"]) if own else author_and_year(row.text["study_id"])
        if not named[0] and (start := re.match(r"[A-Za-z-]+", row.text["study_id"])) is not None:
            named = (start[0], named[1])
        author, year = author or named[0], year or named[1]
    return _letters(re.sub(r"\s+et al\.?.*", "", author)), year


def _letters(text: str) -> str:
    """A text without case, accents, spaces and punctuation."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss").casefold())
    return "".join(letter for letter in plain if letter.isalnum())


def _fill(draft: Draft, changes: Mapping[int, Mapping[str, str]], citations: Mapping[int, Citation]) -> None:
    """Write cells into rows of a draft; every other row keeps its bytes."""
    parts = list(io.StringIO(draft.text, newline=""))
    reader = csv.reader(iter(parts), strict=True)
    made: list[str] = []
    start = 0
    for cells in reader:
        if (change := changes.get(start + 1)) is None:
            made += parts[start : reader.line_num]
        else:
            cells += [""] * (len(draft.columns) - len(cells))
            for name, text in change.items():
                cells[draft.columns.index(name)] = text
            out = io.StringIO(newline="")
            csv.writer(out, lineterminator=draft.newline).writerow(cells)
            made.append(out.getvalue())
            draft.places[start + 1] = Place(citations[start + 1].number)
        start = reader.line_num
    draft.text = "".join(made)
    draft.changed = True
