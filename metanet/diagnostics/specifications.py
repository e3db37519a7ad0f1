"""What a multiverse is made of: the row sets that defensible choices of data leave, and the analyses that could be made of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from metanet.errors import ArgumentError, check_choice, shorten
from metanet.evidence.contract import CERTAINTIES
from metanet.evidence.evidence import Evidence
from metanet.evidence.overlap import POLICIES
from metanet.models.options import Options, check_options

if TYPE_CHECKING:
    import pandas as pd

#: A modality within a class is a grouping of its own from so many arms on.
_LEAST_ARMS = 3


@dataclass(frozen=True)
class DataChoices:
    """The levels of every choice of rows; the first of each is the one to start from."""

    overlap: tuple[str, ...] = ("keep_largest", "keep_newest", "keep_all")
    certainty: tuple[str, ...] = CERTAINTIES
    unit: tuple[str, ...] = ("any", "patients")
    derived: tuple[str, ...] = ("in", "out")
    grouping: bool = True


@dataclass(frozen=True)
class RowSet:
    """Rows of one choice of data: `choices` says which, by dimension."""

    choices: Mapping[str, str]
    rows: pd.DataFrame


def check_choices(**given: object) -> DataChoices:
    """The levels that were named, each from its vocabulary; None takes the default."""
    known = {"overlap": POLICIES, "certainty": CERTAINTIES, "unit": ("any", "patients"), "derived": ("in", "out")}
    out: dict[str, Any] = {}
    for name, allowed in known.items():
        value = given.get(name)
        if value is None:
            continue
        levels = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else ()
        if not levels:
            raise ArgumentError(f"{name}={shorten(value)!r} must be one or several of {', '.join(map(repr, allowed))}.")
        out[name] = tuple(dict.fromkeys(check_choice(name, level, allowed) for level in levels))
    grouping = given.get("grouping", True)
    if not isinstance(grouping, bool):
        raise ArgumentError(f"grouping={shorten(grouping)!r} must be True or False.")
    return DataChoices(**out, grouping=grouping)


def row_sets(
    data: Evidence | pd.DataFrame,
    outcome: str | None,
    modality: str | Sequence[str] | None,
    definition: str | None,
    choices: DataChoices,
) -> list[RowSet]:
    """Every choice of rows, the most inclusive first. A choice whose column the data lack has no levels."""
    if isinstance(data, Evidence):
        if outcome is None:
            known = ", ".join(repr(name) for name in data.outcome_names)
            raise ArgumentError(f"outcome is missing: evidence holds several. Mend: outcome= one of {known}.")
        found = []
        for name, words in _groupings(data, outcome, modality, definition, choices):
            for overlap in choices.overlap:
                for certainty in choices.certainty:
                    rows = data.rates(
                        outcome, modality=words, definition=definition, overlap=overlap, certainty=certainty
                    )
                    start = {"grouping": name, "overlap": overlap, "certainty": certainty}
                    found += _filtered(rows, start, choices)
        return found
    if outcome is not None or modality is not None or definition is not None:
        raise ArgumentError("outcome, modality and definition belong to evidence; a frame holds one outcome already.")
    for name in ("certainty", "unit", "derived"):
        if name in data.columns and data[name].ndim != 1:
            raise ArgumentError(f"data has several columns named {name!r}. Mend: rename all but one.")
    found = []
    levels = choices.certainty if "certainty" in data.columns else ("",)
    for certainty in levels:
        rows, start = data, {}
        if certainty:
            floor = CERTAINTIES.index(certainty)
            known_words = data["certainty"].isin(CERTAINTIES)
            if not known_words.all():
                bad = data.loc[~known_words, "certainty"].iloc[0]
                raise ArgumentError(f"certainty={shorten(bad)!r} is not one of {', '.join(map(repr, CERTAINTIES))}.")
            rows = data[[CERTAINTIES.index(word) >= floor for word in data["certainty"]]]
            start = {"certainty": certainty}
        found += _filtered(rows, start, choices)
    return found


def _groupings(
    data: Evidence, outcome: str, modality: str | Sequence[str] | None, definition: str | None, choices: DataChoices
) -> list[tuple[str, Any]]:
    """The whole selection, and every modality in it that has arms enough to stand alone."""
    name = "all" if modality is None else modality if isinstance(modality, str) else " + ".join(modality)
    found: list[tuple[str, Any]] = [(name, modality)]
    if choices.grouping:
        rows = data.rates(outcome, modality=modality, definition=definition, overlap="keep_all")
        counts = rows["modality"].value_counts()
        if len(counts) > 1:
            found += [(f"{word} alone", word) for word in counts.index if counts[word] >= _LEAST_ARMS]
    return found


def _filtered(rows: pd.DataFrame, start: dict[str, str], choices: DataChoices) -> list[RowSet]:
    """The choices that are filters of rows: units, and counts that were derived."""
    units = choices.unit if "unit" in rows.columns else ("",)
    derived = choices.derived if "derived" in rows.columns else ("",)
    if "derived" in rows.columns and not all(isinstance(value, (bool, np.bool_)) for value in rows["derived"].tolist()):
        raise ArgumentError("The column 'derived' must hold True or False. Mend: turn its words into truth values.")
    found = []
    for unit, origin in product(units, derived):
        part, said = rows, dict(start)
        if unit:
            said["unit"] = unit
            part = part if unit == "any" else part[part["unit"] == unit]
        if origin:
            said["derived"] = origin
            part = part if origin == "in" else part[~part["derived"].astype(bool)]
        found.append(RowSet(said, part))
    return found


_TAU2 = ("REML", "DL", "PM")
_TWO_STEP_CI = ("HK", "HK-adhoc", "z")


def analyses_for(scale: str, measure: str | None, level: float, given: Mapping[str, Any]) -> list[Options]:
    """The customary analyses of this kind of data, the recommended one first.

    Rates: the exact models, and two-step models on the logit, arcsine and Freeman-Tukey scales. Two groups keep their measure, because
    an odds ratio and a risk ratio are different numbers.
    """
    two_step = [{"model": "inverse_variance", "tau2": t, "ci": c} for t in _TAU2 for c in _TWO_STEP_CI]
    if scale == "rate":
        words: list[dict[str, Any]] = [{"model": "glmm", "ci": c} for c in ("t", "z", "profile")]
        words += [{"model": "beta_binomial", "ci": c} for c in ("t", "z")]
        words += [{**each, "measure": m} for m in ("PLO", "PAS", "PFT") for each in two_step]
    elif scale == "rate per person-time":
        words = [{"model": "glmm", "measure": "IRLN", "ci": c} for c in ("t", "z", "profile")]
        words += [{**each, "measure": m} for m in ("IRLN", "IRS", "IRFT") for each in two_step]
    else:
        words = [{**each, "measure": measure} for each in two_step]
        words.append({"model": "common", "measure": measure})
        if measure in ("OR", "RR", "RD") and not given["timed"]:
            words.append({"model": "mantel_haenszel", "measure": measure})
        if measure == "OR" and not given["timed"]:
            words += [{"model": name, "measure": "OR"} for name in ("CM.EL", "UM.FS")]
    return [check_options(**word, level=level, **given) for word in words]
