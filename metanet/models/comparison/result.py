"""The result of a comparison of groups: each group's pooled result, the test between them, and every pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet.base.cards import card
from metanet.base.completion import Listed
from metanet.base.display import (
    ABSENT,
    effect_digits,
    interval,
    level_text,
    number,
    p_value,
    per_cent,
    plural,
    rate_digits,
)
from metanet.base.drawing import draw
from metanet.base.errors import shorten
from metanet.base.untrusted import listing, visible
from metanet.models.results.pooled import Method, Pooled, plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: What stands wherever rates of single arms are compared.
OBSERVATIONAL = (
    "An observational comparison: the groups are arms of different studies, and their patients differ in more than the group. "
    "A difference between rates is not an effect of treatment."
)


#: How the reasons end for which there is no test.
_NO_TEST = ("nothing to compare it with.", "cannot be told apart.", "no maximum to compare.")


@dataclass(frozen=True, eq=False)
class Comparison(Listed):
    """Groups side by side.

    Attributes
    ----------
    groups
        Name -> `Pooled`. With ``tau2="common"`` estimate, average rate, intervals and tau2 of the pooled groups are those of
        the joint model.
    lrt, lrt_df, lrt_pvalue
        Likelihood-ratio test of equal means; None with the reason in the notes.
    lrt_pvalue_f, lrt_df_f
        The same ratio over its df, referred to F with studies less groups as second df: nearer to its size with few studies.
    exact_pvalue, exact_method
        Fisher's exact test on the patients of the groups, where a group has no events or only events; None elsewhere. It
        takes studies of a group as one.
    bootstrap_pvalue, bootstrap
        p-value of the likelihood ratio with one tau by parametric bootstrap under equal means, and its number of data sets.
    tau2_common, tau_common, tau2_total
        The spread within groups, or None; and that of the same studies taken as one group.
    differences
        A frame of all pairs: difference, ratio and odds ratio of the rates (differences and ratios of effects) with intervals, the
        p-value of the pair's likelihood ratio by chi-squared and by F, and the latter adjusted for all pairs by Holm's method.
    """

    _listed = (
        "groups", "differences", "lrt", "lrt_df", "lrt_pvalue", "lrt_pvalue_f", "exact_pvalue",
        "bootstrap_pvalue", "tau_common", "notes", "method", "summary", "sentence", "to_frame", "to_dict",
        "forest",
    )  # fmt: skip

    by: str
    spread: str
    level: float
    response: str
    groups: Mapping[str, Pooled]
    lrt: float | None
    lrt_df: int | None
    lrt_pvalue: float | None
    lrt_pvalue_f: float | None
    lrt_df_f: int
    exact_pvalue: float | None
    exact_method: str | None
    bootstrap_pvalue: float | None
    bootstrap: int
    tau2_common: float | None
    tau2_total: float | None
    method: Method = field(repr=False)
    _differences: pd.DataFrame = field(repr=False)

    @property
    def differences(self) -> pd.DataFrame:
        """All pairs of groups; a copy."""
        return self._differences.copy()

    @property
    def tau_common(self) -> float | None:
        """Root of the joint spread."""
        return None if self.tau2_common is None else float(self.tau2_common**0.5)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know beside the numbers."""
        return tuple(self.method["notes"])

    def to_frame(self) -> pd.DataFrame:
        """One row for each group, with the numbers of its `Pooled`."""
        import pandas as pd

        # A column of data may bear the name of a number.
        column = self.by if self.by not in ("studies", *next(iter(self.groups.values())).numbers()) else "group"
        return pd.DataFrame(
            [{column: name, "studies": fit.study_count, **fit.numbers()} for name, fit in self.groups.items()]
        )

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values."""
        names = (
            "by", "spread", "level", "lrt", "lrt_df", "lrt_pvalue", "lrt_pvalue_f", "lrt_df_f", "exact_pvalue", "exact_method",
            "bootstrap_pvalue", "bootstrap", "tau2_common", "tau2_total",
        )  # fmt: skip
        rows = [{str(c): plain(v) for c, v in row.items()} for row in self._differences.to_dict("records")]
        return {
            **{name: plain(getattr(self, name)) for name in names},
            "groups": {str(name): fit.to_dict() for name, fit in self.groups.items()},
            "differences": rows,
            "method": plain(dict(self.method)),
        }

    def sentence(self) -> str:
        """The groups' estimates and the test between them, labelled as what they are."""
        shown = [
            f"{_name(name)} {_value(fit, fit.estimate)} ({level_text(self.level)} CI {_limits(fit)}; {_average(fit)}"
            f"{plural(fit.k, 'study' if fit.study_count == fit.k else 'arm', 'studies' if fit.study_count == fit.k else 'arms')})"
            for name, fit in self.groups.items()
        ]
        return f"{listing(shown, 40)}. {self.test_sentence()} {OBSERVATIONAL}"

    def test_sentence(self) -> str:
        """The test between the groups in words."""
        if self.lrt_pvalue is None:
            return next(
                (note for note in self.notes if note.endswith(_NO_TEST)), "No test of equal rates could be made."
            )
        tau = "one tau for all" if self.spread == "common" else "a tau for each"
        text = f"Likelihood-ratio test of equal {'rates' if self.response.startswith('rate') else 'effects'} ({tau}): "
        text += f"{number(self.lrt)} on {self.lrt_df} df, {p_value(self.lrt_pvalue)}"
        if self.lrt_pvalue_f is not None:
            text += f" (for few studies, by F on {self.lrt_df} and {self.lrt_df_f} df, {p_value(self.lrt_pvalue_f)})"
        if self.bootstrap_pvalue is not None:
            which = "" if self.spread == "common" else " of the test with one tau"
            text += f"; by parametric bootstrap{which} {p_value(self.bootstrap_pvalue)}"
        if self.exact_pvalue is not None:
            text += f"; Fisher's exact test {p_value(self.exact_pvalue)}"
        return f"{text}."

    def summary(self) -> str:
        """The sentence, the pairs, and the notes."""
        lines = [self.sentence()]
        lines += ["  " + "  ".join(row) for row in self._pair_rows()]
        return "\n".join([*lines, *self.notes])

    def _pair_rows(self) -> list[tuple[str, ...]]:
        out: list[tuple[str, ...]] = []
        rate = self.response == "rate"
        for row in self._differences.to_dict("records"):
            if rate:
                shown = f"{number(100 * row['difference'], 1)} points"
                ends = f"{number(100 * row['difference_lower'], 1)} to {number(100 * row['difference_upper'], 1)}"
            else:
                digits = effect_digits(row["difference"])
                shown = number(row["difference"], digits)
                ends = f"{number(row['difference_lower'], digits)} to {number(row['difference_upper'], digits)}"
            p = "no test" if row["pvalue"] != row["pvalue"] else p_value(row["pvalue"])
            if row["pvalue_adjusted"] == row["pvalue_adjusted"]:
                p += f", adjusted {p_value(row['pvalue_adjusted'])}"
            out.append((f"{_name(row['first'])} less {_name(row['second'])}", shown, ends, p))
        return out

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.groups)} groups by {visible(self.by)}: {self.test_sentence()}>"

    def _repr_html_(self) -> str:
        head = ["Group", "Arms", "Estimate", f"{level_text(self.level)} CI", "Average", "Prediction interval", "tau"]
        rows = [
            (
                name,
                str(fit.k),
                _value(fit, fit.estimate),
                _limits(fit),
                _value(fit, fit.marginal_estimate),
                _pair(fit, fit.pi_lower, fit.pi_upper),
                number(fit.tau),
            )
            for name, fit in self.groups.items()
        ]
        groups = card(
            f"Comparison by {self.by}",
            self.test_sentence(),
            head=head,
            rows=rows,
            notes=self.notes,
            method=self.method.sentence(),
        )
        return groups + card("Pairs of groups", head=["Pair", "Difference", "Interval", "p"], rows=self._pair_rows())

    def forest(self, **options: Any) -> Axes:
        """Draw the groups, each with its studies; see `metanet.figures`."""
        axes: Axes = draw("comparison", self, **options)
        return axes


def _name(text: object) -> str:
    """A group's name in a sentence: visible, and not longer than one."""
    return visible(shorten(text, 80))


def _average(fit: Pooled) -> str:
    """The population-averaged rate, where it is printed otherwise than the median."""
    if fit.marginal_estimate is None or _value(fit, fit.marginal_estimate) == _value(fit, fit.estimate):
        return ""
    return f"average {_value(fit, fit.marginal_estimate)}; "


def _value(fit: Pooled, value: float | None) -> str:
    if value is None:
        return ABSENT
    if fit.response == "rate":
        return f"{per_cent(value, rate_digits(fit.estimate))} %"
    return number(value, effect_digits(fit.estimate))


def _limits(fit: Pooled) -> str:
    return _pair(fit, fit.ci_lower, fit.ci_upper)


def _pair(fit: Pooled, lower: float | None, upper: float | None) -> str:
    if fit.response == "rate":
        return f"{interval(lower, upper, rate_digits(fit.estimate))} %" if lower is not None else interval(None, None)
    digits = effect_digits(fit.estimate)
    return f"{number(lower, digits)} to {number(upper, digits)}"
