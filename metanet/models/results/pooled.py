"""The result of a pooling: the numbers once, in a frozen object, and the views of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.base.cards import card
from metanet.base.completion import Listed
from metanet.base.display import (
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
from metanet.base.drawing import draw
from metanet.effects.measures import MEASURES
from metanet.models.registry import model_row

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from metanet.models.pooling.data import Data
    from metanet.models.pooling.inputs import Studies
    from metanet.models.results.study_table import StudyTable


# What the counts of a result are counts of: patients, unless the rows say that some counted procedures or lesions.

#: Words of the evidence's column `unit`, with their singular. A column of that name with other words is about something else.
UNITS = {"patients": "patient", "procedures": "procedure", "lesions": "lesion"}


def units_of(rows: pd.DataFrame | None) -> tuple[str, ...]:
    """The units that occur in the column `unit`; patients where nothing is said."""
    if rows is None or "unit" not in rows.columns:
        return ("patients",)
    found = {str(unit) for unit in rows["unit"].dropna()} - {""}
    known = tuple(unit for unit in UNITS if unit in found)
    return known if known and len(known) == len(found) else ("patients",)


def counted_units(number: int, units: tuple[str, ...]) -> str:
    """`648 patients or procedures`, `1 patient`."""
    first, *others = units
    words = [UNITS[unit] if number == 1 else unit for unit in others]
    return " or ".join([plural(number, UNITS[first], first), *words])


# Views of a result: text, HTML and plain values. They read the numbers; none is computed here.


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


# The result of a pooling: the numbers once, in a frozen object, with the method stamp that travels with them.


class Method(Mapping[str, Any]):
    """The method stamp: every choice that moved a number, the versions, and the notes. Read-only, JSON-able."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Method({self._entries!r})"

    def sentence(self) -> str:
        """The choices in one sentence, for a figure's foot or a methods section."""
        return str(self._entries["sentence"])


