"""A run asks nothing of a network and opens no port: every process of it is watched."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.work import HANG

WATCH = """
import os, sys

def hook(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"):
        address = arguments[1] if len(arguments) > 1 else None
        # Local sockets have a path; an address and a port would leave the machine, or let others in.
        # urllib3 tries at its import whether IPv6 exists here: a socket that is closed at once and listens to nobody.
        asked = isinstance(address, tuple) and (event, address[:2]) != ("socket.bind", ("::1", 0))
    else:
        asked = event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "urllib.Request")
    if asked:
        with open(os.environ["WATCHED"], "a") as file:
            file.write(f"{event} {arguments[1:] if event.startswith('socket.') else arguments}\\n")
        raise PermissionError(f"{event} is not allowed in this test")

sys.addaudithook(hook)
with open(os.environ["WATCHED"] + ".started", "a") as file:
    file.write(f"{os.getpid()}\\n")
"""


@pytest.mark.parametrize("engine", ["metanet", "stock"])
def test_no_process_of_a_run_speaks_to_a_network(tmp_path, engine):
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCH)
    said = tmp_path / "said"
    paths = os.pathsep.join([str(tmp_path / "watch"), *(p for p in (os.environ.get("PYTHONPATH"),) if p)])
    environment = {**os.environ, "PYTHONPATH": paths, "WATCHED": str(said)}
    command = "from metanet.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", command, "report", "--outcome", "hepatotoxicity", "--modality", "TACE", "--engine", engine,
         "--out", str(tmp_path / "out")],
        env=environment, capture_output=True, text=True, timeout=HANG, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not said.exists(), said.read_text()
    # The command itself and the process that ran the notebook, at the least, were watched.
    assert len((tmp_path / "said.started").read_text().split()) >= 2
