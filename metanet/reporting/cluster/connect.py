"""A client of a Dask cluster: of an existing one by its address, or of one on this machine."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from metanet.errors import ReportError, shorten

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
        raise ReportError('A cluster needs dask.distributed. Mend: pip install "metanet[cluster]".') from None
    # Workers that this process starts have one numeric thread each, as everywhere.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    with ExitStack() as held:
        address = scheduler
        if scheduler == "local":
            folder = held.enter_context(tempfile.TemporaryDirectory(prefix="metanet-dask-"))
            # Workers are processes of one thread each; reports fork from a process of their own.
            cluster = held.enter_context(
                distributed.LocalCluster(
                    n_workers=workers or os.cpu_count() or 1,
                    threads_per_worker=1,
                    dashboard_address=None,
                    local_directory=folder,
                    host="127.0.0.1",
                    memory_limit=0,
                )
            )
            address = cluster.scheduler_address
        try:
            client = held.enter_context(distributed.Client(address, timeout=_PATIENCE, set_as_default=False))
        except (OSError, ValueError, TimeoutError) as fault:
            raise ReportError(
                f"scheduler={shorten(scheduler)!r} does not answer ({shorten(str(fault), 120)}). Mend: start the cluster, or "
                "give the address that its scheduler prints."
            ) from None
        yield client
