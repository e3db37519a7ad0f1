"""What each row alone does to an estimate: the old rows with that one row added, taken out or changed, pooled as the old run did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metanet.errors import MetanetError
from metanet.reporting.diff.read import Made, method_of

#: Options of `pool` that a stamp tells, and that say how the old run pooled.
_OPTIONS = ("model", "measure", "tau2", "ci", "prediction", "level")
_TWO_STEP = ("inverse_variance",)
#: Rows beyond which a report is not taken apart.
_MOST = 500


def shifts(old: Made, new: Made, keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
    """Row -> how far it alone moves the estimate of the old run; rows for which that cannot be told are absent.

    Only for counts of one group. The shifts of several rows need not add up to the whole: the model is not linear in them.
    """
    result = old.result or {}
    before, after = old.rows, new.rows
    base = result.get("estimate")
    if (
        not keys
        or not isinstance(base, int | float)
        or len(keys) > _MOST
        or not _counted([*before.values(), *after.values()])
    ):
        return {}
    found: dict[tuple[str, ...], float] = {}
    for key in keys:
        rows = {**before}
        if key in after:
            rows[key] = after[key]
        else:
            rows.pop(key)
        estimate = _pooled(list(rows.values()), result)
        if estimate is not None:
            found[key] = estimate - float(base)
    return found


def _counted(rows: Sequence[Mapping[str, Any]]) -> bool:
    return bool(rows) and all(
        isinstance(row.get("events"), int) and isinstance(row.get("total"), int) and row.get("events_control") is None
        for row in rows
    )


def _pooled(rows: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> float | None:
    from metanet.models.pool import pool

    if not rows:
        return None
    method = method_of(result)
    options: dict[str, Any] = {name: method.get(name) for name in _OPTIONS if method.get(name) is not None}
    if options.get("model") not in _TWO_STEP:
        # The exact models have an estimator of their own, which the stamp names and `pool` does not take.
        options.pop("tau2", None)
    try:
        made = pool(events=[row["events"] for row in rows], total=[row["total"] for row in rows], **options)
    except (MetanetError, TypeError, ValueError):
        # A stamp of another version, or rows that this model cannot take.
        return None
    return made.estimate
