"""The ladder of a contrast: a band for each kind of evidence, never pooled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metanet.base.display import POINTS, scale_of
from metanet.figures.forest.render import draw_table
from metanet.figures.forest.table import ESTIMATE_SIDES, PIECE_GAP, Cell, Column, Point, Row, Table, estimate_cell
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.page import saying
from metanet.figures.page.save import describe
from metanet.figures.page.scale import Scale
from metanet.figures.page.subject import alternative, subject_of_record
from metanet.figures.page.text import harmless
from metanet.figures.registry import chart
from metanet.models.comparison.ladder import CALIBRATION, Ladder
from metanet.models.comparison.rungs import Rung

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points: narrower than this there are no columns of counts and differences.
_NARROW = 300.0


@chart("ladder", title="Ladder of evidence for a contrast", takes=Ladder, makers="contrast_ladder")
def ladder(found: Ladder, *, ax: Axes | None = None, title: str | None = None, xlim: tuple[float, float] | None = None) -> Axes:
    """Draw one contrast on every kind of evidence.

    Parameters
    ----------
    found
        The result of `contrast_ladder`.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.
    xlim
        Limits of the axis of odds ratios.

    Returns
    -------
    Axes
        A row for each rung, from randomised studies to separate ones: studies, patients, odds ratio with interval, difference of
        rates. No diamond sums them up.

    Examples
    --------
    >>> ax = mn.contrast_ladder(mn.load_evidence(), "Disease control", "TACE", "TAE").figure()
    """
    if found.highest is None:
        return saying(ax, "Ladder of evidence", title, found.sentence())
    known = [rung for rung in found.rungs if rung.odds_ratio is not None]
    kind = scale_of("ratio", title="Odds ratio")
    scale = Scale(kind, kind.column((r.odds_ratio, r.odds_ratio_lower, r.odds_ratio_upper) for r in known), True)
    narrow = (wanted_width() or float("inf")) < _NARROW
    first, second = harmless(found.first, 40), harmless(found.second, 40)
    columns = [Column("study", f"{first} against {second}")]
    columns += [] if narrow else [Column("k", "Studies", "right"), Column("n", "Patients", "right")]
    columns.append(Column("rate", scale.heading(found.level), "right", ESTIMATE_SIDES, PIECE_GAP, right=True))
    columns += [] if narrow else [Column("difference", "Difference, points", "right", ESTIMATE_SIDES, PIECE_GAP, right=True)]
    subject = subject_of_record(found.method)
    of = f" of {subject.outcome[:1].lower()}{subject.outcome[1:]}" if subject.outcome else ""
    axis = f"Odds ratio{of} (log scale){f'; {subject.direction}' if subject.direction else ''}"
    table = Table(
        scale=scale,
        columns=tuple(columns),
        studies=tuple(_row(rung, scale, narrow) for rung in found.rungs),
        summary=(),
        reference=scale.no_effect,
        notes=(harmless(CALIBRATION, 600),),
        method=harmless(found.method.sentence(), 2000),
        title=harmless(title, 300) if title else "",
        xlim=xlim,
        axis_name=axis,
    )
    axes = draw_table(table, ax)
    told = [f"{rung.title}: {_said(rung, scale, found.level)}" for rung in found.rungs]
    alt = alternative(f"Ladder of evidence, {first} against {second}", subject, len(known), told[0], of=("rung", "rungs"))
    text = f"{harmless(found.sentence(), 1500)} {'; '.join(told)}."
    describe(axes, table.title or f"{first} against {second}", text, alt, axis=axis)
    return axes


def _row(rung: Rung, scale: Scale, narrow: bool) -> Row:
    cells: dict[str, Cell] = {"k": f"{rung.k:,}" if rung.k else "–", "n": f"{rung.patients:,}" if rung.patients else "–"}
    mark = None
    ends = (rung.odds_ratio, rung.odds_ratio_lower, rung.odds_ratio_upper)
    if all(end is not None and np.isfinite(end) and end > 0 for end in ends):
        middle, low, high = (float(end) for end in ends if end is not None)
        cells["rate"] = estimate_cell(scale, middle, low, high)
        mark = Point(middle, low, high, vague=scale.written.is_vague(low, high))
    else:
        cells["rate"] = _none(rung) if rung.odds_ratio is None else scale.written.text(rung.odds_ratio)
    if rung.difference is not None and rung.difference_lower is not None and rung.difference_upper is not None:
        points = Scale(POINTS, 1, False)
        cells["difference"] = estimate_cell(points, rung.difference, rung.difference_lower, rung.difference_upper)
    else:
        cells["difference"] = "–"
    return Row(harmless(rung.title), cells, mark, vague=mark is not None and mark.vague)


def _none(rung: Rung) -> str:
    """Why a rung has no estimate, in two words."""
    return "no moderator" if rung.key == "adjusted" else "no estimate" if rung.k else "no study"


def _said(rung: Rung, scale: Scale, level: float) -> str:
    """A rung in words."""
    if rung.odds_ratio is None:
        return harmless(rung.reason, 200).rstrip(".")
    return scale.written.estimate(rung.odds_ratio, rung.odds_ratio_lower, rung.odds_ratio_upper, level, rung.interval)
