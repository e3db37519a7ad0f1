"""The binomial-normal model: likelihood by adaptive quadrature and its maximum.

``events_i ~ Binomial(total_i, expit(mu + tau z_i))`` with ``z_i ~ N(0, 1)`` (Stijnen, Hamza and Ozdemir 2010,
doi:10.1002/sim.4040). Counts have shape ``[b, k]``; an absent study has total 0 and contributes exactly nothing.

The model is written in tau, not tau2: the likelihood is then even and smooth across the boundary tau = 0, where an ordinary Newton
step is well behaved. Gradient and Hessian come from the posterior moments of each study's score (Louis 1982,
doi:10.1111/j.2517-6161.1982.tb01203.x), on the nodes that give the likelihood itself.

Notes
-----
Quadrature is the trapezoidal rule on the interval where a study's integrand exceeds a stated fraction of its peak. For an
analytic integrand that vanishes at both ends it converges geometrically (Trefethen and Weideman 2014, doi:10.1137/130932132). Where
the posterior is close to normal it needs about as many nodes as adaptive Gauss-Hermite quadrature; for a study without events under
a large tau, whose posterior is a normal curve cut off at an edge, Gauss-Hermite with 120 nodes was still wrong in the fifth digit.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Rule:
    """A quadrature rule: the number of nodes, and the fall of the log integrand at which the interval ends."""

    nodes: int
    drop: float


SCAN_RULE = Rule(12, 14.0)
#: Rules tried in turn until one with twice the nodes no longer moves the estimate. exp(-37) is the rounding error of one.
RULES = (Rule(24, 37.0), Rule(48, 37.0), Rule(96, 37.0), Rule(192, 37.0), Rule(384, 37.0))
PROFILE_RULE = RULES[2]
#: The quadrature is settled when doubling the nodes moves (mu, tau) by less than this many standard errors.
NODE_TOLERANCE = 1e-7
#: A standard deviation of 30 on the logit scale says only that every study is near 0 % or near 100 %.
TAU_LIMIT = 30.0
_LOG_SQRT_2PI = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True)
class Evaluation:
    """Likelihood and its derivatives at one point, by fit ``[b]`` and by study ``[b, k]``.

    `score` is ``[b, 2]`` (mu, tau), `information` ``[b, 2, 2]`` the negative Hessian; `study_information` is each
    study's share of the information on mu, and `theta`, `rate` the posterior means of its logit and of its rate.
    """

    loglik: Array
    score: Array
    information: Array
    study_information: Array
    theta: Array
    rate: Array

    def take(self, rows: Mask | NDArray[np.intp]) -> Evaluation:
        """The chosen rows of every array."""
        return Evaluation(*(getattr(self, field.name)[rows] for field in fields(self)))

    def put(self, rows: NDArray[np.intp], part: Evaluation) -> None:
        """Write the rows of `part` into these arrays."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(part, field.name)


def log_binomial(events: Array, total: Array) -> Array:
    """Sum over studies of the logarithms of the binomial coefficients, ``[b]``."""
    return np.asarray(
        (special.gammaln(total + 1) - special.gammaln(events + 1) - special.gammaln(total - events + 1)).sum(-1)
    )


def _modes(events: Array, total: Array, mu: Array, tau: Array, iterations: int = 8) -> Array:
    """Posterior mode of every ``z``: Newton steps inside a bracket that a flat tail cannot throw out of it.

    The mode solves ``z = tau (events - total expit(mu + tau z))``, hence lies between zero and the right-hand side at zero.
    """
    at_zero = tau * (events - total * special.expit(mu))
    lower, upper = np.minimum(at_zero, 0.0), np.maximum(at_zero, 0.0)
    # First guess: the study's own logit, shrunken as two normal distributions would be.
    p = (events + 0.5) / (total + 1.0)
    own = total * p * (1 - p)
    z = tau * own * (special.logit(p) - mu) / (1.0 + tau * tau * own)
    z = np.minimum(np.maximum(z, lower), upper)
    for _ in range(iterations):
        p = special.expit(mu + tau * z)
        slope = tau * (events - total * p) - z
        lower = np.where(slope > 0, z, lower)
        upper = np.where(slope < 0, z, upper)
        new = z + slope / (1.0 + tau * tau * total * p * (1 - p))
        z = np.where((new < lower) | (new > upper), 0.5 * (lower + upper), new)
    return np.asarray(z)


