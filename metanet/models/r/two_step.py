"""Two-step models in R: metafor's rma.uni, and by hand what it does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metanet.models.options import options_of
from metanet.models.r.response import RESPONSES, average_code, back_of, effects_code, effects_data, needs_of
from metanet.models.r.script import CLOSED, TWO_STEP, Form
from metanet.models.r.text import lines, part

if TYPE_CHECKING:
    from metanet.models.results.pooled import Pooled

MEAN = {"mu": "mu", "se": "se", "mu_lower": "mu_lower", "mu_upper": "mu_upper"}
AVERAGE = {
    "marginal_estimate": "average(mu, sqrt(tau2))",
    "marginal_ci_lower": "average(mu_lower, sqrt(tau2))",
    "marginal_ci_upper": "average(mu_upper, sqrt(tau2))",
}
Q = {"q": "q", "q_df": "length(yi) - 1", "q_pvalue": "pchisq(q, length(yi) - 1, lower.tail = FALSE)"}
TAU2 = {"tau2": "tau2", "tau2_lower": "tau2_limits[1]", "tau2_upper": "tau2_limits[2]"}
FROM_TAU2 = {
    **{f"{name}{end}": f"{name}_of({value})" for name in ("i2", "h2") for end, value in (
        ("", "tau2"), ("_lower", "tau2_limits[1]"), ("_upper", "tau2_limits[2]"))},
}  # fmt: skip
FROM_Q = {
    f"{name}{end}": f"from_q(q, q_df, level)${name}[{place}]"
    for name in ("i2", "h2")
    for place, end in ((1, ""), (2, "_lower"), (3, "_upper"))
}

_T = "qt(1 - (1 - level) / 2, {df})"
_Z = "qnorm(1 - (1 - level) / 2)"
MODELS = {"z": "z", "t": "t", "HK": "knha", "HK-adhoc": "adhoc"}
CONTROL = "control = list(threshold = 1e-12, maxiter = 10000, tau2.max = 1e6, tol = 1e-14)"
_KENWARD_ROGER = """\
# Kenward and Roger in the form of Partlett and Riley (2017), which metafor does not have.
s <- vapply(1:3, function(p) sum(w^p), numeric(1))
information <- 0.5 * (s[2] - 2 * s[3] / s[1] + (s[2] / s[1])^2)
kr_variance <- (1 + 2 * (s[3] / s[1] - (s[2] / s[1])^2) / information) / s[1]
kr_df <- 2 * information / (kr_variance * s[2])^2"""
_FULL = """\
# Twice the full or restricted log-likelihood less a constant, at a mean or at the best one.
full <- function(tau2, mean = sum(yi / (vi + tau2)) / sum(1 / (vi + tau2))) -sum(log(vi + tau2)) - sum((yi - mean)^2 / (vi + tau2))
restricted <- function(tau2) full(tau2) - log(sum(1 / (vi + tau2)))"""
_PROFILE_MEAN = """\
# The profile of the mean: the best tau2 at each mean.
highest <- function(mean) {
  end <- 10 * (sum((yi - mean)^2) + max(vi))
  found <- max(0, optimize(function(x) full(x^2, mean), c(0, sqrt(end)), maximum = TRUE, tol = 1e-10)$maximum)
  max(full(found^2, mean), full(0, mean))
}
fall <- function(mean) full(tau2) - highest(mean) - qchisq(level, 1)
reach <- se
while (fall(mu - reach) < 0 || fall(mu + reach) < 0) reach <- 1.5 * reach
mu_lower <- uniroot(fall, c(mu - reach, mu), tol = 1e-13 * se)$root
mu_upper <- uniroot(fall, c(mu, mu + reach), tol = 1e-13 * se)$root"""
_PROFILE_TAU2 = """\
# The profile likelihood of tau2.
fall <- function(x) {likelihood}(tau2) - {likelihood}(x) - qchisq(level, 1)
end <- max(tau2, vi)
while (fall(end) < 0) end <- 2 * end
tau2_limits <- c(
  if (fall(0) <= 0) 0 else uniroot(fall, c(0, tau2), tol = 1e-16)$root,
  uniroot(fall, c(tau2, end), tol = 1e-16)$root
)"""
_Q_PROFILE = """\
# The Q-profile interval. confint of metafor gives the same where its search reaches the limits.
generalised <- function(x) sum((yi - sum(yi / (vi + x)) / sum(1 / (vi + x)))^2 / (vi + x))
limit <- function(p) {
  target <- qchisq(p, length(yi) - 1)
  if (generalised(0) < target) return(0)
  end <- max(vi)
  while (generalised(end) > target) end <- 2 * end
  uniroot(function(x) generalised(x) - target, c(0, end), tol = 1e-16)$root
}
tau2_limits <- c(limit(1 - (1 - level) / 2), limit((1 - level) / 2))"""
_JACKSON = """\
# Jackson's interval: Q with the weights 1 / sqrt(v), and its exact distribution at each tau2.
a <- 1 / sqrt(vi)
observed <- sum(a * (yi - sum(a * yi) / sum(a))^2)
tail_at <- function(tau2) {
  root <- sqrt(vi + tau2)
  centred <- diag(a) - outer(a, a) / sum(a)
  weights <- eigen(centred * outer(root, root), symmetric = TRUE, only.values = TRUE)$values
  upper_tail(observed, weights[weights > 1e-12 * max(weights)])
}
limit <- function(p) {
  if (tail_at(0) > p) return(0)
  end <- max(vi)
  while (tail_at(end) < p) end <- 2 * end
  uniroot(function(x) tail_at(x) - p, c(0, end), tol = 1e-15)$root
}
tau2_limits <- c(limit((1 - level) / 2), limit(1 - (1 - level) / 2))"""


def form(fit: Pooled) -> Form:
    """The inverse-variance model with random effects."""
    options = options_of(fit.method)
    ci = "z" if options.ci in ("KR", "profile") else options.ci
    code = [
        *effects_code(fit),
        f'fit <- rma.uni(yi, vi, method = "{options.tau2}", test = "{MODELS[ci]}", level = 100 * level, {CONTROL})',
        "mu <- c(fit$beta)",
        "se <- fit$se",
        "mu_lower <- fit$ci.lb",
        "mu_upper <- fit$ci.ub",
        "tau2 <- fit$tau2",
        "q <- fit$QE",
        *_rest(fit),
    ]
    return _made(fit, code, f'rma.uni of metafor with method = "{options.tau2}".', ("metafor",), TWO_STEP)


def common(fit: Pooled) -> Form:
    """The inverse-variance model with one common effect."""
    code = [
        *effects_code(fit),
        'fit <- rma.uni(yi, vi, method = "EE", level = 100 * level)',
        "mu <- c(fit$beta)",
        "se <- fit$se",
        "mu_lower <- fit$ci.lb",
        "mu_upper <- fit$ci.ub",
        "q <- fit$QE",
        "tau2 <- 0",
        *_rest(fit),
    ]
    return _made(
        fit, code, 'rma.uni of metafor with method = "EE".', ("metafor",), CLOSED if fit.marginal_estimate is None else TWO_STEP
    )


def mantel_haenszel_random(fit: Pooled) -> Form:
    """Inverse variance with tau2 from Q about the Mantel-Haenszel estimate, by hand."""
    options = options_of(fit.method)
    test = MODELS["z" if options.ci in ("KR", "profile") else options.ci]
    code = [
        *effects_code(fit),
        *mantel_haenszel_code(fit),
        "q <- sum((yi - centre)^2 / vi)",
        "# DerSimonian and Laird from this Q.",
        "tau2 <- max(0, (q - (length(yi) - 1)) / (sum(1 / vi) - sum(1 / vi^2) / sum(1 / vi)))",
        f'fit <- rma.uni(yi, vi, tau2 = tau2, test = "{test}", level = 100 * level)',
        "mu <- c(fit$beta)",
        "se <- fit$se",
        "mu_lower <- fit$ci.lb",
        "mu_upper <- fit$ci.ub",
        *_rest(fit),
    ]
    title = "the Mantel-Haenszel estimate by hand, tau2 of DerSimonian and Laird about it, and rma.uni of metafor with this tau2."
    return _made(fit, code, title, ("metafor",), TWO_STEP)


def mantel_haenszel_code(fit: Pooled) -> list[str]:
    """The Mantel-Haenszel estimate `centre` from the cells as they are corrected for the studies' own effects."""
    if "added" in (effects_data(fit) or {}):
        plus = ["plus <- added[keep]"]
    else:
        options = options_of(fit.method)
        some = "events == 0 | events == total | events_control == 0 | events_control == total_control"
        which = {
            "only0": some,
            "all": "rep(TRUE, length(events))",
            "if0all": f"rep(any({some}), length(events))",
            "none": "rep(FALSE, length(events))",
        }
        plus = [f"plus <- ifelse({which[options.to]}, {options.add:g}, 0)[keep]"]
    estimate = {
        "OR": "log(sum(a * d / n) / sum(b * c / n))",
        "RR": "log(sum(a * (c + d) / n) / sum(c * (a + b) / n))",
        "RD": "sum(m * yi) / sum(m)",
    }[fit.measure]
    sizes = []
    if fit.measure == "RD":
        # RevMan takes the counts for these weights, meta the corrected cells.
        counts = options_of(fit.method).convention == "revman"
        sizes = [
            "m <- {0} * {1} / ({0} + {1})".format(*(("total[keep]", "total_control[keep]") if counts else ("(a + b)", "(c + d)")))
        ]
    return [
        *plus,
        "a <- events[keep] + plus",
        "b <- (total - events)[keep] + plus",
        "c <- events_control[keep] + plus",
        "d <- (total_control - events_control)[keep] + plus",
        "n <- a + b + c + d",
        *sizes,
        f"centre <- {estimate}",
    ]


