"""What a fork does for the papermill engine of another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from metanet.reporting.engine.cells import Runner
from metanet.reporting.engine.shell import Outputs


def run_notebook(tell: Callable[[dict[str, Any]], None], cells: list[tuple[str, bool]], limit: float | None) -> int:
    """Run cells up to the first failure, telling of every output as it comes and of every cell when it has run.

    Parameters
    ----------
    tell
        Takes a message.
    cells
        Source of each, and whether an error in it is expected.
    limit
        Seconds for each cell.

    Returns
    -------
    int
        How many cells ran.
    """
    with Runner(Outputs(lambda output: tell({"output": output}))) as runner:
        for number, (source, may_fail) in enumerate(cells, 1):
            ran = runner.run(source, limit)
            tell({"ran": vars(ran)})
            if ran.timed_out or (ran.failed and not may_fail):
                return number
    return len(cells)
