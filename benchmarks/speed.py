# ruff: noqa: E402
"""Speed against metafor, a plain C loop, statsmodels and PyMARE: ratios in one run, because absolute times belong to a machine.

    python benchmarks/speed.py [--rounds 5] [--out docs/speed_table.csv]

Every comparison alternates ours and theirs for some rounds and takes the best of each, one thread everywhere. What is missing
(Rscript with metafor, a C compiler, PyMARE: ``pip install -e .[bench]``) leaves its rows out and says so.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import csv
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

import metanet as mn
from metanet.evidence.proof.printed import parse
from metanet.kernels.inverse_variance import intervals, tau2, two_step
from metanet.kernels.normal_effect.fit import fit as fit_random_effect
from metanet.kernels.normal_effect.study_likelihoods import BinomialLogit

HERE = Path(__file__).resolve().parent
SEED = 7


@dataclass
class Row:
    """One line of the table: seconds of both sides, or a limit in other units."""

    task: str
    ours: float
    theirs: float | None
    other: str
    goal: str
    met: bool


def counts(rng: np.random.Generator, b: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Events and totals of single-arm studies."""
    total = np.exp(rng.uniform(np.log(10), np.log(150), (b, k))).round()
    return rng.binomial(total.astype(int), special.expit(-0.5 + 0.6 * rng.normal(size=(b, k)))).astype(float), total


def effects(rng: np.random.Generator, b: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Effects and variances."""
    v = np.exp(rng.normal(-1.5, 0.8, (b, k)))
    return rng.normal(size=(b, k)) * np.sqrt(v + 0.15), v


def clock(function: Callable[[], object], times: int = 1) -> float:
    """Seconds of one call, the mean of some in a row."""
    began = time.perf_counter()
    for _ in range(times):
        function()
    return (time.perf_counter() - began) / times


class Machine:
    """The other programs, as far as they are here."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.r = shutil.which("Rscript")
        if self.r and self._r("version") is None:
            self.r = None
        compiler = shutil.which("cc") or shutil.which("gcc")
        self.loop = folder / "reml_loop" if compiler else None
        if compiler:
            subprocess.run([compiler, "-O2", "-o", str(self.loop), str(HERE / "reml_loop.c"), "-lm"], check=True)

    def _r(self, task: str) -> str | None:
        done = subprocess.run(
            [str(self.r), str(HERE / "speed.R"), str(self.folder), task], capture_output=True, text=True, check=False
        )
        return done.stdout.strip() if done.returncode == 0 else None

    def metafor(self, task: str) -> float | None:
        """Seconds of metafor for one call of a task."""
        found = self._r(task) if self.r else None
        return None if found is None else float(found)

    def c(self, y: np.ndarray, v: np.ndarray) -> tuple[float, float] | None:
        """Seconds of the C loop over all rows, and the sum of its estimates."""
        if self.loop is None:
            return None
        data = self.folder / "data.bin"
        np.concatenate([y, v]).tofile(data)
        out = subprocess.run([str(self.loop), str(data), *map(str, y.shape)], capture_output=True, text=True, check=True)
        seconds, total = map(float, out.stdout.split())
        return seconds, total


def versus(
    task: str,
    ours: Callable[[], object],
    theirs: Callable[[], float | None],
    other: str,
    least: float | None,
    rounds: int,
    times: int = 20,
) -> Row | None:
    """Alternate both sides; the goal is a ratio of at least `least`."""
    ours()
    mine, others = [], []
    for _ in range(rounds):
        seconds = theirs()
        if seconds is None:
            return None
        others.append(seconds)
        mine.append(clock(ours, times))
    a, b = min(mine), min(others)
    return Row(task, a, b, other, "" if least is None else f"at least {least:g}x", least is None or b / a >= least)


def fit_kernel(y: np.ndarray, v: np.ndarray) -> object:
    """REML and Hartung-Knapp of a batch."""
    fit = two_step.weighted_mean(y, v, tau2.reml(y, v))
    return intervals.hartung_knapp(fit, two_step.study_count(v), 0.95)


def reml_in_pieces(y: np.ndarray, v: np.ndarray, size: int = 4096) -> np.ndarray:
    """Mean and tau2 of a long batch in pieces that fit the cache, as `pool_arrays` takes them."""
    out = np.empty(len(y))
    for i in range(0, len(y), size):
        out[i : i + size] = tau2.reml(y[i : i + size], v[i : i + size])
        two_step.weighted_mean(y[i : i + size], v[i : i + size], out[i : i + size])
    return out


def glmm_in_pieces(e: np.ndarray, n: np.ndarray, size: int = 600) -> None:
    """Estimate, standard error, tau2 and log-likelihood of a long batch."""
    for i in range(0, len(e), size):
        fit_random_effect(BinomialLogit(e[i : i + size], n[i : i + size]))


def compare(machine: Machine, rounds: int) -> list[Row | None]:
    """All comparisons."""
    rng = np.random.default_rng(SEED)
    e, n = counts(rng, 1, 20)
    write(machine.folder / "twenty.csv", events=e[0], total=n[0])
    effect = mn.effect_sizes(measure="PLO", events=e[0], total=n[0])
    y, v = effect["yi"].to_numpy()[None], effect["vi"].to_numpy()[None]
    many_y, many_v = effects(rng, 100_000, 10)
    thousand_y, thousand_v = effects(rng, 1_000, 20)
    rows = np.repeat(np.arange(300), 10)
    write(machine.folder / "ten.csv", fit=rows, yi=many_y[:300].ravel(), vi=many_v[:300].ravel())
    long_y, long_v = effects(rng, 1, 200)
    write(machine.folder / "twohundred.csv", yi=long_y[0], vi=long_v[0])
    wide = mn.pool(yi=long_y[0], vi=long_v[0])
    batch_e, batch_n = counts(rng, 10_000, 12)
    huge_y, huge_v = effects(rng, 1, 100_000)
    tenth_y, tenth_v = huge_y[:, :10_000], huge_v[:, :10_000]
    glmm = lambda: mn.pool(events=e[0], total=n[0], model="glmm")  # noqa: E731
    out = [
        versus(
            "REML + HK, k = 20, one fit (kernel)",
            lambda: fit_kernel(y, v),
            lambda: machine.metafor("rma"),
            "metafor rma",
            20,
            rounds,
            200,
        ),
        versus(
            "REML + HK, k = 20, per fit of 1,000 (kernel)",
            lambda: fit_kernel(thousand_y, thousand_v),
            lambda: scaled(machine.metafor("rma"), 1_000),
            "metafor rma",
            20,
            rounds,
            5,
        ),
        versus("pool, GLMM, k = 20, one fit", glmm, lambda: machine.metafor("glmm"), "metafor rma.glmm", 15, rounds, 40),
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
            "REML, k = 10, per fit of 100,000",
            lambda: reml_in_pieces(many_y, many_v),
            lambda: scaled(machine.metafor("many"), 100_000),
            "metafor rma",
            1000,
            min(rounds, 2),
            1,
        ),
        loop_row(machine, many_y, many_v, rounds),
        *doors(machine, many_y, many_v, batch_e, batch_n, rounds),
        limit("10,000 GLMM fits, k = 12", lambda: glmm_in_pieces(batch_e, batch_n), 1.5, rounds),
        limit("10,000 posteriors, k = 12", lambda: mn.pool_arrays(batch_e, batch_n), 3.0, min(rounds, 2)),
        beside(
            "1,000 posteriors, k = 12",
            lambda: mn.pool_arrays(batch_e[:1_000], batch_n[:1_000]),
            lambda: mn.pool_arrays(batch_e[:1_000], batch_n[:1_000], model="glmm"),
            "maximum likelihood with the profile interval of tau",
            2.0,
            rounds,
        ),
        limit("one REML fit, k = 100,000", lambda: fit_kernel(huge_y, huge_v), 0.5, rounds),
        linear(
            "one REML fit, k = 100,000 against 10,000",
            lambda: fit_kernel(huge_y, huge_v),
            lambda: fit_kernel(tenth_y, tenth_v),
            rounds,
        ),
        *python_peers(y, v, rounds),
        limit("10,000 printed figures, read and solved", printed_figures, 1.0, rounds),
        memory(),
    ]
    return out


