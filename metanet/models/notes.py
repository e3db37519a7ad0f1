"""What a reader has to know beside the numbers: reasons for what does not exist, and doubts about what does."""

from __future__ import annotations

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
            "One study: it is shown with its own interval and not pooled; tau2, I2 and a prediction interval do not exist."
        ]
    if status in ("no events", "only events"):
        return _one_sided(row)
    if status == "not estimable":
        return _not_estimable(row)
    return [*_mean(row, options), *_heterogeneity(row, options), *_prediction(row, options)]


def _one_sided(row: Row) -> list[str]:
    what = "No study saw an event" if row["status"] == "no events" else "Every patient of every study had the event"
    return [
        f"{what}: the rate is {per_cent(row['estimate'])} % and its interval the exact (Clopper-Pearson) one on the sum of "
        f"{int(row['n'])} patients.",
        "tau2, I2 and the prediction interval do not exist: such data say nothing of differences between studies. "
        "The interval supposes that the studies share one rate.",
    ]


def _not_estimable(row: Row) -> list[str]:
    if row["unsettled"]:
        return [
            "The maximum of the likelihood could not be located to the accuracy asked for, so no number is given. "
            "Use model='inverse_variance' for a rough answer, and please report these data."
        ]
    return [
        "The binomial-normal model has no finite estimate here: the studies stand at 0 % and at 100 %, with hardly anything "
        "between, and the likelihood keeps rising as tau grows. No pooled rate is given.",
        f"Counted together the studies have {plural(int(row['events']), 'event')} in {int(row['n'])} patients "
        f"({per_cent(row['events'] / row['n'])} %), a figure that describes a mixture, not a rate they share.",
    ]


def _mean(row: Row, options: Options) -> list[str]:
    out = []
    if row["k"] == 2:
        out.append(
            "Two studies: the mean is estimable, the spread between studies hardly; the interval of tau2 shows how little is known."
        )
    if options.model == "inverse_variance":
        if row["corrected"]:
            out.append(
                f"{plural(int(row['corrected']), 'study', 'studies')} at 0 % or 100 %: 0.5 was added to events and to "
                "non-events there. The correction moves the pooled rate; the exact model needs none."
            )
        if options.measure == "PLO" and row["events"] in (0, row["n"]):
            out.append(
                "All studies stand at the same end: this estimate is made by the correction, not by the data. "
                "Use the exact model (model='glmm')."
            )
        if options.ci == "HK":
            out.extend(_hartung_knapp(row, options))
    return out


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
    if row["tau2"] == 0 and not row["empty_tau2"]:
        out.append(
            "tau2 is estimated as zero, which does not show that the studies are alike: read the upper end of its interval."
        )
    if row["empty_tau2"]:
        out.append(
            "The Q-profile interval of tau2 is empty: the studies differ less than chance alone would make them, at any tau2."
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
    if options.prediction is None:
        return ["No prediction interval was asked for."]
    if row["k"] < 3:
        return ["A prediction interval needs at least three studies (t with k - 2 degrees of freedom): none is given."]
    if row["pi_lower"] > row["ci_lower"] or row["pi_upper"] < row["ci_upper"]:
        return [
            "The prediction interval does not hold the whole interval of the mean: the two are made in different ways, and the "
            "wider one is the safer reading."
        ]
    return []
