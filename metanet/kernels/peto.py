"""Peto's one-step pooling of odds ratios.

``sum(O - E) / sum(V)`` with variance ``1 / sum(V)``, O the events of the treated arm, E and V their mean and variance under the
hypergeometric distribution (Yusuf, Peto and others 1985, doi:10.1016/S0033-0620(85)80003-7). Heterogeneity: ``sum((O - E)^2 / V) -
(sum(O - E))^2 / sum(V)``. Counts have shape ``[b, k]``; a study in which either total is 0 is absent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metanet.kernels import quantiles
from metanet.kernels.mantel_haenszel import Pooled, excess, tables

Array = NDArray[np.float64]


def pool(events: Array, total: Array, events_control: Array, total_control: Array) -> Pooled:
    """Pool log odds ratios by Peto's method.

    No cell needs a correction, not even an arm without events in every study; only rows without an event, or without a
    non-event, anywhere are not estimable. Studies of that kind have ``V = 0`` and drop out by themselves.

    Notes
    -----
    The one step is biased away from large effects and from unbalanced arms (Greenland and Salvan 1990,
    doi:10.1002/sim.4780090303); it is for rare events, similar arms and effects near one.
    """
    difference, variance = excess(tables(events, total, events_control, total_control))
    whole = variance.sum(-1)
    estimable = whole > 0
    used = variance > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = np.where(estimable, difference.sum(-1) / whole, np.nan)
        se = np.where(estimable, 1.0 / np.sqrt(whole), np.nan)
        shares = np.where(estimable[:, None], variance / whole[:, None], np.nan)
        # Written as distances from the estimate, the difference of the two sums does not cancel.
        own = np.where(used, difference / variance, 0.0)
        distance = np.where(used, variance * (own - estimate[:, None]) ** 2, 0.0).sum(-1)
    df = np.maximum(used.sum(-1) - 1.0, 0.0)
    q = np.where(estimable, np.where(df > 0, distance, 0.0), np.nan)
    return Pooled(estimate, se, q, df, quantiles.chi2_upper_tail(q, df), shares, used, estimable)
