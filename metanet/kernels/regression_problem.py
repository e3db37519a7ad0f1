"""Effects with moderators as one batch of problems: the projection that every two-step meta-regression is made of.

``y_i = x_i' beta + u_i + e_i`` with ``u_i ~ N(0, tau2)`` and ``e_i ~ N(0, v_i)`` (Berkey, Hoaglin, Mosteller and Colditz 1995,
doi:10.1002/sim.4780140406). With ``W = diag(1 / (v + tau2))`` everything is a sum over the studies of

    P = W - W X (X' W X)^-1 X' W,    u = P y,    E with columns that span X and E' W E = I.

Notes
-----
The columns of X are scaled and made orthonormal once, so that a year and a share differ no longer in size and a year is no longer
nearly the intercept; at every tau2 they are made orthonormal in the weights. No matrix of k x k is formed. Arrays are studies
first, ``[k, b]`` and ``[p, k, b]``: sums over the studies are whole vector additions.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Mask = NDArray[np.bool_]

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
    """Weights ``[k, b]``, products ``u = P y`` ``[k, b]`` and the orthonormal columns ``[p, k, b]`` at one tau2."""

    w: Array
    u: Array
    columns: list[Array]
    weighted: list[Array]


class Problem:
    """Residuals, variances and an orthonormal design, studies first.

    `y` is what the design leaves of the effects without weights: tau2 depends on nothing else, and no digits are lost on means.
    An absent study has variance inf and zeros elsewhere. `df`, `count` and `crude` are ``[b]``: studies less the rank of the design,
    studies, and the variance of the effects about their plain mean.
    """

    def __init__(self, y: Array, v: Array, x: Array, df: Array, count: Array, crude: Array) -> None:
        self.y, self.v, self.x, self.df, self.count, self.crude = y, v, x, df, count, crude

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
        )

    def sums(self, tau2: Array) -> Sums:
        """Everything about the weights at `tau2` ``[b]``."""
        w = self.v + tau2
        np.divide(1.0, w, out=w)
        columns: list[Array] = []
        weighted: list[Array] = []
        u = self.y.copy()
        for x in self.x:
            e = x.copy() if columns else x
            for f, wf in zip(columns, weighted, strict=True):
                e -= np.einsum("ij,ij->j", wf, e) * f
            we = w * e
            square = np.einsum("ij,ij->j", we, e)
            # A column without length (collinear in this row) stays zero.
            scale = 1.0 / np.sqrt(np.where(square > 0, square, 1.0))
            e = e * scale
            we *= scale
            u -= np.einsum("ij,ij->j", we, u) * e
            columns.append(e)
            weighted.append(we)
        u *= w
        return Sums(w, u, columns, weighted)

    def q(self, tau2: Array) -> tuple[Array, Array]:
        """The generalised Q, ``y' P y``, and its slope in tau2, ``-y' P P y``; each ``[b]``."""
        _, u, _, _ = self.sums(tau2)
        return np.einsum("ij,ij->j", u, self.y), -np.einsum("ij,ij->j", u, u)

    def trace(self, tau2: Array) -> Array:
        """``tr(P)``, ``[b]``: the sum of the weights less what the coefficients take of it."""
        w, _, _, weighted = self.sums(tau2)
        return np.asarray(w.sum(0) - sum(np.einsum("ij,ij->j", we, we) for we in weighted))


def residual(y: Array, columns: Array) -> Array:
    """What orthonormal columns leave of `y`; twice, as above."""
    y = y.copy()
    for _ in range(2):
        for e in columns:
            y -= np.einsum("ij,ij->j", e, y) * e
    return y
