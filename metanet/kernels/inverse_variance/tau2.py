"""Estimators of the heterogeneity variance, each written once for means and for regressions; the mean's own sums."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Protocol

import numpy as np

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.inverse_variance import search
from metanet.kernels.inverse_variance.search import Kind, Likelihood, Residuals, maximise
from metanet.kernels.inverse_variance.two_step import WeightedMean, plain_spread, study_count, weighted_mean
from metanet.kernels.numerics import distributions

# Estimators of the heterogeneity variance, with an intercept alone and with moderators.
#
# A formula asks for sums over the studies, and `Studies` here and `metanet.kernels.inverse_variance.regression_tau2.Problem` give
# them. With ``P = W - W X (X' W X)^-1 X' W`` the generalised Q is ``y' P y``; with an intercept alone ``tr P = s1 - s2 / s1``. All
# estimators are truncated at zero, and zero where no degree of freedom is left: one study has no spread.


class Sums(Protocol):
    """What a formula may ask of a batch of meta-analyses, each ``[b]``."""

    @property
    def count(self) -> Array:
        """Number of studies k."""

    @property
    def df(self) -> Array:
        """k less the rank p of the design: k - 1 for a mean."""

    @property
    def qe(self) -> Array:
        """Cochran's Q, in the weights ``1 / v``, about the mean or the line."""

    @property
    def total(self) -> Array:
        """Sum of the weights ``1 / v``."""

    @property
    def trace(self) -> Array:
        """``tr P`` in the weights ``1 / v``: the slope of the expected Q in tau2."""

    @property
    def squares(self) -> Array:
        """Sum of squares of the unweighted residuals."""

    @property
    def sampling(self) -> Array:
        """What the sampling variances alone put into ``squares / df``: their mean, for a mean."""

    @property
    def crude(self) -> Array:
        """Variance of the effects about their plain mean, with k in the denominator."""

    def q(self, tau2: Array) -> Array:
        """The generalised Q at tau2."""

    def residuals(self, rows: Indices) -> tuple[Residuals, Array]:
        """Unweighted residuals of the chosen rows, studies first, for the root of Q, and their sum of squares."""

    def likelihood(self, kind: Kind) -> Likelihood:
        """The likelihood in tau2, studies first."""


class Estimator:
    """A formula as an estimator: of effects and variances, ``(y, v) -> tau2``, ``[b, k]`` to ``[b]``, and of any `Sums`."""

    def __init__(self, formula: Callable[[Sums], Array], *, searched: bool = False) -> None:
        self._formula, self._searched = formula, searched
        update_wrapper(self, formula)

    def __call__(self, y: Array, v: Array) -> Array:
        k = y.shape[-1]
        return self.of(Studies(y.reshape(-1, k), v.reshape(-1, k))).reshape(y.shape[:-1])

    def of(self, studies: Sums) -> Array:
        """tau2 of a mean or a regression, ``[b]``."""
        if self._searched:
            return self._formula(studies)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(studies.df > 0, np.maximum(0.0, self._formula(studies)), 0.0)


def searched(formula: Callable[[Sums], Array]) -> Estimator:
    """An estimator that is found by a search above zero, and needs no truncation."""
    return Estimator(formula, searched=True)


@Estimator
def dl(studies: Sums) -> Array:
    """DerSimonian and Laird (1986, doi:10.1016/0197-2456(86)90046-2): ``(Q - df) / tr P``.

    With moderators Thompson and Sharp (1999, doi:10.1002/(SICI)1097-0258(19991030)18:20<2693::AID-SIM235>3.0.CO;2-V).
    """
    return (studies.qe - studies.df) / studies.trace


def dl_from_q(q: Array, k: Array, weights: Array) -> Array:
    """`dl` from a Q about any mean, such as that of Mantel and Haenszel, and the weights ``1 / v`` ``[b, k]``."""
    total, squares = weights.sum(-1), (weights * weights).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(k > 1, np.maximum(0.0, (q - (k - 1)) / (total - squares / total)), 0.0)


