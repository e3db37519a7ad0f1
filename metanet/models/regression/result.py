"""The result of a meta-regression: the numbers once, and views of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arrays import Array
from metanet.base.cards import card
from metanet.base.completion import Listed
from metanet.base.display import ABSENT, effect_digits, level_text, number, p_value, per_cent, plural
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError, check_choice, shorten
from metanet.base.untrusted import listing, visible
from metanet.effects.measures import MEASURES
from metanet.kernels.inverse_variance import prediction, regression
from metanet.models.options import Options
from metanet.models.regression.fit import Numbers, Permuted, r2
from metanet.models.regression.formulas import Design
from metanet.models.results.pooled import Method, plain

if TYPE_CHECKING:
    import pandas as pd


# Views of a meta-regression: text and HTML. They read the numbers; none is computed here.


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


# The result of a meta-regression: the numbers once, and views of them.


_LINE_POINTS = 101
#: Attributes that `to_dict` holds beside the coefficients.
_NUMBERS = (
    "status", "formula", "model", "measure", "level", "k", "df", "tau2", "tau2_lower", "tau2_upper", "tau2_without", "r2", "i2", "qe",
    "qe_df", "qe_pvalue", "qm", "qm_df", "qm_pvalue", "lrt", "lrt_df", "lrt_pvalue", "loglik", "aic", "permutation_pvalue",
)  # fmt: skip


def _number(name: str) -> Any:
    """A property that reads one number of the fit; None where it does not exist."""

    def read(self: Regression) -> float | None:
        return _optional(getattr(self._numbers, name))

    read.__name__ = name
    return property(read)


def _optional(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True, eq=False)
class Regression(Listed):
    """A fitted meta-regression. A quantity that does not exist is None, with the reason in `notes`.

    Attributes
    ----------
    status
        "fitted"; "separated" (a coefficient has no finite maximum: the others, and the likelihood ratio, stand); "not estimable".
    coefficients
        Frame: term, estimate, se, statistic, df, pvalue, ci_lower, ci_upper, vif, and permutation_pvalue if asked for. On the
        model scale (log odds, for a rate).
    tau2, tau2_lower, tau2_upper, tau2_without
        Heterogeneity that the moderators leave, its interval (profile likelihood; two steps: Q-profile), and that without them.
    r2
        Share of tau2 that they account for, a fraction.
    i2
        Residual I2, a fraction, from tau2.
    qe, qe_df, qe_pvalue
        Test of residual heterogeneity: Q; for exact models the likelihood ratio against one free rate for each study.
    qm, qm_df, qm_pvalue
        Wald's test of all moderators: chi-squared with ``ci="z"``, else F on (qm_df, k - p).
    lrt, lrt_df, lrt_pvalue
        Likelihood-ratio test of all moderators (exact models, and ``tau2="ML"``).
    loglik, aic
        Maximum of the log-likelihood (its supremum, under separation) and Akaike's criterion, where the fit is by maximum
        likelihood.
    permutation_pvalue
        Of all moderators together.
    k, df
        Studies used, and the degrees of freedom of the tests (inf: normal).
    """

    _listed = (
        "coefficients", "r2", "lrt", "lrt_pvalue", "permutation_pvalue", "tau", "studies", "predict",
        "bubble", "notes", "method", "summary", "sentence", "to_frame", "to_dict",
    )  # fmt: skip

    status: str
    formula: str
    model: str
    measure: str
    level: float
    k: int
    method: Method = field(repr=False)
    _numbers: Numbers = field(repr=False)
    _design: Design = field(repr=False)
    _contrast: Array = field(repr=False)
    _permuted: Permuted | None = field(repr=False)
    _options: Options = field(repr=False)
    _studies: tuple[str, ...] = field(repr=False)
    _frame: pd.DataFrame = field(repr=False)

    tau2 = _number("tau2")
    tau2_lower = _number("tau2_lower")
    tau2_upper = _number("tau2_upper")
    tau2_without = _number("tau2_without")
    i2 = _number("i2")
    qe = _number("qe")
    qe_pvalue = _number("qe_pvalue")
    qm = _number("qm")
    qm_pvalue = _number("qm_pvalue")
    lrt = _number("lrt")
    lrt_pvalue = _number("lrt_pvalue")
    loglik = _number("loglik")

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return self._design.terms

    @property
    def r2(self) -> float | None:
        """Share of the heterogeneity accounted for."""
        return _optional(r2(self._numbers))

    @property
    def tau(self) -> float | None:
        """Square root of `tau2`."""
        return None if self.tau2 is None else float(np.sqrt(self.tau2))

    @property
    def df(self) -> float:
        """Degrees of freedom of the tests of the coefficients."""
        return self._numbers.df

    @property
    def qe_df(self) -> int:
        """Degrees of freedom of `qe`: studies less coefficients."""
        return self._numbers.qe_df

    @property
    def qm_df(self) -> int:
        """Number of coefficients that `qm` and `lrt` test."""
        return int(self._contrast.shape[0])

    @property
    def lrt_df(self) -> int | None:
        """Degrees of freedom of `lrt`."""
        return None if self.lrt is None else self.qm_df

    @property
    def aic(self) -> float | None:
        """Akaike's criterion: twice the coefficients and tau2, less twice the log-likelihood."""
        return None if self.loglik is None else 2.0 * (len(self.terms) + 1) - 2.0 * self.loglik

    @property
    def permutation_pvalue(self) -> float | None:
        """Permutation p-value of all moderators."""
        return None if self._permuted is None else _optional(self._permuted.omnibus)

    @property
    def notes(self) -> tuple[str, ...]:
        """Reasons and doubts in words."""
        return tuple(self.method["notes"])

    @property
    def coefficients(self) -> pd.DataFrame:
        """One row for each coefficient; a copy."""
        import pandas as pd

        found = self._numbers.inference
        frame = pd.DataFrame(
            {
                "term": list(self.terms),
                "estimate": self._numbers.beta,
                "se": found.se[0],
                "statistic": found.statistic[0],
                "df": found.df[0],
                "pvalue": found.pvalue[0],
                "ci_lower": found.lower[0],
                "ci_upper": found.upper[0],
                "vif": self._numbers.vif,
            }
        )
        if self._permuted is not None:
            frame["permutation_pvalue"] = self._permuted.pvalues
        return frame

    @property
    def studies(self) -> pd.DataFrame:
        """The studies used: name, own rate (or effect), weight, fitted value, and the columns of the data; a copy."""
        import pandas as pd

        value, _, _ = self._numbers.combine(self._design.matrix)
        own = pd.DataFrame(
            {
                "study": list(self._studies),
                self._value_name: self._numbers.response,
                "weight": self._numbers.weights,
                "fitted": self._response(value),
            }
        )
        others = self._frame[[c for c in self._frame.columns if c not in own.columns]]
        return pd.concat([own, others.loc[:, ~others.columns.duplicated()]], axis=1)

    @property
    def _value_name(self) -> str:
        return "rate" if self._options.scale.startswith("rate") else "effect"

    def _response(self, value: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.where(np.isnan(value), np.nan, self._numbers.to_response(np.nan_to_num(value)))

    def predict(self, new: Any) -> pd.DataFrame:
        """Rates (or effects) expected at new values of the moderators.

        Parameters
        ----------
        new
            A mapping or a DataFrame with a value of every moderator of the formula.

        Returns
        -------
        DataFrame
            The new values; `predictor` and `se` on the model scale; `estimate` with `ci_lower`, `ci_upper` and the prediction
            interval `pi_lower`, `pi_upper` (Student's t with k - p - 1 degrees of freedom) on the response scale; exact
            models also `marginal_estimate`, the population-averaged rate. NaN where a coefficient is not estimable.

        Raises
        ------
        ArgumentError
            A moderator that is not given, or a category that no study had.
        """
        import pandas as pd

        matrix, frame = self._design.of(new)
        made = pd.DataFrame(self._predicted(matrix))
        clash = {c: f"{c} (new)" for c in frame.columns if c in made.columns}
        return pd.concat([frame.rename(columns=clash), made], axis=1)

    def _predicted(self, matrix: Array) -> dict[str, Array]:
        numbers = self._numbers
        if np.isnan(numbers.tau2):
            value = se = model_se = np.full(matrix.shape[0], np.nan)
        else:
            value, se, model_se = numbers.combine(matrix)
        half = regression.critical(self.level, np.full(value.shape, numbers.df)) * se
        tau2 = np.full(value.shape, numbers.tau2)
        df = np.full(value.shape, float(self.k - len(self.terms) - 1))
        low, high = prediction.student(value, model_se, tau2, df, self.level)
        out = {
            "predictor": value,
            "se": se,
            "estimate": self._response(value),
            "ci_lower": self._response(value - half),
            "ci_upper": self._response(value + half),
            "pi_lower": self._response(low),
            "pi_upper": self._response(high),
        }
        if numbers.marginal is not None:
            known = np.isfinite(value)
            average = np.full(value.shape, np.nan)
            if known.any():
                average[known] = numbers.marginal(value[known])
            out["marginal_estimate"] = average
        return out

    def bubble_data(self, moderator: str | None = None, *, at: Any = None) -> pd.DataFrame:
        """Studies and the fitted line over one numeric moderator, for a plot.

        Parameters
        ----------
        moderator
            A numeric column of the formula; may be left out if there is only one.
        at
            Values of the other moderators on the line; else the mean of numbers and the first category.

        Returns
        -------
        DataFrame
            Rows with ``part == "study"``: study, x, value (its rate or effect), weight. Rows with ``part == "line"``: x over
            the range of the studies, value, ci_lower, ci_upper, pi_lower, pi_upper.
        """
        import pandas as pd

        numeric = self._design.numeric
        if moderator is None:
            if len(numeric) != 1:
                raise ArgumentError(
                    f"moderator is missing: the formula has {len(numeric)} numeric moderators"
                    f"{' (' + listing(numeric) + ')' if numeric else ''}. Fix: name one of them."
                    if numeric
                    else "The formula has no numeric moderator, so there is no line to draw."
                )
            moderator = numeric[0]
        check_choice("moderator", moderator, numeric)
        x = self._frame[moderator].to_numpy(dtype=float)
        line = np.linspace(x.min(), x.max(), _LINE_POINTS)
        held = {} if at is None else dict(at)
        for name in held:
            check_choice("at", name, [n for n in self._design.formula.names if n != moderator])
        new: dict[str, Any] = {moderator: line}
        for name in self._design.formula.names:
            if name == moderator:
                continue
            if name in held:
                if not np.isscalar(held[name]):
                    raise ArgumentError(f"at: {name}={shorten(held[name])!r} must be one value.")
                new[name] = [held[name]] * line.size
            elif name in numeric:
                new[name] = [float(self._frame[name].to_numpy(dtype=float).mean())] * line.size
            else:
                # The reference of a category, as the studies write it.
                factor = next(f for f in self._design.factors if f.categories and f.names == (name,))
                texts = [str(v).strip() for v in self._frame[name].tolist()]
                known = factor.categories[0]
                new[name] = [self._frame[name].iloc[texts.index(known)] if known in texts else float(known)] * line.size
        fitted = self.predict(new)
        studies = pd.DataFrame(
            {
                "part": "study",
                "study": list(self._studies),
                "x": x,
                "value": self._numbers.response,
                "weight": self._numbers.weights,
            }
        )
        ends = ["ci_lower", "ci_upper", "pi_lower", "pi_upper"]
        curve = pd.DataFrame({"part": "line", "study": None, "x": line, "value": fitted["estimate"], "weight": np.nan})
        curve[ends] = fitted[ends]
        for name in ends:
            studies[name] = np.nan
        return pd.concat([studies, curve.astype({"study": studies["study"].dtype})], ignore_index=True)

    def to_frame(self) -> pd.DataFrame:
        """The coefficients, as `coefficients`."""
        return self.coefficients

    def to_dict(self) -> dict[str, Any]:
        """Every number as plain JSON-able values."""
        rows = [{str(c): plain(v) for c, v in row.items()} for row in self.coefficients.to_dict("records")]
        numbers = {name: plain(getattr(self, name)) for name in _NUMBERS}
        return {**numbers, "coefficients": rows, "method": plain(dict(self.method))}

    def summary(self) -> str:
        """Table of coefficients, heterogeneity, tests, notes and method, as text."""
        return summary(self)

    def sentence(self) -> str:
        """The result in plain words."""
        return sentence(self)

    def __repr__(self) -> str:
        return short(self)

    def _repr_html_(self) -> str:
        return html(self)

    def bubble(self, **options: Any) -> Any:
        """Draw studies and fitted line; see `metanet.figures.plots.bubble`."""
        return draw("bubble", self, **options)

    plot = bubble
