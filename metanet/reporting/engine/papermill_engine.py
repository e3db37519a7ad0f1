"""The engine `metanet` of papermill: ``papermill --engine metanet IN OUT``, or ``engine_name="metanet"``."""

from __future__ import annotations

import atexit
import os
from collections.abc import Generator
from keyword import iskeyword
from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode, from_dict
from papermill.engines import Engine, NBClientEngine
from papermill.log import logger

from metanet.base.errors import ArgumentError, check_choice, shorten
from metanet.reporting.engine import forks
from metanet.reporting.engine.cells import here, language_info, may_fail, wanted
from metanet.reporting.plan.jobs import names_in

_warm: list[forks.Forks] = []
#: Seconds beyond a cell's own limit after which its fork is ended from outside.
_GRACE = 5.0


class MetanetEngine(Engine):  # type: ignore[misc]
    """Runs the cells of a notebook in a fork of a warm parent; in the fork itself, right there.

    Takes the options of papermill's own engine that concern cells: ``execution_timeout`` (seconds for each cell), ``log_output``,
    ``stdout_file``, ``stderr_file``. Where the system cannot fork safely, and for other languages, papermill's own engine runs the
    notebook.
    """

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        log_output: bool = False,
        stdout_file: Any = None,
        stderr_file: Any = None,
        start_timeout: int = 60,
        execution_timeout: float | None = None,
        **options: Any,
    ) -> None:
        """Run the cells; outputs, counts, errors and times go into ``nb_man.nb`` as papermill's own engine puts them."""
        check_names(nb_man.nb)
        language = nb_man.nb.metadata.get("kernelspec", {}).get("language", "python")
        if not forks.available() or language != "python":
            NBClientEngine.execute_managed_notebook(
                nb_man, kernel_name, log_output=log_output, stdout_file=stdout_file, stderr_file=stderr_file,
                start_timeout=start_timeout, execution_timeout=execution_timeout, **options,
            )  # fmt: skip
            return
        limit = execution_timeout or options.get("timeout")
        sink = _Sink(log_output, stdout_file, stderr_file)
        run = _run_here if here() else _run_in_fork
        cells = nb_man.nb.cells
        chosen = wanted(cells)
        ran = run([(cells[place].source, may_fail(cells[place])) for place in chosen], limit, sink)
        for place, cell in enumerate(cells):
            try:
                nb_man.cell_start(cell, place)
                if place not in chosen:
                    continue
                cell.outputs = []
                done = next(ran)
                cell.outputs = [from_dict(output) for output in done["outputs"]]
                cell.execution_count = done["execution_count"]
                for number, outputs in done["changed"].items():
                    cells[chosen[int(number)]].outputs = [from_dict(output) for output in outputs]
                if done["timed_out"]:
                    raise CellTimeoutError.error_from_timeout_and_cell("Cell execution timed out", int(limit or 0), cell)
                if done["failed"] and not may_fail(cell):
                    nb_man.cell_exception(cell, cell_index=place)
                    break
            finally:
                nb_man.cell_complete(cell, cell_index=place)
        ran.close()
        nb_man.nb.metadata["language_info"] = NotebookNode(language_info())


def check_names(book: Any) -> None:
    """Refuse parameters that are no names, which papermill would write into the notebook as code, and names that it does not have.

    Raises
    ------
    ArgumentError
        With the nearest name that the cell tagged `parameters` assigns. A notebook without such a cell takes every name.
    """
    given = list(book.metadata.get("papermill", {}).get("parameters") or {})
    cell = next((cell for cell in book.cells if "parameters" in cell.metadata.get("tags", [])), None)
    known = None if cell is None else names_in(str(cell.source))
    for name in given:
        if not str(name).isidentifier() or iskeyword(str(name)):
            raise ArgumentError(
                f"parameter {shorten(repr(name))} is not a name, and papermill would run it as code. Fix: write a name such as level."
            )
        # Reports get the folder of their numbers whether they ask for it or not.
        if known is not None and name not in known and not (here() and name == "output_dir"):
            check_choice("parameter", name, list(known), where="in this notebook")


class _Sink:
    """Where papermill wants outputs while they come: its log and two files."""

    def __init__(self, log_output: bool, stdout_file: Any, stderr_file: Any) -> None:
        self._log, self._files = log_output, {"stdout": stdout_file, "stderr": stderr_file}

    @property
    def wanted(self) -> bool:
        return self._log or any(self._files.values())

    def __call__(self, output: dict[str, Any]) -> None:
        if output["output_type"] == "stream":
            file = self._files[output["name"]]
            if file:
                file.write(output["text"])
                file.flush()
            if self._log:
                (logger.info if output["name"] == "stdout" else logger.warning)(output["text"])
        elif self._log and "text/plain" in output.get("data", ()):
            logger.info(output["data"]["text/plain"])


def _run_here(cells: list[tuple[str, bool]], limit: float | None, sink: _Sink) -> Generator[dict[str, Any], None, None]:
    from metanet.reporting.engine.cells import Runner
    from metanet.reporting.engine.shell import Outputs

    with Runner(Outputs(sink if sink.wanted else None)) as runner:
        for source, _ in cells:
            yield vars(runner.run(source, limit))


def _run_in_fork(cells: list[tuple[str, bool]], limit: float | None, sink: _Sink) -> Generator[dict[str, Any], None, None]:
    most = None if limit is None else (limit + _GRACE) * max(1, len(cells))
    messages = _parent().ask("cells", {"cells": cells, "limit": limit}, seconds=most, environment=_environment())
    try:
        for message in messages:
            if "output" in message:
                sink(message["output"])
            elif "ran" in message:
                yield message["ran"]
            elif "raised" in message:
                raise DeadKernelError(message["raised"])
    except forks.ForkEnded as fault:
        raise DeadKernelError(f"Kernel died: {fault}") from None
    finally:
        messages.close()


def _environment() -> dict[str, str]:
    """The caller's environment, with the backend of figures that a notebook needs."""
    return {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}


def _parent() -> forks.Forks:
    """The warm parent of this process; it ends with it."""
    if _warm and not _warm[0].alive:
        _warm.pop().close()
    if not _warm:
        _warm.append(forks.Forks())
        atexit.register(_close)
    return _warm[0]


def _close() -> None:
    while _warm:
        _warm.pop().close()
