"""`pool`, `pool_many` and `pool_arrays`: three doors to the same batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metanet.effects.study_intervals import clopper_pearson
from metanet.errors import ArgumentError, nearest, shorten
from metanet.kernels.quantiles import two_sided_z
from metanet.models import batch as batches
from metanet.models.batch import Batch
from metanet.models.inputs import Studies, read_arrays, read_studies
from metanet.models.notes import notes_for
from metanet.models.options import Options, check_options
from metanet.models.results import NUMBERS as _NUMBERS
from metanet.models.results import Pooled
from metanet.models.stamp import stamp

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

#: Columns of the data that stand in the frame of studies already.
_STUDY_COLUMNS = ("study", "events", "total", "yi", "vi")
_PER_STUDY = ("weights", "shrunken")
_INTERNAL = ("status", "common_se", "corrected", "nodes", "empty_tau2", "unsettled")


def pool(
    data: pd.DataFrame | None = None,
    *,
    events: str | Sequence[float] | ArrayLike | None = None,
    total: str | Sequence[float] | ArrayLike | None = None,
    events_control: object = None,
    total_control: object = None,
    yi: str | Sequence[float] | ArrayLike | None = None,
    vi: str | Sequence[float] | ArrayLike | None = None,
    study: str | Sequence[str] | None = None,
    measure: str | None = None,
    model: str | None = None,
    tau2: str = "REML",
    ci: str | None = None,
    prediction: str | None = "HTS",
    level: float = 0.95,
    preset: str | None = None,
) -> Pooled:
    """Pool the rates of several studies.

    Parameters
    ----------
    data
        A frame with one row for each study; the arguments below then name its columns. Columns called `events`,
        `total` and `study` are found without being named.
    events, total
        Events and patients of each study: column names, or sequences of length k.
    yi, vi
        Effects and sampling variances, instead of counts (``measure="GEN"``).
    study
        Names of the studies; equal names are kept apart by a number.
    measure
        "PLO" (logit of the proportion; the default for counts) or "GEN" (the default for `yi` and `vi`).
    model
        "glmm" (exact binomial likelihood with a normal random effect on the logit; the default for counts) or
        "inverse_variance" (two steps; the default for `yi` and `vi`).
    tau2
        Estimator of the inverse-variance model: "REML", "DL" or "PM". The GLMM is fitted by maximum likelihood.
    ci
        Interval of the mean. GLMM: "t" (default), "z" or "profile"; inverse variance: "HK" (default) or "z".
    prediction
        "HTS" (t with k - 2 degrees of freedom) or None.
    level
        Coverage of every interval, as a fraction.
    events_control, total_control, preset
        Two groups and the defaults of other programs; not available in this version, and refused.

    Returns
    -------
    Pooled
        The result. One study, no events, only events and data without a finite estimate are answered, not refused:
        see its `status` and `notes`.

    Raises
    ------
    ArgumentError
        An argument that cannot be used; the message names it, the index and the mend.

    Notes
    -----
    The exact model comes first because two-step transformations fail where rates are near 0 % or 100 % and studies small: their
    corrections and estimated variances depend on the counts themselves (Lin and Chu 2020, doi:10.1097/EDE.0000000000001232).

    References
    ----------
    Stijnen, Hamza, Ozdemir (2010), doi:10.1002/sim.4040; Viechtbauer (2005), doi:10.3102/10769986030003261;
    Hartung, Knapp (2001), doi:10.1002/sim.791.

    Examples
    --------
    >>> import metanet as mn
    >>> fit = mn.pool(events=[117, 9, 17, 20], total=[168, 40, 33, 51])
    >>> round(fit.estimate, 3)
    0.461
    """
    for name, value in (("events_control", events_control), ("total_control", total_control), ("preset", preset)):
        if value is not None:
            raise ArgumentError(
                f"{name} is not available in this version: rates of one group only. Mend: leave it out."
            )
    options = _options(measure, model, tau2, ci, prediction, level, by_effect=yi is not None or vi is not None)
    studies = read_studies(data, events=events, total=total, yi=yi, vi=vi, study=study, measure=options.measure)
    fitted = _fit(
        None if studies.events is None else studies.events[None],
        None if studies.total is None else studies.total[None],
        None if studies.yi is None else studies.yi[None],
        None if studies.vi is None else studies.vi[None],
        options,
    )
    return pooled_from_row(fitted, 0, studies, options)


def _options(
    measure: object, model: object, tau2: object, ci: object, prediction: object, level: object, *, by_effect: bool
) -> Options:
    if by_effect:
        measure, model = measure or "GEN", model or "inverse_variance"
    if measure == "GEN" and model is None:
        model = "inverse_variance"
    return check_options(
        model="glmm" if model is None else model, measure=measure, tau2=tau2, ci=ci, prediction=prediction, level=level
    )


def _fit(events: Array | None, total: Array | None, yi: Array | None, vi: Array | None, options: Options) -> Batch:
    """The one way from arrays ``[b, k]`` to numbers."""
    if yi is not None and vi is not None:
        return batches.pool_effects(yi, vi, options)
    assert events is not None  # read_studies gives either counts or effects
    assert total is not None
    return batches.pool_counts(events, total, options)


def _row(fitted: Batch, index: int) -> dict[str, Any]:
    """One row of a batch as plain Python numbers."""
    names = [name for name in fitted.__dataclass_fields__ if name not in _PER_STUDY]
    return {name: getattr(fitted, name)[index].item() for name in names}


def _optional(value: float) -> float | None:
    return None if np.isnan(value) else value


def _numbers_of(row: dict[str, Any], options: Options) -> dict[str, Any]:
    """The fields of a result that are numbers or choices: absent quantities are None, counts are whole."""
    k = int(row["k"])
    counts = {name: None if np.isnan(row[name]) else int(row[name]) for name in ("n", "events", "q_df")}
    choices = {"status": row["status"], "model": options.model, "measure": options.measure, "level": options.level}
    others = {name: _optional(value) for name, value in row.items() if name not in (*_INTERNAL, "k", *counts)}
    return {**choices, **others, "k": k, **counts}


def pooled_from_row(fitted: Batch, index: int, studies: Studies, options: Options) -> Pooled:
    """The result object of one row of a batch; `studies` lists the row's studies without padding."""
    row = _row(fitted, index)
    present = ~np.isnan(fitted.weights[index])
    weights = fitted.weights[index][present] if present.any() else np.full(studies.k, np.nan)
    shrunken = fitted.shrunken[index][present] if present.any() else np.full(studies.k, np.nan)
    notes = [*notes_for(row, options), *studies.notes]
    method = stamp(
        options,
        status=row["status"],
        k=int(row["k"]),
        nodes=int(row["nodes"]),
        corrected=int(row["corrected"]),
        unsettled=row["unsettled"],
        notes=notes,
    )
    weights.setflags(write=False)
    return Pooled(
        method=method,
        _weights=weights,
        _studies=_study_frame(studies, weights, shrunken, options),
        **_numbers_of(row, options),
    )


