"""One retriever, called in every way that LangChain has."""

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests

from milvus_rag import MilvusStore, milvus_retriever, rag_chain
from milvus_rag.chains.retrieval import MilvusRetriever, Mode
from milvus_rag.errors import FilterError, InputError
from support.chat import ReplyChatModel

QUESTION = "How many dimensions may a vector have?"
MODES: tuple[Mode, ...] = ("dense", "full_text", "hybrid")


class _Standard(RetrieversIntegrationTests):
    """LangChain's own tests of a retriever."""

    mode: Mode

    @pytest.fixture(autouse=True)
    def _take_store(self, handbook: MilvusStore) -> None:
        self._store = handbook

    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return MilvusRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"store": self._store, "mode": self.mode}

    @property
    def retriever_query_example(self) -> str:
        return "backup copies, vector names and the next page of hits"


class TestDense(_Standard):
    mode = "dense"


class TestFullText(_Standard):
    mode = "full_text"


class TestHybrid(_Standard):
    mode = "hybrid"


def sources(documents: list[Document]) -> set[str]:
    return {document.metadata["source"] for document in documents}


@pytest.mark.parametrize("mode", MODES)
async def test_async_gives_what_sync_gives(handbook: MilvusStore, mode: Mode) -> None:
    retriever = milvus_retriever(handbook, mode=mode, k=5, expand=1)

    assert await retriever.ainvoke(QUESTION) == retriever.invoke(QUESTION)
    assert await retriever.ainvoke(QUESTION, k=2) == retriever.invoke(QUESTION, k=2)
    with pytest.raises(InputError):
        await retriever.ainvoke(" ")


async def test_async_with_a_floor_gives_what_sync_gives(handbook: MilvusStore) -> None:
    retriever = milvus_retriever(handbook, mode="hybrid", k=5, min_score=0.2)

    assert await retriever.ainvoke(QUESTION) == retriever.invoke(QUESTION)


def test_one_retriever_works_in_many_event_loops(handbook: MilvusStore) -> None:
    """langchain_milvus' own async search fails in the second one."""
    retriever = milvus_retriever(handbook, mode="hybrid")
    expected = retriever.invoke(QUESTION)

    assert [asyncio.run(retriever.ainvoke(QUESTION)) for _ in range(3)] == [expected] * 3


def test_one_retriever_works_in_loops_of_several_threads_at_once(handbook: MilvusStore) -> None:
    retriever = milvus_retriever(handbook, mode="hybrid")
    found: list[list[Document]] = []

    async def ask_often() -> None:
        found.extend(await asyncio.gather(*(retriever.ainvoke(QUESTION) for _ in range(5))))

    threads = [threading.Thread(target=lambda: asyncio.run(ask_often())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [retriever.invoke(QUESTION)] * 20


def test_batch_and_stream(handbook: MilvusStore) -> None:
    retriever = milvus_retriever(handbook, mode="hybrid")

    assert retriever.batch([QUESTION, "paging"]) == [retriever.invoke(QUESTION), retriever.invoke("paging")]
    assert list(retriever.stream(QUESTION)) == [retriever.invoke(QUESTION)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("filter", [{"source": "ops/limits.md"}, 'source == "ops/limits.md"'])
def test_a_filter_of_every_call(handbook: MilvusStore, mode: Mode, filter: Any) -> None:
    found = milvus_retriever(handbook, mode=mode, k=7, filter=filter).invoke("vector backup names page")

    assert sources(found) == {"ops/limits.md"}


def test_a_call_narrows_the_filter_and_cannot_leave_it(handbook: MilvusStore) -> None:
    retriever = milvus_retriever(handbook, mode="hybrid", k=7, filter={"area": "ops"})

    assert sources(retriever.invoke("vector backup", filter={"source": "ops/limits.md"})) == {"ops/limits.md"}
    assert retriever.invoke("vector backup", filter={"area": "guide"}) == []
    assert retriever.invoke("vector backup", filter='area == "guide"') == []
    assert sources(retriever.invoke("vector backup", filter={})) == {"ops/limits.md", "ops/backup.md"}


def test_a_bad_filter_is_refused(handbook: MilvusStore) -> None:
    with pytest.raises(FilterError):
        milvus_retriever(handbook, mode="dense").invoke(QUESTION, filter={"year": {"$near": 3}})


@pytest.mark.parametrize("k", [0, -1, "3", 2.5])
def test_a_k_of_a_call_that_makes_no_sense_is_refused(handbook: MilvusStore, k: Any) -> None:
    with pytest.raises(InputError, match="k is the number of passages"):
        milvus_retriever(handbook, configurable=["k"]).invoke(QUESTION, config={"configurable": {"k": k}})


BOTH: Any = ("filter", "k")


class TestThroughAChain:
    """`config={"configurable": …}` of the whole chain reaches the retriever in it."""

    def test_filter_and_k(self, handbook: MilvusStore) -> None:
        chain = rag_chain(milvus_retriever(handbook, mode="hybrid", configurable=BOTH), ReplyChatModel())

        usual = chain.invoke(QUESTION)
        given = chain.invoke(QUESTION, config={"configurable": {"filter": {"area": "ops"}, "k": 5}})

        assert len(usual["context"]) == 3
        assert len(given["context"]) == 5
        assert sources(given["context"]) == {"ops/backup.md", "ops/limits.md"}

    async def test_async_and_streamed(self, handbook: MilvusStore) -> None:
        chain = rag_chain(milvus_retriever(handbook, mode="hybrid", configurable=BOTH), ReplyChatModel())
        config: Any = {"configurable": {"filter": {"area": "guide"}, "k": 1}}

        awaited = await chain.ainvoke(QUESTION, config=config)
        streamed = [part async for part in chain.astream(QUESTION, config=config)]

        assert sources(awaited["context"]) == {"guide/search.md"}
        assert next(part["context"] for part in streamed if "context" in part) == awaited["context"]

    def test_each_call_of_a_batch_has_its_own(self, handbook: MilvusStore) -> None:
        chain = rag_chain(milvus_retriever(handbook, mode="hybrid", configurable=BOTH), ReplyChatModel())

        configs: Any = [{"configurable": {"k": k}} for k in (1, 2, 4)]
        found = chain.batch([QUESTION] * 3, config=configs)

        assert [len(answer["context"]) for answer in found] == [1, 2, 4]

    def test_bound_ahead(self, handbook: MilvusStore) -> None:
        chain = rag_chain(milvus_retriever(handbook, mode="hybrid", configurable=BOTH), ReplyChatModel())

        bound = chain.with_config(configurable={"filter": {"area": "guide"}})

        assert sources(bound.invoke(QUESTION)["context"]) == {"guide/search.md"}

    def test_the_chain_tells_what_can_be_configured(self, handbook: MilvusStore) -> None:
        chain = rag_chain(milvus_retriever(handbook, mode="hybrid", configurable=BOTH), ReplyChatModel())

        assert {spec.id for spec in chain.config_specs} >= {"filter", "k"}

    def test_other_keys_are_left_to_others(self, handbook: MilvusStore) -> None:
        retriever = milvus_retriever(handbook, mode="hybrid")

        assert retriever.invoke(QUESTION, config={"configurable": {"llm": "gemini"}}) == retriever.invoke(QUESTION)
