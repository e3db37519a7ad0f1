"""The registry of figures: name, input and drawing function of each.

A figure is one file in `metanet.figures.plots` whose function bears `chart`. The tests draw every entry for every hard case, the
gallery shows it and the page of public names lists it. The example in its docstring, on a frame `rates` and its pooled `fit`, is
what they run; a figure without one fails a test.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import wraps
from importlib import import_module
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, as_given
from metanet.figures import plots
from metanet.figures.page.finish import finish
from metanet.figures.page.options import without_notes

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    name
        Its name, by which a result asks for it.
    title
        What a reader calls it; also the title in the file where the caller gives none.
    takes
        The classes of the results that it draws; empty where it draws a frame.
    makers
        The public functions that make those results.
    function
        The function that draws it.
    """

    name: str
    title: str
    takes: tuple[type, ...]
    makers: tuple[str, ...]
    function: Callable[..., Any]

    @property
    def example(self) -> str:
        """The code of the section Examples of its docstring, without prompts; empty where there is none."""
        text = (self.function.__doc__ or "").partition("Examples\n")[2]
        lines = [line.strip() for line in text.splitlines()]
        return "\n".join(line[4:] for line in lines if line.startswith((">>> ", "... ")))

    def check(self, argument: str, value: object) -> None:
        """Refuse what this figure cannot draw."""
        if self.takes and not isinstance(value, self.takes):
            made = " or ".join(f"mn.{name}" for name in self.makers)
            raise ArgumentError(f"{argument} must be a result of {made}, not {type(value).__name__}.")


_FOUND: dict[str, Figure] = {}


def chart(
    name: str, *, title: str, takes: type | tuple[type, ...] = (), makers: str | tuple[str, ...] = ()
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Enter a function into the registry; its first argument is then checked to be what the figure draws."""

    def enter(function: Callable[P, R]) -> Callable[P, R]:
        first = function.__code__.co_varnames[0]

        inner = checked()(function)

        @wraps(function)
        def drawn(*args: P.args, **options: P.kwargs) -> R:
            if args or first in options:
                figure.check(first, args[0] if args else options[first])
            notes = options.pop("notes", True)
            if not isinstance(notes, bool):
                raise ArgumentError(f"notes={as_given(notes)} must be True or False.")
            with nullcontext() if notes else without_notes():
                made = inner(*args, **options)
                finish(made)
            return made

        _document_notes(drawn)

        kinds = takes if isinstance(takes, tuple) else (takes,)
        figure = Figure(name, title, kinds, (makers,) if isinstance(makers, str) else makers, drawn)
        _FOUND[name] = figure
        return drawn

    return enter


#: The argument that every figure has.
_NOTES = """    notes
        False leaves the small print off the picture. The axes have it as text in any case: ``ax.metanet_caption``.
"""


def _document_notes(function: Callable[..., Any]) -> None:
    """Enter `notes` into the signature and the documentation of a figure."""
    known = signature(function)
    if "notes" in known.parameters:
        return
    parameters = list(known.parameters.values())
    end = len(parameters) - (parameters[-1].kind is Parameter.VAR_KEYWORD)
    parameters.insert(end, Parameter("notes", Parameter.KEYWORD_ONLY, default=True, annotation="bool"))
    function.__signature__ = known.replace(parameters=parameters)  # type: ignore[attr-defined]
    head, found, tail = (function.__doc__ or "").partition("\n\n    Returns\n")
    if found:
        function.__doc__ = f"{head}\n{_NOTES.rstrip()}{found}{tail}"


def _load(name: str | None = None) -> None:
    """Import the file that declares `name`; where no file bears the name, or none is asked for, all of them."""
    files = [found.name for found in pkgutil.iter_modules(plots.__path__)]
    for file in [name] if name in files else files:
        import_module(f"{plots.__name__}.{file}")
    import_module("metanet.figures.forest.forest")


def figures() -> Mapping[str, Figure]:
    """Every figure by its name."""
    _load()
    return MappingProxyType(dict(sorted(_FOUND.items())))


def draw(name: str, result: object, **options: Any) -> Any:
    """Draw the figure `name` from `result`."""
    if name not in _FOUND:
        _load(name)
    return _FOUND[name].function(result, **options)
