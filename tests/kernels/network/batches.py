"""Simulated networks as the kernels take them."""

import numpy as np

from metanet.kernels.network.arms import Arms
from metanet.kernels.network.two_step import arm_effects
from tests.kernels.network.dense import simulate


def padded(seeds):
    """Counts, nodes and owners of several networks, one after the other, and the number of treatments of each."""
    found = [simulate(seed) for seed in seeds]
    width = max(len(arms) for _, studies, _, _ in found for arms in studies)
    y, n, node, owner = [], [], [], []
    for place, (_, studies, events, totals) in enumerate(found):
        for arms, e, t in zip(studies, events, totals, strict=True):
            gap = [np.nan] * (width - len(arms))
            y.append(e + gap)
            n.append(t + gap)
            node.append(arms + [0] * len(gap))
            owner.append(place)
    return np.array(y, float), np.array(n, float), np.array(node), np.array(owner), [each[0] for each in found]


def arms_of(seeds, measure="OR"):
    y, n, node, owner, sizes = padded(seeds)
    effect, variance, _ = arm_effects(y, n, measure)
    return Arms(effect, variance, node, owner, len(sizes), max(sizes)), sizes
