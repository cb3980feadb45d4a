"""A real Milvus standalone server, from the PyPI package `milvus`."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .ports import free_port, locks_folder
from .shared_servers import kill, locked, start_program

if TYPE_CHECKING:
    import subprocess

_ETCD = """
name: default
listen-client-urls: {client}
advertise-client-urls: {client}
listen-peer-urls: {peer}
initial-advertise-peer-urls: {peer}
initial-cluster: default={peer}
"""


@contextlib.contextmanager
def milvus_server(folder: Path) -> Iterator[str]:
    """Run a server of one's own with its data in a folder. Gives its URI."""
    uri, process = start(folder, os.getpid())
    try:
        yield uri
    finally:
        # The script leaves the server behind when it is terminated.
        kill(process.pid)
        process.wait()


def start(folder: Path, owner: int) -> "tuple[str, subprocess.Popen[bytes]]":
    """Start a server with its data in a folder, and wait until it answers; see `shared_servers.Start`.

    It has ports of its own, so that several may run: one that somebody else started could end any moment.
    """
    port, etcd_port, peer_port = (free_port() for _ in range(3))
    uri = f"http://127.0.0.1:{port}"
    etcd = folder / "etcd.yaml"
    etcd.write_text(_ETCD.format(client=f"http://127.0.0.1:{etcd_port}", peer=f"http://127.0.0.1:{peer_port}"))
    command = [str(Path(sys.executable).with_name("milvus-server")), "--data", str(folder), "--proxy-port", str(port)]
    # The package looks for free ports for all parts of the server but the etcd inside, and so does another one that
    # starts at the same time.
    with locked(locks_folder() / "milvus"):
        process = start_program(command, owner, uri, folder / "milvus.log", {"ETCD_CONFIG_PATH": str(etcd)})
    return uri, process
