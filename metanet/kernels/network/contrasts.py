"""Arms from contrasts: the effects and variances of the arms of one study from its pairwise differences and their variances."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metanet.base.arrays import Array

#: How far contrasts of a study may be from agreeing, in its smallest standard error, and variances, as a share of each: what rounding
#: to two or three decimals does.
EFFECT_SHARE, VARIANCE_SHARE = 0.05, 0.05
#: A variance of an arm below zero by less than this share of the smallest variance of the study is rounding.
NEGATIVE_SHARE = 0.02
_LEAST_SHARE = 1e-4


class InconsistentError(ValueError):
    """Contrasts of one study that cannot come from its arms; the message says which."""


def arms_of(arms: int, pairs: Sequence[tuple[int, int]], y: Array, v: Array) -> tuple[Array, Array]:
    """Effects and variances ``[K]`` of the arms of a study, whose differences are its contrasts.

    Solves ``v_ij = v_i + v_j`` (with three arms or more exactly or by least squares; of two arms each gets half), then the effects by
    least squares in the weights ``w_i w_j / sum w`` of the reduced network of the study (Ruecker and Schwarzer 2014,
    doi:10.1002/sim.6236). The mean of the effects is zero.

    Parameters
    ----------
    arms
        Number of arms K.
    pairs
        First and second arm of each contrast; every pair of arms once.
    y, v
        First less second, and its variance, ``[K (K - 1) / 2]``.

    Raises
    ------
    InconsistentError
        A pair that is missing, variances or effects that do not fit together, or a negative variance of an arm.
    """
    if len(pairs) != arms * (arms - 1) // 2 or len({frozenset(pair) for pair in pairs}) != len(pairs):
        raise InconsistentError(
            f"it has {len(pairs)} of the {arms * (arms - 1) // 2} contrasts of its {arms} treatments, or one twice"
        )
    rows = np.arange(len(pairs))
    first, second = np.array(pairs).T
    joined = np.zeros((len(pairs), arms))
    joined[rows, first] = joined[rows, second] = 1.0
    variance = np.full(2, 0.5 * v[0]) if arms == 2 else np.linalg.lstsq(joined, v, rcond=None)[0]
    if (np.abs(joined @ variance - v) > VARIANCE_SHARE * v).any():
        raise InconsistentError("its variances cannot come from arms: no variances of the arms sum to them in pairs")
    if (variance < -NEGATIVE_SHARE * v.min()).any():
        raise InconsistentError(f"its variances imply a negative variance of an arm ({variance.min():.4g})")
    variance = np.maximum(variance, _LEAST_SHARE * v.min())
    against = np.zeros((len(pairs), arms))
    against[rows, first], against[rows, second] = 1.0, -1.0
    weight = np.sqrt(1.0 / (variance[first] * variance[second]))
    effect = np.linalg.lstsq(weight[:, None] * against, weight * y, rcond=None)[0]
    if (np.abs(against @ effect - y) > EFFECT_SHARE * np.sqrt(v.min())).any():
        raise InconsistentError("its effects do not add up: the contrast of two treatments differs from that through a third one")
    return effect - effect.mean(), variance
