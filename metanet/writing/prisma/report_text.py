"""The methods and results paragraphs of a report, by the items of PRISMA 2020."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.cards import card
from metanet.base.display import in_sentence, interval, level_text, number, p_value, per_cent, plural
from metanet.base.errors import ArgumentError, as_given
from metanet.base.untrusted import linked, listing, visible
from metanet.diagnostics.method.multiverse import Multiverse
from metanet.diagnostics.studies.count_bounds import CountBounds
from metanet.evidence.search.flow import PrismaFlow
from metanet.evidence.selection import certainties
from metanet.evidence.sources import Rates
from metanet.models.comparison.result import Comparison
from metanet.models.results.pooled import Pooled
from metanet.models.results.rows import pooled_rows
from metanet.models.results.units import counted_units
from metanet.writing.prisma import paragraphs
from metanet.writing.prisma.paragraphs import CAUSES, ROBUST, kind_of

if TYPE_CHECKING:
    import pandas as pd


#: What each item asks for.
TOPICS = {
    "6": "Information sources",
    "11": "Risk of bias: methods",
    "13a": "Eligibility for the synthesis",
    "13b": "Preparation of the data",
    "13c": "Display of results",
    "13d": "Synthesis",
    "13e": "Causes of heterogeneity: methods",
    "13f": "Sensitivity analyses: methods",
    "14": "Reporting bias: methods",
    "16a": "Study selection",
    "20a": "Characteristics and risk of bias of the studies",
    "20b": "Result of the synthesis",
    "20c": "Causes of heterogeneity: results",
    "20d": "Sensitivity analyses: results",
    "21": "Reporting bias: results",
}
_METHODS = ("6", "11", "13a", "13b", "13c", "13d", "13e", "13f", "14")
#: The analysis that `report_text` needs for an item.
_NEEDS = {
    "13a": "the rates as Evidence.rates selected them",
    "13e": "a comparison of groups, a meta-regression or a within-study comparison",
    "13f": "a second model, a leave-one-out analysis or another sensitivity analysis",
    "14": "a test of small-study effects",
    "20a": "the selected rates",
}


@dataclass(frozen=True, eq=False, repr=False)
class ReportText:
    """Paragraphs for the methods and the results section.

    Attributes
    ----------
    items
        PRISMA item -> text; items without an analysis are absent.
    missing
        Items without a text, each with the analysis that it needs.
    sources
        References with their DOI.
    """

    items: Mapping[str, str]
    missing: tuple[str, ...]
    sources: tuple[str, ...]
    method: Mapping[str, Any] = field(repr=False)
    _main: str = field(repr=False)

    @property
    def methods(self) -> str:
        """The methods paragraph: items 6, 11, 13a to 13f and 14."""
        return " ".join(text for item, text in self.items.items() if item in _METHODS)

    @property
    def results(self) -> str:
        """The results paragraph: items 16a, 20a to 20d and 21."""
        return " ".join(text for item, text in self.items.items() if item not in _METHODS)

    @property
    def notes(self) -> tuple[str, ...]:
        """The items without a text."""
        return (f"Items without an analysis in this report: {'; '.join(self.missing)}.",) if self.missing else ()

    def to_frame(self) -> pd.DataFrame:
        """One row for each item: item, topic, text."""
        import pandas as pd

        rows = [(item, TOPICS[item], text) for item, text in self.items.items()]
        return pd.DataFrame(rows, columns=["item", "topic", "text"])

    def to_dict(self) -> dict[str, Any]:
        """Items, paragraphs and sources as plain values."""
        return {
            "items": dict(self.items),
            "methods": self.methods,
            "results": self.results,
            "missing": list(self.missing),
            "sources": list(self.sources),
        }

    def sentence(self) -> str:
        """The result in one sentence."""
        return self._main

    def summary(self) -> str:
        """Both paragraphs, the items without a text, and the references."""
        parts = ["Methods", self.methods, "", "Results", self.results, ""]
        parts += [*self.notes, ""] if self.notes else []
        return "\n".join([*parts, "Sources", *self.sources])

    def __repr__(self) -> str:
        return f"<ReportText of {plural(len(self.items), 'PRISMA item')}: {listing(self.items, 14)}>"

    def _repr_html_(self) -> str:
        sources = [("", source) for source in self.sources]
        return card("Methods", self.methods, notes=self.notes) + card("Results", self.results) + linked(card("Sources", pairs=sources))


@checked()
def report_text(fit: Pooled, *analyses: object, rates: Rates | None = None) -> ReportText:
    """Write the methods and the results paragraph of a report, by the items of PRISMA 2020.

    Parameters
    ----------
    fit
        The main result.
    *analyses
        Further analyses of the same studies, in the order of the text: another model, `leave_one_out`, `count_bounds` (of which
        nothing is written where no count is open), `cumulative`, `influence`, `outliers`, `gosh`, `permutation_test`, `multiverse`,
        `calibrate`, `compare`, `within_studies`, `bias_ladder`, `meta_regression`, `cluster_robust`, `three_level`, `bayes_pool`,
        `share_beyond`, `small_study_effects` and corrected estimates; and `prisma_flow`, of which nothing is written where the review
        has no flow.
    rates
        The rows that were pooled: the source of eligibility, exclusions, derived counts and study characteristics. None takes those
        of `fit`. Rows that `Evidence.rates` did not select, or that were read from a file, have no record of a selection, and item 13a
        is missing; rows that were removed by hand are counted as such.

    Returns
    -------
    ReportText
        The items 11, 13a to 13f and 14, 20a to 20d and 21, and of a flow 6 and 16a, for which there is a text; ``missing`` names the
        others.

    Raises
    ------
    ArgumentError
        An argument that is not a result of an analysis, or a result of other studies.

    References
    ----------
    Page et al. (2021), PRISMA 2020, doi:10.1136/bmj.n71; its explanation and elaboration, doi:10.1136/bmj.n160.
    """
    if not isinstance(fit, Pooled):
        raise ArgumentError(f"fit must be a result of pool, not {type(fit).__name__}.")
    rows = pooled_rows(fit, rates)
    found = {
        "11": [paragraphs.bias_methods(rows)],
        "13a": [paragraphs.selection(fit, rows)],
        "13b": [paragraphs.preparation(fit, rows)],
        "13c": [paragraphs.display_of(fit)],
        "13d": [paragraphs.synthesis(fit)],
        "20a": [_studies(fit, rows), paragraphs.bias_results(rows)],
        "20b": [fit.sentence(), _heterogeneity(fit), *_reasons(fit)],
    }
    sources = list(fit.method["sources"])
    for place, analysis in enumerate(analyses, 1):
        kind = kind_of(analysis)
        if kind is None:
            raise ArgumentError(
                f"analysis {place} is {as_given(type(analysis).__name__)}, which is not a result of an analysis. Fix: give results of "
                "leave_one_out, compare, multiverse ... after the main result."
            )
        _check_same(fit, analysis, place)
        if (isinstance(analysis, CountBounds) and not analysis.studies) or (isinstance(analysis, PrismaFlow) and analysis.reason):
            continue
        methods, results = kind.items
        found.setdefault(methods, []).append(kind.done(analysis))
        found.setdefault(results, []).append(_result(analysis))
        method = getattr(analysis, "method", None)
        sources += [s for s in (method or {}).get("sources", ()) if s not in sources]
    items = {item: text for item in TOPICS if (text := " ".join(part for part in found.get(item, ()) if part))}
    pairs = {CAUSES[1]: CAUSES[0], ROBUST[1]: ROBUST[0], "21": "14"}
    missing = tuple(f"{item} (needs {_NEEDS[item]})" for item in TOPICS if item not in items and item not in pairs and item in _NEEDS)
    return ReportText(items, missing, tuple(dict.fromkeys(sources)), fit.method, fit.sentence())


def _check_same(fit: Pooled, analysis: Any, place: int) -> None:
    """Refuse an analysis whose result shows that it used other studies."""
    ours = (fit.k, fit.events)
    if isinstance(analysis, Multiverse):
        # At least one of its analyses must use these studies.
        others = {int(k) for k in analysis.to_frame()["k"]} if not analysis.reason else {fit.k}
        if fit.k not in others:
            raise ArgumentError(
                f"analysis {place} (Multiverse) has no analysis of {fit.k} rows. Fix: give an analysis of the main result."
            )
        return
    theirs = _extent(analysis)
    if theirs is not None and (theirs[0] != ours[0] or (None not in (theirs[1], ours[1]) and theirs[1] != ours[1])):
        raise ArgumentError(
            f"analysis {place} ({type(analysis).__name__}) uses {theirs[0]} rows with {theirs[1]} events, the main result "
            f"{ours[0]} with {ours[1]}. Fix: give an analysis of the main result."
        )


def _extent(analysis: Any) -> tuple[int, int | None] | None:
    """Rows and events of an analysis; None where its result does not contain them."""
    if isinstance(analysis, Comparison):
        fits = list(analysis.groups.values())
        events = [fit.events for fit in fits]
        return sum(fit.k for fit in fits), None if None in events else sum(e for e in events if e is not None)
    of = getattr(analysis, "fit", analysis)
    return (int(of.k), getattr(of, "events", None)) if hasattr(of, "k") else None


def _result(analysis: Any) -> str:
    test = getattr(analysis, "sentence", None)
    text = str(test() if test is not None else analysis.summary())
    if isinstance(analysis, Pooled):
        return f"By the {in_sentence(analysis.title)}: {text[0].lower()}{text[1:]}"
    return text


def _studies(fit: Pooled, rates: pd.DataFrame) -> str:
    """20a: ranges of the characteristics of the studies."""
    patients = "" if fit.n is None else f" with {counted_units(fit.n, fit.units)}"
    text = plural(fit.study_count, "study", "studies")
    if fit.study_count != fit.k:
        text = f"{plural(fit.k, 'arm')} of {text}"
    text += f"{patients} contributed"
    years = _years(rates)
    if years:
        first, last = min(years), max(years)
        text += f" (published {first})" if first == last else f" (published {first} to {last})"
    parts = [f"{text}."]
    # Of the rows that were pooled: a frame may have the control group under another name.
    own = fit.rates()
    sizes = [own[name] for name in ("total", "total_control") if name in own.columns]
    if fit.n is not None and sizes:
        least, most = (int(end) for end in (min(column.min() for column in sizes), max(column.max() for column in sizes)))
        size = counted_units(most, fit.units)
        parts.append(f"Arms had {least} to {size}." if least != most else f"Each arm had {size}.")
    for column, what in (("design", "Designs"), ("certainty", "Certainty of the counts")):
        if column in rates.columns:
            known = (certainties(rates) if column == "certainty" else rates[column]).dropna().astype(str).str.strip()
            counts = known[known != ""].value_counts(sort=True)
            if len(counts):
                named = [f"{visible(name).replace('_', ' ')} ({many})" for name, many in counts.items()]
                silent = len(rates) - int(counts.sum())
                shown = listing([*named, f"not stated ({silent})"] if silent else named)
                parts.append(f"{what}: {shown}.")
    return " ".join(parts)


def _years(rates: pd.DataFrame) -> list[int]:
    """The years of publication, of a column that has years."""
    if "year" not in rates.columns or rates["year"].ndim != 1:
        return []
    found = [int(value) for value in rates["year"].tolist() if isinstance(value, (int, float)) and value == value]
    return found if all(1800 <= year <= 2200 for year in found) else []


def _heterogeneity(fit: Pooled) -> str:
    """20b: the measures of heterogeneity in numbers."""
    if fit.status != "pooled":
        return ""
    parts = []
    if fit.tau is not None:
        bounds = ""
        if fit.tau2_lower is not None and fit.tau2_upper is not None:
            ends = f"{number(fit.tau2_lower**0.5)} to {number(fit.tau2_upper**0.5)}"
            bounds = f" ({level_text(fit.level)} {fit.interval_name} {ends})"
        parts.append(f"tau {number(fit.tau)}{bounds}")
    if fit.i2 is not None:
        bounds = "" if fit.i2_lower is None else f" ({interval(fit.i2_lower, fit.i2_upper)} %)"
        parts.append(f"I² {per_cent(fit.i2)} %{bounds}")
    if fit.lrt is not None:
        equal = "rates" if fit.response.startswith("rate") else "effects"
        test = f"{number(fit.lrt)} on {fit.q_df} df, {p_value(fit.lrt_pvalue)}"
        parts.append(f"likelihood-ratio test of equal {equal} {test}")
    elif fit.q is not None:
        parts.append(f"Q {number(fit.q)} on {fit.q_df} df, {p_value(fit.q_pvalue)}")
    elif fit.edge:
        what = "no study observed an event" if fit.edge == "no events" else "all patients of all studies had the event"
        parts.append(f"no test of equal rates exists, because {what}")
    return f"Heterogeneity: {'; '.join(parts)}." if parts else ""


def _reasons(fit: Pooled) -> tuple[str, ...]:
    """Notes on a result that is not an ordinary pooled rate, or that rests partly on a prior."""
    return fit.notes if fit.status in ("no events", "only events", "not estimable") or fit.model == "bayes" else ()
