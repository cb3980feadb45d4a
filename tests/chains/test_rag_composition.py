"""The chain as a part of something larger: piped, watched, configured, cancelled."""

import asyncio
import threading
from collections.abc import Iterator
from functools import reduce
from operator import add, itemgetter
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.runnables.base import RunnableGenerator

from milvus_rag import MilvusStore, milvus_retriever, rag_chain, swappable_chat_model
from milvus_rag.errors import InputError
from support.chat import EndlessChatModel, ReplyChatModel

QUESTION = "How many dimensions may a vector have?"
REPLY = "It is written in the handbook."


@pytest.fixture
def chain(handbook: MilvusStore) -> Runnable[Any, Any]:
    return rag_chain(milvus_retriever(handbook, mode="hybrid"), ReplyChatModel())


class TestPipes:
    async def test_something_after_it(self, chain: Runnable[Any, Any]) -> None:
        sources = chain | (lambda result: [document.metadata["source"] for document in result["context"]])

        assert sources.invoke(QUESTION)[0] == "ops/limits.md"
        assert await sources.ainvoke(QUESTION) == sources.invoke(QUESTION)

    async def test_the_answer_alone_still_streams(self, chain: Runnable[Any, Any]) -> None:
        answer = chain.pick("answer")

        assert list(answer.stream(QUESTION)) == ["It", " is", " written", " in", " the", " handbook."]
        assert [part async for part in answer.astream(QUESTION)] == list(answer.stream(QUESTION))
        assert answer.invoke(QUESTION) == REPLY

    async def test_something_before_it(self, chain: Runnable[Any, Any]) -> None:
        expected = chain.invoke(QUESTION)

        for before in (
            RunnableLambda(lambda given: given["asked"]),
            RunnableLambda(lambda given: {"question": given["asked"]}),
            RunnablePassthrough.assign(question=lambda given: given["asked"]) | RunnableLambda(itemgetter("question")),
        ):
            piped: Runnable[Any, Any] = before | chain
            assert piped.invoke({"asked": QUESTION}) == expected
            assert await piped.ainvoke({"asked": QUESTION}) == expected
            assert next(piped.stream({"asked": QUESTION})) == {"question": QUESTION}
            assert [part async for part in piped.astream({"asked": QUESTION})] == list(chain.stream(QUESTION))

    def test_a_key_that_it_does_not_read_is_refused_by_name(self, chain: Runnable[Any, Any]) -> None:
        piped: Runnable[Any, Any] = RunnablePassthrough.assign(question=lambda given: given["asked"]) | chain

        with pytest.raises(InputError, match=r"does not read asked: .*RunnablePassthrough\.assign\("):
            piped.invoke({"asked": QUESTION})
        around = RunnablePassthrough.assign(rag=RunnableLambda(itemgetter("asked")) | chain)
        assert around.invoke({"asked": QUESTION}) == {"asked": QUESTION, "rag": chain.invoke(QUESTION)}

    def test_dicts_that_come_one_after_the_other(self, chain: Runnable[Any, Any]) -> None:
        """Plain dicts cannot be added; as elsewhere in LangChain, the last one counts."""

        def think_twice(_: Iterator[Any]) -> Iterator[dict[str, str]]:
            yield {"question": "paging?"}
            yield {"question": QUESTION}

        parts = list((RunnableGenerator(think_twice) | chain).stream("ignored"))

        assert parts[0] == {"question": QUESTION}

    def test_beside_others(self, chain: Runnable[Any, Any]) -> None:
        both = RunnablePassthrough.assign(result=chain)

        assert both.invoke({"question": QUESTION})["result"]["answer"] == REPLY

    def test_with_fallbacks_and_retries(self, handbook: MilvusStore, chain: Runnable[Any, Any]) -> None:
        def fail(_: Any) -> Any:
            raise ConnectionError("gone")

        broken = rag_chain(milvus_retriever(handbook), RunnableLambda(fail))

        assert broken.with_fallbacks([chain]).invoke(QUESTION)["answer"] == REPLY
        assert chain.with_retry().invoke(QUESTION)["answer"] == REPLY

    def test_one_bad_question_of_a_batch(self, chain: Runnable[Any, Any]) -> None:
        good, bad = chain.batch([QUESTION, " "], return_exceptions=True)

        assert good["answer"] == REPLY
        assert isinstance(bad, InputError)


