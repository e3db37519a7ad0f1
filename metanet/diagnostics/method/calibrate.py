"""Calibration: coverage of the intervals of a result at its number of studies, sizes, rate and heterogeneity."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import between, checked, rate, whole
from metanet.base.display import difference_scale, level_text, per_cent
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError
from metanet.base.progress import bar
from metanet.base.results import Method, Result, plain
from metanet.kernels.normal_effect.random_effect import LINKS
from metanet.kernels.numerics import distributions
from metanet.models.options import Options, check_options, lean, method_label, options_of
from metanet.models.pooling.batch import Batch, Data, pool_batch
from metanet.models.pooling.simulate import Truth, draw as draw_data
from metanet.models.registry import EXACT, TWO_STEP
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


_MOST = 1_000_000
#: Data sets whose prediction interval is computed for the beta-binomial model.
_BETA_SETS = 500
#: Choices that stand beside the one that was made, by the kind of data.
_RIVALS: dict[str, tuple[dict[str, Any], ...]] = {
    "rate": (
        {"model": "bayes"},
        {"model": "glmm"},
        {"model": "glmm", "ci": "z"},
        {"model": "beta_binomial"},
        {"model": "inverse_variance", "measure": "PLO"},
        {"model": "inverse_variance", "measure": "PLO", "tau2": "DL", "ci": "z"},
        {"model": "inverse_variance", "measure": "PFT"},
    ),
    "rate per person-time": (
        {"model": "bayes", "measure": "IRLN"},
        {"model": "glmm", "measure": "IRLN"},
        {"model": "glmm", "measure": "IRLN", "ci": "z"},
        {"model": "inverse_variance", "measure": "IRLN"},
        {"model": "inverse_variance", "measure": "IRLN", "tau2": "DL", "ci": "z"},
    ),
    "": (
        {"model": "inverse_variance"},
        {"model": "inverse_variance", "ci": "HK-adhoc"},
        {"model": "inverse_variance", "ci": "z"},
        {"model": "inverse_variance", "tau2": "DL", "ci": "z"},
    ),
}
#: Raw rates are averaged as they are; every other scale has its mean at the median.
_AVERAGES = ("PR", "IR")


@dataclass(frozen=True, eq=False, repr=False)
class Calibration(Result):
    """Real coverage, width and bias of the chosen method and of its rivals; `reason` says why there is none.

    The frame has a row for each method, the chosen one first: ``target`` (whether it estimates the "median" or the "mean" of the
    true rates), ``truth`` (its value), ``coverage`` of the interval of the mean with its Monte-Carlo error ``coverage_mcse``,
    ``below`` and ``above`` (shares of intervals that lie wholly below or above the truth), ``width`` (mean), ``pi_coverage``
    (mean share of true rates inside the prediction interval), ``tau_coverage`` (how often the interval of tau contains the true one,
    for methods on its scale), ``bias`` and ``rmse`` of the estimate, ``tau`` (root of the mean
    tau2), and ``answered``, the share of data sets with an interval. All on the response scale except for ratios, which are
    on the log scale.
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    truth: Truth | None
    simulations: int
    seed: int
    _frame: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """The methods; a copy."""
        return self._frame.copy()

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values."""
        truth = None if self.truth is None else {"kind": self.truth.kind, "mean": self.truth.mean, "spread": self.truth.spread}
        settings = {"simulations": self.simulations, "seed": self.seed, "truth": plain(truth)}
        return {"reason": self.reason, **settings, "rows": plain(self._frame), "method": plain(dict(self.method))}

    @property
    def coverage(self) -> float | None:
        """Real coverage of the chosen method's interval of the mean."""
        return None if self.reason else float(self._frame["coverage"].iloc[0])

    @property
    def pi_coverage(self) -> float | None:
        """Real coverage of its prediction interval."""
        value = float("nan") if self.reason else float(self._frame["pi_coverage"].iloc[0])
        return None if np.isnan(value) else value

    def sentence(self) -> str:
        """What the chosen interval is worth."""
        if self.reason:
            return self.reason
        row = self._frame.iloc[0]
        rate = self.fit.response == "rate"
        nominal = level_text(self.fit.level)
        text = f"In {self.simulations:,} simulated reviews like this one the {nominal} interval contains the true {row['target']} "
        text += f"in {per_cent(row['coverage'])} %"
        if not np.isnan(row["tau_coverage"]):
            text += f", that of tau the true tau in {per_cent(row['tau_coverage'])} %"
        if not np.isnan(row["pi_coverage"]):
            text += f", and the prediction interval contains {per_cent(row['pi_coverage'])} % of true {'rates' if rate else 'effects'}"
        scale = difference_scale(self.fit.response)
        bias = scale.value(row["bias"], scale.digits(row["bias"]) + 1)
        text += f"; the estimate is off by {bias} on average."
        error = abs(row["coverage"] - self.fit.level)
        if error <= max(0.01, 3 * row["coverage_mcse"]):
            return f"{text} The interval has its nominal coverage."
        return f"{text} The interval is {'conservative' if row['coverage'] > self.fit.level else 'too narrow'}."

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Calibration"

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """A row for each method: coverage of both intervals, bias and width."""
        scale = difference_scale(self.fit.response)
        unit = f", {scale.unit}" if scale.unit else ""
        records = self._frame.to_dict("records")
        digits = {name: max([scale.least, *(scale.digits(row[name]) for row in records)]) for name in ("bias", "width")}
        return ["Method", "Coverage, %", "Prediction, %", "tau, %", f"Bias{unit}", f"Width{unit}"], [
            (
                f"{row['label']} (chosen)" if row["chosen"] else str(row["label"]),
                per_cent(row["coverage"]),
                per_cent(row["pi_coverage"]),
                per_cent(row["tau_coverage"]),
                *(scale.text(row[name], digits[name]) for name in ("bias", "width")),
            )
            for row in records
        ]

    def plot(self, **options: Any) -> Axes:
        """Draw coverage by method; see `metanet.figures`."""
        axes: Axes = draw("calibration", self, **options)
        return axes


