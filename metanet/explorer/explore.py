"""`explore`: the entry point of the explorer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metanet.base.arguments import checked
from metanet.base.errors import ArgumentError, MetanetError, check_choice
from metanet.base.extras import install
from metanet.evidence import Evidence
from metanet.evidence.sources import Tables, evidence_of
from metanet.explorer.choices import largest_modality, modalities_of, most_studied, outcomes_of
from metanet.explorer.view import Loading, View

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
        whole = ", all modalities" if view.modality is None and len(modalities_of(view.evidence, view.outcome)) > 1 else ""
        return f"Explorer: {view.title}{whole} (evidence: {view.evidence.name})\n{shown}"

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = self._panel.widget._repr_mimebundle_(**options)
        # Without widgets, such as in an exported page, numbers, figure and code are shown as they were.
        return bundle | {"text/plain": repr(self), "text/html": self._panel.static()}


#: The word for all modality classes together.
_ALL = "all"


@checked()
def explore(evidence: Tables | None = None, outcome: str | None = None, modality: str | None = None) -> Explorer:
    """Explore the evidence in a notebook: choose a subset, exclude studies by a click, see figure, numbers and code.

    Parameters
    ----------
    evidence
        Result of `load_evidence` or `read`, a frame, a result of `pool`, the folder of a review, or the file of a table. None takes
        the tables of the folder you work in, or else the curated ones.
    outcome
        The outcome to begin with; None takes the one with the most studies.
    modality
        The modality class to begin with, or "all"; None takes the class with the most studies of the outcome.

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
    Every click pools again with the functions that a script would use; the code that is shown gives the same numbers. A filter on
    another column applies after overlap was decided. The figure is an image; numbers and code can be selected and copied.
    """
    try:
        from metanet.explorer.panel import Panel
    except ImportError as error:
        if error.name != "ipywidgets":
            raise
        raise MetanetError(f"The explorer needs ipywidgets. Fix: {install('lab', 'ipywidgets')}") from None
    evidence = evidence_of(evidence)
    if not outcomes_of(evidence):
        raise ArgumentError("The evidence has no poolable row, so there is nothing to explore.")
    if outcome is None:
        outcome = most_studied(evidence)
    check_choice("outcome", outcome, tuple(outcomes_of(evidence).values()))
    known = modalities_of(evidence, outcome)
    if modality is None:
        modality = largest_modality(evidence, outcome)
    elif modality == _ALL and _ALL not in known:
        modality = None
    else:
        check_choice("modality", modality, (*known, _ALL))
    return Explorer(Panel(View(evidence, outcome, modality, loading=_loading(evidence))))


def _loading(evidence: Evidence) -> Loading:
    """How a script gets this evidence: from its folder or file, or from the frame that was given."""
    remark = "`data` is the frame that was given to mn.read or mn.explore." if evidence.code.startswith("mn.read(data") else ""
    return Loading(evidence.code, remark)
