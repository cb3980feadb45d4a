"""A web server on loopback that answers what a test wants."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = bytes | Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def file_server(answers: dict[str, Answer]) -> Iterator[tuple[str, list[str]]]:
    """Serve answers by path.

    Args:
        answers: By path with its query: bytes for a file, or what writes the answer itself. All else is 404.

    Yields:
        The server's address, and the requests as they come in (``"GET /a.md"``).
    """
    requests: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, answers, requests))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """An answer with a status and headers; underscores in their names stand for hyphens."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return write


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, answers: dict[str, Answer], requests: list[str], *connection: object) -> None:
        self._answers, self._requests = answers, requests
        super().__init__(*connection)  # type: ignore[arg-type]  # what socketserver passes on

    def do_GET(self) -> None:
        found = self._answers.get(self.path, answer(404))
        (answer(body=found) if isinstance(found, bytes) else found)(self)  # type: ignore[operator]  # never bytes here

    def log_message(self, format: str, *args: object) -> None:
        self._requests.append(f"{self.command} {self.path}")
