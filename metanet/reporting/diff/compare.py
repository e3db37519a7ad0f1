"""The comparison of two runs, report by report, and what each row alone does to an estimate."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metanet.base.errors import ArgumentError, MetanetError, shorten
from metanet.base.groups import natural
from metanet.evidence.contract import column_titles
from metanet.reporting.files import read_object
from metanet.reporting.run.run import ABOUT

#: Columns that identify a row of a report.
KEY = ("study_id", "arm", "definition")


@dataclass(frozen=True)
class Made:
    """One report of a run."""

    folder: str
    title: str
    about: Mapping[str, Any]
    numbers: Mapping[str, Any]

    @property
    def error(self) -> str | None:
        """Why it failed; None where it did not."""
        found = self.numbers.get("error")
        return None if found is None else str(found)

    @property
    def result(self) -> Mapping[str, Any] | None:
        """The pooled result; None for analyses of another kind."""
        found = self.numbers.get("result")
        return found if isinstance(found, dict) else None

    @property
    def rows(self) -> dict[tuple[str, ...], Mapping[str, Any]]:
        """The pooled rows by their key."""
        listed = (self.result or {}).get("studies")
        rows: dict[tuple[str, ...], Mapping[str, Any]] = {}
        for row in listed if isinstance(listed, list) else ():
            if isinstance(row, dict):
                key = tuple(str(row.get(name) or "") for name in KEY)
                # Data without an id are identified by their names.
                rows.setdefault(key if key[0] else (str(row.get("study")), *key[1:]), row)
        return rows


def read_run(folder: str | os.PathLike[str]) -> dict[str, Made]:
    """Every report below a folder, by its place.

    Raises
    ------
    ArgumentError
        No folder, or one without a report.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ArgumentError(f"{shorten(str(folder))!r} is not a folder of reports. Fix: give the folder that `report` wrote.")
    found: dict[str, Made] = {}
    for path in sorted(root.rglob("numbers.json")):
        place = path.parent.relative_to(root)
        if any(part.startswith(".") for part in place.parts) or not (path.parent / ABOUT).is_file():
            continue
        numbers, about = read_object(path), read_object(path.parent / ABOUT)
        if numbers is not None and about is not None:
            name = place.as_posix()
            found[name] = Made(name, str(about.get("title") or name), about, numbers)
    if not found:
        raise ArgumentError(f"{shorten(str(folder))!r} contains no report of this version. Fix: give the folder that `report` wrote.")
    return found


