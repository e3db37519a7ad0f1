"""The result of a Bayesian pooling: the numbers once, the distributions they are read off, and the views."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from metanet.base.cards import card
from metanet.base.completion import Listed
from metanet.base.display import interval, level_text, number, per_cent, plural
from metanet.base.errors import ArgumentError, shorten
from metanet.kernels.bayes.marginals import Distribution
from metanet.models.results.pooled import Method, counted_units

if TYPE_CHECKING:
    import pandas as pd


# Views of a Bayesian pooling: text and HTML. They read the numbers; none is computed here.

_TITLE = "Bayesian binomial-normal model"


def rows_of(fit: BayesPooled) -> list[tuple[str, str]]:
    """The result as pairs of name and text, in the order in which a reader needs them."""
    level = level_text(fit.level)
    median = f"{per_cent(fit.estimate)} % ({level} CrI {interval(fit.ci_lower, fit.ci_upper)})"
    average = (
        f"{per_cent(fit.marginal_estimate)} % ({level} CrI {interval(fit.marginal_ci_lower, fit.marginal_ci_upper)})"
    )
    tau = f"{number(fit.tau)} ({level} CrI {number(fit.tau_lower)} to {number(fit.tau_upper)})"
    studies = plural(fit.k, "study", "studies")
    return [
        ("Data", f"{studies}, {plural(fit.events, 'event')} in {counted_units(fit.n, fit.units)}"),
        ("Median rate", median),
        ("Population-averaged rate", average),
        ("Rate of a new setting", f"{interval(fit.pi_lower, fit.pi_upper)} % ({level} predictive interval)"),
        ("tau on the logit scale", tau),
        ("Log evidence", number(fit.log_evidence, 3)),
        ("Priors", f"tau ~ {fit.method['tau_prior']}, mu ~ {fit.method['mu_prior']}"),
    ]


def short_text(fit: BayesPooled) -> str:
    """At most a dozen lines for a console."""
    rows = rows_of(fit)
    width = max(len(name) for name, _ in rows)
    lines = [_TITLE, *(f"  {name:<{width}}  {text}" for name, text in rows)]
    return "\n".join([*lines, f"  {plural(len(fit.notes), 'note')}: .summary() prints them"])


def summary_text(fit: BayesPooled) -> str:
    """Everything: the numbers, the notes, the method."""
    lines = short_text(fit).splitlines()[:-1]
    lines += ["Notes", *(f"  - {note}" for note in fit.notes)]
    lines += ["Method", f"  {fit.method.sentence()}", *(f"  {source}" for source in fit.method["sources"])]
    return "\n".join(lines)


def sentence(fit: BayesPooled) -> str:
    """The result in one plain sentence."""
    level = level_text(fit.level)
    data = f"{plural(fit.k, 'study', 'studies')} ({fit.events} of {counted_units(fit.n, fit.units)})"
    limits = f"{level} credible interval {interval(fit.ci_lower, fit.ci_upper)} %"
    new = f"{per_cent(fit.pi_lower)} and {per_cent(fit.pi_upper)} %"
    return (
        f"Given {data} and the priors tau ~ {fit.method['tau_prior']} and mu ~ {fit.method['mu_prior']}, the median rate is "
        f"{per_cent(fit.estimate)} % ({limits}) and the population-averaged rate {per_cent(fit.marginal_estimate)} %; the rate of a "
        f"new setting lies between {new} with probability {level}."
    )


def html_card(fit: BayesPooled) -> str:
    """A compact card for JupyterLab and for reports: see `card`."""
    return card(_TITLE, pairs=rows_of(fit), notes=fit.notes, method=fit.method.sentence())


# The result of a Bayesian pooling: the numbers once, the distributions they are read off, and views of both.

#: Rates beyond this logit are 0 or 1 to thirteen digits.
_FARTHEST_LOGIT = 30.0


@dataclass(frozen=True, eq=False)
class BayesPooled(Listed):
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

    _listed = (
        "estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper", "marginal_estimate", "tau", "tau_lower",
        "tau_upper", "studies", "probability", "posterior", "notes", "method", "summary", "sentence",
        "to_frame", "to_dict",
    )  # fmt: skip

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
        """What a reader has to know beside the numbers; also ``method["notes"]``."""
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
            raise ArgumentError(f"points={shorten(points)!r} must be a whole number from 2 to 100000.")
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
        from metanet.models.results.pooled import plain

        return {
            **{name: plain(value) for name, value in self.numbers().items()},
            "studies": [{str(c): plain(v) for c, v in row.items()} for row in self._studies.to_dict("records")],
            "method": plain(dict(self.method)),
        }

    def __repr__(self) -> str:

        return short_text(self)

    def _repr_html_(self) -> str:

        return html_card(self)

    def summary(self) -> str:
        """The result as text, complete."""

        return summary_text(self)

    def sentence(self) -> str:
        """The result in one plain sentence."""

        return sentence(self)


#: Names of the numbers of a result, in the order of its fields.
NUMBERS = tuple(f.name for f in fields(BayesPooled) if f.name not in ("method", "_studies", "_distributions"))


def _place(name: str, value: object, distribution: Distribution) -> float:
    """Where a rate or a tau stands on the axis on which its distribution is kept."""
    number = float("nan") if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if name.startswith("tau"):
        if not 0 <= number < float("inf"):
            raise ArgumentError(f"{name}={shorten(value)!r} must be a number from zero up, on the logit scale.")
        # Kept on the axis of u, with tau = s sinh(u): the slope at zero is s.
        return float(np.arcsinh(number / distribution.slope(np.zeros(1))[0]))
    if not 0 < number < 1:
        fix = f" Did you mean {number / 100:g}?" if 1 < number < 100 else ""
        raise ArgumentError(f"{name}={shorten(value)!r} must be a fraction between 0 and 1, such as 0.05.{fix}")
    return float(special.logit(number))
