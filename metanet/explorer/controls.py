"""The controls of the explorer: menus, a range and boxes, whose messages wait for their turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from metanet.base.untrusted import visible
from metanet.explorer.turns import Turns

#: Longer names are truncated in lists; the tooltip shows them in full.
NAME = 60
#: The browser typesets the label alone, where no class of an ancestor holds mathematics off: its signs become wide ones.
NO_MATH_SIGNS = str.maketrans({"$": "＄", "\\": "＼"})


def short(text: str, length: int = NAME) -> str:
    """A text from the data on one line of a control."""
    shown = visible(text)
    return (shown if len(shown) <= length else f"{shown[: length - 1]}…").translate(NO_MATH_SIGNS)


class _Control:
    """A widget of the panel. Messages to it change it in its turn; once another has taken its place they change nothing."""

    turns: Turns[Any]
    #: The column that the values of a menu belong to.
    column: str | None = None
    #: The state that the browser sent since the widget was last written.
    received: frozenset[str] = frozenset()
    retired = False

    def set_state(self, sync_data: Mapping[str, Any]) -> None:
        with self.turns.receiving():
            if self.retired:
                return
            self.received |= set(sync_data)
            super().set_state(sync_data)  # type: ignore[misc]

    def reply(self) -> None:
        """Tell the browser the state of what it sent: it may show an older one that crossed its message."""
        if not self.received:
            return
        names = [name for name in self.received if name in self.keys]  # type: ignore[attr-defined]
        self.received = frozenset()
        self.send_state(names)  # type: ignore[attr-defined]

    def retire(self) -> None:
        """Close the widget; a choice in it that is on its way is not one of the menu that took its place."""
        self.retired = True
        self.close()  # type: ignore[attr-defined]


class Menu(_Control, widgets.Dropdown):  # type: ignore[misc]
    """A dropdown. `pairs` are its labels and values, which may be None."""

    def __init__(self, turns: Turns[Any], label: str, pairs: Sequence[tuple[str, Any]], value: Any, looks: Mapping[str, Any]) -> None:
        self.turns, self.heading, self.pairs = turns, label, tuple(pairs)
        # A dropdown shows nothing for None, so a place in the list is its value.
        options = [(short(text), place) for place, (text, _) in enumerate(self.pairs)]
        super().__init__(options=options, value=self._place(value), description=short(label), tooltip=visible(label), **looks)

    def _place(self, value: Any) -> int:
        return next(place for place, (_, known) in enumerate(self.pairs) if known == value)

    @property
    def chosen(self) -> Any:
        """The value that is chosen."""
        return self.pairs[self.value][1]

    def choose(self, value: Any) -> None:
        """Show a value."""
        self.value = self._place(value)


class Range(_Control, widgets.SelectionRangeSlider):  # type: ignore[misc]
    """A range between two of the numbers that the rows hold; None is the whole of it."""

    def __init__(self, turns: Turns[Any], label: str, pairs: Sequence[tuple[str, Any]], value: Any, looks: Mapping[str, Any]) -> None:
        self.turns, self.heading, self.pairs = turns, label, tuple(pairs)
        super().__init__(options=list(pairs), value=value or self._ends, description=short(label), continuous_update=False, **looks)

    @property
    def _ends(self) -> tuple[Any, Any]:
        return self.pairs[0][1], self.pairs[-1][1]

    @property
    def chosen(self) -> tuple[Any, Any] | None:
        """The two numbers; None where they are the least and the greatest."""
        chosen = tuple(self.value)
        return None if chosen == self._ends else chosen

    def choose(self, value: tuple[Any, Any] | None) -> None:
        """Show a range."""
        self.value = value or self._ends


class StudyBox(_Control, widgets.Checkbox):  # type: ignore[misc]
    """A study to include or exclude. Its name is text from the data."""

    def __init__(self, turns: Turns[Any], study: str, counts: str, looks: Mapping[str, Any]) -> None:
        self.turns, self.study, self.counts = turns, study, counts
        super().__init__(
            value=True, description=f"{short(study)}  {counts}", indent=False, tooltip=f"{visible(study)[:400]}  {counts}", **looks
        )


def watch(control: Any, chosen: Callable[[Any], None]) -> Any:
    """The control, whose changes are told with itself."""
    control.observe(lambda _: chosen(control), names="value")
    return control
