"""The traffic-light plot: every judgement of the risk of bias, a row for each study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D

from metanet.base.arguments import checked, choice
from metanet.base.untrusted import listing
from metanet.evidence.bias.board import Board
from metanet.evidence.bias.judgements import Unit
from metanet.evidence.bias.result import RiskOfBias
from metanet.evidence.bias.sources import Judgements, bias_of
from metanet.evidence.bias.tools import OVERALL
from metanet.figures.forest.judgement_key import draw_key, draw_marks, flow, key_of, mark_at
from metanet.figures.forest.table import Judgement
from metanet.figures.page import style
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.label_places import LETTER
from metanet.figures.page.page import MARGIN, page, saying
from metanet.figures.page.save import describe
from metanet.figures.page.subject import Subject, alternative
from metanet.figures.page.text import BASELINE, LINE, Label, harmless, width_of, wrap
from metanet.figures.registry import chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: In text sizes: widest name of a study in a wide and in a narrow figure, widest name of a domain.
_NAME, _NARROW_NAME, _HEAD = 18.0, 9.0, 21.0
#: Width of a column and of the points, the least width, and the space before the overall judgement.
_CELL, _POINTS, _LEAST_CELL, _BEFORE_OVERALL = 2.1, 3.4, 1.6, 0.7
#: Height of a row, of one in a long table, and from how many rows on a table is long.
_ROW, _TIGHT_ROW, _LONG = 1.8, 1.5, 40
_ORDERS = ("study", "overall")
KIND = "Traffic-light plot of the risk of bias"


@chart("traffic_light", title="Risk of bias: judgements")
@checked(sort=choice(*_ORDERS))
def traffic_light(bias: Judgements, *, sort: str = "study", ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw every judgement of the risk of bias.

    Parameters
    ----------
    bias
        What `Evidence.risk_of_bias` returned, evidence whose studies were judged by one tool, or a frame of rows of risk_of_bias.csv,
        such as `read_judgements` returns it.
    sort
        Order of the rows: "study" by name, "overall" by the overall judgement, the best first.
    ax
        Axes to draw into; None makes a figure that fits the content, or the column of `column_width`.
    title
        A heading.

    Returns
    -------
    Axes
        A row for each study (or arm that was judged by itself), a column for each domain and one for the overall judgement. A disc
        with a sign for each judgement; "≠" where assessors differ without a consensus; no disc where nothing was judged. Evidence
        that was not assessed is answered in words.

    Examples
    --------
    >>> wide = rates[["study"]].assign(confounding="low", attrition="high")
    >>> ax = mn.traffic_light(mn.read_judgements(wide, "generic"))
    """
    found = bias_of(bias, "bias")
    if found.board is None:
        return saying(ax, KIND, title, str(found.reason))
    board = found.board
    grid = _Grid(found, board, _ordered(board, sort))
    unit = style.TEXT_SIZE
    width = wanted_width() if ax is None else None
    least = grid.plan(_NARROW_NAME, _LEAST_CELL)
    wide = grid.plan(_NAME, _CELL)
    plan = wide if width is None or width >= wide.width * unit else least
    notes = [_legend(found, board)]
    with page(ax, width=wide.width * unit if width is None else width, height=plan.height * unit,
              least=((least if ax is None else wide).width * unit, plan.height * unit), title=title,
              notes=notes) as sheet:  # fmt: skip
        s = sheet.size
        axes = sheet.panel(0.0, 0.0, sheet.width, max(1.0, sheet.height))
        axes.set_axis_off()
        axes.set_xlim(0, sheet.width / s)
        axes.set_ylim(0, sheet.height / s)
        grid.draw(axes, plan, s, sheet.height / s)
    kind = f"Risk of bias by {board.tool.title}"
    subject = Subject(str(found.method.get("label") or ""))
    told = found.sentence().partition("; ")[2].rstrip(".")
    alt = alternative(
        kind, subject, len(board.units), told, of=("study or arm", "studies or arms") if grid.arms else ("study", "studies")
    )
    rows = "; ".join(f"{harmless(board.name_of(unit), 80)}: {grid.words(unit)}" for unit in grid.units)
    describe(axes, harmless(title, 300) if title else f"{KIND} ({board.tool.title})", f"{found.sentence()} {rows}. {notes[0]}", alt)
    return axes


def _ordered(board: Board, sort: str) -> tuple[Unit, ...]:
    if sort == "study":
        return board.units

    def place(unit: Unit) -> tuple[bool, int]:
        level = board.level_at(unit, OVERALL)
        return level is None, 0 if level is None else board.tool.categories.index(level)

    return tuple(sorted(board.units, key=place))


@dataclass(frozen=True)
class _Plan:
    """Widths and heights in text sizes."""

    names: tuple[str, ...]
    left: float
    cell: float
    rows: tuple[float, ...]
    over: float
    #: Middle of each column; the overall judgement is the last but for the points.
    columns: tuple[float, ...]
    width: float
    height: float


