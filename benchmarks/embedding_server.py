"""An embedding server for benchmarks: OpenAI's protocol on loopback, slow and strict as a provider is.

It takes 100 ms a request and refuses more than 100 texts. Its vectors come from a pool, by a digest of the text, so
that it costs next to nothing and the process that is measured has the machine to itself.

    python benchmarks/embedding_server.py --dimension 768
"""

import argparse
import base64
import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

LATENCY_SECONDS = 0.1
MAX_TEXTS = 100
MODEL = "benchmark"
_POOL = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--latency", type=float, default=LATENCY_SECONDS, help="seconds a request")
    arguments = parser.parse_args()
    server = EmbeddingServer(arguments.dimension, arguments.latency)
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    server.serve_forever()


class EmbeddingServer(ThreadingHTTPServer):
    """Counts what it is asked for; ``GET /v1/counts`` tells, and begins anew."""

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, dimension: int, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        vectors = np.random.default_rng(0).normal(size=(_POOL, dimension)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        self.pool = [json.dumps(base64.b64encode(vector.tobytes()).decode()) for vector in vectors]
        self.lists = [json.dumps(vector.tolist()) for vector in vectors]
        self.latency = latency
        self.lock = threading.Lock()
        self.counts = {"requests": 0, "texts": 0, "refused": 0, "peak": 0}
        self.under_way = 0

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that are gone: some are killed on purpose."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: EmbeddingServer

    def do_GET(self) -> None:
        with self.server.lock:
            counts, self.server.counts = self.server.counts, dict.fromkeys(self.server.counts, 0)
        self._send(200, json.dumps(counts))

    def do_POST(self) -> None:
        begun = time.monotonic()
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
        refused = len(texts) > MAX_TEXTS
        with self.server.lock:
            self.server.under_way += 1
            counts = self.server.counts
            counts["peak"] = max(counts["peak"], self.server.under_way)
            counts["requests"] += 1
            counts["refused"] += refused
            counts["texts"] += 0 if refused else len(texts)
        try:
            if refused:
                self._send(400, json.dumps({"error": {"message": f"Too many inputs: at most {MAX_TEXTS}."}}))
                return
            answer = self._answer(texts, request.get("encoding_format") == "base64")
            time.sleep(max(0.0, self.server.latency - (time.monotonic() - begun)))
            self._send(200, answer)
        finally:
            with self.server.lock:
                self.server.under_way -= 1

    def _answer(self, texts: list[str], is_base64: bool) -> str:
        pool = self.server.pool if is_base64 else self.server.lists
        places = (int.from_bytes(hashlib.md5(text.encode(), usedforsecurity=False).digest()[:4]) for text in texts)
        data = ",".join(
            f'{{"object":"embedding","index":{i},"embedding":{pool[place % _POOL]}}}' for i, place in enumerate(places)
        )
        return f'{{"object":"list","model":"{MODEL}","data":[{data}],"usage":{{"prompt_tokens":1,"total_tokens":1}}}}'

    def _send(self, status: int, body: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


@contextmanager
def embedding_server(dimension: int, latency: float = LATENCY_SECONDS) -> Iterator[str]:
    """Run it in a process of its own. Gives its base URL."""
    command = [sys.executable, __file__, "--dimension", str(dimension), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.kill()


if __name__ == "__main__":
    main()
