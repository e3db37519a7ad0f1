"""From the arms of a network to its result: components, the model of each, notes and the method stamp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.base.arrays import Indices
from metanet.base.display import level_text, sentence_case
from metanet.base.errors import shorten
from metanet.base.groups import absent
from metanet.base.results import Method
from metanet.base.untrusted import counted, listing, visible
from metanet.effects.measures import MEASURES
from metanet.models.network.cells import Cells, read_counts
from metanet.models.network.checks import usual_reference
from metanet.models.network.part import Part, exact_part, two_step_part
from metanet.models.network.result import Network
from metanet.models.registry import NETWORK_MODELS, NETWORK_TAU2, TAU2
from metanet.models.results.method import versions

if TYPE_CHECKING:
    import pandas as pd

#: A count below this makes the exact model the default.
SMALL_CELL = 5
_NAMED = 12
_SOURCES = {
    "Studies of several arms": "10.1002/sim.6236",
    "P-score": "10.1186/s12874-015-0060-8",
    "Designs": "10.1186/1471-2288-13-35",
    "Direct and indirect evidence by back-calculation": "10.1002/sim.6001",
}


def components(cells: Cells) -> list[list[int]]:
    """The studies of each connected component, the largest component first."""
    label = list(range(len(cells.treatments)))

    def top(node: int) -> int:
        while label[node] != node:
            label[node] = label[label[node]]
            node = label[node]
        return node

    first: dict[int, int] = {}
    for study, node in zip(cells.study.tolist(), cells.treatment.tolist(), strict=True):
        label[top(node)] = top(first.setdefault(study, node))
    by: dict[int, list[int]] = {}
    for study in range(len(cells.studies)):
        by.setdefault(top(first[study]), []).append(study)
    return sorted(by.values(), key=lambda studies: (-len(_treatments(cells, studies)), -len(studies), studies[0]))


def largest_component(frame: pd.DataFrame, study: str, treatment: str) -> int:
    """How many treatments the largest connected component has; 0 where no study compares two. Rows without a name are left out."""
    named = frame[[not (absent(a) or absent(b)) for a, b in zip(frame[study], frame[treatment], strict=True)]]
    if not len(named):
        return 0
    cells = read_counts(named, study, treatment, {"events": "events", "total": "total"}, None, "OR")
    return max((_treatments(cells, studies).size for studies in components(cells)), default=0)


def _treatments(cells: Cells, studies: Sequence[int]) -> Indices:
    return np.unique(cells.treatment[np.isin(cells.study, studies)])


def small_cells(cells: Cells) -> str:
    """Why the exact model is the default, in words; empty where it is not."""
    if np.isnan(cells.events).any():
        return ""
    least = np.minimum(cells.events, cells.total - cells.events)
    small = len({int(i) for i in cells.study[least < SMALL_CELL]})
    if small:
        return f"a group has fewer than {SMALL_CELL} events or non-events in {counted(small, 'study', 'studies')}"
    return ""


def model_of(cells: Cells, choices: Mapping[str, Any]) -> tuple[str, str]:
    """The model, and why it was chosen where nobody named one."""
    if choices["model"] is not None:
        return str(choices["model"]), ""
    if choices["tau2"] is not None:
        return ("exact" if choices["tau2"] == "ML" else "inverse_variance"), ""
    why = small_cells(cells)
    if choices["measure"] == "OR" and why:
        return "exact", f"The exact model was used, because {why}."
    if why:
        return "inverse_variance", (
            f"The model is approximate here, because {why}; an exact model exists for odds ratios alone (measure='OR')."
        )
    return "inverse_variance", ""


def fitted(cells: Cells, choices: Mapping[str, Any]) -> Network:
    """Fit every component.

    Parameters
    ----------
    cells
        Studies that compare treatments; there may be none.
    choices
        measure, model, tau2, reference, better, level; label and direction of the outcome where they are known.
    """
    model, why = model_of(cells, choices)
    tau2 = choices["tau2"] or (NETWORK_TAU2[model] or (None,))[0]
    wanted = choices["reference"]
    reference = wanted if wanted in cells.treatments else usual_reference(cells) if cells.treatments else None
    groups = components(cells) if cells.studies else []
    parts = tuple(_part(cells.only(studies), model, tau2, choices["measure"], reference) for studies in groups)
    named = tuple(part.treatments for part in parts)
    notes = [*([why] if why else []), *cells.notes]
    if parts:
        notes += _notes(cells, parts, model, choices, reference)
    return Network(
        measure=choices["measure"],
        model=model,
        level=choices["level"],
        better=choices["better"],
        treatments=cells.treatments,
        components=named,
        reference=reference,
        reason=None if parts else _nothing(cells),
        method=_stamp(model, tau2, choices, reference, notes, parts),
        parts=parts,
        _cells=cells,
        _choices={**choices, "tau2": tau2},
    )


def _nothing(cells: Cells) -> str:
    alone = len(cells.left_out)
    what = "No study compares two treatments, so there is no network."
    return f"{what} {counted(alone, 'study has', 'studies have')} one treatment only." if alone else what


def _part(cells: Cells, model: str, tau2: str | None, measure: str, reference: str | None) -> Part:
    if model.startswith("exact"):
        base = reference if reference in cells.treatments else usual_reference(cells)
        return exact_part(cells, base, random=model == "exact")
    method = {"REML": "REML", "DL": "DL"}.get(str(tau2), "none")
    return two_step_part(cells, measure, method if model == "inverse_variance" else "none")  # type: ignore[arg-type]


def _short(name: str) -> str:
    return visible(shorten(name, 40))


def _notes(cells: Cells, parts: Sequence[Part], model: str, choices: Mapping[str, Any], reference: str | None) -> list[str]:
    out = [_allocation(cells.allocation)]
    if len(parts) > 1:
        shown = "; ".join(f"{i + 1}: {listing(map(_short, part.treatments), _NAMED)}" for i, part in enumerate(parts[:8]))
        out.append(
            f"The network has {len(parts)} components, and no study connects them: {shown}. Each was fitted by itself; treatments of "
            "different components cannot be compared."
        )
    corrected = [name for part in parts for name in part.corrected]
    if corrected:
        out.append(
            f"0.5 was added to events and non-events of all groups of {counted(len(corrected), 'study', 'studies')} in which a group "
            f"has no events or events only: {listing(map(_short, corrected), _NAMED)}. The correction changes the result"
            + ("; the exact model needs none." if choices["measure"] == "OR" else ".")
        )
    out += _silent(cells, model)
    out += [note for part in parts for note in _without_estimate(part)]
    for place, part in enumerate(parts):
        mark = "" if len(parts) == 1 else f"Component {place + 1}: "
        out += [f"{mark}{note}" for note in _of_part(part, model)]
    if choices["reference"] is not None and choices["reference"] != reference:
        out.append(
            f"No study compares {_short(choices['reference'])} with another treatment; the reference is {_short(str(reference))}."
        )
    return out


def _allocation(found: Sequence[bool | None]) -> str:
    random, silent = sum(each is True for each in found), sum(each is None for each in found)
    chosen = "without it treatments were chosen for a reason, and a difference between them is not an effect of treatment"
    if silent == len(found):
        return f"Allocation at random is not stated; {chosen}."
    if random == len(found):
        return f"Patients were allocated at random in {'all studies' if random > 1 else 'the one study'}."
    if random == 0:
        some = f" in {len(found) - silent} of {len(found)} studies, not stated in the others" if silent else ""
        reason = "treatments were chosen for a reason, and a difference between them is not an effect of treatment"
        return f"Patients were not allocated at random{some}: {reason}."
    unsaid = f", not stated in {silent}" if silent else ""
    return f"Patients were allocated at random in {random} of {len(found)} studies{unsaid}; {chosen}."


def _silent(cells: Cells, model: str) -> list[str]:
    """Studies that an exact model cannot use: no events at all, or events only."""
    if not model.startswith("exact"):
        return []
    events, total = (np.bincount(cells.study, values, len(cells.studies)) for values in (cells.events, cells.total))
    gone = [cells.studies[i] for i in np.flatnonzero((events == 0) | (events == total))]
    if not gone:
        return []
    what = f"{counted(len(gone), 'study', 'studies')} without events in any group, or with events only"
    no = f"contain{'s' if len(gone) == 1 else ''} no information on an odds ratio"
    return [f"{what}, {no}: {listing(map(_short, gone), _NAMED)}."]


def _without_estimate(part: Part) -> list[str]:
    out = []
    for each in part.absent:
        share = f"{each.events} of {each.total}"
        what = f"{_short(each.treatment)} ({share}) has no finite odds ratio against {_short(each.reference)}"
        side = "" if each.lower is None else f"; it is estimated as {'lower' if each.lower else 'higher'} without a limit"
        out.append(f"{what}{side}. {sentence_case(each.test.text()).rstrip('.')}.")
    return out


def _of_part(part: Part, model: str) -> list[str]:
    out = []
    if not part.converged:
        out.append(
            "The maximum of the likelihood was not located, so no number is given. "
            "Use model='inverse_variance' for an approximate result."
        )
    if part.df == 0:
        wide = "" if model.endswith("common") else ", and the intervals do not allow for heterogeneity"
        out.append(f"There are no degrees of freedom: heterogeneity and consistency cannot be examined{wide}.")
    elif part.tau2 == 0:
        out.append("tau2 is estimated as zero, which does not show that there is no heterogeneity.")
    if model == "exact" and part.tau2:
        out.append(
            "tau2 is by maximum likelihood, which tends to find too little heterogeneity in few studies, and the intervals take it as "
            "known: they are then anti-conservative. Compare with model='inverse_variance'."
        )
    if part.df == 1 and part.tau2 is not None:
        out.append("A prediction interval needs at least two degrees of freedom.")
    if part.df > 0 and not part.between:
        out.append("There is no closed loop of different studies: consistency cannot be examined.")
    multi = int((np.bincount(part.cells.study) > 2).sum())
    if multi:
        out.append(
            f"{counted(multi, 'study has', 'studies have')} more than two treatments; direct and indirect evidence from "
            f"{'it' if multi == 1 else 'them'} are not independent, so that the tests of single contrasts are approximate."
        )
    if model.startswith("exact") and part.df > 0:
        out.append("Tests within and between designs compare deviances; with few events their p-values are approximate.")
    if model.endswith("common"):
        out.append("One effect of every contrast is assumed: the intervals do not allow for heterogeneity.")
    return out


def _stamp(
    model: str, tau2: str | None, choices: Mapping[str, Any], reference: str | None, notes: Sequence[str], parts: Sequence[Part]
) -> Method:
    row, measure = NETWORK_MODELS[model], choices["measure"]
    title = "effects as given" if measure == "GEN" else MEASURES[measure].title
    exact = model.startswith("exact")
    parts_of = [f"Network meta-analysis of {title}s" if measure != "GEN" else "Network meta-analysis of effects as given", row.phrase]
    if tau2 in ("REML", "DL"):
        parts_of.append(f"one heterogeneity variance of all contrasts by {TAU2[tau2].title}")
    elif model == "exact":
        parts_of.append("one heterogeneity variance of all contrasts by maximum likelihood")
    correction = None if exact or measure == "GEN" else "0.5 to all groups of studies in which one has no events or events only"
    if correction:
        parts_of.append(f"continuity correction: {correction}")
    parts_of.append(f"{level_text(choices['level'])} intervals from the normal distribution")
    if tau2 is not None:
        parts_of.append("prediction intervals from the t distribution with the degrees of freedom of Q")
    parts_of.append(f"ranks by P-scores, {choices['better']} is better")
    sources = [
        f"{row.title}: doi:{row.source}",
        *(f"{name}: doi:{doi}" for name, doi in _SOURCES.items() if not exact or name != "Studies of several arms"),
    ]
    stamp = {
        "analysis": "network",
        "measure": measure,
        "model": model,
        "tau2": tau2,
        "level": choices["level"],
        "reference": reference,
        "better": choices["better"],
        **{name: str(choices[name]) for name in ("label", "direction") if choices.get(name)},
        "prediction": None if tau2 is None else "t with the degrees of freedom of Q",
        "continuity_correction": correction,
        "components": len(parts),
        **versions(),
        "sources": sources if parts else [],
        "notes": list(dict.fromkeys(notes)),
    }
    stamp["sentence"] = f"{'; '.join(parts_of)}. metanet {stamp['version']}."
    return Method(stamp)
