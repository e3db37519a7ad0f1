"""Run the cells of a notebook in this process, which is a fork made for it."""

from __future__ import annotations

import builtins
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from metanet.reporting.engine.shell import NotebookShell, Output, Outputs, make_shell, streams, use


class TimeIsUp(BaseException):
    """Raised inside of a cell that takes too long; not an Exception, so that a cell does not catch it by accident."""


@dataclass
class Ran:
    """What a cell left behind."""

    outputs: list[Output]
    execution_count: int | None
    failed: bool
    timed_out: bool
    #: Outputs of earlier cells in which this one replaced something.
    changed: dict[int, list[Output]]


class Runner:
    """Runs one cell after the other in one IPython; a context manager that captures the streams."""

    def __init__(self, outputs: Outputs | None = None) -> None:
        self.outputs = outputs or Outputs()
        self._streams = streams(self.outputs)

    def __enter__(self) -> Runner:
        self._shell = shell()
        use(self._shell, self.outputs)
        self._gather = self._streams.__enter__()
        self._input, builtins.input = builtins.input, _no_input
        # Notebooks find files beside where they run, as in a kernel.
        if "" not in sys.path:
            sys.path.insert(0, "")
        return self

    def __exit__(self, *fault: Any) -> None:
        builtins.input = self._input
        self._streams.__exit__(*fault)

    def run(self, source: str, limit: float | None = None) -> Ran:
        """Run a cell; `limit` in seconds."""
        outputs = self.outputs.begin()
        count = self._shell.execution_count
        with _alarm(limit) as late:
            result = self._shell.run_cell(source, store_history=True, cell_id=None)  # type: ignore[no-untyped-call]
        self._gather()
        if late:
            outputs[:] = [one for one in outputs if one.get("ename") != TimeIsUp.__name__]
        # A value that cannot be shown is an error as well.
        failed = not result.success or any(one["output_type"] == "error" for one in outputs)
        return Ran(outputs, count, failed, bool(late), self.outputs.changed())


def _no_input(prompt: object = "") -> str:
    """Input is not supported."""
    return shell().raw_input(str(prompt))


def shell() -> NotebookShell:
    """The one shell of this process."""
    return NotebookShell.instance() if NotebookShell.initialized() else make_shell()


@contextmanager
def _alarm(limit: float | None) -> Iterator[list[bool]]:
    """Interrupt what runs inside after `limit` seconds; the list is not empty then."""
    late: list[bool] = []
    if not limit:
        yield late
        return

    def ring(number: int, frame: Any) -> None:
        late.append(True)
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        yield late
    except TimeIsUp:
        # It came between the cell and the end of its clock.
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def language_info() -> dict[str, Any]:
    """What a kernel says of its language, for the metadata of the notebook."""
    from ipykernel.ipkernel import IPythonKernel

    return dict(IPythonKernel.language_info)


def wanted(cells: Sequence[Mapping[str, Any]]) -> list[int]:
    """The cells that are run: code that is not blank and not tagged to be skipped."""
    return [
        place
        for place, cell in enumerate(cells)
        if cell["cell_type"] == "code" and "".join(cell["source"]).strip() and "skip-execution" not in cell["metadata"].get("tags", [])
    ]


def may_fail(cell: Mapping[str, Any]) -> bool:
    """Whether an error of this cell is expected."""
    return "raises-exception" in cell["metadata"].get("tags", [])


def here() -> bool:
    """Whether this process is a fork made for one notebook: then its cells run right here."""
    return os.environ.get("METANET_FORK") == str(os.getpid())
