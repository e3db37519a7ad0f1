"""The estimate of two groups without a continuity correction, beside one that depends on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from metanet.models.options import Options, check_options
from metanet.models.pooling.inputs import Studies
from metanet.models.registry import MODELS, TWO_STEP
from metanet.models.results.pooled import Pooled, Uncorrected

#: The model that pools a measure of two groups without a correction.
_WITHOUT = {"OR": "UM.FS", "RR": "mantel_haenszel", "RD": "mantel_haenszel"}


def with_uncorrected(fit: Pooled, studies: Studies, options: Options, pool: Callable[[Studies, Options], Pooled]) -> Pooled:
    """The result with what a model without a correction gives for the same studies, where cells were corrected in two steps."""
    if options.groups != 2 or options.model not in TWO_STEP or fit.status != "pooled" or not fit.method["studies_corrected"]:
        return fit
    model = _WITHOUT.get(fit.measure)
    if model is None:
        return fit
    other = pool(studies, check_options(model=model, measure=fit.measure, level=fit.level, groups=2, by_effect=False, timed=False))
    if other.method["studies_corrected"]:
        return fit
    return replace(fit, _uncorrected=Uncorrected(MODELS[model].phrase.split(" (")[0], other.estimate, other.ci_lower, other.ci_upper))
