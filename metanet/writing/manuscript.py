"""The review as one document: methods, results and references, every number from the results that the reports print.

The notebook `analyses/manuscript.ipynb` puts the parts together with figures and tables. What only people know stands in square
brackets, so that nothing that was not done is claimed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, level as checked_level
from metanet.base.display import RATE, in_sentence, level_text, title_of
from metanet.base.errors import ArgumentError, as_given
from metanet.base.groups import natural
from metanet.base.results import Method, Result, records
from metanet.base.untrusted import NO_MATH, counted, html_text, linked, listing, visible
from metanet.evidence.bias.result import RiskOfBias
from metanet.evidence.evidence import Evidence
from metanet.evidence.rates import ALL_STUDIES
from metanet.evidence.search.flow import PrismaFlow, prisma_flow
from metanet.evidence.sources import Tables, evidence_of
from metanet.models.comparison.compare import compare
from metanet.models.comparison.result import OBSERVATIONAL, Comparison
from metanet.models.pooling.pool import pool
from metanet.models.results.pooled import Pooled
from metanet.writing.plain import analysis_table
from metanet.writing.prisma import paragraphs
from metanet.writing.prisma.checklist import checklist_of, has_strategies
from metanet.writing.prisma.manuscript_places import places_of
from metanet.writing.references import References
from metanet.writing.table.table import Column, Table, count_cell, made, rate_cell, scaled_cell, text_cell

if TYPE_CHECKING:
    import pandas as pd


#: Outcomes of a manuscript where none is named: so many benefits, so many harms, those reported for most modality classes.
_EACH = 2
#: Studies that a modality class needs for a summary of findings of its own.
_LEAST_STUDIES = 3
#: What `review` in datapackage.json may say -> the field that is left open without it.
_ASKED = {
    "population": "patients",
    "registration": "registry and number",
    "protocol": "where the protocol is",
    "funding": "sources of funding, and their role",
    "interests": "competing interests of the authors",
}


@dataclass(frozen=True)
class Sections:
    """Paragraphs under headings, shown as escaped HTML."""

    parts: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return "\n\n".join(visible(f"{title}\n{text}" if title else text) for title, text in self.parts)

    def _repr_html_(self) -> str:
        shown = [(_heading(title) if title else "") + f"<p>{linked(html_text(text))}</p>" for title, text in self.parts]
        return f"<div class='metanet {NO_MATH}'>{''.join(shown)}</div>"


def _heading(title: str) -> str:
    """A heading that a link can lead to, as one of a notebook."""
    return f'<h3 id="{html_text(title.replace(" ", "-"))}">{html_text(title)}</h3>'


@dataclass(frozen=True, eq=False, repr=False)
class Manuscript(Result):
    """The parts of a manuscript on a review.

    Attributes
    ----------
    outcomes : tuple of str
        The outcomes that it is about.
    comparisons : mapping of str to Comparison
        Outcome -> the modality classes side by side, each pooled as in its own report.
    references : References
        The reports whose rows are pooled.
    """

    outcomes: tuple[str, ...]
    comparisons: Mapping[str, Comparison]
    references: References
    method: Method
    _evidence: Evidence = field(repr=False)
    _rates: Mapping[str, pd.DataFrame] = field(repr=False)
    _about: Mapping[str, Any] = field(repr=False)

    _entries = ("heading", "outcomes", ("references", "_cited"))

    @property
    def _cited(self) -> list[str]:
        return self.references.texts()

    @property
    def heading(self) -> str:
        """The title of the review."""
        return str(self._about.get("title") or "Systematic review and meta-analysis")

    def sentence(self) -> str:
        """What the manuscript covers."""
        labels = [in_sentence(self._evidence.label(name)) for name in self.outcomes]
        return f"{counted(len(self.references.entries), 'report')} with counts of {listing(labels)}."

    def to_frame(self) -> pd.DataFrame:
        """The pooled rates: outcome, modality class, and the numbers of `Comparison.to_frame`."""
        import pandas as pd

        frames = [comparison.to_frame().assign(outcome=name) for name, comparison in self.comparisons.items()]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=["outcome"])

    @property
    def authors(self) -> Sections:
        """Who wrote it, and where it is registered."""
        people = [str(one.get("title") or "") for one in self._about.get("contributors", ()) if isinstance(one, Mapping)]
        named = listing([person for person in people if person], 60) or "[authors and affiliations]"
        return Sections((("", f"{named}."), ("", f"Registration: {self._said('registration')}. Protocol: {self._said('protocol')}.")))

    def _said(self, key: str) -> str:
        review = self._about.get("review")
        text = review.get(key) if isinstance(review, Mapping) else None
        return visible(text).strip().rstrip(".") if isinstance(text, str) and text.strip() else f"[{_ASKED[key]}]"

    @property
    def methods(self) -> Sections:
        """Question, eligibility, search, data, risk of bias, synthesis and certainty, as far as they are known."""
        return Sections(
            (
                ("Question and eligibility", self._eligibility()),
                ("Search and selection", self._search()),
                ("Data", self._data()),
                ("Risk of bias", self._bias()),
                ("Synthesis", self._synthesis()),
                ("Certainty of the evidence", self._certainty()),
            )
        )

    def _eligibility(self) -> str:
        evidence = self._evidence
        titles = evidence.modality_titles
        used = list(dict.fromkeys(str(name) for rates in self._rates.values() for name in rates["modality_class"]))
        classes = [f"{titles[name]} ({name})" if titles.get(name, name) != name else name for name in used]
        told = []
        for name in self.outcomes:
            defined = self._rates[name].attrs.get("definition_title")
            words = {"higher_is_better": "more is better", "lower_is_better": "less is better"}.get(evidence.direction(name), "")
            about = "; ".join(part for part in (in_sentence(defined) if defined else "", words) if part)
            told.append(f"{in_sentence(evidence.label(name))}{f' ({about})' if about else ''}")
        text = f"Population: {self._said('population')}."
        text += "" if used == [ALL_STUDIES] else f" Treatments: {listing(classes, 30)}."
        text += f" Outcomes of this text: {listing(told, 30)}."
        return f"{text} Single-arm cohorts and arms of comparative studies were eligible alike."

    @cached_property
    def flow(self) -> PrismaFlow:
        """The PRISMA 2020 flow of the review; its ``reason`` says where there is none."""
        return prisma_flow(self._evidence)

    def _search(self) -> str:
        """What was searched; how records were selected is for people to say."""
        return f"{self.flow.methods()} {_SELECTION}" if self.flow.methods() else _SEARCH

    @property
    def selection(self) -> Sections:
        """From the records found to the studies included."""
        return Sections((("", _FLOW if self.flow.reason else self.flow.sentence()),))

    @property
    def bias(self) -> Sections:
        """The risk of bias of the studies, or that it was not assessed."""
        return Sections((("", self._bias()),))

    @property
    def judgements(self) -> RiskOfBias | None:
        """The judgements of the risk of bias, where they are by one tool."""
        return self._evidence.risk_of_bias(self._tools[0]) if len(self._tools) == 1 else None

    def _data(self) -> str:
        evidence = self._evidence
        rows = sum(len(rates) for rates in self._rates.values())
        derived = sum(int(rates["derived"].fillna(False).astype(bool).sum()) for rates in self._rates.values() if "derived" in rates)
        text = f"Counts of events and totals were extracted by study arm: {counted(len(evidence.studies), 'report')}, "
        text += f"{counted(len(evidence.arms), 'arm')}, {counted(rows, 'row')} of these outcomes."
        if derived:
            text += f" The counts of {counted(derived, 'row')} were derived from printed percentages or sums."
        # The first words of a reason are the rule; what follows is about the one row.
        left = [str(entry["reason"]) for rates in self._rates.values() for entry in rates.attrs.get("left_out", ())]
        gone = Counter(reason.split(":")[0].split(" (")[0] for reason in left)
        if gone:
            text += f" Left out: {'; '.join(f'{visible(reason)}, {number}' for reason, number in gone.most_common())}."
        return text

    def _bias(self) -> str:
        found = [self._evidence.risk_of_bias(tool) for tool in self._tools]
        return " ".join(bias.sentence() for bias in found if not bias.reason) or _NO_BIAS

    @property
    def _tools(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(str(row["tool"]) for row in self._evidence.optional_rows("risk_of_bias")))

    def _synthesis(self) -> str:
        fits = [fit for comparison in self.comparisons.values() for fit in comparison.groups.values() if fit.status == "pooled"]
        if not fits:
            return "No two studies report the same outcome of one treatment, so nothing was pooled."
        first = fits[0]
        text = f"{paragraphs.preparation(first, None)} {paragraphs.display_of(first)} {paragraphs.synthesis(first)}"
        return f"{text} Modality classes were compared by one posterior of all classes." if self._compared else text

    @property
    def _compared(self) -> bool:
        """Whether an outcome has more than one modality class."""
        return any(len(comparison.groups) > 1 for comparison in self.comparisons.values())

    def _certainty(self) -> str:
        rated = [grade for grade in self._grades() if grade.level is not None]
        if not rated:
            return "The certainty of the evidence (GRADE) was not assessed."
        pairs = counted(len(rated), "outcome and treatment", "outcomes and treatments")
        text = f"The certainty of the evidence was rated by GRADE for {pairs}"
        return f"{text}: rates of treated patients start high, and five domains may lower the level."

    def _grades(self) -> list[Any]:
        pairs = [(name, group) for name, comparison in self.comparisons.items() for group in comparison.groups]
        return [self._evidence.grade(name, str(group), self._rates[name].attrs.get("definition")) for name, group in pairs]

    @property
    def studies(self) -> Sections:
        """How many reports, arms and patients there are, when they were published and how they were designed."""
        joined = self._used
        years = [int(year) for year in joined.get("year", ()) if year == year and year is not None]
        text = f"{counted(len(joined), 'report')} contributed{self.references.cited(map(str, joined['study_id']))}"
        text += f", published {min(years)} to {max(years)}" if years and min(years) < max(years) else ""
        parts = [f"{text}."]
        for column, what in (("design", "Designs"), ("country", "Countries")):
            if column in joined:
                known = joined[column].astype(str).str.strip()
                counts = known[~known.isin(["", "nan", "<NA>"])].value_counts()
                shown = [
                    f"{title_of(name, self._rates[self.outcomes[0]]).replace('_', ' ')} ({number})" for name, number in counts.items()
                ]
                silent = len(joined) - int(counts.sum())
                if shown:
                    parts.append(f"{what}: {listing([*shown, f'not stated ({silent})'] if silent else shown, 9)}.")
        return Sections((("", " ".join(parts)),))

    @cached_property
    def _used(self) -> pd.DataFrame:
        keys = {str(key) for rates in self._rates.values() for key in rates["study_id"]}
        studies = self._evidence.studies
        return studies[studies["study_id"].isin(keys)]

    @property
    def overview(self) -> Table:
        """Each modality class: reports, arms and patients of its largest outcome, years."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for group in dict.fromkeys(str(name) for rates in self._rates.values() for name in rates["modality_class"]):
            mine = [rates[rates["modality_class"] == group] for rates in self._rates.values()]
            keys = {key for rates in mine for key in rates["study_id"]}
            years = [int(year) for rates in mine if "year" in rates for year in rates["year"].dropna()]
            rows.append(
                {
                    "Modality class": group,
                    "Reports": len(keys),
                    "Years": f"{min(years)} to {max(years)}" if years and min(years) < max(years) else str(years[0]) if years else "",
                    **{self._evidence.label(name): len(rates) for name, rates in zip(self._rates, mine, strict=True)},
                    "References": self.references.cited(map(str, keys)).strip(" []"),
                }
            )
        rows.sort(key=lambda row: (-int(row["Reports"]), natural(row["Modality class"])))
        return analysis_table(
            pd.DataFrame(rows), "Reports, and arms of each outcome, by modality class", "No study reports these outcomes."
        )

    @property
    def main_classes(self) -> tuple[str, ...]:
        """Modality classes with three studies or more of at least one of the outcomes."""
        names = [str(group) for comparison in self.comparisons.values() for group in comparison.groups]
        return tuple(
            name
            for name in dict.fromkeys(names)
            if any(name in map(str, c.groups) and _fit(c, name).study_count >= _LEAST_STUDIES for c in self.comparisons.values())
        )

    @property
    def results(self) -> Sections:
        """The rates of every outcome in the modality classes, and the test between them."""
        return Sections(tuple((self._evidence.label(name), self._result(name)) for name in self.outcomes))

    def _cites(self, outcome: str, group: str) -> str:
        """The reports of one pooled rate as a citation."""
        rates = self._rates[outcome]
        return self.references.cited(map(str, rates.loc[rates["modality_class"] == group, "study_id"]))

    def _result(self, outcome: str) -> str:
        comparison = self.comparisons[outcome]
        pooled = [(str(name), fit) for name, fit in comparison.groups.items() if fit.status == "pooled"]
        single = [str(name) for name, fit in comparison.groups.items() if fit.status == "not pooled"]
        exact = [str(name) for name, fit in comparison.groups.items() if fit.status in ("no events", "only events")]
        pooled.sort(key=lambda pair: pair[1].estimate or 0.0)
        told = []
        if len(pooled) == 1:
            name, fit = pooled[0]
            begin = "The" if name == ALL_STUDIES else f"After {name} the"
            told.append(f"{begin} median rate was {_number(fit)}{self._cites(outcome, name)}.")
        elif pooled:
            (low, lowest), (high, highest) = pooled[0], pooled[-1]
            begin = f"Of {len(pooled)} modality classes with a pooled rate, the median was lowest after {low}"
            told.append(f"{begin}: {_number(lowest)}{self._cites(outcome, low)}.")
            told.append(f"It was highest after {high}: {_number(highest)}{self._cites(outcome, high)}.")
        for names, what in ((single, "One study, so that nothing was pooled"), (exact, "No events, or events only, in every study")):
            if names:
                told.append(f"{what}: {listing((f'{name}{self._cites(outcome, name)}' for name in names), 20)}.")
        if len(comparison.groups) > 1:
            told.append(comparison.test_sentence())
        return " ".join(told)

    @property
    def sensitivity(self) -> Table:
        """Every pooled rate by the main model, by maximum likelihood and under the beta-binomial model."""
        rows = []
        for name, comparison in self.comparisons.items():
            everything = self._rates[name]
            for group, fit in comparison.groups.items():
                if fit.status != "pooled":
                    continue
                mine = everything[everything["modality_class"] == group]
                row = [text_cell(self._evidence.label(name)), text_cell(str(group)), count_cell(fit.study_count)]
                for model, place in (("", 0), ("glmm", 0), ("beta_binomial", 1)):
                    one = pool(mine, model=model, level=fit.level) if model else fit
                    value, lower, upper = one.rates_shown[place]
                    row += [rate_cell(value), scaled_cell(RATE, 1, lower, upper)]
                rows.append(row)
        columns = [
            Column("Outcome", ("outcome",)),
            Column("Modality class", ("modality_class",)),
            Column("Studies", ("studies",), "count"),
        ]
        for key, title in (("main", "Bayesian, median"), ("glmm", "Maximum likelihood, median"), ("beta", "Beta-binomial, average")):
            columns += [Column("%", (key,), "rate", title), Column("Interval", (f"{key}_lower", f"{key}_upper"), "rate", title)]
        return made("Pooled rates under other models", "Nothing was pooled.", columns, rows)

    @property
    def limitations(self) -> Sections:
        """Facts that limit what the numbers say; their weight is for people to discuss."""
        facts = []
        for name, rates in self._rates.items():
            label = self._evidence.label(name)
            units = Counter(str(unit) for unit in rates["unit"]) if "unit" in rates else Counter()
            if len(units) > 1:
                facts.append(f"{label}: units are mixed ({listing(f'{unit}, {number}' for unit, number in units.most_common())}).")
            wide = [str(group) for group, fit in self.comparisons[name].groups.items() if fit.is_vague]
            if wide:
                facts.append(f"{label}: too few data to tell for {listing(wide, 12)}.")
        sources = self._kinds()
        if sources:
            facts.insert(0, sources)
        if self._bias() == _NO_BIAS:
            facts.append(_NO_BIAS)
        if self._compared:
            facts.append(OBSERVATIONAL)
        return Sections((("", " ".join(facts)), ("", "[Discussion of these facts, and of what the review cannot answer.]")))

    def _kinds(self) -> str:
        """What the counts were read in."""
        kinds: Counter[str] = Counter()
        for rates in self._rates.values():
            if "source_kind" in rates:
                kinds.update(str(kind) for kind in rates["source_kind"] if str(kind) not in ("", "nan", "<NA>"))
        if not kinds:
            return ""
        shown = listing(f"{title_of(kind, self._used)} ({number})" for kind, number in kinds.most_common())
        return f"The counts were read in: {shown}."

    @property
    def checklist(self) -> Table:
        """The PRISMA 2020 checklist, with the headings of the manuscript that answer an item."""
        evidence = self._evidence
        rows = {name: bool(evidence.optional_rows(name)) for name in ("searches", "excluded")}
        has = [name for name, there in rows.items() if there]
        has += [key for key in _ASKED if not self._said(key).startswith("[")]
        facts = {
            "titled": "systematic review" in self.heading.casefold(),
            "strategies": has_strategies(evidence),
            "judged": self._bias() != _NO_BIAS,
            "pooled": any(fit.status == "pooled" for each in self.comparisons.values() for fit in each.groups.values()),
            "compared": self._compared,
            "rated": any(grade.level is not None for grade in self._grades()),
            "flow": self.flow.reason is None,
        }
        return checklist_of(places_of([*has, *(name for name, true in facts.items() if true)]), "This document answers")

    @property
    def statements(self) -> Sections:
        """Registration, funding, interests, data availability."""
        licences = [one for one in self._about.get("licenses", ()) if isinstance(one, Mapping)]
        licence = next((str(one.get("title") or one.get("name")) for one in licences if one.get("title") or one.get("name")), "")
        version = str(self._about.get("version") or "")
        data = "The extracted counts, the code of every analysis and all numbers are in the supplement of the reports"
        about = [f"version {visible(version)} of the tables"] if version else []
        about += [f"SHA-256 {self._evidence.fingerprint[:12]}", *([f"licence {visible(licence)}"] if licence else [])]
        data += f" ({'; '.join(about)})."
        return Sections(
            (
                ("Registration and protocol", f"{self._said('registration')}. Protocol: {self._said('protocol')}."),
                ("Funding", f"{self._said('funding')}."),
                ("Competing interests", f"{self._said('interests')}."),
                ("Data, code and other materials", data),
            )
        )


