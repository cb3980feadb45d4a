"""Chain, retriever and models among LangChain's runnables, in graphs, in a foreign server: one program each."""

import warnings
from collections.abc import Iterator
from operator import itemgetter
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from langchain_classic.chains import create_history_aware_retriever, create_retrieval_chain
from langchain_classic.chains.combine_documents import create_stuff_documents_chain
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.language_models import FakeListChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import (
    ConfigurableField,
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    chain,
)
from langchain_core.runnables.history import RunnableWithMessageHistory
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from langserve import add_routes
from typing_extensions import TypedDict

from milvus_rag import MilvusStore, chat_model, milvus_retriever, rag_chain
from milvus_rag.errors import StoreUnavailableError
from support.chat import ReplyChatModel
from support.notes import NOTES
from support.scripted_chat import ScriptedChat

QUESTION = "When are tomatoes watered?"
TOMATOES, ROSES, LATHE, SAWS = (note.page_content for note in NOTES)


@pytest.fixture(scope="module")
def rag(notes: MilvusStore) -> Runnable[Any, Any]:
    return rag_chain(milvus_retriever(notes, k=1), chat_model("local"))


def passages(output: Any) -> list[str]:
    return [document.page_content for document in output["context"]]


def test_the_chain_of_the_tutorials(notes: MilvusStore) -> None:
    prompt = ChatPromptTemplate.from_template("Answer from this:\n{context}\n\nQuestion: {question}")
    model = ReplyChatModel(reply="In July.")
    written = (
        {
            "context": milvus_retriever(notes, k=1) | (lambda found: "\n\n".join(one.page_content for one in found)),
            "question": RunnablePassthrough(),
        }
        | prompt
        | model
        | StrOutputParser()
    )

    assert written.invoke(QUESTION) == "In July."
    assert TOMATOES in str(model.sent[0][0].content)


def test_beside_other_steps(rag: Runnable[Any, Any]) -> None:
    both = RunnableParallel(rag=rag, length=RunnableLambda(len))

    output = both.invoke(QUESTION)
    assert passages(output["rag"]) == [TOMATOES]
    assert output["length"] == len(QUESTION)


def test_with_what_goes_on_around_it(rag: Runnable[Any, Any]) -> None:
    around = RunnablePassthrough.assign(rag=itemgetter("question") | rag) | RunnableLambda(
        lambda state: (state["user"], passages(state["rag"]))
    )

    assert around.invoke({"question": QUESTION, "user": "me"}) == ("me", [TOMATOES])


def test_parts_are_picked(rag: Runnable[Any, Any]) -> None:
    assert TOMATOES in str(rag.pick("answer").invoke(QUESTION))
    assert "".join(part for part in rag.pick("answer").stream(QUESTION) if part).count(TOMATOES) == 1


def test_a_branch(rag: Runnable[Any, Any]) -> None:
    small_talk = RunnableLambda(lambda _: "Hello.")
    either: Runnable[str, Any] = RunnableBranch((lambda text: "?" in text, rag.pick("answer")), small_talk)

    assert TOMATOES in either.invoke(QUESTION)
    assert either.invoke("Hi") == "Hello."


async def test_a_step_of_a_function(rag: Runnable[Any, Any]) -> None:
    @chain
    async def twice(question: str) -> list[str]:
        return passages(await rag.ainvoke(question)) + passages(await rag.ainvoke("roses"))

    assert await twice.ainvoke(QUESTION) == [TOMATOES, ROSES]


def test_a_model_that_fails_has_another_behind_it(notes: MilvusStore) -> None:
    with ScriptedChat("never said") as server:
        first = chat_model("openai:m", base_url=server.base_url, api_key="wrong", max_retries=0)
        answering = rag_chain(milvus_retriever(notes, k=1), first.with_fallbacks([chat_model("local")]))

        assert f"> {TOMATOES}" in answering.invoke(QUESTION)["answer"]
        assert f"> {TOMATOES}" in "".join(part.get("answer", "") for part in answering.stream(QUESTION))