def _study_frame(studies: Studies, weights: Array, shrunken: Array, options: Options) -> pd.DataFrame:
    """One row for each study: its own numbers, its weight, its shrunken value, then the columns of the data."""
    import pandas as pd

    columns: dict[str, Any] = {"study": list(studies.labels)}
    if studies.events is not None and studies.total is not None:
        lower, upper = clopper_pearson(studies.events, studies.total, options.level)
        columns |= {
            "events": studies.events.astype(np.int64),
            "total": studies.total.astype(np.int64),
            "rate": studies.events / studies.total,
        }
    else:
        assert studies.yi is not None
        assert studies.vi is not None
        half = two_sided_z(options.level) * np.sqrt(studies.vi)
        lower, upper = studies.yi - half, studies.yi + half
        columns |= {"yi": studies.yi, "vi": studies.vi}
    columns |= {"ci_lower": lower, "ci_upper": upper, "weight": weights, "shrunken": shrunken}
    frame = pd.DataFrame(columns)
    if studies.extra is not None:
        # Equal names keep their first column; a column that has the name of one of ours is kept under another.
        extra = studies.extra.loc[:, ~studies.extra.columns.duplicated()]
        others = extra[[c for c in extra.columns if c not in _STUDY_COLUMNS]]
        others = others.rename(columns={c: f"{c} (data)" for c in others.columns if c in frame.columns})
        frame = pd.concat([frame, others], axis=1)
    return frame


