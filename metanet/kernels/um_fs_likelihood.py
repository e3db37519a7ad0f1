"""Likelihood of the two-group logistic model with fixed study intercepts and random effects (UM.FS).

``a ~ Binomial(n1, expit(alpha_i + theta_i / 2))``, ``c ~ Binomial(n2, expit(alpha_i - theta_i / 2))``, ``theta_i = theta + tau z_i``
with ``z_i ~ N(0, 1)`` and one free intercept alpha_i per study (Stijnen, Hamza and Ozdemir 2010, doi:10.1002/sim.4040; the coding
by halves is that of Jackson 2018, doi:10.1002/sim.7588).

The model is written in tau, in which the likelihood is even and smooth across tau = 0. Slope and curvature come from the
posterior moments of each study's score on the nodes that give the likelihood (Louis 1982,
doi:10.1111/j.2517-6161.1982.tb01203.x); the intercepts are eliminated study by study, in which each likelihood is log-concave.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.ascent import Local
from metanet.kernels.two_group_counts import LOG_SQRT_2PI, Counts, Line, Rule, bernoulli, log_binomial

Array = NDArray[np.float64]


def evaluate(counts: Counts, x: Array, alpha: Array, rule: Rule) -> Local:
    """The likelihood (binomial coefficients included) at ``x = (theta, tau)``, ``[m, 2]``, and the intercepts ``[m, k]``."""
    theta, tau = x[:, :1], x[:, 1:]
    line = Line(counts, alpha + 0.5 * theta, alpha - 0.5 * theta, 0.5 * tau)
    low, high = line.ends(line.mode(), rule.drop)
    width = (high - low) / (rule.nodes - 1)
    z = low[..., None] + width[..., None] * np.arange(rule.nodes)
    effect = tau[..., None] * z
    l1, l2 = line.e1[..., None] + 0.5 * effect, line.e2[..., None] - 0.5 * effect
    (s1, p1, q1), (s2, p2, q2) = bernoulli(l1), bernoulli(l2)
    a, n1, c, n2 = (value[..., None] for value in (counts.a, counts.n1, counts.c, counts.n2))
    log_density = a * l1 - n1 * s1 + c * l2 - n2 * s2 - 0.5 * z * z
    peak = log_density.max(-1)
    posterior = np.exp(log_density - peak[..., None])
    mass = posterior.sum(-1)
    posterior /= mass[..., None]
    loglik = (peak + np.log(mass * width) - LOG_SQRT_2PI) * counts.present
    r1, r2, w1, w2 = a - n1 * p1, c - n2 * p2, n1 * p1 * q1, n2 * p2 * q2

    def mean(value: Array) -> Array:
        return np.asarray((posterior * value).sum(-1))

    # Score in alpha, theta and tau, and the negative second derivatives, at each node.
    sa, st = r1 + r2, 0.5 * (r1 - r2)
    su = st * z
    ma, mt, mu = mean(sa), mean(st), mean(su)
    da, dt, du = sa - ma[..., None], st - mt[..., None], su - mu[..., None]
    haa, hat, htt = w1 + w2, 0.5 * (w1 - w2), 0.25 * (w1 + w2)
    iaa, iat, iau = mean(haa - da * da), mean(hat - da * dt), mean(hat * z - da * du)
    itt, itu, iuu = mean(htt - dt * dt), mean(htt * z - dt * du), mean(htt * z * z - du * du)
    # An absent study has no curvature in its intercept; any other has, by log-concavity.
    iaa = np.where(counts.present, np.maximum(iaa, 1e-300), 1.0)
    own_step = ma / iaa
    response_t, response_u = -iat / iaa, -iau / iaa
    ptt, ptu, puu = itt + iat * response_t, itu + iat * response_u, iuu + iau * response_u
    tt, tu, uu = ptt.sum(-1), ptu.sum(-1), puu.sum(-1)
    return Local(
        loglik=np.asarray(loglik.sum(-1) + log_binomial(counts)),
        score=np.stack([(mt + response_t * ma).sum(-1), (mu + response_u * ma).sum(-1)], -1),
        information=np.stack([np.stack([tt, tu], -1), np.stack([tu, uu], -1)], -2),
        own_step=own_step,
        own_response=np.stack([response_t, response_u], -1),
        own_gain=np.asarray((ma * own_step).sum(-1)),
        study_information=np.maximum(ptt, 0.0),
        effect=np.asarray(theta + mean(effect)),
    )
