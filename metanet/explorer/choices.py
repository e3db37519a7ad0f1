"""What can be chosen in the explorer: the words of each menu, from the rows of the evidence and the registry of models."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from weakref import WeakKeyDictionary

from metanet.base.display import sentence_case, title_of
from metanet.base.errors import ArgumentError
from metanet.base.groups import natural
from metanet.base.untrusted import literal as text_literal
from metanet.models.options import check_options
from metanet.models.registry import CI, MODELS as REGISTRY

if TYPE_CHECKING:
    import pandas as pd

    from metanet.evidence import Evidence

R = TypeVar("R")

#: The choices and their labels.
MODELS: Mapping[str, Mapping[str, Any]] = {
    "Binomial-normal, Bayesian": {},
    "Binomial-normal (GLMM)": {"model": "glmm"},
    "Beta-binomial": {"model": "beta_binomial"},
    "Inverse variance, logit": {"model": "inverse_variance"},
    "Inverse variance, Freeman-Tukey": {"model": "inverse_variance", "measure": "PFT"},
    "Common effect, logit": {"model": "common"},
}
OVERLAPS = {"Largest report of a cohort": "keep_largest", "Newest report": "keep_newest", "All reports": "keep_all"}
CERTAINTIES = {"Any": None, "Low or better": "low", "Moderate or better": "moderate", "High": "high"}
LEVELS = {"90 %": 0.9, "95 %": 0.95, "99 %": 0.99}
ALL = "All modalities"

#: A text column with more values is no group of studies, and one with longer values is prose.
_VALUES, _LENGTH = 20, 40
#: Columns that have a control of their own, and those that say where a count was found and not what the patients were.
_NO_FILTER = frozenset(
    "study study_id arm events total modality_class certainty overlap_group poolable doi pmid note source source_locator printed "  # noqa: SIM905
    "derivation double_extracted".split()
)

_remembered: WeakKeyDictionary[Any, dict[Hashable, Any]] = WeakKeyDictionary()


def _remember(function: Callable[..., R]) -> Callable[..., R]:
    """Ask the evidence once: it does not change, and menus are made at every click."""

    def asked(evidence: Evidence, *given: Hashable) -> R:
        known = _remembered.setdefault(evidence, {})
        key = (function.__name__, *given)
        if key not in known:
            known[key] = function(evidence, *given)
        found: R = known[key]
        return found

    return asked


def selected(evidence: Evidence, outcome: str, definition: str | None = None, **selection: Any) -> pd.DataFrame:
    """Rows of the evidence; an argument that says nothing is left out, as in the code that is shown."""
    if definition is not None:
        selection["definition"] = definition
    rates: pd.DataFrame = evidence.rates(outcome, **{name: value for name, value in selection.items() if value is not None})
    return rates


@_remember
def rows_of(evidence: Evidence, outcome: str, definition: str | None = None) -> pd.DataFrame:
    """All rows of an outcome that can be pooled, before any other choice. To be read only."""
    return selected(evidence, outcome, definition, overlap="keep_all")


def column_title(evidence: Evidence, outcome: str, name: str) -> str:
    """A column as a reader calls it."""
    title = title_of(name, rows_of(evidence, outcome))
    return "Modality" if title == "modality_class" else title


@_remember
def outcomes_of(evidence: Evidence) -> dict[str, str]:
    """Printed name -> outcome, of outcomes with a row that can be pooled."""
    return told_apart({name: evidence.label(name) for name in evidence.outcome_names if len(rows_of(evidence, name))})


def told_apart(titles: Mapping[str, str]) -> dict[str, str]:
    """Title -> name; where two titles are equal the names are added."""
    several = list(titles.values())
    return {title if several.count(title) == 1 else f"{title} ({name})": name for name, title in titles.items()}


@_remember
def modalities_of(evidence: Evidence, outcome: str, definition: str | None = None) -> tuple[str, ...]:
    """The modality classes that have a row of an outcome, in the order of the evidence."""
    rows = rows_of(evidence, outcome, definition)
    present = {str(name) for name in _values(rows, "modality_class")}
    known = [str(name) for name in evidence.modality_classes if name in present]
    return (*known, *sorted(present.difference(known), key=natural))


@_remember
def definitions_of(evidence: Evidence, outcome: str) -> dict[str, str | None]:
    """Title -> family of definitions that has a row, the default first and as None; without entries where there is no choice."""
    families = list(evidence.definitions(outcome))
    if len(families) < 2:
        return {}
    known: dict[str, str | None] = {name: None if name == families[0] else name for name in families}
    titles = {name: title_of(name, rows_of(evidence, outcome)) for name in families if len(rows_of(evidence, outcome, known[name]))}
    return {title: known[name] for title, name in told_apart(titles).items()}


def most_studied(evidence: Evidence) -> str:
    """The outcome with the most studies."""
    return max(outcomes_of(evidence).values(), key=lambda name: _studies(selected(evidence, name)))


def largest_modality(evidence: Evidence, outcome: str) -> str | None:
    """The modality class with the most studies of an outcome; None where there is no choice of one."""
    known = modalities_of(evidence, outcome)
    if len(known) < 2:
        return None
    return max(known, key=lambda name: _studies(selected(evidence, outcome, modality=name)))


def _studies(rows: pd.DataFrame) -> int:
    return int(rows["study_id" if "study_id" in rows else "study"].nunique())


@_remember
def has_overlap(evidence: Evidence, outcome: str, definition: str | None = None) -> bool:
    """Whether two reports of an outcome share patients."""
    rows = rows_of(evidence, outcome, definition)
    if "overlap_group" not in rows or "study_id" not in rows:
        return False
    groups = rows[rows["overlap_group"].fillna("") != ""].groupby("overlap_group")["study_id"].nunique()
    return bool((groups > 1).any())


@_remember
def has_certainty(evidence: Evidence, outcome: str, definition: str | None = None) -> bool:
    """Whether the rows of an outcome differ in certainty."""
    return len(_values(rows_of(evidence, outcome, definition), "certainty")) > 1


def _values(rows: pd.DataFrame, name: str) -> set[Any]:
    """What a column holds; gaps are nothing."""
    return set(_distinct(rows[name].tolist())) if name in rows else set()


def is_gap(value: object) -> bool:
    """Whether a cell is empty."""
    import pandas as pd

    return (
        value is None or value is pd.NA or (isinstance(value, str) and not value) or (isinstance(value, float) and math.isnan(value))
    )


def intervals_of(model: str) -> dict[str, str | None]:
    """Label -> word of `ci`, the model's own first and as None; without entries where the model has one interval."""
    options = MODELS[model]
    own = check_options(**options)
    words = [word for word in REGISTRY[own.model].ci if word != own.ci and _allowed(options, word)]
    if not words:
        return {}
    return {f"Model's own ({CI[own.ci].title})": None, **{_heading(CI[word].title): word for word in words}}


