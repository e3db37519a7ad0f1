"""Pooled rates of published reviews beside the present ones, by treatment modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.display import ABSENT, count, in_sentence, level_text, plural
from metanet.base.errors import ArgumentError, check_choice
from metanet.base.groups import natural
from metanet.base.results import plain
from metanet.evidence.evidence import Evidence
from metanet.evidence.sources import Tables, evidence_of, outcome_of
from metanet.figures.forest.render import draw_table
from metanet.figures.forest.table import ESTIMATE_SIDES, PIECE_GAP, Bar, Cell, Column, Diamond, Point, Row, Table, estimate_cell
from metanet.figures.page.page import bold_if, saying
from metanet.figures.page.save import describe
from metanet.figures.page.scale import Scale, effect_scale
from metanet.figures.page.subject import alternative, subject_of
from metanet.figures.page.text import harmless
from metanet.figures.registry import chart
from metanet.models.pooling.pool import pool
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@chart("published_rates", title="Published pooled rates beside the present ones")
@checked()
def published_rates(
    evidence: Tables,
    outcome: str | None = None,
    modality: str | Sequence[str] | None = None,
    *,
    fits: Mapping[str, Pooled] | None = None,
    definition: str | None = None,
    xlim: tuple[float, float] | None = None,
    ax: Axes | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the pooled rates that published reviews print beside those of the evidence.

    Parameters
    ----------
    evidence
        What `load_evidence` returned, or a folder of tables.
    outcome
        Its name or label; may be left out where the evidence has one.
    modality
        Modality class or classes; None takes all that have a published rate of this outcome.
    fits
        Modality class -> its result, as in a report; what is missing is pooled here.
    definition
        As in `Evidence.rates`.
    xlim
        As in `forest`.
    ax
        Axes to draw into; None makes a figure that fits the content.
    title
        A heading.

    Returns
    -------
    Axes
        A block for each modality: a diamond for the median rate of the evidence, a hollow one for its population average, the
        prediction interval, and a square for each published rate. Published reviews pooled other studies by other methods: nothing
        is tested.

    Raises
    ------
    ArgumentError
        An unknown outcome or modality.

    Examples
    --------
    >>> ax = mn.published_rates(mn.load_evidence(), "objective_response", "TARE")
    """
    tables: Evidence = evidence_of(evidence)
    name = outcome_of(tables, outcome)
    label = tables.label(name)
    chosen = tables.published
    chosen = chosen[chosen["outcome"] == name] if len(chosen) else chosen
    there = sorted({str(value) for value in chosen["modality_class"]}, key=natural) if len(chosen) else []
    wanted = there if modality is None else [modality] if isinstance(modality, str) else list(modality)
    wanted = [check_choice("modality", one, tables.modality_classes) for one in wanted]
    wanted = [one for one in wanted if one in there]
    if not wanted:
        reason = f"The evidence has no published pooled rate of {in_sentence(label)}" + (" for this modality." if there else ".")
        return saying(ax, "Published pooled rates", title, reason)
    own = {one: _fit(tables, name, one, definition, (fits or {}).get(one)) for one in wanted}
    found = {one: [_row(row) for row in chosen[chosen["modality_class"] == one].to_dict("records")] for one in wanted}
    values = [(row["estimate"], row["ci_lower"], row["ci_upper"]) for rows in found.values() for row in rows]
    values += [limits for fit in own.values() if fit is not None for limits in fit.rates_shown]
    scale = effect_scale("rate", "PLO", "cent", values)
    rows: list[Row] = []
    for one in wanted:
        rows += [Row("")] if rows else []
        rows += [Row(harmless(one, 80), bold=bold_if(True, one), wide=True), *_ours(own[one], scale)]
        rows += [_published(row, scale) for row in found[one]]
    some = [fit for fit in own.values() if fit is not None]
    frames = [fit.studies for fit in some]
    subject = subject_of(*frames, by="modality_class") if frames else subject_of(tables.rates(name, definition=definition))
    axis = subject.axis("rate", "PLO")
    level = some[0].level if some else 0.95
    table = Table(
        scale=scale,
        columns=(
            Column("study", "Source"),
            Column("studies", "Studies", "right"),
            Column("patients", "Patients", "right"),
            Column("rate", scale.heading(level, "interval"), "right", ESTIMATE_SIDES, PIECE_GAP, right=True),
            Column("model", "Model", right=True),
        ),
        studies=tuple(rows),
        summary=(),
        method=_legend(some),
        title=harmless(title, 300) if title else "",
        xlim=xlim,
        axis_name=axis,
    )
    axes = draw_table(table, ax)
    published = sum(len(each) for each in found.values())
    told = [f"{harmless(one, 40)} {_told(own[one], found[one], scale)}" for one in wanted]
    alt = alternative("Published pooled rates beside the present ones", subject, published, *told, of=("review rate", "review rates"))
    describe(axes, table.title or "Published pooled rates", f"Published pooled rates of {in_sentence(label)}. {'. '.join(told)}.",
             alt, axis=axis)  # fmt: skip
    return axes


