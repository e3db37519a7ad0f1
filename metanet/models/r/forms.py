"""Models of counts in R: exact intervals at the edges, mixed models, posteriors, the beta-binomial model, Mantel-Haenszel and Peto."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metanet.models.options import options_of
from metanet.models.r import two_step
from metanet.models.r.response import RESPONSES, average_code, back_of, effects_code, effects_data, needs_of
from metanet.models.r.script import CLOSED, MIXED, POSTERIOR, POSTERIOR_TAU2, Form, expected
from metanet.models.r.text import lines, number, part
from metanet.models.registry import prior_of

if TYPE_CHECKING:
    from metanet.models.results.pooled import Pooled

_T = "qt(1 - (1 - level) / 2, {df})"
Z = "qnorm(1 - (1 - level) / 2)"
RESPONSES_AT = {name: f"back({value})" for name, value in RESPONSES.items()}
_TESTS = {
    "lrt": "lrt",
    "lrt_pvalue": "pchisq(lrt, k - 1, lower.tail = FALSE)",
    "q": "q",
    "q_df": "k - 1",
    "q_pvalue": "pchisq(q, k - 1, lower.tail = FALSE)",
}
_AVERAGES = {f"marginal_{name}": f"average_limits[{place}]" for place, name in enumerate(("estimate", "ci_lower", "ci_upper"), 1)}
#: The likelihoods of the counts of one group at true values on the scale of the link, and how narrow they are.
_RATE = {
    "logit": "dbinom(events[i], total[i], plogis(eta), log = TRUE)",
    "probit": "events[i] * pnorm(eta, log.p = TRUE) + (total[i] - events[i]) * pnorm(eta, lower.tail = FALSE, log.p = TRUE) + "
    "lchoose(total[i], events[i])",
    "cloglog": "events[i] * log(pmax(1e-300, -expm1(-exp(eta)))) - (total[i] - events[i]) * pmin(exp(eta), 1e300) + "
    "lchoose(total[i], events[i])",
    "log": "dpois(events[i], person_time[i] * exp(eta), log = TRUE)",
}
_INFORMATION = {
    "logit": "events * (total - events) / total",
    "probit": "total * dnorm(qnorm((events + 0.5) / (total + 1)))^2 / ((events + 0.5) * (total - events + 0.5) / (total + 1)^2)",
    "cloglog": "(total - events + 0.5) / (events + 0.5) * total * log1p(-(events + 0.5) / (total + 1))^2",
    "log": "events",
}
_AVERAGED = {
    "logit": "averaged <- function(eta, step, tau) qlogis(pmin(1 - 1e-15, pmax(1e-15, blur(plogis(eta), step, tau)[, 1])))\n"
    "lowest <- qlogis(1e-10)\nhighest <- -lowest",
    "probit": "averaged <- function(eta, step, tau) eta / sqrt(1 + tau^2)\nlowest <- -Inf\nhighest <- Inf",
    "cloglog": "averaged <- function(eta, step, tau) {\n"
    "  mean <- blur(-expm1(-exp(eta)), step, tau)[, 1]\n"
    "  log(-log1p(-pmin(1 - 1e-15, pmax(1e-15, mean))))\n}\nlowest <- log(1e-10)\nhighest <- log(-log(1e-10))",
    "log": "averaged <- function(eta, step, tau) eta + tau^2 / 2\nlowest <- -Inf\nhighest <- Inf",
}
_HYPERGEOMETRIC = """\
# The events of the first group given those of both, at log odds ratios `eta`.
log_likelihood <- function(eta) vapply(seq_along(events), function(i) {
  x <- max(0, events[i] + events_control[i] - total_control[i]):min(total[i], events[i] + events_control[i])
  weight <- lchoose(total[i], x) + lchoose(total_control[i], events[i] + events_control[i] - x)
  sums <- rep(-Inf, length(eta))
  for (j in seq_along(x)) {
    one <- weight[j] + x[j] * eta
    higher <- pmax(sums, one)
    sums <- higher + log1p(exp(-abs(sums - one)))
  }
  weight[x == events[i]] + events[i] * eta - sums
}, eta)
information <- 1 / (1 / (events + 0.5) + 1 / (total - events + 0.5) + 1 / (events_control + 0.5) +
                    1 / (total_control - events_control + 0.5))"""
_KEEP = """\
# Studies with events in neither group, or with events only, say nothing of the odds ratio.
keep <- events + events_control > 0 & events + events_control < total + total_control
events <- events[keep]
total <- total[keep]
events_control <- events_control[keep]
total_control <- total_control[keep]
study <- study[keep]
k <- length(events)"""
_COUNT = "k <- length(events)"


def _edge(fit: Pooled) -> Form:
    """The exact interval of the summed counts, or of the counts of one study."""
    timed = fit.response == "rate per person-time"
    name = "poisson.test" if timed else "binom.test"
    what = "the summed counts" if fit.k > 1 else "the counts of the study"
    ends = {"estimate": "exact$estimate", "ci_lower": "exact$conf.int[1]", "ci_upper": "exact$conf.int[2]"}
    found = ends | {f"marginal_{key}": value for key, value in ends.items()}
    code = f"exact <- {name}(sum(events), sum({'person_time' if timed else 'total'}), conf.level = level)"
    return Form(f"{name} on {what}.", code, found, CLOSED)


def _single(fit: Pooled) -> Form:
    """One study with an effect, shown with its normal interval."""
    code = [*effects_code(fit), "mu <- yi", "se <- sqrt(vi)", f"mu_lower <- mu - {Z} * se", f"mu_upper <- mu + {Z} * se", back_of(fit)]
    return Form(
        "the effect of the one study with its normal interval.", lines(code), {**two_step.MEAN, **RESPONSES_AT}, CLOSED, needs_of(fit),
        data=effects_data(fit),
    )  # fmt: skip


def exceptional(fit: Pooled) -> Form | None:
    """The form of a result that no model gave: at an edge, of one study, without an estimate; None where a model did."""
    counts = fit.response.startswith("rate") and "events" in fit.inputs.columns
    if fit.status in ("no events", "only events"):
        return _edge(fit)
    if fit.status == "not pooled":
        if counts and fit.k == 1:
            return _edge(fit) if fit.pi_lower is None else _next_study(fit)
        return _single(fit)
    return None


def _next_study(fit: Pooled) -> Form:
    """One study with its exact interval, and the predictive interval for the next one."""
    edge, own = _edge(fit), _posterior(fit)
    found = {**edge.found, **{name: own.found[name] for name in ("pi_lower", "pi_upper")}}
    return Form(f"{edge.title[:-1]}; {own.title}", lines(edge.code, own.code), found, POSTERIOR)


def _one_group_tests(fit: Pooled) -> list[str]:
    """The tests of equal rates and the typical variance of a study, of one group."""
    link = fit.method["link"] or "logit"
    out = []
    if link == "log":
        out += [
            "# Equal rates? The likelihood ratio against one rate for each study, and Wald's test of the studies with events.",
            "common <- sum(dpois(events, person_time * sum(events) / sum(person_time), log = TRUE))",
            "lrt <- 2 * (sum(dpois(events, events, log = TRUE)) - common)",
            "plus <- ifelse(events == 0, 0.5, 0)",
            "y <- log((events + plus) / person_time)",
            "v <- 1 / (events + plus)",
        ]
    else:
        out += [
            "# Equal rates? The likelihood ratio against one rate for each study, and Wald's test of the studies with both outcomes.",
            "common <- sum(dbinom(events, total, sum(events) / sum(total), log = TRUE))",
            "lrt <- 2 * (sum(dbinom(events, total, events / total, log = TRUE)) - common)",
            "plus <- ifelse(events == 0 | events == total, 0.5, 0)",
            "y <- log((events + plus) / (total - events + plus))",
            "v <- 1 / (events + plus) + 1 / (total - events + plus)",
        ]
    return [*out, *_wald(), *_typical(fit)]


def _typical(fit: Pooled) -> list[str]:
    link = fit.method["link"]
    own = []
    if link in ("probit", "cloglog"):
        own = [
            "p <- (events + 0.5) / (total + 1)",
            f'slope <- binomial("{link}")$mu.eta(binomial("{link}")$linkfun(p))',
            "v <- p * (1 - p) / (total * slope^2)",
        ]
    return [*own, part("heterogeneity"), "typical <- typical_of(v)", "q_df <- k - 1"] if fit.i2 is not None else []


def _wald() -> list[str]:
    return [
        "counted <- if (any(plus == 0)) plus == 0 else rep(TRUE, k)",
        "q <- sum(((y - sum(y[counted] / v[counted]) / sum(1 / v[counted]))^2 / v)[counted])",
    ]


def _two_group_tests(fit: Pooled) -> list[str]:
    """The likelihood ratio of equal odds ratios in the model, and Wald's test."""
    if fit.model == "CM.AL":
        ratio = [
            "both <- events + events_control",
            "one <- glm(cbind(events, events_control) ~ 1, offset = log(total / total_control), family = binomial, epsilon = 1e-14)",
            "lrt <- 2 * (sum(dbinom(events, both, events / both, log = TRUE)) - sum(dbinom(events, both, fitted(one), log = TRUE)))",
        ]
    elif fit.model == "UM.RS":
        ratio = [
            "# The test of equal effects: a random study effect in both models, and in the larger one an odds ratio for each study.",
            "study <- factor(seq_len(k))",
            "long <- data.frame(",
            "  x = c(events, events_control), n = c(total, total_control), group = rep(c(0.5, -0.5), each = k), study = rep(study, 2)",
            ")",
            "larger_plain <- glm(cbind(x, n - x) ~ 1 + group:study, family = binomial, data = long, epsilon = 1e-14, maxit = 200)",
            "larger <- lme4_fit(cbind(x, n - x) ~ 1 + group:study + (1 | study), binomial, long, larger_plain)",
            "larger_loglik <- -larger$deviance(larger$start) / 2",
            "lrt <- 2 * larger_loglik + edge$value",
        ]
    elif fit.model == "UM.FS":
        ratio = [
            "own <- function(x, n) sum(dbinom(x, n, x / n, log = TRUE))",
            "lrt <- 2 * (own(events, total) + own(events_control, total_control) - c(logLik(plain)))",
        ]
    else:
        ratio = [
            "# The conditional likelihood at one odds ratio, and at one for each study.",
            "at_one <- function(eta) drop(log_likelihood(c(eta, eta))[1, ])",
            "equal <- optimize(function(x) sum(at_one(x)), c(-40, 40), maximum = TRUE, tol = 1e-10)",
            "highest <- function(i) optimize(function(x) at_one(x)[i], c(-60, 60), maximum = TRUE, tol = 1e-10)$objective",
            "most <- vapply(seq_along(events), highest, numeric(1))",
            "lrt <- 2 * (sum(most) - equal$objective)",
        ]
    return [
        *ratio,
        "plus <- ifelse(events == 0 | events == total | events_control == 0 | events_control == total_control, 0.5, 0)",
        "y <- log((events + plus) * (total_control - events_control + plus) / ((total - events + plus) * (events_control + plus)))",
        "v <- 1 / (events + plus) + 1 / (total - events + plus) + 1 / (events_control + plus) +",
        "  1 / (total_control - events_control + plus)",
        *_wald(),
        *_typical(fit),
    ]


