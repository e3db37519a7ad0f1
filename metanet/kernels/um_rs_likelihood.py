"""Likelihood of the two-group logistic model with random study intercepts and random effects (UM.RS).

``a ~ Binomial(n1, expit(alpha + sigma u + (theta + tau z) / 2))``, ``c ~ Binomial(n2, expit(alpha + sigma u - (theta + tau z) / 2))``
with independent u and z ~ N(0, 1) (Turner 2000, doi:10.1002/1097-0258(20001230)19:24<3417::AID-SIM614>3.0.CO;2-L; the coding
by halves and the name are those of Jackson 2018, doi:10.1002/sim.7588).

The integral over both effects is exact: a trapezoidal sum over u, and at each of its nodes one over z, each over the interval in
which the integrand counts. Slope and curvature come from the posterior moments of the score on the same nodes (Louis 1982,
doi:10.1111/j.2517-6161.1982.tb01203.x). The model is written in tau and sigma, in which the likelihood is even and smooth through 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.ascent import Local
from metanet.kernels.two_group_counts import (
    LOG_SQRT_2PI,
    Counts,
    Height,
    Line,
    Rule,
    bernoulli,
    level_ends,
    log_binomial,
)

Array = NDArray[np.float64]

#: Numbers in an array of nodes that the cache still holds.
_CHUNK = 100_000


def evaluate(counts: Counts, x: Array, start: Array, rule: Rule) -> Local:
    """The likelihood (binomial coefficients included) at ``x = (theta, alpha, tau, sigma)``, ``[m, 4]``.

    `start` ``[m, k]`` says where to look for the peak in u; the step of the studies' own parameters leads there from it.
    """
    m, k = counts.a.shape
    length = max(1, _CHUNK // (max(k, 1) * rule.nodes**2))
    parts = [
        _evaluate(counts.take(np.arange(i, min(i + length, m))), x[i : i + length], start[i : i + length], rule)
        for i in range(0, max(m, 1), length)
    ]
    if len(parts) == 1:
        return parts[0]
    return Local(*(np.concatenate([getattr(part, name) for part in parts]) for name in Local.__dataclass_fields__))


def _evaluate(counts: Counts, x: Array, start: Array, rule: Rule) -> Local:
    theta, alpha, tau, sigma = (x[:, i : i + 1] for i in range(4))
    base1, base2, h = alpha + 0.5 * theta, alpha - 0.5 * theta, 0.5 * tau
    peak_u, low, high = _outer_interval(counts, base1, base2, h, sigma, start, rule.drop)
    step_u = (high - low) / (rule.nodes - 1)
    u = low[..., None] + step_u[..., None] * np.arange(rule.nodes)
    shift = sigma[..., None] * u
    line = Line(counts.widen(), base1[..., None] + shift, base2[..., None] + shift, h[..., None])
    low, high = line.ends(line.mode(), rule.drop, iterations=3)
    step_z = (high - low) / (rule.nodes - 1)
    z = low[..., None] + step_z[..., None] * np.arange(rule.nodes)
    u = np.broadcast_to(u[..., None], z.shape)
    spread = h[..., None, None] * z
    l1, l2 = line.e1[..., None] + spread, line.e2[..., None] - spread
    (s1, p1, q1), (s2, p2, q2) = bernoulli(l1), bernoulli(l2)
    a, n1, c, n2 = (value[..., None, None] for value in (counts.a, counts.n1, counts.c, counts.n2))
    log_density = a * l1 - n1 * s1 + c * l2 - n2 * s2 - 0.5 * (z * z + u * u) + np.log(step_z)[..., None]
    peak = log_density.max((-2, -1))
    posterior = np.exp(log_density - peak[..., None, None])
    mass = posterior.sum((-2, -1))
    posterior /= mass[..., None, None]
    loglik = (peak + np.log(mass * step_u) - 2.0 * LOG_SQRT_2PI) * counts.present
    r1, r2, w1, w2 = a - n1 * p1, c - n2 * p2, n1 * p1 * q1, n2 * p2 * q2

    flat = (*z.shape[:2], -1)
    one, z_, u_ = np.ones(z.shape).reshape(flat), z.reshape(flat), u.reshape(flat)
    # What theta, alpha, tau and sigma do to the logits of the two arms, at each node.
    arm1, arm2 = np.stack([0.5 * one, one, 0.5 * z_, u_], -2), np.stack([-0.5 * one, one, -0.5 * z_, u_], -2)
    weight = posterior.reshape(flat)[..., None, :]
    score = r1.reshape(flat)[..., None, :] * arm1 + r2.reshape(flat)[..., None, :] * arm2
    mean = (score * weight).sum(-1)
    away = score - mean[..., None]
    study = (
        _moment(arm1, weight * w1.reshape(flat)[..., None, :])
        + _moment(arm2, weight * w2.reshape(flat)[..., None, :])
        - _moment(away, weight)
    )
    information = study.sum(1)
    # The information on theta with alpha eliminated, shared out: a quadratic form of each study's own, never negative.
    whole = information[:, 1, 1]
    slope = (information[:, 0, 1] / np.where(whole > 0, whole, 1.0))[:, None]
    share = study[..., 0, 0] - 2.0 * slope * study[..., 0, 1] + slope * slope * study[..., 1, 1]
    nothing = np.zeros(counts.a.shape)
    return Local(
        loglik=np.asarray(loglik.sum(-1) + log_binomial(counts)),
        score=np.asarray(mean.sum(1)),
        information=np.asarray(information),
        own_step=peak_u - start,
        own_response=np.zeros((*counts.a.shape, 4)),
        own_gain=nothing.sum(-1),
        study_information=np.maximum(share, 0.0),
        effect=np.asarray(theta + tau * (posterior * z).sum((-2, -1))),
    )


def _moment(vector: Array, weight: Array) -> Array:
    """Weighted sum over the nodes of the vectors' outer products, ``[m, k, 4, 4]``."""
    return np.asarray((vector * weight) @ np.swapaxes(vector, -1, -2))