@checked(simulations=whole(10, _MOST), rate=rate, tau=between(0, 20), seed=whole(0), threads=whole(1))
def calibrate(
    fit: Pooled,
    simulations: int = 10_000,
    *,
    rivals: bool = True,
    rate: float | None = None,
    tau: float | None = None,
    seed: int = 0,
    threads: int = 1,
) -> Calibration:
    """Simulate reviews like this one, refit each, and count how often the intervals hold the truth.

    Parameters
    ----------
    fit
        The result of `pool`, whatever its model.
    simulations
        Data sets: k and the sizes of the studies as they are, true rates (or effects) drawn from the fitted distribution.
    rivals
        Whether other customary methods are fitted to the same data sets.
    rate, tau
        Median rate (a fraction) and standard deviation on the model scale to simulate from, instead of the fitted ones. With few
        studies a fitted tau of 0 is often too optimistic.
    seed
        Of the random numbers.
    threads
        As in `pool_arrays`.

    Returns
    -------
    Calibration
        A row for each method.

    Notes
    -----
    Proportions are simulated from the binomial-normal model, whatever the measure of a two-step model; for the
    beta-binomial model from its beta distribution. Two groups: control rates as observed, with half an event added. Coverage
    counts data sets with an interval; how many have none is in ``answered``. The Monte-Carlo error of a coverage of 95 %
    from 10,000 data sets is 0.2 points (Morris, White, Crowther 2019, doi:10.1002/sim.8086).
    """
    import pandas as pd

    options = options_of(fit.method)
    truth, reason = _truth(fit, options, rate, tau)
    if truth is None:
        return Calibration(fit, fit.method, reason, None, simulations, seed, pd.DataFrame(columns=["label"]))
    sets = draw_data(truth, fit.data, options, simulations, np.random.default_rng(seed))
    rows = []
    known: dict[Options, Batch] = {}
    methods = _methods(options, rivals)
    with bar("Calibration", len(methods) * simulations) as shown:
        for number, (label, choice) in enumerate(methods, 1):
            rows.append({"label": label, **_row(sets, choice, options, truth, known, threads)})
            shown.upto(number * simulations)
    frame = pd.DataFrame(rows)
    frame.insert(1, "chosen", [i == 0 for i in range(len(rows))])
    return Calibration(fit, fit.method, None, truth, simulations, seed, frame)


