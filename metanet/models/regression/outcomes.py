"""The outcome is no moderator of itself: columns that state it, by name or by their values, are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from metanet.base.arrays import Array
from metanet.base.errors import ArgumentError
from metanet.models.options import Options
from metanet.models.pooling.batch import SIZES, Data
from metanet.models.pooling.fill import effects_of
from metanet.models.regression.formulas import read_values

if TYPE_CHECKING:
    import pandas as pd


#: So many studies, and so many different values among them, are no coincidence.
_LEAST_STUDIES, _LEAST_VALUES = 5, 4
#: Factor of a printed rate (fraction, per cent, per 1,000 ...) -> decimals with which it still states the outcome of one study.
_PRINTED = {1.0: 2, 100.0: 0, 1e3: 0, 1e4: 0, 1e5: 0}


def refuse_outcomes(names: Sequence[str], frame: pd.DataFrame, given: Mapping[str, object], data: Data, options: Options) -> None:
    """Refuse moderators that are the outcome; `frame` has the studies of `data`.

    Sizes (patients, person-time) are fixed before the outcome is seen, and may be moderators. Events, effects and their variances are
    not, by whichever name; neither is a column that repeats them, a rate of the data, or what remains of the patients.
    """
    used = {str(column if isinstance(column := given.get(name), str) else name): name for name in data.columns if name not in SIZES}
    sequences = {name for name in data.columns if given.get(name) is not None and not isinstance(given[name], str)}
    for name in names:
        argument = used.get(name)
        if argument is not None and argument not in sequences:
            raise _refused(name, f"is given as {argument}", argument == "vi")
        numbers = read_values(frame, name).numbers
        if numbers is None or numbers.size < _LEAST_STUDIES or np.unique(numbers).size < _LEAST_VALUES:
            continue
        for what, values in _states(data, options):
            if _same(numbers, values, rounded=what.startswith("the rate")):
                raise _refused(name, f"is {what} of the studies", "variance" in what or "standard error" in what)


def _refused(name: str, why: str, variance: bool) -> ArgumentError:
    fix = "leave it out; for small-study effects use small_study_effects" if variance else "leave it out"
    return ArgumentError(
        f"formula: {name!r} {why}. The outcome, or what is computed from it, explains itself and cannot be a moderator. Fix: {fix}."
    )


def _states(data: Data, options: Options) -> Iterator[tuple[str, Array]]:
    """What states the outcome of the studies, with its name."""
    with np.errstate(all="ignore"):
        for events, total, time, word in (
            ("events", "total", "person_time", ""),
            ("events_control", "total_control", "person_time_control", " in the control group"),
        ):
            if events not in data.columns:
                continue
            x, n = data[events][0], data[time if data.timed else total][0]
            yield f"the number of events{word}", x
            yield f"the rate{word}", x / n
            yield f"the logarithm of the rate{word}", np.log(x / n)
            if not data.timed:
                yield f"the number of patients without the event{word}", n - x
                yield f"the rate{word} of patients without the event", 1.0 - x / n
                yield f"the log odds of the rate{word}", np.log(x / (n - x))
                yield f"the arcsine of the rate{word}", np.arcsin(np.sqrt(x / n))
        if options.exact:
            return
        y, v = (values[0] for values in effects_of(data, options)[:2])
        yield "the effect", y
        yield "the exponentiated effect", np.exp(y)
        yield "the sampling variance", v
        yield "the standard error", np.sqrt(v)
        yield "the inverse variance", 1.0 / v
        yield "the inverse standard error", 1.0 / np.sqrt(v)


def _same(numbers: Array, values: Array, *, rounded: bool) -> bool:
    """Whether a column repeats values; a rate also in per cent (per 1,000 ...) and as printed, with its own decimals."""
    if not np.isfinite(values).all():
        return False
    if np.allclose(numbers, values, rtol=1e-9, atol=1e-12):
        return True
    if not rounded:
        return False
    digits = next((d for d in range(7) if np.allclose(numbers, np.round(numbers, d), rtol=0.0, atol=1e-9)), None)
    for factor, least in _PRINTED.items():
        exact = np.allclose(numbers, factor * values, rtol=1e-9, atol=1e-12)
        # A half is rounded up by some and to the even digit by others.
        if exact or (
            digits is not None and digits >= least and bool((np.abs(numbers - factor * values) <= 0.5 * 10.0**-digits + 1e-9).all())
        ):
            return True
    return False
