"""`bayes_pool`: the Bayesian binomial-normal model by quadrature."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from numpy.typing import ArrayLike
from scipy import special

from metanet._version import __version__
from metanet.base.arguments import checked, level
from metanet.base.arrays import Array
from metanet.base.display import level_text, number, per_cent
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.results import Method
from metanet.effects.study_intervals import clopper_pearson
from metanet.evidence.sources import Rates, rates_of
from metanet.kernels.bayes import posterior as kernel
from metanet.kernels.bayes.marginals import Distribution, Marginals, StudyPosterior, study_posteriors
from metanet.kernels.bayes.posterior import TAU_FAMILIES, MuPrior, TauPrior, averaged_rate
from metanet.kernels.numerics.distributions import two_sided_z
from metanet.models.bayes.result import BayesPooled
from metanet.models.pooling.inputs import read_studies
from metanet.models.registry import PRIORS
from metanet.models.results.units import units_of

if TYPE_CHECKING:
    import pandas as pd


#: A prior as the arguments of `bayes_pool` take it: a word and its numbers.
PriorWords = Sequence[str | float]

#: As for `pool`, so that both give one answer.
DEFAULT_TAU: PriorWords = ("half-normal", PRIORS["logit"].scale)
DEFAULT_MU: PriorWords = ("normal", PRIORS["logit"].mean, PRIORS["logit"].sd)

#: The numbers that each word takes, and how a prior is written.
_PARAMETERS = {
    "half-normal": ("scale",),
    "half-cauchy": ("scale",),
    "half-t": ("df", "scale"),
    "uniform": ("upper",),
    "normal": ("mean", "sd"),
}
#: Scales on the logit axis: below the first a prior leaves nothing open, above the last a wider one changes nothing that is seen.
_LEAST, _MOST = 1e-3, {"scale": 20.0, "upper": 100.0, "sd": 20.0}
#: The farthest mean of mu.
_FARTHEST = 30.0


def read_tau_prior(value: object) -> TauPrior:
    """The prior of tau behind the argument; every fault names it, the value and the fix."""
    family, numbers = _read("tau_prior", value, TAU_FAMILIES)
    if family != "half-t":
        scale = numbers[0]
        _check_scale("tau_prior", _PARAMETERS[family][0], scale)
        return TauPrior(family, scale, 1.0 if family == "half-cauchy" else float("inf"))
    df, scale = numbers
    if not 1.0 <= df <= 1e6:
        raise ArgumentError(
            f"tau_prior: df={df:g} must lie between 1 (half-Cauchy) and a million. Fix: use ('half-normal', {scale:g}) for "
            "more, and at least 1 for tails that can be handled."
        )
    _check_scale("tau_prior", "scale", scale)
    return TauPrior(family, scale, df)


def read_mu_prior(value: object) -> MuPrior:
    """The prior of mu behind the argument."""
    _, (mean, sd) = _read("mu_prior", value, ("normal",))
    if not abs(mean) <= _FARTHEST:
        raise ArgumentError(
            f"mu_prior: mean={mean:g} is a logit and must lie between -{_FARTHEST:g} and {_FARTHEST:g}. "
            "Fix: the logit of a rate of 10 % is -2.2, of 50 % it is 0."
        )
    _check_scale("mu_prior", "sd", sd)
    return MuPrior(mean, sd)


def _read(argument: str, value: object, words: tuple[str, ...]) -> tuple[str, list[float]]:
    example = DEFAULT_TAU if argument == "tau_prior" else DEFAULT_MU
    if not isinstance(value, (tuple, list)) or not value:
        raise ArgumentError(f"{argument}={as_given(value)} must be a word and its numbers, such as {example!r}.")
    family = check_choice(argument, value[0], words)
    names = _PARAMETERS[family]
    form = ", ".join([repr(family), *names])
    if len(value) != 1 + len(names):
        raise ArgumentError(f"{argument}={as_given(value)} does not have the form ({form}).")
    numbers = []
    for name, item in zip(names, value[1:], strict=True):
        if isinstance(item, bool) or not isinstance(item, Real):
            raise ArgumentError(f"{argument}: {name}={as_given(item)} is not a number. Fix: use the form ({form}).")
        numbers.append(float(item))
        if not abs(numbers[-1]) < float("inf"):
            raise ArgumentError(f"{argument}: {name}={item} must be finite: only a proper prior has a posterior here.")
    return family, numbers


def _check_scale(argument: str, name: str, value: float) -> None:
    if not value > 0:
        raise ArgumentError(f"{argument}: {name}={value:g} must be above zero.")
    most = _MOST[name]
    if not _LEAST <= value <= most:
        raise ArgumentError(
            f"{argument}: {name}={value:g} must lie between {_LEAST:g} and {most:g}: it is measured in logits, of which one is "
            "already the step from 50 % to 73 %."
        )


def tau_text(prior: TauPrior) -> str:
    """`half-normal(1)`."""
    numbers = [prior.df, prior.scale] if prior.family == "half-t" else [prior.scale]
    if prior.family == "uniform":
        numbers = [0.0, prior.scale]
    name = {"half-cauchy": "half-Cauchy"}.get(prior.family, prior.family)
    return f"{name}({', '.join(f'{x:g}' for x in numbers)})"


def mu_text(prior: MuPrior) -> str:
    """`normal(0, 3)`."""
    return f"normal({prior.mean:g}, {prior.sd:g})"


def implied_text(mu: MuPrior, tau: TauPrior) -> str:
    """What the priors say before any data, in rates."""
    lower, upper = (float(special.expit(mu.mean + z * mu.sd)) for z in (-1.959963984540054, 1.959963984540054))
    return (
        f"Before any data the priors put 95 % of median rates between {per_cent(lower)} and {per_cent(upper)} %, and tau below "
        f"{number(tau.quantile(0.5))} with probability one half and below {number(tau.quantile(0.95))} with probability 95 %."
    )


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
        what = "No patient in any study had an event" if row["events"] == 0 else "All patients in all studies had the event"
        end, other = ("lower", "upper") if row["events"] == 0 else ("upper", "lower")
        return [
            f"{what}: the data bound the rate on one side only. How near to {per_cent(row['events'] / row['n'])} % it is, and with it "
            f"the {end} end of every interval, comes from the prior {mu_text(mu)} of mu; only the {other} end comes from the data."
        ]
    return []


def _heterogeneity(row: dict[str, Any], tau: TauPrior, level: float) -> list[str]:
    if row["k"] == 1:
        return [
            f"One study has no information on heterogeneity: tau, the population-averaged rate and the rate of a new study "
            f"depend on the prior {tau_text(tau)} of tau."
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
            "The posterior of tau has so heavy a tail under this prior that its mean does not exist or is unreliable; "
            "it is not given. The median and the interval of tau are."
        ]
    if row["tau_sd"] is None:
        return ["The tail of the posterior of tau is too heavy for a standard deviation of tau to be given; its interval is."]
    return []


def _quadrature(row: dict[str, Any]) -> list[str]:
    if row["settled"]:
        return []
    return [
        "The quadrature did not pass all of its checks for these data: the digits printed may be wrong. Use priors that are neither "
        "much wider nor much narrower than the default ones, and please report these data."
    ]


_SOURCES = (
    "binomial-normal model: doi:10.1002/sim.4040",
    "priors of tau: doi:10.1002/jrsm.1475, doi:10.1214/06-BA117A",
    "weakly informative priors for rare events: doi:10.1002/jrsm.1370",
    "predictive distribution: doi:10.1111/j.1467-985X.2008.00552.x",
    "Clopper-Pearson: doi:10.1093/biomet/26.4.404",
)


@checked(level=level)
def bayes_pool(
    data: Rates | None = None,
    *,
    events: str | Sequence[float] | ArrayLike | None = None,
    total: str | Sequence[float] | ArrayLike | None = None,
    study: str | Sequence[str] | None = None,
    tau_prior: PriorWords = DEFAULT_TAU,
    mu_prior: PriorWords = DEFAULT_MU,
    level: float = 0.95,
) -> BayesPooled:
    """Pool the rates of single-arm studies with the Bayesian binomial-normal model, by quadrature instead of sampling.

    Parameters
    ----------
    data
        One row for each study, in a form that `pool` takes; the arguments below then name its columns. Columns called `events`,
        `total` and `study` are found without being named.
    events, total
        Events and patients of each study: column names, or sequences of length k.
    study
        Names of the studies.
    tau_prior
        Prior of the standard deviation of the logits between studies: ``("half-normal", scale)``, ``("half-cauchy", scale)``,
        ``("half-t", df, scale)`` or ``("uniform", upper)``, with scales from 0.001 to 20, df from 1 and an upper end to 100.
    mu_prior
        Prior of the mean logit: ``("normal", mean, sd)``, with sd from 0.001 to 20.
    level
        Probability of every interval, as a fraction.

    Returns
    -------
    BayesPooled
        Every set of studies has an answer, because the priors are proper: one study, no events, only events, and studies
        that stand at 0 % and at 100 %. Where the data say little its `notes` tell that the prior answers.

    Raises
    ------
    ArgumentError
        Counts or priors that cannot be used; the message names the argument, the value and the fix.

    Notes
    -----
    The default priors are those of `pool`, so that both give the same numbers.

    Half-normal(1.25) for tau: half of its probability lies below 0.84 and 95 % below 2.45. At tau = 0.84 the odds of 95 % of settings
    lie within a factor of 5.2 of the median odds, at 2.45 within a factor of 122, which is nearly no restriction. For log odds
    ratios, half-normal priors of scale 0.5 to 1 are called weakly informative (Roever and others 2021); logits of rates differ more
    between studies than log odds ratios do, because no control group takes up what the patients have in common: hence a wider one.
    The scale was chosen by simulation; the page on methods has the results.

    Normal(0, 2.5) for mu: 95 % of median rates lie between 0.7 % and 99.3 %, 3.3 % of them below 1 % and 0.3 % below 0.1 %. It is
    symmetric, so that events and non-events are treated alike, and close to the normal(0, 2.82) that Guenhan, Roever and Friede
    (2020) give to log odds ratios of rare events. For rates expected below 0.1 % use a larger sd or another mean.

    References
    ----------
    Roever, Bender, Dias and others (2021), doi:10.1002/jrsm.1475; Guenhan, Roever, Friede (2020), doi:10.1002/jrsm.1370; Gelman
    (2006), doi:10.1214/06-BA117A; Stijnen, Hamza, Ozdemir (2010), doi:10.1002/sim.4040; Higgins, Thompson, Spiegelhalter (2009),
    doi:10.1111/j.1467-985X.2008.00552.x.

    Examples
    --------
    >>> import metanet as mn
    >>> fit = mn.bayes_pool(events=[0, 0, 0, 0], total=[10, 20, 30, 15])
    >>> round(fit.ci_upper, 3)
    0.054
    >>> round(fit.probability(rate_below=0.05), 2)
    0.97
    """
    tau, mu, level = read_tau_prior(tau_prior), read_mu_prior(mu_prior), float(level)
    studies = read_studies(
        None if data is None else rates_of(data),
        {"events": events, "total": total},
        study=study,
        arguments=("events", "total"),
        takes="the Bayesian binomial-normal model",
    )
    e, n = studies.columns["events"], studies.columns["total"]
    # Sums of rounded numbers depend on their order: the studies are put into one of their own, and back afterwards.
    order = np.lexsort((n, e))
    back = np.argsort(order)
    posterior = kernel.posterior(e[order], n[order], mu, tau)
    marginals = Marginals(posterior)
    own = study_posteriors(e[order], n[order], marginals)
    numbers, distributions = _numbers(marginals, e, n, tau, level)
    numbers["settled"] = bool(posterior.settled and all(one.settled for one in own))
    notes = [*notes_for(numbers, mu, tau, level), *studies.notes]
    return BayesPooled(
        **numbers,
        level=level,
        method=_stamp(posterior, tau, mu, numbers, level, notes, units_of(studies.extra)),
        _studies=_study_frame(studies.labels, e, n, [own[i] for i in back], level),
        _distributions=distributions,
        _given={"tau_prior": tuple(tau_prior), "mu_prior": tuple(mu_prior)},
        _rows=studies.extra,
    )


def _numbers(
    marginals: Marginals, e: Array, n: Array, prior: TauPrior, level: float
) -> tuple[dict[str, Any], dict[str, Distribution]]:
    """Every number of the result, and the distributions that are kept."""
    posterior = marginals.posterior
    mu, tau, tau2 = marginals.mu(), marginals.tau(), marginals.tau2()
    rate, average, new = marginals.median_rate(), marginals.averaged_rate(), marginals.new_rate()
    out: dict[str, Any] = {}
    for name, distribution in (("", rate), ("marginal_", average), ("tau", tau), ("tau2", tau2)):
        middle, interval, shortest = _names(name)
        out[middle] = distribution.median()
        out[interval + "lower"], out[interval + "upper"] = distribution.central(level)
        out[shortest + "lower"], out[shortest + "upper"] = distribution.highest(level)
    out["pi_lower"], out["pi_upper"] = new.central(level)
    averaged, _ = averaged_rate(posterior.mu, posterior.tau[:, None])
    out["new_rate_mean"] = marginals.mean(averaged)
    out["mu"] = marginals.mean(posterior.mu)
    out["mu_sd"] = float(np.sqrt(marginals.mean((posterior.mu - out["mu"]) ** 2)))
    out["mu_lower"], out["mu_upper"] = mu.central(level)
    mean = float(posterior.u_weight @ posterior.tau)
    # Moments that exist but live on a tail of a power too near are wrong in the digits that are printed.
    out["tau_mean"] = mean if kernel.marginal_exists(e, n, prior, 3) else None
    spread = float(posterior.u_weight @ (posterior.tau - mean) ** 2) if out["tau_mean"] is not None else 0.0
    out["tau_sd"] = float(np.sqrt(spread)) if kernel.marginal_exists(e, n, prior, 5) else None
    out["log_evidence"] = posterior.log_evidence
    out["k"], out["n"], out["events"] = e.size, int(n.sum()), int(e.sum())
    kept = {"median rate": rate, "population-averaged rate": average, "new setting": new, "mu": mu, "tau": tau}
    return out, kept


def _names(prefix: str) -> tuple[str, str, str]:
    if prefix.startswith("tau"):
        return prefix, f"{prefix}_", f"{prefix}_hdi_"
    return f"{prefix}estimate", f"{prefix}ci_", f"{prefix}hdi_"


def _study_frame(labels: Sequence[str], e: Array, n: Array, own: list[StudyPosterior], level: float) -> pd.DataFrame:
    import pandas as pd

    lower, upper = clopper_pearson(e, n, level)
    intervals = np.array([one.distribution.central(level) for one in own])
    return pd.DataFrame(
        {
            "study": list(labels),
            "events": e.astype(np.int64),
            "total": n.astype(np.int64),
            "rate": e / n,
            "ci_lower": lower,
            "ci_upper": upper,
            "shrunken": [one.mean for one in own],
            "shrunken_lower": intervals[:, 0],
            "shrunken_upper": intervals[:, 1],
        }
    )


def _stamp(
    posterior: kernel.Posterior,
    tau: TauPrior,
    mu: MuPrior,
    numbers: dict[str, Any],
    level: float,
    notes: Sequence[str],
    units: Sequence[str],
) -> Method:
    rows, columns = posterior.mu.shape
    sentence = (
        f"Bayesian binomial-normal model (logit link) with tau ~ {tau_text(tau)} and mu ~ {mu_text(mu)}, integrated by "
        f"quadrature; {level_text(level)} credible intervals with equal tails; shrunken rates are posterior means. "
        f"metanet {__version__}."
    )
    return Method(
        {
            "model": "bayes_binomial_normal",
            "measure": "PLO",
            "scale": "logit of the proportion",
            "tau_prior": tau_text(tau),
            "mu_prior": mu_text(mu),
            "prior_text": implied_text(mu, tau),
            "interval": "equal tails",
            "study_interval": "Clopper-Pearson",
            "quadrature": "Clenshaw-Curtis in asinh(tau), trapezoidal in mu",
            "quadrature_nodes": rows * columns,
            "quadrature_move": posterior.moved,
            "quadrature_tolerance": kernel.TOLERANCE,
            "settled": numbers["settled"],
            "level": level,
            "k": numbers["k"],
            "units": list(units),
            "package": "metanet",
            "version": __version__,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "sources": list(_SOURCES),
            "notes": list(notes),
            "sentence": sentence,
        }
    )