def _rest(fit: Pooled) -> list[str]:
    """What follows from mean, tau2 and Q: other intervals, prediction, I2, averages."""
    options = options_of(fit.method)
    out = [back_of(fit), "q_df <- length(yi) - 1", "w <- 1 / (vi + tau2)"]
    if "KR" in (options.ci, options.prediction):
        out.append(_KENWARD_ROGER)
    if options.ci == "KR":
        out += [
            "# With less than one degree of freedom the interval is that of Hartung and Knapp, not narrower than the t interval.",
            f'other <- rma.uni(yi, vi, method = "{options.tau2}", test = "adhoc", level = 100 * level, {CONTROL})',
            "se <- if (kr_df < 1) other$se else sqrt(kr_variance)",
            f"critical <- if (kr_df < 1) {_T.format(df='q_df')} else {_T.format(df='kr_df')}",
            "mu_lower <- mu - critical * se",
            "mu_upper <- mu + critical * se",
        ]
    if options.ci == "profile" or options.tau2_ci == "profile":
        out.append(_FULL)
    if options.ci == "profile":
        out.append(_PROFILE_MEAN)
    if fit.tau2_lower is not None:
        if options.tau2_ci == "profile":
            out.append(_PROFILE_TAU2.replace("{likelihood}", "full" if options.tau2 == "ML" else "restricted"))
        elif options.tau2_ci == "Jackson":
            out += [part("weighted_chi2"), _JACKSON]
        else:
            out.append(_Q_PROFILE)
    if fit.pi_lower is not None and options.prediction != "bootstrap":
        out += _prediction(fit)
    if fit.i2 is not None:
        out += [part("heterogeneity"), "typical <- typical_of(vi)"]
    if fit.marginal_estimate is not None:
        out.append(average_code(fit))
    return out


