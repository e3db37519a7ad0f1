"""The PRISMA 2020 flow diagram: boxes as large as their text, straight arrows between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle

from metanet.base.untrusted import counted
from metanet.evidence.search.flow import PrismaFlow
from metanet.figures.page import style
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.options import chosen, numbers as in_style, reworded
from metanet.figures.page.page import MARGIN, bold_if, page, saying
from metanet.figures.page.save import describe
from metanet.figures.page.text import Label, harmless, width_of, wrap
from metanet.figures.registry import chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TITLE = "PRISMA 2020 flow diagram"
#: In text sizes: the space around the text of a box, the indent of a list and of a continued line, the bar of a phase.
_PAD, _INDENT, _HANG, _BAR = 0.55, 0.6, 0.6, 1.75
#: Distances: between columns, between rows, below a heading, from a bar to the boxes.
_ACROSS, _DOWN, _UNDER, _BESIDE = 1.5, 1.7, 0.7, 0.7
#: Head of an arrow: its length, and half its width.
_HEAD, _HALF = 0.62, 0.3
#: Width of a column by itself, by how many there are, and the least width that keeps words whole.
_WIDTHS = {1: 24.0, 2: 19.0, 3: 16.0, 4: 13.6, 5: 11.1}
_LEAST = 10.0
#: Columns of exclusions may be wider than the others by these factors, as long as the others keep a width for their words.
_SHARES, _NARROW = (1.0, 1.2, 1.45, 1.75, 2.1), 9.4
#: A layout with wider columns must save so much of the height for each part of width.
_EVEN = 0.08
#: Distance of two baselines: every line is a text of its own, which may not meet the next.
_PITCH = 1.4
#: Room of a text whose widths were measured: letters of a bitmap may be a little wider.
_SLACK = 1.02
#: Names of a list that have a line of their own; the others are told together.
_MOST = (60, 40, 30, 20, 15, 12, 10, 8, 6, 5)
#: The height of a page of a journal, in points: lists are cut as far as it takes.
_TALLEST = 680.0
_GROUND, _PHASE = "#EDEDED", "#D6E6F2"
#: Rows of boxes: the first is that of headings.
_HEADING, _FOUND, _SCREENED, _SOUGHT, _ASSESSED, _NEW, _TOTAL, _META = range(8)
_PHASES = {"Identification": (_FOUND,), "Screening": (_SCREENED, _SOUGHT, _ASSESSED), "Included": (_NEW, _TOTAL, _META)}


@dataclass(frozen=True)
class _Line:
    """A text of a box before it is broken into lines: its indent, and whether it is of the data."""

    text: str
    indent: float = 0.0
    raw: bool = False


@dataclass
class _Box:
    """A box: its column and row, its text, and its place in text sizes from the upper left corner."""

    column: str
    row: int
    content: list[_Line]
    lines: list[tuple[float, str, bool]] = field(default_factory=list)
    left: float = 0.0
    top: float = 0.0
    width: float = 0.0
    height: float = 0.0

    @property
    def middle(self) -> tuple[float, float]:
        return self.left + self.width / 2, self.top + self.height / 2

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def fit(self, left: float, width: float) -> None:
        """Break the text for a width."""
        unit = style.TEXT_SIZE
        self.left, self.width = left, width
        self.lines = []
        bold = self.row == _HEADING
        for line in self.content:
            hang = _HANG if line.indent else 0.0
            room = (width - 2 * _PAD - line.indent) / _SLACK * unit
            text = _breakable(line.text, room - hang * unit)
            first, _, rest = wrap(text, room, unit, bold=bold and bold_if(True, text)).partition("\n")
            self.lines.append((line.indent, first, line.raw))
            if rest:
                rest = wrap(text[len(first) :].lstrip(), room - hang * unit, unit, bold=bold and bold_if(True, text))
                self.lines += [(line.indent + hang, part, line.raw) for part in rest.split("\n")]
        self.height = (len(self.lines) - 1) * _PITCH + 1.0 + 2 * _PAD


def _breakable(text: str, room: float) -> str:
    """A text whose words are at most `room` points wide where they have a point, a stroke or a hyphen to break at."""
    words = []
    for word in text.split(" "):
        while width_of(word, style.TEXT_SIZE) > room:
            places = [i for i, letter in enumerate(word[:-1], 1) if letter in "./-_" and width_of(word[:i], style.TEXT_SIZE) <= room]
            if not places:
                break
            words.append(word[: places[-1]])
            word = word[places[-1] :]
        words.append(word)
    return " ".join(words)


@chart("prisma_flow", title=_TITLE, takes=PrismaFlow, makers="prisma_flow")
def prisma_flow_diagram(flow: PrismaFlow, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the flow of records, reports and studies through a review.

    Parameters
    ----------
    flow
        The result of `prisma_flow`.
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.

    Returns
    -------
    Axes
        A box for each number that is known, with the reasons of exclusions. Columns of previous studies and of other methods, and the
        box of the meta-analysis, are there where the review has such numbers.

    Raises
    ------
    DataError
        Numbers that contradict each other.

    Examples
    --------
    >>> ax = mn.prisma_flow({"database_results": 400, "duplicates": 50, "records_screened": 350}).figure()
    """
    flow.check()
    if flow.reason:
        return saying(ax, _TITLE, title, flow.reason)
    boxes = list(_boxes(flow, _MOST[0]))
    if not boxes:
        return saying(ax, _TITLE, title, "No number of the flow has a box in the diagram.")
    columns = [name for name in ("previous", "main", "main out", "other", "other out") if any(box.column == name for box in boxes)]
    unit, wanted = style.TEXT_SIZE, wanted_width() if ax is None else None
    own, least = (_total(len(columns), width) for width in (_WIDTHS[len(columns)], _LEAST))
    # Letters shrink where a column of a journal is too narrow for whole words.
    size = unit if wanted is None else min(chosen().size, unit * wanted / (least * unit))
    width = own if wanted is None else wanted / size
    for most in _MOST:
        boxes = list(_boxes(flow, most))
        height = _best(boxes, columns, width).height * size
        if height <= _TALLEST:
            break
    limits = (least * unit if ax is None else own * unit, height if ax is not None else 1.0)
    with page(ax, width=width * size, height=height, least=limits, title=title, notes=_notes(flow, most)) as sheet:
        s = sheet.size
        axes = sheet.panel(0.0, 0.0, sheet.width, sheet.height)
        axes.set_axis_off()
        axes.set_xlim(0, sheet.width / s)
        # The upper edge is 0, so that places grow downwards as rows do.
        axes.set_ylim(sheet.height / s, 0)
        _Drawing(axes, s).all(_best(boxes, columns, sheet.width / s))
    describe(axes, harmless(title, 300) if title else _TITLE, f"{_TITLE}. {flow.sentence()}", f"{_TITLE}: {_alt(flow)}.")
    return axes


