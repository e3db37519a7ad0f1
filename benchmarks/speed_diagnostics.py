# ruff: noqa: E402
"""Speed of the diagnostics against metafor, and against limits in seconds; as `speed.py`, one thread on both sides.

python benchmarks/speed_diagnostics.py [--rounds 3] [--out docs/speed_diagnostics_table.csv]
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np
import pandas as pd
from speed import HERE, SEED, Machine, Row, counts, effects, limit, run, scaled, versus, write

import metanet as mn

#: Subsets that metafor is timed on; the time of all is scaled up from them.
_SUBSETS = 2_000


def measure(machine: Machine, rounds: int) -> list[Row | None]:
    """Every diagnostic with a goal."""
    rng = np.random.default_rng(SEED)
    e, n = counts(rng, 1, 20)
    x = rng.normal(size=20)
    write(machine.folder / "twenty.csv", events=e[0], total=n[0], x=x)
    long_y, long_v = effects(rng, 1, 200)
    write(machine.folder / "twohundred.csv", yi=long_y[0], vi=long_v[0])
    wide = mn.pool(yi=long_y[0], vi=long_v[0], ci="z")
    two_step = mn.pool(events=e[0], total=n[0], model="inverse_variance", ci="z")
    exact = mn.pool(events=e[0], total=n[0], model="glmm")
    mixed = mn.pool(events=e[0], total=n[0], model="beta_binomial")
    frame = pd.DataFrame({"events": e[0], "total": n[0], "x": x})
    evidence = mn.load_evidence()
    every = 2**20 - 1
    return [
        versus(
            "leave-one-out, REML, k = 200",
            lambda: mn.leave_one_out(wide),
            lambda: machine.metafor("leave"),
            "metafor leave1out",
            500,
            min(rounds, 2),
            3,
        ),
        versus(
            "influence, REML, k = 200",
            lambda: mn.influence(wide),
            lambda: machine.metafor("influence"),
            "metafor influence",
            500,
            min(rounds, 2),
            3,
        ),
        versus(
            "1,000 sign changes, REML, k = 20",
            lambda: mn.permutation_test(two_step, 0.5, permutations=1000, ci=False),
            lambda: machine.metafor("signs"),
            "metafor permutest",
            200,
            min(rounds, 2),
            3,
        ),
        versus(
            "1,000 permutations of a moderator, REML, k = 20",
            lambda: mn.meta_regression(frame, "~ x", model="inverse_variance", ci="z", permutations=1000),
            lambda: machine.metafor("moderator"),
            "metafor permutest",
            200,
            min(rounds, 2),
            3,
        ),
        versus(
            "GOSH, REML, all 1,048,575 subsets of k = 20",
            lambda: mn.gosh(two_step),
            lambda: scaled(machine.metafor("gosh"), every // _SUBSETS),
            f"metafor gosh, scaled from {_SUBSETS:,}",
            None,
            1,
            1,
        ),
        limit("GOSH, REML, all subsets of k = 20", lambda: mn.gosh(two_step), 10, rounds),
        limit("GOSH, GLMM, all subsets of k = 20", lambda: mn.gosh(exact), 10, rounds),
        limit("GOSH, beta-binomial, all subsets of k = 20", lambda: mn.gosh(mixed), 10, rounds),
        limit("calibrate, GLMM and rivals, k = 20, 10,000 data sets", lambda: mn.calibrate(exact), 5, rounds),
        limit("multiverse of one outcome and modality", lambda: mn.multiverse(evidence, "objective_response", "TARE"), 2, rounds),
    ]


if __name__ == "__main__":
    run(measure, rounds=3, out=HERE.parent / "docs/speed_diagnostics_table.csv", about=str(__doc__).split("\n")[0])
