"""`reporting_pattern`: do arms that report disease control, or complete response, have another objective response than the others?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, level
from metanet.base.display import RATE, level_text, p_value
from metanet.base.results import Method, Result, Test
from metanet.base.untrusted import counted
from metanet.models.categories.arms import CLOSES, ArmSet, Categories, arm_set
from metanet.models.comparison.compare import compare
from metanet.models.comparison.result import Comparison
from metanet.models.results.method import versions

if TYPE_CHECKING:
    import pandas as pd

#: What an arm may report beside its objective response.
REPORTED = ("disease_control", "complete_response")
_WORDS = {name: name.replace("_", " ") for name in REPORTED}
_YES, _NO = "reported", "not reported"
_NOTE = (
    "Arms are compared by what they report, which nobody assigned: a difference can have other causes, and few arms show only a large "
    "one. Where it is real, objective response and disease control are pooled from unlike arms."
)


@dataclass(frozen=True, eq=False, repr=False)
class ReportingPattern(Result):
    """The objective response of arms that report more, and of those that do not.

    Attributes
    ----------
    comparisons
        Outcome ("disease_control", "complete_response") -> the comparison of the arms that report it with the others; outcomes that
        all arms, or none, report have none.
    reasons
        Outcome -> why there is no comparison.
    reason
        Why there is none at all: no arm reports the objective response.
    """

    level: float
    comparisons: Mapping[str, Comparison] = field(repr=False)
    reasons: Mapping[str, str]
    reason: str | None
    method: Method = field(repr=False)

    _entries = ("level", "reason", "reasons", ("rows", "_frame"), "tests")

    @property
    def _frame(self) -> pd.DataFrame:
        return self.to_frame()

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Objective response by what the arms report"

    @property
    def tests(self) -> dict[str, Test]:
        """Equal objective response: for each outcome the likelihood ratio with one tau, by F where that exists; or the reason."""
        null = "equal objective response"
        found = {name: Test("likelihood ratio", null, reason=reason) for name, reason in self.reasons.items()}
        return found | {name: _test(comparison) for name, comparison in self.comparisons.items()}

    def to_frame(self) -> pd.DataFrame:
        """Two rows for each outcome that some arms report: outcome, reported, k, n, objective response (median) with limits, p."""
        import pandas as pd

        columns = ["outcome", "reported", "k", "n", "estimate", "ci_lower", "ci_upper", "pvalue"]
        rows = [
            (name, group == _YES, fit.k, fit.n, fit.estimate, fit.ci_lower, fit.ci_upper, _test(comparison).pvalue)
            for name, comparison in self.comparisons.items()
            for group, fit in comparison.groups.items()
        ]
        return pd.DataFrame(rows, columns=columns)

    def sentence(self) -> str:
        """Both groups of arms with their response, for each outcome."""
        if self.reason:
            return self.reason
        said = [self._compared(name, found) for name, found in self.comparisons.items()]
        return " ".join([*said, *self.reasons.values()])

    def control_sentence(self) -> str:
        """The same for disease control alone."""
        if self.reason:
            return self.reason
        found = self.comparisons.get("disease_control")
        return self._compared("disease_control", found) if found is not None else self.reasons["disease_control"]

    def _compared(self, name: str, found: Comparison) -> str:
        yes, no = (self._group(found, group) for group in (_YES, _NO))
        test = _test(found)
        return f"Arms that report {_WORDS[name]} have an objective response of {yes}, the others {no}; {_p_text(test)}."

    def _group(self, found: Comparison, group: str) -> str:
        fit = found.groups[group]
        shown = RATE.estimate(fit.estimate, fit.ci_lower, fit.ci_upper, self.level, "CI")
        return f"{shown.removesuffix(')')}; {counted(fit.k, 'arm')})" if shown.endswith(")") else f"{shown} ({counted(fit.k, 'arm')})"

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """A row for each group of arms."""
        frame = self.to_frame().to_dict("records")
        digits = RATE.column((row["estimate"], row["ci_lower"], row["ci_upper"]) for row in frame)
        head = ["Arms", "k", "Objective response", f"{level_text(self.level)} CI", "p"]
        return head, [
            (
                f"{_WORDS[row['outcome']].capitalize()} {_YES if row['reported'] else _NO}",
                str(row["k"]),
                RATE.value(row["estimate"], digits),
                RATE.limits(row["ci_lower"], row["ci_upper"], digits),
                p_value(row["pvalue"]) if row["reported"] else "",
            )
            for row in frame
        ]


def _test(found: Comparison) -> Test:
    """The test that is nearest to its size: by bootstrap, by F, by chi-squared, Fisher's; or the reason for none."""
    tests = found.tests
    return next(tests[name] for name in ("bootstrap", "f", "lrt", "exact") if name in tests and (tests[name] or name == "lrt"))


