"""HTML as a small tree of elements and texts: enough for what results, tables and markdown cells write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "figure", "footer", "h1", "h2", "h3",
        "h4", "h5", "h6", "header", "hr", "html", "li", "main", "nav", "ol", "p", "pre", "section", "summary", "table", "ul",
    }
)  # fmt: skip
#: What is not shown as text.
_UNSEEN = frozenset({"style", "script", "head", "template", "title", "svg"})
#: Blanks that fill numbers up so that their points stand under each other; in a document they are noise.
_FILLING = str.maketrans({"\u2007": None, "\u2008": None})
#: Deeper nesting than this is no page that anybody wrote.
_DEEPEST = 200


@dataclass
class Node:
    """An element with its attributes, and what stands in it."""

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
