"""Start the warm parent, ask it for forks, and end them when their time is up."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import metanet
from metanet.base.errors import ReportError
from metanet.base.temporary import TemporaryFolder
from metanet.evidence.folders import VARIABLE

#: The parent, from wherever this package was loaded.
_START = "import sys; sys.path.append(sys.argv.pop(1)); from metanet.reporting.engine.parent import main; main()"
_ROOT = Path(metanet.__file__).resolve().parent.parent


def available() -> bool:
    """Whether this system can fork safely: macOS frameworks cannot be forked, and Windows has no fork."""
    return sys.platform == "linux"


class ForkEnded(ReportError):  # noqa: N818 - what happened to it, not that it is wrong
    """A fork ended without a result: killed, out of memory, or out of time."""


class Forks:
    """A warm parent; a context manager, so that no process and no socket outlives it.

    Parameters
    ----------
    rehearsed
        Whether it does once what reports do before the first fork: pays off from the third report on.
    held
        Folders of evidence that the forks will load; "" is the curated one.
    """

    def __init__(self, rehearsed: bool = False, held: Sequence[str] = ()) -> None:
        self._arguments = ["rehearsed" if rehearsed else "plain", *held]
        self._held = TemporaryFolder("", short_folder())
        self._folder = self._held.path
        self._parent = self._start()

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the parent is alive."""
        return self._parent.poll() is None

    def close(self) -> None:
        """End the parent and with it every fork."""
        if self._parent.stdin is not None:
            with contextlib.suppress(OSError):
                self._parent.stdin.close()
        try:
            self._parent.wait(5)
        except subprocess.TimeoutExpired:
            self._parent.kill()
            self._parent.wait()
        if self._parent.stdout is not None:
            self._parent.stdout.close()
        self._held.close()

    def _start(self) -> subprocess.Popen[str]:
        # The backend of figures has to be chosen before Matplotlib is loaded; one numeric thread for each fork, because a pool of
        # threads in each of several is slower, and would forbid the fork.
        fixed = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        env = {**os.environ, **fixed, "MPLBACKEND": "module://matplotlib_inline.backend_inline", "IPYTHONDIR": str(self._folder)}
        log = self._folder / "parent.log"
        with log.open("wb") as errors:
            parent = subprocess.Popen(
                # Isolated from the folder one works in, whose random.py would otherwise be loaded in place of Python's.
                [sys.executable, "-P", "-c", _START, str(_ROOT), str(self._socket), *self._arguments],
                env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        if parent.stdout is not None and parent.stdout.readline().strip() == "ready":
            return parent
        parent.kill()
        parent.wait()
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        self._held.close()
        raise ReportError(f"The warm parent of the reports did not start ({words[0]}). Fix: engine='stock'.")

    @property
    def _socket(self) -> Path:
        return self._folder / "warm"

    def ask(
        self,
        task: str,
        arguments: Mapping[str, Any],
        *,
        folder: str | Path | None = None,
        log: str | Path | None = None,
        seconds: float | None = None,
        memory: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Generator[dict[str, Any], None, None]:
        """The messages of a fork that does a task; the last one has its "value" or the error that it "raised".

        Parameters
        ----------
        task, arguments
            A name of `parent.TASKS`, and what its function takes.
        folder, environment
            Where it runs, and with which environment variables.
        log
            File to which it appends what it prints.
        seconds, memory
            Limits: time, and bytes of memory of its own.

        Raises
        ------
        ForkEnded
            It was killed, or had to be.
        """
        request = {
            "task": task,
            "arguments": dict(arguments),
            "folder": str(folder or os.getcwd()),
            "log": None if log is None else str(log),
            "memory": memory,
            "tables": os.environ.get(VARIABLE),
            "environment": None if environment is None else dict(environment),
        }
        end = None if seconds is None else time.monotonic() + seconds
        number, answered = None, False
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self._socket))
                connection.sendall(json.dumps(request).encode() + b"\n")
                for message in _lines(connection, end):
                    if "started" in message:
                        number = message["started"]
                    elif "ended" in message:
                        if not answered:
                            raise ForkEnded(_how(message["ended"]))
                        number = None
                        return
                    else:
                        answered = answered or "value" in message or "raised" in message
                        yield message
                if not answered:
                    raise ForkEnded("The process that made it ended without a result.")
            except TimeoutError:
                raise ForkEnded(f"It took longer than the limit of {seconds:g} s and was stopped.") from None
            except OSError as fault:
                raise ForkEnded(f"The process that made it is gone ({fault.strerror or fault}).") from None
            finally:
                # Out of time, or no longer awaited.
                if number is not None:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(number, signal.SIGKILL)


def _lines(connection: socket.socket, end: float | None) -> Iterator[dict[str, Any]]:
    """Messages until the connection closes."""
    rest = bytearray()
    while True:
        if end is not None:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            connection.settimeout(left)
        piece = connection.recv(1 << 16)
        if not piece:
            return
        rest += piece
        while (stop := rest.find(b"\n")) >= 0:
            line = bytes(rest[:stop])
            del rest[: stop + 1]
            yield json.loads(line)


def _how(code: int) -> str:
    """How a fork ended, as a sentence."""
    if code >= 0:
        return f"The process that made it ended with code {code} and without a result."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    why = ": killed, perhaps because the machine ran out of memory" if -code == signal.SIGKILL else ""
    return f"The process that made it was ended by signal {name}{why}."


def short_folder() -> str | None:
    """Where sockets can live: their names may have about a hundred characters, which a long TMPDIR can use up."""
    return "/tmp" if len(tempfile.gettempdir()) > 60 and Path("/tmp").is_dir() else None
