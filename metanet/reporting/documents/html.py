"""The HTML of our cards, tables and texts, and of markdown cells, as blocks of a document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

from metanet.reporting.documents.blocks import Block, Heading, Listing, Paragraph, Preformatted
from metanet.writing.table.table import Cell, Column, made, text_cell

_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"})
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "figure", "footer", "h1", "h2", "h3",
        "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "ul",
    }
)  # fmt: skip
#: What is not shown as text.
_UNSEEN = frozenset({"style", "script", "head", "template", "title", "svg"})
#: Spaces that align decimal points; in a document they are noise.
_FILLING = str.maketrans({"\u2007": None, "\u2008": None})
#: Deeper nesting than this is no page that anybody wrote.
_DEEPEST = 200


@dataclass
class Node:
    """An element with its attributes and its content."""

    tag: str
    attrs: dict[str, str] = field(default_factory=dict)
    inside: list[Node | str] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        """Its classes."""
        return set(self.attrs.get("class", "").split())

    @property
    def seen(self) -> bool:
        """Whether it shows: styles do not, nor do the marks that headings get as targets of links."""
        return self.tag not in _UNSEEN and "anchor-link" not in self.classes

    @property
    def is_block(self) -> bool:
        """Whether it begins on a new line."""
        return self.tag in _BLOCKS

    @property
    def holds_blocks(self) -> bool:
        """Whether some element in it begins on a new line."""
        return any(node.is_block for node in self.all())

    def all(self, *tags: str) -> Iterator[Node]:
        """Every element in it (with one of these tags), in the order of the page."""
        for part in self.inside:
            if isinstance(part, Node):
                if not tags or part.tag in tags:
                    yield part
                yield from part.all(*tags)

    def text(self) -> str:
        """Its text on one line."""
        return " ".join(self.raw().translate(_FILLING).split())

    def raw(self) -> str:
        """Its text with the line ends it has."""
        if self.tag == "br":
            return "\n"
        if not self.seen:
            return ""
        return "".join(part if isinstance(part, str) else part.raw() for part in self.inside)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("body")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(node)
        if tag not in _VOID and len(self._open) < _DEEPEST:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].inside.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        for place in range(len(self._open) - 1, 0, -1):
            if self._open[place].tag == tag:
                del self._open[place:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].inside.append(data)


def tree_of(html: str) -> Node:
    """The tree of a piece of HTML."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.root


_HEADINGS = {f"h{level}": level for level in range(1, 7)}
#: A table with more columns does not fit on a page.
_MOST_COLUMNS = 60


def blocks_of(html: str) -> list[Block]:
    """What a piece of HTML shows."""
    return list(_walk(tree_of(html)))


def _walk(node: Node) -> Iterator[Block]:
    loose: list[Node | str] = []
    for part in node.inside:
        if isinstance(part, str) or not (part.is_block or part.holds_blocks):
            loose.append(part)
            continue
        yield from _paragraph(Node("p", {}, loose))
        loose = []
        yield from _block(part)
    yield from _paragraph(Node("p", {}, loose))


def _block(node: Node) -> Iterator[Block]:
    if not node.seen:
        return
    if node.tag in _HEADINGS:
        if text := node.text():
            yield Heading(_HEADINGS[node.tag], text)
    elif node.tag == "table":
        yield from _table(node)
    elif node.tag in ("ul", "ol"):
        items = [part.text() for part in node.inside if isinstance(part, Node) and part.tag == "li"]
        if kept := tuple(item for item in items if item):
            yield Listing(kept, "metanet-notes" in node.classes)
    elif node.tag == "pre":
        if text := node.raw().strip("\n"):
            yield Preformatted(text)
    elif node.holds_blocks:
        yield from _walk(node)
    else:
        yield from _paragraph(node)


def _paragraph(node: Node) -> Iterator[Block]:
    text = node.text()
    if not text:
        return
    shown = [part for part in node.inside if not isinstance(part, str) or part.strip()]
    only = shown[0].tag if len(shown) == 1 and isinstance(shown[0], Node) else ""
    if only in ("strong", "b"):
        yield Paragraph(text, "strong")
    elif only == "small":
        yield Paragraph(text, "small")
    else:
        yield Paragraph(text)