def test_a_store_that_fails_has_another_behind_it(notes: MilvusStore) -> None:
    def away(_: str) -> list[Any]:
        raise StoreUnavailableError("No Milvus answers.")

    first = RunnableLambda(away).with_fallbacks(
        [milvus_retriever(notes, k=1)], exceptions_to_handle=(StoreUnavailableError,)
    )

    assert passages(rag_chain(first, chat_model("local")).invoke(QUESTION)) == [TOMATOES]


def test_many_at_once(rag: Runnable[Any, Any]) -> None:
    outputs = rag.batch([QUESTION, "roses", "saws", ""], {"max_concurrency": 2}, return_exceptions=True)

    assert [passages(output) for output in outputs[:3]] == [[TOMATOES], [ROSES], [SAWS]]
    assert "The question is empty" in str(outputs[3])
    assert rag.map().invoke(["lathe"])[0]["context"][0].page_content == LATHE


def test_alternatives(notes: MilvusStore, rag: Runnable[Any, Any]) -> None:
    brief = rag_chain(milvus_retriever(notes, k=1), ReplyChatModel(reply="In July."))
    either: Any = rag.configurable_alternatives(ConfigurableField(id="style"), default_key="quoting", brief=brief)  # type: ignore[attr-defined]  # of a serializable runnable

    assert TOMATOES in either.invoke(QUESTION)["answer"]
    assert either.with_config(configurable={"style": "brief"}).invoke(QUESTION)["answer"] == "In July."


def test_answers_are_cached(notes: MilvusStore) -> None:
    with ScriptedChat("once", "twice") as server:
        model = chat_model("openai:m", base_url=server.base_url, api_key=server.key, max_retries=0)
        cached = model.model_copy(update={"cache": InMemoryCache()})
        answering = rag_chain(milvus_retriever(notes, k=1), cached)

        assert [answering.invoke(question)["answer"] for question in (QUESTION, QUESTION, "roses")] == [
            "once",
            "once",
            "twice",
        ]
        assert len(server.chats) == 2


