"""A real Milvus standalone server, from the PyPI package `milvus`."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pymilvus import MilvusClient

from .ports import free_port, locks_folder
from .waiting import wait_until

_ETCD = """
name: default
listen-client-urls: {client}
advertise-client-urls: {client}
listen-peer-urls: {peer}
initial-advertise-peer-urls: {peer}
initial-cluster: default={peer}
"""


# Ends all that it started, when whoever it is for is no longer there to do so.
_WITH_ITS_OWNER = """
(while kill -0 "$1" 2>/dev/null; do sleep 2; done; kill -9 0) &
shift
exec "$@"
"""


@contextlib.contextmanager
def milvus_server(folder: Path) -> Iterator[str]:
    """Run a server of one's own with its data in a folder. Gives its URI."""
    uri, process = _start(folder, os.getpid())
    try:
        yield uri
    finally:
        _kill(process.pid)
        process.wait()


def shared_server(folder: Path, owner: int) -> "tuple[str, subprocess.Popen[bytes] | None]":
    """The server of a folder, started by the first process that asks for it.

    Args:
        folder: For its data.
        owner: The process with which it ends at the latest.

    Returns:
        Its URI; and its process, where it is this one that started it. It runs until `stop_shared_server`.
    """
    known = folder / "server.json"
    with _locked(folder / "server.lock"):
        if not known.exists():
            try:
                uri, process = _start(folder, owner)
            except RuntimeError as exc:
                known.write_text(json.dumps({"error": str(exc)}))
                raise
            known.write_text(json.dumps({"uri": uri, "pid": process.pid}))
            return uri, process
        found = json.loads(known.read_text())
        if "error" in found:
            raise RuntimeError(found["error"])
        return found["uri"], None


def stop_shared_server(folder: Path) -> None:
    """Stop the server of a folder, whichever process started it."""
    found = json.loads((folder / "server.json").read_text())
    if "pid" in found:
        _kill(found["pid"])


def _start(folder: Path, owner: int) -> "tuple[str, subprocess.Popen[bytes]]":
    """Start a server with its data in a folder, and wait until it answers.

    It has ports of its own, so that several may run: one that somebody else started could end any moment.
    """
    port, etcd_port, peer_port = (free_port() for _ in range(3))
    uri = f"http://127.0.0.1:{port}"
    etcd = folder / "etcd.yaml"
    etcd.write_text(_ETCD.format(client=f"http://127.0.0.1:{etcd_port}", peer=f"http://127.0.0.1:{peer_port}"))
    command = [str(Path(sys.executable).with_name("milvus-server")), "--data", str(folder), "--proxy-port", str(port)]
    # The package looks for free ports for all parts of the server but the etcd inside, and so does another one that
    # starts at the same time.
    with _locked(locks_folder() / "milvus"), (folder / "milvus.log").open("w") as log:
        process = subprocess.Popen(
            ["sh", "-c", _WITH_ITS_OWNER, "sh", str(owner), *command],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "ETCD_CONFIG_PATH": str(etcd)},
            start_new_session=True,
        )
        try:
            wait_until(lambda: process.poll() is not None or _answers(uri), "it does not answer", pause=0.5)
            assert process.poll() is None, f"it ended with {process.returncode}"
        except BaseException as exc:
            _kill(process.pid)
            process.wait()
            logged = Path(log.name).read_text()[-2000:]
            raise RuntimeError(f"the Milvus server did not start, {exc}:\n{logged}") from exc
    return uri, process


def _kill(pid: int) -> None:
    """End a server at once: the script leaves it behind when it is terminated, and nobody needs the data any more."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
