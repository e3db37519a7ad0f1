"""The bars of the risk of bias: in each domain the share of every level, of studies, patients or the weight in an estimate."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from matplotlib.patches import Rectangle

from metanet.base.arguments import checked
from metanet.base.display import per_cent
from metanet.base.errors import ArgumentError, as_given
from metanet.base.groups import absent
from metanet.base.results import records
from metanet.base.untrusted import counted
from metanet.evidence.bias.board import Board
from metanet.evidence.bias.judgements import Unit
from metanet.evidence.bias.sources import Judgements, bias_of
from metanet.evidence.bias.tools import OVERALL
from metanet.evidence.sources import is_result
from metanet.figures.forest.judgement_key import NOT_JUDGED, draw_key, flow, key_of, mark_at
from metanet.figures.forest.judgements import MARKS, OPEN
from metanet.figures.forest.table import Judgement
from metanet.figures.page import style
from metanet.figures.page.axis import Axis
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.page import MARGIN, dress, page, saying, set_axis
from metanet.figures.page.save import describe
from metanet.figures.page.subject import Subject, alternative
from metanet.figures.page.text import BASELINE, LINE, Label, harmless, width_of, wrap
from metanet.figures.registry import chart
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: In text sizes: widest name of a domain in a wide and in a narrow figure, width of the bars, height of a row and of its bar.
_NAME, _NARROW_NAME, _PANEL, _LEAST_PANEL = 18.0, 9.0, 30.0, 9.0
_ROW, _BAR = 1.9, 1.15
#: Room for the axis under the bars, without and with its name.
_AXIS = 3.6
#: Beside the bars, for the last label of the axis.
_END = 0.6
#: From this share of a text size on a bar has room for its sign.
_SIGN = 1.15
KIND = "Bars of the risk of bias"
_WEIGHTS = {"studies": "Studies, %", "patients": "Patients, %", "fit": "Weight in the pooled estimate, %"}


@chart("bias_bars", title="Risk of bias: shares of the levels")
@checked()
def bias_bars(bias: Judgements, *, weights: str | Pooled = "studies", ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the share of every level of the risk of bias in each domain.

    Parameters
    ----------
    bias
        As in `traffic_light`: what `Evidence.risk_of_bias` returned, evidence, or a frame of rows of risk_of_bias.csv.
    weights
        What the shares are of: "studies", "patients", or a result of `pool`, whose shares of the information in its estimate are then
        added up; studies of the result that were not judged have a part of their own.
    ax
        Axes to draw into; None makes a figure that fits the content, or the column of `column_width`.
    title
        A heading.

    Returns
    -------
    Axes
        A bar for each domain and one for the overall judgement, its parts from the best level to the worst, each with the sign of its
        level where there is room.

    Raises
    ------
    ArgumentError
        Other weights, patients that are not known, or a result without any of the judged studies.

    Examples
    --------
    >>> wide = rates[["study"]].assign(confounding="low", attrition="high")
    >>> ax = mn.bias_bars(mn.read_judgements(wide, "generic"), weights=fit)
    """
    found = bias_of(bias, "bias")
    if not is_result(weights) and weights not in ("studies", "patients"):
        raise ArgumentError(f"weights={as_given(weights)} must be 'studies', 'patients' or a result of mn.pool.")
    if found.board is None:
        return saying(ax, KIND, title, str(found.reason))
    board = found.board
    shares, note = _weights(board, weights)
    bars = _Bars(board, shares)
    unit = style.TEXT_SIZE
    width = wanted_width() if ax is None else None
    least_left, left = bars.left(_NARROW_NAME), bars.left(_NAME)
    least = (2 * MARGIN + least_left + _LEAST_PANEL + _END) * unit
    wide = (2 * MARGIN + left + _PANEL + _END) * unit
    narrow = width is not None and width < (2 * MARGIN + left + 1.5 * _LEAST_PANEL + _END) * unit
    names = bars.names(_NARROW_NAME if narrow else _NAME)
    left = least_left if narrow else left
    across = wide if width is None else max(width, least)
    key = bars.key()
    rows = [max(_ROW, (1 + text.count("\n")) * LINE + 0.4) for text in names]
    beside = flow(key, across / unit - 2 * MARGIN)[1]
    height = (sum(rows) + _AXIS + beside + 0.8) * unit
    name = "fit" if is_result(weights) else str(weights)
    version = f" ({board.tool.version})" if board.tool.version else ""
    legend = [" ".join([f"Judgements by {board.tool.title}{version}; {_COUNTED[name]}.", *note])]
    least_height = (sum(rows) + _AXIS + flow(key, least / unit - 2 * MARGIN)[1] + 0.8) * unit
    with page(ax, width=across if width is None else width, height=height, least=(least, max(height, least_height)), title=title,
              notes=legend) as sheet:  # fmt: skip
        s = sheet.size
        high = sum(rows) * s
        low = max(0.0, sheet.height - high - 0.3 * s)
        axes = sheet.panel((MARGIN + left) * s, low, max(1.0, sheet.width - (2 * MARGIN + left + _END) * s), high)
        dress(axes, s, ("bottom",))
        set_axis(axes, "x", Axis(0.0, 100.0, (0.0, 25.0, 50.0, 75.0, 100.0), ("0", "25", "50", "75", "100")), s, _WEIGHTS[name])
        axes.set_ylim(sum(rows), 0.0)
        panel = sheet.width / s - 2 * MARGIN - left - _END
        bars.draw(axes, names, rows, left, panel, s)
        below = sheet.panel(0.0, 0.0, sheet.width, max(1.0, low - _AXIS * s))
        below.set_axis_off()
        below.set_xlim(0, sheet.width / s)
        below.set_ylim(0, max(1.0, low - _AXIS * s) / s)
        draw_key(below, key, MARGIN, max(1.0, low - _AXIS * s) / s, sheet.width / s - 2 * MARGIN, s)
    subject = Subject(str(found.method.get("label") or ""))
    told = [f"{harmless(board.tool.title_of(domain), 60)}: {bars.words(domain)}" for domain in bars.domains]
    alt = alternative(f"Shares of the risk of bias by {board.tool.title}", subject, len(board.units), *reversed(told))
    text = f"{KIND} by {board.tool.title}, % of {_OF[name]}. {'; '.join(told)}. {legend[0]}"
    describe(axes, harmless(title, 300) if title else f"{KIND} ({board.tool.title})", text, alt, axis=_WEIGHTS[name])
    return axes


