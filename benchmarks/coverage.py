"""Coverage of the intervals of the binomial-normal model: how often the interval of the median rate holds the true one.

    python benchmarks/coverage.py [--sets 250] [--out docs/coverage_table.csv]

Each cell of the grid draws data sets from the model itself: k studies, sizes log-uniform from 10 to 150, logits normal
around the logit of the median rate. All intervals of one data set come from one fit. Data without events, or with events
only, are answered as `metanet.pool` answers them: by the exact interval on the sum. A data set whose likelihood has no
maximum has no interval; it is counted in the column `unanswered` and in no coverage.

The seed belongs to the cell and to its chunk, so the table is the same on every run and on any number of processors.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from scipy import special

from metanet.effects.study_intervals import clopper_pearson
from metanet.kernels import quantiles
from metanet.kernels.binomial_normal_fit import fit as fit_binomial_normal
from metanet.kernels.binomial_normal_profile import mu_interval

K = (3, 5, 10, 20)
RATES = (0.03, 0.08, 0.45, 0.85)
TAUS = (0.0, 0.5, 1.0)
SMALLEST, LARGEST = 10, 150
METHODS = ("z", "t", "profile")
#: Sets fitted together; the arrays of the quadrature then fit the memory of a small machine.
CHUNK = 250
SEED = 20250


@dataclass
class Count:
    """What happened in one cell."""

    sets: int = 0
    exact: int = 0
    unanswered: int = 0
    held: tuple[int, ...] = (0,) * len(METHODS)


def draw(rng: np.random.Generator, sets: int, k: int, rate: float, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """Events and totals ``[sets, k]``."""
    total = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST), (sets, k))).round()
    logit = special.logit(rate) + tau * rng.standard_normal((sets, k))
    return rng.binomial(total.astype(np.int64), special.expit(logit)).astype(float), total


def intervals(events: np.ndarray, total: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower and upper ends on the logit scale ``[methods, sets]`` (NaN without an answer), and which sets were exact."""
    b, k = events.shape
    x, n = events.sum(-1), total.sum(-1)
    edge = (x == 0) | (x == n)
    low, high = np.full((len(METHODS), b), np.nan), np.full((len(METHODS), b), np.nan)
    with np.errstate(divide="ignore"):
        bottom, top = (special.logit(end) for end in clopper_pearson(x[edge], n[edge], level))
    low[:, edge], high[:, edge] = bottom, top
    rows = np.flatnonzero(~edge)
    if rows.size:
        e, m = events[rows], total[rows]
        fit = fit_binomial_normal(e, m)
        se = np.sqrt(fit.covariance[:, 0, 0])
        fine = np.where(fit.settled & ~fit.unbounded, 1.0, np.nan)
        for i, critical in enumerate((quantiles.two_sided_z(level), float(quantiles.two_sided_t(level, k - 1)))):
            low[i, rows], high[i, rows] = (fit.mu - critical * se) * fine, (fit.mu + critical * se) * fine
        bottom, top = mu_interval(e, m, fit, level)
        low[2, rows], high[2, rows] = bottom * fine, top * fine
    return low, high, edge


def simulate(cell: int, k: int, rate: float, tau: float, sets: int, level: float) -> Count:
    """Draw and answer the sets of one cell."""
    found = Count()
    truth = special.logit(rate)
    for chunk, start in enumerate(range(0, sets, CHUNK)):
        rng = np.random.default_rng([SEED, cell, chunk])
        events, total = draw(rng, min(CHUNK, sets - start), k, rate, tau)
        low, high, edge = intervals(events, total, level)
        answered = ~np.isnan(low).any(0)
        held = ((low <= truth) & (truth <= high) & answered).sum(1)
        found.sets += events.shape[0]
        found.exact += int(edge.sum())
        found.unanswered += int((~answered).sum())
        found.held = tuple(int(a + b) for a, b in zip(found.held, held, strict=True))
    return found


def main() -> None:
    """Run the grid, write the table, print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=250, help="data sets in each cell (default 250)")
    parser.add_argument("--level", type=float, default=0.95, help="nominal coverage (default 0.95)")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "docs/coverage_table.csv")
    given = parser.parse_args()
    if given.sets < 1:
        parser.error("--sets must be at least 1")
    rows, began = [], time.monotonic()
    cells = list(product(K, RATES, TAUS))
    for cell, (k, rate, tau) in enumerate(cells):
        found = simulate(cell, k, rate, tau, given.sets, given.level)
        answered = found.sets - found.unanswered
        shares = [100 * held / answered if answered else float("nan") for held in found.held]
        rows.append((k, rate, tau, found.sets, found.exact, found.unanswered, *shares))
        note = f"{cell + 1:2d}/{len(cells)}  {time.monotonic() - began:6.0f} s"
        listed = "  ".join(f"{share:5.1f}" for share in shares)
        print(f"{note}  k={k:<2d} rate={rate:.2f} tau={tau:.1f}  {listed}", file=sys.stderr)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    partial = given.out.with_name(f".{given.out.name}.part")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["k", "rate", "tau", "sets", "exact", "unanswered", *METHODS])
        writer.writerows([*row[:6], *(f"{share:.2f}" for share in row[6:])] for row in rows)
    os.replace(partial, given.out)
    print(summary(given.out, given.level))


def summary(table: Path, level: float = 0.95) -> str:
    """Mean, extremes and distance from the nominal coverage of each interval in a table, with the Monte-Carlo error of the mean."""
    with table.open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    answered = np.array([int(cell["sets"]) - int(cell["unanswered"]) for cell in cells])
    nominal = 100 * level
    lines = [f"{'interval':<10}{'mean':>8}{'error':>8}{'least':>8}{'most':>8}{'rms':>8}"]
    for name in METHODS:
        share = np.array([float(cell[name]) for cell in cells])
        error = 100 * np.sqrt((share / 100 * (1 - share / 100) / answered).sum()) / share.size
        rms = np.sqrt(((share - nominal) ** 2).mean())
        lines.append(f"{name:<10}{share.mean():8.1f}{error:8.2f}{share.min():8.1f}{share.max():8.1f}{rms:8.1f}")
    sets = int(cells[0]["sets"])
    one = 100 * np.sqrt(level * (1 - level) / sets)
    lines.append(
        f"{len(cells)} cells of {sets} data sets; Monte-Carlo error of one cell at the nominal coverage {one:.1f}"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
