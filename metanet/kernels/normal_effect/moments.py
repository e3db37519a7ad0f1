"""What the nodes of a quadrature give of every study: the integral over its random effect, and the derivatives of its logarithm."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from metanet.base.arrays import Array
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit, Likelihood

_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


class Moments(NamedTuple):
    """What the quadrature gives of every study, ``[b, k]``.

    `loglik` lacks the study's constant. `score` and `tau_score` are its slopes in its mean and in tau; `information`, `cross` and
    `tau_information` the negative second derivatives in (mean, mean), (mean, tau), (tau, tau). Those that begin with `half`
    come from every second node.
    """

    loglik: Array
    score: Array
    tau_score: Array
    information: Array
    cross: Array
    tau_information: Array
    half_loglik: Array
    half_score: Array
    half_tau_score: Array


def per_study(mu: Array) -> Array:
    """A mean by fit ``[b]`` or by study ``[b, k]`` as an array over studies."""
    return mu if mu.ndim == 2 else mu[:, None]


#: Elements of an array over nodes from which on matrices are quicker.
_MANY = 6_000


def study_moments(studies: Likelihood, mu: Array, tau: Array, nodes: int, low: Array, length: Array) -> Moments:
    """Likelihood and derivatives of every study on the nodes of one interval each; few fits at a time stay in the cache."""
    if isinstance(studies, BinomialLogit) and low.size * nodes >= _MANY:
        found = _logit_moments(studies, mu, tau, nodes, low, length)
        if found is not None:
            return found
    width = length / (nodes - 1)
    z = node_numbers(nodes) * width
    z += low
    theta = tau[:, None] * z
    theta += per_study(mu)
    weight, r, w = studies.terms(theta)
    wz = z * z
    wz *= 0.5
    weight -= wz
    peak = weight.max(0)
    weight -= peak
    np.exp(weight, out=weight)
    # A study so sharp that every second node misses it has no mass there; more nodes follow.
    mass, half_mass = _sum(weight), np.maximum(_sum(weight[::2]), 1e-290)
    loglik = peak + np.log(mass * width)
    loglik -= _LOG_SQRT_2PI
    half_loglik = loglik + np.log(2.0 * half_mass / mass)
    weight /= mass
    rz = r * z
    product = weight * r
    mean_r, half_r = _sum(product), _sum(product[::2])
    np.multiply(weight, rz, out=product)
    mean_rz, half_rz = _sum(product), _sum(product[::2])
    share = mass / half_mass
    r -= mean_r
    rz -= mean_rz
    np.multiply(w, z, out=wz)
    z *= wz
    np.multiply(r, r, out=product)
    w -= product
    r *= rz
    wz -= r
    rz *= rz
    z -= rz
    w *= weight
    wz *= weight
    z *= weight
    half_r *= share
    half_rz *= share
    return Moments(loglik, mean_r, mean_rz, _sum(w), _sum(wz), _sum(z), half_loglik, half_r, half_rz)


def _sum(values: Array) -> Array:
    """Sum over the nodes."""
    total: Array = np.add.reduce(values, axis=0)
    return total


@cache
def node_numbers(nodes: int) -> Array:
    """Numbers of the nodes, as the first axis."""
    indices = np.arange(nodes, dtype=np.float64).reshape(-1, 1, 1)
    indices.setflags(write=False)
    return indices


#: A predictor whose exponential is still a number, with room to spare.
_LARGEST = 600.0


@cache
def _powers(nodes: int) -> tuple[Array, Array]:
    """Powers of the place from the middle node, ``[nodes, 3]``; and what sums over nodes are taken with, ``[5, nodes]``.

    The latter are 1, place and its square over all nodes, and 1 and place over every second one.
    """
    place = np.arange(nodes, dtype=np.float64) - (nodes - 1) // 2
    second = np.zeros(nodes)
    second[::2] = 1.0
    one = np.ones(nodes)
    return np.stack([one, place, place**2], 1), np.stack([one, place, place**2, second, second * place])


def _logit_moments(studies: BinomialLogit, mu: Array, tau: Array, nodes: int, low: Array, length: Array) -> Moments | None:
    """`study_moments` of binomial counts with a logit link, by products of matrices; None where numbers overflow.

    The slope of a study is ``events - total p``, and theta, z and its square are powers of the place of a node: sums over nodes of
    p and of its square with such powers hold every moment. They are those of ``d = p - p`` at the middle node, so that nothing
    cancels, and of the outcome that is rarer there, so that rates near 100 % keep the digits of rates near 0 %.
    """
    powers, sums = _powers(nodes)
    b, k = low.shape
    flat = b * k
    width = length / (nodes - 1)
    middle = low + (nodes - 1) // 2 * width
    events, total, t = studies.events, studies.total, tau[:, None]
    theta = per_study(mu) + t * middle
    if studies.offset is not None:
        theta = theta + studies.offset
    side = np.where(theta > 0, -1.0, 1.0)
    events = np.where(theta > 0, total - events, events)
    theta *= side
    rise = t * width * side
    if (np.abs(theta) + 0.5 * nodes * np.abs(rise)).max(initial=0.0) > _LARGEST:
        return None
    odds_there = np.exp(theta)
    rate = odds_there / (1.0 + odds_there)
    height, slope = events * theta - total * np.log1p(odds_there), side * (events - total * rate)
    # The weights are one at the middle node, whose height is taken out.
    line = np.empty((3, b, k))
    line[0], line[1] = theta, rise
    odds = powers[:, :2] @ line[:2].reshape(2, flat)
    line[0], line[1], line[2] = events * theta - height, events * rise - middle * width, -0.5 * width * width
    over = np.empty((nodes, 3, flat))
    weight, first, second = over[:, 0], over[:, 1], over[:, 2]
    np.matmul(powers, line.reshape(3, flat), out=second)
    with np.errstate(over="ignore", invalid="ignore"):
        np.exp(odds, out=odds)
        np.add(odds, 1.0, out=first)
        np.log(first, out=weight)
        weight *= -total.reshape(flat)
        weight += second
        np.exp(weight, out=weight)
        odds /= first
        odds -= rate.reshape(flat)
        np.multiply(weight, odds, out=first)
        np.multiply(first, odds, out=second)
        found = (sums @ over.reshape(nodes, 3 * flat)).reshape(5, 3, b, k)
    if not np.isfinite(found).all():
        return None
    mass, half = found[0, 0], np.maximum(found[3, 0], 1e-290)
    loglik = height - 0.5 * middle * middle + np.log(mass * width) - _LOG_SQRT_2PI
    half_loglik = loglik + np.log(2.0 * half / mass)
    found[1:3] /= mass
    found[0, 1:] /= mass
    found[3:] /= half
    found[1] *= width
    found[2] *= width * width
    found[4] *= width
    # Means of powers of x, the way in z from the middle node: without d, with d and with its square.
    (_, d, dd), (x, dx, ddx), (xx, dxx, ddxx), (_, half_d, _), (half_x, half_dx, _) = found
    # p (1 - p) is what it is in the middle, and what d adds.
    still, turn = rate * (1.0 - rate), 1.0 - 2.0 * rate
    w = total * (still + turn * d - dd)
    wx = total * (still * x + turn * dx - ddx)
    wxx = total * (still * xx + turn * dxx - ddxx)
    # The slope is ``slope - n d``, and z times it ``slope middle + y`` with ``y = slope x - n middle d - n d x``.
    signed = side * total
    across = signed * middle
    y = slope * x - across * d - signed * dx
    y_square = slope * slope * xx + across * across * dd + total * total * ddxx
    y_square += 2.0 * (signed * across * ddx - slope * (across * dx + signed * dxx))
    r_y = signed * (across * dd + signed * ddx - slope * dx)
    return Moments(
        loglik=loglik,
        score=slope - signed * d,
        tau_score=slope * middle + y,
        information=w - total * total * (dd - d * d),
        cross=w * middle + wx - r_y - signed * d * y,
        tau_information=(w * middle + 2.0 * wx) * middle + wxx - (y_square - y * y),
        half_loglik=half_loglik,
        half_score=slope - signed * half_d,
        half_tau_score=slope * middle + slope * half_x - across * half_d - signed * half_dx,
    )
