"""What can go wrong, in words: the error tree, a problem with its place, and the check of closed vocabularies."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from metanet.base.habits import argument_hint, word_hint
from metanet.base.untrusted import listing


class MetanetError(Exception):
    """Every error that metanet raises on purpose.

    In a notebook it shows itself as one paragraph with the line that caused it. ``mn.MetanetError.short = False`` shows Python's
    traceback instead.
    """

    #: Whether notebooks show the message and the line alone.
    short: ClassVar[bool] = True

    def _render_traceback_(self) -> list[str]:
        """What IPython shows."""
        from metanet.base.tracebacks import rendered

        return rendered(self, shorten, short=type(self).short)


class ArgumentError(MetanetError, ValueError):
    """An argument that cannot be used; the message names it, its value and the fix."""


class DataError(MetanetError, ValueError):
    """Data that cannot be used; `problems` holds every fault that was found, not only the first."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems: tuple[Problem, ...] = tuple(problems)


class UnknownNameError(MetanetError, AttributeError):
    """A name that the package or a result does not have; the message gives the name here where another program has it."""


class ReportError(MetanetError, RuntimeError):
    """A report that could not be made."""


class MetanetWarning(UserWarning):
    """A doubt about a number; it is repeated in the notes of the result, because notebooks swallow stderr."""


@dataclass(frozen=True, order=True)
class Problem:
    """One fault in the data: where it is, what stands there, what is wrong and how to fix it.

    `row` is the line of the file as an editor or a spreadsheet counts it (the header is line 1); None where the fault
    belongs to the whole file or the whole column.
    """

    file: str
    row: int | None = None
    column: str | None = None
    value: str | None = None
    wrong: str = ""
    fix: str = ""

    @property
    def place(self) -> str:
        """File, row and column joined by colons, as far as they are known."""
        return ":".join(str(part) for part in (self.file, self.row, self.column) if part is not None)

    def __str__(self) -> str:
        shown = "" if self.value is None else f" {as_given(self.value)}"
        fix = f" Fix: {self.fix}" if self.fix else ""
        return f"{self.place}:{shown} {self.wrong}.{fix}"


def shorten(value: object, limit: int = 80) -> str:
    """`value` as one line of at most `limit` characters, fit for a message."""
    text = " ".join(str(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def as_given(value: object) -> str:
    """`value` as a message prints it: a text in quotes, anything else as it is."""
    return repr(shorten(value)) if isinstance(value, str) else shorten(value)


_MOST_WORDS, _LONGEST_WORD = 2_000, 200
#: Columns that a message lists.
_MOST_COLUMNS = 40


def nearest(word: object, allowed: Iterable[str]) -> str | None:
    """The allowed word that `word` was probably meant to be, or None."""
    folded = {name.casefold(): name for name in allowed}
    # Likeness takes time: a word as long as a page, or one among thousands, is no slip that this could fix.
    if len(folded) > _MOST_WORDS or len(str(word)) > _LONGEST_WORD:
        return folded.get(str(word).casefold())
    found = difflib.get_close_matches(str(word).casefold(), list(folded), n=1, cutoff=0.5)
    return folded[found[0]] if found else None


def check_choice(argument: str, value: object, allowed: Sequence[str], *, where: str = "") -> str:
    """Return `value` if it is one of `allowed`; otherwise raise an error that names the nearest known word.

    Nothing is matched by prefix or by case: a word is known or it is not.
    """
    if isinstance(value, str) and value in allowed:
        return value
    hint = argument_hint(str(value)) if argument == "argument" else word_hint(argument, value)
    near = None if hint else nearest(value, allowed)
    meant = f" {hint}" if hint else f" Did you mean {near!r}?" if near is not None else ""
    context = f" {where}" if where else ""
    known = ", ".join(repr(name) for name in allowed)
    raise ArgumentError(f"{argument}={as_given(value)} is not known{context}.{meant} Known: {known}.")


def no_column(argument: str, value: object, columns: Iterable[object], *, of: str = "data") -> ArgumentError:
    """The error for an argument that names a column which does not exist, with the nearest one and the known ones."""
    known = [str(column) for column in columns]
    near = nearest(value, known)
    meant = f" Did you mean {as_given(near)}?" if near is not None else ""
    return ArgumentError(f"{argument}={as_given(value)} is not a column of {of}.{meant} Known: {listing(known, _MOST_COLUMNS)}.")
