"""The page of a chart: title, panels and small print, measured in points without overlap."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from metanet.base.errors import ArgumentError
from metanet.figures.page import style
from metanet.figures.page.axis import Axis
from metanet.figures.page.canvas import discard, new_figure, wanted_width
from metanet.figures.page.finish import PANEL
from metanet.figures.page.options import chosen, numbers, reworded
from metanet.figures.page.save import describe
from metanet.figures.page.text import ELLIPSIS, LINE, Label, harmless, width_of, wrap

#: In text sizes.
MARGIN = 0.9
TICK = 0.35
TICK_GAP = 0.25
#: Tick labels are a little smaller than the text.
TICK_SIZE = 0.9
_PARAGRAPH_GAP = 0.5
_SLACK = 1.02
#: Text does not shrink further, in points; places that small are drawn over their edges.
_SMALLEST = 1.0
#: The paragraph of a figure that has nothing to draw.
_SAYING = 34.0
#: Lines of the name of an axis, at the most.
MOST_LINES = 3
#: Definitions and directions; that an axis is logarithmic is never left out.
_BRACKETS = re.compile(r" \((?!log scale)[^()]*\)")


@dataclass
class Page:
    """A page; sizes in points, `left` and `bottom` from the lower left corner of `parent`.

    The area between title and small print belongs to the panels: `panel` cuts one out of it.
    """

    parent: Figure | SubFigure
    parent_width: float
    parent_height: float
    left: float
    bottom: float
    width: float
    height: float
    size: float
    #: Title and paragraphs: text, place of the last baseline, size, bold, colour.
    around: list[tuple[str, float, float, float, bool, str]]
    given: Axes | None
    main: Axes | None = field(default=None)
    caption: str = ""

    def panel(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Axes at this place of the area. The first are the ones that were given, if any, and hold the texts of the page."""
        box = (
            (self.left + left) / self.parent_width,
            (self.bottom + bottom) / self.parent_height,
            width / self.parent_width,
            height / self.parent_height,
        )
        if self.main is None and self.given is not None:
            ax = self.given
            ax.set_position(box)
        else:
            # Equal axes would be one: every panel of ours is labelled by its number.
            ax = self.parent.add_axes(box, label=f"{PANEL} {len(self.parent.axes)}")
        if self.main is None:
            self.main = ax
            set_caption(ax, self.caption)
            for text, x, y, size, bold, colour in self.around:
                self.write(ax, text, x, y, size=size, bold=bold, color=colour)
        ax.set_facecolor("none")
        ax.grid(False)
        return ax

    def write(self, ax: Axes, text: str, x: float, y: float, *, size: float, **properties: Any) -> Label:
        """A text at a place of the parent, in points, owned by `ax`."""
        properties.setdefault("color", style.INK)
        # Names are the data's; every other text of a page is ours.
        properties.setdefault("raw", properties.get("label") == "_name")
        text = text if properties["raw"] else reworded(text)
        label = Label(
            x / self.parent_width,
            y / self.parent_height,
            text,
            size=size,
            transform=self.parent.transSubfigure,
            zorder=4,
            **properties,
        )
        ax.add_artist(label)
        return label


def caption_of(notes: Sequence[str]) -> str:
    """The small print as the caption of a manuscript."""
    return "\n".join(numbers(reworded(note)) for note in notes if note)


def set_caption(ax: Axes, caption: str) -> None:
    """Keep the caption of a figure where its user finds it: `metanet_caption` of its axes."""
    ax.metanet_caption = caption  # type: ignore[attr-defined]


@contextmanager
def page(
    ax: Axes | None,
    *,
    width: float,
    height: float,
    least: tuple[float, float],
    title: str | None = None,
    notes: Sequence[str] = (),
    says: bool = False,
) -> Iterator[Page]:
    """A page whose area has `width` by `height` points, or what is left of the place of `ax`.

    Text shrinks where a given place leaves less than `least` points. The `notes` are left off where the caller wants none, unless
    they are all that the page `says`; as a caption they are kept in any case. Artists are to be made inside the context: the caller's
    settings do not reach them.
    """
    title, caption = harmless(title, 300) if title else "", caption_of(notes)
    notes = notes if says or chosen().notes else ()
    if ax is not None:
        if not isinstance(ax, Axes):
            raise ArgumentError(f"ax must be Matplotlib axes, not {type(ax).__name__}.")
        with style.settings():
            sheet = _inside(ax, least, title, notes)
            sheet.caption = caption
            yield sheet
        return
    size, share = chosen().size, chosen().size / style.TEXT_SIZE
    width, height = width * share, height * share
    column = wanted_width()
    if column is not None:
        size = min(size, style.TEXT_SIZE * column / least[0])
        width, height = column, max(height * column / width, least[1] * size / style.TEXT_SIZE)
    above, below, _ = _around(size, width, title, notes)
    total = above + height + below
    # Outside of our settings: the first figure of a notebook imports pyplot, whose backend sets the notebook's own.
    figure = new_figure(width / 72, total / 72)
    try:
        with style.settings():
            sheet = _page(figure, None, (width, total), (0.0, 0.0, width, total), size, title, notes)
            sheet.caption = caption
            yield sheet
    except BaseException:
        discard(figure)
        raise


