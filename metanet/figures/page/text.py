"""Text on figures: data made harmless, measured, wrapped and aligned."""

from __future__ import annotations

import math
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Literal

import matplotlib
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.colors import to_rgba
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Bbox

from metanet.base.display import ABSENT
from metanet.figures.page.options import numbers
from metanet.figures.page.style import DRAWING, families_for, font

Side = Literal["left", "center", "right"]

ELLIPSIS = "…"
#: Distance of two baselines, and how far the baseline stands under the middle of a line, in text sizes.
LINE = 1.28
BASELINE = 0.36
#: A longer text is cut before it is measured; no label of a figure can show as much.
LONGEST = 400
#: More marks than this on one letter would reach into the neighbouring rows.
_MARKS = 3
#: Joiners carry meaning in Persian and in Indic scripts; every other invisible character goes.
_KEPT_FORMAT = "\u200c\u200d"


def harmless(value: object, limit: int = LONGEST) -> str:
    """`value` as one line that draws as its own characters: no control or direction characters, not endless."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ in ("NAType", "NaTType"):
        return ABSENT
    out: list[str] = []
    marks = 0
    # Four times the limit is enough to fill it even if most of it is dropped, and bounds the work.
    for character in str(value)[: 4 * limit]:
        kind = unicodedata.category(character)
        if kind in ("Cc", "Zl", "Zp", "Zs"):
            character = " "
        elif (kind == "Cf" and character not in _KEPT_FORMAT) or ord(character) & 0xFFFE == 0xFFFE:
            continue
        elif kind == "Cs":
            character = "\ufffd"
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if marks <= _MARKS:
            out.append(character)
    text = " ".join("".join(out).split())
    if not text:
        return ABSENT
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Width of one line in points, from the font itself, so that it holds for every resolution."""
    if not text:
        return 0.0
    families, unknown = families_for(text)
    with _quiet(unknown):
        return _width(text, size, bold, families)


def drawn_width(text: str, size: float, bold: bool, families: tuple[str, ...]) -> float:
    """Width of one line in points in the families that it was drawn in."""
    with _quiet(not text.isascii()):
        return _width(text, size, bold, families)


@lru_cache(maxsize=8192)
def _width(text: str, size: float, bold: bool, families: tuple[str, ...]) -> float:
    return float(text_to_path.get_text_width_height_descent(text, font(size, bold, families), False)[0])


def wrap(text: str, width: float, size: float, *, bold: bool = False, lines: int = 100) -> str:
    """`text` broken into at most `lines` lines of `width` points; what does not fit ends in an ellipsis."""
    out: list[str] = []
    rest = text
    while rest:
        if width_of(rest, size, bold) <= width:
            out.append(rest)
            break
        if len(out) == lines - 1:
            out.append(_cut(rest, width, size, bold))
            break
        head = rest[: _fitting(rest, width, size, bold)]
        space = _last_break(rest, len(head))
        # A word is broken only where it fills more than half a line, and no line could hold it.
        if space > len(head) // 2 or (space > 0 and width_of(_word(rest, space + 1), size, bold) <= width):
            head = head[:space]
        out.append(head.rstrip())
        rest = rest[len(head) :].lstrip()
    return "\n".join(out)


#: Spaces within "p < 0.001", "5 %", "k − 2" and "metanet 0.1.0".
_FIRM = re.compile(r"(?<=[=<>−]) | (?=[=<>%]|− )|(?<=metanet) (?=\d)")


def _last_break(text: str, fitting: int) -> int:
    """The last space within the first `fitting` characters (or just after them) that parts nothing that belongs together."""
    for i in range(fitting, 0, -1):
        if text[i : i + 1] == " " and not _FIRM.match(text, i):
            return i
    return -1


def _word(text: str, start: int) -> str:
    """What follows up to the next space at which a line may end."""
    end = next((i for i in range(start, len(text)) if text[i] == " " and not _FIRM.match(text, i)), len(text))
    return text[start:end]


