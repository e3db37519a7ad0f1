"""Views of a Bayesian pooling: text and HTML. They read the numbers; none is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metanet.models.cards import card
from metanet.models.display import interval, level_text, number, per_cent, plural
from metanet.models.units import counted_units

if TYPE_CHECKING:
    from metanet.models.bayes_result import BayesPooled

_TITLE = "Bayesian binomial-normal model"


def rows_of(fit: BayesPooled) -> list[tuple[str, str]]:
    """The result as pairs of name and text, in the order in which a reader needs them."""
    level = level_text(fit.level)
    median = f"{per_cent(fit.estimate)} % ({level} CrI {interval(fit.ci_lower, fit.ci_upper)})"
    average = (
        f"{per_cent(fit.marginal_estimate)} % ({level} CrI {interval(fit.marginal_ci_lower, fit.marginal_ci_upper)})"
    )
    tau = f"{number(fit.tau)} ({level} CrI {number(fit.tau_lower)} to {number(fit.tau_upper)})"
    studies = plural(fit.k, "study", "studies")
    return [
        ("Data", f"{studies}, {plural(fit.events, 'event')} in {counted_units(fit.n, fit.units)}"),
        ("Median rate", median),
        ("Population-averaged rate", average),
        ("Rate of a new setting", f"{interval(fit.pi_lower, fit.pi_upper)} % ({level} predictive interval)"),
        ("tau on the logit scale", tau),
        ("Log evidence", number(fit.log_evidence, 3)),
        ("Priors", f"tau ~ {fit.method['tau_prior']}, mu ~ {fit.method['mu_prior']}"),
    ]


def short_text(fit: BayesPooled) -> str:
    """At most a dozen lines for a console."""
    rows = rows_of(fit)
    width = max(len(name) for name, _ in rows)
    lines = [_TITLE, *(f"  {name:<{width}}  {text}" for name, text in rows)]
    return "\n".join([*lines, f"  {plural(len(fit.notes), 'note')}: .summary() prints them"])


def summary_text(fit: BayesPooled) -> str:
    """Everything: the numbers, the notes, the method."""
    lines = short_text(fit).splitlines()[:-1]
    lines += ["Notes", *(f"  - {note}" for note in fit.notes)]
    lines += ["Method", f"  {fit.method.sentence()}", *(f"  {source}" for source in fit.method["sources"])]
    return "\n".join(lines)


def sentence(fit: BayesPooled) -> str:
    """The result in one plain sentence."""
    level = level_text(fit.level)
    data = f"{plural(fit.k, 'study', 'studies')} ({fit.events} of {counted_units(fit.n, fit.units)})"
    limits = f"{level} credible interval {interval(fit.ci_lower, fit.ci_upper)} %"
    new = f"{per_cent(fit.pi_lower)} and {per_cent(fit.pi_upper)} %"
    return (
        f"Given {data} and the priors tau ~ {fit.method['tau_prior']} and mu ~ {fit.method['mu_prior']}, the median rate is "
        f"{per_cent(fit.estimate)} % ({limits}) and the population-averaged rate {per_cent(fit.marginal_estimate)} %; the rate of a "
        f"new setting lies between {new} with probability {level}."
    )


def html_card(fit: BayesPooled) -> str:
    """A compact card for JupyterLab and for reports: see `card`."""
    return card(_TITLE, pairs=rows_of(fit), notes=fit.notes, method=fit.method.sentence())
