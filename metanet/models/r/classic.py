"""Two-step models, Mantel-Haenszel and Peto in R: what the registry names for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from metanet.models.options import options_of
from metanet.models.r import two_step
from metanet.models.r.forms import RESPONSES_AT, Z, exceptional, nothing
from metanet.models.r.response import back_of, effects_code, effects_data
from metanet.models.r.script import CLOSED, Form
from metanet.models.r.text import lines, part

if TYPE_CHECKING:
    from metanet.models.results.pooled import Pooled


def mantel_haenszel(fit: Pooled) -> Form:
    """Mantel-Haenszel with one common effect."""
    if (other := exceptional(fit)) is not None:
        return other
    if fit.status != "pooled":
        return nothing(fit)
    given = "ai = events, n1i = total, ci = events_control, n2i = total_control"
    if effects_data(fit) is not None:
        return _corrected_mantel_haenszel(fit)
    code = [f'fit <- rma.mh({given}, measure = "{fit.measure}", level = 100 * level)', *_classic()]
    return _classic_form(fit, code, "rma.mh of metafor.")


def _classic() -> list[str]:
    return [
        "mu <- c(fit$beta)",
        "se <- fit$se",
        "mu_lower <- fit$ci.lb",
        "mu_upper <- fit$ci.ub",
        "q <- fit$QE",
        "q_df <- fit$k.yi - 1",
    ]


def _classic_form(fit: Pooled, code: list[str], title: str, packages: tuple[str, ...] = ("metafor",)) -> Form:
    code = [*code, back_of(fit), *([part("heterogeneity")] if fit.i2 is not None else [])]
    own = {"q": "q", "q_df": "q_df", "q_pvalue": "pchisq(q, q_df, lower.tail = FALSE)"}
    return Form(
        title, lines(code), {**two_step.MEAN, **RESPONSES_AT, **own, **two_step.FROM_Q}, CLOSED, packages, data=effects_data(fit)
    )


def _corrected_mantel_haenszel(fit: Pooled) -> Form:
    """Mantel-Haenszel with the cells corrected by the rules of meta or of RevMan, by hand."""
    variance = {
        "OR": "sum((a + d) / n * a * d / n) / (2 * r^2) + sum((a + d) / n * b * c / n + (b + c) / n * a * d / n) / (2 * r * s) + "
        "sum((b + c) / n * b * c / n) / (2 * s^2)",
        "RR": "sum((a + b) * (c + d) * (a + c) / n^2 - a * c / n) / (r * s)",
        "RD": "sum((a * b * (c + d)^3 + c * d * (a + b)^3) / ((a + b) * (c + d) * n^2)) / sum(m)^2",
    }[fit.measure]
    sums = {"OR": ["r <- sum(a * d / n)", "s <- sum(b * c / n)"], "RR": ["r <- sum(a * (c + d) / n)", "s <- sum(c * (a + b) / n)"]}
    about = "sum(yi / vi) / sum(1 / vi)" if options_of(fit.method).convention == "meta" else "mu"
    code = [
        *effects_code(fit),
        *two_step.mantel_haenszel_code(fit),
        "mu <- centre",
        *sums.get(fit.measure, []),
        f"se <- sqrt({variance})",
        f"mu_lower <- mu - {Z} * se",
        f"mu_upper <- mu + {Z} * se",
        f"q <- sum((yi - {about})^2 / vi)",
        "q_df <- length(yi) - 1",
    ]
    return _classic_form(fit, code, "the formulas of Mantel and Haenszel by hand, with cells corrected as the preset says.", ())


def peto(fit: Pooled) -> Form:
    """Peto's one-step odds ratio."""
    if (other := exceptional(fit)) is not None:
        return other
    if fit.status != "pooled":
        return nothing(fit)
    given = "ai = events, n1i = total, ci = events_control, n2i = total_control"
    code = [f"fit <- rma.peto({given}, level = 100 * level)", *_classic()]
    return _classic_form(fit, code, "rma.peto of metafor.")


def inverse_variance(fit: Pooled) -> Form:
    """The inverse-variance model with random effects."""
    return _two_step(fit, two_step.form)


def common(fit: Pooled) -> Form:
    """The inverse-variance model with one common effect."""
    return _two_step(fit, two_step.common)


def mantel_haenszel_random(fit: Pooled) -> Form:
    """Mantel-Haenszel with random effects."""
    return _two_step(fit, two_step.mantel_haenszel_random)


def _two_step(fit: Pooled, form: Callable[[Pooled], Form]) -> Form:
    if (other := exceptional(fit)) is not None:
        return other
    return form(fit) if fit.status == "pooled" else nothing(fit)
