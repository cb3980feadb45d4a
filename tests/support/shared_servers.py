"""Servers that outlive the test that starts them: one for all processes of a run of the tests, and ended with it."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from pymilvus import MilvusClient

from .waiting import wait_until

# Starts a server with its data in a folder, for a process with which it ends at the latest. Gives its URI.
Start = Callable[[Path, int], "tuple[str, subprocess.Popen[bytes]]"]

# Ends all that it started, when whoever it is for is no longer there to do so.
_WITH_ITS_OWNER = """
(while kill -0 "$1" 2>/dev/null; do sleep 2; done; kill -9 0) &
shift
exec "$@"
"""
_KNOWN = "server.json"


def shared_server(folder: Path, owner: int, start: Start) -> "tuple[str, subprocess.Popen[bytes] | None]":
    """The server of a folder, started by the first process that asks for it.

    Args:
        folder: For its data.
        owner: The process with which it ends at the latest.
        start: Starts it. Why it did not start, a `RuntimeError`, is told to all who ask.

    Returns:
        Its URI; and its process, where it is this one that started it. It runs until `stop_shared_server`.
    """
    folder.mkdir(exist_ok=True)
    known = folder / _KNOWN
    with locked(folder / "server.lock"):
        if not known.exists():
            try:
                uri, process = start(folder, owner)
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
    """Stop the server of a folder, if there is one, whichever process started it."""
    known = folder / _KNOWN
    found = json.loads(known.read_text()) if known.exists() else {}
    if "pid" in found:
        kill(found["pid"])


def start_program(
    command: Sequence[str], owner: int, uri: str, log: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    """Start a Milvus in a session of its own, and wait until it answers.

    Args:
        command: The program and its arguments.
        owner: The process with which it ends at the latest.
        uri: Where it will answer.
        log: For what it prints.
        environment: Variables beside those of this process.

    Raises:
        RuntimeError: It does not answer; with the end of what it printed.
    """
    with log.open("w") as printed:
        process = subprocess.Popen(
            ["sh", "-c", _WITH_ITS_OWNER, "sh", str(owner), *command],
            stdout=printed,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    try:
        wait_until(lambda: process.poll() is not None or _answers(uri), "it does not answer", pause=0.5)
        assert process.poll() is None, f"it ended with {process.returncode}"
    except BaseException as exc:
        kill(process.pid)
        process.wait()
        raise RuntimeError(f"{command[0]} did not start, {exc}:\n{log.read_text()[-2000:]}") from exc
    return process


def kill(pid: int) -> None:
    """End a server at once, with all that it started: nobody needs the data any more."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that all processes share."""
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