def pool_arrays(
    events: ArrayLike,
    total: ArrayLike,
    *,
    model: str | None = None,
    measure: str | None = None,
    tau2: str = "REML",
    ci: str | None = None,
    prediction: str | None = "HTS",
    level: float = 0.95,
) -> Batch:
    """Pool many sets of studies at once, for simulation.

    Parameters
    ----------
    events, total
        Counts ``[analyses, studies]``; NaN in both where a study is absent.
    model, measure, tau2, ci, prediction, level
        As in `pool`.

    Returns
    -------
    Batch
        Arrays ``[analyses]`` of every number (and ``[analyses, studies]`` of weights and shrunken rates); NaN where a
        quantity does not exist, for the reason in ``status``.
    """
    options = _options(measure, model, tau2, ci, prediction, level, by_effect=False)
    e, n = read_arrays(events, total)
    if options.measure == "GEN":
        raise ArgumentError("measure='GEN' takes effects; pool_arrays takes counts. Mend: measure='PLO'.")
    return batches.pool_counts(e, n, options)


def pool_many(
    data: pd.DataFrame,
    by: str | Sequence[str],
    *,
    events: str = "events",
    total: str = "total",
    study: str | None = None,
    model: str | None = None,
    measure: str | None = None,
    tau2: str = "REML",
    ci: str | None = None,
    prediction: str | None = "HTS",
    level: float = 0.95,
) -> pd.DataFrame:
    """Pool every group of a frame in one batch.

    Parameters
    ----------
    data
        One row for each study.
    by
        Column, or columns, that form the groups; they are kept in order of appearance.
    events, total, study
        Names of columns of `data`.
    model, measure, tau2, ci, prediction, level
        As in `pool`.

    Returns
    -------
    DataFrame
        One row for each group: the `by` columns, `status`, the numbers of `Pooled` under the same names, `notes`.

    Raises
    ------
    ArgumentError
        A column that is not there, or a count that is none; the message names the group.
    """
    import pandas as pd

    if not hasattr(data, "columns"):
        raise ArgumentError(f"data must be a pandas DataFrame, not {type(data).__name__}.")
    keys = [by] if isinstance(by, str) else list(by) if isinstance(by, Sequence) else []
    if not keys or not all(isinstance(key, str) for key in keys):
        raise ArgumentError(f"by={shorten(by)!r} must be the name of a column, or a list of names.")
    for key in keys:
        if key not in data.columns:
            near = nearest(key, [str(c) for c in data.columns])
            raise ArgumentError(
                f"by={shorten(key)!r} is not a column of data." + (f" Did you mean {near!r}?" if near else "")
            )
    own = {*_NUMBERS, "notes"}
    for key in keys:
        if key in own:
            raise ArgumentError(f"by={key!r} has the name of a column of the result. Mend: rename the column of data.")
        if data[key].ndim != 1 or any(isinstance(item, (list, dict, set)) for item in data[key]):
            raise ArgumentError(f"by={key!r} does not name one column of plain values.")
    options = _options(measure, model, tau2, ci, prediction, level, by_effect=False)
    if options.measure == "GEN":
        raise ArgumentError("measure='GEN' takes effects; pool_many takes counts. Mend: measure='PLO'.")
    groups: list[tuple[tuple[object, ...], Studies]] = []
    for name, part in data.groupby(keys, sort=False, dropna=False):
        label = name if isinstance(name, tuple) else (name,)
        try:
            found = read_studies(
                part, events=events, total=total, yi=None, vi=None, study=study, measure=options.measure
            )
        except ArgumentError as error:
            where = ", ".join(f"{key}={shorten(value)!r}" for key, value in zip(keys, label, strict=True))
            raise ArgumentError(f"In the group {where}: {error}") from None
        groups.append((label, found))
    if not groups:
        raise ArgumentError("data has no rows: there is no group to pool.")
    width = max(found.k for _, found in groups)
    e, n = np.zeros((len(groups), width)), np.zeros((len(groups), width))
    for i, (_, found) in enumerate(groups):
        assert found.events is not None
        assert found.total is not None
        e[i, : found.k], n[i, : found.k] = found.events, found.total
    fitted = _fit(e, n, None, None, options)
    rows = []
    for i, (label, found) in enumerate(groups):
        row = _row(fitted, i)
        numbers = _numbers_of(row, options)
        numbers["tau"] = None if numbers["tau2"] is None else float(np.sqrt(numbers["tau2"]))
        notes = " ".join([*notes_for(row, options), *found.notes])
        rows.append(
            {**dict(zip(keys, label, strict=True)), **{name: numbers[name] for name in _NUMBERS}, "notes": notes}
        )
    return pd.DataFrame(rows)
