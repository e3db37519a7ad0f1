"""What the results on small-study effects share: the method stamp, and how an effect is written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from metanet._version import __version__
from metanet.models.cards import card
from metanet.models.display import ABSENT, effect_digits, level_text, number, per_cent, rate_digits
from metanet.models.listed import Listed
from metanet.models.results import Method, Pooled


def stamp_of(title: str, source: str, weights: str, fit: Pooled, notes: Sequence[str], **choices: object) -> Method:
    """The stamp of a check: what it did, after which fit, and the notes."""
    return Method(
        {
            "check": title,
            "weights": weights,
            **choices,
            "level": fit.level,
            "fit": dict(fit.method),
            "package": "metanet",
            "version": __version__,
            "sources": [f"{title}: doi:{source}"],
            "notes": list(notes),
            "sentence": f"{title} (doi:{source}; weights: {weights}) after: {fit.method.sentence()}",
        }
    )


def shown_effect(scale: str, value: float | None) -> str:
    """A value on the response scale with its unit."""
    if value is None:
        return ABSENT
    if scale == "rate":
        return f"{per_cent(value, rate_digits(value))} %"
    return number(value, effect_digits(value))


def shown_interval(scale: str, value: float | None, lower: float | None, upper: float | None, level: float) -> str:
    """An estimate with its interval."""
    if value is None:
        return ABSENT
    if lower is None or upper is None:
        return f"{shown_effect(scale, value)} (no interval)"
    return f"{shown_effect(scale, value)} ({level_text(level)} CI {shown_effect(scale, lower)} to {shown_effect(scale, upper)})"


class Check(Listed, ABC):
    """What every result of this kind shows: a sentence, its numbers by name, the notes and the method."""

    reason: str | None
    method: Method

    @property
    @abstractmethod
    def heading(self) -> str:
        """What the check is called."""

    @abstractmethod
    def rows(self) -> list[tuple[str, str]]:
        """Name and text of every number."""

    @abstractmethod
    def sentence(self) -> str:
        """What was found, in a plain sentence."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know beside the numbers."""
        return tuple(self.method["notes"])

    def summary(self) -> str:
        """Everything as text: the numbers or the reason why there are none, the notes, the method."""
        lines = [self.heading]
        if self.reason:
            lines.append(f"  {self.reason}")
        else:
            rows = self.rows()
            width = max(len(name) for name, _ in rows)
            lines += [f"  {name:<{width}}  {text}" for name, text in rows]
        if self.notes:
            lines += ["Notes", *(f"  - {note}" for note in self.notes)]
        return "\n".join([*lines, "Method", f"  {self.method.sentence()}"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.sentence()}>"

    def _repr_html_(self) -> str:
        pairs = [] if self.reason else self.rows()
        return card(self.heading, self.sentence(), pairs=pairs, notes=self.notes, method=self.method.sentence())
