"""Priors of `bayes_pool` from words and numbers, and back to words."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

from scipy import special

from metanet.errors import ArgumentError, check_choice, shorten
from metanet.kernels.bayes_priors import TAU_FAMILIES, MuPrior, TauPrior
from metanet.models.display import number, per_cent

#: A prior as the arguments of `bayes_pool` take it: a word and its numbers.
PriorWords = Sequence[str | float]

DEFAULT_TAU: PriorWords = ("half-normal", 1.0)
DEFAULT_MU: PriorWords = ("normal", 0.0, 3.0)

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
    """The prior of tau behind the argument; every fault names it, the value and the mend."""
    family, numbers = _read("tau_prior", value, TAU_FAMILIES)
    if family != "half-t":
        scale = numbers[0]
        _check_scale("tau_prior", _PARAMETERS[family][0], scale)
        return TauPrior(family, scale, 1.0 if family == "half-cauchy" else float("inf"))
    df, scale = numbers
    if not 1.0 <= df <= 1e6:
        raise ArgumentError(
            f"tau_prior: df={df:g} must lie between 1 (half-Cauchy) and a million. Mend: use ('half-normal', {scale:g}) for "
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
            "Mend: the logit of a rate of 10 % is -2.2, of 50 % it is 0."
        )
    _check_scale("mu_prior", "sd", sd)
    return MuPrior(mean, sd)


def _read(argument: str, value: object, words: tuple[str, ...]) -> tuple[str, list[float]]:
    example = DEFAULT_TAU if argument == "tau_prior" else DEFAULT_MU
    if not isinstance(value, (tuple, list)) or not value:
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a word and its numbers, such as {example!r}.")
    family = check_choice(argument, value[0], words)
    names = _PARAMETERS[family]
    form = ", ".join([repr(family), *names])
    if len(value) != 1 + len(names):
        raise ArgumentError(f"{argument}={shorten(value)!r} does not have the form ({form}).")
    numbers = []
    for name, item in zip(names, value[1:], strict=True):
        if isinstance(item, bool) or not isinstance(item, Real):
            raise ArgumentError(f"{argument}: {name}={shorten(item)!r} is not a number. Mend: use the form ({form}).")
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
