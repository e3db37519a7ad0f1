"""What every result of an analysis shows: numbers by name, a sentence, a frame, notes and the method, from a few hooks.

A result gives `heading`, `sentence()`, `to_frame()` and, where it has them, `rows()` (names and texts) and `table()` (a head and
rows of texts). `summary()`, `repr`, the card in JupyterLab, `to_dict()`, `notes` and Tab completion follow.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from metanet.base.cards import card
from metanet.base.display import degrees, number, p_value
from metanet.base.untrusted import visible

if TYPE_CHECKING:
    import pandas as pd


def plain(value: Any) -> Any:
    """`value` as what JSON can hold: NaN becomes None, infinity a text, NumPy scalars Python ones, frames lists of rows."""
    if isinstance(value, (Result, Test)):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "columns") and hasattr(value, "to_dict"):
        return [plain(row) for row in records(value)]
    if hasattr(value, "tolist"):
        # A NumPy scalar becomes a Python one, an array a list.
        value = value.tolist()
        if isinstance(value, list):
            return [plain(item) for item in value]
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    return str(value)


def without_marks(frame: pd.DataFrame) -> pd.DataFrame:
    """The same data without `attrs`, to be read row by row: pandas would copy all marks for every column that it reads."""
    bare = frame.copy(deep=False)
    bare.attrs = {}
    return bare


def records(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """The rows of a frame, column -> value."""
    rows: list[dict[Any, Any]] = without_marks(frame).to_dict("records")
    return rows


class Method(Mapping[str, Any]):
    """The method stamp: every choice that moved a number, the versions, and the notes. Read-only, JSON-able."""

    def __init__(self, entries: Mapping[str, Any]) -> None:
        self._entries = dict(entries)

    def __getitem__(self, key: str) -> Any:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Method({self._entries!r})"

    def sentence(self) -> str:
        """The choices in one sentence, for a figure's foot or a methods section."""
        return str(self._entries.get("sentence", ""))


@dataclass(frozen=True)
class Test:
    """A test of a hypothesis.

    Attributes
    ----------
    name
        What the statistic is called: "likelihood ratio", "Q", "t".
    null
        The null hypothesis in words.
    statistic, distribution, df
        Its value, the distribution under the null ("chi-squared", "t", "F", "normal", "exact", "bootstrap", "permutation",
        "posterior", or None for an index without one), and that distribution's degrees of freedom.
    pvalue
        The p-value; None where there is none.
    reason
        Why there is no test, or None.
    """

    #: Not a class of tests for pytest.
    __test__: ClassVar[bool] = False

    name: str
    null: str
    statistic: float | None = None
    distribution: str | None = None
    df: tuple[float, ...] = ()
    pvalue: float | None = None
    reason: str | None = None

    def __bool__(self) -> bool:
        """Whether the test could be made."""
        return self.reason is None

    def text(self, digits: int = 2) -> str:
        """The result of the test: "likelihood ratio 53.40 on 11 df, p < 0.001"; without a test the reason."""
        if self.reason is not None:
            return self.reason
        shown = self.name if self.statistic is None else f"{self.name} {number(self.statistic, digits)}"
        if self.df:
            shown += f" on {' and '.join(map(degrees, self.df))} df"
        return shown if self.distribution is None else f"{shown}, {p_value(self.pvalue)}"

    def __str__(self) -> str:
        return f"{self.null}: {self.text()}"

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values."""
        return {each.name: plain(getattr(self, each.name)) for each in fields(self)}


class Result(ABC):
    """Base of every result of an analysis. What does not exist is None, with `reason` or a note.

    Subclasses are frozen dataclasses with a field `method` (a `Method`) and, where there may be no answer at all, `reason`. `_entries`
    lists what `to_dict` holds: names of attributes, or pairs of key and attribute.
    """

    _entries: ClassVar[tuple[str | tuple[str, str], ...]] = ()

    if TYPE_CHECKING:

        @property
        def method(self) -> Method:
            """The method stamp."""
            raise AttributeError

    @property
    @abstractmethod
    def heading(self) -> str:
        """What the analysis is called."""

    @abstractmethod
    def sentence(self) -> str:
        """The result in plain words."""

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """The result as a tidy frame."""

    def rows(self) -> list[tuple[str, str]]:
        """Name and text of every number that a reader needs."""
        return []

    def table(self) -> tuple[Sequence[str], list[tuple[str, ...]]]:
        """Head and rows of the table of a result; both empty where it has none."""
        return (), []

    @property
    def tests(self) -> dict[str, Test]:
        """The tests of hypotheses, by name."""
        return {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know beside the numbers; also ``method["notes"]``."""
        return tuple(self.method["notes"])

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON-able values; infinite limits become the text "inf"."""
        pairs = [entry if isinstance(entry, tuple) else (entry, entry) for entry in self._entries]
        out = {key: plain(getattr(self, name)) for key, name in pairs}
        return {**out, "method": plain(dict(self.method))}

    def _body(self) -> list[str]:
        """The lines between heading and notes."""
        if reason := getattr(self, "reason", None):
            return [f"  {reason}"]
        lines = aligned(self.rows()) or [f"  {self.sentence()}"]
        head, rows = self.table()
        return [*lines, *aligned([tuple(head), *rows])] if rows else lines

    def summary(self) -> str:
        """Everything as text: the numbers or the reason why there are none, the notes, the method."""
        lines = [self.heading, *self._body()]
        if self.notes:
            lines += ["Notes", *(f"  - {note}" for note in self.notes)]
        if sentence := self.method.sentence():
            lines += ["Method", f"  {sentence}", *(f"  {source}" for source in self.method.get("sources", ()))]
        return "\n".join(visible(line) for line in lines)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {visible(self.sentence())}>"

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not name.startswith("_"))

    def _lead(self) -> str:
        """The text of a card above its numbers."""
        return self.sentence()

    def _repr_html_(self) -> str:
        absent = getattr(self, "reason", None)
        head, rows = ((), []) if absent else self.table()
        return card(
            self.heading,
            self._lead(),
            pairs=[] if absent else self.rows(),
            head=head if rows else (),
            rows=rows,
            notes=self.notes,
            method=self.method.sentence(),
        )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of texts as indented lines whose columns begin below each other."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
