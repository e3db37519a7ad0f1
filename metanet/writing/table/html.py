"""Tables as HTML by great_tables, in the look of a journal."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

from metanet.base.display import ABSENT
from metanet.base.untrusted import NO_MATH, html_text, linked, visible
from metanet.writing.table.column_widths import closing_lines

if TYPE_CHECKING:
    from metanet.writing.table.table import Table


def _style(name: str) -> str:
    """A style sheet beside this module on one line, without its comments."""
    lines = files("metanet.writing.table").joinpath(name).read_text(encoding="utf-8").splitlines()
    return "".join(line.strip() for line in lines if not line.startswith("/*"))


STYLE, _PAGE_STYLE = _style("table.css"), _style("page.css")
#: With more columns than this a row becomes a card on a phone; with more than that letters and gaps are smaller.
_FEW, _MANY = 4, 9
#: As wide as a digit, as wide as a point: what stands in for digits that a number does not have.
_DIGIT, _POINT, _NO_BREAK = "\u2007", "\u2008", "\u00a0"
_NUMBER = re.compile(r"([<>−]?\d+)(\.\d+)?")


def html_of(table: Table) -> str:
    """A table with rows as HTML for the inside of a page; equal tables give equal bytes."""
    import great_tables as gt
    import pandas as pd

    # Object columns: great_tables sets cell by cell, and pandas is slowest at that in columns of its own text type.
    keys = [f"c{i}" for i in range(len(table.columns))]
    texts = table.texts()
    # A median may break before its range and nowhere else.
    for row in texts[len(table.rows) :]:
        parts = [closing_lines(cell) for cell in row]
        row[:] = [part[0] if len(part) == 1 else f"{part[0]} {part[1].replace(' ', _NO_BREAK)}" for part in parts]
    columns = [[row[place] for row in texts] for place in range(len(keys))]
    columns = [
        aligned(values) if c.kind not in ("text", "count") else values for c, values in zip(table.columns, columns, strict=True)
    ]
    frame = pd.DataFrame({key: pd.Series(map(visible, values), dtype=object) for key, values in zip(keys, columns, strict=True)})
    if table.groups:
        named = [*table.groups, *[" "] * len(table.closing)]
        frame["group"] = pd.Series(map(visible, named), dtype=object)
    first, *others = table.columns
    shown = gt.GT(frame, rowname_col="c0", groupname_col="group" if table.groups else None, id=_id(table))
    shown = shown.tab_header(title=gt.html(html_text(table.title))).tab_stubhead(label=gt.html(html_text(first.label)))
    if others:
        shown = shown.cols_label({key: gt.html(html_text(c.label)) for key, c in zip(keys[1:], others, strict=True)})
    numbers = [key for key, c in zip(keys, table.columns, strict=True) if c.kind != "text"]
    shown = shown.cols_align("left", columns=[key for key in keys if key not in numbers])
    if numbers:
        shown = shown.cols_align("right", columns=numbers)
    for place, (label, start, stop) in enumerate(spans(table)):
        shown = shown.tab_spanner(label=gt.html(html_text(label)), columns=keys[start:stop], id=f"s{place}")
    if table.closing:
        line = gt.style.borders(sides="top", color="currentcolor", weight="1px")
        last = [len(table.rows)]
        shown = shown.tab_style(line, [gt.loc.body(rows=last), gt.loc.stub(rows=last)])
        below = list(range(len(table.rows), len(texts)))
        shown = shown.tab_style(gt.style.css("white-space:normal"), gt.loc.body(rows=below))
    for note in table.foot:
        shown = shown.tab_source_note(gt.html(html_text(note)))
    # The cells are set one by one, three times as fast in object columns; without this attribute it only takes longer.
    body = getattr(shown, "_body", None)
    if body is not None and isinstance(getattr(body, "body", None), pd.DataFrame):
        body.body = body.body.astype(object)
    whole = shown.as_raw_html()
    # Everything from data is escaped by now, so these are great_tables' own tags.
    inner = whole[whole.index("<table") : whole.rindex("</table>") + len("</table>")]
    labels = [f"{column.spanner}: {column.label}" if column.spanner else column.label for column in table.columns]
    headings = {html_text(text): html_text(heading) for text, heading in table.headings.items()}
    inner = _CELL.sub(lambda found: _labelled(found, labels, headings), inner)
    if labels[0] in LINKED:
        inner = _STUB.sub(lambda found: f"{found[1]}{linked(found[2])}", inner)
    wide = f"{' metanet-cards' if len(table.columns) > _FEW else ''}{' metanet-wide' if len(table.columns) > _MANY else ''}"
    # A wide table is moved sideways, also by the keys.
    group = f"tabindex='0' role='group' aria-label='{html_text(table.title)}'"
    return f"<div class='metanet metanet-table{wide} {NO_MATH}' {group}><style>{STYLE}</style>{inner}</div>"


#: Headings of the columns whose DOIs and addresses are links; a name of a study is never one.
LINKED = ("Source", "Value")
_STUB = re.compile(r'(<th scope="row"[^>]* class="gt_row [^"]*gt_stub">)([^<]*)')
#: A cell of the body, which great_tables lets name its headings; `scope` on the headings says the same in less room.
_CELL = re.compile(r'<td headers="[^"]*-c(\d+)" class="gt_row ([^"]*)"([^>]*)>([^<]*)')


def _labelled(found: re.Match[str], labels: list[str], headings: Mapping[str, str]) -> str:
    """A cell with the heading of its column, which stands beside it where a narrow page has no columns."""
    column, side, more, text = found.groups()
    absent = " gt_absent" if text.strip() in ("", ABSENT) else ""
    label = labels[int(column)]
    shown = linked(text) if label in LINKED else text
    if headings:
        parts = [(part, headings.get(part)) for part in text.split("; ")]
        shown = "; ".join(f'<a href="#{heading}">{part}</a>' if heading else part for part, heading in parts)
    return f'<td data-label="{html_text(label)}" class="gt_row {side}{absent}"{more}>{shown}'


def page_of(title: str, inner: str) -> str:
    """A page that holds a table alone."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{html_text(title)}</title>\n'
        f"<style>{_PAGE_STYLE}</style>\n</head>\n<body>\n<main><h1>{html_text(title)}</h1>{inner}</main>\n</body>\n</html>\n"
    )