def _truth(fit: Pooled, options: Options, rate: float | None, tau: float | None) -> tuple[Truth | None, str | None]:
    """What to draw from, or why there is nothing."""
    if fit.k < 2:
        return None, "One study: nothing is pooled, so no method can be calibrated."
    if rate is not None and fit.response != "rate":
        raise ArgumentError("rate belongs to pooled proportions. Fix: leave it out.")
    if options.model == "beta_binomial":
        kind, mean, spread = "beta", fit.mu, fit.rho
        if tau is not None:
            raise ArgumentError("tau belongs to a normal random effect; the beta-binomial model has none. Fix: leave it out.")
    elif fit.response in ("rate", "rate per person-time"):
        kind = fit.method["link"] or ("log" if fit.data.timed else "logit")
        mean, spread = _normal_truth(fit, options, kind)
    else:
        kind, mean, spread = "effect", fit.mu, fit.tau
        spread = 0.0 if spread is None else spread
    if rate is not None:
        link = "logit" if kind == "beta" else kind
        mean = float(LINKS[link].forward(np.array([rate]))[0])
    spread = tau if tau is not None else spread
    if mean is None or spread is None or not np.isfinite(mean + spread):
        fix = " Fix: give rate and tau to simulate from." if fit.response == "rate" and kind != "beta" else ""
        return None, f"The result has no estimate to simulate from ({fit.status}).{fix}"
    return Truth(kind, float(mean), float(spread)), None


def _normal_truth(fit: Pooled, options: Options, kind: str) -> tuple[float | None, float | None]:
    """Mean and tau of the exact model with a normal random effect on the same studies; tau zero for a common effect."""
    if options.model in ("bayes", "glmm"):
        return fit.mu, fit.tau
    measure = "IRLN" if kind == "log" else "PLO"
    fitted = pool_batch(fit.data, lean(check_options(model="glmm", measure=measure, timed=kind == "log")))
    if fitted.status[0] != "pooled":
        return None, None
    return float(fitted.mu[0]), 0.0 if options.tau2 is None else float(np.sqrt(fitted.tau2[0]))


def _methods(options: Options, rivals: bool) -> list[tuple[str, Options]]:
    """The chosen method first, then its rivals, each once."""
    found = [options]
    kind = options.scale if options.scale in _RIVALS else ""
    for choice in _RIVALS[kind] if rivals else ():
        measure = choice.get("measure") or (options.measure if kind == "" else None)
        rival = check_options(
            **{**choice, "measure": "OR" if measure == "PETO" else measure},
            level=options.level,
            groups=options.groups,
            by_effect=options.measure == "GEN",
            timed=kind == "rate per person-time" or measure in ("IRR", "IRD"),
        )
        if rival.model in TWO_STEP and rival.measure == options.measure:
            rival = replace(rival, add=options.add, to=options.to, drop00=options.drop00) if not options.exact else rival
        if all(method_label(rival) != method_label(other) for other in found):
            found.append(rival)
    return [(method_label(each), each) for each in found]


#: Data sets whose interval of tau is computed: it takes as long as the fit, or longer.
_TAU_SETS = 1_000


