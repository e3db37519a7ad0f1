"""The explorer's widgets: they change the view, and show its numbers, its code and its forest plot."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from metanet.base.cards import card
from metanet.base.display import in_sentence, plural
from metanet.base.untrusted import NO_MATH, html_text, visible
from metanet.explorer.view import ALL, CERTAINTIES, MODELS, OVERLAPS, View, modalities_of, outcomes_of
from metanet.figures.forest.forest import forest
from metanet.figures.page.canvas import bare_figures
from metanet.figures.page.save import svg_image

if TYPE_CHECKING:
    from metanet.models.results.pooled import Pooled


#: Longer names are truncated in the list of studies; the tooltip shows them in full.
_NAME = 60
#: The browser typesets the label alone, where no class of an ancestor holds mathematics off: its signs become wide ones.
_NO_MATH = str.maketrans({"$": "＄", "\\": "＼"})
#: Share of its own width down to which a figure can be read; in a narrower place it scrolls.
_SHRUNK = 0.55
#: Widgets have the line height of a button; text that runs over several lines needs its own.
_TEXT = "line-height:1.4"


class Panel:
    """The widgets and their current view. `widget` is the layout; `view` changes with the user's choices."""

    def __init__(self, view: View) -> None:
        self.view = view
        self._whole = view
        self._quiet = False
        self.outcome = _choice("Outcome", outcomes_of(view.evidence), view.outcome)
        self.modality = _choice("Modality", self._modalities(), view.modality)
        self.model = _choice("Model", {name: name for name in MODELS}, view.model)
        self.overlap = _choice("Overlap", OVERLAPS, view.overlap)
        self.certainty = _choice("Certainty", CERTAINTIES, view.certainty)
        # One layout for all boxes: the browser receives it once.
        self._line = widgets.Layout(width="auto", margin="0", flex="0 0 auto")
        self.studies = widgets.VBox(layout=widgets.Layout(max_height="32em", overflow="auto", flex="0 0 auto"))
        self.count = widgets.HTML()
        self.everything = widgets.Button(description="Include all studies", layout=widgets.Layout(width="auto", margin="6px 2px"))
        self.everything.on_click(lambda _: self._change(left_out=frozenset()))
        self.numbers, self.code, self.figure = widgets.HTML(), widgets.HTML(), widgets.HTML()
        for name in ("outcome", "modality", "model", "overlap", "certainty"):
            getattr(self, name).observe(self._chosen(name), names="value")
        choices = (self.outcome, self.modality, self.model, self.overlap, self.certainty)
        left = widgets.VBox(
            [*choices, self.count, self.studies, self.everything], layout=widgets.Layout(width="25.5em", flex="0 0 auto")
        )
        # The figure of many studies is long, so the shorter parts come first, beside the boxes.
        right = widgets.VBox([self.numbers, self.code, self.figure], layout=widgets.Layout(flex="1 1 30em", min_width="0"))
        self.widget = widgets.HBox([left, right], layout=widgets.Layout(flex_flow="row wrap", grid_gap="1em"))
        self.widget.add_class("metanet-explorer")
        self._show(list_anew=True)

    def _modalities(self) -> dict[str, str | None]:
        return {ALL: None, **{name: name for name in modalities_of(self.view.evidence, self.view.outcome)}}

    def _chosen(self, name: str) -> Callable[[Any], None]:
        def changed(change: Any) -> None:
            self._change(**{name: change["new"] or None})

        return changed

    def _change(self, **choice: Any) -> None:
        """Show another view; events of the widgets during the update are not choices of the user."""
        if self._quiet:
            return
        before = self.view
        self._quiet = True
        try:
            self.view = before.with_choice(**choice)
            if self.view.outcome != before.outcome:
                self.modality.options = _options(self._modalities())
                self.modality.value = self.view.modality or ""
            self._show(list_anew=set(choice) != {"model"})
        except Exception as error:
            # Nobody sees the traceback of a callback, and the numbers of another view must not remain.
            self.figure.value = self.code.value = ""
            self.numbers.value = card("This view cannot be shown", f"{type(error).__name__}: {error}")
            raise
        finally:
            self._quiet = False

    def _show(self, *, list_anew: bool) -> None:
        view = self.view
        if list_anew:
            self._list()
        self.numbers.value = f"<div style='{_TEXT}'>{self._numbers()}</div>"
        self.code.value = (
            f"<div class='metanet {NO_MATH}'><strong>Code for this view</strong><pre class='metanet-code' "
            f"style='white-space:pre-wrap;word-break:normal;margin:.2em 0 .6em'>{html_text_lines(view.code)}</pre></div>"
        )
        self.figure.value = "" if view.fit is None else _figure(view.fit)

    def _numbers(self) -> str:
        """The result as a card, and the result before studies were excluded by hand."""
        fit = self.view.fit
        whole = self.view.with_choice(left_out=frozenset())
        if whole != self._whole:
            self._whole = self.view if whole == self.view else whole
        shown = card("Nothing to pool", self.view.trouble) if fit is None else fit._repr_html_()
        if not self.view.left_out or self._whole.fit is None:
            return shown
        first, *others = self._whole.fit.rows()[1:]
        # The median and the average stand together.
        beside = [row for row in others[:1] if row[0] in ("Median rate", "Population-averaged rate")]
        text = "; ".join(f"{in_sentence(name)} {value}" for name, value in (first, *beside))
        told = html_text(f"With all rows included: {text}.")
        return f"{shown}<div class='metanet-whole {NO_MATH}'>{told}</div>"

    def _list(self) -> None:
        """One box for each row, in the order of the data; boxes are recreated only where the rows changed."""
        view = self.view
        rows = [(str(row["study"]), f"{row['events']}/{row['total']}") for row in view.all_rates.to_dict("records")]
        if [(box.study, box.counts) for box in self.studies.children] != rows:
            old = self.studies.children
            self.studies.children = [self._box(*row) for row in rows]
            for box in old:
                box.close()
        for box in self.studies.children:
            box.value = box.study not in view.left_out
        self.everything.disabled = not view.left_out
        told = [f"{len(view.rates)} of {plural(len(rows), 'row')} included.", "Clear a box to exclude a study."]
        self.count.value = f"<div style='{_TEXT}'>{'<br>'.join(told) if rows else 'No rows.'}</div>"

    def _box(self, name: str, counts: str) -> _StudyBox:
        box = _StudyBox(name, counts, self._line)
        box.observe(self._clicked, names="value")
        return box

    def _clicked(self, change: Any) -> None:
        name = change["owner"].study
        left = self.view.left_out
        self._change(left_out=left - {name} if change["new"] else left | {name})


