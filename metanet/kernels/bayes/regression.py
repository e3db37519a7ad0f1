"""The posterior of a meta-regression with a normal random effect: every contrast of its coefficients, and tau, by quadrature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metanet.base.arrays import Array, Mask
from metanet.kernels.bayes.batch import (
    TOLERANCE,
    MeanPrior,
    Means,
    Posteriors,
    TauDistribution,
    axis_of,
    conditional,
    posteriors,
    scanned,
    tau_distribution,
)
from metanet.kernels.bayes.contrasts import MOST_ACROSS, Field, Layout, Rule, Sums, densities, lines_of
from metanet.kernels.bayes.posterior import TauPrior
from metanet.kernels.bayes.surface import surface_of
from metanet.kernels.normal_effect.random_effect import Rule as Quadrature
from metanet.kernels.normal_effect.regression_likelihood import evaluate, shortened
from metanet.kernels.normal_effect.study_likelihoods import Likelihood
from metanet.kernels.numerics.quadratic_forms import outside

# ``y_i ~ f(theta_i)``, ``theta_i ~ N(x_i' beta, tau^2)``, with normal priors of the predictors and a proper prior of tau.
#
# At each tau the studies' integrals over their random effects are tabulated once (`metanet.kernels.bayes.surface`), so that the
# likelihood at thousands of coefficients is a matter of look-ups. A contrast of the coefficients is followed along the line on which
# it changes while the others do as they would in the normal approximation at the mode; at each of its values the others are
# integrated about their own mode. All steps are equal, and the integrands vanish at both ends and are log-concave, so that the
# trapezoidal rule converges geometrically (Trefethen and Weideman 2014, doi:10.1137/130932132).
#
# Up to two other dimensions are integrated so. More are integrated by Laplace's approximation at each value of the contrast (Tierney
# and Kadane 1986, doi:10.1080/01621459.1986.10478240): the density of the contrast at a tau is then approximate, those of tau too.
# In a one-way layout the distinct predictors are independent given tau, and a contrast needs those that it compares and no others.


#: Numbers of nodes in turn, of each dimension, until half of them agree.
RULES = (Rule(24, 24, 17), Rule(48, 40, 25), Rule(96, 64, 35), Rule(192, 96, 49))
#: Predictors are tabulated so many standard deviations about the mode, and farther where that is not enough.
_REACH = 7.5
_SCAN = Quadrature(17, 20.0)
#: Elements of an array over the nodes of a batch.
_PIECE = 400_000


def layout_of(x: Array, present: Mask, mean: MeanPrior) -> Layout:
    """The layout of designs ``[b, k, p]`` of full rank on the studies present ``[b, k]``, with priors on the predictors.

    In a one-way layout (as many distinct rows as coefficients) each distinct predictor has the prior of the mean of a single group.
    Otherwise the coefficients have the precision ``(p / k) X'X / sd^2``, about the coefficients at which every predictor is the prior
    mean. Neither depends on how categories are coded or numbers are centred and scaled.
    """
    b, k, p = x.shape
    u, back, cells = np.zeros((b, k, p)), np.empty((b, p, p)), np.zeros(b, dtype=bool)
    centre, precision = np.empty((b, p)), np.full(b, 1.0 / mean.sd**2)
    value = np.broadcast_to(np.asarray(mean.mean, dtype=float), (b,))
    for row in range(b):
        here = x[row, present[row]]
        distinct, which = np.unique(here, axis=0, return_inverse=True)
        if distinct.shape[0] == p:
            cells[row] = True
            u[row, present[row]] = np.eye(p)[which.reshape(-1)]
            back[row] = np.linalg.inv(distinct)
            centre[row] = value[row]
            continue
        scale = np.abs(here).max(0)
        q, r = np.linalg.qr(here / scale)
        u[row, present[row]] = q
        back[row] = np.linalg.inv(r) / scale[:, None]
        centre[row] = value[row] * q.sum(0)
        precision[row] *= p / here.shape[0]
    return Layout(u, back, centre, precision, cells)


@dataclass(frozen=True)
class _Modes:
    """Modes ``[n, p]`` and negative Hessians ``[n, p, p]`` of the log posterior at fixed tau, and Laplace's log integral ``[n]``."""

    gamma: Array
    information: Array
    height: Array


