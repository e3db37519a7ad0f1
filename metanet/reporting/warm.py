"""Kernels for the batch: forked from a warm server where the system can, started the ordinary way where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any


class Kernels:
    """Makes the kernels of a batch; a context manager, so that no server, kernel or socket outlives the batch."""

    def __init__(self, *, warm: bool) -> None:
        # Only this user can enter the folder.
        self._folder = Path(tempfile.mkdtemp(prefix="metanet-", dir=_short_folder()))
        # The fork of a process that has loaded Apple's frameworks is not safe, and Windows has none.
        self._server = self._start() if warm and sys.platform == "linux" else None

    @property
    def warm(self) -> bool:
        """Whether kernels are forks of a warm server."""
        return self._server is not None

    def __enter__(self) -> Kernels:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _start(self) -> subprocess.Popen[str] | None:
        # The inline backend has to be the choice before Matplotlib is loaded, as ipykernel would make it.
        env = {**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        command = [sys.executable, "-m", "metanet.reporting.warm_server", str(self._socket)]
        server = subprocess.Popen(
            command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        if server.stdout is not None and server.stdout.readline().strip() == "ready":
            return server
        server.kill()
        _close(server)
        return None

    @property
    def _socket(self) -> Path:
        return self._folder / "warm"

    def _stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            _close(self._server)
            self._server = None
        shutil.rmtree(self._folder, ignore_errors=True)

    @contextmanager
    def manager_class(self) -> Iterator[type]:
        """A class of kernel managers for one report, on local sockets: no open port that another user could speak to."""
        from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_core.utils import ensure_event_loop

        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        if self._server is not None and self._server.poll() is None:
            client = str(Path(__file__).with_name("warm_client.py"))
            argv = [sys.executable, "-I", "-S", client, str(self._socket), "{connection_file}"]
        spec = KernelSpec(argv=argv, display_name="Python 3", language="python", interrupt_mode="message")
        sockets = Path(tempfile.mkdtemp(dir=self._folder, prefix="k"))

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


def _short_folder() -> str | None:
    """Where sockets can live: their names may have about a hundred characters, which a long TMPDIR can use up."""
    return "/tmp" if len(tempfile.gettempdir()) > 60 and Path("/tmp").is_dir() else None


def _close(server: subprocess.Popen[str]) -> None:
    """Reap a server that was told to end, and close its pipes."""
    server.wait()
    for pipe in (server.stdin, server.stdout):
        if pipe is not None:
            pipe.close()
