"""Reranker functions of pymilvus.model."""

import threading
import traceback
from functools import partial
from typing import Any

import pytest
from langchain_core.documents import Document
from pymilvus.model.base import BaseRerankFunction, RerankResult

from milvus_rag import PymilvusReranker
from milvus_rag.errors import ModelError, ModelResponseError, ModelTimeoutError, ProviderUnavailableError


class LongestFirst(BaseRerankFunction):  # type: ignore[misc] # pymilvus.model has no types
    """A reranker in their own terms: the longer the better, the best five unless told otherwise."""

    def __call__(self, query: str, documents: list[str], top_k: int = 5) -> list[RerankResult]:
        ranked = sorted(range(len(documents)), key=lambda place: -len(documents[place]))
        return [
            RerankResult(text=documents[place], score=len(documents[place]) / 100, index=place)
            for place in ranked[:top_k]
        ]


class TestReranker:
    @pytest.mark.parametrize("function", [LongestFirst(), LongestFirst, partial(LongestFirst)])
    def test_all_documents_are_ranked_and_not_their_default_of_five(self, function: Any) -> None:
        documents = [Document("x" * length) for length in range(1, 9)]

        ranked = PymilvusReranker(function).compress_documents(documents, "q")

        assert [len(document.page_content) for document in ranked] == [8, 7, 6, 5, 4, 3, 2, 1]
        assert ranked[0].metadata == {"rerank_score": 0.08}
        assert documents[0].metadata == {}

    def test_a_plain_function_will_do(self) -> None:
        def rerank(query: str, documents: list[str], top_k: int) -> list[RerankResult]:
            return [RerankResult(text=documents[1], score=1.0, index=1)]

        ranked = PymilvusReranker(rerank, top_n=2).compress_documents(
            [Document("a"), Document("b"), Document("c")], "q"
        )
        assert [document.page_content for document in ranked] == ["b", "a"]

    def test_a_function_that_hangs_is_given_up(self) -> None:
        released = threading.Event()

        def hang(query: str, documents: list[str], top_k: int) -> Any:
            released.wait(60)

        with pytest.raises(ModelTimeoutError, match=r"within 0\.1 s"):
            PymilvusReranker(hang, timeout=0.1).compress_documents([Document("a")], "q")
        released.set()

    def test_a_failure_keeps_the_order_when_asked_to(self) -> None:
        def fail(query: str, documents: list[str], top_k: int) -> Any:
            raise RuntimeError("no GPU")

        (kept,) = PymilvusReranker(fail, on_error="keep_order").compress_documents([Document("a")], "q")
        assert "no GPU" in kept.metadata["rerank_error"]
        with pytest.raises(ModelError, match="no GPU"):
            PymilvusReranker(fail).compress_documents([Document("a")], "q")

    def test_an_answer_that_is_no_ranking_is_an_error(self) -> None:
        with pytest.raises(ModelResponseError, match="no ranking"):
            PymilvusReranker(lambda query, documents, top_k: [0.5]).compress_documents([Document("a")], "q")

    async def test_it_is_the_same_async(self) -> None:
        documents = [Document("a"), Document("bb")]
        compressor = PymilvusReranker(LongestFirst)
        assert await compressor.acompress_documents(documents, "q") == compressor.compress_documents(documents, "q")


class TestFailures:
    def test_what_may_pass_is_repeated(self, waits: list[float]) -> None:
        answers: list[Any] = [ConnectionError("gone"), BusyServerError(), [RerankResult("a", 1.0, 0)]]

        def rerank(query: str, documents: list[str], top_k: int) -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        assert PymilvusReranker(rerank).compress_documents([Document("a")], "q")
        assert answers == []

    def test_what_does_not_pass_is_tried_so_often_as_allowed(self, waits: list[float]) -> None:
        calls: list[str] = []

        def rerank(query: str, documents: list[str], top_k: int) -> Any:
            calls.append(query)
            raise BusyServerError

        with pytest.raises(ProviderUnavailableError, match="all machines are busy"):
            PymilvusReranker(rerank, max_retries=2).compress_documents([Document("a")], "q")
        assert len(calls) == 3

    def test_a_key_of_the_function_is_not_shown(self) -> None:
        class WithKey(LongestFirst):
            def __init__(self) -> None:
                self.voyage_api_key = "pa-Q1w2E3r4T5y6"

            def __call__(self, query: str, documents: list[str], top_k: int = 5) -> list[RerankResult]:
                raise ValueError(f"refused: {self.voyage_api_key!r}")

        with pytest.raises(ModelError, match=r"refused: '\*\*\*'") as caught:
            PymilvusReranker(WithKey()).compress_documents([Document("a")], "q")
        assert "pa-Q1w2" not in "".join(traceback.format_exception(caught.value))


class BusyServerError(Exception):
    """Shaped as many clients' errors are."""

    status_code = 503
    body = {"detail": "all machines are busy"}  # noqa: RUF012 - as theirs
