"""One connected component of a network, fitted: contrasts, heterogeneity, consistency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metanet.base.arrays import Array, Indices, Mask
from metanet.base.results import Test
from metanet.kernels.network import exact_network, ranks, two_step
from metanet.kernels.network.arms import Arms
from metanet.kernels.network.consistency import Split, designs, split
from metanet.kernels.numerics.distributions import chi2_upper_tail
from metanet.models.network.cells import Cells

#: Names of the hypotheses.
_HOMOGENEITY = "The studies differ by chance alone"
_CONSISTENCY = "Direct and indirect comparisons agree (consistency)"
_WITHIN = "Studies of the same design differ by chance alone"


@dataclass(frozen=True, eq=False)
class Design:
    """A set of treatments that studies compare: its studies, and what Q (or the deviance) within it is."""

    treatments: tuple[str, ...]
    studies: int
    q: float
    df: int


@dataclass(frozen=True, eq=False)
class WithoutEstimate:
    """A treatment whose contrast with the reference has no finite estimate: its counts, its side, and the likelihood-ratio test."""

    treatment: str
    reference: str
    events: int
    total: int
    lower: bool | None
    test: Test


@dataclass(frozen=True, eq=False)
class Part:
    """One component. Arrays are ``[t]`` and ``[t, t]`` in the order of `treatments`.

    Attributes
    ----------
    treatments, studies
        Names.
    mu, se
        Row against column on the model scale; NaN where there is no finite estimate.
    effect, covariance
        Effects up to a constant, and a covariance whose differences are right.
    known
        Pairs with a finite estimate.
    unbounded
        -1 or 1 where the estimate runs to minus or plus infinity; 0 elsewhere.
    tau2
        Heterogeneity variance; None in a model without one, and without degrees of freedom.
    q, within, between, between_random, lrt
        Tests of homogeneity, within and between designs, between designs with heterogeneity, and of tau2 = 0.
    designs
        Q divided by designs.
    make_split
        Computes `split`.
    corrected
        Studies that got a continuity correction.
    converged
        Whether the maximum was found.
    absent
        Treatments without a finite estimate against the reference.
    """

    treatments: tuple[str, ...]
    studies: tuple[str, ...]
    mu: Array
    se: Array
    effect: Array
    covariance: Array
    known: Mask
    unbounded: Indices
    tau2: float | None
    q: Test
    within: Test
    between: Test
    between_random: Test | None
    lrt: Test | None
    designs: tuple[Design, ...]
    make_split: Callable[[], Split]
    corrected: tuple[str, ...]
    converged: bool
    absent: tuple[WithoutEstimate, ...]
    cells: Cells

    @property
    def df(self) -> int:
        """Degrees of freedom of Q."""
        return int(self.q.df[0]) if self.q.df else 0

    @property
    def i2(self) -> float | None:
        """Share of Q beyond its degrees of freedom, ``max(0, (Q - df) / Q)``; None without degrees of freedom."""
        if not self.q or self.q.statistic is None or self.df < 1:
            return None
        return max(0.0, (self.q.statistic - self.df) / self.q.statistic) if self.q.statistic > 0 else 0.0

    @property
    def ranked(self) -> Indices:
        """The treatments with finite contrasts among each other: the largest such set."""
        sizes = self.known.sum(1)
        return np.flatnonzero(self.known[int(sizes.argmax())]) if sizes.any() else np.zeros(0, dtype=np.intp)

    def p_scores(self, higher: bool) -> Array:
        """P-scores of all treatments; NaN where a treatment has no finite contrast."""
        out = np.full(len(self.treatments), np.nan)
        rows = self.ranked
        if rows.size > 1:
            out[rows] = ranks.p_scores(self.mu[np.ix_(rows, rows)], self.se[np.ix_(rows, rows)], higher)
        return out

    def rank_probabilities(self, higher: bool) -> Array:
        """Probability of every rank (column) of the ranked treatments."""
        rows = self.ranked
        return ranks.rankogram(self.effect[rows], self.covariance[np.ix_(rows, rows)], higher)

    @cached_property
    def split(self) -> Split:
        """Direct and indirect evidence, ``[t, t]``."""
        return self.make_split()

    @cached_property
    def direct_studies(self) -> Array:
        """How many studies compare row with column."""
        out = np.zeros((len(self.treatments), len(self.treatments)))
        there = np.zeros((len(self.studies), len(self.treatments)), dtype=bool)
        there[self.cells.study, self.cells.treatment] = True
        out += there.T.astype(float) @ there
        return out


def _chi2(name: str, null: str, statistic: float, df: float) -> Test:
    """A test against the chi-squared distribution; a reason where there are no degrees of freedom."""
    if df < 1:
        what = "no closed loop and no second study of a design" if null == _HOMOGENEITY else "nothing to compare"
        return Test(name, null, reason=f"There are no degrees of freedom ({what}).")
    return Test(name, null, float(statistic), "chi-squared", (int(df),), float(chi2_upper_tail(statistic, df)))


def arms_of(cells: Cells, measure: str) -> tuple[Arms, tuple[str, ...]]:
    """The arms of one network for the two-step model, and the studies that were corrected."""
    node = np.nan_to_num(cells.padded(cells.treatment.astype(np.float64))).astype(np.intp)
    if measure == "GEN":
        effect, variance = cells.padded(cells.effect), cells.padded(cells.variance)
        gone = np.isnan(variance)
        effect, variance = np.where(gone, 0.0, effect), np.where(gone, np.inf, variance)
        corrected: tuple[str, ...] = ()
    else:
        scale: two_step.Scale = "RR" if measure == "RR" else "RD" if measure == "RD" else "OR"
        effect, variance, touched = two_step.arm_effects(cells.padded(cells.events), cells.padded(cells.total), scale)
        corrected = tuple(cells.studies[i] for i in np.flatnonzero(touched))
    owner = np.zeros(len(cells.studies), dtype=np.intp)
    return Arms(effect, variance, node, owner, 1, len(cells.treatments)), corrected


def two_step_part(cells: Cells, measure: str, tau2: two_step.Tau2) -> Part:
    """Fit a connected network in two steps."""
    arms, corrected = arms_of(cells, measure)
    found = two_step.estimate(arms, tau2)
    mu, se = found.contrasts
    divided = designs(arms)
    sets = [tuple(cells.treatments[i] for i in np.sort(arms.node[row][arms.present[row]])) for row in range(len(cells.studies))]
    listed = tuple(
        Design(sets[int(rows[0])], rows.size, float(divided.q[d]), int(divided.df[d]))
        for d in range(divided.q.size)
        if (rows := np.flatnonzero(divided.design == d)).size
    )
    between = float(divided.between[0]), float(divided.between_df[0])
    random = None
    if tau2 != "none" and divided.tau2_within[0] > 0 and between[1] > 0:
        random = _chi2("Q", f"{_CONSISTENCY}, heterogeneity within designs allowed for", divided.between_random[0], between[1])
    size = len(cells.treatments)
    return Part(
        treatments=cells.treatments,
        studies=cells.studies,
        mu=mu[0],
        se=se[0],
        effect=found.effect[0],
        covariance=found.covariance[0],
        known=found.linked[0],
        unbounded=np.zeros((size, size), dtype=np.intp),
        tau2=None if tau2 == "none" or found.df[0] < 1 else float(found.tau2[0]),
        q=_chi2("Q", _HOMOGENEITY, found.q[0], found.df[0]),
        within=_chi2("Q", _WITHIN, divided.within[0], divided.within_df[0]),
        between=_chi2("Q", _CONSISTENCY, *between),
        between_random=random,
        lrt=None,
        designs=listed,
        make_split=lambda: _first(split(arms, found)),
        corrected=corrected,
        converged=True,
        absent=(),
        cells=cells,
    )


def _first(batch: Split) -> Split:
    """The only network of a batch."""
    return Split(**{name: values[0] for name, values in vars(batch).items()})


def counts_of(cells: Cells) -> exact_network.Counts:
    """The counts of one network for the exact model."""
    node = np.nan_to_num(cells.padded(cells.treatment.astype(np.float64))).astype(np.intp)
    y, n = np.nan_to_num(cells.padded(cells.events)), np.nan_to_num(cells.padded(cells.total))
    return exact_network.Counts(y, n, node, len(cells.treatments), np.arange(len(cells.studies)))


def exact_part(cells: Cells, reference: str | None, *, random: bool) -> Part:
    """Fit a connected network by the exact likelihood of its counts."""
    counts = counts_of(cells)
    found = exact_network.fit_network(counts, random=random)
    mu, se = found.contrasts
    sets, studies, q, df = exact_network.deviances_of_designs(found.used)
    listed = tuple(
        Design(tuple(cells.treatments[i] for i in names), int(k), float(value), int(free))
        for names, k, value, free in zip(sets, studies, q, df, strict=True)
    )
    free = found.q_df - int(df.sum())
    between = max(0.0, found.q - float(q.sum())) if free > 0 else 0.0
    name = "likelihood ratio (deviance)"
    unbounded = np.where(found.bound & ~found.bound.T, -1, 0) - np.where(found.bound.T & ~found.bound, -1, 0)
    settled = np.isfinite(found.covariance).all() and found.fit.converged
    return Part(
        treatments=cells.treatments,
        studies=cells.studies,
        mu=mu if settled else np.full_like(mu, np.nan),
        se=se if settled else np.full_like(se, np.nan),
        effect=found.effect,
        covariance=found.covariance,
        known=found.known if settled else np.zeros_like(found.known),
        unbounded=unbounded.astype(np.intp),
        tau2=found.fit.tau2 if random and found.q_df > 0 else None,
        q=_chi2(name, _HOMOGENEITY, found.q, found.q_df),
        within=_chi2(name, _WITHIN, float(q.sum()), float(df.sum())),
        between=_chi2(name, _CONSISTENCY, between, free),
        between_random=None,
        lrt=_no_heterogeneity(found) if random else None,
        designs=listed,
        make_split=lambda: exact_network.split_exact(counts, found),
        corrected=(),
        converged=bool(settled),
        absent=_absent(cells, counts, found, reference, random=random),
        cells=cells,
    )


def _no_heterogeneity(found: exact_network.ExactNetwork) -> Test:
    """tau2 = 0 lies at the edge of what is possible: half of the chi-squared distribution (Self and Liang 1987)."""
    statistic = max(0.0, 2.0 * (found.fit.loglik - found.common.loglik))
    pvalue = 0.5 * float(chi2_upper_tail(statistic, 1)) if statistic > 0 else 1.0
    null = "Contrasts do not differ between studies (tau² = 0)"
    if found.q_df < 1:
        return Test("likelihood ratio", null, reason="There are no degrees of freedom for heterogeneity.")
    return Test("likelihood ratio", null, statistic, "half chi-squared", (1,), pvalue)


def _absent(
    cells: Cells, counts: exact_network.Counts, found: exact_network.ExactNetwork, reference: str | None, *, random: bool
) -> tuple[WithoutEstimate, ...]:
    """The treatments without a finite contrast with the reference, tested by the likelihood ratio."""
    if reference not in cells.treatments:
        return ()
    base, out = cells.treatments.index(reference), []
    for place, name in enumerate(cells.treatments):
        if place == base or (found.part[place] == found.part[base] and found.part[base] >= 0):
            continue
        down, up = bool(found.bound[place, base]), bool(found.bound[base, place])
        null = f"{name} and {reference} have the same odds"
        if down == up:
            test = Test("likelihood ratio", null, reason="The counts contain no information on this contrast.")
            lower = None
        else:
            lower = down
            statistic = exact_network.ratio_without_estimate(counts, place, base, lower=down, random=random)
            test = Test("likelihood ratio", null, statistic, "chi-squared", (1,), float(chi2_upper_tail(statistic, 1)))
            if np.isnan(statistic):
                test = Test(
                    "likelihood ratio", null, reason="The likelihood has no maximum in the heterogeneity, so there is no test."
                )
        rows = cells.treatment == place
        out.append(WithoutEstimate(name, str(reference), int(cells.events[rows].sum()), int(cells.total[rows].sum()), lower, test))
    return tuple(out)