def _inside(ax: Axes, least: tuple[float, float], title: str, notes: Sequence[str]) -> Page:
    parent, root = ax.get_figure(root=False), ax.get_figure(root=True)
    assert parent is not None  # axes without a figure cannot be made through the public interface
    assert root is not None
    whole = (parent.bbox.width / root.dpi * 72, parent.bbox.height / root.dpi * 72)
    place = ax.get_position()
    box = (place.x0 * whole[0], place.y0 * whole[1], place.width * whole[0], place.height * whole[1])
    size = style.TEXT_SIZE
    while size > _SMALLEST:
        above, below, _ = _around(size, box[2], title, notes)
        share = size / style.TEXT_SIZE
        room = min(box[2] / (least[0] * share), (box[3] - above - below) / (least[1] * share))
        if room >= 0.999:
            break
        # Text that shrinks wraps into fewer lines, so that the room grows faster than the text shrinks.
        size *= max(0.6, min(0.95, room**0.5)) if room > 0 else 0.6
    return _page(parent, ax, whole, box, size, title, notes)


def _page(
    parent: Figure | SubFigure,
    ax: Axes | None,
    whole: tuple[float, float],
    box: tuple[float, float, float, float],
    size: float,
    title: str,
    notes: Sequence[str],
) -> Page:
    above, below, texts = _around(size, box[2], title, notes)
    height = max(1.0, box[3] - above - below)
    placed = [
        (text, box[0] + MARGIN * size, box[1] + (below + height + y if over else below - y), letter, bold, colour)
        for text, over, y, letter, bold, colour in texts
    ]
    return Page(parent, *whole, box[0], box[1] + below, box[2], height, size, placed, ax)


def note_size(size: float) -> float:
    """The size of the small print: not below what can be read, unless the text itself is."""
    return max(style.NOTE_SIZE * size / style.TEXT_SIZE, min(size, style.SMALLEST_READABLE))


_Texts = list[tuple[str, bool, float, float, bool, str]]


def _around(size: float, width: float, title: str, notes: Sequence[str]) -> tuple[float, float, _Texts]:
    """Heights above and below the area; texts with their baselines, above (or below) the edges of the area."""
    inner = (width - 2 * MARGIN * size) / _SLACK
    texts: _Texts = []
    above = MARGIN * size
    if title:
        letter = style.TITLE_SIZE * size / style.TEXT_SIZE
        text = wrap(title, inner, letter, bold=True, lines=4)
        texts.append((text, True, 0.75 * size, letter, True, style.INK))
        above = 0.75 * size + (1 + text.count("\n")) * LINE * letter + 0.3 * size
    small = note_size(size)
    below = 0.4 * size
    for note in notes:
        if note:
            text = wrap(numbers(reworded(note)), inner, small)
            below += (1 + text.count("\n")) * LINE * small
            texts.append((text, False, below, small, False, style.SOFT))
            below += _PARAGRAPH_GAP * size
    return above, below + 0.2 * size, texts


def framed(page: Page, x: Axis, y: Axis, names: tuple[str, str], *, right: float = 0.0, top: float = 0.0) -> Axes:
    """One panel with two labelled axes that fills the page; `right` and `top` (points) are kept free beside it."""
    s = page.size
    end = max(MARGIN * s, width_of(x.labels[-1], TICK_SIZE * s) / 2 + 0.4 * s if x.labels else 0.0)
    # The topmost tick label stands half above its tick.
    over = max(top, 0.5 * s)
    left, bottom = beside(page, x, y, names, right + end, over)
    panel = page.panel(left, bottom, max(1.0, page.width - left - end - right), max(1.0, page.height - bottom - over))
    dress(panel, s, ("left", "bottom"))
    set_axis(panel, "x", x, s, names[0])
    set_axis(panel, "y", y, s, names[1])
    return panel


