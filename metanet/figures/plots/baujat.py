"""Baujat plot: contribution of each study to the heterogeneity against its influence on the estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metanet.base.arrays import Array, Mask
from metanet.base.display import number, plural
from metanet.base.untrusted import listing
from metanet.diagnostics.studies.influence import Influence, influence as compute_influence
from metanet.figures.page import style
from metanet.figures.page.axis import number_axis
from metanet.figures.page.label_places import Wanted, boxes_of, in_points, label_points, not_named
from metanet.figures.page.page import framed, page, saying
from metanet.figures.page.save import describe
from metanet.figures.page.subject import alternative, result_of, subject_of_fit
from metanet.figures.page.text import harmless
from metanet.figures.registry import chart
from metanet.models.options import options_of
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_WIDTH, _HEIGHT = 400.0, 300.0
_LEAST = (170.0, 130.0)
#: A study is named from so many equal shares of all heterogeneity, or of all shift, on; at most so many are.
_SHARE, _MOST = 2.0, 15
_RADIUS = 3.0


@chart("baujat", title="Baujat plot", takes=(Influence, Pooled), makers=("influence", "pool"))
def baujat_plot(result: Influence | Pooled, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw each study's contribution to the heterogeneity against the shift of the estimate without it.

    Parameters
    ----------
    result
        The result of `influence`, or of `pool`, whose influence is then computed.
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.

    Returns
    -------
    Axes
        One point for each study at its columns ``heterogeneity`` and ``shift``. The names are those of influential studies and of
        studies with at least twice an equal share of the heterogeneity or of the shift.

    Raises
    ------
    ArgumentError
        Not such a result.

    References
    ----------
    Baujat, Mahe, Pignon, Hill (2002), doi:10.1002/sim.1221.

    Examples
    --------
    >>> ax = mn.influence(fit).baujat()
    """
    influence = compute_influence(result) if isinstance(result, Pooled) else result
    if influence.reason:
        return saying(ax, "Baujat plot", title, influence.reason)
    frame = influence.to_frame()
    names = [harmless(name) for name in frame["study"]]
    x, y = frame["heterogeneity"].to_numpy(dtype=float), frame["shift"].to_numpy(dtype=float)
    strong = frame["influential"].to_numpy(dtype=bool)
    there = np.isfinite(x) & np.isfinite(y)
    if not there.any():
        return saying(ax, "Baujat plot", title, "The estimate without a study does not exist for any study.")
    chosen = _standing_out(x, y, strong, there)
    absent = [name for name, known in zip(names, there, strict=True) if not known]
    exact = options_of(influence.fit.method).exact
    what = "likelihood-ratio statistic of equal rates" if exact else "Q"
    notes = [
        f"Horizontal: contribution of each study to the {what}. Vertical: squared change of the pooled estimate "
        "without the study, divided by its variance without it. Filled: influential by a customary limit. Labelled where space "
        "permits: influential, or with twice an equal share.",
        f"Not drawn, because the estimate without it does not exist: {listing(absent)}." if absent else "",
        harmless(influence.fit.method.sentence(), 2000),
    ]
    with page(ax, width=_WIDTH, height=_HEIGHT, least=_LEAST, title=title, notes=notes) as sheet:
        room = 0.8 * sheet.width
        axis_x = number_axis(0.0, 1.04 * float(x[there].max()), room=room, size=sheet.size, least=0.0)
        axis_y = number_axis(0.0, 1.04 * float(y[there].max()), least=0.0)
        axes = framed(
            sheet, axis_x, axis_y, (f"Contribution to the {'likelihood ratio' if exact else 'Q'}", "Squared shift of the estimate")
        )
        radius = _RADIUS * sheet.size / style.TEXT_SIZE
        for mask, colour, label in ((there & ~strong, "white", "_studies"), (there & strong, style.DIAMOND, "_influential")):
            if mask.any():
                edge = style.SQUARE if label == "_studies" else style.INK
                dots = axes.scatter(x[mask], y[mask], s=(2 * radius) ** 2, facecolors=colour, edgecolors=edge, label=label)
                dots.set(linewidths=0.9, clip_on=False, zorder=3)
        marks = boxes_of(in_points(axes, x[there], y[there]), radius)
        wanted = [Wanted(names[i], x[i], y[i], radius) for i in chosen]
        lost = label_points(axes, wanted, sheet.size, np.empty((0, 4)), marks)
    drawn = f"Baujat plot of {plural(int(there.sum()), 'study', 'studies')}."
    outer = ", ".join(f"{names[i][:120]} ({number(x[i])} and {number(y[i])})" for i in chosen[:5])
    text = f"{drawn} {influence.sentence()}"
    if outer:
        text += f" Largest contributions to heterogeneity and shift: {outer}."
    subject, fit = subject_of_fit(influence.fit), influence.fit
    told = f"largest contributions: {', '.join(names[i][:40] for i in chosen[:3])}" if chosen else "no study stands out"
    alt = alternative("Baujat plot", subject, int(there.sum()), told, result_of(fit))
    axis = subject.axis(fit.response, fit.measure)
    describe(axes, harmless(title, 300) if title else "Baujat plot", f"{text} {not_named(lost)} The estimate is of: {axis}.", alt)
    return axes


def _standing_out(x: Array, y: Array, strong: Mask, there: Mask) -> list[int]:
    """The studies to name, the outermost first."""
    shares = []
    for values in (x, y):
        total = float(values[there].sum())
        shares.append(values / total if total > 0 else np.zeros_like(values))
    top = np.where(there, np.maximum(*shares), -1.0)
    named = there & (strong | (top * there.sum() >= _SHARE))
    order = np.argsort(-np.where(strong, top + 2, top), kind="stable")
    return [int(i) for i in order if named[i]][:_MOST]
