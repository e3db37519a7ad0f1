"""How often each test finds asymmetry in unbiased reviews of rates: whole batches of simulated reviews in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from metanet.base.arrays import Array
from metanet.base.errors import ArgumentError, check_choice
from metanet.effects.formulas import logit
from metanet.kernels.bias import asymmetry as small_study
from metanet.kernels.bias.asymmetry import begg, lfk

if TYPE_CHECKING:
    import pandas as pd


_Counts = Callable[[Array, Array], Array]


def _effects(events: Array, total: Array) -> tuple[Array, Array]:
    found = logit(events, total)
    return found.yi, found.vi


def _by_effects(test: Callable[[Array, Array], Array]) -> _Counts:
    return lambda events, total: test(*_effects(events, total))


def _on_size(reciprocal: bool) -> _Counts:
    return lambda x, n: small_study.on_size(_effects(x, n)[0], n, n, reciprocal=reciprocal).pvalue


def _on_size_exact(reciprocal: bool) -> _Counts:
    return lambda x, n: small_study.rate_on_size(x, n, reciprocal=reciprocal).pvalue


def _mixed(y: Array, v: Array) -> Array:
    return small_study.mixed(y, v, small_study.standard_errors(v), "REML", "z").pvalue


#: What is simulated: p-values ``[b]`` of events and totals ``[b, k]``. The names ending in "_logit" regress the corrected
#: logit with weights n, those ending in "_exact" the counts; the others take the corrected logit and its standard error.
PVALUES: dict[str, _Counts] = {
    "egger": _by_effects(lambda y, v: small_study.egger(y, v).pvalue),
    "egger_mixed": _by_effects(_mixed),
    "thompson_sharp": _by_effects(lambda y, v: small_study.thompson_sharp(y, v).pvalue),
    "begg": _by_effects(lambda y, v: begg(y, v).pvalue),
    "peters_logit": _on_size(True),
    "peters_exact": _on_size_exact(True),
    "macaskill_logit": _on_size(False),
    "macaskill_exact": _on_size_exact(False),
}


def draw_rates(
    rng: np.random.Generator, sets: int, k: int, rate: float, tau: float, smallest: int = 15, largest: int = 150
) -> tuple[Array, Array]:
    """Events and totals ``[sets, k]`` without any bias: sizes log-uniform, logits normal around that of `rate`."""
    total = np.exp(rng.uniform(np.log(smallest), np.log(largest), (sets, k))).round()
    predictor = special.logit(rate) + tau * rng.standard_normal((sets, k))
    return rng.binomial(total.astype(np.int64), special.expit(predictor)).astype(np.float64), total


def false_alarms(
    *,
    rates: Sequence[float] = (0.03, 0.08, 0.45),
    taus: Sequence[float] = (0.0, 0.5),
    k: int = 15,
    sets: int = 2000,
    seed: int = 1,
    methods: Sequence[str] = tuple(PVALUES),
) -> pd.DataFrame:
    """The share of unbiased reviews of single-arm rates in which each test finds small-study effects.

    Parameters
    ----------
    rates, taus
        True median rates, and standard deviations of the logits between studies.
    k, sets, seed
        Studies in a review, reviews in a cell, start of the random numbers.
    methods
        Names of `PVALUES`.

    Returns
    -------
    DataFrame
        One row for each rate, tau and method, with the share of sets at p < 0.05 and p < 0.10, and one for the LFK index, with the
        shares beyond 1 and 2 in either direction. Sets without any event, which no test answers, are not counted; `answered` tells
        how many were.
    """
    import pandas as pd

    if k < 3 or sets < 1:
        raise ArgumentError(f"k={k} and sets={sets}: at least three studies and one set are needed.")
    names = [check_choice("methods", name, tuple(PVALUES)) for name in methods]
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for rate in rates:
        for tau in taus:
            events, total = draw_rates(rng, sets, k, rate, tau)
            sum_events = events.sum(-1)
            some = (sum_events > 0) & (sum_events < total.sum(-1))
            events, total = events[some], total[some]
            for name in names:
                p = PVALUES[name](events, total)
                known = p[~np.isnan(p)]
                rows.append(_row(rate, tau, name, known.size, "p < 0.05", known < 0.05, "p < 0.10", known < 0.10))
            index = np.abs(lfk(*_effects(events, total)))
            index = index[~np.isnan(index)]
            rows.append(_row(rate, tau, "lfk", index.size, "beyond 1", index > 1, "beyond 2", index > 2))
    return pd.DataFrame(rows)


def _row(
    rate: float, tau: float, name: str, answered: int, strict: str, first: np.ndarray, wide: str, second: np.ndarray
) -> dict[str, object]:
    return {
        "rate": rate,
        "tau": tau,
        "method": name,
        "answered": answered,
        "first": strict,
        "first_share": float(first.mean()) if answered else float("nan"),
        "second": wide,
        "second_share": float(second.mean()) if answered else float("nan"),
    }
