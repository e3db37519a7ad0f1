"""`RiskOfBias`: the judgements of one tool, the overall judgement of each study, and how far the assessors agree."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.display import number
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError
from metanet.base.groups import natural
from metanet.base.results import Method, Result
from metanet.base.untrusted import counted, listing, visible
from metanet.evidence.bias.agreement import Agreement, agreement_of
from metanet.evidence.bias.judgements import (
    UNRESOLVED,
    Difference,
    Judgement,
    Overall,
    Settled,
    Unit,
    judgements_of,
    overall_of,
    settle,
)
from metanet.evidence.bias.robvis import robvis_frame, write_csv
from metanet.evidence.bias.tools import OVERALL, Level, Tool, tool_named, tools

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FILE = "risk_of_bias.csv"
NOT_ASSESSED = "The risk of bias was not assessed"


@dataclass(frozen=True, eq=False, repr=False)
class RiskOfBias(Result):
    """Judgements of the risk of bias by one tool.

    Attributes
    ----------
    tool : Tool or None
        The tool; None where nothing was judged.
    outcome : str or None
        The outcome that the judgements are about; None: the studies as a whole.
    judged : tuple of Settled
        One judgement for each study (or arm) and domain.
    reason : str or None
        Why there are no judgements.
    """

    tool: Tool | None
    outcome: str | None
    judged: tuple[Settled, ...]
    reason: str | None
    method: Method = field(repr=False)
    _labels: Mapping[str, str] = field(repr=False)
    _overall: tuple[Overall, ...] = field(default=(), repr=False)
    _differences: tuple[Difference, ...] = field(default=(), repr=False)
    _agreement: tuple[Agreement, ...] = field(default=(), repr=False)
    _patients: Mapping[Unit, float] = field(default_factory=dict, repr=False)

    _entries = (
        "reason",
        "outcome",
        ("tool", "_tool_key"),
        ("judgements", "_frame"),
        "overall",
        "unresolved",
        ("agreement", "_agreed"),
    )

    @property
    def _tool_key(self) -> str | None:
        return None if self.tool is None else self.tool.key

    @property
    def _frame(self) -> pd.DataFrame:
        return self.to_frame()

    @property
    def _agreed(self) -> pd.DataFrame:
        return self.agreement()

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "Risk of bias" if self.tool is None else f"Risk of bias by {self.tool.title}"

    @property
    def units(self) -> tuple[Unit, ...]:
        """What was judged: study_id and arm ("" for the whole study), in order of the names."""
        return tuple(sorted(dict.fromkeys(each.unit for each in self.judged), key=lambda u: (natural(self.name_of(u)), u)))

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that were judged, in the order of the tool."""
        return () if self.tool is None else self.tool.order(each.domain for each in self.judged)

    def name_of(self, unit: Unit) -> str:
        """The name of a study, with the arm where it was judged by itself."""
        name = self._labels.get(unit[0], visible(unit[0]))
        return f"{name} ({visible(unit[1])})" if unit[1] else name

    def level_at(self, unit: Unit, domain: str) -> Level | None:
        """The settled level of a domain, or the overall one; None where there is none."""
        if self.tool is None:
            return None
        if domain == OVERALL:
            key = next((each.level for each in self._overall if each.unit == unit), None)
        else:
            key = next((each.level for each in self.judged if each.unit == unit and each.domain == domain), None)
        return None if key is None else self.tool.level(key, domain)

    def is_open(self, unit: Unit, domain: str) -> bool:
        """Whether assessors differ on a domain without a consensus."""
        return any(each.unit == unit and each.domain == domain and each.basis == UNRESOLVED for each in self.judged)

    def unit_of(self, study_id: str, arm: str) -> Unit | None:
        """What was judged of an arm: the arm itself, or its study."""
        known = {each.unit for each in self._overall}
        return next((unit for unit in ((study_id, arm), (study_id, "")) if unit in known), None)

    def overall_of(self, unit: Unit) -> Overall | None:
        """The overall judgement of a study or arm."""
        return next((each for each in self._overall if each.unit == unit), None)

    def patients_of(self, unit: Unit) -> float:
        """The patients of a study or an arm; NaN where the tables do not say."""
        return self._patients.get(unit, float("nan"))

    @property
    def overall(self) -> pd.DataFrame:
        """One row for each study or arm: study, study_id, arm, overall, points, most, basis, reason.

        `basis` says how the overall judgement was made: "worst" domain, "sum" of points, or "stated" by the assessors; `reason` why
        there is none.
        """
        import pandas as pd

        by_unit = {each.unit: each for each in self._overall}
        rows = [
            (self.name_of(unit), *unit, each.level or "", each.points, each.most, each.basis, each.reason)
            for unit in self.units
            for each in (by_unit[unit],)
        ]
        frame = pd.DataFrame(rows, columns=["study", "study_id", "arm", "overall", "points", "most", "basis", "reason"])
        return frame.astype({"points": "Int64", "most": "Int64"})

    @property
    def unresolved(self) -> pd.DataFrame:
        """Pairs of assessors who differ without a consensus, one row for each pair and domain; nothing is averaged."""
        import pandas as pd

        rows = [
            (self.name_of(each.unit), *each.unit, each.outcome, each.domain, *_crossed(each.assessors, each.levels))
            for each in self._differences
        ]
        names = ["study", "study_id", "arm", "outcome", "domain", "assessor_1", "judgement_1", "assessor_2", "judgement_2"]
        return pd.DataFrame(rows, columns=names)

    def to_frame(self) -> pd.DataFrame:
        """One row for each study (or arm) and domain.

        Returns
        -------
        pandas.DataFrame
            study, study_id, arm, outcome, tool, domain, title, judgement, basis, assessors, support. `outcome` is that of the
            judgement: "" where it is of the whole study. `basis` is "consensus", "agreed", "one assessor" or "unresolved", where
            `judgement` is empty.
        """
        import pandas as pd

        tool = self.tool
        place = {unit: i for i, unit in enumerate(self.units)}
        rows = [
            (
                self.name_of(each.unit),
                *each.unit,
                each.outcome,
                "" if tool is None else tool.key,
                each.domain,
                "" if tool is None else tool.title_of(each.domain),
                each.level or "",
                each.basis,
                ", ".join(each.assessors),
                each.support,
            )
            for each in sorted(self.judged, key=lambda each: place[each.unit])
        ]
        names = ["study", "study_id", "arm", "outcome", "tool", "domain", "title", "judgement", "basis", "assessors", "support"]
        return pd.DataFrame(rows, columns=names)

    def agreement(self) -> pd.DataFrame:
        """How far assessors agreed before the consensus.

        Returns
        -------
        pandas.DataFrame
            One row for each domain and pair of assessors: domain, title, assessor_1, assessor_2, n (studies that both judged),
            agreement (the share of equal judgements), kappa (Cohen's, unweighted), kappa_linear (a difference weighs by its steps
            along the levels) and reason: why a kappa is missing.

        Notes
        -----
        Kappa is (p_o - p_e) / (1 - p_e), with the observed agreement p_o and that expected from the margins p_e (Cohen 1960,
        doi:10.1177/001316446002000104). Where an assessor used one level only p_e leaves nothing to measure, and there is no kappa.
        """
        import pandas as pd

        rows = [
            (
                each.domain,
                "" if self.tool is None else self.tool.title_of(each.domain),
                *each.assessors,
                each.n,
                each.agreement,
                each.kappa,
                each.kappa_linear,
                each.reason,
            )
            for each in self._agreement
        ]
        names = ["domain", "title", "assessor_1", "assessor_2", "n", "agreement", "kappa", "kappa_linear", "reason"]
        frame = pd.DataFrame(rows, columns=names)
        return frame.astype({"n": "int64", "agreement": "float64", "kappa": "float64", "kappa_linear": "float64"})

    def sentence(self) -> str:
        """How many studies have which overall judgement."""
        if self.tool is None:
            return self.reason or f"{NOT_ASSESSED}."
        counts = Counter(level.title.lower() for unit in self.units if (level := self.level_at(unit, OVERALL)))
        words = [level.title.lower() for level in self.tool.categories]
        told = listing(f"{counts[word]} {word}" for word in words if counts[word])
        missing = sum(self.level_at(unit, OVERALL) is None for unit in self.units)
        what = counted(len(self.units), "study or arm", "studies or arms") if self._has_arms() else self._studies()
        text = f"{what} {'was' if len(self.units) == 1 else 'were'} judged by {self.tool.title}"
        if self.tool.rule == "sum" and missing:
            points = [f"{each.points} of {each.most}" for each in self._overall if each.points is not None]
            points = list(dict.fromkeys(sorted(points, key=natural)))
            text += f"; points: {listing(points, 6)}" if points else ""
        text += f"; overall: {told}" if told else ""
        text += f"; without an overall judgement: {missing}" if missing and told else ""
        left = len(self._differences)
        return f"{text}." + (f" Assessors differ on {counted(left, 'judgement')} without a consensus." if left else "")

    def _has_arms(self) -> bool:
        return any(arm for _, arm in self.units)

    def _studies(self) -> str:
        return counted(len(self.units), "study", "studies")

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """A row for each study or arm, with its domains and the overall judgement."""
        if self.tool is None:
            return [], []
        names = self.domains
        head = ["Study", *(self.tool.title_of(name) for name in names), "Overall"]
        rows = [(self.name_of(unit), *(self._word(unit, name) for name in names), self.overall_text(unit)) for unit in self.units]
        return head, rows

    def _word(self, unit: Unit, domain: str) -> str:
        level = self.level_at(unit, domain)
        return "assessors differ" if self.is_open(unit, domain) else "" if level is None else level.title

    def overall_text(self, unit: Unit) -> str:
        """The overall judgement in words: a level, points, or nothing."""
        each = self.overall_of(unit)
        if each is None:
            return ""
        level = self.level_at(unit, OVERALL)
        points = "" if each.points is None else f"{number(each.points, 0)} of {each.most}"
        return ", ".join(part for part in ("" if level is None else level.title, points) if part)

    def traffic_light(self, **options: Any) -> Axes:
        """Draw every judgement, a row for each study; options as in `metanet.figures.plots.traffic_light.traffic_light`."""
        axes: Axes = draw("traffic_light", self, **options)
        return axes

    def bars(self, weights: Any = "studies", **options: Any) -> Axes:
        """Draw the shares of the levels in each domain; options as in `metanet.figures.plots.bias_bars.bias_bars`."""
        axes: Axes = draw("bias_bars", self, weights=weights, **options)
        return axes

    def to_robvis(self, path: str | os.PathLike[str] | None = None, *, weights: Any = "patients") -> pd.DataFrame:
        """The judgements as robvis (R) reads them: Study, D1 to Dn, Overall, Weight.

        Parameters
        ----------
        path : path-like, optional
            A CSV file to write; an existing one is replaced.
        weights : {"patients", "studies"} or mapping
            The last column: patients of each study, 1 for each, or a mapping of the names of studies to weights.

        Returns
        -------
        pandas.DataFrame
            One row for each study or arm. Weights that are not known are 1.

        Raises
        ------
        ArgumentError
            Without judgements, or with other weights.
        """
        if self.tool is None:
            raise ArgumentError(f"There are no judgements to be written: {self.reason}")
        frame = robvis_frame(self, weights)
        if path is not None:
            write_csv(frame, Path(path))
        return frame