def _interval(
    events: Array, total: Array, mu: Array, tau: Array, mode: Array, drop: float, iterations: int = 5
) -> tuple[Array, Array]:
    """Ends of the interval outside which the log integrand lies more than `drop` below its peak.

    The log integrand is concave and bends at least as much as the prior, so the ends lie within ``sqrt(2 drop)`` of the mode; Newton
    steps from there approach them from outside, and stopping early only widens the interval.
    """

    def log_integrand(z: Array) -> tuple[Array, Array]:
        theta = mu + tau * z
        return events * theta - total * np.logaddexp(0.0, theta) - 0.5 * z * z, tau * (
            events - total * special.expit(theta)
        ) - z

    floor = log_integrand(mode)[0] - drop
    ends = []
    for direction in (-1.0, 1.0):
        z = mode + direction * np.sqrt(2 * drop)
        for _ in range(iterations):
            height, slope = log_integrand(z)
            z = z - np.minimum(height - floor, 0.0) / slope
        ends.append(z)
    return ends[0], ends[1]


def evaluate(events: Array, total: Array, mu: Array, tau: Array, rule: Rule) -> Evaluation:
    """Log-likelihood (binomial coefficients included), score and information at ``(mu, tau)``, each ``[b]``."""
    m, t = mu[:, None], tau[:, None]
    mode = _modes(events, total, m, t)
    low, high = _interval(events, total, m, t, mode, rule.drop)
    width = (high - low) / (rule.nodes - 1)
    z = low[..., None] + width[..., None] * np.arange(rule.nodes)
    theta = m[..., None] + t[..., None] * z
    softplus = np.logaddexp(0.0, theta)
    e, n = events[..., None], total[..., None]
    log_density = e * theta - n * softplus - 0.5 * z * z
    peak = log_density.max(-1)
    posterior = np.exp(log_density - peak[..., None])
    mass = posterior.sum(-1)
    posterior /= mass[..., None]
    loglik = (peak + np.log(mass * width) - _LOG_SQRT_2PI).sum(-1) + log_binomial(events, total)
    p = np.exp(theta - softplus)
    r = e - n * p
    w = n * p * np.exp(-softplus)
    rz = r * z
    mean_r, mean_rz = (posterior * r).sum(-1), (posterior * rz).sum(-1)
    wz = w * z
    dr, drz = r - mean_r[..., None], rz - mean_rz[..., None]
    study_mm = (posterior * (w - dr * dr)).sum(-1)
    study_mt = (posterior * (wz - dr * drz)).sum(-1)
    study_tt = (posterior * (wz * z - drz * drz)).sum(-1)
    mm, mt, tt = study_mm.sum(-1), study_mt.sum(-1), study_tt.sum(-1)
    return Evaluation(
        loglik=loglik,
        score=np.stack([mean_r.sum(-1), mean_rz.sum(-1)], axis=-1),
        information=np.stack([np.stack([mm, mt], -1), np.stack([mt, tt], -1)], -2),
        # The marginal likelihood is log-concave in mu (Prekopa), so only rounding can make a share negative.
        study_information=np.maximum(study_mm, 0.0),
        theta=np.asarray((posterior * theta).sum(-1)),
        rate=np.asarray((posterior * p).sum(-1)),
    )


def common_rate(events: Array, total: Array) -> tuple[Array, Array]:
    """Maximum at tau = 0: logit of the summed counts and its variance, ``[b]`` (infinite without, or with only, events)."""
    e, n = events.sum(-1), total.sum(-1)
    with np.errstate(divide="ignore"):
        return special.logit(e / n), 1.0 / e + 1.0 / (n - e)


def boundary_score(events: Array, total: Array) -> Array:
    """Derivative of the log-likelihood with respect to tau2 at tau2 = 0 and the common rate: ``sum(r^2 - n p q) / 2``."""
    p = events.sum(-1, keepdims=True) / total.sum(-1, keepdims=True)
    r = events - total * p
    return np.asarray(0.5 * (r * r - total * p * (1 - p)).sum(-1))


