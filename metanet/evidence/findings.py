"""What a reading finds: faults that stop it and notices that do not, collected so that one run tells all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from metanet.errors import Problem


@dataclass
class Findings:
    """Faults and notices in the order in which they were found.

    `unreadable` holds the faults of files, rows and single cells, after which a number would have to be invented: they
    stop `load_evidence` even with ``check=False``. `against_rules` holds the faults between cells that could be read.
    """

    unreadable: list[Problem] = field(default_factory=list)
    against_rules: list[Problem] = field(default_factory=list)
    notices: list[Problem] = field(default_factory=list)

    def cannot_read(
        self,
        file: str,
        wrong: str,
        mend: str = "",
        *,
        row: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        """Record a fault that leaves a file, a row or a cell unread."""
        self.unreadable.append(Problem(file, row, column, value, wrong, mend))

    def breaks_rule(
        self,
        file: str,
        wrong: str,
        mend: str = "",
        *,
        row: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        """Record cells that can be read and contradict each other."""
        self.against_rules.append(Problem(file, row, column, value, wrong, mend))

    def notice(
        self,
        file: str,
        wrong: str,
        mend: str = "",
        *,
        row: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        """Record something that a reader should know and that stops nothing."""
        self.notices.append(Problem(file, row, column, value, wrong, mend))

    @property
    def faults(self) -> tuple[Problem, ...]:
        """Every fault, by file and row."""
        return in_order([*self.unreadable, *self.against_rules])


def in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """`problems` by file, row and column, each once; faults of a whole file come first."""
    unique = dict.fromkeys(problems)
    return tuple(
        sorted(unique, key=lambda p: (p.file, p.row if p.row is not None else 0, p.column or "", p.wrong, p.mend))
    )
