"""The style of the figures: colours, sizes, fonts, set on the artists, independent of the user's settings."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
from matplotlib import font_manager

from metanet.figures.page.options import FAMILY, TEXT_SIZE, chosen

__all__ = ["FAMILY", "TEXT_SIZE"]

# Okabe and Ito (2008), chosen so that they also differ in grey: blue is dark, vermilion middle, the rest black or grey.
SQUARE = "#0072B2"
DIAMOND = "#D55E00"
PREDICTION = "#D55E00"
INK = "#111111"
SOFT = "#555555"
FAINT = "#B8B8B8"
#: Text and marks of an interval that says nothing: still legible on white (5.1 to 1).
VAGUE = "#6E6E6E"

#: Points of a text of the default size. Everything else is a multiple of the text size, so that a figure scales as one piece.
NOTE_SIZE = 7.5
TITLE_SIZE = 11.0
#: No journal prints smaller letters.
SMALLEST_READABLE = 6.0

#: Families that cover scripts which DejaVu Sans lacks, in the order in which they are tried; only installed ones are used.
FALLBACKS = (
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans CJK TC",
    "Noto Sans SC",
    "Noto Sans JP",
    "Noto Sans KR",
    "Source Han Sans",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans Tamil",
    "Noto Sans Thai",
    "Droid Sans Fallback",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Nirmala UI",
    "Leelawadee UI",
    "Arial Unicode MS",
)

_NO_LETTERS = re.compile("last ?resort|blank|barcode|condensed|light", re.IGNORECASE)

#: Settings of the program rather than of a drawing: where windows come from, where files lie, which clock holds.
_NOT_OURS = ("backend", "interactive", "toolbar", "timezone", "tk.", "webagg.", "keymap.", "docstring.", "date.epoch", "datapath")
#: What differs from Matplotlib's own defaults.
_SETTINGS: dict[Any, Any] = {
    "font.family": [FAMILY],
    "font.size": TEXT_SIZE,
    "axes.titlesize": TITLE_SIZE,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.xmargin": 0.0,
    "axes.ymargin": 0.0,
    "figure.edgecolor": "white",
    # Hinting moves letters to whole pixels, so that a line of text grows or shrinks by up to a tenth with the resolution.
    "text.hinting": "none",
}


@cache
def defaults() -> dict[Any, Any]:
    """Every setting that Matplotlib may read while it draws: there are too many to name those that matter."""
    own = {key: value for key, value in matplotlib.rcParamsDefault.items() if not key.startswith(_NOT_OURS)}
    return {**own, **_SETTINGS}


#: Matplotlib's settings belong to the process: two threads that changed them at once would draw with each other's, and leave ours
#: in place of the caller's.
DRAWING = threading.RLock()


@contextmanager
def settings(more: dict[Any, Any] | None = None) -> Iterator[None]:
    """Matplotlib's own defaults and `more` for what is drawn inside, by one thread at a time; the caller's come back afterwards."""
    with DRAWING, matplotlib.rc_context({**defaults(), **(more or {})}):
        yield


@cache
def _characters(family: str) -> frozenset[int]:
    """The code points that a family has glyphs for; empty where it is not installed."""
    if family not in _installed():
        return frozenset()
    return frozenset(font_manager.get_font(font_manager.findfont(font_manager.FontProperties(family=[family]))).get_charmap())


@cache
def _installed() -> frozenset[str]:
    return frozenset(entry.name for entry in font_manager.fontManager.ttflist)


def primary() -> tuple[str, ...]:
    """The families that a text is drawn in where nothing else is needed: the one that was asked for, and ours for what it lacks."""
    asked = chosen().font
    return (FAMILY,) if asked in (None, FAMILY) else (str(asked), FAMILY)


def families_for(text: str) -> tuple[tuple[str, ...], bool]:
    """The families that draw `text`, and whether some character has a glyph in none of them."""
    first = primary()
    if text.isascii() and len(first) == 1:
        return first, False
    found, missing = _families(text, first)
    return found, bool(missing)


def missing_from(text: str) -> str:
    """The characters of `text` that no installed font has a glyph for."""
    return "" if text.isascii() else _families(text, primary())[1]


@cache
def _families(text: str, first: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Families from first to last, ours before any installed one, and the characters that are left."""
    missing = {ord(c) for c in text if not _draws_nothing(c)}
    used: list[str] = []
    for family in first:
        used.append(family)
        missing -= _characters(family)
    for family in (*FALLBACKS, *_others()) if missing else ():
        found = missing & _characters(family)
        if found:
            used.append(family)
            missing -= found
        if not missing:
            break
    return tuple(used), "".join(sorted(map(chr, missing)))


def _draws_nothing(character: str) -> bool:
    """Line ends, joiners and selectors of variants, which need no glyph."""
    return character == "\n" or unicodedata.category(character) == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F


@cache
def _others() -> tuple[str, ...]:
    """Every other installed family of upright letters: a glyph in a strange hand is better than none.

    Fonts of last resort have boxes for all characters, which is what is to be avoided.
    """
    upright = {e.name for e in font_manager.fontManager.ttflist if e.style == "normal" and e.stretch == "normal" and e.weight == 400}
    return tuple(sorted(name for name in upright - set(FALLBACKS) if not _NO_LETTERS.search(name)))


def by_family(text: str, families: tuple[str, ...]) -> list[tuple[str, set[str]]]:
    """Which characters of `text` each of its families draws, as Matplotlib takes them: from the first that has them."""
    left, out = set(text) - {"\n"}, []
    for family in families:
        found = {c for c in left if ord(c) in _characters(family)}
        if found:
            out.append((family, found))
            left -= found
    return out


@cache
def font(size: float, bold: bool, families: tuple[str, ...] = (FAMILY,)) -> font_manager.FontProperties:
    """Font properties, shared: they are never changed."""
    return font_manager.FontProperties(family=list(families), size=size, weight="bold" if bold else "normal")
