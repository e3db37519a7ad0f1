"""The result of `within_studies`: every pair of groups that studies compare themselves, and views of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet.base.display import level_text, plural, scale_of, sentence_case
from metanet.base.results import Method, Result, plain
from metanet.base.untrusted import listing, visible
from metanet.effects.measures import MEASURES
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd


#: Pairs without a study that a sentence names.
_NAMED = 4


@dataclass(frozen=True, eq=False)
class Pair:
    """Two groups: the first compared with the second, and how many of its studies allocated at random (None: no study says)."""

    first: str
    second: str
    fit: Pooled
    randomised: int | None
    reports: tuple[str, ...]

    @property
    def name(self) -> str:
        """The pair as text."""
        return f"{self.first} against {self.second}"

    def randomised_text(self) -> str:
        """Whether patients were allocated at random: "yes", "no", in how many studies, or that no study says."""
        if self.randomised is None:
            return "not stated"
        if self.randomised == 0:
            return "no"
        return "yes" if self.randomised == self.fit.k else f"{self.randomised} of {self.fit.k}"


@dataclass(frozen=True, eq=False, repr=False)
class WithinStudies(Result):
    """Comparisons inside studies.

    Attributes
    ----------
    groups
        All groups, in order of appearance.
    details
        (first, second) -> `Pair`, for every pair that at least one study compares.
    pairs
        (first, second) -> `Pooled`, the first group against the second.
    not_compared
        Pairs that no study compares.
    studies
        Frame of the groups of the studies used: study, key, group, events, total, arms summed, design.
    """

    by: str
    measure: str
    level: float
    groups: tuple[str, ...]
    details: Mapping[tuple[str, str], Pair]
    not_compared: tuple[tuple[str, str], ...]
    method: Method = field(repr=False)
    _arms: pd.DataFrame = field(repr=False)

    @property
    def pairs(self) -> dict[tuple[str, str], Pooled]:
        """The pooled comparison of every pair."""
        return {names: pair.fit for names, pair in self.details.items()}

    @property
    def studies(self) -> pd.DataFrame:
        """The groups of the studies used; a copy."""
        frame = self._arms.copy()
        frame.attrs.clear()
        return frame

    def to_frame(self) -> pd.DataFrame:
        """One row for each pair, those that no study compares last (k = 0)."""
        import pandas as pd

        names = ("estimate", "ci_lower", "ci_upper", "pi_lower", "pi_upper", "tau2", "status", "model")
        rows: list[dict[str, Any]] = [
            {
                "first": pair.first,
                "second": pair.second,
                "k": pair.fit.k,
                "patients": pair.fit.n,
                "events": pair.fit.events,
                **{name: getattr(pair.fit, name) for name in names},
                "randomised": pair.randomised,
                "studies": ", ".join(pair.reports),
            }
            for pair in self.details.values()
        ]
        columns = ["first", "second", "k", "patients", "events", *names, "randomised", "studies"]
        rows += [
            {"first": a, "second": b, "k": 0, "patients": 0, "events": 0, "status": "no study compares them"}
            for a, b in self.not_compared
        ]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values."""
        return {
            "by": self.by,
            "measure": self.measure,
            "level": self.level,
            "groups": list(self.groups),
            "pairs": [
                {"first": pair.first, "second": pair.second, "randomised": pair.randomised, **pair.fit.to_dict()}
                for pair in self.details.values()
            ],
            "not_compared": [list(names) for names in self.not_compared],
            "studies": plain(self._arms),
            "method": plain(dict(self.method)),
        }

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return f"Comparisons within studies, by {visible(self.method['by'])}"

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """The pairs as texts: name, studies, patients, estimate, interval, prediction interval, at random."""
        fits = [pair.fit for pair in self.details.values()]
        title, interval = sentence_case(MEASURES[self.measure].title), f"{level_text(self.level)} CI"
        head = ["Pair", "Studies", "Patients", title, interval, "Prediction interval", "At random"]
        scale = scale_of(fits[0].response) if fits else scale_of("effect")
        digits = scale.column((fit.estimate, fit.ci_lower, fit.ci_upper) for fit in fits)
        return head, [
            (
                visible(pair.name),
                str(pair.fit.k),
                str(pair.fit.n),
                scale.value(pair.fit.estimate, digits),
                scale.limits(pair.fit.ci_lower, pair.fit.ci_upper, digits),
                scale.limits(pair.fit.pi_lower, pair.fit.pi_upper, digits),
                pair.randomised_text(),
            )
            for pair in self.details.values()
        ]

    def sentence(self) -> str:
        """What the studies say, pair by pair, and whether patients were allocated at random."""
        if not self.details:
            return f"No study has arms in two groups by {visible(self.method['by'])}, so none compares them."
        parts = []
        title = MEASURES[self.measure].title
        for pair in self.details.values():
            fit = pair.fit
            studies = plural(fit.k, "study", "studies")
            if fit.estimate is None:
                parts.append(f"{visible(pair.name)}: no estimate ({studies}, {fit.n} patients)")
                continue
            shown = fit.scale.estimate(fit.estimate, fit.ci_lower, fit.ci_upper, self.level).removesuffix(")")
            parts.append(f"{visible(pair.name)}: {title} {shown}; {studies}, {fit.n} patients)")
        text = "Compared within studies, " + "; ".join(parts) + f". {self.notes[self._allocation]}"
        if len(self.not_compared) > _NAMED:
            text += f" No study compares the other {len(self.not_compared)} pairs of groups."
        elif self.not_compared:
            text += f" {self.silence()}"
        return text

    @property
    def _allocation(self) -> int:
        """Place of the note on allocation; one on rows left out may stand before it."""
        return next(i for i, note in enumerate(self.notes) if "at random" in note)

    def silence(self) -> str:
        """The pairs that no study compares as text."""
        names = listing([f"{a} against {b}" for a, b in self.not_compared], 12)
        return f"No study compares {names}." if self.not_compared else ""

    def _body(self) -> list[str]:
        return [*super()._body(), *([f"  {self.silence()}"] if self.not_compared and self.details else [])]

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on all pairs and on each pair."""
        own = [f"{visible(pair.name)}: {note}" for pair in self.details.values() for note in pair.fit.notes]
        return (*self.method["notes"], *own)