def _table(node: Node) -> Iterator[Block]:
    title, foot = "", []
    heads: list[list[Node]] = []
    body: list[list[Node]] = []
    groups: list[str] = []
    group = ""
    closing_from: int | None = None
    for line, part in _lines(node):
        cells = [cell for cell in line.inside if isinstance(cell, Node) and cell.tag in ("td", "th")]
        if not cells:
            continue
        if _has(cells, "gt_title") or _has(cells, "gt_subtitle"):
            title = " ".join(filter(None, [title, line.text()]))
        elif part == "tfoot":
            foot.append(line.text())
        elif part == "thead":
            heads.append(cells)
        elif "gt_group_heading_row" in line.classes:
            group = line.text()
        else:
            # Summary rows are below a line, in a group without a name.
            if closing_from is None and body and all("border-top" in cell.attrs.get("style", "") for cell in cells):
                closing_from = len(body)
            body.append(cells)
            groups.append(group)
    if caption := next(node.all("caption"), None):
        title = title or caption.text()
    rows = _grid(body)
    wide = max(map(len, [*rows, *_grid(heads)]), default=0)
    if not 0 < wide <= _MOST_COLUMNS:
        if wide:
            yield Paragraph(f"A table of {wide} columns, too wide for a page. It is in the HTML report.")
        return
    columns = _columns(heads, body, wide)
    texts = [[*(cell.text() if cell is not None else "" for cell in row), *[""] * (wide - len(row))] for row in rows]
    end = len(texts) if closing_from is None else closing_from
    if not texts:
        yield Paragraph(" ".join(filter(None, [title, "The table has no rows."])))
        return
    if wide == 2 and not heads and not any(first for first, _ in texts):
        # Names are missing: these are the items of a list.
        yield Listing(tuple(second for _, second in texts))
        return
    shown: list[list[Cell]] = [[text_cell(text) for text in row] for row in texts[:end]]
    named = groups[:end] if any(groups[:end]) else []
    yield made(title, title, columns, shown, filter(None, foot), groups=named, closing=texts[end:])


def _lines(table: Node) -> Iterator[tuple[Node, str]]:
    """The rows of a table, each with its section (head, body or foot), without the rows of nested tables."""
    for part in table.inside:
        if not isinstance(part, Node):
            continue
        if part.tag == "tr":
            yield part, "tbody"
        elif part.tag in ("thead", "tbody", "tfoot"):
            for line in part.inside:
                if isinstance(line, Node) and line.tag == "tr":
                    yield line, part.tag


def _has(cells: list[Node], name: str) -> bool:
    return any(name in cell.classes for cell in cells)


def _grid(lines: list[list[Node]]) -> list[list[Node | None]]:
    """Cells at their columns: a cell over several columns or rows is in the first of them, and None in the others.

    In heads the same cell is what matters, see `_columns`; here a cell is printed once.
    """
    found: list[list[Node | None]] = []
    below: dict[int, int] = {}
    for line in lines:
        row: list[Node | None] = []

        def fill(row: list[Node | None] = row) -> None:
            while below.get(len(row), 0):
                below[len(row)] -= 1
                row.append(None)

        for cell in line:
            fill()
            down, across = _span(cell, "rowspan"), _span(cell, "colspan")
            for place in range(across):
                if down > 1:
                    below[len(row)] = down - 1
                row.append(cell if place == 0 else None)
        fill()
        found.append(row)
    return found


def _span(cell: Node, name: str) -> int:
    text = cell.attrs.get(name, "1")
    return max(1, min(_MOST_COLUMNS, int(text))) if text.isascii() and text.isdigit() else 1


def _columns(heads: list[list[Node]], body: list[list[Node]], wide: int) -> list[Column]:
    """Columns with the headings above each, and the alignment of their texts."""
    over: list[list[Node]] = [[] for _ in range(wide)]
    below: dict[int, tuple[Node, int]] = {}
    for line in heads:
        place = 0
        for cell in line:
            while place in below:
                place = _below(below, over, place)
            for _ in range(_span(cell, "colspan")):
                if place < wide:
                    over[place].append(cell)
                    if _span(cell, "rowspan") > 1:
                        below[place] = (cell, _span(cell, "rowspan") - 1)
                place += 1
        while place in below:
            place = _below(below, over, place)
    rows = _grid(body)
    columns = []
    for place, cells in enumerate(over):
        apart = list({id(cell): cell for cell in cells}.values())
        label = apart[-1].text() if apart else ""
        spanner = " ".join(filter(None, (cell.text() for cell in apart[:-1])))
        column = [row[place] for row in rows if place < len(row) and row[place] is not None]
        right = _to_right(apart[-1] if apart else None, [cell for cell in column if cell is not None])
        columns.append(Column(label, (f"c{place}",), "number" if right else "text", spanner))
    return columns


def _below(below: dict[int, tuple[Node, int]], over: list[list[Node]], place: int) -> int:
    """Go past a column whose heading reaches down from an earlier row."""
    _, left = below[place]
    if left > 1:
        below[place] = (below[place][0], left - 1)
    else:
        del below[place]
    return place + 1


def _to_right(head: Node | None, cells: list[Node]) -> bool:
    """Whether a column is one of numbers."""
    for cell in [*([head] if head is not None else []), *cells[:1]]:
        style = cell.attrs.get("style", "").replace(" ", "")
        if "gt_right" in cell.classes or "text-align:right" in style:
            return True
        if cell.classes & {"gt_left", "gt_center"} or "text-align:left" in style:
            return False
    texts = [text for cell in cells if (text := cell.text())]
    return bool(texts) and all(text.lstrip("<>−-(±")[:1].isdigit() for text in texts)
