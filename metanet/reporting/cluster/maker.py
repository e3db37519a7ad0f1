"""Reports made by the workers of a Dask cluster: an existing one by its address, or one of this machine's own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from asyncio import CancelledError
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from metanet.base.errors import MetanetError, ReportError, shorten
from metanet.base.extras import install
from metanet.base.temporary import temporary_folder
from metanet.reporting.cluster.worker import make_remote, place_of, unpack
from metanet.reporting.plan.jobs import Job
from metanet.reporting.run.journal import versions_digest
from metanet.reporting.run.makers import Limits, Maker, RunEndedError
from metanet.reporting.run.run import failure_page, one_line

_PATIENCE = "30s"


@contextmanager
def connected(scheduler: str, workers: int | None = None) -> Iterator[Any]:
    """A client; a cluster that was started for it ends with it.

    Parameters
    ----------
    scheduler
        Address of a scheduler, or "local".
    workers
        Workers of a local cluster; None takes the number of processors.

    Raises
    ------
    ReportError
        dask.distributed is not installed, or the scheduler does not answer.
    """
    try:
        import distributed
    except ImportError:
        raise ReportError(f"A cluster needs dask.distributed. Fix: {install('cluster')}") from None
    # Workers that this process starts have one numeric thread each, as everywhere.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with ExitStack() as held:
        address = scheduler
        if scheduler == "local":
            folder = held.enter_context(temporary_folder("dask"))
            # Workers are processes of one thread each; reports fork from a process of their own.
            cluster = held.enter_context(
                distributed.LocalCluster(
                    n_workers=workers or os.cpu_count() or 1,
                    threads_per_worker=1,
                    dashboard_address=None,
                    local_directory=str(folder),
                    host="127.0.0.1",
                    memory_limit=0,
                )
            )
            address = cluster.scheduler_address
        try:
            client = held.enter_context(distributed.Client(address, timeout=_PATIENCE, set_as_default=False))
        except (OSError, ValueError, TimeoutError) as fault:
            raise ReportError(
                f"scheduler={shorten(scheduler)!r} does not respond ({shorten(str(fault), 120)}). Fix: start the cluster, or "
                "give the address that its scheduler prints."
            ) from None
        yield client


#: How often a report is retried when its worker was lost.
RETRIES = 3


class ClusterMaker(Maker):
    """Each report on a worker. The report comes back whole and is put in its place here, so that a lost worker loses nothing.

    Parameters
    ----------
    scheduler
        Address of a scheduler, such as ``tcp://10.0.0.1:8786``, or "local" for a cluster of this machine.
    jobs
        All reports of the batch: their notebooks and evidence go to the workers once.
    workers
        Workers of a local cluster.
    """

    def __init__(self, formats: Sequence[str], limits: Limits, *, scheduler: str, jobs: Sequence[Job], workers: int) -> None:
        super().__init__(formats, limits)
        self._client = self._held.enter_context(connected(scheduler, workers))
        self._address = scheduler
        bundle = _bundle(jobs)
        self._bundle = self._client.scatter(bundle, broadcast=False, hash=True)

    @property
    def threads(self) -> int:
        """How many reports the cluster makes at the same time."""
        return max(1, int(sum(self._client.ncores().values())))

    def make(self, job: Job, staged: Path, log: Path, shown: Mapping[str, str] | None = None) -> str | None:
        from distributed import KilledWorker

        content = {**job.to_dict(), "notebook": _place_of_notebook(job.notebook)}
        name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        future = self._client.submit(
            make_remote, self._bundle, content, self.formats, self.limits.seconds, self.limits.megabytes, versions_digest(),
            key=f"metanet-report-{name}", retries=RETRIES, pure=False,
        )  # fmt: skip
        try:
            archive, error, said = future.result()
        except KilledWorker:
            error = f"DeadKernelError: Its worker was lost {RETRIES + 1} times."
        except MetanetError as fault:
            # Every report would end so.
            raise RunEndedError(str(fault)) from None
        except (Exception, CancelledError) as fault:
            if not self._answers():
                raise RunEndedError(
                    f"The scheduler {shorten(self._address)} is gone. Finished reports are kept. Fix: start it, and run again: "
                    "the run goes on from there."
                ) from None
            error = one_line(fault)
        else:
            log.write_text(said, encoding="utf-8")
            unpack(archive, staged)
            return error  # type: ignore[no-any-return]
        finally:
            with suppress(Exception):
                future.release()
        failure_page(job, staged, error, "")
        return error

    def _answers(self) -> bool:
        """Whether the scheduler still answers."""
        try:
            self._client.sync(self._client.scheduler.identity, callback_timeout=10)
        except (Exception, CancelledError):
            return False
        return True


def _place_of_notebook(notebook: Path) -> str:
    """Where a notebook is in the bundle: its content says which it is, since two may have one name."""
    return f"{hashlib.sha256(notebook.read_bytes()).hexdigest()[:16]}/{notebook.name}"


def _bundle(jobs: Sequence[Job]) -> bytes:
    """The evidence and the notebooks of a batch as one archive: the same bytes for the same content."""
    folders = {job.parameters.get("data") for job in jobs} - {None}
    if len(folders) > 1:
        raise ReportError("The reports of one run on a cluster rest on one folder of evidence.")
    data = next(iter(folders), None)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        notebooks = {job.notebook for job in jobs}
        files = {f"notebooks/{_place_of_notebook(notebook)}": notebook for notebook in notebooks}
        if data is not None:
            files |= {f"data/{place_of(data)}/{path.name}": path for path in sorted(Path(data).iterdir()) if path.is_file()}
        for name, path in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    return content.getvalue()
