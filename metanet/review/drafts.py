"""A table of a review with rows added below: what people wrote above stays byte for byte."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metanet.evidence.contract import TableContract
from metanet.evidence.findings import Findings
from metanet.evidence.split import split
from metanet.review.found import Place
from metanet.words import visible

_BOM = b"\xef\xbb\xbf"


@dataclass
class Draft:
    """The text of a file, its columns, and where the added rows come from."""

    file: str
    columns: tuple[str, ...]
    text: str
    mark: bytes = b""
    newline: str = "\n"
    places: dict[int, Place] = field(default_factory=dict)
    changed: bool = False
    _lines: int = 0

    def __post_init__(self) -> None:
        if self.text and not self.text.endswith(("\n", "\r")):
            self.text += self.newline
        self._lines = self.text.count("\n")

    def drop(self, lines: Collection[int]) -> None:
        """Take out the rows that begin on these lines."""
        if not lines:
            return
        parts = list(io.StringIO(self.text, newline=""))
        reader = csv.reader(iter(parts), strict=True)
        kept: list[str] = []
        start = 0
        for _ in reader:
            if start + 1 not in lines:
                kept += parts[start : reader.line_num]
            start = reader.line_num
        self.text = "".join(kept)
        self._lines = self.text.count("\n")
        self.changed = True

    def add(self, rows: Sequence[tuple[Mapping[str, str], Place]]) -> None:
        """Write rows below; a field that is no column of the file has been refused before."""
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator=self.newline)
        for cells, place in rows:
            self.places[self._lines + 1] = place
            # No cell holds a line end, so a row is a line.
            self._lines += 1
            writer.writerow([cells.get(name, "") for name in self.columns])
            self.changed = True
        self.text += out.getvalue()

    @property
    def content(self) -> bytes:
        """The file as it is written."""
        return self.mark + self.text.encode("utf-8", "surrogatepass")


def open_draft(path: Path, contract: TableContract, findings: Findings) -> Draft | None:
    """The draft of a file that is there; None with the reason where rows cannot be added below as they are written here."""
    data = path.read_bytes()
    mark = _BOM if data.startswith(_BOM) else b""
    file = visible(contract.file)
    try:
        text = data[len(mark) :].decode("utf-8")
    except UnicodeDecodeError:
        text = None
    sheet = None if text is None else split(text, file, contract.column_names, Findings())
    if text is None or sheet is None or sheet.separator != "," or text.lower().startswith("sep="):
        findings.cannot_read(
            file,
            "is not separated by commas in UTF-8, so that no rows can be added to it",
            "Save it as 'CSV UTF-8 (comma delimited)'",
        )
        return None
    newline = "\r\n" if "\r\n" in text else "\n"
    if "\r" in text.replace("\r\n", ""):
        findings.cannot_read(file, "has line ends of an old Macintosh", "Save it as 'CSV UTF-8 (comma delimited)'")
        return None
    return Draft(contract.file, tuple(sheet.header.cells), text, mark, newline)


def new_draft(file: str, columns: Sequence[str]) -> Draft:
    """A table that is not there yet: its column names and no row."""
    return Draft(file, tuple(columns), ",".join(columns) + "\n", changed=True)
