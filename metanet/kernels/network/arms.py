"""The arms of many networks in one flat batch, and their sums by network: the algebra of contrasts without a matrix of contrasts.

With arm effects ``theta`` and variances ``v`` the contrasts of a study against its first arm have the covariance
``v_1 J + diag(v_2 .. v_K)``, and a common heterogeneity variance ``tau2`` of all contrasts adds ``tau2 (I + J) / 2``: the same as
``tau2 / 2`` for every arm. With ``w = 1 / (v + tau2 / 2)`` and ``W = sum w`` the inverse covariance, seen from the arms, is the
Laplacian ``L = diag(w) - w w' / W`` of the study, and the normal matrix of the treatments is the sum of these (Ruecker 2012,
doi:10.1002/jrsm.1058; studies of several arms: Ruecker and Schwarzer 2014, doi:10.1002/sim.6236). Memory grows with the arms, and with
the square of the treatments of one network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metanet.base.arrays import Array, Indices, Mask


@dataclass(frozen=True)
class Arms:
    """Studies of all networks, one after the other; K is the largest number of arms of a study.

    Attributes
    ----------
    effect, variance
        Effects of the arms and their variances, ``[s, K]``; an absent arm has variance inf and effect 0.
    node
        Treatment of each arm, ``[s, K]``, from 0; any value where the arm is absent. A study has a treatment at most once.
    owner
        Network of each study, ``[s]``.
    networks, nodes
        Number of networks b, and of treatments T that one of them may have.
    """

    effect: Array
    variance: Array
    node: Indices
    owner: Indices
    networks: int
    nodes: int

    @cached_property
    def present(self) -> Mask:
        """Arms that exist, ``[s, K]``."""
        return np.isfinite(self.variance)

    @cached_property
    def contrasts(self) -> Array:
        """Independent contrasts of each network, ``sum (K - 1)``, ``[b]``."""
        return self.by_network(np.maximum(self.present.sum(-1) - 1.0, 0.0))

    @cached_property
    def _cell(self) -> Indices:
        """Place of each arm among the treatments of all networks, ``[s, K]``."""
        return self.owner[:, None] * self.nodes + np.where(self.present, self.node, 0)

    @cached_property
    def _pair(self) -> Indices:
        """Place of each pair of arms in the stacked matrices ``[b, T, T]``, ``[s, K, K]``."""
        inner = np.where(self.present, self.node, 0)
        return self._cell[:, :, None] * self.nodes + inner[:, None, :]

    @cached_property
    def used(self) -> Mask:
        """Treatments that a study with at least two arms has, ``[b, T]``."""
        two = self.present & (self.present.sum(-1) > 1)[:, None]
        return self.at_nodes(two.astype(np.float64)) > 0

    @cached_property
    def linked(self) -> Mask:
        """Whether two treatments are connected, directly or through others, ``[b, T, T]``; each with itself."""
        reach = self.at_pairs((self.present[:, :, None] & self.present[:, None, :]).astype(np.float64)) > 0
        reach |= np.eye(self.nodes, dtype=bool)
        for _ in range(max(1, int(np.ceil(np.log2(max(self.nodes, 2)))))):
            step = reach.astype(np.float32)
            reach = step @ step > 0
        return np.asarray(reach)

    @cached_property
    def components(self) -> Array:
        """Number of connected components among the treatments that are used, ``[b]``."""
        share = np.where(self.used, 1.0 / (self.linked & self.used[:, None, :]).sum(-1).clip(1), 0.0)
        return np.asarray(np.round(share.sum(-1)))

    @cached_property
    def df(self) -> Array:
        """Degrees of freedom of Q: contrasts less treatments plus components, ``[b]``."""
        return np.asarray(self.contrasts - self.used.sum(-1) + self.components)

    def by_network(self, of_studies: Array) -> Array:
        """Sums over the studies of each network, ``[s]`` to ``[b]``."""
        return np.asarray(np.bincount(self.owner, of_studies, self.networks), dtype=np.float64)

    def at_nodes(self, of_arms: Array) -> Array:
        """Sums of arms by treatment, ``[s, K]`` to ``[b, T]``."""
        flat = np.bincount(self._cell.ravel(), of_arms.ravel(), self.networks * self.nodes)
        return np.asarray(flat.reshape(self.networks, self.nodes), dtype=np.float64)

    def at_pairs(self, of_pairs: Array) -> Array:
        """Sums of pairs of arms by pair of treatments, ``[s, K, K]`` to ``[b, T, T]``."""
        flat = np.bincount(self._pair.ravel(), of_pairs.ravel(), self.networks * self.nodes * self.nodes)
        return np.asarray(flat.reshape(self.networks, self.nodes, self.nodes), dtype=np.float64)

    def of_nodes(self, values: Array) -> Array:
        """Values of treatments ``[b, T]`` at the arms, ``[s, K]``; 0 where the arm is absent."""
        return np.where(self.present, values.ravel()[self._cell], 0.0)

    def spread(self, tau2: Array) -> Array:
        """``[b]`` at the studies, as a column ``[s, 1]``."""
        return tau2[self.owner][:, None]

    def take(self, networks: Indices) -> Arms:
        """The chosen networks, repeats included, in the order given."""
        order = np.argsort(self.owner, kind="stable")
        counts = np.bincount(self.owner, minlength=self.networks)
        starts = np.concatenate(([0], np.cumsum(counts)))[networks]
        many = counts[networks]
        ends = np.cumsum(many)
        rows = order[np.arange(ends[-1] if ends.size else 0) + np.repeat(starts - (ends - many), many)]
        owner = np.repeat(np.arange(networks.size), many)
        return Arms(self.effect[rows], self.variance[rows], self.node[rows], owner, networks.size, self.nodes)

    @cached_property
    def design(self) -> Indices:
        """Number of the design of each study, ``[s]``: the same network and the same set of treatments."""
        ordered = np.sort(np.where(self.present, self.node, self.nodes), axis=-1)
        return np.unique(np.column_stack((self.owner, ordered)), axis=0, return_inverse=True)[1].reshape(-1)

    def by_design(self) -> tuple[Arms, Indices]:
        """Every design as a network of its own, its treatments numbered from 0, and the network that each belongs to, ``[d]``."""
        ordered = np.sort(np.where(self.present, self.node, self.nodes), axis=-1)
        place = (ordered[:, None, :] < self.node[:, :, None]).sum(-1)
        count = int(self.design.max()) + 1 if self.design.size else 0
        network = np.zeros(count, dtype=np.intp)
        network[self.design] = self.owner
        width = self.node.shape[-1]
        inner = np.minimum(place, width - 1)
        return Arms(self.effect, self.variance, inner, self.design, count, width), network
