"""Does one distribution of response categories undo a selective report of disease control?

    python benchmarks/categories.py

Reviews of 12 arms are simulated whose disease control is reported in 95 % of the arms with a response above 35 % and in 30 % of the
others. The mean estimate of disease control and its root mean squared error are printed: pooled by itself, response first, control
first. The page on response categories quotes them.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy.special import expit

from metanet.kernels.beta_binomial import fit as single, sequence

ARMS, SETS, SEED = 12, 300, 20
#: Mean share and intraclass correlation of both stages.
RESPONSE_FIRST = ((0.40, 0.20), (0.66, 0.05))
CONTROL_FIRST = ((0.80, 0.08), (0.50, 0.20))


def shares(rng: np.random.Generator, stage: tuple[float, float]) -> np.ndarray:
    """True shares of the arms, beta distributed."""
    mean, rho = stage
    size = 1.0 / rho - 1.0
    return rng.beta(mean * size, (1.0 - mean) * size, ARMS)


def review(rng: np.random.Generator, first: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Patients, responses and disease control of the arms of one review; disease control is NaN where it is not reported."""
    total = rng.integers(10, 60, ARMS)
    if first:
        response = rng.binomial(total, shares(rng, RESPONSE_FIRST[0]))
        control = response + rng.binomial(total - response, shares(rng, RESPONSE_FIRST[1]))
    else:
        control = rng.binomial(total, shares(rng, CONTROL_FIRST[0]))
        response = rng.binomial(control, shares(rng, CONTROL_FIRST[1]))
    told = rng.random(ARMS) < np.where(response / total > 0.35, 0.95, 0.30)
    return total.astype(float), response.astype(float), np.where(told, control, np.nan)


def estimates(total: np.ndarray, response: np.ndarray, control: np.ndarray) -> tuple[float, float, float]:
    """Disease control by itself, response first and control first; NaN where a likelihood has no maximum."""
    known = ~np.isnan(control)
    alone = single.fit(control[known][None], total[known][None])
    forward, _ = sequence.shares(sequence.fit(sequence.paths(total, response, control)).mu)
    backward, _ = sequence.shares(sequence.fit(sequence.paths(total, total - control, total - response)).mu)
    return float(expit(alone.mu[0])), float(forward[0] + forward[1]), float(1.0 - backward[0])


def main() -> None:
    """Print both tables."""
    for first in (True, False):
        rng = np.random.default_rng(SEED)
        found = np.array([estimates(*review(rng, first)) for _ in range(SETS)])
        found = found[np.isfinite(found).all(1)]
        (one, _), (two, _) = RESPONSE_FIRST if first else CONTROL_FIRST
        truth = one + (1.0 - one) * two if first else one
        word = "response" if first else "control"
        sys.stdout.write(f"Built {word} first, true disease control {100 * truth:.1f} % ({len(found)} reviews of {ARMS} arms)\n")
        for name, column in zip(("by itself", "response first", "control first"), found.T, strict=True):
            error = np.sqrt(((column - truth) ** 2).mean())
            sys.stdout.write(f"  {name:<15} mean {100 * column.mean():.1f} %, root mean squared error {100 * error:.1f} points\n")


if __name__ == "__main__":
    main()
