"""`network_arrays`: many networks of the same studies and treatments at once, for simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metanet.base.arguments import checked, choice
from metanet.base.arrays import Array, Indices
from metanet.base.errors import ArgumentError
from metanet.kernels.network.arms import Arms
from metanet.kernels.network.ranks import p_scores
from metanet.kernels.network.two_step import Scale, Tau2, arm_effects, estimate
from metanet.models.pooling.inputs import check_whole


@dataclass(frozen=True, eq=False)
class NetworkArrays:
    """Numbers of every network, the networks first.

    Attributes
    ----------
    mu, se
        Treatment of the row against that of the column on the model scale, and its standard error, ``[networks, T, T]``; NaN where two
        treatments are not connected.
    tau2, q, q_df
        Heterogeneity variance, Cochran's Q and its degrees of freedom, ``[networks]``.
    p_score
        P-scores, ``[networks, T]``.
    """

    mu: Array
    se: Array
    tau2: Array
    q: Array
    q_df: Array
    p_score: Array


@checked(measure=choice("OR", "RR", "RD"), tau2=choice("REML", "DL", "none"), better=choice("higher", "lower"))
def network_arrays(
    events: ArrayLike, total: ArrayLike, treatment: ArrayLike, *, measure: str = "OR", tau2: str = "REML", better: str = "higher"
) -> NetworkArrays:
    """Fit many networks in two steps at once, for simulation.

    Parameters
    ----------
    events, total
        Counts ``[networks, studies, arms]``; NaN in both where an arm is absent. Two dimensions are one network.
    treatment
        Number of the treatment of each arm, from 0, of the same shape or ``[studies, arms]`` for all networks; any number where the
        arm is absent. A study has a treatment at most once.
    measure
        "OR", "RR" or "RD".
    tau2
        "REML", "DL", or "none" for a common effect.
    better
        As in `network`.

    Returns
    -------
    NetworkArrays
        The numbers that `network` gives for each of them with ``model="inverse_variance"``.

    Raises
    ------
    ArgumentError
        Shapes that differ, a count that is none, or a treatment twice in a study.

    Examples
    --------
    >>> import metanet as mn
    >>> found = mn.network_arrays([[20, 30], [25, 40]], [[80, 80], [90, 95]], [[0, 1], [1, 2]])
    >>> found.mu.shape
    (1, 3, 3)
    """
    node, y, n = _nodes(treatment), _counts("events", events), _counts("total", total)
    if y.shape != n.shape or node.shape not in (y.shape, y.shape[1:]):
        shapes = f"events {y.shape}, total {n.shape}, treatment {node.shape}"
        raise ArgumentError(f"The arrays differ in shape ({shapes}). Fix: [networks, studies, arms].")
    absent = np.isnan(y)
    if not np.array_equal(absent, np.isnan(n)):
        raise ArgumentError("events and total are not missing in the same places. Fix: NaN in both where an arm is absent.")
    networks, studies, arms = y.shape
    node = np.where(absent, -1, np.broadcast_to(node, y.shape)).reshape(-1, arms)
    _check_counts(y[~absent], n[~absent])
    ordered = np.sort(node, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ArgumentError("treatment has a treatment twice in one study. Fix: sum its arms.")
    scale: Scale = "RR" if measure == "RR" else "RD" if measure == "RD" else "OR"
    method: Tau2 = "DL" if tau2 == "DL" else "none" if tau2 == "none" else "REML"
    effect, variance, _ = arm_effects(y.reshape(-1, arms), n.reshape(-1, arms), scale)
    owner = np.repeat(np.arange(networks), studies)
    found = estimate(Arms(effect, variance, np.maximum(node, 0), owner, networks, int(node.max(initial=0)) + 1), method)
    mu, se = found.contrasts
    return NetworkArrays(mu, se, found.tau2, found.q, found.df, p_scores(mu, se, better == "higher"))


def _counts(name: str, values: ArrayLike) -> Array:
    """An array ``[networks, studies, arms]`` of numbers."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} must be an array of numbers [networks, studies, arms].") from None
    if found.ndim == 2:
        found = found[None]
    if found.ndim != 3 or not found.size:
        raise ArgumentError(f"{name} must be an array of numbers [networks, studies, arms], and not empty.")
    return found


def _nodes(values: ArrayLike) -> Indices:
    """Whole numbers from 0, ``[studies, arms]`` or ``[networks, studies, arms]``."""
    try:
        found = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=0.0)
    except (TypeError, ValueError):
        raise ArgumentError("treatment must be an array of whole numbers from 0.") from None
    if found.ndim not in (2, 3) or (found != np.round(found)).any() or (found < 0).any() or (found > 499).any():
        raise ArgumentError("treatment must be an array of whole numbers from 0 to 499, [studies, arms].")
    return found.astype(np.intp)


def _check_counts(y: Array, n: Array) -> None:
    check_whole("events", y)
    check_whole("total", n)
    if (n == 0).any():
        raise ArgumentError("total has a 0: an arm without patients has no rate. Fix: NaN where an arm is absent.")
    if (y > n).any():
        place = int(np.flatnonzero(y > n)[0])
        raise ArgumentError(f"events={y[place]:g} is more than total={n[place]:g}. Fix: check both.")
