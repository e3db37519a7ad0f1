"""The evidence map: outcomes by modalities, a disc for what is known of each pair, and each disc a link."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from metanet.base.arguments import checked, level, number_between
from metanet.base.display import RATE, TOO_WIDE, level_text, per_cent, plural, sentence_case
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.base.groups import natural
from metanet.base.untrusted import html_text, listing
from metanet.evidence.sources import Tables, evidence_of
from metanet.figures.page import style
from metanet.figures.page.canvas import bare_figures, wanted_width
from metanet.figures.page.label_places import LETTER
from metanet.figures.page.page import MARGIN, bold_if, page, saying
from metanet.figures.page.save import describe, description_of, svg_image
from metanet.figures.page.subject import Subject, alternative
from metanet.figures.page.text import BASELINE, LINE, Label, harmless, width_of, wrap
from metanet.figures.registry import chart
from metanet.models.pooling.evidence_cells import Cell, evidence_cells

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: In text sizes: widest name of a row in a wide and in a narrow figure, widest head of a column, width of a cell.
_NAME, _NARROW_NAME, _HEAD = 17.0, 9.5, 13.0
_CELL, _WIDEST_CELL, _LEAST_CELL = 3.4, 7.6, 1.75
#: From this width on the number of studies stands beside its disc, below it otherwise.
_BESIDE = 3.3
_ROW, _DISC, _LEAST_DISC = 2.5, 2.1, 0.55
#: Height of a line of the key, and from a mark to its text.
_KEY_LINE, _KEY_MARK, _KEY_GAP = 1.7, 1.5, 1.6
#: Widest interval of a filled disc, as a fraction.
NARROW = 0.2
_LABELS = ("studies", "rate", "none")
#: What a link may begin with; everything else with a scheme is refused.
_SCHEME = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:")
_SAFE = ("http:", "https:", "mailto:")


@chart("evidence_map", title="Evidence map")
@checked(level=level)
def evidence_map(
    evidence: Tables | Sequence[Cell],
    *,
    outcomes: Sequence[str] | None = None,
    modalities: Sequence[str] | None = None,
    links: Mapping[tuple[str, str], str] | None = None,
    definition: str | None = None,
    overlap: str = "keep_largest",
    narrow: float = NARROW,
    label: str = "studies",
    across: str = "modality",
    level: float = 0.95,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw how much is known of each outcome of each modality.

    Parameters
    ----------
    evidence
        What `load_evidence` or `read` returned, a frame, a result, or a folder or file to be read; every pair is then pooled. Or a
        list of `metanet.models.pooling.evidence_cells.Cell`, which are drawn as they are.
    outcomes, modalities
        Names or labels of the outcomes, and modality classes, to be drawn, in this order; None takes all.
    links
        (outcome, modality class) -> address of the page on it; the outcome by its name or label. In SVG and PDF files the whole cell
        is the link.
    definition, overlap
        As in `Evidence.rates`; a definition applies to the outcomes that have it.
    narrow
        A disc is filled where the interval is at most this wide, as a fraction: 0.2 are 20 percentage points.
    label
        The text beside the disc: "studies", "rate" (of the pooled rate in per cent) or "none".
    across
        What the columns are: "modality" or "outcome".
    level
        Level of the intervals.
    ax
        Axes to draw into; None makes a figure that fits the content, or the column of `column_width`.
    title
        A heading.

    Returns
    -------
    Axes
        A grid with a disc for each pair that has studies, its area by the number of studies: filled where the interval of the pooled
        rate is narrow, half-filled where it is wider, empty where it is too wide to say anything (wider than 60 percentage points),
        and a cross for a single study, which is not pooled.

    Raises
    ------
    ArgumentError
        An unknown outcome or modality, a link to a pair that has no studies, or an address with a scheme other than http, https
        or mailto.

    Examples
    --------
    >>> ax = mn.evidence_map(rates)
    """
    narrow = number_between("narrow", narrow, 0.0, 0.6, inside=True)
    check_choice("label", label, _LABELS)
    check_choice("across", across, ("modality", "outcome"))
    found = _given(evidence, outcomes, definition, overlap, level)
    found = _linked(found, links)
    found = _chosen(found, outcomes, modalities)
    cells = list(found.values())
    if not cells:
        return saying(ax, "Evidence map", title, "The evidence has no row that can be pooled.")
    rows = list(dict.fromkeys(cell.outcome for cell in cells))
    columns = list(dict.fromkeys(cell.modality for cell in cells))
    columns = sorted(columns, key=natural) if modalities is None else columns
    grid = _Grid(tuple(cells), tuple(rows), tuple(columns), narrow, label, across == "outcome")
    axes = grid.draw(ax, title, level)
    told = _summary(grid)
    alt = alternative(
        "Evidence map", Subject(), len(cells), *told, of=("pair of outcome and modality", "pairs of outcome and modality")
    )
    describe(axes, harmless(title, 300) if title else "Evidence map", _words(grid, told), alt)
    return axes


