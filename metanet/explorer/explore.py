"""`explore`: the entry point of the explorer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, MetanetError, check_choice
from metanet.base.untrusted import visible
from metanet.evidence import Evidence, load_evidence
from metanet.evidence.folders import curated_folder
from metanet.explorer.view import MODELS, View, modalities_of, outcomes_of

if TYPE_CHECKING:
    import pandas as pd

    from metanet.explorer.panel import Panel
    from metanet.models.results.pooled import Pooled


class Explorer:
    """The explorer in a notebook, and what it shows now.

    Attributes
    ----------
    fit
        The result that is shown; None where there is nothing to pool.
    rates
        The rows that are pooled.
    code
        Python that reproduces the view.
    widget
        The widgets, for a custom layout.
    """

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    @property
    def view(self) -> View:
        """The view as it is now."""
        return self._panel.view

    @property
    def fit(self) -> Pooled | None:
        """The result."""
        return self.view.fit

    @property
    def rates(self) -> pd.DataFrame:
        """The rows that are pooled; a copy."""
        return self.view.rates.copy()

    @property
    def code(self) -> str:
        """Python that reproduces the view."""
        return self.view.code

    @property
    def widget(self) -> Any:
        """The widgets."""
        return self._panel.widget

    def __dir__(self) -> list[str]:
        return ["code", "fit", "rates", "view", "widget"]

    def __repr__(self) -> str:
        view = self.view
        shown = view.trouble if view.fit is None else repr(view.fit)
        return f"Explorer: {visible(view.evidence.label(view.outcome))}, {view.modality or 'all modalities'}\n{shown}"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = self._panel.widget._repr_mimebundle_(**options)
        # Without widgets, such as in an exported page, the numbers are shown.
        return bundle | {"text/plain": repr(self), "text/html": self._panel.numbers.value}


@checked()
def explore(
    evidence: Evidence | str | os.PathLike[str] | None = None, outcome: str | None = None, modality: str | None = None
) -> Explorer:
    """Explore the evidence in a notebook: choose a subset, exclude studies by a click, see figure, numbers and code.

    Parameters
    ----------
    evidence
        Result of `load_evidence`, or a folder; None takes the curated tables.
    outcome, modality
        Where to begin: an outcome, and a modality class or None for all. None takes the outcome with the most studies.

    Returns
    -------
    Explorer
        Shown as the last value of a cell. `fit`, `rates` and `code` are those of the view.

    Raises
    ------
    ArgumentError
        An outcome or modality without a poolable study.
    MetanetError
        ipywidgets is not installed.

    Notes
    -----
    Every click pools again with the functions that a script would use; the code below the figure gives the same numbers.
    """
    try:
        from metanet.explorer.panel import Panel
    except ImportError as error:
        if error.name != "ipywidgets":
            raise
        raise MetanetError('The explorer needs ipywidgets. Fix: pip install "metanet[lab]".') from None
    if not isinstance(evidence, Evidence):
        evidence = load_evidence(evidence)
    folder = None if evidence.path.resolve() == curated_folder().resolve() else str(evidence.path)
    known = outcomes_of(evidence)
    if not known:
        raise ArgumentError("The evidence has no poolable row, so there is nothing to explore.")
    if outcome is None:
        frame = evidence.poolable()
        outcome = str(frame.groupby("outcome", sort=False)["k"].sum().idxmax())
    check_choice("outcome", outcome, tuple(known.values()))
    if modality is not None:
        check_choice("modality", modality, modalities_of(evidence, outcome))
    return Explorer(Panel(View(evidence, outcome, modality, next(iter(MODELS)), folder=folder)))
