"""A server that answers what a test tells it, to the byte: for what real servers send, right or wrong."""

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Script:
    """An answer.

    Attributes:
        body: Bytes, text, or anything else as JSON; the pieces of a stream as a tuple.
        status: The HTTP status.
        kind: The content type; by default that of the body.
        headers: Further headers.
    """

    body: Any
    status: int = 200
    kind: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def pieces(self) -> list[bytes]:
        """What is sent, piece by piece."""
        parts = self.body if isinstance(self.body, tuple) else (self.body,)
        return [part if isinstance(part, bytes) else _text(part).encode() for part in parts]

    @property
    def content_type(self) -> str:
        """The content type."""
        if self.kind is not None:
            return self.kind
        if isinstance(self.body, tuple):
            return "text/event-stream"
        return "text/plain" if isinstance(self.body, str | bytes) else "application/json"


@dataclass
class ScriptedServer:
    """Where it is, and what came in.

    Attributes:
        root: Its address without a path.
        answer: Makes the answer to the JSON of a request.
        requests: Paths and bodies, oldest first.
    """

    root: str
    answer: Callable[[Any], Script]
    requests: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """A base URL."""
        return f"{self.root}/v1"


@contextmanager
def scripted(answer: Script | Callable[[Any], Script]) -> Iterator[ScriptedServer]:
    """Serve an answer, or what a function makes of each request's JSON."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)))
            server.requests.append((self.path, body))
            script = server.answer(body)
            self.send_response(script.status)
            self.send_header("Content-Type", script.content_type)
            self.send_header("Transfer-Encoding", "chunked")
            for name, value in script.headers.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in filter(None, script.pieces):
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            """Stay silent: requests are recorded."""

    class Http(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client may close its connection behind the end of an answer."""
            assert isinstance(sys.exception(), ConnectionError)

    http = Http(("127.0.0.1", 0), Handler)
    make = answer if not isinstance(answer, Script) else lambda _: answer
    server = ScriptedServer(f"http://127.0.0.1:{http.server_port}", make)
    threading.Thread(target=http.serve_forever, args=(0.005,), daemon=True).start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()


def event(delta: Any = None, finish: Any = None, **more: Any) -> str:
    """An event of a chat answer, as OpenAI sends it."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return sse({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more})


def sse(data: Any) -> str:
    """An event of a stream."""
    return f"data: {_text(data)}\n\n"


DONE = "data: [DONE]\n\n"


def completion(message: Mapping[str, Any], finish: Any = "stop", **more: Any) -> dict[str, Any]:
    """A whole chat answer."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], **more}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
