"""Selection models: the pooled effect if studies with large p-values had been seen less often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import checked, choice
from metanet.base.display import ABSENT, number, p_value, plural
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.results import Method, Test
from metanet.diagnostics.bias.small_study_effects import Check, stamp_of
from metanet.diagnostics.study_effects import Twin, null_on_scale, two_step_twin
from metanet.kernels.bias.selection import BetaWeights, Selection, StepWeights, fit_selection, p_values
from metanet.kernels.numerics import distributions
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


KINDS = ("step", "beta")
ALTERNATIVES = ("greater", "less", "two-sided")
_NUMBERS = (
    "kind", "alternative", "k", "estimate", "ci_lower", "ci_upper", "mu", "se", "mu_lower", "mu_upper", "tau2", "tau2_se",
    "lrt", "lrt_df", "lrt_pvalue", "unselected",
)  # fmt: skip
#: Maxima whose likelihood ratio is below this are called alike (chi-squared, 1 degree of freedom, 5 %).
_LEVEL = 3.841
_SOURCES = {"step": "10.1007/BF02294384", "beta": "10.1037/met0000119"}
_NO_NULL = (
    "A selection model asks which studies were seen because their p-value was small, and a p-value needs a rate that was tested "
    "against. Rates of single groups are rarely published for that. If these studies did test one, give it: null=0.2 for 20 %."
)


@dataclass(frozen=True, eq=False, repr=False)
class SelectionModel(Check):
    """A fitted selection model.

    Attributes
    ----------
    estimate, ci_lower, ci_upper, mu, se, mu_lower, mu_upper, tau2, tau2_se
        Mean of all studies, seen or not, on the response and the model scale with normal intervals; their heterogeneity variance.
    weights
        A frame. "step": one row for each interval of p with its studies and `delta`, how often such studies were seen
        against those of the first interval. "beta": the two parameters of the weight. Intervals are normal on the log scale.
    lrt, lrt_df, lrt_pvalue
        Likelihood-ratio test of no selection.
    unselected
        The estimate of the same model without selection (maximum likelihood), as a response.
    reason
        Why there is no answer.
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    kind: str
    alternative: str
    reason: str | None
    k: int
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    mu: float | None
    se: float | None
    mu_lower: float | None
    mu_upper: float | None
    tau2: float | None
    tau2_se: float | None
    lrt: float | None
    lrt_df: int | None
    lrt_pvalue: float | None
    unselected: float | None
    _weights: pd.DataFrame = field(repr=False)
    _caveat: str = field(default="", repr=False)

    @property
    def heading(self) -> str:
        """What the check is called."""
        return f"Selection model ({self.kind})"

    @property
    def weights(self) -> pd.DataFrame:
        """The weights; a copy."""
        return self._weights.copy()

    def to_frame(self) -> pd.DataFrame:
        """The weights; a copy."""
        return self.weights

    _entries = (*_NUMBERS, "reason", "weights")

    @property
    def tests(self) -> dict[str, Test]:
        """No selection."""
        if self.lrt is None or self.lrt_df is None:
            return {}
        return {"lrt": Test("likelihood ratio", "no selection", self.lrt, "chi-squared", (float(self.lrt_df),), self.lrt_pvalue)}

    def rows(self) -> list[tuple[str, str]]:
        """Name and text of every number."""
        if self.reason:
            return []
        out = [
            ("Without selection", self._shown(self.unselected)),
            ("With selection", self._shown(self.estimate, self.ci_lower, self.ci_upper)),
            ("tau2", number(self.tau2, 4)),
            ("No selection?", self.tests["lrt"].text() if self.tests else ABSENT),
        ]
        for row in self._weights.to_dict("records"):
            ends = "" if np.isnan(row["lower"]) else f" ({number(row['lower'])} to {number(row['upper'])})"
            out.append((str(row["weight"]), f"{number(row['delta'])}{ends}"))
        return out

    def sentence(self) -> str:
        """What selection would do to the estimate, in a plain sentence."""
        if self.reason:
            return self.reason
        text = (
            f"If studies had been selected by their p-value the estimate would be "
            f"{self._shown(self.estimate, self.ci_lower, self.ci_upper)} instead of "
            f"{self._shown(self.unselected)} ({plural(self.k, 'study', 'studies')}; test of no selection: "
            f"{p_value(self.lrt_pvalue)})."
        )
        return f"{text} {self._caveat}".rstrip()


