"""Data as R reads them: quoted texts, numbers with all their digits, vectors and comments. No text of the data is ever code."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from importlib.resources import files
from textwrap import wrap

from metanet.base.untrusted import visible

_WIDTH = 100
#: R marks these by a backslash; everything else beyond the printable ASCII characters is written by its number.
_MARKED = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: What a text of R cannot hold: the character of number zero and halves of surrogate pairs.
_REPLACED = "\\ufffd"
_LETTERS = str.maketrans({"τ": "tau", "μ": "mu", "²": "2", "−": "-", "–": "-", "×": "x", "ρ": "rho", "χ": "chi", "’": "'"})


def quoted(text: object) -> str:
    """A text as a string of R, in ASCII alone, so that neither its content nor the encoding of the system can end it."""
    out = []
    for character in str(text):
        number = ord(character)
        if character in _MARKED:
            # R does not take \\x and \\u in one string; these marks go with both.
            out.append(_MARKED[character])
        elif 0x20 <= number < 0x7F:
            out.append(character)
        elif number == 0 or 0xD800 <= number <= 0xDFFF:
            out.append(_REPLACED)
        else:
            out.append(f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}")
    return '"' + "".join(out) + '"'


def number(value: float) -> str:
    """A number with every digit it has."""
    value = float(value)
    if math.isnan(value):
        return "NA"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def vector(name: str, items: Iterable[str]) -> str:
    """`name` as a vector of items that are written already."""
    listed = list(items)
    lines, line = [], ""
    for place, item in enumerate(listed):
        part = item + ("," if place < len(listed) - 1 else "")
        if line and len(line) + len(part) + 1 > _WIDTH:
            lines.append(line)
            line = part
        else:
            line = f"{line} {part}".strip()
    lines.append(line)
    if len(lines) == 1:
        return f"{name} <- c({lines[0]})"
    return f"{name} <- c(\n" + "\n".join(f"  {line}" for line in lines) + "\n)"


def numbers(name: str, values: Iterable[float]) -> str:
    """`name` as a vector of numbers."""
    return vector(name, (number(value) for value in values))


def texts(name: str, values: Iterable[object]) -> str:
    """`name` as a vector of texts."""
    return vector(name, (quoted(value) for value in values))


def comment(text: str, indent: str = "") -> str:
    """A text as lines of comment, in ASCII; nothing in it can begin a line of its own."""
    plain = visible(text).translate(_LETTERS).encode("ascii", "backslashreplace").decode("ascii")
    lines = wrap(plain, _WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]
    return "\n".join(f"# {line}".rstrip() for line in lines)


def part(*names: str) -> str:
    """Parts of scripts that are files beside this one."""
    root = files("metanet.models.r")
    return "\n".join(root.joinpath(f"{name}.R").read_text(encoding="utf-8").rstrip() for name in names)


def lines(*parts: str | Sequence[str]) -> str:
    """Code from parts, each a text or a sequence of lines."""
    return "\n".join(each if isinstance(each, str) else "\n".join(each) for each in parts if each)