def maximise_mu(
    events: Array, total: Array, mu: Array, tau: Array, rule: Rule, iterations: int = 60
) -> tuple[Array, Array, Array]:
    """Maximise over mu at fixed tau (a log-concave problem).

    Returns mu, the profile log-likelihood and its derivative in tau, ``[b]``.
    """
    mu = mu.copy()
    loglik, slope = np.full(mu.shape, np.nan), np.full(mu.shape, np.nan)
    rows = np.arange(mu.size)
    for _ in range(iterations):
        at = evaluate(events[rows], total[rows], mu[rows], tau[rows], rule)
        curvature = np.maximum(at.information[:, 0, 0], 1e-12)
        # In a flat tail the curvature says nothing of the distance: no step is longer than the scale of the problem.
        step = np.clip(at.score[:, 0] / curvature, -(1.0 + tau[rows]), 1.0 + tau[rows])
        gain = step * at.score[:, 0]
        # The last step is taken too; its quadratic gain makes the likelihood exact to the square of what is left.
        loglik[rows] = at.loglik + 0.5 * gain
        slope[rows] = at.score[:, 1] - step * at.information[:, 0, 1]
        mu[rows] += step
        rows = rows[gain > 1e-16]
        if not rows.size:
            break
    return mu, loglik, slope


def _ascend(
    events: Array, total: Array, mu: Array, tau: Array, rule: Rule, iterations: int = 100
) -> tuple[Array, Array, Evaluation, Mask]:
    """Newton's method on (mu, tau) with halving; returns mu, tau, the evaluation there and a flag of convergence, ``[b]``."""
    mu, tau = mu.copy(), tau.copy()
    done = np.zeros(mu.shape, dtype=bool)
    rows = np.arange(mu.size)
    at = whole = evaluate(events, total, mu, tau, rule)
    for _ in range(iterations):
        step, decrement = _newton_step(at)
        settled = decrement < 1e-20
        done[rows[settled]] = True
        keep = ~settled & (tau[rows] < 2 * TAU_LIMIT)
        rows, step = rows[keep], step[keep]
        if not rows.size:
            break
        length = np.ones(rows.size)
        floor = whole.loglik[rows]
        # Rounding in the sum over studies leaves about 1e-13 of the log-likelihood undecided.
        floor = floor - 1e-13 * (1 + np.abs(floor))
        for _ in range(14):
            trial_mu = mu[rows] + length * step[:, 0]
            trial_tau = np.abs(tau[rows] + length * step[:, 1])
            at = evaluate(events[rows], total[rows], trial_mu, trial_tau, rule)
            worse = ~(at.loglik >= floor)
            if not worse.any():
                break
            length[worse] *= 0.5
        # Where too few nodes make score and likelihood disagree no step helps; the next rule has more.
        if worse.any():
            rows, at, trial_mu, trial_tau = rows[~worse], at.take(~worse), trial_mu[~worse], trial_tau[~worse]
        mu[rows], tau[rows] = trial_mu, trial_tau
        whole.put(rows, at)
    return mu, tau, whole, done


def _newton_step(at: Evaluation) -> tuple[Array, Array]:
    """Newton step ``[b, 2]``, with the Hessian made definite where it is not, and the squared decrement ``[b]``."""
    a, b, d = at.information[:, 0, 0], at.information[:, 0, 1], at.information[:, 1, 1]
    half_trace, root = 0.5 * (a + d), np.sqrt(0.25 * (a - d) ** 2 + b * b)
    smallest, largest = half_trace - root, half_trace + root
    floor = 1e-3 * np.maximum(np.abs(largest), 1e-6)
    shift = np.where(smallest > 1e-9 * np.abs(largest), 0.0, floor - smallest)
    a, d = a + shift, d + shift
    determinant = a * d - b * b
    g0, g1 = at.score[:, 0], at.score[:, 1]
    step = np.stack([(d * g0 - b * g1) / determinant, (a * g1 - b * g0) / determinant], -1)
    longest = np.abs(step).max(-1)
    step *= np.minimum(1.0, 3.0 / np.maximum(longest, 1e-300))[:, None]
    return step, step[:, 0] * g0 + step[:, 1] * g1


