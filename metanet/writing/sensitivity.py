"""Sensitivity: the main analysis compared with other methods and other selections of studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, choice
from metanet.base.display import ABSENT, TOO_WIDE, difference_scale, interval_kind, level_text, scale_of, sentence_case
from metanet.base.errors import ArgumentError, as_given
from metanet.base.groups import natural
from metanet.diagnostics.method.multiverse import DATA_DIMENSIONS, Multiverse, main_choices, rows_of
from metanet.models.options import model_label, options_of
from metanet.models.results.pooled import Pooled
from metanet.writing.table.table import Cell, Column, Table, count_cell, made, scaled_cell, text_cell

if TYPE_CHECKING:
    import pandas as pd


_WORDS = {
    ("overlap", "keep_largest"): "the largest of overlapping cohorts",
    ("overlap", "keep_newest"): "the newest of overlapping cohorts",
    ("overlap", "keep_all"): "all overlapping cohorts",
    ("certainty", "low"): "any certainty",
    ("certainty", "moderate"): "certainty moderate or high",
    ("certainty", "high"): "certainty high",
    ("risk_of_bias", "all"): "any risk of bias",
    ("risk_of_bias", "without critical"): "without a critical risk of bias",
    ("risk_of_bias", "without high"): "without a high or serious risk of bias",
    ("risk_of_bias", "low only"): "low risk of bias only",
    ("unit", "any"): "any unit",
    ("unit", "patients"): "patients only",
    ("derived", "in"): "derived counts included",
    ("derived", "out"): "without derived counts",
    ("reporting", "all"): "arms whatever they report",
    ("reporting", "both"): "arms that report response and control",
}
_METHOD, _DATA = "Other methods, the same studies", "Other studies, the same method"


@checked(by=choice("both", "method", "data"))
def sensitivity_table(results: Multiverse | Sequence[Pooled], *, by: str = "both", main: Mapping[str, str] | None = None) -> Table:
    """One row for each method, and for each choice of data, with the difference to the main analysis.

    Parameters
    ----------
    results
        What `multiverse` returned, or several results of `pool`, the main one first.
    by
        Of a multiverse: "method" (all methods on the studies of the main analysis), "data" (its method on all choices of
        studies), or "both".
    main
        Of a multiverse: the main analysis, by default the recommended method on the most inclusive rows; a dictionary of
        ``method`` and of choices of data such as ``{"certainty": "moderate"}``, in the words of `Multiverse.to_frame`.

    Returns
    -------
    Table
        Analysis, estimator of tau², interval, studies or arms (k), estimate with interval, what it estimates, and its difference to
        the main analysis: of rates in percentage points (a fraction in `to_frame`), of ratios as a ratio, else as a difference.

    Raises
    ------
    ArgumentError
        Other arguments, results of different kinds, or a main analysis that is not among them.
    """
    if isinstance(results, Multiverse):
        return _of_multiverse(results, by, main)
    if isinstance(results, Pooled) or not isinstance(results, Sequence) or not results:
        raise ArgumentError("results must be what multiverse returned, or a list of results of pool.")
    if main is not None or by != "both":
        raise ArgumentError("by and main apply to a multiverse; the first result of a list is the main one.")
    return _of_fits(list(results))


def _of_fits(fits: list[Pooled]) -> Table:
    for fit in fits:
        if not isinstance(fit, Pooled):
            raise ArgumentError(f"results holds {as_given(type(fit).__name__)}, which is not a result of pool.")
        if (fit.response, fit.level) != (fits[0].response, fits[0].level):
            raise ArgumentError(
                "results contain different kinds of estimates or levels and cannot be compared. Fix: one measure, one level."
            )
        if fit.response == "ratio" and fit.measure != fits[0].measure:
            raise ArgumentError(f"results mix {fits[0].measure} and {fit.measure}, which cannot be compared. Fix: one measure.")
    lines = [
        {
            **_method(fit),
            "target": _target(fit),
            "status": fit.status,
            "k": fit.k,
            "estimate": fit.estimate,
            "ci_lower": fit.ci_lower,
            "ci_upper": fit.ci_upper,
        }
        for fit in fits
    ]
    return _table(lines, ["Main analysis", *["Other analyses"] * (len(lines) - 1)], fits[0].response, fits[0].level)


def _method(fit: Pooled) -> dict[str, str]:
    """Model, estimator of tau² and interval, as far as they were used."""
    if fit.status != "pooled":
        return {"label": fit.title, "tau2": "", "ci": ""}
    options = options_of(fit.method)
    return {"label": model_label(options), "tau2": options.tau2 or "none", "ci": options.ci}


def _target(fit: Pooled) -> str:
    if not fit.response.startswith("rate"):
        return "effect"
    if fit.status != "pooled":
        return "rate"
    return "mean" if fit.average == "mean" or fit.measure in ("PR", "IR") else fit.average


def _of_multiverse(found: Multiverse, by: str, main: Mapping[str, str] | None) -> Table:
    if found.reason:
        return made("Sensitivity", found.reason, (), ())
    frame = found.to_frame()
    dimensions = [name for name in DATA_DIMENSIONS if name in frame.columns]
    start, method = main_choices(found, main)
    rows_of_main, same_method = rows_of(found, start), frame["method"] == method
    first = frame[rows_of_main & same_method].iloc[:1]
    if first.empty:
        raise ArgumentError(f"main={as_given(main)} is not among the analyses. Fix: words of results.to_frame().")
    lines = [{**_records(first)[0], "label": first["model"].iloc[0]}]
    groups = ["Main analysis"]
    if by != "data":
        others = frame[rows_of_main & ~same_method]
        kept = [{**row, "label": row["model"]} for row in _records(others)]
        # Models of the counts first, as they are recommended.
        lines += sorted(kept, key=lambda row: (row["tau2"] not in ("posterior", "ML", "none"), row["method"]))
        groups += [_METHOD] * len(others)
    if by != "method":
        others = frame[~rows_of_main & same_method]
        kept = [{**row, "label": _data_label(row, start), "tau2": "", "ci": ""} for row in _records(others)]
        kept.sort(key=lambda row: (row["label"].count(";"), natural(row["label"])))
        lines += kept
        groups += [_DATA] * len(kept)
    foot = []
    if dimensions:
        named = "; ".join(_WORDS.get((n, start[n]), start[n]) for n in dimensions)
        foot.append(f"Main analysis: {named}.")
        foot.append("Choices of data with the same rows are one analysis, named after the most inclusive choice.")
    return _table(lines, groups, found.response, found.level, foot)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _data_label(row: Mapping[str, Any], start: Mapping[str, str]) -> str:
    """The choices that differ from those of the main analysis."""
    parts = [_WORDS.get((name, row[name]), str(row[name])) for name, level in start.items() if row[name] != level]
    return "; ".join(parts)


def _table(lines: list[dict[str, Any]], groups: list[str], response: str, level: float, foot: Sequence[str] = ()) -> Table:
    rate = response == "rate"
    difference = {"rate": "Difference, points", "ratio": "Ratio to the main analysis"}.get(response, "Difference")
    kind = "rate" if rate else "number"
    kinds = ["CrI" if line["ci"] == "credible" and line["status"] == "pooled" else "CI" for line in lines]
    limits = f"{level_text(level)} {interval_kind(kinds)}"
    columns = [
        Column("Analysis", ("analysis",)),
        Column("tau²", ("tau2_estimator",)),
        Column("Interval", ("interval",)),
        Column("k", ("k",), "count"),
        Column("Rate, %" if rate else "Estimate", ("estimate",), kind),
        Column(f"{limits}, %" if rate else limits, ("ci_lower", "ci_upper"), kind),
        Column("Estimand", ("target",)),
        Column(difference, ("difference",), "points" if rate else "number"),
        Column("Status", ("status",)),
    ]
    main = _known(lines[0]["estimate"])
    rows = [_row(line, main, response) for line in lines]
    for place, row in enumerate(rows):
        if place == 0:
            row[7] = Cell(ABSENT, (None,))
    targets = {line["target"] for line in lines}
    notes = list(foot)
    if len(set(kinds)) > 1:
        notes.append("Intervals of Bayesian models are credible intervals (CrI), those of the others confidence intervals (CI).")
    scale = scale_of(response)
    if any(scale.is_vague(_known(line["ci_lower"]), _known(line["ci_upper"])) for line in lines):
        notes.append(f"{sentence_case(TOO_WIDE)}: the interval {scale.vague_rule()}.")
    if {"mean", "median"} <= targets:
        notes.append("Some analyses estimate the mean of the distribution of true rates, others its median; these can differ.")
    notes.append("k counts arms where several arms of one study are analysed.")
    return made("Sensitivity to the method and to the data", "No analysis.", columns, rows, notes, groups=groups)


def _row(line: Mapping[str, Any], main: float | None, response: str) -> list[Cell]:
    value, lower, upper = (_known(line[name]) for name in ("estimate", "ci_lower", "ci_upper"))
    scale = scale_of(response)
    digits = scale.digits(value, lower, upper)
    away = _away(value, main, response)
    apart = scale if response == "ratio" else difference_scale(response)
    shown = scaled_cell(apart, max(digits, apart.digits(away)) if away is not None else digits, away)
    cells = [scaled_cell(scale, digits, value), scaled_cell(scale, digits, lower, upper)]
    return [
        text_cell(line["label"]),
        text_cell(line["tau2"]),
        text_cell(line["ci"]),
        count_cell(line["k"]),
        *cells,
        text_cell(line["target"] if line["status"] == "pooled" else ""),
        shown,
        text_cell(f"{line['status']}; {TOO_WIDE}" if scale.is_vague(lower, upper) else line["status"]),
    ]


def _away(value: float | None, main: float | None, response: str) -> float | None:
    """The ratio to the main analysis for ratios, otherwise the difference."""
    if value is None or main is None:
        return None
    if response == "ratio":
        return value / main if main > 0 else None
    return value - main


def _known(value: float | None) -> float | None:
    return None if value is None or value != value else float(value)
