"""Size of the 5 % test of equal rates in groups of studies: how often it rejects where the groups are alike.

    python benchmarks/groups_size.py [--sets 1000] [--out docs/groups_size_table.csv]

Each cell draws data sets from the binomial-normal model with one median rate and one tau for all groups: k studies a group, sizes
log-uniform from 8 to 150. Tested are the posterior with one tau (it rejects where the 95 % credible interval of the difference of two
groups excludes zero; of three groups, where the ellipsoid of the differences does), and the likelihood ratio by chi-squared and by F.
Three groups are drawn at a rate of 20 % alone, with half as many data sets. The seed belongs to the cell. Some minutes on one
processor.
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

from metanet.kernels.bayes.batch import MeanPrior
from metanet.kernels.bayes.groups import equality, equality_of_all, joint
from metanet.kernels.bayes.posterior import TauPrior
from metanet.kernels.normal_effect.random_effect import LINKS
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit
from metanet.kernels.numerics import distributions
from metanet.models.comparison.fit import ratio_common
from metanet.models.options import check_options
from metanet.models.pooling.batch import Data
from metanet.models.registry import prior_of

K, RATES, TAUS, GROUPS = (3, 4, 6, 8), (0.08, 0.2, 0.5), (0.0, 0.3, 0.6, 1.0), (2, 3)
CHUNK, SEED = 50, 202612


def draw(rng: np.random.Generator, sets: int, groups: int, k: int, rate: float, tau: float) -> tuple[np.ndarray, np.ndarray]:
    """Events and totals ``[sets * groups, k]``, the groups of a data set in consecutive rows."""
    total = np.exp(rng.uniform(np.log(8), np.log(150), (sets * groups, k))).round()
    logit = special.logit(rate) + tau * rng.standard_normal((sets * groups, k))
    return rng.binomial(total.astype(np.int64), special.expit(logit)).astype(float), total


def posterior(events: np.ndarray, total: np.ndarray, groups: int) -> np.ndarray:
    """p-values of the posterior with one tau, ``[sets]``."""
    prior = prior_of("logit")
    found, _ = joint(BinomialLogit(events, total), groups, MeanPrior(prior.mean, prior.sd), TauPrior("half-normal", prior.scale))
    rows = np.arange(events.shape[0])
    if groups == 2:
        return equality(found.take(rows[::2]), found.take(rows[1::2]), LINKS["logit"])
    return np.array([equality_of_all(found.take(part)) for part in rows.reshape(-1, groups)])


def ratio(events: np.ndarray, total: np.ndarray, groups: int) -> tuple[np.ndarray, np.ndarray]:
    """p-values of the likelihood ratio by chi-squared and by F, ``[sets]``; NaN, which rejects nothing, without a maximum."""
    sets, k = events.shape[0] // groups, events.shape[1]
    data = Data({"events": events.reshape(sets, -1), "total": total.reshape(sets, -1)})
    group = np.repeat(np.arange(groups), k)
    statistic = ratio_common(data, group, groups, check_options(model="glmm"))
    df, residual = groups - 1, groups * k - groups
    return np.asarray(distributions.chi2_upper_tail(statistic, df)), np.asarray(special.fdtrc(df, residual, statistic / df))


def simulate(cell: int, groups: int, k: int, rate: float, tau: float, sets: int) -> list[object]:
    """One row of the table: rejections in per cent."""
    rejected = np.zeros(3)
    for chunk, start in enumerate(range(0, sets, CHUNK)):
        events, total = draw(np.random.default_rng([SEED, cell, chunk]), min(CHUNK, sets - start), groups, k, rate, tau)
        for i, p in enumerate((posterior(events, total, groups), *ratio(events, total, groups))):
            rejected[i] += float((p < 0.05).sum())
    return [groups, k, rate, tau, sets, *(f"{100 * x / sets:.1f}" for x in rejected)]


def main() -> None:
    """Run the grid and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=1_000, help="data sets in each cell of two groups (default 1000)")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "docs/groups_size_table.csv")
    given = parser.parse_args()
    if given.sets < 10:
        parser.error("--sets must be at least 10")
    began, rows = time.monotonic(), []
    for i, (groups, k, rate, tau) in enumerate(product(GROUPS, K, RATES, TAUS)):
        if groups > 2 and rate != 0.2:
            continue
        rows.append(simulate(i, groups, k, rate, tau, given.sets if groups == 2 else given.sets // 2))
        print(f"{time.monotonic() - began:6.0f} s  {rows[-1]}", file=sys.stderr)
    with given.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["groups", "k", "rate", "tau", "sets", "posterior", "lrt", "lrt by F"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
