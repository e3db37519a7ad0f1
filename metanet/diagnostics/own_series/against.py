"""`against`: a series of one's own beside what the pooled studies predict for a comparable setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import checked, whole
from metanet.base.display import RATE, level_text, p_value
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError, shorten
from metanet.base.results import Method, Result, Test
from metanet.base.untrusted import visible
from metanet.diagnostics.own_series.predictive import LEAST, Literature, prediction_of, refuse_known, rows_of, same_counts, studies_of
from metanet.effects.study_intervals import clopper_pearson
from metanet.kernels.numerics import predictive as kernel
from metanet.models.bayes.bayes_pool import bayes_pool
from metanet.models.bayes.result import BayesPooled
from metanet.models.pooling.again import pooled_with
from metanet.models.pooling.inputs import LARGEST
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

OBSERVATIONAL = (
    "An observational comparison: the patients of a series differ from those of the pooled studies in more than the treatment. A "
    "place in the distribution is no proof of better or worse treatment."
)
#: Entries with a value and two limits.
_TRIPLES = ("predicted", "before", "after")
#: Points of the curve.
_POINTS = 401


@dataclass(frozen=True, eq=False, repr=False)
class Against(Result):
    """A series beside the predictive distribution of comparable settings. Rates are fractions.

    Attributes
    ----------
    name, events, total, rate, ci_lower, ci_upper
        The series, its rate and the exact interval of Clopper and Pearson.
    k
        Pooled studies (arms).
    level
        Coverage of every interval.
    probability
        Of exactly this count in a comparable series of this size.
    mid_p_lower, mid_p_upper
        Probabilities of a smaller, and of a larger count, each with half of that of the count itself; they sum to 1.
    count_lower, count_upper
        Counts between which the central share `level` of comparable series of this size lies.
    predicted
        Median and central interval of the true rate of a comparable setting.
    own, own_lower, own_upper
        Mean and central interval of the true rate of this series, by Bayes' theorem with the predictive distribution as its prior.
    before, after
        The pooled rate (median) with its limits without and with the series; `before` of a single study is its own rate.
    before_kind, after_kind
        What their limits are: "CI" or "CrI".
    credible
        Whether the prediction is the posterior's.
    reason
        Why the studies predict nothing, or None.
    """

    name: str
    events: int
    total: int
    rate: float
    ci_lower: float
    ci_upper: float
    k: int
    level: float
    probability: float | None
    mid_p_lower: float | None
    mid_p_upper: float | None
    count_lower: int | None
    count_upper: int | None
    predicted: tuple[float | None, float | None, float | None]
    own: float | None
    own_lower: float | None
    own_upper: float | None
    before: tuple[float | None, float | None, float | None]
    after: tuple[float | None, float | None, float | None]
    credible: bool
    before_kind: str
    after_kind: str
    reason: str | None
    method: Method = field(repr=False)
    _curve: pd.DataFrame = field(repr=False)
    #: The pooled rows, which say what they are about.
    _rows: pd.DataFrame | None = field(repr=False)

    _entries = (
        "name", "events", "total", "rate", "ci_lower", "ci_upper", "k", "level", "reason", "probability", "mid_p_lower", "mid_p_upper",
        "percentile", "count_lower", "count_upper", "predicted", "own", "own_lower", "own_upper", "before", "after",
    )  # fmt: skip

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return f"{visible(shorten(self.name, 60))} against the pooled studies"

    @property
    def percentile(self) -> float | None:
        """The share of comparable series of this size with a smaller rate, in per cent, half of those with the same counted."""
        return None if self.mid_p_lower is None else 100.0 * self.mid_p_lower

    @property
    def tests(self) -> dict[str, Test]:
        """The series comes from a setting like those of the pooled studies: twice the smaller mid-p."""
        null = "the series is from a comparable setting"
        if self.mid_p_lower is None or self.mid_p_upper is None:
            return {"prediction": Test("predictive mid-p", null, reason=self.reason)}
        return {"prediction": Test("predictive mid-p", null, None, "exact", (), min(1.0, 2 * min(self.mid_p_lower, self.mid_p_upper)))}

    def to_frame(self) -> pd.DataFrame:
        """The numbers as a frame of one row."""
        import pandas as pd

        names = [name for name in self._entries if name not in _TRIPLES]
        ends = {f"{which}{end}": value for which in _TRIPLES
                for end, value in zip(("", "_lower", "_upper"), getattr(self, which), strict=True)}  # fmt: skip
        return pd.DataFrame([{**{name: getattr(self, name) for name in names}, **ends}])

    def curve(self) -> pd.DataFrame:
        """The predictive distribution of the true rate of a comparable setting: rate, density, probability_below; a copy."""
        return self._curve.copy()

    def sentence(self) -> str:
        """Where the series lies, what it becomes beside the literature, and what it adds to it."""
        if self.reason:
            return f"{self._series()}. {self.reason}"
        assert self.percentile is not None
        kind = "credible interval" if self.credible else "interval"
        own = RATE.estimate(self.own, self.own_lower, self.own_upper, self.level, kind)
        many = "1 event" if self.count_lower == self.count_upper == 1 else f"{self.count_lower} to {self.count_upper} events"
        test = self.tests["prediction"]
        return (
            f"{self._series()} lies at {_place(self.percentile)} of what settings comparable to the {self._studies()} give "
            f"({p_value(test.pvalue)}, two-sided mid-p): {level_text(self.level)} of such series of {self.total:,} have {many}. With "
            f"that as the prior, the true rate of the series is {own}. {self._changed()}"
        )

    def _studies(self) -> str:
        return "pooled study" if self.k == 1 else f"{self.k} pooled {'arms' if self.method.get('arms_of_studies') else 'studies'}"

    def _changed(self) -> str:
        after = self._pooled(self.after, self.after_kind)
        if self.k == 1:
            return f"Pooled with that study the median rate is {after}."
        return f"The pooled median rate is {self._pooled(self.before, self.before_kind)} without and {after} with it."

    def _series(self) -> str:
        rate = RATE.estimate(self.rate, self.ci_lower, self.ci_upper, self.level)
        return f"{visible(shorten(self.name, 60))} with {self.events:,} of {self.total:,}, {rate}"

    def _pooled(self, numbers: tuple[float | None, float | None, float | None], kind: str) -> str:
        return RATE.estimate(*numbers, self.level, kind)

    def rows(self) -> list[tuple[str, str]]:
        """Every number of the sentence by name."""
        if self.percentile is None:
            return []
        level = level_text(self.level)
        kind = "CrI" if self.credible else "interval"
        observed = RATE.estimate(self.rate, self.ci_lower, self.ci_upper, self.level)
        before = "Pooled median rate without it" if self.k > 1 else "Rate of the one study"
        return [
            (visible(shorten(self.name, 60)), f"{self.events:,} of {self.total:,}, {observed}"),
            ("Place among comparable series", _place(self.percentile).removeprefix("the ")),
            (f"Events in {level} of comparable series", f"{self.count_lower} to {self.count_upper} of {self.total:,}"),
            ("True rates of comparable settings", RATE.estimate(*self.predicted, self.level, "prediction interval")),
            ("Predictive mid-p, lower and upper", f"{self.mid_p_lower:.3f} and {self.mid_p_upper:.3f}"),
            ("True rate of the series", RATE.estimate(self.own, self.own_lower, self.own_upper, self.level, kind)),
            (before, self._pooled(self.before, self.before_kind)),
            ("Pooled median rate with it", self._pooled(self.after, self.after_kind)),
        ]

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """None: the numbers are rows."""
        return (), []

    def figure(self, **options: Any) -> Axes:
        """Draw the predictive distribution with the series below it; see `metanet.figures.plots.against`."""
        axes: Axes = draw("against", self, **options)
        return axes


def _place(percentile: float) -> str:
    """The percentile in words: "the 82nd percentile"."""
    if percentile < 0.5:
        return "a place below the 1st percentile"
    if percentile >= 99.5:
        return "a place above the 99th percentile"
    n = max(1, min(99, round(percentile)))
    ending = "th" if n in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"the {n}{ending} percentile"


@checked(events=whole(0, LARGEST), total=whole(1, LARGEST))
def against(fit: Literature, *, events: int, total: int, name: str = "Our series", overlap_group: str | None = None) -> Against:
    """Compare a series of one's own with what the pooled studies predict for a comparable setting.

    Parameters
    ----------
    fit
        A result of `pool` with model "bayes" or "glmm", or of `bayes_pool`, of rates of one group.
    events, total
        The series: patients with the event, and all patients.
    name
        What it is called.
    overlap_group
        The cohort of the series, as the column of this name calls it: a pooled study of this cohort is refused.

    Returns
    -------
    Against
        Where the count lies in the predictive distribution of counts; the true rate of the series with that distribution as the prior;
        the pooled rate without and with it. `reason` says why the studies predict nothing.

    Raises
    ------
    ArgumentError
        Another kind of result; counts that are none; a series that is pooled already, by its name or its cohort. Equal counts alone
        raise nothing, because other patients can have them: a note names the study.

    Notes
    -----
    The true rate of a new setting has the predictive distribution of the fit, in which the uncertainty of mean and heterogeneity is
    included: of the posterior model the exact one, of maximum likelihood Student's t with k - 2 degrees of freedom on the logit scale
    (Higgins, Thompson and Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x), which needs three studies. The count is
    binomial given the rate. Mid-p takes half of the probability of the count itself on either side (Lancaster 1961,
    doi:10.1080/01621459.1961.10482105).

    Examples
    --------
    >>> import metanet as mn
    >>> fit = mn.pool(events=[23, 12, 19, 9, 39, 6, 9, 10], total=[107, 44, 51, 39, 139, 20, 78, 35])
    >>> found = mn.against(fit, events=14, total=40)
    >>> round(found.percentile)
    82
    """
    if events > total:
        raise ArgumentError(f"events={events} is more than total={total}. Fix: give the patients with the event, and all patients.")
    if not name.strip():
        raise ArgumentError("name is empty. Fix: give the series a name.")
    prediction = prediction_of(fit)
    refuse_known(fit, name, overlap_group)
    level = fit.level
    lower, upper = (float(end) for end in clopper_pearson(events, total, level))
    notes = [OBSERVATIONAL]
    notes += [note] if (note := same_counts(fit, events, total)) else []
    rows = rows_of(fit)
    about = (name, int(events), int(total), events / total, lower, upper, fit.k, level)
    if prediction.below is None:
        import pandas as pd

        none = (None, None, None)
        stamp = _stamp(fit, prediction.exact, notes)
        empty = pd.DataFrame(columns=["rate", "density", "probability_below"])
        reason = f"{prediction.reason} Fix: pool with model='bayes'."
        return Against(*about, *(None,) * 5, none, *(None,) * 3, none, none, False, "CI", "CI", reason, stamp, empty, rows)
    cells = kernel.cells_of(prediction.below, (kernel.around(events, total),))
    less, equal, more = kernel.count_probabilities(cells, events, total)
    tail = (1 - level) / 2
    own = kernel.updated(cells, events, total)
    ends = own.quantile(np.array([tail, 1 - tail]))
    middle, low, high = cells.quantile(np.array([0.5, tail, 1 - tail]))
    counts = kernel.count_quantile(cells, total, tail), kernel.count_quantile(cells, total, 1 - tail)
    if not prediction.exact:
        notes.append("The prediction rests on maximum likelihood and is approximate with few studies.")
    elif fit.k < LEAST:
        notes.append("With so few studies the prediction rests largely on the prior of the heterogeneity.")
    again = _after(fit, int(events), int(total), name)
    return Against(
        *about,
        probability=equal,
        mid_p_lower=less + equal / 2,
        mid_p_upper=more + equal / 2,
        count_lower=counts[0],
        count_upper=counts[1],
        predicted=(float(middle), float(low), float(high)),
        own=own.mean(),
        own_lower=float(ends[0]),
        own_upper=float(ends[1]),
        before=(fit.estimate, fit.ci_lower, fit.ci_upper),
        after=(again.estimate, again.ci_lower, again.ci_upper),
        credible=prediction.exact,
        before_kind="CrI" if isinstance(fit, BayesPooled) else fit.interval_name,
        after_kind="CrI" if isinstance(again, BayesPooled) else again.interval_name,
        reason=None,
        method=_stamp(fit, prediction.exact, notes),
        _curve=_curve_of(cells),
        _rows=rows,
    )


def _after(fit: Literature, events: int, total: int, name: str) -> Literature:
    """The studies pooled with the series among them."""
    if isinstance(fit, BayesPooled):
        frame = studies_of(fit)
        counts: dict[str, list[float]] = {"events": [*frame["events"], events], "total": [*frame["total"], total]}
        return bayes_pool(events=counts["events"], total=counts["total"], study=[*frame["study"], name], level=fit.level, **fit._given)
    return pooled_with(fit, name, events, total)


def _curve_of(cells: kernel.Cells) -> pd.DataFrame:
    """Points of the density of the rate between its quantiles of 0.5 % and 99.5 %."""
    import pandas as pd

    below = np.concatenate([[0.0], np.cumsum(cells.mass)])
    edges = np.append(cells.lower, cells.upper[-1])
    rates = 1.0 / (1.0 + np.exp(-edges))
    low, high = cells.quantile(np.array([0.005, 0.995]))
    at = np.linspace(low, high, _POINTS + 1)
    cumulated = np.interp(at, rates, below)
    middle = 0.5 * (at[:-1] + at[1:])
    density = np.diff(cumulated) / np.diff(at)
    return pd.DataFrame({"rate": middle, "density": density, "probability_below": np.interp(middle, rates, below)})


def _stamp(fit: Literature, exact: bool, notes: Sequence[str]) -> Method:
    how = (
        "posterior predictive distribution of the true rate of a new setting"
        if exact
        else "predictive distribution of the true rate of a new setting (t with k − 2 df on the logit scale, variance tau² + se²)"
    )
    sentence = f"{fit.method.sentence()} Series: {how}; binomial counts; mid-p."
    arms = isinstance(fit, Pooled) and fit.study_count != fit.k
    return Method({**fit.method, "prediction_of_series": how, "arms_of_studies": arms, "notes": list(notes), "sentence": sentence})
