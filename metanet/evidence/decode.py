"""The bytes of a CSV file to text: what kind of file it is, and in which encoding people saved it."""

from __future__ import annotations

import codecs
import stat
from pathlib import Path

from metanet.evidence.findings import Findings

# A table of studies is tens of kilobytes; a file of this size is something else that was given by mistake.
LARGEST_FILE = 50 * 1024 * 1024

_SAVE_AS = "Open it in the spreadsheet program and save it as 'CSV UTF-8 (comma delimited)'"

_OTHER_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "is an Excel workbook or another ZIP file, not CSV text"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook (.xls), not CSV text"),
    (b"%PDF", "is a PDF, not a table"),
    (b"\x1f\x8b", "is compressed (gzip), not CSV text"),
    (b"{\\rtf", "is a word processor document (RTF), not a table"),
)
_MARKED: tuple[tuple[bytes, str, str], ...] = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16 (Excel's 'Unicode text')"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16 (Excel's 'Unicode text')"),
)


def read_bytes(path: Path, file: str, findings: Findings, kind: str = "CSV") -> bytes | None:
    """The content of `path`, or None with the reason in `findings`. Links are followed; a pipe is not waited for."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            findings.cannot_read(file, f"is a folder, not a {kind} file", "Give the file itself, or rename the folder")
            return None
        if not stat.S_ISREG(status.st_mode):
            findings.cannot_read(file, "is not an ordinary file", f"Give a {kind} file")
            return None
        if status.st_size > LARGEST_FILE:
            findings.cannot_read(
                file,
                f"is {status.st_size / 2**20:,.0f} MB; tables of studies up to {LARGEST_FILE // 2**20} MB are read",
                "Check that this is the table that was meant, and split it if it is",
            )
            return None
        return path.read_bytes()
    except FileNotFoundError:
        findings.cannot_read(file, "does not exist", "Check the path, or the link if it is one")
    except OSError as error:
        findings.cannot_read(
            file, f"cannot be opened ({error.strerror or type(error).__name__})", "Check its access rights"
        )
    return None


def decode(data: bytes, file: str, findings: Findings) -> str | None:
    """The text of `data`, or None with the reason in `findings`; what was repaired on the way is a notice there."""
    if not data.strip(b" \t\r\n\x00\xef\xbb\xbf\xff\xfe"):
        findings.cannot_read(file, "is empty", "Write at least the line with the column names")
        return None
    if (other := _other_kind(data)) is not None:
        findings.cannot_read(file, other, _SAVE_AS)
        return None
    for mark, encoding, name in _MARKED:
        if data.startswith(mark):
            return _marked(data, encoding, name, file, findings)
    if b"\x00" in data:
        line = data[: data.index(b"\x00")].count(b"\n") + 1
        findings.cannot_read(file, "holds zero bytes, so it is not text or is damaged", _SAVE_AS, row=line)
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _windows(data, error.start, file, findings)


def _marked(data: bytes, encoding: str, name: str, file: str, findings: Findings) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        findings.cannot_read(file, f"begins as {name} and then breaks off or is damaged", _SAVE_AS, row=line)
        return None
    if "\x00" in text:
        findings.cannot_read(file, "holds zero characters, so it is not text or is damaged", _SAVE_AS)
        return None
    findings.notice(file, f"was read as {name}", "Nothing to do; UTF-8 is what the other tables use")
    return text


def _windows(data: bytes, first: int, file: str, findings: Findings) -> str | None:
    line = data[:first].count(b"\n") + 1
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        findings.cannot_read(
            file,
            f"is neither UTF-8 nor Windows-1252 text (byte {data[error.start]:#04x})",
            _SAVE_AS,
            row=data[: error.start].count(b"\n") + 1,
        )
        return None
    shown = text.splitlines()[min(line, len(text.splitlines())) - 1]
    word = next((part for part in shown.replace(";", ",").replace("\t", ",").split(",") if not part.isascii()), "")
    findings.notice(
        file,
        "is not UTF-8 and was read as Windows-1252, as older Excel versions save it",
        "Check that the accents are right, and save it as UTF-8",
        row=line,
        value=word.strip(),
    )
    return text


def _other_kind(data: bytes) -> str | None:
    for magic, words in _OTHER_KINDS:
        if data.startswith(magic):
            return words
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        return "is a web page or XML, not a table"
    return None
