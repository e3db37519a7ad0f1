"""Time and memory of networks: one of 100 treatments and 1,000 studies, and 1,000 of 8 treatments and 40 studies at once.

    python benchmarks/network_speed.py

Bars: each in under two seconds. Memory grows with the arms: no matrix over all contrasts is made (of 1,000 studies it would hold
about two million numbers, and 200 MB for ten times the studies).
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from scipy import special

import metanet as mn


def counts(rng: np.random.Generator, networks: int, studies: int, treatments: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Events, totals and treatments ``[networks, studies, 4]``: 70 % of studies have two arms, 20 % three, 10 % four."""
    node = rng.random((networks, studies, treatments)).argsort(-1)[..., :4]
    arms = rng.choice([2, 3, 4], (networks, studies), p=[0.7, 0.2, 0.1])
    total = rng.integers(30, 300, node.shape).astype(float)
    effects = rng.normal(0.0, 0.5, treatments)
    logit = rng.normal(-1.0, 0.5, (networks, studies, 1)) + effects[node] + rng.normal(0.0, 0.2, node.shape)
    events = rng.binomial(total.astype(np.int64), special.expit(logit)).astype(float)
    absent = np.arange(4) >= arms[..., None]
    return np.where(absent, np.nan, events), np.where(absent, np.nan, total), node


def timed(name: str, call: Callable[[], object]) -> None:
    """Print the seconds of the best of three calls, and the peak of the memory that one takes."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{name:<70} {min(seconds):7.3f} s  {peak / 1e6:7.1f} MB")


def main() -> None:
    """Time everything."""
    rng = np.random.default_rng(20)
    for tau2 in ("DL", "REML"):
        for words, shape in (
            ("100 treatments, 1,000 studies", (1, 1_000, 100)),
            ("1,000 networks of 8 treatments, 40 studies", (1_000, 40, 8)),
        ):
            timed(f"network_arrays, {words}, {tau2}", partial(mn.network_arrays, *counts(rng, *shape), tau2=tau2))
    events, total, node = counts(rng, 1, 1_000, 100)
    there = ~np.isnan(events[0])
    frame = pd.DataFrame(
        {
            "study": [f"Study {i}" for i in np.nonzero(there)[0]],
            "treatment": [f"Treatment {i}" for i in node[0][there]],
            "events": events[0][there],
            "total": total[0][there],
        }
    )
    timed("mn.network, 100 treatments, 1,000 studies, two steps", lambda: mn.network(frame, model="inverse_variance"))
    fit = mn.network(frame, model="inverse_variance")
    timed("  its 4,950 contrasts as a frame", lambda: fit.contrasts)
    small = frame[frame["study"].isin(frame["study"].unique()[:60])]
    small = small.assign(treatment=["Treatment " + str(int(name.split()[1]) % 9) for name in small["treatment"]])
    timed("mn.network, 9 treatments, 60 studies, exact", lambda: mn.network(small, model="exact"))


if __name__ == "__main__":
    main()