def _crossed(assessors: Sequence[str], levels: Sequence[str]) -> tuple[str, ...]:
    return assessors[0], levels[0], assessors[1], levels[1]


def assess(
    rows: Sequence[Mapping[str, Any]],
    *,
    tool: str | None,
    outcome: str | None,
    labels: Mapping[str, str],
    patients: Mapping[Unit, float],
) -> RiskOfBias:
    """The judgements of one tool, from the rows of risk_of_bias.csv; `outcome` is the name of one or None."""
    known = tools()
    used = [key for key in known if any(row["tool"] == key for row in rows)]
    chosen = None if tool is None else tool_named(tool)
    if not rows:
        return _nothing(f"{NOT_ASSESSED}: the tables have no {FILE}, or it has no rows.", outcome, labels)
    if chosen is None:
        chosen = known[sole_tool(used)]
    elif chosen.key not in used:
        have = listing(known[key].title for key in used)
        return _nothing(f"{NOT_ASSESSED} by {chosen.title}; {FILE} has judgements by {have}.", outcome, labels)
    given = judgements_of(rows, chosen)
    settled, differences = settle(given, chosen, outcome or "")
    if not settled:
        return _nothing(f"{NOT_ASSESSED} for studies as a whole; {_single_outcomes(given)}.", outcome, labels)
    overall = overall_of(chosen, settled)
    notes = _notes(chosen, given, settled, overall, outcome)
    where = f" ({chosen.version})" if chosen.version else ""
    source = f"doi:{chosen.doi}" if chosen.doi else chosen.url
    rule = {
        "worst": "The overall judgement is that of the worst domain, unless the assessors stated one.",
        "sum": "The overall judgement is the sum of the points, without a category, unless the assessors stated one.",
        "stated": "The tool has no rule for an overall judgement; the assessors stated it where there is one.",
    }[chosen.rule]
    text = f"Risk of bias by {chosen.title}{where}. {rule}"
    stamp = {"sentence": text, "tool": chosen.key, "version": chosen.version, "sources": [source] if source else [], "notes": notes}
    return RiskOfBias(
        tool=chosen,
        outcome=outcome,
        judged=tuple(settled),
        reason=None,
        method=Method(stamp),
        _labels=labels,
        _overall=tuple(overall),
        _differences=tuple(differences),
        _agreement=tuple(agreement_of(given, chosen)),
        _patients=patients,
    )


