"""What single assessors wrote, settled: one judgement for each study and domain, and the overall judgement that follows from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from metanet.base.groups import natural
from metanet.base.untrusted import listing
from metanet.evidence.bias.tools import OVERALL, Tool

#: How a judgement was settled.
CONSENSUS, AGREED, SINGLE, UNRESOLVED = "consensus", "agreed", "one assessor", "unresolved"
#: A study, and the arm where single arms were judged; "" stands for the whole study.
Unit = tuple[str, str]


@dataclass(frozen=True)
class Judgement:
    """One row of risk_of_bias.csv."""

    study_id: str
    arm: str
    outcome: str
    domain: str
    level: str
    assessor: str
    consensus: bool
    support: str = ""


@dataclass(frozen=True)
class Settled:
    """The judgement of a domain of a study; `level` is None where assessors differ and no consensus is recorded.

    `outcome` and `arm` say what the judgement was written for; "" for all.
    """

    unit: Unit
    domain: str
    level: str | None
    basis: str
    assessors: tuple[str, ...]
    support: str
    outcome: str
    arm: str

    @property
    def width(self) -> tuple[bool, bool]:
        """How special it is: for an outcome, then for an arm."""
        return bool(self.outcome), bool(self.arm)


@dataclass(frozen=True)
class Overall:
    """The overall judgement of a study: a level, or points of how many; without either, `reason` says why."""

    unit: Unit
    level: str | None
    points: int | None
    most: int | None
    basis: str
    reason: str


@dataclass(frozen=True)
class Difference:
    """Two assessors who differ on a domain, without a consensus."""

    unit: Unit
    outcome: str
    domain: str
    assessors: tuple[str, str]
    levels: tuple[str, str]


def judgements_of(rows: Iterable[Mapping[str, Any]], tool: Tool) -> list[Judgement]:
    """The judgements by one tool, from the rows of the table."""
    return [
        Judgement(
            study_id=str(row["study_id"]),
            arm=row.get("arm") or "",
            outcome=row.get("outcome") or "",
            domain=str(row["domain"]),
            level=str(row["judgement"]),
            assessor=str(row["assessor"]),
            consensus=row.get("consensus") is True or str(row.get("consensus")) == "True",
            support=row.get("support") or "",
        )
        for row in rows
        if row["tool"] == tool.key
    ]


def settle(given: Sequence[Judgement], tool: Tool, outcome: str) -> tuple[list[Settled], list[Difference]]:
    """One judgement for each unit and domain, for an outcome ("": for studies as a whole), and what is not settled.

    A judgement of the outcome goes before one of the study, then one of the arm before one of all arms; among those of one scope a
    consensus goes before single assessors. Assessors who differ leave the domain unresolved.
    """
    by_place: dict[tuple[str, str, str, str], list[Judgement]] = defaultdict(list)
    by_study: dict[str, dict[str, None]] = defaultdict(dict)
    for each in given:
        if each.outcome in ("", outcome):
            by_place[each.study_id, each.arm, each.outcome, each.domain].append(each)
            by_study[each.study_id][each.domain] = None
    settled, differences = [], []
    for study, arm in _units(by_place):
        scopes = dict.fromkeys(((arm, outcome), ("", outcome), (arm, ""), ("", "")))
        for domain in (*tool.order(by_study[study]), OVERALL):
            where = next((scope for scope in scopes if (study, *scope, domain) in by_place), None)
            if where is None:
                continue
            found = by_place[(study, *where, domain)]
            one = _one((study, arm), domain, found, where)
            settled.append(one)
            # What was judged for all arms is not told again for each of them.
            if one.level is None and where[0] == arm:
                differences += _differences((study, arm), domain, found, where[1])
    return settled, differences


def _units(places: Iterable[tuple[str, str, str, str]]) -> list[Unit]:
    """Each study, and its arms where they were judged by themselves; a study of which only arms were judged is those arms."""
    found = dict.fromkeys((study, arm) for study, arm, _, _ in places)
    return sorted(found, key=lambda unit: (natural(unit[0]), natural(unit[1])))


def _one(unit: Unit, domain: str, found: Sequence[Judgement], where: tuple[str, str]) -> Settled:
    agreed = [each for each in found if each.consensus]
    used = agreed or found
    levels = {each.level for each in used}
    basis = CONSENSUS if agreed else SINGLE if len(used) == 1 else AGREED if len(levels) == 1 else UNRESOLVED
    level = used[0].level if len(levels) == 1 else None
    support = "; ".join(dict.fromkeys(each.support for each in used if each.support))
    return Settled(unit, domain, level, basis, tuple(dict.fromkeys(each.assessor for each in used)), support, where[1], where[0])


def _differences(unit: Unit, domain: str, found: Sequence[Judgement], outcome: str) -> list[Difference]:
    return [
        Difference(unit, outcome, domain, (a.assessor, b.assessor), (a.level, b.level))
        for a, b in combinations(found, 2)
        if a.level != b.level
    ]


def overall_of(tool: Tool, settled: Sequence[Settled]) -> list[Overall]:
    """The overall judgement of each unit, in their order."""
    by_unit: dict[Unit, dict[str, Settled]] = defaultdict(dict)
    for each in settled:
        by_unit[each.unit][each.domain] = each
    expected = tool.domains if not tool.any_domain else ()
    return [_overall(tool, unit, found, [domain.key for domain in expected]) for unit, found in by_unit.items()]


def _overall(tool: Tool, unit: Unit, found: Mapping[str, Settled], expected: Sequence[str]) -> Overall:
    stated = found.get(OVERALL)
    domains = {key: each for key, each in found.items() if key != OVERALL}
    points, most, gap = _points(tool, domains) if tool.rule == "sum" else (None, None, "")
    # What was stated of a whole study does not cover what was judged for this outcome or arm since.
    if stated is not None and tool.rule == "worst" and any(each.width > stated.width for each in domains.values()):
        stated = None
    if stated is not None:
        reason = "assessors differ on the overall judgement" if stated.level is None else ""
        return Overall(unit, stated.level, points, most, "stated", reason)
    if tool.rule == "sum":
        return Overall(unit, None, points, most, "sum", gap)
    if tool.rule == "stated":
        return Overall(unit, None, None, None, "", f"{tool.title} has no rule for an overall judgement, and none is stated")
    open_ = [tool.title_of(key) for key, each in domains.items() if each.level is None]
    missing = [tool.title_of(key) for key in expected if key not in domains]
    levels = [each.level for each in domains.values() if each.level is not None]
    ranked = [rank for level in levels if (rank := tool.rank(level)) is not None]
    words = [level for level in tool.categories if level.mark != "silent"]
    worst = max(ranked, default=None)
    if worst is not None and worst == len(words) - 1:
        # No further judgement could change it.
        return Overall(unit, words[worst].key, None, None, "worst", "")
    if open_ or missing:
        why = f"assessors differ on {listing(open_)}" if open_ else f"not judged: {listing(missing, 4)}"
        return Overall(unit, None, None, None, "", why)
    silent = next((level for level in levels if tool.rank(level) is None), None)
    if worst is None or (silent is not None and words[worst].mark in ("good", "unsure")):
        # A domain of which nothing is known could be worse than these.
        return Overall(unit, silent, None, None, "worst", "" if silent else "no domain was judged")
    return Overall(unit, words[worst].key, None, None, "worst", "")


def _points(tool: Tool, found: Mapping[str, Settled]) -> tuple[int | None, int, str]:
    """Points, how many there can be, and why there are none: items of studies with controls count where any was judged."""
    controlled = any(domain.control and domain.key in found for domain in tool.domains)
    items = [domain for domain in tool.domains if controlled or not domain.control]
    highest = max(int(level.key) for level in tool.levels)
    most = sum(highest if domain.most is None else domain.most for domain in items)
    missing = [domain.title for domain in items if domain.key not in found]
    if missing:
        return None, most, f"not judged: {listing(missing, 4)}"
    levels = [found[domain.key].level for domain in items]
    if open_ := [domain.title for domain, level in zip(items, levels, strict=True) if level is None]:
        return None, most, f"assessors differ on {listing(open_)}"
    return sum(int(level) for level in levels if level is not None), most, ""
