"""A retriever that is given what it cannot use, whose reranker fails, or that is called by something else."""

import logging
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import create_retriever_tool
from langchain_core.vectorstores import InMemoryVectorStore

from milvus_rag import MilvusStore, milvus_retriever, open_store
from milvus_rag.errors import InputError, ProviderUnavailableError
from milvus_rag.models.reranking import OnError, Reranker
from support.word_reranker import CountingReranker

QUESTION = "How many dimensions may a vector have?"


def sources(documents: list[Document]) -> set[str]:
    return {document.metadata["source"] for document in documents}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": "many"}, "k: .*not 'many'"),
        ({"k": 2.5}, "k: .*not 2.5"),
        ({"fusion": "best"}, "fusion: .*'weighted' or 'rrf', not 'best'"),
        ({"weights": (1.0,)}, "weights: "),
        ({"weights": (float("inf"), 1.0)}, "weights"),
        ({"weights": (float("nan"), 1.0)}, "weights"),
        ({"min_score": float("nan")}, "min_score"),
        ({"reranker": "jina"}, "reranker: .*BaseDocumentCompressor, not 'jina'"),
    ],
)
def test_an_argument_of_another_kind_is_refused(handbook: MilvusStore, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        milvus_retriever(handbook, **arguments)


def test_a_store_of_another_kind_is_refused() -> None:
    other: Any = InMemoryVectorStore(DeterministicFakeEmbedding(size=4))

    with pytest.raises(InputError, match=r"not InMemoryVectorStore\. Other vector stores have as_retriever"):
        milvus_retriever(other)


def test_a_store_without_any_search_is_refused(tmp_path: Path) -> None:
    with (
        open_store(str(tmp_path / "bare.db"), full_text=False) as store,
        pytest.raises(InputError, match="neither an embedding nor full-text search"),
    ):
        milvus_retriever(store)


@pytest.mark.parametrize("question", [{"question": QUESTION}, None, 3])
async def test_what_is_no_text_is_no_question(handbook: MilvusStore, question: Any) -> None:
    with pytest.raises(InputError, match="takes a question as text"):
        milvus_retriever(handbook).invoke(question)
    with pytest.raises(InputError, match="takes a question as text"):
        await milvus_retriever(handbook).ainvoke(question)


class _Down:
    """A scorer that cannot be reached."""

    name = "The reranker down"

    def score(self, query: str, texts: list[str]) -> list[tuple[int, float]]:
        raise ProviderUnavailableError("The reranker down does not answer.")


class TestFailingReranker:
    def reranker(self, on_error: OnError) -> Reranker:
        return Reranker(scorer=_Down(), on_error=on_error)

    async def test_the_order_of_the_search_may_be_kept(
        self, handbook: MilvusStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        plain = milvus_retriever(handbook, mode="hybrid", k=4).invoke(QUESTION)
        retriever = milvus_retriever(handbook, mode="hybrid", k=4, reranker=self.reranker("keep_order"))

        with caplog.at_level(logging.WARNING):
            found = retriever.invoke(QUESTION)

        assert [document.id for document in found] == [document.id for document in plain]
        assert [d.metadata["score"] for d in found] == [d.metadata["score"] for d in plain]
        assert {d.metadata["rerank_error"] for d in found} == {"The reranker down does not answer."}
        assert not any("retrieval_score" in d.metadata or "rerank_score" in d.metadata for d in found)
        assert "not reranked" in caplog.text
        assert await retriever.ainvoke(QUESTION) == found

    async def test_or_it_is_an_error(self, handbook: MilvusStore) -> None:
        retriever = milvus_retriever(handbook, mode="hybrid", reranker=self.reranker("raise"))

        with pytest.raises(ProviderUnavailableError):
            retriever.invoke(QUESTION)
        with pytest.raises(ProviderUnavailableError):
            await retriever.ainvoke(QUESTION)

    async def test_nothing_found_is_nothing_to_rerank(self, handbook: MilvusStore) -> None:
        """Some services answer an empty list with an error, all of them cost a request."""
        reranker = CountingReranker(word="x")
        retriever = milvus_retriever(handbook, mode="hybrid", min_score=0.99, reranker=reranker)

        assert retriever.invoke(QUESTION) == []
        assert await retriever.ainvoke(QUESTION) == []
        assert reranker.seen == []


class TestCalledByOthers:
    """What a run was configured with holds for a retriever that is called within it, as elsewhere in LangChain."""

    CONFIG: Any = {"configurable": {"filter": {"area": "guide"}, "k": 7}}  # noqa: RUF012 - read only

    async def test_in_a_function_of_a_chain(self, handbook: MilvusStore) -> None:
        retriever = milvus_retriever(handbook, mode="hybrid", configurable=["filter", "k"])

        async def search(question: str) -> list[Document]:
            return await retriever.ainvoke(question)

        step: Runnable[str, list[Document]] = RunnableLambda(lambda q: retriever.invoke(q), afunc=search)

        assert len(sources(step.invoke(QUESTION))) > 1
        assert sources(step.invoke(QUESTION, self.CONFIG)) == {"guide/search.md"}
        assert await step.ainvoke(QUESTION, self.CONFIG) == step.invoke(QUESTION, self.CONFIG)

    async def test_as_a_tool(self, handbook: MilvusStore) -> None:
        retriever = milvus_retriever(handbook, configurable=["filter", "k"])
        tool = create_retriever_tool(retriever, "handbook", "Looks into the handbook.")

        found = tool.invoke({"query": "paging and vectors"}, self.CONFIG)

        assert "page_token" in found
        assert "backup" not in found
        assert "32768" not in found
        assert await tool.ainvoke({"query": "paging and vectors"}, self.CONFIG) == found

    def test_what_the_call_says_counts_more(self, handbook: MilvusStore) -> None:
        retriever = milvus_retriever(handbook, configurable=["filter", "k"])
        step = RunnableLambda(lambda q: retriever.invoke(q, {"configurable": {"filter": {"area": "ops"}}}))
        other = RunnableLambda(lambda q: retriever.invoke(q, k=1, filter={"area": "ops"}))

        assert sources(step.invoke("vectors", self.CONFIG)) <= {"ops/limits.md", "ops/backup.md"}
        assert len(other.invoke("vectors", self.CONFIG)) == 1