def exact_likelihood(link: str | None) -> list[str]:
    """The log-likelihood of every study at its true value, and its precision."""
    if link is None:
        return [_HYPERGEOMETRIC]
    return [
        f"log_likelihood <- function(eta) vapply(seq_along(events), function(i) {_RATE[link]}, eta)",
        f"information <- {_INFORMATION[link]}",
    ]


def _width() -> list[str]:
    # Where a study has no events, or events only, its likelihood falls off within about a sixth on any scale of rates.
    return ["width <- 1 / sqrt(max(information) + 30)", "precision <- sum(information) + 30"]


def _posterior(fit: Pooled) -> Form:
    """The posterior of mean and spread, on grids in base R."""
    link = fit.method["link"]
    prior = prior_of(link)
    mean = "log(length(events) / sum(person_time))" if link == "log" else number(prior.mean)
    code = [
        "# The priors: mu normal, tau half-normal.",
        f"prior_mean <- {mean}",
        f"prior_sd <- {number(prior.sd)}",
        f"prior_scale <- {number(prior.scale)}",
        _KEEP if link is None else _COUNT,
        *exact_likelihood(fit.method["link"]),
        *_width(),
        part("posterior"),
        back_of(fit),
        *([_AVERAGED[link], part("averages")] if link is not None and fit.marginal_estimate is not None else []),
    ]
    found = {
        "q_df": "k - 1", "mu": "mu_quantiles[2]", "mu_lower": "mu_quantiles[1]", "mu_upper": "mu_quantiles[3]", "se": "mu_sd",
        "estimate": "back(mu_quantiles[2])", "ci_lower": "back(mu_quantiles[1])", "ci_upper": "back(mu_quantiles[3])",
        "tau2": "tau_quantiles[2]^2", "tau2_lower": "tau_quantiles[1]^2", "tau2_upper": "tau_quantiles[3]^2",
        "pi_lower": "back(new_quantiles[1])", "pi_upper": "back(new_quantiles[2])", "loglik": "log_evidence",
        "marginal_estimate": "back(average_quantiles[2])", "marginal_ci_lower": "back(average_quantiles[1])",
        "marginal_ci_upper": "back(average_quantiles[3])",
    }  # fmt: skip
    if fit.status == "pooled" and (fit.lrt is not None or fit.i2 is not None):
        code += _one_group_tests(fit) if link is not None else _two_group_tests(fit)
        code += ["tau2 <- tau_quantiles[2]^2", "tau2_limits <- tau_quantiles[c(1, 3)]^2"] if fit.i2 is not None else []
        found |= _TESTS | (two_step.FROM_Q if fit.method["i2"] == "Q" else two_step.FROM_TAU2)
    title = (
        "the posterior of mu and tau on grids, in base R; the numbers are its quantiles, and loglik is the logarithm of the evidence."
    )
    wider = dict.fromkeys(
        (*two_step.TAU2, *(two_step.FROM_TAU2 if fit.i2 is not None and fit.method["i2"] == "tau2" else ())), POSTERIOR_TAU2
    )
    return Form(title, lines(code), found, POSTERIOR, wider=wider)


