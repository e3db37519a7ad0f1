"""The comparison of two runs, report by report."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from metanet.reporting.diff.blame import shifts
from metanet.reporting.diff.read import Made, method_of, read_run

#: Numbers of a pooled result that are compared, with how each is printed: rate, count, number or p-value.
NUMBERS: Mapping[str, str] = {
    "estimate": "rate", "ci_lower": "rate", "ci_upper": "rate", "marginal_estimate": "rate", "pi_lower": "rate", "pi_upper": "rate",
    "tau": "number", "i2": "share", "k": "count", "events": "count", "n": "count", "lrt_pvalue": "p",
}  # fmt: skip
#: Choices of the method that are compared.
_METHOD = ("model", "measure", "tau2", "ci", "prediction", "level", "preset", "version", "numpy", "scipy")
#: Numbers nearer than this, relative to their size, are the same: other processors round otherwise.
TOLERANCE = 1e-9
#: What a row says by its own that moves a rate, and columns that follow from the fit.
_COUNTS = ("events", "total", "yi", "vi", "events_control", "total_control", "person_time", "person_time_control")
_FITTED = ("rate", "effect", "ci_lower", "ci_upper", "weight", "shrunken", "study")
#: Differences of an analysis that are listed.
_MOST = 200


@dataclass(frozen=True)
class RowChange:
    """A row that is new, gone or changed, and what it alone does to the estimate of the old run (None where that cannot be told)."""

    what: str
    study: str
    text: str
    shift: float | None = None


@dataclass(frozen=True)
class Change:
    """What became of one report: "added", "removed", "changed", "failed", "mended" or "same".

    `numbers` are (name, old, new) where they differ; `method` the choices that differ; `rows` what happened to the rows;
    `values` for analyses without one pooled rate: (path, old, new).
    """

    folder: str
    title: str
    status: str
    response: str = "rate"
    numbers: tuple[tuple[str, Any, Any], ...] = ()
    method: tuple[tuple[str, Any, Any], ...] = ()
    rows: tuple[RowChange, ...] = ()
    values: tuple[tuple[str, Any, Any], ...] = ()
    error: str | None = None
    unlisted: int = field(default=0)

    @property
    def moved(self) -> float | None:
        """How far the estimate moved; None where one of the two has none."""
        for name, old, new in self.numbers:
            if name == "estimate" and _is_number(old) and _is_number(new):
                return float(new - old)
        return None


def compare_runs(
    old: str | os.PathLike[str], new: str | os.PathLike[str], tolerance: float = TOLERANCE
) -> list[Change]:
    """Every report of two runs, those whose estimate moved most first, those that are the same last."""
    before, after = read_run(old), read_run(new)
    found = [_change(before.get(name), after.get(name), tolerance) for name in dict.fromkeys([*before, *after])]
    order = {"failed": 0, "changed": 1, "mended": 2, "added": 3, "removed": 4, "same": 5}
    return sorted(found, key=lambda each: (order[each.status], -abs(each.moved or 0.0), each.folder))


def _change(old: Made | None, new: Made | None, tolerance: float) -> Change:
    if old is None or new is None:
        one = old or new
        assert one is not None  # a name comes from one of the two
        return Change(one.folder, one.title, "removed" if new is None else "added", error=one.error)
    if new.error is not None:
        same = old.error == new.error
        return Change(new.folder, new.title, "same" if same else "failed", error=new.error)
    if old.error is not None:
        return Change(new.folder, new.title, "mended", error=old.error)
    if old.result is not None and new.result is not None:
        return _pooled(old, new, tolerance)
    try:
        values = list(_values(old.numbers, new.numbers, "", tolerance))
    except RecursionError:
        # Nobody's analysis is so deep; the file comes from elsewhere.
        return Change(new.folder, new.title, "changed", error="Its numbers are nested too deep to be compared.")
    status = "changed" if values else "same"
    return Change(new.folder, new.title, status, values=tuple(values[:_MOST]), unlisted=max(0, len(values) - _MOST))


def _pooled(old: Made, new: Made, tolerance: float) -> Change:
    one, two = old.result or {}, new.result or {}
    numbers = [
        (name, one.get(name), two.get(name)) for name in NUMBERS if not alike(one.get(name), two.get(name), tolerance)
    ]
    if one.get("status") != two.get("status"):
        numbers.insert(0, ("status", one.get("status"), two.get("status")))
    first, second = method_of(one), method_of(two)
    method = [(name, first.get(name), second.get(name)) for name in _METHOD if first.get(name) != second.get(name)]
    rows = _rows(old, new)
    status = "changed" if numbers or rows or method else "same"
    response = str(first.get("response") or "rate")
    return Change(new.folder, new.title, status, response, tuple(numbers), tuple(method), tuple(rows))


def _rows(old: Made, new: Made) -> list[RowChange]:
    before, after = old.rows, new.rows
    found: list[tuple[str, tuple[str, ...], str]] = []
    for key in dict.fromkeys([*before, *after]):
        if key not in before:
            found.append(("added", key, _counts(after[key])))
        elif key not in after:
            found.append(("removed", key, _counts(before[key])))
        else:
            text = _differences(before[key], after[key])
            if text:
                found.append(("changed", key, text))
    alone = shifts(old, new, [key for _, key, _ in found])
    return [
        RowChange(what, str((after.get(key) or before[key]).get("study") or key[0]), text, alone.get(key))
        for what, key, text in found
    ]


def _counts(row: Mapping[str, Any]) -> str:
    if row.get("events") is not None and row.get("total") is not None:
        return f"{row['events']}/{row['total']}"
    return ", ".join(f"{name} {row[name]}" for name in _COUNTS if row.get(name) is not None)


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """The cells of a row that changed; the counts first."""
    parts = []
    if _counts(old) != _counts(new):
        parts.append(f"{_counts(old)} → {_counts(new)}")
    for name in dict.fromkeys([*old, *new]):
        if name in _FITTED or name in _COUNTS or name in ("weights",):
            continue
        if not alike(old.get(name), new.get(name), TOLERANCE):
            parts.append(f"{name}: {_word(old.get(name))} → {_word(new.get(name))}")
    return "; ".join(parts)


def _word(value: object) -> str:
    text = "nothing" if value is None or value == "" else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _values(old: Any, new: Any, path: str, tolerance: float) -> Iterator[tuple[str, Any, Any]]:
    """Leaves that differ between two trees of plain values."""
    # The rows speak for the fingerprint, and the numbers for how they are printed.
    if path.rsplit(".", 1)[-1] in ("evidence", "fingerprint", "shown"):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from _values(old.get(name), new.get(name), f"{path}.{name}" if path else str(name), tolerance)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (one, two) in enumerate(zip(old, new, strict=True)):
            yield from _values(one, two, f"{path}[{place}]", tolerance)
    elif isinstance(old, list) and isinstance(new, list):
        yield f"{path} (entries)", len(old), len(new)
    elif not alike(old, new, tolerance):
        yield path, old, new


def alike(old: Any, new: Any, tolerance: float) -> bool:
    """Whether two values are the same, numbers up to a relative tolerance."""
    if _is_number(old) and _is_number(new):
        return bool(abs(old - new) <= tolerance * max(abs(old), abs(new)))
    return bool(old == new)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
