"""What a run made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from metanet.models.cards import card
from metanet.models.display import interval, per_cent, plural
from metanet.reporting.jobs import Outcome
from metanet.words import visible

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Batch:
    """What a run made: one outcome for each report, the folder, the index page."""

    out: Path | str
    index: Path | str
    outcomes: tuple[Outcome, ...] = field(repr=False)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The reports that failed; each has its traceback in its own page."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)

    @property
    def kept(self) -> int:
        """How many reports were there already, made from the same."""
        return sum(outcome.kept for outcome in self.outcomes)

    @property
    def ok(self) -> bool:
        """Whether every report was made."""
        return not self.failed

    def to_frame(self) -> pd.DataFrame:
        """One row for each report: title, status, estimate, interval, k, n, folder, error, seconds, whether it was kept."""
        import pandas as pd

        rows = []
        for made in self.outcomes:
            result = (made.numbers or {}).get("result") or {}
            row = {name: result.get(name) for name in ("status", "estimate", "ci_lower", "ci_upper", "k", "n")}
            row["status"] = "failed" if made.error else row["status"]
            extra = {"folder": f"{self.out}/{made.job.folder}", "error": made.error, "seconds": made.seconds}
            rows.append({"title": made.job.title, **row, **extra, "kept": made.kept})
        return pd.DataFrame(rows)

    def _lines(self) -> list[tuple[str, str, str, str, str, str]]:
        out = []
        for made in self.outcomes:
            result = (made.numbers or {}).get("result") or {}
            status = "FAILED" if made.error else str(result.get("status") or (made.numbers or {}).get("kind", ""))
            rate, ci = per_cent(result.get("estimate")), interval(result.get("ci_lower"), result.get("ci_upper"))
            out.append(
                (visible(made.job.title), visible(status), rate, ci, str(result.get("k", "")), str(result.get("n", "")))
            )
        return out

    def summary(self) -> str:
        """A table of all reports as text, then the failures, then where to look."""
        head = ("report", "status", "rate, %", "interval", "k", "n")
        rows = [head, *self._lines()]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = [
            "  ".join(
                text.ljust(w) if i < 2 else text.rjust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]
        lines.insert(1, "  ".join("-" * w for w in widths))
        lines += [visible(f"FAILED {made.job.title}: {made.error}") for made in self.failed]
        kept = f", {self.kept} unchanged" if self.kept else ""
        lines.append(
            f"{plural(len(self.outcomes), 'report')}{kept}, {len(self.failed)} failed. Open {visible(self.index)}"
        )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Batch of {len(self.outcomes)} reports, {len(self.failed)} failed: {self.index}>"

    def _repr_html_(self) -> str:
        head = ["Report", "Status", "Rate, %", "Interval", "k", "n"]
        return card(f"{len(self.outcomes)} reports in {self.out}", head=head, rows=self._lines())
