"""Questions to an index of `scale.py`, each kind in a process of its own; prints JSON.

    python benchmarks/scale_questions.py crowd  index.db notes full_text 16
    python benchmarks/scale_questions.py ours   index.db notes full_text searches.json
    python benchmarks/scale_questions.py bare   index.db notes full_text searches.json

``crowd``: so many first questions at once, each by a thread of its own, and the same number again. ``ours`` asks one
after another, and writes down what it asked Milvus for; ``bare`` asks Milvus for that with nothing but pymilvus.
"""

import argparse
import json
import statistics
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from embedding_server import MODEL
from langchain_core.embeddings import Embeddings
from scale_corpus import questions

QUESTIONS = 40
# Before they are counted.
WARM = 5
TIMEOUT_SECONDS = 300.0


class KnownVectors(Embeddings):
    """Vectors of questions that cost nothing, so that it is the search alone that is measured.

    Args:
        dimension: Their length.
    """

    def __init__(self, dimension: int) -> None:
        self._pool = np.random.default_rng(4).normal(size=(QUESTIONS, dimension))
        self._pool /= np.linalg.norm(self._pool, axis=1, keepdims=True)
        # Of what the collection was built with, which is looked at when it is opened.
        self.fingerprint = {"provider": "openai", "model": MODEL, "dimension": dimension, "normalised": True}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """A vector a text."""
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The same vector for the same text."""
        vector: list[float] = self._pool[sum(text.encode()) % QUESTIONS].tolist()
        return vector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("crowd", "ours", "bare"))
    parser.add_argument("uri")
    parser.add_argument("collection")
    parser.add_argument("mode", choices=("full_text", "dense"))
    parser.add_argument("argument", help="of crowd, how many; else the file of what Milvus was asked for")
    parser.add_argument("--dimension", type=int, default=384)
    arguments = parser.parse_args()
    if arguments.kind == "bare":
        figures = bare(arguments.uri, arguments.collection, json.loads(Path(arguments.argument).read_text()))
    else:
        figures = with_a_retriever(arguments)
    print(json.dumps(figures))


def with_a_retriever(arguments: argparse.Namespace) -> dict[str, float]:
    """Ask through this package."""
    from milvus_rag import milvus_retriever, open_store

    vectors = KnownVectors(arguments.dimension) if arguments.mode == "dense" else None
    with open_store(
        arguments.uri,
        embedding=vectors,
        collection=arguments.collection,
        full_text=arguments.mode == "full_text",
        timeout=TIMEOUT_SECONDS,
    ) as store:
        retriever = milvus_retriever(store, arguments.mode)
        if arguments.kind == "crowd":
            return crowd(retriever, int(arguments.argument))
        return ours(store, retriever, Path(arguments.argument))


def crowd(retriever: Any, clients: int) -> dict[str, float]:
    """CPU seconds of this process for first questions at once, and for the same ones again."""
    asked = questions(clients)

    def all_at_once() -> float:
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda question=question: found.append(len(retriever.invoke(question))))
            for question in asked
        ]
        begun = time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # What a thread raises is printed, and nothing else comes of it.
        if len(found) != clients or not all(found):
            raise SystemExit(f"of {clients} questions, {sum(map(bool, found))} found something")
        return time.process_time() - begun

    return {"cold_cpu_seconds": all_at_once(), "warm_cpu_seconds": all_at_once()}


def ours(store: Any, retriever: Any, searches: Path) -> dict[str, float]:
    """Milliseconds of a question, and what Milvus was asked for."""
    from pymilvus import MilvusClient

    asked: list[dict[str, Any]] = []

    class Noted(MilvusClient):  # type: ignore[misc]  # pymilvus has no types
        """Writes down what it searches for."""

        def search(self, collection_name: str, **options: Any) -> Any:
            asked.append({"collection_name": collection_name, **options})
            return super().search(collection_name, **options)

    store.client.__class__ = Noted
    figures = p50([lambda question=question: retriever.invoke(question) for question in questions(QUESTIONS)])
    if len(asked) != WARM + QUESTIONS:
        raise SystemExit(f"{WARM + QUESTIONS} questions made {len(asked)} searches")
    plain = [{name: _plain(value) for name, value in options.items() if value is not None} for options in asked[WARM:]]
    searches.write_text(json.dumps(plain))
    return figures


def bare(uri: str, collection: str, searches: list[dict[str, Any]]) -> dict[str, float]:
    """Milliseconds of the same searches, by pymilvus alone."""
    from pymilvus import MilvusClient

    client = MilvusClient(uri, timeout=TIMEOUT_SECONDS)
    client.load_collection(collection)
    figures = p50([lambda search=search: client.search(**search) for search in searches])
    client.close()
    return figures


def p50(calls: list[Any]) -> dict[str, float]:
    """The median of calls one after another, some before them to warm up."""
    for call in calls[:WARM]:
        call()
    taken = []
    for call in calls:
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return {"p50_ms": 1000 * statistics.median(taken)}


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return [_plain(part) for part in value] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
