"""Arguments of `pool` and `pool_arrays` to checked arrays: one error for each kind of mistake, naming the argument and the index."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array
from metanet.base.display import in_sentence, plural, title_of
from metanet.base.errors import ArgumentError, as_given, no_column, shorten
from metanet.base.gaps import is_gap, names_sum, sums_of_others, whole_within_rounding
from metanet.base.groups import absent, name_of
from metanet.base.habits import COLUMNS, folded_name
from metanet.base.untrusted import listing, visible
from metanet.models.pooling.batch import Data

if TYPE_CHECKING:
    import pandas as pd


#: Beyond this many patients in one study the rounding of the likelihood reaches the printed digits.
LARGEST = 10_000_000


@dataclass(frozen=True)
class Studies:
    """Checked input of one pooling: labels, the arrays by argument, and the columns of `data` that travel along."""

    labels: tuple[str, ...]
    columns: Mapping[str, Array]
    extra: pd.DataFrame | None
    notes: tuple[str, ...]

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.labels)

    def only(self, keep: NDArray[np.bool_]) -> Studies:
        """Some of the studies, with the names they have here."""
        chosen = np.flatnonzero(keep)
        extra = None if self.extra is None else self.extra.iloc[chosen].reset_index(drop=True)
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Studies(tuple(self.labels[i] for i in chosen), columns, extra, self.notes)

    def data(self) -> Data:
        """The studies as a batch of one analysis."""
        return Data({name: values[None] for name, values in self.columns.items()})


def check_frame(data: object) -> None:
    """Refuse data that are no DataFrame."""
    if data is not None and not (hasattr(data, "columns") and hasattr(data, "loc")):
        raise ArgumentError(f"data must be a pandas DataFrame, not {type(data).__name__}. Fix: pass sequences as events= and total=.")


def resolve(data: pd.DataFrame | None, argument: str, value: object) -> Any:
    """The values behind an argument: a column of `data`, a plain sequence, or None."""
    if isinstance(value, str):
        if data is None:
            raise ArgumentError(f"{argument}={value!r} names a column, but no data were given. Fix: pass data=frame.")
        if value not in data.columns:
            raise no_column(argument, value, data.columns)
        return _column(data, argument, value)
    return value


def _column(data: pd.DataFrame, argument: str, name: str) -> pd.Series[Any]:
    """One column by its name; a name that several columns share is refused."""
    found = data[name]
    if getattr(found, "ndim", 1) != 1:
        raise ArgumentError(f"{argument}={name!r} names several columns of data. Fix: rename them so that each has its own name.")
    return found


def is_sequence(values: Any) -> bool:
    """Whether `values` has an order and one dimension: a set pairs events with the wrong totals, a dict gives its keys."""
    if isinstance(values, (str, bytes, Mapping, AbstractSet)):
        return False
    return hasattr(values, "__len__") and hasattr(values, "__iter__") and getattr(values, "ndim", 1) == 1


#: A number as a text: digits with a decimal point, or in scientific notation; no thousands, no decimal comma.
_TEXT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_NOT_NUMBERS = (str, bytes, bytearray, list, tuple, dict, set, complex, np.complexfloating, np.ndarray, np.datetime64, np.timedelta64)


def as_numbers(argument: str, values: Any, gaps: dict[int, object] | None = None) -> Array:
    """One-dimensional floats; booleans, texts and missing values are named by index and refused.

    Texts such as NA, NR or a dash are missing values. A column of nothing but texts, as a file with such a word is read, has the
    numbers that the other texts are. With `gaps` missing values become NaN and are put there, by index.
    """
    if not is_sequence(values):
        raise ArgumentError(f"{argument}={as_given(values)} must be a sequence of numbers, one for each study.")
    if isinstance(values, np.ma.MaskedArray):
        values = values.tolist()
    if getattr(getattr(values, "dtype", None), "kind", "f") in "mMc":
        raise ArgumentError(f"{argument} contains dates, durations or complex numbers, which cannot be pooled.")
    items = values.tolist() if hasattr(values, "tolist") else list(values)
    if set(map(type, items)) <= {int, float}:
        # Plain numbers need no look at each; what is wrong among them is named below.
        with suppress(OverflowError):
            plain = np.array(items, dtype=np.float64)
            if np.isfinite(plain).all():
                return plain
    textual = all(isinstance(item, str) or missing(item) for item in items)
    out = np.empty(len(items))
    for i, item in enumerate(items):
        where = f"{argument}[{i}]={as_given(item)}"
        if isinstance(item, (bool, np.bool_)):
            raise ArgumentError(f"{where} is a truth value, not a number.")
        if missing(item) or (isinstance(item, str) and is_gap(item)):
            if gaps is None:
                raise ArgumentError(f"{where} is missing. Fix: leave the study out or fill in the number.")
            gaps[i] = item
            out[i] = np.nan
            continue
        number = _TEXT.fullmatch(item.strip()) if textual and isinstance(item, str) else None
        if number is None and isinstance(item, _NOT_NUMBERS):
            raise ArgumentError(f"{where} is not a number. Fix: convert the column to numbers first.")
        try:
            out[i] = float(item)
        except (TypeError, ValueError, OverflowError):
            raise ArgumentError(f"{where} is not a number that can be used.") from None
        if np.isnan(out[i]):
            if gaps is None:
                raise ArgumentError(f"{where} is missing. Fix: leave the study out or fill in the number.")
            gaps[i] = item
        if np.isinf(out[i]):
            raise ArgumentError(f"{where} is infinite.")
    return out


def same_length(**columns: Array | Sequence[str] | None) -> None:
    """Refuse columns of different lengths, and no studies at all; None is not looked at."""
    lengths = {name: len(column) for name, column in columns.items() if column is not None}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ArgumentError(f"The arguments differ in length ({listed}). Fix: give one value for each study.")
    if lengths and next(iter(lengths.values())) == 0:
        raise ArgumentError(f"No studies: {next(iter(lengths))} is empty. Fix: give at least one study.")


def _at(labels: Sequence[str] | None, i: SupportsIndex) -> str:
    return f" (study {as_given(labels[int(i)])})" if labels else ""


def check_whole(name: str, values: Array, labels: Sequence[str] | None = None) -> None:
    """Whole numbers from 0 to the most that one study may have; the first fault is named by index."""
    for i in np.flatnonzero(values != np.round(values)):
        raise ArgumentError(f"{name}[{i}]={values[i]:g}{_at(labels, i)} is not a whole number; counts are needed, not rates.")
    for i in np.flatnonzero(values < 0):
        raise ArgumentError(f"{name}[{i}]={values[i]:g}{_at(labels, i)} is negative.")
    for i in np.flatnonzero(values > LARGEST):
        raise ArgumentError(f"{name}[{i}]={values[i]:g}{_at(labels, i)} is more than {LARGEST:,}, the most one study may have.")


def check_counts(
    events: Array, total: Array, labels: Sequence[str] | None = None, *, names: tuple[str, str] = ("events", "total")
) -> None:
    """Whole numbers, totals above zero, events between 0 and the total; the first fault is named by index."""
    first, second = names
    check_whole(second, total, labels)
    check_whole(first, events, labels)
    for i in np.flatnonzero(total == 0):
        raise ArgumentError(
            f"{second}[{i}]=0{_at(labels, i)}: a study without patients has no rate. Fix: check that {first} "
            f"and {second} are not swapped; otherwise leave the study out."
        )
    for i in np.flatnonzero(events > total):
        raise ArgumentError(
            f"{first}[{i}]={events[i]:g}{_at(labels, i)} is more than {second}[{i}]={total[i]:g}. "
            "Fix: check both against the source; they may be swapped."
        )


def missing(item: object) -> bool:
    """None, NaN, pandas' NA and NaT."""
    return item is None or type(item).__name__ in ("NAType", "NaTType") or (isinstance(item, float) and item != item)


