"""What a reader has to know beside the numbers: reasons for what does not exist, and doubts about what does."""

from __future__ import annotations

from math import isnan
from typing import Any

from metanet.kernels.quantiles import two_sided_z
from metanet.models.display import per_cent, plural
from metanet.models.options import Options

Row = dict[str, Any]


def notes_for(row: Row, options: Options) -> list[str]:
    """Notes on one row of a batch (values as floats, NaN where absent), in the order in which a reader meets the numbers."""
    status = row["status"]
    if status == "no studies":
        return ["There is no study to pool."]
    if status == "not pooled":
        return [
            "One study: it is shown with its own interval and not pooled; tau2, I2 and a prediction interval do not exist.",
            *([_dropped(int(row["dropped"]), options)] if row["dropped"] else []),
            *([_corrected(int(row["corrected"]), options)] if row["corrected"] and options.groups == 2 else []),
        ]
    if status in ("no events", "only events"):
        return _one_sided(row)
    if status == "not estimable":
        return _not_estimable(row, options)
    return [*_mean(row, options), *_heterogeneity(row, options), *_prediction(row, options)]


def _one_sided(row: Row) -> list[str]:
    what = "No study saw an event" if row["status"] == "no events" else "Every patient of every study had the event"
    if isnan(row["n"]):
        sum_of = "the exact (Garwood) one on the sum of the person-time"
        return [f"{what}: the rate is 0 and its interval {sum_of}.", _NO_SPREAD]
    return [
        f"{what}: the rate is {per_cent(row['estimate'])} % and its interval the exact (Clopper-Pearson) one on the sum of "
        f"{int(row['n'])} patients.",
        _NO_SPREAD,
    ]


_NO_SPREAD = (
    "tau2, I2 and the prediction interval do not exist: such data say nothing of differences between studies. "
    "The interval supposes that the studies share one rate."
)


def _not_estimable(row: Row, options: Options) -> list[str]:
    if row["unsettled"]:
        return [
            "The maximum of the likelihood could not be located to the accuracy asked for, so no number is given. "
            "Use model='inverse_variance' for a rough answer, and please report these data."
        ]
    if options.groups == 2:
        return [
            "No finite effect exists: one of the groups has no events (or only events) in every study that says anything of it, or "
            "no study has an effect of its own. No number is given."
        ]
    if not options.exact:
        return [
            "No study has an effect of its own with a variance above zero: there is nothing to pool. No number is given."
        ]
    model = "beta-binomial" if options.model == "beta_binomial" else "binomial-normal"
    what = "rho goes to one" if options.model == "beta_binomial" else "tau grows"
    out = [
        f"The {model} model has no finite estimate here: the studies stand at 0 % and at 100 %, with hardly anything "
        f"between, and the likelihood keeps rising as {what}. No pooled rate is given."
        if not isnan(row["n"])
        else "The model has no finite estimate here: the likelihood keeps rising as tau grows. No pooled rate is given."
    ]
    if not isnan(row["n"]):
        out.append(
            f"Counted together the studies have {plural(int(row['events']), 'event')} in {int(row['n'])} patients "
            f"({per_cent(row['events'] / row['n'])} %), a figure that describes a mixture, not a rate they share."
        )
    return out


def _mean(row: Row, options: Options) -> list[str]:
    out = []
    if row["k"] - row["dropped"] == 2:
        out.append(
            "Two studies: the mean is estimable, the spread between studies hardly; the interval of tau2 shows how little is known."
            if options.tau2 is not None
            else "Two studies: the common effect is estimable; whether it is common can hardly be seen."
        )
    if row["dropped"]:
        out.append(_dropped(int(row["dropped"]), options))
    if row["corrected"]:
        out.append(_corrected(int(row["corrected"]), options))
    if not options.exact and options.scale == "rate" and row["events"] in (0, row["n"]):
        out.append(
            "All studies stand at the same end: this estimate is made by the "
            f"{'correction' if row['corrected'] else 'transformation'}, not by the data. Use the exact model (model='glmm')."
        )
    if options.model == "inverse_variance" and options.ci == "HK":
        out.extend(_hartung_knapp(row, options))
    if row["fallback"]:
        out.append(
            "The Kenward-Roger interval has less than one degree of freedom here and means nothing; the Hartung-Knapp interval that "
            "is not narrower than the t interval stands in its place."
        )
    if options.model == "beta_binomial":
        out.append(
            "The estimate is the mean of the fitted beta distribution of rates, which is the population-averaged rate; its median is "
            f"{per_cent(row['median'])} %. tau2 is the variance of the logits under it."
        )
    return out


