"""What kind of file some bytes are, by their content, and the format that reads it."""

from __future__ import annotations

import bz2
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass

from metanet.evidence.findings import Findings

_SAVE = "Open it in the program that wrote it, and save the table as .xlsx or as CSV"
_TABLE_INSIDE = "Copy its table into a spreadsheet, and save that as .xlsx or as CSV"
#: As much of a compressed file as its kind can be told by.
_START = 512
_OLE = b"\xd0\xcf\x11\xe0"
_R = (b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n", b"X\n\x00\x00\x00\x02", b"X\n\x00\x00\x00\x03", b"A\n2\n", b"A\n3\n")
_RIS = re.compile(rb"\s*TY  ?- ")
_NBIB = re.compile(rb"\s*PMID\s?- ")
_BIBTEX = re.compile(rb"\s*(?:%[^\n]*\n\s*)*@[A-Za-z]+\s*[{(]")


@dataclass(frozen=True)
class Kind:
    """A kind of file: what it is, in words that follow "is", the format that reads it, and what to do where none does."""

    words: str
    format: str | None = None
    fix: str = _SAVE


_PLAIN: tuple[tuple[bytes, Kind], ...] = (
    (b"%PDF", Kind("a PDF, not a table", fix=_TABLE_INSIDE)),
    (b"{\\rtf", Kind("a word processor document (RTF), not a table", fix=_TABLE_INSIDE)),
    (b"\x89PNG", Kind("an image, not a table", fix="Type the numbers into a spreadsheet, and save that as .xlsx or as CSV")),
    (b"\xff\xd8\xff", Kind("an image, not a table", fix="Type the numbers into a spreadsheet, and save that as .xlsx or as CSV")),
    (b"$FL2", Kind("a data file of SPSS", "spss")),
    (b"$FL3", Kind("a data file of SPSS", "spss")),
    (b"<stata_dta>", Kind("a data file of Stata", "stata")),
    (b"HEADER RECORD*******", Kind("a transport file of SAS")),
    (b"PAR1", Kind("a Parquet file")),
    (b"ARROW1", Kind("a Feather file")),
    (b"SQLite format 3", Kind("a database")),
    (b"\x89HDF", Kind("an HDF5 file")),
    (b"7z\xbc\xaf", Kind("a compressed archive (7z)", fix="Unpack it, and give the file in it")),
    (b"Rar!", Kind("a compressed archive (RAR)", fix="Unpack it, and give the file in it")),
    # Workbooks of Excel 2 to 5, which are no OLE files.
    (b"\x09\x00\x04\x00", Kind("an Excel workbook", "excel")),
    (b"\x09\x02\x06\x00", Kind("an Excel workbook", "excel")),
    (b"\x09\x04\x06\x00", Kind("an Excel workbook", "excel")),
    (b"\x09\x08\x08\x00", Kind("an Excel workbook", "excel")),
)


def kind_of(data: bytes) -> Kind | None:
    """The kind of file; None for text that may be a table."""
    if data.startswith(b"PK"):
        return _zip(data)
    if data.startswith(_OLE):
        return _ole(data)
    for magic, kind in _PLAIN:
        if data.startswith(magic):
            return kind
    if data.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        if _unpacked_start(data).startswith(_R):
            return Kind("a data file of R", "r")
        return Kind("a compressed file", fix="Unpack it, and give the file in it")
    if data.startswith(_R):
        return Kind("a data file of R", "r")
    # Version, byte order (1 or 2) and kind of file (1) of Stata before version 13.
    if len(data) > 100 and 0x66 <= data[0] <= 0x73 and data[1] in (1, 2) and data[2:4] == b"\x01\x00":
        return Kind("a data file of Stata", "stata")
    return _text(data)


def _zip(data: bytes) -> Kind:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            names = package.namelist()[:5_000]
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return Kind("a damaged ZIP file or Excel workbook", fix="Save or download it again")
    if any(name.startswith("xl/") and name.endswith(("workbook.xml", ".xml")) for name in names) and "xl/workbook.bin" not in names:
        return Kind("an Excel workbook", "excel")
    if "xl/workbook.bin" in names:
        return Kind("a binary Excel workbook (.xlsb)")
    if any(name.startswith("word/") for name in names):
        return Kind("a Word document, not a table", fix=_TABLE_INSIDE)
    if any(name.startswith("ppt/") for name in names):
        return Kind("a PowerPoint file, not a table", fix=_TABLE_INSIDE)
    if "content.xml" in names and "mimetype" in names:
        return Kind("an OpenDocument file")
    if any(name.endswith(("data-rows.csv", "-data.zip", "-dataPackage.zip")) for name in names):
        return Kind("a data package of RevMan Web", "revman-web")
    return Kind("a ZIP file", fix="Unpack it, and give the table in it")


def _ole(data: bytes) -> Kind:
    def has(name: str) -> bool:
        return name.encode("utf-16-le") in data

    if has("EncryptedPackage") or has("EncryptionInfo"):
        return Kind("protected by a password", fix="Save it without a password")
    if has("Workbook") or has("Book"):
        return Kind("an Excel workbook", "excel")
    if has("WordDocument"):
        return Kind("a Word document, not a table", fix=_TABLE_INSIDE)
    return Kind("an old Office file, not a table", fix=_TABLE_INSIDE)


def _unpacked_start(data: bytes) -> bytes:
    """The first bytes of a compressed file."""
    try:
        if data.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31).decompress(data[: 64 * _START], _START)
        if data.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(data, _START)
        return lzma.LZMADecompressor().decompress(data, _START)
    except (zlib.error, OSError, lzma.LZMAError, EOFError):
        return b""


