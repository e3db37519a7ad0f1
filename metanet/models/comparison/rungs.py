"""The rungs of a ladder: one contrast of two groups from five kinds of evidence, each with its odds ratio and difference of rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.display import plural, title_of
from metanet.base.errors import ArgumentError
from metanet.base.groups import absent
from metanet.base.untrusted import counted, visible
from metanet.kernels.numerics.distributions import two_sided_z
from metanet.models.comparison.compare import compare
from metanet.models.comparison.within_studies import allocated, within_studies
from metanet.models.network.network import network
from metanet.models.regression.meta_regression import meta_regression

if TYPE_CHECKING:
    import pandas as pd

#: Rungs from the most to the least that a contrast can rest on: word and title.
TITLES = {
    "randomised": "Randomised in one study",
    "within": "Compared in one study, not randomised",
    "network": "Network of studies",
    "adjusted": "Separate studies, adjusted",
    "separate": "Separate studies, unadjusted",
}
#: A moderator adjusts where so many studies of each group report it, and so many of both together.
_EACH, _TOGETHER = 4, 10
#: What the tables of evidence say about the patients of a study, that a separate comparison may adjust for.
MODERATORS = (
    "pct_pancreatic", "pct_g1", "pct_g2", "pct_g3", "pct_extrahepatic", "pct_prior_prrt", "pct_prior_embolisation", "median_age",
    "followup_median_months",
)  # fmt: skip
_GROUP = "group"


@dataclass(frozen=True)
class Rung:
    """One rung: the first group against the second; numbers are None where there are none, and `reason` then says why.

    Attributes
    ----------
    key, title
        Word and name of the rung.
    k, patients
        Studies and patients that it rests on.
    odds_ratio, odds_ratio_lower, odds_ratio_upper
        Odds of the outcome, first against second.
    difference, difference_lower, difference_upper
        Difference of rates, as a fraction.
    reason, note
        Why there is no estimate; what a reader has to know of one.
    interval
        What the intervals are called: "CI" or "CrI".
    """

    key: str
    k: int = 0
    patients: int = 0
    odds_ratio: float | None = None
    odds_ratio_lower: float | None = None
    odds_ratio_upper: float | None = None
    difference: float | None = None
    difference_lower: float | None = None
    difference_upper: float | None = None
    reason: str = ""
    note: str = ""
    interval: str = "CI"

    @property
    def title(self) -> str:
        """The name of the rung."""
        return TITLES[self.key]

    def log_odds(self, level: float) -> tuple[float, float] | None:
        """Log odds ratio and its standard error, from the interval at `level`; None where there is none."""
        ends = (self.odds_ratio, self.odds_ratio_lower, self.odds_ratio_upper)
        if any(end is None or not np.isfinite(end) or end <= 0 for end in ends):
            return None
        middle, low, high = (float(np.log(end)) for end in ends if end is not None)
        return middle, (high - low) / (2 * two_sided_z(level))


@dataclass(frozen=True)
class Question:
    """The two groups that are compared, and their rows: `both` of studies that have arms in both, `apart` of the others."""

    by: str
    first: str
    second: str
    both: pd.DataFrame
    apart: pd.DataFrame
    everything: pd.DataFrame
    level: float


def within_rungs(question: Question) -> tuple[Rung, Rung]:
    """The two groups compared inside studies, those that allocated at random apart from the others."""
    both = question.both
    random = np.array([bool(allocated([value])) for value in both["design"].tolist()], dtype=bool) if len(both) else np.zeros(0, bool)
    return _within(question, "randomised", both[random]), _within(question, "within", both[~random])


def _within(question: Question, key: str, rows: pd.DataFrame) -> Rung:
    if rows.empty:
        return Rung(key, reason="No study.")
    found: dict[str, Any] = {}
    for measure in ("OR", "RD"):
        made = within_studies(rows, question.by, measure=measure, level=question.level)
        pair, turned = _pair(made.pairs, question)
        if pair is None:
            return Rung(key, reason="No study has an estimable contrast.")
        names = ("odds_ratio" if measure == "OR" else "difference",)
        found |= _turned(names[0], (pair.estimate, pair.ci_lower, pair.ci_upper), turned, ratio=measure == "OR")
        found |= {"k": pair.k, "patients": int(pair.n or 0)}
    silent = found.get("odds_ratio") is None
    return Rung(key, **found, reason="No finite odds ratio: no events, or events only, in a group." if silent else "")


def _pair(pairs: Any, question: Question) -> tuple[Any, bool]:
    """The fit of the two groups, and whether it compares them the other way round."""
    here, there = (question.first, question.second), (question.second, question.first)
    return (pairs.get(here), False) if here in pairs else (pairs.get(there), True)


def _turned(name: str, values: Sequence[float | None], turned: bool, *, ratio: bool) -> dict[str, float | None]:
    """Estimate and interval under the names of a rung, turned round where they compare the second group with the first."""
    middle, low, high = (None if value is None or np.isnan(value) else float(value) for value in values)
    if turned:
        middle, low, high = (None if x is None else _flipped(x, ratio=ratio) for x in (middle, high, low))
    return {name: middle, f"{name}_lower": low, f"{name}_upper": high}


def _flipped(value: float, *, ratio: bool) -> float:
    """A contrast the other way round."""
    if not ratio:
        return -value
    return 1.0 / value if value > 0 else float("inf")


def network_rung(question: Question) -> Rung:
    """The contrast through all studies that compare treatments, where these are connected."""
    frame, by = question.everything, question.by
    several = frame.groupby("study_id")[by].transform("nunique") > 1
    arms = frame[several]
    pair = {question.first, question.second}
    if arms.empty:
        return Rung("network", reason="No study compares two of the groups.")
    options: dict[str, Any] = {"study": "study_id", "treatment": by, "events": "events", "total": "total", "level": question.level}
    fit = network(arms, measure="OR", allocation="design", **options)
    component = next((set(names) for names in fit.components if pair <= set(names)), None)
    if component is None:
        return Rung("network", reason=f"No chain of studies connects {visible(question.first)} and {visible(question.second)}.")
    if component == pair:
        return Rung("network", reason="No third group connects the two, so it would say no more than the studies that compare them.")
    inside = arms[arms[by].isin(component)]
    found: dict[str, Any] = {"k": int(inside["study_id"].nunique()), "patients": int(inside["total"].sum())}
    for measure, name in (("OR", "odds_ratio"), ("RD", "difference")):
        made = fit if measure == "OR" else network(arms, measure=measure, **options)
        row, turned = _row_of(made.contrasts, question)
        if row is not None:
            found |= _turned(name, [row["estimate"], row["ci_lower"], row["ci_upper"]], turned, ratio=measure == "OR")
    studies = inside.drop_duplicates("study_id")
    random = sum(bool(allocated([value])) for value in studies["design"].tolist())
    of = plural(len(studies), "study", "studies")
    note = f"{counted(len(component), 'group')}; patients allocated at random in {random} of {of}"
    if found.get("odds_ratio") is None:
        return Rung("network", reason="The network has no finite estimate of this contrast.")
    return Rung("network", **found, note=note)


def _row_of(frame: pd.DataFrame, question: Question) -> tuple[Any, bool]:
    for row in frame.to_dict("records"):
        if (row["first"], row["second"]) == (question.first, question.second):
            return row, False
        if (row["first"], row["second"]) == (question.second, question.first):
            return row, True
    return None, False


def separate_rung(question: Question) -> Rung:
    """The two groups from studies of one of them alone, as `compare` puts them side by side."""
    rows, by = question.apart, question.by
    if missing := [name for name in (question.first, question.second) if not (rows[by] == name).any()]:
        return Rung("separate", reason=f"No study of {visible(missing[0])} alone.")
    found = compare(rows, by, bootstrap=0, level=question.level)
    row, turned = _row_of(found.differences, question)
    counts: dict[str, Any] = {"k": int(rows["study_id"].nunique()), "patients": int(rows["total"].sum())}
    if row is None:
        return Rung("separate", **counts, reason="The two groups have no common model.")
    numbers: dict[str, Any] = {}
    for name in ("odds_ratio", "difference"):
        ends = [row.get(each, float("nan")) for each in (name, f"{name}_lower", f"{name}_upper")]
        numbers |= _turned(name, ends, turned, ratio=name == "odds_ratio")
    return Rung("separate", **counts, **numbers, interval="CrI")


def reported(question: Question, names: Sequence[str]) -> list[dict[str, Any]]:
    """How many rows of separate studies of each group report a moderator, and in which range."""
    out = []
    for name in names:
        row: dict[str, Any] = {"moderator": name, "title": title_of(name, question.apart)}
        for side, group in (("first", question.first), ("second", question.second)):
            rows = question.apart[question.apart[question.by] == group]
            values = [float(value) for value in rows[name].tolist() if not absent(value)] if name in rows.columns else []
            row |= {f"{side}_known": len(values), f"{side}_rows": len(rows)}
            row |= {f"{side}_lowest": min(values, default=float("nan")), f"{side}_highest": max(values, default=float("nan"))}
        low, high = max(row["first_lowest"], row["second_lowest"]), min(row["first_highest"], row["second_highest"])
        row["overlap"] = bool(low <= high)
        out.append(row)
    return out


def adjustable(rows: Sequence[dict[str, Any]]) -> str | None:
    """The moderator that most studies report, where enough of both groups do and their ranges overlap."""
    enough = [
        row
        for row in rows
        if min(row["first_known"], row["second_known"]) >= _EACH
        and row["first_known"] + row["second_known"] >= _TOGETHER
        and row["overlap"]
    ]
    return max(enough, key=lambda row: row["first_known"] + row["second_known"])["moderator"] if enough else None


def adjusted_rung(question: Question, moderators: Sequence[str]) -> Rung:
    """The two groups from separate studies, adjusted for moderators: only rows that have them."""
    import pandas as pd

    if not moderators:
        return Rung("adjusted", reason="No moderator is reported by enough studies of both groups in ranges that overlap.")
    rows = question.apart
    known = rows[[all(not absent(value) for value in values) for values in rows[list(moderators)].itertuples(index=False)]]
    for name in (question.first, question.second):
        if not (known[question.by] == name).any():
            return Rung("adjusted", reason=f"No study of {visible(name)} alone reports {visible(title_of(moderators[0], rows))}.")
    columns = [c for c in ("study", "events", "total") if c in known.columns]
    frame = known[[*columns, *moderators]].assign(
        **{_GROUP: pd.Categorical(known[question.by].tolist(), categories=[question.second, question.first])}
    )
    frame.attrs = {"titles": rows.attrs.get("titles", {})}
    quoted = [f"`{name}`" if not str(name).isidentifier() else str(name) for name in moderators]
    try:
        fit = meta_regression(frame, f"~ {_GROUP} + {' + '.join(quoted)}", level=question.level)
    except ArgumentError as error:
        return Rung("adjusted", reason=f"The model cannot be fitted: {error}")
    row = next((row for row in fit.to_frame().to_dict("records") if str(row["term"]).startswith(f"{_GROUP}[")), None)
    counts: dict[str, Any] = {"k": int(known["study_id"].nunique()), "patients": int(known["total"].sum())}
    if row is None or row["estimate"] != row["estimate"]:
        return Rung("adjusted", **counts, reason="The contrast cannot be estimated beside the moderator.")
    ends = [float(np.exp(row[name])) for name in ("estimate", "ci_lower", "ci_upper")]
    names = " and ".join(title_of(name, rows) for name in moderators)
    note = f"adjusted for {visible(names)}; the difference of rates depends on its value"
    return replace(
        Rung("adjusted", **counts, note=note, interval="CrI"), odds_ratio=ends[0], odds_ratio_lower=ends[1], odds_ratio_upper=ends[2]
    )
