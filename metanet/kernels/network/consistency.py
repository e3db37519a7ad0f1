"""Whether direct and indirect evidence agree: the split of every contrast, and Q within and between designs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metanet.base.arrays import Array, Indices
from metanet.kernels.network.arms import Arms
from metanet.kernels.network.two_step import Estimates, Fit
from metanet.kernels.numerics.distributions import chi2_upper_tail

#: Beyond these shares one of the two sources has no evidence of its own but rounding.
LEAST_SHARE, MOST_SHARE = 0.0005, 0.9995


@dataclass(frozen=True)
class Split:
    """Direct and indirect evidence on row against column, each ``[..., T, T]``; NaN where there is none."""

    studies: Array
    direct: Array
    direct_se: Array
    proportion: Array
    indirect: Array
    indirect_se: Array

    @property
    def difference(self) -> Array:
        """Direct less indirect."""
        return self.direct - self.indirect

    @property
    def difference_se(self) -> Array:
        """Standard error of `difference`, as if both were independent."""
        return np.hypot(self.direct_se, self.indirect_se)


def separate(direct: Array, direct_se: Array, network: Array, network_se: Array, studies: Array) -> Split:
    """The indirect evidence that a network estimate has beside the direct one (Koenig et al. 2013, doi:10.1002/sim.6001).

    With precisions ``1 / se^2`` the network estimate is the weighted mean of both, which is solved for the indirect one. Where the
    share of the direct evidence is below 0.0005 or above 0.9995 there is one source only.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        proportion = np.where(studies > 0, (network_se / direct_se) ** 2, 0.0)
        both = (proportion > LEAST_SHARE) & (proportion < MOST_SHARE)
        rest = 1.0 / network_se**2 - 1.0 / direct_se**2
        indirect = (network / network_se**2 - direct / direct_se**2) / rest
        indirect = np.where(both, indirect, np.where(proportion <= LEAST_SHARE, network, np.nan))
        indirect_se = np.where(both, rest**-0.5, np.where(proportion <= LEAST_SHARE, network_se, np.nan))
    return Split(studies, direct, direct_se, np.minimum(proportion, 1.0), indirect, indirect_se)


def split(arms: Arms, found: Estimates) -> Split:
    """Direct and indirect evidence on every contrast, ``[b, T, T]``.

    The direct estimate is the mean of the contrasts of the studies that have both arms, weighted by ``1 / (v_a + v_b + tau2)``.
    """
    both = arms.present[:, :, None] & arms.present[:, None, :]
    both &= ~np.eye(both.shape[-1], dtype=bool)
    total = arms.variance[:, :, None] + arms.variance[:, None, :] + arms.spread(found.tau2)[:, :, None]
    weight = np.where(both, 1.0 / total, 0.0)
    sums = arms.at_pairs(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = arms.at_pairs(weight * (arms.effect[:, :, None] - arms.effect[:, None, :])) / sums
        direct_se = 1.0 / np.sqrt(sums)
    studies = arms.at_pairs(both.astype(np.float64))
    none = studies == 0
    return separate(np.where(none, np.nan, direct), np.where(none, np.nan, direct_se), *found.contrasts, studies)


@dataclass(frozen=True)
class Designs:
    """Q within and between designs (Krahn, Binder, Koenig 2013, doi:10.1186/1471-2288-13-35).

    Attributes
    ----------
    design, network
        Design of each study ``[s]``, network of each design ``[d]``.
    q, df
        Of each design, ``[d]``.
    within, within_df, between, between_df
        Of each network, ``[b]``, in the weights without heterogeneity.
    tau2_within, between_random
        Heterogeneity within designs by DerSimonian and Laird, and Q between designs in the weights with it, ``[b]``.
    """

    design: Indices
    network: Indices
    q: Array
    df: Array
    within: Array
    within_df: Array
    between: Array
    between_df: Array
    tau2_within: Array
    between_random: Array

    def pvalues(self) -> tuple[Array, Array, Array]:
        """Of Q within, between, and between with heterogeneity, ``[b]``; NaN without degrees of freedom."""
        return (
            chi2_upper_tail(self.within, self.within_df),
            chi2_upper_tail(self.between, self.between_df),
            chi2_upper_tail(self.between_random, self.between_df),
        )


def designs(arms: Arms) -> Designs:
    """Divide Q of every network: a design (a set of treatments) has contrasts of its own in the full interaction model."""
    own, network = arms.by_design()

    def summed(of_designs: Array) -> Array:
        return np.asarray(np.bincount(network, of_designs, arms.networks), dtype=np.float64)

    zero = np.zeros(arms.networks)
    common, whole = Fit(own, np.zeros(own.networks)), Fit(arms, zero)
    within, df = summed(common.q), summed(own.df)
    trace = summed(common.trace)
    with np.errstate(divide="ignore", invalid="ignore"):
        tau2 = np.where((df > 0) & (trace > 0), np.maximum(0.0, (within - df) / trace), 0.0)
    random = Fit(arms, tau2).q - summed(Fit(own, tau2[network]).q)
    between_df = arms.df - df
    # Both are differences of sums that agree where there is nothing between designs.
    between = np.where(between_df > 0, np.maximum(0.0, whole.q - within), 0.0)
    random = np.where(between_df > 0, np.maximum(0.0, random), 0.0)
    return Designs(arms.design, network, common.q, own.df, within, df, between, between_df, tau2, random)
