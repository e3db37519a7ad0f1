"""Posterior medians of very many subsets of the same studies: one table of the studies' integrals, and sums of its rows."""

from __future__ import annotations

import numpy as np

from metanet.base.arrays import Array, Indices, Mask
from metanet.base.progress import bar
from metanet.kernels.bayes.batch import MeanPrior
from metanet.kernels.bayes.integrals import integrals
from metanet.kernels.bayes.posterior import TauPrior
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit, Likelihood

# The likelihood of a subset at a point (mu, tau) is the product of its studies' integrals. On a lattice
# of points that all subsets share, the log-likelihoods of thousands of subsets are one product of matrices.

#: Values of tau and mu of the lattice.
_TAUS, _MUS = 28, 120
#: Subsets in one piece, whose posterior on the lattice fits the memory.
_PIECE = 256


def medians(studies: Likelihood, alone: Likelihood, mean: MeanPrior, prior: TauPrior, masks: Mask) -> tuple[Array, Array]:
    """Posterior medians of mu and tau of subsets ``[s, k]`` of one fit `studies`; `alone` has its studies as k fits of one each.

    They are right to about a thousandth of a posterior standard deviation, which a cloud of points does not show.
    """
    count = masks.shape[1]
    present = studies.precision[0] > 0
    guess, precision = studies.guess[0][present], studies.precision[0][present]
    centre, top = float(np.median(guess)), min(prior.upper_quantile(1e-7), 20.0)
    # Steps of mu are shortest where the studies lie: a fraction of the error that all of them together have.
    finest = max(0.1 / float(np.sqrt(precision.sum())), 1e-3)
    reach = max(abs(float(np.min(guess)) - centre), abs(float(np.max(guess)) - centre)) + 2.0
    reach = max(reach, abs(float(np.mean(mean.mean)) - centre) + 4.5 * mean.sd)
    scale = 0.5
    while 2 * scale * np.arcsinh(reach / scale) / _MUS > 4.0 * finest and scale > 0.02:
        scale *= 0.8
    half = float(np.arcsinh(reach / scale))
    v = np.linspace(-half, half, _MUS)
    mu, rise = centre + scale * np.sinh(v), scale * np.cosh(v)
    stretch = 0.15 * prior.upper_quantile(0.3)
    u = np.linspace(0.0, float(np.arcsinh(top / stretch)), _TAUS)
    tau, slope = stretch * np.sinh(u), stretch * np.cosh(u)
    tau[0] = 1e-4 * stretch
    pair: Indices = np.repeat(np.arange(count), _TAUS)
    finest_by = np.repeat(alone.bend(alone.guess)[1].max(-1).clip(alone.precision.max(-1)) * 1.5, _TAUS)
    table = integrals(alone, pair, np.broadcast_to(mu, (pair.size, _MUS)).copy(), np.tile(tau, count), finest_by, False).loglik
    table = np.where(present[pair][:, None], table, 0.0).reshape(count, -1)
    weight = np.ones(_TAUS)
    weight[0] = weight[-1] = 0.5
    log_prior = mean.log_density(mu[None])[0] + np.log(rise) + (prior.log_density(tau) + np.log(slope * weight))[:, None]
    middle, spread = np.empty((2, masks.shape[0]))
    with bar("Subsets", masks.shape[0], "subset") as shown:
        for start in range(0, masks.shape[0], _PIECE):
            rows = slice(start, start + _PIECE)
            density = masks[rows].astype(float) @ table
            density += log_prior.ravel()
            density -= density.max(-1, keepdims=True)
            np.exp(density, out=density)
            joint = density.reshape(-1, _TAUS, _MUS)
            middle[rows] = centre + scale * np.sinh(_median(v, joint.sum(1)))
            by_tau = joint.sum(2) / weight
            spread[rows] = stretch * np.sinh(_median(u, by_tau))
            shown.advance(_PIECE)
    return middle, spread


def _median(x: Array, density: Array) -> Array:
    """Medians of densities ``[s, q]`` at equal steps `x`: the cubic through the distribution function and its slopes."""
    step = float(x[1] - x[0])
    rise = np.gradient(density, axis=-1)
    below = np.zeros_like(density)
    np.cumsum(0.5 * (density[:, 1:] + density[:, :-1]) - (rise[:, 1:] - rise[:, :-1]) / 12.0, axis=1, out=below[:, 1:])
    target = 0.5 * below[:, -1]
    each = np.arange(density.shape[0])
    cell = np.clip((below <= target[:, None]).sum(-1) - 1, 0, x.size - 2)
    a, c, da, dc = below[each, cell], below[each, cell + 1], density[each, cell], density[each, cell + 1]
    low, high = np.zeros(each.size), np.ones(each.size)
    for _ in range(45):
        t = 0.5 * (low + high)
        over = a + t * (da + t * (3 * (c - a) - 2 * da - dc + t * (2 * (a - c) + da + dc))) > target
        low, high = np.where(over, low, t), np.where(over, t, high)
    return np.asarray(x[cell] + 0.5 * (low + high) * step)


def single(studies: Likelihood) -> Likelihood | None:
    """The studies of one fit as fits of one study each; None for a likelihood that cannot be taken apart so."""
    if isinstance(studies, BinomialLogit) and studies.offset is None:
        return BinomialLogit(studies.events[0][:, None], studies.total[0][:, None])
    return None