def _fit(tables: Evidence, outcome: str, modality: str, definition: str | None, given: Pooled | None) -> Pooled | None:
    if given is not None:
        if not isinstance(given, Pooled):
            raise ArgumentError(f"fits[{modality!r}] must be a result of mn.pool, not {type(given).__name__}.")
        return given
    rows = tables.rates(outcome, modality=modality, definition=definition)
    return pool(rows) if len(rows) else None


def _row(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key): plain(value) for key, value in row.items()}


def _ours(fit: Pooled | None, scale: Scale) -> list[Row]:
    """The present result: its median, its average, its prediction interval."""
    if fit is None or fit.estimate is None:
        return [Row("Present evidence: no pooled rate", indent=True)]
    (value, lower, upper), average = fit.rates_shown
    cells: dict[str, Cell] = {"studies": count(_reports(fit)), "patients": count(fit.n), "model": fit.title}
    rows: list[Row] = []
    common = fit.average == "common"
    if value is not None:
        low, high = (float("nan") if end is None else end for end in (lower, upper))
        first = cells | {"rate": estimate_cell(scale, value, low, high, strong=True)}
        kind = "observed" if fit.status != "pooled" else "common" if common else "median"
        mark: Diamond | Point | None = Diamond(value, low, high, vague=fit.is_vague)
        if fit.status == "not pooled":
            mark = Point(value, low, high, vague=fit.is_vague)
        rows.append(Row(f"Present evidence: {kind} rate", first, mark, bold=True, indent=True, vague=fit.is_vague))
    if average[0] is not None and not common:
        low, high = (float("nan") if end is None else end for end in average[1:])
        cell: dict[str, Cell] = {"rate": estimate_cell(scale, average[0], low, high)}
        rows.append(Row("Present evidence: population average", cell, Diamond(average[0], low, high, hollow=True), indent=True))
    if fit.pi_lower is not None and fit.pi_upper is not None:
        predicted: dict[str, Cell] = {"rate": estimate_cell(scale, None, fit.pi_lower, fit.pi_upper)}
        rows.append(Row(f"Prediction interval ({level_text(fit.level)})", predicted, Bar(fit.pi_lower, fit.pi_upper), indent=True))
    return rows


def _reports(fit: Pooled) -> int:
    """The studies of a result, whose rows are arms."""
    frame = fit.studies
    return int(frame["study_id"].nunique()) if "study_id" in frame.columns else fit.k


def _published(row: Mapping[str, Any], scale: Scale) -> Row:
    low, high = (float("nan") if row[name] is None else float(row[name]) for name in ("ci_lower", "ci_upper"))
    about = "; ".join(str(row[name]) for name in ("population", "criteria") if row.get(name))
    name = harmless(f"{row['citation']} ({about})" if about else row["citation"], 200)
    cells: dict[str, Cell] = {
        "studies": count(row.get("studies")) if row.get("studies") is not None else ABSENT,
        "patients": count(row.get("patients")) if row.get("patients") is not None else ABSENT,
        "rate": estimate_cell(scale, row["estimate"], low, high),
        "model": harmless(row.get("model") or ABSENT, 60),
    }
    return Row(name, cells, Point(float(row["estimate"]), low, high), indent=True)


def _legend(fits: Sequence[Pooled]) -> str:
    parts = ["Dots: published pooled rates with the intervals that they print; they rest on other studies and other methods."]
    if fits:
        parts.append("Diamonds: the present evidence (hollow: the rate averaged over the patients); bars: its prediction interval.")
        parts.append(harmless(fits[0].method.sentence(), 2000))
    return " ".join(parts)


def _told(fit: Pooled | None, rows: Sequence[Mapping[str, Any]], scale: Scale) -> str:
    ours = "no pooled rate" if fit is None or fit.estimate is None else scale.shown(fit.estimate)
    values = sorted(float(row["estimate"]) for row in rows)
    theirs = scale.shown(values[0]) if len(values) == 1 else f"{scale.show(values[0])} to {scale.shown(values[-1])}"
    return f"{ours}, published {theirs} ({plural(len(rows), 'rate')})"
