"""The forest plot of one outcome: a block for each treatment modality, with its studies, its diamond and its prediction interval."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.display import in_sentence
from metanet.base.errors import ArgumentError, check_choice
from metanet.base.groups import natural
from metanet.evidence.evidence import WITHIN, Evidence
from metanet.evidence.sources import Tables, evidence_of, outcome_of
from metanet.figures.forest.forest import forest
from metanet.figures.page.page import saying
from metanet.figures.registry import chart
from metanet.models.comparison.compare import compare
from metanet.models.pooling.pool import pool

if TYPE_CHECKING:
    from matplotlib.axes import Axes


#: Up to so many studies are drawn one by one unless `fold` says otherwise.
_MOST_ROWS = 80


@chart("outcome_forest", title="Forest plot of one outcome by modality")
@checked()
def outcome_forest(
    evidence: Tables,
    outcome: str | None = None,
    *,
    by: str = "modality_class",
    groups: Sequence[str] | None = None,
    definition: str | None = None,
    certainty: str | None = None,
    overlap: str = "keep_largest",
    overall: bool = False,
    level: float = 0.95,
    ax: Axes | None = None,
    title: str | None = None,
    **options: Any,
) -> Any:
    """Draw every study of an outcome, grouped by treatment modality.

    Parameters
    ----------
    evidence
        What `load_evidence` or `read` returned, a frame, a result, or a folder or file to be read.
    outcome
        Its name or label; may be left out where the evidence has one.
    by
        "modality_class" or "modality".
    groups
        The modalities to be drawn, in this order; None draws all, in the order of their names.
    definition, certainty, overlap
        As in `Evidence.rates`. Overlap is decided in each modality by itself, so that each block has the studies of its own report;
        with `overall` among all studies, so that no patient counts twice.
    overall
        Whether a diamond of all studies together stands at the end. Modalities differ; the default has none.
    level
        Level of the intervals.
    ax, title
        As in `forest`.
    **options
        As in `forest`: columns, sort, xlim, per, preset ... Up to 80 studies are drawn one by one, unless `fold` says otherwise.

    Returns
    -------
    Axes
        The forest plot: a block for each modality. With ``pages=True`` a list, as of `forest`.

    Raises
    ------
    ArgumentError
        An unknown outcome, column or modality, or no outcome where the evidence has several.

    Examples
    --------
    >>> ax = mn.outcome_forest(rates)
    """
    for option in options:
        if option not in signature(forest).parameters or option in ("fit", "second"):
            raise ArgumentError(f"mn.outcome_forest has no argument {option!r}; beside its own it takes those of mn.forest.")
    tables: Evidence = evidence_of(evidence)
    check_choice("by", by, WITHIN)
    name = outcome_of(tables, outcome)
    chosen: dict[str, Any] = {"definition": definition, "certainty": certainty, "overlap": overlap}
    rows = tables.rates(name, within=None if overall else by, **chosen)
    known = sorted({str(value) for value in rows[by]}, key=natural)
    if groups is not None:
        wanted = [groups] if isinstance(groups, str) else list(groups)
        known = [check_choice("groups", value, known) for value in wanted]
        if overall and set(known) != set(rows[by]):
            raise ArgumentError("overall=True draws all modalities. Fix: leave groups out.")
        rows = rows[rows[by].isin(known)]
    label = tables.label(name)
    if not len(rows):
        return saying(ax, "Forest plot", title, f"No study of {in_sentence(label)} can be pooled.")
    heading = label if title is None else title
    if len(known) == 1:
        return forest(pool(rows, level=level), ax=ax, title=heading, **options)
    # Its studies are what this figure is for.
    options.setdefault("fold", len(rows) > _MOST_ROWS)
    rows = _in_order(rows, by, known)
    comparison = compare(rows, by, bootstrap=0, level=level)
    together = pool(rows, level=level) if overall else None
    return forest(comparison, ax=ax, title=heading, overall=together, **options)


def _in_order(rows: Any, by: str, names: Sequence[str]) -> Any:
    """The rows with their groups as categories in this order; what the frame knows of itself stays."""
    import pandas as pd

    out = rows.assign(**{by: pd.Categorical(rows[by], categories=list(names), ordered=True)})
    out.attrs = dict(rows.attrs)
    return out
