"""What a pooled rate predicts of the true rate of a new, comparable setting, on the logit scale; and which series it knows already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy import special

from metanet.base.arrays import Array
from metanet.base.errors import ArgumentError
from metanet.base.groups import absent, name_of
from metanet.base.untrusted import listing, visible
from metanet.evidence.selection import selection_of
from metanet.models.bayes.result import BayesPooled
from metanet.models.options import options_of
from metanet.models.pooling.fill import likelihood_of
from metanet.models.pooling.posterior import tails
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd

#: A pooled rate with a predictive distribution.
Literature: TypeAlias = Pooled | BayesPooled
#: Fewest studies of a prediction by maximum likelihood.
LEAST = 3


@dataclass(frozen=True)
class Prediction:
    """The predictive distribution: `below` gives probabilities of smaller logits ``[m]``; `reason` says why there is none."""

    below: Callable[[Array], Array] | None
    reason: str | None
    exact: bool


def prediction_of(fit: Literature, argument: str = "fit") -> Prediction:
    """The predictive distribution of the rate of a new setting.

    Raises
    ------
    ArgumentError
        A result that is no rate of one group, or whose model has no such distribution on the logit scale.
    """
    if not isinstance(fit, (Pooled, BayesPooled)):
        raise ArgumentError(f"{argument} must be a result of mn.pool or mn.bayes_pool, not {type(fit).__name__}.")
    if isinstance(fit, BayesPooled):
        return Prediction(fit._distributions["new setting"].probabilities, None, True)
    options = options_of(fit.method)
    rate = fit.response == "rate" and options.groups == 1 and not fit.data.timed
    if not rate or options.model not in ("bayes", "glmm") or options.link != "logit":
        kind = fit.title if rate else "another kind than a rate of one group"
        raise ArgumentError(
            f"{argument} is a result of {kind}, which has no predictive distribution here. Fix: pool the rates with model='bayes' or "
            "model='glmm' (and the logit link)."
        )
    if options.model == "bayes":
        return Prediction(partial(_posterior, fit), None, True)
    if fit.k < LEAST:
        return Prediction(None, f"With {fit.k} {'study' if fit.k == 1 else 'studies'} maximum likelihood gives no prediction.", False)
    if fit.status != "pooled" or fit.mu is None or not fit.se or fit.tau2 is None:
        return Prediction(None, f"Maximum likelihood gives no prediction for these studies ({fit.status}).", False)
    spread = float(np.sqrt(fit.tau2 + fit.se**2))
    return Prediction(partial(_student, fit.mu, spread, fit.k - 2), None, False)


def _posterior(fit: Pooled, x: Array) -> Array:
    return tails(likelihood_of(fit.data, options_of(fit.method)), fit.data["total"], options_of(fit.method), x)[1]


def _student(mu: float, spread: float, df: int, x: Array) -> Array:
    # Higgins, Thompson and Spiegelhalter (2009), doi:10.1111/j.1467-985X.2008.00552.x.
    return np.asarray(special.stdtr(df, (x - mu) / spread))


def studies_of(fit: Literature) -> pd.DataFrame:
    """Study, events and total of what was pooled."""
    return fit.studies[["study", "events", "total"]]


def rows_of(fit: Literature) -> pd.DataFrame | None:
    """The rows that were pooled with all their columns, as far as they came in a frame."""
    return fit._rows if isinstance(fit, BayesPooled) else fit.rates()


def _folded(name: object) -> str:
    return " ".join(name_of(name).split()).casefold()


def refuse_known(fit: Literature, name: str, overlap_group: str | None) -> None:
    """Refuse a series that is among the pooled studies by its name, or shares patients with one of them.

    Raises
    ------
    ArgumentError
        The pooled study, and how to leave it out.
    """
    rows = rows_of(fit)
    names = {_folded(study): str(study) for study in studies_of(fit)["study"]}
    if rows is not None and "study_id" in rows.columns and len(rows) == len(fit.studies):
        names |= {
            _folded(key): str(study) for key, study in zip(rows["study_id"], fit.studies["study"], strict=True) if not absent(key)
        }
    if _folded(name) in names:
        study = names[_folded(name)]
        raise ArgumentError(
            f"name={visible(name)!r}: a study of this name is pooled already, so that its patients would predict themselves. Fix: "
            f"{_without(fit, study)}, or give another name if the patients are others."
        )
    if overlap_group is None:
        return
    column = None if rows is None or "overlap_group" not in rows.columns else rows["overlap_group"]
    if column is None:
        raise ArgumentError(
            f"overlap_group={visible(overlap_group)!r}: the pooled studies do not tell which of them share patients. Fix: pool rows "
            "with a column overlap_group, as those of Evidence.rates, or leave the argument out."
        )
    shared = [
        str(study)
        for study, group in zip(fit.studies["study"], column, strict=True)
        if not absent(group) and _folded(group) == _folded(overlap_group)
    ]
    if shared:
        raise ArgumentError(
            f"overlap_group={visible(overlap_group)!r}: {listing(shared)} shares patients with this series and is pooled. Fix: "
            f"{_without(fit, shared[0])}."
        )


def _without(fit: Literature, study: str) -> str:
    shown = visible(study)
    return f"leave it out, with fit.update(without={shown!r})" if isinstance(fit, Pooled) else f"pool the studies without {shown!r}"


def same_counts(fit: Literature, events: int, total: int) -> str | None:
    """A note on pooled studies with the counts of the series: whether they are the same patients cannot be known from counts."""
    frame = studies_of(fit)
    alike = [str(row["study"]) for row in frame.to_dict("records") if (row["events"], row["total"]) == (events, total)]
    if not alike:
        return None
    return f"{listing(alike)} {'has' if len(alike) == 1 else 'have'} the same counts. If the patients are the same, pool without."


def mixed_definitions(fit: Literature) -> tuple[str, ...]:
    """The definitions of the event, where the rows mix several that no selection has put into one family."""
    rows = rows_of(fit)
    if rows is None or "definition" not in rows.columns:
        return ()
    found = list(dict.fromkeys(name_of(word) for word in rows["definition"] if not absent(word)))
    record: Any = selection_of(rows)
    if len(found) < 2 or (record is not None and record.chosen.get("definition") is not None):
        return ()
    titles = rows.attrs.get("titles", {})
    return tuple(str(titles.get(word, word)).removeprefix("other:").replace("_", " ").strip() for word in found)
