"""Heterogeneity variance around a straight line: the nine estimators with one moderator, ``(y, x, v) -> tau2``, ``[b, k]`` to ``[b]``.

With ``w = 1 / (v + t)``, the weighted residuals ``r`` of the line and ``P = W - W X (X'WX)^-1 X'W`` the scores in ``t = tau2`` are

    restricted  (sum w^2 r^2 - tr P) / 2        full  (sum w^2 r^2 - sum w) / 2

(Viechtbauer 2005, doi:10.3102/10769986030003261; Thompson and Sharp 1999,
doi:10.1002/(SICI)1097-0258(19991030)18:20<2693::AID-SIM235>3.0.CO;2-V). An absent study has ``v = inf`` and finite `y` and `x`.
tau2 is NaN below three studies and where the predictor does not vary.

Notes
-----
As without a moderator a likelihood can have two maxima, and the scale of tau2 is that of the data: the sign of the score is read on a
geometric grid, every change from rising to falling is closed by `find_roots`, and the highest maximum is kept.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from metanet.kernels.roots import Indices, find_roots
from metanet.kernels.weighted_line import Array, residuals, sums, varies

_GRID = 20


def _at(y: Array, x: Array, v: Array, t: Array) -> tuple[Array, Array, Array, Array]:
    """Weights, residuals and leverages ``[b, k]`` at tau2, and the logarithm of the determinant of X'WX ``[b]``."""
    w = 1.0 / (v + t[:, None])
    of = sums(x, w)
    _, _, rest = residuals(y, w, of)
    hat = w * (1.0 / of.total[:, None] + of.centred * of.centred / of.squares[:, None])
    return w, rest, hat, np.log(of.total) + np.log(of.squares)


def _count(v: Array) -> Array:
    return np.asarray(np.isfinite(v).sum(-1), dtype=np.float64)


def _ordinary(y: Array, x: Array, v: Array) -> tuple[Array, Array]:
    """Unweighted residuals and leverages of the studies present."""
    present = np.isfinite(v).astype(np.float64)
    of = sums(x, present)
    _, _, rest = residuals(y, present, of)
    return rest, present * (1.0 / of.total[:, None] + of.centred * of.centred / of.squares[:, None])


def _zero(v: Array) -> Array:
    return np.zeros(v.shape[0])


def _dl(y: Array, x: Array, v: Array) -> Array:
    w, rest, hat, _ = _at(y, x, v, _zero(v))
    return np.asarray(((w * rest * rest).sum(-1) - (_count(v) - 2)) / (w * (1.0 - hat)).sum(-1))


def _he(y: Array, x: Array, v: Array) -> Array:
    rest, hat = _ordinary(y, x, v)
    sampling = np.where(np.isfinite(v), v, 0.0) * (1.0 - hat)
    return np.asarray(((rest * rest).sum(-1) - sampling.sum(-1)) / (_count(v) - 2))


def _hs(y: Array, x: Array, v: Array) -> Array:
    w, rest, _, _ = _at(y, x, v, _zero(v))
    return np.asarray(((w * rest * rest).sum(-1) - _count(v)) / w.sum(-1))


def _hsk(y: Array, x: Array, v: Array) -> Array:
    w, rest, _, _ = _at(y, x, v, _zero(v))
    k = _count(v)
    return np.asarray(((w * rest * rest).sum(-1) * k / (k - 2) - k) / w.sum(-1))


def _sj(y: Array, x: Array, v: Array) -> Array:
    present, k = np.isfinite(v), _count(v)
    level = np.where(present, y, 0.0).sum(-1) / k
    crude = np.where(present, (y - level[:, None]) ** 2, 0.0).sum(-1) / k
    w, rest, _, _ = _at(y, x, v, crude)
    return np.asarray(crude * (w * rest * rest).sum(-1) / (k - 2))


def _pm(y: Array, x: Array, v: Array) -> Array:
    df = _count(v) - 2

    def excess(t: Array, rows: Indices) -> Array:
        w, rest, _, _ = _at(y[rows], x[rows], v[rows], t)
        return np.asarray((w * rest * rest).sum(-1) - df[rows])

    everything = np.arange(df.size)
    start = excess(_zero(v), everything)
    rows = np.flatnonzero(start > 0)
    out = _zero(v)
    if rows.size:
        # The residual sum at tau2 = t is at most the ordinary one divided by t.
        rest, _ = _ordinary(y[rows], x[rows], v[rows])
        top = (rest * rest).sum(-1) / df[rows] * (1 + 1e-9)
        out[rows] = find_roots(lambda t, i: excess(t, rows[i]), np.zeros(rows.size), top, f_lower=start[rows])
    return out