def evidence_map_svg(cells: Sequence[Cell], **options: Any) -> tuple[bytes, str]:
    """The map as SVG for the inside of a page, each linked cell with its name for readers who cannot see it, and the text of all."""
    with bare_figures():
        axes = evidence_map(list(cells), **options)
        data, _ = svg_image(axes)
    root = axes.get_figure(root=True)
    assert root is not None
    told = description_of(root)
    text = told.text if told else ""
    names = {patch.get_gid(): str(patch.get_label()) for patch in axes.patches if patch.get_gid()}
    svg = data.decode("utf-8")
    for gid, name in names.items():
        named = f'aria-label="{html_text(name[1:])}" '.replace("\\", r"\\")
        svg = re.sub(rf'(<g id="{gid}">\s*<a )', rf"\g<1>{named}", svg, count=1)
    # A link of a page opens in its place, as every other one of the page does.
    svg = svg.replace(' target="_blank"', "")
    return svg.encode("utf-8"), text


def cell_words(cell: Cell) -> str:
    """One pair in words: "Objective response, TARE: 18 studies, 42.4 % (32.1 to 53.3 %)"."""
    name = f"{harmless(cell.outcome, 80)}, {harmless(cell.modality, 80)}: {plural(cell.studies, 'study', 'studies')}"
    if cell.rate is None:
        return name
    digits = RATE.digits(cell.rate, cell.lower, cell.upper)
    limits = "" if cell.lower is None or cell.upper is None else f" ({RATE.limits(cell.lower, cell.upper, digits)})"
    return f"{name}, {RATE.value(cell.rate, digits)}{limits}"


_Cells = dict[tuple[str, str], Cell]


def _given(evidence: Any, outcomes: Sequence[str] | None, definition: str | None, overlap: str, level: float) -> _Cells:
    """The cells by the names of outcome and modality class."""
    if isinstance(evidence, (list, tuple)):
        if any(not isinstance(cell, Cell) for cell in evidence):
            raise ArgumentError("evidence must be evidence, or a list of cells. Fix: Cell(outcome, modality, studies, ...).")
        return {(cell.outcome, cell.modality): cell for cell in evidence}
    tables = evidence_of(evidence)
    return evidence_cells(tables, outcomes=outcomes, definition=definition, overlap=overlap, level=level)


def _linked(found: _Cells, links: Mapping[tuple[str, str], str] | None) -> _Cells:
    out = dict(found)
    labels = {(cell.outcome, cell.modality): key for key, cell in found.items()}
    for pair, url in (links or {}).items():
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise ArgumentError(f"links: {as_given(pair)} must be a pair of an outcome and a modality class.")
        key = pair if pair in out else labels.get(pair)
        if key is None:
            known = listing([f"({outcome!r}, {modality!r})" for outcome, modality in out], 6)
            raise ArgumentError(f"links: {as_given(pair)} has no studies. The pairs are {known}.")
        out[key] = replace(out[key], url=url)
    for cell in out.values():
        if not isinstance(cell.url, str):
            raise ArgumentError(f"links: {as_given(cell.url)} must be a text: the address of a page.")
        if _SCHEME.match(cell.url) and not cell.url.strip().lower().startswith(_SAFE):
            raise ArgumentError(f"links: {as_given(cell.url)} must be a relative address, or one of http, https or mailto.")
    return out


def _chosen(found: _Cells, outcomes: Sequence[str] | None, modalities: Sequence[str] | None) -> _Cells:
    """The cells of the outcomes and modalities that were asked for, in their order."""
    for argument, wanted, place in (("outcomes", outcomes, 0), ("modalities", modalities, 1)):
        if wanted is None:
            continue
        names = {key[place]: key[place] for key in found} | {(c.outcome, c.modality)[place]: k[place] for k, c in found.items()}
        order = [names[check_choice(argument, name, tuple(names))] for name in wanted]
        found = {key: cell for name in order for key, cell in found.items() if key[place] == name}
    return found


