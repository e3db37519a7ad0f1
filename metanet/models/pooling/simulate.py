"""Data sets drawn from a fitted model at the sizes of its own studies: what a calibration refits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from metanet.base.arrays import Array
from metanet.kernels.beta_binomial.fit import median, shapes
from metanet.kernels.normal_effect.random_effect import LINKS, marginal_rate
from metanet.models.options import Options
from metanet.models.pooling.batch import Data


@dataclass(frozen=True)
class Truth:
    """What the data sets are drawn from: a normal random effect on a link's (or the measure's) scale, or a beta distribution.

    `mean` and `spread` are mu and tau; for the beta distribution the logit of its mean and the intraclass correlation.
    """

    kind: str
    mean: float
    spread: float

    @property
    def middle(self) -> float:
        """The median on the response scale of `kind` (an effect for two groups)."""
        if self.kind == "beta":
            return float(median(np.array([self.mean]), np.array([self.spread]))[0])
        if self.kind in LINKS:
            return float(LINKS[self.kind].inverse(np.array([self.mean]))[0])
        return self.mean

    @property
    def average(self) -> float:
        """The population average on the response scale."""
        if self.kind == "beta":
            return float(special.expit(self.mean))
        if self.kind in LINKS:
            return float(marginal_rate(LINKS[self.kind], np.array([self.mean]), np.array([self.spread]))[0][0])
        return self.mean

    def share_between(self, lower: Array, upper: Array) -> Array:
        """The share of true rates (or effects, on the model scale) inside an interval on the response scale."""
        if self.kind == "beta":
            if self.spread == 0:
                rate = special.expit(self.mean)
                return np.asarray((lower <= rate) & (rate <= upper), dtype=np.float64)
            a, b = shapes(np.array(self.mean), np.array(self.spread))
            return np.asarray(special.betainc(a, b, np.clip(upper, 0, 1)) - special.betainc(a, b, np.clip(lower, 0, 1)))
        if self.kind in LINKS:
            top = np.inf if self.kind == "log" else 1.0
            with np.errstate(divide="ignore"):
                lower, upper = (LINKS[self.kind].forward(np.clip(end, 0.0, top)) for end in (lower, upper))
        if self.spread == 0:
            return np.asarray((lower <= self.mean) & (self.mean <= upper), dtype=np.float64)
        return np.asarray(special.ndtr((upper - self.mean) / self.spread) - special.ndtr((lower - self.mean) / self.spread))


def draw(truth: Truth, data: Data, options: Options, sets: int, random: np.random.Generator) -> Data:
    """`sets` data sets at the sizes (and control rates) of `data`, which is one analysis."""
    k = data.shape[1]
    if truth.kind == "beta":
        rate = np.full((sets, k), special.expit(truth.mean))
        if truth.spread > 0:
            a, b = shapes(np.array(truth.mean), np.array(truth.spread))
            rate = random.beta(a, b, (sets, k))
        return _counted(data, rate, random)
    theta = truth.mean + truth.spread * random.standard_normal((sets, k))
    if data.by_effect:
        yi = theta + np.sqrt(data["vi"]) * random.standard_normal((sets, k))
        return Data({"yi": yi, "vi": np.broadcast_to(data["vi"], yi.shape).copy()})
    if data.groups == 1:
        return _counted(data, LINKS[truth.kind].inverse(theta), random)
    return _two_groups(data, options.measure, theta, random)


def _counted(data: Data, rate: Array, random: np.random.Generator) -> Data:
    """Events of one group at these true rates."""
    if data.timed:
        time = np.broadcast_to(data["person_time"], rate.shape).copy()
        return Data({"events": random.poisson(np.minimum(rate * time, 1e15)).astype(float), "person_time": time})
    total = np.broadcast_to(data["total"], rate.shape).copy()
    return Data({"events": random.binomial(total.astype(np.int64), rate).astype(float), "total": total})


def _two_groups(data: Data, measure: str, theta: Array, random: np.random.Generator) -> Data:
    """Both groups: control rates as observed (half an event added), treated rates where the effect puts them."""
    size = "person_time" if data.timed else "total"
    sizes = {name: np.broadcast_to(data[name], theta.shape).copy() for name in (size, f"{size}_control")}
    if data.timed:
        control = (data["events_control"] + 0.5) / data["person_time_control"]
        treated = control * np.exp(theta) if measure == "IRR" else np.maximum(control + theta, 0.0)
        counts = [
            random.poisson(np.minimum(np.broadcast_to(rate, theta.shape) * sizes[name], 1e15)).astype(float)
            for rate, name in ((treated, size), (control, f"{size}_control"))
        ]
    else:
        control = (data["events_control"] + 0.5) / (data["total_control"] + 1.0)
        treated = _treated(measure, control, theta)
        counts = [
            random.binomial(sizes[name].astype(np.int64), np.broadcast_to(rate, theta.shape)).astype(float)
            for rate, name in ((treated, size), (control, f"{size}_control"))
        ]
    return Data({"events": counts[0], "events_control": counts[1], **sizes})


def _treated(measure: str, control: Array, theta: Array) -> Array:
    """The rate of the treated; an effect that leads out of [0, 1] ends there."""
    if measure in ("OR", "PETO"):
        return np.asarray(special.expit(special.logit(control) + theta))
    if measure == "RR":
        return np.minimum(control * np.exp(theta), 1.0)
    if measure == "RD":
        return np.clip(control + theta, 0.0, 1.0)
    return np.sin(np.clip(np.arcsin(np.sqrt(control)) + theta, 0.0, np.pi / 2)) ** 2
