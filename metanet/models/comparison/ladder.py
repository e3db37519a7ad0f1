"""`contrast_ladder`: one contrast of two groups from randomised studies down to separate ones, never pooled across the rungs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import checked, level as checked_level
from metanet.base.display import ABSENT, POINTS, interval_kind, level_text, number, plural, scale_of
from metanet.base.drawing import draw
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.results import Method, Result
from metanet.base.untrusted import listing, visible
from metanet.evidence.sources import Tables, evidence_of
from metanet.kernels.numerics.distributions import two_sided_z
from metanet.models.comparison.result import OBSERVATIONAL
from metanet.models.comparison.rungs import (
    MODERATORS,
    Question,
    Rung,
    adjustable,
    adjusted_rung,
    network_rung,
    reported,
    separate_rung,
    within_rungs,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: Contrasts of separate trials of ten published networks, pooled and compared as the last rung does: how many there are, in how
#: many the direction was the opposite one, and in how many the 95 % interval held the value of the randomised network. A test
#: counts them anew from `tests/reference/separate_trials.json`.
CONTRASTS, REVERSED, HELD = 32, 8, 32
CALIBRATION = (
    f"Separate trials of ten published networks, by maximum likelihood: in {REVERSED} of {CONTRASTS} contrasts the direction "
    f"was opposite to that of the randomised network, and in {HELD} of {CONTRASTS} the 95 % interval held its value. These were "
    "trials with alike patients; cohorts differ in more."
)
#: Rungs whose patients were compared with others of the same study.
_INSIDE = ("randomised", "within")
_RATIO = scale_of("ratio")


@dataclass(frozen=True, eq=False, repr=False)
class Ladder(Result):
    """One contrast on five rungs of evidence.

    Attributes
    ----------
    first, second
        The groups: ratios and differences are of the first against the second.
    rungs
        Tuple of `Rung`, from randomised to separate and unadjusted.
    highest
        The first rung with an estimate; None where there is none.
    moderators
        Frame of what separate studies report: moderator, title, rows of each group that report it, their ranges, and whether these
        overlap.
    """

    first: str
    second: str
    rungs: tuple[Rung, ...]
    level: float
    method: Method = field(repr=False)
    _moderators: tuple[dict[str, Any], ...] = field(repr=False)
    _label: str = field(repr=False, default="")

    _entries = ("first", "second", ("rungs", "_listed"), "moderators", "agreement")

    @property
    def _listed(self) -> list[dict[str, Any]]:
        return [{**asdict(rung), "title": rung.title} for rung in self.rungs]

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        of = f"{self._label}: " if self._label else ""
        return f"{of}{visible(self.first)} against {visible(self.second)}, by kind of evidence"

    @property
    def highest(self) -> Rung | None:
        """The first rung with an estimate."""
        return next((rung for rung in self.rungs if rung.odds_ratio is not None), None)

    @property
    def moderators(self) -> pd.DataFrame:
        """What separate studies of both groups report; a copy."""
        import pandas as pd

        return pd.DataFrame(list(self._moderators))

    @property
    def agreement(self) -> dict[str, float] | None:
        """Odds ratio inside studies over that of separate ones, with its interval; None without both.

        These rungs share no study, so that their errors are independent. Inside studies: randomised, else compared in one study.
        """
        inside = next((found for rung in self.rungs if rung.key in _INSIDE and (found := rung.log_odds(self.level))), None)
        apart = next((found for rung in self.rungs if rung.key == "separate" and (found := rung.log_odds(self.level))), None)
        if inside is None or apart is None:
            return None
        middle, reach = inside[0] - apart[0], two_sided_z(self.level) * float(np.hypot(inside[1], apart[1]))
        ends = np.exp([middle, middle - reach, middle + reach])
        return dict(zip(("ratio", "ci_lower", "ci_upper"), map(float, ends), strict=True))

    def to_frame(self) -> pd.DataFrame:
        """One row for each rung: rung, title, k (studies), patients, odds_ratio and difference (a fraction), reason, note."""
        import pandas as pd

        return pd.DataFrame(self._listed).rename(columns={"key": "rung"})

    def sentence(self) -> str:
        """The highest rung that exists, how it agrees with separate studies, and what these are worth."""
        names = f"{visible(self.first)} and {visible(self.second)}"
        top = self.highest
        if top is None:
            return f"No evidence compares {names}."
        said = _RATIO.estimate(top.odds_ratio, top.odds_ratio_lower, top.odds_ratio_upper, self.level, top.interval)
        text = f"The highest evidence on {names}: {top.title[:1].lower()}{top.title[1:]} ({plural(top.k, 'study', 'studies')}, "
        text += f"{top.patients:,} patients), odds ratio {said}."
        if (found := self.agreement) is not None and top.key in _INSIDE:
            ratio = _RATIO.estimate(found["ratio"], found["ci_lower"], found["ci_upper"], self.level)
            text += f" Against separate studies the ratio of the odds ratios is {ratio}."
        if top.key in ("adjusted", "separate"):
            text += f" {OBSERVATIONAL}"
        return text

    def adjustment(self) -> str:
        """What the separate studies could be adjusted for, with what is missing."""
        known = [row for row in self._moderators if row["first_known"] + row["second_known"]]
        if not known:
            return "The separate studies report no moderator, so that they cannot be adjusted."
        parts = [
            f"{visible(row['title'])} {row['first_known'] + row['second_known']} of {row['first_rows'] + row['second_rows']}"
            + ("" if row["overlap"] else " (ranges that do not overlap)")
            for row in known
        ]
        text = f"Arms of separate studies that report a moderator: {listing(parts, 12)}."
        return text if any(rung.key == "adjusted" and rung.odds_ratio for rung in self.rungs) else f"{text} They cannot be adjusted."

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """A row for each rung: studies, patients, odds ratio and difference with their intervals."""
        level = f"{level_text(self.level)} {interval_kind(rung.interval for rung in self.rungs if rung.odds_ratio is not None)}"
        known = [rung for rung in self.rungs if rung.odds_ratio is not None]
        ratios = _RATIO.column((rung.odds_ratio, rung.odds_ratio_lower, rung.odds_ratio_upper) for rung in known)
        rows: list[tuple[str, ...]] = []
        for rung in self.rungs:
            cells = [rung.title, count(rung.k), count(rung.patients)]
            ends, spread = (rung.odds_ratio_lower, rung.odds_ratio_upper), (rung.difference_lower, rung.difference_upper)
            ratio = rung.odds_ratio is not None
            cells += [_RATIO.text(rung.odds_ratio, ratios), _RATIO.limits(*ends, ratios, unit=False)] if ratio else [ABSENT, ABSENT]
            points = rung.difference is not None
            cells += [POINTS.text(rung.difference, 1), POINTS.limits(*spread, 1, unit=False)] if points else [ABSENT, ABSENT]
            rows.append((*cells, rung.reason))
        return ["Evidence", "Studies", "Patients", "Odds ratio", level, "Difference, points", level, "Remark"], rows

    def figure(self, **options: Any) -> Axes:
        """Draw the rungs; options as in `metanet.figures.plots.ladder.ladder`."""
        axes: Axes = draw("ladder", self, **options)
        return axes


def count(value: int) -> str:
    """A count; none is a dash."""
    return number(value, 0) if value else ABSENT


@checked(level=checked_level)
def contrast_ladder(
    evidence: Tables,
    outcome: str,
    first: str,
    second: str,
    *,
    moderators: str | Iterable[str] | None = None,
    definition: str | None = None,
    overlap: str = "keep_largest",
    certainty: str | None = None,
    level: float = 0.95,
) -> Ladder:
    """Compare two groups on every kind of evidence that there is, each by itself.

    Parameters
    ----------
    evidence
        What `load_evidence` or `read` returned, a frame, a result, or a folder or file to be read.
    outcome
        The outcome, by its name or label.
    first, second
        Two modality classes, or two modalities.
    moderators
        Columns that the rung of adjusted separate studies adjusts for; only rows that have them enter it. None takes the one that most
        studies report, where at least four of each group do and their ranges overlap.
    definition, overlap, certainty
        As in `Evidence.rates`. Overlap is decided among all groups, so that no patients are on two rungs.
    level
        Coverage of the intervals.

    Returns
    -------
    Ladder
        Five rungs: randomised in one study; compared in one study; through a network, where a third group connects the two; separate
        studies, adjusted; separate studies. Each has studies, patients, odds ratio and difference of rates with intervals, or the
        reason why it has none. Nothing is pooled across them. Studies with arms of both groups are on no rung of separate studies.

    Raises
    ------
    ArgumentError
        Groups that the evidence does not have or that are one, or a moderator that is not a column.

    Notes
    -----
    Inside a study: the exact conditional model for odds ratios, inverse variance for differences (`within_studies`). Separate studies:
    `compare`; adjusted: `meta_regression` by the default model, whose difference of rates depends on the moderator and is not given.

    References
    ----------
    Schmitz, Maguire, Morris et al. (2018), doi:10.1186/s12874-018-0509-7, and Thom et al. (2022), doi:10.1177/0272989X221097081, on
    what separate single-arm studies can and cannot say.

    Examples
    --------
    >>> found = mn.contrast_ladder(mn.load_evidence(), "Disease control", "TACE", "TAE")
    >>> found.highest.key
    'within'
    """
    tables = evidence_of(evidence)
    name = tables.outcome(outcome)
    by = _column(tables, first, second)
    everything = tables.rates(name, definition=definition, overlap=overlap, certainty=certainty)
    pair = everything[everything[by].isin([first, second])]
    for group in (first, second):
        if not (pair[by] == group).any():
            raise ArgumentError(f"{tables.label(name)} has no poolable row of {as_given(group)}. Fix: name another outcome or group.")
    shared = pair.groupby("study_id")[by].transform("nunique") > 1
    question = Question(by, first, second, pair[shared], pair[~shared], everything, level)
    rows = reported(question, [column for column in MODERATORS if column in everything.columns])
    chosen = _moderators(moderators, everything, rows)
    rungs = (*within_rungs(question), network_rung(question), adjusted_rung(question, chosen), separate_rung(question))
    stamp = {
        "outcome": name,
        "label": tables.label(name),
        "direction": tables.direction(name),
        "definition": everything.attrs.get("definition"),
        "first": first,
        "second": second,
        "by": by,
        "overlap": overlap,
        "moderators": list(chosen),
        "level": level,
        "sentence": (
            "Rungs of evidence, each by itself: within studies by the exact conditional model (odds ratios) and by inverse variance "
            f"(differences), separate studies by one posterior of both groups; {level_text(level)} intervals."
        ),
        "sources": ["doi:10.1002/sim.4040"],
        "notes": [
            *(f"{rung.title}: {rung.note}." for rung in rungs if rung.note),
            *([CALIBRATION] if rungs[-1].odds_ratio is not None else []),
        ],
    }
    return Ladder(first, second, rungs, level, Method(stamp), tuple(rows), tables.label(name))


def _column(evidence: Any, first: object, second: object) -> str:
    """The column of the two groups: classes, or modalities."""
    classes = tuple(evidence.modality_classes)
    modalities = tuple(dict.fromkeys(str(value) for value in evidence.arms["modality"]))
    for argument, value in (("first", first), ("second", second)):
        check_choice(argument, value, tuple(dict.fromkeys([*classes, *modalities])))
    if first == second:
        raise ArgumentError(f"second={as_given(second)} is the first group again. Fix: name another one.")
    if first in classes and second in classes:
        return "modality_class"
    if first in modalities and second in modalities:
        return "modality"
    both = f"first={as_given(first)} and second={as_given(second)}"
    raise ArgumentError(f"{both} are a class and a modality. Fix: name two of one kind.")


def _moderators(given: object, frame: pd.DataFrame, rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    if given is None:
        found = adjustable(rows)
        return () if found is None else (found,)
    names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else ()
    if not names:
        raise ArgumentError(f"moderators={as_given(given)} must be one column or several, or None.")
    return tuple(check_choice("moderators", name, tuple(map(str, frame.columns))) for name in names)