@dataclass(frozen=True)
class _Grid:
    """What is drawn: the cells, names of outcomes and modalities in order, and the choices of the caller."""

    cells: tuple[Cell, ...]
    outcomes: tuple[str, ...]
    modalities: tuple[str, ...]
    narrow: float
    label: str
    turned: bool

    @property
    def rows(self) -> tuple[str, ...]:
        return self.modalities if self.turned else self.outcomes

    @property
    def columns(self) -> tuple[str, ...]:
        return self.outcomes if self.turned else self.modalities

    def place(self, cell: Cell) -> tuple[int, int]:
        """Row and column of a cell."""
        pair = (self.outcomes.index(cell.outcome), self.modalities.index(cell.modality))
        return pair[::-1] if self.turned else pair

    def fill(self, cell: Cell) -> str:
        """How the disc of a cell is filled."""
        if cell.studies == 1 or not cell.pooled:
            return "cross"
        if cell.lower is None or cell.upper is None:
            return "unknown"
        if cell.upper - cell.lower <= self.narrow * (1 + 1e-9):
            return "full"
        return "empty" if RATE.is_vague(cell.lower, cell.upper) else "half"

    def text(self, cell: Cell) -> str:
        """What stands beside a disc."""
        if self.label == "rate":
            return "" if cell.rate is None else per_cent(cell.rate, 0)
        return f"{cell.studies:,}" if self.label == "studies" else ""

    def key(self, level: float) -> list[tuple[str, str]]:
        """Fill and meaning of the marks that occur."""
        points = f"{100 * self.narrow:g}"
        known = {
            "full": f"{level_text(level)} interval of the pooled rate at most {points} percentage points wide",
            "half": f"wider, up to {100 * 0.6:g} points",
            "empty": f"wider than {100 * 0.6:g} points: {TOO_WIDE}",
            "cross": "one study, not pooled",
            "unknown": "no pooled rate with an interval",
        }
        used = {self.fill(cell) for cell in self.cells}
        known = {fill: text for fill, text in known.items() if fill in used}
        if "full" not in known and "half" in known:
            known["half"] = f"{level_text(level)} interval of the pooled rate wider than {points}, up to 60 percentage points"
        return list(known.items())

    def draw(self, ax: Axes | None, title: str | None, level: float) -> Axes:
        """The map on its page."""
        unit = style.TEXT_SIZE
        wide = self._widths(None, unit)
        width = wanted_width() if ax is None else None
        least = (self._left(_NARROW_NAME * unit, unit) + len(self.columns) * _LEAST_CELL + 2 * MARGIN) * unit
        width = wide.total * unit if width is None else max(width, 1.0)
        # What a narrow column leaves to the letters.
        share = min(1.0, width / least)
        plan = self._widths(width / share, unit)
        notes = [self._legend()]
        height = (plan.height + self._key_height(plan, level)) * unit
        with page(ax, width=width, height=height * share, least=(least if ax is None else width, height), title=title,
                  notes=notes) as sheet:  # fmt: skip
            s = sheet.size
            plan = self._widths(sheet.width / s * unit, unit)
            axes = sheet.panel(0.0, 0.0, sheet.width, max(1.0, sheet.height))
            axes.set_axis_off()
            axes.set_xlim(0, sheet.width / s)
            axes.set_ylim(0, sheet.height / s)
            _Drawing(axes, self, plan, s, sheet.height / s, level).all()
        return axes

    def _left(self, most: float, unit: float) -> float:
        """Width of the names of the rows, in text sizes."""
        lines = [line for name in self.rows for line in _name(name, most, unit).split("\n")]
        return max(width_of(line, unit) for line in lines) * 1.02 / unit + 0.8

    def _widths(self, width: float | None, unit: float) -> _Plan:
        """The plan for a width in points at the ordinary size; None: its own."""
        n = len(self.columns)
        heads = [width_of(head, LETTER * unit) / unit for head in map(_head, self.columns)]
        flat = max(heads) * 1.02 + 0.8
        texts = max((width_of(self.text(cell), LETTER * unit) for cell in self.cells), default=0.0) / unit
        if width is None:
            cell = max(_CELL, _DISC + texts + 0.9, min(flat, _WIDEST_CELL))
            left = self._left(_NAME * unit, unit)
            names = _NAME
        else:
            room = width / unit - 2 * MARGIN
            names = _NAME
            left = self._left(names * unit, unit)
            if (room - left) / n < max(_BESIDE, _DISC + texts + 0.9):
                # Names of two or three lines leave more to the cells.
                names = min(_NARROW_NAME, max(5.0, 0.4 * room))
                left = self._left(names * unit, unit)
            cell = min(_WIDEST_CELL, (room - left) / n)
        lines = [1 + _name(name, names * unit, unit).count("\n") for name in self.rows]
        beside = cell >= max(_BESIDE, _DISC + texts + 0.6) if self.label != "none" else True
        disc = min(_DISC, 0.92 * cell)
        tall = _ROW if beside else disc + 1.35
        rows = tuple(max(tall, line * LINE + 0.6) for line in lines)
        level = flat <= cell
        over = 1.6 if level else max(width_of(wrap(_head(h), _HEAD * unit, LETTER * unit, lines=1), LETTER * unit)
                                     for h in self.columns) / unit + 0.9  # fmt: skip
        return _Plan(left, names, cell, disc, rows, over, level, beside, 2 * MARGIN + left + n * cell)

    def _key_height(self, plan: _Plan, level: float) -> float:
        return 0.9 + sum(1.0 * _KEY_LINE + (row - 1) * LINE * LETTER for row in _flow(self.key(level), plan.total)[1])

    def _legend(self) -> str:
        text = "Area of the disc and number beside it: studies." if self.label == "studies" else "Area of the disc: number of studies."
        text += " Number beside the disc: median pooled rate, %." if self.label == "rate" else ""
        return f"{text} Empty cell: no study. Each rate is pooled by itself: a comparison between cells is observational."


