"""The risk of bias in a selection of rates: which rows are above a level, and what the columns of the others say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metanet.base.errors import ArgumentError, check_choice
from metanet.base.untrusted import counted
from metanet.evidence.bias.result import FILE, RiskOfBias
from metanet.evidence.bias.tools import OVERALL, Level, Tool

NOT_ASSESSED = ("keep", "drop")
#: Columns of the rates: the overall judgement, its points, and the domains after the prefix.
PREFIX = "bias_"
COLUMN, POINTS = f"{PREFIX}{OVERALL}", f"{PREFIX}points"


class BiasFilter:
    """The judgements by one tool, asked row by row; `floor` is the worst level that is kept, None keeps all."""

    def __init__(self, bias: RiskOfBias, floor: str | None, not_assessed: str) -> None:
        check_choice("not_assessed", not_assessed, NOT_ASSESSED)
        self.bias = bias
        self.floor: Level | None = None
        self.drop = not_assessed == "drop"
        if floor is None:
            return
        if bias.tool is None:
            raise ArgumentError(f"risk_of_bias={floor!r} was given. {bias.reason} Fix: leave it out, or add judgements to {FILE}.")
        known = [level.key for level in bias.tool.categories if level.mark != "silent"]
        self.floor = bias.tool.level(check_choice("risk_of_bias", floor, known, where=f"for {bias.tool.title}"), OVERALL)
        if bias.board is None or not any(bias.board.level_at(unit, OVERALL) for unit in bias.board.units):
            raise ArgumentError(
                f"risk_of_bias={floor!r} was given, and no study has an overall judgement by {bias.tool.title}. "
                f"Fix: state it in {FILE}, in rows with the domain {OVERALL!r}."
            )

    @property
    def tool(self) -> Tool | None:
        """The tool of the judgements."""
        return self.bias.tool

    def level_of(self, row: Mapping[str, Any]) -> Level | None:
        """The overall level of the study or arm of a row."""
        board = self.bias.board
        unit = None if board is None else board.unit_of(row["study_id"], row["arm"])
        return None if board is None or unit is None else board.level_at(unit, OVERALL)

    def fate(self, row: Mapping[str, Any]) -> str | None:
        """Why a row is left out; None where it is kept."""
        if self.floor is None or self.tool is None:
            return None
        level = self.level_of(row)
        rank = None if level is None else self.tool.rank(level.key)
        if rank is None:
            return f"risk of bias: {self._silence(row, level)}" if self.drop else None
        most = self.tool.rank(self.floor.key)
        above = most is not None and rank > most
        return f"risk of bias is {_said(level)}, above {_said(self.floor)} ({self.tool.title})" if above else None

    def _silence(self, row: Mapping[str, Any], level: Level | None) -> str:
        """Why a row has no overall judgement that can be compared."""
        if level is not None:
            return _said(level)
        board = self.bias.board
        return "no overall judgement" if board and board.unit_of(row["study_id"], row["arm"]) else "not assessed"

    def notes(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """What a reader has to know of the rows that are kept: judgements that are not settled, and rows without any."""
        return [*self._unsettled(rows), *self._kept(rows)]

    def _unsettled(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        studies = {row["study_id"] for row in rows}
        differ = sum(study in studies for study in self.bias.unresolved["study_id"]) if self.tool is not None else 0
        if self.tool is None or not differ:
            return []
        return [f"Assessors differ without a consensus on {counted(differ, 'judgement')} of the risk of bias ({self.tool.title})."]

    def _kept(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        if self.floor is None or self.tool is None:
            return []
        silent = sum(self.tool.rank(level.key) is None if (level := self.level_of(row)) else True for row in rows)
        if not silent:
            return []
        what = "is" if silent == 1 else "are"
        return [f"{counted(silent, 'row')} without an overall judgement of the risk of bias ({self.tool.title}) {what} kept."]

    def columns(self) -> dict[str, str]:
        """Name -> dtype of the columns that the judgements add to the rates."""
        board = self.bias.board
        if board is None:
            return {}
        points = {POINTS: "float64"} if board.tool.rule == "sum" else {}
        return {COLUMN: "str"} | points | {f"{PREFIX}{domain}": "str" for domain in board.domains}

    def titles(self) -> dict[str, str]:
        """Name -> title of these columns."""
        tool = self.tool
        if tool is None:
            return {}
        whole = {COLUMN: "Risk of bias", POINTS: "Risk of bias: points"}
        return {
            name: whole.get(name) or f"Risk of bias: {tool.title_of(name.removeprefix(PREFIX)).lower()}" for name in self.columns()
        }

    def cells(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The values of these columns for a row."""
        board = self.bias.board
        unit = None if board is None else board.unit_of(row["study_id"], row["arm"])
        if board is None or unit is None:
            return {}
        levels = {f"{PREFIX}{domain}": board.level_at(unit, domain) for domain in (OVERALL, *board.domains)}
        found: dict[str, Any] = {name: level.key for name, level in levels.items() if level is not None}
        points = board.overall_of(unit).points
        if points is not None:
            found[POINTS] = float(points)
        return found


def _said(level: Level | None) -> str:
    return "" if level is None else level.title.lower()
