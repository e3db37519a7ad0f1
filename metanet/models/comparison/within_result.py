"""The result of `within_studies`: every pair of groups that studies compare themselves, and views of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metanet.base.cards import card
from metanet.base.display import level_text, limits_text, plural, value_text
from metanet.base.untrusted import listing, visible
from metanet.effects.measures import MEASURES
from metanet.models.results.pooled import Method, Pooled, plain

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
        """The pair in words."""
        return f"{self.first} against {self.second}"

    def randomised_text(self) -> str:
        """Whether patients were allocated at random: "yes", "no", in how many studies, or that no study says."""
        if self.randomised is None:
            return "not stated"
        if self.randomised == 0:
            return "no"
        return "yes" if self.randomised == self.fit.k else f"{self.randomised} of {self.fit.k}"


@dataclass(frozen=True, eq=False)
class WithinStudies:
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

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know beside the numbers."""
        return tuple(self.method["notes"])

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
            "studies": [{str(c): plain(v) for c, v in row.items()} for row in self._arms.to_dict("records")],
            "method": plain(dict(self.method)),
        }

    def rows(self) -> list[tuple[str, ...]]:
        """The pairs as texts: name, studies, patients, estimate, interval, prediction interval, at random."""
        out: list[tuple[str, ...]] = []
        for pair in self.details.values():
            fit = pair.fit
            scale = fit.response
            out.append(
                (
                    visible(pair.name),
                    str(fit.k),
                    str(fit.n),
                    value_text(scale, fit.estimate, fit.estimate),
                    limits_text(scale, fit.estimate, fit.ci_lower, fit.ci_upper),
                    limits_text(scale, fit.estimate, fit.pi_lower, fit.pi_upper),
                    pair.randomised_text(),
                )
            )
        return out

    def head(self) -> list[str]:
        """Headings of `rows`."""
        title = MEASURES[self.measure].title
        interval = f"{level_text(self.level)} CI"
        return [
            "Pair",
            "Studies",
            "Patients",
            title[:1].upper() + title[1:],
            interval,
            "Prediction interval",
            "At random",
        ]

    def sentence(self) -> str:
        """What the studies say, pair by pair, and whether patients were allocated at random."""
        if not self.details:
            return f"No study has arms in two groups of {visible(self.by)}, so none compares them."
        parts = []
        title = MEASURES[self.measure].title
        for pair in self.details.values():
            fit = pair.fit
            studies = plural(fit.k, "study", "studies")
            if fit.estimate is None:
                parts.append(f"{visible(pair.name)}: no estimate ({studies}, {fit.n} patients)")
                continue
            shown = value_text(fit.response, fit.estimate, fit.estimate)
            limits = limits_text(fit.response, fit.estimate, fit.ci_lower, fit.ci_upper)
            parts.append(
                f"{visible(pair.name)}: {title} {shown} ({level_text(self.level)} CI {limits}; {studies}, {fit.n} patients)"
            )
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
        """The pairs that no study compares, in words."""
        names = listing([f"{a} against {b}" for a, b in self.not_compared], 12)
        return f"No study compares {names}." if self.not_compared else ""

    def summary(self) -> str:
        """Table of pairs, the pairs without a study, and the notes."""
        lines = [f"Comparisons within studies, by {visible(self.by)}"]
        if self.details:
            table = [tuple(self.head()), *self.rows()]
            widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
            lines += ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table]
        lines += [self.silence()] if self.not_compared else []
        lines += ["Notes", *(f"  - {note}" for note in self.notes)]
        for pair in self.details.values():
            lines += [f"  - {visible(pair.name)}: {note}" for note in pair.fit.notes]
        return "\n".join([*lines, "Method", f"  {self.method.sentence()}"])

    def __repr__(self) -> str:
        return f"<WithinStudies by {visible(self.by)}: {self.sentence()}>"

    def _repr_html_(self) -> str:
        foot = [*([self.silence()] if self.not_compared else []), *self.notes]
        title = f"Comparisons within studies, by {self.by}"
        head = self.head() if self.details else []
        return card(title, head=head, rows=self.rows(), notes=foot, method=self.method.sentence())
