"""The result of a meta-regression: the numbers once, and views of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import checked
from metanet.base.arrays import Array
from metanet.base.display import ABSENT, in_sentence, level_text, number, p_value, per_cent, plural, scale_of, title_of
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.groups import name_of
from metanet.base.results import Method, Result, Test
from metanet.base.untrusted import listing, visible
from metanet.effects.measures import MEASURES
from metanet.kernels.inverse_variance import regression, two_step as prediction
from metanet.models.options import Options
from metanet.models.regression.fit import Numbers, Permuted, r2
from metanet.models.regression.formulas import Design

if TYPE_CHECKING:
    import pandas as pd

    from metanet.models.pooling.batch import Data


_LINE_POINTS = 101
#: Attributes that `to_dict` holds beside the coefficients.
_NUMBERS = (
    "status", "formula", "model", "measure", "level", "k", "df", "tau2", "tau2_lower", "tau2_upper", "tau2_without", "r2", "i2", "qe",
    "qe_df", "qe_pvalue", "qm", "qm_df", "qm_pvalue", "lrt", "lrt_df", "lrt_pvalue", "loglik", "aic", "permutation_pvalue",
    "posterior_pvalue",
)  # fmt: skip


def _number(name: str) -> Any:
    """A property that reads one number of the fit; None where it does not exist."""

    def read(self: Regression) -> float | None:
        return _optional(getattr(self._numbers, name))

    read.__name__ = name
    return property(read)


def _optional(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True, eq=False, repr=False)
class Regression(Result):
    """A fitted meta-regression. A quantity that does not exist is None, with the reason in `notes`.

    Attributes
    ----------
    status
        "fitted"; "separated" (a coefficient has no finite maximum: the others, and the likelihood ratio, stand); "not estimable".
    coefficients
        Frame: term, estimate, se, statistic, df, pvalue, ci_lower, ci_upper, vif, and permutation_pvalue if asked for. On the
        model scale (log odds, for a rate).
    tau2, tau2_lower, tau2_upper, tau2_without
        Heterogeneity that the moderators leave, its interval (profile likelihood; two steps: Q-profile; posterior: squares of the
        median and of the equal-tailed limits of tau), and that without them.
    r2
        Share of tau2 that they account for, a fraction.
    i2
        Residual I2, a fraction, from tau2.
    qe, qe_df, qe_pvalue
        Test of residual heterogeneity: Q; for exact models the likelihood ratio against one free rate for each study.
    qm, qm_df, qm_pvalue
        Wald's test of all moderators: chi-squared with ``ci="z"``, else F on (qm_df, k - p); None with "bayes".
    lrt, lrt_df, lrt_pvalue
        Likelihood-ratio test of all moderators (exact models, and ``tau2="ML"``).
    loglik, aic
        Maximum of the log-likelihood (its supremum, under separation) and Akaike's criterion, where the fit is by maximum
        likelihood.
    permutation_pvalue
        Of all moderators together.
    posterior_pvalue
        With "bayes", the level at which the joint credible region of all moderators touches zero.
    counts
        The counts (or effects) of the studies used, a batch of one analysis.
    k, df
        Studies used, and the degrees of freedom of the tests (inf: normal; NaN: a posterior, which has none).
    """

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
    counts: Data = field(repr=False)

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
    posterior_pvalue = _number("posterior_pvalue")
    loglik = _number("loglik")

    @checked()
    def to_r(self, path: str | Path | None = None) -> str:
        """The R script that computes these numbers anew and compares them; it is also written to `path`, where one is named.

        Raises
        ------
        ArgumentError
            A posterior, or a likelihood without a finite maximum.
        """
        from metanet.models.r.regression import regression_script
        from metanet.models.r.script import saved

        return saved(regression_script(self), path)

    @property
    def design(self) -> Array:
        """The columns of the coefficients, one row for each study."""
        return self._design.matrix.copy()

    @property
    def contrast(self) -> Array:
        """The rows that are zero where the moderators do nothing."""
        return self._contrast.copy()

    @property
    def options(self) -> Options:
        """The choices of the model."""
        return self._options

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the coefficients."""
        return self._design.terms

    @checked()
    def title_of(self, term: str) -> str:
        """A term, or a moderator, with the titles of the data's columns in place of their names."""
        return re.sub(r"[^\W\d]\w*(?![^\[]*\])", lambda found: title_of(found[0], self._frame), term)

    @property
    def references(self) -> dict[str, str]:
        """Column -> the category that the coefficients of its other categories are compared with."""
        return self._design.references

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
    def _interval(self) -> str:
        return "CrI" if self.model == "bayes" else "CI"

    @property
    def _value_name(self) -> str:
        return "rate" if self._options.scale.startswith("rate") else "effect"

    def _response(self, value: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.where(np.isnan(value), np.nan, self._numbers.to_response(np.nan_to_num(value)))

    @checked()
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
            interval `pi_lower`, `pi_upper` (Student's t with k - p - 1 degrees of freedom; posterior: the predictive distribution) on
            the response scale; exact models also `marginal_estimate`, the population-averaged rate, a posterior with its interval.
            NaN where a coefficient is not estimable.

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
        if numbers.predicted is not None:
            return numbers.predicted(matrix)
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

    @checked()
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
                    else "The formula has no numeric moderator, which a line needs."
                )
            moderator = numeric[0]
        check_choice("moderator", moderator, numeric)
        x = self._frame[moderator].to_numpy(dtype=float)
        line = np.linspace(x.min(), x.max(), _LINE_POINTS)
        if at is not None and not isinstance(at, Mapping):
            raise ArgumentError(f"at={as_given(at)} must map moderators to values, such as {{'year': 2015}}.")
        held = {} if at is None else dict(at)
        for name in held:
            check_choice("at", name, [n for n in self._design.formula.names if n != moderator])
        new: dict[str, Any] = {moderator: line}
        for name in self._design.formula.names:
            if name == moderator:
                continue
            if name in held:
                if not np.isscalar(held[name]):
                    raise ArgumentError(f"at: {name}={as_given(held[name])} must be one value.")
                new[name] = [held[name]] * line.size
            elif name in numeric:
                new[name] = [float(self._frame[name].to_numpy(dtype=float).mean())] * line.size
            else:
                # The reference of a category, as the studies write it.
                factor = next(f for f in self._design.factors if f.categories and f.names == (name,))
                texts = [name_of(v) for v in self._frame[name].tolist()]
                known = factor.categories[0]
                new[name] = [self._frame[name].iloc[texts.index(known)] if known in texts else float(known)] * line.size
        fitted = self.predict(new)
        studies = pd.DataFrame(
            {"part": "study", "study": list(self._studies), "x": x, "value": self._numbers.response, "weight": self._numbers.weights}
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

    _entries = (*_NUMBERS, "coefficients")

    @property
    def heading(self) -> str:
        """Formula, number of studies and status."""
        formula = visible(self.title_of(self.formula))
        return f"Meta-regression {formula} of {plural(self.k, 'study', 'studies')} ({self.status})"

    @property
    def tests(self) -> dict[str, Test]:
        """Residual heterogeneity, and all moderators by the likelihood ratio, by Wald's test, by permutation or by the posterior."""
        out = {}
        null = "no moderator is associated with the outcome"
        if self.qe is not None:
            name = "likelihood ratio" if self._options.exact else "Q"
            df = (float(self.qe_df),)
            out["residual"] = Test(name, "no residual heterogeneity", self.qe, "chi-squared", df, self.qe_pvalue)
        if self.lrt is not None:
            out["lrt"] = Test("likelihood ratio", null, self.lrt, "chi-squared", (float(self.qm_df),), self.lrt_pvalue)
        if self.qm is not None:
            exact = np.isfinite(self.df)
            dfs = (float(self.qm_df), self.df) if exact else (float(self.qm_df),)
            kind = ("Wald F", "F") if exact else ("Wald chi-squared", "chi-squared")
            out["wald"] = Test(kind[0], null, self.qm, kind[1], dfs, self.qm_pvalue)
        if self.permutation_pvalue is not None:
            out["permutation"] = Test("permutation", null, None, "permutation", (), self.permutation_pvalue)
        if self.posterior_pvalue is not None:
            out["posterior"] = Test("posterior", null, None, "posterior", (), self.posterior_pvalue)
        return out

    @property
    def overall(self) -> Test | None:
        """The test of all moderators that is reported: the posterior's, the likelihood ratio, or Wald's; None without one."""
        tests = self.tests
        return next((tests[name] for name in ("posterior", "lrt", "wald") if name in tests), None)

    def rows(self) -> list[tuple[str, str]]:
        """Heterogeneity and tests as pairs of name and text."""
        out = [("Scale", f"coefficients are changes of the {self.scale}")]
        out += [(f"Reference of {visible(self.title_of(name))}", visible(category)) for name, category in self.references.items()]
        if self.tau2 is not None:
            tau = number(self.tau)
            if self.tau2_lower is not None and self.tau2_upper is not None:
                ends = f"{number(float(np.sqrt(self.tau2_lower)))} to {number(float(np.sqrt(self.tau2_upper)))}"
                tau += f" ({level_text(self.level)} {self._interval} {ends})"
            if self.tau2_without is not None:
                tau += f"; without moderators {number(float(np.sqrt(self.tau2_without)))}"
            out.append(("tau", tau))
            out.append(("R2", ABSENT if self.r2 is None else f"{per_cent(self.r2, 0)} %"))
            out.append(("Residual I2", ABSENT if self.i2 is None else f"{per_cent(self.i2)} %"))
        for name, test in self.tests.items():
            out.append(("Residual heterogeneity" if name == "residual" else "All moderators", test.text()))
        if self.aic is not None:
            out.append(("AIC", number(self.aic)))
        return out

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """The coefficients as texts."""
        head = ["Term", "Estimate", "SE", f"{level_text(self.level)} {self._interval}", "p"]
        permuted = bool(self.method["permutations"])
        rows = []
        effect = scale_of("effect")
        for row in self.coefficients.to_dict("records"):
            digits = _digits(row)
            limits = effect.limits(row["ci_lower"], row["ci_upper"], digits)
            cells = [visible(self.title_of(row["term"])), effect.text(row["estimate"], digits), effect.text(row["se"], digits), limits]
            ps = [row["pvalue"], *([row["permutation_pvalue"]] if permuted else [])]
            rows.append((*cells, *(p_value(p).removeprefix("p ").removeprefix("= ") for p in ps)))
        return [*head, "p (permutation)"] if permuted else head, rows

    @property
    def scale(self) -> str:
        """What a coefficient is a change of."""
        link = self.method["link"]
        if link is not None:
            return {"logit": "log odds of the rate", "log": "log of the incidence rate"}.get(link, f"{link} of the rate")
        return "effect as given" if self.measure == "GEN" else MEASURES[self.measure].scale

    def sentence(self) -> str:
        """One or two sentences, right for a fit without estimates."""
        studies = plural(self.k, "study", "studies")
        moderators = listing([visible(in_sentence(self.title_of(name))) for name in self._design.formula.names])
        if self.status == "not estimable":
            return f"The association with {moderators} could not be estimated from {studies}."
        tests = self.tests
        chosen = [self.overall] if self.overall is not None else []
        chosen += [tests["permutation"]] if "permutation" in tests else []
        tested = ", ".join(f"{test.name.removesuffix(' F').removesuffix(' chi-squared')} {p_value(test.pvalue)}" for test in chosen)
        slopes = [row for row in self.coefficients.to_dict("records") if row["term"] != "Intercept"]
        text = f"Across {studies}, "
        if self.qm_df == 1 and len(slopes) == 1 and not np.isnan(slopes[0]["estimate"]):
            row, effect = slopes[0], scale_of("effect")
            digits = _digits(row)
            term = visible(in_sentence(self.title_of(row["term"])))
            beside = f"; {tested}" if "lrt" in tests or "permutation" in tests else ""
            step = f"changed by {effect.text(row['estimate'], digits)} for each unit of {term}"
            for factor in self._design.compared:
                reference, other = map(visible, factor.categories)
                step = f"differed by {effect.text(row['estimate'], digits)} for {other} against {reference}, the reference of "
                step += moderators
            text += (
                f"the {self.scale} {step} "
                f"({level_text(self.level)} {self._interval} {effect.limits(row['ci_lower'], row['ci_upper'], digits)}; "
                f"{p_value(row['pvalue'])}{beside})"
            )
        else:
            against = [f"{visible(c)} of {visible(in_sentence(self.title_of(name)))}" for name, c in self.references.items()]
            text += f"{moderators}{' together' if self.qm_df > 1 else ''}"
            text += f" ({plural(len(against), 'reference').split(' ', 1)[1]}: {listing(against)})" if against else ""
            text += f": {tested or 'no test exists'}"
        if self.r2 is not None:
            text += f"; the moderators account for {per_cent(self.r2, 0)} % of the heterogeneity (R2)"
        return text + "."

    def _lead(self) -> str:
        return ""

    def bubble(self, **options: Any) -> Any:
        """Draw studies and fitted line; see `metanet.figures.plots.bubble`."""
        return draw("bubble", self, **options)

    plot = bubble


def _digits(row: Mapping[Any, Any]) -> int:
    """Decimals of a coefficient, its error and its interval."""
    effect = scale_of("effect")
    return max(effect.digits(row["estimate"], row["ci_lower"], row["ci_upper"]), effect.digits(row["se"]))
