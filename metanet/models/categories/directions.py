"""The two directions of the model, response first and control first, and the shares that follow from each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from metanet.base.arrays import Array, Mask
from metanet.base.display import RATE
from metanet.effects.study_intervals import clopper_pearson
from metanet.kernels.beta_binomial import fit as single, sequence
from metanet.kernels.numerics import distributions
from metanet.models.categories.arms import ArmSet

#: Direction -> its name.
DIRECTIONS = {"response": "response first", "control": "control first"}
#: Direction -> the share that each of its two stages is of.
STAGES = {
    "response": ("objective response", "stable disease of patients without response"),
    "control": ("disease control", "response of patients with disease control"),
}
#: Share of the kernel's categories (first, second, rest) that each category is.
_PLACES = {"response": {"CR+PR": 0, "SD": 1, "PD": 2}, "control": {"PD": 0, "SD": 1, "CR+PR": 2}}


@dataclass(frozen=True)
class Share:
    """The pooled share of one category, or of several together.

    Attributes
    ----------
    name, title
        "CR", "CR+PR" ... and what it is called.
    estimate, ci_lower, ci_upper
        Mean share (fraction) with its interval; the limits are None where too few arms report it.
    k, indirect
        Arms that report the share, and arms that bear on it only through the model.
    arms
        The names of the arms that report it.
    """

    name: str
    title: str
    estimate: float
    ci_lower: float | None
    ci_upper: float | None
    k: int
    indirect: int
    arms: tuple[str, ...]

    def text(self, level: float) -> str:
        """The share with its interval."""
        return RATE.estimate(self.estimate, self.ci_lower, self.ci_upper, level, "CI")

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {**vars(self), "arms": list(self.arms)}


TITLES = {
    "CR": "complete response",
    "PR": "partial response",
    "SD": "stable disease",
    "PD": "progressive disease or not evaluated",
    "CR+PR": "objective response",
    "CR+PR+SD": "disease control",
}
#: Share -> the outcomes whose counts an arm must report to report the share.
_NEEDS = {
    "CR": ("complete_response",),
    "PR": ("complete_response", "objective_response"),
    "SD": ("objective_response", "disease_control"),
    "PD": ("disease_control",),
    "CR+PR": ("objective_response",),
    "CR+PR+SD": ("disease_control",),
}


@dataclass(frozen=True)
class Direction:
    """The fit of one direction.

    Attributes
    ----------
    key, title
        "response" or "control", and its name.
    loglik
        Log-likelihood of the two stages, without that of complete among all responses, which both directions share.
    shares
        The shares by name: CR, PR (where some arm tells them apart), CR+PR, SD, PD, CR+PR+SD.
    stage_k
        Arms that report each of the two stages.
    rho
        Intraclass correlations of the two stages.
    reason
        Why there are no shares, or None.
    settled
        Whether the maximum passed its check.
    """

    key: str
    title: str
    loglik: float
    shares: Mapping[str, Share]
    stage_k: tuple[int, int]
    rho: tuple[float, float]
    reason: str | None
    settled: bool
    paths: sequence.Paths
    fit: sequence.Fit

    def row(self) -> dict[str, Any]:
        """The direction as a row of a frame."""
        out: dict[str, Any] = {"direction": self.title, "loglik": self.loglik if self.reason is None else float("nan")}
        for name, share in (("objective_response", "CR+PR"), ("disease_control", "CR+PR+SD")):
            found = self.shares.get(share)
            for end, value in (("", "estimate"), ("_lower", "ci_lower"), ("_upper", "ci_upper")):
                number = None if found is None else getattr(found, value)
                out[name + end] = float("nan") if number is None else number
        out |= {"rho_first": self.rho[0], "rho_second": self.rho[1], "k_first": self.stage_k[0], "k_second": self.stage_k[1]}
        return out


@dataclass(frozen=True)
class CompleteStage:
    """Complete responses among all responses: logit of the mean share, its variance, rho with limits, arms.

    `edge`: -1 without a complete response, 1 with nothing else; `known` is False where no arm has a response and tells its kind, or
    where the likelihood has no maximum.
    """

    known: bool
    mu: float
    variance: float
    rho: float
    k: int
    edge: int
    unbounded: bool
    events: Array
    total: Array


def complete_stage(found: ArmSet) -> CompleteStage:
    """Complete among all responses, by the arms that tell them apart and have a response."""
    complete, response = found.column("complete_response"), found.column("objective_response")
    rows = ~np.isnan(complete) & (response > 0)
    x, n = complete[rows], response[rows]
    nan = float("nan")
    if not rows.any():
        return CompleteStage(False, nan, nan, nan, 0, 0, False, x, n)
    edge = -1 if not x.any() else 1 if (x == n).all() else 0
    if edge:
        return CompleteStage(True, edge * np.inf, 0.0, 0.0, int(rows.sum()), edge, False, x, n)
    fit = single.fit(x[None], n[None])
    if fit.unbounded[0]:
        return CompleteStage(False, nan, nan, nan, int(rows.sum()), 0, True, x, n)
    variance = float(fit.covariance[0, 0, 0])
    return CompleteStage(True, float(fit.mu[0]), variance, float(fit.rho[0]), int(rows.sum()), 0, False, x, n)


def counts_of(found: ArmSet, key: str) -> tuple[Array, Array, Array]:
    """Total, first count and sum of the first two, in the order of a direction; NaN where an arm does not report it."""
    total, response, control = found.total, found.column("objective_response"), found.column("disease_control")
    return (total, response, control) if key == "response" else (total, total - control, total - response)


def fit_direction(found: ArmSet, key: str, complete: CompleteStage, level: float) -> Direction:
    """Fit one direction to the arms."""
    paths = sequence.paths(*counts_of(found, key))
    fit = sequence.fit(paths)
    stage_k = int(paths.told_first.sum()), int(paths.told_second.sum())
    # The first stage of "control first" is modelled by its complement, progressive disease; rho is the same for both.
    rho = float(fit.rho[0]), float(fit.rho[1])
    reason = None
    if fit.unbounded.any():
        which = STAGES[key][int(np.argmax(fit.unbounded))]
        reason = f"All arms are at 0 % or 100 % for the {which}, so that the likelihood of {DIRECTIONS[key]} has no maximum."
    shares = {} if reason else _shares(found, key, fit, stage_k, complete, level)
    return Direction(key, DIRECTIONS[key], fit.loglik, shares, stage_k, rho, reason, fit.settled, paths, fit)


def _shares(
    found: ArmSet, key: str, fit: sequence.Fit, stage_k: tuple[int, int], complete: CompleteStage, level: float
) -> dict[str, Share]:
    values, slopes = sequence.shares(fit.mu)
    covariance = np.zeros((3, 3))
    covariance[:2, :2] = fit.covariance
    covariance[2, 2] = complete.variance if complete.known else 0.0
    places = _PLACES[key]
    numbers: dict[str, tuple[float, Array, int]] = {}
    for name, place in places.items():
        # A category of the first stage rests on it alone.
        k = stage_k[0] if place == 0 else min(stage_k)
        numbers[name] = (float(values[place]), np.append(slopes[place], 0.0), k)
    numbers["CR+PR+SD"] = (1.0 - numbers["PD"][0], -numbers["PD"][1], numbers["PD"][2])
    if complete.known:
        share, slope, k = numbers["CR+PR"]
        p, q = float(special.expit(complete.mu)), float(special.expit(-complete.mu))
        for name, part, sign in (("CR", p, 1.0), ("PR", q, -1.0)):
            gradient = part * slope
            gradient[2] = sign * share * p * q
            numbers[name] = (share * part, gradient, min(k, complete.k))
    out = {}
    for name in ("CR", "PR", "CR+PR", "SD", "PD", "CR+PR+SD"):
        if name in numbers:
            value, gradient, k = numbers[name]
            out[name] = _share(found, name, value, float(gradient @ covariance @ gradient), k, level)
    return out


def _share(found: ArmSet, name: str, value: float, variance: float, k: int, level: float) -> Share:
    needed = np.array([~np.isnan(found.column(border)) for border in _NEEDS[name]])
    told = np.asarray(needed.all(0), dtype=np.bool_)
    arms = tuple(arm.study for arm, yes in zip(found.arms, told, strict=True) if yes)
    # A single arm is shown as itself.
    if value in (0.0, 1.0) or len(found.arms) == 1:
        lower, upper = _exact(found, name, told, level)
    else:
        lower, upper = _limits(value, variance, k, level)
    return Share(name, TITLES[name], value, lower, upper, int(told.sum()), int((~told).sum()), arms)


def _limits(value: float, variance: float, k: int, level: float) -> tuple[float | None, float | None]:
    """Limits on the logit of the share by the delta method, with Student's quantile of one arm less than the stage has."""
    quantile = float(distributions.two_sided_t(level, k - 1)) if k > 1 else float("nan")
    reach = quantile * np.sqrt(variance) / (value * (1.0 - value))
    if not np.isfinite(reach):
        return None, None
    centre = special.logit(value)
    return float(special.expit(centre - reach)), float(special.expit(centre + reach))


def _exact(found: ArmSet, name: str, told: Mask, level: float) -> tuple[float | None, float | None]:
    """The exact interval on the sum of the arms that report the share: no patient, or every patient, had it."""
    if not told.any():
        return None, None
    total = found.total[told]
    column = {border: found.column(border)[told] for border in _NEEDS[name]}
    events = {
        "CR": lambda: column["complete_response"],
        "PR": lambda: column["objective_response"] - column["complete_response"],
        "SD": lambda: column["disease_control"] - column["objective_response"],
        "PD": lambda: total - column["disease_control"],
        "CR+PR": lambda: column["objective_response"],
        "CR+PR+SD": lambda: column["disease_control"],
    }[name]()
    lower, upper = clopper_pearson(events.sum(), total.sum(), level)
    return float(lower), float(upper)
