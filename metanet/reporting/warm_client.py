"""Ask the warm server for a kernel and live as long as it does: ``warm_client.py SOCKET CONNECTION_FILE``.

It is run as a file with ``python -I -S``, so it costs a bare interpreter's start and imports nothing of metanet.
"""

import json
import os
import socket
import sys


def main(path: str, connection_file: str) -> None:
    """Send the request and wait for the end of the kernel."""
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(path)
        request = {"connection_file": connection_file, "env": dict(os.environ), "cwd": os.getcwd()}
        server.sendall(json.dumps(request).encode() + b"\n")
        server.recv(1)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
