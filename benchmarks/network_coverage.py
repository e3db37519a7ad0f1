"""Coverage of the 95 % intervals of networks, exact model and two steps, at rare and common events.

    python benchmarks/network_coverage.py [--networks 500] [--out docs/network_coverage_table.csv]

Each cell draws networks of five treatments and fifteen studies (twelve of two arms, three of three arms, 40 to 150 patients an arm)
whose contrasts differ between studies with standard deviation tau. Covered are the contrasts of four treatments with the first one. A
contrast without a finite estimate is counted apart, in the exact model; in two steps the correction of empty cells always gives a
number, and its coverage is told for all contrasts and for those that the exact model estimates. The standard error of a coverage takes
the contrasts of a network together. The seed belongs to the cell.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
from scipy import special

from metanet.kernels.network.arms import Arms
from metanet.kernels.network.exact_network import Counts, fit_network
from metanet.kernels.network.two_step import arm_effects, estimate
from metanet.kernels.numerics.distributions import two_sided_z

RATES, TAUS = (0.02, 0.1, 0.4), (0.0, 0.3)
TREATMENTS, STUDIES, THREE, SEED = 5, 15, 3, 202_701
EFFECTS = np.array([0.0, 0.2, 0.4, -0.3, 0.6])


def draw(rng: np.random.Generator, networks: int, rate: float, tau: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events, totals and treatments ``[networks * studies, 3]``; a tree first, so that every network is connected."""
    node = np.zeros((networks, STUDIES, 3), dtype=np.intp)
    for b in range(networks):
        for s in range(STUDIES):
            node[b, s] = rng.permutation(TREATMENTS)[:3]
        for s in range(1, TREATMENTS):
            node[b, s - 1, :2] = s, rng.integers(0, s)
    total = rng.integers(40, 151, node.shape).astype(float)
    # Contrasts of arms with independent effects of variance tau2 / 2 have the variance tau2.
    noise = rng.normal(0.0, tau / np.sqrt(2.0), node.shape)
    logit = special.logit(rate) + rng.normal(0.0, 0.3, (networks, STUDIES, 1)) + EFFECTS[node] + noise
    events = rng.binomial(total.astype(np.int64), special.expit(logit)).astype(float)
    # The last studies have three arms; the spanning ones two.
    events[:, : STUDIES - THREE, 2] = total[:, : STUDIES - THREE, 2] = np.nan
    return events.reshape(-1, 3), total.reshape(-1, 3), node.reshape(-1, 3)


def share(covered: np.ndarray, known: np.ndarray) -> tuple[float, float]:
    """Coverage in per cent of the contrasts that are known ``[networks, contrasts]``, and its standard error by network."""
    hits, counts = (covered & known).sum(1), known.sum(1)
    mean = hits.sum() / counts.sum()
    # A ratio of sums over networks.
    residual = hits - mean * counts
    return 100 * mean, 100 * float(np.sqrt((residual**2).sum()) / counts.sum())


def simulate(cell: int, rate: float, tau: float, networks: int) -> list[list[object]]:
    """Rows of the table for one cell."""
    y, n, node = draw(np.random.default_rng([SEED, cell]), networks, rate, tau)
    owner = np.repeat(np.arange(networks), STUDIES)
    z, truth = two_sided_z(0.95), EFFECTS[1:]
    exact, error = np.full((networks, 4), np.nan), np.full((networks, 4), np.nan)
    taus = np.full(networks, np.nan)
    for b in range(networks):
        rows = owner == b
        counts = Counts(np.nan_to_num(y[rows]), np.nan_to_num(n[rows]), node[rows], TREATMENTS, np.arange(STUDIES))
        found = fit_network(counts)
        if found.fit.converged:
            mu, se = found.contrasts
            exact[b], error[b], taus[b] = mu[1:, 0], se[1:, 0], found.fit.tau
    known = np.isfinite(exact)
    everything = np.ones_like(known)
    effect, variance, _ = arm_effects(y, n, "OR")
    found_two = {m: estimate(Arms(effect, variance, node, owner, networks, TREATMENTS), m) for m in ("REML", "DL", "none")}
    lines: list[list[object]] = []

    def line(name: str, mu: np.ndarray, se: np.ndarray, which: np.ndarray, tau_found: np.ndarray) -> None:
        covered = np.abs(mu - truth) <= z * se
        level, mc = share(covered, which)
        bias = float((mu - truth)[which].mean())
        width = float(np.median(2 * z * se[which]))
        shown = [
            f"{100 * which.mean():.1f}",
            f"{level:.1f}",
            f"{mc:.1f}",
            f"{bias:+.3f}",
            f"{width:.2f}",
            f"{np.nanmedian(tau_found):.2f}",
        ]
        lines.append([f"{100 * rate:g}", tau, name, networks, *shown])

    line("exact", exact, error, known, taus)
    for method, title in (("REML", "two steps, REML"), ("DL", "two steps, DL"), ("none", "two steps, common effect")):
        found = found_two[method]
        mu, se = (each[:, 1:, 0] for each in found.contrasts)
        line(title, mu, se, everything, np.sqrt(found.tau2))
        if not known.all() and method == "REML":
            line(f"{title}, where the exact model has an estimate", mu, se, known, np.sqrt(found.tau2))
    return lines


def main() -> None:
    """Run the grid and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", type=int, default=500, help="networks in each cell (default 500)")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "docs/network_coverage_table.csv")
    given = parser.parse_args()
    if given.networks < 10:
        parser.error("--networks must be at least 10")
    began, rows = time.monotonic(), []
    for i, (rate, tau) in enumerate(product(RATES, TAUS)):
        rows += simulate(i, rate, tau, given.networks)
        print(f"{time.monotonic() - began:6.0f} s  {rows[-1]}", file=sys.stderr)
    with given.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        numbers = ["estimated, %", "coverage, %", "standard error", "bias of the log odds ratio", "median width", "median of tau"]
        writer.writerow(["rate, %", "tau", "model", "networks", *numbers])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
