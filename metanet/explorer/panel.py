"""The explorer's widgets: they change the view, and show its forest plot, its numbers and its code."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from metanet.explorer.view import ALL, CERTAINTIES, MODELS, OVERLAPS, View, modalities_of, outcomes_of
from metanet.figures.canvas import bare_figures
from metanet.figures.forest import forest
from metanet.figures.save import svg_image
from metanet.models.cards import card
from metanet.models.display import plural
from metanet.words import NO_MATH, html_text, visible

if TYPE_CHECKING:
    from metanet.models.results import Pooled

#: Longer names are cut in the list of studies; the whole name stands in the tip.
_NAME = 60


class Panel:
    """The widgets and the view that they show. `widget` is the whole; `view` changes as the reader chooses."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._quiet = False
        self.outcome = _choice("Outcome", outcomes_of(view.evidence), view.outcome)
        self.modality = _choice("Modality", self._modalities(), view.modality)
        self.model = _choice("Model", {name: name for name in MODELS}, view.model)
        self.overlap = _choice("Overlap", OVERLAPS, view.overlap)
        self.certainty = _choice("Certainty", CERTAINTIES, view.certainty)
        self.studies = widgets.VBox(layout=widgets.Layout(max_height="26em", overflow="auto", flex="0 0 auto"))
        self.count = widgets.HTML()
        self.everything = widgets.Button(description="Take all studies in", layout=widgets.Layout(width="auto"))
        self.everything.on_click(lambda _: self._change(left_out=frozenset()))
        self.figure, self.numbers, self.code = widgets.HTML(), widgets.HTML(), widgets.HTML()
        for name in ("outcome", "modality", "model", "overlap", "certainty"):
            getattr(self, name).observe(self._chosen(name), names="value")
        choices = (self.outcome, self.modality, self.model, self.overlap, self.certainty)
        left = widgets.VBox(
            [*choices, self.count, self.studies, self.everything], layout=widgets.Layout(width="21em", flex="0 0 auto")
        )
        right = widgets.VBox(
            [self.figure, self.numbers, self.code], layout=widgets.Layout(flex="1 1 30em", min_width="0")
        )
        self.widget = widgets.HBox([left, right], layout=widgets.Layout(flex_flow="row wrap", gap="1em"))
        self.widget.add_class("metanet-explorer")
        self._show(list_anew=True)

    def _modalities(self) -> dict[str, str | None]:
        return {ALL: None, **{name: name for name in modalities_of(self.view.evidence, self.view.outcome)}}

    def _chosen(self, name: str) -> Callable[[Any], None]:
        def changed(change: Any) -> None:
            self._change(**{name: change["new"]})

        return changed

    def _change(self, **choice: Any) -> None:
        """Another view, shown; what the widgets themselves report meanwhile is no choice of the reader."""
        if self._quiet:
            return
        before, self.view = self.view, self.view.with_choice(**choice)
        self._quiet = True
        try:
            if self.view.outcome != before.outcome:
                self.modality.options = list(self._modalities().items())
                self.modality.value = self.view.modality
            self._show(list_anew=set(choice) != {"model"})
        finally:
            self._quiet = False

    def _show(self, *, list_anew: bool) -> None:
        view = self.view
        if list_anew:
            self._list()
        fit = view.fit
        self.figure.value = _figure(fit) if fit is not None else ""
        self.numbers.value = fit._repr_html_() if fit is not None else card("Nothing to pool", view.trouble)
        self.code.value = (
            f"<div class='metanet {NO_MATH}'><strong>Code for this view</strong><pre class='metanet-code' "
            f"style='white-space:pre-wrap;padding:.5em'>{html_text_lines(view.code)}</pre></div>"
        )

    def _list(self) -> None:
        """One box for each study, in the order of the data; boxes are made anew only where the studies changed."""
        rates = self.view.all_rates
        names = [str(name) for name in rates["study"]]
        if [box.study for box in self.studies.children] != names:
            rows = rates.to_dict("records")
            self.studies.children = [self._box(str(row["study"]), f"{row['events']}/{row['total']}") for row in rows]
        for box in self.studies.children:
            box.value = box.study not in self.view.left_out
        taken = len(names) - len(self.view.left_out)
        text = f"{taken} of {plural(len(names), 'row')} taken in; click to leave one out" if names else "No rows"
        self.count.value = f"<span>{html_text(text)}</span>"

    def _box(self, name: str, counts: str) -> _StudyBox:
        box = _StudyBox(study=name, counts=counts)
        box.observe(self._clicked, names="value")
        return box

    def _clicked(self, change: Any) -> None:
        name = change["owner"].study
        left = self.view.left_out
        self._change(left_out=left - {name} if change["new"] else left | {name})


class _StudyBox(widgets.Checkbox):  # type: ignore[misc]
    """A study to be taken in or left out. Its name is text from the data."""

    def __init__(self, study: str, counts: str) -> None:
        self.study = study
        shown = visible(study)
        short = shown if len(shown) <= _NAME else f"{shown[: _NAME - 1]}…"
        # A dollar sign would start mathematics in the label.
        label = f"{short}  {counts}".replace("$", "＄")
        super().__init__(value=True, description=label, indent=False, tooltip=shown[:400])
        self.layout.width = "auto"
        for name in NO_MATH.split():
            self.add_class(name)


def _choice(label: str, options: dict[str, Any], value: Any) -> widgets.Dropdown:
    return widgets.Dropdown(
        options=list(options.items()),
        value=value,
        description=label,
        layout=widgets.Layout(width="20em"),
        style={"description_width": "5.5em"},
    )


def html_text_lines(text: str) -> str:
    """Lines as escaped HTML; each line on its own, because a line end is no character of a name."""
    return "\n".join(html_text(line) for line in text.split("\n"))


def _figure(fit: Pooled) -> str:
    """The forest plot as an image: what is drawn in an image can neither run nor fetch anything."""
    with bare_figures():
        image, text = svg_image(forest(fit))
    data = base64.b64encode(image).decode("ascii")
    return (
        f"<img style='max-width:100%;background:white' alt='{html_text(text)}' src='data:image/svg+xml;base64,{data}'>"
    )
