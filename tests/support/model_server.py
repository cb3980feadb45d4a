"""The threaded HTTP server under the provider servers: loopback, a log of requests, faults on demand."""

import json
import socket
import struct
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from .faults import Fault

# RST instead of FIN on close.
_LINGER_ZERO = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Recorded:
    """One request as it came.

    Attributes:
        method: ``"GET"`` or ``"POST"``.
        path: Path and query.
        headers: Header names are compared without case.
        raw: The body's bytes.
        body: The body as JSON, ``None`` where there is none.
        port: The client's port: the same for requests over one connection.
    """

    method: str
    path: str
    headers: Message
    raw: bytes
    body: Any
    port: int


@dataclass(frozen=True)
class Reply:
    """What a provider server answers: a JSON body, or the events of a stream."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    events: tuple[str, ...] | None = None


class RefusedRequestError(Exception):
    """A request that the real provider would refuse.

    A server that raises it answers with this status; `ModelServer.violations` keeps the message, unless the refusal is
    part of a provider's everyday life (a wrong key, an unknown model, too many inputs).
    """

    def __init__(self, status: int, message: str, *, everyday: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.everyday = everyday


class ModelServer:
    """A provider on a loopback port, in threads of this process. Use it as a context manager.

    Args:
        key: The only key that is accepted; ``None`` accepts requests with or without a key.
        dimension: Length of a vector where the request does not say.
        models: The only model names that are served; ``None`` serves every name.
        max_inputs: Most texts in one embedding request; more are refused with 400.
        answer: Makes the answer from the system and user text.
        embed: Makes a vector from a text and a dimension.
        delay: Seconds before each answer.

    Attributes:
        requests: What came in, oldest first.
        violations: What the real provider would not have accepted, as messages. Empty when all is well.
        peak: The most requests that were under way at once.
    """

    def __init__(
        self,
        *,
        key: str | None,
        dimension: int,
        models: Iterable[str] | None,
        max_inputs: int,
        answer: Callable[[str, str], str],
        embed: Callable[[str, int], list[float]],
        delay: float,
    ) -> None:
        self.key = key
        self.dimension = dimension
        self.models = None if models is None else frozenset(models)
        self.max_inputs = max_inputs
        self.answer = answer
        self.embed = embed
        self.delay = delay
        self.requests: list[Recorded] = []
        self.violations: list[str] = []
        self.peak = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._queue: list[tuple[Fault, str]] = []
        self._always: list[tuple[Fault, str]] = []
        self._http: _Http | None = None

    def fail(self, fault: Fault, *, times: int = 1, on: str = "") -> None:
        """Let the next requests fail, in the order in which faults are given.

        Args:
            fault: What happens.
            times: To how many requests.
            on: Only to requests whose path contains this, e.g. ``"embed"``.
        """
        with self._lock:
            self._queue += [(fault, on)] * times

    def fail_always(self, fault: Fault, *, on: str = "") -> None:
        """Let every request fail from now on, once the faults of `fail` are used up."""
        with self._lock:
            self._always.append((fault, on))

    def recover(self) -> None:
        """Take back every fault."""
        with self._lock:
            self._queue.clear()
            self._always.clear()

    @property
    def root(self) -> str:
        """``http://127.0.0.1:port``."""
        assert self._http is not None, "the server runs inside its with block only"
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        self._stopping.clear()
        self._http = _Http(self)
        threading.Thread(target=self._http.serve_forever, args=(0.005,), name="model server", daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        assert self._http is not None
        self._stopping.set()
        self._http.shutdown()
        self._http.close_connections()
        self._http.server_close()
        self._http = None

    @abstractmethod
    def reply(self, request: Recorded, fault: Fault | None) -> Reply:
        """Check a request and answer it. Faults of the transport are acted on elsewhere.

        Raises:
            RefusedRequestError: The real provider would refuse it.
        """

    @abstractmethod
    def error_body(self, status: int, message: str, retry_delay: float | None = None) -> Any:
        """An error in the provider's own format."""

    def violation(self, message: str) -> None:
        """Note what the real provider would not have accepted."""
        with self._lock:
            self.violations.append(message)

    def take_fault(self, path: str) -> Fault | None:
        """The fault for a request, if there is one."""
        with self._lock:
            for place, (fault, on) in enumerate(self._queue):
                if on in path:
                    del self._queue[place]
                    return fault
            return next((fault for fault, on in self._always if on in path), None)

    def wait(self, seconds: float) -> None:
        """Wait, or less where the server stops."""
        self._stopping.wait(seconds)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count a request as under way."""
        with self._lock:
            self._under_way += 1
            self.peak = max(self.peak, self._under_way)
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1


class _Http(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = False
    block_on_close = True

    def __init__(self, owner: ModelServer) -> None:
        self.owner = owner
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End kept-alive connections, whose threads wait for a next request."""
        for connection in tuple(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was faster

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys

        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.owner.violation(f"the test server itself failed: {error!r}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Http

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: requests are recorded."""

    def _respond(self) -> None:
        owner = self.server.owner
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
            owner.violation(f"a body that is not JSON: {raw[:80]!r}")
        request = Recorded(self.command, self.path, self.headers, raw, body, self.client_address[1])
        owner.requests.append(request)
        fault = owner.take_fault(self.path)
        with owner.counting():
            owner.wait(owner.delay)
            self._act(owner, request, fault)

    def _act(self, owner: ModelServer, request: Recorded, fault: Fault | None) -> None:
        kind = fault.kind if fault else None
        if kind == "hang":
            owner.wait(60)
            self._reset()
        elif kind == "reset":
            self._reset()
        elif fault and kind == "status":
            body = owner.error_body(fault.status, fault.message, fault.retry_delay)
            self._send_json(Reply(body, fault.status, fault.headers))
        elif kind == "garbled":
            self._send(200, b'{"choices": [{"mess', "application/json")
        elif kind == "web page":
            self._send(200, b"<!DOCTYPE html><title>Welcome</title>", "text/html")
        else:
            self._answer(owner, request, fault)

    def _answer(self, owner: ModelServer, request: Recorded, fault: Fault | None) -> None:
        try:
            reply = owner.reply(request, fault)
        except RefusedRequestError as exc:
            if not exc.everyday:
                owner.violation(f"{request.method} {request.path}: {exc}")
            reply = Reply(owner.error_body(exc.status, str(exc)), exc.status)
        if reply.events is not None:
            self._send_events(reply.events, fault)
        elif fault and fault.kind == "reset mid-answer":
            data = json.dumps(reply.body).encode()
            self._begin(200, "application/json", {"Content-Length": str(len(data))})
            self.wfile.write(data[: len(data) // 2])
            self._reset()
        else:
            self._send_json(reply)

    def _send_events(self, events: tuple[str, ...], fault: Fault | None) -> None:
        breaks = fault is not None and fault.kind in ("reset mid-answer", "cut stream")
        self._begin(200, "text/event-stream", {"Transfer-Encoding": "chunked"})
        for event in events[: fault.after] if fault and breaks else events:
            data = f"data: {event}\n\n".encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if fault and fault.kind == "reset mid-answer":
            self._reset()
        else:
            self.wfile.write(b"0\r\n\r\n")

    def _send_json(self, reply: Reply) -> None:
        self._send(reply.status, json.dumps(reply.body).encode(), "application/json; charset=UTF-8", reply.headers)

    def _send(self, status: int, data: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        self._begin(status, content_type, {"Content-Length": str(len(data)), **(headers or {})})
        self.wfile.write(data)

    def _begin(self, status: int, content_type: str, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self.connection.close()
