"""The style of the figures: colours, sizes, fonts, set on the artists, independent of the user's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
from matplotlib import font_manager

# Okabe and Ito (2008), chosen so that they also differ in grey: blue is dark, vermilion middle, the rest black or grey.
SQUARE = "#0072B2"
DIAMOND = "#D55E00"
PREDICTION = "#D55E00"
INK = "#111111"
SOFT = "#555555"
FAINT = "#B8B8B8"
#: Text and marks of an interval that says nothing: still legible on white (5.1 to 1).
VAGUE = "#6E6E6E"

#: Points. Everything else is a multiple of the text size, so that a figure scales as one piece.
TEXT_SIZE = 9.0
NOTE_SIZE = 7.5
TITLE_SIZE = 11.0
#: Below this a journal's reader needs a lens.
SMALLEST_READABLE = 5.0

FAMILY = "DejaVu Sans"
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


@contextmanager
def settings() -> Iterator[None]:
    """Matplotlib's own defaults for what is drawn inside; the caller's come back afterwards."""
    with matplotlib.rc_context(defaults()):
        yield


@cache
def _characters(family: str) -> frozenset[int]:
    """The code points that a family has glyphs for; empty where it is not installed."""
    if family not in _installed():
        return frozenset()
    return frozenset(font_manager.get_font(font_manager.findfont(family)).get_charmap())


@cache
def _installed() -> frozenset[str]:
    return frozenset(entry.name for entry in font_manager.fontManager.ttflist)


@cache
def families_for(text: str) -> tuple[tuple[str, ...], bool]:
    """The families that draw `text`, and whether some character has a glyph in none of them."""
    if text.isascii():
        return (FAMILY,), False
    missing = {ord(c) for c in text if c != "\n"} - _characters(FAMILY)
    used = [FAMILY]
    for family in FALLBACKS:
        if not missing:
            break
        found = missing & _characters(family)
        if found:
            used.append(family)
            missing -= found
    return tuple(used), bool(missing)


@cache
def font(size: float, bold: bool, families: tuple[str, ...] = (FAMILY,)) -> font_manager.FontProperties:
    """Font properties, shared: they are never changed."""
    return font_manager.FontProperties(family=list(families), size=size, weight="bold" if bold else "normal")
