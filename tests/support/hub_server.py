"""A model hub on loopback: what huggingface_hub asks for when it downloads one repository's files."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def hub_server(repository: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder's files as a repository.

    Args:
        repository: E.g. ``"Qdrant/all-MiniLM-L6-v2-onnx"``.
        folder: Its files.

    Yields:
        The hub's address (``HF_ENDPOINT``), and the requests as they come in (``"GET /…"``).
    """
    requests: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, repository, folder, requests))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, repository: str, folder: Path, requests: list[str], *connection: object) -> None:
        self._repository, self._folder, self._requests = repository, folder, requests
        super().__init__(*connection)  # type: ignore[arg-type] # what socketserver passes on

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        self._requests.append(f"{self.command} {self.path}")

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        files = {file.name: file.read_bytes() for file in self._folder.iterdir() if file.is_file()}
        api = f"/api/models/{self._repository}"
        body, headers, status = b"not found", {}, 404
        if path == "/":
            body, status = b"a hub", 200
        elif path in (api, f"{api}/revision/main", f"{api}/revision/{_COMMIT}"):
            siblings = [{"rfilename": name} for name in files]
            body, status = json.dumps({"id": self._repository, "sha": _COMMIT, "siblings": siblings}).encode(), 200
        elif path in (f"{api}/tree/main", f"{api}/tree/{_COMMIT}"):
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}  # noqa: S324 - git's own
                for name, content in files.items()
            ]
            body, status = json.dumps(entries).encode(), 200
        elif (prefix := f"/{self._repository}/resolve/") and path.startswith(prefix):
            content = files.get(path.rpartition("/")[2])
            if content is not None:
                headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": _COMMIT}
                body, status = content, 200
            else:
                headers = {"X-Error-Code": "EntryNotFound"}
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self.wfile.write(body)