@dataclass(frozen=True)
class Fit:
    """Maximum-likelihood fit, by row: parameters, likelihoods, derivatives there, and how far the answer can be trusted.

    `covariance` is of (mu, tau); on the boundary tau = 0 only its first entry is defined. `unbounded` marks rows whose
    likelihood has no maximum at a finite tau, `settled` rows whose quadrature and Newton decrement passed their checks.
    """

    mu: Array
    tau: Array
    loglik: Array
    loglik_common: Array
    covariance: Array
    at: Evaluation
    nodes: NDArray[np.int64]
    unbounded: Mask
    settled: Mask


def fit(events: Array, total: Array) -> Fit:
    """Maximise the likelihood of every row, which needs at least two studies, one event and one non-event.

    A row in which every study stands at 0 % or at 100 %, and both occur, has no maximum: the likelihood rises for ever
    with tau. Such a row, and one whose maximum lies beyond `TAU_LIMIT`, is marked `unbounded` and its numbers are NaN.

    Notes
    -----
    The likelihood can have a maximum on the boundary and another inside, or two inside, so the profile over tau is scanned first. A
    climb starts from every cell of the scan in which the slope changes from rising to falling (the best two, if there are more),
    and tau = 0 is kept only where its likelihood is not below.
    """
    b = events.shape[0]
    mu0, _ = common_rate(events, total)
    zero = np.zeros(b)
    separated = ((events == 0) | (events == total)).all(-1)
    start_mu, start_tau, owner = _starts(events, total, mu0, ~separated)
    mu, tau = mu0.copy(), zero.copy()
    at = evaluate(events, total, mu, tau, RULES[0])
    loglik0 = at.loglik.copy()
    nodes = np.full(b, RULES[0].nodes)
    settled = np.ones(b, dtype=bool)
    # Of several climbs of one fit the highest goes on to the finer rules.
    first_mu, first_tau, first, _ = _ascend(events[owner], total[owner], start_mu, start_tau, RULES[0])
    order = np.lexsort((-first.loglik, owner))
    rows, best = np.unique(owner[order], return_index=True)
    before = np.stack([first_mu, first_tau], -1)[order[best]]
    mu[rows], tau[rows] = before[:, 0], before[:, 1]
    at.put(rows, first.take(order[best]))
    for rule in RULES[1:]:
        climbing = before[:, 1] < TAU_LIMIT
        rows, before = rows[climbing], before[climbing]
        if not rows.size:
            break
        new_mu, new_tau, new_at, done = _ascend(events[rows], total[rows], before[:, 0], before[:, 1], rule)
        after = np.stack([new_mu, new_tau], -1)
        moved = after - before
        distance = np.abs(np.einsum("bi,bij,bj->b", moved, new_at.information, moved))
        mu[rows], tau[rows], nodes[rows] = new_mu, new_tau, rule.nodes
        at.put(rows, new_at)
        close = (distance < NODE_TOLERANCE**2) & done
        settled[rows] = close
        rows, before = rows[~close], after[~close]
    unbounded = separated | (tau >= TAU_LIMIT)
    # tau = 0 is the answer where its likelihood is not below: a climb towards the boundary ends within rounding of it.
    on_boundary = ~unbounded & ~(at.loglik > loglik0 + 1e-13 * (1 + np.abs(loglik0)))
    back = np.flatnonzero(on_boundary & (tau > 0))
    mu[back], tau[back], nodes[back], settled[back] = mu0[back], 0.0, RULES[0].nodes, True
    if back.size:
        at.put(back, evaluate(events[back], total[back], mu[back], tau[back], RULES[0]))
    covariance = _covariance(at.information, on_boundary)
    loglik = at.loglik.copy()
    for gone in (mu, tau, loglik, covariance, at.study_information, at.theta, at.rate):
        gone[unbounded] = np.nan
    settled &= ~unbounded
    return Fit(mu, tau, loglik, loglik0, covariance, at, nodes, unbounded, settled)


