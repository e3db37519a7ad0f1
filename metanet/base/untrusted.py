"""Untrusted text made harmless: in a terminal, in a message and in HTML."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterable

# Cc: control characters, terminal escapes among them. Cf: directional overrides and zero-width characters, which can
# make one word look like another. Cs: lone surrogates, which no output stream can encode. Zl, Zp: hidden line ends.
_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

#: A cell that starts so is a formula to a spreadsheet; the wide forms are to one that is set to Japanese.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
#: A spreadsheet that parts cells by semicolons, as in much of Europe, begins a new cell within this one there.
_SECOND_CELL = re.compile(r"""([;\t\r\n][\s"]*)(?=[=+@＝＋＠]|[-－][^\s])""")
#: Accents on one letter; more of them would run over what stands above and below.
_MARKS = 8

#: MathJax, in JupyterLab and elsewhere, leaves elements of these classes alone, so that a `$` in a name stays one.
NO_MATH = "tex2jax_ignore mathjax_ignore"


def harmful(character: str) -> bool:
    """Whether `character` acts on a terminal or a reader instead of being seen."""
    return unicodedata.category(character) in _HARMFUL


def visible(text: object) -> str:
    """`text` on one line, with every control character written out as an escape."""
    plain = str(text)
    if plain.isascii() and plain.isprintable():
        return plain
    out, marks = [], 0
    for character in plain:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        out.append(_escape(character) if marks > _MARKS or harmful(character) else character)
    return "".join(out)


def _escape(character: str) -> str:
    number = ord(character)
    if number < 0x100:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\x{number:02x}")
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def json_visible(text: str) -> str:
    """JSON with every harmful character inside its texts as an escape of JSON: the same content."""
    return (
        "".join(c if c == "\n" or not harmful(c) else json.dumps(c)[1:-1] for c in text)
        if not text.isascii() or not text.replace("\n", "").isprintable()
        else text
    )


def literal(text: str) -> str:
    """A text as a safe Python literal; unprintable characters are escaped."""
    return '"' + "".join(_in_literal(character) for character in text) + '"'


def _in_literal(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def xml_text(text: object) -> str:
    """`text` on one line, as the XML of office files can hold it."""
    line = visible(text)
    return "".join(_escape(c) if c in "\ufffe\uffff" else c for c in line) if not line.isascii() else line


def formula_like(text: str) -> bool:
    """Whether a spreadsheet would run a cell of this text."""
    return text.startswith(_FORMULA)


def harmless_cell(value: object) -> object:
    """A text that a spreadsheet would run as a formula gets an apostrophe before it; numbers stay numbers."""
    if not isinstance(value, str):
        return value
    text = _SECOND_CELL.sub(r"\1'", value)
    return f"'{text}" if formula_like(text) else text


def html_text(text: object) -> str:
    """`text` for the inside of an HTML element or attribute."""
    return html.escape(visible(text), quote=True)


#: An identifier of a publication, or an address, in the text of a page: not in a tag, where it would follow a quote or a sign.
_ADDRESS = re.compile(
    r"(?<![\w/\"'=])(?:doi:(?P<doi>10\.\d{4,9}/(?>[\w./:;()-]*\w))"
    r"|(?P<url>https?://\w[\w-]*+(?:\.[\w-]++)*+(?::\d++)?+(?>/(?:[\w./~%:+,=?#-]*[\w/])?)?+))(?![\w&/])",
    re.ASCII,
)


def linked(page: str) -> str:
    """HTML whose texts are escaped, with its DOIs and web addresses as links; what holds other signs stays text."""

    return _ADDRESS.sub(lambda found: f'<a href="{_address(found)}" rel="noreferrer">{found[0]}</a>', page)


def with_addresses(text: str) -> list[tuple[str, str | None]]:
    """The pieces of a text, each with the address that it is a link to: its DOIs and web addresses, which hold no other signs."""
    pieces: list[tuple[str, str | None]] = []
    end = 0
    for found in _ADDRESS.finditer(text):
        pieces += [(text[end : found.start()], None), (found[0], _address(found))]
        end = found.end()
    return [(piece, address) for piece, address in (*pieces, (text[end:], None)) if piece]


def _address(found: re.Match[str]) -> str:
    return f"https://doi.org/{found['doi']}" if found["doi"] else str(found["url"])


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listing(words: Iterable[object], limit: int = 8) -> str:
    """`a, b and c`; a long list ends in how many more there are."""
    shown = [visible(word) for word in words]
    if len(shown) > limit:
        shown = [*shown[:limit], f"{len(shown) - limit} more"]
    if len(shown) < 2:
        return "".join(shown)
    return ", ".join(shown[:-1]) + " and " + shown[-1]


def html_table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A plain HTML table of escaped cells."""
    top = "".join(f"<th>{html_text(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{html_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def html_block(inner: str) -> str:
    """Wrap HTML so that a notebook does not typeset a dollar sign in a name as mathematics."""
    return f'<div class="metanet {NO_MATH}">{inner}</div>'