def _total(columns: int, width: float) -> float:
    return 2 * MARGIN + _BAR + _BESIDE + columns * width + (columns - 1) * _ACROSS


def _notes(flow: PrismaFlow, most: int) -> list[str]:
    notes = ["Flow of records, reports and studies through the review, by PRISMA 2020 (doi:10.1136/bmj.n71)."]
    cut = max((len(names) for names in flow.lists.values()), default=0) - most
    return [*notes, f"Of each list the first {most} entries have a line; the others are told together."] if cut > 0 else notes


def _n(number: int) -> str:
    return in_style(f"(n = {number:,})")


def _said(text: str, number: int, indent: float = 0.0) -> _Line:
    return _Line(f"{reworded(text)} {_n(number)}", indent)


class _Texts:
    """The lines of boxes, from the numbers that are known."""

    def __init__(self, flow: PrismaFlow, most: int) -> None:
        self.numbers: Mapping[str, int] = flow.numbers
        self.lists = flow.lists
        self.most = most

    def given(self, named: Mapping[str, str], indent: float = 0.0, *, zeros: bool = True) -> list[_Line]:
        """Key -> words as lines, of the numbers that are known."""
        found = [(words, self.numbers[key]) for key, words in named.items() if key in self.numbers]
        return [_said(words, number, indent) for words, number in found if number or zeros]

    def names(self, key: str, indent: float) -> list[_Line]:
        """A list, name by name."""
        names = [(name, number) for name, number in self.lists.get(key, ()) if name]
        lines = [_Line(f"{harmless(name)} {_n(number)}", indent, raw=True) for name, number in names[: self.most]]
        rest = names[self.most :]
        return [*lines, _said(f"{len(rest):,} more", sum(number for _, number in rest), indent)] if rest else lines

    def excluded(self, key: str) -> list[_Line]:
        """Reports excluded, with the reasons."""
        reasons = self.names(key, _INDENT)
        if key not in self.numbers:
            return []
        head = _said("Reports excluded", self.numbers[key])
        return [_Line(f"{head.text}:"), *reasons] if reasons else [head]