def posterior(fit: Pooled) -> Form:
    """The posterior model."""
    if (other := exceptional(fit)) is not None:
        return other
    return _posterior(fit) if fit.status == "pooled" else nothing(fit)


def _intervals(fit: Pooled) -> list[str]:
    """The interval of the mean and of tau2, and the prediction interval."""
    options = options_of(fit.method)
    critical = Z if options.ci == "z" else _T.format(df="k - 1")
    out = ["limits <- profile_of_mean()" if options.ci == "profile" else f"limits <- mu + c(-1, 1) * {critical} * se"]
    out += ["mu_lower <- limits[1]", "mu_upper <- limits[2]"]
    if fit.tau2_lower is not None or fit.rho_lower is not None:
        out.append("tau_limits <- profile_of_tau()")
    if fit.pi_lower is not None and fit.model != "beta_binomial":
        new = {"z": Z, "HTS": _T.format(df="k - 2"), "V": _T.format(df="k - 1")}[str(options.prediction)]
        out.append(f"new_limits <- mu + c(-1, 1) * {new} * sqrt(se^2 + tau^2)")
    return out


_MIXED = {
    "mu": "mu", "se": "se", "mu_lower": "mu_lower", "mu_upper": "mu_upper", "tau2": "tau^2", "tau2_lower": "tau_limits[1]^2",
    "tau2_upper": "tau_limits[2]^2", "loglik": "-best$value / 2", **RESPONSES_AT,
}  # fmt: skip