def unique_labels(study: Any, k: int) -> tuple[str, ...]:
    """Labels of the studies, equal names numbered."""
    return _labels(study, k)[0]


def _labels(study: Any, k: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Labels of the studies, and a note where equal names were numbered."""
    if study is None:
        return tuple(f"Study {i + 1}" for i in range(k)), ()
    items = [
        f"Study {i + 1}" if absent(item) else str(item) for i, item in enumerate(study.tolist() if hasattr(study, "tolist") else study)
    ]
    seen: dict[str, int] = {}
    labels = []
    taken = set(items)
    for item in items:
        seen[item] = seen.get(item, 0) + 1
        label = item
        while seen[item] > 1 and label in taken:
            label = f"{item} ({seen[item]})" if label == item else f"{label}'"
        taken.add(label)
        labels.append(label)
    repeated = [name for name, times in seen.items() if times > 1]
    if not repeated:
        return tuple(labels), ()
    listed = ", ".join(visible(shorten(name, 40)) for name in repeated[:5]) + (" …" if len(repeated) > 5 else "")
    return tuple(labels), (f"Equal study names were numbered, not merged: {listed}.",)


def count_studies(frame: pd.DataFrame) -> int:
    """Different values of `study_id`; a row without one is a study of its own, and so is every row without the column."""
    if "study_id" not in frame or frame["study_id"].ndim != 1:
        return len(frame)
    known = [name_of(item) for item in frame["study_id"].tolist() if not absent(item)]
    return len(set(known)) + len(frame) - len(known)


def gap_note(frame: pd.DataFrame, gaps: Sequence[int], column: str) -> list[str]:
    """The note on rows that have no value of a column that forms groups; none where every row has one."""
    if not gaps:
        return []
    arms, studies = len(gaps), count_studies(frame.iloc[list(gaps)])
    counted = plural(studies, "study", "studies")
    if count_studies(frame) < len(frame):
        # Other arms of these studies can have a value.
        counted = f"{plural(arms, 'arm')} of {counted}"
    return [f"{counted} without a value of {visible(shorten(in_sentence(title_of(column, frame)), 40))} excluded."]


def no_groups(by: str) -> ArgumentError:
    """The error for a column without any value."""
    return ArgumentError(f"by={as_given(by)}: no row has a value, so there are no groups. Fix: name a column with values.")


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: "events and total"."""
    return ", ".join(names[:-1]) + f" and {names[-1]}"


#: Arguments that are counts.
_COUNTS = frozenset({"events", "total", "events_control", "total_control"})


class FoundName(str):
    """The name of a column that was found by what it is called."""

    __slots__ = ()


#: Columns of a control group are taken only where those of the treated group bear names of the same program.
_PAIRED = {"ai": ("ci", "n2i"), "event_e": ("event_c", "n_c"), "events_e": ("events_c", "n_c")}


def found_names(data: pd.DataFrame, given: Mapping[str, object]) -> dict[str, FoundName]:
    """Columns for the arguments of counts that nobody named, by the names that other programs give them.

    Nothing is found where a column bears the name of the argument, where two columns could be meant, or without both events and total.
    """
    by: dict[str, list[str]] = {}
    for column in data.columns:
        if isinstance(column, str):
            folded = folded_name(column)
            by.setdefault(COLUMNS.get(folded, folded), []).append(column)
    found = {}
    for name in ("events", "total"):
        if given.get(name) is None and name not in data.columns and len(by.get(name, ())) == 1:
            found[name] = FoundName(by[name][0])
    if any(given.get(name) is None and name not in data.columns and name not in found for name in ("events", "total")):
        return {}
    pair = _PAIRED.get(folded_name(found["events"])) if "events" in found else None
    others = {folded_name(column): column for column in data.columns if isinstance(column, str)}
    if pair is not None and set(pair) <= others.keys():
        found |= {name: FoundName(others[key]) for name, key in zip(("events_control", "total_control"), pair, strict=True)}
    return found


def study_column(data: pd.DataFrame) -> str | None:
    """The column of the names of the studies: that called study, or the only one that other programs give them."""
    if "study" in data.columns:
        return "study"
    named = [c for c in data.columns if isinstance(c, str) and "study" in (folded_name(c), COLUMNS.get(folded_name(c)))]
    return named[0] if len(named) == 1 else None


def read_columns(
    data: pd.DataFrame | None,
    given: Mapping[str, object],
    arguments: Sequence[str],
    takes: str,
    gaps: dict[str, dict[int, object]] | None = None,
) -> dict[str, Array]:
    """The arrays of the arguments that `takes` (in words) needs; one that does not belong to it, or is missing, is refused.

    A column of `data` that bears the name of an argument is found without being named. With `gaps` missing values are put there, by
    argument and index, and are NaN.
    """
    check_frame(data)
    for name, column in given.items():
        if column is not None and name not in arguments:
            raise ArgumentError(f"{name} does not go with {takes}, which takes {listed(arguments)}.")
    found = {}
    indexes = [value.index for value in given.values() if hasattr(value, "index") and hasattr(value, "iloc")]
    if any(not index.equals(indexes[0]) for index in indexes[1:]):
        raise ArgumentError(
            "The arguments are Series with different indexes, so it is not known which values belong together. "
            "Fix: align them, or pass one frame as data."
        )
    for name in arguments:
        values = given.get(name)
        if values is None and data is not None and name in data.columns:
            values = name
        values = resolve(data, name, values)
        if values is None:
            hint = " (a column of data, or a sequence)" if data is not None else ""
            raise ArgumentError(f"{name} is missing{hint}; {takes} takes {listed(arguments)}.")
        values = as_numbers(name, values, None if gaps is None else gaps.setdefault(name, {}))
        found[name] = whole_within_rounding(values) if name in _COUNTS else values
    return found


def check_columns(columns: Mapping[str, Array], labels: Sequence[str] | None = None) -> None:
    """Counts, person-time and variances that cannot be; the first fault is named by argument and index."""
    for events, total in (("events", "total"), ("events_control", "total_control")):
        if total in columns:
            check_counts(columns[events], columns[total], labels, names=(events, total))
    for events, time in (("events", "person_time"), ("events_control", "person_time_control")):
        if time in columns:
            check_whole(events, columns[events], labels)
            check_time(time, columns[time], labels)
    if "yi" in columns:
        for i in np.flatnonzero(columns["vi"] <= 0):
            raise ArgumentError(f"vi[{i}]={columns['vi'][i]:g} must be above zero: it is a sampling variance.")
        for name in ("yi", "vi"):
            for i in np.flatnonzero(np.abs(columns[name]) > 1e30):
                raise ArgumentError(f"{name}[{i}]={columns[name][i]:g} is too large to be computed with. Fix: rescale the effects.")
        for i in np.flatnonzero(columns["vi"] < 1e-30):
            raise ArgumentError(f"vi[{i}]={columns['vi'][i]:g} is too small to be computed with. Fix: rescale the effects.")


def check_time(name: str, values: Array, labels: Sequence[str] | None = None) -> None:
    """Person-time above zero and of a size that can be computed with."""
    for i in np.flatnonzero(values <= 0):
        raise ArgumentError(f"{name}[{i}]={values[i]:g}{_at(labels, i)} must be above zero: a study without person-time has no rate.")
    for i in np.flatnonzero((values > 1e15) | (values < 1e-15)):
        raise ArgumentError(f"{name}[{i}]={values[i]:g}{_at(labels, i)} cannot be computed with. Fix: change its unit.")


#: Studies that a message or a note names.
_MOST_NAMED = 50


def _gap_error(gaps: Mapping[str, Mapping[int, object]], named: bool, labels: Sequence[str], skips: bool) -> ArgumentError:
    """The error that names every missing value, its study and what can be done."""
    places = sorted((i, name) for name, found in gaps.items() for i in found)
    shown = [f"{name}[{i}]={as_given(gaps[name][i])}{_at(labels if named else None, i)}" for i, name in places]
    one = len(places) == 1
    what = "the study" if len({i for i, _ in places}) == 1 else "these studies"
    way = " with missing='skip'" if skips else ""
    return ArgumentError(
        f"{listing(shown, _MOST_NAMED)} {'is' if one else 'are'} missing. "
        f"Fix: fill in the number{'' if one else 's'}, or leave {what} out{way}."
    )


def _check_sums(labels: Sequence[str], named: bool, columns: Mapping[str, Array], extra: pd.DataFrame | None) -> tuple[str, ...]:
    """Refuse a row that is called a sum, and note one that has the sums of the others under the name of a study."""
    added = sums_of_others([values for name, values in columns.items() if name not in ("yi", "vi")]) if "yi" not in columns else []
    for i, label in enumerate(labels) if named else ():
        if names_sum(label):
            what = "has the sums of the other rows" if i in added else "is the name of a sum of other rows"
            raise ArgumentError(
                f"study[{i}]={as_given(label)} {what}, so that patients would count twice. "
                "Fix: leave the row out, or rename the study if it is one."
            )
    notes = []
    for i in added:
        texts = () if extra is None else (item for item in extra.iloc[i].tolist() if isinstance(item, str))
        if (word := next((text for text in texts if names_sum(text)), None)) is not None:
            raise ArgumentError(
                f"Row {i} of data ({as_given(word)}) has the sums of the other rows, so that patients would count twice. "
                "Fix: leave the row out."
            )
        if len(labels) > 3:
            notes.append(f"{visible(shorten(labels[i], 40))} has exactly the sums of the other studies. Check that it is a study.")
    return tuple(notes)


def read_studies(
    data: pd.DataFrame | None,
    given: Mapping[str, object],
    *,
    study: object,
    arguments: Sequence[str],
    takes: str,
    missing: str | None = None,
    skips: bool = False,
) -> Studies:
    """Check the data arguments of `pool`: `arguments` are those that `takes`, the name of the measure, needs.

    ``missing="skip"`` leaves studies without one of the numbers out; `skips` says whether the caller can be asked for it.
    """
    gaps: dict[str, dict[int, object]] = {}
    columns = read_columns(data, given, arguments, takes, gaps)
    if study is None and data is not None:
        study = study_column(data)
    found_study = resolve(data, "study", study)
    if found_study is not None and not is_sequence(found_study):
        raise ArgumentError(f"study={as_given(found_study)} must be a column of data or a sequence of names.")
    same_length(**columns, study=found_study)
    labels, notes = _labels(found_study, len(columns[arguments[0]]))
    extra = None if data is None else data.reset_index(drop=True)
    named = found_study is not None
    if any(gaps.values()):
        if missing is None:
            raise _gap_error(gaps, named, labels, skips)
        gone = sorted({i for found in gaps.values() for i in found})
        if len(gone) == len(labels):
            raise ArgumentError(
                f"No study has {listed(arguments)}. Fix: check that the columns are those that were meant, or leave these rows out."
            )
        keep = np.ones(len(labels), dtype=bool)
        keep[gone] = False
        columns = {name: values[keep] for name, values in columns.items()}
        extra = None if extra is None else extra.iloc[np.flatnonzero(keep)].reset_index(drop=True)
        out = listing((shorten(labels[i], 40) for i in gone), _MOST_NAMED)
        notes = (*notes, f"{plural(len(gone), 'study', 'studies')} left out, because a number is missing: {out}.")
        labels = tuple(label for label, kept in zip(labels, keep.tolist(), strict=True) if kept)
    check_columns(columns, labels)
    if taken := [f"{name} is {value!s}" for name, value in given.items() if isinstance(value, FoundName) and name in columns]:
        notes = (*notes, f"Columns found by what they are called: {listed(taken)}.")
    notes = (*notes, *_check_sums(labels, named, columns, extra))
    if extra is not None and (studies := count_studies(extra)) < len(labels):
        several = f"{len(labels)} arms of {plural(studies, 'study', 'studies')}"
        notes = (*notes, f"{several}: arms of one study are pooled as if they were independent studies.")
    controls = [name for name in ("events_control", "total_control") if extra is not None and name in extra.columns]
    if len(controls) == 2 and "events" in columns and "events_control" not in columns:
        notes = (
            *notes,
            "data has columns events_control and total_control, which were not used: one group was pooled. To compare the groups "
            "name them, or name a measure of two groups.",
        )
    return Studies(labels, columns, extra, notes)


def _numeric(name: str, values: object) -> Array:
    """An array of floats in which a masked place is NaN; texts, truth values and complex numbers are refused."""
    try:
        found: Any = np.ma.asanyarray(values)
    except ValueError:
        raise ArgumentError(f"{name} must be a two-dimensional array of numbers [analyses, studies].") from None
    if found.dtype.kind not in "iuf" or found.ndim != 2:
        raise ArgumentError(f"{name} must be a two-dimensional array of numbers [analyses, studies].")
    return np.asarray(np.ma.filled(found.astype(np.float64), np.nan), dtype=np.float64)


def read_arrays(given: Mapping[str, object], arguments: Sequence[str], takes: str) -> Data:
    """Equal shapes, NaN in every array where a study is absent."""
    for name, value in given.items():
        if value is not None and name not in arguments:
            raise ArgumentError(f"{name} does not go with {takes}, which takes {listed(arguments)}.")
        if value is None and name in arguments:
            raise ArgumentError(f"{name} is missing; {takes} takes {listed(arguments)}.")
    columns = {name: _numeric(name, given[name]) for name in arguments}
    columns = {name: whole_within_rounding(values) if name in _COUNTS else values for name, values in columns.items()}
    if len({values.shape for values in columns.values()}) > 1:
        shapes = ", ".join(f"{name} {values.shape}" for name, values in columns.items())
        raise ArgumentError(f"The arrays differ in shape ({shapes}). Fix: equal shapes [analyses, studies].")
    first = arguments[0]
    gone = np.isnan(columns[first])
    for name in arguments[1:]:
        other = np.isnan(columns[name])
        if not np.array_equal(gone, other):
            row, column = np.argwhere(gone != other)[0]
            raise ArgumentError(f"{first}[{row}, {column}] and {name}[{row}, {column}]: one is missing, the other is not.")
    for name, values in columns.items():
        _check(name, values, gone)
        if gone.any():
            columns[name] = np.where(gone, np.inf if name == "vi" else 0.0, values)
    for events, total in (("events", "total"), ("events_control", "total_control")):
        if total in columns and (above := columns[events] > columns[total]).any():
            row, column = np.argwhere(above)[0]
            most = columns[total][row, column]
            raise ArgumentError(
                f"{events}[{row}, {column}]={columns[events][row, column]:g} is more than {total}[{row}, {column}]={most:g}."
            )
    return Data(columns)


def _check(name: str, values: Array, gone: NDArray[np.bool_]) -> None:
    """The values of one argument where a study is present."""
    if name == "yi":
        wrong, what = ~(np.abs(values) <= 1e30), "is no effect that can be computed with"
    elif name == "vi":
        wrong, what = (~((values >= 1e-30) & (values <= 1e30)), "must be above zero, and of a size that can be computed with")
    elif name.startswith("person_time"):
        wrong, what = ~((values >= 1e-15) & (values <= 1e15)), "is no person-time that can be computed with"
    else:
        least = 1 if name.startswith("total") else 0
        wrong = ~((values >= least) & (values <= LARGEST) & (values == np.round(values)))
        what = "is not a count" if least == 0 else "is not a number of patients; mark an absent study by NaN in every array"
    wrong &= ~gone
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ArgumentError(f"{name}[{row}, {column}]={values[row, column]:g} {what}.")
