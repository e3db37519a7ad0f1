"""The likelihoods of a comparison of groups, and every pair of groups with its adjusted test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from metanet.base.arrays import Array
from metanet.kernels.inverse_variance import regression, two_step
from metanet.kernels.inverse_variance.tau2 import ESTIMATORS
from metanet.kernels.normal_effect import regression as regression_exact
from metanet.kernels.normal_effect.random_effect import RULES, Evaluation, evaluate
from metanet.kernels.numerics import distributions
from metanet.kernels.numerics.roots import find_roots
from metanet.kernels.two_groups import differences
from metanet.models.options import Options
from metanet.models.pooling.batch import Data
from metanet.models.pooling.fill import effects_of, likelihood_of
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


# The likelihoods of a comparison of groups: means of their own against one mean, with a common or a separate spread.
#
# An effect of groups is tested by the likelihood ratio. Wald's test fails exactly where it is needed: a group without events
# has an infinite estimate and an infinite standard error, and its p-value goes to one the clearer the difference is (Hauck
# and Donner 1977, doi:10.1080/01621459.1977.10479969).


#: Enough nodes for every spread that a group of studies has by itself.
_RULE = RULES[3]


@dataclass(frozen=True)
class CommonFit:
    """Every group its own mean, one tau2 for all.

    `mu` and `se` are ``[g]``, NaN for a group whose likelihood has no finite maximum; `df` counts what is left for their t
    quantiles. `shrunk` marks a Hartung-Knapp error that is smaller than the common effect's.
    """

    mu: Array
    se: Array
    tau2: float
    df: float
    settled: bool
    shrunk: bool = False


@dataclass(frozen=True)
class RatioTest:
    """Likelihood-ratio test of equal means: p-values by chi-squared and, the ratio over its df, by F with `k - G` df (NaN without)."""

    statistic: float
    df: int
    pvalue: float
    pvalue_f: float


def design(group: NDArray[np.intp], count: int) -> Array:
    """A column for each group, ``[k, g]``."""
    return np.asarray(group[:, None] == np.arange(count), dtype=np.float64)


def common_fit(data: Data, group: NDArray[np.intp], count: int, options: Options) -> CommonFit:
    """Means of `count` groups with one tau2; `group` ``[k]`` says which a study belongs to."""
    x = design(group, count)
    if options.exact:
        found = regression_exact.fit(likelihood_of(data, options), x)
        values, errors = found.combine(np.eye(count)[None])
        df = float(data.shape[1] - count)
        return CommonFit(values[0], errors[0], float(found.tau[0] ** 2), df, bool(found.settled[0] | found.unbounded[0]))
    y, v, _, _ = effects_of(data, options)
    fitted = regression.fit(y, v, x, options.tau2 or np.zeros(1))
    factor = regression.scale_factor(fitted, "z" if options.ci == "KR" else options.ci)
    variance = np.diagonal(fitted.covariance[0])
    se = np.sqrt(np.maximum(variance * factor[0], 0.0))
    plain = np.diagonal(regression.fit(y, v, x, np.zeros(1)).covariance[0])
    shrunk = options.ci == "HK" and bool((se**2 < plain * (1 - 1e-9)).any())
    return CommonFit(fitted.beta[0], se, float(fitted.tau2[0]), float(fitted.df[0]), True, shrunk)


def ratio_common(data: Data, group: NDArray[np.intp], count: int, options: Options) -> Array:
    """Likelihood-ratio statistics ``[b]`` of every row of `data`, one tau2 for all groups under both hypotheses.

    Two-step models are compared by their full likelihood, whatever the estimator of tau2.
    """
    one, own = np.ones((data.shape[1], 1)), design(group, count)
    if options.exact:
        studies = likelihood_of(data, options)
        null = regression_exact.fit(studies, one)
        full = regression_exact.fit(studies, own)
        # Both likelihoods rise for ever with tau where every study stands at an edge; they have no finite difference.
        return np.where(null.unbounded | full.unbounded, np.nan, np.maximum(0.0, 2 * (full.loglik - null.loglik)))
    y, v, _, _ = effects_of(data, options)
    estimator = "ML" if options.tau2 else np.zeros(data.shape[0])
    heights = [regression.fit(y, v, x, estimator).loglik for x in (own, one)]
    return np.maximum(0.0, 2 * (heights[0] - heights[1]))


def ratio_separate(data: Data, group: NDArray[np.intp], count: int, options: Options) -> float:
    """Likelihood-ratio statistic of one analysis at the separate tau2 of each group: the analogue of Q between groups.

    A group of one study, or at an edge, tells nothing about its spread, which is taken as none. For two-step models the
    statistic is Q between groups itself.
    """
    keep = group == np.arange(count)[:, None]
    parts = data.only(keep)
    if not options.exact:
        y, v, _, _ = effects_of(parts, options)
        several = np.isfinite(v).sum(-1) > 1
        tau2 = np.zeros(count)
        if options.tau2:
            tau2[several] = ESTIMATORS[options.tau2](y[several], v[several])
        found = two_step.weighted_mean(y, v, tau2)
        precision = 1.0 / found.variance
        return float((precision * (found.mean - (precision * found.mean).sum() / precision.sum()) ** 2).sum())
    studies = likelihood_of(parts, options)
    own = regression_exact.fit(studies, np.ones((data.shape[1], 1)))
    alone = (keep.sum(-1) < 2) | own.unbounded | own.separated
    tau = np.where(alone, 0.0, own.tau)
    highest = np.where(alone, own.loglik_common, own.loglik)

    def at(mu: Array) -> Evaluation:
        return evaluate(studies, np.broadcast_to(mu, (count,)), tau, _RULE)

    guess, known = studies.guess, studies.precision > 0
    ends = np.array([[float(guess[known].min()) - 1.0], [float(guess[known].max()) + 1.0]])
    # Every group's likelihood is log-concave in the mean (Prekopa): its sum has one maximum.
    root = find_roots(
        lambda mu, _: np.array([float(at(each).score[:, 0].sum()) for each in mu]), ends[0], ends[1], relative=1e-10, scale=np.ones(1)
    )
    return max(0.0, 2 * float((highest - at(root).loglik).sum()))


def ratio_test(statistic: float, df: int, residual: int) -> RatioTest:
    """The test of a likelihood-ratio statistic; `residual` counts studies less groups."""
    f = float(special.fdtrc(df, residual, statistic / df)) if residual > 0 else float("nan")
    return RatioTest(statistic, df, float(distributions.chi2_upper_tail(statistic, df)), f)


def test_groups(
    counts: Data, group: NDArray[np.intp], count: int, options: Options, spread: str
) -> tuple[RatioTest | None, str | None]:
    """The test of equal means, or why there is none."""
    if count < 2:
        return None, "One group: no comparison is possible."
    if options.groups == 1 and not counts.by_effect:
        x, n = counts["events"].sum(), counts["person_time" if counts.timed else "total"].sum()
        if x == 0 or (not counts.timed and x == n):
            which = "no events" if x == 0 else "only events"
            return None, f"All groups have {which}, so they cannot be compared."
    if spread == "separate" and options.tau2 is not None:
        statistic = ratio_separate(counts, group, count, options)
    else:
        statistic = float(ratio_common(counts, group, count, options)[0])
    if np.isnan(statistic):
        return None, "Every study has no events or events only: the likelihood has no unique maximum."
    return ratio_test(statistic, count - 1, counts.shape[1] - count), None


def pairs_of(counts: Data, group: NDArray[np.intp], parts: Mapping[str, Pooled], options: Options, spread: str) -> pd.DataFrame:
    """Every pair of groups."""
    import pandas as pd

    rows = []
    names = list(parts)
    for a, b in combinations(range(len(names)), 2):
        first, second = parts[names[a]], parts[names[b]]
        row: dict[str, Any] = {"first": names[a], "second": names[b], **_contrast(first, second, options)}
        chosen = np.flatnonzero((group == a) | (group == b))
        part = Data({name: values[:, chosen] for name, values in counts.columns.items()})
        test, _ = test_groups(part, (group[chosen] == b).astype(np.intp), 2, options, spread)
        row["lrt"] = np.nan if test is None else test.statistic
        row["pvalue"] = np.nan if test is None else test.pvalue
        row["pvalue_f"] = np.nan if test is None else test.pvalue_f
        rows.append(row)
    frame = pd.DataFrame(rows, columns=[*_PAIR]) if not rows else pd.DataFrame(rows)
    # Two single studies leave no degrees of freedom for F: nothing can be said of their spread.
    few, plain = (frame[name].to_numpy(dtype=float) for name in ("pvalue_f", "pvalue"))
    frame["pvalue_adjusted"] = holm(np.where(np.isnan(few), plain, few))
    return frame


_PAIR = ("first", "second", "difference", "difference_lower", "difference_upper", "lrt", "pvalue", "pvalue_f")


def _contrast(first: Pooled, second: Pooled, options: Options) -> dict[str, float]:
    """Difference, ratio and odds ratio of two groups, with intervals; NaN where one has no estimate."""
    logs = options.scale == "ratio"
    names = ("mu", "mu_lower", "mu_upper") if logs else ("estimate", "ci_lower", "ci_upper")
    ends = [np.array([np.nan if getattr(fit, n) is None else getattr(fit, n)]) for fit in (first, second) for n in names]
    gap = [float(x[0]) for x in differences.difference(*ends)]
    # Rates that agree leave rounding.
    gap = [0.0 if abs(x) < 1e-12 else x for x in gap]
    if logs:
        # Ratios of ratios: the difference of their logarithms.
        return dict(zip(("ratio", "ratio_lower", "ratio_upper"), np.exp(gap).tolist(), strict=True)) | dict(
            zip(("difference", "difference_lower", "difference_upper"), gap, strict=True)
        )
    out = dict(zip(("difference", "difference_lower", "difference_upper"), gap, strict=True))
    if options.scale.startswith("rate"):
        ratios = [float(x[0]) for x in differences.ratio(*ends)]
        out |= dict(zip(("ratio", "ratio_lower", "ratio_upper"), ratios, strict=True))
    if options.scale == "rate":
        with np.errstate(divide="ignore"):
            odds = [x / (1 - x) for x in ends]
            found = [float(x[0]) for x in differences.ratio(*odds)] if all(np.isfinite(x).all() for x in odds) else [np.nan] * 3
        out |= dict(zip(("odds_ratio", "odds_ratio_lower", "odds_ratio_upper"), found, strict=True))
    return out


def holm(p: Array) -> Array:
    """Holm's adjusted p-values; NaN stays NaN and does not count."""
    from statsmodels.stats.multitest import multipletests

    out = np.full(p.shape, np.nan)
    known = ~np.isnan(p)
    if known.any():
        out[known] = multipletests(p[known], method="holm")[1]
    return out
