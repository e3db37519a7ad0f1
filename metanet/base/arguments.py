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

from metanet.base.errors import ArgumentError, check_choice, nearest, shorten

P = ParamSpec("P")
R = TypeVar("R")
#: Takes the name of an argument and its value, and raises where the value cannot be used.
Check = Callable[[str, object], object]

#: The public function that makes a result of a class.
MAKERS = {
    "Pooled": "pool",
    "Comparison": "compare",
    "Regression": "meta_regression",
    "Evidence": "load_evidence",
    "Multiverse": "multiverse",
    "LeaveOneOut": "leave_one_out",
    "Influence": "influence",
    "Gosh": "gosh",
    "Calibration": "calibrate",
    "TrimAndFill": "trim_and_fill",
    "ResponseCategories": "response_categories",
    "HeterogeneityReport": "heterogeneity_report",
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
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a whole number {reach}.")
    return int(value)  # type: ignore[call-overload, no-any-return]


def number_between(argument: str, value: object, low: float, high: float, *, inside: bool = False) -> float:
    """`value` as a number from `low` to `high`, or strictly between them."""
    number = _plain(value)
    if not (low < number < high if inside else low <= number <= high):
        words = f"between {low:g} and {high:g}" if inside else f"from {low:g} to {high:g}"
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a number {words}.")
    return number


def rate(argument: str, value: object) -> float:
    """`value` as a rate that is neither 0 nor 1; 30 is refused rather than guessed to be per cent."""
    number = _plain(value)
    if not 0 < number < 1:
        fix = f" Did you mean {number / 100:g}?" if 1 < number < 100 else ""
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a rate between 0 and 1, such as 0.3.{fix}")
    return number


def level(argument: str, value: object) -> float:
    """The coverage of the intervals as a fraction; 95 is refused rather than guessed to be 0.95."""
    number = _plain(value)
    if 0 < number < 1 and not 1e-6 <= number <= 1 - 1e-9:
        raise ArgumentError(
            f"{argument}={shorten(value)!r} is too close to 0 or 1: intervals of that coverage cannot be computed."
        )
    if not 0 < number < 1:
        fix = f" Did you mean {number / 100:g}?" if 1 < number < 100 else ""
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a fraction between 0 and 1, such as 0.95.{fix}")
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


def _flag(argument: str, value: object) -> None:
    if not isinstance(value, bool) and type(value).__name__ != "bool":
        raise ArgumentError(f"{argument}={shorten(value)!r} must be True or False.")


def _number(argument: str, value: object) -> None:
    if _plain(value) != _plain(value):
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a number.")


def _integer(argument: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a whole number.")


def _text(argument: str, value: object) -> None:
    if not isinstance(value, str):
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a text.")


def _path(argument: str, value: object) -> None:
    if not isinstance(value, (str, os.PathLike)) or not str(value):
        raise ArgumentError(f"{argument}={shorten(value)!r} is no path. Fix: give the name of a file or a folder.")


def _sequence(argument: str, value: object) -> None:
    listed = isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
    if not listed:
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a sequence, such as a list.")


def _mapping(argument: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise ArgumentError(f"{argument}={shorten(value)!r} must be a mapping, such as a dict.")


def frame(argument: str, value: object) -> None:
    """A pandas DataFrame."""
    if not (hasattr(value, "columns") and hasattr(value, "loc")):
        raise ArgumentError(f"{argument} must be a pandas DataFrame, not {type(value).__name__}.")


def kind(*names: str) -> Check:
    """An object of a class with one of these names (or of a subclass): a result, the evidence, axes."""

    def check(argument: str, value: object) -> None:
        if not {each.__name__ for each in type(value).__mro__} & set(names):
            made = " or ".join(f"a result of mn.{MAKERS[name]}" if name in MAKERS else name for name in names)
            raise ArgumentError(f"{argument} must be {made}, not {type(value).__name__}.")

    return check


_KINDS: dict[str, Check] = {
    "bool": _flag,
    "int": _integer,
    "float": _number,
    "str": _text,
    "Path": _path,
    "pd.DataFrame": frame,
}
_GENERIC = {"Sequence": _sequence, "Iterable": _sequence, "tuple": _sequence, "list": _sequence, "Mapping": _mapping}


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
    optional = "None" in parts
    found: list[Check] = []
    classes = []
    for part in parts:
        name = part.split("[")[0]
        if part == "None":
            continue
        if part.startswith("os.PathLike") or part == "Path":
            found.append(_path)
        elif name == "Literal":
            found.append(choice(*(a or b for a, b in re.findall(r"'([^']*)'|\"([^\"]*)\"", part))))
        elif name in _GENERIC:
            found.append(_GENERIC[name])
        elif part in _KINDS:
            found.append(_KINDS[part])
        elif part in MAKERS or part in ("Axes", "Figure", "SubFigure"):
            classes.append(part)
        else:
            return None
    if classes:
        found.append(kind(*classes))

    def check(argument: str, value: object) -> None:
        if optional and value is None:
            return
        errors = []
        for each in found:
            try:
                each(argument, value)
            except ArgumentError as error:
                errors.append(error)
            else:
                return
        raise errors[-1]

    return check if found else None


def checked(**rules: Check) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the arguments of a public function before it runs; `rules` say what its signature does not.

    A rule is not applied to None where None is the default.
    """

    def declare(function: Callable[P, R]) -> Callable[P, R]:
        code = function.__code__
        positional = code.co_varnames[: code.co_argcount]
        named = (*positional, *code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount])
        open_end, listed = bool(code.co_flags & 0x08), bool(code.co_flags & 0x04)
        defaults = dict(zip(reversed(positional), reversed(function.__defaults__ or ()), strict=False))
        defaults |= function.__kwdefaults__ or {}
        notes = function.__annotations__
        checks: dict[str, Check] = {}
        for name in named:
            check = rules.get(name) or (_check_of(str(notes[name])) if name in notes else None)
            if check is not None:
                checks[name] = check

        @wraps(function)
        def call(*args: P.args, **options: P.kwargs) -> R:
            where = f"mn.{function.__name__}"
            if not open_end:
                for name in options:
                    if name not in named:
                        near = nearest(name, named)
                        meant = f" Did you mean {near!r}?" if near else ""
                        raise ArgumentError(f"{where} has no argument {name!r}.{meant} It takes {', '.join(named)}.")
            if len(args) > len(positional) and not listed:
                most = f"{len(positional)} argument{'s' if len(positional) != 1 else ''}"
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
            return function(*args, **options)

        return call

    return declare


def each(check: Check) -> Check:
    """Every member of a sequence."""

    def every(argument: str, value: object) -> None:
        _sequence(argument, value)
        assert isinstance(value, Sequence) or hasattr(value, "__iter__")
        for member in value:
            check(argument, member)

    return every
