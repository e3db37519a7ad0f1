"""`RiskOfBias`: the judgements of one tool, the overall judgement of each study, and how far the assessors agree."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError
from metanet.base.groups import natural
from metanet.base.results import Method, Result
from metanet.base.untrusted import counted, listing
from metanet.evidence.bias.agreement import agreement_of
from metanet.evidence.bias.board import Board
from metanet.evidence.bias.judgements import Difference, Judgement, Overall, Settled, Unit, judgements_of, overall_of, settle
from metanet.evidence.bias.robvis import robvis_frame, write_csv
from metanet.evidence.bias.tools import OVERALL, Tool, tool_named, tools

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
    #: The judgements to be looked up; None where there are none.
    board: Board | None = field(default=None, repr=False)
    _differences: tuple[Difference, ...] = field(default=(), repr=False)
    _given: tuple[Judgement, ...] = field(default=(), repr=False)

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
    def overall(self) -> pd.DataFrame:
        """One row for each study or arm: study, study_id, arm, overall, points, most, basis, reason.

        `basis` says how the overall judgement was made: "worst" domain, "sum" of points, or "stated" by the assessors; `reason` why
        there is none.
        """
        import pandas as pd

        board = self.board
        each = [] if board is None else [(board.name_of(unit), board.overall_of(unit)) for unit in board.units]
        rows = [(name, *of.unit, of.level or "", of.points, of.most, of.basis, of.reason) for name, of in each]
        frame = pd.DataFrame(rows, columns=["study", "study_id", "arm", "overall", "points", "most", "basis", "reason"])
        return frame.astype({"points": "Int64", "most": "Int64"})

    @property
    def unresolved(self) -> pd.DataFrame:
        """Pairs of assessors who differ without a consensus, one row for each pair and domain; nothing is averaged."""
        import pandas as pd

        board = self.board
        rows = [
            (board.name_of(each.unit), *each.unit, each.outcome, each.domain, *_crossed(each.assessors, each.levels))
            for each in self._differences
            if board is not None
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

        board, rows = self.board, []
        if board is not None:
            place = {unit: i for i, unit in enumerate(board.units)}
            rows = [
                (
                    *(board.name_of(each.unit), *each.unit, each.outcome),
                    *(board.tool.key, each.domain, board.tool.title_of(each.domain), each.level or ""),
                    *(each.basis, ", ".join(each.assessors), each.support),
                )
                for each in sorted(self.judged, key=lambda each: place[each.unit])
            ]
        names = ["study", "study_id", "arm", "outcome", "tool", "domain", "title", "judgement", "basis", "assessors", "support"]
        return pd.DataFrame(rows, columns=names)

    @checked()
    def of(self, rates: pd.DataFrame) -> RiskOfBias:
        """The judgements of the studies of a selection alone.

        Parameters
        ----------
        rates : pandas.DataFrame
            What `Evidence.rates` returned, or other rows with study_id and arm.

        Returns
        -------
        RiskOfBias
            Those of the arms, or of their studies; where none was judged, its ``reason`` says so.

        Raises
        ------
        ArgumentError
            Rows without a study_id.
        """
        for name in ("study_id", "arm"):
            if name not in getattr(rates, "columns", ()):
                raise ArgumentError(f"rates has no column {name!r}. Fix: give what Evidence.rates returned.")
        if self.board is None:
            return self
        rows = zip(rates["study_id"], rates["arm"], strict=True)
        units = {unit for study, arm in rows if (unit := self.board.unit_of(str(study), str(arm))) is not None}
        if not units:
            return _nothing(f"{NOT_ASSESSED} for the studies of this selection by {self.board.tool.title}.", self.outcome)
        judged = tuple(each for each in self.judged if each.unit in units)
        given = tuple(each for each in self._given if (each.study_id, each.arm) in units)
        board = self.board.of_units(units)
        notes = _notes(board.tool, given, judged, [board.overall_of(unit) for unit in board.units], self.outcome)
        return replace(
            self,
            judged=judged,
            board=board,
            method=Method({**self.method, "notes": notes}),
            _differences=tuple(each for each in self._differences if each.unit in units),
            _given=given,
        )

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

        tool = self.tool
        found = [] if tool is None else [(tool.title_of(each.domain), each) for each in agreement_of(self._given, tool)]
        rows = [
            (each.domain, title, *each.assessors, each.n, each.agreement, each.kappa, each.kappa_linear, each.reason)
            for title, each in found
        ]
        names = ["domain", "title", "assessor_1", "assessor_2", "n", "agreement", "kappa", "kappa_linear", "reason"]
        frame = pd.DataFrame(rows, columns=names)
        return frame.astype({"n": "int64", "agreement": "float64", "kappa": "float64", "kappa_linear": "float64"})

    def sentence(self) -> str:
        """How many studies have which overall judgement."""
        board = self.board
        if board is None:
            return self.reason or f"{NOT_ASSESSED}."
        levels = [board.level_at(unit, OVERALL) for unit in board.units]
        counts = Counter(level.title.lower() for level in levels if level is not None)
        told = listing(f"{counts[word]} {word}" for level in board.tool.categories if counts[word := level.title.lower()])
        arms = any(arm for _, arm in board.units)
        what = counted(len(levels), "study or arm", "studies or arms") if arms else counted(len(levels), "study", "studies")
        text = f"{what} {'was' if len(levels) == 1 else 'were'} judged by {board.tool.title}"
        points = [board.overall_of(unit) for unit in board.units]
        known = sorted({(each.points, each.most) for each in points if each.points is not None})
        text += f"; points: {listing((f'{got} of {most}' for got, most in known), 6)}" if known else ""
        text += f"; overall: {told}" if told else ""
        text += f"; without an overall judgement: {levels.count(None)}" if told and None in levels else ""
        left = len(self._differences)
        return f"{text}." + (f" Assessors differ on {counted(left, 'judgement')} without a consensus." if left else "")

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """A row for each study or arm, with its domains and the overall judgement."""
        board = self.board
        if board is None:
            return [], []
        names = (*board.domains, OVERALL)
        head = ["Study", *(board.tool.title_of(name) for name in names)]
        return head, [(board.name_of(unit), *(board.text_of(unit, name) for name in names)) for unit in board.units]

    def traffic_light(self, **options: Any) -> Axes:
        """Draw every judgement, a row for each study; options as in `metanet.figures.plots.traffic_light.traffic_light`."""
        axes: Axes = draw("traffic_light", self, **options)
        return axes

    def bars(self, **options: Any) -> Axes:
        """Draw the shares of the levels in each domain; options (`weights`) as in `metanet.figures.plots.bias_bars.bias_bars`."""
        axes: Axes = draw("bias_bars", self, **options)
        return axes

    @checked()
    def to_robvis(
        self, path: str | os.PathLike[str] | None = None, *, weights: str | Mapping[str, float] = "patients"
    ) -> pd.DataFrame:
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
        if self.board is None:
            raise ArgumentError(f"There are no judgements to be written: {self.reason}")
        frame = robvis_frame(self.board, weights)
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
    label: str = "",
) -> RiskOfBias:
    """The judgements of one tool, from the rows of risk_of_bias.csv; `outcome` is the name of one or None, `label` its label."""
    known = tools()
    used = [key for key in known if any(row["tool"] == key for row in rows)]
    chosen = None if tool is None else tool_named(tool)
    if not rows:
        return _nothing(f"{NOT_ASSESSED}: the tables have no {FILE}, or it has no rows.", outcome)
    if chosen is None:
        chosen = known[sole_tool(used)]
    elif chosen.key not in used:
        have = listing(known[key].title for key in used)
        return _nothing(f"{NOT_ASSESSED} by {chosen.title}; {FILE} has judgements by {have}.", outcome)
    given = judgements_of(rows, chosen)
    settled, differences = settle(given, chosen, outcome or "")
    if not settled:
        return _nothing(f"{NOT_ASSESSED} for studies as a whole; {_single_outcomes(given)}.", outcome)
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
    stamp = {
        "sentence": text,
        "tool": chosen.key,
        "label": label,
        "version": chosen.version,
        "sources": [source] if source else [],
        "notes": notes,
    }
    return RiskOfBias(
        tool=chosen,
        outcome=outcome,
        judged=tuple(settled),
        reason=None,
        method=Method(stamp),
        board=Board.of(chosen, settled, overall, labels, patients),
        _differences=tuple(differences),
        _given=tuple(given),
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


def _nothing(reason: str, outcome: str | None) -> RiskOfBias:
    return RiskOfBias(None, outcome, (), reason, Method({"sentence": "", "notes": []}))


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
