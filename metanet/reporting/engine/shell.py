"""IPython in this process, without sockets, and the outputs of a cell in notebook format."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import TextIOBase
from typing import Any, BinaryIO

from ipykernel.jsonutil import encode_images, json_clean
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell, InteractiveShellABC

Output = dict[str, Any]


class Outputs:
    """The outputs of the cells of one notebook; `begin` opens the next cell. `tell` receives each output immediately."""

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
        """Text of `stdout` or `stderr`, appended to the last output if it is of the same stream."""
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
        self._add({"output_type": "execute_result", "execution_count": count, "data": dict(data), "metadata": dict(metadata or {})})

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


_NO_INPUT = "raw_input was called, but this frontend does not support input requests."


def _clean(data: Any) -> Any:
    """A value that JSON can represent, images as text."""
    return json_clean(encode_images(data))


class _Publisher(DisplayPublisher):
    """`display`, `clear_output` and updates of displays."""

    outputs: Outputs

    def publish(  # type: ignore[override]  # `source`, which IPython has dropped
        self, data: Any, metadata: Any = None, *, transient: Any = None, update: bool = False, **more: Any
    ) -> None:
        self._validate_data(data, metadata)  # type: ignore[no-untyped-call]
        clean, about = _clean(data), _clean(metadata or {})
        name = (transient or {}).get("display_id")
        if not update:
            self.outputs.display(clean, about, name)
        elif name is not None:
            self.outputs.replace(clean, about, name)

    def clear_output(self, wait: bool = False) -> None:
        self.outputs.clear(wait)


class _Hook(DisplayHook):
    """The value of a cell's last expression."""

    outputs: Outputs

    def write_output_prompt(self) -> None:
        """No prompt: the number goes into the output."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        if format_dict:
            self.outputs.result(self.prompt_count, _clean(format_dict), _clean(md_dict or {}))

    def finish_displayhook(self) -> None:
        self._is_active = False


class _Stream(TextIOBase):
    """`sys.stdout` or `sys.stderr` of the cells."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, outputs: Outputs, name: str, number: int) -> None:
        self._outputs, self.name, self._number = outputs, name, number

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        # A lone surrogate has no place in a notebook file.
        self._outputs.stream(self.name, text.encode("utf-8", "replace").decode("utf-8"))
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return False


class NotebookShell(InteractiveShell):
    """An IPython shell whose cells put out into `outputs`."""

    outputs: Outputs
    display_formatter: Any
    display_pub: Any
    displayhook: Any

    def init_display_formatter(self) -> None:
        super().init_display_formatter()  # type: ignore[no-untyped-call]
        # What a kernel offers to a frontend; a terminal would show plain text alone.
        formatter = self.display_formatter
        formatter.active_types = formatter.format_types

    def init_history(self) -> None:
        """History in memory: a report neither reads nor writes the user's own."""
        self.config.HistoryManager.enabled = False
        super().init_history()  # type: ignore[no-untyped-call]

    def enable_gui(self, gui: Any = None) -> None:
        """No event loop of a window: figures go into the notebook."""

    def ask_exit(self) -> None:
        """`exit` in a cell ends nothing: the notebook decides where it ends."""

    def raw_input(self, prompt: str = "") -> str:
        raise StdinNotImplementedError(_NO_INPUT)

    def set_next_input(self, text: str, replace: bool = False) -> None:
        """A prompt to fill does not exist."""

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        self.outputs.error(str(etype.__name__), str(evalue), [str(line) for line in stb])


InteractiveShellABC.register(NotebookShell)


def make_shell() -> NotebookShell:
    """The shell of this process; it is made before the fork, because that takes a tenth of a second."""
    shell: NotebookShell = NotebookShell.instance(display_pub_class=_Publisher, displayhook_class=_Hook, banner1="", quiet=True)
    use(shell, Outputs())
    # The figures of a report are inline in the notebook, as in an ordinary kernel.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    return shell


def use(shell: NotebookShell, outputs: Outputs) -> None:
    """Let everything that a shell shows go into `outputs`."""
    shell.outputs = outputs
    shell.display_pub.outputs = outputs
    shell.displayhook.outputs = outputs


@contextmanager
def streams(outputs: Outputs) -> Iterator[Callable[[], None]]:
    """`sys.stdout`, `sys.stderr`, and what programs and libraries write past them; the value reads what came past them."""
    before = sys.stdin, sys.stdout, sys.stderr
    held = [_Behind(number, name, outputs) for number, name in ((1, "stdout"), (2, "stderr"))]
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - closed below
    sys.stdout, sys.stderr = (_Stream(outputs, one.name, one.number) for one in held)

    def gather() -> None:
        for one in held:
            one.gather()

    try:
        yield gather
    finally:
        gather()
        sys.stdin.close()
        sys.stdin, sys.stdout, sys.stderr = before
        for one in held:
            one.release()


class _Behind:
    """A file descriptor that leads into a temporary file while cells run: `print` of a child process or of a C library."""

    def __init__(self, number: int, name: str, outputs: Outputs) -> None:
        self.number, self.name, self._outputs = number, name, outputs
        self._kept = os.dup(number)
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `release`
        os.dup2(self._file.fileno(), number)
        self._read = 0

    def gather(self) -> None:
        """What has been written since."""
        size = os.fstat(self._file.fileno()).st_size
        if size > self._read:
            text = os.pread(self._file.fileno(), size - self._read, self._read).decode("utf-8", "replace")
            self._read = size
            self._outputs.stream(self.name, text)

    def release(self) -> None:
        os.dup2(self._kept, self.number)
        os.close(self._kept)
        self._file.close()
