"""Cards: how a result shows itself in JupyterLab and in reports.

Plain elements with a few inline styles: no colours of text or ground, so that it fits the light and the dark theme; nothing is
fetched; without any style it still reads as heading, sentence, table, notes. All text from data is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from metanet.base.untrusted import NO_MATH, html_text

_CARD = (
    "border:1px solid rgba(128,128,128,.45);border-left:4px solid #0072B2;border-radius:4px;"
    "padding:.5em .9em;margin:.4em 0;overflow-x:auto"
)
_NOTES = "border-left:3px solid #D55E00;margin:.5em 0;padding:0 0 0 1.6em"
#: Longer texts may break; numbers and intervals stay on one line.
_SHORT = 22


def card(
    title: str,
    text: str = "",
    *,
    pairs: Iterable[tuple[str, str]] = (),
    head: Sequence[str] = (),
    rows: Iterable[Sequence[str]] = (),
    notes: Sequence[str] = (),
    method: str = "",
) -> str:
    """A result as HTML: title, sentence, numbers (as `pairs`, or as `rows` under a `head`), what to beware of, method."""
    parts = [f"<div><strong>{html_text(title)}</strong></div>"] if title else []
    if text:
        parts.append(f"<p style='margin:.3em 0'>{html_text(text)}</p>")
    parts += [html_pairs(pairs), html_rows(head, rows)]
    if notes:
        listed = "".join(f"<li>{html_text(note)}</li>" for note in notes)
        parts.append(f"<ul class='metanet-notes' style='{_NOTES}'>{listed}</ul>")
    if method:
        parts.append(f"<div><small>{html_text(method)}</small></div>")
    group = f"tabindex='0' role='group' aria-label='{html_text(title or 'Result')}'"
    return f"<div class='metanet metanet-card {NO_MATH}' style='{_CARD}' {group}>{''.join(parts)}</div>"


def beside(shown: str, svg: str) -> str:
    """A card with a picture beside it where there is room, else below it."""
    if not svg:
        return shown
    row = "display:flex;flex-wrap:wrap;gap:.4em 1.2em;align-items:flex-start"
    return f"<div style='{row}'><div style='flex:1 1 24em'>{shown}</div><div class='metanet-picture {NO_MATH}'>{svg}</div></div>"


def html_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Names and texts as a table of two columns; empty where there are none."""
    left = "text-align:left;vertical-align:top"
    cells = "".join(f"<tr>{_name(a, 'row', left)}<td style='{left}'>{html_text(b)}</td></tr>" for a, b in pairs)
    return f"<table class='metanet-numbers'><tbody>{cells}</tbody></table>" if cells else ""


def html_rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts under a head: columns of numbers to the right, the others to the left; empty without a head."""
    if not head:
        return ""
    body = [list(row) for row in rows]
    sides = ["right" if _numbers([row[i] for row in body]) else "left" for i in range(len(head))]
    top = "".join(_name(h, "col", f"text-align:{s}") for h, s in zip(head, sides, strict=True))
    lines = "".join(f"<tr>{''.join(map(_cell, row, sides))}</tr>" for row in body)
    return f"<table class='metanet-rows'><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"


def _name(text: str, scope: str, style: str) -> str:
    """The heading of a row or a column; one without words heads nothing."""
    return f"<th scope='{scope}' style='{style}'>{html_text(text)}</th>" if text else f"<td style='{style}'></td>"


def _numbers(cells: list[str]) -> bool:
    """Whether every cell begins as a number does, or is empty."""
    known = [cell for cell in cells if cell and cell != "–"]
    return bool(known) and all(cell.lstrip("<>−-(±")[:1].isdigit() for cell in known)


def _cell(text: str, side: str) -> str:
    kept = ";white-space:nowrap" if len(text) <= _SHORT and "/" not in text else ""
    return f"<td style='text-align:{side};vertical-align:top{kept}'>{html_text(text)}</td>"