def method_of(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The method of a pooled result; empty where the file says something else."""
    found = result.get("method")
    return found if isinstance(found, dict) else {}


#: Options of `pool` that the method stamp records.
_OPTIONS = ("model", "measure", "tau2", "ci", "prediction", "level")
_TWO_STEP = ("inverse_variance",)
#: Rows above which the effect of single rows is not computed.
_MOST_ROWS = 500


def shifts(old: Made, new: Made, keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], float]:
    """Row -> the change that this row alone makes to the estimate of the old run; rows without such a change are absent.

    Only for counts of one group. The shifts of several rows need not add up to the whole: the model is not linear in them.
    """
    result = old.result or {}
    before, after = old.rows, new.rows
    base = result.get("estimate")
    if not keys or not isinstance(base, int | float) or len(keys) > _MOST_ROWS or not _counted([*before.values(), *after.values()]):
        return {}
    found: dict[tuple[str, ...], float] = {}
    for key in keys:
        rows = {**before}
        if key in after:
            rows[key] = after[key]
        else:
            rows.pop(key)
        estimate = _pooled_estimate(list(rows.values()), result)
        if estimate is not None:
            found[key] = estimate - float(base)
    return found


def _counted(rows: Sequence[Mapping[str, Any]]) -> bool:
    return bool(rows) and all(
        isinstance(row.get("events"), int) and isinstance(row.get("total"), int) and row.get("events_control") is None for row in rows
    )


def _pooled_estimate(rows: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> float | None:
    from metanet.models.pooling.pool import pool

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


#: Numbers of a pooled result that are compared, with how each is printed: rate, count, number or p-value.
NUMBERS: Mapping[str, str] = {
    "estimate": "rate", "ci_lower": "rate", "ci_upper": "rate", "marginal_estimate": "rate",
    "marginal_ci_lower": "rate", "marginal_ci_upper": "rate", "pi_lower": "rate", "pi_upper": "rate",
    "tau": "number", "i2": "share", "k": "count", "events": "count", "n": "count", "lrt_pvalue": "p",
}  # fmt: skip
#: Choices of the method that are compared.
_METHOD = ("model", "measure", "tau2", "ci", "prediction", "level", "preset", "version", "numpy", "scipy")
#: Relative difference below which numbers are equal: processors round differently.
TOLERANCE = 1e-9
#: Columns of a row that determine the rate, and columns that follow from the fit.
_COUNTS = ("events", "total", "yi", "vi", "events_control", "total_control", "person_time", "person_time_control")
_FITTED = ("rate", "effect", "ci_lower", "ci_upper", "weight", "shrunken", "study")
#: Differences of an analysis that are listed.
_MOST = 200


@dataclass(frozen=True)
class RowChange:
    """An added, removed or changed row, and the change that it alone makes to the estimate of the old run (None if unknown)."""

    what: str
    study: str
    text: str
    shift: float | None = None


@dataclass(frozen=True)
class Change:
    """The change of one report: "added", "removed", "changed", "failed", "fixed" or "same".

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
        """The change of the estimate; None where one of the two has none."""
        for name, old, new in self.numbers:
            if name == "estimate" and _is_number(old) and _is_number(new):
                return float(new - old)
        return None


def compare_runs(old: str | os.PathLike[str], new: str | os.PathLike[str], tolerance: float = TOLERANCE) -> list[Change]:
    """Every report of two runs, largest change first, unchanged reports last."""
    before, after = read_run(old), read_run(new)
    found = [_change(before.get(name), after.get(name), tolerance) for name in dict.fromkeys([*before, *after])]
    order = {"failed": 0, "changed": 1, "fixed": 2, "added": 3, "removed": 4, "same": 5}
    return sorted(found, key=lambda each: (order[each.status], -abs(each.moved or 0.0), natural(each.folder)))


def _change(old: Made | None, new: Made | None, tolerance: float) -> Change:
    if old is None or new is None:
        one = old or new
        assert one is not None  # a name comes from one of the two
        return Change(one.folder, one.title, "removed" if new is None else "added", error=one.error)
    if new.error is not None:
        same = old.error == new.error
        return Change(new.folder, new.title, "same" if same else "failed", error=new.error)
    if old.error is not None:
        return Change(new.folder, new.title, "fixed", error=old.error)
    if old.result is not None and new.result is not None:
        return _pooled(old, new, tolerance)
    try:
        values = list(_values(old.numbers, new.numbers, "", tolerance))
    except RecursionError:
        # No analysis of metanet is nested so deeply; the file comes from elsewhere.
        return Change(new.folder, new.title, "changed", error="Its numbers are nested too deeply to be compared.")
    status = "changed" if values else "same"
    return Change(new.folder, new.title, status, values=tuple(values[:_MOST]), unlisted=max(0, len(values) - _MOST))


def _pooled(old: Made, new: Made, tolerance: float) -> Change:
    one, two = old.result or {}, new.result or {}
    numbers = [(name, one.get(name), two.get(name)) for name in NUMBERS if not alike(one.get(name), two.get(name), tolerance)]
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
    # A column that only one of the runs has is a change of the tables, not of every row in them.
    common = _columns(before) & _columns(after)
    found: list[tuple[str, tuple[str, ...], str]] = []
    for key in dict.fromkeys([*before, *after]):
        if key not in before:
            found.append(("added", key, _counts(after[key])))
        elif key not in after:
            found.append(("removed", key, _counts(before[key])))
        else:
            text = _differences(before[key], after[key], common)
            if text:
                found.append(("changed", key, text))
    alone = shifts(old, new, [key for _, key, _ in found])
    return [
        RowChange(what, str((after.get(key) or before[key]).get("study") or key[0]), text, alone.get(key)) for what, key, text in found
    ]


def _counts(row: Mapping[str, Any]) -> str:
    if row.get("events") is not None and row.get("total") is not None:
        return f"{row['events']}/{row['total']}"
    return ", ".join(f"{name} {row[name]}" for name in _COUNTS if row.get(name) is not None)


def _columns(rows: Mapping[tuple[str, ...], Mapping[str, Any]]) -> set[str]:
    return {name for row in rows.values() for name in row}


def columns_of_one_run(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> tuple[str, ...]:
    """The columns of rows, as a reader calls them, that only one of two runs has; they are not compared."""
    before, after = (set().union(*(_columns(made.rows) for made in read_run(run).values())) for run in (old, new))
    if not before or not after:
        return ()
    return tuple(sorted(said(name) for name in before ^ after if name not in (*_FITTED, *_COUNTS, "weights")))


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], columns: Collection[str]) -> str:
    """The cells of a row that changed, of these columns; the counts first."""
    parts = []
    if _counts(old) != _counts(new):
        parts.append(f"{_counts(old)} → {_counts(new)}")
    for name in dict.fromkeys([*old, *new]):
        if name in _FITTED or name in _COUNTS or name in ("weights",) or name not in columns:
            continue
        if not alike(old.get(name), new.get(name), TOLERANCE):
            parts.append(f"{said(name)}: {_word(old.get(name))} → {_word(new.get(name))}")
    return "; ".join(parts)


def _word(value: object) -> str:
    text = "nothing" if value is None or value == "" else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def said(name: str) -> str:
    """A column or a quantity as a reader calls it."""
    return column_titles().get(name) or name.replace("_", " ")


def _values(old: Any, new: Any, path: str, tolerance: float) -> Iterator[tuple[str, Any, Any]]:
    """Leaves that differ between two trees of plain values."""
    # The rows are compared instead of the fingerprint, and the numbers instead of their printed form.
    if path.rsplit(".", 1)[-1] in ("evidence", "fingerprint", "shown"):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        # In a list of rows a column that only one run has is a change of the tables, not of each row.
        names = [name for name in old if name in new] if path.endswith("]") else dict.fromkeys([*old, *new])
        for name in names:
            yield from _values(old.get(name), new.get(name), f"{path}.{name}" if path else str(name), tolerance)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for place, (one, two) in enumerate(zip(old, new, strict=True)):
            yield from _values(one, two, f"{path}[{place}]", tolerance)
    elif isinstance(old, list) and isinstance(new, list):
        yield f"{path} (entries)", len(old), len(new)
    elif not alike(old, new, tolerance):
        yield path, old, new


#: What an empty cell is in the numbers of a report.
_NOTHING = (None, "")


def alike(old: Any, new: Any, tolerance: float) -> bool:
    """Whether two values are the same, numbers up to a relative tolerance."""
    if _is_number(old) and _is_number(new):
        return bool(abs(old - new) <= tolerance * max(abs(old), abs(new)))
    return bool(old == new or (old in _NOTHING and new in _NOTHING))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
