"""Every pair of groups: difference, ratio and odds ratio with intervals, the test of the pair, and the adjustment for all pairs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import mover
from metanet.models.comparison_fit import test_groups
from metanet.models.data import Data
from metanet.models.options import Options
from metanet.models.results import Pooled

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]


def pairs_of(
    counts: Data, group: NDArray[np.intp], parts: Mapping[str, Pooled], options: Options, spread: str
) -> pd.DataFrame:
    """Every pair of groups."""
    import pandas as pd

    rows = []
    names = list(parts)
    for a, b in combinations(range(len(names)), 2):
        first, second = parts[names[a]], parts[names[b]]
        row: dict[str, Any] = {"first": names[a], "second": names[b], **_contrast(first, second, options)}
        chosen = np.flatnonzero((group == a) | (group == b))
        part = Data({name: values[:, chosen] for name, values in counts.columns.items()})
        test, _ = test_groups(part, (group[chosen] == b).astype(np.intp), 2, options, spread)
        row["lrt"] = np.nan if test is None else test.statistic
        row["pvalue"] = np.nan if test is None else test.pvalue
        row["pvalue_f"] = np.nan if test is None else test.pvalue_f
        rows.append(row)
    frame = pd.DataFrame(rows, columns=[*_PAIR]) if not rows else pd.DataFrame(rows)
    # Two single studies leave no degrees of freedom for F: nothing can be said of their spread.
    few, plain = (frame[name].to_numpy(dtype=float) for name in ("pvalue_f", "pvalue"))
    frame["pvalue_adjusted"] = holm(np.where(np.isnan(few), plain, few))
    return frame


_PAIR = ("first", "second", "difference", "difference_lower", "difference_upper", "lrt", "pvalue", "pvalue_f")


def _contrast(first: Pooled, second: Pooled, options: Options) -> dict[str, float]:
    """Difference, ratio and odds ratio of two groups, with intervals; NaN where one has no estimate."""
    logs = options.scale == "ratio"
    names = ("mu", "mu_lower", "mu_upper") if logs else ("estimate", "ci_lower", "ci_upper")
    ends = [
        np.array([np.nan if getattr(fit, n) is None else getattr(fit, n)]) for fit in (first, second) for n in names
    ]
    gap = [float(x[0]) for x in mover.difference(*ends)]
    # Rates that agree leave rounding.
    gap = [0.0 if abs(x) < 1e-12 else x for x in gap]
    if logs:
        # Ratios of ratios: the difference of their logarithms.
        return dict(zip(("ratio", "ratio_lower", "ratio_upper"), np.exp(gap).tolist(), strict=True)) | dict(
            zip(("difference", "difference_lower", "difference_upper"), gap, strict=True)
        )
    out = dict(zip(("difference", "difference_lower", "difference_upper"), gap, strict=True))
    if options.scale.startswith("rate"):
        ratios = [float(x[0]) for x in mover.ratio(*ends)]
        out |= dict(zip(("ratio", "ratio_lower", "ratio_upper"), ratios, strict=True))
    if options.scale == "rate":
        with np.errstate(divide="ignore"):
            odds = [x / (1 - x) for x in ends]
            found = (
                [float(x[0]) for x in mover.ratio(*odds)] if all(np.isfinite(x).all() for x in odds) else [np.nan] * 3
            )
        out |= dict(zip(("odds_ratio", "odds_ratio_lower", "odds_ratio_upper"), found, strict=True))
    return out


def holm(p: Array) -> Array:
    """Holm's adjusted p-values; NaN stays NaN and does not count."""
    out = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    if known.size:
        order = known[np.argsort(p[known], kind="stable")]
        out[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(order.size, 0, -1)))
    return out
