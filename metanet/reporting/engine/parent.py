"""The warm parent: everything is loaded once, and each task is a fork of it.

`forks.py` starts `main` with SOCKET rehearsed|plain FOLDER... and speaks to it.
A request is one line of JSON; the fork answers with lines of JSON on the same connection, and the parent adds a last one
when the fork has ended, however it ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import random
import resource
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

from metanet.evidence.evidence import hold_evidence
from metanet.evidence.folders import VARIABLE
from metanet.reporting.engine.preload import light_notebooks, load_all

#: What can be asked of a fork: a name and where the function lives. Nothing else is run.
TASKS = {"cells": "metanet.reporting.engine.tasks:run_notebook", "report": "metanet.reporting.run.run:make_report"}
_PR_SET_PDEATHSIG = 1


def serve(path: str, rehearsed: bool, held: list[str]) -> None:
    """Fork for every request, until standard input closes: that is when whoever started this has gone.

    `rehearsed`: do once what reports do, for series of them. `held`: folders of evidence that forks will load.
    """
    light_notebooks()
    from metanet.reporting.engine.cells import shell

    # Before Matplotlib, which looks for a shell to show figures in when it is loaded.
    shell()
    load_all()
    with warnings.catch_warnings(), contextlib.suppress(Exception):
        # A fault in here shows itself again in the report that it concerns.
        warnings.simplefilter("ignore")
        for folder in held:
            hold_evidence(folder or None)
        if rehearsed:
            from metanet.reporting.engine.rehearse import rehearse

            rehearse()
    # A lock held by another thread would stay locked in a fork for ever. Nothing that is loaded here may have started one.
    if threading.active_count() > 1:
        raise RuntimeError("a module started a thread; this process cannot be forked")
    # What is here is here to stay: a collection in a fork would copy its pages.
    gc.collect()
    gc.freeze()
    # A fork lives for a second: it seldom makes enough garbage to be worth looking for.
    gc.set_threshold(50_000, 20, 20)
    woken, wake = socket.socketpair()
    woken.setblocking(False)
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    # Ctrl-C reaches everybody in the terminal; what is to be done about it is decided by who started this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    running: dict[int, socket.socket] = {}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            ready, _, _ = select.select([listener, sys.stdin, woken], [], [])
            if sys.stdin in ready:
                # Forks end with their parent, see `_leave_with_parent`; where the system lacks that, they get a signal.
                for number in running:
                    _kill(number)
                return
            if woken in ready:
                with contextlib.suppress(BlockingIOError):
                    while woken.recv(64):
                        pass
                _reap(running)
            if listener in ready:
                connection, _ = listener.accept()
                number = os.fork()
                if number == 0:
                    _be_fork(connection, [listener, woken, wake, *running.values()])
                running[number] = connection


def _reap(running: dict[int, socket.socket]) -> None:
    """Tell of every fork that has ended."""
    while True:
        try:
            number, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if number == 0:
            return
        connection = running.pop(number, None)
        if connection is not None:
            code = os.waitstatus_to_exitcode(status)
            with contextlib.suppress(OSError):
                connection.sendall(json.dumps({"ended": code}).encode() + b"\n")
            connection.close()


def _kill(number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(number, signal.SIGKILL)


def _be_fork(connection: socket.socket, others: list[socket.socket]) -> None:
    """In the fork: read the request, do it, answer, end. Never returns."""
    code = 1
    try:
        _leave_with_parent()
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for one in others:
            one.close()
        with connection.makefile("r", encoding="utf-8") as lines:
            request = json.loads(lines.readline())

        def tell(message: dict[str, Any]) -> None:
            connection.sendall(json.dumps(message).encode() + b"\n")

        tell({"started": os.getpid()})
        _settle(request)
        tell(_answer(request, tell))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _settle(request: dict[str, Any]) -> None:
    """Folder, environment, log, limits and randomness of this fork."""
    if request.get("environment") is not None:
        os.environ.clear()
        os.environ.update(request["environment"])
    os.environ["METANET_FORK"] = str(os.getpid())
    if request.get("tables"):
        os.environ[VARIABLE] = request["tables"]
    elif request.get("environment") is None:
        # This process keeps the variable of the day it began; who asks now has none.
        os.environ.pop(VARIABLE, None)
    os.chdir(request["folder"])
    # A notebook may import modules of its folder, which no module of Python or of a package gives way to.
    if "" not in sys.path:
        sys.path.append("")
    if request.get("log"):
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    else:
        log = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if request.get("memory"):
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (int(request["memory"]), hard))
    _fresh_randomness()


def _answer(request: dict[str, Any], tell: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    home, name = TASKS[request["task"]].split(":")
    try:
        return {"value": getattr(import_module(home), name)(tell=tell, **request["arguments"])}
    except Exception as fault:
        return {"raised": f"{type(fault).__name__}: {fault}", "details": traceback.format_exc()}


def _leave_with_parent() -> None:
    """The system kills this fork when its parent ends, even when that is killed."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _fresh_randomness() -> None:
    """Forks must not draw the same numbers."""
    import numpy as np

    random.seed()
    np.random.seed()  # noqa: NPY002 - the legacy generator is global state that a fork inherits


def main() -> None:
    """Serve on the socket that the command line names."""
    serve(sys.argv[1], sys.argv[2] == "rehearsed", sys.argv[3:])
