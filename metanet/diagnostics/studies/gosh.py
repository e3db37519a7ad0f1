"""GOSH: the model fitted to all subsets of the studies, the clusters that the results form, and the studies that form them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metanet.base.arguments import checked, whole
from metanet.base.arrays import Array, Mask
from metanet.base.display import number
from metanet.base.drawing import draw
from metanet.base.results import Method, Result, plain
from metanet.base.untrusted import listing, visible
from metanet.diagnostics.studies.outliers import outliers
from metanet.diagnostics.studies.series import rate_or_effect
from metanet.effects.measures import MEASURES
from metanet.kernels.bayes.subsets import medians, single
from metanet.kernels.beta_binomial import likelihood as beta_binomial_likelihood
from metanet.kernels.inverse_variance import two_step, two_step as heterogeneity
from metanet.kernels.inverse_variance.tau2 import ESTIMATORS
from metanet.kernels.resampling.subsets import Table, study_surfaces, two_groups
from metanet.models.options import Options, lean, options_of
from metanet.models.pooling.batch import Data, pool_batch
from metanet.models.pooling.fill import back, effects_of, likelihood_of, logit_variance, sizes_of
from metanet.models.pooling.posterior import priors
from metanet.models.registry import TWO_STEP
from metanet.models.results.pooled import Pooled, responses_at

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


#: Below this many subsets the table costs more than the fits.
_WORTH_A_TABLE = 2_000
#: Subsets in one piece of ordinary fits: what is kept of them is little, what is made on the way is not.
_PIECE = 1 << 15
#: Two-step fits in a piece that stays in the processor's cache.
_CACHED = 2_000
#: The table reaches so far beyond the outermost study on the model scale, and to so large a tau; the rest is fitted one by one.
_MARGIN, _TOP = 1.0, 4.0


@dataclass(frozen=True)
class SubsetFits:
    """By subset ``[b]``: the estimate on the response scale, tau2 and I2; NaN where they do not exist."""

    estimate: Array
    mu: Array
    tau2: Array
    i2: Array


def fit_subsets(fit: Pooled, options: Options, masks: Mask) -> SubsetFits:
    """Fit the model of `fit` to every subset ``[b, k]`` of its studies."""
    b = masks.shape[0]
    out = SubsetFits(*(np.full(b, np.nan) for _ in range(4)))
    data = fit.data
    if options.model in ("CM.EL", "CM.AL"):
        # A study without events, or with events only, in both groups says nothing in these models.
        both, whole = data["events"] + data["events_control"], data["total"] + data["total_control"]
        data = data.only((both > 0) & (both < whole))
    rest = np.arange(b)
    if options.model in ("glmm", "beta_binomial", "CM.EL", "CM.AL") and b >= _WORTH_A_TABLE:
        rest = _by_table(out, fit, data, options, masks)
    elif options.model == "bayes" and options.link == "logit" and b >= _WORTH_A_TABLE:
        rest = _posterior_table(out, fit, data, options, masks)
    elif options.model in TWO_STEP and options.model != "mantel_haenszel_random" and options.to != "if0all":
        rest = _two_step(out, fit, options, masks)
    short = lean(options)
    for start in range(0, rest.size, _PIECE):
        rows = rest[start : start + _PIECE]
        fitted = pool_batch(data.only(masks[rows]), short)
        for name in ("estimate", "mu", "tau2", "i2"):
            getattr(out, name)[rows] = getattr(fitted, name)
    return out


def _by_table(out: SubsetFits, fit: Pooled, data: Data, options: Options, masks: Mask) -> NDArray[np.intp]:
    """Write the subsets whose maximum the table holds; gives the others."""
    studies = likelihood_of(data, options)
    here = studies.precision[0] > 0
    if here.sum() < 2:
        return np.arange(masks.shape[0])
    guess = studies.guess[0][here]
    surfaces, scale = study_surfaces(studies), 1.0 / float(np.sqrt(studies.precision.max()))
    if options.model == "beta_binomial":
        surfaces, scale = _beta_binomial_surfaces(data), 1.0 / float(np.sqrt(data["total"].max()))
    table = Table(surfaces, float(guess.min()) - _MARGIN, float(guess.max()) + _MARGIN, _TOP, scale)
    # One study, or all studies at the same edge: no maximum inside, and the ordinary fit answers them by their own rules.
    inside = (masks & here).sum(-1) > 1
    if options.groups == 1:
        x = masks @ data["events"][0]
        inside &= x > 0
        if not data.timed:
            inside &= x < masks @ data["total"][0]
    rows = np.flatnonzero(inside)
    found = table.maxima(masks[rows])
    kept = rows[found.found]
    mu, spread = found.mu[found.found], found.tau[found.found]
    out.mu[kept] = mu
    out.tau2[kept] = spread**2
    if options.model == "beta_binomial":
        psi = spread**2
        out.tau2[kept] = logit_variance(mu, psi / (1 + psi))
    out.estimate[kept] = responses_at(fit, mu)
    out.i2[kept] = heterogeneity.from_tau2(
        out.tau2[kept], out.tau2[kept], out.tau2[kept], _typical(data, options, studies.precision, masks[kept])
    ).i2
    return np.setdiff1d(np.arange(masks.shape[0]), kept, assume_unique=True)


def _posterior_table(out: SubsetFits, fit: Pooled, data: Data, options: Options, masks: Mask) -> NDArray[np.intp]:
    """Write the posterior medians of the subsets of several studies; gives the others."""
    studies = likelihood_of(data, options)
    alone = single(studies)
    rows = np.flatnonzero((masks & (studies.precision[0] > 0)).sum(-1) > 1)
    if alone is None or not rows.size:
        return np.arange(masks.shape[0])
    out.mu[rows], spread = medians(studies, alone, *priors(options, data["total"]), masks[rows])
    out.tau2[rows] = spread**2
    out.estimate[rows] = responses_at(fit, out.mu[rows])
    x, n = masks[rows] @ data["events"][0], masks[rows] @ data["total"][0]
    both = rows[(x > 0) & (x < n)]
    typical = _typical(data, options, studies.precision, masks[both])
    out.i2[both] = heterogeneity.from_tau2(out.tau2[both], out.tau2[both], out.tau2[both], typical).i2
    return np.setdiff1d(np.arange(masks.shape[0]), rows, assume_unique=True)


def _two_step(out: SubsetFits, fit: Pooled, options: Options, masks: Mask) -> NDArray[np.intp]:
    """Write the subsets of two or more usable studies; gives the others. Effects do not depend on the subset here."""
    data = fit.data
    yi, vi, _, _ = effects_of(data, options)
    several = np.flatnonzero((masks & np.isfinite(vi)).sum(-1) > 1)
    for start in range(0, several.size, _CACHED):
        rows = several[start : start + _CACHED]
        v = np.where(masks[rows], vi, np.inf)
        y = np.broadcast_to(yi, v.shape)
        tau2 = ESTIMATORS[options.tau2](y, v) if options.tau2 else np.zeros(rows.size)
        mean = two_step.weighted_mean(y, v, tau2).mean
        size = sizes_of(data, options, np.isfinite(v)) if not data.by_effect else None
        out.mu[rows], out.estimate[rows] = mean, back(options, mean, size)
        if options.tau2:
            out.tau2[rows] = tau2
        if options.i2 == "Q":
            q = two_step.weighted_mean(y, v, np.zeros(rows.size)).q
            with np.errstate(divide="ignore"):
                out.i2[rows] = np.maximum(0.0, 1.0 - (two_step.study_count(v) - 1) / q)
        else:
            out.i2[rows] = heterogeneity.from_tau2(tau2, tau2, tau2, two_step.typical_variance(v)).i2
    return np.setdiff1d(np.arange(masks.shape[0]), several, assume_unique=True)


def _typical(data: Data, options: Options, precision: Array, masks: Mask) -> Array:
    """Typical sampling variance of each subset: sums over subsets are matrix products."""
    if options.link in ("probit", "cloglog"):
        weight = precision[0]
    else:
        # The exact models take the corrected effects of their studies for this, whatever their own zero-cell rule.
        measure = MEASURES[options.measure]
        weight = 1.0 / measure.effects(*(data[name] for name in measure.arguments)).vi[0]
    s1, s2 = masks @ weight, masks @ weight**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((masks.sum(-1) - 1) * s1 / (s1 * s1 - s2))


def _beta_binomial_surfaces(data: Data) -> Callable[[Array, Array], Array]:
    """Log-likelihoods of single studies at (mu, t) with ``psi = t^2``: even in t, as those of a normal random effect are in tau."""
    counts = beta_binomial_likelihood.count(data["events"].T, data["total"].T)
    k = data.shape[1]

    def at(mu: Array, spread: Array) -> Array:
        out = np.empty((mu.size, k))
        for study in range(k):
            part = counts.take(np.full(mu.size, study))
            out[:, study] = beta_binomial_likelihood.evaluate(part, mu, spread**2).loglik
        return out

    return at


#: All subsets up to this many studies.
EVERY = 20
_RANDOM = 100_000
#: Models whose single fit takes milliseconds take fewer.
_SLOW = {"UM.FS": 4_096, "UM.RS": 512}
_MOST = 5_000_000
#: The mixture is fitted to so many of the points.
_SAMPLE = 5_000
#: Groups of results stand apart where Ashman's D passes 2; a study drives them when its shares in the two differ by this much.
_SEPARATE, _DRIVES = 2.0, 0.5
#: Below this many studies each one moves the results so far that they clump without an outlier: there is no verdict.
_ENOUGH = 10


@dataclass(frozen=True, eq=False, repr=False)
class Gosh(Result):
    """Results of the subsets; `reason` says why there are none.

    Attributes
    ----------
    estimate, mu, tau2, i2
        By subset ``[b]``; the estimate on the response scale, `mu` on the model scale. NaN where they do not exist (tau2 of
        a single study).
    masks
        Which studies each subset holds, ``[b, k]``.
    complete
        Whether these are all subsets.
    separation
        Ashman's D between the two groups of results that fit best; above 2 they stand apart. None where none could be fitted.
    studies
        A frame by study: the mean estimate of the subsets with it and without it, the mean tau2 of both, its share in either group,
        whether it divides them (its shares differ by more than a half), and whether it drives them: it divides them, and is an
        outlier by its deleted residual (`outliers`). Without that second condition two in three sets without any outlier would
        name a study. With fewer than ten studies there is no verdict, and no study divides or drives.
    """

    fit: Pooled = field(repr=False)
    method: Method = field(repr=False)
    reason: str | None
    complete: bool
    estimate: Array = field(repr=False)
    mu: Array = field(repr=False)
    tau2: Array = field(repr=False)
    i2: Array = field(repr=False)
    masks: Mask = field(repr=False)
    separation: float | None
    group: NDArray[np.int8] = field(repr=False)
    _studies: pd.DataFrame = field(repr=False)

    @property
    def size(self) -> NDArray[np.intp]:
        """Studies in each subset."""
        return np.asarray(self.masks.sum(-1))

    @property
    def studies(self) -> pd.DataFrame:
        """What each study does to the subsets; a copy."""
        return self._studies.copy()

    def to_frame(self) -> pd.DataFrame:
        """One row for each subset: k, estimate, mu, tau2, i2, and its group (0 or 1; -1 where it has none)."""
        import pandas as pd

        columns = {"k": self.size, "estimate": self.estimate, "mu": self.mu, "tau2": self.tau2, "i2": self.i2}
        return pd.DataFrame({**columns, "group": self.group})

    def to_dict(self) -> dict[str, Any]:
        """What the studies do, and quantiles of the estimates, as plain JSON-able values; not the subsets themselves."""
        known = self.estimate[~np.isnan(self.estimate)]
        quantiles = {} if not known.size else {str(q): float(np.quantile(known, q)) for q in (0, 0.05, 0.5, 0.95, 1)}
        return {
            "reason": self.reason,
            "subsets": int(self.estimate.size),
            "complete": self.complete,
            "quantiles": plain(quantiles),
            "separation": plain(self.separation),
            "studies": plain(self._studies),
            "method": plain(dict(self.method)),
        }

    def sentence(self) -> str:
        """How far the estimates of the subsets reach, whether they form groups, and which studies form them."""
        if self.reason:
            return self.reason
        several = self.size > 1
        known = self.estimate[several & ~np.isnan(self.estimate)]
        which = f"all {several.sum():,}" if self.complete else f"{several.sum():,} random"
        if not known.size:
            return f"In none of the {which} subsets of two or more studies does an estimate exist."
        low, high = (rate_or_effect(self.fit, float(np.quantile(known, q))) for q in (0.05, 0.95))
        text = f"In {which} subsets of two or more studies the estimate lies between {low} and {high} in nine of ten."
        names = list(self._studies.loc[self._studies["drives"], "study"])
        if self.fit.k < _ENOUGH:
            return f"{text} With fewer than {_ENOUGH} studies it is not judged whether the results form groups."
        if self.separation is None:
            return f"{text} Whether the results form groups could not be assessed."
        if self.separation <= _SEPARATE:
            return f"{text} Two groups fitted to the results are not separate (Ashman's D {number(self.separation, 1)})."
        text += f" The results form two separate groups (Ashman's D {number(self.separation, 1)})"
        if names:
            return f"{text}, formed by {listing(names)}, whose result the others do not predict."
        near = list(self._studies.loc[self._studies["divides"], "study"])
        if near:
            return f"{text}, with and without {listing(near)}. Such groups also arise without an outlier, and no residual stands out."
        return f"{text}, which no single study explains."

    @property
    def heading(self) -> str:
        """What the analysis is called."""
        return "All subsets (GOSH)"

    def table(self) -> tuple[list[str], list[tuple[str, ...]]]:
        """What each study does to the subsets; a star marks a study that separates them."""
        return ["Study", "Mean with", "Mean without", "tau² with", "tau² without", ""], [
            (
                visible(row["study"]),
                rate_or_effect(self.fit, row["estimate_with"]),
                rate_or_effect(self.fit, row["estimate_without"]),
                number(row["tau2_with"], 3),
                number(row["tau2_without"], 3),
                " *" if row["drives"] else "",
            )
            for row in self._studies.to_dict("records")
        ]

    def plot(self, **options: Any) -> Axes:
        """Draw estimate against heterogeneity; see `metanet.figures`."""
        axes: Axes = draw("gosh", self, **options)
        return axes


@checked(subsets=whole(2, _MOST), seed=whole(0))
def gosh(fit: Pooled, subsets: int | None = None, *, seed: int = 0) -> Gosh:
    """Fit the model to the subsets of its studies.

    Parameters
    ----------
    fit
        The result of `pool`, whatever its model.
    subsets
        How many; None takes all of them up to 20 studies (UM.FS: 12, UM.RS: 9), and beyond a random sample in which each
        study is in every other subset. A number at or above that of all subsets takes all.
    seed
        Of the random sample.

    Returns
    -------
    Gosh
        Every subset's estimate, tau2 and I2; whether they form groups, and which studies form them.

    Notes
    -----
    For the exact models with two parameters the log-likelihood of every study is tabulated once, and the subsets are climbed on
    sums of polynomials: a million exact fits take seconds.

    References
    ----------
    Olkin, Dahabreh, Trikalinos (2012), doi:10.1002/jrsm.1053; Ashman, Bird, Zepf (1994), doi:10.1086/117248.
    """
    k = fit.k
    if k < 3:
        nothing = np.empty(0)
        reason = "Fewer than three studies have too few subsets to compare."
        none = _by_study(fit, nothing, nothing, np.empty((0, k), dtype=bool), np.empty(0, dtype=np.int8)).assign(drives=False)
        empty = np.empty((0, k), dtype=bool)
        return Gosh(fit, fit.method, reason, True, nothing, nothing, nothing, nothing, empty, None, np.empty(0, np.int8), none)
    options = options_of(fit.method)
    limit = _SLOW.get(options.model, 2**EVERY)
    wanted = int(subsets) if subsets is not None else limit if 2**k <= limit else min(_RANDOM, limit)
    complete = k <= 60 and 2**k - 1 <= wanted
    masks = _every(k) if complete else _random(k, wanted, np.random.default_rng(seed))
    found = fit_subsets(fit, options, masks)
    group, separation = _groups(found.mu, found.tau2, masks.sum(-1))
    studies = _by_study(fit, found.estimate, found.tau2, masks, group)
    if separation is not None and not studies["divides"].any() and _is_line(found.tau2, group):
        # Subsets without spread lie on one line, which a mixture takes for a group of its own wherever they are many.
        separation = None
    if separation is None or separation <= _SEPARATE or k < _ENOUGH:
        studies["divides"] = False
    studies["drives"] = studies["divides"] & studies["study"].isin(outliers(fit).studies)
    return Gosh(fit, fit.method, None, complete, found.estimate, found.mu, found.tau2, found.i2, masks, separation, group, studies)


def _is_line(tau2: Array, group: NDArray[np.int8]) -> bool:
    """Whether one of the groups is that of the subsets with tau2 = 0."""
    return any(bool((tau2[group == g] == 0).mean() > 0.5) for g in (0, 1) if (group == g).any())


def _every(k: int) -> Mask:
    """All subsets but the empty one, ``[2^k - 1, k]``."""
    numbers = np.arange(1, 2**k, dtype=np.uint32)
    out = np.empty((numbers.size, k), dtype=bool)
    for study in range(k):
        out[:, study] = (numbers >> np.uint32(study)) & 1
    return out


def _random(k: int, wanted: int, random: np.random.Generator) -> Mask:
    """Subsets of at least two studies, each study in half of them."""
    out = random.random((wanted, k)) < 0.5
    while (poor := np.flatnonzero(out.sum(-1) < 2)).size:
        out[poor] = random.random((poor.size, k)) < 0.5
    return out


def _groups(mu: Array, tau2: Array, size: NDArray[np.intp]) -> tuple[NDArray[np.int8], float | None]:
    """Which of two groups each subset belongs to (-1 for none), and how far they stand apart."""
    group = np.full(mu.size, -1, dtype=np.int8)
    rows = np.flatnonzero(np.isfinite(mu) & np.isfinite(tau2) & (size > 2))
    # Equally spaced rows of a list that runs through the subsets in order are no fair sample: a fixed shuffle is.
    sample = np.random.default_rng(0).permutation(rows)[:_SAMPLE]
    points = np.stack([mu, np.sqrt(np.maximum(tau2, 0.0))], 1)
    mixture = two_groups(points[sample]) if sample.size else None
    if mixture is None:
        return group, None
    group[rows] = mixture.assign(points[rows])
    return group, mixture.separation


def _by_study(fit: Pooled, estimate: Array, tau2: Array, masks: Mask, group: NDArray[np.int8]) -> pd.DataFrame:
    import pandas as pd

    def mean(values: Array, chosen: Mask) -> float:
        part = values[chosen & np.isfinite(values)]
        return float(part.mean()) if part.size else float("nan")

    several = masks.sum(-1) > 1
    rows = []
    for study, name in enumerate(fit.studies["study"]):
        with_, without = masks[:, study] & several, ~masks[:, study] & several
        row: dict[str, Any] = {"study": name}
        for label, values in (("estimate", estimate), ("tau2", tau2)):
            row[f"{label}_with"], row[f"{label}_without"] = mean(values, with_), mean(values, without)
        shares = [float(masks[group == g, study].mean()) if (group == g).any() else float("nan") for g in (0, 1)]
        row |= {"share_first": shares[0], "share_second": shares[1], "divides": abs(shares[0] - shares[1]) > _DRIVES}
        rows.append(row)
    return pd.DataFrame(rows)
