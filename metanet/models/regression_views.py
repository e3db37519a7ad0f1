"""Views of a meta-regression: text and HTML. They read the numbers; none is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.effects.measures import MEASURES
from metanet.models.cards import card
from metanet.models.display import ABSENT, effect_digits, level_text, number, p_value, per_cent, plural
from metanet.words import listing, visible

if TYPE_CHECKING:
    from metanet.models.regression_result import Regression


def _digits(value: float) -> int:
    return effect_digits(None if np.isnan(value) else value)


def _p(value: float | None) -> str:
    return p_value(value).removeprefix("p ").removeprefix("= ")


def _head(fit: Regression) -> list[str]:
    head = ["Term", "Estimate", "SE", f"{level_text(fit.level)} CI", "p"]
    return [*head, "p (permutation)"] if fit.method["permutations"] else head


def _rows(fit: Regression) -> list[list[str]]:
    out = []
    for row in fit.coefficients.to_dict("records"):
        digits = max(_digits(row["estimate"]), _digits(row["se"]))
        shown = [number(row[name], digits) for name in ("estimate", "se", "ci_lower", "ci_upper")]
        limits = ABSENT if np.isnan(row["ci_lower"]) else f"{shown[2]} to {shown[3]}"
        cells = [visible(row["term"]), shown[0], shown[1], limits, _p(row["pvalue"])]
        out.append([*cells, _p(row["permutation_pvalue"])] if fit.method["permutations"] else cells)
    return out


def _lines(fit: Regression) -> list[tuple[str, str]]:
    """Heterogeneity and tests as pairs of name and text."""
    out: list[tuple[str, str]] = []
    if fit.tau2 is not None:
        tau = number(fit.tau)
        if fit.tau2_lower is not None and fit.tau2_upper is not None:
            ends = f"{number(float(np.sqrt(fit.tau2_lower)))} to {number(float(np.sqrt(fit.tau2_upper)))}"
            tau += f" ({level_text(fit.level)} CI {ends})"
        before = "" if fit.tau2_without is None else f"; without moderators {number(float(np.sqrt(fit.tau2_without)))}"
        out.append(("tau", tau + before))
        out.append(("R2", ABSENT if fit.r2 is None else f"{per_cent(fit.r2, 0)} %"))
        out.append(("Residual I2", ABSENT if fit.i2 is None else f"{per_cent(fit.i2)} %"))
    if fit.qe is not None:
        name = "likelihood ratio" if fit.method["quadrature"] or fit.model == "glmm" else "Q"
        out.append(("Residual heterogeneity", f"{name} {number(fit.qe)} on {fit.qe_df} df, {p_value(fit.qe_pvalue)}"))
    if fit.lrt is not None:
        out.append(
            ("All moderators", f"likelihood ratio {number(fit.lrt)} on {fit.lrt_df} df, {p_value(fit.lrt_pvalue)}")
        )
    if fit.qm is not None:
        kind = f"Wald chi-squared {number(fit.qm)} on {fit.qm_df} df"
        if np.isfinite(fit.df):
            kind = f"Wald F {number(fit.qm)} on {fit.qm_df} and {fit.df:g} df"
        out.append(("All moderators", f"{kind}, {p_value(fit.qm_pvalue)}"))
    if fit.permutation_pvalue is not None:
        out.append(("All moderators", f"permutation {p_value(fit.permutation_pvalue)}"))
    if fit.aic is not None:
        out.append(("AIC", number(fit.aic)))
    return out


def _title(fit: Regression) -> str:
    studies = plural(fit.k, "study", "studies")
    return f"Meta-regression {visible(fit.formula)} of {studies} ({fit.status})"


def summary(fit: Regression) -> str:
    """Everything as text."""
    table = [_head(fit), *_rows(fit)]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [_title(fit), f"Scale: {scale(fit)}"]
    for row in table:
        cells = [row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]
        lines.append("  " + "  ".join(cells).rstrip())
    pairs = _lines(fit)
    width = max((len(name) for name, _ in pairs), default=0)
    lines += [f"  {name:<{width}}  {text}" for name, text in pairs]
    if fit.notes:
        lines += ["Notes", *(f"  - {visible(note)}" for note in fit.notes)]
    lines += ["Method", f"  {fit.method.sentence()}", *(f"  {source}" for source in fit.method["sources"])]
    return "\n".join(lines)


def scale(fit: Regression) -> str:
    """What a coefficient is a change of."""
    link = fit.method["link"]
    if link is not None:
        return {"logit": "log odds of the rate", "log": "log of the incidence rate"}.get(link, f"{link} of the rate")
    return "effect as given" if fit.measure == "GEN" else MEASURES[fit.measure].scale


def sentence(fit: Regression) -> str:
    """One or two sentences, right for a fit without estimates."""
    studies = plural(fit.k, "study", "studies")
    moderators = listing([visible(name) for name in fit._design.formula.names])
    if fit.status == "not estimable":
        return f"The association with {moderators} could not be estimated from {studies}."
    tested = _tested(fit)
    rows: list[dict[Any, Any]] = fit.coefficients.to_dict("records")
    slopes = [row for row in rows if row["term"] != "Intercept"]
    text = f"Across {studies}, "
    if fit.qm_df == 1 and len(slopes) == 1 and not np.isnan(slopes[0]["estimate"]):
        row = slopes[0]
        digits = max(_digits(row["estimate"]), _digits(row["se"]))
        low, value, high = (number(row[name], digits) for name in ("ci_lower", "estimate", "ci_upper"))
        step = "for the category against its reference" if "[" in row["term"] else "for each unit"
        text += (
            f"the {scale(fit)} changed by {value} {step} of {visible(row['term'])} ({level_text(fit.level)} CI {low} to {high}; "
            f"{p_value(row['pvalue'])}{'; ' + tested if fit.lrt is not None or fit.permutation_pvalue is not None else ''})"
        )
    else:
        text += f"{moderators} together: {tested or 'no test exists'}"
    if fit.r2 is not None:
        text += f"; the moderators account for {per_cent(fit.r2, 0)} % of the heterogeneity (R2)"
    return text + "."


def _tested(fit: Regression) -> str:
    out = []
    if fit.lrt is not None:
        out.append(f"likelihood ratio {p_value(fit.lrt_pvalue)}")
    elif fit.qm is not None:
        out.append(f"Wald {p_value(fit.qm_pvalue)}")
    if fit.permutation_pvalue is not None:
        out.append(f"permutation {p_value(fit.permutation_pvalue)}")
    return ", ".join(out)


def short(fit: Regression) -> str:
    """One line for a console."""
    return f"<Regression {visible(fit.formula)}: {sentence(fit)}>"


def html(fit: Regression) -> str:
    """The table of coefficients with tests and notes, escaped."""
    text = f"Coefficients are changes of the {scale(fit)}."
    return card(
        _title(fit),
        text,
        head=_head(fit),
        rows=_rows(fit),
        pairs=_lines(fit),
        notes=fit.notes,
        method=fit.method.sentence(),
    )
