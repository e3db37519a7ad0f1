"""`benefit_risk`: response against harm in each group of treatments, with both intervals, and dominance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import checked, choice, level
from metanet.base.display import ABSENT, RATE, TOO_WIDE
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError, check_choice, no_column
from metanet.base.groups import read_groups
from metanet.base.results import Method, Result
from metanet.base.untrusted import listing, visible
from metanet.evidence.evidence import WITHIN, Evidence
from metanet.evidence.sources import Tables, evidence_of
from metanet.models.comparison.compare import HETEROGENEITY, compare
from metanet.models.comparison.result import OBSERVATIONAL, Comparison
from metanet.models.results.method import versions
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: What a pair of groups comes to, the strongest word first.
VERDICTS = ("dominates", "better point estimates", "trade-off", "no verdict")


@dataclass(frozen=True, eq=False, repr=False)
class BenefitRisk(Result):
    """Groups by the rate of a benefit and the rate of a harm; `reason` says why there are none.

    Attributes
    ----------
    groups
        Name -> (benefit, risk), both `Pooled`; only groups that have both.
    missing
        Name -> which of the two outcomes no study of the group reports.
    pairs
        A frame of ordered pairs: ``better``, ``worse``, ``verdict`` ("dominates": more benefit and less harm, each with an adjusted
        p-value (by F) below ``1 - level``; "better point estimates": both point estimates are better, and at least one
        difference is not significant; "trade-off": more benefit with more harm; "no verdict": equal on one, or averages and medians
        differ in direction), both
        differences of average rates and adjusted p-values.
    """

    benefit: str
    risk: str
    by: str
    level: float
    reason: str | None
    groups: Mapping[str, tuple[Pooled, Pooled]]
    missing: Mapping[str, str]
    benefit_comparison: Comparison | None = field(repr=False)
    risk_comparison: Comparison | None = field(repr=False)
    method: Method = field(repr=False)
    _pairs: pd.DataFrame = field(repr=False)

    @property
    def pairs(self) -> pd.DataFrame:
        """Every pair of groups; a copy."""
        return self._pairs.copy()

    @property
    def split(self) -> list[str]:
        """Pairs without a verdict because averages and medians differ in direction."""
        chosen = self._pairs[self._pairs["split"]] if "split" in self._pairs else self._pairs.iloc[:0]
        return [f"{row['better']} against {row['worse']}" for row in chosen.to_dict("records")]

    def to_frame(self) -> pd.DataFrame:
        """One row for each group: both population-averaged rates (fractions) with intervals, medians, studies, patients and status.

        A single study's rate is its own.
        """
        import pandas as pd

        rows = []
        for name, fits in self.groups.items():
            row: dict[str, Any] = {"group": name}
            for word, fit in zip(("benefit", "risk"), fits, strict=True):
                rate, lower, upper = averaged_rate(fit)
                row |= {word: rate, f"{word}_lower": lower, f"{word}_upper": upper, f"{word}_median": fit.estimate}
                row |= {f"{word}_k": fit.k, f"{word}_n": fit.n, f"{word}_status": fit.status}
            rows.append(row)
        return pd.DataFrame(rows)

    _entries = ("benefit", "risk", "by", "level", "reason", ("groups", "_group_frame"), "pairs", "missing")

    @property
    def _group_frame(self) -> pd.DataFrame:
        return self.to_frame()

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Benefit against harm"

    def sentence(self) -> str:
        """The groups that are better than others on both outcomes, and the groups that could not be compared."""
        if self.reason:
            return self.reason
        parts = []
        for verdict, words in (
            ("dominates", "{better} had more {benefit} and less {risk} than {worse}; both differences are statistically significant"),
            (
                "better point estimates",
                "{better} had more {benefit} and less {risk} than {worse}; the differences are not both statistically significant",
            ),
        ):
            for row in self._pairs[self._pairs["verdict"] == verdict].to_dict("records"):
                names = {"better": visible(row["better"]), "worse": visible(row["worse"])}
                parts.append(words.format(**names, benefit=self.benefit, risk=self.risk))
        trade = int((self._pairs["verdict"] == "trade-off").sum())
        text = f"{'. '.join(parts)}. " if parts else "No group is better than another on both. "
        if trade:
            text += f"In {trade} of {len(self._pairs)} pairs the group with more {self.benefit} also had more {self.risk}. "
        if self.split:
            text += f"For {listing(self.split, 6)} average and median rates differ in opposite directions; there is no verdict. "
        if self.missing:
            text += f"Not compared, because one outcome is not reported: {listing(self.missing, 12)}. "
        return text + OBSERVATIONAL

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """A row for each group: both average rates with their intervals, both medians, and numbers of studies."""
        out = []
        for name, (benefit, risk) in self.groups.items():
            cells = [visible(name)]
            for fit in (benefit, risk):
                rate, lower, upper = averaged_rate(fit)
                digits = RATE.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
                shown = f"{RATE.value(rate, digits)} ({RATE.limits(lower, upper, digits)})"
                single = fit.status != "pooled"
                cells += [
                    f"{shown}; {TOO_WIDE}" if RATE.is_vague(lower, upper) else shown,
                    ABSENT if single else RATE.value(fit.rates_shown[0][0], digits),
                    f"k {fit.k}" + (", not pooled" if fit.status == "not pooled" else ""),
                ]
            out.append(tuple(cells))
        heads = [(f"{word.capitalize()}, average", f"{word.capitalize()}, median", "Studies") for word in (self.benefit, self.risk)]
        return ["Group", *heads[0], *heads[1]], out

    def plot(self, **options: Any) -> Axes:
        """Draw the plane of both rates; see `metanet.figures`."""
        axes: Axes = draw("benefit_risk", self.to_frame(), benefit=self.benefit, risk=self.risk, **options)
        return axes


@checked(heterogeneity=choice(*HETEROGENEITY), level=level)
def benefit_risk(
    evidence: Tables,
    benefit: str | None = None,
    risk: str | None = None,
    *,
    by: str = "modality_class",
    groups: Sequence[str] | None = None,
    benefit_definition: str | None = None,
    risk_definition: str | None = None,
    overlap: str = "keep_largest",
    certainty: str | None = None,
    heterogeneity: str = "common",
    level: float = 0.95,
    **choices: Any,
) -> BenefitRisk:
    """Set the rate of a benefit against the rate of a harm, group by group.

    Parameters
    ----------
    evidence
        What `load_evidence` or `read` returned, a frame, a result, or a folder or file to be read.
    benefit, risk
        An outcome where more is better, and one where less is. None takes objective_response and hepatotoxicity where the evidence
        has them, and otherwise its only outcome of that direction.
    by
        Column that forms the groups.
    groups
        Groups to show; None shows all that report both outcomes.
    benefit_definition, risk_definition
        Definition of an outcome that has several, as in `Evidence.rates`.
    overlap, certainty
        As in `Evidence.rates`; by modality class (or modality) overlap is decided in each group by itself, so that its rates are those
        of its own report.
    heterogeneity
        The spread that the tests of the pairs take, as in `compare`; the rates shown are each group's own.
    level, **choices
        As in `compare`.

    Returns
    -------
    BenefitRisk
        The groups, and a verdict on every pair.

    Raises
    ------
    ArgumentError
        An outcome or a word that is not known, or an outcome that is no benefit (no harm).

    Notes
    -----
    Rates are population averages, because what is weighed is how many patients to expect with each outcome: the median of rare and
    uneven harms can be near zero where a fifth of all patients had them. The two rates of a group come partly from different
    studies, so the plane shows groups, not patients who had both.
    """
    import pandas as pd

    evidence = evidence_of(evidence)
    benefit = _chosen(evidence, "benefit", benefit)
    risk = _chosen(evidence, "risk", risk)
    frames = []
    for word, outcome, definition, direction in (
        ("benefit", benefit, benefit_definition, "higher_is_better"),
        ("risk", risk, risk_definition, "lower_is_better"),
    ):
        outcome = evidence.outcome(outcome, word)
        within = by if by in WITHIN else None
        rows = evidence.rates(outcome, definition=definition, overlap=overlap, certainty=certainty, within=within)
        _check_direction(word, outcome, str(rows.attrs["direction"]), direction)
        frames.append(rows)
    if by not in frames[0].columns:
        raise no_column("by", by, frames[0].columns, of="the rates")
    read = [read_groups(rows[by]) for rows in frames]
    present = [found.names for found in read]
    names = list(read_groups(pd.concat([rows[by] for rows in frames], ignore_index=True)).names)
    if groups is not None:
        wanted = [groups] if isinstance(groups, str) else list(groups)
        names = list(dict.fromkeys(check_choice("groups", name, names) for name in wanted))
    both = [name for name in names if name in present[0] and name in present[1]]
    words = (evidence.label(benefit).lower(), evidence.label(risk).lower())
    missing = {name: words[1] if name in present[0] else words[0] for name in names if name not in both}
    stamp: dict[str, Any] = {
        **versions(),
        "overlap": overlap,
        "certainty": certainty,
        "heterogeneity": heterogeneity,
        "notes": [OBSERVATIONAL],
    }
    stamp |= {"fingerprint": evidence.fingerprint_of([benefit, risk]), "definitions": [rows.attrs["definition"] for rows in frames]}
    nothing = pd.DataFrame(columns=["better", "worse", "verdict"])
    if not both:
        reason = f"No group has studies of both {words[0]} and {words[1]}."
        return BenefitRisk(*words, by, level, reason, {}, missing, None, None, Method(stamp), nothing)
    compared, joined = [], []
    for rows, groups_of in zip(frames, read, strict=True):
        # Rows without a value stay for the note on them.
        kept = rows[[place < 0 or groups_of.names[place] in both for place in groups_of.place]]
        compared.append(compare(kept, by, heterogeneity=heterogeneity, level=level, bootstrap=0, **choices))
        # The rates are each group's own, whatever the test takes their spread to be.
        own = (
            compared[-1]
            if heterogeneity == "separate"
            else compare(kept, by, heterogeneity="separate", level=level, bootstrap=0, **choices)
        )
        joined.append(own.groups)
    shown = {name: (joined[0][name], joined[1][name]) for name in both}
    pairs = _verdicts(both, shown, compared, level)
    stamp["notes"] = list(dict.fromkeys([OBSERVATIONAL, *(note for each in compared for note in each.notes)]))
    return BenefitRisk(*words, by, level, None, shown, missing, compared[0], compared[1], Method(stamp), pairs)


def averaged_rate(fit: Pooled) -> tuple[float | None, float | None, float | None]:
    """The population-averaged rate with its interval; of a single study its own rate."""
    if fit.marginal_estimate is None:
        return fit.estimate, fit.ci_lower, fit.ci_upper
    return fit.marginal_estimate, fit.marginal_ci_lower, fit.marginal_ci_upper


#: The outcome that a word stands for, and the direction of the only one that may stand in.
_USUAL = {"benefit": ("objective_response", "higher_is_better"), "risk": ("hepatotoxicity", "lower_is_better")}


def _chosen(evidence: Evidence, word: str, outcome: str | None) -> str:
    """The outcome that is named, the usual one, or the only one of its direction."""
    if outcome is not None:
        return outcome
    usual, direction = _USUAL[word]
    if usual in evidence.outcome_names:
        return usual
    found = [name for name in evidence.outcome_names if evidence.direction(name) == direction]
    if len(found) == 1:
        return found[0]
    known = f"{len(found)} outcomes are {direction}" if found else f"no outcome is stated to be {direction}"
    raise ArgumentError(
        f"{word} is not named, and {known}. The outcomes are {listing(evidence.outcome_names, 12)}. Fix: name one, such as "
        f"{word}={evidence.outcome_names[0]!r}."
    )


def _check_direction(word: str, outcome: str, direction: str, wanted: str) -> None:
    if direction and direction != wanted:
        other = "harm" if word == "benefit" else "benefit"
        raise ArgumentError(f"{word}={outcome!r} is a {other} by the tables. Fix: name it as the other argument.")


def _gap(first: float | None, second: float | None) -> float:
    return float("nan") if first is None or second is None else first - second


def _verdicts(
    names: Sequence[str], shown: Mapping[str, tuple[Pooled, Pooled]], compared: Sequence[Comparison], level: float
) -> pd.DataFrame:
    """Every pair, the better group first."""
    import pandas as pd

    found = [{(row["first"], row["second"]): row for row in comparison.differences.to_dict("records")} for comparison in compared]
    rows = []
    for pair in combinations(names, 2):
        gaps, ps = [], []
        agree = True
        for which, table in enumerate(found):
            row = table[pair] if pair in table else table[pair[::-1]]
            first, second = (shown[name][which] for name in pair)
            gap = _gap(averaged_rate(first)[0], averaged_rate(second)[0])
            agree &= not gap * _gap(first.estimate, second.estimate) < 0
            gaps.append(gap)
            ps.append(float(row["pvalue_adjusted"]))
        # More benefit is good, more harm is not.
        first_better = [gaps[0], -gaps[1]]
        order = pair if gaps[0] >= 0 else pair[::-1]
        if not agree or any(np.isnan(gap) or gap == 0 for gap in gaps):
            verdict = "no verdict"
        elif first_better[0] * first_better[1] < 0:
            verdict = "trade-off"
        elif all(p < 1 - level for p in ps):
            verdict = "dominates"
        else:
            verdict = "better point estimates"
        sign = 1.0 if order == pair else -1.0
        rows.append(
            {
                "better": order[0],
                "worse": order[1],
                "verdict": verdict,
                "benefit_difference": sign * gaps[0],
                "benefit_pvalue": ps[0],
                "risk_difference": sign * gaps[1],
                "risk_pvalue": ps[1],
                "split": not agree,
            }
        )
    return pd.DataFrame(
        rows, columns=["better", "worse", "verdict", "benefit_difference", "benefit_pvalue", "risk_difference", "risk_pvalue", "split"]
    )
