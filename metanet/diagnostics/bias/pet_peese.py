"""PET, PEESE and the choice between them: the effect at a standard error of zero."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import between, checked
from metanet.base.display import number, p_value, plural
from metanet.base.results import Method, Test
from metanet.diagnostics.bias.registry import check_biased
from metanet.diagnostics.bias.small_study_effects import Check, stamp_of
from metanet.diagnostics.study_effects import Twin, is_rate, null_on_scale, two_step_twin
from metanet.kernels.bias import asymmetry
from metanet.kernels.bias.lines import Line, weighted_line
from metanet.kernels.numerics import distributions
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


_REASON = (
    "Both lines regress effects on their standard errors, and the standard error of a rate depends on the rate: they find a slope, "
    "and change the estimate, without any bias."
)


@dataclass(frozen=True)
class Corrected:
    """One line: the effect at a standard error of zero on the model scale (`mu`) and as a response, and the slope with its p-value."""

    name: str
    mu: float
    se: float
    mu_lower: float
    mu_upper: float
    p_value: float | None
    slope: float
    slope_se: float
    slope_p_value: float
    estimate: float | None
    ci_lower: float | None
    ci_upper: float | None


@dataclass(frozen=True, eq=False, repr=False)
class PetPeese(Check):
    """Precision-effect test and estimate.

    Attributes
    ----------
    pet, peese
        The lines of the effects on the standard error and on its square.
    conditional
        "PET" or "PEESE": PEESE where PET finds an effect, otherwise PET; None where no value of no effect is known.
    estimate, ci_lower, ci_upper, mu, se
        The conditional estimate; None where `conditional` is.
    reason
        Why there is no answer.
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    k: int
    df: int | None
    pet: Corrected | None
    peese: Corrected | None
    conditional: str | None

    @property
    def chosen(self) -> Corrected | None:
        """The line of the conditional estimate."""
        return {"PET": self.pet, "PEESE": self.peese}.get(str(self.conditional))

    @property
    def estimate(self) -> float | None:
        """The conditional estimate on the response scale."""
        return None if self.chosen is None else self.chosen.estimate

    @property
    def ci_lower(self) -> float | None:
        """Lower end of its interval."""
        return None if self.chosen is None else self.chosen.ci_lower

    @property
    def ci_upper(self) -> float | None:
        """Upper end of its interval."""
        return None if self.chosen is None else self.chosen.ci_upper

    @property
    def mu(self) -> float | None:
        """The conditional estimate on the model scale."""
        return None if self.chosen is None else self.chosen.mu

    @property
    def se(self) -> float | None:
        """Its standard error."""
        return None if self.chosen is None else self.chosen.se

    @property
    def heading(self) -> str:
        """What the check is called."""
        return "PET-PEESE"

    def to_frame(self) -> pd.DataFrame:
        """One row for PET and one for PEESE."""
        import pandas as pd

        lines = [line for line in (self.pet, self.peese) if line is not None]
        frame = pd.DataFrame([line.__dict__ for line in lines], columns=list(Corrected.__dataclass_fields__))
        frame["conditional"] = [line.name == self.conditional for line in lines]
        return frame

    _entries = (
        "reason", "k", "df", "conditional", "estimate", "mu", "se", ("pet", "_pet"), ("peese", "_peese"), "ci_lower", "ci_upper",
    )  # fmt: skip

    @property
    def _pet(self) -> dict[str, Any] | None:
        return None if self.pet is None else dict(self.pet.__dict__)

    @property
    def _peese(self) -> dict[str, Any] | None:
        return None if self.peese is None else dict(self.peese.__dict__)

    @property
    def tests(self) -> dict[str, Test]:
        """No effect at a standard error of zero, and no slope, by each line."""
        out = {}
        df = () if self.df is None else (float(self.df),)
        for line in (self.pet, self.peese):
            if line is not None:
                name = line.name.lower()
                if line.p_value is not None:
                    out[name] = Test("t", "no effect at a standard error of zero", None, "t", df, line.p_value)
                out[f"{name}_slope"] = Test("t", "no slope", line.slope / line.slope_se, "t", df, line.slope_p_value)
        return out

    def rows(self) -> list[tuple[str, str]]:
        """Name and text of every number."""
        out = []
        for line in (self.pet, self.peese):
            if line is not None:
                shown = self._shown(line.estimate, line.ci_lower, line.ci_upper)
                out.append((line.name, f"{shown}; slope {number(line.slope)}, {p_value(line.slope_p_value)}"))
        if self.conditional:
            out.append(("Conditional", self.conditional))
        return out

    def sentence(self) -> str:
        """The corrected estimate in a plain sentence."""
        if self.reason or self.pet is None or self.peese is None:
            return str(self.reason)
        if self.chosen is None:
            text = (
                f"At a standard error of zero the estimate is {self._shown(self.pet.estimate)} by PET and "
                f"{self._shown(self.peese.estimate)} by PEESE."
            )
        else:
            found = "finds an effect" if self.conditional == "PEESE" else "finds no statistically significant effect"
            shown = self._shown(self.estimate, self.ci_lower, self.ci_upper)
            text = (
                f"PET over {plural(self.k, 'study', 'studies')} {found} ({p_value(self.pet.p_value)}), so the estimate at a "
                f"standard error of zero is that of {self.conditional}: {shown}."
            )
        return self._warned(text)