def beside(page: Page, x: Axis, y: Axis, names: tuple[str, str], right: float, top: float) -> tuple[float, float]:
    """What ticks and names of two axes take left of a panel and below it, where `right` and `top` are kept free on the other sides."""
    s = page.size
    left, bottom = MARGIN * s + depth(y.labels, s, across=True), depth(x.labels, s, across=False)
    # Each name wraps into what the other leaves; with the most lines first, neither meets the end of its panel.
    lines = [MOST_LINES if name else 0 for name in names]
    for which, length in ((1, page.height - bottom - top), (0, page.width - left - right)):
        other = _named(lines[1 - which], s, 0.3 if which == 0 else 0.0) if lines[1 - which] else 0.0
        lines[which] = 1 + axis_name(names[which], length - other, s).count("\n") if names[which] else 0
    return left + _named(lines[1], s, 0.0), bottom + _named(lines[0], s, 0.3)


def _named(lines: int, size: float, bare: float) -> float:
    """The depth of a name of so many lines; of none `bare` text sizes."""
    return (1.58 + (lines - 1) * LINE) * size if lines else bare * size


def axis_name(name: str, room: float, size: float) -> str:
    """The name of an axis in lines of `room` points; a short axis leaves out what is in brackets before it loses the unit."""
    room = max(room, 4 * size)
    for text in (name, _BRACKETS.sub("", name, count=1), _BRACKETS.sub("", name), _BRACKETS.sub("", name).split(";")[0]):
        shown = wrap(reworded(text), room, size, lines=MOST_LINES)
        if not shown.endswith(ELLIPSIS) or name.endswith(ELLIPSIS):
            return shown
    return wrap(reworded(text), room, size, lines=2 * MOST_LINES)


def depth(labels: Sequence[str], size: float, *, across: bool) -> float:
    """How far ticks and their labels reach away from the axis, in points."""
    letter = TICK_SIZE * size
    text = max((width_of(t, letter) for t in labels), default=0.0) if across else 1.2 * letter
    return (TICK + TICK_GAP) * size + text


def dress(ax: Axes, size: float, shown: Sequence[str]) -> None:
    """Spines and ticks as in the other figures; the axes that are not shown have neither."""
    for side, spine in ax.spines.items():
        spine.set_visible(side in shown)
        spine.set(linewidth=0.8, color=style.INK)
    for which, axis, sides in (("x", ax.xaxis, ("bottom", "top")), ("y", ax.yaxis, ("left", "right"))):
        axis.set_visible(any(side in shown for side in sides))
        kind: Literal["x", "y"] = "x" if which == "x" else "y"
        ax.tick_params(
            axis=kind,
            which="major",
            length=TICK * size,
            width=0.8,
            pad=TICK_GAP * size,
            color=style.INK,
            labelcolor=style.INK,
            labelsize=TICK_SIZE * size,
            labelfontfamily=list(style.primary()),
            direction="out",
            **dict(zip(sides, (True, False), strict=True)),
            **{f"label{side}": first for side, first in zip(sides, (True, False), strict=True)},
        )


def set_axis(ax: Axes, which: Literal["x", "y"], axis: Axis, size: float, name: str = "") -> None:
    """Limits, ticks and name of one axis. Names come from the data: they are shortened to the panel and drawn as they are."""
    found = ax.xaxis if which == "x" else ax.yaxis
    (ax.set_xlim if which == "x" else ax.set_ylim)(axis.lower, axis.upper)
    found.set_major_locator(FixedLocator(list(axis.ticks)))
    found.set_major_formatter(FixedFormatter([numbers(label) for label in axis.labels]))
    found.set_minor_locator(NullLocator())
    # Ticks made later, by the first drawing, would take the caller's settings.
    found.get_major_ticks(len(axis.ticks))
    if not name:
        return
    root = ax.get_figure(root=True)
    assert root is not None
    extent = (ax.bbox.width if which == "x" else ax.bbox.height) / root.dpi * 72
    text = "".join(c if not style.families_for(c)[1] else "\ufffd" for c in axis_name(name, extent, size))
    label = (ax.set_xlabel if which == "x" else ax.set_ylabel)(
        text,
        fontproperties=style.font(size, False, style.families_for(text)[0]),
        color=style.INK,
        labelpad=0.2 * size,
        linespacing=LINE,
    )
    label.set_parse_math(False)
    label.set_usetex(False)


def saying(ax: Axes | None, kind: str, title: str | None, reason: str) -> Axes:
    """A figure without content, with the reason."""
    text = harmless(reason, 1000)
    with page(
        ax, width=_SAYING * style.TEXT_SIZE, height=0.5, least=(10.0, 0.1), title=title or kind, notes=[text], says=True
    ) as sheet:
        axes = sheet.panel(0.0, 0.0, sheet.width, max(sheet.height, 0.5))
        axes.set_axis_off()
    describe(axes, harmless(title, 300) if title else kind, f"{kind}: {text}")
    return axes


def bold_if(wanted: bool, text: str) -> bool:
    """Whether a text is set in bold: only where our own family, which has a bold cut, draws all of it."""
    return wanted and style.families_for(text)[0] == style.primary()
