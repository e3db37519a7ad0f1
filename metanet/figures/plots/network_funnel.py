"""The comparison-adjusted funnel plot of a network: every comparison about the mean of its pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metanet.base.display import level_text, plural
from metanet.figures.page import style
from metanet.figures.page.axis import Axis, number_axis
from metanet.figures.page.page import framed, page, saying
from metanet.figures.page.save import describe
from metanet.figures.page.subject import alternative, subject_of_record
from metanet.figures.page.text import harmless
from metanet.figures.registry import chart
from metanet.kernels.numerics.distributions import two_sided_z
from metanet.models.network.result import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT, _LEAST = 420.0, 310.0, (180.0, 140.0)
_RADIUS = 2.6
_SCALES = {"OR": "log odds ratio", "RR": "log risk ratio", "RD": "risk difference", "GEN": "effect"}


@chart("network_funnel", title="Comparison-adjusted funnel plot", takes=Network, makers="network")
def network_funnel(network: Network, *, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Draw the comparison-adjusted funnel plot of a network.

    Parameters
    ----------
    network
        The result of `network`.
    ax
        Axes to draw into; None makes a figure.
    title
        A heading.

    Returns
    -------
    Axes
        A point for each comparison of two treatments in a study: its distance from the mean of its pair against its standard error.

    Raises
    ------
    ArgumentError
        Not a result of `network`.

    Notes
    -----
    Asymmetry can be read only where the treatments of each pair are in a meaningful order (new against old); here the reference is
    always the second, and others are in the order of the data. A study of several arms has several points, which are not independent.

    References
    ----------
    Chaimani and Salanti (2012), doi:10.1002/jrsm.57.

    Examples
    --------
    >>> arms = rates.assign(treatment=["A", "B", "C"] * (len(rates) // 3) + ["A", "B"][: len(rates) % 3])
    >>> arms = arms.assign(study=[f"Trial {i // 2}" for i in range(len(arms))])
    >>> ax = mn.network(arms, study="study", treatment="treatment").funnel()
    """
    frame = network.comparisons()
    # A pair of one study lies on its own mean.
    pairs = frame.groupby(["first", "second"])["study"].transform("size") if len(frame) else frame
    shown = frame[pairs > 1] if len(frame) else frame
    if shown.empty:
        reason = network.reason or "No pair of treatments is compared by two studies, so that no comparison has a mean to differ from."
        return saying(ax, "Comparison-adjusted funnel plot", title, reason)
    x, se = shown["adjusted"].to_numpy(dtype=float), shown["sei"].to_numpy(dtype=float)
    z, subject = float(two_sided_z(network.level)), subject_of_record(network.method)
    alone = len(frame) - len(shown)
    many = int(shown.groupby(["first", "second"]).ngroups)
    outcome = f" of {subject.outcome[:1].lower()}{subject.outcome[1:]}" if subject.outcome else ""
    name = f"{_SCALES[network.measure].capitalize()}{outcome} minus the mean of its pair"
    name += f" ({subject.direction})" if subject.direction else ""
    notes = [_legend(network, alone), harmless(network.method.sentence(), 2000)]
    with page(ax, width=_WIDTH, height=_HEIGHT, least=_LEAST, title=title, notes=notes) as sheet:
        deep = 1.06 * float(se.max())
        reach = 1.04 * max(float(np.abs(x).max()), z * deep)
        across = number_axis(-reach, reach, room=0.78 * sheet.width, size=sheet.size, exact=True)
        down = number_axis(0.0, deep, pieces=5, exact=True)
        axes = framed(sheet, across, Axis(0.0, deep, down.ticks, down.labels), (name, "Standard error"), top=0.5 * sheet.size)
        axes.set_ylim(deep, 0.0)
        axes.plot((0.0, 0.0), (0.0, deep), color=style.DIAMOND, linewidth=1.4, zorder=1.5, label="_reference")
        for sign in (-1, 1):
            axes.plot((0.0, sign * z * deep), (0.0, deep), color=style.SOFT, linewidth=0.9, dashes=(4, 3), zorder=1.2, label="_limit")
        radius = _RADIUS * sheet.size / style.TEXT_SIZE
        outside = np.abs(x) > z * se
        for mask, face, label in ((~outside, "white", "_comparisons"), (outside, style.DIAMOND, "_outside")):
            if mask.any():
                edge = style.SQUARE if label == "_comparisons" else style.INK
                dots = axes.scatter(x[mask], se[mask], s=(2 * radius) ** 2, facecolors=face, edgecolors=edge, label=label)
                dots.set(linewidths=0.9, clip_on=False, zorder=3)
    told = f"{int(outside.sum())} outside the dashed limits"
    text = (
        f"Comparison-adjusted funnel plot of {plural(len(shown), 'comparison')} of {plural(many, 'pair')} of treatments, distances "
        f"from the mean of the pair against standard errors; {told}. {harmless(network.sentence(), 1500)}"
    )
    alt = alternative(
        "Comparison-adjusted funnel plot", subject, len(shown), f"{plural(many, 'pair')} of treatments", told, of=_COUNTED
    )
    describe(axes, harmless(title, 300) if title else "Comparison-adjusted funnel plot", text, alt, axis=name)
    return axes


_COUNTED = ("comparison", "comparisons")


def _legend(network: Network, alone: int) -> str:
    text = (
        f"Points: comparisons of two treatments in a study, minus the mean of their pair; dashed: {level_text(network.level)} of them "
        "without heterogeneity; filled: outside."
    )
    if network.reference is not None:
        text += f" {harmless(network.reference, 60)} is always the second of a pair, the others are in the order of the data."
    if alone:
        text += f" {plural(alone, 'comparison')} that no second study makes {'is' if alone == 1 else 'are'} not shown."
    return text