def _mixed(
    fit: Pooled,
    code: list[str],
    tests: list[str],
    title: str,
    packages: tuple[str, ...],
    remarks: tuple[str, ...] = (),
    far: Sequence[str] = (),
) -> Form:
    """A model fitted by maximum likelihood, from its deviance to its numbers."""
    options = options_of(fit.method)
    code = [*code, part("mixed"), *_intervals(fit), *far, back_of(fit), *tests]
    if fit.i2 is not None:
        code += ["tau2 <- tau^2", *(["tau2_limits <- tau_limits^2"] if fit.tau2_lower is not None else [])]
    found = {**_MIXED, **_TESTS, **(two_step.FROM_Q if options.i2 == "Q" else two_step.FROM_TAU2)}
    if fit.marginal_estimate is not None:
        code.append(_averages(fit))
        found |= _AVERAGES
    return Form(title, lines(code), found, MIXED, packages, remarks=remarks)


def _averages(fit: Pooled) -> str:
    """The population-averaged rate with its interval by the delta method on its logit (or logarithm)."""
    timed = fit.response == "rate per person-time"
    critical = _T.format(df="k - 1") if options_of(fit.method).ci == "t" else Z
    centre, back = ("log(rate)", "exp") if timed else ("qlogis(rate)", "plogis")
    return "\n".join(
        [
            average_code(fit),
            "# Its interval by the delta method; without spread it is that of the median.",
            "rate <- average(mu, tau)",
            "h <- 1e-4",
            "by_tau <- if (tau > 0) average(mu, tau + h) - average(mu, tau - h) else 0",
            "slope <- c(average(mu + h, tau) - average(mu - h, tau), by_tau) / (2 * h)",
            "error <- sqrt(drop(slope %*% covariance[c(mean_at, 1), c(mean_at, 1)] %*% slope))",
            f"error <- error / {'rate' if timed else '(rate * (1 - rate))'}",
            f"average_limits <- c(rate, {back}({centre} + c(-1, 1) * {critical} * error))",
            "if (tau == 0) average_limits <- back(c(mu, mu_lower, mu_upper))",
        ]
    )


