"""The result of a comparison of groups: each group's pooled result, the test between them, and every pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.cards import card
from metanet.base.display import (
    ABSENT,
    PARTED,
    POINTS,
    TOO_WIDE,
    Scale,
    interval_kind,
    level_text,
    number,
    p_value,
    parted,
    plural,
    scale_of,
    sentence_case,
)
from metanet.base.drawing import draw
from metanet.base.errors import shorten
from metanet.base.results import Method, Result, Test, aligned
from metanet.base.untrusted import listing, visible
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: The note on every comparison of rates of single arms.
OBSERVATIONAL = (
    "An observational comparison: the groups are arms of different studies, and their patients differ in more than the group. "
    "A difference between rates is not an effect of treatment."
)


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Result):
    """Groups side by side.

    Attributes
    ----------
    groups
        Name -> `Pooled`. With the posterior model each group is as pooled by itself; with others and ``heterogeneity="common"``
        estimate, average rate, intervals and tau2 of the pooled groups are those of the joint model.
    posterior_pvalue
        p-value of equal means by the posterior model: the level at which the credible interval of the difference (of more than two
        groups: the ellipsoid of the differences) touches no difference.
    joint
        Name -> estimate and limits of the group under one tau for all (posterior model with ``heterogeneity="common"``): a
        sensitivity analysis, and what the differences are of.
    lrt, lrt_df, lrt_pvalue
        Likelihood-ratio test of equal means; None with the reason in the notes, and with the posterior model.
    lrt_pvalue_f, lrt_df_f
        The same ratio over its df, referred to F with studies less groups as second df: nearer to its size with few studies.
    exact_pvalue, exact_method
        Fisher's exact test on the patients of the groups, where a group has no events or only events; None elsewhere. It
        takes studies of a group as one.
    bootstrap_pvalue, bootstrap
        p-value of the likelihood ratio with one tau by parametric bootstrap under equal means, and its number of data sets.
    no_test
        Why there is no test of equal means, or None.
    tau2_common, tau_common, tau2_total
        tau2 within groups, or None; and that of the same studies taken as one group.
    differences
        A frame of all pairs: difference, ratio and odds ratio of the rates (differences and ratios of effects) with intervals and
        p-values. `pvalue` is that of the posterior, or that of the pair's likelihood ratio by chi-squared; `pvalue_f` is that of the
        ratio by F; `pvalue_adjusted` is the last of these that exists, adjusted for all pairs by Holm's method. Two single studies
        have no test. `pvalue_exact` is Fisher's test on the summed counts, where the likelihood ratio does not exist.
    adjusted
        Whether more than one pair was tested, so that p-values were adjusted.
    """

    by: str
    heterogeneity: str
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
    no_test: str | None
    tau2_common: float | None
    tau2_total: float | None
    method: Method = field(repr=False)
    _differences: pd.DataFrame = field(repr=False)
    posterior_pvalue: float | None = None
    joint: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def differences(self) -> pd.DataFrame:
        """All pairs of groups; a copy."""
        return self._differences.copy()

    @property
    def adjusted(self) -> bool:
        """Whether the p-values of the pairs are adjusted: with one tested pair there is nothing to adjust for."""
        return int(self._differences["pvalue_adjusted"].notna().sum()) > 1

    @property
    def tau_common(self) -> float | None:
        """Square root of the joint tau2."""
        return None if self.tau2_common is None else float(self.tau2_common**0.5)

    def to_frame(self) -> pd.DataFrame:
        """One row for each group, with the numbers of its `Pooled`."""
        import pandas as pd

        # A column of data may bear the name of a number.
        column = self.by if self.by not in ("studies", *next(iter(self.groups.values())).numbers()) else "group"
        return pd.DataFrame([{column: name, "studies": fit.study_count, **fit.numbers()} for name, fit in self.groups.items()])

    _entries = (
        "by", "heterogeneity", "level", "lrt", "lrt_df", "lrt_pvalue", "lrt_pvalue_f", "lrt_df_f", "exact_pvalue", "exact_method",
        "bootstrap_pvalue", "bootstrap", "posterior_pvalue", "tau2_common", "tau2_total", "groups", "joint", "differences",
    )  # fmt: skip

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return f"Comparison by {visible(self.method['by'])}"

    @property
    def scale(self) -> Scale:
        """How the estimates are written."""
        return next(iter(self.groups.values())).scale

    @property
    def tests(self) -> dict[str, Test]:
        """Equal rates (or effects): the likelihood ratio by chi-squared and by F, by parametric bootstrap, Fisher's exact test."""
        null = f"equal {'rates' if self.response.startswith('rate') else 'effects'}"
        exact = {}
        if self.method["model"] == "bayes":
            reason = self.no_test if self.posterior_pvalue is None else None
            return {"posterior": Test("posterior", null, None, "posterior", (), self.posterior_pvalue, reason)}
        if self.exact_pvalue is not None:
            exact["exact"] = Test("Fisher's exact test", null, None, "exact", (), self.exact_pvalue)
        if self.lrt_pvalue is None or self.lrt_df is None:
            return {"lrt": Test("likelihood ratio", null, reason=self.no_test or f"No test of {null} could be made."), **exact}
        df = float(self.lrt_df)
        out = {"lrt": Test("likelihood ratio", null, self.lrt, "chi-squared", (df,), self.lrt_pvalue)}
        if self.lrt_pvalue_f is not None:
            out["f"] = Test(
                "F", null, self.lrt / df if self.lrt is not None else None, "F", (df, float(self.lrt_df_f)), self.lrt_pvalue_f
            )
        if self.bootstrap_pvalue is not None:
            out["bootstrap"] = Test("parametric bootstrap", null, None, "bootstrap", (), self.bootstrap_pvalue)
        return out | exact

    def sentence(self) -> str:
        """The groups' estimates and the test between them, labelled as what they are."""
        shown = [
            f"{_name(name)} {self._estimate(fit)}; {self._average(fit)}"
            f"{plural(fit.k, 'study' if fit.study_count == fit.k else 'arm', 'studies' if fit.study_count == fit.k else 'arms')})"
            for name, fit in self.groups.items()
        ]
        return " ".join([f"{listing(shown, 40)}.", self.test_sentence(), *self.remarks, OBSERVATIONAL])

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences that a reader of the groups' numbers needs, each with the groups that it is about."""
        out = []
        for edge, what in (("no events", "No event was observed"), ("only events", "Only events were observed")):
            names = [name for name, fit in self.groups.items() if fit.edge == edge and fit.model == "bayes" and fit.status == "pooled"]
            if names:
                out.append(f"{what} in {self._listed(names)}, so the estimate comes partly from the prior.")
        apart = [
            name for name, fit in self.groups.items() if self.response == "rate" and parted(*(rate[0] for rate in fit.rates_shown))
        ]
        if apart:
            out.append(PARTED.replace("Median and average differ", f"Median and average differ for {self._listed(apart)}", 1))
        vague = [name for name, fit in self.groups.items() if fit.is_vague]
        if vague:
            out.append(f"{sentence_case(TOO_WIDE)} for {self._listed(vague)}: the interval {self.scale.vague_rule()}.")
        return tuple(out)

    @staticmethod
    def _listed(names: Sequence[object]) -> str:
        return listing([shorten(name, 80) for name in names], 12)

    def _estimate(self, fit: Pooled) -> str:
        shown = self.scale.estimate(fit.estimate, fit.ci_lower, fit.ci_upper, self.level, fit.interval_name)
        return shown.removesuffix(")") if "(" in shown else f"{shown} (no interval"

    def _average(self, fit: Pooled) -> str:
        """The population-averaged rate, where it is printed otherwise than the median."""
        digits = self.scale.digits(fit.estimate, fit.ci_lower, fit.ci_upper)
        average = self.scale.value(fit.marginal_estimate, digits)
        if fit.status != "pooled" or average in (ABSENT, self.scale.value(fit.estimate, digits)):
            return ""
        limits = self.scale.limits(fit.marginal_ci_lower, fit.marginal_ci_upper, digits)
        return f"average {average}; " if limits == ABSENT else f"average {average}, {limits}; "

    def test_sentence(self) -> str:
        """The test between the groups as text."""
        tests = self.tests
        tau = "one tau for all groups" if self.heterogeneity == "common" else "a tau for each group"
        if "posterior" in tests:
            test = tests["posterior"]
            return f"Posterior test of {test.null} ({tau}): {p_value(test.pvalue)}." if test else test.text()
        if not tests["lrt"]:
            if "exact" not in tests:
                return tests["lrt"].text()
            return (
                f"{tests['lrt'].text()} Fisher's exact test on the summed counts, which takes the studies of a group as alike, gives "
                f"{p_value(self.exact_pvalue)}."
            )
        text = f"Likelihood-ratio test of {tests['lrt'].null} ({tau}): {tests['lrt'].text().removeprefix('likelihood ratio ')}"
        if "f" in tests:
            df = f"{self.lrt_df} and {self.lrt_df_f} df"
            text += f" (for few studies, by F on {df}, {p_value(self.lrt_pvalue_f)})"
        if "bootstrap" in tests:
            which = "" if self.heterogeneity == "common" else " of the test with one tau"
            text += f"; by parametric bootstrap{which} {p_value(self.bootstrap_pvalue)}"
        if "exact" in tests:
            text += f"; Fisher's exact test {p_value(self.exact_pvalue)}"
        return f"{text}."

    def pair_table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """Every pair of groups: difference with interval and p-values."""
        scale = POINTS if self.response == "rate" else scale_of(self.response if self.response != "ratio" else "difference")
        records = self._differences.to_dict("records")
        names = ("difference", "difference_lower", "difference_upper")
        digits = scale.column((row[names[0]], row[names[1]], row[names[2]]) for row in records)
        out: list[tuple[str, ...]] = []
        adjusted = self.adjusted
        for row in records:
            p = "no test" if row["pvalue"] != row["pvalue"] else p_value(row["pvalue"])
            if row["pvalue_exact"] == row["pvalue_exact"]:
                p = f"Fisher's exact test {p_value(row['pvalue_exact'])}"
            if row["pvalue_f"] == row["pvalue_f"]:
                p += f"; by F {p_value(row['pvalue_f'])}"
            if adjusted and row["pvalue_adjusted"] == row["pvalue_adjusted"]:
                p += f", adjusted {p_value(row['pvalue_adjusted'])}"
            limits = scale.limits(row["difference_lower"], row["difference_upper"], digits)
            if scale.is_vague(row["difference_lower"], row["difference_upper"]):
                limits += f"; {TOO_WIDE}"
            out.append((f"{_name(row['first'])} minus {_name(row['second'])}", scale.value(row["difference"], digits), limits, p))
        kind = "CrI" if self.method["model"] == "bayes" else "CI"
        what = "Difference of medians" if self._medians else "Difference"
        tested = "p" if self.method["model"] == "bayes" else "p (likelihood ratio of the pair)"
        return ["Pair", what, f"{level_text(self.level)} {kind}", tested], out

    @property
    def _medians(self) -> bool:
        """Whether the estimates are medians of distributions of rates."""
        return self.response.startswith("rate") and all(
            fit.average == "median" for fit in self.groups.values() if fit.status == "pooled"
        )

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """The groups: arms, median (or other estimate), population average, prediction interval, tau, estimate under one tau."""
        scale, fits = self.scale, self.groups.values()
        digits = scale.column((fit.estimate, fit.ci_lower, fit.ci_upper) for fit in fits)
        name = f"{level_text(self.level)} {self.interval_name}"
        medians = self._medians
        head = ["Group", "Arms", "Median" if medians else "Estimate", name, "Average", f"{name} of the average"]
        head += ["Prediction interval", "tau"]
        shared = bool(self.joint) and any(self.joint.values())
        if shared:
            head.append(
                f"Median with one tau ({level_text(self.level)} CrI)" if medians else f"With one tau ({level_text(self.level)} CrI)"
            )
        return head, [
            (
                _name(name),
                str(fit.k),
                scale.value(fit.estimate, digits),
                scale.limits(fit.ci_lower, fit.ci_upper, digits) + (f"; {TOO_WIDE}" if fit.is_vague else ""),
                scale.value(fit.rates_shown[1][0], digits),
                scale.limits(*fit.rates_shown[1][1:], digits),
                scale.limits(fit.pi_lower, fit.pi_upper, digits),
                number(fit.tau),
                *([self._shared(name)] if shared else []),
            )
            for name, fit in self.groups.items()
        ]

    def _shared(self, name: str) -> str:
        """A group's estimate and interval under one tau for all."""
        numbers = self.joint[name]
        value, lower, upper = (numbers[f"joint_{end}"] for end in ("estimate", "ci_lower", "ci_upper"))
        digits = self.scale.digits(value, lower, upper)
        return f"{self.scale.value(value, digits)} ({self.scale.limits(lower, upper, digits)})"

    @property
    def interval_name(self) -> str:
        """What the intervals of the groups are called: CrI, CI, or "interval" where single studies have the exact one."""
        return interval_kind(fit.interval_name for fit in self.groups.values())

    def _body(self) -> list[str]:
        head, rows = self.pair_table()
        groups = self.table()
        lines = [f"  {self.sentence()}", *aligned([tuple(groups[0]), *groups[1]])]
        return [*lines, *aligned([tuple(head), *rows])] if rows else lines

    def _lead(self) -> str:
        return self.test_sentence()

    def _repr_html_(self) -> str:
        head, rows = self.pair_table()
        return super()._repr_html_() + card("Pairs of groups", head=head, rows=rows)

    @checked()
    def to_r(self, path: str | Path | None = None) -> str:
        """The R script that pools every group anew and compares the numbers; it is also written to `path`, where one is named.

        Raises
        ------
        ArgumentError
            One tau for all groups by maximum likelihood or in two steps.
        """
        from metanet.models.r.regression import comparison_script
        from metanet.models.r.script import saved

        return saved(comparison_script(self), path)

    def forest(self, **options: Any) -> Axes:
        """Draw the groups, each with its studies; see `metanet.figures`."""
        axes: Axes = draw("comparison", self, **options)
        return axes


def _name(text: object) -> str:
    """A group's name in a sentence: visible, and not longer than one."""
    return visible(shorten(text, 80))
