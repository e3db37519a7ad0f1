"""What was judged, to be looked up: levels and overall judgements by study and domain."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from metanet.base.display import number
from metanet.base.groups import natural
from metanet.base.untrusted import visible
from metanet.evidence.bias.judgements import UNRESOLVED, Overall, Settled, Unit
from metanet.evidence.bias.tools import OVERALL, Level, Tool


@dataclass(frozen=True)
class Board:
    """The settled judgements of one tool."""

    tool: Tool
    labels: Mapping[str, str]
    patients: Mapping[Unit, float]
    _cells: Mapping[tuple[Unit, str], Settled] = field(repr=False)
    _overall: Mapping[Unit, Overall] = field(repr=False)

    @classmethod
    def of(
        cls,
        tool: Tool,
        settled: Sequence[Settled],
        overall: Sequence[Overall],
        labels: Mapping[str, str],
        patients: Mapping[Unit, float],
    ) -> Board:
        """The board of settled judgements."""
        cells = {(each.unit, each.domain): each for each in settled}
        return cls(tool, labels, patients, cells, {each.unit: each for each in overall})

    def of_units(self, units: Collection[Unit]) -> Board:
        """The board of some studies and arms."""
        cells = {key: settled for key, settled in self._cells.items() if key[0] in units}
        return replace(self, _cells=cells, _overall={unit: found for unit, found in self._overall.items() if unit in units})

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """What was judged: study_id and arm ("" for the whole study), in order of the names."""
        return tuple(sorted(self._overall, key=lambda unit: (natural(self.name_of(unit)), unit)))

    @cached_property
    def domains(self) -> tuple[str, ...]:
        """The domains that were judged, in the order of the tool."""
        return self.tool.order(domain for _, domain in self._cells)

    def name_of(self, unit: Unit) -> str:
        """The name of a study, with the arm where it was judged by itself."""
        name = self.labels.get(unit[0], visible(unit[0]))
        return f"{name} ({visible(unit[1])})" if unit[1] else name

    def unit_of(self, study_id: str, arm: str) -> Unit | None:
        """What was judged of an arm: the arm itself, or its study."""
        return next((unit for unit in ((study_id, arm), (study_id, "")) if unit in self._overall), None)

    def level_at(self, unit: Unit, domain: str) -> Level | None:
        """The settled level of a domain, or the overall one; None where there is none."""
        found: Settled | Overall | None = self._overall.get(unit) if domain == OVERALL else self._cells.get((unit, domain))
        return None if found is None or found.level is None else self.tool.level(found.level, domain)

    def is_open(self, unit: Unit, domain: str) -> bool:
        """Whether assessors differ on a domain without a consensus."""
        found = self._cells.get((unit, domain))
        return found is not None and found.basis == UNRESOLVED

    def overall_of(self, unit: Unit) -> Overall:
        """The overall judgement of a study or arm."""
        return self._overall[unit]

    def patients_of(self, unit: Unit) -> float:
        """The patients of a study or an arm; NaN where the tables do not say."""
        return self.patients.get(unit, float("nan"))

    def text_of(self, unit: Unit, domain: str) -> str:
        """A judgement in words: a level, points, or that assessors differ."""
        level = self.level_at(unit, domain)
        words = ["assessors differ" if self.is_open(unit, domain) else "" if level is None else level.title]
        if domain == OVERALL and (points := self._overall[unit].points) is not None:
            words.append(f"{number(points, 0)} of {self._overall[unit].most}")
        return ", ".join(word for word in words if word)
