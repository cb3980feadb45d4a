"""How many requests a second one server answers, through each of its doors, beside the same chain without HTTP.

One `milvus-rag serve` over 2,000 chunks in Milvus Lite, 1, 16 and 64 clients in another process, on the model that
quotes and on a model server that takes 500 ms. With 64 clients, 64 / 0.5 s = 128 requests a second is all that there
is to have. Nothing may fail. OpenAI's API and MCP's ``ask`` are measured with 64 clients on that model.

    python benchmarks/serve.py --json serve.json
"""

import argparse
import contextlib
import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
CHUNKS = 2_000
MODEL_SECONDS = 0.5
CLIENTS = (1, 16, 64)
# Requests by model and number of clients: enough for a p99, little enough for patience.
REQUESTS = {("local", 1): 200, ("local", 16): 600, ("local", 64): 1000}
SLOW = "openai:slow"
SLOW_REQUESTS = {1: 20, 16: 320, 64: 5000}
DOORS = ("/rag/invoke", "/v1/chat/completions", "/mcp")
BARE_SLOW_REQUESTS = {1: 20, 16: 320, 64: 1280}


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder, model_server() as model_url:
        served, bare = Path(folder) / "served.db", Path(folder) / "bare.db"
        make_index(served)
        shutil.copytree(served, bare)
        environment = {**os.environ, "OPENAI_BASE_URL": model_url, "OPENAI_API_KEY": "none"}
        with server(served, environment) as url:
            rows = [row for model in ("local", SLOW) for row in measure(model, url, bare, environment, arguments.quick)]
        with server(served, environment, "--llm", SLOW) as url:
            doors = {path: measure_door(f"{url}{path}", environment, arguments.quick) for path in DOORS}
    print_table(rows)
    best = next(row for row in rows if row["model"] == SLOW and row["clients"] == CLIENTS[-1])
    failed = sum(row["server"]["failed"] for row in rows)
    ideal = CLIENTS[-1] / MODEL_SECONDS
    share = best["server"]["requests_per_second"] / ideal
    print(f"{CLIENTS[-1]} clients on the {MODEL_SECONDS * 1000:.0f} ms model: {share:.0%} of {ideal:.0f} requests/s")
    for path, of in doors.items():
        rate = of["requests_per_second"]
        print(f"  the same at {path}: {rate:.1f} requests/s, {rate / ideal:.0%}, p50 {of['p50_ms']:.0f} ms")
    failed += sum(int(of["failed"]) for of in doors.values())
    print(f"{sum(row['server']['requests'] for row in rows):,} requests, {failed} failed")
    figures = {
        "chunks": CHUNKS,
        "model_seconds": MODEL_SECONDS,
        "ideal_requests_per_second": ideal,
        "share_of_ideal": share,
        "failed": failed,
        "rows": rows,
        "doors": doors,
        "cores": os.cpu_count(),
        "machine": platform.platform(),
        "python": platform.python_version(),
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(model: str, url: str, bare: Path, environment: dict[str, str], quick: bool) -> Iterator[dict[str, Any]]:
    """The server and the bare chain in turns, so that both meet the same machine."""
    run("load_generator.py", f"{url}/rag/invoke", clients=4, requests=40, llm=model, environment=environment)
    for clients in CLIENTS:
        requests = SLOW_REQUESTS[clients] if model == SLOW else REQUESTS[model, clients]
        bare_requests = BARE_SLOW_REQUESTS[clients] if model == SLOW else requests
        if quick:
            requests, bare_requests = max(20, requests // 10), max(20, bare_requests // 10)
        options: dict[str, Any] = {"clients": clients, "llm": model, "environment": environment}
        yield {
            "model": model,
            "clients": clients,
            "bare": run("bare_chain.py", str(bare), requests=bare_requests, **options),
            "server": run("load_generator.py", f"{url}/rag/invoke", requests=requests, **options),
        }


def measure_door(url: str, environment: dict[str, str], quick: bool) -> dict[str, float]:
    """Another door with as many clients as there are, on the slow model."""
    clients = CLIENTS[-1]
    requests = SLOW_REQUESTS[clients] // (10 if quick else 1)
    run("load_generator.py", url, clients=4, requests=40, llm=SLOW, environment=environment)
    return run("load_generator.py", url, clients=clients, requests=requests, llm=SLOW, environment=environment)


def run(
    script: str, target: str, *, clients: int, requests: int, llm: str, environment: dict[str, str]
) -> dict[str, float]:
    options = ["--llm", llm, "--clients", str(clients), "--requests", str(requests)]
    command = [sys.executable, str(HERE / script), target, *options]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def make_index(path: Path) -> None:
    """Chunks of 120 words, some of them much more common than others, as in any language."""
    from langchain_core.documents import Document

    from milvus_rag import open_store

    chance = random.Random(7)  # noqa: S311 - the same corpus every time
    words = [f"word{number}" for number in range(2_000)]
    weights = [1 / (1 + number) for number in range(2_000)]
    chunks = [
        Document(
            " ".join(chance.choices(words, weights, k=120)),
            metadata={"source": f"page{number // 10}.md", "headings": ["Page", "Section"], "chunk": number % 10},
        )
        for number in range(CHUNKS)
    ]
    with open_store(str(path)) as store:
        store.add_documents(chunks)


@contextlib.contextmanager
def model_server() -> Iterator[str]:
    with process([sys.executable, HERE / "chat_server.py", "--seconds", str(MODEL_SECONDS)], dict(os.environ)) as lines:
        yield next(lines).strip()


@contextlib.contextmanager
def server(index: Path, environment: dict[str, str], *arguments: str) -> Iterator[str]:
    program = Path(sys.executable).with_name("milvus-rag")
    command = [program, "serve", "--port", "0", "--uri", index, "--allow-llm", SLOW, *arguments]
    # Of made-up words the server finds that the documents do not answer, and asks no model.
    command += ["--min-score", "none"]
    with process(command, environment) as lines:
        for line in lines:
            if found := re.search(r"Listening on (http://\S+?)/\"", line):
                yield found[1]
                return
        raise SystemExit("The server did not start.")


@contextlib.contextmanager
def process(command: list[Any], environment: dict[str, str]) -> Iterator[Iterator[str]]:
    """A process whose first lines are read; the others go to a file, so that it never waits for a reader."""
    with tempfile.NamedTemporaryFile("r", suffix=".log") as log:
        with Path(log.name).open("w") as output:
            started = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _follow(log.file, started)
        finally:
            started.terminate()
            started.wait(60)


def _follow(log: Any, started: "subprocess.Popen[bytes]") -> Iterator[str]:
    import time

    while True:
        if line := log.readline():
            yield line
        elif started.poll() is not None:
            return
        else:
            time.sleep(0.05)


def print_table(rows: list[dict[str, Any]]) -> None:
    print(f"{'model':14}{'clients':>8}  {'':8}{'req/s':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'failed':>8}")
    for row in rows:
        for name in ("bare", "server"):
            of = row[name]
            percentiles = "".join(f"{of[f'p{percent}_ms']:9.0f}" for percent in (50, 95, 99))
            failed = f"{of['failed']:8}" if "failed" in of else ""
            print(f"{row['model']:14}{row['clients']:8}  {name:8}{of['requests_per_second']:8.1f}{percentiles}{failed}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--quick", action="store_true", help="a tenth of the requests")
    return parser.parse_args()


if __name__ == "__main__":
    main()