class TestSwappedModel:
    @pytest.fixture
    def swapped(self, handbook: MilvusStore) -> Runnable[Any, Any]:
        one, other = ReplyChatModel(name="one", reply="from one"), ReplyChatModel(name="other", reply="from other")
        return rag_chain(milvus_retriever(handbook, configurable=["filter", "k"]), swappable_chat_model(one, other))

    async def test_a_call_chooses_it(self, swapped: Runnable[Any, Any]) -> None:
        config: Any = {"configurable": {"llm": "other", "k": 1}}

        assert swapped.invoke(QUESTION)["answer"] == "from one"
        chosen = swapped.invoke(QUESTION, config)
        assert (chosen["answer"], len(chosen["context"])) == ("from other", 1)
        assert await swapped.ainvoke(QUESTION, config) == chosen
        assert "".join(part.get("answer", "") for part in swapped.stream(QUESTION, config)) == "from other"
        assert "".join([part.get("answer", "") async for part in swapped.astream(QUESTION, config)]) == "from other"

    def test_each_call_of_a_batch_chooses_its_own(self, swapped: Runnable[Any, Any]) -> None:
        configs: Any = [{"configurable": {"llm": name}} for name in ("one", "other", "one")]

        assert [r["answer"] for r in swapped.batch([QUESTION] * 3, configs)] == ["from one", "from other", "from one"]

    def test_the_chain_tells_the_choice(self, swapped: Runnable[Any, Any]) -> None:
        assert {spec.id for spec in swapped.config_specs} == {"llm", "filter", "k"}
        assert {"llm", "filter", "k"} <= set(swapped.get_config_jsonschema()["$defs"]["Configurable"]["properties"])

    def test_an_unknown_one_is_refused(self, swapped: Runnable[Any, Any]) -> None:
        with pytest.raises(InputError, match="Choose one of: one, other"):
            swapped.invoke(QUESTION, {"configurable": {"llm": "third"}})


class Watcher(BaseCallbackHandler):
    """Notes the steps: what they are, and within which they run."""

    def __init__(self) -> None:
        self.kinds: dict[UUID, str] = {}
        self.steps: list[tuple[str, str | None]] = []
        self.ended: list[str] = []
        self.failed: list[str] = []

    def _begin(self, kind: str, run_id: UUID, parent: UUID | None) -> None:
        self.kinds[run_id] = kind
        self.steps.append((kind, self.kinds[parent] if parent else None))

    def on_chain_start(self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **options: Any) -> None:
        self._begin(f"chain {options['name']}", run_id, parent_run_id)

    def on_retriever_start(self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any) -> None:
        self._begin("retriever", run_id, parent_run_id)

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        **__: Any,
    ) -> None:
        self._begin("model", run_id, parent_run_id)

    def on_chain_end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self.ended.append(self.kinds[run_id])

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **__: Any) -> None:
        assert all(isinstance(document, Document) for document in documents)
        self.ended.append(self.kinds[run_id])

    def on_llm_end(self, *_: Any, run_id: UUID, **__: Any) -> None:
        self.ended.append(self.kinds[run_id])

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **__: Any) -> None:
        self.failed.append(f"{self.kinds[run_id]}: {error}")


class TestCallbacks:
    STEPS = (("chain rag", None), ("retriever", "chain rag"), ("model", "chain rag"))

    @pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
    def test_retriever_and_model_are_steps_of_the_chain(self, chain: Runnable[Any, Any], way: str) -> None:
        watcher = Watcher()
        config: Any = {"callbacks": [watcher]}

        async def ask() -> None:
            if way == "ainvoke":
                await chain.ainvoke(QUESTION, config)
            else:
                assert [part async for part in chain.astream(QUESTION, config)]

        if way == "invoke":
            chain.invoke(QUESTION, config)
        elif way == "stream":
            assert list(chain.stream(QUESTION, config))
        else:
            asyncio.run(ask())

        assert tuple(watcher.steps) == self.STEPS
        assert watcher.ended == ["retriever", "model", "chain rag"]

    async def test_async_handlers_are_awaited(self, chain: Runnable[Any, Any]) -> None:
        class Awaited(AsyncCallbackHandler):
            questions: list[str] = []  # noqa: RUF012 - one object, one test

            async def on_retriever_start(self, serialized: dict[str, Any], query: str, **__: Any) -> None:
                await asyncio.sleep(0)
                self.questions.append(query)

        handler = Awaited()
        await chain.ainvoke(QUESTION, {"callbacks": [handler]})

        assert handler.questions == [QUESTION]

    def test_a_run_has_the_name_it_is_given(self, chain: Runnable[Any, Any]) -> None:
        watcher = Watcher()

        chain.invoke(QUESTION, {"callbacks": [watcher], "run_name": "handbook"})

        assert watcher.steps[0] == ("chain handbook", None)

    @pytest.mark.parametrize("streamed", [False, True])
    def test_a_failure_is_that_of_the_chain(self, handbook: MilvusStore, streamed: bool) -> None:
        def fail(_: Any) -> Any:
            raise RuntimeError("out of order")

        watcher = Watcher()
        chain = rag_chain(milvus_retriever(handbook), RunnableLambda(fail))
        ask = (lambda *given: list(chain.stream(*given))) if streamed else chain.invoke

        with pytest.raises(RuntimeError):
            ask(QUESTION, {"callbacks": [watcher]})

        assert watcher.failed[-1] == "chain rag: out of order"


