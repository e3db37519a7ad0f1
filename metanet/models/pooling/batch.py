"""A batch of analyses: the studies as arrays, and the pooled numbers by fit. Every function that pools ends here."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

from metanet.base.arrays import Array, Mask
from metanet.base.progress import bar
from metanet.models.options import Options
from metanet.models.registry import MODELS

#: Columns that hold the size of a study, or of one of its groups; zero there marks an absent study.
SIZES = ("total", "total_control", "person_time", "person_time_control")


@dataclass(frozen=True)
class Data:
    """Arrays ``[b, k]`` by name: counts, counts and person-time, or effects `yi` with variances `vi`.

    An absent study has zeros everywhere, and with effects an infinite variance.
    """

    columns: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    @property
    def shape(self) -> tuple[int, int]:
        """Analyses and studies."""
        b, k = next(iter(self.columns.values())).shape
        return b, k

    @property
    def by_effect(self) -> bool:
        """Whether the studies come as effects and variances."""
        return "yi" in self.columns

    @property
    def groups(self) -> int:
        """1, or 2 where there is a control group."""
        return 2 if "events_control" in self.columns else 1

    @property
    def timed(self) -> bool:
        """Whether events are counted over person-time."""
        return "person_time" in self.columns

    @property
    def present(self) -> Mask:
        """Which studies are there, ``[b, k]``."""
        if self.by_effect:
            return np.isfinite(self["vi"])
        return np.asarray(np.all([self[name] > 0 for name in SIZES if name in self.columns], axis=0))

    def rows(self, rows: slice | NDArray[np.intp]) -> Data:
        """Some of the analyses."""
        return Data({name: values[rows] for name, values in self.columns.items()})

    def only(self, keep: Mask) -> Data:
        """The same studies where `keep` ``[b, k]`` is true; the others are absent. One analysis is repeated for every row."""
        gone = {name: np.inf if name == "vi" else 0.0 for name in self.columns}
        return Data({name: np.where(keep, values, gone[name]) for name, values in self.columns.items()})

    def total_of(self, *names: str) -> Array:
        """Sum over studies of the named columns, ``[b]``."""
        return np.asarray(sum(self[name].sum(-1) for name in names if name in self.columns), dtype=np.float64)


#: What kind of answer a row of a batch is.
STATUSES = ("pooled", "not pooled", "no events", "only events", "not estimable", "no studies")
#: Fields by study ``[b, k]``; all others are by fit.
PER_STUDY = ("weights", "shrunken")
_FLAGS = ("empty_tau2", "unsettled", "fallback")
_COUNTS = ("nodes", "corrected", "dropped")


@dataclass(frozen=True)
class Batch:
    """Pooled numbers by fit, ``[b]`` unless stated; NaN where a quantity does not exist, for the reason that `status` gives.

    `weights` (shares that sum to one) and `shrunken` (study rates or effects under the model) are ``[b, k]``. `median` is that of
    the fitted beta distribution. `nodes` is the number of quadrature nodes, 0 where none were needed; `corrected` and `dropped`
    count studies that the zero-cell rules touched. `empty_tau2` marks an empty set of tau2, `unsettled` a likelihood whose maximum
    could not be located to the accuracy asked for, `fallback` an interval of the mean that another had to stand in for.
    """

    status: NDArray[np.str_]
    k: Array
    n: Array
    events: Array
    estimate: Array
    ci_lower: Array
    ci_upper: Array
    pi_lower: Array
    pi_upper: Array
    marginal_estimate: Array
    marginal_ci_lower: Array
    marginal_ci_upper: Array
    median: Array
    mu: Array
    se: Array
    mu_lower: Array
    mu_upper: Array
    tau2: Array
    tau2_lower: Array
    tau2_upper: Array
    rho: Array
    rho_lower: Array
    rho_upper: Array
    i2: Array
    i2_lower: Array
    i2_upper: Array
    h2: Array
    h2_lower: Array
    h2_upper: Array
    q: Array
    q_df: Array
    q_pvalue: Array
    lrt: Array
    lrt_pvalue: Array
    loglik: Array
    common_se: Array
    corrected: Array
    dropped: Array
    nodes: Array
    empty_tau2: Mask
    unsettled: Mask
    fallback: Mask
    weights: Array
    shrunken: Array

    @staticmethod
    def blank(b: int, k: int) -> Batch:
        """A batch in which nothing is known yet."""
        # One block for all numbers by fit: its rows are the fields.
        block = np.full((len(_FIELDS), b), np.nan)
        made: dict[str, NDArray[np.generic]] = dict(zip(_FIELDS, block, strict=True))
        for name in _COUNTS:
            made[name][:] = 0.0
        for name in _FLAGS:
            made[name] = np.zeros(b, dtype=bool)
        for name in PER_STUDY:
            made[name] = np.full((b, k), np.nan)
        made["status"] = np.full(b, "no studies", dtype="<U13")
        return Batch(**made)  # type: ignore[arg-type]

    def view(self, rows: slice) -> Batch:
        """Some rows, as views: what is written there stands here."""
        return Batch(*(getattr(self, name)[rows] for name in _FIELDS))

    def put(self, rows: NDArray[np.intp], **values: Array | str) -> None:
        """Write values into some rows while the batch is being filled."""
        for name, value in values.items():
            getattr(self, name)[rows] = value

    def clear(self, rows: NDArray[np.intp]) -> None:
        """Leave only what does not depend on the fitted maximum: counts and the tests against equal effects."""
        for name in _FIELDS:
            if name not in _KEPT:
                getattr(self, name)[rows] = np.nan


_FIELDS = tuple(field.name for field in fields(Batch))
_KEPT = {"status", "k", "n", "events", "q", "q_df", "q_pvalue", "lrt", "lrt_pvalue", *_COUNTS, *_FLAGS}


def pool_batch(data: Data, options: Options, *, threads: int = 1) -> Batch:
    """Pool every row of `data`. Every row gets an answer, worded by its `status`.

    A long batch goes in pieces that fit the processor's cache: memory stays bounded, and it is faster. Each piece is written to its
    own rows, so that pieces may run on several threads.
    """
    b, k = data.shape
    out = Batch.blank(b, k)
    size = _piece(data, options)

    def fill(start: int) -> None:
        rows = slice(start, min(start + size, b))
        _fill(out.view(rows), data.rows(rows), options)

    starts = range(0, b, size)
    if len(starts) == 1:
        _fill(out, data, options)
        return out
    with bar("Fitting", b) as shown:
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(fill, starts):
                    shown.advance(size)
        else:
            for start in starts:
                fill(start)
                shown.advance(size)
    return out


def _piece(data: Data, options: Options) -> int:
    """Analyses in one piece."""
    _, k = data.shape
    if options.model == "CM.EL" or (options.model == "bayes" and options.groups == 2):
        # The support of every study's distribution is written out.
        widest = float(np.minimum(data["total"], data["events"] + data["events_control"]).max(initial=1.0))
        return max(1, int(20_000 / (max(k, 1) * (widest + 1))))
    if options.model in ("UM.FS", "UM.RS"):
        return max(1, 400 // max(k, 1))
    if options.model == "bayes":
        return max(8, 3_000 // max(k, 1))
    if options.model == "glmm":
        return max(16, 7_200 // max(k, 1))
    return max(16, (2_400 if options.exact else 40_000) // max(k, 1))


def _fill(out: Batch, data: Data, options: Options) -> None:
    """One piece of a batch, by the model's own module; they load when they are used."""
    present = data.present
    out.k[:] = present.sum(-1)
    if not data.by_effect:
        out.events[:] = data.total_of("events", "events_control")
        if not data.timed:
            out.n[:] = data.total_of("total", "total_control")
    # Rates of one group keep their exact answers for single studies under every model.
    module, name = MODELS["glmm" if options.groups == 1 and not data.by_effect else options.model].fills
    fill = getattr(import_module(f"metanet.models.pooling.{module}"), name)
    fill(out, data, options)
    for name in PER_STUDY:
        getattr(out, name)[~present] = np.nan
