"""Milvus Lite as a server, which can be killed and started again at the same address."""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

_PROGRAM = Path(sys.executable).with_name("milvus-lite")
_STARTUP_SECONDS = 120


def wait_for_port(port: int) -> None:
    """Wait until something listens on a port of this machine."""
    deadline = time.monotonic() + _STARTUP_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on port {port}"
            time.sleep(0.05)
        else:
            return


class LiteServer:
    """``milvus-lite server`` over a database. Use it as a context manager."""

    def __init__(self, database: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._database = database
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Where it listens, also while it does not."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(
            [_PROGRAM, "server", "--data-dir", self._database, "--host", "127.0.0.1", "--port", str(self._port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for_port(self._port)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