def _boxes(flow: PrismaFlow, most: int) -> Iterator[_Box]:
    """Every box that has a number."""
    texts = _Texts(flow, most)
    has = flow.numbers.get
    updated = bool(has("previous_studies") or has("previous_reports"))
    new = "new " if updated else ""
    for column, row, content in (
        ("previous", _FOUND, _previous(texts) if updated else []),
        ("main", _FOUND, _identified(texts)),
        ("main out", _FOUND, _removed(texts)),
        ("main", _SCREENED, texts.given({"records_screened": "Records screened"})),
        ("main out", _SCREENED, texts.given({"records_excluded": "Records excluded"})),
        ("main", _SOUGHT, texts.given({"dbr_sought_reports": "Reports sought for retrieval"})),
        ("main out", _SOUGHT, texts.given({"dbr_notretrieved_reports": "Reports not retrieved"})),
        ("main", _ASSESSED, texts.given({"dbr_assessed": "Reports assessed for eligibility"})),
        ("main out", _ASSESSED, texts.excluded("dbr_excluded")),
        *_others(texts),
        ("main", _NEW, _studies(texts, "new", f"{new}studies included", f"Reports of {new}included studies")),
        ("main", _TOTAL, _studies(texts, "total", "Studies included in total", "Reports in total") if updated else []),
        ("main", _META, _meta(texts)),
    ):
        if content:
            yield _Box(column, row, content)
    used = {column for column, _, _ in _others(texts)}
    head = f"Identification of {new}studies via"
    if updated:
        yield _Box("previous", _HEADING, [_Line(reworded("Previous studies"))])
    if _identified(texts) or has("records_screened") is not None or has("dbr_assessed") is not None:
        yield _Box("main", _HEADING, [_Line(reworded(f"{head} databases and registers"))])
    if used:
        yield _Box("other", _HEADING, [_Line(reworded(f"{head} other methods"))])


def _previous(texts: _Texts) -> list[_Line]:
    return texts.given(
        {
            "previous_studies": "Studies included in previous version of review",
            "previous_reports": "Reports of studies included in previous version of review",
        }
    )


def _identified(texts: _Texts) -> list[_Line]:
    lines = []
    for key, words in (("database", "Databases"), ("register", "Registers")):
        total = texts.numbers.get(f"{key}_results", texts.numbers.get(f"{key}_specific_results"))
        if total is not None:
            lines += [_said(words, total, _INDENT), *texts.names(f"{key}_specific_results", 2 * _INDENT)]
    return [_Line(reworded("Records identified from:")), *lines] if lines else []


def _removed(texts: _Texts) -> list[_Line]:
    lines = texts.given(
        {
            "duplicates": "Duplicate records",
            "excluded_automatic": "Records marked as ineligible by automation tools",
            "excluded_other": "Records removed for other reasons",
        },
        _INDENT,
    )
    return [_Line(reworded("Records removed before screening:")), *lines] if lines else []


def _others(texts: _Texts) -> list[tuple[str, int, list[_Line]]]:
    """The boxes of other methods; none where all of their numbers are 0."""
    keys = ("website_results", "organisation_results", "citations_results")
    rest = ("other_sought_reports", "other_notretrieved_reports", "other_assessed", "other_excluded")
    if not any(texts.numbers.get(key) for key in (*keys, *rest)):
        return []
    found = texts.given(dict(zip(keys, ("Websites", "Organisations", "Citation searching"), strict=True)), _INDENT)
    boxes = [
        ("other", _FOUND, [_Line(reworded("Records identified from:")), *found] if found else []),
        ("other", _SOUGHT, texts.given({rest[0]: "Reports sought for retrieval"})),
        ("other out", _SOUGHT, texts.given({rest[1]: "Reports not retrieved"})),
        ("other", _ASSESSED, texts.given({rest[2]: "Reports assessed for eligibility"})),
        ("other out", _ASSESSED, texts.excluded(rest[3])),
    ]
    return [box for box in boxes if box[2]]


