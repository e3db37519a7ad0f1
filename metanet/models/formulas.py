"""Formulas of moderators: from "~ pct_pancreatic + year" to a design, without evaluating anything as Python.

formulaic reads the algebra of terms and codes the categories. The factors themselves are read here, by a closed list of names and
functions, and reach formulaic as plain columns under names of our own: no text from a file is ever code, a name or a label there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.errors import ArgumentError, shorten
from metanet.models.display import plural
from metanet.models.factors import Factor, Values, read_factor, read_values
from metanet.words import listing

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_LONGEST, _MOST_NAMES, _LARGEST_POWER = 500, 12, 3
_QUOTED = re.compile(r"`([^`]*)`")
_POWER = re.compile(r"(?:\*\*|\^)\s*([0-9.]*)")
_LABEL = re.compile(r"^F([0-9]+)(?:\[(T\.)?L([0-9]+)\])?$")


@dataclass(frozen=True)
class Formula:
    """A formula that was read: its factors, and the spec by which formulaic makes columns of them."""

    text: str
    factors: tuple[Factor, ...]
    names: tuple[str, ...]
    _parsed: Any

    def usable(self, frame: pd.DataFrame) -> Mask:
        """The rows that miss no moderator, ``[k]``."""
        known = np.ones(len(frame), dtype=bool)
        for name in self.names:
            known &= read_values(frame, name).known
        return known

    def design(self, frame: pd.DataFrame, labels: Sequence[str]) -> Design:
        """The design of studies that miss no moderator; `labels` names them in messages."""
        columns = {name: read_values(frame, name) for name in self.names}
        factors = tuple(factor.learnt(columns) for factor in self.factors)
        spec_frame = _frame(factors, columns, labels)
        matrix = self._parsed.get_model_matrix(spec_frame, na_action="ignore")
        names = tuple(_readable(str(c), factors) for c in matrix.columns)
        values = np.asarray(matrix.to_numpy(), dtype=np.float64)
        return Design(self, factors, names, values, matrix.model_spec)


@dataclass(frozen=True, eq=False)
class Design:
    """Columns of the fitted studies, with what is needed to make them of new values."""

    formula: Formula
    factors: tuple[Factor, ...]
    terms: tuple[str, ...]
    matrix: Array
    _spec: Any

    def of(self, new: Any) -> tuple[Array, pd.DataFrame]:
        """The design ``[m, p]`` of new values of the moderators, a mapping or a frame, and those values."""
        frame = _new_frame(new, self.formula.names)
        columns = {name: read_values(frame, name, argument="new") for name in self.formula.names}
        for name, values in columns.items():
            for i in np.flatnonzero(~values.known):
                raise ArgumentError(f"new: {name!r} is missing in row {i}. Mend: give a value for every moderator.")
        labels = [f"row {i} of new" for i in range(len(frame))]
        matrix = self._spec.get_model_matrix(_frame(self.factors, columns, labels), na_action="ignore")
        return np.asarray(matrix.to_numpy(), dtype=np.float64), frame

    @property
    def numeric(self) -> tuple[str, ...]:
        """Source columns that are numbers."""
        return tuple(n for n in self.formula.names if not any(f.categories and f.names == (n,) for f in self.factors))


def read_formula(formula: object, frame: pd.DataFrame) -> Formula:
    """Check and read a formula for the columns of `frame`.

    Raises
    ------
    ArgumentError
        Syntax that cannot be read, a name that is no column, or anything beyond names, arithmetic and the listed functions.
    """
    if not isinstance(formula, str):
        raise ArgumentError(f"formula={shorten(formula)!r} must be a text such as '~ year + pct_pancreatic'.")
    text = " ".join(formula.split())
    if not text.startswith("~"):
        raise ArgumentError(f"formula={shorten(text)!r} must begin with '~', as in '~ year'. Nothing stands before it.")
    if len(text) > _LONGEST:
        raise ArgumentError(f"formula has {len(text)} characters; at most {_LONGEST} are read.")
    quoted: dict[str, str] = {}

    def hide(found: re.Match[str]) -> str:
        name = f"quoted{len(quoted)}__"
        quoted[name] = found[1]
        return name

    plain = _QUOTED.sub(hide, text)
    _refuse(plain, text)
    parsed = _parse(plain, text)
    known: dict[str, Factor] = {}
    terms = []
    for term in parsed:
        parts = []
        for factor in term.factors:
            if factor.eval_method.value == "literal":
                if str(factor.expr) != "1":
                    raise ArgumentError(f"formula={shorten(text)!r}: the number {factor.expr} is no moderator.")
                parts.append("1")
                continue
            source = str(factor.expr)
            if source not in known:
                known[source] = read_factor(source, quoted, frame, len(known))
            parts.append(known[source].column)
        terms.append(":".join(parts))
    factors = tuple(known.values())
    names = tuple(dict.fromkeys(name for factor in factors for name in factor.names))
    if not names:
        raise ArgumentError(f"formula={shorten(text)!r} names no moderator. Mend: name a column, or use pool.")
    if len(names) > _MOST_NAMES:
        raise ArgumentError(f"formula names {len(names)} columns; at most {_MOST_NAMES} are taken.")
    from formulaic import Formula as Parsed  # type: ignore[import-untyped]

    rebuilt = " + ".join(terms) if "1" in terms else " + ".join(["0", *terms])
    return Formula(text, factors, names, Parsed(rebuilt))


def _refuse(plain: str, text: str) -> None:
    """What formulaic would read, but no formula here may hold."""
    for sign, what in (
        ("{", "braces"),
        ("|", "parts"),
        ("%", "the sign %"),
        ("@", "the sign @"),
        ("\\", "backslashes"),
    ):
        if sign in plain:
            raise ArgumentError(f"formula={shorten(text)!r}: {what} are not allowed in a formula.")
    if "~" in plain[1:]:
        raise ArgumentError(f"formula={shorten(text)!r} holds more than one '~'.")
    if plain.count("`"):
        raise ArgumentError(f"formula={shorten(text)!r}: a backtick is not closed.")
    if "__" in re.sub(r"quoted[0-9]+__", "", plain):
        raise ArgumentError(
            f"formula={shorten(text)!r}: names with two underscores are not allowed. Mend: put the name of a column in backticks."
        )
    for found in _POWER.finditer(plain):
        try:
            power = float(found[1])
        except ValueError:
            power = np.inf
        if power > _LARGEST_POWER:
            raise ArgumentError(
                f"formula={shorten(text)!r}: a power must be a number of at most {_LARGEST_POWER}, as in I(year ** 2)."
            )
    if len(re.findall(r"[*/:]", plain)) > 4 * _MOST_NAMES or len(re.findall(r"\*\*|\^", plain)) > _MOST_NAMES:
        raise ArgumentError(f"formula={shorten(text)!r} has too many operators to be read.")
    if len(set(re.findall(r"[A-Za-z_]\w*", plain))) > 2 * _MOST_NAMES:
        raise ArgumentError(f"formula={shorten(text)!r} has too many names; at most {_MOST_NAMES} columns are taken.")


def _parse(plain: str, text: str) -> Any:
    from formulaic import Formula as Parsed
    from formulaic.errors import FormulaicError  # type: ignore[import-untyped]
    from formulaic.formula import SimpleFormula  # type: ignore[import-untyped]

    try:
        parsed = Parsed(plain)
    except (FormulaicError, SyntaxError, ValueError, TypeError, RecursionError) as error:
        raise ArgumentError(
            f"formula={shorten(text)!r} cannot be read ({shorten(_first_line(error), 60)}). Mend: names joined by +, : or *, "
            "such as '~ year + log(n)'."
        ) from None
    if not isinstance(parsed, SimpleFormula):
        raise ArgumentError(f"formula={shorten(text)!r} must have one side and one part, such as '~ year'.")
    return parsed


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _frame(factors: Sequence[Factor], columns: Mapping[str, Values], labels: Sequence[str]) -> pd.DataFrame:
    """The columns under our own names; categories are numbered, so that no value of a file becomes a label."""
    import pandas as pd

    made: dict[str, Any] = {}
    for factor in factors:
        values = factor.evaluate(columns, labels)
        if factor.categories:
            codes = [f"L{i}" for i in range(len(factor.categories))]
            places = [codes[int(i)] for i in values]
            made[factor.column] = pd.Categorical(places, categories=codes)
        else:
            made[factor.column] = values
    return pd.DataFrame(made, index=range(len(labels)))


def _readable(name: str, factors: Sequence[Factor]) -> str:
    """A column's name with our names replaced by those of the reader."""
    if name in ("Intercept", "1"):
        return "Intercept"
    out = []
    for part in name.split(":"):
        found = _LABEL.match(part)
        if found is None:  # pragma: no cover - formulaic has no other form
            return name
        factor = factors[int(found[1])]
        level = "" if found[3] is None else f"[{found[2] or ''}{factor.categories[int(found[3])]}]"
        out.append(factor.label + level)
    return ":".join(out)


def _new_frame(new: Any, names: Sequence[str]) -> pd.DataFrame:
    """New values as a frame; scalars of a mapping stand for one row, or for every row."""
    import pandas as pd

    if isinstance(new, Mapping):
        lengths = {len(v) for v in new.values() if not isinstance(v, str) and hasattr(v, "__len__")}
        if len(lengths) > 1:
            raise ArgumentError("new: its values differ in length. Mend: one value for each row.")
        rows = lengths.pop() if lengths else 1
        new = pd.DataFrame(
            {k: list(v) if not isinstance(v, str) and hasattr(v, "__len__") else [v] * rows for k, v in new.items()}
        )
    if not (hasattr(new, "columns") and hasattr(new, "loc")):
        raise ArgumentError(f"new={shorten(new)!r} must be a mapping or a DataFrame with the moderators.")
    gone = [name for name in names if name not in new.columns]
    if gone:
        raise ArgumentError(
            f"new lacks {listing(gone)}. Mend: give {plural(len(names), 'moderator')}: {listing(names)}."
        )
    frame: pd.DataFrame = new.reset_index(drop=True)
    return frame
