"""The forest plot of a comparison: the groups as rows, each with its prediction interval, or with all of its studies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metanet.figures.alternative import describe
from metanet.figures.columns import order_of, study_cells
from metanet.figures.forest import _point
from metanet.figures.page import bold_if, check_kind
from metanet.figures.render import draw_table
from metanet.figures.scale import Scale, scale_of, value_column
from metanet.figures.table import (
    COUNT_SIDES,
    ESTIMATE_SIDES,
    PIECE_GAP,
    Bar,
    Column,
    Diamond,
    Parts,
    Point,
    Row,
    Table,
    count_cell,
    estimate_cell,
)
from metanet.figures.text import harmless
from metanet.models import display
from metanet.models.comparison import OBSERVATIONAL
from metanet.models.display import level_text
from metanet.words import listing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from metanet.models.comparison import Comparison
    from metanet.models.results import Pooled


def comparison_forest(
    comparison: Comparison,
    *,
    ax: Axes | None = None,
    title: str | None = None,
    studies: bool = False,
    xlim: tuple[float, float] | None = None,
) -> Axes:
    """Draw the groups of a comparison on one axis.

    Parameters
    ----------
    comparison
        The result of `compare`.
    ax
        Axes to draw into; None makes a figure of the size that the content needs.
    title
        A heading.
    studies
        Whether every study stands under the name of its group, above the group's own row.
    xlim
        As in `forest`.

    Returns
    -------
    Axes
        A row for each group (diamond: estimate and interval), and one for its prediction interval (bar). A group of one study is
        that study. The test between the groups and what kind of comparison it is stand below.

    Raises
    ------
    ArgumentError
        Something else than the result of `compare`.
    """
    from metanet.models.comparison import Comparison

    check_kind("comparison", comparison, Comparison, "compare")
    fits = {harmless(name): fit for name, fit in comparison.groups.items()}
    known = [fit.estimate for fit in fits.values() if fit.estimate is not None]
    scale = scale_of(comparison.response, "cent", min((v for v in known if v > 0), default=None))
    counts = comparison.response == "rate"
    rows: list[Row] = []
    for name, fit in fits.items():
        # An empty row parts the groups.
        rows += [Row("")] if studies and rows else []
        rows += _with_studies(name, fit, scale, counts) if studies else _alone(name, fit, scale)
    tau = any(fit.tau is not None and fit.status == "pooled" for fit in fits.values())
    columns = [Column("study", "Study" if studies else "Group"), Column("arms", "Arms", "right")]
    columns += [Column("events/total", "Events/Total", "center", COUNT_SIDES)] if counts else []
    columns.append(Column("rate", scale.heading(comparison.level), "right", ESTIMATE_SIDES, PIECE_GAP, right=True))
    columns += [Column("weight", "Weight", "right", right=True)] if studies else []
    columns += [Column("tau", "τ", "right", right=True)] if tau else []
    if studies:
        columns.pop(1)
    table = Table(
        scale=scale,
        columns=tuple(columns),
        studies=tuple(rows),
        summary=(),
        notes=(comparison.test_sentence(), *_doubts(fits)),
        method=_small_print(comparison, fits, studies),
        title=harmless(title, 300) if title else "",
        xlim=xlim,
    )
    axes = draw_table(table, ax)
    describe(
        axes,
        table.title or "Comparison of groups",
        f"Forest plot of {display.plural(len(fits), 'group')}. {comparison.sentence()}",
    )
    return axes


def _alone(name: str, fit: Pooled, scale: Scale) -> list[Row]:
    """A group in one row, and its prediction interval in another."""
    return [_group_row(name, fit, scale), *_prediction_row(fit, scale)]


def _with_studies(name: str, fit: Pooled, scale: Scale, counts: bool) -> list[Row]:
    """The name of a group, its studies, its own row."""
    frame = fit.studies
    frame = frame.iloc[order_of(frame, value_column(frame.columns), None)]
    names = (*(("events/total",) if counts else ()), "rate", "weight")
    rows = [Row(name, bold=bold_if(True, name))]
    rows += [
        Row(harmless(row["study"]), study_cells(row, names, scale, frame), _point(row, scale))
        for row in frame.to_dict("records")
    ]
    if fit.status == "not pooled":
        return rows
    return [*rows, _group_row(_subtotal(fit), fit, scale), *_prediction_row(fit, scale)]


def _subtotal(fit: Pooled) -> str:
    if fit.status in ("no events", "only events"):
        return "Exact rate on the sum"
    if fit.status == "not estimable":
        return "Not estimable"
    return f"Pooled rate ({fit.average})" if fit.response == "rate" else "Pooled"


def _group_row(name: str, fit: Pooled, scale: Scale) -> Row:
    cells: dict[str, str | Parts] = {"arms": display.count(fit.k)}
    if fit.events is not None and fit.n is not None:
        cells["events/total"] = count_cell(fit.events, fit.n)
    if fit.tau is not None and fit.status == "pooled":
        cells["tau"] = display.number(fit.tau)
    mark: Point | Diamond | None = None
    estimate, lower, upper = fit.estimate, fit.ci_lower, fit.ci_upper
    if estimate is not None and lower is not None and upper is not None:
        cells["rate"] = estimate_cell(scale, estimate, lower, upper, strong=True)
        mark = Point(estimate, lower, upper) if fit.status == "not pooled" else Diamond(estimate, lower, upper)
    return Row(name, cells, mark, bold=bold_if(True, name))


def _prediction_row(fit: Pooled, scale: Scale) -> list[Row]:
    if fit.pi_lower is None or fit.pi_upper is None:
        return []
    cells = {"rate": estimate_cell(scale, None, fit.pi_lower, fit.pi_upper)}
    return [Row("Prediction interval", cells, Bar(fit.pi_lower, fit.pi_upper))]


def _doubts(fits: dict[str, Pooled]) -> tuple[str, ...]:
    """What kind of number a group's is where it is not a pooled one."""
    kinds = (
        ("not pooled", "One study, shown as itself"),
        ("no events", "No events: exact rate on the sum"),
        ("only events", "Only events: exact rate on the sum"),
        ("not estimable", "No pooled value can be estimated"),
    )
    found = ((word, [name for name, fit in fits.items() if fit.status == status]) for status, word in kinds)
    return tuple(f"{word}: {listing(names, 12)}." for word, names in found if names)


def _small_print(comparison: Comparison, fits: dict[str, Pooled], studies: bool) -> str:
    level = level_text(comparison.level)
    parts = [f"diamonds: estimates of the groups and their {level} intervals"]
    if studies:
        parts.insert(0, "squares: studies, area by weight within the group")
    if any(fit.pi_lower is not None for fit in fits.values()):
        parts.append(f"thick bars: {level} prediction intervals")
    text = "; ".join(parts)
    label = OBSERVATIONAL if comparison.response.startswith("rate") or OBSERVATIONAL in comparison.notes else ""
    return f"{text[0].upper()}{text[1:]}. {label} {harmless(comparison.method.sentence(), 2000)}".replace(".  ", ". ")
