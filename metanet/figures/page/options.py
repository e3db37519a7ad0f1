"""What a caller chose for every figure of a block: font, size of the text, colours, decimal sign, words, and whether it has notes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache

from metanet.base.arguments import checked, number_between
from metanet.base.errors import ArgumentError, as_given, check_choice

#: The text size of a figure in points, and what may be asked for.
TEXT_SIZE = 9.0
_LEAST, _MOST = 6.0, 24.0
FAMILY = "DejaVu Sans"
#: Decimal signs that are in use: the point, the comma, and the raised point of some British journals.
DECIMALS = (".", ",", "·")
#: What can be coloured anew: studies, estimates (diamonds, fitted lines), prediction intervals.
ROLES = ("studies", "estimates", "predictions")
#: Words that figures print by themselves. Names, titles and headings of the data are the data's.
WORDS = (
    "Study", "Studies", "Study or subgroup", "Source", "Group", "Arms", "Events", "Total", "Events/Total", "Events/Time", "Control",
    "Treated", "Weight", "Rate", "Average", "Coverage", "Method", "Prediction", "Bias", "Study left out", "Study added",
    "Sorted by", "Median rate", "Mean rate", "Common rate", "Average rate", "Pooled rate", "Pooled ratio", "Pooled difference",
    "Pooled effect", "Exact rate of the summed counts", "All studies", "Overall", "Subtotal", "Prediction interval",
    "Heterogeneity", "not estimable", "needs 3 studies", "Test for overall effect", "likelihood-ratio test", "study", "studies",
    "arms of", "median", "mean", "to", "on", "Odds ratio", "Risk ratio", "Risk difference", "Effect", "Incidence rate", "after",
    "or", "of", "of patients", "patients", "procedures", "lesions", "per", "higher is better", "lower is better", "log scale",
    "above", "more events with", "better", "worse", "Favours", "Favors", "treated", "control", "treatment", "Standard error",
    "Study size", "Precision", "p-value", "two-sided", "n", "CI", "CrI", "CI/CrI", "continued", "page",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """The choices; None or empty keeps the default."""

    font: str | None = None
    size: float = TEXT_SIZE
    grey: bool = False
    colours: Mapping[str, str] = field(default_factory=dict)
    decimal: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    notes: bool = True


_DEFAULT = Options()
_chosen: ContextVar[Options | None] = ContextVar("choices for all figures", default=None)


def chosen() -> Options:
    """The choices that hold now."""
    return _chosen.get() or _DEFAULT


@checked()
@contextmanager
def figure_style(
    *,
    font: str | None = None,
    size: float | None = None,
    colours: str | Mapping[str, str] | None = None,
    decimal: str | None = None,
    words: Mapping[str, str] | None = None,
    notes: bool | None = None,
) -> Iterator[None]:
    """Draw every figure inside the block in the manner of a journal or of a language.

    Blocks can stand in one another, and with `column_width`; what is left out keeps the choice of the block around.

    Parameters
    ----------
    font
        An installed font family, such as "Arial". Characters that it lacks are taken from DejaVu Sans and other installed fonts.
    size
        The size of the text in points, 6 to 24 (9 by default). A figure without a given width grows with it.
    colours
        "grey", or a mapping of "studies", "estimates" and "predictions" to colours.
    decimal
        The decimal sign: ".", "," or "·". With the comma, thousands are divided by spaces.
    words
        Other words for those that figures print by themselves, such as ``{"Study": "Studie", "Weight": "Gewicht"}``. Names and
        titles come from the data, and headings and sides of the axis from `headings` and `favours` of `forest`.
    notes
        False leaves the small print off; ``ax.metanet_caption`` has it as text in any case.

    Raises
    ------
    ArgumentError
        A font that is not installed, a size or sign that cannot be used, a colour or a word that is not known.

    Examples
    --------
    >>> import metanet as mn
    >>> fit = mn.pool(events=[3, 5, 8], total=[20, 30, 40])
    >>> with mn.figure_style(decimal=",", words={"Study": "Studie", "Weight": "Gewicht"}, notes=False):
    ...     ax = fit.forest()
    >>> ax.metanet_caption.startswith("Heterogeneity")
    True
    """
    now = chosen()
    if font is not None:
        now = replace(now, font=_installed(font))
    if size is not None:
        now = replace(now, size=number_between("size", size, _LEAST, _MOST))
    if colours is not None:
        now = _coloured(now, colours)
    if decimal is not None:
        now = replace(now, decimal=check_choice("decimal", decimal, DECIMALS))
    if words is not None:
        now = replace(now, words={**now.words, **_checked_words(words)})
    if notes is not None:
        now = replace(now, notes=notes)
    token = _chosen.set(now)
    try:
        yield
    finally:
        _chosen.reset(token)


@contextmanager
def without_notes() -> Iterator[None]:
    """Figures inside have no small print."""
    token = _chosen.set(replace(chosen(), notes=False))
    try:
        yield
    finally:
        _chosen.reset(token)


def _installed(name: str) -> str:
    from matplotlib import font_manager

    known = sorted({entry.name for entry in font_manager.fontManager.ttflist})
    found = next((one for one in known if one.casefold() == name.strip().casefold()), None)
    if found is not None:
        return found
    # A family that is there under a longer name ("Liberation Sans" for "Liberation") is the likelier wish.
    near = [one for one in known if name.strip().casefold() in one.casefold()][:5]
    if near:
        raise ArgumentError(f"font={as_given(name)} is not installed. Installed and near: {', '.join(near)}.")
    return check_choice("font", name, known)


def _coloured(now: Options, colours: str | Mapping[str, str]) -> Options:
    from matplotlib.colors import is_color_like

    if isinstance(colours, str):
        check_choice("colours", colours, ("default", "grey"))
        return replace(now, grey=colours == "grey", colours={})
    for role, colour in colours.items():
        check_choice("colours", role, ROLES)
        if not is_color_like(colour):
            raise ArgumentError(f"colours has {role}={as_given(colour)}, which is not a colour. Fix: a name or '#0072B2'.")
    return replace(now, grey=False, colours=dict(colours))


def _checked_words(words: Mapping[str, str]) -> dict[str, str]:
    for word, said in words.items():
        if word not in WORDS:
            raise ArgumentError(f"words has {as_given(word)}, which no figure prints by itself. Known: {', '.join(WORDS)}.")
        if not isinstance(said, str) or not said.strip():
            raise ArgumentError(f"words has {as_given(said)} for {word!r}, where a text belongs.")
    return {word: " ".join(said.split()) for word, said in words.items()}


def reworded(text: str) -> str:
    """A text of a figure in the words that were chosen."""
    words = chosen().words
    if not words or not text:
        return text
    return _pattern(tuple(words)).sub(lambda found: _as_written(found.group(0), words), text)


@cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """The words, the longest first, each by itself; in a sentence their first letter may be small."""
    longest = sorted(words, key=len, reverse=True)
    return re.compile("|".join(rf"(?<![\w/]){_either(word)}(?![\w/])" for word in longest))


def _either(word: str) -> str:
    return f"[{word[0].upper()}{word[0].lower()}]{re.escape(word[1:])}" if len(word) > 2 else re.escape(word)


def _as_written(found: str, words: Mapping[str, str]) -> str:
    if found in words:
        return words[found]
    return next(said for word, said in words.items() if word.casefold() == found.casefold())


#: A decimal point, which is not in a version ("0.1.0"); a comma between thousands.
_POINT = re.compile(r"(?<![\d.])(\d+|(?<=[ <>=−(])|^)\.(\d+)(?!\.?\d)")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def numbers(text: str, sign: str | None = None) -> str:
    """A text of a figure with the decimal sign that was chosen (or with `sign`)."""
    sign = sign or chosen().decimal
    if sign in (None, ".") or not text:
        return text
    if sign == ",":
        text = _THOUSANDS.sub("\u00a0", text)
    return _POINT.sub(rf"\g<1>{sign}\g<2>", text)
