"""The forest plot of a network: every treatment against one reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metanet.base.display import level_text, plural
from metanet.base.errors import ArgumentError, as_given, nearest
from metanet.base.untrusted import listing
from metanet.figures.forest.render import draw_table
from metanet.figures.forest.table import ESTIMATE_SIDES, PIECE_GAP, Bar, Cell, Column, Point, Row, Table, estimate_cell
from metanet.figures.page.canvas import wanted_width
from metanet.figures.page.page import saying
from metanet.figures.page.save import describe
from metanet.figures.page.scale import Scale
from metanet.figures.page.subject import Subject, alternative, subject_of_record
from metanet.figures.page.text import harmless
from metanet.figures.registry import chart
from metanet.models.network.result import Contrast, Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points.
_NARROW = 300.0
_TOLD = 30


@chart("network_forest", title="Forest plot of a network", takes=Network, makers="network")
def network_forest(
    network: Network,
    *,
    reference: str | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    xlim: tuple[float, float] | None = None,
) -> Axes:
    """Draw all treatments of a network against one reference.

    Parameters
    ----------
    network
        The result of `network`.
    reference
        A treatment; None takes that of the network. Treatments that no study connects with it are not drawn.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.
    xlim
        As in `forest`.

    Returns
    -------
    Axes
        A row for each treatment, the best first: estimate and interval, the prediction interval as a bar behind it, the number
        of studies that compare it with the reference directly, and its P-score.

    Raises
    ------
    ArgumentError
        Not a result of `network`, or an unknown treatment.

    Examples
    --------
    >>> arms = rates.assign(treatment=["A", "B", "C"] * (len(rates) // 3) + ["A", "B"][: len(rates) % 3])
    >>> arms = arms.assign(study=[f"Trial {i // 2}" for i in range(len(arms))])
    >>> ax = mn.network(arms, study="study", treatment="treatment").forest()
    """
    base = network.reference if reference is None else reference
    if reference is not None and reference not in network.treatments:
        near = nearest(reference, network.treatments)
        meant = f" Did you mean {as_given(near)}?" if near is not None else ""
        raise ArgumentError(f"reference={as_given(reference)} is not a treatment of the network.{meant}")
    found = network.against(base)
    if not found or base is None:
        return saying(ax, "Forest plot of a network", title, network.reason or "No treatment is compared with the reference.")
    rank = {row["treatment"]: (place, row["p_score"]) for place, row in enumerate(network.ranking.to_dict("records"))}
    found = sorted(found, key=lambda each: rank[each.first][0])
    estimates = [(each.estimate, each.ci_lower, each.ci_upper) for each in found]
    scale = Scale(network.scale, network.scale.column(row for row in estimates if row[0] is not None), network.measure in ("OR", "RR"))
    narrow = (wanted_width() or float("inf")) < _NARROW
    predicted = any(each.pi_lower is not None for each in found)
    columns = [Column("study", "Treatment"), *([] if narrow else [Column("k", "Direct studies", "right")])]
    columns.append(Column("rate", scale.heading(network.level), "right", ESTIMATE_SIDES, PIECE_GAP, right=True))
    if predicted and not narrow:
        name = f"Prediction ({level_text(network.level)})"
        columns.append(Column("prediction", name, "right", ESTIMATE_SIDES, PIECE_GAP, right=True))
    columns += [] if narrow else [Column("score", "P-score", "right", right=True)]
    subject, name = subject_of_record(network.method), harmless(base, 60)
    axis = axis_of(network, subject, name, log=scale.log)
    table = Table(
        scale=scale,
        columns=tuple(columns),
        studies=tuple(_row(each, scale, float(rank[each.first][1])) for each in found),
        summary=(),
        reference=scale.no_effect,
        notes=tuple(_notes(network, found, name, predicted)),
        method=harmless(network.method.sentence(), 2000),
        title=harmless(title, 300) if title else "",
        xlim=xlim,
        axis_name=axis,
    )
    axes = draw_table(table, ax)
    told = [f"{harmless(each.first, 60)} {each.text(network.scale, network.level)}" for each in found if each.estimate is not None]
    text = f"Forest plot of a network against {name}. {harmless(network.sentence(), 1500)} {'; '.join(told[:_TOLD])}."
    alt = alternative(f"Forest plot of treatments against {harmless(base, 30)}", subject, len(found), *told[:2], of=_COUNTED)
    describe(axes, table.title or "Forest plot of a network", text, alt, axis=axis)
    return axes


_COUNTED = ("treatment", "treatments")


def axis_of(network: Network, subject: Subject, reference: str, *, log: bool) -> str:
    """The name of an axis of contrasts with a reference."""
    what = f" of {subject.outcome[:1].lower()}{subject.outcome[1:]}" if subject.outcome else ""
    text = f"{network.scale.name}{what}, treatment against {reference}{' (log scale)' if log else ''}"
    return f"{text}; {subject.direction}" if subject.direction else text


def _row(each: Contrast, scale: Scale, score: float) -> Row:
    cells: dict[str, Cell] = {"k": str(each.studies), "score": "–" if np.isnan(score) else f"{score:.2f}"}
    mark, ahead = None, None
    if each.estimate is not None and each.ci_lower is not None and each.ci_upper is not None:
        cells["rate"] = estimate_cell(scale, each.estimate, each.ci_lower, each.ci_upper)
        mark = Point(each.estimate, each.ci_lower, each.ci_upper, vague=scale.written.is_vague(each.ci_lower, each.ci_upper))
    else:
        cells["rate"] = "–"
    if each.pi_lower is not None and each.pi_upper is not None:
        ahead = Bar(each.pi_lower, each.pi_upper)
        cells["prediction"] = estimate_cell(scale, None, each.pi_lower, each.pi_upper)
    return Row(harmless(each.first), cells, mark, prediction=ahead, vague=mark is not None and mark.vague)


def _notes(network: Network, found: list[Contrast], reference: str, predicted: bool) -> list[str]:
    bar = " Wide bar behind the interval: prediction interval." if predicted else ""
    notes = [f"Treatments against {reference}, the best P-score first; direct studies: those that compare both.{bar}"]
    none = [harmless(each.first, 40) for each in found if each.estimate is None]
    if none:
        notes.append(f"No finite estimate: {listing(none, 8)}.")
    others = len(network.treatments) - len(found) - 1
    if others:
        notes.append(
            f"{plural(others, 'treatment')} that no study connects with {reference} {'is' if others == 1 else 'are'} not shown."
        )
    return notes
