"""Size of the 5 % test of one moderator in a meta-regression of counts: how often it rejects where the moderator does nothing.

    python benchmarks/regression_size.py [--sets 1000] [--out table.csv]

Each cell draws data sets from the binomial-normal model: k studies, sizes log-uniform from 8 to 150, logits normal around the logit
of the median rate, and a standard normal moderator that has no part in them. Tested are the slope of the posterior (it rejects where
its 95 % credible interval excludes zero), the likelihood ratio, and Wald's test by Student's t with k - 2 degrees of freedom. A set
for which a model has no finite maximum has no Wald test, which counts as no rejection. The seed belongs to the cell.
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
from metanet.kernels.bayes.posterior import TauPrior
from metanet.kernels.bayes.regression import RULES, fit as posterior, two_sided
from metanet.kernels.normal_effect.fit import fit as fit_mean
from metanet.kernels.normal_effect.regression import fit as fit_exact
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit
from metanet.kernels.numerics import distributions
from metanet.models.registry import prior_of

K = (6, 8, 10, 14, 20)
TAUS = (0.3, 0.6, 1.0)
RATES = (0.20, 0.08)
SMALLEST, LARGEST = 8, 150
LEVEL = 0.05
SEED = 40417
#: Sets fitted together.
CHUNK = 20
METHODS = ("posterior", "likelihood ratio", "Wald t")


def draw(rng: np.random.Generator, sets: int, k: int, rate: float, tau: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events and totals ``[sets, k]``, and designs ``[sets, k, 2]``."""
    total = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST), (sets, k))).round()
    logit = special.logit(rate) + tau * rng.standard_normal((sets, k))
    events = rng.binomial(total.astype(np.int64), special.expit(logit)).astype(float)
    return events, total, np.stack([np.ones((sets, k)), rng.standard_normal((sets, k))], axis=-1)


def by_posterior(studies: BinomialLogit, x: np.ndarray) -> np.ndarray:
    """The p-value of each set's slope."""
    prior = prior_of("logit")
    out = np.empty(x.shape[0])
    left = np.arange(x.shape[0])
    for rule in RULES[:3]:
        found = posterior(
            studies.take(left), x[left], MeanPrior(prior.mean, prior.sd), TauPrior("half-normal", prior.scale), np.eye(2)[1:], rule
        )
        out[left] = two_sided(found.contrasts)
        left = left[~found.settled]
        if not left.size:
            break
    return out


def by_likelihood(studies: BinomialLogit, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The p-values of the likelihood ratio and of Wald's test; one where there is none."""
    k = x.shape[1]
    found, null = fit_exact(studies, x), fit_mean(studies)
    with np.errstate(invalid="ignore"):
        ratio = distributions.chi2_upper_tail(np.maximum(2 * (found.loglik - null.loglik), 0.0), 1)
        wald = 2 * special.stdtr(k - 2, -np.abs(found.beta[:, 1]) / np.sqrt(found.covariance[:, 1, 1]))
    return np.where(np.isfinite(ratio), ratio, 1.0), np.where(np.isfinite(wald), wald, 1.0)


def cell(number: int, sets: int, k: int, rate: float, tau: float) -> dict[str, float]:
    """Shares of the sets in which each test rejects."""
    rng = np.random.default_rng((SEED, number))
    rejected = np.zeros(len(METHODS))
    for start in range(0, sets, CHUNK):
        count = min(CHUNK, sets - start)
        events, total, x = draw(rng, count, k, rate, tau)
        studies = BinomialLogit(events, total)
        # Without an event, or with nothing else, there is nothing for a likelihood to explain.
        some = np.flatnonzero((events.sum(-1) > 0) & (events.sum(-1) < total.sum(-1)))
        values = [by_posterior(studies, x), np.ones(count), np.ones(count)]
        values[1][some], values[2][some] = by_likelihood(studies.take(some), x[some])
        rejected += [(p < LEVEL).sum() for p in values]
    return dict(zip(METHODS, (rejected / sets).tolist(), strict=True))


def main() -> None:
    """Print the table, and write it where a path is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    error = 100 * (LEVEL * (1 - LEVEL) / given.sets) ** 0.5
    print(f"Rejections in per cent of {given.sets} sets; Monte Carlo error {error:.2f} points\n")
    print(f"{'rate':>5} {'tau':>4} {'k':>3}  " + "  ".join(f"{name:>16}" for name in METHODS), flush=True)
    rows, began = [], time.perf_counter()
    for number, (rate, tau, k) in enumerate(product(RATES, TAUS, K)):
        found = cell(number, given.sets, k, rate, tau)
        rows.append({"rate": rate, "tau": tau, "k": k, **found})
        print(f"{rate:5.2f} {tau:4.1f} {k:3d}  " + "  ".join(f"{100 * found[name]:16.1f}" for name in METHODS), flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s", file=sys.stderr)
    if given.out is not None:
        with given.out.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