def _studies(texts: _Texts, which: str, studies: str, reports: str) -> list[_Line]:
    return texts.given({f"{which}_studies": f"{studies[:1].upper()}{studies[1:]}", f"{which}_reports": reports})


def _meta(texts: _Texts) -> list[_Line]:
    return texts.given(
        {"total_studies_ma": "Studies included in meta-analysis", "total_reports_ma": "Reports of studies in meta-analysis"},
        zeros=False,
    )


_FIRST = MARGIN + _BAR + _BESIDE


def _best(boxes: Sequence[_Box], columns: Sequence[str], width: float) -> _Layout:
    """The lowest layout for a width: long lists of reasons make the columns of exclusions wider."""
    room = width - MARGIN - _FIRST - (len(columns) - 1) * _ACROSS
    outer = [name for name in columns if name.endswith(" out")]
    found = []
    for shares in product(_SHARES, repeat=len(outer)):
        weights = dict.fromkeys(columns, 1.0) | dict(zip(outer, shares, strict=True))
        widths = {name: room * weight / sum(weights.values()) for name, weight in weights.items()}
        if min(widths.values()) >= min(_NARROW, room / len(columns)) - 1e-9:
            wider = sum(shares) - len(shares)
            found.append((_Layout(boxes, widths).height * (1 + _EVEN * wider), wider, widths))
    # The boxes have the places of the layout that was made last.
    return _Layout(boxes, min(found, key=lambda each: each[:2])[2])


class _Layout:
    """Places of all boxes for the widths of the columns, in text sizes."""

    def __init__(self, boxes: Sequence[_Box], widths: Mapping[str, float]) -> None:
        self.boxes = {(box.column, box.row): box for box in boxes}
        left = _FIRST
        self.left: dict[str, float] = {}
        for name, width in widths.items():
            self.left[name] = left
            left += width + _ACROSS
        # Included studies of other methods alone stand where those of databases would.
        first = next(iter(widths))
        for box in boxes:
            name = box.column if box.column in widths else first
            outer = f"{name} out"
            wide = widths[name] + (widths[outer] + _ACROSS if box.row == _HEADING and outer in widths else 0.0)
            box.fit(self.left[name], wide)
        self.bars: list[tuple[str, float, float]] = []
        self.height = self._rows() + 0.3

    def row(self, row: int) -> list[_Box]:
        """The boxes of a row."""
        return [box for (_, at), box in self.boxes.items() if at == row]

    def _rows(self) -> float:
        """Place the rows below each other; the lower edge of the last one."""
        y = 0.2
        for box in self.row(_HEADING):
            box.height = max(other.height for other in self.row(_HEADING))
            box.top = y
        if self.row(_HEADING):
            y += self.row(_HEADING)[0].height + _UNDER
        below = y
        for name, rows in _PHASES.items():
            used = [row for row in rows if self.row(row)]
            if not used:
                continue
            top = y
            for row in used:
                y = self._place(row, y) + _DOWN
            # A phase is at least as tall as its name is long.
            short = _letters(name) + 0.9 - (y - _DOWN - top)
            y += max(0.0, short)
            below = y - _DOWN
            self.bars.append((name, top, below))
        return below

    def _place(self, row: int, y: float) -> float:
        """Place one row: boxes begin at its upper edge, except that a much lower box beside a taller one is level with its middle."""
        for name in ("previous", "main", "other"):
            box, out = self.boxes.get((name, row)), self.boxes.get((f"{name} out", row))
            for each in (box, out):
                if each is not None:
                    each.top = y
            if box is not None and out is not None and out.height < box.height - 1.0:
                out.top = y + (box.height - out.height) / 2
        return max(box.bottom for box in self.row(row))

    def chain(self, column: str) -> list[_Box]:
        """The boxes of a column from top to bottom, without the heading."""
        return [box for (name, row), box in sorted(self.boxes.items(), key=lambda item: item[0][1]) if name == column and row]


def _letters(text: str) -> float:
    """The length of the name of a phase."""
    return width_of(reworded(text), style.TEXT_SIZE, bold_if(True, reworded(text))) * _SLACK / style.TEXT_SIZE


