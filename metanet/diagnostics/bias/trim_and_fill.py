"""Trim and fill: the pooled effect with the studies that seem to be missing from one side of the funnel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from metanet.base.arguments import checked, choice, whole
from metanet.base.arrays import Array
from metanet.base.display import number, p_value, plural
from metanet.base.results import Method
from metanet.diagnostics.bias.registry import check_biased
from metanet.diagnostics.bias.small_study_effects import Check, stamp_of
from metanet.diagnostics.study_effects import Twin, number_or_none, two_step_twin
from metanet.kernels.bias import asymmetry
from metanet.kernels.bias.adjustments import ESTIMATORS, TrimFill, trim_fill
from metanet.kernels.inverse_variance.tau2 import ESTIMATORS as TAU2
from metanet.models.pooling.batch import Data, pool_batch
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


SIDES = ("left", "right")
_NUMBERS = (
    "estimator", "side", "k", "k0", "k0_se", "k0_pvalue", "estimate", "ci_lower", "ci_upper", "mu", "se", "mu_lower", "mu_upper",
    "tau2", "observed", "observed_lower", "observed_upper",
)  # fmt: skip
_REASON = (
    "Rates of single groups scatter unevenly by themselves, because the standard error of a rate is made of the rate: the funnel "
    "lacks studies on one side though none is missing."
)


@dataclass(frozen=True, eq=False, repr=False)
class TrimAndFill(Check):
    """The missing studies and the pooled effect with them.

    Attributes
    ----------
    k, k0, k0_se, k0_pvalue
        Studies there are; studies that seem to be missing on `side`, with the standard error; (R0) the p-value of none
        missing there.
    estimate, ci_lower, ci_upper, mu, se, mu_lower, mu_upper, tau2
        The pooled effect of the filled funnel on the response and on the model scale, by the fit's own tau2 and interval.
    observed, observed_lower, observed_upper
        The same model without the imputed studies.
    reason
        Why there is no answer; None where there is one.
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    estimator: str
    side: str | None
    reason: str | None
    k: int
    k0: int | None
    k0_se: float | None
    k0_pvalue: float | None
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None
    mu: float | None
    se: float | None
    mu_lower: float | None
    mu_upper: float | None
    tau2: float | None
    observed: float | None
    observed_lower: float | None
    observed_upper: float | None
    _imputed: pd.DataFrame = field(repr=False)

    @property
    def heading(self) -> str:
        """What the check is called."""
        return "Trim and fill"

    @property
    def imputed(self) -> pd.DataFrame:
        """The imputed studies: which study each mirrors, its effect `yi` and variance `vi`, and the effect as a response; a copy."""
        return self._imputed.copy()

    def to_frame(self) -> pd.DataFrame:
        """The imputed studies; a copy."""
        return self.imputed

    _entries = (*_NUMBERS, "reason", "imputed")

    def rows(self) -> list[tuple[str, str]]:
        """Name and text of every number."""
        if self.reason or self.k0 is None:
            return []
        missing = f"{self.k0} on the {self.side} (SE {number(self.k0_se)}; estimator {self.estimator})"
        if self.k0_pvalue is not None:
            missing += f"; none missing: {p_value(self.k0_pvalue)}"
        return [
            ("Studies", str(self.k)),
            ("Missing", missing),
            ("As observed", self._shown(self.observed, self.observed_lower, self.observed_upper)),
            ("Filled", self._shown(self.estimate, self.ci_lower, self.ci_upper)),
            ("tau2 of the filled funnel", number(self.tau2, 4)),
        ]

    def sentence(self) -> str:
        """What filling does to the estimate, in a plain sentence."""
        if self.reason or self.k0 is None:
            return str(self.reason)
        if self.k0 == 0:
            return f"Trim and fill finds no study missing on the {self.side} of the funnel."
        filled = self._shown(self.estimate, self.ci_lower, self.ci_upper)
        studies = plural(self.k0, "study", "studies")
        text = f"Trim and fill imputes {studies} on the {self.side} of the funnel; the estimate changes from "
        text += f"{self._shown(self.observed)} to {filled}. This is a sensitivity analysis, not a corrected result."
        return self._warned(text)


