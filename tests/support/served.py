"""`milvus-rag serve` as a process."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from .waiting import PATIENCE_SECONDS, wait_until

_PROGRAM = Path(sys.executable).with_name("milvus-rag")
_LISTENING = re.compile(r"Listening on (http://\S+?)/\"")


@dataclass
class Served:
    """A server that runs.

    Attributes:
        url: Without a slash at its end.
        process: The process.
        lines: What it wrote to stderr so far.
    """

    url: str
    process: "subprocess.Popen[str]"
    lines: list[str] = field(default_factory=list)

    def logged(self) -> list[dict[str, Any]]:
        """Its log lines of requests."""
        found = [json.loads(line) for line in self.lines if line.startswith("{")]
        return [line for line in found if "route" in line]

    def wait_for_line(self, **fields: Any) -> dict[str, Any]:
        """Wait for a request's log line with these fields; the line is written after the answer."""
        return wait_until(
            lambda: next((line for line in self.logged() if fields.items() <= line.items()), {}),
            f"no log line has {fields}",
            pause=0.02,
        )

    def terminate(self) -> int:
        """Send SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def asking(url: str, body: Any, headers: Mapping[str, str] | None = None) -> Iterator[None]:
    """Send a question, and go away at the end of the block, when nothing has been answered yet."""
    address = urlsplit(url)
    with contextlib.closing(HTTPConnection(address.netloc, timeout=PATIENCE_SECONDS)) as connection:
        connection.request(
            "POST", address.path, json.dumps(body), {"Content-Type": "application/json", **(headers or {})}
        )
        yield
        connection.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.sock.recv(1)


@contextlib.contextmanager
def serving(
    uri: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    files: int | None = None,
) -> Iterator[Served]:
    """Run the server on a free port until the block ends; it may have so many files open."""
    limited = [] if files is None else ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"]
    process = subprocess.Popen(
        [*limited, _PROGRAM, "serve", "--port", "0", "--uri", uri, *arguments],
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
    )
    assert process.stderr is not None
    lines: list[str] = []
    address: list[str] = []
    listening = threading.Event()

    def read(stream: Any) -> None:
        for line in stream:
            lines.append(line)
            if found := _LISTENING.search(line):
                address.append(found[1])
                listening.set()
        listening.set()

    reader = threading.Thread(target=read, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        listening.wait(PATIENCE_SECONDS)
        if not address:
            raise RuntimeError(f"the server did not start:\n{''.join(lines)}")
        yield Served(address[0], process, lines)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join(5)
        process.stderr.close()