def glmm(fit: Pooled) -> Form:
    """The binomial-normal or Poisson-normal model of one group, by lme4."""
    if (other := exceptional(fit)) is not None:
        return other
    if fit.status != "pooled":
        return _without(fit, [_COUNT, *_one_group_tests(fit)])
    link = fit.method["link"]
    timed = link == "log"
    family = "poisson" if timed else f'binomial("{link}")'
    left, offset = ("events", "offset(log(person_time))") if timed else ("cbind(events, total - events)", "1")
    exact = [
        *exact_likelihood(link),
        part("exact"),
        "deviance_at <- exact_deviance(coef(plain), 260, 1 / sqrt(max(information) + 30))",
        "start <- c(0.5, coef(plain))",
    ]
    code = [
        _COUNT,
        part("lme4"),
        "study <- factor(seq_along(study))",
        f"data <- data.frame(study, events, {'person_time' if timed else 'total'})",
        f"formula <- {left} ~ {offset} + (1 | study)",
        f"plain <- glm({left} ~ {offset}, family = {family}, data = data, epsilon = 1e-14, maxit = 200)",
        f"found <- lme4_fit(formula, {family}, data, plain)",
        *by_lme4(exact),
        *_ONE_MEAN,
    ]
    far = _far(exact) if fit.tau2_lower is not None else []
    return _mixed(fit, code, _one_group_tests(fit), "glmer of lme4 with nAGQ = 100.", ("lme4",), _LME4, far)


def _far(exact: Sequence[str]) -> list[str]:
    """The limits of tau by the likelihood in base R, where lme4's quadrature is not settled at the upper one."""
    return [
        "# Far from the maximum lme4's quadrature may not be settled; the limits of tau then come from the likelihood in base R.",
        "if (!is.null(found) && !found$settled(c(min(30, tau_limits[2]), mu))) {",
        *(f"  {line}" for each in exact for line in each.splitlines()),
        "  best <- minimum(best$par)",
        "  tau_limits <- profile_of_tau()",
        "}",
    ]


#: tau and one mean.
_ONE_MEAN = ("bounded <- c(TRUE, FALSE)", "mean_at <- 2")
_LME4 = (
    "lme4's own standard error takes tau as known (use.hessian = FALSE), and its log-likelihood leaves constants out; here the "
    "Hessian is that of its deviance in the mean and tau, and the constant is that of glm.",
)


def by_lme4(instead: Sequence[str] = ()) -> list[str]:
    """Take lme4's deviance and minimum as `found`; what takes its place where lme4 stops on the data."""
    if not instead:
        return ['if (is.null(found)) stop("lme4 stops on these data, or its quadrature is not settled")', *_TAKEN]
    inside = [f"  {line}" for each in instead for line in each.splitlines()]
    return [
        "if (is.null(found)) {",
        '  cat("lme4 stops on these data, or its quadrature is not settled; the likelihood in base R takes its place.\\n")',
        *inside,
        "} else {",
        *(f"  {line}" for line in _TAKEN),
        "}",
    ]


_TAKEN = ("deviance_at <- found$deviance", "start <- found$start")


def _without(fit: Pooled, tests: list[str]) -> Form:
    """Data without an estimate: only the tests of equal rates or effects exist."""
    return Form("base R; there is no estimate, and only the tests are computed.", lines(tests), _TESTS, CLOSED)


