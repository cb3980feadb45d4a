"""A wrong answer of an embedding model is one error with the same words, whatever asked for it."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.embeddings import Embeddings
from pymilvus import DataType, MilvusClient

from milvus_rag import MilvusStore, open_store
from milvus_rag.errors import ModelResponseError
from milvus_rag.indexing.embedding_requests import EmbeddingRequests

DIMENSION = 2
WRONG = {
    "texts": ["0.5", "0.5"],
    "booleans": [True, 0.5],
    "nothing": [None, 0.5],
    "complex": [1j, 0.5],
    "nested": [[0.5], [0.5]],
    "too large": [1e300, 0.5],
    "zeros": [0.0, 0.0],
    "empty": [],
}


class Answering(Embeddings):
    """Answers every text with one vector, or what was set in its place."""

    def __init__(self, vector: Any) -> None:
        self.vector = vector

    def embed_documents(self, texts: list[str]) -> list[Any]:
        return [self.vector for _ in texts]

    def embed_query(self, text: str) -> Any:
        return self.vector


def by_sync(store: MilvusStore) -> None:
    assert store.embedding is not None
    (answer,) = EmbeddingRequests(store.embedding, threading.Event()).embed(["x"])
    if isinstance(answer, Exception):
        raise answer


WAYS: dict[str, Callable[[MilvusStore], Any]] = {
    "sync": by_sync,
    "add_texts": lambda store: store.add_texts(["x"]),
    "aadd_texts": lambda store: asyncio.run(store.aadd_texts(["x"])),
    "search": lambda store: store.similarity_search("x"),
    "asearch": lambda store: asyncio.run(store.asimilarity_search("x")),
    "mmr": lambda store: store.max_marginal_relevance_search("x"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_is_told_in_the_same_words(wrong: str, tmp_path: Path) -> None:
    said = set()
    with open_store(str(tmp_path / "a.db"), embedding=Answering(WRONG[wrong]), full_text=False) as store:
        for ask in WAYS.values():
            with pytest.raises(ModelResponseError, match=r"^The embedding model answered ") as caught:
                ask(store)
            said.add(str(caught.value))
        assert not store.exists
    assert len(said) == 1


@pytest.mark.parametrize("ask", [WAYS["add_texts"], WAYS["aadd_texts"]], ids=["add_texts", "aadd_texts"])
def test_too_few_are_the_models_fault_and_not_the_callers(ask: Callable[[MilvusStore], Any], tmp_path: Path) -> None:
    embedding = Answering([1.0, 0.0])
    embedding.embed_documents = lambda texts: []  # type: ignore[method-assign]
    with open_store(str(tmp_path / "a.db"), embedding=embedding, full_text=False) as store:
        with pytest.raises(ModelResponseError, match="answered 0 vectors for 1 texts"):
            ask(store)
        assert not store.exists


def test_zeros_are_a_place_where_distances_are_compared(tmp_path: Path) -> None:
    """In a collection of another program's, by L2."""
    uri = str(tmp_path / "a.db")
    client = MilvusClient(uri)
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=True)
    schema.add_field("id", DataType.VARCHAR, is_primary=True, max_length=100)
    schema.add_field("text", DataType.VARCHAR, max_length=100)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
    index = MilvusClient.prepare_index_params()
    index.add_index("vector", index_type="FLAT", metric_type="L2")
    client.create_collection("theirs", schema=schema, index_params=index)
    client.close()
    with open_store(uri, embedding=Answering([0.0, 0.0]), collection="theirs", full_text=False) as store:
        store.add_texts(["x"], ids=["1"])
        assert [hit.id for hit in store.similarity_search("x")] == ["1"]
