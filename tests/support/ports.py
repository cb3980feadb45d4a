"""Ports of this machine that are free, and stay so until whoever asked for them listens there."""

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

# Below what Linux, macOS and Windows give to connections, and to listeners that ask for port 0.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A port that nothing listens on, and that no other test is given while this process runs.

    Closing a listener on port 0 and naming its port to a program leaves a moment in which another listener on port 0,
    or a connection, is given it.
    """
    folder = locks_folder()
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - nobody has to guess it
        # Never closed: the lock is held until this process ends.
        descriptor = os.open(folder / str(port), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:
            os.close(descriptor)


def locks_folder() -> Path:
    """Where the locks are that all tests of a user on this machine share."""
    folder = Path(tempfile.gettempdir()) / f"milvus-rag-tests-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
