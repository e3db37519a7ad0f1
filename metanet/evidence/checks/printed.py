"""The rule that proves counts: the events of a row follow from what its source prints."""

from __future__ import annotations

import re
from collections.abc import Callable

from metanet.base.untrusted import listing, visible
from metanet.evidence.findings import Findings
from metanet.evidence.proof.printed import Printed, PrintedError, parse, words
from metanet.evidence.reading.cells import Row, Table

#: A derivation that works with a percentage.
PERCENTAGE = re.compile(r"\d\s*%|(?<![a-z])per\s?cent", re.IGNORECASE)
_CAUSES = (
    "Look for another denominator, a misprint or missing patients. If the figures of the source do not fit, leave 'printed' empty and "
    "say so in 'note'"
)


def check_printed(table: Table, findings: Findings) -> None:
    """Events belong to the counts that the printed figures can be."""
    # The column is optional: a contract or a file without it has nothing to be proved by.
    if table.contract.column("printed") is None or "printed" not in table.columns:
        return
    for row in table.rows:
        if "printed" in row.bad:
            continue
        text = row.values.get("printed")
        if not text:
            _unproved(table, row, findings)
            continue
        try:
            printed = parse(text)
        except PrintedError as error:
            _at(findings.breaks_rule, table, row, error.wrong, error.fix)
            continue
        _counts(printed, table, row, findings)


def _at(record: Callable[..., None], table: Table, row: Row, wrong: str, fix: str) -> None:
    record(table.file, wrong, fix, row=row.line, column="printed", value=row.text["printed"])


def _unproved(table: Table, row: Row, findings: Findings) -> None:
    derivation = row.values.get("derivation")
    if row.values.get("derived") is True and derivation and PERCENTAGE.search(derivation):
        _at(
            findings.notice,
            table,
            row,
            "is empty though the count is derived from a percentage, so that nothing checks it",
            "Write what the source prints with its denominator, such as 16.1% of 56; leave it empty where the figures do not fit",
        )


def _counts(printed: Printed, table: Table, row: Row, findings: Findings) -> None:
    events, total = row.values.get("events"), row.values.get("total")
    found = printed.counts()
    if not found:
        _at(findings.breaks_rule, table, row, f"does not fit: {printed.unfit()}", _CAUSES)
    elif events is not None and events not in found:
        right = f"Write {words(found)} into 'events' if the figure is right, or correct the figure"
        _at(findings.breaks_rule, table, row, f"is {words(found)}, and the events are {events:,}", right)
    elif len(found) > 1:
        _at(
            findings.notice,
            table,
            row,
            f"is {words(found)}, so that the events ({events:,}) are not certain" if events is not None else f"is {words(found)}",
            "Add another figure of the same count after =, if the source prints one; otherwise nothing to do",
        )
    if total is not None and printed.totals and total not in printed.denominators():
        named = listing((f"{each:,}" for each in printed.totals), 6)
        _at(
            findings.notice,
            table,
            row,
            f"is about {named}, and the total is {visible(f'{total:,}')}",
            "Check that the figure and the total are about the same patients; a note may say why they differ",
        )