def _outer_interval(
    counts: Counts, base1: Array, base2: Array, h: Array, sigma: Array, start: Array, drop: float
) -> tuple[Array, Array, Array]:
    """Peak in u of the integrand at its best z, and the ends of the interval in which that exceeds its peak less `drop`.

    The profile of a concave function is concave, and bends at least as the prior does: Newton steps in a bracket, as along z.
    """

    def best(u: Array) -> Height:
        line = Line(counts, base1 + sigma * u, base2 + sigma * u, h)
        return line.height(line.mode())

    at = best(np.zeros_like(start))
    first = sigma * at.residual
    low, high = np.minimum(first, 0.0), np.maximum(first, 0.0)
    u = np.clip(start, low, high)
    bend, done = np.ones_like(u), np.zeros(u.shape, dtype=bool)
    for _ in range(60):
        at = best(u)
        slope = sigma * at.residual - u
        here = 1.0 + sigma * sigma * np.maximum(at.information - at.tilt * at.tilt / at.bend, 0.0)
        bend = np.where(done, bend, here)
        low, high = np.where(slope > 0, u, low), np.where(slope < 0, u, high)
        new = u + slope / bend
        new = np.where((new < low) | (new > high), 0.5 * (low + high), new)
        near = np.abs(new - u) * np.sqrt(bend) < 0.01
        u = np.where(done, u, new)
        done |= near
        if done.all():
            break

    def along(v: Array) -> tuple[Array, Array]:
        here = best(v)
        return here.value - 0.5 * v * v, sigma * here.residual - v

    # The best z falls a little behind the integral over z; the drop allows for it.
    ends = level_ends(along, u, along(u)[0], 1.0 / np.sqrt(bend), drop + 3.0, 3)
    return u, ends[0], ends[1]