def test_its_graph_shows_the_steps(chain: Runnable[Any, Any]) -> None:
    graph = chain.get_graph()

    names = [node.name for node in graph.nodes.values()]
    assert {"MilvusRetriever", "prompt", "ReplyChatModel"} <= set(names)
    assert names.index("MilvusRetriever") < names.index("prompt") < names.index("ReplyChatModel")
    drawn = (chain | (lambda result: result["answer"])).get_graph().draw_mermaid()
    assert "MilvusRetriever" in drawn


class TestStopping:
    """A model that nobody listens to any more costs money."""

    async def test_a_cancelled_stream_stops_the_model(self, handbook: MilvusStore) -> None:
        model = EndlessChatModel()
        chain = rag_chain(milvus_retriever(handbook), model)
        heard = asyncio.Event()

        async def listen() -> None:
            async for part in chain.astream(QUESTION):
                if "answer" in part:
                    heard.set()

        task = asyncio.create_task(listen())
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert model.calls == ["begun", "ended"]

    async def test_a_cancelled_call_stops_the_model(self, handbook: MilvusStore) -> None:
        begun, stopped = asyncio.Event(), asyncio.Event()

        async def think(_: Any) -> Any:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

        chain = rag_chain(milvus_retriever(handbook), RunnableLambda(think))
        task = asyncio.create_task(chain.ainvoke(QUESTION))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert stopped.is_set()

    def test_a_closed_stream_stops_the_model(self, handbook: MilvusStore) -> None:
        model = EndlessChatModel()
        stream: Any = rag_chain(milvus_retriever(handbook), model).stream(QUESTION)
        for part in stream:
            if "answer" in part:
                break
        assert model.calls == ["begun"]

        stream.close()

        assert model.calls == ["begun", "ended"]

    async def test_a_stream_closed_before_the_answer_asks_no_model(self, handbook: MilvusStore) -> None:
        model = EndlessChatModel()
        stream: Any = rag_chain(milvus_retriever(handbook), model).astream(QUESTION)
        assert await anext(stream) == {"question": QUESTION}

        await stream.aclose()

        assert model.calls == []


def test_it_works_in_many_event_loops_and_threads_at_once(chain: Runnable[Any, Any]) -> None:
    expected = chain.invoke(QUESTION)
    found: list[Any] = []

    async def ask() -> None:
        found.extend(await asyncio.gather(*(chain.ainvoke(QUESTION) for _ in range(3))))
        parts = [part async for part in chain.astream(QUESTION)]
        found.append(reduce(add, parts))

    threads = [threading.Thread(target=lambda: asyncio.run(ask())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [expected] * 16


class TestMistakes:
    @pytest.mark.parametrize("parts", [("store", "chat"), ("retriever", "gemini")])
    def test_parts_that_are_no_runnables_are_refused(self, handbook: MilvusStore, parts: tuple[str, str]) -> None:
        given: dict[str, Any] = {"store": handbook, "retriever": milvus_retriever(handbook), "chat": ReplyChatModel()}

        with pytest.raises(InputError, match=r"is a LangChain runnable.*not (MilvusStore|str)"):
            rag_chain(*(given.get(part, part) for part in parts))

    @pytest.mark.parametrize(
        "prompt", ["Answer {question}.", "Say something about {context}.", "", "{contxt}{question}"]
    )
    def test_a_prompt_without_a_place_for_what_it_needs_is_refused(self, handbook: MilvusStore, prompt: str) -> None:
        with pytest.raises(InputError, match=r"The user prompt has no \{(context|question)\}"):
            rag_chain(milvus_retriever(handbook), ReplyChatModel(), user_prompt=prompt)

    async def test_arguments_that_would_not_arrive_are_refused(self, chain: Runnable[Any, Any]) -> None:
        """A k of the call is the retriever's: dropped without a word, it would look as if there were no more."""
        message = r"The chain takes no k\..*config=\{'configurable': \{'k': 5\}\}"
        with pytest.raises(InputError, match=message):
            chain.invoke(QUESTION, k=5)
        with pytest.raises(InputError, match=message):
            await chain.ainvoke(QUESTION, k=5)
        with pytest.raises(InputError, match=message):
            list(chain.stream(QUESTION, k=5))
        with pytest.raises(InputError, match=message):
            [part async for part in chain.astream(QUESTION, k=5)]

    @pytest.mark.parametrize(
        ("given", "what"),
        [
            ({"query": "x"}, "a dict without one"),
            ({"question": 3}, "{'question': int}"),
            (["x"], "list"),
            (None, "None"),
        ],
    )
    def test_what_is_wrong_with_a_question_is_said(self, chain: Runnable[Any, Any], given: Any, what: str) -> None:
        with pytest.raises(InputError, match="takes a question as text") as raised:
            chain.invoke(given)

        assert f"not {what}" in str(raised.value)
