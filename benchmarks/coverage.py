"""Coverage and width of the intervals of a pooled rate: how often each holds the true rate, and how wide it is.

    python benchmarks/coverage.py [--sets 10000] [--jobs 2] [--out docs/coverage_table.csv]

Each cell of the grid draws data sets from the binomial-normal model: k studies, sizes log-uniform from 10 to 150, logits normal
around the logit of the median rate. Every method answers the same data, as `metanet.pool` would: the exact models take data without
events, or with events only, to the exact interval on the sum, two-step models correct them. The truth is the median rate; for the
beta-binomial model, whose parameter is the mean, the population-averaged rate. A set for which a model has no maximum has no
interval; it is counted in the columns `unanswered` and in no coverage. Widths are in percentage points of the rate.

The seed belongs to the cell and to its chunk, so the table is the same on every run and on any number of processors.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
from scipy import special

from metanet.effects.back_transforms import harmonic_mean
from metanet.effects.measures import MEASURES
from metanet.effects.study_intervals import clopper_pearson
from metanet.kernels.beta_binomial import fit as beta_binomial
from metanet.kernels.inverse_variance import intervals as mean_intervals, tau2, two_step
from metanet.kernels.normal_effect.fit import fit as fit_random_effect, mu_interval
from metanet.kernels.normal_effect.random_effect import LINKS, marginal_rate
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit
from metanet.kernels.numerics import distributions

K = (3, 5, 10, 20)
RATES = (0.03, 0.08, 0.45, 0.85)
TAUS = (0.0, 0.5, 1.0)
SMALLEST, LARGEST = 10, 150
METHODS = {
    "glmm_z": "GLMM, normal quantile",
    "glmm_t": "GLMM, t with k - 1 df",
    "glmm_profile": "GLMM, profile likelihood",
    "beta_z": "beta-binomial, normal quantile",
    "beta_t": "beta-binomial, t with k - 1 df",
    "logit_hk": "logit, REML, Hartung-Knapp",
    "arcsine_hk": "arcsine, REML, Hartung-Knapp",
    "ft_hk": "Freeman-Tukey, REML, Hartung-Knapp",
}
#: Sets fitted together.
CHUNK = 500
SEED = 20250

Interval = tuple[np.ndarray, np.ndarray]


def draw(rng: np.random.Generator, sets: int, k: int, rate: float, tau: float) -> Interval:
    """Events and totals ``[sets, k]``."""
    total = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST), (sets, k))).round()
    logit = special.logit(rate) + tau * rng.standard_normal((sets, k))
    return rng.binomial(total.astype(np.int64), special.expit(logit)).astype(float), total


def exact(events: np.ndarray, total: np.ndarray, level: float) -> dict[str, Interval]:
    """Intervals of the exact models on data with events and non-events; NaN where a model has no maximum."""
    k = events.shape[1]
    normal, student = distributions.two_sided_z(level), float(distributions.two_sided_t(level, k - 1))
    studies = BinomialLogit(events, total)
    fit = fit_random_effect(studies)
    fine = np.where(fit.settled & ~fit.unbounded, 1.0, np.nan)
    se = np.sqrt(fit.covariance[:, 0, 0]) * fine
    out = {"glmm_z": (fit.mu - normal * se, fit.mu + normal * se), "glmm_t": (fit.mu - student * se, fit.mu + student * se)}
    low, high = mu_interval(studies, fit, level)
    out["glmm_profile"] = (low * fine, high * fine)
    beta = beta_binomial.fit(events, total)
    se = np.where(beta.settled & ~beta.unbounded, beta.se, np.nan)
    out["beta_z"] = (beta.mu - normal * se, beta.mu + normal * se)
    out["beta_t"] = (beta.mu - student * se, beta.mu + student * se)
    return {name: (special.expit(low), special.expit(high)) for name, (low, high) in out.items()}


def two_steps(events: np.ndarray, total: np.ndarray, measure: str, level: float) -> Interval:
    """REML and Hartung-Knapp on the scale of a measure, back on the rate."""
    found = MEASURES[measure].effects(events, total)
    fit = two_step.weighted_mean(found.yi, found.vi, tau2.reml(found.yi, found.vi))
    interval = mean_intervals.hartung_knapp(fit, two_step.study_count(found.vi), level)
    size = harmonic_mean(total) if MEASURES[measure].needs_size else None
    return MEASURES[measure].back(interval.lower, size), MEASURES[measure].back(interval.upper, size)


def intervals(events: np.ndarray, total: np.ndarray, level: float) -> dict[str, Interval]:
    """Lower and upper ends of every method on the rate scale, ``[sets]``; NaN without an answer."""
    x, n = events.sum(-1), total.sum(-1)
    edge = (x == 0) | (x == n)
    rows = np.flatnonzero(~edge)
    some = exact(events[rows], total[rows], level) if rows.size else {}
    bottom, top = clopper_pearson(x, n, level)
    out = {}
    for name in METHODS:
        if name.startswith(("glmm", "beta")):
            low, high = bottom.copy(), top.copy()
            if rows.size:
                low[rows], high[rows] = some[name]
            out[name] = (low, high)
    for name, measure in (("logit_hk", "PLO"), ("arcsine_hk", "PAS"), ("ft_hk", "PFT")):
        out[name] = two_steps(events, total, measure, level)
    return out


def simulate(task: tuple[int, int, float, float, int, float]) -> list[object]:
    """Draw and answer the sets of one cell; gives its row of the table."""
    cell, k, rate, tau, sets, level = task
    averaged = float(marginal_rate(LINKS["logit"], np.array([special.logit(rate)]), np.array([tau]))[0][0])
    held, width, answered = (dict.fromkeys(METHODS, 0.0) for _ in range(3))
    edges = 0
    for chunk, start in enumerate(range(0, sets, CHUNK)):
        rng = np.random.default_rng([SEED, cell, chunk])
        events, total = draw(rng, min(CHUNK, sets - start), k, rate, tau)
        x = events.sum(-1)
        edges += int(((x == 0) | (x == total.sum(-1))).sum())
        for name, (low, high) in intervals(events, total, level).items():
            truth = averaged if name.startswith("beta") else rate
            known = ~np.isnan(low) & ~np.isnan(high)
            held[name] += float(((low <= truth) & (truth <= high) & known).sum())
            width[name] += float((high - low)[known].sum())
            answered[name] += float(known.sum())
    shares = [100 * held[name] / answered[name] for name in METHODS]
    widths = [100 * width[name] / answered[name] for name in METHODS]
    unanswered = [int(sets - answered[name]) for name in ("glmm_t", "beta_t")]
    return [k, rate, tau, sets, edges, *unanswered, *(f"{x:.2f}" for x in shares), *(f"{x:.2f}" for x in widths)]


def main() -> None:
    """Run the grid, write the table, print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=10_000, help="data sets in each cell (default 10000)")
    parser.add_argument("--level", type=float, default=0.95, help="nominal coverage (default 0.95)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "docs/coverage_table.csv")
    given = parser.parse_args()
    if given.sets < 1:
        parser.error("--sets must be at least 1")
    cells = [(i, *cell, given.sets, given.level) for i, cell in enumerate(product(K, RATES, TAUS))]
    rows, began = [], time.monotonic()
    with ProcessPoolExecutor(max(1, given.jobs)) as pool:
        for i, row in enumerate(pool.map(simulate, cells)):
            rows.append(row)
            print(f"{i + 1:2d}/{len(cells)}  {time.monotonic() - began:6.0f} s  {row[:3]}  {row[7:15]}", file=sys.stderr)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    partial = given.out.with_name(f".{given.out.name}.part")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = ["k", "rate", "tau", "sets", "exact", "unanswered_glmm", "unanswered_beta"]
        writer.writerow([*names, *METHODS, *(f"{name}_width" for name in METHODS)])
        writer.writerows(rows)
    os.replace(partial, given.out)
    print(summary(given.out, given.level))


def summary(table: Path, level: float = 0.95) -> str:
    """Mean, extremes and distance from the nominal coverage of each interval in a table, and its mean width."""
    with table.open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    sets, nominal = int(cells[0]["sets"]), 100 * level
    lines = [f"{'interval':<36}{'mean':>7}{'least':>7}{'most':>7}{'rms':>6}{'width':>7}"]
    for name, words in METHODS.items():
        share, width = (np.array([float(cell[key]) for cell in cells]) for key in (name, f"{name}_width"))
        rms = np.sqrt(((share - nominal) ** 2).mean())
        lines.append(f"{words:<36}{share.mean():7.1f}{share.min():7.1f}{share.max():7.1f}{rms:6.1f}{width.mean():7.1f}")
    one = 100 * np.sqrt(level * (1 - level) / sets)
    lines.append(f"{len(cells)} cells of {sets} data sets; Monte-Carlo error of one cell at the nominal coverage {one:.1f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
