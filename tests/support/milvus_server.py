"""A real Milvus standalone server, from the PyPI package `milvus`."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pymilvus import MilvusClient

_STARTUP_SECONDS = 120
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
    """Run a server with its data in a folder. Gives its URI.

    It has ports of its own, so that several may run: one that somebody else started could end any moment.
    """
    port, etcd_port, peer_port = (_free_port() for _ in range(3))
    uri = f"http://127.0.0.1:{port}"
    # The package finds free ports for all parts of the server but the etcd inside.
    etcd = folder / "etcd.yaml"
    etcd.write_text(_ETCD.format(client=f"http://127.0.0.1:{etcd_port}", peer=f"http://127.0.0.1:{peer_port}"))
    with (folder / "milvus.log").open("w") as log:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("milvus-server"), "--data", str(folder), "--proxy-port", str(port)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "ETCD_CONFIG_PATH": str(etcd)},
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _STARTUP_SECONDS
        while not _answers(uri):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the Milvus server did not start:\n{Path(log.name).read_text()[-2000:]}")
            time.sleep(0.5)
        yield uri
    finally:
        # The script leaves the server behind when it is terminated, and nobody needs the data any more.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _answers(uri: str) -> bool:
    try:
        client = MilvusClient(uri=uri, timeout=2)
    except Exception:  # noqa: BLE001 - whatever is wrong, it does not answer yet
        return False
    try:
        client.list_collections(timeout=5)
    except Exception:  # noqa: BLE001 - see above
        return False
    finally:
        client.close()
    return True
