"""`pool_categories`: complete and partial response, stable and progressive disease of study arms as one distribution."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import checked, choice, level
from metanet.base.display import level_text, number
from metanet.base.errors import ArgumentError
from metanet.base.results import Method
from metanet.base.untrusted import listing
from metanet.kernels.beta_binomial.sequence import MOST_PATHS
from metanet.models.categories.arms import ArmSet, Categories, arm_set, usable
from metanet.models.categories.directions import DIRECTIONS, Direction, complete_stage, counts_of, fit_direction
from metanet.models.categories.reporting import pattern_of
from metanet.models.categories.result import PooledCategories
from metanet.models.comparison.response_categories import BORDERS
from metanet.models.pooling.pool import pool
from metanet.models.results.method import versions

if TYPE_CHECKING:
    import pandas as pd

_SOURCES = (
    "generalised Dirichlet distribution: doi:10.1080/01621459.1969.10500963",
    "beta-binomial distribution: doi:10.1111/j.2517-6161.1948.tb00014.x",
)
#: Log-likelihoods of the two directions nearer than this do not tell them apart.
_NEAR = 2.0


@checked(first=choice("best", *DIRECTIONS), arms=choice("all", "complete"), level=level)
def pool_categories(
    evidence: Categories,
    modality: str | Iterable[str] | None = None,
    *,
    first: str = "best",
    arms: str = "all",
    overlap: str = "keep_largest",
    certainty: str | None = None,
    level: float = 0.95,
) -> PooledCategories:
    """Pool complete response, partial response, stable and progressive disease as one distribution.

    Parameters
    ----------
    evidence
        Evidence (from `load_evidence` or `read`), the result of `response_categories`, or a frame with a row for each arm and
        columns of counts: cr, pr, sd, pd, and for categories that a study combined cr_pr, sd_pd, cr_pr_sd and so on. Empty cells are
        categories that the arm does not report; ``study``, ``unit`` and ``total`` are read where they are there.
    modality
        A modality class or a modality, or several; None takes the only class of the evidence.
    first
        Which answer comes first: "response" (objective response, then stable disease of the others), "control" (disease control, then
        response of those), or "best", the one with the larger log-likelihood. Both are always given, and never averaged.
    arms
        "all" arms that report response or control, or "complete" ones alone, which report both.
    overlap, certainty
        As in `Evidence.rates`.
    level
        Coverage of the intervals, as a fraction.

    Returns
    -------
    PooledCategories
        Mean shares that add up to 1, with intervals, in both directions; the same from complete arms alone; the three outcomes pooled
        apart; and the reporting pattern. `reason` says why there are none.

    Raises
    ------
    ArgumentError
        Something else than evidence, a word that is not known, or counts that cannot be divided into categories.

    Notes
    -----
    The model is the generalised Dirichlet-multinomial. Response first: the responses of an arm are beta-binomial, and so are the
    patients with stable disease among those without a response; control first: disease control, then the responses among those.
    Complete among all responses is a third stage of both. An arm that reports one count alone enters by the sum over all values of
    the other.
    Each stage has an intraclass correlation of its own. The directions differ in what is taken as independent between arms: control
    first fits data in which control varies by itself, and the estimates show how much this matters.

    Intervals are from the observed information by the delta method on the logit of a share, with Student's quantile of one degree of
    freedom less than the stage with fewest arms has arms; of a share that no patient or every patient had they are exact on the sum.
    `PooledCategories.profile` gives profile-likelihood intervals. Progressive disease includes patients who were not evaluated.

    References
    ----------
    Connor, Mosimann (1969), doi:10.1080/01621459.1969.10500963; Skellam (1948), doi:10.1111/j.2517-6161.1948.tb00014.x.

    Examples
    --------
    >>> import metanet as mn
    >>> import pandas as pd
    >>> arms = pd.DataFrame({"cr": [1, 0, None], "pr": [9, 7, None], "cr_pr": [None, None, 12], "sd": [15, 11, 9], "pd": [5, 4, 6]})
    >>> pooled = mn.pool_categories(arms)
    >>> round(pooled.objective_response.estimate, 3), round(pooled.disease_control.estimate, 3)
    (0.367, 0.81)
    """
    every = arm_set(evidence, modality, overlap=overlap, certainty=certainty)
    found = usable(every, arms == "complete")
    _check_size(found)
    reason = _unknown(every, found)
    complete = complete_stage(found)
    both: tuple[Direction, ...] = ()
    if reason is None:
        both = tuple(fit_direction(found, key, complete, level) for key in DIRECTIONS)
        both = tuple(sorted(both, key=lambda each: _rank(each, first)))
        if all(each.reason for each in both):
            reason = both[0].reason
    alone = _complete_alone(found, both, level)
    status = "not estimable" if reason else "pooled" if len(found.arms) > 1 else "not pooled"
    stamp = _stamp(found, first, arms, level, [*found.notes, *_notes(found, both, complete)])
    pattern = pattern_of(every, level)
    return PooledCategories(
        status,
        found.modality,
        level,
        reason,
        found.arms,
        found.left_out,
        pattern,
        stamp,
        both,
        alone,
        complete,
        _separate(found, level),
    )


def _rank(each: Direction, first: str) -> tuple[bool, float]:
    """Answers before those without one; then as asked for, or by the log-likelihood."""
    return each.reason is not None, (-each.loglik if first == "best" else float(each.key != first))


def _unknown(every: ArmSet, found: ArmSet) -> str | None:
    """Why nothing can be pooled."""
    if not found.arms:
        return every.reason or "No study arm reports the objective response or disease control as asked for."
    for border, word in (("objective_response", "objective response"), ("disease_control", "disease control")):
        if np.isnan(found.column(border)).all():
            return f"No study arm reports {word}, so that the categories have no common distribution."
    return None


def _check_size(found: ArmSet) -> None:
    """Refuse arms whose missing count has too many values to sum over."""
    for key in DIRECTIONS:
        _, first, both = counts_of(found, key)
        ways = np.where(np.isnan(first), both + 1, 1.0)
        if np.nansum(ways) > MOST_PATHS:
            largest = found.arms[int(np.nanargmax(ways))]
            raise ArgumentError(
                f"evidence: {largest.study[:60]!r} and arms like it report one outcome alone for too many patients to sum over "
                "what they do not report. Fix: arms='complete'."
            )


def _complete_alone(found: ArmSet, both: tuple[Direction, ...], level: float) -> tuple[Direction, ...]:
    """Both directions from the arms that report response and control, in the same order."""
    part = usable(found, complete=True)
    if not part.arms or not both:
        return ()
    if len(part.arms) == len(found.arms):
        return both
    own = complete_stage(part)
    return tuple(fit_direction(part, each.key, own, level) for each in both)


def _separate(found: ArmSet, level: float) -> pd.DataFrame:
    """Each outcome pooled by itself, from all rows that it has."""
    import pandas as pd

    rows = []
    for name in BORDERS:
        table = found.rates[name] if name in found.rates else found.counts(name)
        if len(table):
            fit = pool(table, model="beta_binomial", level=level)
            numbers = (fit.estimate, fit.ci_lower, fit.ci_upper)
            rows.append((name, fit.k, fit.n, *(float("nan") if x is None else x for x in numbers), fit.status))
    return pd.DataFrame(rows, columns=["outcome", "k", "n", "estimate", "ci_lower", "ci_upper", "status"])


def _notes(found: ArmSet, both: tuple[Direction, ...], complete: Any) -> list[str]:
    """What a reader has to know beside the shares."""
    notes = []
    response, control = ~np.isnan(found.column("objective_response")), ~np.isnan(found.column("disease_control"))
    for told, other, word in ((response, control, "objective response"), (control, response, "disease control")):
        if alone := int((told & ~other).sum()):
            who = "1 arm reports" if alone == 1 else f"{alone} arms report"
            notes.append(f"{who} {word} alone and {'bears' if alone == 1 else 'bear'} on the other through the model.")
    studies = len({arm.study_id for arm in found.arms})
    if studies < len(found.arms):
        notes.append(f"{len(found.arms)} arms of {studies} studies: arms of one study are pooled as if they were independent studies.")
    if found.arms and not (response & control).any():
        notes.append(
            "No arm reports both objective response and disease control: how they go together is the model's assumption alone."
        )
    unused = ~np.isnan(found.column("complete_response")) & ~response
    if unused.any():
        names = listing(arm.study for arm, yes in zip(found.arms, unused, strict=True) if yes)
        notes.append(f"Complete responses of arms that do not report the objective response are not used: {names}.")
    if both and not complete.known:
        notes.append(
            "All arms with a response are at 0 % or 100 % complete among all responses: complete and partial response stay together."
            if complete.unbounded
            else "No arm with a response tells complete from partial response: they stay together."
        )
    answered = [each for each in both if each.reason is None]
    notes += [each.reason for each in both if each.reason is not None]
    if len(answered) == 2 and len(found.arms) > 1:
        gap = abs(answered[0].loglik - answered[1].loglik)
        verdict = (
            "the data hardly tell them apart" if gap < _NEAR else f"the data favour {max(answered, key=lambda d: d.loglik).title}"
        )
        notes.append(f"The direction is an assumption: the log-likelihoods differ by {number(gap)}, so {verdict}.")
    for each in answered:
        if not each.settled:
            notes.append(f"The likelihood maximum of {each.title} was not located with the required accuracy.")
    return notes


def _stamp(found: ArmSet, first: str, arms: str, level: float, notes: list[str]) -> Method:
    sentence = (
        "Generalised Dirichlet-multinomial model by maximum likelihood: beta-binomial stages, response first and control first; "
        f"{level_text(level)} intervals from the observed information on the logit scale, t with one df less than arms of the stage."
    )
    own = {"first": first, "arms": arms, "level": level, "k": len(found.arms), "sentence": sentence, "sources": list(_SOURCES)}
    return Method({**versions(), **found.stamp, **own, "notes": list(dict.fromkeys(notes))})
