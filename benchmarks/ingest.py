"""How fast documents become an index, beside the tutorials' loop, langchain_milvus, and what is possible at all.

The "# " chunks of all pages of the Milvus documentation are embedded by a loopback server that takes 100 ms a request
and refuses more than 100 texts (`embedding_server.py`), and stored in Milvus. In one run, on each of the Milvus servers
that are there:

- this project: `sync` into a new collection, and a second, unchanged run, which begins with a strong read;
- the tutorials' loop: one text a request, a slice of it measured and scaled, then one insert;
- `langchain_milvus.Milvus.add_documents` with the same embeddings;
- the limit: the larger of requests x latency / concurrency and what bare `MilvusClient.insert` calls take for the rows;
- the peak memory of the client process at 4,000 and 40,000 chunks.

    python benchmarks/ingest.py --json ingest.json
"""

import argparse
import gc
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from embedding_server import LATENCY_SECONDS, MAX_TEXTS, MODEL, embedding_server

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from support.milvus_server import milvus_server  # noqa: E402 - found only now

DOCS = ROOT.parent / "shared" / "data" / "milvus_docs_2.4.x_en.zip"
DIMENSION = 768
CONCURRENCY = 8
SLICE = 40
MEMORY_CHUNKS = (4_000, 40_000)
# What a chunk of the documentation has.
CHUNK_CHARS = 330
ROWS_PER_INSERT = 500


