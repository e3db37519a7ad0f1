"""Results of several models side by side."""

from __future__ import annotations

from metanet.errors import ArgumentError
from metanet.models.display import level_text, per_cent, rate_digits
from metanet.models.results import Pooled
from metanet.writing.cells import Cell, Column, limits_cell, number_cell, p_cell, rate_cell, text_cell
from metanet.writing.table import Table, made


def model_table(*fits: Pooled) -> Table:
    """Several results of the same studies side by side, with a sentence on whether they read alike.

    Parameters
    ----------
    *fits
        Pooled rates.

    Returns
    -------
    Table
        Median and population-averaged rate with their intervals, prediction interval, tau, I² and the test of equal rates.
    """
    if not fits or any(not isinstance(fit, Pooled) for fit in fits):
        raise ArgumentError("model_table takes results of pool.")
    if any(fit.response != "rate" for fit in fits):
        raise ArgumentError("model_table compares pooled rates; sensitivity_table takes other results.")
    columns = [
        Column("Model", ("model",)),
        Column("Status", ("status",)),
        *rate_columns(level_text(fits[0].level)),
        Column("Equal rates?", ("pvalue",), "p"),
    ]
    rows = [[text_cell(fit.title), text_cell(fit.status), *rate_cells(fit), _test(fit)] for fit in fits]
    foot = [f"{fit.title}: {' '.join([fit.method.sentence(), *fit.notes])}" for fit in fits]
    if len(fits) == 2 and (text := _alike(*fits)):
        foot.insert(0, text)
    return made("The same studies under several models", "No result.", columns, rows, foot)


def rate_columns(level: str, first: str = "Median rate") -> list[Column]:
    """The columns that say what a pooling of rates found, the estimate under the heading `first`; `rate_cells` fills them."""
    limits = f"{level} CI"
    return [
        Column("%", ("median",), "rate", first),
        Column(limits, ("median_lower", "median_upper"), "rate", first),
        Column("%", ("average",), "rate", "Population average"),
        Column(limits, ("average_lower", "average_upper"), "rate", "Population average"),
        Column("Prediction interval, %", ("pi_lower", "pi_upper"), "rate"),
        Column("tau", ("tau",), "number"),
        Column("I², %", ("i2",), "rate"),
    ]


def rate_cells(fit: Pooled) -> list[Cell]:
    """One result in the columns of `rate_columns`; what was not pooled has its own rate and exact interval in the first two.

    A beta-binomial model has no interval of its median; its mean is the population average.
    """
    digits = rate_digits(fit.estimate)
    mean = fit.average == "mean" and fit.status == "pooled"
    median = (fit.median, None, None) if mean else (fit.estimate, fit.ci_lower, fit.ci_upper)
    pooled = fit.status == "pooled"
    return [
        rate_cell(median[0], digits),
        limits_cell(*median[1:], digits),
        rate_cell(fit.marginal_estimate if pooled else None, digits),
        limits_cell(*((fit.marginal_ci_lower, fit.marginal_ci_upper) if pooled else (None, None)), digits),
        limits_cell(fit.pi_lower, fit.pi_upper, digits),
        number_cell(fit.tau),
        rate_cell(fit.i2),
    ]


def _test(fit: Pooled) -> Cell:
    """The test of equal rates; the likelihood ratio where there is one."""
    if fit.status != "pooled":
        return p_cell(None)
    return p_cell(fit.lrt_pvalue, "likelihood ratio") if fit.lrt is not None else p_cell(fit.q_pvalue, "Q")


def _alike(first: Pooled, second: Pooled) -> str:
    """Whether two models of the same studies would be read alike: each average rate inside the other's interval, or not."""
    rates = [(fit.marginal_estimate, fit.marginal_ci_lower, fit.marginal_ci_upper) for fit in (first, second)]
    if any(fit.status != "pooled" for fit in (first, second)) or any(value is None for rate in rates for value in rate):
        return ""
    (a, a_low, a_high), (b, b_low, b_high) = [tuple(float(x or 0.0) for x in rate) for rate in rates]
    shown = f"{per_cent(a, rate_digits(a))} % and {per_cent(b, rate_digits(b))} %"
    if a_low <= b <= a_high and b_low <= a <= b_high:
        return f"The two models read alike: average rates of {shown}, each inside the interval of the other."
    return (
        f"The two models read differently: average rates of {shown}, and one lies outside the interval of the other. "
        "The choice of model moves the answer here; report both."
    )
