"""One-group effect sizes of a proportion: raw, log, logit, arcsine and Freeman-Tukey, with their large-sample variances.

Every function takes counts ``[..., k]``; a study with total 0 is absent. `add` and `to` are the zero-cell rules of
`metanet.effects.zero_cells`; the arcsine measures exist at 0 % and 100 % and take no correction.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from metanet.effects.values import Array as Array
from metanet.effects.values import Effects as Effects
from metanet.effects.zero_cells import CORRECTION as CORRECTION
from metanet.effects.zero_cells import finish, one_group


def raw_proportion(events: ArrayLike, total: ArrayLike, *, add: float = CORRECTION, to: str = "only0") -> Effects:
    """Proportion ``p = x / n`` with variance ``p (1 - p) / n``; measure PR (Viechtbauer 2010, doi:10.18637/jss.v036.i03)."""
    cells = one_group(events, total, add=add, to=to)
    x, y = cells.cells
    n = x + y
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish(x / n, x * y / n**3, cells)


def log_proportion(events: ArrayLike, total: ArrayLike, *, add: float = CORRECTION, to: str = "only0") -> Effects:
    """Log ``log(x / n)`` with variance ``1 / x - 1 / n``; measure PLN (Viechtbauer 2010, doi:10.18637/jss.v036.i03)."""
    cells = one_group(events, total, add=add, to=to)
    x, y = cells.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        # log(x / n) = -log(1 + y / x) and 1 / x - 1 / n = y / (x n) keep their digits where x is nearly n.
        return finish(-np.log1p(y / x), y / (x * (x + y)), cells)


def logit(events: ArrayLike, total: ArrayLike, *, add: float = CORRECTION, to: str = "only0") -> Effects:
    """Logit ``log(x / (n - x))`` with variance ``1 / x + 1 / (n - x)``; measure PLO (Stijnen 2010, doi:10.1002/sim.4040)."""
    cells = one_group(events, total, add=add, to=to)
    x, y = cells.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        return finish(np.log(x) - np.log(y), 1.0 / x + 1.0 / y, cells)


def arcsine(events: ArrayLike, total: ArrayLike) -> Effects:
    """Arcsine ``asin(sqrt(x / n))`` with variance ``1 / (4 n)``; measure PAS (Lin and Xu 2020, doi:10.1002/hsr2.178)."""
    cells = one_group(events, total, to="none")
    x, y = cells.cells
    with np.errstate(divide="ignore"):
        return finish(_arc(x, y), 0.25 / (x + y), cells)


def freeman_tukey(events: ArrayLike, total: ArrayLike) -> Effects:
    """Half the sum of ``asin(sqrt(x / (n + 1)))`` and ``asin(sqrt((x + 1) / (n + 1)))``, variance ``1 / (4 n + 2)``; measure PFT.

    Freeman and Tukey (1950, doi:10.1214/aoms/1177729756). The order of proportions is not kept across sizes: 0 of 10 has a
    larger value than 0 of 100.
    """
    cells = one_group(events, total, to="none")
    x, y = cells.cells
    return finish(0.5 * (_arc(x, y + 1.0) + _arc(x + 1.0, y)), 0.25 / (x + y + 0.5), cells)


def _arc(success: Array, failure: Array) -> Array:
    """``asin(sqrt(s / (s + f)))`` in a form that keeps its digits near 0 and near 1."""
    return np.arctan2(np.sqrt(success), np.sqrt(failure))


def logit_proportion(events: ArrayLike, total: ArrayLike, *, add: float = CORRECTION) -> Effects:
    """Logit ``log(x / (n - x))`` with variance ``1 / x + 1 / (n - x)`` by the rule "only0", infinite logits left in place.

    A study without events, or without non-events, gets `add` on both cells; no other study is touched. Absent studies (total
    0) get effect 0 and infinite variance, that is no weight. `logit` is the same measure for the registry.

    Parameters
    ----------
    events, total
        Counts, ``[..., k]``.
    add
        The correction; 0 leaves infinite logits in place.
    """
    cells = one_group(events, total, add=add)
    x, y = cells.cells
    with np.errstate(divide="ignore", invalid="ignore"):
        yi = np.where(cells.present, np.log(x) - np.log(y), 0.0)
        vi = np.where(cells.present, 1.0 / x + 1.0 / y, np.inf)
    return Effects(yi, vi, cells.corrected)


def inverse_logit(value: ArrayLike) -> Array:
    """The proportion whose logit is `value`; only an infinite logit gives exactly 1, as only minus infinity gives 0."""
    logit = np.asarray(value, dtype=np.float64)
    rate = np.asarray(special.expit(logit))
    return np.where((rate == 1) & np.isfinite(logit), np.nextafter(1.0, 0.0), rate)