@checked(estimator=choice(*ESTIMATORS), side=choice(*SIDES), max_iterations=whole(1))
def trim_and_fill(
    fit: Pooled, *, estimator: str = "L0", side: str | None = None, max_iterations: int = 100, allow_biased: bool = False
) -> TrimAndFill:
    """Estimate how many studies are missing on one side of the funnel, put in their mirror images, and pool again.

    Parameters
    ----------
    fit
        The result of `pool`. A model of the counts is checked on its two-step effects, with a note.
    estimator
        "L0" (default), "R0" or "Q0" of Duval and Tweedie.
    side
        Where studies are missing. None: "right" where the effects fall with the standard error, otherwise "left".
    max_iterations
        Rounds after which no answer is given.
    allow_biased
        Rates of single groups are run only with ``allow_biased=True``; the result then carries the warning.

    Returns
    -------
    TrimAndFill
        `reason` says why there is no answer.

    Raises
    ------
    ArgumentError
        An unknown word, or rates without ``allow_biased=True``.

    References
    ----------
    Duval and Tweedie 2000 doi:10.1111/j.0006-341X.2000.00455.x, doi:10.1080/01621459.2000.10473905.
    """
    warning = check_biased(fit, "Trim and fill", allow_biased, _REASON)
    twin = two_step_twin(fit)
    notes = [*([warning] if warning else []), *twin.notes]
    if twin.k < 3:
        return _answer(fit, twin, estimator, side, notes, "Fewer than three studies: a funnel has no sides to compare.")
    if side is None:
        side, said = _side(twin)
        notes.append(said)
    way = np.array([1.0 if side == "right" else -1.0])
    tau2 = None if twin.options.tau2 is None else TAU2[twin.options.tau2]
    found = trim_fill(twin.yi, twin.vi, way, tau2=tau2, estimator=estimator, max_iterations=max_iterations)
    if not found.settled[0]:
        reason = f"The estimator {estimator} has no value for these studies, or did not converge in {max_iterations} iterations."
        return _answer(fit, twin, estimator, side, notes, reason)
    if twin.k < 10:
        notes.append(f"{twin.k} studies: the number of missing ones is very uncertain below 10.")
    return _answer(fit, twin, estimator, side, notes, None, found)


def _side(twin: Twin) -> tuple[str, str]:
    """The side from the slope of the effects on their standard errors."""
    se = asymmetry.standard_errors(twin.vi)
    slope = float(asymmetry.mixed(twin.yi, twin.vi, se, twin.options.tau2 or "REML", "z").line.slope[0])
    if np.isnan(slope):
        return "left", "The effects have no slope on their standard errors; the left side was taken."
    word = "fall" if slope < 0 else "rise"
    side = "right" if slope < 0 else "left"
    return side, f"The effects {word} with their standard error, so studies are looked for on the {side}."


def _answer(
    fit: Pooled, twin: Twin, estimator: str, side: str | None, notes: list[str], reason: str | None, found: TrimFill | None = None
) -> TrimAndFill:
    import pandas as pd

    numbers: dict[str, float | None] = dict.fromkeys(("mu", "se", "mu_lower", "mu_upper", "tau2"))
    response: dict[str, float | None] = dict.fromkeys(
        ("estimate", "ci_lower", "ci_upper", "observed", "observed_lower", "observed_upper")
    )
    frame = pd.DataFrame({"mirror_of": [], "yi": [], "vi": [], "response": []})
    if found is not None:
        data, options = twin.alone()
        pooled = pool_batch(_filled(data, found), options)
        for name in numbers:
            numbers[name] = number_or_none(float(getattr(pooled, name)[1]))
        for row, names in ((1, ("estimate", "ci_lower", "ci_upper")), (0, ("observed", "observed_lower", "observed_upper"))):
            for name, source in zip(names, ("mu", "mu_lower", "mu_upper"), strict=True):
                response[name] = twin.response(float(getattr(pooled, source)[row]))
        where = np.flatnonzero(found.mirrored[0])
        effects = found.filled[0, where]
        frame = pd.DataFrame(
            {
                "mirror_of": fit.studies["study"].to_numpy()[where],
                "yi": effects,
                "vi": twin.vi[0, where],
                "response": [twin.response(float(value)) for value in effects],
            }
        )
    biased = bool(notes) and notes[0].startswith("Misleading")
    method = stamp_of(
        "Trim and fill",
        "10.1111/j.0006-341X.2000.00455.x",
        f"those of the {twin.options.model.replace('_', '-')} model",
        fit,
        notes,
        estimator=estimator,
        side=side,
        biased=biased,
    )
    return TrimAndFill(
        fit=fit,
        method=method,
        estimator=estimator,
        side=side,
        reason=reason,
        k=twin.k,
        k0=None if found is None else int(found.k0[0]),
        k0_se=None if found is None else number_or_none(float(found.se[0])),
        k0_pvalue=None if found is None else number_or_none(float(found.pvalue[0])),
        **numbers,
        **response,
        _imputed=frame,
    )


def _filled(data: Data, found: TrimFill) -> Data:
    """Two analyses: the studies as they are, and with the imputed ones beside them."""
    yi, vi = data["yi"], data["vi"]
    extra = np.where(found.mirrored, np.nan_to_num(found.filled), 0.0)
    gone = np.full(yi.shape, np.inf)
    mirrored: Array = np.where(found.mirrored, vi, np.inf)
    return Data({"yi": np.block([[yi, 0.0 * yi], [yi, extra]]), "vi": np.block([[vi, gone], [vi, mirrored]])})
