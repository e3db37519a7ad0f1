"""Views of a result: text, HTML and plain values. They read the numbers; none is computed here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metanet.models.display import ABSENT, count, interval, level_text, number, p_value, per_cent, plural
from metanet.words import NO_MATH, html_text

if TYPE_CHECKING:
    from metanet.models.results import Pooled

_TITLE = {
    "glmm": "Binomial-normal model",
    "inverse_variance": "Inverse-variance model",
}


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
    if studies == fit.k:
        return plural(fit.k, "study", "studies")
    return f"{plural(fit.k, 'arm')} of {plural(studies, 'study', 'studies')}"


def rows_of(fit: Pooled) -> list[tuple[str, str]]:
    """The result as pairs of name and text, in the order in which a reader needs them."""
    rate = fit.measure == "PLO"
    unit = " %" if rate else ""

    def shown(value: float | None) -> str:
        return per_cent(value) if rate else number(value, 3)

    def limits(lower: float | None, upper: float | None) -> str:
        if rate:
            return interval(lower, upper)
        return ABSENT if lower is None or upper is None else f"{number(lower, 3)} to {number(upper, 3)}"

    def line(value: float | None, lower: float | None, upper: float | None) -> str:
        if value is None:
            return ABSENT
        return f"{shown(value)}{unit} ({_level(fit)} CI {limits(lower, upper)})"

    data = studies_text(fit)
    if fit.n is not None:
        data += f", {plural(fit.events or 0, 'event')} in {plural(fit.n, 'patient')}"
    out = [("Data", data)]
    name = {
        "pooled": "Median rate" if rate else "Mean effect",
        "not pooled": "Rate of the one study" if rate else "Effect of the one study",
        "no events": "Rate (exact, on the sum)",
        "only events": "Rate (exact, on the sum)",
    }.get(fit.status, "Rate")
    out.append((name, line(fit.estimate, fit.ci_lower, fit.ci_upper)))
    if fit.status != "pooled":
        if fit.lrt is not None:
            out.append(("Equal rates?", f"likelihood ratio {number(fit.lrt)}, {p_value(fit.lrt_pvalue)}"))
        return out
    if rate:
        average = line(fit.marginal_estimate, fit.marginal_ci_lower, fit.marginal_ci_upper)
        out.append(("Population-averaged rate", average))
    if fit.method["prediction"]:
        predicted = limits(fit.pi_lower, fit.pi_upper)
        out.append(("Prediction interval", predicted if predicted == ABSENT else predicted + unit))
    if fit.tau2 is not None:
        upper = None if fit.tau2_upper is None else math.sqrt(fit.tau2_upper)
        lower = None if fit.tau2_lower is None else math.sqrt(fit.tau2_lower)
        scale = " on the logit scale" if rate else ""
        bounds = "" if lower is None else f" ({_level(fit)} CI {number(lower)} to {number(upper)})"
        out.append(("tau" + scale, f"{number(fit.tau)}{bounds}; tau2 {number(fit.tau2, 4)}"))
    if fit.i2 is not None:
        bounds = "" if fit.i2_lower is None else f" ({interval(fit.i2_lower, fit.i2_upper)})"
        out.append(("I2", f"{per_cent(fit.i2)} %{bounds}"))
    if fit.lrt is not None:
        text = f"likelihood ratio {number(fit.lrt)} on {count(fit.q_df)} df, {p_value(fit.lrt_pvalue)}"
        out.append(("Equal rates?", text))
    elif fit.q is not None:
        out.append(("Equal effects?", f"Q {number(fit.q)} on {count(fit.q_df)} df, {p_value(fit.q_pvalue)}"))
    return out


def short_text(fit: Pooled) -> str:
    """At most a dozen lines for a console."""
    lines = [f"{_TITLE[fit.model]} ({fit.status})"]
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
    if fit.measure != "PLO":
        if fit.estimate is None:
            return "No effect could be estimated."
        limits = f"{number(fit.ci_lower, 3)} to {number(fit.ci_upper, 3)}"
        return f"The effect was {number(fit.estimate, 3)} ({_level(fit)} CI {limits}; {studies_text(fit)})."
    total = f"{fit.events} of {fit.n} patients"
    limits = f"{_level(fit)} CI {interval(fit.ci_lower, fit.ci_upper)} %"
    if fit.status == "not pooled":
        return f"One study reported the outcome in {total} ({per_cent(fit.estimate)} %; {limits}); nothing was pooled."
    studies = studies_text(fit)
    if fit.status == "not estimable":
        return f"{studies} reported the outcome in {total}; no pooled rate can be estimated from them."
    if fit.status in ("no events", "only events"):
        return f"Across {studies} the outcome was seen in {total} ({per_cent(fit.estimate)} %; exact {limits})."
    text = f"Across {studies} ({total}) the median rate was {per_cent(fit.estimate)} % ({limits})"
    text += f" and the population-averaged rate {per_cent(fit.marginal_estimate)} %"
    if fit.pi_lower is not None:
        ends = f"{per_cent(fit.pi_lower)} and {per_cent(fit.pi_upper)} %"
        text += f"; the rate of a new setting is expected between {ends}"
    return text + "."


def html_table(rows: list[tuple[str, str]]) -> str:
    """Pairs as a two-column table, escaped; readable without a style sheet."""
    cells = "".join(
        f"<tr><th scope='row' style='text-align:left'>{html_text(a)}</th><td style='text-align:left'>{html_text(b)}</td></tr>"
        for a, b in rows
    )
    return f"<table class='metanet-numbers'><tbody>{cells}</tbody></table>"


def html_frame(head: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", foot: Sequence[str] = ()) -> str:
    """A table of texts with optional lines above and below it, escaped."""
    top = "".join(f"<th scope='col'>{html_text(text)}</th>" for text in head)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    line = f"<p>{html_text(title)}</p>" if title else ""
    table = f"<table class='metanet-table'><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>" if head else ""
    below = "".join(f"<p><small>{html_text(text)}</small></p>" for text in foot)
    return f"<div class='metanet {NO_MATH}'>{line}{table}{below}</div>"


def _cell(text: str) -> str:
    # Numbers and intervals stay on one line; sentences and addresses may break.
    short = " style='white-space:nowrap'" if len(text) <= 22 and "/" not in text else ""
    return f"<td{short}>{html_text(text)}</td>"


def html_card(fit: Pooled) -> str:
    """A compact card for JupyterLab and for reports: no external requests, no colours of its own, everything escaped."""
    notes = "".join(f"<li>{html_text(note)}</li>" for note in fit.notes)
    listed = f"<ul class='metanet-notes'>{notes}</ul>" if notes else ""
    return (
        f"<div class='metanet-card {NO_MATH}'>"
        f"<div><strong>{html_text(_TITLE[fit.model])}</strong> ({html_text(fit.status)})</div>"
        f"{html_table(rows_of(fit))}{listed}"
        f"<div><small>{html_text(fit.method.sentence())}</small></div></div>"
    )
