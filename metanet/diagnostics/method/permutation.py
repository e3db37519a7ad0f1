"""Permutation test and interval of a pooled effect, which rest on symmetry alone and not on large numbers of studies."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metanet.base.arguments import checked, whole
from metanet.base.arrays import Array
from metanet.base.display import level_text, number, p_value
from metanet.base.results import Method, Result, Test
from metanet.diagnostics.studies.series import rate_or_effect
from metanet.diagnostics.study_effects import null_on_scale, two_step_twin
from metanet.kernels.inverse_variance.tau2 import ESTIMATORS
from metanet.kernels.resampling.permutations import all_signs, interval, random_signs, sign_flip_p_values as p_values, statistics
from metanet.models.results.pooled import Pooled

#: All assignments of signs up to this many.
_EVERY = 4_096
_MOST = 1_000_000
#: Widths below this share of the studies' own scale are rounding: the ends are located to a part of a million of it.
_NO_WIDTH = 1e-5


@dataclass(frozen=True, eq=False, repr=False)
class PermutationTest(Result):
    """Two-sided permutation p-value of a null, and the nulls that are not refused; `reason` says why there is none.

    `null`, `ci_lower` and `ci_upper` are on the response scale; an end is None where no null can be refused on that side.
    `has_interval` tells whether the interval was computed,
    `exact` whether all assignments were taken; `permutations` how many (mirror images count as one).
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    null: float | None
    statistic: float | None
    pvalue: float | None
    ci_lower: float | None
    ci_upper: float | None
    level: float
    permutations: int
    exact: bool
    has_interval: bool

    _entries = ("reason", "null", "statistic", "pvalue", "ci_lower", "ci_upper", "level", "permutations", "exact", "notes")

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Permutation test"

    @property
    def tests(self) -> dict[str, Test]:
        """The null value against sign changes."""
        if self.null is None or self.pvalue is None:
            return {}
        null = f"the mean is {rate_or_effect(self.fit, self.null)}"
        return {"permutation": Test("t", null, self.statistic, "permutation", (), self.pvalue)}

    def to_frame(self) -> Any:
        """The numbers as a frame of one row."""
        import pandas as pd

        row = {name: value for name, value in self.to_dict().items() if name not in ("notes", "method")}
        return pd.DataFrame([row])

    def sentence(self) -> str:
        """The test and the interval as text."""
        if self.reason:
            return self.reason
        parts = []
        if self.null is not None:
            parts.append(f"test against {rate_or_effect(self.fit, self.null)} {p_value(self.pvalue)}")
        if self.has_interval:
            ends = ["no limit" if end is None else rate_or_effect(self.fit, end) for end in (self.ci_lower, self.ci_upper)]
            parts.append(f"{level_text(self.level)} interval {ends[0]} to {ends[1]}")
        which = "all" if self.exact else f"{self.permutations:,} random"
        return f"By {which} sign changes: {', '.join(parts)}."


def _interval_notes(ends: Array, y: Array, v: Array, changes: int, exact: bool, level: float) -> list[str]:
    """What an interval without limits, or without a width, means."""
    if np.isfinite(ends).all():
        if ends[1] - ends[0] > _NO_WIDTH * (np.ptp(y) + np.sqrt(v.max())):
            return []
        return [
            "The permutation interval has no width: the effects of the studies agree so closely that every other null is refused, "
            "whatever their standard errors. This is an artefact of the test. Fix: use the interval of the pooled result."
        ]
    least = 1.0 / changes
    if least <= 1.0 - level:
        return ["On a side without a limit no null was found that is refused at this level."]
    way = f"With {y.size} studies" if exact else f"With {changes:,} sign changes"
    enough = math.ceil(1.0 / (1.0 - level) - 1e-9)
    fix = f"Fix: permutations={enough} or more." if 2 ** (y.size - 1) >= enough else "More studies are needed."
    return [
        f"{way} the smallest possible p-value is {number(least, 3)}, above {1.0 - level:.4g}: no null can be refused, and the "
        f"interval has no limits. {fix}"
    ]


@checked(permutations=whole(2, _MOST), seed=whole(0))
def permutation_test(
    fit: Pooled, null: float | None = None, *, permutations: int | None = None, ci: bool = True, seed: int = 0
) -> PermutationTest:
    """Test a pooled effect by changing the signs of the studies' deviations from the null.

    Parameters
    ----------
    fit
        The result of `pool`. Exact and classical models are tested on their two-step twin, with a note.
    null
        The value to test, on the response scale. Two groups and effects: None is no effect. Pooled rates have no natural null: the
        rate to test has to be given; without it there is the interval alone.
    permutations
        Random sign changes; None takes all of them where they are at most 4,096, and as many random ones beyond.
    ci
        Whether the interval is computed: all nulls that the test does not refuse.
    seed
        Of the random sign changes.

    Returns
    -------
    PermutationTest
        With k studies the smallest possible p-value is ``1 / 2^(k - 1)``: below six studies nothing can be refused at 5 %.

    References
    ----------
    Follmann, Proschan (1999), doi:10.1111/j.0006-341X.1999.00732.x.
    """
    twin = two_step_twin(fit)
    y, v, options = twin.yi[0], twin.vi[0], twin.options
    scaled_null = null_on_scale(twin, null)
    value = None if scaled_null is None else float(twin.response(scaled_null) if null is None else null)  # type: ignore[arg-type]
    used = np.isfinite(v)
    y, v = y[used], v[used]
    k = int(used.sum())
    reason: str | None = None
    if k < 2:
        reason = "Fewer than two studies with an effect: there are no signs to change."
        return PermutationTest(
            fit, Method({**fit.method, "notes": []}), reason, value, None, None, None, None, fit.level, 0, True, False
        )
    notes = list(twin.notes)
    total = 2 ** (k - 1)
    wanted = int(permutations) if permutations is not None else _EVERY
    exact = total <= wanted
    signs = all_signs(k) if exact else random_signs(k, wanted, np.random.default_rng(seed))
    estimator = ESTIMATORS[options.tau2] if options.tau2 else None
    scaled = options.ci in ("HK", "HK-adhoc", "KR")
    lower = upper = p = statistic = None
    if scaled_null is not None:
        statistic = float(statistics((y - scaled_null)[None], v[None], estimator, scaled=scaled)[0])
        p = float(p_values(y, v, np.array([scaled_null]), signs, estimator, scaled=scaled)[0])
    if ci:
        ends = np.array(interval(y, v, signs, estimator, scaled=scaled, level=fit.level))
        finite = np.isfinite(ends)
        lower, upper = (twin.response(float(end)) if fine else None for end, fine in zip(ends, finite, strict=True))
        notes += _interval_notes(ends, y, v, signs.shape[0], exact, fit.level)
    if p is None and not ci:
        reason = "A pooled rate has no natural null. Fix: give null, the rate to test."
    return PermutationTest(
        fit, Method({**fit.method, "notes": notes}), reason, value, statistic, p, lower, upper, fit.level, signs.shape[0], exact, ci
    )
