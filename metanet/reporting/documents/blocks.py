"""The parts of a document. Everything is plain text without markup."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from metanet.writing.table.table import Table

#: Dots in an inch where a picture does not say how many it has.
_DPI = 144.0
_CM = 2.54


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the highest below the title."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph; "strong" paragraphs are headings of what follows, "small" ones are small print."""

    text: str
    kind: Literal["", "strong", "small"] = ""


@dataclass(frozen=True)
class Listing:
    """Items of a list, or cautions."""

    items: tuple[str, ...]
    beware: bool = False


@dataclass(frozen=True)
class Figure:
    """A picture.

    Attributes
    ----------
    image
        SVG, PNG or JPEG.
    alt
        What a reader hears in place of the picture.
    title
        What it is called below.
    words
        The whole description; empty where it says no more than `alt`.
    drawn
        Whether a figure of ours drew it.
    """

    image: bytes
    alt: str
    title: str = ""
    words: str = ""
    drawn: bool = False

    @property
    def suffix(self) -> Literal["svg", "png", "jpg"]:
        """Of a file with this picture."""
        if b"<svg" in self.image[:_PROLOGUE]:
            return "svg"
        return "png" if self.image.startswith(b"\x89PNG") else "jpg"

    @property
    def size(self) -> tuple[float, float]:
        """Width and height in centimetres, as the picture was drawn."""
        read = {"svg": _svg_size, "png": _png_size, "jpg": _jpeg_size}[self.suffix]
        width, height, dpi = read(self.image)
        return width / dpi * _CM, height / dpi * _CM


@dataclass(frozen=True)
class Caption:
    """The number and the title of a figure, which stands above it, or of a table, which stands below."""

    kind: Literal["Figure", "Table"]
    number: int
    text: str

    @property
    def label(self) -> str:
        """What a text calls it."""
        return f"{self.kind} {self.number}"

    @property
    def key(self) -> str:
        """The target of a link."""
        return f"{self.kind}-{self.number}".lower()


@dataclass(frozen=True)
class Pointers:
    """Where the figures and tables of a document are said, each with a link to it."""

    captions: tuple[Caption, ...]


@dataclass(frozen=True)
class Preformatted:
    """Preformatted text: the output of a cell, a traceback."""

    text: str


Block = Heading | Paragraph | Listing | Table | Figure | Caption | Pointers | Preformatted


@dataclass(frozen=True)
class Document:
    """A report: its title, a subtitle (may be empty), its blocks, and its origin."""

    title: str
    below: str
    blocks: tuple[Block, ...]
    origin: str = ""

    @property
    def tables(self) -> tuple[Table, ...]:
        """Its tables, in their order."""
        return tuple(block for block in self.blocks if isinstance(block, Table))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Its figures, in their order."""
        return tuple(block for block in self.blocks if isinstance(block, Figure))


#: So many bytes of an SVG come before its first element, at the most.
_PROLOGUE = 2000
_LENGTH = re.compile(rb"<svg\b[^>]*?\bwidth=[\"']([0-9.]+)(pt|px|)[\"'][^>]*?\bheight=[\"']([0-9.]+)(pt|px|)[\"']", re.DOTALL)
_BOX = re.compile(rb"<svg\b[^>]*?\bviewBox=[\"'][-0-9.]+[ ,]+[-0-9.]+[ ,]+([0-9.]+)[ ,]+([0-9.]+)[\"']", re.DOTALL)


def _svg_size(image: bytes) -> tuple[float, float, float]:
    head = image[: 2 * _PROLOGUE]
    if found := _LENGTH.search(head):
        return max(1.0, float(found[1])), max(1.0, float(found[3])), 72.0 if found[2] == b"pt" else 96.0
    if found := _BOX.search(head):
        return max(1.0, float(found[1])), max(1.0, float(found[2])), 96.0
    return 640.0, 480.0, 96.0


def _png_size(image: bytes) -> tuple[int, int, float]:
    width, height = struct.unpack(">II", image[16:24])
    for name, content in _chunks(image):
        if name == b"pHYs" and len(content) == 9 and content[8] == 1:
            dots = struct.unpack(">I", content[:4])[0] * _CM / 100
            return width, height, dots if dots > 0 else _DPI
    return width, height, _DPI


def _chunks(image: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place + 8 <= len(image):
        length, name = struct.unpack(">I4s", image[place : place + 8])
        if name == b"IDAT":
            return
        yield name, image[place + 8 : place + 8 + length]
        place += length + 12


def _jpeg_size(image: bytes) -> tuple[int, int, float]:
    place = 2
    while place + 9 <= len(image) and image[place] == 0xFF:
        marker = image[place + 1]
        # The segments that open a frame, whatever its coding.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", image[place + 5 : place + 9])
            return width, height, _DPI
        place += 2 + int(struct.unpack(">H", image[place + 2 : place + 4])[0])
    return 640, 480, _DPI