@checked(kind=choice(*KINDS), alternative=choice(*ALTERNATIVES))
def selection_model(
    fit: Pooled, *, kind: str = "step", steps: Sequence[float] = (0.025,), alternative: str | None = None, null: float | None = None
) -> SelectionModel:
    """A random-effects model in which the probability of a study being seen depends on its p-value.

    Parameters
    ----------
    fit
        The result of `pool`. A model of the counts is checked on its two-step effects, with a note.
    kind
        "step": constant between limits of p; "beta": a beta density of p.
    steps
        Inner limits of p, increasing, for "step".
    alternative
        The direction that is favoured: p-values of effects "greater" or "less" than `null`, or "two-sided" (steps alone). None: the
        direction of the pooled estimate.
    null
        No effect on the response scale: 1 for ratios and 0 for differences by default. Rates need one: the rate that was tested.

    Returns
    -------
    SelectionModel
        `reason` says why there is no answer: rates without `null`, an interval of p without studies, a likelihood without a
        maximum.

    Raises
    ------
    ArgumentError
        An unknown word; steps that are not increasing between 0 and 1.

    Notes
    -----
    Maximum likelihood of (mu, tau2, weights), the highest of several maxima. Beta weights take p-values nearer to 0 or 1 than 0.00001
    as that. Their likelihood can be highest where a or b tends to 0, outside the model: the result then has the numbers of this limit,
    without standard errors and intervals, and says so.

    References
    ----------
    Hedges 1992 doi:10.1214/ss/1177011364; Vevea and Hedges 1995 doi:10.1007/BF02294384; Citkowicz and Vevea 2017
    doi:10.1037/met0000119.
    """
    limits = _steps(steps)
    if alternative is not None:
        alternative = check_choice("alternative", alternative, ALTERNATIVES)
        if kind == "beta" and alternative == "two-sided":
            raise ArgumentError("alternative='two-sided' has no meaning for kind='beta'. Fix: 'greater' or 'less'.")
    twin = two_step_twin(fit)
    at = null_on_scale(twin, null)
    notes = list(twin.notes)
    if alternative is None:
        alternative = "less" if fit.mu is not None and at is not None and fit.mu < at else "greater"
        if at is not None:
            notes.append(f"The favoured direction ({alternative!r}) was taken from the pooled estimate.")
    return _fitted(fit, twin, kind, limits, alternative, at, notes)


def _steps(steps: object) -> np.ndarray:
    """Inner limits of p, checked; a last limit of 1 is understood and taken off."""
    try:
        values = np.atleast_1d(np.asarray(steps, dtype=np.float64))
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if values.ndim == 1 and values.size > 1 and values[-1] == 1:
        values = values[:-1]
    if values.ndim != 1 or not values.size or not np.all((values > 0) & (values < 1)) or np.any(np.diff(values) <= 0):
        raise ArgumentError(f"steps={as_given(steps)} must be increasing p-values between 0 and 1, such as (0.025, 0.5).")
    return values


def _fitted(
    fit: Pooled, twin: Twin, kind: str, limits: np.ndarray, alternative: str, null: float | None, notes: list[str]
) -> SelectionModel:
    count = limits.size if kind == "step" else 2
    if null is None:
        return _answer(fit, twin, kind, alternative, notes, _NO_NULL, limits)
    if twin.k < count + 3:
        reason = f"{plural(twin.k, 'study', 'studies')}: too few for a model with {count + 2} parameters."
        return _answer(fit, twin, kind, alternative, notes, reason, limits)
    sign = -1.0 if alternative == "less" else 1.0
    y, v = np.where(np.isfinite(twin.vi), sign * (twin.yi - null), 0.0), twin.vi
    weights: StepWeights | BetaWeights
    if kind == "beta":
        weights = BetaWeights.of(y, v)
    else:
        weights = StepWeights.of(y, v, limits, alternative == "two-sided")
        counts = weights.counts()[0]
        if np.any(counts == 0):
            edges = [0.0, *limits, 1.0]
            empty = int(np.flatnonzero(counts == 0)[0])
            reason = (
                f"No study has a p-value between {edges[empty]:g} and {edges[empty + 1]:g} (alternative {alternative!r}), so its "
                "weight cannot be estimated. Fix: other steps."
            )
            return _answer(fit, twin, kind, alternative, notes, reason, limits)
    found = fit_selection(y, v, weights)
    if not found.settled[0]:
        reason = "No maximum of the likelihood was found: the data cannot separate selection from a different mean."
        return _answer(fit, twin, kind, alternative, notes, reason, limits)
    caveats = _caveats(fit, twin, found, sign, null)
    notes += caveats
    if not found.edge.any() and np.isnan(found.covariance[0]).any():
        notes.append("The maximum is flat: the standard errors do not exist.")
    if twin.k < 10 * (count + 1):
        notes.append(
            f"{plural(twin.k, 'study', 'studies')}: selection models need many more; regard the weights as a sensitivity analysis."
        )
    if found.tau2[0] == 0:
        notes.append("tau2 is estimated as zero; the other standard errors take it as known.")
    if fit.data.groups == 1 and not fit.data.by_effect:
        notes.append("The p-values are those of the transformed rates against the rate given as null.")
    return _answer(fit, twin, kind, alternative, notes, None, limits, found, sign, null, " ".join(caveats))


