"""Wrong types are an `InputError` in every method that searches or adds, before anything is embedded."""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding

from milvus_rag import MilvusStore, open_store
from milvus_rag.errors import InputError

VECTOR = [1.0, 0.0, 0.0, 0.0]


class _Embedding(DeterministicFakeEmbedding):
    """Fails at what is no text, as paid models do, and late."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        assert all(isinstance(text, str) for text in texts), "was embedded"
        return super().embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        assert isinstance(text, str), "was embedded"
        return super().embed_query(text)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
    with open_store(tmp_path_factory.mktemp("inputs") / "test.db", embedding=_Embedding(size=4)) as store:
        store.add_texts(["tea", "coffee"], ids=["1", "2"])
        yield store


def _run(call: Callable[[], Any]) -> None:
    answer = call()
    if inspect.isawaitable(answer):

        async def wait() -> None:
            await answer

        asyncio.run(wait())


BY_TEXT = ["similarity_search", "similarity_search_with_score", "max_marginal_relevance_search"]
BY_TEXT += ["similarity_search_with_relevance_scores"]
BY_VECTOR = ["similarity_search_by_vector", "similarity_search_with_score_by_vector"]
BY_VECTOR += ["max_marginal_relevance_search_by_vector"]


@pytest.mark.parametrize("k", [True, 2.5, "3", None, 0, -1], ids=repr)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("method", [*BY_TEXT, *BY_VECTOR])
def test_k(store: MilvusStore, method: str, is_async: bool, k: Any) -> None:
    question: Any = VECTOR if method in BY_VECTOR else "tea"
    with pytest.raises(InputError, match=r"\bk is the number of hits, a whole number"):
        _run(lambda: getattr(store, f"{'a' * is_async}{method}")(question, k=k))


@pytest.mark.parametrize("text", [None, b"tea", 7, ["tea"]], ids=repr)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("method", BY_TEXT)
def test_a_query_that_is_no_text(store: MilvusStore, method: str, is_async: bool, text: Any) -> None:
    with pytest.raises(InputError, match="A query is a text"):
        _run(lambda: getattr(store, f"{'a' * is_async}{method}")(text))


@pytest.mark.parametrize(
    ("method", "arguments", "named"),
    [
        ("add_texts", (["a", None],), "NoneType"),
        ("add_texts", ([b"a"],), "bytes"),
        ("add_texts", ("one text",), "as a list"),
        ("add_texts", (None,), "as a list"),
        ("add_texts", (["a"], [None]), "NoneType"),
        ("add_texts", (["a"], ["metadata"]), "str"),
        ("add_embeddings", ([1], [VECTOR]), "int"),
        ("add_embeddings", (["a"], "vectors"), "as a list"),
        ("add_documents", (["text"],), "Document"),
        ("add_documents", (None,), "as a list"),
        ("add_documents", (Document("x"),), "Document"),
        ("upsert", (None, ["text"]), "Document"),
        ("get_by_ids", ("12",), "list of texts"),
        ("get_by_ids", ([1],), "texts"),
        ("delete", ("12",), "list of texts"),
        ("search_by_metadata", ({"a": 1}, None, True), "limit"),
        ("search_by_metadata", ({"a": 1}, None, "3"), "limit"),
        ("max_marginal_relevance_search", ("tea", 2, "20"), "fetch_k"),
        ("max_marginal_relevance_search", ("tea", 2, 20, "x"), "lambda_mult"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_other_arguments(
    store: MilvusStore, method: str, arguments: tuple[Any, ...], named: str, is_async: bool
) -> None:
    with pytest.raises(InputError, match=named):
        _run(lambda: getattr(store, f"{'a' * is_async}{method}")(*arguments))
    assert store.count() == 2