@dataclass(frozen=True, eq=False)
class Pooled(Listed):
    """A pooled rate (or effect) with everything that belongs to it.

    Rates are fractions. A quantity that does not exist is None, with the reason in ``method["notes"]``.

    Attributes
    ----------
    status
        "pooled"; "not pooled" (one study, shown as itself); "no events", "only events" (exact interval on the sum);
        "not estimable" (the likelihood has no maximum).
    estimate, ci_lower, ci_upper
        The pooled mean on the response scale: for a normal random effect on a link's scale the *median* of the distribution of
        rates; for the beta-binomial model its mean. Two groups: a ratio, or a difference.
    pi_lower, pi_upper
        Prediction interval for the rate (or effect) of a new setting.
    marginal_estimate, marginal_ci_lower, marginal_ci_upper
        The population-averaged rate, integrated over the random effect; None for two groups and for effects.
    median
        The median of the fitted beta distribution (beta-binomial model).
    mu, se, mu_lower, mu_upper
        The mean on the model scale.
    tau2, tau2_lower, tau2_upper, tau
        Heterogeneity variance on the model scale, its interval, its square root. Beta-binomial: the variance of the logits
        under the fitted distribution.
    rho, rho_lower, rho_upper
        Intraclass correlation of the beta-binomial model, with its interval.
    i2, i2_lower, i2_upper, h2, h2_lower, h2_upper
        Share of variance beyond chance (fraction) and H2, by the definition in ``method["i2"]``.
    q, q_df, q_pvalue
        Cochran's Q (inverse variance) or the Wald test of equal effects (exact models).
    lrt, lrt_pvalue
        Likelihood-ratio test of equal effects with k - 1 degrees of freedom (exact models).
    loglik
        Log-likelihood, constants included (exact models).
    k, n, events
        Rows pooled (studies, or arms of studies), patients (or what else `units` names), events (None for effects without counts).
    weights
        Each study's share in the estimate, summing to one, in the order of `studies`.
    """

    _listed = (
        "estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper", "marginal_estimate", "tau", "i2",
        "studies", "notes", "method", "summary", "sentence", "to_frame", "to_dict", "forest", "funnel",
    )  # fmt: skip

    status: str
    model: str
    measure: str
    level: float
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    pi_lower: float | None
    pi_upper: float | None
    marginal_estimate: float | None
    marginal_ci_lower: float | None
    marginal_ci_upper: float | None
    median: float | None
    mu: float | None
    se: float | None
    mu_lower: float | None
    mu_upper: float | None
    tau2: float | None
    tau2_lower: float | None
    tau2_upper: float | None
    rho: float | None
    rho_lower: float | None
    rho_upper: float | None
    i2: float | None
    i2_lower: float | None
    i2_upper: float | None
    h2: float | None
    h2_lower: float | None
    h2_upper: float | None
    q: float | None
    q_df: int | None
    q_pvalue: float | None
    lrt: float | None
    lrt_pvalue: float | None
    loglik: float | None
    k: int
    n: int | None
    events: int | None
    method: Method
    _weights: NDArray[np.float64] = field(repr=False)
    _table: StudyTable = field(repr=False)

    @property
    def response(self) -> str:
        """What the estimate is: "rate", "ratio", "difference", "rate per person-time", or "effect" for effects given as such."""
        return str(self.method["response"])

    @property
    def title(self) -> str:
        """The model by its name."""
        return model_row(self.model, self.method["link"]).title

    @property
    def average(self) -> str:
        """What the estimate is of the distribution of true rates: its "median", its "mean", or the one "common" rate."""
        if self.method["tau2"] is None:
            return "common"
        return "mean" if self.model == "beta_binomial" else "median"

    @property
    def tau(self) -> float | None:
        """Standard deviation of the true effects on the model scale."""
        return None if self.tau2 is None else float(np.sqrt(self.tau2))

    @property
    def weights(self) -> NDArray[np.float64]:
        """Each study's share in the estimate, a copy."""
        return self._weights.copy()

    @property
    def studies(self) -> pd.DataFrame:
        """One row for each study: name, counts (or `yi`, `vi`), `rate` or `effect`, interval, weight, shrunken; then `data`."""
        return self._table.frame().copy()

    @property
    def inputs(self) -> Studies:
        """The studies as they were read: what a diagnostic pools anew in part."""
        return self._table.studies

    @property
    def data(self) -> Data:
        """The studies as arrays, a batch of one analysis: what diagnostics mask and refit."""
        return self._table.studies.data()

    @property
    def study_count(self) -> int:
        """Number of different studies: less than `k` where several arms of one study (column `study_id`) are pooled."""
        from metanet.models.pooling.inputs import count_studies

        return count_studies(self._table.frame())

    @property
    def units(self) -> tuple[str, ...]:
        """What was counted, by the column `unit` of the data: "patients" (also where it is not told), "procedures", "lesions"."""

        return units_of(self._table.frame())

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know beside the numbers; also ``method["notes"]``."""
        return tuple(self.method["notes"])

    def __repr__(self) -> str:

        return short_text(self)

    def _repr_html_(self) -> str:

        return html_card(self)

    def summary(self) -> str:
        """The result as text, complete."""

        return summary_text(self)

    def sentence(self) -> str:
        """The result in one plain sentence."""

        return sentence(self)

    def numbers(self) -> dict[str, Any]:
        """Every number by name, without studies and method."""
        return {name: getattr(self, name) for name in NUMBERS}

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values; infinite limits become the text "inf"."""

        return {
            **{name: plain(value) for name, value in self.numbers().items()},
            "weights": [plain(float(w)) for w in self._weights],
            "studies": [{str(c): plain(v) for c, v in row.items()} for row in self._table.frame().to_dict("records")],
            "method": plain(dict(self.method)),
        }

    def to_frame(self) -> pd.DataFrame:
        """The numbers as a frame of one row."""
        import pandas as pd

        return pd.DataFrame([self.numbers()])

    def forest(self, **options: Any) -> Axes:
        """Draw the forest plot; see `metanet.figures.forest.forest.forest`."""
        return self._drawn("forest", **options)

    def funnel(self, **options: Any) -> Axes:
        """Draw the funnel plot, of rates against size; see `metanet.figures.plots.funnel.funnel`."""
        return self._drawn("funnel", **options)

    def labbe(self, **options: Any) -> Axes:
        """Draw the event rates of two groups against each other; see `metanet.figures.plots.labbe.labbe`."""
        return self._drawn("labbe", **options)

    def spread(self, **options: Any) -> Axes:
        """Draw how far the true rates lie apart; see `metanet.figures.plots.heterogeneity.heterogeneity_plot`."""
        return self._drawn("heterogeneity", **options)

    def drapery(self, **options: Any) -> Axes:
        """Draw the p-value of every value; see `metanet.figures.plots.drapery.drapery`."""
        return self._drawn("drapery", **options)

    def radial(self, **options: Any) -> Axes:
        """Draw Galbraith's radial plot; see `metanet.figures.plots.radial.radial_plot`."""
        return self._drawn("radial", **options)

    def baujat(self, **options: Any) -> Axes:
        """Draw heterogeneity against influence of each study; see `metanet.figures.plots.baujat.baujat_plot`."""
        return self._drawn("baujat", **options)

    def _drawn(self, figure: str, **options: Any) -> Axes:
        axes: Axes = draw(figure, self, **options)
        return axes


#: Names of the numbers of a result, in the order of its fields.
NUMBERS = (*(f.name for f in fields(Pooled) if f.name not in ("method", "_weights", "_table")), "tau")
