"""The explorer's widgets: they change the view, and show its numbers, its code and its forest plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
from ipywidgets.widgets.widget_bool import CheckboxStyle
from ipywidgets.widgets.widget_description import DescriptionStyle

from metanet.base.display import plural
from metanet.base.untrusted import html_text, listing
from metanet.explorer import parts, saving
from metanet.explorer.choices import (
    ALL,
    CERTAINTIES,
    LEVELS,
    MODELS,
    OVERLAPS,
    Condition,
    FilterColumn,
    column_title,
    definitions_of,
    filters_of,
    has_certainty,
    has_overlap,
    intervals_of,
    modalities_of,
    outcomes_of,
    words_of,
)
from metanet.explorer.controls import Menu, Range, StudyBox, short, watch
from metanet.explorer.turns import Turns
from metanet.explorer.view import View

if TYPE_CHECKING:
    from metanet.models.results.pooled import Pooled

#: A choice: its words for a message, and the view that it makes of another.
Choice = tuple[str, Callable[[View], View]]
#: The menu of the filter, and of the values of its column.
FILTER, VALUES = "filter", "values"
#: Room for the label of a menu.
_LABEL = "7.4em"


class Panel:
    """The widgets and their current view. `widget` is the layout; `view` changes with the user's choices.

    `menus` has every menu by its name; those without a choice are not shown.
    """

    def __init__(self, view: View) -> None:
        self._view = self._whole = view
        self._said: list[str] = []
        self._last: tuple[str, dict[str, str]] = "", {}
        self.turns: Turns[Choice] = Turns(self._deal)
        # One layout and one style for all controls of a kind: the browser receives them once.
        line = widgets.Layout(width="auto", margin="1px 0")
        self._menu_looks = {"layout": line, "style": DescriptionStyle(description_width=_LABEL)}
        self._range_looks = {"layout": line, "style": widgets.SliderStyle(description_width=_LABEL)}
        self._box_looks = {"layout": widgets.Layout(width="auto", margin="0", height="22px"), "style": CheckboxStyle()}
        self.menus: dict[str, Menu | Range] = {}
        self._menu_box, self.studies = _part("menus"), _part("list")
        self.count, self.said, self.numbers, self.code, self.figure = (widgets.HTML() for _ in range(5))
        self.everything = _button("Include all", "Include all studies", self._include_all)
        self.save_figure = _button("Save figure", "Save the forest plot as PNG and SVG", lambda: self._save(saving.save_forest))
        self.save_table = _button("Save table", "Save the table of studies as a Word file", lambda: self._save(saving.save_studies))
        buttons = _part("buttons", self.everything, self.save_figure, self.save_table)
        self.folded = widgets.Accordion([self.code], titles=("Code and method",), selected_index=None)
        rows = _part("studies", self.count, self.studies, buttons, self.said)
        top, result = _part("top", self.numbers), _part("result", self.figure, self.folded)
        sheet = widgets.HTML(f"<style>{parts.SHEET}</style>", layout=widgets.Layout(display="none"))
        self.widget = _part("explorer", sheet, _part("parts", top, self._menu_box, rows, result))
        self._write(view, self._parts(view))

    @property
    def view(self) -> View:
        """The view after all choices that came until now."""
        self.turns.settle()
        return self._view

    def static(self) -> str:
        """The view without widgets, for pages that have none."""
        self.turns.settle()
        with self.turns.gate:
            return f"{self.numbers.value}{self.figure.value}{self.code.value}"

    # Choices

    def _include_all(self) -> None:
        self.turns.add(("All studies", lambda view: view.with_choice(left_out=frozenset())))

    def _menu_chosen(self, name: str) -> Callable[[Any], None]:
        def chosen(menu: Any) -> None:
            if menu.value is None:
                # The browser showed no value; the menu is written anew.
                self.turns.add((menu.heading, lambda view: view))
                return
            value, column = menu.chosen, menu.column
            self.turns.add((menu.heading, lambda view: _with(view, name, value, column)))

        return chosen

    def _box_clicked(self, box: StudyBox) -> None:
        study, included = box.study, box.value

        def choice(view: View) -> View:
            return view.with_choice(left_out=view.left_out - {study} if included else view.left_out | {study})

        self.turns.add((study, choice))

    def _deal(self, choices: list[Choice]) -> None:
        """Make all choices, in their order, and show the last view; where more came meanwhile the next turn shows theirs."""
        view = self._view
        for words, choice in choices:
            before = view
            try:
                view = choice(view)
            except Exception as error:
                self._said.append(f"{words} was not changed. {type(error).__name__}: {error}")
                continue
            moved = (view.outcome, view.definition) != (before.outcome, before.definition)
            if moved and before.modality is not None and view.modality is None:
                self._said.append(f"{view.evidence.label(view.outcome)} has no study of {before.modality}: all are included.")
        self._view = view
        try:
            shown = self._parts(view)
            with self.turns.gate:
                if not self.turns.waiting:
                    self._write(view, shown)
        except BaseException as error:
            self._broken(view, error)
            if not isinstance(error, Exception):
                raise

    # The view as it is shown

    def _parts(self, view: View) -> dict[str, str]:
        """Numbers, code and figure. What cannot be made says so in its place, and the others are shown."""
        if view.code == self._last[0]:
            return self._last[1]
        makers: dict[str, tuple[str, Callable[[], str]]] = {
            "numbers": ("The numbers", lambda: parts.numbers(view, self._whole_of(view))),
            "code": ("The code", lambda: parts.code(view)),
            "figure": ("The figure", lambda: parts.figure(view)),
        }
        made: dict[str, str] = {}
        whole = True
        for name, (what, maker) in makers.items():
            if self.turns.waiting:
                # Another choice came: this view is not shown.
                return made
            try:
                made[name] = maker()
            except Exception as error:
                made[name] = parts.failure(f"{what} cannot be shown", error)
                whole = False
        if whole:
            self._last = view.code, made
        return made

    def _whole_of(self, view: View) -> Pooled | None:
        """The result of a view before studies were excluded by hand."""
        whole = view.with_choice(left_out=frozenset())
        if whole != self._whole:
            self._whole = view if whole == view else whole
        return self._whole.fit

    def _broken(self, view: View, error: BaseException) -> None:
        """Such as an interrupted kernel: no number of another view remains."""
        with self.turns.writing():
            self.figure.value = self.code.value = ""
            self.numbers.value = parts.failure("This view cannot be shown", error)
            with suppress(Exception):
                self._write_controls(view)

    def _write(self, view: View, shown: Mapping[str, str]) -> None:
        """Write all widgets. Nothing that they tell meanwhile is a choice."""
        with self.turns.writing():
            self._write_controls(view)
            for name in ("numbers", "code", "figure"):
                getattr(self, name).value = shown[name]
            self.said.value, self._said = parts.message(self._said), []

    def _write_controls(self, view: View) -> None:
        self._write_menus(view)
        self._write_boxes(view)
        self.save_figure.disabled = self.save_table.disabled = view.fit is None
        for control in (*self.menus.values(), *self.studies.children):
            control.reply()

    def _write_menus(self, view: View) -> None:
        old, self.menus = self.menus, {}
        column = None if view.filter is None else view.filter.column
        for name, (label, pairs, value, kind) in _menus_of(view).items():
            menu = old.get(name)
            if (
                type(menu) is kind
                and (menu.heading, menu.pairs) == (label, tuple(pairs))
                and (name != VALUES or menu.column == column)
            ):
                menu.choose(value)
            else:
                # A menu of other words is another widget: a choice in the old one, on its way, is not taken for one in the new.
                looks = self._menu_looks if kind is Menu else self._range_looks
                menu = watch(kind(self.turns, label, pairs, value, looks), self._menu_chosen(name))
                menu.column = column
            self.menus[name] = menu
        children = tuple(self.menus.values())
        if self._menu_box.children != children:
            self._menu_box.children = children
        for menu in old.values():
            if menu not in children:
                menu.retire()

    def _write_boxes(self, view: View) -> None:
        """One box for each row, in the order of the data; boxes are recreated only where the rows changed."""
        rows = [(str(row["study"]), f"{row['events']}/{row['total']}") for row in view.all_rates.to_dict("records")]
        old = self.studies.children
        if [(box.study, box.counts) for box in old] != rows:
            self.studies.children = tuple(watch(StudyBox(self.turns, *row, self._box_looks), self._box_clicked) for row in rows)
            for box in old:
                box.retire()
        for box in self.studies.children:
            box.value = box.study not in view.left_out
        self.everything.disabled = not view.left_out
        told = f"{len(view.rates)} of {plural(len(rows), 'row')} included; untick to exclude." if rows else "No rows."
        gaps = 0 if view.filter is None else view.filter.gaps(view.selection)
        if gaps and view.filter is not None:
            title = column_title(view.evidence, view.outcome, view.filter.column)
            told += f"<br>The filter excludes {plural(gaps, 'row')} without a value: {html_text(title)}."
        self.count.value = f"<div style='{parts.TEXT};margin-top:.3em'>{told}</div>"

    # Files

    def _save(self, save: Callable[[View, Pooled], list[Path]]) -> None:
        """Save something of the view, and say where."""
        view = self.view
        if view.fit is None:
            text = "There is no result to save."
        else:
            try:
                text = f"Saved as {listing([str(path) for path in save(view, view.fit)])}."
            except Exception as error:
                text = f"Not saved: {error}"
        with self.turns.writing():
            self.said.value = parts.message([text])


def _menus_of(view: View) -> dict[str, tuple[str, list[Any], Any, type[Menu] | type[Range]]]:
    """The menus of a view by name: label, values, the chosen one and the kind of widget. Those without a choice are missing."""
    evidence, outcome, definition = view.evidence, view.outcome, view.definition
    place = (evidence, outcome, definition)
    modalities = modalities_of(*place)
    everything = {ALL: None, **{short(name): name for name in modalities}} if len(modalities) > 1 else {}
    overlaps = OVERLAPS if has_overlap(*place) or view.overlap != "keep_largest" else {}
    certainties = CERTAINTIES if has_certainty(*place) or view.certainty is not None else {}
    columns = filters_of(*place)
    chosen = view.filter
    found: dict[str, tuple[str, Mapping[str, Any], Any]] = {
        "outcome": ("Outcome", outcomes_of(evidence), outcome),
        "modality": (column_title(evidence, outcome, "modality_class"), everything, view.modality),
        "definition": ("Definition", definitions_of(evidence, outcome), definition),
        "model": ("Model", {name: name for name in MODELS}, view.model),
        "ci": ("Interval", intervals_of(view.model), view.ci),
        "level": ("Level", {**LEVELS}, view.level),
        "overlap": ("Overlap", overlaps, view.overlap),
        "certainty": ("Certainty", certainties, view.certainty),
        FILTER: ("Filter by", _filters(columns), None if chosen is None else chosen.column),
    }
    menus: dict[str, tuple[str, list[Any], Any, type[Menu] | type[Range]]] = {
        name: (label, list(pairs.items()), value, Menu) for name, (label, pairs, value) in found.items() if len(pairs) > 1
    }
    if chosen is not None and chosen.column in columns:
        column = columns[chosen.column]
        if column.kind == "range":
            menus[VALUES] = (column.title, [(words_of(number), number) for number in column.values], chosen.value, Range)
        else:
            menus[VALUES] = (column.title, _conditions(column), chosen, Menu)
    return menus


def _filters(columns: Mapping[str, Any]) -> dict[str, str | None]:
    return {"No filter": None, **{column.title: name for name, column in columns.items()}} if columns else {}


def _conditions(column: FilterColumn) -> list[tuple[str, Condition]]:
    """Labels and conditions of a column of words: each value alone, and all but it."""
    words = {value: words_of(value) for value in column.values}
    alone = [(text, Condition(column.name, "is", value)) for value, text in words.items()]
    without = [(f"Not: {text}", Condition(column.name, "is not", value)) for value, text in words.items()]
    return [("All", Condition(column.name)), *alone, *without]


def _with(view: View, name: str, value: Any, column: str | None) -> View:
    """The view after a choice in a menu; `column` is that of the filter whose values the menu had."""
    if name == FILTER:
        return view.with_choice(filter=None if value is None else Condition(value))
    if name != VALUES:
        return view.with_choice(**{name: value})
    if view.filter is None or column is None or view.filter.column != column:
        return view
    if not isinstance(value, Condition):
        value = Condition(column) if value is None else Condition(column, "from to", value)
    return view.with_choice(filter=value)


def _part(name: str, *children: widgets.Widget) -> widgets.Box:
    """A part of the panel; `parts.SHEET` places it by its class."""
    box = widgets.Box(children)
    box.add_class(f"metanet-{name}")
    return box


def _button(words: str, tip: str, click: Callable[[], None]) -> widgets.Button:
    button = widgets.Button(description=words, tooltip=tip, layout=widgets.Layout(width="auto", margin="4px 2px"))
    button.on_click(lambda _: click())
    return button