@Estimator
def he(studies: Sums) -> Array:
    """Hedges (1983, doi:10.1037/0033-2909.93.2.388): variance of the residuals less what sampling puts into it.

    With moderators Hedges and Olkin (1985, Statistical Methods for Meta-Analysis).
    """
    return studies.squares / studies.df - studies.sampling


@Estimator
def hs(studies: Sums) -> Array:
    """Hunter and Schmidt (2015, doi:10.4135/9781483398105): ``(Q - k) / s1``."""
    return (studies.qe - studies.count) / studies.total


@Estimator
def hsk(studies: Sums) -> Array:
    """Hunter and Schmidt, small-sample form (Brannick et al. 2019, doi:10.1177/1094428117741966): ``(Q k / df - k) / s1``."""
    return (studies.qe * studies.count / studies.df - studies.count) / studies.total


@Estimator
def sj(studies: Sums) -> Array:
    """Sidik and Jonkman (2005, doi:10.1111/j.1467-9876.2005.00489.x): the crude variance t0 of the effects, then ``t0 Q(t0) / df``.

    With moderators Sidik and Jonkman (2005, doi:10.1081/BIP-200067915).
    """
    crude = studies.crude
    return crude * studies.q(crude) / studies.df


@searched
def pm(studies: Sums) -> Array:
    """Paule and Mandel (1982, doi:10.6028/jres.087.022): the tau2 at which Q equals its degrees of freedom.

    Morris' (1983, doi:10.1080/01621459.1983.10477920) empirical-Bayes estimator is the root of the same equation.
    """
    return solve_q(studies, studies.df)


@searched
def reml(studies: Sums) -> Array:
    """Restricted maximum likelihood (Viechtbauer 2005, doi:10.3102/10769986030003261), the highest maximum."""
    return maximise(studies.likelihood("restricted"))


@searched
def ml(studies: Sums) -> Array:
    """Maximum likelihood (Hardy and Thompson 1996, doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A)."""
    return maximise(studies.likelihood("full"))


#: Every estimator by its word in `metanet.models.registry.TAU2`.
ESTIMATORS = {"DL": dl, "PM": pm, "REML": reml, "ML": ml, "SJ": sj, "HS": hs, "HSk": hsk, "HE": he, "EB": pm}


def solve_q(studies: Sums, target: Array) -> Array:
    """The tau2 at which the generalised Q equals `target`, ``[b]``; 0 where Q is at or below it already at tau2 = 0.

    ``Q(t) <= SS / t``, so that ``SS / target`` closes the bracket whatever the scale of the effects.
    """
    result = np.zeros(target.shape)
    rows = np.flatnonzero((studies.qe > target) & (target > 0))
    if rows.size:
        residuals, squares = studies.residuals(rows)
        goal = target[rows]
        result[rows] = search.solve_q(residuals, goal, squares / goal * (1 + 1e-12))
    return result


def q_profile(studies: Sums, level: float) -> tuple[Array, Array, Mask]:
    """The values of tau2 at which the generalised Q equals its chi-squared quantiles: both ends, and whether there are none, ``[b]``.

    Viechtbauer (2007, doi:10.1002/sim.2514); with moderators Jackson et al. (2014, doi:10.1002/sim.6207). The ends are NaN where
    the set is empty, and without degrees of freedom.
    """
    df = studies.df
    high_q, low_q = (distributions.chi2_quantile(p, df) for p in (0.5 + level / 2, 0.5 - level / 2))
    possible = df >= 1
    empty = possible & (studies.qe < low_q)
    lower, upper = (solve_q(studies, np.where(possible, q, np.inf)) for q in (high_q, low_q))
    gone = ~possible | empty
    return np.where(gone, np.nan, lower), np.where(gone, np.nan, upper), empty


