"""The view of the explorer: a choice of data and model, its result, and the code that reproduces it, without widgets."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from metanet.base.errors import MetanetError, MetanetWarning
from metanet.base.groups import natural
from metanet.base.untrusted import visible
from metanet.explorer.choices import MODELS, Condition, definitions_of, filters_of, intervals_of, literal, modalities_of, selected
from metanet.models.pooling.pool import pool
from metanet.models.results.pooled import Pooled

if TYPE_CHECKING:
    import pandas as pd

    from metanet.evidence import Evidence


@dataclass(frozen=True)
class Loading:
    """How a script gets the evidence: an expression, and what a reader has to know of it."""

    expression: str = "mn.load_evidence()"
    remark: str = ""


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
    definition: str | None = None
    #: Interval of the mean; None is the model's own.
    ci: str | None = None
    level: float = 0.95
    filter: Condition | None = None
    #: How the evidence is loaded, for the code.
    loading: Loading = field(default=Loading(), compare=False)

    @cached_property
    def selection(self) -> pd.DataFrame:
        """The rows of the selection, before the filter."""
        return selected(
            self.evidence, self.outcome, self.definition, modality=self.modality, overlap=self.overlap, certainty=self.certainty
        )

    @cached_property
    def all_rates(self) -> pd.DataFrame:
        """The rows of the selection, including studies excluded by hand."""
        return self.selection if self.filter is None else self.filter.kept(self.selection)

    @cached_property
    def rates(self) -> pd.DataFrame:
        """The rows that are pooled."""
        rates = self.all_rates
        return rates[~rates["study"].isin(self.left_out)]

    @property
    def title(self) -> str:
        """What the view is about: "Objective response, TARE"."""
        known = modalities_of(self.evidence, self.outcome, self.definition)
        group = known[0] if self.modality is None and len(known) == 1 else self.modality
        about = [self.evidence.label(self.outcome), self.rates.attrs.get("definition_title"), group]
        return visible(", ".join(str(word) for word in about if word))

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `pool` that are not its defaults."""
        options = dict(MODELS[self.model])
        if self.ci is not None:
            options["ci"] = self.ci
        if self.level != 0.95:
            options["level"] = self.level
        return options

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
                return pool(self.rates, **self.options), ""
        except MetanetError as error:
            return None, str(error)
        except Exception as error:
            # A click has no cell for a traceback, and the numbers of another view must not remain.
            return None, f"{type(error).__name__}: {error}"

    def with_choice(self, **choice: Any) -> View:
        """Another view.

        What another outcome, definition or model does not have is dropped: its modality, its interval, the value of its filter, and
        names that are no longer among the rows.
        """
        other = replace(self, **choice)
        if other.definition is not None and other.definition not in definitions_of(other.evidence, other.outcome).values():
            other = replace(other, definition=None)
        if other.modality is not None and other.modality not in modalities_of(other.evidence, other.outcome, other.definition):
            other = replace(other, modality=None)
        if other.ci is not None and other.ci not in intervals_of(other.model).values():
            other = replace(other, ci=None)
        if other.filter is not None:
            known = filters_of(other.evidence, other.outcome, other.definition).get(other.filter.column)
            other = replace(other, filter=None if known is None else other.filter.within(known))
        return replace(other, left_out=other.left_out & set(other.all_rates["study"]))

    @property
    def code(self) -> str:
        """Python that gives this result. Names from the data are string literals."""
        overlap = None if self.overlap == "keep_largest" else self.overlap
        chosen = {"modality": self.modality, "definition": self.definition, "overlap": overlap, "certainty": self.certainty}
        arguments = [literal(self.outcome), *(f"{name}={literal(value)}" for name, value in chosen.items() if value is not None)]
        lines = [f"rates = {self.loading.expression}.rates({', '.join(arguments)})"]
        if self.loading.remark:
            lines.insert(0, f"# {self.loading.remark}")
        condition = None if self.filter is None else self.filter.code()
        if condition is not None:
            lines.append(condition)
        if self.left_out:
            names = ", ".join(literal(name) for name in sorted(self.left_out, key=natural))
            lines.append(f'rates = rates[~rates["study"].isin([{names}])]')
        options = "".join(f", {name}={literal(value)}" for name, value in self.options.items())
        return "\n".join(["import metanet as mn", "", *lines, f"fit = mn.pool(rates{options})"])
