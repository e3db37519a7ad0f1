"""The projection of a meta-regression, and what the estimators of its residual heterogeneity variance ask of it."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.inverse_variance import tau2 as estimators
from metanet.kernels.inverse_variance.search import Kind

# Effects with moderators as one batch of problems: the projection that every two-step meta-regression is made of.
#
# ``y_i = x_i' beta + u_i + e_i`` with ``u_i ~ N(0, tau2)`` and ``e_i ~ N(0, v_i)`` (Berkey, Hoaglin, Mosteller and Colditz 1995,
# doi:10.1002/sim.4780140406). With ``W = diag(1 / (v + tau2))`` everything is a sum over the studies of
#
#     P = W - W X (X' W X)^-1 X' W,    u = P y,    E with columns that span X and E' W E = I.
#
# Notes
# -----
# The columns of X are scaled and made orthonormal once, so that a year and a share differ no longer in size and a year is no longer
# nearly the intercept; at every tau2 they are made orthonormal in the weights. No matrix of k x k is formed. Arrays are studies
# first, ``[k, b]`` and ``[p, k, b]``: sums over the studies are whole vector additions.


#: Points of the scan; more than for the mean alone, because a design can single out studies.
GRID = {"restricted": 18, "full": 24}
#: A column that keeps less than this share of its length beside the others is one of their combinations.
COLLINEAR = 1e-9


class Basis(NamedTuple):
    """Columns ``[p, k, b]`` that are orthonormal in the weights, and the matrix ``[p, p, b]`` that makes them: ``E = X T``.

    `active` ``[p, b]`` is False where a column lies in the span of those before it; its `columns` are then zero.
    """

    columns: Array
    transform: Array
    active: Mask


def gram_schmidt(x: Array, w: Array) -> Basis:
    """Orthonormal columns in the inner product ``sum(w a b)``; every projection is taken twice, which keeps all digits.

    Parameters
    ----------
    x, w
        Columns ``[p, k, b]`` and weights ``[k, b]``, zero for an absent study.
    """
    p, _, b = x.shape
    columns, transform, active = np.empty_like(x), np.zeros((p, p, b)), np.ones((p, b), dtype=bool)
    weighted = np.empty_like(x)
    for j in range(p):
        e = x[j].copy()
        transform[j, j] = 1.0
        length = np.sqrt(np.einsum("ij,ij,ij->j", w, e, e))
        for _ in range(2):
            for i in range(j):
                share = np.einsum("ij,ij->j", weighted[i], e)
                e -= share * columns[i]
                transform[:, j] -= share * transform[:, i]
        norm = np.sqrt(np.einsum("ij,ij,ij->j", w, e, e))
        active[j] = norm > COLLINEAR * length
        with np.errstate(divide="ignore"):
            scale = np.where(active[j], 1.0 / norm, 0.0)
        e *= scale
        transform[:, j] *= scale
        columns[j], weighted[j] = e, w * e
    return Basis(columns, transform, active)


def studies_first(values: Array, b: int) -> Array:
    """``[b, k]`` or ``[k]`` as ``[k, b]``."""
    values = np.broadcast_to(values, (b, values.shape[-1]))
    return np.ascontiguousarray(values.T)


def columns_first(x: Array, b: int) -> Array:
    """A design ``[b, k, p]`` or ``[k, p]`` as ``[p, k, b]``."""
    return np.ascontiguousarray(np.broadcast_to(x, (b, *x.shape[-2:])).transpose(2, 1, 0))


class Sums(NamedTuple):
    """At one tau2: weights ``[k, b]``, products ``u = P y`` ``[k, b]``, the orthonormal columns times the weights ``[p, k, b]``, and
    the squared lengths ``[p, b]`` of the columns once those before them are taken out."""

    w: Array
    u: Array
    weighted: list[Array]
    lengths: list[Array]


class Problem:
    """Residuals, variances and an orthonormal design, studies first.

    `y` is what the design leaves of the effects without weights: tau2 depends on nothing else, and no digits are lost on
    means. An absent study has variance inf and zeros elsewhere. `df`, `count` and `crude` are ``[b]``: studies less the rank
    of the design, studies, and the variance of the effects about their plain mean. The likelihood is that of `kind`.
    """

    def __init__(self, y: Array, v: Array, x: Array, df: Array, count: Array, crude: Array, kind: Kind = "restricted") -> None:
        self.y, self.v, self.x, self.df, self.count, self.crude, self.kind = y, v, x, df, count, crude, kind

    @classmethod
    def of(cls, y: Array, v: Array, x: Array) -> Problem:
        """The problem of effects and variances ``[b, k]`` and a design ``[b, k, p]`` or ``[k, p]``."""
        b = max(y.shape[0], v.shape[0], x.shape[0] if x.ndim == 3 else 1)
        v = studies_first(v, b)
        present = np.isfinite(v).astype(float)
        basis = gram_schmidt(columns_first(x, b) * present, present)
        y = np.where(present > 0, studies_first(y, b), 0.0)
        count = present.sum(0)
        number = np.maximum(count, 1.0)
        crude = (present * (y - y.sum(0) / number) ** 2).sum(0) / number
        return cls(residual(y, basis.columns), v, basis.columns, count - basis.active.sum(0), count, crude)

    @classmethod
    def rearranged(cls, y: Array, v: Array, x: Array, index: Indices) -> Problem:
        """One set of studies ``[k]``, all present, with the rows of an orthonormal design ``[k, p]`` in other orders ``[b, k]``."""
        b, k = index.shape
        columns = np.ascontiguousarray(x.T[:, index.T])
        crude = np.full(b, np.var(y))
        y, v = (np.repeat(values[:, None], b, axis=1) for values in (y, v))
        return cls(residual(y, columns), v, columns, np.full(b, float(k - x.shape[1])), np.full(b, float(k)), crude)

    def take(self, columns: Indices) -> Problem:
        """The chosen problems."""
        return Problem(
            self.y.take(columns, 1),
            self.v.take(columns, 1),
            self.x.take(columns, 2),
            self.df[columns],
            self.count[columns],
            self.crude[columns],
            self.kind,
        )

    def residuals(self, rows: Indices) -> tuple[Problem, Array]:
        """The chosen problems, whose `y` are residuals already, and their sums of squares."""
        part = self.take(rows)
        return part, part.squares

    def likelihood(self, kind: Kind) -> Problem:
        """The same problem with the likelihood of `kind`."""
        return Problem(self.y, self.v, self.x, self.df, self.count, self.crude, kind)

    def sums(self, tau2: Array) -> Sums:
        """Everything about the weights at `tau2` ``[b]``."""
        w = self.v + tau2
        np.divide(1.0, w, out=w)
        columns: list[Array] = []
        weighted: list[Array] = []
        lengths: list[Array] = []
        u = self.y.copy()
        for x in self.x:
            e = x.copy() if columns else x
            for f, wf in zip(columns, weighted, strict=True):
                e -= np.einsum("ij,ij->j", wf, e) * f
            we = w * e
            square = np.einsum("ij,ij->j", we, e)
            # A column without length (collinear in this row) stays zero.
            square = np.where(square > 0, square, 1.0)
            scale = 1.0 / np.sqrt(square)
            e = e * scale
            we *= scale
            u -= np.einsum("ij,ij->j", we, u) * e
            columns.append(e)
            weighted.append(we)
            lengths.append(square)
        u *= w
        return Sums(w, u, weighted, lengths)

    @cached_property
    def _common(self) -> Sums:
        return self.sums(np.zeros(self.df.shape))

    @property
    def qe(self) -> Array:
        """The generalised Q in the weights ``1 / v``."""
        return np.asarray(np.einsum("ij,ij->j", self._common.u, self.y))

    @property
    def total(self) -> Array:
        """Sum of the weights ``1 / v``."""
        return np.asarray(self._common.w.sum(0))

    @property
    def trace(self) -> Array:
        """``tr P`` in the weights ``1 / v``: their sum less what the coefficients take of it."""
        return np.asarray(self.total - sum(np.einsum("ij,ij->j", we, we) for we in self._common.weighted))

    @property
    def squares(self) -> Array:
        """Residual sum of squares without weights."""
        return np.asarray(np.einsum("ij,ij->j", self.y, self.y))

    @property
    def sampling(self) -> Array:
        """``tr(M V) / df`` with the projection M of the design without weights."""
        finite = np.where(np.isfinite(self.v), self.v, 0.0)
        return np.asarray((finite.sum(0) - sum(np.einsum("ij,ij,ij->j", finite, e, e) for e in self.x)) / self.df)

    def q(self, tau2: Array) -> Array:
        """The generalised Q, ``y' P y``, ``[b]``."""
        return self.q_and_fall(tau2)[0]

    def q_and_fall(self, tau2: Array) -> tuple[Array, Array]:
        """The generalised Q and how fast it falls with tau2, ``y' P P y``; each ``[b]``."""
        u = self.sums(tau2).u
        return np.einsum("ij,ij->j", u, self.y), np.einsum("ij,ij->j", u, u)

    # The likelihood. With ``h = sum_j e_j^2`` and ``t = tau2`` the derivatives are
    #
    #     restricted  (u'u - tr P) / 2,     tr(P P) / 2 - u'P u,     tr P = sum(w - w^2 h)
    #     full        (u'u - sum w) / 2,    sum(w^2) / 2 - u'P u
    #
    # (Viechtbauer 2005, doi:10.3102/10769986030003261; Raudenbush 2009, The Handbook of Research Synthesis and Meta-Analysis,
    # chapter 16).

    @property
    def grid(self) -> int:
        """Points of the scan beside zero."""
        return GRID[self.kind]

    def ends(self) -> tuple[Mask, Array]:
        """Problems with something left over. Beyond RSS the score is negative: with leverages g each ``w r^2 <= (1 - g) RSS / t``."""
        squares = self.squares
        return (self.df > 0) & (squares > 0), squares * (1.0 + 1e-9)

    def score(self, tau2: Array) -> Array:
        """Derivative of the log-likelihood with respect to tau2, ``[b]``."""
        w, u, weighted, _ = self.sums(tau2)
        out = np.einsum("ij,ij->j", u, u) - w.sum(0)
        if self.kind == "restricted":
            for we in weighted:
                out += np.einsum("ij,ij->j", we, we)
        return np.asarray(0.5 * out)

    def derivatives(self, tau2: Array) -> tuple[Array, Array, Array]:
        """First and second derivative of the log-likelihood and the sum of the weights, ``[b]``."""
        w, u, weighted, _ = self.sums(tau2)
        total = w.sum(0)
        first = np.einsum("ij,ij->j", u, u) - total
        wu = w * u
        second = 0.5 * np.einsum("ij,ij->j", w, w) - np.einsum("ij,ij->j", wu, u)
        for j, we in enumerate(weighted):
            second += np.einsum("ij,ij->j", we, u) ** 2
            if self.kind == "restricted":
                first += np.einsum("ij,ij->j", we, we)
                second -= np.einsum("ij,ij,ij->j", w, we, we)
                second += 0.5 * np.einsum("ij,ij->j", we, we) ** 2
                for other in weighted[:j]:
                    second += np.einsum("ij,ij->j", we, other) ** 2
        return np.asarray(0.5 * first), np.asarray(second), total

    def loglik(self, tau2: Array) -> Array:
        """Log-likelihood at tau2 with the constant of the normal density, ``[b]``.

        The restricted one is that of any orthonormal contrasts of the effects, so that it does not depend on the units of the
        moderators; two designs must not be compared by it.
        """
        _, u, _, lengths = self.sums(tau2)
        variance = np.where(np.isfinite(self.v), self.v + tau2, 1.0)
        out = np.log(variance).sum(0) + np.einsum("ij,ij->j", u, self.y)
        df = self.count
        if self.kind == "restricted":
            # The product of the squared lengths is ``det(X' W X)``.
            df = self.df
            for square in lengths:
                out += np.log(square)
        return np.asarray(-0.5 * (out + df * np.log(2 * np.pi)))


def residual(y: Array, columns: Array) -> Array:
    """What orthonormal columns leave of `y`; twice, as above."""
    y = y.copy()
    for _ in range(2):
        for e in columns:
            y -= np.einsum("ij,ij->j", e, y) * e
    return y


def estimate(name: str, y: Array, v: Array, x: Array) -> Array:
    """tau2 ``[b]`` by the named estimator, from effects and variances ``[b, k]`` and a design ``[b, k, p]`` or ``[k, p]``."""
    return estimators.ESTIMATORS[name].of(Problem.of(y, v, x))


def q_profile(y: Array, v: Array, x: Array, level: float) -> tuple[Array, Array, Mask]:
    """Interval of the tau2 that moderators leave, from the generalised Q: ends, and whether it is empty, ``[b]``."""
    return estimators.q_profile(Problem.of(y, v, x), level)