class Studies:
    """Effects and variances ``[b, k]``, an absent study with variance inf: the sums of a mean."""

    def __init__(self, y: Array, v: Array) -> None:
        self.y, self.v = y, v

    @cached_property
    def count(self) -> Array:
        """Number of studies."""
        return study_count(self.v)

    @property
    def df(self) -> Array:
        """k - 1."""
        return self.count - 1

    @cached_property
    def _common(self) -> WeightedMean:
        return weighted_mean(self.y, self.v, np.zeros(self.y.shape[:-1]))

    @property
    def qe(self) -> Array:
        """Cochran's Q."""
        return self._common.q

    @property
    def total(self) -> Array:
        """Sum of the weights."""
        return np.asarray(self._common.weights.sum(-1))

    @property
    def trace(self) -> Array:
        """``s1 - s2 / s1``."""
        w, s1 = self._common.weights, self.total
        return np.asarray(s1 - (w * w).sum(-1) / s1)

    @property
    def squares(self) -> Array:
        """Sum of squares about the plain mean."""
        return plain_spread(self.y, self.v)[1]

    @property
    def sampling(self) -> Array:
        """Mean sampling variance."""
        return np.asarray(np.where(np.isfinite(self.v), self.v, 0.0).sum(-1) / self.count)

    @property
    def crude(self) -> Array:
        """Variance of the effects."""
        return self.squares / self.count

    def q(self, tau2: Array) -> Array:
        """The generalised Q at tau2."""
        return weighted_mean(self.y, self.v, tau2).q

    def residuals(self, rows: Indices) -> tuple[Problem, Array]:
        """Effects about their plain mean: sums of w r y lose no digits where the effects lie around zero."""
        y, v = self.y[rows], self.v[rows]
        centre, squares = plain_spread(y, v)
        return Problem(np.ascontiguousarray((y - centre[:, None]).T), np.ascontiguousarray(v.T), "full"), squares

    def likelihood(self, kind: Kind) -> Problem:
        """The likelihood of the mean."""
        return Problem(np.ascontiguousarray(self.y.T), np.ascontiguousarray(self.v.T), kind)


# Likelihood of a mean: restricted, full, or at a given mean.
#
# With ``w = 1 / (v + t)``, ``r = y - mean`` and ``s_p = sum w^p`` the scores in ``t = tau2`` are
#
#     restricted  (sum w^2 r^2 - s_1 + s_2 / s_1) / 2      mean = sum w y / s_1
#     full        (sum w^2 r^2 - s_1) / 2                  mean = sum w y / s_1
#     at a mean   (sum w^2 r^2 - s_1) / 2                  mean given
#
# (Viechtbauer 2005, doi:10.3102/10769986030003261; Hardy and Thompson 1996,
# doi:10.1002/(SICI)1097-0258(19960330)15:6<619::AID-SIM188>3.0.CO;2-A).

#: Points of the scan. Features of the likelihood have the widths of the variances themselves, so that points a factor of three or
#: four apart see nearly every rise; with these counts no rise was missed in 300,000 random data sets each.
GRID = {"restricted": 14, "full": 20, "at a mean": 20}