def beta_binomial(fit: Pooled) -> Form:
    """The beta-binomial model, its likelihood by hand."""
    if (other := exceptional(fit)) is not None:
        return other
    if fit.status != "pooled":
        return _without(fit, [_COUNT, *_one_group_tests(fit)])
    code = [
        _COUNT,
        part("beta_binomial"),
        "start <- c(0.1, qlogis(sum(events) / sum(total)))",
        "bounded <- c(TRUE, FALSE)",
        "mean_at <- 2",
        "back <- function(x) plogis(x)",
    ]
    options = options_of(fit.method)
    tests = _one_group_tests(fit)
    shapes = "shapes <- function(mu, rho) c(plogis(mu), plogis(-mu)) * (1 - rho) / rho"
    variance = "logit_variance <- function(rho) if (rho == 0) 0 else if (rho >= 1) Inf else sum(trigamma(shapes(mu, rho)))"
    after = [shapes, variance, "tau2 <- logit_variance(tau)"]
    if fit.tau2_lower is not None:
        after.append("tau2_limits <- c(logit_variance(tau_limits[1]), logit_variance(tau_limits[2]))")
    if fit.pi_lower is not None:
        after.append(_BETA_PREDICTION)
    after.append("median <- if (tau == 0) plogis(mu) else qbeta(0.5, shapes(mu, tau)[1], shapes(mu, tau)[2])")
    interval = [line.replace("tau_limits <- profile_of_tau()", _RHO_LIMITS) for line in _intervals(fit)]
    found = {
        "mu": "mu", "se": "se", "mu_lower": "mu_lower", "mu_upper": "mu_upper", "estimate": "back(mu)", "ci_lower": "back(mu_lower)",
        "ci_upper": "back(mu_upper)", "marginal_estimate": "back(mu)", "marginal_ci_lower": "back(mu_lower)",
        "marginal_ci_upper": "back(mu_upper)", "median": "median", "rho": "tau", "rho_lower": "tau_limits[1]",
        "rho_upper": "tau_limits[2]", "tau2": "tau2", "tau2_lower": "tau2_limits[1]", "tau2_upper": "tau2_limits[2]",
        "pi_lower": "new_limits[1]", "pi_upper": "new_limits[2]", "loglik": "-best$value / 2", **_TESTS,
        **(two_step.FROM_Q if options.i2 == "Q" else two_step.FROM_TAU2),
    }  # fmt: skip
    text = lines(code, part("mixed"), interval, after, tests)
    return Form("the beta-binomial likelihood by hand, maximised by nlminb. In the code tau stands for rho.", text, found, MIXED)


_RHO_LIMITS = "tau_limits <- pmin(1, c(profile_limit(1, -tau), profile_limit(1, (1 - tau) / 4, 1 - 1e-9)))"
_BETA_PREDICTION = """\
# The predictive distribution: the fitted beta, mixed over the error of the mean, at the normal scores of Student's t.
t_quantile <- qt(1 - (1 - level) / 2, k - 2)
beta_limit <- function(mu) {
  local <- if (tau == 0) 0 else sum(trigamma(shapes(mu - t_quantile * se, tau)))
  # A narrow beta adds its variance.
  if (local <= (0.02 * se)^2) return(mu - t_quantile * sqrt(se^2 + local))
  tail_at <- function(x) {
    integrand <- function(z) vapply(z, function(u) {
      ab <- shapes(mu + se * u, tau)
      pbeta(plogis(x), ab[1], ab[2]) * dnorm(u)
    }, numeric(1))
    ends <- seq(-12, 12, by = 3)
    sum(vapply(1:8, function(i) integrate(integrand, ends[i], ends[i + 1], rel.tol = 1e-9, stop.on.error = FALSE)$value, numeric(1)))
  }
  score <- function(x) qnorm(max(1e-300, tail_at(x))) + t_quantile
  if (score(-700) >= 0) return(-Inf)
  if (score(36) <= 0) return(Inf)
  uniroot(score, c(-700, 36), tol = 1e-10)$root
}
new_limits <- c(plogis(beta_limit(mu)), plogis(-beta_limit(-mu)))"""