class _StudyBox(widgets.Checkbox):  # type: ignore[misc]
    """A study to include or exclude. Its name is text from the data."""

    def __init__(self, study: str, counts: str, layout: widgets.Layout) -> None:
        self.study, self.counts = study, counts
        shown = visible(study)
        short = shown if len(shown) <= _NAME else f"{shown[: _NAME - 1]}…"
        super().__init__(
            value=True,
            description=f"{short}  {counts}".translate(_NO_MATH),
            indent=False,
            tooltip=f"{shown[:400]}  {counts}",
            layout=layout,
        )


def _choice(label: str, options: dict[str, Any], value: Any) -> widgets.Dropdown:
    return widgets.Dropdown(
        options=_options(options),
        value=value or "",
        description=label,
        layout=widgets.Layout(width="25em"),
        style={"description_width": "5em"},
    )


def _options(options: dict[str, Any]) -> list[tuple[str, str]]:
    """Labels and values of a dropdown. A dropdown shows nothing for None, so the empty text represents it."""
    return [(words, value or "") for words, value in options.items()]


def html_text_lines(text: str) -> str:
    """Lines as escaped HTML; each line on its own, because a line end is no character of a name."""
    return "\n".join(html_text(line) for line in text.split("\n"))


def _figure(fit: Pooled) -> str:
    """The forest plot as an image, which can neither run nor fetch anything."""
    with bare_figures():
        axes = forest(fit)
        image, text = svg_image(axes)
    width = axes.figure.bbox.width / axes.figure.dpi
    size = f"width:100%;min-width:{_SHRUNK * width:.2f}in;max-width:{width:.2f}in"
    data = base64.b64encode(image).decode("ascii")
    return (
        f"<div style='overflow-x:auto'><img style='{size};background:white' alt='{html_text(text)}' "
        f"src='data:image/svg+xml;base64,{data}'></div>"
    )