def _solved(matrix: Array, load: Array) -> Array:
    """Solutions ``[n, p]`` of ``[n, p, p]`` systems."""
    return np.asarray(np.linalg.solve(matrix, load[:, :, None])[:, :, 0], dtype=np.float64)


def _scanned_modes(studies: Likelihood, layout: Layout, tau: Array) -> _Modes:
    """The modes at values of tau ``[b, S]``, flattened, by Newton's method on the likelihood itself."""
    b, count = tau.shape
    pair, flat = np.repeat(np.arange(b), count), tau.ravel()
    part, at = studies.take(pair), layout.take(pair)
    p = at.u.shape[2]
    with np.errstate(divide="ignore"):
        weight = 1.0 / (1.0 / part.precision + (flat * flat)[:, None])
    identity = np.eye(p)
    ridge = at.precision[:, None, None] * identity
    information = (at.u * weight[:, :, None]).transpose(0, 2, 1) @ at.u + ridge
    load = ((weight * part.guess)[:, None, :] @ at.u)[:, 0] + at.precision[:, None] * at.centre
    gamma = _solved(information, load)
    height = np.empty(flat.size)
    rows = np.arange(flat.size)
    for _ in range(60):
        found = evaluate(part.take(rows), at.u[rows], gamma[rows], flat[rows], _SCAN)
        off = gamma[rows] - at.centre[rows]
        score = found.score[:, :p] - at.precision[rows, None] * off
        bend = (at.u[rows] * found.study_information[:, :, None]).transpose(0, 2, 1) @ at.u[rows] + ridge[rows]
        step = _solved(bend, score)
        gain = (step * score).sum(-1)
        information[rows] = bend
        height[rows] = found.loglik - 0.5 * at.precision[rows] * (off * off).sum(-1) + 0.5 * gain
        step *= shortened(at.u[rows], step, 2.0 + flat[rows])[:, None]
        gamma[rows] += step
        rows = rows[~(gain < 1e-4)]
        if not rows.size:
            break
    height += 0.5 * p * np.log(at.precision) - 0.5 * np.linalg.slogdet(information)[1]
    return _Modes(gamma, information, height)


def _blended(known: Array, tau: Array, values: Array) -> Array:
    """Values ``[b, S, ...]`` known at scanned tau ``[b, S]``, on straight lines between them, at tau ``[b, J]``."""
    cell = np.clip((known[:, None, :] <= tau[:, :, None]).sum(-1) - 1, 0, known.shape[1] - 2)
    rows = np.arange(known.shape[0])[:, None]
    start, end = known[rows, cell], known[rows, cell + 1]
    share = np.clip((tau - start) / (end - start), 0.0, 1.0)
    share = share.reshape(*share.shape, *([1] * (values.ndim - 2)))
    return np.asarray(values[rows, cell] + share * (values[rows, cell + 1] - values[rows, cell]))


