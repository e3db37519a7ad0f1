"""Groups compared by their posteriors: differences, their intervals and their p-values from one model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array
from metanet.kernels.bayes.batch import RULES, Posteriors, posteriors
from metanet.kernels.bayes.groups import collapsed, contrast_quantiles, equality, equality_of_all, joint
from metanet.kernels.normal_effect.random_effect import LINKS, Link
from metanet.models.comparison.fit import holm
from metanet.models.options import Options
from metanet.models.pooling.batch import Data
from metanet.models.pooling.fill import likelihood_of
from metanet.models.pooling.posterior import priors

if TYPE_CHECKING:
    import pandas as pd


#: Effects that are given on the model scale themselves.
_IDENTITY = Link(np.asarray, np.ones_like, np.asarray)


@dataclass(frozen=True)
class Groups:
    """The posteriors of the groups, with one tau for all or a tau for each.

    `pvalue` is that of equal means. `table` has for each group the numbers under one tau, NaN where each has its own.
    """

    found: Posteriors
    pvalue: float | None
    tau2: float | None
    table: dict[str, Array]


def fit_groups(data: Data, group: NDArray[np.intp], count: int, options: Options, spread: str) -> Groups:
    """The posteriors of `count` groups; `group` ``[k]`` says which a study belongs to."""
    parts = data.only(group == np.arange(count)[:, None])
    studies = likelihood_of(parts, options)
    size = parts["person_time" if data.timed else "total"]
    mean, prior = priors(options, size)
    tail = 0.5 * (1.0 - options.level)
    tau2, table = None, {}
    if spread == "common":
        for rule in RULES[1:]:
            found, settled = joint(studies, count, mean, prior, rule)
            if settled.all():
                break
        tau2 = float(found.tau.quantile(0.5)[0] ** 2)
        lower, middle, upper = found.quantiles(np.array([tail, 0.5, 1.0 - tail])).T
        table = {"joint_estimate": middle, "joint_ci_lower": lower, "joint_ci_upper": upper}
        if options.link is not None:
            table = {name: LINKS[options.link].inverse(value) for name, value in table.items()}
        else:
            table = {name: np.exp(value) for name, value in table.items()}
    else:
        for rule in RULES[1:]:
            own, settled = posteriors(studies, mean, prior, rule)
            if settled.all():
                break
        found = collapsed(own)
    pvalue = None
    if count == 2:
        first, second = _pair(found, 0, 1)
        pvalue = float(equality(first, second, _link(options))[0])
    elif count > 2:
        pvalue = equality_of_all(found)
    return Groups(found, pvalue, tau2, table)


def _link(options: Options) -> Link:
    return _IDENTITY if options.link is None else LINKS[options.link]


def _pair(found: Posteriors, a: int, b: int) -> tuple[Posteriors, Posteriors]:
    return found.take(np.array([a])), found.take(np.array([b]))


#: What a pair's row holds, by the scale of the response: the names of its columns, and the kind of contrast.
_CONTRASTS = {
    "rate": (("difference", "difference"), ("ratio", "ratio"), ("odds_ratio", "link")),
    "rate per person-time": (("difference", "difference"), ("ratio", "ratio")),
    "ratio": (("ratio", "link"),),
}


def pairs_of(groups: Groups, names: tuple[str, ...], single: NDArray[np.bool_], options: Options) -> pd.DataFrame:
    """Every pair of groups; two single studies have no p-value, because nothing tells a difference of groups from one of studies."""
    import pandas as pd

    tail = 0.5 * (1.0 - options.level)
    ends = np.array([0.5, tail, 1.0 - tail])
    rows = []
    for a, b in combinations(range(len(names)), 2):
        first, second = _pair(groups.found, a, b)
        row: dict[str, Any] = {"first": names[a], "second": names[b]}
        for name, kind in _CONTRASTS[options.scale]:
            values = np.full(3, np.nan)
            if name != "odds_ratio" or options.link == "logit":
                values = contrast_quantiles(first, second, _link(options), kind, ends)[0]
                values = values if kind == "difference" else np.exp(values)
            row |= dict(zip((name, f"{name}_lower", f"{name}_upper"), values.tolist(), strict=True))
        if options.scale == "ratio":
            # Ratios of ratios: the difference of their logarithms.
            row |= {name.replace("ratio", "difference"): float(np.log(row[name])) for name in ("ratio", "ratio_lower", "ratio_upper")}
        row["lrt"] = row["pvalue_f"] = np.nan
        row["pvalue"] = np.nan if single[a] and single[b] else float(equality(first, second, _link(options))[0])
        rows.append(row)
    frame = pd.DataFrame(rows, columns=None if rows else ["first", "second", "difference", "difference_lower", "difference_upper",
                                                          "lrt", "pvalue", "pvalue_f"])  # fmt: skip
    frame["pvalue_adjusted"] = holm(frame["pvalue"].to_numpy(dtype=float))
    frame["pvalue_exact"] = np.nan
    return frame
