"""Views of a result: text, HTML and plain values. They read the numbers; none is computed here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from metanet.effects.measures import MEASURES
from metanet.models.cards import card
from metanet.models.display import (
    ABSENT,
    count,
    effect_digits,
    interval,
    level_text,
    number,
    p_value,
    per_cent,
    plural,
    rate_digits,
)
from metanet.models.units import counted_units

if TYPE_CHECKING:
    from metanet.models.results import Pooled


def plain(value: Any) -> Any:
    """`value` as what JSON can hold: NaN becomes None, infinity a text, NumPy scalars Python ones."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        # A NumPy scalar becomes a Python one, an array a list.
        value = value.tolist()
        if isinstance(value, list):
            return [plain(item) for item in value]
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return str(value)


def _level(fit: Pooled) -> str:
    return level_text(fit.level)


def studies_text(fit: Pooled) -> str:
    """How many studies were pooled; arms of one study that count apart are said to be arms."""
    studies = fit.study_count
    dropped = int(fit.method["studies_dropped"])
    if dropped and fit.status == "pooled":
        return f"{fit.k - dropped} of {plural(fit.k, 'study', 'studies')}"
    if studies == fit.k:
        return plural(fit.k, "study", "studies")
    return f"{plural(fit.k, 'arm')} of {plural(studies, 'study', 'studies')}"


_RESPONSE = {
    "rate": ("rate", "Rate"),
    "rate per person-time": ("rate per unit of time", "Rate"),
    "ratio": ("ratio", "Ratio"),
    "difference": ("difference", "Difference"),
    "effect": ("effect", "Effect"),
}


def _shown(fit: Pooled, value: float | None) -> str:
    """The estimate, or an end of its interval, without a unit."""
    if fit.response == "rate":
        return per_cent(value, rate_digits(fit.estimate))
    return number(value, effect_digits(fit.estimate))


def _limits(fit: Pooled, lower: float | None, upper: float | None) -> str:
    if fit.response == "rate":
        return interval(lower, upper, rate_digits(fit.estimate))
    return ABSENT if lower is None or upper is None else f"{_shown(fit, lower)} to {_shown(fit, upper)}"


def rows_of(fit: Pooled) -> list[tuple[str, str]]:
    """The result as pairs of name and text, in the order in which a reader needs them."""
    rate = fit.response == "rate"
    unit = " %" if rate else ""

    def line(value: float | None, lower: float | None, upper: float | None) -> str:
        if value is None:
            return ABSENT
        return f"{_shown(fit, value)}{unit} ({_level(fit)} CI {_limits(fit, lower, upper)})"

    data = studies_text(fit)
    if fit.n is not None:
        data += f", {plural(fit.events or 0, 'event')} in {counted_units(fit.n, fit.units)}"
    elif fit.events is not None:
        data += f", {plural(fit.events, 'event')}"
    out = [("Data", data)]
    out.append((_estimate_name(fit), line(fit.estimate, fit.ci_lower, fit.ci_upper)))
    tests = _tests(fit)
    if fit.status != "pooled":
        return [*out, *tests] if fit.lrt is not None else out
    if fit.model == "beta_binomial":
        out.append(("Median rate", f"{_shown(fit, fit.median)} %"))
    elif fit.marginal_estimate is not None and fit.average == "median":
        average = line(fit.marginal_estimate, fit.marginal_ci_lower, fit.marginal_ci_upper)
        out.append(("Population-averaged rate", average))
    if fit.method["prediction"]:
        predicted = _limits(fit, fit.pi_lower, fit.pi_upper)
        out.append(("Prediction interval", predicted if predicted == ABSENT else predicted + unit))
    return [*out, *_heterogeneity(fit), *tests]


def _estimate_name(fit: Pooled) -> str:
    word, name = _RESPONSE[fit.response]
    if fit.status == "pooled":
        if fit.response.startswith("rate"):
            return f"{fit.average.capitalize()} {word}"
        return f"{MEASURES[fit.measure].title.capitalize()}" if fit.measure in MEASURES else f"Mean {word}"
    if fit.status == "not pooled":
        return f"{name} of the one study"
    return f"{name} (exact, on the sum)" if fit.status in ("no events", "only events") else name


def _heterogeneity(fit: Pooled) -> list[tuple[str, str]]:
    """tau, rho and I2 as far as they exist."""
    out = []
    if fit.tau2 is not None:
        upper = None if fit.tau2_upper is None else math.sqrt(fit.tau2_upper)
        lower = None if fit.tau2_lower is None else math.sqrt(fit.tau2_lower)
        scale = f" on the {fit.method['link'] or 'logit'} scale" if fit.measure == "PLO" else ""
        bounds = "" if lower is None else f" ({_level(fit)} CI {number(lower)} to {number(upper)})"
        out.append(("tau" + scale, f"{number(fit.tau)}{bounds}; tau2 {number(fit.tau2, 4)}"))
    if fit.rho is not None:
        bounds = (
            ""
            if fit.rho_lower is None
            else f" ({_level(fit)} CI {number(fit.rho_lower, 3)} to {number(fit.rho_upper, 3)})"
        )
        out.append(("Intraclass correlation", f"{number(fit.rho, 3)}{bounds}"))
    if fit.i2 is not None:
        bounds = "" if fit.i2_lower is None else f" ({interval(fit.i2_lower, fit.i2_upper)})"
        out.append(("I2", f"{per_cent(fit.i2)} %{bounds}"))
    return out