def _field(studies: Likelihood, layout: Layout, tau: Array, scan: tuple[Array, _Modes]) -> Field:
    """The field at nodes of tau ``[b, J]`` from modes at scanned values of tau."""
    known, modes = scan
    b, count = tau.shape
    p = layout.u.shape[2]
    pair = np.repeat(np.arange(b), count)
    spread = np.linalg.inv(modes.information).reshape(b, -1, p, p)
    sd = np.sqrt(np.einsum("bkp,bspq,bkq->bsk", layout.u, spread, layout.u))
    centre = np.einsum("bkp,bsp->bsk", layout.u, modes.gamma.reshape(b, -1, p))
    present = (studies.precision > 0)[:, None, :]
    low = np.where(present, centre - _REACH * sd, np.inf).min(-1)
    high = np.where(present, centre + _REACH * sd, -np.inf).max(-1)
    surface = surface_of(studies, pair, tau.ravel(), (_blended(known, tau, low).ravel(), _blended(known, tau, high).ravel()))
    gamma = _blended(known, tau, modes.gamma.reshape(b, -1, p)).reshape(-1, p)
    nodes = layout.take(pair)
    rows = np.arange(pair.size)
    axes = np.broadcast_to(np.eye(p), (rows.size, p, p))
    out = Field(surface, nodes, gamma, np.empty((rows.size, p, p)), np.empty(rows.size))
    information = np.empty((rows.size, p, p))
    flat = tau.ravel()
    for _ in range(60):
        value, score, bend = out.bent(rows, gamma[rows][:, :, None], axes[rows])
        step = _solved(bend[:, 0], score[:, 0])
        gain = (step * score[:, 0]).sum(-1)
        information[rows], out.peak[rows] = bend[:, 0], value[:, 0] + 0.5 * gain
        step *= shortened(nodes.u[rows], step, 2.0 + flat[rows])[:, None]
        gamma[rows] += step
        rows = rows[~(gain < 1e-9)]
        if not rows.size:
            break
    out.lower[:] = np.linalg.cholesky(np.linalg.inv(information))
    return out


@dataclass(frozen=True)
class Coefficients:
    """The posterior of a batch of regressions.

    Attributes
    ----------
    tau
        The distribution of tau, ``[b]``.
    contrasts
        Of the contrasts asked for, ``[b * m]``, those of a fit in consecutive rows.
    mean, covariance
        Of the coefficients given tau at its nodes, ``[b, J, p]`` and ``[b, J, p, p]``.
    shares
        Every study's share of the information on its own predictor, averaged over the posterior, ``[b, k]``.
    moved
        What half the nodes of tau, along and across the contrasts would have moved, ``[b, 3]``.
    approximate
        Whether more than `MOST_ACROSS` other dimensions were integrated by Laplace's approximation.
    nodes
        The numbers of nodes.
    """

    tau: TauDistribution
    contrasts: Posteriors
    mean: Array
    covariance: Array
    shares: Array
    moved: Array
    approximate: bool
    nodes: Rule
    _known: tuple[Field, Layout] | None

    @property
    def settled(self) -> Mask:
        """Whether half the nodes agree, ``[b]``."""
        return np.asarray((self.moved < TOLERANCE).all(-1))

    def of(self, contrasts: Array) -> Posteriors:
        """The posteriors of more contrasts ``[m, p]`` of the coefficients, ``[b * m]``."""
        each = np.repeat(np.arange(self.tau.tau.shape[0]), contrasts.shape[0])
        if self._known is None:
            if not (contrasts == 1.0).all():
                raise ValueError("of: a mean alone has no contrast but itself")
            return self.contrasts.take(each)
        found, _, _ = _contrasts(*self._known, contrasts, self.tau.tau, self.nodes)
        return Posteriors(found, self.tau.take(each))

    def moments(self) -> tuple[Array, Array]:
        """Posterior mean ``[b, p]`` and covariance ``[b, p, p]`` of the coefficients."""
        weight = self.tau.weight
        mean = (weight[:, None, :] @ self.mean)[:, 0]
        off = self.mean - mean[:, None]
        between = np.einsum("bj,bjp,bjq->bpq", weight, off, off)
        return mean, np.einsum("bj,bjpq->bpq", weight, self.covariance) + between

    def p_value(self, contrasts: Array) -> Array:
        """The level at which the joint credible region of contrasts ``[q, p]`` touches zero, ``[b]``.

        For one contrast the region is its interval with equal tails. For more it is the ellipsoid of their posterior mean and
        covariance, and the probability outside it is that of a mixture over tau of normal distributions, with the exact mean and
        covariance at each tau. Its shape apart, it is summed to 1e-8.
        """
        if contrasts.shape[0] == 1:
            return two_sided(self.of(contrasts))
        mean, covariance = self.moments()
        out = np.empty(mean.shape[0])
        for row in range(mean.shape[0]):
            middle, spread = contrasts @ mean[row], contrasts @ covariance[row] @ contrasts.T
            size = np.sqrt(np.diag(spread))
            root = np.linalg.cholesky(spread / np.outer(size, size))
            white = np.linalg.solve(root, contrasts / size[:, None])
            zero = np.linalg.solve(root, middle / size)
            away = self.mean[row] @ white.T - zero
            out[row] = self.tau.weight[row] @ outside(away, white @ self.covariance[row] @ white.T, float(zero @ zero))
        return out