def _p_text(test: Test) -> str:
    if not test:
        return "there is no test with one arm in each group"
    name = {"F": "likelihood ratio by F", "parametric bootstrap": "likelihood ratio by parametric bootstrap"}.get(test.name, test.name)
    return f"{p_value(test.pvalue)} ({name})"


@checked(level=level)
def reporting_pattern(
    evidence: Categories,
    modality: str | Iterable[str] | None = None,
    *,
    overlap: str = "keep_largest",
    certainty: str | None = None,
    level: float = 0.95,
) -> ReportingPattern:
    """Compare the objective response of arms that report disease control (complete response) with that of arms that do not.

    Parameters
    ----------
    evidence
        As in `pool_categories`.
    modality, overlap, certainty
        As in `pool_categories`.
    level
        Coverage of the intervals.

    Returns
    -------
    ReportingPattern
        For each of the two outcomes the arms that report it and the others, with pooled objective response (median of the
        binomial-normal model with one tau), interval and test.

    Raises
    ------
    ArgumentError
        Something else than evidence, or a word that is not known.

    Notes
    -----
    Objective response and disease control are often pooled from different arms. The test is the likelihood ratio of
    `compare` with one tau for both groups; with few arms it misses all but large differences.
    """
    return pattern_of(arm_set(evidence, modality, overlap=overlap, certainty=certainty), level)


def pattern_of(found: ArmSet, level: float) -> ReportingPattern:
    """The pattern among arms that were chosen before."""
    frame = found.counts("objective_response")
    stamp: dict[str, Any] = {**versions(), **found.stamp, "level": level, "notes": [_NOTE]}
    stamp["sentence"] = "Binomial-normal model by maximum likelihood with one tau for both groups of arms; likelihood-ratio test."
    if frame.empty:
        return ReportingPattern(level, {}, {}, found.reason or "No arm reports the objective response.", Method(stamp))
    comparisons, reasons = {}, {}
    for name in REPORTED:
        told = [arm.at_least(CLOSES[name]) is not None for arm in found.arms if arm.at_least("PR") is not None]
        if all(told) or not any(told):
            arms = counted(len(told), "arm")
            who = f"All {arms} that report" if all(told) and len(told) > 1 else f"The {arms} that reports" if len(told) == 1 else ""
            who = who or f"None of the {arms} that report"
            verb = "reports" if who.startswith("None") or len(told) == 1 else "report"
            if len(told) == 1 and not all(told):
                verb = "does not report"
            reasons[name] = f"{who} the objective response {verb} {_WORDS[name]}{' as well' if all(told) else ''}."
            continue
        groups = [_YES if each else _NO for each in told]
        comparisons[name] = compare(frame.assign(reporting=_ordered(groups)), "reporting", model="glmm", level=level)
    return ReportingPattern(level, comparisons, reasons, None, Method(stamp))


def _ordered(groups: Sequence[str]) -> Any:
    import pandas as pd

    words: Any = list(groups)
    return pd.Categorical(words, categories=[_YES, _NO])
