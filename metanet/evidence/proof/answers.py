"""The answers about printed figures as sentences and small tables, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metanet.base.untrusted import counted, listing
from metanet.evidence.proof.counts import ROUNDING_IN_WORDS, Counts

if TYPE_CHECKING:
    import pandas as pd

#: Where figures do not fit; a reader looks, and nobody is blamed.
CAUSES = "The usual causes are another denominator, a misprint, or missing patients."
#: Rows of a table that are shown.
_MOST_ROWS = 200
_TOGETHER = {"all": ", with counts that sum to the denominator", "at most": ", with counts that sum to no more than the denominator"}


def counts_text(found: Counts) -> str:
    """The counts of one figure or expression."""
    lines = [found.sentence()]
    if found.why:
        lines.append(CAUSES)
    elif not found.unique:
        lines.append("The figure alone does not tell which.")
    if "%" in found.printed:
        lines.append(_rule(found.method["rounding"]))
    return "\n".join(lines)


def denominators_text(
    found: pd.DataFrame, figures: Sequence[str], between: tuple[int, int], together: str | None, rounding: str
) -> str:
    """The denominators that several figures fit, with the counts of each."""
    first, last = between
    what = figures[0] if len(figures) == 1 else listing(figures, 50)
    fits = ("fits" if len(found) == 1 else "fit") if len(found) else "fits"
    number = counted(len(found), "denominator") if len(found) else "No denominator"
    head = f"{number} from {first:,} to {last:,} {fits} {what}{_TOGETHER.get(together or '', '')}."
    if not len(found):
        return "\n".join((head, CAUSES, _rule(rounding)))
    columns = [name for name in found.columns if name not in ("n", "unique")]
    rows = [
        (f"{n:,}", *(range_text(each) for each in cells))
        for n, *cells in found[["n", *columns]].head(_MOST_ROWS).itertuples(index=False)
    ]
    return "\n".join((head, _rule(rounding), "", *_table(("n", *columns), rows), *_more(found)))


def groups_text(found: pd.DataFrame, figures: Sequence[str], total: int, rounding: str) -> str:
    """The divisions of a total into two groups that two figures fit."""
    number = counted(len(found), "division") if len(found) else "No division"
    fits = "fit" if len(found) > 1 else "fits"
    head = f"{number} of {total:,} patients into two groups {fits} {figures[0]} of the first and {figures[1]} of the second."
    if not len(found):
        return "\n".join((head, CAUSES, _rule(rounding)))
    titles = ("n, group 1", "events, group 1", "n, group 2", "events, group 2")
    rows = [
        (f"{n_1:,}", range_text(events_1), f"{n_2:,}", range_text(events_2))
        for n_1, events_1, n_2, events_2 in found.head(_MOST_ROWS).itertuples(index=False)
    ]
    return "\n".join((head, _rule(rounding), "", *_table(titles, rows), *_more(found)))


def _rule(rounding: str) -> str:
    rule = ROUNDING_IN_WORDS[rounding]
    return f"Counts: {rule[:1].lower()}{rule[1:]}"


def range_text(counts: Sequence[int]) -> str:
    """Counts that follow each other: "9", or "171 to 174"."""
    return f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of numbers to the right, under their names."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def _more(found: pd.DataFrame) -> list[str]:
    return [f"{len(found) - _MOST_ROWS:,} more are not shown."] if len(found) > _MOST_ROWS else []