@dataclass(frozen=True)
class _Grid:
    """Studies, domains and what is drawn of them."""

    bias: RiskOfBias
    board: Board
    units: tuple[Unit, ...]

    @property
    def arms(self) -> bool:
        return any(arm for _, arm in self.units)

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains, then the overall judgement where there is any."""
        overall = any(self.board.level_at(unit, OVERALL) or self.board.is_open(unit, OVERALL) for unit in self.units)
        return (*self.board.domains, OVERALL) if overall else self.board.domains

    @property
    def points(self) -> list[str]:
        """The points of each study; empty where the tool has none."""
        found = [self.board.overall_of(unit) for unit in self.units]
        shown = ["" if each.points is None else f"{each.points}/{each.most}" for each in found]
        return shown if any(shown) else []

    @property
    def heads(self) -> list[str]:
        names = [harmless(self.board.tool.title_of(domain), 100) for domain in self.domains]
        return [wrap(name, _HEAD * style.TEXT_SIZE, LETTER * style.TEXT_SIZE, lines=1) for name in names]

    def words(self, unit: Unit) -> str:
        """The judgements of a study in words."""
        said = [
            (self.board.tool.title_of(domain).lower(), self.board.text_of(unit, domain).lower()) for domain in (*self.domains, OVERALL)
        ]
        return ", ".join(f"{name} {word}" for name, word in dict.fromkeys(said) if word)

    def key(self) -> list[tuple[Judgement, str]]:
        """The marks that occur and what they mean."""
        pairs = [(unit, domain) for unit in self.units for domain in self.domains]
        return key_of([mark_at(self.board, *pair) for pair in pairs], [self.board.level_at(*pair) for pair in pairs])

    def plan(self, name: float, cell: float) -> _Plan:
        """Where everything stands, with names of studies of at most this width and columns of that."""
        unit = style.TEXT_SIZE
        names = tuple(wrap(harmless(self.board.name_of(each), 160), name * unit, unit, lines=3) for each in self.units)
        left = MARGIN + max(width_of(line, unit) for text in names for line in text.split("\n")) * 1.02 / unit + 0.7
        row = _ROW if len(self.units) < _LONG else _TIGHT_ROW
        rows = tuple(max(row, (1 + text.count("\n")) * LINE + 0.35) for text in names)
        columns, x = [], left
        for domain in self.domains:
            x += _BEFORE_OVERALL if domain == OVERALL else 0.0
            columns.append(x + cell / 2)
            x += cell
        if self.points:
            columns.append(x + 0.5 + _POINTS / 2)
            x += 0.5 + _POINTS
        width = x + MARGIN
        heads = [*self.heads, *(["Points"] if self.points else [])]
        over = max(width_of(head, LETTER * unit) for head in heads) * 1.02 / unit + 0.9
        # A key that would be very narrow gets more room than the table.
        width = max(width, min(16.0, 2 * MARGIN + max(len(text) for _, text in self.key()) * 0.6 + 2.0) if self.key() else 0.0)
        height = over + sum(rows) + 0.7 + flow(self.key(), width - 2 * MARGIN)[1]
        return _Plan(names, left, cell, rows, over, tuple(columns), width, height)

    def draw(self, axes: Axes, plan: _Plan, s: float, top: float) -> None:
        """Heads, names, discs, rules and key."""
        tops = [top - plan.over]
        for row in plan.rows:
            tops.append(tops[-1] - row)
        end = max(plan.columns) + (_POINTS if self.points else plan.cell) / 2
        for head, x in zip([*self.heads, *(["Points"] if self.points else [])], plan.columns, strict=True):
            _write(axes, s, head, x, tops[0] + 0.5, LETTER, horizontalalignment="center", verticalalignment="bottom", rotation=90)
        for y, weight in ((tops[0], 0.8), (tops[-1], 0.8)):
            line = Line2D((MARGIN, end), (y, y), color=style.INK, linewidth=weight, zorder=1, label="_rule")
            line.set_clip_on(False)
            axes.add_line(line)
        places: list[tuple[float, float]] = []
        marks: list[Judgement] = []
        for i, unit in enumerate(self.units):
            middle = (tops[i] + tops[i + 1]) / 2
            text = plan.names[i]
            _write(axes, s, text, MARGIN, middle - BASELINE - text.count("\n") * LINE / 2, 1.0, label="_name")
            for domain, x in zip(self.domains, plan.columns, strict=False):
                mark = mark_at(self.board, unit, domain)
                if mark is not None:
                    places.append((x, middle))
                    marks.append(mark)
            if self.points and self.points[i]:
                _write(axes, s, self.points[i], plan.columns[-1], middle - BASELINE, 1.0, horizontalalignment="center")
        draw_marks(axes, places, marks, s)
        draw_key(axes, self.key(), MARGIN, tops[-1] - 0.7, plan.width - 2 * MARGIN, s)


def _write(axes: Axes, s: float, text: str, x: float, y: float, letter: float, **properties: Any) -> None:
    axes.add_artist(Label(x, y, text, size=letter * s, raw=True, color=style.INK, zorder=4, transform=axes.transData, **properties))


def _legend(found: RiskOfBias, board: Board) -> str:
    """The tool, and what a cell without a disc is."""
    version = f" ({board.tool.version})" if board.tool.version else ""
    parts = [f"Judgements by {board.tool.title}{version}."]
    if any(mark_at(board, unit, domain) is None for unit in board.units for domain in board.domains):
        parts.append("No disc: not judged.")
    gaps = _silent(board)
    if gaps:
        parts.append(f"Without an overall judgement: {listing(gaps, 6)}.")
    return " ".join(parts)


def _silent(board: Board) -> Sequence[str]:
    """The studies without an overall judgement, where others have one."""
    missing = [unit for unit in board.units if board.level_at(unit, OVERALL) is None]
    return [] if len(missing) == len(board.units) else [harmless(board.name_of(unit), 60) for unit in missing]