class _Drawing:
    """The marks on axes whose units are text sizes."""

    def __init__(self, axes: Axes, size: float) -> None:
        self.axes, self.size = axes, size

    def all(self, layout: _Layout) -> None:
        """Boxes, bars and arrows."""
        for name, top, bottom in layout.bars:
            self._bar(name, top, bottom)
        for (_, row), box in layout.boxes.items():
            self._box(box, heading=row == _HEADING)
        main, other = layout.chain("main"), layout.chain("other")
        for column in (main, other):
            for one, below in pairwise(column):
                self._arrow([(one.middle[0], one.bottom), (below.middle[0], below.top)])
        for (name, row), box in layout.boxes.items():
            out = layout.boxes.get((f"{name} out", row))
            if out is not None and row:
                self._arrow([(box.left + box.width, box.middle[1]), (out.left, box.middle[1])])
        included = [box for box in main if box.row in (_NEW, _TOTAL)]
        if other and included:
            start, end = other[-1], included[0]
            self._arrow([(start.middle[0], start.bottom), (start.middle[0], end.middle[1]), (end.left + end.width, end.middle[1])])
        previous, total = layout.boxes.get(("previous", _FOUND)), layout.boxes.get(("main", _TOTAL))
        if previous is not None and total is not None:
            x, y = previous.middle[0], total.middle[1]
            self._arrow([(x, previous.bottom), (x, y), (total.left, y)])

    def _box(self, box: _Box, *, heading: bool) -> None:
        face = _GROUND if heading else "white"
        edge = _GROUND if heading else style.INK
        self._rectangle(box.left, box.top, box.width, box.height, face, edge)
        # A heading that is lower than its neighbour stands in the middle.
        tall = (len(box.lines) - 1) * _PITCH + 1.0
        y = box.top + (box.height - tall) / 2 + 0.82
        for indent, text, raw in box.lines:
            if heading:
                self._write(text, box.middle[0], y, raw=True, bold=bold_if(True, text), horizontalalignment="center")
            else:
                self._write(text, box.left + _PAD + indent, y, raw=True, label="_name" if raw else "_text")
            y += _PITCH

    def _bar(self, name: str, top: float, bottom: float) -> None:
        self._rectangle(MARGIN, top, _BAR, bottom - top, _PHASE, _PHASE)
        text = reworded(name)
        self._write(
            text,
            MARGIN + _BAR / 2,
            (top + bottom) / 2,
            raw=True,
            bold=bold_if(True, text),
            rotation=90,
            horizontalalignment="center",
            verticalalignment="center",
        )

    def _rectangle(self, left: float, top: float, width: float, height: float, face: str, edge: str) -> None:
        self.axes.add_patch(Rectangle((left, top), width, height, facecolor=face, edgecolor=edge, linewidth=0.8, zorder=2))

    def _write(self, text: str, x: float, y: float, **properties: Any) -> None:
        self.axes.add_artist(Label(x, y, text, size=self.size, transform=self.axes.transData, color=style.INK, zorder=4, **properties))

    def _arrow(self, path: Sequence[tuple[float, float]]) -> None:
        """A line along the axes, with a head at its end."""
        (x0, y0), (x, y) = path[-2:]
        dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
        back = (x - dx * _HEAD, y - dy * _HEAD)
        line = [*path[:-1], back]
        self.axes.add_line(
            Line2D([p[0] for p in line], [p[1] for p in line], color=style.INK, linewidth=0.8, solid_capstyle="butt", zorder=1)
        )
        sides = [(back[0] + sign * dy * _HALF, back[1] + sign * dx * _HALF) for sign in (1, -1)]
        self.axes.add_patch(Polygon([(x, y), *sides], closed=True, facecolor=style.INK, edgecolor="none", zorder=3))


def _alt(flow: PrismaFlow) -> str:
    """The numbers of the main column in a few words."""
    has = flow.numbers.get
    found = sum(has(key, 0) for key in ("database_results", "register_results"))
    parts = [f"{counted(found, 'record')} identified"] if found else []
    for key, words in (
        ("records_screened", "screened"),
        ("dbr_sought_reports", "reports sought"),
        ("dbr_assessed", "assessed"),
        ("dbr_excluded", "excluded"),
    ):
        if has(key) is not None:
            parts.append(f"{has(key):,} {words}")
    if has("other_assessed"):
        parts.append(f"{has('other_assessed'):,} of other methods assessed")
    for key, words in (("new_reports", "report"), ("new_studies", "study")):
        if has(key) is not None:
            parts.append(f"{counted(has(key, 0), words, 'studies' if words == 'study' else None)} included")
    return ", ".join(parts) or "numbers of the review"
