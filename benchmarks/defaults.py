"""What the intervals of a group of studies contain, by method: the simulation that the defaults of `metanet.pool` rest on.

    python benchmarks/defaults.py [--sets 1000] [--jobs 2] [--out docs/defaults_table.csv]

Each cell draws data sets of k studies with sizes log-uniform from 8 to 150 and true logits around the logit of the median rate with
standard deviation tau: normal in most cells, heavy-tailed (t with 4 df) or skewed (skew-normal) in some; in the cells "own" every data
set has a tau of its own, drawn from half-normal(0.8), which is what the pooled groups of the curated evidence look like. Every method
answers the same data. Of a method the table holds

- mean: how often its interval of the median rate contains it, and the mean width in points (maximum likelihood answers data without
  events, or with events only, by the exact interval on the sum);
- average: the same for the population-averaged rate;
- prediction: the mean share of the distribution of true rates inside the prediction interval, the mean width, and the share of data
  sets whose interval contains less than 80 %;
- tau interval: how often its interval contains tau.

The seed belongs to the cell and its chunk: the table is the same on every run and on any number of processors. The Monte-Carlo error
of a share of 95 % from 1,000 sets is 0.7 points. About 30 minutes on two processors.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy import special, stats

from metanet.kernels.bayes.batch import MeanPrior, posteriors
from metanet.kernels.bayes.groups import joint
from metanet.kernels.bayes.posterior import TauPrior
from metanet.kernels.normal_effect.fit import fit as fit_random_effect, mu_interval
from metanet.kernels.normal_effect.random_effect import LINKS, marginal_rate
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit
from metanet.models.options import check_options
from metanet.models.pooling.batch import Data, pool_batch
from metanet.models.registry import MU_SD

K = (2, 3, 4, 5, 8, 12, 20)
RATES = (0.02, 0.08, 0.2, 0.45, 0.9)
TAUS = (0.0, 0.3, 0.6, 0.9, 1.2, 1.5)
OWN = 0.8
SMALLEST, LARGEST = 8, 150
CHUNK, SEED = 100, 202611
#: Data sets of a chunk whose prediction interval is bootstrapped.
BOOTSTRAPPED = 10
#: Scales of the half-normal prior; 0.8 is the one that the curated groups of single modalities make most likely.
SCALES = (0.8, 1.0, 1.25, 1.5)
#: The posterior under this prior is weighted anew for the others.
BASE = TauPrior("half-normal", 2.0)
LEVEL = 0.95
ENDS = np.array([0.025, 0.975])
METHODS = ("ml", "ml_profile", "reml_bootstrap", *(f"posterior {scale:g}" for scale in SCALES), "posterior shared tau")
SHAPES: dict[str, Callable[[], stats.rv_frozen]] = {
    "normal": lambda: stats.norm(),
    "t4": lambda: stats.t(4, scale=np.sqrt(0.5)),
    "skew": lambda: stats.skewnorm(6, *_standard(6)),
}
NUMBERS = ("mean", "mean width", "average", "average width", "prediction", "prediction width", "below 80", "tau interval")
COLUMNS = ("k", "rate", "tau", "effects", "sets", "method", *NUMBERS)


def _standard(shape: float) -> tuple[float, float]:
    """Location and scale of a skew-normal distribution with mean zero and standard deviation one."""
    mean, variance = (float(x) for x in stats.skewnorm.stats(shape))
    return -mean / variance**0.5, 1.0 / variance**0.5


Ends = tuple[np.ndarray, np.ndarray]


def answers(events: np.ndarray, total: np.ndarray) -> dict[str, dict[str, Ends]]:
    """For each method the ends of its intervals, ``[sets]``."""
    out: dict[str, dict[str, Ends]] = {}
    data = Data({"events": events, "total": total})
    ml = pool_batch(data, check_options(model="glmm"))
    out["ml"] = {
        "mean": (ml.ci_lower, ml.ci_upper),
        "average": (ml.marginal_ci_lower, ml.marginal_ci_upper),
        "prediction": (ml.pi_lower, ml.pi_upper),
        "tau": (np.sqrt(ml.tau2_lower), np.sqrt(ml.tau2_upper)),
    }
    k = events.shape[1]
    # The profile likelihood with the square of the t quantile in place of chi-squared.
    corrected = float(stats.chi2.cdf(stats.t.ppf(0.975, k - 1) ** 2, 1))
    inner = np.flatnonzero(ml.status == "pooled")
    low, high = ml.ci_lower.copy(), ml.ci_upper.copy()
    if inner.size and corrected < 1 - 1e-12:
        studies = BinomialLogit(events[inner], total[inner])
        ends = mu_interval(studies, fit_random_effect(studies), corrected)
        low[inner], high[inner] = (special.expit(end) for end in ends)
    out["ml_profile"] = {"mean": (low, high)}
    two = pool_batch(data, check_options(model="inverse_variance", measure="PLO", prediction=None))
    # The bootstrap takes longer than all else together: some of the data sets answer for it.
    low, high = np.full((2, ml.k.size), np.nan)
    if k > 2:
        some = pool_batch(
            data.rows(slice(0, BOOTSTRAPPED)), check_options(model="inverse_variance", measure="PLO", prediction="bootstrap")
        )
        low[:BOOTSTRAPPED], high[:BOOTSTRAPPED] = some.pi_lower, some.pi_upper
    out["reml_bootstrap"] = {"prediction": (low, high), "mean": (two.ci_lower, two.ci_upper)}
    found, _ = posteriors(BinomialLogit(events, total), MeanPrior(0.0, MU_SD), BASE, (32, 24))
    tau = found.tau.tau
    for scale in SCALES:
        with np.errstate(under="ignore"):
            ratio = np.exp(TauPrior("half-normal", scale).log_density(tau) - BASE.log_density(tau))
        weight = found.weight * ratio
        weight /= weight.sum(-1, keepdims=True)
        one = replace(found, tau=replace(found.tau, weight=weight))
        below = np.cumsum(weight, axis=1) - 0.5 * weight
        spread = [np.array([np.interp(p, b, t) for b, t in zip(below, tau, strict=True)]) for p in ENDS]
        out[f"posterior {scale:g}"] = {
            "mean": tuple(special.expit(one.quantiles(ENDS)).T),
            "average": tuple(special.expit(one.averaged_quantiles(ENDS, "logit")).T),
            "prediction": tuple(special.expit(one.new_quantiles(ENDS)).T),
            "tau": (spread[0], spread[1]),
        }
    return out


def shared(events: np.ndarray, total: np.ndarray, groups: int) -> dict[str, Ends]:
    """Consecutive data sets as groups of one review with one tau."""
    found, _ = joint(BinomialLogit(events, total), groups, MeanPrior(0.0, MU_SD), TauPrior("half-normal", 1.25), (32, 24))
    return {
        "mean": tuple(special.expit(found.quantiles(ENDS)).T),
        "average": tuple(special.expit(found.averaged_quantiles(ENDS, "logit")).T),
        "prediction": tuple(special.expit(found.new_quantiles(ENDS)).T),
    }


def simulate(task: tuple[int, int, float, float | None, str, int]) -> list[list[object]]:
    """The rows of one cell: one for each method."""
    cell, k, rate, tau, shape, sets = task
    effects = SHAPES[shape]()
    sums = {method: np.zeros((len(NUMBERS), 2)) for method in METHODS}
    for chunk, start in enumerate(range(0, sets, CHUNK)):
        rng = np.random.default_rng([SEED, cell, chunk])
        b = min(CHUNK, sets - start)
        own = np.full(b, tau) if tau is not None else np.abs(OWN * rng.standard_normal(b))
        total = np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST), (b, k))).round()
        centre = special.logit(rate) - own * float(effects.median())
        standard = effects.rvs(size=(b, k), random_state=rng)
        events = rng.binomial(total.astype(np.int64), special.expit(centre[:, None] + own[:, None] * standard)).astype(float)
        grid = effects.ppf((np.arange(400) + 0.5) / 400)
        average = special.expit(centre[:, None] + own[:, None] * grid).mean(-1)
        if shape == "normal":
            average = marginal_rate(LINKS["logit"], centre, own)[0]
        found = answers(events, total)
        if tau is None and b % 4 == 0:
            found["posterior shared tau"] = shared(events, total, 4)
        for method, parts in found.items():
            for i, (name, truth) in enumerate((("mean", np.full(b, rate)), ("average", average))):
                if name in parts:
                    low, high = parts[name]
                    known = ~np.isnan(low)
                    sums[method][2 * i] += [float(((low <= truth) & (truth <= high))[known].sum()), float(known.sum())]
                    sums[method][2 * i + 1] += [100 * float((high - low)[known].sum()), float(known.sum())]
            if "prediction" in parts:
                low, high = parts["prediction"]
                known = ~np.isnan(low)
                low, high = low[known], high[known]
                a, c = (special.logit(np.clip(end, 1e-300, 1.0)) for end in (low, high))
                spread = np.maximum(own[known], 1e-9)
                content = effects.cdf((c - centre[known]) / spread) - effects.cdf((a - centre[known]) / spread)
                n = float(known.sum())
                sums[method][4:7] += [
                    [float(content.sum()), n],
                    [100 * float((high - low).sum()), n],
                    [float((content < 0.8).sum()), n],
                ]
            if "tau" in parts:
                low, high = parts["tau"]
                known = ~np.isnan(low)
                sums[method][7] += [float(((low <= own) & (own <= high))[known].sum()), float(known.sum())]
    rows: list[list[object]] = []
    for method in METHODS:
        values = [
            "" if n == 0 else f"{(1 if 'width' in name else 100) * x / n:.1f}"
            for name, (x, n) in zip(NUMBERS, sums[method], strict=True)
        ]
        if any(values):
            rows.append([k, rate, "own" if tau is None else tau, shape, sets, method, *values])
    return rows


def cells() -> list[tuple[int, float, float | None, str]]:
    """Every cell: k, rate, tau (None: one for each data set), shape of the distribution of effects."""
    found: list[tuple[int, float, float | None, str]] = [
        (k, rate, tau, "normal") for k in K for rate in RATES for tau in (*TAUS, None)
    ]
    found += [(k, rate, tau, shape) for shape in ("t4", "skew") for k in (3, 5, 12) for rate in (0.08, 0.45) for tau in (0.6, 1.2)]
    return found


#: The methods of the summary, and the largest tau of the cells it takes the least of.
SHOWN, LARGEST_TAU = ("ml", "posterior 1", "posterior 1.25", "posterior 1.5"), 1.2


def summary(path: Path) -> str:
    """The table in a line for each number of studies and method, over the cells with normal effects."""
    with path.open(encoding="utf-8", newline="") as file:
        next(file)
        rows = [row for row in csv.DictReader(file, COLUMNS) if row["effects"] == "normal"]

    def of(k: int, method: str, name: str, *, own: bool = False, least: float = 0.0) -> list[float]:
        return [
            float(row[name])
            for row in rows
            if int(row["k"]) == k and row["method"] == method and row[name] and (row["tau"] == "own") == own
            and (own or least <= float(row["tau"]) <= LARGEST_TAU)
        ]  # fmt: skip

    def shown(values: list[float], choose: Callable[[list[float]], float]) -> str:
        return f"{choose(values):.1f}" if values else "-"

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    lines = ["k   method          mean  least  width  average  prediction  below 80   tau"]
    for k in sorted({int(row["k"]) for row in rows}):
        for method in SHOWN:
            cells = (
                shown(of(k, method, "mean", own=True), mean),
                shown(of(k, method, "mean"), min),
                shown(of(k, method, "mean width", own=True), mean),
                shown(of(k, method, "average"), min),
                shown(of(k, method, "prediction", least=0.3), min),
                shown(of(k, method, "below 80", least=0.3), max),
                shown(of(k, method, "tau interval", least=0.3), min),
            )
            numbers = "".join(f"{cell:>{width}}" for cell, width in zip(cells, (5, 7, 7, 9, 12, 10, 6), strict=True))
            lines.append(f"{k:<4}{method:<15}{numbers}")
    sets = sorted({int(row["sets"]) for row in rows})
    error = 100 * (LEVEL * (1 - LEVEL) / sets[0]) ** 0.5
    lines.append(f"{sets[0]} data sets in each cell; Monte-Carlo error of one cell at the nominal coverage {error:.1f}")
    return "\n".join(lines)


def main() -> None:
    """Run the grid and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=int, default=1_000, help="data sets in each cell (default 1000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent.parent / "docs/defaults_table.csv")
    given = parser.parse_args()
    if given.sets < 1:
        parser.error("--sets must be at least 1")
    tasks = [(i, *cell, given.sets) for i, cell in enumerate(cells())]
    began, rows = time.monotonic(), []
    with ProcessPoolExecutor(max(1, given.jobs)) as pool:
        for i, part in enumerate(pool.map(simulate, tasks)):
            rows += part
            if i % 20 == 0:
                print(f"{i + 1}/{len(tasks)}  {time.monotonic() - began:6.0f} s", file=sys.stderr)
    with given.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    print(summary(given.out))


if __name__ == "__main__":
    main()
