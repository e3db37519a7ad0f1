"""What a reader has to know beside the numbers of a Bayesian pooling, foremost where the prior answers instead of the data."""

from __future__ import annotations

from typing import Any

from metanet.kernels.bayes_priors import MuPrior, TauPrior
from metanet.kernels.quantiles import two_sided_z
from metanet.models.bayes_priors import implied_text, mu_text, tau_text
from metanet.models.display import per_cent

#: A posterior interval wider than this share of the prior's says that the data have hardly spoken.
_DOMINATED = 0.7


def notes_for(row: dict[str, Any], mu: MuPrior, tau: TauPrior, level: float) -> list[str]:
    """Notes in the order in which a reader meets the numbers."""
    return [
        "The intervals are credible intervals: given these data, the model and the priors, the quantity lies inside with the "
        "probability stated. They are not confidence intervals.",
        implied_text(mu, tau),
        *_counts(row, mu),
        *_heterogeneity(row, tau, level),
        *_mean(row, mu, level),
        *_moments(row),
        *_quadrature(row),
    ]


def _counts(row: dict[str, Any], mu: MuPrior) -> list[str]:
    if row["events"] in (0, row["n"]):
        what = "No study saw an event" if row["events"] == 0 else "Every patient of every study had the event"
        end, other = ("lower", "upper") if row["events"] == 0 else ("upper", "lower")
        return [
            f"{what}: the data bound the rate on one side only. How near to {per_cent(row['events'] / row['n'])} % it is, and with it "
            f"the {end} end of every interval, comes from the prior {mu_text(mu)} of mu; only the {other} end comes from the data."
        ]
    return []


def _heterogeneity(row: dict[str, Any], tau: TauPrior, level: float) -> list[str]:
    if row["k"] == 1:
        return [
            f"One study says nothing of differences between studies: tau, the population-averaged rate and the rate of a new setting "
            f"rest on the prior {tau_text(tau)} of tau."
        ]
    prior = tau.quantile((1 + level) / 2) - tau.quantile((1 - level) / 2)
    share = (row["tau_upper"] - row["tau_lower"]) / prior
    if share > _DOMINATED:
        return [
            f"The prior {tau_text(tau)} dominates what is said of tau: its posterior interval is {per_cent(share, 0)} % as wide "
            "as that of the prior. Repeat the analysis with another prior of tau before resting on it."
        ]
    return []


def _mean(row: dict[str, Any], mu: MuPrior, level: float) -> list[str]:
    share = (row["mu_upper"] - row["mu_lower"]) / (2 * two_sided_z(level) * mu.sd)
    if share > 0.5 and 0 < row["events"] < row["n"]:
        return [
            f"The prior {mu_text(mu)} weighs on the median rate: the posterior interval of mu is {per_cent(share, 0)} % as wide "
            "as that of the prior."
        ]
    return []


def _moments(row: dict[str, Any]) -> list[str]:
    if row["tau_mean"] is None:
        return [
            "The posterior of tau has a tail so heavy, under this prior, that its mean does not exist or is not a number to rest on; "
            "neither is given. The median and the interval of tau are."
        ]
    if row["tau_sd"] is None:
        return [
            "The tail of the posterior of tau is too heavy for a standard deviation of tau to be given; its interval is."
        ]
    return []


def _quadrature(row: dict[str, Any]) -> list[str]:
    if row["settled"]:
        return []
    return [
        "The quadrature did not pass all of its checks for these data: the digits printed may be wrong. Use priors that are neither "
        "much wider nor much narrower than the default ones, and please report these data."
    ]