_COUNTED = {
    "studies": "every study counts the same",
    "patients": "studies count by their patients",
    "fit": "studies count by their share of the information in the pooled estimate",
}
_OF = {"studies": "studies", "patients": "patients", "fit": "the weight in the pooled estimate"}


def _weights(board: Board, weights: Any) -> tuple[dict[Unit | None, float], list[str]]:
    """The weight of each unit, under None that of studies which were not judged, and what a reader has to know of them."""
    if is_result(weights):
        return _of_fit(board, weights)
    if weights == "studies":
        # Arms that were judged by themselves are parts of one study.
        parts = Counter(study for study, _ in board.units)
        return {unit: 1.0 / parts[unit[0]] for unit in board.units}, []
    sizes: dict[Unit | None, float] = {unit: _patients(board, unit) for unit in board.units}
    unknown = [unit for unit, size in sizes.items() if math.isnan(size)]
    if not sum(size for size in sizes.values() if not math.isnan(size)) > 0:
        raise ArgumentError("weights='patients' needs the patients of the studies, and the judgements have none. Fix: take 'studies'.")
    note = [f"Left out, because their patients are not known: {counted(len(unknown), 'study', 'studies')}."] if unknown else []
    return {unit: size for unit, size in sizes.items() if not math.isnan(size)}, note


def _patients(board: Board, unit: Unit) -> float:
    """The patients of a study or arm; of a study without those of its arms that were judged by themselves."""
    if unit[1]:
        return board.patients_of(unit)
    others = [board.patients_of(each) for each in board.units if each[0] == unit[0] and each[1]]
    rest = board.patients_of(unit) - sum(others)
    return rest if math.isnan(rest) else max(0.0, rest)