def two_sided(found: Posteriors) -> Array:
    """The level at which the equal-tailed interval touches zero: twice the smaller of the probabilities on its two sides, ``[n]``."""
    below = found.below(np.zeros((found.weight.shape[0], 1)))[0][:, 0]
    return np.asarray(2.0 * np.minimum(below, 1.0 - below))


def _contrasts(
    field: Field, layout: Layout, contrasts: Array, tau: Array, rule: Rule, *, sums: Sequence[int] = ()
) -> tuple[Means, Array, dict[int, Sums]]:
    """The conditional distributions of contrasts ``[m, p]`` of the coefficients, fit by fit, their errors across, and sums of some.

    The error ``[b * m, J]`` is the logarithm of what every second node across the contrast would have given.
    """
    b, count = tau.shape
    m, p = contrasts.shape
    ways = contrasts @ layout.back
    groups: dict[tuple[int, ...], list[int]] = {}
    for c in range(m):
        size = np.abs(ways[:, c])
        free = (size > 1e-12 * size.max(-1, keepdims=True)).any(0) if layout.cells.all() else np.ones(p, dtype=bool)
        groups.setdefault(tuple(np.flatnonzero(free).tolist()), []).append(c)
    low, step = np.empty((b, m, count)), np.empty((b, m, count))
    density, half = np.empty((b, m, count, rule.along)), np.empty((b, m, count, rule.along))
    kept: dict[int, Sums] = {}
    for used, members in groups.items():
        for chosen, wanted in (([c for c in members if c not in sums], False), ([c for c in members if c in sums], True)):
            for some in _pieces(chosen, b * count * rule.along * (rule.across ** min(len(used) - 1, MOST_ACROSS))):
                rows = np.broadcast_to(np.arange(b * count).reshape(b, 1, count), (b, len(some), count)).reshape(-1)
                way = np.repeat(ways[:, some], count, axis=1).reshape(-1, p)
                found = densities(field, lines_of(field, rows, way, used), rule, sums=wanted)
                shape = (b, len(some), count)
                low[:, some], step[:, some] = found.low.reshape(shape), found.step.reshape(shape)
                density[:, some] = found.density.reshape(*shape, -1)
                half[:, some] = found.half.reshape(*shape, -1)
                if found.sums is not None:
                    for place, c in enumerate(some):
                        kept[c] = Sums(*(part.reshape(*shape, *part.shape[1:])[:, place] for part in found.sums))
    n = b * m
    value = (low[..., None] + step[..., None] * np.arange(rule.along)).reshape(n, count, -1)
    made = conditional(np.repeat(tau, m, axis=0), value, step.reshape(n, count), density.reshape(n, count, -1))
    error = np.log((made.mass * np.exp(half - density).reshape(n, count, -1)).sum(-1))
    return made, error, kept


