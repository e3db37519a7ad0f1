"""CR2: the covariance of inverse-variance coefficients when arms of one cluster may be dependent, with Satterthwaite df.

With weights ``W = Phi^-1`` and ``M = (X' W X)^-1`` the estimate is

    V = M [ sum_g X_g' W_g A_g e_g e_g' A_g' W_g X_g ] M
    A_g = D_g' (D_g B_g D_g')^(-1/2) D_g,   B_g = Phi_g - X_g M X_g',   D_g' D_g = Phi_g

(Bell and McCaffrey 2002, Survey Methodology 28:169-181; Pustejovsky and Tipton 2018, doi:10.1080/07350015.2016.1247004):
unbiased where the working model ``Phi`` is true, and consistent in the number of clusters where it is not. The degrees of
freedom are those of a scaled chi-squared variable with the mean and variance that ``c' V c`` has under the working model.

Notes
-----
Apart from the square roots inside clusters everything is linear in the number of arms: ``Phi - X M X'`` has rank p beside its
diagonal, so that the sums over pairs of clusters that the degrees of freedom need collapse to matrices ``[p, p]``. Clusters
of one size are treated together. Weights that are all multiplied by one number change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.clusters import Clusters

Array = NDArray[np.float64]

#: A direction of a cluster's residuals that the coefficients follow to this share has no residual of its own.
_FOLLOWED = 1e-10


@dataclass(frozen=True)
class RobustCovariance:
    """Covariance ``[b, p, p]`` of the coefficients and the Satterthwaite df of each ``[b, p]``; NaN where there are none."""

    covariance: Array
    df: Array


def cr2(x: Array, weights: Array, residuals: Array, clusters: Clusters) -> RobustCovariance:
    """CR2 covariance and degrees of freedom.

    Parameters
    ----------
    x
        Designs ``[b, k, p]``, of full rank over the arms present.
    weights
        Weights ``[b, k]``, inverse to the working variances; 0 for an absent arm.
    residuals
        ``y - x beta`` at the weighted least-squares coefficients, ``[b, k]``; not looked at where an arm is absent.
    """
    present = weights > 0
    phi = np.where(present, 1.0 / np.where(present, weights, 1.0), 1.0)
    # Working variances near one: the square roots below see no large or small numbers.
    unit = np.exp(np.where(present, np.log(phi), 0.0).sum(-1, keepdims=True) / np.maximum(present.sum(-1), 1)[:, None])
    phi = np.asarray(np.where(present, phi / unit, 1.0), dtype=np.float64)
    x = np.where(present[:, :, None], x, 0.0)
    e = np.where(present, residuals, 0.0)
    xw = x / phi[:, :, None]
    # Coefficients in units of their own size, so that the inverse loses no digits.
    size = np.sqrt((x * xw).sum(1))
    size = np.where(size > 0, size, 1.0)
    x, xw = x / size[:, None, :], xw / size[:, None, :]
    bread: Array = np.asarray(np.linalg.inv(x.transpose(0, 2, 1) @ xw), dtype=np.float64)
    b, _, p = x.shape
    score = np.empty((b, clusters.count, p))
    # Per cluster: q[c] = X_g' g_c and s[c] = g_c' Phi_g g_c with g_c = A_g' W_g X_g M c, for every coefficient c.
    q, s = np.empty((b, clusters.count, p, p)), np.empty((b, clusters.count, p))
    for n in np.unique(clusters.sizes):
        which = np.flatnonzero(clusters.sizes == n)
        arms = clusters.order[clusters.starts[which][:, None] + np.arange(n)]
        part, own = x[:, arms], phi[:, arms]
        adjusted = np.swapaxes(_adjustment(part, own, bread), -1, -2) @ xw[:, arms]
        score[:, which] = np.einsum("bgnp,bgn->bgp", adjusted, e[:, arms])
        g = adjusted @ bread[:, None]
        q[:, which] = np.swapaxes(part, -1, -2) @ g
        s[:, which] = (g * g * own[..., None]).sum(-2)
    inner = np.einsum("bgp,bgq->bpq", score, score)
    covariance = bread @ inner @ bread
    lowered = bread[:, None] @ q
    own_share = np.einsum("bgpc,bgpc->bgc", q, lowered)
    whole = np.einsum("bgpc,bgqc->bcpq", lowered, q)
    trace = (s - own_share).sum(1)
    squares = (s * s - 2.0 * s * own_share).sum(1) + np.einsum("bcpq,bcqp->bc", whole, whole)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Never below one, as (sum a)^2 >= sum a^2 for shares that are not negative; rounding may say otherwise.
        df = np.where(squares > 0, np.maximum(trace * trace / squares, 1.0), np.nan)
    return RobustCovariance(covariance / (size[:, :, None] * size[:, None, :]), df)


def _adjustment(x: Array, phi: Array, bread: Array) -> Array:
    """``A_g`` of clusters of one size, ``[b, g, n, n]``, from designs ``[b, g, n, p]`` and working variances ``[b, g, n]``."""
    n = x.shape[-2]
    root = np.sqrt(phi)
    scaled = x / root[..., None]
    kept = np.eye(n) - scaled @ bread[:, None] @ np.swapaxes(scaled, -1, -2)
    if n == 1:
        share = kept[..., 0, 0]
        usable = share > _FOLLOWED
        return np.where(usable, 1.0 / np.sqrt(np.where(usable, share, 1.0)), 0.0)[..., None, None]
    # How many directions are free is read from the projection, whose eigenvalues lie between 0 and 1 whatever the variances are.
    free = (np.linalg.eigvalsh(kept) > _FOLLOWED).sum(-1)
    value, vector = np.linalg.eigh(phi[..., :, None] * kept * phi[..., None, :])
    usable = np.arange(n) >= n - free[..., None]
    inverse = np.where(usable, 1.0 / np.sqrt(np.where(usable & (value > 0), value, 1.0)), 0.0)
    middle = (vector * inverse[..., None, :]) @ np.swapaxes(vector, -1, -2)
    return np.asarray(root[..., :, None] * middle * root[..., None, :])
