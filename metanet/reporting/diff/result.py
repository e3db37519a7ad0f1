"""The result of a comparison of two runs, and its views."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import between, checked
from metanet.base.cards import card
from metanet.base.display import ABSENT, POINTS, number, p_value, per_cent, plural
from metanet.base.errors import ArgumentError, shorten
from metanet.base.results import plain
from metanet.base.untrusted import html_text, listing, visible
from metanet.base.whole_files import write_text
from metanet.models.registry import MODELS
from metanet.reporting.diff.compare import NUMBERS, TOLERANCE, Change, columns_of_one_run, compare_runs, said
from metanet.reporting.page import page

if TYPE_CHECKING:
    import pandas as pd


_NAMES = {
    "estimate": "rate", "ci_lower": "interval, lower", "ci_upper": "interval, upper", "marginal_estimate": "average rate",
    "marginal_ci_lower": "interval of the average, lower", "marginal_ci_upper": "interval of the average, upper",
    "pi_lower": "prediction, lower", "pi_upper": "prediction, upper", "i2": "I²", "lrt_pvalue": "likelihood-ratio test",
    "n": "patients", "k": "rows", "tau2": "tau²", "ci": "interval",
}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Diff:
    """Changes between two runs: `changes` of all reports, largest change of the estimate first.

    `columns` are the columns of the tables that only one of the runs has.
    """

    old: str
    new: str
    changes: tuple[Change, ...]
    columns: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return all(change.status == "same" for change in self.changes)

    def sentence(self) -> str:
        """How many reports changed, and which estimate changed most."""
        apart = f" Only one of the runs has {listing(self.columns, 12)}, not compared." if self.columns else ""
        if self.same:
            return f"No changes: {plural(len(self.changes), 'report')} compared.{apart}"
        counts = Counter(change.status for change in self.changes)
        words = [
            f"{counts[status]} {status}" for status in ("changed", "added", "removed", "failed", "fixed", "same") if counts[status]
        ]
        text = f"Of {plural(len(self.changes), 'report')}: {listing(words)}."
        far = next((change for change in self.changes if change.status == "changed" and change.moved), None)
        if far is not None:
            text += f" {visible(far.title)} changed most, by {_moved(far, far.moved)}."
        return text + apart

    def to_frame(self) -> pd.DataFrame:
        """One row for each report and number that differs: folder, title, status, name, old, new."""
        import pandas as pd

        rows = []
        for change in self.changes:
            listed = [*change.numbers, *change.method, *change.values] or [("", None, None)]
            rows += [(change.folder, change.title, change.status, *each) for each in listed]
        return pd.DataFrame(rows, columns=["folder", "title", "status", "name", "old", "new"])

    def rows(self) -> pd.DataFrame:
        """One row for each added, removed or changed row of data: folder, title, what, study, text, shift (fraction)."""
        import pandas as pd

        rows = [
            (change.folder, change.title, row.what, row.study, row.text, row.shift) for change in self.changes for row in change.rows
        ]
        return pd.DataFrame(rows, columns=["folder", "title", "what", "study", "text", "shift"])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "old": self.old,
            "new": self.new,
            "sentence": self.sentence(),
            "changes": [
                {
                    "folder": change.folder, "title": change.title, "status": change.status, "error": change.error,
                    "numbers": _named(change.numbers), "method": _named(change.method), "values": _named(change.values),
                    "rows": [vars(row) for row in change.rows],
                }
                for change in self.changes
                if change.status != "same"
            ],
        }  # fmt: skip

    def summary(self) -> str:
        """All changes as text."""
        lines = [self.sentence()]
        for change in self.changes:
            if change.status != "same":
                lines += ["", *(visible(line) if number == 0 else f"  {visible(line)}" for number, line in enumerate(_lines(change)))]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Diff: {self.sentence()}>"

    def _repr_html_(self) -> str:
        head = ["Report", "Status", "Changes between runs"]
        rows = [(change.title, change.status, "; ".join(_lines(change)[1:4])) for change in self.changes if change.status != "same"][
            :50
        ]
        return card("Changes between two runs", self.sentence(), head=head if rows else (), rows=rows)

    @checked()
    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write a page with all changes; it has no script and loads nothing."""
        parts = [f"<h1>Changes between two runs</h1><p>{html_text(self.sentence())}</p>"]
        parts.append(f"<p><small>Old: {html_text(self.old)}. New: {html_text(self.new)}.</small></p>")
        for change in self.changes:
            if change.status != "same":
                title, *rest = _lines(change)
                listed = "".join(f"<li>{html_text(line)}</li>" for line in rest)
                parts.append(f"<h2>{html_text(title)}</h2>" + (f"<ul>{listed}</ul>" if listed else ""))
        to = Path(path)
        if to.is_dir():
            raise ArgumentError(f"path={shorten(str(path))!r} is a folder. Fix: give the name of a file in it.")
        write_text(to, page("Changes between two runs", f'<main id="main" class="tex2jax_ignore">{"".join(parts)}</main>'))
        return to


