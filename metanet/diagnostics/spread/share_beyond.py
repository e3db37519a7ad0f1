"""The share of true rates beyond a threshold, with its uncertainty: a measure of heterogeneity for clinicians."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from metanet.base.arguments import checked, each, rate, whole
from metanet.base.display import RATE, level_text, per_cent
from metanet.base.errors import ArgumentError
from metanet.base.results import Method, Result
from metanet.kernels.normal_effect.random_effect import LINKS
from metanet.models.options import lean, options_of
from metanet.models.pooling.batch import Batch, pool_batch
from metanet.models.pooling.fill import likelihood_of
from metanet.models.pooling.posterior import new_above
from metanet.models.pooling.simulate import Truth, draw
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


_SETS = 2_000
#: Below so many studies a bootstrap draws too little spread, and its interval would promise too much (Mathur and VanderWeele 2019).
_LEAST = 10
#: A percentile of fewer data sets is no limit.
_LEAST_SETS = 30


@dataclass(frozen=True, eq=False, repr=False)
class ShareBeyond(Result):
    """Share of true rates above a threshold; `reason` says why there is none.

    `above` is that of the fitted distribution, `lower` and `upper` its bootstrap interval (from ten studies on),
    `predictive` the probability that the rate of a new setting lies above, which counts the uncertainty of the estimate as
    well (t with k - 2 degrees of freedom, as the prediction interval; from three studies on). `flat` marks a fit without
    spread, whose share can only be 0 or 1.
    """

    threshold: float
    above: float | None
    lower: float | None
    upper: float | None
    predictive: float | None
    level: float
    reason: str | None
    method: Method = field(repr=False)
    flat: bool = False

    _entries = ("threshold", "above", "lower", "upper", "predictive", "level", "reason", "flat")

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return f"Share of true rates above {RATE.exact(self.threshold)}"

    def to_frame(self) -> pd.DataFrame:
        """The numbers as a frame of one row."""
        import pandas as pd

        return pd.DataFrame([{name: getattr(self, name) for name in self._entries if isinstance(name, str)}])

    def sentence(self) -> str:
        """The share as text."""
        if self.reason or self.above is None:
            return str(self.reason)
        if self.above in (0.0, 1.0) and self.flat:
            side = "above" if self.above else "at or below"
            text = f"No heterogeneity of the true rates was found, and their common estimate lies {side} {RATE.exact(self.threshold)}"
            if self.predictive is None:
                return f"{text}; the data do not exclude heterogeneity with some true rates on the other side."
            probability = f"{per_cent(self.predictive, 0)} %"
            return f"{text}; the predictive probability that the rate of a new, comparable study is above is {probability}."
        bounds = ""
        if self.lower is not None:
            bounds = f" ({level_text(self.level)} CI {per_cent(self.lower, 0)} to {per_cent(self.upper, 0)} %)"
        text = f"Of the true rates {per_cent(self.above, 0)} % are above {RATE.exact(self.threshold)}{bounds}"
        if self.predictive is None:
            return f"{text}."
        return f"{text}; the predictive probability for a new, comparable study is {per_cent(self.predictive, 0)} %."


@checked(threshold=rate, sets=whole(0, 1_000_000), seed=whole(0))
def share_beyond(fit: Pooled, threshold: float, *, sets: int = _SETS, seed: int = 0) -> ShareBeyond:
    """Estimate in which share of settings the true rate lies above a threshold.

    Parameters
    ----------
    fit
        A pooled rate with a random effect on the logit (or another link's) scale, or of the beta-binomial model.
    threshold
        A rate, as a fraction.
    sets
        Data sets of the parametric bootstrap that gives the interval; 0 gives none.
    seed
        Of the bootstrap.

    Returns
    -------
    ShareBeyond
        ``P(true rate > threshold)`` under the fitted distribution, and percentiles of it over data sets drawn from the fit.

    References
    ----------
    Mathur, VanderWeele (2019), doi:10.1002/sim.8057.
    """
    return shares_beyond(fit, [threshold], sets=sets, seed=seed)[0]


#: Round rates, coarse ones first, and how much of the true rates a threshold leaves on either side so that its share tells something.
_ROUND = (
    tuple(i / 10 for i in range(1, 10)),
    (0.01, 0.02, 0.05, *(i / 20 for i in range(1, 20)), 0.95, 0.98, 0.99),
    tuple(i / 100 for i in range(1, 100)),
    (*(i / 1000 for i in range(1, 1000)), *(i / 10_000 for i in range(1, 10)), *(1 - i / 10_000 for i in range(1, 10))),
)
_TELLS = 0.1
#: What a caller writes to have thresholds chosen.
AUTO = "auto"


def telling_thresholds(fit: Pooled) -> tuple[float, ...]:
    """Up to three round rates between which the true rates of a result lie; none where they have no spread, or no such scale.

    Of the coarsest grid of round rates that has two, those nearest to the quartiles and the median are taken.
    """
    truth = _truth(fit)
    if truth is None or not truth.spread > 0:
        return ()
    chosen: tuple[float, ...] = ()
    for grid in _ROUND:
        points = np.array(sorted(set(grid)))
        above = truth.share_between(points, np.ones(points.size))
        inside = np.flatnonzero((above > _TELLS) & (above < 1 - _TELLS))
        if inside.size:
            wanted = [inside[int(np.abs(above[inside] - share).argmin())] for share in (0.75, 0.5, 0.25)]
            chosen = tuple(float(points[i]) for i in sorted(set(wanted)))
        if len(chosen) > 1:
            break
    return chosen


def checked_thresholds(argument: str, value: object) -> None:
    """Rates, or the word that has them chosen."""
    if value != AUTO:
        each(rate)(argument, value)


def _truth(fit: Pooled) -> Truth | None:
    """The fitted distribution of the true rates; None where shares are not available."""
    options = options_of(fit.method)
    spread = fit.rho if options.model == "beta_binomial" else fit.tau
    linked = options.model in ("bayes", "glmm", "beta_binomial") or (options.model == "inverse_variance" and options.measure == "PLO")
    if fit.response != "rate" or not linked or fit.mu is None or spread is None:
        return None
    return Truth("beta" if options.model == "beta_binomial" else str(options.link or "logit"), fit.mu, spread)


def shares_beyond(fit: Pooled, thresholds: Sequence[float], *, sets: int = _SETS, seed: int = 0) -> tuple[ShareBeyond, ...]:
    """`share_beyond` of several thresholds, from one bootstrap."""
    points, level = [rate("threshold", each) for each in thresholds], fit.level
    if 0 < sets < _LEAST_SETS:
        raise ArgumentError(f"sets={sets} is too few for an interval. Fix: 0 for none, or at least {_LEAST_SETS}.")
    options = options_of(fit.method)
    stamp = Method({**fit.method, "notes": []})
    truth = _truth(fit)
    if truth is None:
        linked = options.model in ("bayes", "glmm", "beta_binomial") or (
            options.model == "inverse_variance" and options.measure == "PLO"
        )
        reason = "The share of true rates beyond a threshold is available for proportions on the logit scale."
        if fit.response == "rate" and linked:
            reason = f"No heterogeneity was estimated ({fit.status}), so there is no share."
        return tuple(ShareBeyond(at, None, None, None, None, level, reason, stamp) for at in points)
    kind, spread = truth.kind, truth.spread
    again = None
    if points and sets and fit.k >= _LEAST:
        again = pool_batch(draw(truth, fit.data, options, sets, np.random.default_rng(seed)), lean(options))
    found = []
    for at in points:
        above = float(truth.share_between(np.array([at]), np.array([1.0]))[0])
        ends = (None, None) if again is None else _limits(again, kind, at, above, level)
        found.append(ShareBeyond(at, above, *ends, _predictive(fit, truth, at), level, None, stamp, spread == 0))
    return tuple(found)


def _limits(again: Batch, kind: str, at: float, above: float, level: float) -> tuple[float | None, float | None]:
    """Percentiles of the share over refitted data sets; None where most of them have no fit."""
    pooled = again.status == "pooled"
    second = again.rho if kind == "beta" else np.sqrt(again.tau2)
    shares = np.array(
        [
            Truth(kind, float(m), float(s)).share_between(np.array([at]), np.array([1.0]))[0]
            for m, s in zip(again.mu[pooled], second[pooled], strict=True)
        ]
    )
    # Without any event every rate is below, with events only above.
    edges = again.estimate[np.isin(again.status, ("no events", "only events"))] > at
    shares = np.concatenate([shares, edges.astype(float)])
    if shares.size < again.mu.size / 2:
        return None, None
    low, high = np.quantile(shares, [(1 - level) / 2, (1 + level) / 2])
    return float(min(low, above)), float(max(high, above))


def _predictive(fit: Pooled, truth: Truth, at: float) -> float | None:
    """Probability that a new setting lies above, by the distribution behind the prediction interval."""
    options = options_of(fit.method)
    if options.model == "bayes":
        size = fit.data["person_time" if fit.data.timed else "total"]
        return new_above(likelihood_of(fit.data, options), size, options, float(LINKS[truth.kind].forward(np.array([at]))[0]))
    if fit.k < 3 or not fit.se or fit.mu is None or fit.tau is None or truth.kind == "beta":
        return None
    threshold = float(LINKS[truth.kind].forward(np.array([at]))[0])
    return float(special.stdtr(fit.k - 2, (fit.mu - threshold) / float(np.hypot(fit.tau, fit.se))))
