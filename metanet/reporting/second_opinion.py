"""A second program beside R for two-step models: `combine_effects` of statsmodels, from the files of a report."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from metanet.base.arrays import Array
from metanet.base.display import plural
from metanet.effects.measures import MEASURES
from metanet.models.r.script import CLOSED, TWO_STEP

#: The estimators of tau2 that statsmodels has, and how closely it reaches them: DerSimonian-Laird is a closed form.
TOLERANCES: Mapping[str, float] = {"DL": CLOSED, "PM": TWO_STEP}
#: Tolerances of the search of Paule and Mandel, the narrowest first. statsmodels returns 0 where rounding carries the last step
#: beyond the root, which a wider tolerance avoids.
_SEARCHES = (1e-10, 1e-7, 1e-5)
#: Intervals of the mean that statsmodels has: the place in `conf_int`, and whether the quantile is that of t.
_INTERVALS = {"z": (1, False), "t": (1, True), "HK": (3, True)}


@dataclass(frozen=True)
class Opinion:
    """What statsmodels found: the largest relative difference, how many numbers were compared, which lie beyond the tolerance."""

    largest: float
    compared: int
    missed: tuple[str, ...]
    version: str

    def sentence(self) -> str:
        """The result in one line."""
        return (
            f"statsmodels {self.version}, combine_effects of the same study effects: largest relative difference "
            f"{self.largest:.0e} in {plural(self.compared, 'number')}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Values that JSON can represent."""
        return {
            "statsmodels": self.version,
            "largest_relative_difference": self.largest,
            "compared": self.compared,
            "sentence": f"{self.sentence()}.",
        }


def second_opinion(numbers: Mapping[str, Any], studies: Path) -> Opinion | None:
    """What statsmodels finds for the result in numbers.json from the counts in studies.csv.

    None where statsmodels has no such model: another model than inverse variance, another estimator than DerSimonian-Laird and
    Paule-Mandel, the continuity correction of another program, and tau2 = 0, where DerSimonian-Laird of statsmodels is negative.
    """
    result = numbers.get("result")
    if not isinstance(result, dict) or not _applies(result):
        return None
    effects = _effects(result["method"], studies)
    if effects is None:
        return None
    return _compared(result, _found(result, *effects), TOLERANCES[result["method"]["tau2"]])


def _applies(result: Mapping[str, Any]) -> bool:
    method = result.get("method")
    return (
        isinstance(method, dict)
        and result.get("status") == "pooled"
        and method.get("model") == "inverse_variance"
        and method.get("tau2") in TOLERANCES
        and method.get("preset") in (None, "metafor")
        and method.get("measure") in MEASURES
        and bool(result.get("tau2"))
    )


def _effects(method: Mapping[str, Any], studies: Path) -> tuple[Array, Array] | None:
    """Effects and variances of the counts in a table of studies; None without the columns of the measure."""
    measure = MEASURES[method["measure"]]
    with studies.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or any(name not in rows[0] for name in measure.arguments):
        return None
    counts = [np.array([float(row[name]) for row in rows]) for name in measure.arguments]
    found = measure.effects(*counts, add=method["add"], to=method["to"], drop00=bool(method["drop00"]))
    pooled = np.isfinite(found.vi)
    return found.yi[pooled], found.vi[pooled]


def _found(result: Mapping[str, Any], effects: Array, variances: Array) -> dict[str, float]:
    """The numbers that statsmodels has for a result."""
    method = result["method"]
    combined = _combined(method["tau2"], effects, variances)
    out = {"mu": combined.mean_effect_re, "tau2": combined.tau2, "q": combined.q, "q_pvalue": combined.test_homogeneity().pvalue}
    if method["ci"] in _INTERVALS:
        place, use_t = _INTERVALS[method["ci"]]
        out["se"] = np.sqrt(combined.var_hksj_re) if place == 3 else combined.sd_eff_w_re
        out["mu_lower"], out["mu_upper"] = combined.conf_int(alpha=1.0 - result["level"], use_t=use_t)[place]
    return {name: float(value) for name, value in out.items()}


def _combined(tau2: str, effects: Array, variances: Array) -> Any:
    from statsmodels.stats.meta_analysis import combine_effects

    if tau2 == "DL":
        return combine_effects(effects, variances, method_re="dl")
    for tolerance in _SEARCHES:
        found = combine_effects(effects, variances, method_re="pm", atol=tolerance, maxiter=1000)
        if found.tau2 > 0:
            break
    return found


def _compared(result: Mapping[str, Any], found: Mapping[str, float], tolerance: float) -> Opinion:
    from statsmodels import __version__

    gaps = dict(_gaps(result, found))
    missed = tuple(name for name, gap in gaps.items() if not gap <= tolerance)
    return Opinion(max(gaps.values()), len(gaps), missed, str(__version__))


def _gaps(result: Mapping[str, Any], found: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Differences relative to the number, or to what is no difference where the number can be near zero."""
    units: dict[str, float] = dict.fromkeys(("mu", "mu_lower", "mu_upper"), result["se"]) | {"q": 1.0, "q_pvalue": 0.001}
    for name, value in found.items():
        ours = result[name]
        gap = abs(value - ours) / max(abs(ours), units.get(name, 0.0))
        yield name, gap if np.isfinite(gap) else float("inf")
