"""Who makes a report: a fork of the warm parent, or papermill's own engine in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from metanet.errors import check_choice
from metanet.reporting.engine.forks import ForkEnded, Forks, available
from metanet.reporting.jobs import Job
from metanet.reporting.kernels import kernel_settings, manager_class
from metanet.reporting.run import failure_page, make_report

ENGINES = ("metanet", "stock")


@dataclass(frozen=True)
class Limits:
    """What one report may take: seconds, and megabytes of memory of its own (None: no limit)."""

    seconds: float | None = 1800.0
    megabytes: int | None = 2048


class Maker(ABC):
    """Makes reports; a context manager, so that nothing it started outlives the batch."""

    def __init__(self, formats: Sequence[str], limits: Limits) -> None:
        self.formats, self.limits = tuple(formats), limits
        self._held = ExitStack()

    def __enter__(self) -> Maker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def stop(self) -> None:
        """End everything at once; what is being made fails."""
        self._held.close()

    @property
    def threads(self) -> int | None:
        """How many reports can be made at the same time where that is not for the batch to say."""
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
        arguments = {
            "job": job.to_dict(),
            "staged": str(staged),
            "formats": list(self.formats),
            "shown": dict(shown or {}),
        }
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
    """Each report in a kernel of its own, by papermill's own engine."""

    def __init__(self, formats: Sequence[str], limits: Limits) -> None:
        super().__init__(formats, limits)
        self._held.enter_context(kernel_settings())

    def make(self, job: Job, staged: Path, log: Path, shown: Mapping[str, str] | None = None) -> str | None:
        with manager_class() as manager:
            return make_report(lambda message: None, job.to_dict(), str(staged), self.formats, shown or {}, manager)


def maker(engine: str | None, formats: Sequence[str], limits: Limits, *, several: bool, data: Sequence[str]) -> Maker:
    """The maker of a batch: forks where the system has them, unless the stock engine is asked for."""
    chosen = check_choice("engine", engine, ENGINES) if engine is not None else "metanet"
    if chosen == "stock" or not available():
        return StockMaker(formats, limits)
    return ForkMaker(formats, limits, several=several, data=data)