class Watching(BaseCallbackHandler):
    """Remembers what was begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        self.begun.append(f"chain {kwargs.get('name')}")

    def on_retriever_start(self, serialized: Any, query: str, **kwargs: Any) -> None:
        self.begun.append(f"retriever {query}")

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.begun.append(f"model {len(messages[0])}")


async def test_callbacks_and_events(rag: Runnable[Any, Any]) -> None:
    watching = Watching()
    rag.invoke(QUESTION, {"callbacks": [watching]})
    events = [event["event"] async for event in rag.astream_events(QUESTION, version="v2")]

    assert watching.begun == ["chain rag", f"retriever {QUESTION}", "model 2"]
    assert {"on_retriever_end", "on_chat_model_stream", "on_chain_end"} <= set(events)


def test_langchains_chains_for_retrieval(notes: MilvusStore) -> None:
    prompt = ChatPromptTemplate.from_messages([("system", "Answer from this:\n\n{context}"), ("human", "{input}")])
    written = create_retrieval_chain(
        milvus_retriever(notes, k=1), create_stuff_documents_chain(chat_model("local"), prompt)
    )

    output = written.invoke({"input": QUESTION})
    assert passages(output) == [TOMATOES]
    assert f"> {TOMATOES}" in output["answer"]


def test_langchains_retriever_that_knows_the_history(notes: MilvusStore) -> None:
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("chat_history"), ("human", "{input}")])
    model = FakeListChatModel(responses=["When are roses cut back?"])
    aware = create_history_aware_retriever(model, milvus_retriever(notes, k=1), prompt)

    found = aware.invoke({"input": "And when are they cut?", "chat_history": [("human", "Roses?"), ("ai", "Yes.")]})
    assert [document.page_content for document in found] == [ROSES]


def test_a_history_that_langchain_keeps(rag: Runnable[Any, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kept = InMemoryChatMessageHistory()
        talking = RunnableWithMessageHistory(
            rag,
            lambda session_id: kept,
            input_messages_key="question",
            history_messages_key="chat_history",
            output_messages_key="answer",
        )
        config: Any = {"configurable": {"session_id": "1"}}
        talking.invoke({"question": "When are tomatoes watered?"}, config)
        output = talking.invoke({"question": "And in July?"}, config)

    assert len(kept.messages) == 4
    assert "tomatoes" in output["search_question"]
    assert passages(output) == [TOMATOES]


class Research(TypedDict, total=False):
    questions: list[str]
    found: Annotated[list[str], lambda before, more: sorted({*before, *more})]


class Asked(TypedDict):
    question: str


def test_a_graph_that_asks_many_questions_at_once(rag: Runnable[Any, Any]) -> None:
    graph = StateGraph(Research)
    graph.add_node("ask", rag | RunnableLambda(lambda output: {"found": passages(output)}), input_schema=Asked)
    graph.add_conditional_edges(
        START, lambda state: [Send("ask", {"question": question}) for question in state["questions"]], ["ask"]
    )
    graph.add_edge("ask", END)

    assert graph.compile().invoke({"questions": ["roses", "lathe", "saws"]})["found"] == sorted([ROSES, LATHE, SAWS])


class Chat(TypedDict, total=False):
    question: str
    answer: str
    seen: Annotated[list[str], lambda before, more: [*before, *more]]


def test_a_graph_that_is_stopped_before_the_answer_and_goes_on(notes: MilvusStore, rag: Runnable[Any, Any]) -> None:
    graph = StateGraph(Chat)
    graph.add_node(
        "look", lambda state: {"seen": [d.page_content for d in milvus_retriever(notes, k=1).invoke(state["question"])]}
    )
    graph.add_node("rag", rag, input_schema=Asked)
    graph.add_edge(START, "look")
    graph.add_edge("look", "rag")
    stopping = graph.compile(checkpointer=InMemorySaver(), interrupt_before=["rag"])
    thread: Any = {"configurable": {"thread_id": "1"}}

    assert "answer" not in stopping.invoke({"question": QUESTION}, thread)
    state = stopping.invoke(None, thread)
    assert state["seen"] == [TOMATOES]
    assert f"> {TOMATOES}" in state["answer"]


@pytest.fixture(scope="module")
def client(notes: MilvusStore, rag: Runnable[Any, Any]) -> Iterator[TestClient]:
    app = FastAPI()
    add_routes(app, rag, path="/rag")
    add_routes(app, milvus_retriever(notes, k=1), path="/search")
    add_routes(app, rag.pick("answer").with_types(output_type=str), path="/answer")
    with TestClient(app) as opened:
        yield opened


class TestAForeignServer:
    @pytest.mark.parametrize("given", [QUESTION, {"question": QUESTION}])
    def test_invoke(self, client: TestClient, given: Any) -> None:
        output = client.post("/rag/invoke", json={"input": given}).json()["output"]
        assert f"> {TOMATOES}" in output["answer"]
        assert output["context"][0]["page_content"] == TOMATOES

    def test_batch(self, client: TestClient) -> None:
        outputs = client.post("/answer/batch", json={"inputs": [QUESTION, "roses"]}).json()["output"]
        assert [text in output for text, output in zip((TOMATOES, ROSES), outputs, strict=True)] == [True, True]

    def test_stream(self, client: TestClient) -> None:
        with client.stream("POST", "/rag/stream", json={"input": QUESTION}) as answer:
            lines = list(answer.iter_lines())
        assert [line for line in lines if line.startswith("event: ")][-1] == "event: end"
        assert TOMATOES in "".join(lines)

    def test_the_retriever(self, client: TestClient) -> None:
        (found,) = client.post("/search/invoke", json={"input": "roses"}).json()["output"]
        assert found["page_content"] == ROSES

    @pytest.mark.parametrize("name", ["input", "output", "config"])
    def test_schemas(self, client: TestClient, name: str) -> None:
        assert client.get(f"/rag/{name}_schema").json()
