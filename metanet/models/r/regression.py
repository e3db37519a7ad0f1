"""The R script of a meta-regression, and of a comparison of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metanet.base.errors import ArgumentError
from metanet.base.untrusted import visible
from metanet.effects.measures import MEASURES
from metanet.models.options import Options
from metanet.models.r.forms import by_lme4, exact_likelihood
from metanet.models.r.script import MIXED, TWO_STEP, Form, assemble, checks, head, scripts_of
from metanet.models.r.text import comment, lines, number, numbers, part, texts
from metanet.models.r.two_step import CONTROL

if TYPE_CHECKING:
    from metanet.models.comparison.result import Comparison
    from metanet.models.regression.result import Regression

_FACTOR = {"z": "1", "t": "1", "HK": "fit_q / df", "HK-adhoc": "max(1, fit_q / df)"}
_TESTS = """\
# Tests and intervals of the coefficients, and Wald's test of the moderators.
se <- sqrt(diag(covariance))
statistic <- beta / se
quantile <- if (is.finite(df)) qt(1 - (1 - level) / 2, df) else qnorm(1 - (1 - level) / 2)
p_value <- 2 * (if (is.finite(df)) pt(abs(statistic), df, lower.tail = FALSE) else pnorm(abs(statistic), lower.tail = FALSE))
m <- nrow(contrast)
qm <- drop(t(contrast %*% beta) %*% solve(contrast %*% covariance %*% t(contrast), contrast %*% beta))
if (is.finite(df)) qm <- qm / m
qm_pvalue <- if (is.finite(df)) pf(qm, m, df, lower.tail = FALSE) else pchisq(qm, m, lower.tail = FALSE)
projection <- function(v) diag(1 / v) - (x / v) %*% solve(t(x) %*% (x / v), t(x / v))
typical_of <- function(v) (k - p) / sum(diag(projection(v)))"""
_TWO_STEP = """\
fit <- rma.uni(yi, vi, mods = x, intercept = FALSE, method = "{tau2}", {control})
null <- rma.uni(yi, vi, method = "{tau2}", {control})
beta <- c(fit$beta)
tau2 <- fit$tau2
w <- 1 / (vi + tau2)
fit_q <- sum(w * (yi - drop(x %*% beta))^2)
covariance <- solve(t(x) %*% (w * x)) * {factor}
tau2_without <- null$tau2
qe <- fit$QE
# The Q-profile interval of tau2.
generalised <- function(t) {{
  w <- 1 / (vi + t)
  b <- solve(t(x) %*% (w * x), t(x) %*% (w * yi))
  sum(w * (yi - drop(x %*% b))^2)
}}
limit <- function(q) {{
  target <- qchisq(q, k - p)
  if (generalised(0) < target) return(0)
  end <- max(vi)
  while (generalised(end) > target) end <- 2 * end
  uniroot(function(t) generalised(t) - target, c(0, end), tol = 1e-16)$root
}}
tau2_limits <- c(limit(1 - (1 - level) / 2), limit((1 - level) / 2))"""
_NULL = """\
# The same without moderators.
whole <- list(par = best$par, value = best$value, covariance = covariance, tau2_limits = profile_of_tau()^2)
plain_null <- glm({left} ~ {offset}, family = {family}, data = data, epsilon = 1e-14, maxit = 200)
found <- lme4_fit({left} ~ {offset} + (1 | study), {family}, data, plain_null)
{instead}
bounded <- c(TRUE, FALSE)
mean_at <- 2
{mixed}
lrt <- best$value - whole$value
tau2_without <- tau^2
best <- whole
tau2 <- best$par[1]^2
tau2_limits <- best$tau2_limits
beta <- best$par[-1] / size
covariance <- best$covariance[-1, -1, drop = FALSE] / outer(size, size)"""


def regression_script(fit: Regression) -> str:
    """The R script of a meta-regression."""
    if fit.model == "bayes":
        raise ArgumentError(
            "A meta-regression with model='bayes' has no R script: its posterior has one more dimension for each coefficient, which "
            "no grid of base R covers. Fix: model='glmm', which lme4 fits."
        )
    if fit.status != "fitted":
        raise ArgumentError(
            f"A meta-regression with the status {fit.status!r} has no R script: its likelihood has no finite maximum. "
            " Fix: leave out, or join, the categories that the notes name."
        )
    form = _two_step(fit) if fit.model == "inverse_variance" else _glmm(fit)
    known = {name: value for name, value in fit.to_dict().items() if name in form.found and isinstance(value, (int, float))}
    frame = fit.coefficients
    for place, term in enumerate(frame["term"], 1):
        for name, code in _COEFFICIENT.items():
            known[f"{term}, {name}"] = float(frame[name].iloc[place - 1])
            form.found[f"{term}, {name}"] = code.format(place=place)  # type: ignore[index]
    known = {name: float(value) for name, value in known.items() if np.isfinite(value)}
    errors = dict(zip(frame["term"], frame["se"], strict=True))
    units = {f"{term}, {name}": float(errors[term]) for term in frame["term"] for name in ("estimate", "ci_lower", "ci_upper")}
    units |= dict.fromkeys(("tau2", "tau2_lower", "tau2_upper", "tau2_without"), float(frame["se"].min()) ** 2)
    units |= dict.fromkeys(("lrt", "qe", "qm", "loglik", "aic"), 1.0) | dict.fromkeys(
        (name for name in known if "pvalue" in name), 0.001
    )
    units |= {"i2": 0.01, "r2": 0.01} | {f"{term}, statistic": 1.0 for term in frame["term"]}
    return assemble(
        head(f"meta-regression {fit.formula}. {fit.method.sentence()}", form, form.packages, {}),
        form.packages,
        [
            texts("study", fit.studies["study"]), *(numbers(name, values[0]) for name, values in fit.counts.columns.items()),
            comment(f"The columns of the design: {', '.join(visible(term) for term in fit.terms)}.", "  "),
            *_matrix("x", fit.design), *_matrix("contrast", fit.contrast),
            f"level <- {number(fit.level)}", f"tolerance <- {number(form.tolerance)}", "", form.code, "",
        ],
        checks(known, form, units),
    )  # fmt: skip


_COEFFICIENT = {
    "estimate": "beta[{place}]", "se": "se[{place}]", "statistic": "statistic[{place}]", "pvalue": "p_value[{place}]",
    "ci_lower": "beta[{place}] - quantile * se[{place}]", "ci_upper": "beta[{place}] + quantile * se[{place}]",
}  # fmt: skip


def _matrix(name: str, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[str]:
    rows, columns = values.shape
    return [numbers(name, values.ravel()), f"{name} <- matrix({name}, {rows}, {columns}, byrow = TRUE)"]


def _found(options: Options) -> dict[str, str]:
    return {
        "tau2": "tau2", "tau2_lower": "tau2_limits[1]", "tau2_upper": "tau2_limits[2]", "tau2_without": "tau2_without",
        "i2": "tau2 / (tau2 + typical)", "qe": "qe", "qe_pvalue": "pchisq(qe, k - p, lower.tail = FALSE)", "qm": "qm",
        "qm_pvalue": "qm_pvalue", "r2": "if (tau2_without > 0) max(0, 1 - tau2 / tau2_without) else NA",
    }  # fmt: skip


def _df(options: Options) -> str:
    return "df <- Inf" if options.ci == "z" else "df <- k - p"


_SIZE = ("k <- nrow(x)", "p <- ncol(x)")


def _two_step(fit: Regression) -> Form:
    options = fit.options
    if options.measure == "GEN":
        effects = []
    else:
        counts, measure = fit.counts, MEASURES[options.measure]
        found = measure.effects(*(counts[name][0] for name in measure.arguments), **options.rules)
        effects = [
            "# Effects and variances of the studies as pool has them.", numbers("yi", found.yi), numbers("vi", found.vi)
        ]  # fmt: skip
    code = [
        *_SIZE, *effects, _df(options).replace("df <- k - p", "df <- k - p"),
        _TWO_STEP.format(tau2=options.tau2, control=CONTROL, factor=_FACTOR[options.ci]).replace("fit_q / df", "fit_q / (k - p)"),
        _TESTS, "typical <- typical_of(vi)",
    ]  # fmt: skip
    values = _found(options)
    if options.tau2 == "ML":
        code.append(
            "full <- function(fit) -0.5 * (k * log(2 * pi) + sum(log(vi + fit$tau2)) + sum((yi - fitted(fit))^2 / (vi + fit$tau2)))"
        )
        values |= {"lrt": "2 * (full(fit) - full(null))", "lrt_pvalue": "pchisq(2 * (full(fit) - full(null)), m, lower.tail = FALSE)"}
        values |= {"loglik": "full(fit)", "aic": "2 * (p + 1) - 2 * full(fit)"}
    title = f'rma.uni of metafor with method = "{options.tau2}".'
    return Form(title, lines(code), values, TWO_STEP, ("metafor",))


def _glmm(fit: Regression) -> Form:
    options = fit.options
    timed = options.link == "log"
    family = "poisson" if timed else f'binomial("{options.link}")'
    size = "person_time" if timed else "total"
    left, offset = ("events", "offset(log(person_time))") if timed else ("cbind(events, total - events)", "1")
    saturated = (
        "sum(dpois(events, pmax(events, 1e-300), log = TRUE))" if timed else "sum(dbinom(events, total, events / total, log = TRUE))"
    )
    instead = [
        *exact_likelihood(options.link), part("exact"),
        "deviance_at <- exact_deviance(coef(plain_null), 260, 1 / sqrt(max(information) + 30))", "start <- c(0.5, coef(plain_null))",
    ]  # fmt: skip
    variance = "v <- 1 / (events + plus)" if timed else "v <- 1 / (events + plus) + 1 / (total - events + plus)"
    zero = "events == 0" if timed else "events == 0 | events == total"
    typical = [f"plus <- ifelse({zero}, 0.5, 0)", variance]
    if options.link in ("probit", "cloglog"):
        typical = [
            "rate <- (events + 0.5) / (total + 1)",
            f'slope <- binomial("{options.link}")$mu.eta(binomial("{options.link}")$linkfun(rate))',
            "v <- rate * (1 - rate) / (total * slope^2)",
        ]
    code = [
        *_SIZE, part("lme4"), "study <- factor(seq_along(study))", f"data <- data.frame(study, events, {size})",
        "# Columns of one size are easier for the optimiser.",
        "size <- apply(abs(x), 2, max)", "data$x <- sweep(x, 2, size, \"/\")",
        f"plain <- glm({left} ~ 0 + x{' + ' + offset if timed else ''}, family = {family}, data = data, epsilon = 1e-14, maxit = 200)",
        f"found <- lme4_fit({left} ~ 0 + x{' + ' + offset if timed else ''} + (1 | study), {family}, data, plain)",
        *by_lme4(), "bounded <- c(TRUE, rep(FALSE, p))", "mean_at <- 2", part("mixed"),
        _NULL.format(left=left, offset=offset, family=family, instead=chr(10).join(by_lme4(instead)), mixed=part("mixed")),
        _df(options), _TESTS, *typical, "typical <- typical_of(v)", f"qe <- 2 * ({saturated} - c(logLik(plain)))",
    ]  # fmt: skip
    values = _found(options) | {
        "lrt": "lrt", "lrt_pvalue": "pchisq(lrt, m, lower.tail = FALSE)", "loglik": "-best$value / 2",
        "aic": "2 * (p + 1) + best$value",
    }  # fmt: skip
    return Form("glmer of lme4 with nAGQ = 100.", lines(code), values, MIXED, ("lme4",))


def comparison_script(fit: Comparison) -> str:
    """The R script of a comparison: every group as it is pooled by itself."""
    if any(part.method.get("heterogeneity") == "common" for part in fit.groups.values()):
        raise ArgumentError(
            "A comparison with one tau for all groups by maximum likelihood or in two steps has no R script of its own. Fix: "
            "heterogeneity='separate', or mn.meta_regression with the groups as a moderator, whose to_r fits this model."
        )
    return scripts_of(
        fit.groups,
        f"{fit.heading}: every group as it is pooled by itself. The tests between groups and the differences are not compared.",
    )
