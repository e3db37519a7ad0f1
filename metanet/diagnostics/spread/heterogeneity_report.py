"""The heterogeneity report of one pooled rate: distribution, tests, influential studies, subgroups, moderators and facts for GRADE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, rate
from metanet.base.cards import card
from metanet.base.display import in_sentence, number, p_value, per_cent, plural, title_of
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError, no_column
from metanet.base.groups import absent
from metanet.base.results import Method, Result, aligned
from metanet.base.untrusted import visible
from metanet.diagnostics.spread.grade import grade_facts
from metanet.diagnostics.spread.heterogeneity import heterogeneity_text
from metanet.diagnostics.spread.share_beyond import AUTO, ShareBeyond, checked_thresholds, shares_beyond, telling_thresholds
from metanet.diagnostics.studies.gosh import Gosh, gosh
from metanet.diagnostics.studies.influence import Influence, influence
from metanet.diagnostics.studies.series import LeaveOneOut, leave_one_out
from metanet.models.comparison.compare import compare
from metanet.models.comparison.result import Comparison
from metanet.models.options import options_of
from metanet.models.registry import model_row
from metanet.models.regression.meta_regression import meta_regression
from metanet.models.regression.result import Regression
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: What the tables of evidence say about the patients and the design of a study.
MODERATORS = (
    "year", "pct_pancreatic", "pct_g1", "pct_g2", "pct_g3", "pct_prior_prrt", "pct_prior_embolisation", "pct_extrahepatic",
    "median_age", "pct_male", "pct_whole_liver", "followup_median_months", "prospective", "consecutive", "multicentre", "n_centres",
)  # fmt: skip
#: A moderator is looked at where so many studies report it, in at least three different values.
_LEAST_STUDIES, _LEAST_VALUES = 4, 3
#: All subsets up to so many studies, and a sample of so many beyond: a report is one of many.
_EVERY, _SUBSETS = 16, 50_000
#: Below this many studies likelihood-ratio tests of a moderator exceed their level.
_FEW = 20


#: What the test of a moderator is called in a line.
_KIND = {"posterior": "posterior test", "likelihood ratio": "likelihood ratio"}


@dataclass(frozen=True, eq=False, repr=False)
class HeterogeneityReport(Result):
    """Everything that bears on the differences between the studies of one result.

    Attributes
    ----------
    shares
        `ShareBeyond` of every threshold.
    influence, omitted, subsets
        What single studies do: influence measures, leave-one-out, GOSH.
    subgroups
        `Comparison` by the column that was named, or None.
    moderators
        Name -> `Regression` on that moderator alone.
    skipped
        Name of a moderator -> why it was not looked at.
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    shares: tuple[ShareBeyond, ...]
    influence: Influence = field(repr=False)
    omitted: LeaveOneOut = field(repr=False)
    subsets: Gosh | None = field(repr=False)
    subgroups: Comparison | None = field(repr=False)
    moderators: dict[str, Regression] = field(repr=False)
    skipped: dict[str, str] = field(repr=False)
    _facts: pd.DataFrame = field(repr=False)

    def paragraphs(self) -> dict[str, str]:
        """The report as text, by heading."""
        parts = {"Heterogeneity": " ".join([heterogeneity_text(self.fit), *(share.sentence() for share in self.shares)])}
        if self.fit.k > 1:
            parts["Single studies"] = self._studies()
            parts["Subgroups"] = self._subgroups()
            parts["Moderators"] = self._moderators()
        return parts

    def _studies(self) -> str:
        parts = [self.influence.sentence(), self.omitted.sentence()]
        if self.subsets is not None:
            parts.append(self.subsets.sentence())
        return " ".join(parts)

    def _subgroups(self) -> str:
        if self.subgroups is None and self.fit.edge:
            return "All studies have the same extreme rate, so subgroups cannot differ."
        if self.subgroups is None and self.fit.mu is None:
            return "Without an estimate on the model scale no subgroups can be compared."
        if self.subgroups is None:
            return "No subgroups were requested."
        own = self.fit.method["model"]
        if own not in ("bayes", "glmm", "inverse_variance"):
            named = model_row(self.subgroups.method["model"], self.subgroups.method["link"]).title
            return f"By the {in_sentence(named)}: {self._groups()}"
        return self._groups()

    def _groups(self) -> str:
        assert self.subgroups is not None
        if len(self.subgroups.groups) < 2:
            return f"Only one group by {visible(self.subgroups.method['by'])} has studies."
        text = self.subgroups.sentence()
        without, within = self.subgroups.tau2_total, self.subgroups.tau2_common
        if without and within is not None:
            share = max(0.0, 1.0 - within / without)
            text += f" The groups account for {per_cent(share, 0)} % of tau² (tau {number(within**0.5)} within groups)."
        return text

    def _title(self, name: str) -> str:
        return title_of(name, self.fit.studies)

    def _moderators(self) -> str:
        lines = []
        for name, fit in self.moderators.items():
            r2 = "" if fit.r2 is None else f", R² {per_cent(fit.r2, 0)} %"
            test = fit.overall
            said = "no test" if test is None else f"{_KIND.get(test.name, 'omnibus test')} {p_value(test.pvalue)}"
            lines.append(f"{visible(self._title(name))}: {plural(fit.k, 'study', 'studies')}, {said}{r2}")
        if self.fit.edge:
            return "All studies have the same extreme rate, so no moderator can account for differences."
        if self.fit.mu is None:
            return "Without an estimate on the model scale no moderator can be analysed."
        if not lines:
            return "No moderator is reported by enough studies."
        text = f"One moderator at a time: {'; '.join(lines)}."
        if len(lines) > 1:
            text += f" With {len(lines)} tests a p-value below 0.05 arises by chance more often than with one."
            if any(fit.lrt_pvalue is not None and fit.k < _FEW for fit in self.moderators.values()):
                text += f" Likelihood-ratio tests of fewer than {_FEW} studies reject more often than their level says."
            text += " They suggest hypotheses and confirm none."
        return f"{text} A moderator of studies says nothing about patients within them."

    def sentence(self) -> str:
        """The first paragraph."""
        return self.paragraphs()["Heterogeneity"]

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Heterogeneity"

    def _body(self) -> list[str]:
        lines = [f"  {head}: {text}" for head, text in self.paragraphs().items()]
        return [*lines, *aligned([tuple(self._facts.columns), *self._facts.astype(str).itertuples(index=False)])]

    def worksheet(self) -> pd.DataFrame:
        """Facts for GRADE's inconsistency and imprecision; the judgement is left to people. A copy."""
        return self._facts.copy()

    def to_frame(self) -> pd.DataFrame:
        """The moderators: k, coefficient, interval, p-value, tau2 left, R2."""
        import pandas as pd

        rows = []
        for name, fit in self.moderators.items():
            slopes = fit.coefficients.iloc[1:]
            one = slopes.iloc[0] if len(slopes) == 1 else None
            rows.append(
                {
                    "moderator": name,
                    "k": fit.k,
                    "coefficient": None if one is None else one["estimate"],
                    "ci_lower": None if one is None else one["ci_lower"],
                    "ci_upper": None if one is None else one["ci_upper"],
                    "pvalue": None if fit.overall is None else fit.overall.pvalue,
                    "tau2": fit.tau2,
                    "r2": fit.r2,
                }
            )
        names = ["moderator", "k", "coefficient", "ci_lower", "ci_upper", "pvalue", "tau2", "r2"]
        frame = pd.DataFrame(rows, columns=names)
        frame.attrs["titles"] = {name: self._title(name) for name in self.moderators}
        return frame

    _entries = (
        ("paragraphs", "_paragraphs"), ("worksheet", "_facts"), ("moderators", "_moderator_frame"), "skipped", ("shares", "_shares"),
        ("influence", "_influence"), "subsets", "subgroups", ("result", "fit"),
    )  # fmt: skip

    @property
    def _paragraphs(self) -> dict[str, str]:
        return self.paragraphs()

    @property
    def _moderator_frame(self) -> pd.DataFrame:
        return self.to_frame()

    @property
    def _shares(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in share.to_dict().items() if name != "method"} for share in self.shares]

    @property
    def _influence(self) -> pd.DataFrame:
        return self.influence.to_frame()

    def plot(self, **options: Any) -> Axes:
        """Draw the distribution of the true rates; see `metanet.figures.plots.heterogeneity.heterogeneity_plot`."""
        axes: Axes = draw("heterogeneity", self, **options)
        return axes

    def _repr_html_(self) -> str:
        out = [card(head, text) for head, text in self.paragraphs().items()]
        rows = [[str(cell) for cell in row] for row in self._facts.itertuples(index=False)]
        return "".join([*out, card("Worksheet for GRADE", head=list(self._facts.columns), rows=rows)])