def conditional_exact(fit: Pooled) -> Form:
    """The conditional logistic mixed model of two groups, its likelihood by hand."""
    if (other := exceptional(fit)) is not None:
        return other
    if fit.status != "pooled":
        return _two_groups_without(fit)
    code = [
        _KEEP,
        *exact_likelihood(fit.method["link"]),
        "width <- 1 / sqrt(max(information) + 4)",
        "centre <- log(sum(events * (total_control - events_control) / (total + total_control)) /",
        "              sum(events_control * (total - events) / (total + total_control)))",
        "if (!is.finite(centre)) centre <- 0",
        part("exact"),
        "deviance_at <- exact_deviance(centre, 260, width)",
        "start <- c(0.5, centre)",
        *_ONE_MEAN,
    ]
    title = "the exact conditional likelihood in base R, averaged over the random effect, maximised by nlminb."
    return _mixed(fit, code, _two_group_tests(fit), title, ())


def conditional_approximate(fit: Pooled) -> Form:
    """The conditional logistic mixed model of two groups with the binomial approximation, by lme4."""
    if (other := exceptional(fit)) is not None:
        return other
    if fit.status != "pooled":
        return _two_groups_without(fit)
    code = [
        _KEEP,
        part("lme4"),
        "study <- factor(seq_along(study))",
        "shift <- log(total / total_control)",
        "data <- data.frame(study, events, events_control, shift)",
        "plain <- glm(cbind(events, events_control) ~ offset(shift), family = binomial, data = data, epsilon = 1e-14, maxit = 200)",
        "found <- lme4_fit(cbind(events, events_control) ~ offset(shift) + (1 | study), binomial, data, plain)",
        *by_lme4(),
        *_ONE_MEAN,
    ]
    title = 'glmer of lme4 with nAGQ = 100, as rma.glmm of metafor fits model = "CM.AL".'
    return _mixed(fit, code, _two_group_tests(fit), title, ("lme4",), _LME4)


def nothing(fit: Pooled) -> Form:
    """Data without an estimate and without a test."""
    return Form("nothing to compute.", "", {}, CLOSED, apart=dict.fromkeys(expected(fit), "These data have no estimate."))


def _two_groups_without(fit: Pooled) -> Form:
    if fit.lrt is None or fit.model == "UM.RS":
        return nothing(fit)
    code = [_KEEP]
    code += [
        *(exact_likelihood(fit.method["link"]) if fit.model in ("CM.EL", "bayes") else _plain_two_groups()),
        *_two_group_tests(fit),
    ]
    return _without(fit, code)


def _plain_two_groups() -> list[str]:
    return [
        "long <- data.frame(",
        "  x = c(events, events_control), n = c(total, total_control), group = rep(c(0.5, -0.5), each = k),",
        "  study = factor(rep(seq_len(k), 2))",
        ")",
        "plain <- glm(cbind(x, n - x) ~ group + study, family = binomial, data = long, epsilon = 1e-14, maxit = 200)",
    ]


def fixed_studies(fit: Pooled) -> Form:
    """UM.FS by lme4."""
    if (other := exceptional(fit)) is not None:
        return other
    if fit.status != "pooled":
        return _two_groups_without(fit)
    code = [
        _KEEP,
        part("lme4"),
        *_plain_two_groups(),
        "found <- lme4_fit(cbind(x, n - x) ~ group + study + (0 + group | study), binomial, long, plain)",
        *by_lme4(),
        "bounded <- c(TRUE, rep(FALSE, k + 1))",
        "mean_at <- 3",
    ]
    title = 'glmer of lme4 with nAGQ = 100 and the groups coded 1/2 and -1/2, as rma.glmm of metafor fits model = "UM.FS".'
    return _mixed(fit, code, _two_group_tests(fit), title, ("lme4",), _LME4)


def random_studies(fit: Pooled) -> Form:
    """UM.RS, its likelihood by hand."""
    if (other := exceptional(fit)) is not None:
        return other
    if fit.status != "pooled":
        return nothing(fit)
    code = [_COUNT, part("lme4"), part("random_studies"), "bounded <- c(TRUE, FALSE, FALSE, TRUE)", "mean_at <- 2"]
    tests = _two_group_tests(fit)
    return _mixed(
        fit,
        code,
        tests,
        "the likelihood by hand, both random effects integrated on a grid; the test of equal effects by glmer of lme4.",
        ("lme4",),
        _LAPLACE,
    )


_LAPLACE = (
    "rma.glmm of metafor and glmer of lme4 fit this model by Laplace's approximation, the only one that lme4 has for two random "
    "effects; their numbers differ from the exact ones in the third digit.",
)
