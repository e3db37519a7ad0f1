"""Lists of references, RIS and BibTeX: what they say of the studies of a review, for `describe` to fill in."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.findings import Findings
from metanet.evidence.reading.text import decode
from metanet.reviews.importers.extracted_counts import MOST_ROWS, Citation, Found, Request, cell
from metanet.reviews.importers.kinds import is_of
from metanet.reviews.importers.libraries import library
from metanet.reviews.importers.registry import importer
from metanet.reviews.names import year_of

_DOI = re.compile(r"10\.\d{4,9}/\S+")
_PMID = re.compile(r"(?:PMID:?\s*|pubmed(?:\.ncbi\.nlm\.nih\.gov)?/)(\d{4,8})(?!\d)", re.IGNORECASE)
_MEDLINE = re.compile(r"pubmed|medline|nlm", re.IGNORECASE)
#: Fields of a reference that may name its PubMed record.
_MENTIONS = ("accession_number", "notes", "note", "urls", "url", "custom1", "custom2", "id", "notes_abstract")


@importer(
    "citations",
    title="References",
    suffixes=(".ris", ".bib"),
    file="titles, journals, DOIs and PMIDs of studies that are there, as RIS or BibTeX",
    describes=True,
)
def read_citations(data: bytes, file: str, request: Request) -> Found:
    """A list of references of the studies that the review has."""
    found = Found(file, f"references {file}")
    if not is_of(data, ("citations",), "a list of references (RIS or BibTeX)", file, found.findings):
        return found
    text = decode(data, file, Findings())
    if text is None:
        decode(data, file, found.findings)
        return found
    records = _bibtex(text, found) if text.lstrip("\ufeff \t\r\n").startswith(("@", "%")) else _ris(text, found)
    if len(records) > MOST_ROWS:
        found.refuse(f"has {len(records):,} references; up to {MOST_ROWS:,} are read", "Give the references of the review alone")
        return found
    if not records and not found.findings.faults:
        found.refuse("has no reference", "Export the references again, as RIS or BibTeX")
    found.citations += [_citation(number, record) for number, record in enumerate(records, 1)]
    return found


def _ris(text: str, found: Found) -> Sequence[Mapping[str, Any]]:
    rispy = library("rispy", "Lists of references (RIS)", "0.10")
    # Some programs write one space before the hyphen, or none behind it.
    plain = re.sub(r"(?m)^([A-Z][A-Z0-9]) {1,2}- ?", r"\1  - ", text.replace("\r\n", "\n").replace("\r", "\n"))
    try:
        made: list[dict[str, Any]] = rispy.loads(plain if plain.endswith("\n") else f"{plain}\n")
    except Exception as error:
        # The library raises whatever a damaged record leads to.
        found.refuse(f"is a damaged list of references ({visible(error)})", "Export the references again, as RIS")
        return []
    return made


def _bibtex(text: str, found: Found) -> Sequence[Mapping[str, Any]]:
    bibtexparser = library("bibtexparser", "Lists of references (BibTeX)", "2.1")
    log = logging.getLogger("bibtexparser")
    was = log.disabled
    try:
        # What cannot be read is named below.
        log.disabled = True
        logging.disable(logging.WARNING)
        made = bibtexparser.parse_string(text, append_middleware=[bibtexparser.middlewares.LatexDecodingMiddleware()])
    except Exception as error:
        # As above.
        found.refuse(f"is a damaged list of references ({visible(error)})", "Export the references again, as BibTeX")
        return []
    finally:
        logging.disable(logging.NOTSET)
        log.disabled = was
    if made.failed_blocks:
        lines = listing((f"line {(block.start_line or 0) + 1}" for block in made.failed_blocks), 20)
        found.left_out.append(f"{counted(len(made.failed_blocks), 'reference')} that cannot be read: {lines}")
    records = []
    for entry in made.entries:
        fields = {each.key.lower(): str(each.value).replace("{", "").replace("}", "") for each in entry.fields}
        authors = [part.strip() for part in re.split(r"\s+and\s+", fields.get("author", "")) if part.strip()]
        records.append(
            {
                **fields,
                "authors": authors,
                "journal_name": fields.get("journal") or fields.get("journaltitle", ""),
                "year": fields.get("year") or fields.get("date", ""),
            }
        )
    return records


def _citation(number: int, record: Mapping[str, Any]) -> Citation:
    """One reference: the surname of its first author, its year, and its cells."""
    authors = record.get("authors") or record.get("first_authors") or []
    author = _surname(str(authors[0])) if authors else ""
    year = next((found for name in ("year", "publication_year", "date") if (found := year_of(str(record.get(name, ""))))), "")
    title = _first(record, "title", "primary_title", "translated_title")
    cells = {
        "title": title,
        "journal": _first(record, "journal_name", "secondary_title", "alternate_title1", "alternate_title2", "alternate_title3"),
        "doi": _doi(record),
        "pmid": _pmid(record),
    }
    label = " ".join(part for part in (author, year) if part) or title[:60] or f"reference {number}"
    return Citation(number, label, author, year, {name: text for name, text in cells.items() if text})


def _first(record: Mapping[str, Any], *names: str) -> str:
    return next((text for name in names if (text := cell(str(record.get(name) or "")))), "")


def _surname(author: str) -> str:
    """ "Adam, Anna B." and "Anna B. Adam" are Adam."""
    plain = author.strip().strip(",")
    if "," in plain:
        return plain.split(",")[0].strip()
    words = plain.split()
    # "Adam AB", as PubMed writes it.
    if len(words) > 1 and words[-1].isupper() and len(words[-1].replace(".", "")) <= 3:
        return " ".join(words[:-1])
    return words[-1] if words else ""


def _doi(record: Mapping[str, Any]) -> str:
    for name in ("doi", "urls", "url", "notes", "note"):
        value = record.get(name)
        for text in value if isinstance(value, list) else [value or ""]:
            if (found := _DOI.search(str(text))) is not None:
                return found[0].rstrip(".,;)]}>\"'")
    return ""


def _pmid(record: Mapping[str, Any]) -> str:
    own = str(record.get("pmid") or "").strip()
    if own.isascii() and own.isdigit():
        return own
    number = str(record.get("accession_number") or "").strip()
    source = " ".join(str(record.get(name) or "") for name in ("name_of_database", "database_provider", "type_of_work"))
    if number.isascii() and number.isdigit() and len(number) <= 8 and _MEDLINE.search(source):
        return number
    for name in _MENTIONS:
        value = record.get(name)
        for text in value if isinstance(value, list) else [value or ""]:
            if (found := _PMID.search(str(text))) is not None:
                return found[1]
    return ""
