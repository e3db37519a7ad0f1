"""The forest plot of a pooled result or of groups of studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from metanet.base.arguments import checked
from metanet.base.display import in_sentence
from metanet.base.errors import ArgumentError, as_given, check_choice
from metanet.figures.forest.captions import (
    alt_text,
    doubts,
    groups_alt_text,
    groups_alternative,
    groups_legend,
    heterogeneity,
    legend,
    method_head,
    overall_test,
    reasons,
    subject_of_comparison,
)
from metanet.figures.forest.judgements import judged_overall, judgement_columns, judgement_legend
from metanet.figures.forest.pages import folded_groups, folded_studies, folds, in_pages
from metanet.figures.forest.presets import ForestPreset, preset_of
from metanet.figures.forest.render import draw_table
from metanet.figures.forest.rows import (
    Plan,
    average_rows,
    events_rows,
    group_rows,
    plan_for,
    prediction_rows,
    study_rows,
    summary_row,
    table_columns,
    weights_of,
)
from metanet.figures.forest.table import Row, Table
from metanet.figures.page.options import chosen
from metanet.figures.page.page import caption_of, set_caption
from metanet.figures.page.save import describe
from metanet.figures.page.scale import Scale, effect_scale, rows_of
from metanet.figures.page.subject import Subject, alternative_of, subject_of_fit
from metanet.figures.page.text import harmless
from metanet.figures.registry import chart
from metanet.models.comparison.result import Comparison
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


BACKENDS = ("metanet", "forestplot")


@chart("forest", title="Forest plot", takes=(Pooled, Comparison), makers=("pool", "compare"))
@checked()
def forest(
    fit: Pooled | Comparison,
    *,
    ax: Axes | None = None,
    sort: str | None = "rate",
    ascending: bool | None = None,
    columns: Sequence[str] | None = None,
    per: Literal["cent", "hundred", "thousand", "ten thousand", "hundred thousand"] = "cent",
    title: str | None = None,
    xlim: tuple[float, float] | None = None,
    show_prediction: bool = True,
    second: Pooled | None = None,
    overall: Pooled | None = None,
    risk_of_bias: Sequence[str] | Mapping[str, str] | None = None,
    headings: Mapping[str, str] | None = None,
    favours: tuple[str, str] | None = None,
    preset: str | ForestPreset = "metanet",
    backend: Literal["metanet", "forestplot"] = "metanet",
    fold: bool | None = None,
    pages: bool = False,
    notes: bool = True,
) -> Any:
    """Draw the forest plot of a pooled result, or of a comparison with the studies of each group.

    Parameters
    ----------
    fit
        The result of `pool`, or of `compare`: then the studies are listed by group, each group with its
        diamond, and the test between groups below. Nothing is recomputed.
    ax
        Axes to draw into: the table is scaled down into their place. None makes a figure that fits the content.
    sort
        "rate", "weight", "study", "events", "total", "year" or another column of ``fit.studies``; None keeps the order of
        the data. Missing values come last.
    ascending
        Smallest first? None: the largest first for "weight", "events" and "total", the smallest (or A) first otherwise.
    columns
        Columns beside the panel, from left to right: "events/total", "events_control/total_control", "rate" (the value with its
        interval, also of effects), "weight" and names of columns of ``fit.studies``. "|" is the place of the panel; without it
        the panel is before the first of "rate" and "weight". None takes those of the `preset`. Counts that are not in
        the data are omitted.
    per
        Unit of the rates.
    title
        A heading over the table.
    xlim
        Limits of the axis as fractions (effects: as they are). Intervals beyond them end in an arrow. Ratios have a
        logarithmic axis.
    show_prediction
        Whether the prediction interval has a row.
    second
        Another result of the same measure and level (another model), drawn as a hollow diamond.
    overall
        With a comparison: the result of all its studies together, as the last diamond.
    risk_of_bias
        Columns of ``fit.studies`` with judgements (low, some concerns, high, ...; for columns named certainty: high, moderate,
        low), drawn as marks; a mapping gives them names. None takes the overall judgement, where the rates came with one; () none.
    headings
        Other headings by column; "study" is the first one.
    favours
        Two texts under the left and the right part of the axis.
    preset
        "metanet", "revman", "cochrane", "jama", "lancet", "bmj", or your own `ForestPreset`: columns, signs, words and colours in
        the manner of these. The numbers are the same.
    backend
        "metanet", or "forestplot" for the package of that name, which draws the labelled table and intervals; it needs
        ``pip install forestplot`` and takes neither `ax`, `second`, `xlim`, groups nor judgements.
    fold
        Whether studies have no rows of their own: a comparison then has a row a group, and a single result its studies as thin
        lines without names. None folds more than 40 rows, and the notes say so.
    pages
        Draw all studies on pages of about 40 rows, with the same columns and the same axis, the pooled rows on the last.
    notes
        False leaves the small print off the picture. The axes have it as text in any case: ``ax.metanet_caption``. As in every
        figure, `chart` reads this one.

    Returns
    -------
    Axes
        The axes of the panel; with `pages` a list of them, which `save_figure` makes one PDF of. In a notebook the figure shows
        itself at the end of the cell; elsewhere nothing is shown and nothing is registered with pyplot: see `save_figure`.

    Raises
    ------
    ArgumentError
        An unknown word, a column that is not there, a judgement that is not known, a `second` or `overall` that cannot be
        compared.

    Examples
    --------
    >>> ax = fit.forest(sort="year")
    """
    check_choice("backend", backend, BACKENDS)
    style = preset_of(preset)
    frame, scale = _data(fit, per)
    plan = plan_for(
        frame,
        scale,
        style,
        columns=columns,
        risk_of_bias=judged_overall(frame) if risk_of_bias is None else risk_of_bias,
        headings=headings,
        sort=sort,
        ascending=ascending,
        show_prediction=show_prediction,
    )
    if pages and (ax is not None or fold or backend == "forestplot"):
        other = "ax" if ax is not None else "fold" if fold else "backend"
        raise ArgumentError(f"pages=True has no use for {other}. Fix: leave one of the two out.")
    table = _table(fit, second, overall, plan, False if pages or backend == "forestplot" else fold)
    subject = subject_of_comparison(fit) if isinstance(fit, Comparison) else subject_of_fit(fit)
    groups, sides = _groups(frame, subject, style), _sides(fit, frame, subject, style) if favours is None else _favours(favours)
    head = method_head(_first(fit)) if style.effect_head and groups[1] else ""
    table = replace(
        table,
        columns=(
            *table_columns(
                plan.names, frame, plan.scale, fit.level, style, plan.headings, _kind(fit, second), groups=groups, method=head
            ),
            *judgement_columns(plan.judged),
        ),
        notes=tuple(style.written(note) for note in (*table.notes, judgement_legend(plan.judged, plan.seen)) if note),
        method=replace(style, decimal=".").written(table.method),
        title=harmless(title, 300) if title else "",
        xlim=xlim,
        favours=sides,
        preset=style,
        axis_name=style.written(subject.axis(fit.response, _first(fit).measure, per, log=plan.scale.log, bare=sides is not None)),
    )
    if backend == "forestplot":
        from metanet.figures.forest.forestplot_backend import draw_with_forestplot

        unused = {"ax": ax, "second": second, "xlim": xlim, "favours": favours, "risk_of_bias": plan.judged or None}
        for name, value in unused.items():
            if value is not None:
                raise ArgumentError(f"{name} has no effect with backend='forestplot'. Fix: leave it out.")
        if isinstance(fit, Comparison):
            raise ArgumentError("backend='forestplot' draws one result, not groups. Fix: leave backend out.")
        axes = draw_with_forestplot(table if chosen().notes else replace(table, notes=(), method=""))
        set_caption(axes, caption_of((*table.notes, table.method)))
    elif pages:
        return _paged(fit, subject, table)
    else:
        axes = draw_table(table, ax)
    _describe(fit, subject, table, axes)
    return axes


def _paged(fit: Pooled | Comparison, subject: Subject, table: Table) -> list[Axes]:
    """The figures of all pages; each has the whole caption."""
    made = []
    for page in in_pages(table):
        axes = draw_table(page, None)
        set_caption(axes, caption_of((*table.notes, table.method)))
        _describe(fit, subject, page, axes)
        made.append(axes)
    return made


def _describe(fit: Pooled | Comparison, subject: Subject, table: Table, axes: Axes) -> None:
    # What the ends mean is told here also where the sides of the axis are named instead.
    shown = subject.axis(fit.response, _first(fit).measure, log=table.scale.log) if table.favours else table.axis_name
    if isinstance(fit, Comparison):
        told, text = groups_alternative("Forest plot", subject, fit), groups_alt_text(fit)
    else:
        told, text = alternative_of("Forest plot", subject, fit), alt_text(fit)
    describe(axes, table.title or "Forest plot", text, told, axis=shown)


def single_table(fit: Pooled, columns: Sequence[str] | None = None) -> Table:
    """The content of the forest plot of one result, with some columns, in the default layout."""
    style = preset_of("metanet")
    frame, scale = _data(fit, "cent")
    plan = plan_for(
        frame, scale, style, columns=columns, risk_of_bias=(), headings=None, sort="rate", ascending=None, show_prediction=True
    )
    chosen = table_columns(plan.names, frame, plan.scale, fit.level, style, plan.headings, _kind(fit, None))
    name = subject_of_fit(fit).axis(fit.response, fit.measure, log=plan.scale.log)
    return replace(_single(fit, None, plan, None), columns=tuple(chosen), preset=style, axis_name=name)


def _first(fit: Pooled | Comparison) -> Pooled:
    return next(iter(fit.groups.values())) if isinstance(fit, Comparison) else fit


def _groups(frame: pd.DataFrame, subject: Subject, style: ForestPreset) -> tuple[str, str]:
    """The names of the treated and of the control group; empty for one group."""
    if "events_control" not in frame.columns:
        return "", ""
    return subject.treatment or style.written(style.groups[0]), subject.control or style.written(style.groups[1])


def _sides(fit: Pooled | Comparison, frame: pd.DataFrame, subject: Subject, style: ForestPreset) -> tuple[str, str] | None:
    """What the sides of the axis mean, in the words of a style; where the data do not know what is better, where more events are."""
    if style.favours is None or fit.response not in ("ratio", "difference") or "events_control" not in frame.columns:
        return None
    names = tuple(name if name.isupper() else in_sentence(name) for name in _groups(frame, subject, style))
    treated, control = (style.written(style.favours.format(group=name)) for name in names)
    if not subject.direction:
        more = tuple(style.written(f"More events: {name}") for name in names)
        return _favours((more[1], more[0]))
    return _favours((treated, control) if subject.direction == "lower is better" else (control, treated))


def _kind(fit: Pooled | Comparison, second: Pooled | None) -> str:
    """What the intervals of the column of estimates are called: those of studies are exact, whatever the model.

    The labels of the rows say which are credible intervals; there is little room in the heading.
    """
    fits = list(fit.groups.values()) if isinstance(fit, Comparison) else [fit]
    credible = any(each.interval_name == "CrI" for each in (*fits, *([] if second is None else [second])))
    return "CI/CrI" if credible else "CI"


def _data(fit: Pooled | Comparison, per: str) -> tuple[pd.DataFrame, Scale]:
    """All studies of the figure, and its scale, with decimals for every row."""
    if isinstance(fit, Comparison):
        import pandas as pd

        fits = list(fit.groups.values())
        frame = pd.concat([f.studies for f in fits], ignore_index=True)
        return frame, effect_scale(fit.response, fits[0].measure, per, rows_of(*fits))
    if not isinstance(fit, Pooled):
        raise ArgumentError(f"fit must be a result of mn.pool or mn.compare, not {type(fit).__name__}.")
    return fit.studies, effect_scale(fit.response, fit.measure, per, rows_of(fit))


def _table(fit: Pooled | Comparison, second: Pooled | None, overall: Pooled | None, plan: Plan, fold: bool | None) -> Table:
    """Rows, notes and small print; every argument is checked here, before a figure exists."""
    if isinstance(fit, Comparison):
        if second is not None:
            raise ArgumentError("second applies to one result, not to a comparison. Fix: use overall.")
        return _grouped(fit, overall, plan, fold)
    if overall is not None:
        raise ArgumentError("overall applies to a comparison. Fix: mn.forest(mn.compare(data, by), overall=fit).")
    return _single(fit, second, plan, fold)


def _single(fit: Pooled, second: Pooled | None, plan: Plan, fold: bool | None) -> Table:
    if second is not None:
        _check_other("second", fit, second)
    predicted = prediction_rows(fit, plan)
    summary = [summary_row(fit, plan), *events_rows(fit, plan), *average_rows(fit, plan), *predicted]
    # One study is the same under every model.
    if second is not None and fit.status != "not pooled":
        summary.append(summary_row(second, plan, second=True))
    rows, note = folded_studies(fit, plan) if folds(fold, fit.k) else (study_rows(fit, plan), "")
    return Table(
        scale=plan.scale,
        columns=(),
        studies=tuple(rows),
        summary=tuple(summary),
        reference=None if fit.status == "not pooled" else fit.estimate,
        notes=(
            note,
            heterogeneity(fit, plan.preset.heterogeneity),
            overall_test(fit) if plan.preset.overall_test else "",
            *reasons(fit),
        ),
        method=legend(fit, prediction=any(row.mark is not None for row in predicted), folded=bool(note)),
    )


def _grouped(comparison: Comparison, overall: Pooled | None, plan: Plan, fold: bool | None) -> Table:
    rows: list[Row] = []
    many = folds(fold, sum(fit.k for fit in comparison.groups.values()))
    if overall is not None:
        _check_overall(comparison, overall)
    shares = weights_of(comparison, overall)
    for name, fit in comparison.groups.items():
        # An empty row parts the groups.
        rows += [Row("")] if rows else []
        rows += group_rows(str(name), fit, plan, shares.get(name)) if not many else []
    told = ""
    if many:
        rows, told = folded_groups(comparison, plan, {str(name): sum(share) for name, share in shares.items()})
    summary: list[Row] = []
    notes = [told, comparison.test_sentence(), *doubts(comparison)]
    if overall is not None:
        label = summary_row(overall, plan).label
        if plan.preset.summary is None and overall.status != "not pooled":
            label = f"{plan.preset.written('All studies')}: {label[0].lower()}{label[1:]}"
        summary = [
            summary_row(overall, plan, label=label),
            *events_rows(overall, plan),
            *average_rows(overall, plan),
            *prediction_rows(overall, plan),
        ]
        line = heterogeneity(overall, plan.preset.heterogeneity)
        notes.insert(1, line.replace("Heterogeneity", "Heterogeneity of all studies", 1))
        notes.insert(2, overall_test(overall) if plan.preset.overall_test else "")
    return Table(
        scale=plan.scale,
        columns=(),
        studies=tuple(rows),
        summary=tuple(summary),
        reference=None if overall is None or overall.status == "not pooled" else overall.estimate,
        notes=tuple(notes),
        method=groups_legend(comparison, overall, studies=not many, shared=bool(shares), prediction=plan.show_prediction),
    )


def _check_other(name: str, fit: Pooled | Comparison, other: object) -> None:
    if not isinstance(other, Pooled):
        raise ArgumentError(f"{name} must be a result of mn.pool, not {type(other).__name__}.")
    for what in ("response", "level"):
        ours, theirs = getattr(fit, what), getattr(other, what)
        if ours != theirs:
            raise ArgumentError(f"{name} has {what}={theirs!r}, but fit has {ours!r}: they need a common scale. Fix: pool both alike.")


def _check_overall(comparison: Comparison, overall: object) -> None:
    _check_other("overall", comparison, overall)
    fits = list(comparison.groups.values())
    for what, title in (("k", "rows"), ("events", "events"), ("n", "patients")):
        theirs = getattr(overall, what)
        ours = [getattr(fit, what) for fit in fits]
        if theirs is not None and None not in ours and sum(ours) != theirs:
            raise ArgumentError(f"overall has {theirs} {title}, the groups have {sum(ours)}. Fix: pool the same studies.")


def _favours(favours: object) -> tuple[str, str] | None:
    if favours is None:
        return None
    if isinstance(favours, str) or not isinstance(favours, Sequence) or len(favours) != 2:
        raise ArgumentError(
            f"favours={as_given(favours)} must be two texts: the meaning of the left and of the right part of the axis."
        )
    return f"← {harmless(favours[0], 80)}", f"{harmless(favours[1], 80)} →"
