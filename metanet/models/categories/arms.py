"""The study arms whose response categories are pooled: from evidence, from a result, or from a frame of counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from metanet.base.arrays import Array
from metanet.base.errors import ArgumentError, as_given
from metanet.base.groups import absent, name_of
from metanet.base.untrusted import listing, visible
from metanet.evidence.evidence import Evidence
from metanet.evidence.sources import Tables, evidence_of, is_frame, modality_of
from metanet.models.comparison.response_categories import BORDERS, CATEGORIES, ResponseArm, ResponseCategories, response_categories
from metanet.models.pooling.inputs import LARGEST

if TYPE_CHECKING:
    import pandas as pd

#: Evidence (or what it is read from), the result of `response_categories`, or a frame with a column for each category.
Categories: TypeAlias = Tables | ResponseCategories
#: Column of a frame -> the categories that it counts together, single ones first: cr, pr, sd, pd, cr_pr, pr_sd, sd_pd, ...
COLUMNS = {
    "_".join(run).lower(): "+".join(run)
    for length in range(1, len(CATEGORIES) + 1)
    for i in range(len(CATEGORIES) - length + 1)
    for run in [CATEGORIES[i : i + length]]
}
#: Border -> the category that it closes.
CLOSES = {"complete_response": "CR", "objective_response": "PR", "disease_control": "SD"}


@dataclass(frozen=True)
class ArmSet:
    """Arms to be pooled, and what else is known of them.

    `rates` has the rows of each outcome as they are pooled apart, where the arms come from evidence; `counted` the counts of the arms
    of a border otherwise.
    """

    arms: tuple[ResponseArm, ...]
    left_out: tuple[Mapping[str, str], ...]
    notes: tuple[str, ...]
    modality: str
    reason: str | None = None
    stamp: Mapping[str, Any] = field(default_factory=dict)
    rates: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def column(self, border: str) -> Array:
        """How many of each arm were on the better side of a border, ``[k]``; NaN where that is not told."""
        found = [arm.at_least(CLOSES[border]) for arm in self.arms]
        return np.array([np.nan if n is None else n for n in found], dtype=np.float64)

    @property
    def total(self) -> Array:
        """Patients of each arm, ``[k]``."""
        return np.array([arm.total for arm in self.arms], dtype=np.float64)

    def counts(self, border: str) -> pd.DataFrame:
        """Study, events and total of the arms that report a border."""
        import pandas as pd

        rows = [
            {"study": arm.study, "events": n, "total": arm.total}
            for arm in self.arms
            if (n := arm.at_least(CLOSES[border])) is not None
        ]
        return pd.DataFrame(rows, columns=["study", "events", "total"])


def arm_set(
    source: Categories, modality: str | Iterable[str] | None, *, overlap: str = "keep_largest", certainty: str | None = None
) -> ArmSet:
    """The arms behind the argument `evidence`; rows of lesions are left out, because their number says nothing of patients."""
    value: Any = source
    if isinstance(value, ResponseCategories):
        kinds = sorted({arm.modality_class for arm in value.arms if arm.modality_class})
        found = ArmSet(value.arms, value.left_out, value.notes, kinds[0] if len(kinds) == 1 else "", value.reason, dict(value.method))
        return _of_patients(found)
    if is_frame(value) and sum(str(name).strip().lower() in COLUMNS for name in value.columns) > 1:
        if modality is not None:
            raise ArgumentError(
                f"modality={as_given(modality)} applies to evidence; a frame of categories has one. Fix: filter the frame."
            )
        return _of_patients(from_frame(value))
    evidence = evidence_of(value)
    return _of_patients(_from_evidence(evidence, modality, overlap, certainty))


def _from_evidence(evidence: Evidence, modality: str | Iterable[str] | None, overlap: str, certainty: str | None) -> ArmSet:
    chosen = modality_of(evidence, modality) if modality is None or isinstance(modality, str) else _listed(modality)
    found = response_categories(evidence, chosen, overlap=overlap, certainty=certainty)
    rates = {
        name: evidence.rates(name, modality=chosen, overlap=overlap, certainty=certainty)
        for name in BORDERS
        if name in evidence.outcome_names
    }
    name = chosen if isinstance(chosen, str) else " + ".join(chosen)
    return ArmSet(found.arms, found.left_out, found.notes, name, found.reason, dict(found.method), rates)


def _listed(modality: object) -> list[str]:
    words = list(modality) if isinstance(modality, Iterable) else []
    if not words or not all(isinstance(word, str) for word in words):
        raise ArgumentError(f"modality={as_given(modality)} must be a modality class or modality, or several.")
    return words


def _of_patients(found: ArmSet) -> ArmSet:
    """Without arms whose lesions were counted."""
    kept = tuple(arm for arm in found.arms if arm.unit != "lesions")
    gone = [arm for arm in found.arms if arm.unit == "lesions"]
    if not gone:
        return found
    left = [_left(arm, "counts lesions, not patients") for arm in gone]
    reason = found.reason if kept else "All arms count lesions, not patients."
    return ArmSet(kept, (*found.left_out, *left), found.notes, found.modality, reason, found.stamp, found.rates)


def _left(arm: ResponseArm, reason: str) -> Mapping[str, str]:
    return {"study": arm.study, "study_id": arm.study_id, "arm": arm.arm, "reason": reason}


def usable(found: ArmSet, complete: bool) -> ArmSet:
    """The arms that report objective response or disease control; both, where only complete ones are asked for."""
    response, control = ~np.isnan(found.column("objective_response")), ~np.isnan(found.column("disease_control"))
    keep = response & control if complete else response | control
    left = []
    for arm, stays, has_response, has_control in zip(found.arms, keep, response, control, strict=True):
        if not stays:
            said = "disease control" if has_control else "objective response" if has_response else ""
            reason = f"reports {said} alone" if said else "reports neither objective response nor disease control"
            left.append(_left(arm, reason))
    arms = tuple(arm for arm, stays in zip(found.arms, keep, strict=True) if stays)
    return ArmSet(arms, (*found.left_out, *left), found.notes, found.modality, found.reason, found.stamp, found.rates)


def from_frame(frame: pd.DataFrame) -> ArmSet:
    """Arms from a frame with columns of counts: cr, pr, sd, pd and those that count several together (cr_pr, sd_pd, cr_pr_sd ...).

    A cell without a value is a category that the arm does not report. The filled cells of a row must follow each other from CR to PD
    without gap or overlap; a column ``total`` must be their sum. ``study`` and ``unit`` are taken where they are there.
    """
    names = _columns_of(frame)
    arms = []
    for i, row in enumerate(frame.to_dict("records")):
        label = name_of(row[names["study"]]) if "study" in names and not absent(row[names["study"]]) else f"Study {i + 1}"
        unit = name_of(row[names["unit"]]) if "unit" in names and not absent(row[names["unit"]]) else "patients"
        where = f"evidence: row {i} ({visible(label[:60])})"
        filled = {
            COLUMNS[key]: _count(row[names[key]], where, names[key]) for key in COLUMNS if key in names and not absent(row[names[key]])
        }
        parts = _partition(filled, where)
        total = sum(n for _, n in parts)
        if "total" in names and not absent(row[names["total"]]):
            stated = _count(row[names["total"]], where, names["total"])
            if stated != total:
                raise ArgumentError(
                    f"{where}: the categories sum to {total:,}, and {names['total']} is {stated:,}. Fix: correct one of them."
                )
        if not 1 <= total <= LARGEST:
            raise ArgumentError(f"{where}: the categories sum to {total:,}; an arm has from 1 to {LARGEST:,} patients.")
        arms.append(ResponseArm(label, label, "all", "", "", None, unit, total, parts))
    if not arms:
        raise ArgumentError("evidence has no rows. Fix: give one row for each study arm.")
    return ArmSet(tuple(arms), (), ("PD: progressive disease or not evaluated, as far as the frame counts the latter.",), "")


def _columns_of(frame: pd.DataFrame) -> dict[str, Any]:
    """The columns that are read, by their name in small letters."""
    names: dict[str, Any] = {}
    for column in frame.columns:
        key = str(column).strip().lower()
        if key in COLUMNS or key in ("study", "unit", "total"):
            if key in names:
                raise ArgumentError(f"evidence has two columns called {as_given(key)}. Fix: rename one of them.")
            names[key] = column
    return names


def _count(value: object, where: str, column: object) -> int:
    try:
        number = float("nan") if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = float("nan")
    if not (0 <= number <= LARGEST and number == round(number)):
        raise ArgumentError(f"{where}: {visible(column)}={as_given(value)} must be a whole number from 0 to {LARGEST:,}, or empty.")
    return int(number)


def _partition(filled: Mapping[str, int], where: str) -> tuple[tuple[str, int], ...]:
    """The filled categories in order, if they cover CR to PD each exactly once."""
    ranks = {name: i for i, name in enumerate(CATEGORIES)}
    order = sorted(filled, key=lambda name: ranks[name.split("+")[0]])
    covered = [part for name in order for part in name.split("+")]
    if covered != list(CATEGORIES):
        told = listing(name.replace("+", "_").lower() for name in order) or "none"
        raise ArgumentError(
            f"{where} has the categories {told}, which do not cover CR, PR, SD and PD each exactly once. "
            "Fix: give single categories, or those that the study combined, such as cr_pr and sd_pd."
        )
    return tuple((name, filled[name]) for name in order)


def labels(arms: Sequence[ResponseArm]) -> tuple[str, ...]:
    """The names of arms."""
    return tuple(arm.study for arm in arms)