def _heading(title: str) -> str:
    """Student's t stays a small letter."""
    return title if len(title) == 1 else sentence_case(title)


def _allowed(options: Mapping[str, Any], word: str) -> bool:
    """Whether the model takes an interval with its other defaults: the profile of a likelihood needs tau2 of that likelihood."""
    try:
        check_options(**options, ci=word)
    except ArgumentError:
        return False
    return True


@dataclass(frozen=True)
class FilterColumn:
    """A column by whose values rows can be chosen: a few words, or the numbers of a range, in order."""

    name: str
    title: str
    kind: Literal["words", "range"]
    values: tuple[Any, ...]


@_remember
def filters_of(evidence: Evidence, outcome: str, definition: str | None = None) -> dict[str, FilterColumn]:
    """The columns that can filter the rows of an outcome, by name: those with some values that some rows share, and numbers."""
    rows = rows_of(evidence, outcome, definition)
    found: dict[str, tuple[Literal["words", "range"], tuple[Any, ...]]] = {}
    for name in map(str, rows.columns):
        if name in _NO_FILTER or (name == "definition" and definitions_of(evidence, outcome)):
            continue
        cells = rows[name].tolist()
        values = _distinct(cells)
        # One value and a gap are a choice of words, but no range.
        if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
            if len(values) > 1:
                found[name] = "range", tuple(sorted(values))
        elif len({*values, *(("",) if any(map(is_gap, cells)) else ())}) > 1 and _is_group(values, cells):
            found[name] = "words", tuple(sorted(values, key=lambda value: natural(str(value))))
    titles = told_apart({name: title_of(name, rows) for name in found})
    return {name: FilterColumn(name, title, *found[name]) for title, name in titles.items()}