def printed_figures() -> None:
    """Read 10,000 expressions, none of which was read before, and find their counts."""
    parse.cache_clear()
    for n in range(10_000):
        parse(f"({n % 50}.{n % 10}%+{n % 40}%) of {n + 10} + 82.9% of {n + 41} - {n % 7}").counts()


def scaled(seconds: float | None, times: int) -> float | None:
    """Seconds of many calls."""
    return None if seconds is None else seconds * times


def write(path: Path, **columns: np.ndarray) -> None:
    """A small CSV for R."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*(map(repr, values.tolist()) for values in columns.values()), strict=True))


def loop_row(machine: Machine, y: np.ndarray, v: np.ndarray, rounds: int) -> Row | None:
    """100,000 fits against the C loop, which does without the scan for a second maximum."""
    mine, theirs = [], []
    for _ in range(rounds):
        found = machine.c(y, v)
        if found is None:
            return None
        theirs.append(found[0])
        mine.append(clock(lambda: reml_in_pieces(y, v)))
    return Row(
        "100,000 REML fits, k = 10", min(mine), min(theirs), "plain C loop", "at most 6x its time", min(mine) <= 6 * min(theirs)
    )


def doors(machine: Machine, y: np.ndarray, v: np.ndarray, events: np.ndarray, total: np.ndarray, rounds: int) -> list[Row | None]:
    """What a user calls: `pool_arrays` with every interval, and with what was wanted alone."""

    def wanted() -> object:
        return mn.pool_arrays(yi=y, vi=v, measure="GEN", tau2="REML", want="estimate")

    def kernels() -> object:
        t = reml_in_pieces(y, v)
        fit = two_step.weighted_mean(y, v, t)
        return intervals.hartung_knapp(fit, two_step.study_count(v), 0.95)

    mine, theirs = [], []
    for _ in range(rounds):
        found = machine.c(y, v)
        if found is not None:
            theirs.append(found[0])
            mine.append(clock(lambda: mn.pool_arrays(yi=y, vi=v, measure="GEN", tau2="REML")))
    whole = (
        Row(
            "100,000 REML fits, k = 10, every interval",
            min(mine),
            min(theirs),
            "plain C loop of REML alone",
            "at most 12x its time",
            min(mine) <= 12 * min(theirs),
        )
        if mine
        else None
    )
    return [
        whole,
        beside("100,000 REML fits, k = 10, estimates alone", wanted, kernels, "their kernels", 1.5, rounds),
        limit("10,000 GLMM fits, k = 12, every interval", lambda: mn.pool_arrays(events, total, model="glmm"), 1.5, rounds),
    ]


def limit(task: str, ours: Callable[[], object], most: float, rounds: int) -> Row:
    """A task with a limit in seconds."""
    best = min(clock(ours) for _ in range(rounds))
    return Row(task, best, None, "", f"at most {most:g} s", best <= most)


def beside(task: str, ours: Callable[[], object], others: Callable[[], object], other: str, most: float, rounds: int) -> Row:
    """One method of this package against another; the goal is a time of at most `most` of the other's."""
    a, b = [], []
    for _ in range(rounds):
        a.append(clock(ours))
        b.append(clock(others))
    return Row(task, min(a), min(b), other, f"at most {most:g}x its time", min(a) <= most * min(b))


