"""A warm kernel server: everything a report imports is loaded once, and each kernel is a fork of it.

Run as ``python -m metanet.reporting.warm_server SOCKET``; `warm.py` starts it, `warm_client.py` asks it for kernels. A
forked kernel is an ordinary ipykernel with its own process group, memory and connection file; only its imports are inherited.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import socket
import sys
import threading
from importlib import import_module

#: What the notebooks of a report load. A name that is missing costs time, not correctness.
_PRELOAD = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "IPython.core.completer",
    "numpy",
    "pandas",
    "scipy.special",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "matplotlib.pyplot",
    "frictionless",
    "metanet.evidence",
    "metanet.models.pool",
    "metanet.models.views",
    "formulaic",
    "metanet.models.benefit_risk",
    "metanet.models.meta_regression",
    "metanet.models.within_studies",
    "metanet.diagnostics.heterogeneity_report",
    "metanet.diagnostics.multiverse",
    "metanet.diagnostics.calibrate",
    "metanet.diagnostics.permutation",
    "metanet.diagnostics.small_study",
    "metanet.figures.forest",
    "metanet.figures.save",
    "metanet.figures.leave_one_out",
    "great_tables",
    "metanet.writing.study_tables",
    "metanet.writing.model_tables",
    "metanet.writing.characteristics",
    "metanet.writing.prisma",
    "metanet.writing.word_tables",
    "docx",
    "metanet.reporting.results_files",
    "metanet.reporting.analysis_files",
)


def serve(path: str) -> None:
    """Fork a kernel for every request on the socket, until standard input closes: that is when the batch has gone."""
    for name in _PRELOAD:
        with contextlib.suppress(ImportError):
            import_module(name)
    # A lock held by another thread would stay locked in a fork for ever. Nothing that is loaded here may have started one.
    if threading.active_count() > 1:
        raise RuntimeError("a module started a thread; kernels cannot be forked from here")
    # Kernels that end are nobody's zombies.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _become_kernel(connection)
            connection.close()


def _become_kernel(connection: socket.socket) -> None:
    """In the fork: read the request, leave the server's group, and be a kernel until the end. Never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        with connection.makefile("r", encoding="utf-8") as lines:
            request = json.loads(lines.readline())
        os.environ.clear()
        os.environ.update(request["env"])
        # ipykernel would take the server for a stranger; the watcher below does what its parent poller is for.
        os.environ.pop("JPY_PARENT_PID", None)
        os.chdir(request["cwd"])
        threading.Thread(target=_leave_with_client, args=(connection,), daemon=True).start()
        _fresh_randomness()
        from ipykernel.kernelapp import IPKernelApp

        sys.argv = ["ipykernel", "-f", request["connection_file"]]
        IPKernelApp.launch_instance(argv=sys.argv[1:])
        code = 0
    finally:
        os._exit(code)


def _leave_with_client(connection: socket.socket) -> None:
    """The client stands for this kernel in the process table of the batch: when it is killed, the kernel ends."""
    with contextlib.suppress(OSError):
        connection.recv(1)
    os._exit(1)


def _fresh_randomness() -> None:
    """Forks must not draw the same numbers."""
    import numpy as np

    random.seed()
    np.random.seed()  # noqa: NPY002 - the legacy generator is global state that a fork inherits


if __name__ == "__main__":
    serve(sys.argv[1])
