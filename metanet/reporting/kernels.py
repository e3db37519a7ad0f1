"""Kernels for papermill's own engine: this interpreter's, on sockets of their own."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metanet.reporting.engine.forks import short_folder


@contextmanager
def kernel_settings() -> Iterator[None]:
    """Environment that every kernel inherits; the caller's own is put back."""
    before = dict(os.environ)
    # A report must not depend on the user's IPython start-up files, nor write into their history.
    folder = tempfile.mkdtemp(prefix="metanet-ipython-")
    os.environ["IPYTHONDIR"] = folder
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    # One report, one core: a pool of threads in each of several kernels is slower than one.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def manager_class() -> Iterator[type]:
    """A class of kernel managers for one report, on local sockets: no open port that another user could speak to."""
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import ensure_event_loop

    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = KernelSpec(argv=argv, display_name="Python 3", language="python", interrupt_mode="message")
    sockets = Path(tempfile.mkdtemp(prefix="metanet-", dir=short_folder()))

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
        shutil.rmtree(sockets, ignore_errors=True)