def _caveats(fit: Pooled, twin: Twin, found: Selection, sign: float, null: float) -> list[str]:
    """What decides how far the estimate can be read: no inner maximum, an estimate beyond all studies, a second maximum."""
    out = []
    if found.edge.any():
        which = " and ".join(name for name, at in zip("ab", found.edge[0], strict=True) if at)
        verb = "tends" if len(which) == 1 else "tend"
        out.append(
            f"The likelihood has no maximum inside the model: it rises as {which} of the beta weight {verb} to 0. The numbers are "
            "those of this limit, where standard errors and intervals do not exist."
        )

    def shown(value: float) -> str:
        return fit.scale.value(twin.response(value))

    mu = sign * float(found.mu[0]) + null
    effects = twin.yi[np.isfinite(twin.vi)]
    if not effects.min() <= mu <= effects.max():
        out.append(
            f"The estimate with selection lies outside the effects of the studies ({shown(float(effects.min()))} to "
            f"{shown(float(effects.max()))}): it is an extrapolation by the assumed form of the weights."
        )
    lower = 2.0 * float(found.loglik[0] - found.other_loglik[0])
    if lower < _LEVEL:
        other = shown(sign * float(found.other_mu[0]) + null)
        out.append(
            f"The likelihood has another maximum, at the estimate {other}, where twice the log-likelihood is {number(lower)} lower: "
            "the data do not tell the two apart."
        )
    return out


def _answer(
    fit: Pooled,
    twin: Twin,
    kind: str,
    alternative: str,
    notes: list[str],
    reason: str | None,
    limits: np.ndarray,
    found: Selection | None = None,
    sign: float = 1.0,
    null: float = 0.0,
    caveat: str = "",
) -> SelectionModel:
    from metanet.kernels.inverse_variance.tau2 import ml
    from metanet.kernels.inverse_variance.two_step import weighted_mean

    numbers: dict[str, Any] = dict.fromkeys(
        (
            "estimate",
            "ci_lower",
            "ci_upper",
            "mu",
            "se",
            "mu_lower",
            "mu_upper",
            "tau2",
            "tau2_se",
            "lrt",
            "lrt_df",
            "lrt_pvalue",
            "unselected",
        )
    )
    if found is not None:
        mu = sign * float(found.mu[0]) + null
        errors = np.sqrt(np.diag(found.covariance[0]))
        half = distributions.two_sided_z(fit.level) * float(errors[0])
        ends = (None, None) if np.isnan(half) else (mu - half, mu + half)
        lrt = max(0.0, 2.0 * float(found.loglik[0] - found.loglik_unselected[0]))
        df = found.shape.shape[1]
        plain_mean = float(weighted_mean(twin.yi, twin.vi, ml(twin.yi, twin.vi)).mean[0])
        numbers |= {
            "mu": mu,
            "se": None if np.isnan(half) else float(errors[0]),
            "mu_lower": ends[0],
            "mu_upper": ends[1],
            "estimate": twin.response(mu),
            "ci_lower": twin.response(ends[0]),
            "ci_upper": twin.response(ends[1]),
            "tau2": float(found.tau2[0]),
            "tau2_se": None if found.tau2[0] == 0 or np.isnan(errors[1]) else float(errors[1]),
            "lrt": lrt,
            "lrt_df": df,
            "lrt_pvalue": float(distributions.chi2_upper_tail(lrt, df)),
            "unselected": twin.response(plain_mean),
        }
    method = stamp_of(
        f"Selection model ({kind})", _SOURCES[kind], "1 / (v + tau2), times the probability of being seen", fit, notes,
        kind=kind, steps=[float(x) for x in limits] if kind == "step" else None, alternative=alternative, null=null if found else None,
    )  # fmt: skip
    frame = _frame(twin, kind, alternative, limits, found, sign, null, fit.level)
    return SelectionModel(fit, method, kind, alternative, reason, twin.k, **numbers, _weights=frame, _caveat=caveat)


def _frame(
    twin: Twin, kind: str, alternative: str, limits: np.ndarray, found: Selection | None, sign: float, null: float, level: float
) -> pd.DataFrame:
    """The weights with intervals that are normal on the log scale."""
    import pandas as pd

    if found is None:
        return pd.DataFrame(columns=["weight", "studies", "delta", "se", "lower", "upper"])
    shape, errors = found.shape[0], np.sqrt(np.diag(found.covariance[0]))[2:]
    half = distributions.two_sided_z(level) * errors
    delta = np.exp(shape)
    columns = {"delta": delta, "se": delta * errors, "lower": np.exp(shape - half), "upper": np.exp(shape + half)}
    if kind == "beta":
        return pd.DataFrame(
            {"weight": ["beta weight, a (small p)", "beta weight, b (large p)"], "studies": [twin.k, twin.k], **columns}
        )
    p = p_values(np.where(np.isfinite(twin.vi), sign * (twin.yi - null), 0.0), twin.vi, alternative == "two-sided")
    p = p[np.isfinite(twin.vi)]
    edges = [0.0, *limits, 1.0]
    names = [f"seen at p {low:g} to {high:g}" for low, high in pairwise(edges)]
    studies = [int((np.searchsorted(limits, p, side="left") == j).sum()) for j in range(len(names))]
    first = {"delta": 1.0, "se": np.nan, "lower": np.nan, "upper": np.nan}
    return pd.DataFrame(
        {"weight": names, "studies": studies, **{name: np.concatenate([[first[name]], values]) for name, values in columns.items()}}
    )