def _fitting(text: str, width: float, size: float, bold: bool) -> int:
    """How many leading characters fit into `width`; at least one."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if width_of(text[:middle], size, bold) <= width:
            low = middle
        else:
            high = middle - 1
    return low


def _cut(text: str, width: float, size: float, bold: bool) -> str:
    room = width - width_of(ELLIPSIS, size, bold)
    return text[: _fitting(text, room, size, bold)].rstrip() + ELLIPSIS


@contextmanager
def _quiet(unknown: bool) -> Iterator[None]:
    """Where no installed font has a character, the placeholder shows; that one warning would repeat for every draw."""
    if not unknown:
        yield
        return
    with DRAWING, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        yield


@contextmanager
def _as_measured() -> Iterator[None]:
    """Letters of the widths that the font has, as `width_of` has them, at every resolution and whoever draws the figure."""
    with DRAWING:
        theirs = matplotlib.rcParams["text.hinting"]
        if theirs == "none":
            yield
            return
        matplotlib.rcParams["text.hinting"] = "none"
        try:
            yield
        finally:
            matplotlib.rcParams["text.hinting"] = theirs


class Label(Text):
    """Text that shows its characters as they are: never mathematics, never TeX, always in our font.

    Numbers in it get the decimal sign that was chosen, unless it is `raw`: a name of the data, or written by a preset.
    """

    def __init__(
        self, x: float, y: float, text: str, *, size: float, bold: bool = False, raw: bool = False, **properties: Any
    ) -> None:
        # Names are the data's in every figure.
        text = text if raw or properties.get("label") == "_name" else numbers(text)
        families, self._unknown = families_for(text)
        properties.setdefault("clip_on", False)
        properties.setdefault("verticalalignment", "baseline")
        super().__init__(
            x,
            y,
            text,
            fontproperties=font(size, bold, families),
            parse_math=False,
            usetex=False,
            # In units of the height of a line of our family, which is the text size.
            linespacing=LINE,
            **properties,
        )

    def draw(self, renderer: RendererBase) -> None:
        """Draw; see `_quiet` and `_as_measured`."""
        with _quiet(self._unknown), _as_measured():
            # Of the renderers that save vectors, SVG's alone counts its rows from the top; bitmaps do as well.
            if isinstance(renderer, (MixedModeRenderer, RendererAgg)) and renderer.flipy() and self._plain():
                if self.get_visible():
                    self._draw_line(renderer)
                self.stale = False
            else:
                super().draw(renderer)

    def _plain(self) -> bool:
        """Whether this is one level line on its baseline, nothing around it: what most texts of a figure are."""
        text = self.get_text()
        return (
            bool(text)
            and "\n" not in text
            and self.get_verticalalignment() == "baseline"
            and self.get_rotation() == 0
            and not self.get_path_effects()
            and self.get_bbox_patch() is None
            and not self.get_clip_on()
        )

    def _draw_line(self, renderer: RendererBase) -> None:
        """The same output as Matplotlib's own for a plain line, without its layout, which takes as long as the drawing.

        The width, which it would find from the font in the same way, is known already, in points.
        """
        x, y = (float(v) for v in self.get_transform().transform(self.get_unitless_position()))
        if not (math.isfinite(x) and math.isfinite(y)):
            return
        side = self.get_horizontalalignment()
        if side != "left":
            families = tuple(self.get_fontfamily())
            width = _width(self.get_text(), self.get_fontsize(), self.get_fontweight() == "bold", families)
            pixels: Any = renderer.points_to_pixels(1.0)
            width *= float(pixels)
            x -= width if side == "right" else width / 2
        _, height = renderer.get_canvas_width_height()
        renderer.open_group("text", self.get_gid())
        gc = renderer.new_gc()
        gc.set_foreground(to_rgba(self.get_color()), isRGBA=True)
        alpha = self.get_alpha()
        if alpha is not None:
            gc.set_alpha(alpha)
        renderer.draw_text(gc, x, height - y, self.get_text(), self.get_fontproperties(), 0.0, ismath=False, mtext=self)
        gc.restore()
        renderer.close_group("text")

    def get_window_extent(self, renderer: RendererBase | None = None, dpi: float | None = None) -> Bbox:
        """Bounding box in pixels; see `_quiet` and `_as_measured`."""
        with _quiet(self._unknown), _as_measured():
            return super().get_window_extent(renderer, dpi)


class AlignedLabel(Label):
    """One text whose parts keep their own columns: 9.1 (0.2 to 41.3) under 48.9 (37.5 to 60.5), point under point.

    `get_text` is the whole text; `parts` are (offset from x, text, horizontal alignment, whether it is bold).
    """

    def __init__(
        self, x: float, y: float, text: str, parts: Sequence[tuple[float, str, Side, bool]], *, size: float, **properties: Any
    ) -> None:
        super().__init__(x, y, text, size=size, **properties)
        raw = bool(properties.get("raw", False))
        self._parts = [
            (offset, piece, side, bold, Label(x + offset, y, piece, size=size, horizontalalignment=side, raw=raw))
            for offset, piece, side, bold in parts
        ]

    def _placed(self) -> Iterator[Label]:
        """The parts with every property that this text has now."""
        for offset, piece, side, bold, part in self._parts:
            part.update_from(self)
            figure = self.get_figure()
            if part.get_figure() is None and figure is not None:
                part.set_figure(figure)
            x, y = self.get_position()
            part.set_position((x + offset, y))
            part.set_text(piece)
            part.set_horizontalalignment(side)
            part.set_fontweight("bold" if bold else "normal")
            yield part

    def draw(self, renderer: RendererBase) -> None:
        """Draw the parts."""
        if self.get_visible():
            for part in self._placed():
                part.draw(renderer)
        self.stale = False

    def get_window_extent(self, renderer: RendererBase | None = None, dpi: float | None = None) -> Bbox:
        """The box that holds all parts, in pixels."""
        return Bbox.union([part.get_window_extent(renderer, dpi) for part in self._placed()])
