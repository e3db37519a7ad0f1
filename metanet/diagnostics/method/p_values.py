"""The p-value of every possible value: of the pooled estimate, of each study and of a new setting, for the drapery plot.

A value's p-value is one minus the level of the interval that just reaches it (Infanger and Schmidt-Trucksaess 2019,
doi:10.1002/sim.8293; Ruecker and Schwarzer 2021, doi:10.1002/jrsm.1410).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from metanet.base.arguments import checked, whole
from metanet.base.arrays import Array
from metanet.base.results import Test
from metanet.diagnostics.study_effects import two_step_twin
from metanet.kernels.numerics.distributions import binomial_tails, poisson_tails
from metanet.models.options import options_of
from metanet.models.pooling.fill import likelihood_of
from metanet.models.pooling.posterior import tails
from metanet.models.results.pooled import Pooled, responses_at

if TYPE_CHECKING:
    import pandas as pd


#: The curves reach so many standard errors beyond the outermost study or limit.
_REACH = 4.0


@checked(points=whole(3, 100_000))
def p_value_function(fit: Pooled, points: int = 401) -> pd.DataFrame:
    """P-values of a grid of values.

    Parameters
    ----------
    fit
        The result of `pool`, whatever its model.
    points
        Values in the grid, equally spaced on the model scale.

    Returns
    -------
    DataFrame
        ``value`` on the response scale, ``pooled`` (by the interval of the mean; of the normal or t kind for a profile
        interval; of a posterior twice its smaller tail), ``prediction`` where there is an interval for a new setting, and one
        column for each study under its name: exact for counts of one group (twice the smaller tail of the binomial or Poisson
        distribution), normal elsewhere. No columns of the pooled estimate where there is none on the model scale.

    Raises
    ------
    ArgumentError
        A number of points that is none.
    """
    import pandas as pd

    options = options_of(fit.method)
    twin = two_step_twin(fit)
    y, v = twin.yi[0], twin.vi[0]
    used = np.isfinite(v)
    ends = [y[used] - _REACH * np.sqrt(v[used]), y[used] + _REACH * np.sqrt(v[used])]
    low = float(np.min(ends[0], initial=np.inf)) if used.any() else -1.0
    high = float(np.max(ends[1], initial=-np.inf)) if used.any() else 1.0
    grid = np.linspace(low, high, int(points))
    value = responses_at(fit, grid)
    columns: dict[str, Array] = {"value": value}
    if options.model == "bayes" and fit.status == "pooled":
        size = fit.data["person_time" if fit.data.timed else "total"]
        mean, new = tails(likelihood_of(fit.data, options), size, options, grid)
        columns["pooled"] = 2 * np.minimum(mean, 1 - mean)
        if fit.pi_lower is not None:
            columns["prediction"] = 2 * np.minimum(new, 1 - new)
    elif fit.mu is not None and fit.se is not None and fit.se > 0:
        df = _df(fit)
        columns["pooled"] = _tail((grid - fit.mu) / fit.se, df)
        if fit.pi_lower is not None and fit.tau2 is not None and options.model != "beta_binomial":
            spread = float(np.sqrt(fit.tau2 + fit.se**2))
            columns["prediction"] = _tail((grid - fit.mu) / spread, fit.k - 2 if options.prediction == "HTS" else df)
    taken = set(columns)
    for i, name in enumerate(fit.studies["study"]):
        label = f"{name} (study)" if name in taken else str(name)
        columns[label] = _study(fit, i, grid, value, y, v)
    return pd.DataFrame(columns)


def _df(fit: Pooled) -> float:
    """Degrees of freedom of the interval of the mean; inf for a normal one."""
    return float(fit.k - 1) if fit.method["ci"] in ("t", "HK", "HK-adhoc", "KR") else np.inf


def no_effect_test(fit: Pooled) -> Test | None:
    """The test of no effect by which the interval of a pooled effect of two groups is made, normal or t; None of any other result."""
    if fit.status != "pooled" or fit.response not in ("ratio", "difference") or not fit.se or fit.mu is None or fit.model == "bayes":
        return None
    df, statistic = _df(fit), fit.mu / fit.se
    p = float(_tail(np.array(statistic), df))
    if np.isinf(df):
        return Test("Z", "no effect", statistic, "normal", (), p)
    return Test("t", "no effect", statistic, "t", (df,), p)


def _tail(z: Array, df: float) -> Array:
    """Two-sided tail probability."""
    if np.isinf(df):
        return np.asarray(2 * special.ndtr(-np.abs(z)))
    return np.asarray(2 * special.stdtr(df, -np.abs(z)))


def _study(fit: Pooled, i: int, grid: Array, value: Array, y: Array, v: Array) -> Array:
    """The p-values of one study."""
    data = fit.data
    if data.groups == 1 and not data.by_effect:
        events = np.full(value.shape, data["events"][0, i])
        if data.timed:
            below, above = poisson_tails(events, data["person_time"][0, i] * value)
        else:
            below, above = binomial_tails(events, np.full(value.shape, data["total"][0, i]), value)
        return np.asarray(np.minimum(1.0, 2 * np.minimum(1 - below, 1 - above)))
    if not np.isfinite(v[i]):
        return np.full(grid.shape, np.nan)
    return np.asarray(2 * special.ndtr(-np.abs(grid - y[i]) / np.sqrt(v[i])))


@checked()
def radial(fit: Pooled) -> pd.DataFrame:
    """The coordinates of Galbraith's radial plot.

    Parameters
    ----------
    fit
        The result of `pool`; exact models by the two-step effects of their studies, at their tau2.

    Returns
    -------
    DataFrame
        ``study``, ``precision`` ``1 / sqrt(v + tau2)`` and ``standardised`` ``y / sqrt(v + tau2)``: a line from the origin with
        slope ``fit.mu`` is the pooled estimate. NaN for a study without an effect.

    References
    ----------
    Galbraith (1988), doi:10.1002/sim.4780070807.
    """
    import pandas as pd

    twin = two_step_twin(fit)
    y, v = twin.yi[0], twin.vi[0]
    with np.errstate(divide="ignore"):
        precision = np.where(np.isfinite(v), 1.0 / np.sqrt(v + (fit.tau2 or 0.0)), np.nan)
    return pd.DataFrame({"study": fit.studies["study"], "precision": precision, "standardised": y * precision})
