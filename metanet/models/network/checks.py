"""Views of a network as frames: league table, split, designs, comparisons for the funnel plot, the network without each study."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from metanet.base import later
from metanet.base.display import ABSENT
from metanet.base.untrusted import visible
from metanet.kernels.numerics.distributions import chi2_upper_tail
from metanet.models.network.cells import Cells
from metanet.models.network.part import Part, arms_of

if TYPE_CHECKING:
    import pandas as pd

    from metanet.models.network.result import Network


def usual_reference(cells: Cells) -> str:
    """The treatment in most studies; of those the one with most patients, then the first. One with events is preferred."""
    studies = np.bincount(cells.treatment, minlength=len(cells.treatments))
    patients = np.bincount(cells.treatment, np.nan_to_num(cells.total), len(cells.treatments))
    events = np.bincount(cells.treatment, np.nan_to_num(cells.events, nan=1.0), len(cells.treatments))
    empty = np.nan_to_num(cells.total).any() and events.any()
    keys = [(not empty or events[i] > 0, studies[i], patients[i], -i) for i in range(len(cells.treatments))]
    return cells.treatments[max(range(len(keys)), key=keys.__getitem__)]


def league(found: Network) -> pd.DataFrame:
    """The square of contrasts as texts."""
    import pandas as pd

    names = found.ranking["treatment"].tolist()
    cells = {(a, b): ABSENT for a in names for b in names}
    for part in found.parts:
        for a, b in combinations([name for name in names if name in part.treatments], 2):
            i, j = part.treatments.index(a), part.treatments.index(b)
            cells[b, a] = _league_text(found, part, j, i)
            cells[a, b] = _direct_text(found, part, i, j)
    for name in names:
        cells[name, name] = visible(name)
    frame = pd.DataFrame([[cells[a, b] for b in names] for a in names], index=names, columns=names)
    frame.attrs["level"] = found.level
    return frame


def _league_text(found: Network, part: Part, i: int, j: int) -> str:
    each = found._contrast(part, i, j)
    if each.estimate is None:
        return ABSENT
    scale = found.scale
    digits = scale.digits(each.estimate, each.ci_lower, each.ci_upper)
    return f"{scale.text(each.estimate, digits)} ({scale.limits(each.ci_lower, each.ci_upper, digits, unit=False)})"


def _direct_text(found: Network, part: Part, i: int, j: int) -> str:
    low, value, high = direct_interval(found, part, i, j)
    if value is None:
        return ABSENT
    scale = found.scale
    digits = scale.digits(value, low, high)
    return f"{scale.text(value, digits)} ({scale.limits(low, high, digits, unit=False)})"


def direct_interval(found: Network, part: Part, i: int, j: int) -> tuple[float | None, float | None, float | None]:
    """Lower limit, estimate and upper limit of the direct comparison, on the scale of the response."""
    value, se = float(part.split.direct[i, j]), float(part.split.direct_se[i, j])
    if not (np.isfinite(value) and np.isfinite(se)):
        return None, None, None
    half = float(special.ndtri(0.5 + found.level / 2)) * se
    return found._back(value - half), found._back(value), found._back(value + half)


def split_frame(found: Network) -> pd.DataFrame:
    """Direct and indirect evidence on every pair."""
    import pandas as pd

    names = ["direct", "direct_se", "indirect", "indirect_se", "difference", "difference_se", "pvalue", "proportion_direct"]
    rows: list[dict[str, Any]] = []
    for place, part in enumerate(found.parts):
        both = part.split
        for i, j in found._ordered(part):
            difference, se = both.difference[i, j], both.difference_se[i, j]
            values = (both.direct[i, j], both.direct_se[i, j], both.indirect[i, j], both.indirect_se[i, j], difference, se)
            pvalue = 2.0 * special.ndtr(-abs(difference / se)) if np.isfinite(difference) and se > 0 else np.nan
            rows.append(
                {
                    "first": part.treatments[i],
                    "second": part.treatments[j],
                    "studies": int(part.direct_studies[i, j]),
                    "network": float(part.mu[i, j]),
                    **dict(zip(names, map(float, (*values, pvalue, both.proportion[i, j])), strict=True)),
                    "component": place + 1,
                }
            )
    return pd.DataFrame(rows, columns=["first", "second", "studies", "network", *names, "component"])


def designs_frame(found: Network) -> pd.DataFrame:
    """Q by design, within, between and in all."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for place, part in enumerate(found.parts):
        for each in part.designs:
            pvalue = float(chi2_upper_tail(each.q, each.df)) if each.df > 0 else np.nan
            name = ", ".join(each.treatments)
            rows.append({"design": name, "studies": each.studies, "q": each.q, "df": each.df, "pvalue": pvalue, "kind": "design"})
        sums = [("Within designs", part.within, "within"), ("Between designs", part.between, "between"), ("Total", part.q, "total")]
        if part.between_random is not None:
            sums.insert(2, ("Between designs, heterogeneity allowed for", part.between_random, "between, random"))
        for name, test, kind in sums:
            numbers = {
                "q": 0.0 if test.statistic is None else test.statistic,
                "df": int(test.df[0]) if test.df else 0,
                "pvalue": np.nan if test.pvalue is None else test.pvalue,
            }
            rows.append({"design": name, "studies": len(part.studies), **numbers, "kind": kind})
        for row in rows:
            row.setdefault("component", place + 1)
    return pd.DataFrame(rows, columns=["design", "studies", "q", "df", "pvalue", "kind", "component"])