def _pieces(members: list[int], each: int) -> list[list[int]]:
    """Contrasts in pieces whose nodes fit the memory."""
    size = max(1, _PIECE // each)
    return [members[start : start + size] for start in range(0, len(members), size)]


def fit(studies: Likelihood, x: Array, mean: MeanPrior, prior: TauPrior, contrasts: Array, rule: Rule = RULES[0]) -> Coefficients:
    """The posteriors of a batch by one rule.

    Parameters
    ----------
    studies
        The studies' likelihoods, ``[b, k]``.
    x
        Designs ``[b, k, p]`` or ``[k, p]`` of full rank, the intercept as a column; of a batch either all or none is a one-way layout.
    mean, prior
        Prior of the mean of a group, from which those of the coefficients follow (`layout_of`), and of tau.
    contrasts
        Combinations of the coefficients ``[m, p]`` whose posteriors are wanted.
    """
    b = studies.guess.shape[0]
    x = np.broadcast_to(x, (b, *x.shape[-2:]))
    p = x.shape[2]
    present = studies.precision > 0
    if p == 1 and (x[present] == 1.0).all() and contrasts.tolist() == [[1.0]]:
        return _mean_alone(studies, mean, prior, rule)
    layout = layout_of(x, present, mean)
    cells = bool(layout.cells.all())
    known = scanned(studies, mean, prior)
    modes = _scanned_modes(studies, layout, known)
    height = modes.height.reshape(known.shape)
    axis = axis_of(known, height, prior)
    _, tau = axis.nodes(rule.tau)
    field = _field(studies, layout, tau, (known, modes))
    count = tau.shape[1]
    # The distribution of tau: in a one-way layout from the cells, else from what is asked for.
    distinct = np.linalg.inv(layout.back[0]) if cells else contrasts
    asked = np.concatenate([distinct, contrasts]) if cells else contrasts
    sums = tuple(range(p)) if cells else (0,)
    if cells and not np.allclose(layout.back, layout.back[:1]):
        raise ValueError("fit: one-way layouts of a batch must have the same cells")
    found, error, kept = _contrasts(field, layout, asked, tau, rule, sums=sums)
    m = asked.shape[0]
    constant = field.surface.constant.reshape(b, count) + (0.5 * p * np.log(layout.precision / (2 * np.pi)))[:, None]
    heights = found.height.reshape(b, m, count)
    halves = (found.half_height - found.height, error)
    if cells:
        total = heights[:, :p].sum(1) - (p - 1) * field.peak.reshape(b, count)
    else:
        ways = (asked @ layout.back)[:, :, None, :]
        size = np.log(_lengths(field, ways, b, count))
        root = np.log(np.einsum("npp->np", field.lower)).sum(-1).reshape(b, count)
        total = (heights - size).mean(1) + root
    spread = tau_distribution(axis, total + constant, prior)
    by_nodes = [np.abs((spread.weight[:, None] * half.reshape(b, m, count)).sum(-1)).max(-1) for half in halves]
    mean_gamma, square, bend = _moments(found, kept, layout, (b, m, count), cells)
    covariance = square - mean_gamma[:, :, :, None] * mean_gamma[:, :, None, :]
    if not cells and p - 1 > MOST_ACROSS:
        mean_gamma, covariance = (part.reshape(b, count, *part.shape[1:]) for part in _moments_by_pairs(field, rule))
    back = layout.back[:, None]
    bend = bend * present[:, None]
    share = bend / bend.sum(-1, keepdims=True)
    wanted = np.arange(b * m).reshape(b, m)[:, m - contrasts.shape[0] :].reshape(-1)
    each = np.repeat(np.arange(b), contrasts.shape[0])
    widest_support = max(((np.abs(c @ layout.back[0]) > 1e-12).sum() for c in asked), default=0) if cells else p
    return Coefficients(
        tau=spread,
        contrasts=Posteriors(found.take(wanted), spread.take(each)),
        mean=(back @ mean_gamma[:, :, :, None])[..., 0],
        covariance=back @ covariance @ back.transpose(0, 1, 3, 2),
        shares=(spread.weight[:, None, :] @ share)[:, 0],
        moved=np.stack([spread.moved, *by_nodes], axis=-1),
        approximate=bool(widest_support - 1 > MOST_ACROSS),
        nodes=rule,
        _known=(field, layout),
    )


def _mean_alone(studies: Likelihood, mean: MeanPrior, prior: TauPrior, rule: Rule) -> Coefficients:
    """An intercept and nothing else: the posterior of a pooled mean, by its own quadrature."""
    found, _ = posteriors(studies, mean, prior, (rule.tau, rule.along), responses=True)
    mass, value, weight = found.mean.mass, found.mean.mu, found.weight
    first = (mass * value).sum(-1)
    by_mu = np.abs((weight * (found.mean.half_height - found.mean.height)).sum(-1))
    return Coefficients(
        tau=found.tau,
        contrasts=found,
        mean=first[:, :, None],
        covariance=((mass * value**2).sum(-1) - first**2)[:, :, None, None],
        shares=found.shares(),
        # Pooling raises both numbers of nodes together.
        moved=np.stack([np.maximum(found.tau.moved, by_mu)] * 2 + [np.zeros_like(by_mu)], axis=-1),
        approximate=False,
        nodes=rule,
        _known=None,
    )


def settled_fit(studies: Likelihood, x: Array, mean: MeanPrior, prior: TauPrior, contrasts: Array) -> Coefficients:
    """One fit (``b = 1``) by rising numbers of nodes, until half of them agree in every dimension or there are no more."""
    level = np.zeros(3, dtype=np.intp)
    while True:
        found = fit(studies, x, mean, prior, contrasts, Rule(*(RULES[step][axis] for axis, step in enumerate(level))))
        more = (found.moved[0] >= TOLERANCE) & (level < len(RULES) - 1)
        if not more.any():
            return found
        level += more


def _moments_by_pairs(field: Field, rule: Rule) -> tuple[Array, Array]:
    """Mean ``[n, p]`` and covariance ``[n, p, p]`` of gamma at each node, where the others of a contrast are approximated.

    The mode of the others is not their mean. Whitened coordinates at the mode have variances near one and correlations near zero, so
    that covariances follow from the variances of the coordinates and of their sums.
    """
    n, p = field.gamma.shape
    rows = np.arange(n)
    inverse = np.asarray(np.linalg.inv(field.lower), dtype=np.float64)

    def spread(contrast: Array) -> tuple[Array, Array]:
        found = densities(field, lines_of(field, rows, contrast, range(p)), rule, sums=False)
        value = (found.low[:, None] + found.step[:, None] * np.arange(rule.along))[:, None] - (contrast * field.gamma).sum(-1)[
            :, None, None
        ]
        mass = conditional(np.ones((n, 1)), value, found.step[:, None], found.density[:, None]).mass[:, 0]
        first = (mass * value[:, 0]).sum(-1)
        return first, (mass * value[:, 0] ** 2).sum(-1) - first**2

    mean, covariance = np.empty((n, p)), np.empty((n, p, p))
    for i in range(p):
        mean[:, i], covariance[:, i, i] = spread(inverse[:, i])
    for i in range(p):
        for j in range(i):
            both = spread(inverse[:, i] + inverse[:, j])[1]
            covariance[:, i, j] = covariance[:, j, i] = 0.5 * (both - covariance[:, i, i] - covariance[:, j, j])
    middle = field.gamma + (field.lower @ mean[:, :, None])[:, :, 0]
    return middle, field.lower @ covariance @ field.lower.transpose(0, 2, 1)


def _lengths(field: Field, ways: Array, b: int, count: int) -> Array:
    """Standard deviations of contrasts of gamma ``[b, m, 1, p]`` in the normal approximation at the modes, ``[b, m, J]``."""
    lower = field.lower.reshape(b, 1, count, *field.lower.shape[1:])
    turned = (ways[:, :, :, None, :] @ lower)[..., 0, :]
    return np.asarray(np.sqrt((turned * turned).sum(-1)))


def _moments(
    found: Means, kept: dict[int, Sums], layout: Layout, shape: tuple[int, int, int], cells: bool
) -> tuple[Array, Array, Array]:
    """Mean ``[b, J, p]``, mean square ``[b, J, p, p]`` of gamma at each tau, and every study's mean information ``[b, J, k]``."""
    mass = found.mass.reshape(*shape, -1)
    order = sorted(kept)
    first, second, bend = ([np.einsum("bjm,bjm...->bj...", mass[:, c], kept[c][part]) for c in order] for part in range(3))
    if not cells:
        return first[0], second[0], bend[0]
    # Cell by cell: the others stood at their modes, and are independent.
    p = layout.u.shape[2]
    mean: Array = np.stack([first[c][:, :, c] for c in range(p)], -1)
    square: Array = mean[:, :, :, None] * mean[:, :, None, :]
    for c in range(p):
        square[:, :, c, c] = second[c][:, :, c, c]
    return mean, square, np.asarray(sum(layout.u[:, None, :, c] * bend[c] for c in range(p)))
