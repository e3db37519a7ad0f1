"""The faults and notices of a reading, collected in one run, and the report on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from metanet.base.errors import DataError, Problem, shorten
from metanet.base.untrusted import counted, html_block, html_table, html_text, visible

if TYPE_CHECKING:
    import pandas as pd


class Where(TypedDict, total=False):
    """The place of a finding in its file."""

    row: int | None
    column: str | None
    value: str | None


@dataclass
class Findings:
    """Faults and notices in the order in which they were found.

    `unreadable` are the faults of files, rows and single cells, after which a number would have to be invented: they
    stop `load_evidence` even with ``check=False``. `against_rules` are the faults between cells that could be read.
    """

    unreadable: list[Problem] = field(default_factory=list)
    against_rules: list[Problem] = field(default_factory=list)
    notices: list[Problem] = field(default_factory=list)

    def cannot_read(self, file: str, wrong: str, fix: str = "", **where: Unpack[Where]) -> None:
        """Record a fault that makes a file, a row or a cell unreadable."""
        self.unreadable.append(Problem(file, wrong=wrong, fix=fix, **where))

    def breaks_rule(self, file: str, wrong: str, fix: str = "", **where: Unpack[Where]) -> None:
        """Record cells that can be read and contradict each other."""
        self.against_rules.append(Problem(file, wrong=wrong, fix=fix, **where))

    def notice(self, file: str, wrong: str, fix: str = "", **where: Unpack[Where]) -> None:
        """Record a notice, which stops nothing."""
        self.notices.append(Problem(file, wrong=wrong, fix=fix, **where))

    @property
    def faults(self) -> tuple[Problem, ...]:
        """Every fault, by file and row."""
        return in_order([*self.unreadable, *self.against_rules])


def in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """`problems` by file, row and column, each once; faults of a whole file come first."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda p: (p.file, p.row if p.row is not None else 0, p.column or "", p.wrong, p.fix)))


# A text view is for reading; everything is in `problems` and `to_frame()`.
_LINES = 200


@dataclass(frozen=True)
class Report:
    """The result of `validate`.

    Attributes
    ----------
    path : str
        What was validated.
    problems : tuple of Problem
        Faults; any of them keeps the tables from being loaded. All of one run are here.
    notices : tuple of Problem
        What was corrected on reading, and what a reader may want to look at. They stop nothing.
    tables : tuple of (str, int)
        The files that were read, with their number of rows.
    """

    path: str
    problems: tuple[Problem, ...] = ()
    notices: tuple[Problem, ...] = ()
    tables: tuple[tuple[str, int], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is no problem; notices do not count."""
        return not self.problems

    def to_frame(self) -> pd.DataFrame:
        """One row per finding: severity, file, row, column, value, wrong, fix."""
        import pandas as pd

        rows = [
            {
                "severity": severity,
                "file": problem.file,
                "row": problem.row,
                "column": problem.column,
                "value": problem.value,
                "wrong": problem.wrong,
                "fix": problem.fix,
            }
            for severity, found in (("problem", self.problems), ("notice", self.notices))
            for problem in found
        ]
        names = ["severity", "file", "row", "column", "value", "wrong", "fix"]
        return pd.DataFrame(rows, columns=names, dtype=object).astype({"row": "Int64"})

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values that JSON can represent."""
        return {
            "path": self.path,
            "ok": self.ok,
            "tables": [{"file": file, "rows": rows} for file, rows in self.tables],
            "problems": [vars(problem).copy() for problem in self.problems],
            "notices": [vars(problem).copy() for problem in self.notices],
        }

    def summary(self, *, notices: bool = True) -> str:
        """The findings as text: how many, then one line each; the notices are only counted where `notices` is False."""
        lines = [f"{visible(self.path)}: {self._counts()}"]
        for title, found in (("Problems", self.problems), ("Notices", self.notices if notices else ())):
            if found:
                lines += ["", f"{title}:", *problem_lines(found)]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"<Report {visible(self.path)}: {self._counts()}>"

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{html_text(self.path)}</b>: {html_text(self._counts())}</p>"]
        for title, found in (("Problems", self.problems), ("Notices", self.notices)):
            if found:
                head = ("file", "row", "column", "value", "what is wrong", "fix")
                rows = [
                    (
                        p.file,
                        "" if p.row is None else p.row,
                        p.column or "",
                        "" if p.value is None else shorten(p.value),
                        p.wrong,
                        p.fix,
                    )
                    for p in found[:_LINES]
                ]
                more = f"<p>and {len(found) - _LINES:,} more</p>" if len(found) > _LINES else ""
                parts.append(f"<p>{title}</p>{html_table(head, rows)}{more}")
        return html_block("".join(parts))

    def _counts(self) -> str:
        read = f"{counted(len(self.tables), 'table')}, {counted(sum(n for _, n in self.tables), 'row')} read"
        found = counted(len(self.problems), "problem") if self.problems else "no problems"
        return f"{found}, {counted(len(self.notices), 'notice')}; {read}"


def problem_lines(found: Sequence[Problem]) -> list[str]:
    """One line for each of `found`, harmless in a terminal; a long list ends in how many more there are."""
    lines = [f"  {visible(problem)}" for problem in found[:_LINES]]
    if len(found) > _LINES:
        lines.append(f"  and {len(found) - _LINES:,} more")
    return lines


def data_error(path: str, problems: Sequence[Problem]) -> DataError:
    """One error that lists every fault."""
    lines = "\n".join(problem_lines(problems))
    return DataError(f"{visible(path)}: {counted(len(problems), 'problem')}\n{lines}", problems)
