"""Effect sizes of events in person-time: one rate raw, logged, as square root and Freeman-Tukey; two rates as ratio and difference.

Every function takes events and person-time ``[..., k]`` in any unit (the rate is per that unit); a study with person-time 0 is
absent. `add`, `to` and `drop00` are the rules of `metanet.effects.zero_cells`: only the events are corrected. Formulas and
variances are those of Poisson counts (Viechtbauer 2010, doi:10.18637/jss.v036.i03).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metanet.effects.values import Array, Effects
from metanet.effects.zero_cells import CORRECTION, finish, one_rate, two_rates


def _time(person_time: ArrayLike) -> Array:
    return np.asarray(person_time, dtype=np.float64)


def raw_rate(events: ArrayLike, person_time: ArrayLike, *, add: float = CORRECTION, to: str = "only0") -> Effects:
    """Rate ``x / t`` with variance ``x / t^2``; measure IR."""
    cells, t = one_rate(events, person_time, add=add, to=to), _time(person_time)
    (x,) = cells.cells
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finish(x / t, x / t / t, cells)


def log_rate(events: ArrayLike, person_time: ArrayLike, *, add: float = CORRECTION, to: str = "only0") -> Effects:
    """Log rate ``log(x / t)`` with variance ``1 / x``; measure IRLN."""
    cells, t = one_rate(events, person_time, add=add, to=to), _time(person_time)
    (x,) = cells.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish(np.log(x) - np.log(t), 1.0 / x, cells)


def root_rate(events: ArrayLike, person_time: ArrayLike) -> Effects:
    """Square root ``sqrt(x / t)`` with variance ``1 / (4 t)``; measure IRS."""
    cells, t = one_rate(events, person_time, to="none"), _time(person_time)
    (x,) = cells.cells
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finish(np.sqrt(x / t), 0.25 / t, cells)


def freeman_tukey_rate(events: ArrayLike, person_time: ArrayLike) -> Effects:
    """Half the sum of ``sqrt(x / t)`` and ``sqrt((x + 1) / t)``, variance ``1 / (4 t)``; measure IRFT.

    Freeman and Tukey (1950, doi:10.1214/aoms/1177729756).
    """
    cells, t = one_rate(events, person_time, to="none"), _time(person_time)
    (x,) = cells.cells
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finish(0.5 * (np.sqrt(x / t) + np.sqrt((x + 1.0) / t)), 0.25 / t, cells)


def rate_ratio(
    events: ArrayLike,
    person_time: ArrayLike,
    events_control: ArrayLike,
    person_time_control: ArrayLike,
    *,
    add: float = CORRECTION,
    to: str = "only0",
    drop00: bool = False,
) -> Effects:
    """Log rate ratio ``log(x1 / t1) - log(x2 / t2)`` with variance ``1 / x1 + 1 / x2``; measure IRR."""
    cells = two_rates(events, person_time, events_control, person_time_control, add=add, to=to, drop00=drop00)
    (x1, x2), t1, t2 = cells.cells, _time(person_time), _time(person_time_control)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finish(np.log(x1 * t2) - np.log(x2 * t1), 1.0 / x1 + 1.0 / x2, cells)


def rate_difference(
    events: ArrayLike,
    person_time: ArrayLike,
    events_control: ArrayLike,
    person_time_control: ArrayLike,
    *,
    add: float = CORRECTION,
    to: str = "only0",
    drop00: bool = False,
) -> Effects:
    """Difference ``x1 / t1 - x2 / t2`` with variance ``x1 / t1^2 + x2 / t2^2``; measure IRD."""
    cells = two_rates(events, person_time, events_control, person_time_control, add=add, to=to, drop00=drop00)
    (x1, x2), t1, t2 = cells.cells, _time(person_time), _time(person_time_control)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finish(x1 / t1 - x2 / t2, x1 / t1 / t1 + x2 / t2 / t2, cells)