@dataclass(frozen=True)
class _Plan:
    """Widths and heights in text sizes."""

    left: float
    names: float
    cell: float
    disc: float
    rows: tuple[float, ...]
    over: float
    level: bool
    beside: bool
    total: float

    @property
    def height(self) -> float:
        return self.over + sum(self.rows) + 0.4


def _name(name: str, most: float, unit: float) -> str:
    return wrap(sentence_case(harmless(name, 160)), most, unit, lines=3)


def _head(name: str) -> str:
    return sentence_case(harmless(name, 100))


def _flow(items: Sequence[tuple[str, str]], width: float) -> tuple[list[tuple[int, float, str]], list[int]]:
    """The key in lines: of each item its line, its left edge and its text; of each line how many lines of text it has."""
    unit = style.TEXT_SIZE
    room = width - 2 * MARGIN
    out: list[tuple[int, float, str]] = []
    tall: list[int] = []
    x = 0.0
    for _, words in items:
        text = wrap(words, (room - _KEY_MARK) * unit, LETTER * unit, lines=4)
        wide = _KEY_MARK + max(width_of(row, LETTER * unit) for row in text.split("\n")) * 1.02 / unit
        if not tall or x + wide > room:
            tall.append(1)
            x = 0.0
        tall[-1] = max(tall[-1], 1 + text.count("\n"))
        out.append((len(tall) - 1, x, text))
        x += wide + _KEY_GAP
    return out, tall