def _starts(events: Array, total: Array, mu0: Array, wanted: Mask) -> tuple[Array, Array, NDArray[np.intp]]:
    """Where to climb from: mu and tau of every start, and the fit it belongs to."""
    taus = _scan_points(events, total)
    b, width = taus.shape
    # The same evaluation over a longer batch; a fit and its values of tau lie side by side.
    mu, loglik, slope = (
        values.reshape(b, width)
        for values in maximise_mu(
            np.repeat(events, width, 0),
            np.repeat(total, width, 0),
            # A mean of logits lies farther out than the logit of a mean rate.
            (mu0[:, None] * np.sqrt(1 + 0.35 * taus**2)).ravel(),
            taus.ravel(),
            SCAN_RULE,
            iterations=6,
        )
    )
    # At tau = 0 the slope in tau vanishes; the one in tau2 tells whether the profile rises.
    slope[:, 0] = boundary_score(events, total)
    peak = (slope[:, :-1] > 0) & (slope[:, 1:] <= 0)
    height = np.where(peak, np.maximum(loglik[:, :-1], loglik[:, 1:]), -np.inf)
    # A profile that still rises at the end of the scan is followed from there.
    height = np.concatenate([height, np.where(slope[:, -1:] > 0, loglik[:, -1:], -np.inf)], axis=1)
    owners, cells = [], []
    for _ in range(2):
        cell = height.argmax(1)
        found = np.flatnonzero(wanted & np.isfinite(height[np.arange(b), cell]))
        owners.append(found)
        cells.append(cell[found])
        height[found, cell[found]] = -np.inf
    owner, cell = np.concatenate(owners), np.concatenate(cells)
    right = np.minimum(cell + 1, width - 1)
    higher = np.where(loglik[owner, right] > loglik[owner, cell], right, cell)
    start = np.where(higher == 0, 0.5 * taus[owner, 1], taus[owner, higher])
    return mu[owner, higher], start, owner


def _scan_points(events: Array, total: Array) -> Array:
    """Values of tau to scan, ``[b, 10]``: zero, then a geometric grid from a fraction of the most precise study's error to 9."""
    p = events.sum(-1) / total.sum(-1)
    error = 1.0 / np.sqrt(np.maximum(total.max(-1) * p * (1 - p), 1e-300))
    first = np.clip(0.4 * error, 1e-4, 0.3)
    grid = first[:, None] * (9.0 / first)[:, None] ** np.linspace(0.0, 1.0, 9)
    return np.concatenate([np.zeros((p.size, 1)), grid], axis=1)


def _covariance(information: Array, on_boundary: Mask) -> Array:
    """Inverse of the observed information; on the boundary tau is not a free parameter and only mu's variance is left."""
    a, b, d = information[:, 0, 0], information[:, 0, 1], information[:, 1, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = a * d - b * b
        full = np.stack([np.stack([d, -b], -1), np.stack([-b, a], -1)], -2) / determinant[:, None, None]
        edge = np.zeros_like(full)
        edge[:, 0, 0] = 1.0 / a
    return np.where(on_boundary[:, None, None], edge, full)


def marginal_rate(mu: Array, tau: Array) -> tuple[Array, Array]:
    """Population-averaged rate ``E[expit(mu + tau Z)]``, ``[b]``, and its gradient in (mu, tau), ``[b, 2]``.

    The trapezoidal rule converges geometrically for this integrand, at a rate set by the distance ``pi / tau`` of the logistic
    function's poles from the real axis; the step follows that distance for the largest tau of the batch.
    """
    finite = tau[np.isfinite(tau)]
    largest = float(finite.max()) if finite.size else 0.0
    step = min(0.1, 0.55 / max(largest, 1e-9))
    half = int(np.ceil(9.0 / step))
    z = np.linspace(-half * step, half * step, 2 * half + 1)
    weight = np.exp(-0.5 * z * z)
    weight /= weight.sum()
    p = special.expit(mu[:, None] + tau[:, None] * z)
    pq = p * (1 - p) * weight
    return (p * weight).sum(-1), np.stack([pq.sum(-1), (pq * z).sum(-1)], -1)
