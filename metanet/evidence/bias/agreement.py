"""How far two assessors agree on a domain: the share of equal judgements and Cohen's kappa."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from metanet.base.groups import natural
from metanet.evidence.bias.judgements import Judgement
from metanet.evidence.bias.tools import OVERALL, Tool


@dataclass(frozen=True)
class Agreement:
    """The agreement of two assessors on a domain; kappa is None where `reason` says why."""

    domain: str
    assessors: tuple[str, str]
    n: int
    agreement: float
    kappa: float | None
    kappa_linear: float | None
    reason: str


def kappa_of(a: Sequence[int], b: Sequence[int], levels: int, *, linear: bool = False) -> float:
    """Cohen's kappa of two lists of places from 0 to `levels` - 1; `linear` weighs a difference by its steps."""
    import numpy as np
    from statsmodels.stats.inter_rater import cohens_kappa

    table = np.zeros((levels, levels))
    np.add.at(table, (np.asarray(a), np.asarray(b)), 1)
    return float(cohens_kappa(table, wt="linear" if linear else None, return_results=False))


def agreement_of(given: Sequence[Judgement], tool: Tool) -> list[Agreement]:
    """The agreement of every pair of assessors on every domain that both judged; consensus rows take no part."""
    single: dict[str, dict[str, dict[tuple[str, str, str], str]]] = defaultdict(lambda: defaultdict(dict))
    for each in given:
        if not each.consensus:
            single[each.domain][each.assessor][each.study_id, each.arm, each.outcome] = each.level
    found = []
    for domain in (*tool.order(single), *([OVERALL] if OVERALL in single else [])):
        for first, second in combinations(sorted(single[domain], key=natural), 2):
            theirs, others = single[domain][first], single[domain][second]
            pairs = [(level, others[place]) for place, level in theirs.items() if place in others]
            if pairs:
                found.append(_pair(tool, domain, (first, second), pairs))
    return found


def _pair(tool: Tool, domain: str, assessors: tuple[str, str], pairs: Sequence[tuple[str, str]]) -> Agreement:
    words = [level.key for level in tool.levels_of(domain)]
    a, b = ([words.index(pair[i]) for pair in pairs] for i in (0, 1))
    same = sum(x == y for x, y in zip(a, b, strict=True)) / len(pairs)
    one = [name for name, places in zip(assessors, (a, b), strict=True) if len(set(places)) == 1]
    if one:
        who = "Both assessors" if len(one) == 2 else one[0]
        return Agreement(domain, assessors, len(pairs), same, None, None, f"{who} used one level only, so kappa says nothing.")
    # Levels without a place in the order have no distance, so only the unweighted kappa counts them.
    silent = any(tool.rank(word, domain) is None for pair in pairs for word in pair)
    linear = None if silent else kappa_of(a, b, len(words), linear=True)
    reason = "Levels without information have no place in the order, so there is no weighted kappa." if silent else ""
    return Agreement(domain, assessors, len(pairs), same, kappa_of(a, b, len(words)), linear, reason)