def _of_fit(board: Board, fit: Pooled) -> tuple[dict[Unit | None, float], list[str]]:
    """The weights of the rows of a result, added up for each study or arm that was judged."""
    by_name = {board.name_of(unit): unit for unit in board.units} | {unit[0]: unit for unit in board.units if not unit[1]}
    found: dict[Unit | None, float] = {}
    missing = []
    for row, weight in zip(records(fit.studies), fit.weights.tolist(), strict=True):
        study, arm = row.get("study_id"), row.get("arm")
        unit = None if absent(study) else board.unit_of(str(study), "" if absent(arm) else str(arm))
        unit = unit or by_name.get(str(row["study"]))
        if unit is None:
            missing.append(weight)
        found[unit] = found.get(unit, 0.0) + (weight if math.isfinite(weight) else 0.0)
    if not set(found) - {None}:
        raise ArgumentError("weights is a result that has none of the judged studies. Fix: give the result of the same evidence.")
    if not sum(found.values()) > 0:
        raise ArgumentError("weights is a result whose studies have no weights. Fix: take 'studies' or 'patients'.")
    note = [f"Not judged: {counted(len(missing), 'row')} of the result."] if missing else []
    return found, note


@dataclass(frozen=True)
class _Bars:
    """The parts of each bar, in the order of the marks."""

    board: Board
    weights: Mapping[Unit | None, float]

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains, then the overall judgement where there is any."""
        units = self.board.units
        overall = any(self.board.level_at(unit, OVERALL) or self.board.is_open(unit, OVERALL) for unit in units)
        return (*self.board.domains, OVERALL) if overall else self.board.domains

    def names(self, most: float) -> list[str]:
        """What the bars are called, in lines."""
        unit = style.TEXT_SIZE
        return [wrap(harmless(self.board.tool.title_of(domain), 120), most * unit, unit, lines=3) for domain in self.domains]

    def left(self, most: float) -> float:
        """Width of the names, with a space behind them."""
        unit = style.TEXT_SIZE
        return max(width_of(line, unit) for text in self.names(most) for line in text.split("\n")) * 1.02 / unit + 0.8

    def parts(self, domain: str) -> list[tuple[Judgement, float]]:
        """Mark and share (of 100) of each part, the best first."""
        total = sum(self.weights.values())
        sums: dict[str, tuple[Judgement, float]] = {}
        for unit, weight in self.weights.items():
            mark = (mark_at(self.board, unit, domain) if unit is not None else None) or NOT_JUDGED
            sums[mark.word] = (mark, sums.get(mark.word, (mark, 0.0))[1] + 100 * weight / total)
        order = [*(mark.word for mark in MARKS.values()), OPEN.word, NOT_JUDGED.word]
        return sorted((part for part in sums.values() if part[1] > 0), key=lambda part: order.index(part[0].word))

    def key(self) -> list[tuple[Judgement, str]]:
        """The marks that occur and what they mean."""
        pairs = [(unit, domain) for unit in self.weights if unit is not None for domain in self.domains]
        found = key_of([mark_at(self.board, *pair) for pair in pairs], [self.board.level_at(*pair) for pair in pairs])
        gaps = any(mark is NOT_JUDGED for domain in self.domains for mark, _ in self.parts(domain))
        return [*found, (NOT_JUDGED, NOT_JUDGED.word)] if gaps else found

    def words(self, domain: str) -> str:
        """The shares of a bar in words."""
        said = dict(self.key())
        return ", ".join(f"{per_cent(share / 100, 0)} % {said.get(mark, mark.word)}" for mark, share in self.parts(domain))

    def draw(self, axes: Axes, names: Sequence[str], rows: Sequence[float], left: float, panel: float, s: float) -> None:
        """The bars with their signs, and the names before them."""
        top = 0.0
        for domain, name, high in zip(self.domains, names, rows, strict=True):
            middle = top + high / 2
            start = 0.0
            for mark, share in self.parts(domain):
                bar = Rectangle((start, middle - _BAR / 2), share, _BAR, facecolor=mark.colour, edgecolor=style.INK, linewidth=0.4)
                bar.set(clip_on=False, zorder=2, label="_share")
                axes.add_patch(bar)
                if mark.sign and share / 100 * panel >= _SIGN:
                    axes.add_artist(
                        Label(start + share / 2, middle + BASELINE, mark.sign, size=s, bold=True, raw=True, color=style.INK,
                              horizontalalignment="center", transform=axes.transData, zorder=4)
                    )  # fmt: skip
                start += share
            lines = name.count("\n")
            axes.add_artist(
                Label(-100 * left / panel, middle + BASELINE + lines * LINE / 2, name, size=s, raw=True, color=style.INK,
                      transform=axes.transData, zorder=4, label="_name")
            )  # fmt: skip
            top += high
