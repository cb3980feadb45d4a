"""An agent's model calls the search tool wrongly: it is told, and goes on."""

import pickle
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import create_retriever_tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from milvus_rag import MilvusStore, milvus_retriever
from milvus_rag.errors import InputError


def called(query: str) -> dict[str, Any]:
    call = {"name": "notes", "args": {"query": query}, "id": "1"}
    return {"messages": [HumanMessage("Tomatoes?"), AIMessage("", tool_calls=[call])]}


def agent(store: MilvusStore, **options: Any) -> Any:
    """The part of an agent that runs tools, in a graph, as LangChain's `create_agent` has it."""
    graph = StateGraph(MessagesState)
    graph.add_node(
        "tools", ToolNode([create_retriever_tool(milvus_retriever(store), "notes", "The notes.")], **options)
    )
    graph.add_edge(START, "tools")
    return graph.compile()


@pytest.mark.parametrize("query", ["", " ", "\n\t"])
async def test_an_empty_question_is_told_to_the_model(notes: MilvusStore, query: str) -> None:
    app = agent(notes)

    for state in (app.invoke(called(query)), await app.ainvoke(called(query))):
        answer = state["messages"][-1]
        assert (answer.type, answer.status, answer.content) == ("tool", "error", "The question is empty.")
    assert "Tomatoes are watered" in app.invoke(called("tomatoes"))["messages"][-1].content


def test_an_app_that_wants_errors_gets_them(notes: MilvusStore) -> None:
    with pytest.raises(InputError, match="The question is empty"):
        agent(notes, handle_tool_errors=False).invoke(called(" "))


def test_a_tool_that_handles_its_errors(notes: MilvusStore) -> None:
    tool = create_retriever_tool(milvus_retriever(notes), "notes", "The notes.")
    tool.handle_tool_error = True

    assert tool.invoke({"query": " "}) == "The question is empty."


def test_elsewhere_it_is_an_input_error(notes: MilvusStore) -> None:
    with pytest.raises(InputError, match="The question is empty") as caught:
        milvus_retriever(notes).invoke(" ")

    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - what was written just now
    assert isinstance(again, InputError)
    assert str(again) == "The question is empty."
