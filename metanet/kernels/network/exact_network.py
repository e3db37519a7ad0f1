"""The exact model of one connected network: which contrasts have a finite estimate, the fit, and its division by designs.

The binomial likelihood rises without end in a direction in which one set of treatments falls against the others whenever no study
contradicts it. A study contradicts "a does not exceed b" if a had events and b had non-events. With an edge from b to a for every such
pair, contrasts are finite inside the strongly connected parts of this graph and nowhere else (as in Ford 1957,
doi:10.2307/2308513, for paired comparisons). Between parts the limit of the likelihood falls into factors, one a part and study.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import special
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from metanet.base.arrays import Array, Indices, Mask
from metanet.kernels.network.consistency import Split, separate
from metanet.kernels.network.exact import ExactFit, ExactLikelihood
from metanet.kernels.network.two_step import contrasts

#: A logit so low that an arm without events contributes nothing to the likelihood.
_FAR = 30.0


@dataclass(frozen=True)
class Counts:
    """Counts of the studies of one network, ``[s, K]``; n = 0 where an arm is absent.

    A treatment is a number in `node` from 0 to T - 1 (`nodes`); `origin` is the row of each study in the caller's data, ``[s]``.
    """

    y: Array
    n: Array
    node: Indices
    nodes: int
    origin: Indices

    @property
    def present(self) -> Mask:
        """Arms that exist."""
        return self.n > 0

    def take(self, rows: Indices | Mask) -> Counts:
        """Some of the studies."""
        return replace(self, y=self.y[rows], n=self.n[rows], node=self.node[rows], origin=self.origin[rows])

    def only(self, arms: Mask) -> Counts:
        """Some of the arms; studies keep their rows."""
        return replace(self, y=np.where(arms, self.y, 0.0), n=np.where(arms, self.n, 0.0))

    def informative(self) -> Counts:
        """Studies with two arms or more, with events and with non-events."""
        y, n = self.y.sum(1), self.n.sum(1)
        return self.take((self.present.sum(1) > 1) & (y > 0) & (y < n))


def bounds(counts: Counts) -> tuple[Indices, Mask]:
    """Parts of the treatments with finite contrasts ``[T]``, and which treatments (row) the data bound by which (column), ``[T, T]``.

    Row is bound by column if no direction of a rising likelihood takes row above column.
    """
    low = counts.present & (counts.y < counts.n)
    high = counts.present & (counts.y > 0)
    pair = low[:, :, None] & high[:, None, :]
    start = np.broadcast_to(counts.node[:, :, None], pair.shape)[pair]
    end = np.broadcast_to(counts.node[:, None, :], pair.shape)[pair]
    graph = coo_array((np.ones(start.size), (start, end)), shape=(counts.nodes, counts.nodes)).tocsr()
    part = connected_components(graph, directed=True, connection="strong")[1]
    reach = (graph.toarray() > 0) | np.eye(counts.nodes, dtype=bool)
    for _ in range(max(1, int(np.ceil(np.log2(max(counts.nodes, 2)))))):
        step = reach.astype(np.float32)
        reach = step @ step > 0
    return np.asarray(part, dtype=np.intp), np.asarray(reach)


def within_parts(counts: Counts, part: Indices) -> Counts:
    """The arms of each part of each study as a study of their own; those without information are left out."""
    pieces = [counts.only(counts.present & (part[counts.node] == label)).informative() for label in np.unique(part)]
    return Counts(
        np.concatenate([each.y for each in pieces]),
        np.concatenate([each.n for each in pieces]),
        np.concatenate([each.node for each in pieces]),
        counts.nodes,
        np.concatenate([each.origin for each in pieces]),
    )


def _columns(part: Indices, used: Mask) -> Indices:
    """The coefficient of each treatment, ``[T]``; -1 for the first of each part, and where it is not used."""
    column = np.full(part.size, -1)
    seen: set[int] = set()
    count = 0
    for node in np.flatnonzero(used):
        if part[node] in seen:
            column[node] = count
            count += 1
        seen.add(int(part[node]))
    return column


def _indicators(counts: Counts, column: Indices, fixed: Array | None = None) -> ExactLikelihood:
    """The likelihood with an effect of each treatment that has a column; `fixed` are known effects, ``[T]``."""
    at = np.where(counts.present, column[counts.node], -1)
    x = (at[:, :, None] == np.arange(column.max(initial=-1) + 1)).astype(np.float64)
    offset = None if fixed is None else np.where(counts.present, fixed[counts.node], 0.0)
    return ExactLikelihood(counts.y, counts.n, x, offset)


def _used(counts: Counts) -> Mask:
    return np.bincount(counts.node[counts.present], minlength=counts.nodes) > 0


def saturated(counts: Counts) -> Array:
    """The highest log-likelihood that counts can have, by study, ``[s]``."""
    n = np.maximum(counts.n, 1.0)
    rate = counts.y / n
    choose = special.gammaln(counts.n + 1) - special.gammaln(counts.y + 1) - special.gammaln(counts.n - counts.y + 1)
    return np.asarray((choose + special.xlogy(counts.y, rate) + special.xlogy(counts.n - counts.y, 1.0 - rate)).sum(1))


@dataclass(frozen=True)
class ExactNetwork:
    """The exact model of one network.

    Attributes
    ----------
    part
        Treatments of one number have finite contrasts, ``[T]``; -1 where a treatment is in no informative study.
    bound
        Whether row cannot rise above column without end, ``[T, T]``.
    effect, covariance
        Log odds up to a constant in each part, ``[T]``, and a covariance whose differences are right, ``[T, T]``.
    fit, common
        The fits with and without heterogeneity.
    used
        The studies as they enter: the arms of each part of a study.
    q, q_df
        Deviance of the model without heterogeneity from the counts.
    """

    part: Indices
    bound: Mask
    effect: Array
    covariance: Array
    fit: ExactFit
    common: ExactFit
    used: Counts
    q: float
    q_df: int

    @property
    def known(self) -> Mask:
        """Pairs with a finite contrast, ``[T, T]``."""
        return np.asarray((self.part[:, None] == self.part[None, :]) & (self.part >= 0)[:, None])

    @property
    def contrasts(self) -> tuple[Array, Array]:
        """Row against column and standard errors, ``[T, T]``; NaN where there is no finite estimate."""
        return contrasts(self.effect, self.covariance, self.known)


def fit_network(counts: Counts, *, random: bool = True) -> ExactNetwork:
    """Fit one connected network.

    Parameters
    ----------
    counts
        Studies of connected treatments.
    random
        Whether contrasts differ between studies; False is logistic regression with an intercept for each study.
    """
    part, bound = bounds(counts)
    used = within_parts(counts, part)
    there = _used(used)
    column = _columns(part, there)
    likelihood = _indicators(used, column)
    common = likelihood.fit(random=False)
    fit = likelihood.fit() if random else common
    inside = column >= 0
    effect = np.zeros(counts.nodes)
    effect[inside] = fit.beta[column[inside]]
    covariance = np.zeros((counts.nodes, counts.nodes))
    covariance[np.ix_(inside, inside)] = fit.covariance[np.ix_(column[inside], column[inside])]
    parts = np.where(there, part, -1)
    df = int((used.present.sum(1) - 1).sum() - inside.sum())
    deviance = max(0.0, 2.0 * float(saturated(used).sum() - common.loglik)) if df > 0 else 0.0
    return ExactNetwork(parts, bound, effect, covariance, fit, common, used, deviance, df)


def deviances_of_designs(used: Counts) -> tuple[list[tuple[int, ...]], Indices, Array, Indices]:
    """Designs as sets of treatments, and of each its studies, the deviance of a fit of its own at tau = 0, and df, ``[d]``."""
    sets = [tuple(np.sort(row[there]).tolist()) for row, there in zip(used.node, used.present, strict=True)]
    names = sorted(set(sets))
    studies, q, df = [], [], []
    for name in names:
        own = used.take(np.array([each == name for each in sets]))
        column = _columns(np.zeros(used.nodes, dtype=np.intp), _used(own))
        free = (len(name) - 1) * (len(own.y) - 1)
        studies.append(len(own.y))
        df.append(free)
        # A design by itself may be separated: the limit of its likelihood is what counts here.
        reached = _indicators(own, column).fit(random=False).loglik if free else float(saturated(own).sum())
        q.append(max(0.0, 2.0 * float(saturated(own).sum() - reached)))
    return names, np.array(studies, dtype=np.intp), np.array(q), np.array(df, dtype=np.intp)


def split_exact(counts: Counts, found: ExactNetwork) -> Split:
    """Direct and indirect evidence on every contrast, ``[T, T]``; direct is the exact fit of the studies that have both treatments.

    The heterogeneity is that of the network. A direct estimate that is not finite is NaN.
    """
    size = counts.nodes
    direct, se, studies = np.full((size, size), np.nan), np.full((size, size), np.nan), np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1, size):
            arms = counts.present & ((counts.node == i) | (counts.node == j))
            both = counts.only(arms).take(arms.sum(1) == 2)
            studies[i, j] = studies[j, i] = len(both.y)
            own = both.informative()
            if not len(own.y) or bounds(own)[0][i] != bounds(own)[0][j]:
                continue
            column = np.full(size, -1)
            column[i] = 0
            likelihood = _indicators(own, column)
            point, sums, fine = likelihood.climb(found.fit.tau, likelihood.start())
            information = float(sums.info_b[0, 0] - (sums.info_ab[:, 0] ** 2 / sums.info_a).sum())
            if fine and information > 0:
                direct[i, j], direct[j, i] = point.beta[0], -point.beta[0]
                se[i, j] = se[j, i] = information**-0.5
    return separate(direct, se, *found.contrasts, np.where(np.isfinite(direct), studies, 0.0))


def ratio_without_estimate(counts: Counts, treatment: int, reference: int, *, lower: bool, random: bool) -> float:
    """Likelihood-ratio statistic of "no difference" for a treatment without a finite estimate against a reference; NaN without one.

    Under the null both share one effect; otherwise the treatment is at its limit, without events (`lower`) or with events only.
    """
    merged = replace(counts, node=np.where(counts.node == treatment, reference, counts.node))
    part, _ = bounds(merged)
    own = merged.only(merged.present & (part[merged.node] == part[reference]))
    rows = own.informative()
    if not len(rows.y):
        return 0.0
    there = _used(rows)
    null = _indicators(rows, _columns(part, there)).fit(random=random)
    # The same arms, with the treatment apart again.
    at = np.searchsorted(counts.origin, rows.origin)
    apart = replace(rows, node=counts.node[at])
    column = _columns(part, there)
    fixed = np.zeros(counts.nodes)
    fixed[treatment] = -_FAR if lower else _FAR
    free = column.copy()
    free[treatment] = -1
    limit = _indicators(apart, free, fixed).fit(random=random)
    if not (null.converged and limit.converged):
        return float("nan")
    return max(0.0, 2.0 * (limit.loglik - null.loglik))