def _tests(fit: Pooled) -> list[tuple[str, str]]:
    """The test of equal rates or effects; the likelihood ratio where there is one."""
    what = "Equal rates?" if fit.response.startswith("rate") and fit.lrt is not None else "Equal effects?"
    if fit.lrt is not None:
        df = f" on {count(fit.q_df)} df" if fit.status == "pooled" else ""
        return [(what, f"likelihood ratio {number(fit.lrt)}{df}, {p_value(fit.lrt_pvalue)}")]
    if fit.q is not None:
        return [("Equal effects?", f"Q {number(fit.q)} on {count(fit.q_df)} df, {p_value(fit.q_pvalue)}")]
    return []


def short_text(fit: Pooled) -> str:
    """At most a dozen lines for a console."""
    lines = [f"{fit.title} ({fit.status})"]
    rows = rows_of(fit)
    width = max(len(name) for name, _ in rows)
    lines += [f"  {name:<{width}}  {text}" for name, text in rows]
    if fit.notes:
        lines.append(f"  {plural(len(fit.notes), 'note')}: .summary() prints them")
    return "\n".join(lines)


def summary_text(fit: Pooled) -> str:
    """Everything: the numbers, the notes, the method."""
    lines = short_text(fit).splitlines()
    if fit.notes:
        lines.pop()
        lines += ["Notes", *(f"  - {note}" for note in fit.notes)]
    lines += ["Method", f"  {fit.method.sentence()}"]
    lines += [f"  {source}" for source in fit.method["sources"]]
    return "\n".join(lines)


def sentence(fit: Pooled) -> str:
    """The result in one plain sentence, right for one study, no events and data without an estimate."""
    if fit.response != "rate":
        return _effect_sentence(fit)
    total = f"{fit.events} of {counted_units(fit.n or 0, fit.units)}"
    estimate = f"{_shown(fit, fit.estimate)} %"
    limits = f"{_level(fit)} CI {_limits(fit, fit.ci_lower, fit.ci_upper)} %"
    studies = studies_text(fit)
    if fit.status == "not pooled" and fit.k > 1:
        return f"Of {fit.k} studies one alone has an effect of its own ({estimate}; {limits}); nothing was pooled."
    if fit.status == "not pooled":
        return f"One study reported the outcome in {total} ({estimate}; {limits}); nothing was pooled."
    if fit.status == "not estimable":
        return f"{studies} reported the outcome in {total}; no pooled rate can be estimated from them."
    if fit.status in ("no events", "only events"):
        return f"Across {studies} the outcome was seen in {total} ({estimate}; exact {limits})."
    text = f"Across {studies} ({total}) the {fit.average} rate was {estimate} ({limits})"
    if fit.average == "median":
        text += f" and the population-averaged rate {_shown(fit, fit.marginal_estimate)} %"
    if fit.pi_lower is not None:
        ends = f"{_shown(fit, fit.pi_lower)} and {_shown(fit, fit.pi_upper)} %"
        text += f"; the rate of a new setting is expected between {ends}"
    return text + "."


def _effect_sentence(fit: Pooled) -> str:
    what = _what(fit)
    if fit.estimate is None:
        return f"No {what.removeprefix('the ')} could be estimated."
    unit = " per unit of time" if fit.response == "rate per person-time" else ""
    limits = f"{_level(fit)} CI {_limits(fit, fit.ci_lower, fit.ci_upper)}"
    shown = f"{_shown(fit, fit.estimate)}{unit}"
    if fit.status == "not pooled":
        return f"One study: {what} was {shown} ({limits}); nothing was pooled."
    text = f"{what[0].upper()}{what[1:]} was {shown} ({limits}; {studies_text(fit)})"
    if fit.pi_lower is not None:
        text += (
            f"; that of a new setting is expected between {_shown(fit, fit.pi_lower)} and {_shown(fit, fit.pi_upper)}"
        )
    return text + "."


def _what(fit: Pooled) -> str:
    """What an estimate that is no proportion is, with its article."""
    if fit.response == "rate per person-time":
        return f"the {fit.average} incidence rate" if fit.status == "pooled" else "the incidence rate"
    if fit.measure not in MEASURES:
        return "the effect"
    title = MEASURES[fit.measure].title
    return title if title.startswith("Peto") else f"the {title}"


def html_card(fit: Pooled) -> str:
    """A compact card for JupyterLab and for reports; see `card`."""
    title = f"{fit.title} ({fit.status})"
    return card(title, pairs=rows_of(fit), notes=fit.notes, method=fit.method.sentence())
