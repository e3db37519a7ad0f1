"""A method in a few words, for tables that set many side by side."""

from __future__ import annotations

from metanet.effects.measures import MEASURES
from metanet.models.display import MODEL_NAMES
from metanet.models.options import Options


def model_label(options: Options) -> str:
    """Model and measure: "Binomial-normal model", "Freeman-Tukey double arcsine of the proportion, inverse-variance model"."""
    name = MODEL_NAMES["poisson" if options.link == "log" else options.model]
    if options.link in ("probit", "cloglog"):
        return f"{name} ({options.link})"
    if options.model in ("inverse_variance", "common") and options.measure != "GEN":
        title = MEASURES[options.measure].title
        return f"{title[0].upper()}{title[1:]}, {name[0].lower()}{name[1:]}"
    return name


def method_label(options: Options) -> str:
    """`model_label` with the estimator of tau2, where there is a choice of one, and the interval of the mean."""
    parts = [model_label(options)]
    if options.model == "inverse_variance":
        parts.append(str(options.tau2))
    return ", ".join([*parts, options.ci])
