"""A result pooled again: with other choices, without some studies, or with those that fit a condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.errors import ArgumentError, as_given, check_choice, nearest
from metanet.base.untrusted import listing
from metanet.evidence.selection import removed_by
from metanet.models.options import Options
from metanet.models.pooling.pool import CHOICES, options_for, pool

if TYPE_CHECKING:
    import pandas as pd

    from metanet.models.results.pooled import Pooled


def updated(fit: Pooled, without: str | Sequence[str] | None, choices: dict[str, Any]) -> Pooled:
    """`fit` with other choices of `pool`, and without some studies."""
    for name in choices:
        if name not in CHOICES:
            near = nearest(name, ("without", *CHOICES))
            meant = f" Did you mean {near!r}?" if near else ""
            raise ArgumentError(f"Pooled.update has no argument {name!r}.{meant} It takes without, {', '.join(CHOICES)}.")
    rows = fit.rates()
    if without is not None:
        rows = _without(rows, fit, without)
    return _pooled(fit, rows, choices)


def restricted(fit: Pooled, condition: object, names: Mapping[str, Any]) -> Pooled:
    """`fit` of the rows that fulfil a condition; `names` are the variables that it can name after @."""
    rows = fit.rates()
    keep = _mask(rows, condition, names)
    if not keep.any():
        raise ArgumentError(f"condition={as_given(condition)} is true of no study. Fix: choose one that some studies fulfil.")
    rule = f"by the condition {condition}" if isinstance(condition, str) else "by a condition given as values"
    return _pooled(fit, removed_by(rows, keep, rule), {})


def pooled_with(fit: Pooled, name: str, events: int, total: int) -> Pooled:
    """`fit` with one more study among those of its counts; other columns are not carried along."""
    columns = fit.inputs.columns
    counts: dict[str, Any] = {"events": [*columns["events"].tolist(), events], "total": [*columns["total"].tolist(), total]}
    return pool(**counts, study=[*fit.inputs.labels, name], **_kept(fit, {}))


def _without(rows: pd.DataFrame, fit: Pooled, without: str | Sequence[str]) -> pd.DataFrame:
    names = [without] if isinstance(without, str) else list(without)
    labels = list(fit.inputs.labels)
    for name in names:
        check_choice("without", name, labels)
    keep = np.array([label not in set(names) for label in labels])
    if not keep.any():
        raise ArgumentError("without names every study. Fix: keep at least one.")
    return removed_by(rows, keep, "by name")


def _mask(rows: pd.DataFrame, condition: object, names: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows fulfil the condition: an expression over the columns, a function of the frame, or a truth value for each row."""
    if isinstance(condition, str):
        found = _evaluated(rows, condition, names)
    elif callable(condition):
        found = condition(rows)
    else:
        found = condition
    values = np.asarray(found)
    if values.shape != (len(rows),) or values.dtype.kind not in "bO" or not all(value in (True, False) for value in values.tolist()):
        raise ArgumentError(
            f"condition={as_given(condition)} must give True or False for each of the {len(rows)} studies, such as 'year > 2010'."
        )
    return values.astype(bool)


def _evaluated(rows: pd.DataFrame, condition: str, names: Mapping[str, Any]) -> Any:
    known = [str(column) for column in rows.columns]
    try:
        return rows.eval(condition, engine="python", local_dict=dict(names), global_dict={})
    except SyntaxError:
        raise ArgumentError(
            f'condition={as_given(condition)} cannot be read. Fix: write it as "year > 2010" or "country == \'Norway\'"; names with '
            "spaces stand in backticks."
        ) from None
    except Exception as error:
        words = str(error)
        missing = words.split("'")[1] if "is not defined" in words and "'" in words else ""
        near = nearest(missing, known) if missing else None
        meant = f" Did you mean {near!r}?" if near else ""
        raise ArgumentError(
            f"condition={as_given(condition)} cannot be evaluated ({as_given(words)}).{meant} The columns are {listing(known, 40)}."
        ) from None


def _pooled(fit: Pooled, rows: pd.DataFrame, choices: dict[str, Any]) -> Pooled:
    """The rows by the choices of `fit`, as far as others do not replace them."""
    named = {**_kept(fit, choices), **choices}
    arguments: dict[str, Any] = {name: name for name in fit.inputs.columns}
    return pool(rows, **arguments, study="study", **named)


def _kept(fit: Pooled, choices: dict[str, Any]) -> dict[str, Any]:
    """The choices of `fit` that still apply: all of them with the same model, else those that are about the studies."""
    own = fit.options
    if choices.get("preset") is not None:
        return {"level": own.level}
    same = all(choices.get(name) in (None, getattr(own, name)) for name in ("model", "measure"))
    kept: dict[str, Any] = {"level": own.level}
    if same:
        kept |= {"model": own.model, "measure": own.measure}
        plain = _plain(fit, own)
        kept |= {
            field.name: getattr(own, field.name)
            for field in fields(Options)
            if field.name not in ("model", "measure", "level", "preset") and getattr(own, field.name) != getattr(plain, field.name)
        }
        return kept if own.preset is None else {**kept, "preset": own.preset}
    # Another model of the same measure, or another measure of the same model: whichever is not named stays, where it can. The rules of
    # a preset stay as well.
    if own.preset is not None:
        kept["preset"] = own.preset
    if "measure" not in choices and own.measure != "GEN":
        return {**kept, "measure": own.measure}
    return kept


def _plain(fit: Pooled, own: Options) -> Options:
    """The choices that follow from model and measure alone."""
    given = {name: name for name in fit.inputs.columns}
    named = {name: getattr(own, name) for name in ("model", "measure", "level", "preset")}
    return options_for(given, {**named, "prediction": "default"})
