"""Arguments of `network` to the arms of its studies, checked: names, counts or contrasts, allocation, and what is left out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arrays import Array, Indices
from metanet.base.errors import ArgumentError, as_given, no_column, shorten
from metanet.base.groups import absent, name_of, read_groups
from metanet.base.untrusted import counted, listing, visible
from metanet.kernels.network.contrasts import InconsistentError, arms_of
from metanet.models.comparison.within_studies import RANDOMISED
from metanet.models.pooling.inputs import check_columns, check_frame, is_sequence, read_columns, resolve, same_length

if TYPE_CHECKING:
    import pandas as pd

#: Most treatments of one network: the matrix of their contrasts grows with the square.
MOST_TREATMENTS = 500
_BRACKETS = re.compile(r"\s*\([^()]*\)$")
#: Names that a note lists.
_NAMED = 12


@dataclass(frozen=True, eq=False)
class Cells:
    """One row for each treatment of each study.

    Attributes
    ----------
    studies, treatments
        Names, in the order of the data.
    study, treatment
        Place of each row among them, ``[rows]``.
    events, total
        Counts, ``[rows]``; NaN with contrasts.
    effect, variance
        Arm effects of contrasts, ``[rows]``; NaN with counts.
    allocation
        Of each study whether patients were allocated at random; None where it is not stated.
    about
        Of each study its first row of data; None without data.
    left_out
        Studies that compare nothing, with the reason.
    notes
        What a reader has to know.
    """

    studies: tuple[str, ...]
    treatments: tuple[str, ...]
    study: Indices
    treatment: Indices
    events: Array
    total: Array
    effect: Array
    variance: Array
    allocation: tuple[bool | None, ...]
    about: pd.DataFrame | None
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def padded(self, values: Array) -> Array:
        """Values of the rows by study and arm, ``[s, K]``; NaN where an arm is absent."""
        counts = np.bincount(self.study, minlength=len(self.studies))
        order = np.argsort(self.study, kind="stable")
        place = np.arange(order.size) - np.repeat(np.cumsum(counts) - counts, counts)
        out = np.full((len(self.studies), int(counts.max(initial=1))), np.nan)
        out[self.study[order], place] = values[order]
        return out

    def only(self, studies: Sequence[int]) -> Cells:
        """Some of the studies; treatments that none of them has are dropped."""
        kept = np.array(studies, dtype=np.intp)
        rows = np.isin(self.study, kept)
        names = np.unique(self.treatment[rows])
        fields = {name: getattr(self, name)[rows] for name in ("events", "total", "effect", "variance")}
        return Cells(
            tuple(self.studies[i] for i in kept),
            tuple(self.treatments[i] for i in names),
            np.searchsorted(np.sort(kept), self.study[rows]),
            np.searchsorted(names, self.treatment[rows]),
            **fields,
            allocation=tuple(self.allocation[i] for i in kept),
            about=None if self.about is None else self.about.iloc[kept].reset_index(drop=True),
            left_out=self.left_out,
            notes=self.notes,
        )


def column_of(data: pd.DataFrame | None, argument: str, given: object, usual: Sequence[str]) -> list[Any]:
    """The values behind a column that is needed; without a name the first of the usual ones."""
    value: Any = given
    if value is None and data is not None:
        value = next((name for name in usual if name in data.columns), None)
        if value is None:
            raise no_column(argument, usual[-1], data.columns)
    found = resolve(data, argument, value)
    if found is None:
        raise ArgumentError(f"{argument} is missing: name a column of data, or give a sequence of names.")
    if not is_sequence(found):
        raise ArgumentError(f"{argument}={as_given(value)} must be a column of data or a sequence of names.")
    return found if hasattr(found, "dtype") else list(found)


def _names(argument: str, column: Any) -> tuple[tuple[str, ...], Indices]:
    """Different names in order, and the place of each row; gaps and names that only look alike are refused."""
    found = read_groups(column)
    if found.gaps:
        raise ArgumentError(f"{argument}[{found.gaps[0]}] is missing. Fix: fill in the name, or leave the row out.")
    alike: dict[str, str] = {}
    for name in found.names:
        key = "".join(unicodedata.normalize("NFKC", name).casefold().split())
        if key in alike:
            raise ArgumentError(
                f"{argument}: {as_given(alike[key])} and {as_given(name)} differ only in capitals or blanks, so that they would "
                "count as two. Fix: write them alike."
            )
        alike[key] = name
    return found.names, np.array(found.place, dtype=np.intp)


def _labels(data: pd.DataFrame | None, given: object, study: Indices, keys: tuple[str, ...]) -> tuple[str, ...]:
    """What the studies of evidence are called: the name of their arms without the arm in brackets, where no other study has it."""
    if data is None or given not in (None, "study_id") or not {"study", "study_id"} <= set(data.columns) or data["study"].ndim != 1:
        return keys
    names: list[set[str]] = [set() for _ in keys]
    for place, value in zip(study.tolist(), data["study"].tolist(), strict=True):
        names[place].add("" if absent(value) else _BRACKETS.sub("", name_of(value)))
    found = [next(iter(each)) if len(each) == 1 else "" for each in names]
    return tuple(name if name and found.count(name) == 1 and name not in keys else key for name, key in zip(found, keys, strict=True))


def _allocation(values: Sequence[Any] | None, study: Indices, names: Sequence[str]) -> tuple[bool | None, ...]:
    """Whether each study allocated at random: words of a design, or truth values; rows of a study that differ are refused."""
    out: list[bool | None] = [None] * len(names)
    for place, value in zip(study, values if values is not None else (), strict=values is not None):
        if absent(value):
            continue
        random = bool(value) if isinstance(value, (bool, np.bool_)) else name_of(value).casefold() in RANDOMISED
        if out[place] is not None and out[place] != random:
            raise ArgumentError(f"allocation: the rows of study {as_given(names[place])} differ. Fix: give each study one allocation.")
        out[place] = random
    return tuple(out)


def _about(data: pd.DataFrame | None, study: Indices, names: Sequence[str]) -> pd.DataFrame | None:
    """Of each study its first row, with the columns whose rows differ within a study marked in ``attrs["varies"]``."""
    if data is None:
        return None
    frame = data.reset_index(drop=True)
    first = [int(np.flatnonzero(study == place)[0]) for place in range(len(names))]
    about = frame.iloc[first].reset_index(drop=True)
    about.attrs = {"titles": frame.attrs.get("titles", {}), "varies": _varying(frame, study, names)}
    return about


def _varying(frame: pd.DataFrame, study: Indices, names: Sequence[str]) -> dict[str, str]:
    """Columns with several values in one study, and the first such study."""
    varies = {}
    for position, name in enumerate(frame.columns):
        seen: dict[int, str] = {}
        for place, value in zip(study.tolist(), frame.iloc[:, position].tolist(), strict=True):
            text = "" if absent(value) else name_of(value)
            if seen.setdefault(place, text) != text:
                varies[str(name)] = names[place]
                break
    return varies


def read_counts(
    data: pd.DataFrame | None, study: object, treatment: object, numbers: Mapping[str, object], allocation: object, measure: str
) -> Cells:
    """Arms with events and totals: arms of one treatment in a study are summed, studies with one treatment left out."""
    check_frame(data)
    found = read_columns(data, numbers, ("events", "total"), f"measure={measure!r}")
    columns = {
        "study": column_of(data, "study", study, ("study_id", "study")),
        "treatment": column_of(data, "treatment", treatment, ("treatment", "modality_class", "arm")),
        "allocation": _optional_column(data, allocation),
    }
    same_length(**found, **columns)
    studies, where = _names("study", columns["study"])
    studies = _labels(data, study, where, studies)
    treatments, what = _names("treatment", columns["treatment"])
    _check_number(treatments)
    check_columns(found, tuple(studies[i] for i in where))
    key = where * len(treatments) + what
    cells, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    order = np.argsort(first, kind="stable")
    notes = []
    if doubled := sorted({studies[cells[i] // len(treatments)] for i in np.flatnonzero(np.bincount(inverse) > 1)}, key=studies.index):
        notes.append(f"Arms of one treatment in one study were summed: {listing(map(_short, doubled), _NAMED)}.")
    events, total = (np.asarray(np.bincount(inverse, found[name]), dtype=np.float64)[order] for name in ("events", "total"))
    blank = np.full(order.size, np.nan)
    return _compared(
        Cells(
            studies,
            treatments,
            (cells // len(treatments))[order],
            (cells % len(treatments))[order],
            events,
            total,
            blank,
            blank,
            _allocation(columns["allocation"], where, studies),
            _about(data, where, studies),
            (),
            tuple(notes),
        )
    )


def read_contrasts(
    data: pd.DataFrame | None, study: object, treatment: object, control: object, numbers: Mapping[str, object], allocation: object
) -> Cells:
    """Contrasts of treatment against control with their variances: those of a study are made consistent, or refused."""
    check_frame(data)
    found = read_columns(data, numbers, ("yi", "vi"), "measure='GEN'")
    treated = list(column_of(data, "treatment", treatment, ("treatment",)))
    against = list(column_of(data, "control", control, ("control",)))
    columns = {
        "study": column_of(data, "study", study, ("study_id", "study")),
        "treatment": treated,
        "control": against,
        "allocation": _optional_column(data, allocation),
    }
    same_length(**found, **columns)
    studies, where = _names("study", columns["study"])
    both = [*treated, *against]
    treatments, what = _names("treatment or control", both)
    _check_number(treatments)
    check_columns(found, tuple(studies[i] for i in where))
    first, second = what[: where.size], what[where.size :]
    for row in np.flatnonzero(first == second):
        name = as_given(treatments[first[row]])
        raise ArgumentError(f"treatment[{row}] and control[{row}] are both {name} (study {as_given(studies[where[row]])}).")
    rows: list[tuple[int, int, float, float]] = []
    for place, name in enumerate(studies):
        own = np.flatnonzero(where == place)
        arms = sorted({*first[own].tolist(), *second[own].tolist()})
        pairs = [(arms.index(first[i]), arms.index(second[i])) for i in own]
        try:
            effect, variance = arms_of(len(arms), pairs, found["yi"][own], found["vi"][own])
        except InconsistentError as error:
            raise ArgumentError(
                f"study={as_given(name)}: {error}. Fix: give the contrast of every pair of its treatments (yi, vi) as computed from "
                "the arms, or the counts of the arms."
            ) from None
        rows += [(place, arm, e, v) for arm, e, v in zip(arms, effect.tolist(), variance.tolist(), strict=True)]
    study_of, treatment_of, effects, variances = (np.array(column) for column in zip(*rows, strict=True))
    blank = np.full(len(rows), np.nan)
    return _compared(
        Cells(
            studies,
            treatments,
            study_of,
            treatment_of,
            blank,
            blank,
            effects,
            variances,
            _allocation(columns["allocation"], where, studies),
            _about(data, where, studies),
            (),
            (),
        )
    )


def _optional_column(data: pd.DataFrame | None, allocation: object) -> list[Any] | None:
    if allocation is None:
        return None
    return list(column_of(data, "allocation", allocation, ("allocation",)))


def _check_number(treatments: Sequence[str]) -> None:
    if len(treatments) > MOST_TREATMENTS:
        raise ArgumentError(f"treatment has {len(treatments)} different names; at most {MOST_TREATMENTS} can be compared.")


def _short(name: str) -> str:
    return visible(shorten(name, 40))


def _compared(cells: Cells) -> Cells:
    """The studies that compare two treatments or more."""
    arms = np.bincount(cells.study, minlength=len(cells.studies))
    alone = np.flatnonzero(arms < 2)
    if not alone.size:
        return cells
    only = cells.only(np.flatnonzero(arms >= 2).tolist())
    names = [cells.studies[i] for i in alone]
    one = {int(cells.study[row]): cells.treatments[cells.treatment[row]] for row in range(cells.study.size)}
    gone = tuple((cells.studies[i], f"one treatment only ({one[int(i)]})") for i in alone)
    lost = [name for name in cells.treatments if name not in only.treatments]
    has = "study has one treatment only and compares", "studies have one treatment only and compare"
    note = f"{counted(len(names), *has)} nothing: {listing(map(_short, names), _NAMED)}."
    if lost:
        note += f" No study compares {listing(map(_short, lost), _NAMED)} with another treatment."
    return Cells(**{**vars(only), "left_out": gone, "notes": (*only.notes, note)})


def pairs_of(cells: Cells) -> dict[tuple[int, int], list[int]]:
    """Pairs of treatments that studies compare, and the places of those studies."""
    by: dict[int, list[int]] = {}
    for place, what in zip(cells.study.tolist(), cells.treatment.tolist(), strict=True):
        by.setdefault(place, []).append(what)
    out: dict[tuple[int, int], list[int]] = {}
    for place, arms in by.items():
        for first, second in combinations(sorted(arms), 2):
            out.setdefault((first, second), []).append(place)
    return dict(sorted(out.items()))
