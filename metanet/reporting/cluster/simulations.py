"""Simulations on the workers of a cluster: a calibration in chunks, each with random numbers of its own, put together here."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arguments import checked, whole
from metanet.diagnostics.method.calibrate import Calibration, calibrate
from metanet.models.results.pooled import Pooled
from metanet.reporting.cluster.maker import connected

if TYPE_CHECKING:
    import pandas as pd


#: Simulated data sets of one task: some seconds of a worker.
_CHUNK = 10_000
#: Columns that are means over the data sets with an interval, and roots of means of squares.
_MEANS = ("coverage", "below", "above", "width", "pi_coverage", "tau_coverage", "bias")
_ROOTS = ("rmse", "tau")


@checked(simulations=whole(10, 10**9), chunk=whole(10, 10**6), seed=whole(0))
def calibrate_on_cluster(
    fit: Pooled, simulations: int = 1_000_000, *, scheduler: str, chunk: int = _CHUNK, seed: int = 0, **options: Any
) -> Calibration:
    """`calibrate` on a Dask cluster, for more simulated reviews than one machine makes in a coffee break.

    Parameters
    ----------
    fit
        The result of `pool`, whatever its model.
    simulations
        Data sets in all.
    scheduler
        Address of a scheduler, such as ``tcp://10.0.0.1:8786``, or "local" for a cluster of this machine.
    chunk
        Data sets of one task. Tasks of a lost worker are repeated by another.
    seed
        Of the random numbers: chunk i draws from the i-th stream of this seed, wherever it is done.
    **options
        rivals, rate and tau of `calibrate`.

    Returns
    -------
    Calibration
        As from `calibrate`: means over all data sets. The same for the same seed, chunk and number.

    Raises
    ------
    ArgumentError
        As `calibrate`.
    ReportError
        A scheduler that does not answer.
    """
    sizes = [chunk] * (simulations // chunk)
    rest = simulations % chunk
    if rest >= 10 or not sizes:
        sizes.append(rest)
    elif rest:
        # A chunk of fewer than ten is none.
        sizes[-1] += rest
    # Faulty arguments are reported here, not by a worker.
    first = calibrate(fit, 10, seed=seed, **options)
    if first.reason:
        return first
    seeds = [int(part.generate_state(1, np.uint64)[0]) >> 1 for part in np.random.SeedSequence(seed).spawn(len(sizes))]
    with connected(scheduler) as client:
        futures = [
            client.submit(calibrate, fit, size, seed=own, pure=False, retries=3, **options)
            for size, own in zip(sizes, seeds, strict=True)
        ]
        parts = client.gather(futures)
    frame = merged([part.to_frame() for part in parts], sizes)
    return Calibration(fit, fit.method, None, first.truth, simulations, seed, frame)


def merged(frames: list[pd.DataFrame], sizes: list[int]) -> pd.DataFrame:
    """Means over all data sets from those of the chunks; a chunk counts by its data sets with an interval."""
    total = frames[0].copy()
    whole = np.array(sizes, dtype=float)
    for place in range(len(total)):
        rows = [frame.iloc[place] for frame in frames]
        answered = np.array([row["answered"] for row in rows], dtype=float)
        weight = whole * answered
        for name in (*_MEANS, *_ROOTS):
            values = np.array([row[name] for row in rows], dtype=float)
            known = np.isfinite(values) & (weight > 0)
            if not known.any():
                total.loc[total.index[place], name] = math.nan
                continue
            power = 2.0 if name in _ROOTS else 1.0
            mean = float((weight[known] * values[known] ** power).sum() / weight[known].sum())
            total.loc[total.index[place], name] = mean ** (1.0 / power)
        share = float(weight.sum() / whole.sum())
        total.loc[total.index[place], "answered"] = share
        coverage = float(total["coverage"].iloc[place])
        sets = weight.sum()
        total.loc[total.index[place], "coverage_mcse"] = math.sqrt(coverage * (1 - coverage) / sets) if sets > 0 else math.nan
    return total
