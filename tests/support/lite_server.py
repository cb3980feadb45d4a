"""Milvus Lite as a server, which can be killed and started again at the same address."""

import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

from .ports import free_port
from .waiting import wait_until

_PROGRAM = Path(sys.executable).with_name("milvus-lite")


def wait_for_port(port: int) -> None:
    """Wait until something listens on a port of this machine."""

    def listens() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    wait_until(listens, f"nothing listens on port {port}")


class LiteServer:
    """``milvus-lite server`` over a database. Use it as a context manager."""

    def __init__(self, database: Path) -> None:
        self._port = free_port()
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