_SEARCH = "[Databases with dates, other sources, strategies, and how records were selected: items 5 to 8 and 16a of PRISMA 2020.]"
_SELECTION = "[Strategies, and how records were selected: items 7 and 8 of PRISMA 2020.]"
_FLOW = "[From the records found to the studies included, with a flow diagram: item 16a of PRISMA 2020.]"
_NO_BIAS = "The risk of bias was not assessed."


@checked(level=checked_level)
def manuscript(
    evidence: Tables, outcomes: str | Iterable[str] | None = None, *, overlap: str = "keep_largest", level: float = 0.95
) -> Manuscript:
    """Write the parts of a manuscript on a review from its tables.

    Parameters
    ----------
    evidence
        What `load_evidence` or `read` returned, a frame, a result, or a folder or file to be read.
    outcomes
        The outcomes of the text, by name or label. None takes two benefits and two harms: those reported for most modality classes.
    overlap
        As in `Evidence.rates`, applied to each modality class separately.
    level
        Coverage of every interval, as a fraction.

    Returns
    -------
    Manuscript
        Methods, results, limitations and statements as paragraphs, tables, references. What the tables do not know stands in square
        brackets. ``review`` in datapackage.json may give population, registration, protocol, funding and interests.

    Raises
    ------
    ArgumentError
        An unknown outcome, or an outcome without a poolable row.

    References
    ----------
    Page et al. (2021), PRISMA 2020, doi:10.1136/bmj.n71.
    """
    evidence = evidence_of(evidence)
    chosen = _outcomes(evidence, outcomes)
    rates = {name: evidence.rates(name, overlap=overlap, within="modality_class") for name in chosen}
    empty = [name for name in chosen if rates[name].empty]
    if empty:
        raise ArgumentError(f"outcomes: {evidence.label(empty[0])} has no poolable row.")
    comparisons = {name: compare(rates[name], "modality_class", bootstrap=0, level=level) for name in chosen}
    keys = {str(key) for frame in rates.values() for key in frame["study_id"]}
    names = {str(row["study_id"]): str(row["study"]) for frame in rates.values() for row in records(frame[["study_id", "study"]])}
    entries = [{**row, "study": names[row["study_id"]]} for row in records(evidence.studies) if row["study_id"] in keys]
    entries.sort(key=lambda row: (natural(str(row.get("first_author") or row["study_id"])), str(row.get("year") or "")))
    descriptor = evidence.descriptor
    stamp = {
        "outcomes": list(chosen),
        "overlap": overlap,
        "level": level,
        "sentence": f"Every number is that of the report on its outcome and modality class; {level_text(level)} intervals.",
        "sources": ["PRISMA 2020: doi:10.1136/bmj.n71"],
        "notes": [],
    }
    return Manuscript(chosen, comparisons, References(tuple(entries)), Method(stamp), evidence, rates, descriptor)


