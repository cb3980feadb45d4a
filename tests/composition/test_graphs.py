"""The chain in a graph, whatever its state is; and what it gives of answers that are no text."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.graph.message import add_messages
from pydantic import BaseModel
from typing_extensions import TypedDict

from milvus_rag import MilvusStore, RagInput, chat_model, milvus_retriever, rag_chain
from milvus_rag.errors import InputError, MilvusRagError, ModelResponseError

QUESTION = "When are tomatoes watered?"
ANSWER = "Tomatoes are watered every second evening in July."


class Mapped(TypedDict, total=False):
    """A state as most are."""

    question: str
    context: list[Document]
    answer: str
    user: str


class Modelled(BaseModel):
    """A state that is validated."""

    question: str
    context: list[Document] = []
    answer: str = ""
    user: str = "me"


@dataclass
class Classed:
    """A state with defaults."""

    question: str
    context: list[Document] = field(default_factory=list)
    answer: str = ""
    user: str = "me"


@pytest.fixture(scope="module")
def chain(notes: MilvusStore) -> Runnable[Any, Any]:
    return rag_chain(milvus_retriever(notes, k=1), chat_model("local"))


def compiled(state: Any, chain: Any, **options: Any) -> Any:
    graph = StateGraph(state)
    graph.add_node("rag", chain, **options)
    graph.add_edge(START, "rag")
    return graph.compile()


@pytest.mark.parametrize("state", [Mapped, Modelled, Classed])
async def test_of_a_state_with_more_in_it_the_chain_reads_its_own(state: Any, chain: Runnable[Any, Any]) -> None:
    graph = compiled(state, chain, input_schema=RagInput)
    given = {"question": QUESTION, "user": "somebody"}

    for after in (graph.invoke(given), await graph.ainvoke(given)):
        assert f"> {ANSWER}" in after["answer"]
        assert [document.page_content for document in after["context"]] == [ANSWER]
        assert after["user"] == "somebody"


@pytest.mark.parametrize("state", [Mapped, Modelled, Classed])
def test_else_it_says_how(state: Any, chain: Runnable[Any, Any]) -> None:
    with pytest.raises(InputError, match=r"does not read user.*input_schema=RagInput"):
        compiled(state, chain).invoke({"question": QUESTION, "user": "somebody"})


@pytest.mark.parametrize("state", [MessagesState, list[AnyMessage]])
def test_a_state_of_messages(state: Any, chain: Runnable[Any, Any]) -> None:
    if state is not MessagesState:
        state = Annotated[list[AnyMessage], add_messages]
    graph = compiled(state, chain | RunnableLambda(lambda output: [AIMessage(output["answer"])]))
    if state is MessagesState:
        graph = compiled(state, chain | RunnableLambda(lambda output: {"messages": [AIMessage(output["answer"])]}))
        messages = graph.invoke({"messages": QUESTION})["messages"]
    else:
        messages = graph.invoke([("human", QUESTION)])

    assert [message.type for message in messages] == ["human", "ai"]
    assert f"> {ANSWER}" in messages[-1].text


def test_a_stream_of_a_graph_has_the_models_pieces(chain: Runnable[Any, Any]) -> None:
    graph = compiled(Mapped, chain, input_schema=RagInput)

    pieces = [piece for piece, _ in graph.stream({"question": QUESTION}, stream_mode="messages")]

    assert ANSWER in "".join(piece.text for piece in pieces)


class Watering(BaseModel):
    """When a plant is watered."""

    plant: str
    month: str


class Saying(BaseChatModel):
    """Answers one message, also in a stream."""

    message: AIMessage

    @property
    def _llm_type(self) -> str:
        return "saying"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.message)])

    def _stream(self, *_: Any, **__: Any) -> Any:
        told = self.message
        chunk = AIMessageChunk(told.content, tool_calls=told.tool_calls, invalid_tool_calls=told.invalid_tool_calls)
        yield ChatGenerationChunk(message=chunk)


async def each_way(chain: Any) -> list[Any]:
    """The answer of a call and of a stream, sync and async."""
    answers = [chain.invoke(QUESTION)["answer"], (await chain.ainvoke(QUESTION))["answer"]]
    parts = [list(chain.stream(QUESTION)), [part async for part in chain.astream(QUESTION)]]
    for one in parts:
        whole = one[0]
        for part in one[1:]:
            whole = whole + part
        answers.append(whole["answer"])
    return answers


class TestWhatIsNoText:
    STRUCTURES = (Watering(plant="tomato", month="July"), {"plant": "tomato"}, ["tomato", "July"], 7)

    @pytest.mark.parametrize("structure", STRUCTURES)
    async def test_a_structure_comes_out_as_it_is(self, notes: MilvusStore, structure: Any) -> None:
        model = RunnableLambda(lambda _: structure)

        assert await each_way(rag_chain(milvus_retriever(notes), model)) == [structure] * 4
        with pytest.raises(InputError, match="citations are of a text"):
            rag_chain(milvus_retriever(notes), model, citations=True).invoke(QUESTION)

    async def test_of_a_structure_that_grows_the_last_part_counts(self, notes: MilvusStore) -> None:
        def growing(_: Any) -> Any:
            yield {"plant": "tom"}
            yield {"plant": "tomato"}

        chain = rag_chain(milvus_retriever(notes), RunnableLambda(growing))

        assert [part["answer"] for part in chain.stream(QUESTION) if "answer" in part] == [{"plant": "tomato"}]

    @pytest.mark.parametrize(
        ("message", "words"),
        [
            (AIMessage("", tool_calls=[{"name": "mails", "args": {}, "id": "1"}]), "calls the tool 'mails'"),
            (AIMessage("Wait.", tool_calls=[{"name": "mails", "args": {}, "id": "1"}]), "calls the tool 'mails'"),
            (AIMessage([{"type": "image", "url": "http://x/y.png"}]), "answers with image"),
            (AIMessage(["See:", {"type": "image_url", "image_url": {"url": "http://x/y.png"}}]), "with image_url"),
        ],
    )
    async def test_what_would_not_be_seen_is_an_error(self, notes: MilvusStore, message: AIMessage, words: str) -> None:
        chain = rag_chain(milvus_retriever(notes), Saying(message=message))

        with pytest.raises(InputError, match=words):
            chain.invoke(QUESTION)
        with pytest.raises(InputError, match=words):
            list(chain.stream(QUESTION))
        with pytest.raises(InputError, match=words):
            _ = [part async for part in chain.astream(QUESTION)]

    async def test_of_blocks_the_text_is_the_answer(self, notes: MilvusStore) -> None:
        blocks: Any = [{"type": "reasoning", "reasoning": "Hm."}, {"type": "text", "text": "In "}, "July."]
        chain = rag_chain(milvus_retriever(notes), Saying(message=AIMessage(blocks)))

        assert await each_way(chain) == ["In July."] * 4

    def test_nothing_is_an_error(self, notes: MilvusStore) -> None:
        with pytest.raises(ModelResponseError, match="answers nothing"):
            rag_chain(milvus_retriever(notes), RunnableLambda(lambda _: None)).invoke(QUESTION)

    def test_a_structure_is_no_question_to_search_for(self, notes: MilvusStore) -> None:
        chain = rag_chain(milvus_retriever(notes), RunnableLambda(lambda _: {"plant": "tomato"}))

        output = chain.invoke({"question": "And roses?", "chat_history": [("human", "When are tomatoes watered?")]})

        assert output["answer"] == {"plant": "tomato"}
        assert "roses" in output["search_question"]


class TestAsTool:
    async def test_the_chain(self, chain: Runnable[Any, Any]) -> None:
        tool = chain.as_tool(name="ask the notes", description="Answers from the notes.")
        call = {"type": "tool_call", "id": "1", "name": tool.name, "args": {"question": QUESTION}}

        assert (tool.name, tool.description) == ("ask_the_notes", "Answers from the notes.")
        assert list(tool.args) == ["question"]
        assert f"> {ANSWER}" in tool.invoke({"question": QUESTION})
        assert f"> {ANSWER}" in tool.invoke(QUESTION)
        message = await tool.ainvoke(call)
        assert f"> {ANSWER}" in message.content
        assert message.artifact["context"][0].page_content == ANSWER

    async def test_the_retriever(self, notes: MilvusStore) -> None:
        tool = milvus_retriever(notes, k=1, configurable=["filter"]).as_tool(name="notes", description="The notes.")
        config: Any = {"configurable": {"filter": {"team": "workshop"}}}

        assert tool.invoke({"query": QUESTION}) == ANSWER
        assert (
            await tool.ainvoke({"query": "every second evening"}, config) == "The lathe is oiled every second evening."
        )
        assert tool.invoke({"query": "zeppelins"}) == "The documents do not answer this."
        with pytest.raises(MilvusRagError, match="The question is empty"):
            tool.invoke({"query": " "})

    def test_with_a_schema_of_ones_own_it_is_langchains(self, chain: Runnable[Any, Any]) -> None:
        class Asked(BaseModel):
            question: str

        with pytest.warns(match="beta"):
            tool = chain.as_tool(Asked, name="notes")
        assert ANSWER in str(tool.invoke({"question": QUESTION}))