@dataclass(frozen=True)
class _Drawing:
    """The marks and texts of a map; places in text sizes from the lower left corner of the axes."""

    axes: Axes
    grid: _Grid
    plan: _Plan
    size: float
    height: float
    level: float

    def all(self) -> None:
        """Names, rules, discs and key."""
        plan, grid, s = self.plan, self.grid, self.size
        tops = [self.height - plan.over]
        for row in plan.rows:
            tops.append(tops[-1] - row)
        start = MARGIN + plan.left
        end = start + len(grid.columns) * plan.cell
        for i, y in enumerate(tops):
            self._rule((MARGIN, end), (y, y), 0.8 if i in (0, len(tops) - 1) else 0.4)
        for j in range(len(grid.columns) + 1):
            self._rule((start + j * plan.cell,) * 2, (tops[0], tops[-1]), 0.4)
        for i, name in enumerate(grid.rows):
            text = _name(name, plan.names * style.TEXT_SIZE, style.TEXT_SIZE)
            middle = (tops[i] + tops[i + 1]) / 2
            self._write(text, MARGIN, middle - BASELINE - text.count("\n") * LINE / 2, 1.0, raw=True)
        for j, name in enumerate(grid.columns):
            x = start + (j + 0.5) * plan.cell
            if plan.level:
                self._write(_head(name), x, tops[0] + 0.5, LETTER, horizontalalignment="center", raw=True)
            else:
                text = wrap(_head(name), _HEAD * s, LETTER * s, lines=1)
                self._write(
                    text, x, tops[0] + 0.45, LETTER, horizontalalignment="center", verticalalignment="bottom", rotation=90, raw=True
                )
        most = max(cell.studies for cell in grid.cells)
        for cell in grid.cells:
            i, j = grid.place(cell)
            self._cell(cell, (start + j * plan.cell, tops[i + 1], plan.cell, plan.rows[i]), most, f"evidence-map-{i}-{j}")
        self._key(tops[-1])

    def _cell(self, cell: Cell, box: tuple[float, float, float, float], most: int, gid: str) -> None:
        left, bottom, width, height = box
        plan, text = self.plan, self.grid.text(cell)
        side = max(_LEAST_DISC, plan.disc * (cell.studies / most) ** 0.5)
        x, y = left + width / 2, bottom + height / 2
        if text and plan.beside:
            letters = width_of(text, LETTER * self.size) / self.size
            # The disc and its number in the middle together; discs of one column below each other.
            x = left + max(plan.disc / 2 + 0.2, (width - letters - 0.4) / 2)
            self._write(text, x + plan.disc / 2 + 0.4, y - BASELINE * LETTER, LETTER)
        elif text:
            y = bottom + height - plan.disc / 2 - 0.2
            self._write(text, x, bottom + 0.28, 0.78, horizontalalignment="center")
        self._mark(self.grid.fill(cell), x, y, side)
        if cell.url:
            # On top of all, so that the whole cell is the link and there is one for each.
            over = Rectangle((left, bottom), width, height, facecolor=(1, 1, 1, 1 / 255), edgecolor="none", linewidth=0, zorder=6)
            over.set(url=cell.url, gid=gid, label=f"_{cell_words(cell)}")
            self.axes.add_patch(over)

    def _mark(self, fill: str, x: float, y: float, side: float) -> None:
        s = self.size
        mark = Line2D([x], [y], linestyle="none", color=style.SQUARE, zorder=3, label=f"_{fill}")
        if fill == "cross":
            mark.set(marker="x", markersize=0.62 * s, markeredgewidth=0.16 * s)
        else:
            edge = style.FAINT if fill == "unknown" else style.SQUARE
            mark.set(marker="o", markersize=side * s - 0.12 * s, markeredgewidth=0.12 * s, markeredgecolor=edge)
            mark.set(markerfacecolor=style.SQUARE if fill in ("full", "half") else "white", markerfacecoloralt="white")
            mark.set_fillstyle("left" if fill == "half" else "full")
        mark.set_clip_on(False)
        self.axes.add_line(mark)

    def _key(self, under: float) -> None:
        items = self.grid.key(self.level)
        placed, tall = _flow(items, self.plan.total)
        tops = [under - 0.9]
        for lines in tall:
            tops.append(tops[-1] - _KEY_LINE - (lines - 1) * LINE * LETTER)
        for (fill, _), (line, x, text) in zip(items, placed, strict=True):
            y = tops[line] - _KEY_LINE / 2
            self._mark(fill, MARGIN + x + 0.55, y, 1.05)
            self._write(text, MARGIN + x + _KEY_MARK, y - BASELINE * LETTER - text.count("\n") * LINE * LETTER, LETTER)

    def _write(self, text: str, x: float, y: float, letter: float, **properties: Any) -> None:
        bold = bold_if(bool(properties.pop("bold", False)), text)
        self.axes.add_artist(Label(x, y, text, size=letter * self.size, bold=bold, color=style.INK, zorder=4,
                                   transform=self.axes.transData, **properties))  # fmt: skip

    def _rule(self, xs: tuple[float, float], ys: tuple[float, float], width: float) -> None:
        line = Line2D(xs, ys, color=style.FAINT if width < 0.8 else style.INK, linewidth=width, zorder=1, label="_rule")
        line.set_clip_on(False)
        self.axes.add_line(line)


def _summary(grid: _Grid) -> list[str]:
    """What the map shows at a glance."""
    fills = [grid.fill(cell) for cell in grid.cells]
    most = max(grid.cells, key=lambda cell: cell.studies)
    return [
        f"{plural(len(grid.outcomes), 'outcome')} by {plural(len(grid.modalities), 'modality', 'modalities')}",
        f"{fills.count('full')} with an interval of at most {100 * grid.narrow:g} percentage points",
        f"{fills.count('cross')} with one study",
        f"most studies: {cell_words(most)}",
    ]


def _words(grid: _Grid, told: Sequence[str]) -> str:
    """What the map tells, the fullest cells first."""
    cells = sorted(grid.cells, key=lambda cell: -cell.studies)
    return f"Evidence map: {'; '.join(told)}. {'; '.join(map(cell_words, cells))}."
