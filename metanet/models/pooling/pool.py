"""`pool`, `pool_many` and `pool_arrays`: three doors to the same batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from metanet.base.arguments import checked, choice, whole
from metanet.base.errors import ArgumentError, as_given, check_choice, no_column
from metanet.base.groups import categories_of, read_groups
from metanet.effects.measures import MEASURES
from metanet.evidence.sources import Rates, is_result, rates_of
from metanet.models.options import Options, check_options, lean
from metanet.models.pooling.batch import PER_STUDY, Batch, Data, pool_batch
from metanet.models.pooling.inputs import Studies, found_names, gap_note, no_groups, read_arrays, read_studies
from metanet.models.pooling.uncorrected import with_uncorrected
from metanet.models.registry import MODELS
from metanet.models.results.method import notes_for, stamp
from metanet.models.results.pooled import NUMBERS as _NUMBERS, Pooled
from metanet.models.results.study_table import StudyTable

if TYPE_CHECKING:
    import pandas as pd


Column = str | Sequence[float] | ArrayLike | None

#: Fields of a batch that are no numbers of a result.
_INTERNAL = ("status", "common_se", "corrected", "dropped", "nodes", "empty_tau2", "unsettled", "fallback")
#: Choices of `pool` beside the data, with the defaults of its signature.
CHOICES = (
    "measure", "model", "tau2", "ci", "prediction", "level", "preset",
    "tau2_ci", "i2", "link", "study_interval", "add", "to", "drop00",
)  # fmt: skip
#: Those of them that are words.
_WORDS = ("measure", "model", "tau2", "ci", "prediction", "preset", "tau2_ci", "i2", "link", "study_interval", "to")
DATA_ARGUMENTS = ("events", "total", "events_control", "total_control", "person_time", "person_time_control", "yi", "vi")


@checked(missing=choice("skip"))
def pool(
    data: Rates | None = None,
    events: Column = None,
    total: Column = None,
    *,
    events_control: Column = None,
    total_control: Column = None,
    person_time: Column = None,
    person_time_control: Column = None,
    yi: Column = None,
    vi: Column = None,
    study: str | Sequence[str] | None = None,
    measure: str | None = None,
    model: str | None = None,
    tau2: str | None = None,
    ci: str | None = None,
    prediction: str | None = "default",
    level: float = 0.95,
    preset: str | None = None,
    tau2_ci: str | None = None,
    i2: str | None = None,
    link: str | None = None,
    study_interval: str | None = None,
    add: float | None = None,
    to: str | None = None,
    drop00: bool | None = None,
    missing: str | None = None,
) -> Pooled:
    """Pool the rates of several studies.

    Parameters
    ----------
    data
        A frame with one row for each study, the evidence of one outcome (from `read`), or a result, whose rows are pooled again; the
        arguments below then name columns. Columns that bear the name of an argument are found without being named: counts, else events
        and person-time, else effects and variances.
    events, total
        Events and patients of each study, or of its treated group: column names, or sequences of length k.
    events_control, total_control
        Events and patients of its control group: two groups are compared.
    person_time, person_time_control
        Person-time at risk instead of patients: incidence rates, per unit of that time.
    yi, vi
        Effects and sampling variances, instead of counts (``measure="GEN"``).
    study
        Names of the studies; equal names are kept apart by a number.
    measure
        One group: "PLO" logit (default), "PR" raw, "PLN" log, "PAS" arcsine, "PFT" Freeman-Tukey. Two groups: "OR" (default),
        "RR", "RD", "AS", "PETO". Person-time: "IRLN" (default), "IR", "IRS", "IRFT"; two groups "IRR" (default), "IRD". Effects:
        "GEN".
    model
        One group: "bayes" (default: the posterior of the exact binomial or Poisson likelihood with a normal random effect, under the
        weakly informative priors of the Notes), "glmm" (its maximum) or "beta_binomial". Two groups have "bayes" for the odds
        ratio. Any data: "inverse_variance" (two steps; the default for two groups and effects) or "common". Two groups:
        "mantel_haenszel", "mantel_haenszel_random" (inverse-variance weights, tau2 about the Mantel-Haenszel estimate), "peto", and
        the exact random-effects models "UM.FS", "UM.RS", "CM.EL", "CM.AL". A measure other than the logit implies
        "inverse_variance".
    tau2
        Estimator of the inverse-variance model: "REML" (default), "DL", "PM", "ML", "SJ", "HS", "HSk", "HE", "EB". Exact models are
        fitted by maximum likelihood, "bayes" has its posterior median.
    ci
        Interval of the mean. "bayes": "credible". Maximum likelihood: "t" (default), "z" or "profile"; inverse variance: "HK"
        (default), "z", "t", "HK-adhoc", "KR", or "profile" (with ``tau2="ML"``); common effect: "z".
    prediction
        "HTS" (t with k - 2 degrees of freedom), "V" (k - 1), "HK", "KR", "bootstrap", "z", or None for none. "bayes": "posterior" or
        None; other exact models: "HTS", "V" or "z"; beta-binomial: "HTS". "default" is that of the preset, or the first of the model.
    level
        Coverage of every interval, as a fraction.
    preset
        "metafor", "meta", "revman" (RevMan since 2025) or "revman5" (RevMan 5): that program's defaults for every choice that is not
        named, and its rule for empty cells.
    tau2_ci
        Inverse variance: "Q-profile" (default), "profile" (of the likelihood that estimates tau2) or "Jackson" (generalised Q).
    i2
        Definition of I2 and H2: from "tau2" (default) or from "Q".
    link
        GLMM of proportions: "logit" (default), "probit" or "cloglog"; tau2 is then on that scale.
    study_interval
        Interval of a single proportion: "Clopper-Pearson" (default), "Wilson", "Agresti-Coull", "Jeffreys" or "normal".
    add, to, drop00
        Zero-cell rules of two-step models, as in `effect_sizes`; 0.5, "only0" and False when left out.
    missing
        "skip" leaves studies without one of the numbers out and names them in a note; by default they are an error that names them.
        None, NaN and texts such as "NA", "NR" or "-" are missing.

    Returns
    -------
    Pooled
        The result. One study, no events, only events and data without a finite estimate are answered, not refused:
        see its `status` and `notes`.

    Raises
    ------
    ArgumentError
        An argument that cannot be used; the message names it, the index and the fix.

    Notes
    -----
    The priors of "bayes" are tau ~ half-normal(1.25) and mu ~ normal(0, 2.5) on the logit scale, with scales that say the same of
    rates about 50 % for the probit (0.78, 1.57) and the complementary log-log (0.9, 1.8); half-normal(1.25) on the logarithm of an
    incidence rate, whose mean is normal about one event in the mean person-time of a study, with standard deviation 5; and
    half-normal(0.5) on a log odds ratio, whose mean is normal(0, 2.5). Estimates are posterior medians, intervals have equal tails.
    With two to four studies the interval of the mean by maximum likelihood says little, and from four studies on its prediction
    interval can contain much less than it says; the page on methods has the simulation that the choice rests on.

    The exact model comes first because two-step transformations fail where rates are near 0 % or 100 % and studies small: their
    corrections and estimated variances depend on the counts themselves (Lin and Chu 2020, doi:10.1097/EDE.0000000000001232).

    References
    ----------
    Stijnen, Hamza, Ozdemir (2010), doi:10.1002/sim.4040; Jackson, Law, Stijnen, Viechtbauer, White (2018), doi:10.1002/sim.7588;
    Viechtbauer (2005), doi:10.3102/10769986030003261; Hartung, Knapp (2001), doi:10.1002/sim.791. The method stamp of a result
    lists the sources of what it used.

    Examples
    --------
    >>> import metanet as mn
    >>> fit = mn.pool(events=[117, 9, 17, 20], total=[168, 40, 33, 51])
    >>> round(fit.estimate, 3)
    0.461
    """
    arguments = {name: value for name, value in locals().items() if name in DATA_ARGUMENTS}
    frame = None if data is None else rates_of(data)
    given = with_columns(with_control(arguments, data, frame, measure), frame, measure)
    options = options_for(given, {name: value for name, value in locals().items() if name in CHOICES})
    studies = read_studies(frame, given, study=study, **takes_of(options), missing=missing, skips=True)
    return with_uncorrected(pool_studies(studies, options), studies, options, pool_studies)


def pool_studies(studies: Studies, options: Options) -> Pooled:
    """The result of studies that are read and choices that are checked."""
    return pooled_from_row(pool_batch(studies.data(), options), 0, studies, options)


def with_control(given: Mapping[str, object], data: object, frame: object, measure: str | None) -> dict[str, object]:
    """`given` with the control group of evidence or of a result, which is there because its maker named it.

    In a frame such columns are noted and not used, because nobody said that they are to be compared.
    """
    control = ("events_control", "total_control")
    one = measure is not None and measure in MEASURES and MEASURES[measure].groups == 1
    named = any(value is not None for value in given.values())
    if data is frame or named or one or not set(control) <= set(getattr(frame, "columns", ())):
        return dict(given)
    return {**given, **{name: name for name in control}}


def inherited(data: object, choices: Mapping[str, Any], models: Sequence[str]) -> dict[str, Any]:
    """`choices` with the model, the measure and the level of a result that is given as data, where none is named.

    A model that is not one of `models` is not taken over: the caller's own default then is.
    """
    if not is_result(data) or any(choices.get(name) is not None for name in ("model", "measure", "preset")):
        return dict(choices)
    fit: Any = data
    own = {"level": fit.level} if choices.get("level") in (None, 0.95) else {}
    return {**choices, **own, **({"model": fit.model, "measure": fit.measure} if fit.model in models else {})}


def with_columns(given: Mapping[str, object], data: object, measure: object) -> dict[str, object]:
    """`given` with the columns of `data` that decide its kind, where neither the arguments nor `measure` do.

    Counts come first: a frame of counts may hold their effects as well. Without counts it holds person-time or effects.
    """
    named = {name: value for name, value in given.items() if value is not None}
    columns = set(getattr(data, "columns", ()))
    if columns and not named.keys() - {"events", "total"} and not {"yi", "vi"} <= columns and "person_time" not in columns:
        found = found_names(data, given)  # type: ignore[arg-type]
        one = measure in MEASURES and MEASURES[str(measure)].groups == 1
        given = {**given, **{name: column for name, column in found.items() if not (one and name.endswith("_control"))}}
        if found:
            return dict(given)
    if measure is not None or named.keys() - {"events"} or not columns:
        return dict(given)
    counts = "events" in named or "events" in columns
    if counts and "total" in columns:
        return dict(given)
    kind = {"person_time"} if counts else {"yi", "vi"}
    return {**given, **{name: name for name in kind if kind <= columns}}


def options_for(given: Mapping[str, object], choices: Mapping[str, object]) -> Options:
    """Check the choices for the kind of data that was given."""
    for name in _WORDS:
        value = choices.get(name)
        if value is not None and not isinstance(value, str):
            raise ArgumentError(f"{name}={as_given(value)} must be a word, such as those in the documentation of pool.")
    measure, model = choices.get("measure"), choices.get("model")
    known = MEASURES.get(measure) if isinstance(measure, str) else None
    if measure is not None and known is None and measure != "GEN":
        check_choice("measure", measure, (*MEASURES, "GEN"))
    named = {name for name, value in given.items() if value is not None}
    two = (isinstance(model, str) and model in MODELS and MODELS[model].groups == 2) or bool(
        named & {n for n in DATA_ARGUMENTS if n.endswith("_control")}
    )
    return check_options(
        **choices,
        groups=known.groups if known else 2 if two else 1,
        by_effect=measure == "GEN" or (known is None and bool(named & {"yi", "vi"})),
        timed=known.data == "person_time" if known else any(name.startswith("person_time") for name in named),
    )


def takes_of(options: Options) -> dict[str, Any]:
    """What the measure needs, and the name of the measure."""
    arguments = ("yi", "vi") if options.measure == "GEN" else MEASURES[options.measure].arguments
    return {"arguments": arguments, "takes": f"measure={options.measure!r}"}


def _row(fitted: Batch, index: int) -> dict[str, Any]:
    """One row of a batch as plain Python numbers."""
    names = [name for name in fitted.__dataclass_fields__ if name not in PER_STUDY]
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
    weights, shrunken = fitted.weights[index][: studies.k].copy(), fitted.shrunken[index][: studies.k].copy()
    notes = [*notes_for(row, options), *studies.notes]
    method = stamp(
        options,
        status=row["status"],
        k=int(row["k"]),
        nodes=int(row["nodes"]),
        corrected=int(row["corrected"]),
        dropped=int(row["dropped"]),
        unsettled=row["unsettled"],
        notes=notes,
    )
    weights.setflags(write=False)
    return Pooled(method=method, _weights=weights, _table=StudyTable(studies, weights, shrunken, options), **_numbers_of(row, options))


@checked(threads=whole(1), want=choice("all", "estimate"))
def pool_arrays(
    events: ArrayLike | None = None,
    total: ArrayLike | None = None,
    *,
    events_control: ArrayLike | None = None,
    total_control: ArrayLike | None = None,
    person_time: ArrayLike | None = None,
    person_time_control: ArrayLike | None = None,
    yi: ArrayLike | None = None,
    vi: ArrayLike | None = None,
    threads: int = 1,
    want: str = "all",
    **choices: Any,
) -> Batch:
    """Pool many sets of studies at once, for simulation.

    Parameters
    ----------
    events, total, events_control, total_control, person_time, person_time_control, yi, vi
        Arrays ``[analyses, studies]`` of what the measure needs; NaN in every one of them where a study is absent.
    threads
        Pieces of the batch run side by side on so many threads.
    want
        "all" numbers, or the "estimate" with its interval and tau2 alone: a random-effects model is then fitted without the interval
        of tau2, prediction and population-averaged rate, which are NaN, in half the time.
    **choices
        measure, model, tau2, ci, prediction and every other choice of `pool`, with its defaults.

    Returns
    -------
    Batch
        Arrays ``[analyses]`` of every number (and ``[analyses, studies]`` of weights and shrunken rates); NaN where a
        quantity does not exist, for the reason in ``status``. They are the numbers that `pool` gives for each row.

    Raises
    ------
    ArgumentError
        A choice that is not known, or a value that cannot be, by row and column.
    """
    given = {name: value for name, value in locals().items() if name in DATA_ARGUMENTS}
    _check_names(choices, "pool_arrays")
    options = options_for(given, choices)
    asked = options if want == "all" or options.tau2 is None else lean(options)
    return pool_batch(read_arrays(given, **takes_of(options)), asked, threads=threads)


def _check_names(choices: Mapping[str, object], where: str) -> None:
    """Refuse a choice that does not exist, as Python would, but with the nearest known."""
    for name in choices:
        check_choice("argument", name, (*CHOICES, *DATA_ARGUMENTS), where=f"to {where}")


@checked(threads=whole(1), missing=choice("skip"))
def pool_many(
    data: Rates, by: str | Sequence[str], *, study: str | None = None, threads: int = 1, missing: str | None = None, **choices: Any
) -> pd.DataFrame:
    """Pool every group of a frame in one batch.

    Parameters
    ----------
    data
        One row for each study, in a form that `pool` takes.
    by
        Column, or columns, that form the groups, in the order of `compare`: by the categories of a pandas Categorical, by size for
        numbers and for names that differ only in a number, else by appearance. Rows without a value are left out, with a note.
    study
        Column of the names of the studies.
    threads
        As in `pool_arrays`.
    missing
        As in `pool`; the note of a group names its studies.
    **choices
        events, total and the other data arguments of `pool` as names of columns, and every choice of `pool`.

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

    rows = rates_of(data)
    keys = _keys(rows, by)
    _check_names(choices, "pool_many")
    measure: Any = choices.get("measure")
    named = {name: choices.pop(name, None) for name in DATA_ARGUMENTS}
    given = with_columns(with_control(named, data, rows, measure), rows, measure)
    options = options_for(given, choices)
    groups: list[tuple[tuple[object, ...], Studies]] = []
    frame = rows.reset_index(drop=True)
    if not len(frame):
        raise ArgumentError("data has no rows. Fix: give at least one.")
    columns = [read_groups(frame[key]) for key in keys]
    for key, column in zip(keys, columns, strict=True):
        if not column.names:
            raise no_groups(key)
    members: dict[tuple[int, ...], list[int]] = {}
    gaps: list[str] = []
    for key, column in zip(keys, columns, strict=True):
        gaps += gap_note(frame, column.gaps, key)
    for at, places in enumerate(zip(*(column.place for column in columns), strict=True)):
        if min(places) >= 0:
            members.setdefault(places, []).append(at)
    if not members:
        raise ArgumentError(f"by={as_given(by)}: no row has a value in every column, so there are no groups. Fix: name fewer columns.")
    for places in sorted(members):
        label = tuple(column.values[place] for column, place in zip(columns, places, strict=True))
        part = frame.iloc[members[places]]
        try:
            found = read_studies(part, given, study=study, **takes_of(options), missing=missing, skips=True)
        except ArgumentError as error:
            where = ", ".join(f"{key}={as_given(value)}" for key, value in zip(keys, label, strict=True))
            raise ArgumentError(f"In the group {where}: {error}") from None
        groups.append((label, found))
    fitted = pool_batch(pad([found for _, found in groups]), options, threads=threads)
    made = []
    for i, (label, found) in enumerate(groups):
        row = _row(fitted, i)
        numbers = _numbers_of(row, options)
        numbers["tau"] = None if numbers["tau2"] is None else float(np.sqrt(numbers["tau2"]))
        numbers["log_evidence"] = numbers["loglik"] if options.model == "bayes" else None
        numbers["loglik"] = None if options.model == "bayes" else numbers["loglik"]
        notes = " ".join([*notes_for(row, options), *found.notes, *gaps])
        made.append({**dict(zip(keys, label, strict=True)), **{name: numbers[name] for name in _NUMBERS}, "notes": notes})
    out = pd.DataFrame(made)
    for key, column in zip(keys, columns, strict=True):
        if categories_of(frame[key]) is not None:
            ordered = frame[key].cat.ordered
            out[key] = pd.Categorical(out[key], categories=list(column.values), ordered=ordered)
    out.attrs["notes"] = gaps
    return out


def _keys(data: pd.DataFrame, by: object) -> list[str]:
    """The columns that form the groups, checked."""
    keys = [by] if isinstance(by, str) else list(by) if isinstance(by, Sequence) else []
    if not keys or not all(isinstance(key, str) for key in keys):
        raise ArgumentError(f"by={as_given(by)} must be the name of a column, or a list of names.")
    for key in keys:
        if key not in data.columns:
            raise no_column("by", key, data.columns)
        if key in {*_NUMBERS, "notes"}:
            raise ArgumentError(f"by={key!r} has the name of a column of the result. Fix: rename the column of data.")
        if data[key].ndim != 1 or any(isinstance(item, (list, dict, set, np.ndarray)) for item in data[key]):
            raise ArgumentError(f"by={key!r} does not name one column of plain values.")
    return keys


def pad(groups: Sequence[Studies]) -> Data:
    """The studies of several analyses as one batch."""
    width = max(found.k for found in groups)
    columns = {}
    for name in groups[0].columns:
        columns[name] = np.full((len(groups), width), np.inf if name == "vi" else 0.0)
        for i, found in enumerate(groups):
            columns[name][i, : found.k] = found.columns[name]
    return Data(columns)
