"""The two-step twin of a result: each study's effect and sampling variance on the model scale, for what is defined on those alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from metanet.effects.zero_cells import CORRECTION
from metanet.models.fill_two_step import effects_of
from metanet.models.options import Options, options_of
from metanet.models.results import Pooled

Array = NDArray[np.float64]


def twin_options(fit: Pooled) -> Options:
    """Inverse variance on the measure of this result: its own options if it is a two-step model.

    Models that correct nothing take the default rule for zero cells. The common-effect models stay without spread.
    """
    options = options_of(fit.method)
    if options.model in ("inverse_variance", "common"):
        return options
    random = options.tau2 is not None
    return replace(
        options,
        model="inverse_variance" if random else "common",
        tau2="REML" if random else None,
        tau2_ci="Q-profile" if random else None,
        ci="HK" if random else "z",
        prediction="HTS" if random else None,
        i2="tau2" if random else "Q",
        link=None,
        add=CORRECTION,
        to="only0",
    )


def twin_effects(fit: Pooled) -> tuple[Array, Array]:
    """Effects and sampling variances ``[k]``; a study without a usable effect has variance inf."""
    yi, vi, _, _ = effects_of(fit.data, twin_options(fit))
    return yi[0], vi[0]