def main() -> None:
    arguments = _arguments()
    if arguments.memory_run:
        _memory_run(*arguments.memory_run)
        return
    if not arguments.docs.exists():
        print(f"Nothing to measure: there is no {arguments.docs}.")
        return
    figures: dict[str, Any] = {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "dimension": DIMENSION,
        "latency_seconds": LATENCY_SECONDS,
        "texts_per_request": MAX_TEXTS,
        "concurrency": CONCURRENCY,
        "servers": {},
    }
    with embedding_server(DIMENSION) as base_url, tempfile.TemporaryDirectory() as folder:
        for name, running in {"Milvus 2.3.5": milvus_server, "Milvus Lite as a server": lite_server}.items():
            if arguments.only and arguments.only not in name:
                continue
            with running(Path(folder)) as uri:
                figures["servers"][name] = measure(uri, base_url, arguments)
            _show(name, figures["servers"][name])
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(uri: str, base_url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures on one Milvus."""
    runs = [_turn(uri, base_url, arguments.docs) for _ in range(arguments.turns)]
    figures: dict[str, Any] = {name: min(run[name] for run in runs) for name in runs[0]}
    chunks, ours = int(figures["chunks"]), figures["ours_seconds"]
    loop = _tutorial_loop(base_url, chunks) + figures["bare_insert_seconds"]
    embedding_limit = math.ceil(chunks / MAX_TEXTS) * LATENCY_SECONDS / CONCURRENCY
    limit = max(embedding_limit, figures["bare_insert_seconds"])
    figures |= {
        "tutorial_loop_seconds": loop,
        "embedding_limit_seconds": embedding_limit,
        "limit_seconds": limit,
        "times_as_fast_as_tutorial_loop": loop / ours,
        "times_as_fast_as_add_documents": figures["add_documents_seconds"] / ours,
        "times_the_limit": ours / limit,
        "second_run_share": figures["second_run_seconds"] / ours,
    }
    if not arguments.no_memory:
        peaks = [_peak_memory(uri, base_url, chunks) for chunks in MEMORY_CHUNKS]
        figures |= {
            "peak_mib": dict(zip(map(str, MEMORY_CHUNKS), peaks, strict=True)),
            "memory_ratio": peaks[-1] / peaks[0],
        }
    return figures


def _turn(uri: str, base_url: str, docs: Path) -> dict[str, float]:
    from milvus_rag import MarkdownLoader, MarkerSplitter, open_store, sync

    loader, splitter = MarkdownLoader(docs), MarkerSplitter()
    _counts(base_url)
    with open_store(uri, embedding=_embedding(base_url), collection=_new_name(), full_text=False) as store:
        ours = _seconds(lambda: sync(loader, splitter, store, max_concurrency=CONCURRENCY))
        first = _counts(base_url)
        # A server goes on loading a new collection for some seconds. Whoever indexes again comes later than that.
        chunks = store.count()
        again = _seconds(lambda: sync(loader, splitter, store, max_concurrency=CONCURRENCY))
        second = _counts(base_url)
        # What a run that misses nothing cannot do without; a server answers when its clock has passed the question.
        strong_read = _seconds(store.count)
        rows = [row for batch in store.collection.rows().iterate("", [*_fields(store)]) for row in batch]
        store.drop()
    if second["requests"]:
        raise SystemExit(f"The unchanged run asked for {second['requests']} embeddings.")
    return {
        "chunks": chunks,
        "embedding_requests": first["requests"],
        "peak_in_flight": first["peak"],
        "ours_seconds": ours,
        "second_run_seconds": again,
        "strong_read_seconds": strong_read,
        "bare_insert_seconds": _bare_inserts(uri, rows),
        "add_documents_seconds": _add_documents(uri, base_url, docs),
    }


def _fields(store: Any) -> list[str]:
    return [*store.layout.document_fields, store.layout.vector_field]


def _bare_inserts(uri: str, rows: list[dict[str, Any]]) -> float:
    """The same rows in a collection of the same schema, by nothing but the client."""
    import numpy as np
    from pymilvus import MilvusClient

    from milvus_rag.stores.new_collection import NewCollection, new_schema

    for row in rows:
        row["vector"] = np.asarray(row["vector"], dtype=np.float32)
    client, name = MilvusClient(uri), _new_name()
    index = client.prepare_index_params()
    index.add_index("vector", index_type="AUTOINDEX", metric_type="IP")
    schema = new_schema(NewCollection(), dimension=DIMENSION, bm25=False, sparse=False, nullable=False)
    client.create_collection(name, schema=schema)
    client.create_index(name, index)
    client.load_collection(name)

    def insert() -> None:
        for start in range(0, len(rows), ROWS_PER_INSERT):
            client.insert(name, rows[start : start + ROWS_PER_INSERT])

    seconds = _seconds(insert)
    client.drop_collection(name)
    client.close()
    return seconds


def _add_documents(uri: str, base_url: str, docs: Path) -> float:
    from langchain_milvus import Milvus

    from milvus_rag import MarkdownLoader, MarkerSplitter

    store = Milvus(
        _embedding(base_url),
        collection_name=_new_name(),
        connection_args={"uri": uri},
        index_params={"index_type": "AUTOINDEX", "metric_type": "IP"},
        enable_dynamic_field=True,
        auto_id=True,
    )
    seconds = _seconds(
        lambda: store.add_documents(MarkerSplitter().split_documents(list(MarkdownLoader(docs).lazy_load())))
    )
    store.client.drop_collection(store.collection_name)
    return seconds


def _tutorial_loop(base_url: str, chunks: int) -> float:
    """Seconds for all texts, one a request, as the Fireworks tutorial's `emb_text` does; a slice is measured."""
    from openai import OpenAI

    client = OpenAI(base_url=base_url, api_key="none")
    seconds = _seconds(
        lambda: [client.embeddings.create(input=f"text {i}", model=MODEL).data[0].embedding for i in range(SLICE)]
    )
    return seconds / SLICE * chunks


def _memory_run(uri: str, base_url: str, chunks: str) -> None:
    """In a process of its own: index so many chunks and print the peak memory in MiB."""
    from langchain_core.document_loaders import BaseLoader
    from langchain_core.documents import Document

    from milvus_rag import MarkerSplitter, open_store, sync

    class Pages(BaseLoader):
        """Pages of twenty chunks, made one at a time."""

        path = "pages"

        def lazy_load(self) -> Iterator[Document]:
            for page in range(int(chunks) // 20):
                parts = (f"Part {page}.{part}\n" + f"word{page % 97} " * (CHUNK_CHARS // 7) for part in range(20))
                yield Document("# ".join(parts), metadata={"source": f"{page}.md"})

    with open_store(uri, embedding=_embedding(base_url), collection=_new_name(), full_text=False) as store:
        report = sync(Pages(), MarkerSplitter(), store, max_concurrency=CONCURRENCY)
        if report.added != int(chunks):
            raise SystemExit(f"Not all chunks were stored: {report}")
        sync(Pages(), MarkerSplitter(), store, max_concurrency=CONCURRENCY)
        store.drop()
    print(_peak_mib())


def _peak_mib() -> float:
    # What getrusage tells may be the peak of the process that started this one.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("Peak memory is measured on Linux only.")


def _peak_memory(uri: str, base_url: str, chunks: int) -> float:
    command = [sys.executable, __file__, "--memory-run", uri, base_url, str(chunks)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _embedding(base_url: str) -> Any:
    from milvus_rag import embedding_model

    return embedding_model(
        f"openai:{MODEL}", base_url=base_url, api_key="none", max_batch=MAX_TEXTS, dimension=None, normalise=True
    )


def _counts(base_url: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{base_url}/counts", timeout=10) as answer:  # noqa: S310 - loopback
        counts: dict[str, int] = json.load(answer)
    return counts


def _seconds(work: Callable[[], object]) -> float:
    # What was measured before leaves half a million objects to look through, which takes 0.2 s.
    gc.collect()
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _new_name() -> str:
    return f"ingest_{uuid.uuid4().hex[:12]}"


@contextmanager
def lite_server(folder: Path) -> Iterator[str]:
    """Milvus Lite in a process of its own."""
    script = Path(sys.executable).with_name("milvus-lite")
    uri = "http://127.0.0.1:19540"
    command = [script, "server", "--data-dir", str(folder / "lite.db"), "--host", "127.0.0.1", "--port", "19540"]
    with _process(command, uri):
        yield uri


@contextmanager
def _process(command: list[Any], uri: str) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 120
            while not _answers(uri):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command[0]} did not start.")
                time.sleep(0.5)
            yield
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()


def _answers(uri: str) -> bool:
    import logging

    from pymilvus import MilvusClient

    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    try:
        client = MilvusClient(uri=uri, timeout=2)
        client.list_collections()
        client.close()
    except Exception:  # noqa: BLE001 - whatever is wrong, it does not answer yet
        return False
    return True


def _show(name: str, figures: dict[str, Any]) -> None:
    print(f"\n{name}: {figures['chunks']:.0f} chunks, {figures['embedding_requests']:.0f} embedding requests")
    for label, key in {
        "this project": "ours_seconds",
        "unchanged second run": "second_run_seconds",
        "a strong read": "strong_read_seconds",
        "tutorials' loop (scaled)": "tutorial_loop_seconds",
        "add_documents": "add_documents_seconds",
        "bare inserts": "bare_insert_seconds",
        "limit": "limit_seconds",
    }.items():
        print(f"  {label:26}{figures[key]:9.2f} s")
    print(f"  {figures['times_as_fast_as_tutorial_loop']:.0f} times as fast as the tutorials' loop (at least 50)")
    print(f"  {figures['times_as_fast_as_add_documents']:.1f} times as fast as add_documents (at least 2)")
    print(f"  {figures['times_the_limit']:.2f} times the limit (at most 1.5)")
    print(f"  second run: {figures['second_run_share']:.2f} of the first (at most 0.33)")
    if "memory_ratio" in figures:
        peaks = ", ".join(f"{chunks}: {peak:.0f} MiB" for chunks, peak in figures["peak_mib"].items())
        print(f"  peak memory {peaks}; ratio {figures['memory_ratio']:.2f} (at most 1.3)")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, default=DOCS)
    parser.add_argument("--turns", type=int, default=5, help="of which the fastest counts")
    parser.add_argument("--only", help="a part of a server's name")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory-run", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