def _outcomes(evidence: Evidence, outcomes: object) -> tuple[str, ...]:
    if outcomes is not None:
        words = [outcomes] if isinstance(outcomes, str) else list(outcomes) if isinstance(outcomes, Iterable) else []
        if not words:
            raise ArgumentError(f"outcomes={as_given(outcomes)} must be one outcome or several, or None.")
        return tuple(dict.fromkeys(evidence.outcome(word, "outcomes") for word in words))
    spread = {name: evidence.rates(name, within="modality_class")["modality_class"].nunique() for name in evidence.outcome_names}
    found: list[str] = []
    for direction in ("higher_is_better", "lower_is_better"):
        mine = [name for name in evidence.outcome_names if evidence.direction(name) == direction and spread[name]]
        found += sorted(mine, key=lambda name: -spread[name])[:_EACH]
    found.sort(key=evidence.outcome_names.index)
    return tuple(found) or tuple(name for name in evidence.outcome_names if spread[name])[: 2 * _EACH]


def _fit(comparison: Comparison, name: str) -> Pooled:
    return next(fit for group, fit in comparison.groups.items() if str(group) == name)


def _number(fit: Pooled) -> str:
    """The numbers of a result as its sentence says them, from "the median rate was" on."""
    said = fit.sentence().split(" the median rate was ", 1)
    return said[-1].split(". ", 1)[0].rstrip(".")
