"""The result of a Bayesian pooling: the numbers once, the distributions they are read off, and the views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from metanet.base.display import RATE, level_text, number, plural, scale_of
from metanet.base.errors import ArgumentError, as_given
from metanet.base.results import Method, Result, plain
from metanet.kernels.bayes.marginals import Distribution
from metanet.kernels.numerics.predictive import effective_size
from metanet.models.results.units import counted_units

if TYPE_CHECKING:
    import pandas as pd


#: Rates beyond this logit are 0 or 1 to thirteen digits.
_FARTHEST_LOGIT = 30.0


@dataclass(frozen=True, eq=False, repr=False)
class BayesPooled(Result):
    """The posterior of a pooled rate. Rates are fractions; intervals have equal tails unless they are named `hdi`.

    A quantity that does not exist is None, with the reason in ``method["notes"]``.

    Attributes
    ----------
    estimate, ci_lower, ci_upper
        Posterior median of the median rate, ``expit(mu)``, and its credible interval.
    hdi_lower, hdi_upper
        The shortest interval of the median rate, which is that of highest density.
    marginal_estimate, marginal_ci_lower, marginal_ci_upper, marginal_hdi_lower, marginal_hdi_upper
        The same for the population-averaged rate ``E[expit(mu + tau Z)]``.
    pi_lower, pi_upper, new_rate_mean
        Predictive interval for the rate of a new setting, and the mean of that rate.
    mu, mu_sd, mu_lower, mu_upper
        Posterior mean and standard deviation of the mean logit, and its interval.
    tau, tau_lower, tau_upper, tau_hdi_lower, tau_hdi_upper, tau_mean, tau_sd
        Posterior median of the standard deviation between studies, its intervals, its mean and standard deviation.
    tau2, tau2_lower, tau2_upper, tau2_hdi_lower, tau2_hdi_upper
        The same for tau squared.
    log_evidence
        Log of the marginal likelihood of all counts, binomial coefficients and normalised priors included: the difference of two is
        the log Bayes factor of two choices of priors.
    k, n, events
        Studies, patients, events.
    settled
        Whether the quadrature passed all of its checks.
    """

    level: float
    estimate: float
    ci_lower: float
    ci_upper: float
    hdi_lower: float
    hdi_upper: float
    marginal_estimate: float
    marginal_ci_lower: float
    marginal_ci_upper: float
    marginal_hdi_lower: float
    marginal_hdi_upper: float
    pi_lower: float
    pi_upper: float
    new_rate_mean: float
    mu: float
    mu_sd: float
    mu_lower: float
    mu_upper: float
    tau: float
    tau_lower: float
    tau_upper: float
    tau_hdi_lower: float
    tau_hdi_upper: float
    tau_mean: float | None
    tau_sd: float | None
    tau2: float
    tau2_lower: float
    tau2_upper: float
    tau2_hdi_lower: float
    tau2_hdi_upper: float
    log_evidence: float
    k: int
    n: int
    events: int
    settled: bool
    method: Method
    _studies: pd.DataFrame = field(repr=False)
    _distributions: dict[str, Distribution] = field(repr=False)
    #: The priors as they were given, and the rows of the studies as far as they came in a frame.
    _given: Mapping[str, Any] = field(default_factory=dict, repr=False)
    _rows: pd.DataFrame | None = field(default=None, repr=False)

    @property
    def units(self) -> tuple[str, ...]:
        """What was counted; as in `Pooled`."""
        return tuple(self.method["units"])

    @property
    def studies(self) -> pd.DataFrame:
        """One row for each study: study, events, total, rate, ci_lower and ci_upper (exact), and the posterior mean and credible
        interval of its own rate, shrunken, shrunken_lower, shrunken_upper; a copy."""
        return self._studies.copy()

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the numbers; also ``method["notes"]``."""
        return tuple(self.method["notes"])

    def probability(
        self,
        *,
        rate_below: float | None = None,
        rate_above: float | None = None,
        new_rate_below: float | None = None,
        new_rate_above: float | None = None,
        tau_below: float | None = None,
        tau_above: float | None = None,
    ) -> float:
        """The posterior probability of one statement, given by exactly one argument.

        Parameters
        ----------
        rate_below, rate_above
            The median rate is below, or above, this fraction.
        new_rate_below, new_rate_above
            The same for the rate of a new setting.
        tau_below, tau_above
            The standard deviation between studies, on the logit scale.
        """
        given = {name: value for name, value in locals().items() if name != "self" and value is not None}
        if len(given) != 1:
            raise ArgumentError(
                f"probability takes exactly one statement, not {len(given)}. Fix: probability(rate_below=0.05), for example."
            )
        name, value = next(iter(given.items()))
        quantity, side = name.rsplit("_", 1)
        distribution = self._distributions[{"rate": "median rate", "new_rate": "new setting", "tau": "tau"}[quantity]]
        below = distribution.cdf(_place(name, value, distribution))
        return below if side == "below" else 1.0 - below

    def effective_size(self) -> float | None:
        """How many patients the predictive distribution of a new setting's rate is worth as a prior.

        Returns
        -------
        float or None
            The expected local-information ratio (Neuenschwander, Weber, Schmidli and O'Hagan 2020, doi:10.1111/biom.13252), between
            the quantiles of 1e-6 on both sides; None where it rests on the tails, as with a heavy-tailed prior of tau and few studies.
        """
        new = self._distributions["new setting"]
        return effective_size(new.x, new.density, new.below)

    def posterior(self, points: int = 201) -> pd.DataFrame:
        """Posterior densities for drawing.

        Returns
        -------
        pandas.DataFrame
            For each quantity ("median rate", "population-averaged rate", "new setting", "mu", "tau") `points` rows between
            its quantiles of 0.05 % and 99.95 %: quantity, value, density (per unit of value), probability_below.
        """
        import pandas as pd

        if isinstance(points, bool) or not isinstance(points, int) or not 2 <= points <= 100_000:
            raise ArgumentError(f"points={as_given(points)} must be a whole number from 2 to 100000.")
        parts = []
        for name, distribution in self._distributions.items():
            ends = distribution.quantile(np.array([0.0005, 0.9995]))
            if distribution.back is special.expit:
                # Nearer to 0 and 1 than the densities of rates can be written.
                ends = np.clip(ends, -_FARTHEST_LOGIT, _FARTHEST_LOGIT)
            x = np.linspace(ends[0], ends[1], points)
            density = np.interp(x, distribution.x, distribution.density) / distribution.slope(x)
            below = [distribution.cdf(float(at)) for at in x]
            columns = {"quantity": name, "value": distribution.back(x), "density": density, "probability_below": below}
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)

    def numbers(self) -> dict[str, Any]:
        """Every number by name, without studies and method."""
        return {name: getattr(self, name) for name in NUMBERS}

    def to_frame(self) -> pd.DataFrame:
        """The numbers as a frame of one row."""
        import pandas as pd

        return pd.DataFrame([self.numbers()])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values."""
        numbers = {name: plain(value) for name, value in self.numbers().items()}
        return {**numbers, "studies": plain(self._studies), "method": plain(dict(self.method))}

    @property
    def heading(self) -> str:
        """The model by its name."""
        return "Bayesian binomial-normal model"

    def rows(self) -> list[tuple[str, str]]:
        """The result as pairs of name and text, in the order in which a reader needs them."""
        level, effect = self.level, scale_of("effect")
        median = RATE.estimate(self.estimate, self.ci_lower, self.ci_upper, level, "CrI")
        ends = self.marginal_ci_lower, self.marginal_ci_upper
        studies = plural(self.k, "study", "studies")
        tau = f"{number(self.tau)} ({level_text(level)} CrI {number(self.tau_lower)} to {number(self.tau_upper)})"
        return [
            ("Data", f"{studies}, {plural(self.events, 'event')} in {counted_units(self.n, self.units)}"),
            ("Median rate", median),
            ("Population-averaged rate", RATE.estimate(self.marginal_estimate, *ends, level, "CrI")),
            ("Rate in a new study", f"{RATE.limits(self.pi_lower, self.pi_upper)} ({level_text(level)} predictive interval)"),
            ("tau on the logit scale", tau),
            ("Log evidence", number(self.log_evidence, effect.least)),
            ("Priors", self._priors),
        ]

    @property
    def _priors(self) -> str:
        return f"tau ~ {self.method['tau_prior']}, mu ~ {self.method['mu_prior']}"

    def sentence(self) -> str:
        """The result in one plain sentence."""
        data = f"{plural(self.k, 'study', 'studies')} ({self.events} of {counted_units(self.n, self.units)})"
        median = RATE.estimate(self.estimate, self.ci_lower, self.ci_upper, self.level, "credible interval")
        return (
            f"Given {data} and the priors {self._priors.replace(', mu', ' and mu')}, the median rate is {median}, the "
            f"population-averaged rate {RATE.value(self.marginal_estimate)}, and the "
            f"{level_text(self.level)} predictive interval for a new study {RATE.limits(self.pi_lower, self.pi_upper)}."
        )

    def _lead(self) -> str:
        return ""


#: Names of the numbers of a result, in the order of its fields.
NUMBERS = tuple(f.name for f in fields(BayesPooled) if f.name not in ("method", "_studies", "_distributions", "_given", "_rows"))


def _place(name: str, value: object, distribution: Distribution) -> float:
    """Where a rate or a tau stands on the axis on which its distribution is kept."""
    number = float("nan") if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if name.startswith("tau"):
        if not 0 <= number < float("inf"):
            raise ArgumentError(f"{name}={as_given(value)} must be a number from zero up, on the logit scale.")
        # Kept on the axis of u, with tau = s sinh(u): the slope at zero is s.
        return float(np.arcsinh(number / distribution.slope(np.zeros(1))[0]))
    if not 0 < number < 1:
        fix = f" Did you mean {number / 100:g}?" if 1 < number < 100 else ""
        raise ArgumentError(f"{name}={as_given(value)} must be a fraction between 0 and 1, such as 0.05.{fix}")
    return float(special.logit(number))
