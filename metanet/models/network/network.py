"""`network`: all treatments that studies compare, directly and through each other, in one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked, choice, level
from metanet.base.errors import ArgumentError, as_given, nearest
from metanet.evidence.sources import Rates, rates_of
from metanet.models.network.cells import Cells, read_contrasts, read_counts
from metanet.models.network.fit import fitted
from metanet.models.network.result import Network
from metanet.models.registry import NETWORK_MODELS, NETWORK_TAU2

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Measures of counts, and effects as given.
MEASURES = ("OR", "RR", "RD", "GEN")


@checked(
    measure=choice(*MEASURES),
    model=choice(*NETWORK_MODELS),
    tau2=choice("REML", "DL", "ML"),
    better=choice("higher", "lower"),
    level=level,
)
def network(
    data: Rates | None = None,
    *,
    study: str | Sequence[object] | None = None,
    treatment: str | Sequence[object] | None = None,
    events: str | Sequence[float] | None = None,
    total: str | Sequence[float] | None = None,
    control: str | Sequence[object] | None = None,
    yi: str | Sequence[float] | None = None,
    vi: str | Sequence[float] | None = None,
    measure: str | None = None,
    model: str | None = None,
    tau2: str | None = None,
    reference: str | None = None,
    better: str | None = None,
    level: float = 0.95,
    allocation: str | Sequence[object] | None = None,
) -> Network:
    """Compare all treatments of studies with two arms or more, directly and through treatments that they share.

    Parameters
    ----------
    data
        One row for each arm (or, with `yi` and `vi`, for each contrast), or evidence of one outcome. None: the arguments are
        sequences.
    study, treatment
        Columns (or sequences) of the study and the treatment of each row. None: the columns study_id or study, and treatment or
        modality_class.
    events, total
        Events and patients of each arm. Arms of one treatment in one study are summed.
    control, yi, vi
        For effects that are given (``measure="GEN"``): the treatment that `treatment` is compared with, the effect, and its variance.
        A study of more than two treatments needs every pair; its contrasts are made consistent, or refused.
    measure
        "OR" (default), "RR" or "RD" of counts, "GEN" for `yi` and `vi`.
    model
        "exact": binomial likelihood with study intercepts and random effects (odds ratios). "inverse_variance": two steps. "common"
        and "exact_common": the same without heterogeneity. None: "exact" for odds ratios where an arm has fewer than five events or
        non-events, else "inverse_variance".
    tau2
        "REML" (default) or "DL" in two steps, "ML" in the exact model. Where no model is named, it decides between them.
    reference
        The treatment that others are shown against. None: the one in most studies.
    better
        Whether "higher" or "lower" effects are better, for ranks. None: as the data say of their outcome, else "higher".
    level
        Coverage of the intervals.
    allocation
        Column (or sequence) of how studies allocated patients: words such as "RCT" or "randomised", or truth values. It decides how
        the graph draws a comparison.

    Returns
    -------
    Network
        Contrasts, ranks, heterogeneity and consistency. Treatments that no study connects are fitted by component; ``reason`` says why
        there is nothing to fit.

    Raises
    ------
    ArgumentError
        A column that is not there, a count that is none, names that differ only in capitals or blanks, contrasts of a study that
        cannot come from its arms, or a choice that is not known.

    Notes
    -----
    Only comparisons within studies count. A network assumes that studies of different treatments are alike in what modifies the
    effects; `Network.split` and `Network.designs` look for contradictions, and find few of them where there are few studies.

    References
    ----------
    Ruecker (2012), doi:10.1002/jrsm.1058; Ruecker and Schwarzer (2014), doi:10.1002/sim.6236; Krahn, Binder and Koenig (2013),
    doi:10.1186/1471-2288-13-35; Ruecker and Schwarzer (2015), doi:10.1186/s12874-015-0060-8.

    Examples
    --------
    >>> import metanet as mn
    >>> fit = mn.network(
    ...     study=["A", "A", "B", "B", "C", "C"],
    ...     treatment=["x", "y", "y", "z", "x", "z"],
    ...     events=[20, 30, 25, 40, 18, 44],
    ...     total=[80, 80, 90, 95, 70, 85],
    ... )
    >>> fit.components
    (('x', 'y', 'z'),)
    >>> len(fit.contrasts)
    3
    """
    kind = measure or ("GEN" if yi is not None or vi is not None else "OR")
    _check_choices(kind, model, tau2)
    frame = None if data is None else rates_of(data)
    about = {} if frame is None else {name: frame.attrs.get(name) for name in ("label", "direction")}
    wanted = better or ("lower" if about.get("direction") == "lower_is_better" else "higher")
    choices = {"measure": kind, "model": model, "tau2": tau2, "reference": reference, "better": wanted, "level": level, **about}
    cells = _read(frame, kind, study, treatment, {"events": events, "total": total, "yi": yi, "vi": vi}, control, allocation)
    _check_reference(reference, cells)
    return fitted(cells, choices)


def _read(
    frame: Any, kind: str, study: object, treatment: object, numbers: dict[str, object], control: object, allocation: object
) -> Cells:
    if kind == "GEN":
        return read_contrasts(frame, study, treatment, control, numbers, allocation)
    if control is not None:
        raise ArgumentError(
            f"control={as_given(control)} goes with measure='GEN'; counts have one row for each arm. Fix: leave it out."
        )
    return read_counts(frame, study, treatment, numbers, allocation, kind)


def _check_choices(measure: str, model: str | None, tau2: str | None) -> None:
    """Refuse what does not go together."""
    exact = model is not None and model.startswith("exact")
    if measure != "OR" and (exact or (model is None and tau2 == "ML")):
        named = f"model={model!r}" if exact else "tau2='ML'"
        raise ArgumentError(f"{named} goes with measure='OR', not {measure!r}. Fix: model='inverse_variance'.")
    if model is not None and tau2 is not None and tau2 not in NETWORK_TAU2[model]:
        known = NETWORK_TAU2[model]
        takes = f"takes tau2={' or '.join(map(repr, known))}" if known else "has no heterogeneity variance"
        raise ArgumentError(f"tau2={tau2!r} does not go with model={model!r}, which {takes}. Fix: leave it out.")


def _check_reference(reference: str | None, cells: Cells) -> None:
    """A reference is a treatment of the data; one that no study compares is noted by the fit."""
    lost = {one.removeprefix("one treatment only (").removesuffix(")") for _, one in cells.left_out}
    if reference is None or reference in cells.treatments or reference in lost:
        return
    near = nearest(reference, cells.treatments)
    meant = f" Did you mean {as_given(near)}?" if near is not None else ""
    known = ", ".join(as_given(name) for name in cells.treatments[:40])
    raise ArgumentError(f"reference={as_given(reference)} is not a treatment of the data.{meant} Known: {known}.")