class Problem:
    """Effects and variances ``[k, b]`` (an absent study has variance inf), the mean ``[b]`` if it is given, and work space.

    The two work arrays are written by every evaluation: fresh arrays of this size would cost more than the arithmetic. A regression
    with an intercept alone gives the same numbers and takes several times as long.
    """

    def __init__(self, y: Array, v: Array, kind: Kind, mean: Array | None = None) -> None:
        self.y, self.v, self.kind, self.mean = y, v, kind, mean
        self._weights, self._products = np.empty_like(y), np.empty_like(y)

    @property
    def grid(self) -> int:
        """Points of the scan beside zero."""
        return GRID[self.kind]

    def take(self, columns: Indices) -> Problem:
        """The chosen columns."""
        mean = None if self.mean is None else self.mean[columns]
        return Problem(self.y.take(columns, 1), self.v.take(columns, 1), self.kind, mean)

    def ends(self) -> tuple[Mask, Array]:
        """Columns with a spread to look for; beyond twice the squared range every one of the scores is negative."""
        present = np.isfinite(self.v)
        high = np.where(present, self.y, -np.inf).max(0)
        low = np.where(present, self.y, np.inf).min(0)
        if self.mean is not None:
            high, low = np.maximum(high, self.mean), np.minimum(low, self.mean)
        wanted = (present.sum(0) > (0 if self.mean is not None else 1)) & (high > low)
        return wanted, 2.0 * (high - low) ** 2

    def _sums(self, tau2: Array) -> tuple[Array, Array, Array]:
        """Weights ``w`` and products ``u = w (y - mean)``, both in the work space, and the sum of the weights."""
        w, u = self._weights, self._products
        np.add(self.v, tau2, out=w)
        np.divide(1.0, w, out=w)
        total = w.sum(0)
        if self.mean is None:
            np.multiply(w, self.y, out=u)
            mean = u.sum(0)
            mean /= total
        else:
            mean = self.mean
        np.subtract(self.y, mean, out=u)
        u *= w
        return w, u, total

    def q_and_fall(self, tau2: Array) -> tuple[Array, Array]:
        """The generalised Q of effects about their plain mean, and how fast it falls, ``sum w^2 r^2``."""
        _, u, _ = self._sums(tau2)
        return np.einsum("ij,ij->j", u, self.y), np.einsum("ij,ij->j", u, u)

    def score(self, tau2: Array) -> Array:
        """Derivative of the log-likelihood with respect to tau2, ``[b]``."""
        w, u, s1 = self._sums(tau2)
        u *= u
        out = u.sum(0)
        out -= s1
        if self.kind == "restricted":
            w *= w
            out += w.sum(0) / s1
        out *= 0.5
        return np.asarray(out)

    def derivatives(self, tau2: Array) -> tuple[Array, Array, Array]:
        """First and second derivative of the log-likelihood and the sum of the weights, ``[b]``."""
        w, u, s1 = self._sums(tau2)
        first = np.einsum("ij,ij->j", u, u)
        first -= s1
        second = np.zeros_like(first)
        if self.mean is None:
            cross = np.einsum("ij,ij->j", w, u)
            second += cross * cross / s1
        u *= u
        second -= np.einsum("ij,ij->j", w, u)
        np.multiply(w, w, out=u)
        s2 = u.sum(0)
        if self.kind == "restricted":
            ratio = s2 / s1
            first += ratio
            second -= np.einsum("ij,ij->j", w, u) / s1
            second += 0.5 * ratio * ratio
        second += 0.5 * s2
        return np.asarray(0.5 * first), second, s1

    def derivatives_of_one(self, tau2: float) -> tuple[float, float, float]:
        """`derivatives` of a problem of one column."""
        y, w = self.y[:, 0], 1.0 / (self.v[:, 0] + tau2)
        s1 = float(w.sum())
        u = y - (float(w @ y) / s1 if self.mean is None else self.mean[0])
        u *= w
        first, second = float(u @ u) - s1, 0.0
        if self.mean is None:
            cross = float(w @ u)
            second = cross * cross / s1
        u *= u
        second -= float(w @ u)
        s2 = float(w @ w)
        if self.kind == "restricted":
            ratio = s2 / s1
            first += ratio
            second += 0.5 * ratio * ratio - float(w @ (w * w)) / s1
        return 0.5 * first, second + 0.5 * s2, s1

    def loglik(self, tau2: Array) -> Array:
        """Log-likelihood at tau2, up to a constant that depends on the data alone, ``[b]``."""
        _, u, s1 = self._sums(tau2)
        variance = np.where(np.isinf(self.v), 1.0, self.v + tau2)
        u *= u
        u *= variance
        out = np.log(variance).sum(0) + u.sum(0)
        if self.kind == "restricted":
            out += np.log(s1)
        return np.asarray(-0.5 * out)
