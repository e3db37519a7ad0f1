"""Checks of arguments, each declared once: one wording for one mistake, whichever function it was made in.

`checked` reads the kinds from the signature of a function (``fit: Pooled``, ``seed: int``, ``by: str | None``) and what else is
asked of a value from its own arguments::

    @checked(seed=whole(0), level=LEVEL, heterogeneity=choice("common", "separate"))
    def compare(data: pd.DataFrame, by: str = "modality_class", *, heterogeneity: str = "common", ...): ...

An unknown keyword, a missing argument and a value of another kind raise an `ArgumentError` that names the argument, the value and what
is allowed. Values are not converted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from numbers import Integral, Real
from typing import ParamSpec, TypeVar

from metanet.base.errors import ArgumentError, as_given, check_choice, nearest
from metanet.base.habits import argument_hint

P = ParamSpec("P")
R = TypeVar("R")
#: Takes the name of an argument and its value, and raises where the value cannot be used.
Check = Callable[[str, object], object]

#: The public function that makes a result of a class.
MAKERS = {
    "Pooled": "pool",
    "Comparison": "compare",
    "Network": "network",
    "Regression": "meta_regression",
    "Evidence": "load_evidence",
    "Counts": "counts",
    "Audit": "audit",
    "PrismaFlow": "prisma_flow",
    "ReportText": "report_text",
    "Multiverse": "multiverse",
    "LeaveOneOut": "leave_one_out",
    "CountBounds": "count_bounds",
    "Influence": "influence",
    "Gosh": "gosh",
    "Calibration": "calibrate",
    "TrimAndFill": "trim_and_fill",
    "ResponseCategories": "response_categories",
    "PooledCategories": "pool_categories",
    "BayesPooled": "bayes_pool",
    "Against": "against",
    "PerformanceGoal": "performance_goal",
    "ReportingPattern": "reporting_pattern",
    "HeterogeneityReport": "heterogeneity_report",
    "RiskOfBias": "Evidence.risk_of_bias",
    "BiasLadder": "bias_ladder",
    "Limits": "Limits",
    "ForestPreset": "ForestPreset",
}


def _plain(value: object) -> float:
    """A number as float; NaN for what is none, truth values among them."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return float("nan")
    return float(value)


def whole_number(argument: str, value: object, low: int, high: int | None = None) -> int:
    """`value` as a whole number from `low` to `high`."""
    fine = isinstance(value, Integral) and not isinstance(value, bool)
    if not fine or int(value) < low or (high is not None and int(value) > high):  # type: ignore[call-overload]
        reach = f"from {low:,} to {high:,}" if high is not None else f"of at least {low:,}"
        raise ArgumentError(f"{argument}={as_given(value)} must be a whole number {reach}.")
    return int(value)  # type: ignore[call-overload, no-any-return]


def number_between(argument: str, value: object, low: float, high: float, *, inside: bool = False) -> float:
    """`value` as a number from `low` to `high`, or strictly between them."""
    number = _plain(value)
    if not (low < number < high if inside else low <= number <= high):
        words = f"between {low:g} and {high:g}" if inside else f"from {low:g} to {high:g}"
        raise ArgumentError(f"{argument}={as_given(value)} must be a number {words}.")
    return number


def rate(argument: str, value: object) -> float:
    """`value` as a rate that is neither 0 nor 1; 30 is refused rather than guessed to be per cent."""
    number = _plain(value)
    if not 0 < number < 1:
        fix = f" Did you mean {number / 100:g}?" if 1 < number < 100 else ""
        raise ArgumentError(f"{argument}={as_given(value)} must be a rate between 0 and 1, such as 0.3.{fix}")
    return number


def level(argument: str, value: object) -> float:
    """The coverage of the intervals as a fraction; 95 is refused rather than guessed to be 0.95."""
    number = _plain(value)
    if 0 < number < 1 and not 1e-6 <= number <= 1 - 1e-9:
        raise ArgumentError(f"{argument}={as_given(value)} is too close to 0 or 1: intervals of that coverage cannot be computed.")
    if not 0 < number < 1:
        fix = f" Did you mean {number / 100:g}?" if 1 < number < 100 else ""
        raise ArgumentError(f"{argument}={as_given(value)} must be a fraction between 0 and 1, such as 0.95.{fix}")
    return number


def whole(low: int, high: int | None = None) -> Check:
    """A whole number from `low` to `high`."""
    return lambda argument, value: whole_number(argument, value, low, high)


def between(low: float, high: float, *, inside: bool = False) -> Check:
    """A number from `low` to `high`, or strictly between them."""
    return lambda argument, value: number_between(argument, value, low, high, inside=inside)


def choice(*allowed: str) -> Check:
    """One of some words."""
    return lambda argument, value: check_choice(argument, value, allowed)


def frame(argument: str, value: object) -> None:
    """A pandas DataFrame."""
    _refuse(argument, value, [_KINDS["pd.DataFrame"]])


def _is_frame(value: object) -> bool:
    return hasattr(value, "columns") and hasattr(value, "loc")


def _is_listed(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))