def _likelihood(y: Array, x: Array, v: Array, restricted: bool) -> Array:
    def score(t: Array, rows: Indices) -> Array:
        w, rest, hat, _ = _at(y[rows], x[rows], v[rows], t)
        trace = (w * (1.0 - hat)).sum(-1) if restricted else w.sum(-1)
        return np.asarray(0.5 * ((w * w * rest * rest).sum(-1) - trace))

    def height(t: Array, rows: Indices) -> Array:
        w, rest, _, determinant = _at(y[rows], x[rows], v[rows], t)
        logs = np.where(w > 0, -np.log(np.where(w > 0, w, 1.0)), 0.0).sum(-1)
        return np.asarray(-0.5 * (logs + (w * rest * rest).sum(-1) + (determinant if restricted else 0.0)))

    b = y.shape[0]
    everything = np.arange(b)
    present = np.isfinite(v)
    spread = np.where(present, y, -np.inf).max(-1) - np.where(present, y, np.inf).min(-1)
    top = 2.0 * spread * spread
    for _ in range(60):
        rising = score(top, everything) > 0
        if not rising.any():
            break
        top = np.where(rising, 4.0 * top, top)
    bottom = np.minimum(0.25 * v.min(-1), 1e-3 * top)
    ratio = (top / bottom) ** (1.0 / (_GRID - 1))
    points = np.vstack([np.zeros(b), bottom * ratio ** np.arange(_GRID)[:, None]])
    scores = np.stack([score(t, everything) for t in points])
    scores[-1] = -np.abs(scores[-1])
    peak = (scores[:-1] > 0) & (scores[1:] <= 0)
    best, heights = np.zeros(b), height(np.zeros(b), everything)
    for cell in range(_GRID):
        rows = np.flatnonzero(peak[cell])
        if not rows.size:
            continue
        found = find_roots(
            lambda t, i, rows=rows: score(t, rows[i]),  # type: ignore[misc]
            points[cell, rows],
            points[cell + 1, rows],
            f_lower=scores[cell, rows],
            f_upper=scores[cell + 1, rows],
            relative=1e-13,
        )
        value = height(found, rows)
        better = value > heights[rows] + 4e-16 * np.abs(heights[rows])
        best[rows[better]], heights[rows[better]] = found[better], value[better]
    return best


def _reml(y: Array, x: Array, v: Array) -> Array:
    return _likelihood(y, x, v, True)


def _ml(y: Array, x: Array, v: Array) -> Array:
    return _likelihood(y, x, v, False)


_BY_NAME: dict[str, Callable[[Array, Array, Array], Array]] = {
    "DL": _dl,
    "PM": _pm,
    "REML": _reml,
    "ML": _ml,
    "SJ": _sj,
    "HS": _hs,
    "HSk": _hsk,
    "HE": _he,
    "EB": _pm,
}
#: Names of the estimators, those of `metanet.kernels.tau2`.
NAMES = tuple(_BY_NAME)


def line_tau2(name: str, y: Array, x: Array, v: Array) -> Array:
    """tau2 around the line of `y` on `x`, cut at zero, by the estimator of that name."""
    present = np.isfinite(v)
    out = np.full(y.shape[0], np.nan)
    rows = np.flatnonzero((present.sum(-1) > 2) & varies(x, present))
    if not rows.size:
        return out
    spread = varies(y[rows], present[rows])
    out[rows[~spread]] = 0.0
    rows = rows[spread]
    if rows.size:
        kept = present[rows]
        # Predictors on the scale of one keep their squares from losing digits.
        size = np.where(kept, np.abs(x[rows]), 0.0).max(-1, keepdims=True)
        y, x, v = np.where(kept, y[rows], 0.0), np.where(kept, x[rows] / size, 0.0), v[rows]
        out[rows] = np.maximum(0.0, _BY_NAME[name](y, x, v))
    return out