def _prediction(fit: Pooled) -> list[str]:
    options = options_of(fit.method)
    error, critical = "1 / sum(w)", _Z
    match options.prediction:
        case "HTS":
            critical = _T.format(df="q_df - 1")
        case "V":
            critical = _T.format(df="q_df")
        case "HK":
            own = "sum(w * (yi - mu)^2) / q_df"
            error = f"{f'max(1, {own})' if options.ci == 'HK-adhoc' else own} / sum(w)"
            critical = _T.format(df="q_df")
        case "KR":
            error, critical = "kr_variance", _T.format(df="kr_df")
    return [f"new_limits <- mu + c(-1, 1) * {critical} * sqrt(tau2 + {error})"]


def _made(fit: Pooled, code: list[str], title: str, packages: tuple[str, ...], tolerance: float) -> Form:
    options = options_of(fit.method)
    found = {**MEAN, **Q, **{name: f"back({value})" for name, value in RESPONSES.items()}, **AVERAGE, **TAU2}
    found |= FROM_Q if options.i2 == "Q" else FROM_TAU2
    apart = {}
    if options.prediction == "bootstrap":
        why = "In R the parametric bootstrap draws random numbers; metanet integrates the same distribution."
        apart = dict.fromkeys(("pi_lower", "pi_upper"), why)
        found = {name: value for name, value in found.items() if name not in apart}
    if fit.tau2 == 0 and fit.tau2_lower is None and options.tau2 is not None:
        pass
    needed = tuple(dict.fromkeys((*packages, *needs_of(fit))))
    return Form(title, lines(code), found, tolerance, needed, apart, data=effects_data(fit))