@checked(tolerance=between(0, 1))
def diff(old: str | os.PathLike[str], new: str | os.PathLike[str], *, tolerance: float = TOLERANCE) -> Diff:
    """Compare two runs of reports: changed numbers, the size of each change, and the rows that caused it.

    Parameters
    ----------
    old, new
        Folders of reports, as given to `report` as ``out``.
    tolerance
        Numbers that differ by less, relative to their size, count as equal.

    Returns
    -------
    Diff
        Reports that are added, removed, changed or failed; for pooled rates, every number and choice of method that differs, and
        every row that is added, removed or changed, with the change that this row alone makes to the old estimate.

    Raises
    ------
    ArgumentError
        A folder without reports, or a tolerance that is not a number from 0 to 1.
    """
    return Diff(str(old), str(new), tuple(compare_runs(old, new, float(tolerance))), columns_of_one_run(old, new))


def _named(listed: Sequence[tuple[str, Any, Any]]) -> list[dict[str, Any]]:
    return [{"name": name, "old": plain(old), "new": plain(new)} for name, old, new in listed]


def _lines(change: Change) -> list[str]:
    """The title and status of the report, then a line for each change."""
    head = f"{change.title}: {change.status}"
    lines = [f"{head}, by {_moved(change, change.moved)}" if change.moved else head]
    if change.error:
        lines.append(f"{'error' if change.status != 'fixed' else 'before'}: {change.error}")
    for name, old, new in change.numbers:
        kind = NUMBERS.get(name, "word")
        was, now = _shown(change, kind, old), _shown(change, kind, new)
        lines.append(f"{_NAMES.get(name, name)}: {was} → {now}" + (" (below what is printed)" if was == now else ""))
    lines += [f"method, {_NAMES.get(name, name)}: {_word(old)} → {_word(new)}" for name, old, new in change.method]
    for row in change.rows:
        alone = "" if row.shift is None else f" (alone: {_moved(change, row.shift)})"
        lines.append(f"row {row.what}: {row.study} {row.text}{alone}")
    lines += [f"{said(path)}: {_word(old)} → {_word(new)}" for path, old, new in change.values]
    if change.unlisted:
        lines.append(f"{change.unlisted} more values differ")
    return lines


def _moved(change: Change, value: float | None) -> str:
    """A difference in the unit of the estimate."""
    if value is None:
        return ABSENT
    if change.response != "rate":
        return f"{value:+.3g}".replace("-", "−")
    sign = "+" if value > 0 else ""
    return f"{sign}{POINTS.text(value, 2)} percentage points"


def _shown(change: Change, kind: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool) or not isinstance(value, int | float) or kind == "word":
        return _word(value)
    if kind == "rate":
        return f"{per_cent(value)} %" if change.response == "rate" else number(value, 3)
    if kind == "share":
        return f"{per_cent(value)} %"
    return str(value) if kind == "count" else p_value(value) if kind == "p" else number(value)


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}".replace("-", "−")
    return "none" if value is None or value == "" else shorten(MODELS[str(value)].title if str(value) in MODELS else str(value), 120)