@checked(thresholds=checked_thresholds, decision=rate)
def heterogeneity_report(
    fit: Pooled,
    *,
    thresholds: float | Sequence[float] | str = (),
    by: str | None = None,
    moderators: str | Sequence[str] | None = None,
    subsets: bool = True,
    decision: float | None = None,
) -> HeterogeneityReport:
    """Say what the differences between studies mean, and what explains them.

    Parameters
    ----------
    fit
        A pooled rate; its `studies` hold the columns that `by` and `moderators` name.
    thresholds
        Rates (fractions): in which share of settings is the true rate above? "auto" takes up to three round rates between which the
        true rates lie.
    by
        Column of subgroups.
    moderators
        Columns to regress on, one at a time; None takes those of the evidence (year, age, grades, prior treatment, design
        ...). One that fewer than four studies report, or that hardly varies, is skipped with a word.
    subsets
        Whether GOSH runs (all subsets up to 16 studies, a sample of 50,000 beyond; `gosh` itself takes more).
    decision
        A rate on which a decision turns: the worksheet says whether the interval crosses it.

    Returns
    -------
    HeterogeneityReport
        Words first, numbers behind them; right for one study and for no events.

    References
    ----------
    Guyatt et al. (2011), doi:10.1016/j.jclinepi.2011.03.017 (inconsistency), doi:10.1016/j.jclinepi.2011.01.012 (imprecision);
    Migliavaca (2022), doi:10.1002/jrsm.1547.
    """
    if fit.response != "rate":
        raise ArgumentError("heterogeneity_report describes a pooled proportion; other results have .summary().")
    wanted: list[Any] = [thresholds]
    if thresholds == AUTO:
        wanted = list(telling_thresholds(fit))
    elif isinstance(thresholds, Iterable):
        wanted = [*thresholds]
    moderators = (moderators,) if isinstance(moderators, str) else moderators
    studies = fit.studies
    if moderators is None:
        moderators = [name for name in MODERATORS if name in studies.columns]
    for argument, name in [*([("by", by)] if by is not None else []), *(("moderators", name) for name in moderators)]:
        if name not in studies.columns:
            raise no_column(argument, name, studies.columns, of="the studies")
    options = options_of(fit.method)
    # Subgroups and moderators by the same model, as far as it has them; else by the exact one.
    choices: dict[str, Any] = {"level": fit.level}
    if options.model == "inverse_variance":
        choices |= {"model": options.model, "measure": options.measure}
        if options.ci in ("HK", "HK-adhoc", "z", "t"):
            choices["ci"] = options.ci
        if options.to != "none":
            choices |= {"add": options.add, "to": options.to}
    elif options.model == "bayes":
        choices |= {"link": options.link}
    elif options.model == "glmm":
        choices |= {"model": "glmm", "link": options.link, "ci": options.ci if options.ci in ("t", "z") else "t"}
    edges = bool(fit.edge)
    groups = None
    if by is not None and fit.k > 1 and not edges:
        estimator: dict[str, Any] = {"tau2": options.tau2} if options.model == "inverse_variance" else {}
        groups = compare(studies, by, **estimator, **choices)
    if edges or fit.status == "not estimable":
        moderators = ()
    fitted, skipped = _regressions(studies, moderators, choices, options.tau2 if options.model == "inverse_variance" else None)
    omitted, measured = leave_one_out(fit), influence(fit)
    cloud = gosh(fit, None if fit.k <= _EVERY else _SUBSETS) if subsets and fit.k > 2 and fit.mu is not None else None
    facts = grade_facts(fit, decision=decision, subgroups=groups, moderators=fitted)
    found = shares_beyond(fit, wanted) if fit.k > 1 else ()
    return HeterogeneityReport(fit, fit.method, found, measured, omitted, cloud, groups, fitted, skipped, facts)