def comparisons(found: Network) -> pd.DataFrame:
    """Every comparison in a study about the common-effect mean of its pair."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for part in found.parts:
        arms, _ = arms_of(part.cells, found.measure)
        base = part.treatments.index(found._reference_of(part))
        for row in range(arms.effect.shape[0]):
            places = np.flatnonzero(arms.present[row])
            for a, b in combinations(places, 2):
                i, j = int(arms.node[row, a]), int(arms.node[row, b])
                if i == base or (j != base and i > j):
                    a, b, i, j = b, a, j, i
                rows.append(
                    {
                        "study": part.studies[row],
                        "first": part.treatments[i],
                        "second": part.treatments[j],
                        "yi": float(arms.effect[row, a] - arms.effect[row, b]),
                        "sei": float(np.sqrt(arms.variance[row, a] + arms.variance[row, b])),
                    }
                )
    frame = pd.DataFrame(rows, columns=["study", "first", "second", "yi", "sei"])
    weight = 1.0 / frame["sei"] ** 2
    by = [frame["first"], frame["second"]]
    sums = (weight * frame["yi"]).groupby(by).transform("sum") / weight.groupby(by).transform("sum")
    return frame.assign(centre=sums, adjusted=frame["yi"] - sums)


def without(found: Network, study: int) -> Network:
    """The same analysis without one study; the reference stays."""
    kept = [place for place in range(len(found._cells.studies)) if place != study]
    choices = {**found._choices, "model": found.model, "reference": found.reference}
    other: Network = later.call("network", found._cells.only(kept), choices)
    return other


def leave_one_out(found: Network) -> pd.DataFrame:
    """The contrasts with the reference without each study in turn."""
    import pandas as pd

    names = ["estimate", "ci_lower", "ci_upper", "mu", "se"]
    rows: list[dict[str, Any]] = []
    for place, study in enumerate(found._cells.studies if found.k > 1 else ()):
        other = without(found, place)
        numbers = {each.first: each for each in other.against(found.reference)}
        part = None if found.reference is None else other.part_of(found.reference)
        for each in found.against():
            there = numbers.get(each.first)
            rows.append(
                {
                    "study": study,
                    "first": each.first,
                    "second": each.second,
                    **{name: np.nan if there is None or getattr(there, name) is None else getattr(there, name) for name in names},
                    "tau2": np.nan if part is None or part.tau2 is None else part.tau2,
                }
            )
    return pd.DataFrame(rows, columns=["study", "first", "second", *names, "tau2"])


def influence(found: Network) -> pd.DataFrame:
    """What each study does to the contrasts with the reference, to tau2 and to Q."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for place, study in enumerate(found._cells.studies if found.k > 1 else ()):
        other = without(found, place)
        there = {each.first: each for each in other.against(found.reference)}
        lost, change, what = [], 0.0, ""
        for each in found.against():
            now = there.get(each.first)
            if each.mu is None or each.se is None:
                continue
            if now is None or now.mu is None:
                lost.append(each.first)
            elif each.se > 0 and abs(now.mu - each.mu) / each.se >= abs(change):
                change, what = (now.mu - each.mu) / each.se, each.first
        part = None if found.reference is None else other.part_of(found.reference)
        rows.append(
            {
                "study": study,
                "change": change if what else np.nan,
                "contrast": what,
                "lost": ", ".join(lost),
                "tau2": np.nan if part is None or part.tau2 is None else part.tau2,
                "q": np.nan if part is None or part.q.statistic is None else part.q.statistic,
                "components": len(other.components),
            }
        )
    return pd.DataFrame(rows, columns=["study", "change", "contrast", "lost", "tau2", "q", "components"])
