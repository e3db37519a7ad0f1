"""The view of the explorer: a choice of data and model, its result, and the code that reproduces it, without widgets."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metanet.base.errors import MetanetError, MetanetWarning
from metanet.base.groups import natural
from metanet.models.pooling.pool import pool
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd

    from metanet.evidence import Evidence


#: The choices and their labels.
MODELS: Mapping[str, Mapping[str, Any]] = {
    "Binomial-normal, Bayesian": {},
    "Binomial-normal (GLMM)": {"model": "glmm"},
    "Beta-binomial": {"model": "beta_binomial"},
    "Inverse variance, logit": {"model": "inverse_variance"},
    "Inverse variance, Freeman-Tukey": {"model": "inverse_variance", "measure": "PFT"},
    "Common effect, logit": {"model": "common"},
}
OVERLAPS = {"Largest report of a cohort": "keep_largest", "Newest report": "keep_newest", "All reports": "keep_all"}
CERTAINTIES = {"Any": None, "Low or better": "low", "Moderate or better": "moderate", "High": "high"}
ALL = "All modalities"


@dataclass(frozen=True)
class View:
    """One view. `left_out` contains names of studies as in the `study` column."""

    evidence: Evidence = field(repr=False, compare=False)
    outcome: str
    modality: str | None = None
    model: str = next(iter(MODELS))
    overlap: str = "keep_largest"
    certainty: str | None = None
    left_out: frozenset[str] = frozenset()
    #: How the evidence is loaded, for the code.
    folder: str | None = None

    @cached_property
    def all_rates(self) -> pd.DataFrame:
        """The rows of the selection, including studies excluded by hand."""
        return self.evidence.rates(self.outcome, modality=self.modality, overlap=self.overlap, certainty=self.certainty)

    @cached_property
    def rates(self) -> pd.DataFrame:
        """The rows that are pooled."""
        rates = self.all_rates
        return rates[~rates["study"].isin(self.left_out)]

    @cached_property
    def fit(self) -> Pooled | None:
        """The result; None where there is nothing to pool, with the reason in `trouble`."""
        return self._fitted[0]

    @property
    def trouble(self) -> str:
        """Why there is no result; empty where there is one."""
        return self._fitted[1]

    @cached_property
    def _fitted(self) -> tuple[Pooled | None, str]:
        if self.rates.empty:
            return None, (
                "All studies are excluded." if len(self.all_rates) else "No study matches this selection. Fix: remove a restriction."
            )
        try:
            with warnings.catch_warnings():
                # The notes of the result repeat them; a widget's callback has no cell to write them under.
                warnings.simplefilter("ignore", MetanetWarning)
                return pool(self.rates, **MODELS[self.model]), ""
        except MetanetError as error:
            return None, str(error)

    def with_choice(self, **choice: Any) -> View:
        """Another view.

        A new outcome keeps the modality if it has studies of it; names that are no longer among the rows are dropped.
        """
        other = replace(self, **choice)
        if other.modality is not None and other.modality not in modalities_of(other.evidence, other.outcome):
            other = replace(other, modality=None)
        return replace(other, left_out=other.left_out & set(other.all_rates["study"]))

    @property
    def code(self) -> str:
        """Python that gives this result. Names from the data are string literals."""
        folder = "" if self.folder is None else literal(self.folder)
        arguments = [literal(self.outcome)]
        if self.modality is not None:
            arguments.append(f"modality={literal(self.modality)}")
        if self.overlap != "keep_largest":
            arguments.append(f"overlap={literal(self.overlap)}")
        if self.certainty is not None:
            arguments.append(f"certainty={literal(self.certainty)}")
        lines = [f"rates = mn.load_evidence({folder}).rates({', '.join(arguments)})"]
        if self.left_out:
            names = ", ".join(literal(name) for name in sorted(self.left_out, key=natural))
            lines.append(f'rates = rates[~rates["study"].isin([{names}])]')
        options = "".join(f", {name}={literal(value)}" for name, value in MODELS[self.model].items())
        return "\n".join(["import metanet as mn", "", *lines, f"fit = mn.pool(rates{options})"])


def literal(text: str) -> str:
    """A text as a safe Python literal; unprintable characters are escaped."""
    return '"' + "".join(_literal(character) for character in text) + '"'


def _literal(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def modalities_of(evidence: Evidence, outcome: str) -> tuple[str, ...]:
    """The modality classes that have a poolable study of an outcome."""
    frame = evidence.poolable()
    return tuple(frame.loc[frame["outcome"] == outcome, "modality_class"])


def outcomes_of(evidence: Evidence) -> dict[str, str]:
    """Printed name -> outcome, of outcomes with a poolable study."""
    with_rows = set(evidence.poolable()["outcome"])
    return {evidence.label(name): name for name in evidence.outcome_names if name in with_rows}