def spans(table: Table) -> list[tuple[str, int, int]]:
    """Headings over several columns: label, first column, one past the last; only neighbours share one."""
    found: list[tuple[str, int, int]] = []
    for place, column in enumerate(table.columns):
        if found and found[-1][0] == column.spanner and found[-1][2] == place:
            found[-1] = (column.spanner, found[-1][1], place + 1)
        elif column.spanner:
            found.append((column.spanner, place, place + 1))
    return found


def aligned(texts: list[str]) -> list[str]:
    """Numbers filled up with blanks as wide as digits, so that their points stand under each other in a right-aligned column."""
    parts = [_NUMBER.split(text) for text in texts]
    shape = max((tuple(part[::3]) for part in parts), key=[tuple(part[::3]) for part in parts].count)
    if len(shape) < 2:
        return texts
    alike = [part for part in parts if tuple(part[::3]) == shape]
    spots = range(1, len(shape) * 3 - 3, 3)
    whole = [max(len(part[spot]) for part in alike) for spot in spots]
    decimals = [max(len(part[spot + 1] or "") for part in alike) for spot in spots]
    out = []
    for text, part in zip(texts, parts, strict=True):
        if tuple(part[::3]) != shape:
            out.append(text)
            continue
        line = part[0]
        for n, spot in enumerate(spots):
            # The first number needs no blanks before it: the column is right-aligned.
            before = _DIGIT * (whole[n] - len(part[spot])) if n else ""
            after = part[spot + 1] or ""
            lacking = decimals[n] - len(after)
            blanks = (_POINT + _DIGIT * (lacking - 1) if not after else _DIGIT * lacking) if lacking else ""
            line += f"{before}{part[spot]}{after}{blanks}{part[spot + 2]}"
        out.append(line)
    return out


def _id(table: Table) -> str:
    """The same table has the same id on every run."""
    content = repr((table.title, table.columns, table.texts(), table.foot, table.groups))
    return "metanet-" + hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:12]