def _regressions(
    studies: pd.DataFrame, moderators: Sequence[str], choices: dict[str, Any], estimator: str | None
) -> tuple[dict[str, Regression], dict[str, str]]:
    fitted: dict[str, Regression] = {}
    skipped: dict[str, str] = {}
    counts = [c for c in ("study", "events", "total") if c in studies.columns]
    for name in moderators:
        known = studies[[not absent(value) for value in studies[name].tolist()]]
        if any(isinstance(value, (list, dict, set)) for value in known[name].tolist()):
            skipped[name] = "its cells are no plain values"
            continue
        values = known[name].nunique()
        text = known[name].dtype.kind not in "fiub"
        if len(known) < _LEAST_STUDIES:
            skipped[name] = f"reported by {plural(len(known), 'study', 'studies')}"
            continue
        if values < (2 if text else _LEAST_VALUES) or (text and values > len(known) / 2):
            skipped[name] = f"{plural(int(values), 'different value')} in {plural(len(known), 'study', 'studies')}"
            continue
        # With the studies that lack it, so that the notes of the regression name them, and with the order of its categories.
        frame = studies[counts].assign(moderator=studies[name])
        frame.attrs["titles"] = {"moderator": title_of(name, studies)}
        extra: dict[str, Any] = {} if estimator is None else {"tau2": estimator}
        try:
            fitted[name] = meta_regression(frame, "~ moderator", **choices, **extra)
        except ArgumentError as error:
            skipped[name] = str(error)
    return fitted, skipped