#: Whether a value is of a kind, and the kind in words.
Kind = tuple[Callable[[object], bool], str]
_KINDS: dict[str, Kind] = {
    "bool": (lambda value: isinstance(value, bool) or type(value).__name__ == "bool", "True or False"),
    "int": (lambda value: isinstance(value, Integral) and not isinstance(value, bool), "a whole number"),
    "float": (lambda value: _plain(value) == _plain(value), "a number"),
    "str": (lambda value: isinstance(value, str), "a text"),
    "Path": (lambda value: isinstance(value, (str, os.PathLike)) and bool(str(value)), "a path"),
    "pd.DataFrame": (_is_frame, "a pandas DataFrame"),
    "Mapping": (lambda value: isinstance(value, Mapping), "a mapping (such as a dict)"),
    **dict.fromkeys(("Sequence", "Iterable", "tuple", "list"), (_is_listed, "a sequence (such as a list)")),
}


def _class(name: str) -> Kind:
    """An object of a class of this name, or of a subclass: a result, the evidence, axes."""
    made = f"a result of mn.{MAKERS[name]}" if name in MAKERS else f"a Matplotlib {name}"
    return (lambda value: name in {each.__name__ for each in type(value).__mro__}), made


def _refuse(argument: str, value: object, kinds: Sequence[Kind]) -> None:
    """Raise where the value is of none of the kinds."""
    if not any(fits(value) for fits, _ in kinds):
        words = " or ".join(dict.fromkeys(words for _, words in kinds))
        plain = value is None or isinstance(value, (str, bool, Real))
        if plain and not any(word in words for word in ("result of", "DataFrame", "Matplotlib")):
            raise ArgumentError(f"{argument}={as_given(value)} must be {words}.")
        raise ArgumentError(f"{argument} must be {words}, not {type(value).__name__}.")


def _parts(annotation: str) -> list[str]:
    """The members of a union."""
    parts, depth = [""], 0
    for letter in annotation:
        depth += (letter in "[(") - (letter in "])")
        if letter == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _check_of(annotation: str) -> Check | None:
    """The check of one annotation; None where it names something that only the function itself can check."""
    parts = _parts(annotation)
    kinds: list[Kind] = []
    for part in parts:
        name = part.split("[")[0]
        if name == "Literal":
            return choice(*(a or b for a, b in re.findall(r"'([^']*)'|\"([^\"]*)\"", part)))
        if name == "os.PathLike":
            kinds.append(_KINDS["Path"])
        elif name in _KINDS:
            kinds.append(_KINDS[name])
        elif part in MAKERS or part in ("Axes", "Figure", "SubFigure"):
            kinds.append(_class(part))
        elif part != "None":
            return None
    optional = "None" in parts

    def check(argument: str, value: object) -> None:
        if not (optional and value is None):
            _refuse(argument, value, kinds)

    return check if kinds else None


def _written(annotation: object) -> str:
    """An annotation as it is written in the source."""
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def checked(**rules: Check) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the arguments of a public function before it runs; `rules` say what its signature does not.

    A rule is not applied to None where None is the default.
    """

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        own = getattr(function, "__wrapped__", function)
        code = own.__code__
        positional = code.co_varnames[: code.co_argcount]
        named = (*positional, *code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
        # A method is named by its class, and its own object is no argument.
        shown = named[1:] if named[:1] == ("self",) else named
        where = function.__qualname__ if shown is not named else f"mn.{function.__name__}"
        open_end, listed = bool(code.co_flags & 0x08), bool(code.co_flags & 0x04)
        defaults = dict(zip(reversed(positional), reversed(own.__defaults__ or ()), strict=False))
        defaults |= own.__kwdefaults__ or {}
        notes = function.__annotations__
        checks: dict[str, Check] = {}
        for name in named:
            check = rules.get(name) or (_check_of(_written(notes[name])) if name in notes else None)
            if check is not None:
                checks[name] = check

        starred = code.co_varnames[len(named)] if listed else ""
        member = _check_of(_written(notes[starred])) if starred in notes else None

        @wraps(function)
        def call(*args: P.args, **options: P.kwargs) -> R:
            if not open_end:
                for name in options:
                    if name not in named:
                        hint = argument_hint(name)
                        near = None if hint else nearest(name, shown)
                        meant = f" {hint}" if hint else f" Did you mean {near!r}?" if near else ""
                        takes = f"It takes {', '.join(shown)}." if shown else "It takes none."
                        raise ArgumentError(f"{where} has no argument {name!r}.{meant} {takes}")
            if len(args) > len(positional) and not listed:
                count = len(positional) - len(named) + len(shown)
                most = f"{count} argument{'s' if count != 1 else ''}"
                raise ArgumentError(f"{where} takes at most {most} without a name. Fix: name the others.")
            given = dict(zip(positional, args, strict=False))
            for name in named:
                if name in given and name in options:
                    raise ArgumentError(f"{where} was given {name!r} twice.")
                if name not in given and name not in options and name not in defaults:
                    raise ArgumentError(f"{where} needs the argument {name!r}.")
            for name, value in (*given.items(), *options.items()):
                check = checks.get(name)
                if check is not None and not (value is None and name in defaults and defaults[name] is None):
                    check(name, value)
            if member is not None:
                for value in args[len(positional) :]:
                    member(starred, value)
            return function(*args, **options)

        return call

    return declare


def each(check: Check) -> Check:
    """Every member of a sequence, or a single value."""

    def every(argument: str, value: object) -> None:
        for member in value if _is_listed(value) else [value]:  # type: ignore[attr-defined]
            check(argument, member)

    return every