def linear(task: str, big: Callable[[], object], small: Callable[[], object], rounds: int) -> Row:
    """Ten times the studies cost ten times the time, give or take the cache."""
    a, b = min(clock(big) for _ in range(rounds)), min(clock(small, 5) for _ in range(rounds))
    return Row(task, a, b, "a tenth of the studies", "at most 15x its time", a <= 15 * b)


def python_peers(y: np.ndarray, v: np.ndarray, rounds: int) -> list[Row | None]:
    """One fit of k = 20 in other Python packages; statsmodels has no REML for effects: DerSimonian-Laird on both sides."""
    rows: list[Row | None] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from statsmodels.stats.meta_analysis import combine_effects

        def moment() -> object:
            fit = two_step.weighted_mean(y, v, tau2.dl(y, v))
            return intervals.hartung_knapp(fit, two_step.study_count(v), 0.95)

        rows.append(
            versus(
                "DerSimonian-Laird + HK, k = 20, one fit",
                moment,
                lambda: clock(lambda: combine_effects(y[0], v[0], method_re="dl"), 50),
                "statsmodels combine_effects",
                None,
                rounds,
                200,
            )
        )
        try:
            from pymare import Dataset
            from pymare.estimators import VarianceBasedLikelihoodEstimator
        except ImportError:
            return [*rows, None]

        def pymare() -> object:
            data = Dataset(y[0][:, None], v[0][:, None], add_intercept=True)
            return VarianceBasedLikelihoodEstimator(method="REML").fit_dataset(data).summary().get_re_stats()

        rows.append(versus("REML, k = 20, one fit", lambda: fit_kernel(y, v), lambda: clock(pymare, 3), "PyMARE", None, rounds, 200))
    return rows


_MEMORY = """
import numpy as np, resource, metanet as mn
rng = np.random.default_rng(1)
v = np.exp(rng.normal(-1.5, 0.8, (1_000_000, 10))); y = rng.normal(size=v.shape)
made = mn.pool_arrays(yi=y, vi=v, prediction="HTS")
assert (made.status == "pooled").all()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def memory() -> Row:
    """Peak memory of one million fits through `pool_arrays`, the data included; in GB where the others are seconds."""
    done = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    peak = int(done.stdout) * unit / 1e9
    return Row("peak memory of 1,000,000 fits, k = 10 (GB)", peak, None, "", "under 1 GB", peak < 1.0)


def save(path: Path, rows: list[Row]) -> None:
    """The table, whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["task", "ours", "theirs", "ratio", "against", "goal", "met"])
        for row in rows:
            ratio = "" if row.theirs is None else f"{row.theirs / row.ours:.3g}"
            theirs = "" if row.theirs is None else f"{row.theirs:.3g}"
            writer.writerow([row.task, f"{row.ours:.3g}", theirs, ratio, row.other, row.goal, "yes" if row.met else "no"])
    os.replace(partial, path)


def run(measure: Callable[[Machine, int], list[Row | None]], *, rounds: int, out: Path, about: str) -> None:
    """Read the command line, measure, write the table, print it."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"rounds of each comparison (default {rounds})")
    parser.add_argument("--out", type=Path, default=out)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(Path(folder))
        rows = [row for row in measure(machine, given.rounds) if row is not None]
        if machine.r is None:
            print("Rscript with metafor is not here: its rows are left out.", file=sys.stderr)
    save(given.out, rows)
    print(given.out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run(compare, rounds=5, out=HERE.parent / "docs/speed_table.csv", about=str(__doc__).split("\n")[0])