def patients_of(arms: Iterable[Mapping[Any, Any]], counts: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[Unit, float]:
    """The patients of each arm and of each study: those of the table of arms, else the largest total of any outcome."""
    totals: dict[Unit, float] = {}
    for rows in counts.values():
        for row in rows:
            unit = row["study_id"], row["arm"]
            totals[unit] = max(totals.get(unit, 0.0), float(row["total"]))
    sizes: dict[Unit, float] = {}
    for arm in arms:
        unit, size = (arm["study_id"], arm["arm"]), arm.get("n")
        known = float(size) if isinstance(size, (int, float)) and size == size else totals.get(unit, 0.0)
        if known > 0:
            sizes[unit] = known
            sizes[unit[0], ""] = sizes.get((unit[0], ""), 0.0) + known
    return sizes


def sole_tool(used: Sequence[str]) -> str:
    """The one tool that was used; levels of several tools are never compared, so of several one must be named."""
    if len(used) > 1:
        names = listing((f"{key!r}" for key in used), 20)
        raise ArgumentError(
            f"tool is missing, and {FILE} has judgements by {len(used)} tools: {names}. Levels of different tools are not compared. "
            f"Fix: name one, such as tool={used[0]!r}."
        )
    return used[0]


def _single_outcomes(given: Sequence[Judgement]) -> str:
    outcomes = listing(dict.fromkeys(each.outcome for each in given if each.outcome))
    return f"there are judgements of single outcomes, so name one: {outcomes}"


def _nothing(reason: str, outcome: str | None, labels: Mapping[str, str]) -> RiskOfBias:
    return RiskOfBias(None, outcome, (), reason, Method({"sentence": "", "notes": []}), labels)


def _notes(
    tool: Tool, given: Sequence[Judgement], settled: Sequence[Settled], overall: Sequence[Overall], outcome: str | None
) -> list[str]:
    notes = []
    here = {each.unit[0] for each in settled}
    others = sorted({each.study_id for each in given if each.outcome and each.study_id not in here}, key=natural)
    if others:
        what = f"for outcomes other than {outcome}" if outcome else "for single outcomes only"
        notes.append(f"{counted(len(others), 'study', 'studies')} judged {what} and not shown: {listing(others)}.")
    milder = []
    for each in overall:
        stated = None if each.level is None or each.basis != "stated" or tool.rule != "worst" else tool.rank(each.level)
        ranks = [tool.rank(one.level) for one in settled if one.unit == each.unit and one.domain != OVERALL and one.level is not None]
        worst = max((rank for rank in ranks if rank is not None), default=None)
        if stated is not None and worst is not None and stated < worst:
            milder.append(each.unit[0])
    if milder:
        notes.append(
            f"The stated overall judgement is better than the worst domain in {counted(len(milder), 'study', 'studies')}: "
            f"{listing(dict.fromkeys(milder))}."
        )
    gaps = [each for each in overall if each.level is None and each.points is None and each.reason and tool.rule != "stated"]
    if gaps:
        why = listing((f"{each.unit[0]} ({each.reason})" for each in gaps), 4)
        notes.append(f"{counted(len(gaps), 'study', 'studies')} without an overall judgement: {why}.")
    return notes
