"""The process that makes a report: a fork of the warm parent, or the papermill engine with its own kernel."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from metanet.base.errors import ReportError, check_choice
from metanet.base.progress import QUIET
from metanet.base.temporary import TemporaryFolder
from metanet.reporting.engine.forks import ForkEnded, Forks, available, short_folder
from metanet.reporting.plan.jobs import Job
from metanet.reporting.run.run import failure_page, make_report


@contextmanager
def kernel_settings() -> Iterator[None]:
    """Environment that every kernel inherits; the caller's own is put back."""
    before = dict(os.environ)
    # A report must not depend on the user's IPython start-up files, nor write into their history.
    folder = TemporaryFolder("ipython")
    os.environ["IPYTHONDIR"] = str(folder.path)
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    # Nobody watches a bar in the kernel of a report.
    os.environ[QUIET] = "1"
    # One report, one core: a pool of threads in each of several kernels is slower than one.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        folder.close()


@contextmanager
def manager_class() -> Iterator[type]:
    """A class of kernel managers for one report, on local sockets: no open port that another user could speak to."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import ensure_event_loop

    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = KernelSpec(argv=argv, display_name="Python 3", language="python", interrupt_mode="message")
    held = TemporaryFolder("", short_folder())
    sockets = held.path

    class Specs(KernelSpecManager):
        """Knows this interpreter's kernel and no other, whatever kernels the user has installed elsewhere."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            return spec

    class Manager(AsyncKernelManager):
        """An ordinary kernel manager with its sockets in a folder of their own."""

        def __init__(self, **options: Any) -> None:
            place = {"kernel_spec_manager": Specs(), "connection_file": str(sockets / "kernel.json")}
            # Windows has no local sockets for kernels; there they listen on the loopback address.
            local = {} if sys.platform == "win32" else {"transport": "ipc", "ip": str(sockets / "s")}
            super().__init__(**{**options, **place, **local})

    try:
        yield Manager
    finally:
        # The loop that nbclient ran on belongs to this thread's context; left open it would leak with every report.
        ensure_event_loop().close()
        held.close()


ENGINES = ("metanet", "stock")


@dataclass(frozen=True)
class Limits:
    """Limits of one report: seconds, and megabytes of memory (None: no limit)."""

    seconds: float | None = 1800.0
    megabytes: int | None = 2048


class RunEndedError(ReportError):
    """What ends a whole run: it is said once, and no report fails because of it."""


class Maker(ABC):
    """Makes reports; a context manager, so that no process outlives the batch."""

    def __init__(self, formats: Sequence[str], limits: Limits) -> None:
        self.formats, self.limits = tuple(formats), limits
        self._held = ExitStack()

    def __enter__(self) -> Maker:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._held.close()

    def stop(self) -> None:
        """End everything at once; what is being made fails."""
        self._held.close()

    @property
    def threads(self) -> int | None:
        """How many reports can be made in parallel, where the maker decides it."""
        return None

    @abstractmethod
    def make(self, job: Job, staged: Path, log: Path, shown: Mapping[str, str] | None = None) -> str | None:
        """Make one report in a staging folder; the error in one line where it failed, and its page then says so.

        `shown` maps texts of this machine, such as a folder, to what the report shows instead.
        """


class ForkMaker(Maker):
    """Each report in a fork of a parent that has everything loaded."""

    def __init__(self, formats: Sequence[str], limits: Limits, *, several: bool, data: Sequence[str]) -> None:
        super().__init__(formats, limits)
        self._forks = self._held.enter_context(Forks(rehearsed=several, held=data))

    def make(self, job: Job, staged: Path, log: Path, shown: Mapping[str, str] | None = None) -> str | None:
        arguments = {"job": job.to_dict(), "staged": str(staged), "formats": list(self.formats), "shown": dict(shown or {})}
        memory = None if self.limits.megabytes is None else self.limits.megabytes << 20
        error, details = None, ""
        try:
            for message in self._forks.ask("report", arguments, log=log, seconds=self.limits.seconds, memory=memory):
                if "raised" in message:
                    error, details = message["raised"], message["details"]
                else:
                    return message["value"]  # type: ignore[no-any-return]
        except ForkEnded as fault:
            error = f"DeadKernelError: {fault}"
        failure_page(job, staged, error or "", details)
        return error


class StockMaker(Maker):
    """Each report in its own kernel, by the papermill engine."""

    def __init__(self, formats: Sequence[str], limits: Limits) -> None:
        super().__init__(formats, limits)
        self._held.enter_context(kernel_settings())

    def make(self, job: Job, staged: Path, log: Path, shown: Mapping[str, str] | None = None) -> str | None:
        with manager_class() as manager:
            return make_report(lambda message: None, job.to_dict(), str(staged), self.formats, shown or {}, manager)


def maker(engine: str | None, formats: Sequence[str], limits: Limits, *, several: bool, data: Sequence[str]) -> Maker:
    """The maker of a batch: forks where the system has them, unless the stock engine is chosen."""
    chosen = check_choice("engine", engine, ENGINES) if engine is not None else "metanet"
    if chosen == "stock" or not available():
        return StockMaker(formats, limits)
    return ForkMaker(formats, limits, several=several, data=data)