@checked(alpha=between(0, 1, inside=True))
def pet_peese(fit: Pooled, *, null: float | None = None, alpha: float = 0.10, allow_biased: bool = False) -> PetPeese:
    """The effect at a standard error of zero: PET, PEESE and the conditional estimate.

    Parameters
    ----------
    fit
        The result of `pool`. A model of the counts is checked on its two-step effects, with a note.
    null
        No effect, on the response scale: 1 for ratios and 0 for differences by default. Rates have none unless it is given here.
    alpha
        PEESE is taken where the two-sided p-value of PET's effect is below this; 0.10 is 5 % on one side.
    allow_biased
        Rates of single groups are run only with ``allow_biased=True``; the result then carries the warning.

    Returns
    -------
    PetPeese
        `reason` says why there is no answer.

    Raises
    ------
    ArgumentError
        Rates without ``allow_biased=True``; a null outside its range.

    Notes
    -----
    Both are weighted least squares with weights 1 / v, dispersion estimated, t with k - 2 degrees of freedom.

    References
    ----------
    Stanley and Doucouliagos 2014 doi:10.1002/jrsm.1095.
    """
    warning = check_biased(fit, "PET-PEESE", allow_biased, _REASON)
    twin = two_step_twin(fit)
    at = null_on_scale(twin, null)
    notes = [*([warning] if warning else []), *twin.notes]
    lines = {} if twin.k < 3 else _lines(twin, at, fit.level)
    reason = conditional = None
    if twin.k < 3:
        reason = "Fewer than three studies have an estimable effect: no regression line can be fitted."
    elif not lines:
        reason = "The studies do not differ in precision, report one and the same effect, or lie exactly on one line."
    elif at is not None:
        p = lines["PET"].p_value
        conditional = "PEESE" if p is not None and p < alpha else "PET"
    else:
        notes.append("A rate has no null value, which the choice between PET and PEESE needs. Fix: give null=, such as 0.2.")
    if lines and twin.k < 10:
        notes.append(f"{twin.k} studies: both lines are extrapolations and very uncertain below 10.")
    if lines and not is_rate(fit):
        notes.append("With large heterogeneity PET-PEESE is unreliable; compare it with a selection model.")
    method = stamp_of(
        "PET-PEESE", "10.1002/jrsm.1095", "1 / v, dispersion estimated", fit, notes, alpha=float(alpha), null=at,
        biased=warning is not None,
    )  # fmt: skip
    return PetPeese(fit, method, reason, twin.k, twin.k - 2 if lines else None, lines.get("PET"), lines.get("PEESE"), conditional)


def _lines(twin: Twin, null: float | None, level: float) -> dict[str, Corrected]:
    """Both lines; none where they do not exist."""
    y, v = twin.yi, twin.vi
    variance = np.where(np.isfinite(v), v, 0.0)
    pet, peese = (weighted_line(y, x, 1.0 / v) for x in (asymmetry.standard_errors(v), variance))
    if np.isnan(pet.slope[0]) or np.isnan(peese.slope[0]):
        return {}
    return {"PET": _corrected("PET", pet, twin, null, level), "PEESE": _corrected("PEESE", peese, twin, null, level)}


def _corrected(name: str, line: Line, twin: Twin, null: float | None, level: float) -> Corrected:
    mu, se = float(line.intercept[0]), float(line.intercept_se[0])
    slope, slope_se = float(line.slope[0]), float(line.slope_se[0])
    half = float(distributions.two_sided_t(level, line.df)[0]) * se
    p = None if null is None else float(asymmetry.two_sided(np.array([(mu - null) / se]), line.df)[0])
    return Corrected(
        name=name,
        mu=mu,
        se=se,
        mu_lower=mu - half,
        mu_upper=mu + half,
        p_value=p,
        slope=slope,
        slope_se=slope_se,
        slope_p_value=float(asymmetry.two_sided(np.array([slope / slope_se]), line.df)[0]),
        estimate=twin.response(mu),
        ci_lower=twin.response(mu - half),
        ci_upper=twin.response(mu + half),
    )
