"""The likelihood object of an exact model, from the studies and the choices."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.kernels.hypergeometric import Hypergeometric
from metanet.kernels.study_likelihoods import BinomialCloglog, BinomialLogit, BinomialProbit, Likelihood, Poisson
from metanet.models.data import Data
from metanet.models.options import Options

Array = NDArray[np.float64]
Counts = tuple[Array, ...]

_LINKED = {"logit": BinomialLogit, "probit": BinomialProbit, "cloglog": BinomialCloglog, "log": Poisson}


def linked(events: Array, size: Array, options: Options) -> Likelihood:
    """One group: events of patients, or over person-time, under the link of the model (the logit where it has none)."""
    likelihood: Likelihood = _LINKED[options.link or "logit"](events, size)
    return likelihood


def conditional(counts: Counts, *, exact: bool) -> Likelihood:
    """Events of the treated given the events of both: the exact distribution, or its binomial approximation."""
    e, n, ec, nc = counts
    if exact:
        return Hypergeometric(e, n, ec, nc)
    with np.errstate(divide="ignore", invalid="ignore"):
        offset = np.where(n > 0, np.log(n) - np.log(nc), 0.0)
    return BinomialLogit(e, e + ec, offset)


def likelihood_of(data: Data, options: Options) -> Likelihood:
    """What the studies say about their own predictor; for two groups given the events of both."""
    if options.groups == 1:
        return linked(data["events"], data["person_time" if data.timed else "total"], options)
    counts = tuple(data[name] for name in ("events", "total", "events_control", "total_control"))
    return conditional(counts, exact=options.model != "CM.AL")
