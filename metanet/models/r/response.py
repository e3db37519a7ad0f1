"""From the model scale to the response in R, and the effect sizes of the studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from metanet.effects.measures import MEASURES
from metanet.models.options import options_of
from metanet.models.r.text import number

if TYPE_CHECKING:
    from metanet.models.results.pooled import Pooled

_LINKS = {"logit": "plogis(x)", "probit": "pnorm(x)", "cloglog": "-expm1(-exp(x))", "log": "exp(x)"}
_EXP = "exp(x)"
_MILLER = (
    "function(x) {\n"
    "  # The inverse of Miller (1978) at the harmonic mean of the sizes; 0 and 1 beyond the angles that 0 and all events have.\n"
    "  n <- length(size) / sum(1 / size)\n"
    "  ends <- c(asin(sqrt(1 / (n + 1))) / 2, (pi / 2 + asin(sqrt(n / (n + 1)))) / 2)\n"
    "  x <- pmin(ends[2], pmax(ends[1], x))\n"
    "  s <- sin(2 * x)\n"
    "  0.5 * (1 - sign(cos(2 * x)) * sqrt(pmax(0, 1 - (s + (s - 1 / s) / n)^2)))\n"
    "}"
)
_FREEMAN_TUKEY_RATE = (
    "function(x) {\n  t <- length(size) / sum(1 / size)\n  x <- pmax(x, 0.5 / sqrt(t))\n  pmax(0, x - 0.25 / (x * t))^2\n}"
)
_BACK = {
    "PLO": "plogis(x)", "PLN": "exp(pmin(x, 0))", "PR": "pmin(1, pmax(0, x))", "PAS": "sin(pmin(pi / 2, pmax(0, x)))^2",
    "PFT": _MILLER, "OR": _EXP, "RR": _EXP, "PETO": _EXP, "IRR": _EXP, "IRLN": _EXP, "RD": "pmin(1, pmax(-1, x))",
    "AS": "pmin(pi / 2, pmax(-pi / 2, x))",
    "IR": "pmax(0, x)", "IRS": "pmax(0, x)^2", "IRFT": _FREEMAN_TUKEY_RATE, "IRD": "x", "GEN": "x",
}  # fmt: skip
#: Arguments of metafor's escalc, by those of metanet.
_ESCALC = {
    ("events", "total"): ("xi", "ni"),
    ("events", "person_time"): ("xi", "ti"),
    ("events", "total", "events_control", "total_control"): ("ai", "n1i", "ci", "n2i"),
    ("events", "person_time", "events_control", "person_time_control"): ("x1i", "t1i", "x2i", "t2i"),
}
#: On the model scale, and what they are on the response scale.
RESPONSES = {
    "estimate": "mu",
    "ci_lower": "mu_lower",
    "ci_upper": "mu_upper",
    "pi_lower": "new_limits[1]",
    "pi_upper": "new_limits[2]",
}


def back_of(fit: Pooled) -> str:
    """The function of R from the model scale to the response."""
    link = fit.method["link"]
    body = _LINKS[link] if link is not None else _BACK[fit.measure]
    return f"back <- {body}" if body.startswith("function") else f"back <- function(x) {body}"


def average_code(fit: Pooled) -> str:
    """The function of R that averages the response over the random effect."""
    cuts = {"PR": "c(0, 1)", "PAS": "c(0, pi / 2)", "PLN": "0", "IR": "0", "IRS": "0",
            "IRFT": "0.5 / sqrt(length(size) / sum(1 / size))",
            "PFT": "c(asin(sqrt(1 / (n + 1))) / 2, (pi / 2 + asin(sqrt(n / (n + 1)))) / 2)"}  # fmt: skip
    cut = cuts.get(fit.measure, "numeric()") if fit.method["link"] is None else "numeric()"
    harmonic = "  n <- length(size) / sum(1 / size)\n" if fit.measure == "PFT" else ""
    return (
        "# The response averaged over the random effect; the pieces end where it reaches an edge.\n"
        "average <- function(mu, tau) {\n"
        "  if (tau == 0) return(back(mu))\n"
        f"{harmonic}"
        f"  ends <- sort(c(-12, 12, pmin(12, pmax(-12, ({cut} - mu) / tau)), pmin(12, pmax(-12, -mu / tau))))\n"
        "  sum(vapply(which(diff(ends) > 0), function(i) {\n"
        "    integrate(function(z) back(mu + tau * z) * dnorm(z), ends[i], ends[i + 1], rel.tol = 1e-10, abs.tol = 0,\n"
        "              subdivisions = 2000, stop.on.error = FALSE)$value\n"
        "  }, numeric(1)))\n"
        "}"
    )


def theirs(fit: Pooled) -> bool:
    """Whether the effects follow another program's rules for empty cells, which metafor does not know."""
    return fit.measure != "GEN" and options_of(fit.method).convention != "metafor" and MEASURES[fit.measure].corrects


def effects_data(fit: Pooled) -> Mapping[str, Sequence[float]] | None:
    """The effects as metanet computes them where metafor has other rules; None elsewhere."""
    if not theirs(fit):
        return None
    options, columns = options_of(fit.method), fit.inputs.columns
    measure = MEASURES[fit.measure]
    found = measure.effects(*(columns[name] for name in measure.arguments), **options.rules)
    fine = np.isfinite(found.vi)
    extra = {"effect": np.where(fine, found.yi, np.nan), "variance": np.where(fine, found.vi, np.nan)}
    if options.groups == 2:
        extra["added"] = np.where(found.corrected, options.add, 0.0)
    return {name: list(values) for name, values in {**columns, **extra}.items()}


def effects_code(fit: Pooled) -> list[str]:
    """Effects `yi` and variances `vi` of the studies that have one, and the sizes that a back-transformation needs."""
    out = []
    if fit.measure == "GEN":
        return ["keep <- is.finite(vi)", "yi <- yi[keep]", "vi <- vi[keep]"]
    options, measure = options_of(fit.method), MEASURES[fit.measure]
    if theirs(fit):
        program = {"meta": "meta", "revman": "RevMan"}[options.convention]
        out.append(
            f"# Effects and variances by the rules of {program} for empty cells, as metanet computes them; escalc has other rules."
        )
        out += ["effects <- data.frame(yi = effect, vi = variance)"]
    else:
        given = ", ".join(f"{theirs_} = {ours}" for theirs_, ours in zip(_ESCALC[measure.arguments], measure.arguments, strict=True))
        rules = f'add = {number(options.add)}, to = "{options.to}"' if measure.corrects else 'add = 0, to = "none"'
        rules += f", drop00 = {str(options.drop00).upper()}" if options.groups == 2 else ""
        out.append(f'effects <- escalc(measure = "{fit.measure}", {given}, {rules})')
    out += [
        "keep <- is.finite(effects$yi) & is.finite(effects$vi) & effects$vi > 0",
        "yi <- as.numeric(effects$yi[keep])",
        "vi <- effects$vi[keep]",
    ]
    if measure.needs_size:
        out.append(f"size <- {measure.arguments[1]}[keep]")
    return out


def needs_of(fit: Pooled) -> tuple[str, ...]:
    """The packages that the effects need."""
    return () if fit.measure == "GEN" or theirs(fit) else ("metafor",)