def _text(data: bytes) -> Kind | None:
    start = data[:8_000].lstrip(b"\xef\xbb\xbf \t\r\n")
    lower = start.lower()
    if lower.startswith(b"<") and b"<cochrane_review" in lower:
        return Kind("a review of RevMan 5", "revman5")
    if lower.startswith((b"<!doctype html", b"<html", b"<table")):
        return Kind("a web page, not a table", fix="Open it in the spreadsheet program, and save it as .xlsx")
    if lower.startswith(b"<"):
        if b"mso-application" in lower or b"schemas-microsoft-com:office:spreadsheet" in lower:
            return Kind("an XML spreadsheet of Excel 2003", fix="Open it in the spreadsheet program, and save it as .xlsx")
        if b"<records>" in lower and b"<record>" in lower:
            return Kind("a list of references of EndNote (XML)", fix="Export the references as RIS, and import that as citations")
        return Kind("XML, not a table") if lower.startswith(b"<?xml") else None
    if _RIS.match(start):
        return Kind("a list of references (RIS)", "citations")
    if _NBIB.match(start):
        return Kind("a list of references of PubMed", fix="Export the references as RIS, and import that as citations")
    if _BIBTEX.match(start):
        return Kind("a list of references (BibTeX)", "citations")
    if start[:1] in (b"{", b"[") and data.rstrip()[-1:] in (b"}", b"]") and b'"' in start:
        return Kind(
            "JSON, not a table", fix=f"Import it as revman-web if RevMan Web wrote it. Otherwise: {_SAVE[0].lower()}{_SAVE[1:]}"
        )
    first = lower.split(b"\n", 1)[0].replace(b'"', b"")
    if b"comparison number" in first and b"outcome number" in first:
        return Kind("the analysis data of RevMan 5", "revman5")
    if b"analysis group" in first and b"analysis number" in first:
        return Kind("the analysis data of RevMan Web", "revman-web")
    return None


def is_of(data: bytes, formats: Collection[str], expected: str, file: str, findings: Findings, *, text: bool = False) -> bool:
    """Whether a file is of one of some formats, or text where `text`; otherwise the findings say what it is and what reads it."""
    kind = kind_of(data)
    if kind is None:
        if text:
            return True
        if not data.strip():
            findings.cannot_read(file, "is empty", "Give the file with the data")
        else:
            findings.cannot_read(
                file, f"is not {expected}", "Import it as csv if it is text that is separated by commas, semicolons or tabs"
            )
        return False
    if kind.format in formats and kind.format is not None:
        return True
    fix = kind.fix if kind.format is None else f"Import it with the format {kind.format!r}"
    findings.cannot_read(file, f"is {kind.words}" + (f", not {expected}" if kind.format is not None else ""), fix)
    return False