def _corrected(studies: int, options: Options) -> str:
    counted = plural(studies, "study", "studies")
    if options.groups == 1 and options.scale == "rate" and options.to == "only0":
        return (
            f"{counted} at 0 % or 100 %: {options.add:g} was added to events and to "
            "non-events there. The correction moves the pooled rate; the exact model needs none."
        )
    if options.model not in ("inverse_variance", "common"):
        return "0.5 was added to all cells of the study shown, because one of them is empty: the effect shown is made by it."
    return (
        f"In {counted} {options.add:g} was added to the {_cells(options)} (to={options.to!r}). The correction moves the result; "
        "the exact models need none."
    )


def _cells(options: Options) -> str:
    """Which cells a correction touches."""
    return "events" if options.scale == "rate per person-time" or options.measure in ("IRR", "IRD") else "cells"


def _dropped(studies: int, options: Options) -> str:
    one = studies == 1
    counted = f"{plural(studies, 'study', 'studies')} of those counted here {'has' if one else 'have'} no part in the estimate"
    if options.groups == 2:
        says = "it says" if one else "they say"
        return f"{counted}: without events in both groups, or with events only, {says} nothing of it."
    return f"{counted}: no effect of {'its' if one else 'their'} own with a variance above zero exists."


def _hartung_knapp(row: Row, options: Options) -> list[str]:
    width = row["mu_upper"] - row["mu_lower"]
    common = 2 * two_sided_z(options.level) * row["common_se"]
    # The residual sum of equal effects is rounding noise, not zero.
    if width <= 1e-9 * common:
        return [
            "The studies agree exactly, so the Hartung-Knapp interval has no width: that is an artefact of the method, not "
            "certainty. Use ci='z' or the exact model."
        ]
    if width < common:
        return [
            "The Hartung-Knapp interval is narrower than the common-effect one: the studies agree better than chance would "
            "let them. Read ci='z' beside it."
        ]
    return []


def _heterogeneity(row: Row, options: Options) -> list[str]:
    out = []
    if options.i2 == "Q" and isnan(row["i2_lower"]):
        out.append("The intervals of I2 and H2 from Q need three studies: none is given.")
    if options.tau2 is None:
        return [
            *out,
            "One common effect is assumed: the interval does not allow for differences between the studies, and there is no tau2.",
        ]
    if row["tau2"] == 0 and not row["empty_tau2"]:
        out.append(
            "tau2 is estimated as zero, which does not show that the studies are alike: read the upper end of its interval."
        )
    if row["empty_tau2"]:
        out.append(
            f"The {options.tau2_ci} interval of tau2 is empty: the studies differ less than chance alone would make them, at any "
            "tau2. I2 and H2 have no interval either."
        )
    if row["tau2_upper"] == float("inf"):
        out.append("The data set no upper limit to tau below 30; the interval of tau2 is left open (infinity).")
    if row["tau2_upper"] < row["tau2"] or row["tau2_lower"] > row["tau2"]:
        out.append(
            "The estimate of tau2 lies outside its own interval: estimate and interval rest on different equations, which "
            "disagree for these data."
        )
    return out


def _prediction(row: Row, options: Options) -> list[str]:
    if options.tau2 is None:
        return []
    if options.prediction is None:
        return ["No prediction interval was asked for."]
    if row["k"] - row["dropped"] < 3:
        return ["A prediction interval needs at least three studies: none is given."]
    if isnan(row["pi_lower"]):
        return ["The prediction interval has no degrees of freedom to stand on: none is given."]
    if row["pi_lower"] > row["ci_lower"] or row["pi_upper"] < row["ci_upper"]:
        return [
            "The prediction interval does not hold the whole interval of the mean: the two are made in different ways, and the "
            "wider one is the safer reading."
        ]
    return []
