"""Ranks of treatments: P-scores, and the probability of every rank by random draws with a fixed seed."""

from __future__ import annotations

import numpy as np
from scipy import special

from metanet.base.arrays import Array

#: Draws of a rankogram, and their seed: the standard error of a probability is at most 0.0016.
DRAWS, SEED = 100_000, 20_150_731


def p_scores(difference: Array, se: Array, higher: bool) -> Array:
    """Mean certainty that a treatment is better than another one, ``[..., T]`` (Ruecker and Schwarzer 2015).

    doi:10.1186/s12874-015-0060-8.

    Parameters
    ----------
    difference, se
        Row against column and its standard error, ``[..., T, T]``; NaN where there is none.
    higher
        Whether larger effects are better.
    """
    sign = 1.0 if higher else -1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        better = special.ndtr(sign * difference / se)
    known = np.isfinite(difference) & ~np.eye(difference.shape[-1], dtype=bool) & ~np.isnan(better)
    count = known.sum(-1)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, np.where(known, better, 0.0).sum(-1) / np.maximum(count, 1), np.nan)


def rankogram(effect: Array, covariance: Array, higher: bool, draws: int = DRAWS, seed: int = SEED) -> Array:
    """Probability that a treatment (row) has a rank (column, the best first), ``[T, T]``, by draws from a normal distribution.

    Parameters
    ----------
    effect, covariance
        Effects of connected treatments ``[T]`` and a covariance whose differences are right, ``[T, T]``.
    higher
        Whether larger effects are better.
    """
    count = effect.size
    # Effects against the first treatment have a proper covariance, whatever constant the given one contains.
    turn = np.eye(count)
    turn[:, 0] -= 1.0
    value, vector = np.linalg.eigh(turn @ covariance @ turn.T)
    root = vector * np.sqrt(np.maximum(value, 0.0))
    generator = np.random.default_rng(seed)
    tally = np.zeros((count, count))
    step = max(1, 2_000_000 // max(count, 1))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        drawn = (turn @ effect) + generator.standard_normal((size, count)) @ root.T
        order = np.argsort(-drawn if higher else drawn, axis=1, kind="stable")
        flat = order * count + np.arange(count)
        tally += np.bincount(flat.ravel(), minlength=count * count).reshape(count, count)
    return tally / draws


def sucra(probabilities: Array) -> Array:
    """Surface under the cumulative ranking curve, ``[T]`` (Salanti et al. 2011, doi:10.1016/j.jclinepi.2010.03.016)."""
    count = probabilities.shape[0]
    if count < 2:
        return np.full(count, np.nan)
    return np.asarray(probabilities.cumsum(1)[:, :-1].sum(1) / (count - 1))


def monte_carlo_error(probabilities: Array, draws: int = DRAWS) -> float:
    """The largest standard error of the probabilities."""
    return float(np.sqrt(probabilities * (1.0 - probabilities) / draws).max(initial=0.0))
