"""Two-group effect sizes of counts: odds ratio, risk ratio, risk difference, arcsine difference, Peto's odds ratio.

Every function takes the counts of the treated group and of the control ``[..., k]``; a study in which either total is 0 is
absent. `add`, `to` and `drop00` are the rules of `metanet.effects.zero_cells`. Cells: a events and b non-events among n1
treated, c events and d non-events among n2 controls. Products of two counts are exact in double precision, so equal rates
give an effect of exactly 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from metanet.effects.values import Effects
from metanet.effects.zero_cells import CORRECTION, finish, two_groups


def odds_ratio(
    events: ArrayLike,
    total: ArrayLike,
    events_control: ArrayLike,
    total_control: ArrayLike,
    *,
    add: float = CORRECTION,
    to: str = "only0",
    drop00: bool = False,
) -> Effects:
    """Log odds ratio ``log(a d / (b c))``, variance ``1/a + 1/b + 1/c + 1/d`` (Woolf 1955, doi:10.1111/j.1469-1809.1955.tb01348.x)."""
    cells = two_groups(events, total, events_control, total_control, add=add, to=to, drop00=drop00)
    a, b, c, d = cells.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish(np.log(a * d) - np.log(b * c), 1.0 / a + 1.0 / b + 1.0 / c + 1.0 / d, cells)


def risk_ratio(
    events: ArrayLike,
    total: ArrayLike,
    events_control: ArrayLike,
    total_control: ArrayLike,
    *,
    add: float = CORRECTION,
    to: str = "only0",
    drop00: bool = False,
) -> Effects:
    """Log risk ratio ``log(a n2 / (c n1))``, variance ``1/a - 1/n1 + 1/c - 1/n2`` (Greenland and Robins 1985, doi:10.2307/2530643)."""
    cells = two_groups(events, total, events_control, total_control, add=add, to=to, drop00=drop00)
    a, b, c, d = cells.cells
    n1, n2 = a + b, c + d
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish(np.log(a * n2) - np.log(c * n1), b / (a * n1) + d / (c * n2), cells)


def risk_difference(
    events: ArrayLike,
    total: ArrayLike,
    events_control: ArrayLike,
    total_control: ArrayLike,
    *,
    add: float = CORRECTION,
    to: str = "only0",
    drop00: bool = False,
) -> Effects:
    """Difference ``a/n1 - c/n2``, variance ``a b / n1^3 + c d / n2^3`` (Greenland and Robins 1985, doi:10.2307/2530643)."""
    cells = two_groups(events, total, events_control, total_control, add=add, to=to, drop00=drop00)
    a, b, c, d = cells.cells
    n1, n2 = a + b, c + d
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish((a * n2 - c * n1) / (n1 * n2), a * b / n1**3 + c * d / n2**3, cells)


def arcsine_difference(
    events: ArrayLike,
    total: ArrayLike,
    events_control: ArrayLike,
    total_control: ArrayLike,
    *,
    drop00: bool = False,
) -> Effects:
    """``asin(sqrt(a/n1)) - asin(sqrt(c/n2))``, variance ``1/(4 n1) + 1/(4 n2)`` (Rücker 2009, doi:10.1002/sim.3511)."""
    cells = two_groups(events, total, events_control, total_control, to="none", drop00=drop00)
    a, b, c, d = cells.cells
    # The difference of two angles as one angle: equal rates give exactly 0.
    angle = np.arctan2(np.sqrt(a * d) - np.sqrt(b * c), np.sqrt(b * d) + np.sqrt(a * c))
    with np.errstate(divide="ignore"):
        return finish(angle, 0.25 / (a + b) + 0.25 / (c + d), cells)


def peto_odds_ratio(
    events: ArrayLike,
    total: ArrayLike,
    events_control: ArrayLike,
    total_control: ArrayLike,
    *,
    add: float = CORRECTION,
    to: str = "only0",
    drop00: bool = False,
) -> Effects:
    """Peto's log odds ratio ``(O - E) / V``, variance ``1 / V`` (Yusuf 1985, doi:10.1016/S0033-0620(85)80003-7).

    With N patients: ``O - E = (a d - b c) / N`` and ``V = (a + c) (b + d) n1 n2 / (N^2 (N - 1))``, the variance of the
    hypergeometric distribution. The zero-cell rules apply as for the other measures, as in metafor's `escalc`; Peto's method
    itself, which pools `O - E`, needs no correction: give ``add=0`` for it.
    """
    cells = two_groups(events, total, events_control, total_control, add=add, to=to, drop00=drop00)
    a, b, c, d = cells.cells
    n1, n2 = a + b, c + d
    n = n1 + n2
    with np.errstate(divide="ignore", invalid="ignore"):
        v = (a + c) / n * ((b + d) / n) * (n1 * n2 / (n - 1.0))
        return finish((a * d - b * c) / n / v, 1.0 / v, cells)
