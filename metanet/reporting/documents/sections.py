"""Sections of a notebook whose cells show nothing: a report leaves out their headings."""

from __future__ import annotations

from typing import Any

#: The tag of a heading that stands only over something.
TAG = "with-output"


def shown_cells(book: Any) -> list[Any]:
    """The cells of an executed notebook without headings, so tagged, over cells that show nothing."""
    cells = list(book.cells)
    return [cell for place, cell in enumerate(cells) if not (_is_tagged(cell) and _is_empty(cells, place))]


def _is_tagged(cell: Any) -> bool:
    return cell.cell_type == "markdown" and TAG in cell.get("metadata", {}).get("tags", ())


def _is_empty(cells: list[Any], place: int) -> bool:
    """Whether no cell up to the next heading shows anything."""
    for cell in cells[place + 1 :]:
        if cell.cell_type == "markdown":
            return True
        if cell.cell_type == "code" and cell.get("outputs"):
            return False
    return True
