"""Formulas of moderators: from "~ pct_pancreatic + year" to a design, without evaluating anything as Python."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arrays import Array, Mask
from metanet.base.display import plural
from metanet.base.errors import ArgumentError, as_given, nearest, shorten
from metanet.base.groups import absent, categories_of, name_of, natural
from metanet.base.untrusted import listing, visible

if TYPE_CHECKING:
    import pandas as pd


_PLAIN: dict[str, Callable[[Array], Array]] = {
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "exp": np.exp,
}
#: Functions of a formula. `center` and `scale` keep what they learn from the studies, so that new values are treated alike.
FUNCTIONS = ("C", "I", "center", "scale", *_PLAIN)
_ALLOWED = f"names of columns, numbers, + - * / ** inside I(), and the functions {', '.join(FUNCTIONS)}"
_OPERATORS: dict[type, Callable[[Array, Array], Array]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}


#: Whether the marked studies ``[k]`` together have events and non-events.
Informative = Callable[[Mask], bool]


@dataclass(frozen=True, eq=False)
class Values:
    """A column: numbers ``[k]``, or texts; `known` marks what is not missing.

    `categories` are those of a pandas Categorical in their own order, empty for other columns.
    """

    known: Mask
    numbers: Array | None
    texts: tuple[str, ...]
    categories: tuple[str, ...] = ()


def read_values(frame: pd.DataFrame, name: str, *, argument: str = "data") -> Values:
    """A column of numbers as such, anything else as texts; a truth value is a category, and so is a number of a pandas Categorical."""
    column = frame[name]
    if getattr(column, "ndim", 1) != 1:
        raise ArgumentError(f"formula: several columns of {argument} are called {name!r}. Fix: rename them.")
    items = column.tolist()
    known = np.array([not absent(item) for item in items], dtype=bool)
    there = [item for item, here in zip(items, known, strict=True) if here]
    categories = categories_of(column)
    numeric = (
        bool(there)
        and categories is None
        and all(isinstance(item, (int, float, np.integer, np.floating)) and not isinstance(item, (bool, np.bool_)) for item in there)
    )
    if not numeric:
        texts = tuple(name_of(item) if ok else "" for item, ok in zip(items, known, strict=True))
        return Values(known, None, texts, tuple(map(name_of, categories or ())))
    numbers = np.full(len(items), np.nan)
    numbers[known] = [float(item) for item in there]
    for i in np.flatnonzero(known & ~(np.abs(numbers) <= 1e15)):
        raise ArgumentError(f"{argument}: {name}[{i}]={as_given(items[i])} cannot be computed with as a moderator.")
    return Values(known, numbers, ())


@dataclass(frozen=True, eq=False)
class Factor:
    """One factor: the columns it names, how it is written, and what it learnt from the studies.

    `categories` are empty for numbers; their first is the reference. `passed` is the category that would have been it by its order.
    """

    column: str
    label: str
    names: tuple[str, ...]
    reference: str | None
    categorical: bool
    categories: tuple[str, ...] = ()
    passed: str | None = None
    _node: Any = field(default=None, repr=False)
    _state: Mapping[str, tuple[float, float]] = field(default_factory=dict, repr=False)

    def learnt(self, columns: Mapping[str, Values], informative: Informative | None = None) -> Factor:
        """The factor with the categories, means and scales of these studies.

        A category that is not `informative` has no finite coefficient, and as the reference it would leave none to any other. Where
        no reference is chosen, it is the first category that is.
        """
        if self.categorical or (isinstance(self._node, str) and columns[self._node].numbers is None):
            values = columns[self.names[0]]
            here = set(_texts(values))
            found = [name for name in dict.fromkeys(values.categories) if name in here] or sorted(here, key=natural)
            if self.reference is not None:
                if self.reference not in found:
                    near = nearest(self.reference, found)
                    meant = f" Did you mean {as_given(near)}?" if near else ""
                    raise ArgumentError(
                        f"formula: {as_given(self.reference)} is not a category of {self.names[0]!r} here.{meant} "
                        f"Known: {listing(shorten(each, 60) for each in found)}."
                    )
                return replace(self, categories=_first(self.reference, found))
            if informative is not None:
                texts = np.array(_texts(values), dtype=object)
                chosen = next((name for name in found if informative(texts == name)), found[0])
                passed = found[0] if chosen != found[0] else None
                return replace(self, categories=_first(chosen, found), passed=passed)
            return replace(self, categories=tuple(found))
        state: dict[str, tuple[float, float]] = {}
        _compute(self._node, columns, state, learning=True)
        return replace(self, _state=state)

    def evaluate(self, columns: Mapping[str, Values], labels: Sequence[str]) -> Array:
        """Numbers ``[k]``, or the places of categories."""
        if self.categories:
            places = {category: i for i, category in enumerate(self.categories)}
            texts = _texts(columns[self.names[0]])
            for text, label in zip(texts, labels, strict=True):
                if text not in places:
                    near = nearest(text, self.categories)
                    meant = f" Did you mean {as_given(near)}?" if near else ""
                    raise ArgumentError(
                        f"{visible(label)}: {self.names[0]}={as_given(text)} is not a category of the fitted studies.{meant} "
                        f"Known: {listing(shorten(each, 60) for each in self.categories)}."
                    )
            return np.array([places[text] for text in texts], dtype=np.float64)
        values = _compute(self._node, columns, dict(self._state), learning=False)
        values = np.broadcast_to(values, (len(labels),)).astype(np.float64)
        wrong = np.flatnonzero(~np.isfinite(values))
        if wrong.size:
            raise ArgumentError(
                f"formula: {self.label} has no value for {listing([labels[int(i)] for i in wrong])} (a logarithm or root of what is "
                "not above zero, or a division by zero). Fix: leave these out, or take another transform."
            )
        return values


def _first(name: str, names: Sequence[str]) -> tuple[str, ...]:
    return (name, *(each for each in names if each != name))


def choice_of(column: str, category: str) -> str | None:
    """How a formula chooses the reference of a column; None where the names cannot be written in one."""
    if "`" in column:
        return None
    plain = column.isidentifier() and not keyword.iskeyword(column) and "__" not in column
    sign = next((sign for sign in "'\"" if sign not in category), None)
    return None if sign is None else f"C({column if plain else f'`{column}`'}, {sign}{category}{sign})"


def _texts(values: Values) -> list[str]:
    if values.numbers is None:
        return list(values.texts)
    return [name_of(number) for number in values.numbers]


def read_factor(source: str, quoted: Mapping[str, str], frame: pd.DataFrame, index: int) -> Factor:
    """Read one factor as formulaic splits them; `quoted` gives the names that stood in backticks."""

    def column(name: str) -> str:
        real = quoted.get(name, name)
        if real not in frame.columns:
            near = nearest(real, [str(c) for c in frame.columns])
            meant = f" Did you mean {as_given(near)}?" if near else ""
            raise ArgumentError(f"formula: {as_given(real)} is not a column of data.{meant}")
        return real

    label = source
    for short, real in quoted.items():
        label = label.replace(short, real)
    own = f"F{index}"
    if source in quoted or source in frame.columns:
        name = column(source)
        return Factor(own, name, (name,), None, False, _node=name)
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ArgumentError(f"formula: {as_given(label)} cannot be read. Allowed: {_ALLOWED}.") from None
    names: list[str] = []
    if isinstance(tree, ast.Name) or (isinstance(tree, ast.Call) and _called(tree, label) == "C"):
        name, reference = _category(tree, column, label)
        reference = None if reference is None else quoted.get(reference, reference).strip()
        shown = f"C({name})" if isinstance(tree, ast.Call) else name
        return Factor(own, shown, (name,), reference, isinstance(tree, ast.Call), _node=name)
    if isinstance(tree, ast.BinOp):
        raise ArgumentError(f"formula: {as_given(label)} is arithmetic. Fix: write I({shorten(label, 40)}).")
    if not isinstance(tree, ast.Call):
        raise ArgumentError(f"formula: {as_given(label)} is not a column of data. Allowed: {_ALLOWED}.")
    node = _checked(tree, column, names, label, 0)
    if not names:
        raise ArgumentError(f"formula: {as_given(label)} names no column.")
    for name in names:
        if read_values(frame, name).numbers is None:
            raise ArgumentError(f"formula: {as_given(label)} takes numbers, and the column {name!r} contains texts.")
    return Factor(own, label, tuple(dict.fromkeys(names)), None, False, _node=node)


def _called(node: ast.Call, label: str) -> str:
    if not isinstance(node.func, ast.Name):
        raise ArgumentError(f"formula: {as_given(label)} is not allowed. Allowed: {_ALLOWED}.")
    name = node.func.id
    if name not in FUNCTIONS:
        near = nearest(name, FUNCTIONS)
        meant = f" Did you mean {as_given(near)}?" if near else ""
        raise ArgumentError(f"formula: the function {as_given(name)} is not known.{meant} Allowed: {_ALLOWED}.")
    return name


def _category(node: ast.expr, column: Callable[[str], str], label: str) -> tuple[str, str | None]:
    """The column of ``C(name)`` and the reference of ``C(name, "level")``."""
    if isinstance(node, ast.Name):
        return column(node.id), None
    assert isinstance(node, ast.Call)
    reference: object = None
    given = [*node.args[1:], *(k.value for k in node.keywords if k.arg in ("ref", "reference"))]
    if not node.args or not isinstance(node.args[0], ast.Name) or len(given) > 1 or len(node.keywords) > len(given):
        raise ArgumentError(f"formula: {as_given(label)} must be C(column) or C(column, 'reference category').")
    if given:
        reference = given[0].value if isinstance(given[0], ast.Constant) else None
        if not isinstance(reference, (str, int, float)) or isinstance(reference, bool):
            raise ArgumentError(f"formula: the reference in {as_given(label)} must be a category in quotation marks.")
    return column(node.args[0].id), None if reference is None else name_of(reference)


def _checked(node: ast.expr, column: Callable[[str], str], names: list[str], label: str, depth: int) -> Any:
    """The tree as nested tuples of our own, every part of it allowed."""
    if depth > 20:
        raise ArgumentError(f"formula: {as_given(label)} is nested too deeply.")
    if isinstance(node, ast.Name):
        names.append(column(node.id))
        return names[-1]
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        if abs(node.value) > 1e15:
            raise ArgumentError(f"formula: a number in {as_given(label)} is too large.")
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        left = _checked(node.left, column, names, label, depth + 1)
        return type(node.op), left, _checked(node.right, column, names, label, depth + 1)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        inner = _checked(node.operand, column, names, label, depth + 1)
        return (ast.Mult, -1.0 if isinstance(node.op, ast.USub) else 1.0, inner)
    if isinstance(node, ast.Call):
        name = _called(node, label)
        if name == "C":
            raise ArgumentError(f"formula: {as_given(label)}: C() makes categories, which have no arithmetic.")
        if len(node.args) != 1 or node.keywords or isinstance(node.args[0], ast.Starred):
            raise ArgumentError(f"formula: {name}() in {as_given(label)} takes one column, or arithmetic with columns.")
        return name, _checked(node.args[0], column, names, label, depth + 1)
    raise ArgumentError(f"formula: {as_given(label)} is not allowed. Allowed: {_ALLOWED}.")


def _compute(node: Any, columns: Mapping[str, Values], state: dict[str, tuple[float, float]], *, learning: bool) -> Array:
    """The value of a checked tree."""
    if isinstance(node, str):
        numbers = columns[node].numbers
        if numbers is None:
            raise ArgumentError(f"{node!r} must be numbers, as in the fitted studies, not texts.")
        return numbers
    if isinstance(node, float):
        return np.array(node)
    with np.errstate(all="ignore"):
        if len(node) == 3:
            left, right = (_compute(part, columns, state, learning=learning) for part in node[1:])
            return _OPERATORS[node[0]](left, right)
        name, inner = node
        values = _compute(inner, columns, state, learning=learning)
        if name == "I":
            return values
        if name in _PLAIN:
            return np.asarray(_PLAIN[name](values))
        key = repr(node)
        if learning:
            spread = float(np.std(values, ddof=1)) if values.size > 1 else 0.0
            state[key] = (float(np.mean(values)), spread if spread > 0 else 1.0)
        mean, spread = state[key]
        return (values - mean) / (spread if name == "scale" else 1.0)


# Formulas of moderators: from "~ pct_pancreatic + year" to a design, without evaluating anything as Python.
#
# formulaic reads the algebra of terms and codes the categories. The factors themselves are read here, by a closed list of names and
# functions, and reach formulaic as plain columns under names of our own: no text from a file is ever code, a name or a label there.

_LONGEST, _MOST_NAMES, _LARGEST_POWER = 500, 12, 3
#: A name in backticks, or a category in quotation marks: what stands there is never read as a formula.
_QUOTED = re.compile(r"`([^`]*)`|(?<!\w)'([^']*)'|(?<!\w)\"([^\"]*)\"")
_PARTS = re.compile(r"(`[^`]*`|(?<!\w)'[^']*'|(?<!\w)\"[^\"]*\")")
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

    def design(self, frame: pd.DataFrame, labels: Sequence[str], informative: Informative | None = None) -> Design:
        """The design of studies that miss no moderator; `labels` names them in messages.

        `informative` tells whether the marked studies together have a finite rate, as the reference of a category must have.
        """
        columns = {name: read_values(frame, name) for name in self.names}
        made = self._made(tuple(factor.learnt(columns) for factor in self.factors), columns, labels)
        if informative is None or not made.compared:
            return made
        # Only what is compared with a reference needs another one.
        against = {factor.column for factor in made.compared}
        factors = tuple(f.learnt(columns, informative) if f.column in against else f for f in made.factors)
        return self._made(factors, columns, labels) if any(factor.passed is not None for factor in factors) else made

    def _made(self, factors: tuple[Factor, ...], columns: Mapping[str, Values], labels: Sequence[str]) -> Design:
        matrix = self._parsed.get_model_matrix(_frame(factors, columns, labels), na_action="ignore")
        names = tuple(_readable(str(c), factors) for c in matrix.columns)
        values = np.asarray(matrix.to_numpy(), dtype=np.float64)
        against = {int(part[1]) for c in matrix.columns for piece in str(c).split(":") if (part := _LABEL.match(piece)) and part[2]}
        return Design(self, factors, names, values, matrix.model_spec, tuple(factors[i] for i in sorted(against)), columns)


@dataclass(frozen=True, eq=False)
class Design:
    """Columns of the fitted studies, with what is needed to make them of new values."""

    formula: Formula
    factors: tuple[Factor, ...]
    terms: tuple[str, ...]
    matrix: Array
    _spec: Any
    #: Factors with categories that are compared with a reference, their first.
    compared: tuple[Factor, ...] = ()
    _columns: Mapping[str, Values] = field(default_factory=dict, repr=False)

    def texts(self, column: str) -> list[str]:
        """The category of every fitted study in a column."""
        return _texts(self._columns[column])

    @property
    def references(self) -> dict[str, str]:
        """Column -> the category that the coefficients of the others are compared with."""
        return {factor.names[0]: factor.categories[0] for factor in self.compared}

    def of(self, new: Any) -> tuple[Array, pd.DataFrame]:
        """The design ``[m, p]`` of new values of the moderators, a mapping or a frame, and those values."""
        frame = _new_frame(new, self.formula.names)
        columns = {name: read_values(frame, name, argument="new") for name in self.formula.names}
        for name, values in columns.items():
            for i in np.flatnonzero(~values.known):
                raise ArgumentError(f"new: {name!r} is missing in row {i}. Fix: give a value for every moderator.")
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
        raise ArgumentError(f"formula={as_given(formula)} must be a text such as '~ year + pct_pancreatic'.")
    # Spaces inside quotation marks belong to the name of a category.
    parts = [part if i % 2 else re.sub(r"\s+", " ", part) for i, part in enumerate(_PARTS.split(formula))]
    text = "".join(parts).strip()
    if not text.startswith("~"):
        raise ArgumentError(f"formula={as_given(text)} must begin with '~', as in '~ year', without a response.")
    if len(text) > _LONGEST:
        raise ArgumentError(f"formula has {len(text)} characters; at most {_LONGEST} are read.")
    quoted: dict[str, str] = {}

    def hide(found: re.Match[str]) -> str:
        name = f"quoted{len(quoted)}__"
        quoted[name] = next(part for part in found.groups() if part is not None)
        return name if found[1] is not None else f"'{name}'"

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
                    shown = str(factor.expr)
                    for short, real in quoted.items():
                        shown = shown.replace(short, real)
                    what = "text" if shown[:1] in "'\"" else "number"
                    raise ArgumentError(f"formula={as_given(text)}: the {what} {shorten(shown)} is not a moderator.")
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
        raise ArgumentError(f"formula={as_given(text)} names no moderator. Fix: name a column, or use pool.")
    if len(names) > _MOST_NAMES:
        raise ArgumentError(f"formula names {len(names)} columns; at most {_MOST_NAMES} are taken.")
    from formulaic import Formula as Parsed  # type: ignore[import-untyped]

    rebuilt = " + ".join(terms) if "1" in terms else " + ".join(["0", *terms])
    return Formula(text, factors, names, Parsed(rebuilt))


def _refuse(plain: str, text: str) -> None:
    """What formulaic would read, but no formula here may hold."""
    for sign, what in (("{", "braces"), ("|", "parts"), ("%", "the sign %"), ("@", "the sign @"), ("\\", "backslashes")):
        if sign in plain:
            raise ArgumentError(f"formula={as_given(text)}: {what} are not allowed in a formula.")
    if "~" in plain[1:]:
        raise ArgumentError(f"formula={as_given(text)} has more than one '~'.")
    if plain.count("`"):
        raise ArgumentError(f"formula={as_given(text)}: a backtick is not closed.")
    if "__" in re.sub(r"quoted[0-9]+__", "", plain):
        raise ArgumentError(
            f"formula={as_given(text)}: names with two underscores are not allowed. Fix: put the name of a column in backticks."
        )
    for found in _POWER.finditer(plain):
        try:
            power = float(found[1])
        except ValueError:
            power = np.inf
        if power > _LARGEST_POWER:
            raise ArgumentError(f"formula={as_given(text)}: a power must be a number of at most {_LARGEST_POWER}, as in I(year ** 2).")
    if len(re.findall(r"[*/:]", plain)) > 4 * _MOST_NAMES or len(re.findall(r"\*\*|\^", plain)) > _MOST_NAMES:
        raise ArgumentError(f"formula={as_given(text)} has too many operators to be read.")
    if len(set(re.findall(r"[A-Za-z_]\w*", plain))) > 2 * _MOST_NAMES:
        raise ArgumentError(f"formula={as_given(text)} has too many names; at most {_MOST_NAMES} columns are taken.")


def _parse(plain: str, text: str) -> Any:
    from formulaic import Formula as Parsed
    from formulaic.errors import FormulaicError  # type: ignore[import-untyped]
    from formulaic.formula import SimpleFormula  # type: ignore[import-untyped]

    try:
        parsed = Parsed(plain)
    except (FormulaicError, SyntaxError, ValueError, TypeError, RecursionError) as error:
        raise ArgumentError(
            f"formula={as_given(text)} cannot be read ({shorten(_first_line(error), 60)}). Fix: names joined by +, : or *, "
            "such as '~ year + log(n)'."
        ) from None
    if not isinstance(parsed, SimpleFormula):
        raise ArgumentError(f"formula={as_given(text)} must have one side and one part, such as '~ year'.")
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
            raise ArgumentError("new: its values differ in length. Fix: one value for each row.")
        rows = lengths.pop() if lengths else 1
        new = pd.DataFrame({k: list(v) if not isinstance(v, str) and hasattr(v, "__len__") else [v] * rows for k, v in new.items()})
    if not (hasattr(new, "columns") and hasattr(new, "loc")):
        raise ArgumentError(f"new={as_given(new)} must be a mapping or a DataFrame with the moderators.")
    gone = [name for name in names if name not in new.columns]
    if gone:
        raise ArgumentError(f"new lacks {listing(gone)}. Fix: give {plural(len(names), 'moderator')}: {listing(names)}.")
    frame: pd.DataFrame = new.reset_index(drop=True)
    return frame
