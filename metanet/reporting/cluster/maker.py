"""Reports made by the workers of a Dask cluster: an existing one by its address, or one of this machine's own."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from metanet.errors import MetanetError, ReportError
from metanet.reporting.cluster.connect import connected
from metanet.reporting.cluster.worker import make_remote, unpack
from metanet.reporting.jobs import Job
from metanet.reporting.journal import versions_digest
from metanet.reporting.makers import Limits, Maker
from metanet.reporting.run import failure_page, one_line

#: How often a report is tried anew when its worker was lost.
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

    def __init__(
        self, formats: Sequence[str], limits: Limits, *, scheduler: str, jobs: Sequence[Job], workers: int
    ) -> None:
        super().__init__(formats, limits)
        self._client = self._held.enter_context(connected(scheduler, workers))
        bundle = _bundle(jobs)
        self._bundle = self._client.scatter(bundle, broadcast=False, hash=True)

    @property
    def threads(self) -> int:
        """How many reports the cluster makes at the same time."""
        return max(1, int(sum(self._client.ncores().values())))

    def make(self, job: Job, staged: Path, log: Path, shown: Mapping[str, str] | None = None) -> str | None:
        from distributed import KilledWorker

        content = {**job.to_dict(), "notebook": job.notebook.name}
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
            raise ReportError(str(fault)) from None
        except Exception as fault:
            error = one_line(fault)
        else:
            log.write_text(said, encoding="utf-8")
            unpack(archive, staged)
            return error  # type: ignore[no-any-return]
        finally:
            future.release()
        failure_page(job, staged, error, "")
        return error


def _bundle(jobs: Sequence[Job]) -> bytes:
    """The evidence and the notebooks of a batch as one archive: the same bytes for the same content."""
    folders = {job.parameters.get("data") for job in jobs} - {None}
    if len(folders) > 1:
        raise ReportError("The reports of one run on a cluster rest on one folder of evidence.")
    data = next(iter(folders), None)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        files = {f"notebooks/{job.notebook.name}": job.notebook for job in jobs}
        if data is not None:
            files |= {f"data/{path.name}": path for path in sorted(Path(data).iterdir()) if path.is_file()}
        for name, path in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    return content.getvalue()
