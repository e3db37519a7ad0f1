"""Every kind of figure drawn from the same hard data, so that no kind is left out of a check.

`test_every_figure.py` holds the kinds against the registry: a figure that is registered and not drawn here fails a test.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import metanet as mn
from metanet.base.results import Method
from metanet.evidence.bias.sources import bias_of
from metanet.evidence.bias.tools import tool_named
from metanet.figures.plots.benefit_risk import benefit_risk_plane
from metanet.figures.plots.heterogeneity import heterogeneity_plot
from metanet.figures.plots.overview import OverviewRow, overview
from metanet.figures.registry import Figure as Registered, figures
from metanet.models.comparison.response_categories import ResponseArm, ResponseCategories
from tests.figures.cases import EVENTS, LONG, NAMES, TOTAL


def _frame(events: Any, total: Any, study: Any = None) -> pd.DataFrame:
    study = [f"Author {i} {2000 + i % 25}" for i in range(len(total))] if study is None else study
    return pd.DataFrame({"study": study, "events": events, "total": total})


def _random(k: int) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    total = rng.integers(8, 150, k)
    return _frame(rng.binomial(total, 1 / (1 + np.exp(-rng.normal(-0.3, 0.7, k)))), total)


_SCRIPTS = ["王伟 2019", "Иванов 2018", "Παπάς 2011", "김민수 2022", "محمد 2020", "Ærøskøbing-Łódź 2021"]
_HARD = [
    (LONG * 3)[:195],
    "王伟和同事的多中心前瞻性研究 2019",
    "محمد وآخرون 2020",
    "$x^2$ & \\alpha_b \\frac{1}",
    "x" * 195,
    "<b>a</b> 'b' & \"c\"",
]
#: The hard cases that a figure of a review must stand.
CASES: dict[str, Callable[[], pd.DataFrame]] = {
    "ordinary": lambda: _frame(EVENTS, TOTAL, NAMES),
    "one study": lambda: _frame([3], [20]),
    "two studies": lambda: _frame([3, 5], [20, 30]),
    "five studies": lambda: _random(5),
    "thirty studies": lambda: _random(30),
    "sixty studies": lambda: _random(60),
    "120 studies": lambda: _random(120),
    "labels of 80 characters": lambda: _frame(range(2, 8), range(20, 50, 5), [f"{letter} {LONG}"[:80] for letter in "ABCDEF"]),
    "non-Latin names": lambda: _frame(range(2, 8), range(20, 50, 5), _SCRIPTS),
    "hard names": lambda: _frame(range(2, 8), range(20, 50, 5), _HARD),
    "all events": lambda: _frame([10, 20, 30, 15, 40], [10, 20, 30, 15, 40]),
    "all zero": lambda: _frame([0] * 5, [10, 20, 30, 15, 40]),
    "rates 0 and 1": lambda: _frame([0, 10, 0, 9, 5, 14], [10, 10, 9, 9, 12, 14]),
    "one study of 9,000": lambda: _frame([4100, 3, 7, 2, 10], [9000, 12, 15, 9, 19]),
    "a long outcome": lambda: _about(_frame(EVENTS, TOTAL, NAMES)),
}


def _about(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame that says what it is about, in the longest words that the evidence has."""
    frame = frame.assign(modality_class="Embolisation", unit=["patients", "procedures"] * (len(frame) // 2))
    frame.attrs = {
        "label": "Treatment-related mortality",
        "direction": "lower_is_better",
        "definition_title": "Within 30 days or around the procedure",
    }
    return frame


@cache
def data_of(case: str) -> pd.DataFrame:
    """The studies of a case, in three groups and with a moderator."""
    data = CASES[case]()
    k = len(data)
    made = data.assign(dose=np.linspace(1, 50, k), group=[f"Group {'ABC'[i % 3]}" for i in range(k)])
    made.attrs = data.attrs
    return made


def _read(case: str) -> pd.DataFrame:
    """The columns that a review reads."""
    data = data_of(case)
    return data[[name for name in ("study", "events", "total", "modality_class", "unit") if name in data]]


@cache
def fit_of(case: str) -> mn.Pooled:
    """The pooled rate of a case."""
    return mn.pool(_read(case))


@cache
def ratio_of(case: str) -> mn.Pooled:
    """The pooled odds ratio of a case: its studies as the treated, the same in another order as the controls."""
    data = _read(case)
    turned = data[["events", "total"]].iloc[::-1].reset_index(drop=True)
    both = data.assign(events_control=turned["events"], total_control=turned["total"])
    return mn.pool(both, measure="OR", model="inverse_variance")


@cache
def comparison_of(case: str) -> mn.Comparison:
    """The groups of a case."""
    return mn.compare(data_of(case).drop(columns="dose"), "group", bootstrap=0)


#: Figures of a network, by their names in the registry.
NETWORKS = ("network_graph", "network_forest", "network_funnel", "rankogram", "league")


@cache
def network_of(case: str) -> mn.Network:
    """A network of the studies of a case: up to eleven treatments with their names and a control, every third study without it."""
    data = data_of(case)
    k, many = len(data), min(len(data), 11)
    names = [str(name) for name in data["study"]][:many]
    rows = []
    for i, (events, total) in enumerate(zip(data["events"], data["total"], strict=True)):
        other, away = data.iloc[k - 1 - i], names[(i + 1 + i // many) % many]
        second = away if i % 3 == 2 and away != names[i % many] else "Control"
        allocation = ("RCT", "cohort", None)[i % 4 % 3]
        # The first pairs have two studies each.
        for study in (f"Study {i}", f"Study {i} again")[: 2 if i < 3 < k else 1]:
            rows.append((study, names[i % many], events, total, allocation))
            rows.append((study, second, other["events"], other["total"], allocation))
    frame = pd.DataFrame(rows, columns=["study", "treatment", "events", "total", "design"])
    frame.attrs = {name: data.attrs[name] for name in ("label", "direction") if name in data.attrs}
    return mn.network(frame, study="study", treatment="treatment", reference="Control", allocation="design")


@cache
def ladder_of(case: str) -> mn.Ladder:
    """The first study's name against a control: in turn separate studies, studies of both, and studies of a third treatment."""
    data = data_of(case)
    first, k = str(data["study"].iloc[0]), len(data)
    pairs = [(first, "Control"), (first,), ("Control",), (first, "Third"), ("Third", "Control"), (first,), ("Control",)]
    rows = []
    for i in range(k):
        for arm, treatment in enumerate(pairs[i % len(pairs)]):
            other = data.iloc[(i + arm) % k]
            design = ("rct", "", "retrospective_cohort")[i % 3]
            rows.append((f"Study {i}", treatment, int(other["events"]), int(other["total"]), design, float(20 + 7 * (i % 5))))
    frame = pd.DataFrame(rows, columns=["study", "modality", "events", "total", "design", "median_age"])
    frame.attrs = {name: data.attrs[name] for name in ("label", "direction") if name in data.attrs}
    evidence = mn.read(frame, events="events", total="total", study="study", by="modality")
    return mn.contrast_ladder(evidence, evidence.outcome_names[0], *evidence.modality_classes[:2][::-1])


@cache
def result_of(kind: str, case: str) -> Any:
    """The result that a kind of figure draws."""
    fit = fit_of(case)
    makers: dict[str, Callable[[], Any]] = {
        "Baujat": lambda: mn.influence(fit),
        "influence": lambda: mn.influence(fit),
        "leave-one-out": lambda: mn.leave_one_out(fit),
        "cumulative": lambda: mn.cumulative(fit, "total"),
        "GOSH": lambda: mn.gosh(fit, subsets=200),
        # The posterior of many studies takes seconds; the picture is the same.
        "bubble": lambda: mn.meta_regression(
            data_of(case).drop(columns="group"), "~ dose", **({"model": "inverse_variance"} if fit.k >= 30 else {})
        ),
        "specification curve": lambda: mn.multiverse(
            _read(case), analyses=[{"model": "glmm"}, *({"measure": m, "model": "inverse_variance"} for m in ("PFT", "PLO"))]
        ),
        "calibration": lambda: mn.calibrate(fit, 40),
        "plane": lambda: _plane(fit),
        "waterfall": lambda: _categories(case),
        "against": lambda: mn.against(fit, events=14, total=40),
        "pooled categories": lambda: mn.pool_categories(_categories(case)),
        "overview": lambda: _overview(case),
        "traffic light": lambda: _judged(case),
        "bias bars": lambda: _judged(case),
        "forest of groups": lambda: comparison_of(case),
        "groups": lambda: comparison_of(case),
        "forest of ratios": lambda: ratio_of(case),
        "funnel of effects": lambda: ratio_of(case),
        "L'Abbé": lambda: ratio_of(case),
        "prisma flow": lambda: _flow(case),
        "ladder": lambda: ladder_of(case),
        **dict.fromkeys(NETWORKS, lambda: network_of(case)),
    }
    return makers[kind]() if kind in makers else fit


def _plane(fit: mn.Pooled) -> pd.DataFrame:
    """The studies as groups, with the risk of the one after."""
    studies = fit.studies.head(24)
    ends = {name: studies[column] for name, column in (("", "rate"), ("_lower", "ci_lower"), ("_upper", "ci_upper"))}
    benefit = {f"benefit{name}": values.to_numpy() for name, values in ends.items()}
    return pd.DataFrame({"group": studies["study"], **benefit, **{f"risk{n}": np.roll(v, 1) for n, v in ends.items()}})


def _overview(case: str) -> list[OverviewRow]:
    """The studies and their pooled rate as rows, every second study as one that stands alone."""
    fit = fit_of(case)
    rows = [
        OverviewRow(f"Group {'AB'[i % 2]}", s.study, None, s.rate, s.ci_lower, s.ci_upper, pooled=i % 2 == 0)
        for i, s in enumerate(fit.studies.itertuples())
    ]
    pooled = (fit.k, fit.estimate, fit.ci_lower, fit.ci_upper, fit.pi_lower, fit.pi_upper)
    return [*rows, OverviewRow("All", "pooled", *pooled, old=True)]


def _judged(case: str) -> mn.RiskOfBias:
    """Judgements of the studies by a tool with five levels, with gaps and assessors who differ."""
    tool, rng = tool_named("robins_i"), np.random.default_rng(3)
    rows = []
    for study in data_of(case)["study"]:
        for domain in tool.domains:
            level = tool.levels[int(rng.choice(5, p=[0.5, 0.25, 0.15, 0.05, 0.05]))].key
            row = {"study_id": study, "tool": "robins_i", "domain": domain.key, "judgement": level, "assessor": "A"}
            rows += [row] if rng.random() < 0.95 else []
            rows += [row | {"judgement": "moderate", "assessor": "B"}] if rng.random() < 0.04 else []
    return bias_of(pd.DataFrame(rows), "rows")


def _categories(case: str) -> ResponseCategories:
    arms = []
    for row in data_of(case).itertuples():
        complete, stable = row.events // 4, (row.total - row.events) // 2
        counts = (complete, row.events - complete, stable, row.total - row.events - stable)
        parts = tuple(zip(("CR", "PR", "SD", "PD"), map(int, counts), strict=True))
        name = str(row.study)
        arms.append(ResponseArm(name, name, "all", "TAE", "TAE", 2001, "patients", int(row.total), parts))
    return ResponseCategories(tuple(arms), (), None, Method({"notes": []}))


def _flow(case: str) -> mn.PrismaFlow:
    """A flow whose reasons of exclusion are the studies; an updated review with other methods where there are few."""
    reasons = {str(row.study): int(row.events) for row in data_of(case).itertuples()}
    out, small = sum(reasons.values()), len(reasons) < 20
    numbers: dict[str, Any] = {
        "database_results": out + 1330,
        "register_results": 20,
        "database_specific_results": {"MEDLINE": out, "Web of Science Core Collection": 1330},
        "duplicates": 150,
        "records_screened": out + 1200,
        "records_excluded": 1100,
        "dbr_sought_reports": out + 100,
        "dbr_notretrieved_reports": 60,
        "dbr_assessed": out + 40,
        "dbr_excluded": reasons,
        "new_studies": 44 if small else 40,
        "new_reports": 44 if small else 40,
    }
    if small:
        numbers |= {"citations_results": 9, "other_sought_reports": 5, "other_notretrieved_reports": 0, "other_assessed": 5}
        numbers |= {"other_excluded": {"No rate": 1}, "previous_studies": 5, "previous_reports": 6, "total_studies": 49}
        numbers |= {"total_reports": 50, "total_studies_ma": 30, "total_reports_ma": 31}
    return mn.prisma_flow(numbers)


#: How each result becomes axes.
KINDS: dict[str, Callable[..., Axes]] = {
    "forest": lambda r: r.forest(),
    "forest of groups": lambda r, case="ordinary": mn.forest(r, overall=fit_of(case)),
    "forest of ratios": lambda r: r.forest(favours=("treatment", "control")),
    "groups": lambda r: r.forest(),
    "funnel": lambda r: r.funnel(),
    "funnel of effects": lambda r: r.funnel(),
    "Baujat": lambda r: r.baujat(),
    "influence": lambda r: r.plot()[0],
    "leave-one-out": lambda r: r.plot(),
    "cumulative": lambda r: r.plot(),
    "GOSH": lambda r: r.plot(),
    "drapery": lambda r: r.drapery(),
    "radial": lambda r: r.radial(),
    "L'Abbé": lambda r: r.labbe(),
    "bubble": lambda r: r.bubble(),
    "specification curve": lambda r: r.plot(),
    "calibration": lambda r: r.plot(),
    "plane": lambda r: benefit_risk_plane(r, benefit="objective response", risk="hepatotoxicity"),
    "waterfall": lambda r: r.plot(),
    "against": lambda r: r.figure(),
    "pooled categories": lambda r: r.figure(),
    "heterogeneity": lambda r: heterogeneity_plot(r),
    "overview": lambda r: overview(r),
    "traffic light": lambda r: r.traffic_light(),
    "bias bars": lambda r: r.bars(),
    "prisma flow": lambda r: r.figure(),
    "ladder": lambda r: r.figure(),
    "network_graph": lambda r: r.graph(),
    "network_forest": lambda r: r.forest(),
    "network_funnel": lambda r: r.funnel(),
    "rankogram": lambda r: r.rank_plot(),
    "league": lambda r: r.league(),
}


#: Which kinds draw a figure of the registry. One that is not named here is drawn by the example of its docstring.
KIND_OF = {
    "against": "against",
    "baujat": "Baujat",
    "bias_bars": "bias bars",
    "benefit_risk": "plane",
    "bubble": "bubble",
    "calibration": "calibration",
    "comparison": "groups",
    "cumulative": "cumulative",
    "drapery": "drapery",
    "forest": "forest",
    "funnel": "funnel",
    "gosh": "GOSH",
    "heterogeneity": "heterogeneity",
    "influence": "influence",
    "labbe": "L'Abbé",
    "ladder": "ladder",
    "leave_one_out": "leave-one-out",
    **dict(zip(NETWORKS, NETWORKS, strict=True)),
    "overview": "overview",
    "pooled_categories": "pooled categories",
    "prisma_flow": "prisma flow",
    "radial": "radial",
    "specification_curve": "specification curve",
    "traffic_light": "traffic light",
    "waterfall": "waterfall",
}


def of_example(entry: Registered) -> Callable[..., Axes]:
    """A kind drawn by the example of its docstring, on the studies of a case."""

    def drawn(fit: mn.Pooled, case: str = "ordinary") -> Axes:
        data = data_of(case)
        rates = data.assign(year=[1990 + i % 33 for i in range(len(data))], modality=data["group"])
        names: dict[str, Any] = {"mn": mn, "fit": fit, "rates": rates}
        exec(compile(entry.example, entry.name, "exec"), names)
        axes = names["ax"]
        assert isinstance(axes, Axes)
        return axes

    return drawn


BY_EXAMPLE = {name: of_example(entry) for name, entry in figures().items() if name not in KIND_OF}
KINDS |= BY_EXAMPLE


def draw(kind: str, case: str = "ordinary") -> Axes:
    """A figure of a kind, drawn anew."""
    result = result_of(kind, case)
    return KINDS[kind](result, case) if kind in ("forest of groups", *BY_EXAMPLE) else KINDS[kind](result)


def figure(ax: Axes) -> Figure:
    """The whole figure of some axes."""
    found = ax.get_figure(root=True)
    assert isinstance(found, Figure)
    return found