def _distinct(cells: Iterable[Any]) -> list[Any]:
    """The values of a column; none where it holds anything but texts, truth values and finite numbers."""
    known = [cell for cell in cells if not is_gap(cell)]
    plain = all(isinstance(cell, str) or (isinstance(cell, (bool, int, float)) and math.isfinite(cell)) for cell in known)
    return list(dict.fromkeys(known)) if plain else []


def _is_group(values: Sequence[Any], cells: Sequence[Any]) -> bool:
    if all(isinstance(value, bool) for value in values):
        return True
    words = all(isinstance(value, str) and len(value) <= _LENGTH for value in values)
    return words and len(values) <= _VALUES and len(values) < sum(not is_gap(cell) for cell in cells)


@dataclass(frozen=True)
class Condition:
    """Which rows a filter keeps: those that have a value of a column or have not, or a range of its numbers. None keeps all."""

    column: str
    how: Literal["is", "is not", "from to"] | None = None
    value: Any = None

    def kept(self, rates: pd.DataFrame) -> pd.DataFrame:
        """The rows that fulfil the condition, as the line of code selects them."""
        if self.how is None or self.column not in rates:
            return rates
        chosen: pd.DataFrame = rates[self._mask(rates[self.column])]
        return chosen

    def _mask(self, cells: Any) -> Any:
        if self.how == "from to":
            return cells.between(*self.value)
        return cells == self.value if self.how == "is" else cells != self.value

    def gaps(self, rates: pd.DataFrame) -> int:
        """How many rows the condition excludes because they have no value."""
        if self.how is None or self.column not in rates:
            return 0
        cells = rates[self.column]
        kept = self._mask(cells).fillna(False).tolist()
        return sum(is_gap(cell) and not known for cell, known in zip(cells.tolist(), kept, strict=True))

    def code(self) -> str | None:
        """The line of code; None where all rows are kept."""
        if self.how is None:
            return None
        cells = f"rates[{literal(self.column)}]"
        if self.how == "from to":
            return f"rates = rates[{cells}.between({', '.join(map(literal, self.value))})]"
        return f"rates = rates[{cells} {'==' if self.how == 'is' else '!='} {literal(self.value)}]"

    def within(self, column: FilterColumn) -> Condition:
        """The condition among the values of a column: without those that it has not."""
        if self.how == "from to" and column.kind == "range":
            inside = [value for value in column.values if self.value[0] <= value <= self.value[1]]
            if inside and (inside[0], inside[-1]) != (column.values[0], column.values[-1]):
                return Condition(self.column, "from to", (inside[0], inside[-1]))
        elif self.how in ("is", "is not") and column.kind == "words" and self.value in column.values:
            return self
        return Condition(self.column)


def words_of(value: Any) -> str:
    """A value of a column as a reader calls it."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def literal(value: Any) -> str:
    """A text, a number or a truth value as a safe Python literal; unprintable characters are escaped."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if not isinstance(value, str):
        return repr(value)
    return text_literal(value)
