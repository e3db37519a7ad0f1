"""The outputs of a cell as a notebook holds them: streams that go on, displays that are replaced, results, errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Output = dict[str, Any]


class Outputs:
    """What the cells of one notebook put out; `begin` opens the next cell. `tell` hears of every output as it comes."""

    def __init__(self, tell: Callable[[Output], None] | None = None) -> None:
        self._tell = tell or (lambda output: None)
        self._cells: list[list[Output]] = []
        self._displayed: dict[str, list[tuple[int, Output]]] = {}
        self._changed: set[int] = set()
        self._clear = False

    def begin(self) -> list[Output]:
        """Open the next cell; returns its list, which fills as the cell runs."""
        self._cells.append([])
        self._clear = False
        return self._cells[-1]

    def stream(self, name: str, text: str) -> None:
        """Text of `stdout` or `stderr`; it goes on where the last output is of the same stream."""
        if not text:
            return
        now = self._current()
        if now and now[-1]["output_type"] == "stream" and now[-1]["name"] == name:
            now[-1]["text"] += text
            self._tell({"output_type": "stream", "name": name, "text": text})
        else:
            self._add({"output_type": "stream", "name": name, "text": text})

    def display(self, data: Mapping[str, Any], metadata: Mapping[str, Any] | None, shown_as: str | None) -> None:
        """Something displayed; `shown_as` is the name by which it can be replaced later."""
        output = {"output_type": "display_data", "data": dict(data), "metadata": dict(metadata or {})}
        if shown_as is not None:
            self.replace(data, metadata, shown_as)
        self._add(output)
        if shown_as is not None:
            self._displayed.setdefault(shown_as, []).append((len(self._cells) - 1, output))

    def replace(self, data: Mapping[str, Any], metadata: Mapping[str, Any] | None, shown_as: str) -> None:
        """Put other content into every output that is shown by this name."""
        for cell, output in self._displayed.get(shown_as, ()):
            output["data"], output["metadata"] = dict(data), dict(metadata or {})
            self._changed.add(cell)

    def changed(self) -> dict[int, list[Output]]:
        """The outputs of earlier cells in which something was replaced since this was last asked, by the number of the cell."""
        found = {cell: self._cells[cell] for cell in sorted(self._changed) if cell < len(self._cells) - 1}
        self._changed.clear()
        return found

    def result(self, count: int, data: Mapping[str, Any], metadata: Mapping[str, Any] | None) -> None:
        """The value of the last expression of a cell."""
        self._add(
            {
                "output_type": "execute_result",
                "execution_count": count,
                "data": dict(data),
                "metadata": dict(metadata or {}),
            }
        )

    def error(self, name: str, value: str, traceback: list[str]) -> None:
        """An exception that ended a cell."""
        self._add({"output_type": "error", "ename": name, "evalue": value, "traceback": traceback})

    def clear(self, wait: bool) -> None:
        """Empty the cell, now or before its next output."""
        if wait:
            self._clear = True
        else:
            self._current().clear()

    def _current(self) -> list[Output]:
        if not self._cells:
            self.begin()
        now = self._cells[-1]
        if self._clear:
            self._clear = False
            now.clear()
        return now

    def _add(self, output: Output) -> None:
        self._current().append(output)
        self._tell(output)
