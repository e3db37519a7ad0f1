"""One record a line: `python -m tests.reference.compact` writes the reference files in the form that keeps their diffs readable.

The scripts in R write JSON in the forms that R has; this is run after them. Numbers keep their digits as they were written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
#: What holds other records is put on one line as well where the line is no longer than this.
WIDTH = 160


class Number(str):
    """A number as it was written, so that no digit of it changes."""

    __slots__ = ()


def _flat(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_word(key)}: {_flat(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    return value if isinstance(value, Number) else _word(value)


def _word(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _holds_records(value: Any) -> bool:
    """Whether a value holds others than numbers, words and lists of them."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(isinstance(item, dict) or _holds_records(item) for item in items)


def _lines(value: Any, indent: str = "") -> str:
    text = _flat(value)
    if not _holds_records(value) or len(text) <= WIDTH:
        return text
    deeper = indent + " "
    if isinstance(value, dict):
        items, (first, last) = [f"{_word(key)}: {_lines(item, deeper)}" for key, item in value.items()], "{}"
    else:
        items, (first, last) = [_lines(item, deeper) for item in value], "[]"
    return f"{first}\n" + ",\n".join(deeper + item for item in items) + f"\n{indent}{last}"


def compact(text: str) -> str:
    """The same JSON, one record a line."""
    value = json.loads(text, parse_float=Number, parse_int=Number, parse_constant=Number)
    return _lines(value) + "\n"


def main(paths: list[Path]) -> None:
    """Write every file anew that is in another form."""
    for path in paths:
        before = path.read_text(encoding="utf-8")
        after = compact(before)
        if json.loads(after) != json.loads(before):
            raise SystemExit(f"{path.name} would not be the same")
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"renewed {path.name}")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or sorted(FOLDER.glob("*.json")))
