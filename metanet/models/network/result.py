"""The result of `network`: contrasts, ranks and consistency of every component, and views of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from metanet.base import later
from metanet.base.arguments import checked
from metanet.base.display import ABSENT, Scale, level_text, number, p_value, plural, scale_of, sentence_case
from metanet.base.drawing import draw
from metanet.base.results import Method, Result, Test
from metanet.base.untrusted import listing, visible
from metanet.effects.measures import MEASURES
from metanet.kernels.network.ranks import DRAWS, SEED, monte_carlo_error, sucra
from metanet.kernels.numerics.distributions import two_sided_t, two_sided_z
from metanet.models.network import checks
from metanet.models.network.cells import Cells, pairs_of
from metanet.models.network.part import Part

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from metanet.models.network.moderators import NetworkRegression, NetworkSubgroups

#: Rows of a card or a summary; the frame has all.
_MOST_ROWS = 24
_MOST_NAMED = 6


@dataclass(frozen=True)
class Contrast:
    """One treatment against another: on the scale of the response, and on that of the model (`mu`, `se`); None where there is none."""

    first: str
    second: str
    studies: int
    estimate: float | None = None
    ci_lower: float | None = None
    ci_upper: float | None = None
    pi_lower: float | None = None
    pi_upper: float | None = None
    mu: float | None = None
    se: float | None = None
    pvalue: float | None = None
    note: str = ""

    def text(self, scale: Scale, level: float) -> str:
        """The estimate with its interval."""
        if self.estimate is None:
            return f"{ABSENT} ({self.note})"
        return scale.estimate(self.estimate, self.ci_lower, self.ci_upper, level)


@dataclass(frozen=True, eq=False, repr=False)
class Network(Result):
    """A network meta-analysis; `reason` says why there is none.

    Attributes
    ----------
    treatments, reference
        Names in the order of the data, and the one that others are shown against.
    components
        Names of the treatments that are connected with each other, a tuple for each component. One component is a connected network.
    contrasts
        Frame of all pairs of connected treatments: first, second, studies (that compare both), estimate, ci_lower, ci_upper, pi_lower,
        pi_upper (first against second; a ratio for OR and RR), mu, se (on the model scale: log for ratios), pvalue, note, component.
    ranking
        Frame of treatments from best to worst: treatment, p_score, sucra, component.
    tau2, tau, i2, q, q_df, q_pvalue, q_within, q_within_df, q_within_pvalue, q_between, q_between_df, q_between_pvalue
        Heterogeneity and consistency; None where they do not exist, and for a network of several components (see `parts`). In the
        exact models Q is the likelihood-ratio statistic (deviance) of the model without heterogeneity.
    parts
        The fit of every component.
    arms
        Frame of the arms used: study, treatment, events, total (or effect, variance), randomised.
    """

    measure: str
    model: str
    level: float
    better: str
    treatments: tuple[str, ...]
    components: tuple[tuple[str, ...], ...]
    reference: str | None
    reason: str | None
    method: Method = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    _cells: Cells = field(repr=False)
    _choices: dict[str, Any] = field(repr=False)

    _entries = (
        "measure", "model", "level", "better", "treatments", "components", "reference", "reason", "k", "patients",
        "tau2", "i2", "q", "q_df", "q_pvalue", "q_within", "q_within_df", "q_within_pvalue", "q_between", "q_between_df",
        "q_between_pvalue", "contrasts", "ranking", "arms",
    )  # fmt: skip

    # Numbers of the only component.

    @property
    def _only(self) -> Part | None:
        return self.parts[0] if len(self.parts) == 1 else None

    def _statistic(self, name: str, what: str) -> Any:
        if self._only is None:
            return None
        test: Test = getattr(self._only, name)
        # What has no degrees of freedom is a sum of nothing.
        return {"statistic": test.statistic if test else 0.0, "df": int(test.df[0]) if test.df else 0, "pvalue": test.pvalue}[what]

    @property
    def connected(self) -> bool:
        """Whether all treatments are in one component."""
        return len(self.components) == 1

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self._cells.studies)

    @property
    def patients(self) -> int | None:
        """Patients of all arms; None with contrasts."""
        return None if self.measure == "GEN" else int(self._cells.total.sum())

    @property
    def tau2(self) -> float | None:
        """Heterogeneity variance of a contrast between studies, on the model scale."""
        return None if self._only is None else self._only.tau2

    @property
    def tau(self) -> float | None:
        """Square root of tau2."""
        return None if self.tau2 is None else float(np.sqrt(self.tau2))

    @property
    def i2(self) -> float | None:
        """``max(0, (Q - df) / Q)``, a fraction."""
        return None if self._only is None else self._only.i2

    @property
    def q(self) -> float | None:
        """Cochran's Q of the whole network."""
        return self._statistic("q", "statistic")  # type: ignore[no-any-return]

    @property
    def q_df(self) -> int | None:
        """Its degrees of freedom."""
        return self._statistic("q", "df")  # type: ignore[no-any-return]

    @property
    def q_pvalue(self) -> float | None:
        """Its p-value."""
        return self._statistic("q", "pvalue")  # type: ignore[no-any-return]

    @property
    def q_within(self) -> float | None:
        """Q within designs."""
        return self._statistic("within", "statistic")  # type: ignore[no-any-return]

    @property
    def q_within_df(self) -> int | None:
        """Its degrees of freedom."""
        return self._statistic("within", "df")  # type: ignore[no-any-return]

    @property
    def q_within_pvalue(self) -> float | None:
        """Its p-value."""
        return self._statistic("within", "pvalue")  # type: ignore[no-any-return]

    @property
    def q_between(self) -> float | None:
        """Q between designs: how far direct and indirect comparisons disagree."""
        return self._statistic("between", "statistic")  # type: ignore[no-any-return]

    @property
    def q_between_df(self) -> int | None:
        """Its degrees of freedom."""
        return self._statistic("between", "df")  # type: ignore[no-any-return]

    @property
    def q_between_pvalue(self) -> float | None:
        """Its p-value."""
        return self._statistic("between", "pvalue")  # type: ignore[no-any-return]

    @property
    def tests(self) -> dict[str, Test]:
        """The tests of homogeneity, within and between designs, and of tau2 = 0; of several components by number."""
        out: dict[str, Test] = {}
        for place, part in enumerate(self.parts):
            mark = "" if len(self.parts) == 1 else f" (component {place + 1})"
            found = {
                "q": part.q,
                "within": part.within,
                "between": part.between,
                "between_random": part.between_random,
                "lrt": part.lrt,
            }
            out |= {f"{name}{mark}": test for name, test in found.items() if test is not None}
            out |= {f"{each.treatment}{mark}": each.test for each in part.absent}
        return out

    # Scale and pairs.

    @property
    def scale(self) -> Scale:
        """How an estimate is written."""
        if self.measure == "GEN":
            return scale_of("effect")
        measure = MEASURES[self.measure]
        return scale_of(measure.response, title=sentence_case(measure.title))

    def _back(self, value: float) -> float:
        return float(np.exp(value)) if self.measure in ("OR", "RR") else value

    @checked()
    def part_of(self, treatment: str) -> Part | None:
        """The component of a treatment."""
        return next((part for part in self.parts if treatment in part.treatments), None)

    def _reference_of(self, part: Part) -> str:
        """The treatment that those of a component are shown against."""
        if self.reference in part.treatments:
            return str(self.reference)
        return checks.usual_reference(part.cells)

    def _ordered(self, part: Part) -> Iterator[tuple[int, int]]:
        """Pairs of treatments of a component, the reference always second."""
        base = part.treatments.index(self._reference_of(part))
        for i, j in combinations(range(len(part.treatments)), 2):
            yield (j, i) if i == base else (i, j)

    def _contrast(self, part: Part, i: int, j: int) -> Contrast:
        """Treatment i of a component against treatment j."""
        first, second, k = part.treatments[i], part.treatments[j], int(part.direct_studies[i, j])
        mu, se = float(part.mu[i, j]), float(part.se[i, j])
        if not np.isfinite(mu) or not np.isfinite(se):
            return Contrast(first, second, k, note=self._why_not(part, i, j))
        z = two_sided_z(self.level)
        low, high = mu - z * se, mu + z * se
        ahead = self._prediction(part, mu, se)
        pvalue = 2.0 * float(special.ndtr(-abs(mu / se))) if se > 0 else None
        pi_lower, pi_upper = (None, None) if ahead is None else (self._back(ahead[0]), self._back(ahead[1]))
        ends = (self._back(low), self._back(high), pi_lower, pi_upper)
        return Contrast(first, second, k, self._back(mu), *ends, mu, se, pvalue)

    def _prediction(self, part: Part, mu: float, se: float) -> tuple[float, float] | None:
        """t with the degrees of freedom of Q; none below two."""
        if part.tau2 is None or part.df < 2:
            return None
        half = float(two_sided_t(self.level, part.df)) * float(np.sqrt(se * se + part.tau2))
        return mu - half, mu + half

    def _why_not(self, part: Part, i: int, j: int) -> str:
        side = int(part.unbounded[i, j])
        if not part.converged:
            return "the maximum of the likelihood was not located"
        if side == 0:
            return "the counts contain no information on this contrast"
        return f"no finite estimate: the odds ratio goes to {'zero' if side < 0 else 'infinity'}"

    def pairs(self) -> list[Contrast]:
        """The contrasts of all pairs of connected treatments."""
        return [self._contrast(part, i, j) for part in self.parts for i, j in self._ordered(part)]

    @property
    def contrasts(self) -> pd.DataFrame:
        """All pairs of connected treatments; a copy."""
        import pandas as pd

        names = list(Contrast.__dataclass_fields__)
        rows = [
            {**vars(self._contrast(part, i, j)), "component": place + 1}
            for place, part in enumerate(self.parts)
            for i, j in self._ordered(part)
        ]
        frame = pd.DataFrame(rows, columns=[*names, "component"])
        floats = names[3:-1]
        return frame.astype(dict.fromkeys(floats, float))

    @checked()
    def against(self, reference: str | None = None) -> list[Contrast]:
        """The contrasts of all treatments connected with a reference against it, in the order of the treatments."""
        base = self.reference if reference is None else reference
        part = None if base is None else self.part_of(base)
        if part is None or base is None:
            return []
        j = part.treatments.index(base)
        return [self._contrast(part, i, j) for i in range(len(part.treatments)) if i != j]

    @property
    def arms(self) -> pd.DataFrame:
        """The arms that were used; a copy."""
        import pandas as pd

        cells = self._cells
        names = ("effect", "variance") if self.measure == "GEN" else ("events", "total")
        numbers = {name: getattr(cells, name) for name in names}
        if self.measure != "GEN":
            numbers = {name: values.astype(int) for name, values in numbers.items()}
        return pd.DataFrame(
            {
                "study": [cells.studies[i] for i in cells.study],
                "treatment": [cells.treatments[i] for i in cells.treatment],
                **numbers,
                "randomised": [cells.allocation[i] for i in cells.study],
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """The contrasts."""
        return self.contrasts

    # Ranks.

    @property
    def ranking(self) -> pd.DataFrame:
        """Treatments of each component from best to worst; NaN where a treatment has no finite contrast."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for place, part in enumerate(self.parts):
            scores, surface = part.p_scores(self.better == "higher"), np.full(len(part.treatments), np.nan)
            if part.ranked.size > 1:
                surface[part.ranked] = sucra(self._probabilities(part))
            order = sorted(range(len(part.treatments)), key=lambda i: (np.isnan(scores[i]), -np.nan_to_num(scores[i]), i))
            rows += [
                {"treatment": part.treatments[i], "p_score": float(scores[i]), "sucra": float(surface[i]), "component": place + 1}
                for i in order
            ]
        return pd.DataFrame(rows, columns=["treatment", "p_score", "sucra", "component"])

    def _probabilities(self, part: Part) -> Any:
        return part.rank_probabilities(self.better == "higher")

    def rankogram(self) -> pd.DataFrame:
        """Probability of every rank of every treatment: treatment, rank (1 is the best), probability, cumulative, component.

        Of 100,000 draws from the normal distribution of the estimates with a fixed seed; ``attrs`` has the number of draws, the seed
        and the largest Monte Carlo standard error of a probability.
        """
        import pandas as pd

        rows: list[dict[str, Any]] = []
        error = 0.0
        for place, part in enumerate(self.parts):
            if part.ranked.size < 2:
                continue
            found = self._probabilities(part)
            error = max(error, monte_carlo_error(found))
            rows += [
                {
                    "treatment": part.treatments[node],
                    "rank": rank + 1,
                    "probability": float(found[i, rank]),
                    "cumulative": float(found[i, : rank + 1].sum()),
                    "component": place + 1,
                }
                for i, node in enumerate(part.ranked)
                for rank in range(part.ranked.size)
            ]
        frame = pd.DataFrame(rows, columns=["treatment", "rank", "probability", "cumulative", "component"])
        frame.attrs |= {"draws": DRAWS, "seed": SEED, "standard_error": error}
        return frame

    # Consistency and single studies.

    def league_table(self) -> pd.DataFrame:
        """All contrasts as texts, row against column: below the diagonal from the network, above it from direct comparisons.

        Treatments are in the order of the ranking, component by component; a dash where there is no estimate.
        """
        return checks.league(self)

    def split(self) -> pd.DataFrame:
        """Direct and indirect evidence on every pair, on the model scale.

        first, second, studies, network, direct, direct_se, indirect, indirect_se, difference, difference_se, pvalue,
        proportion_direct. NaN where only one of both exists.
        """
        return checks.split_frame(self)

    def designs(self) -> pd.DataFrame:
        """Q by design and between designs: design, studies, q, df, pvalue, kind (design, within, between, total), component."""
        return checks.designs_frame(self)

    def comparisons(self) -> pd.DataFrame:
        """Every comparison of two arms in a study, and its distance from the mean of its pair: the comparison-adjusted funnel plot.

        study, first, second, yi, sei, centre, adjusted.
        """
        return checks.comparisons(self)

    def leave_one_out(self) -> pd.DataFrame:
        """The network without each study in turn: study, first, second (the reference), estimate, ci_lower, ci_upper, mu, se, tau2."""
        return checks.leave_one_out(self)

    def influence(self) -> pd.DataFrame:
        """The largest change of a contrast without each study, in standard errors, and tau2, Q and components without it."""
        return checks.influence(self)

    @checked()
    def regression(self, covariate: str) -> NetworkRegression:
        """Let every contrast with the reference change with a number that studies have; see `metanet.models.network.moderators`."""
        made: NetworkRegression = later.call("network_regression", self, covariate)
        return made

    @checked()
    def subgroups(self, by: str) -> NetworkSubgroups:
        """A network of each group of studies, and a test of a difference; see `metanet.models.network.moderators`."""
        made: NetworkSubgroups = later.call("network_subgroups", self, by)
        return made

    # Texts.

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Network meta-analysis"

    def _size(self) -> str:
        patients = "" if self.patients is None else f", {self.patients:,} patients"
        return f"{plural(self.k, 'study', 'studies')} of {plural(len(self.treatments), 'treatment')}{patients}"

    def sentence(self) -> str:
        """How large the network is, whether it is connected, and what the treatments do against the reference."""
        if self.reason:
            return self.reason
        text = f"{self._size()}. "
        if not self.connected:
            text += f"The network has {len(self.components)} components that no study connects: {self._components_text()}. "
        found = [each for each in self.against() if each.estimate is not None]
        clear = [each for each in found if each.pvalue is not None and each.pvalue < 1 - self.level]
        shown = sorted(clear, key=lambda each: each.mu or 0.0, reverse=self.better == "higher")[:_MOST_NAMED]
        if not found:
            return f"{text}No treatment has a finite estimate against {visible(self.reference)}."
        base = f"{self.scale.title} against {visible(self.reference)}"
        if not shown:
            return f"{text}No treatment differs significantly from {visible(self.reference)} ({plural(len(found), 'contrast')})."
        parts = [f"{visible(each.first)} {each.text(self.scale, self.level)}" for each in shown]
        others = len(found) - len(shown)
        rest = ""
        if others and len(clear) == len(shown):
            rest = f" The other {others} differ{'s' if others == 1 else ''} not significantly from {visible(self.reference)}."
            rest = rest.replace("differs not", "does not differ").replace("differ not", "do not differ")
        return f"{text}{base}: {'; '.join(parts)}.{rest}"

    def _components_text(self) -> str:
        shown = [f"({listing(names, _MOST_NAMED)})" for names in self.components[:8]]
        more = [f"{len(self.components) - 8} more"] if len(self.components) > 8 else []
        return ", ".join([*shown, *more])

    def rows(self) -> list[tuple[str, str]]:
        """Size, heterogeneity and consistency of every component."""
        if self.reason:
            return []
        out = [("Network", self._size()), ("Reference", visible(self.reference))]
        for place, part in enumerate(self.parts):
            mark = "" if len(self.parts) == 1 else f", component {place + 1}"
            if part.tau2 is not None:
                out.append((f"τ²{mark}", f"{number(part.tau2, 4)} (τ {number(float(np.sqrt(part.tau2)), 3)})"))
            if part.i2 is not None:
                out.append((f"I²{mark}", f"{100 * part.i2:.0f} %"))
            if part.lrt:
                out.append((f"Test of τ² = 0{mark}", part.lrt.text()))
            out.append((f"Homogeneity{mark}", part.q.text()))
            out.append((f"Within designs{mark}", part.within.text()))
            out.append((f"Between designs (consistency){mark}", part.between.text()))
            if part.between_random is not None:
                out.append((f"The same, heterogeneity allowed for{mark}", part.between_random.text()))
        return out

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """The treatments of every component against its reference: studies, estimate, interval, prediction interval, p, P-score."""
        head = [
            "Treatment",
            "Against",
            "Studies",
            self.scale.name,
            f"{level_text(self.level)} CI",
            "Prediction interval",
            "p",
            "P-score",
        ]
        scores = {row["treatment"]: row["p_score"] for row in self.ranking.to_dict("records")}
        found = [each for part in self.parts for each in self.against(self._reference_of(part))]
        digits = self.scale.column((each.estimate, each.ci_lower, each.ci_upper) for each in found if each.estimate is not None)
        rows: list[tuple[str, ...]] = [
            (
                visible(each.first),
                visible(each.second),
                str(each.studies),
                self.scale.text(each.estimate, digits),
                self.scale.limits(each.ci_lower, each.ci_upper, digits, unit=False),
                self.scale.limits(each.pi_lower, each.pi_upper, digits, unit=False),
                p_value(each.pvalue).removeprefix("p ").removeprefix("= "),
                ABSENT if np.isnan(scores[each.first]) else f"{scores[each.first]:.2f}",
            )
            for each in found[:_MOST_ROWS]
        ]
        return head, rows

    def direct_pairs(self) -> dict[tuple[str, str], list[str]]:
        """Pairs that studies compare, and the names of these studies."""
        cells = self._cells
        return {
            (cells.treatments[i], cells.treatments[j]): [cells.studies[place] for place in places]
            for (i, j), places in pairs_of(cells).items()
        }

    # Figures.

    def graph(self, **options: Any) -> Axes:
        """Draw the network; see `metanet.figures.plots.network_graph.network_graph`."""
        axes: Axes = draw("network_graph", self, **options)
        return axes

    def forest(self, **options: Any) -> Axes:
        """Draw all treatments against a reference; see `metanet.figures.plots.network_forest.network_forest`."""
        axes: Axes = draw("network_forest", self, **options)
        return axes

    def rank_plot(self, **options: Any) -> Axes:
        """Draw the probability of every rank; see `metanet.figures.plots.rankogram.rankogram`."""
        axes: Axes = draw("rankogram", self, **options)
        return axes

    def league(self, **options: Any) -> Axes:
        """Draw the league table; see `metanet.figures.plots.league.league`."""
        axes: Axes = draw("league", self, **options)
        return axes

    def funnel(self, **options: Any) -> Axes:
        """Draw the comparison-adjusted funnel plot; see `metanet.figures.plots.network_funnel.network_funnel`."""
        axes: Axes = draw("network_funnel", self, **options)
        return axes
