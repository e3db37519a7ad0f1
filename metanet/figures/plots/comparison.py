"""The forest plot of a comparison: the groups as rows, each with its prediction interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from metanet.base import display
from metanet.base.errors import ArgumentError, check_choice
from metanet.figures.forest.captions import doubts, groups_alt_text, groups_alternative, groups_legend, subject_of_comparison
from metanet.figures.forest.forest import forest
from metanet.figures.forest.render import draw_table
from metanet.figures.forest.table import (
    COUNT_SIDES,
    ESTIMATE_SIDES,
    PIECE_GAP,
    Bar,
    Cell,
    Column,
    Diamond,
    Point,
    Row,
    Table,
    count_cell,
    estimate_cell,
)
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.page import bold_if
from metanet.figures.page.save import describe
from metanet.figures.page.scale import Scale, effect_scale
from metanet.figures.page.text import harmless
from metanet.figures.registry import chart
from metanet.models.comparison.result import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metanet.models.results.pooled import Pooled


#: Points.
_NARROW = 300.0


@chart("comparison", title="Forest plot of a comparison", takes=Comparison, makers="compare")
def comparison_forest(
    comparison: Comparison,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    studies: bool = False,
    order: str = "estimate",
    xlim: tuple[float, float] | None = None,
    **options: Any,
) -> Axes:
    """Draw the groups of a comparison on one axis.

    Parameters
    ----------
    comparison
        The result of `compare`.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.
    studies
        Whether to draw every study under its group: then this is `forest`, with its other
        `options` (columns, sort, overall, preset ...).
    order
        "estimate": the group with the lowest estimate first; "given": as in the comparison.
    xlim
        As in `forest`.

    Returns
    -------
    Axes
        A row for each group: diamond (estimate and interval) on a thin bar (prediction interval). A group of one study shows
        that study. The test between the groups and the kind of comparison are below.

    Raises
    ------
    ArgumentError
        Not a result of `compare`, or options of `forest` without ``studies=True``.

    Examples
    --------
    >>> ax = mn.compare(rates, by="modality", bootstrap=0).forest()
    """
    if studies:
        listed: Axes = forest(comparison, ax=ax, title=title, xlim=xlim, **options)
        return listed
    if options:
        raise ArgumentError(f"{next(iter(options))} has an effect only with studies=True. Fix: add it.")
    check_choice("order", order, ("estimate", "given"))
    fits = {harmless(name): fit for name, fit in comparison.groups.items()}
    if order == "estimate":
        fits = dict(sorted(fits.items(), key=lambda item: math.inf if item[1].estimate is None else item[1].estimate))
    measure = next(iter(fits.values())).measure
    scale = effect_scale(comparison.response, measure, "cent", [(fit.estimate, fit.ci_lower, fit.ci_upper) for fit in fits.values()])
    counts = comparison.response == "rate"
    subject = subject_of_comparison(comparison)
    shared = _shared_tau(comparison)
    rows = [_group_row(name, fit, scale, tau=shared is None) for name, fit in fits.items()]
    tau = any("tau" in row.cells for row in rows)
    # A single column of a journal has room for the arms and the estimates; the bars show the rest.
    narrow = (wanted_width() or math.inf) < _NARROW
    columns = [Column("study", "Group"), Column("arms", "Arms", "right")]
    columns += [Column("events/total", "Events/Total", "center", COUNT_SIDES)] if counts and not narrow else []
    heading = scale.heading(comparison.level, comparison.interval_name)
    if all(fit.average == "median" for fit in fits.values() if fit.status == "pooled"):
        heading = heading.replace("Rate,", "Median rate,", 1)
    columns.append(Column("rate", heading, "right", ESTIMATE_SIDES, PIECE_GAP, right=True))
    if any(fit.rates_shown[1][0] is not None for fit in fits.values()) and not narrow:
        columns.append(Column("average", "Average", "right", ESTIMATE_SIDES, PIECE_GAP, right=True))
    if any(row.prediction is not None for row in rows) and not narrow:
        name = f"Prediction ({display.level_text(comparison.level)})"
        columns.append(Column("prediction", name, "right", ESTIMATE_SIDES, PIECE_GAP, right=True))
    columns += [Column("tau", "τ", "right", right=True)] if tau and not narrow else []
    table = Table(
        scale=scale,
        columns=tuple(columns),
        studies=tuple(rows),
        summary=(),
        notes=(comparison.test_sentence(), *((shared,) if shared else ()), *doubts(comparison)),
        method=groups_legend(comparison, studies=False, prediction=True),
        title=harmless(title, 300) if title else "",
        xlim=xlim,
        axis_name=subject.axis(comparison.response, measure, log=scale.log),
    )
    axes = draw_table(table, ax)
    told = groups_alternative("Comparison", subject, comparison)
    describe(axes, table.title or "Comparison of groups", groups_alt_text(comparison), told, axis=table.axis_name)
    return axes


def _shared_tau(comparison: Comparison) -> str | None:
    """The tau of all groups in words, where it is one."""
    found = {fit.tau for fit in comparison.groups.values() if fit.tau is not None and fit.status == "pooled"}
    several = sum(fit.status == "pooled" for fit in comparison.groups.values()) > 1
    if comparison.tau2_common is None or len(found) != 1 or not several:
        return None
    return f"One τ for all groups: {display.number(found.pop())}."


def _group_row(name: str, fit: Pooled, scale: Scale, *, tau: bool) -> Row:
    cells: dict[str, Cell] = {"arms": display.count(fit.k)}
    events, n = fit.pooled_counts()
    if events is not None and n is not None:
        cells["events/total"] = count_cell(events, n)
    if tau and fit.tau is not None and fit.status == "pooled":
        cells["tau"] = display.number(fit.tau)
    mark: Point | Diamond | None = None
    estimate, lower, upper = fit.estimate, fit.ci_lower, fit.ci_upper
    if estimate is not None and lower is not None and upper is not None:
        cells["rate"] = estimate_cell(scale, estimate, lower, upper, strong=True)
        single = fit.status == "not pooled"
        mark = Point(estimate, lower, upper, vague=fit.is_vague) if single else Diamond(estimate, lower, upper, vague=fit.is_vague)
    average = fit.rates_shown[1]
    if average[0] is not None:
        limits = [float("nan") if end is None else end for end in average[1:]]
        cells["average"] = estimate_cell(scale, average[0], *limits)
    predicted = None
    if fit.pi_lower is not None and fit.pi_upper is not None:
        predicted = Bar(fit.pi_lower, fit.pi_upper)
        cells["prediction"] = estimate_cell(scale, None, fit.pi_lower, fit.pi_upper)
    return Row(name, cells, mark, bold=bold_if(True, name), vague=fit.is_vague, prediction=predicted)