def _tau_coverage(sets: Data, choice: Options, chosen: Options, truth: Truth, threads: int) -> float:
    """How often the interval of tau contains the true one; NaN for a method without one, or on another scale than the truth."""
    own = choice.link or ("logit" if choice.measure == "PLO" else "log" if choice.measure == "IRLN" else "effect")
    same = own == truth.kind and (truth.kind != "effect" or choice.measure == chosen.measure)
    if not same or choice.tau2_ci is None or choice.model == "beta_binomial":
        return float("nan")
    fitted = pool_batch(sets.rows(slice(0, _TAU_SETS)), replace(choice, preset=None, prediction=None), threads=threads)
    known = ~np.isnan(fitted.tau2_lower)
    square = truth.spread**2
    inside = (fitted.tau2_lower <= square * (1 + 1e-12)) & (square <= fitted.tau2_upper)
    return float(inside[known].mean()) if known.any() else float("nan")


def _row(sets: Data, choice: Options, chosen: Options, truth: Truth, known: dict[Options, Batch], threads: int) -> dict[str, Any]:
    """One method's numbers over all data sets."""
    # Intervals of one exact fit differ in a quantile alone: the fit is shared.
    plain_interval = choice.model in EXACT and choice.ci in ("z", "t")
    base = replace(choice, tau2_ci=None, preset=None, ci="t" if plain_interval else choice.ci)
    if choice.model == "beta_binomial":
        base = replace(base, prediction=None)
    if base not in known:
        known[base] = pool_batch(sets, base, threads=threads)
    fitted = known[base]
    for_prediction = fitted
    if choice.model == "beta_binomial" and choice is chosen and choice.prediction is not None:
        # The quantiles of a mixture of beta distributions take as long as twenty fits: fewer data sets answer for them.
        some = replace(choice, tau2_ci=None, preset=None)
        for_prediction = pool_batch(sets.rows(slice(0, _BETA_SETS)), some, threads=threads)
    lower, upper, estimate = fitted.ci_lower, fitted.ci_upper, fitted.estimate
    link = LINKS[choice.link or "logit"]
    if plain_interval and choice.ci == "z":
        half = distributions.two_sided_z(choice.level) * fitted.se
        pooled = fitted.status == "pooled"
        ends = (fitted.mu - half, fitted.mu + half)
        if choice.groups == 1:
            ends = (link.inverse(ends[0]), link.inverse(ends[1]))
        lower, upper = np.where(pooled, ends[0], lower), np.where(pooled, ends[1], upper)
    # Ratios are compared on their logarithms, as they are pooled.
    logs = chosen.scale == "ratio"
    if logs:
        lower, upper, estimate = fitted.mu_lower, fitted.mu_upper, fitted.mu
        if plain_interval and choice.ci == "z":
            lower, upper = fitted.mu - half, fitted.mu + half
    average = choice.measure in _AVERAGES or choice.model == "beta_binomial"
    target = truth.average if average else truth.middle
    has = ~np.isnan(lower) & ~np.isnan(upper)
    lo, up, at = lower[has], upper[has], estimate[has]
    n = max(1, int(has.sum()))
    below, above = (float((up < target).mean()) if has.any() else np.nan, float((lo > target).mean()) if has.any() else np.nan)
    coverage = 1.0 - below - above
    predicted = ~np.isnan(for_prediction.pi_lower)
    ends = (for_prediction.pi_lower[predicted], for_prediction.pi_upper[predicted])
    if logs:
        ends = (np.log(ends[0]), np.log(ends[1]))
    pi = float(truth.share_between(*ends).mean()) if predicted.any() else float("nan")
    return {
        "tau_coverage": _tau_coverage(sets, choice, chosen, truth, threads),
        "target": "effect" if truth.kind == "effect" else "mean" if average else "median",
        "truth": target,
        "coverage": coverage,
        "coverage_mcse": float(np.sqrt(max(coverage * (1 - coverage), 0.0) / n)),
        "below": below,
        "above": above,
        "width": float((up - lo).mean()) if has.any() else float("nan"),
        "pi_coverage": pi,
        "bias": float(at.mean() - target) if has.any() else float("nan"),
        "rmse": float(np.sqrt(((at - target) ** 2).mean())) if has.any() else float("nan"),
        "tau": float(np.sqrt(np.nanmean(fitted.tau2))) if np.isfinite(fitted.tau2).any() else float("nan"),
        "answered": float(has.mean()),
    }
