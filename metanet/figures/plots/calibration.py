"""The calibration plot: actual against nominal coverage of the intervals of each method."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from matplotlib.lines import Line2D

from metanet.base.display import ABSENT, RATE, level_text, number, per_cent
from metanet.diagnostics.method.calibrate import Calibration
from metanet.figures.forest.render import draw_table
from metanet.figures.forest.table import ESTIMATE_SIDES, PIECE_GAP, Cell, Column, Point, Row, Table, estimate_cell
from metanet.figures.page import style
from metanet.figures.page.page import saying
from metanet.figures.page.save import describe
from metanet.figures.page.scale import Scale
from metanet.figures.page.subject import alternative, subject_of_fit
from metanet.figures.page.text import harmless
from metanet.figures.registry import chart
from metanet.kernels.numerics.distributions import two_sided_z

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: Around the nominal line at least this much is shown, so that a well-kept promise does not look like a failure.
_AROUND = 0.05
#: How far the prediction stands below the middle of its row, in text sizes.
_BELOW = 0.55


@chart("calibration", title="Calibration of the intervals", takes=Calibration, makers="calibrate")
def calibration_plot(calibration: Calibration, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the actual coverage of each method.

    Parameters
    ----------
    calibration
        The result of `calibrate`.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.

    Returns
    -------
    Axes
        A row for each method, the chosen one first and in bold: a dot for the interval of the mean with its Monte-Carlo error, a
        hollow diamond for the prediction interval, a dashed line at the nominal coverage; in text coverage, prediction and bias.

    Raises
    ------
    ArgumentError
        Not a result of `calibrate`.

    Examples
    --------
    >>> ax = mn.calibrate(fit, simulations=40).plot()
    """
    if calibration.reason:
        return saying(ax, "Calibration plot", title, calibration.reason)
    rows = calibration.to_frame().to_dict("records")
    level, scale = calibration.fit.level, Scale(replace(RATE, title="Coverage"), 1)
    z = float(two_sided_z(0.95))
    points = [_point(row, z) for row in rows]
    predicted = [float(row["pi_coverage"]) for row in rows]
    rate = calibration.fit.response == "rate"
    table = Table(
        scale=scale,
        columns=(
            Column("study", "Method"),
            Column("coverage", "Coverage, % (MC error)", "right", ESTIMATE_SIDES, PIECE_GAP, right=True),
            Column("prediction", "Prediction, %", "right", right=True),
            Column("bias", "Bias, points" if rate else "Bias", "right", right=True),
        ),
        studies=tuple(
            Row(harmless(row["label"]), _cells(row, point, scale, rate), point, bold=bool(row["chosen"]))
            for row, point in zip(rows, points, strict=True)
        ),
        summary=(),
        reference=level,
        method=_legend(calibration),
        title=harmless(title, 300) if title else "",
        xlim=_limits(points, predicted, level),
        axis_name=f"Simulated data sets whose {level_text(level)} interval contains the true value, % (nominal: {100 * level:g} %)",
    )
    axes = draw_table(table, ax)
    places = _places(axes, points)
    size = 0.6 * places[1]
    with style.settings():
        for value, y in zip(predicted, places[0], strict=True):
            if math.isfinite(value):
                # Below the dot of the row, so that neither covers the other.
                mark = Line2D(
                    [scale.place(value)],
                    [y + _BELOW * places[1]],
                    marker="D",
                    markersize=size,
                    color=style.PREDICTION,
                    linestyle="none",
                )
                # Hollow indeed: a dot at the same place must be seen in it.
                mark.set(markerfacecolor="none", markeredgewidth=1.1, clip_on=False, zorder=3.3, label="_prediction coverage")
                axes.add_line(mark)
    subject = subject_of_fit(calibration.fit)
    told = (f"{harmless(row['label'], 60)} {per_cent(row['coverage'])} %" for row in rows)
    alt = alternative("Calibration plot", subject, len(rows), "coverage", *told, of=("method", "methods"))
    about = subject.axis(calibration.fit.response, calibration.fit.measure)
    text = f"{_words(calibration, rows, rate)} The estimates are of: {about}."
    describe(axes, table.title or "Calibration plot", text, alt, axis=table.axis_name)
    return axes


def _point(row: dict[Any, Any], z: float) -> Point | None:
    value, error = float(row["coverage"]), z * float(row["coverage_mcse"])
    if not math.isfinite(value):
        return None
    return Point(value, max(0.0, value - error), min(1.0, value + error))


def _cells(row: dict[Any, Any], point: Point | None, scale: Scale, rate: bool) -> dict[str, Cell]:
    cells: dict[str, Cell] = {"coverage": ABSENT if point is None else estimate_cell(scale, point.value, point.lower, point.upper)}
    predicted, bias = float(row["pi_coverage"]), float(row["bias"])
    cells["prediction"] = per_cent(predicted)
    cells["bias"] = number(100 * bias, 2) if rate else number(bias, 3)
    return cells


def _limits(points: list[Point | None], predicted: list[float], level: float) -> tuple[float, float]:
    """From below the lowest mark to above the highest one, within 0 and 1."""
    marks = [end for p in points if p is not None for end in (p.lower, p.upper)]
    marks += [*(v for v in predicted if math.isfinite(v)), level - _AROUND, level + _AROUND]
    more = 0.04 * (max(marks) - min(marks))
    return max(0.0, min(marks) - more), min(1.0, max(marks) + more)


def _places(axes: Axes, points: list[Point | None]) -> tuple[list[float], float]:
    """The middle of each row, read from what the renderer drew, and the size of the text.

    Rows without a coverage have no mark to read from: they lie a row's height from their neighbours, and have no prediction.
    """
    drawn = iter([float(line.get_ydata()[0]) for line in axes.lines if line.get_label() == "_interval"])  # type: ignore[index,arg-type]
    middles = [math.nan if point is None else next(drawn) for point in points]
    letter = axes.xaxis.label.get_fontsize()
    return middles, float(letter)


def _legend(calibration: Calibration) -> str:
    text = (
        f"Dots: share of {calibration.simulations:,} simulations whose {level_text(calibration.fit.level)} interval contains the "
        "true value, with the 95 % interval of its Monte-Carlo error. Hollow diamonds: mean share of true values inside the "
        "prediction interval. Dashed line: nominal coverage. Bias: mean error of the estimate"
    )
    text += ", in percentage points" if calibration.fit.response == "rate" else ""
    return f"{text}. Bold: the chosen method. Seed {calibration.seed}."


def _words(calibration: Calibration, rows: list[dict[Any, Any]], rate: bool) -> str:
    told = "; ".join(
        f"{harmless(row['label'], 120)}: coverage {per_cent(row['coverage'])} %, prediction {per_cent(row['pi_coverage'])} %, "
        f"bias {number(100 * row['bias'], 2) if rate else number(row['bias'], 3)}"
        for row in rows
    )
    return f"Calibration plot of {len(rows)} methods. {calibration.sentence()} {told}."
