"""What is done to every figure once it is drawn: the colours that were asked for, and warnings of what a reader could not read."""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import ListedColormap, to_rgba, to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from metanet.base.arrays import Array
from metanet.base.errors import MetanetWarning, as_given
from metanet.figures.page import style
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.options import chosen

#: Panels of ours have names that begin so.
PANEL = "_metanet panel"
#: So many of the characters that no font has are named.
_NAMED = 12
#: Scripts whose fonts are not called after them.
_FONTS = {"CJK": "Noto Sans CJK", "HANGUL": "Noto Sans CJK", "HIRAGANA": "Noto Sans CJK", "KATAKANA": "Noto Sans CJK"}
#: How far a colour may lie from a mixture with white and still be one.
_NEAR = 0.03
_WHITE = np.ones(3)


def finish(made: object) -> None:
    """Colour the figure of these axes (or arrays of them), and warn of characters without a font and of letters that are too small."""
    axes = [one for one in np.ravel(np.array(made, dtype=object)) if isinstance(one, Axes)]
    if not axes or getattr(axes[0], "_metanet_finished", False):
        return
    root = axes[0].get_figure(root=True)
    others = [] if root is None else [ax for ax in root.axes if str(ax.get_label()).startswith(PANEL)]
    ours = list(dict.fromkeys([*axes, *others]))
    change = _change()
    if change is not None:
        for ax in ours:
            for artist in ax.findobj():
                _recolour(artist, change)
    _warn_of_boxes(text.get_text() for ax in ours for text in (*ax.texts, ax.xaxis.label, ax.yaxis.label))
    _warn_of_small(ours)
    for ax in ours:
        ax._metanet_finished = True  # type: ignore[attr-defined]


_Change = Callable[[Array, str], Array]


def _change() -> _Change | None:
    """What turns colours ``[n, 4]`` of an artist with this label into those that were asked for; None where ours stay."""
    now = chosen()
    if now.grey:
        return lambda colours, _: np.column_stack([np.repeat(_lightness(colours[:, :3])[:, None], 3, 1), colours[:, 3]])
    if not now.colours:
        return None
    wanted = {role: np.array(to_rgba(colour)[:3]) for role, colour in now.colours.items()}
    blue, red = (np.array(to_rgba(colour)[:3]) for colour in (style.SQUARE, style.DIAMOND))

    def change(colours: Array, label: str) -> Array:
        out = colours.copy()
        estimates = "predictions" if label.startswith("_prediction") else "estimates"
        for own, role in ((blue, "studies"), (red, estimates)):
            if role in wanted:
                for i, colour in enumerate(colours[:, :3]):
                    share = _share(colour, own)
                    out[i, :3] = out[i, :3] if share is None else share * wanted[role] + (1 - share) * _WHITE
        return out

    return change


def _share(colour: Array, own: Array) -> float | None:
    """How much of `own` is in a tint of it; None where the colour is none."""
    way = own - _WHITE
    share = float(np.dot(colour - _WHITE, way) / np.dot(way, way))
    return share if 0.1 < share < 1.02 and np.abs(_WHITE + share * way - colour).max() < _NEAR else None


def _lightness(colours: Array) -> Array:
    """The grey that is as light as each colour ``[n, 3]``."""
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    light = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))


def _recolour(artist: Artist, change: _Change) -> None:
    label = str(artist.get_label())

    def turned(colour: Any) -> Any:
        # What is not there stays so: a colour that is set anew takes the opacity of the whole artist.
        if (isinstance(colour, str) and colour in ("none", "auto")) or to_rgba(colour)[3] == 0:
            return "none" if not isinstance(colour, str) else colour
        return tuple(change(to_rgba_array(colour), label)[0])

    edge: Any
    face: Any
    if isinstance(artist, Line2D):
        edge, face = artist.get_markeredgecolor(), artist.get_markerfacecolor()
        artist.set_color(turned(artist.get_color()))
        artist.set(markeredgecolor=turned(edge), markerfacecolor=turned(face))
    elif isinstance(artist, Text):
        artist.set_color(turned(artist.get_color()))
    elif isinstance(artist, Patch):
        edge, face = artist.get_edgecolor(), artist.get_facecolor()
        artist.set_hatchcolor(turned(artist.get_hatchcolor()))
        artist.set(edgecolor=turned(edge), facecolor=turned(face))
    elif isinstance(artist, Collection):
        edge, face = artist.get_edgecolor(), artist.get_facecolor()
        if artist.get_array() is not None:
            shades = artist.get_cmap()(np.linspace(0, 1, 64))
            artist.set_cmap(ListedColormap(change(np.asarray(shades), label)))
        else:
            artist.set(facecolor=change(np.asarray(face), label) if len(face) else face)
            artist.set(edgecolor=change(np.asarray(edge), label) if len(edge) else edge)


def _warn_of_boxes(texts: Iterator[str]) -> None:
    """One warning of all characters that no installed font has: an empty box stands for each of them."""
    missing = "".join(dict.fromkeys(c for text in texts if not text.isascii() for c in style.missing_from(text)))
    if not missing:
        return
    fonts = dict.fromkeys(_font_of(c) for c in missing)
    named = " ".join(missing[:_NAMED]) + (f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else "")
    advice = f"install a font that has them, such as {' or '.join(list(fonts)[:3])}" if fonts else "leave them out"
    warnings.warn(
        f"No installed font has a glyph for {named}: boxes stand in their place. Fix: {advice}.", MetanetWarning, stacklevel=_level()
    )


def _font_of(character: str) -> str:
    """A font that has a character: of its script, which the name of a letter begins with, or of signs."""
    script = unicodedata.name(character, "").split(" ")[0].split("-")[0]
    if not script or unicodedata.category(character)[0] not in "LMN":
        return "Noto Sans Symbols 2"
    return _FONTS.get(script, f"Noto Sans {script.capitalize()}")


def _warn_of_small(ours: list[Axes]) -> None:
    """A warning that names the smallest text where journals would not print it."""
    shown = [(text.get_fontsize(), text.get_text()) for ax in ours for text in ax.texts if text.get_text().strip()]
    for ax in ours:
        for axis in (ax.xaxis, ax.yaxis) if ax.axison else ():
            if axis.get_visible():
                ticks = [tick.label1 for tick in axis.majorTicks]
                shown += [(t.get_fontsize(), t.get_text() or "number of an axis") for t in (*ticks[:1], axis.label) if t is not None]
    size, text = min(((float(size), text) for size, text in shown), default=(style.SMALLEST_READABLE, ""))
    if size > style.SMALLEST_READABLE - 0.05:
        return
    column = wanted_width() is not None
    what = "column is" if column else "axes are"
    fix = "a wider column, or fewer columns in the table" if column else "leave ax out, or give larger axes"
    warnings.warn(
        f"The {what} too {'narrow' if column else 'small'} for this figure: its smallest text, {as_given(text[:40])}, has {size:.1f} "
        f"points, and journals print none below {style.SMALLEST_READABLE:g}. Fix: {fix}.",
        MetanetWarning,
        stacklevel=_level(),
    )


def _level() -> int:
    """The frames up to the first that is not ours, so that a warning names the caller's line."""
    import sys

    level = 1
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("metanet."):
        frame, level = frame.f_back, level + 1
    return level
