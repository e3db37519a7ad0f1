"""Portrait and landscape pages of a document: wide tables and wide figures are landscape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metanet.reporting.documents.blocks import Block, Caption, Document, Figure, Heading, Paragraph
from metanet.writing.table.table import Table

#: Text on A4 in centimetres: width and height of a portrait page; landscape swaps them.
UPRIGHT, SIDE = 17.0, 25.7
#: Below this share of its size a figure on a portrait page is illegible.
_LEAST_SCALE = 0.68
#: Up to this many table rows stay landscape between two landscape pages.
_FEW_ROWS = 12
#: Space on the page of a figure for a heading and a few lines.
_BESIDE = 3.2


@dataclass(frozen=True)
class Section:
    """Blocks on pages of one kind."""

    wide: bool
    blocks: tuple[Block, ...]


def sections(document: Document, is_wide: Callable[[Table], bool]) -> list[Section]:
    """The document in sections; headings stay with their content, and a few lines between two landscape pages stay landscape."""
    marks = [_wide(block, is_wide) for block in document.blocks]
    for place in range(len(marks) - 2, -1, -1):
        if marks[place + 1] and _leads(document.blocks[place]):
            marks[place] = True
    for place, (above, block) in enumerate(zip(document.blocks, document.blocks[1:], strict=False)):
        if isinstance(above, Figure) and isinstance(block, Caption):
            marks[place + 1] = marks[place]
    _fill_gaps(marks, document.blocks)
    found: list[Section] = []
    for mark, block in zip(marks, document.blocks, strict=True):
        if found and found[-1].wide == mark:
            found[-1] = Section(mark, (*found[-1].blocks, block))
        else:
            found.append(Section(mark, (block,)))
    return found


def _wide(block: Block, is_wide: Callable[[Table], bool]) -> bool:
    if isinstance(block, Figure):
        width, height = block.size
        upright = scale_of(block, wide=False)
        return upright < _LEAST_SCALE and width > height and scale_of(block, wide=True) > upright
    return isinstance(block, Table) and is_wide(block)


def _leads(block: Block) -> bool:
    """Whether a block belongs to the one after it."""
    if isinstance(block, Caption):
        return block.kind == "Table"
    return isinstance(block, Heading) or (isinstance(block, Paragraph) and block.kind != "small" and len(block.text) < 400)


def _fill_gaps(marks: list[bool], blocks: tuple[Block, ...]) -> None:
    """A portrait page for a few lines would waste paper."""
    place = 0
    while place < len(marks):
        end = place
        while end < len(marks) and not marks[end]:
            end += 1
        inside = blocks[place:end]
        if 0 < place < end < len(marks) and _rows(inside) <= _FEW_ROWS and not any(isinstance(b, Figure) for b in inside):
            marks[place:end] = [True] * (end - place)
        place = end + 1


def scale_of(figure: Figure, *, wide: bool) -> float:
    """The factor by which a figure shrinks to fit its page; no figure grows."""
    across, down = (SIDE, UPRIGHT) if wide else (UPRIGHT, SIDE)
    width, height = figure.size
    return min(1.0, across / width, (down - _BESIDE) / height)


def _rows(blocks: tuple[Block, ...]) -> int:
    return sum(len(block.rows) for block in blocks if isinstance(block, Table))


def held_by_next(blocks: tuple[Block, ...]) -> list[bool]:
    """For each block, whether it must not be the last on its page, because it introduces a figure or a table."""
    held = [
        isinstance(block, (Heading, Figure))
        or (isinstance(block, Caption) and block.kind == "Table")
        or (isinstance(block, Paragraph) and block.kind == "strong")
        for block in blocks
    ]
    for place in range(len(blocks) - 2, -1, -1):
        after = blocks[place + 1]
        leads = isinstance(after, (Figure, Table)) or (held[place + 1] and isinstance(after, (Caption, Paragraph)))
        held[place] = held[place] or (leads and _leads(blocks[place]))
    return held
