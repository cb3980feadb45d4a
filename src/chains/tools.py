"""A retriever and a chain as tools of an agent: what the model reads is text, what they give is the artifact."""

import re
from typing import Any

from langchain_core.documents import Document
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from ..chunk_keys import are_only_nearest, other_language_note


class Query(BaseModel):
    """What a model gives a search."""

    query: str = Field(description="What to look for, as a question or in words.")


class Question(BaseModel):
    """What a model gives a chain."""

    question: str = Field(description="A question that can be understood by itself.")


def searching_tool(
    retriever: Runnable[str, list[Document]], *, name: str | None = None, description: str | None = None
) -> BaseTool:
    """A tool that searches. The model reads the passages; where there are none, it is told so.

    Args:
        retriever: Question to documents.
        name: What the model calls it by.
        description: What the model is told of it.
    """

    def search(query: str, config: RunnableConfig) -> tuple[str, list[Document]]:
        return _read(retriever.invoke(query, config))

    async def asearch(query: str, config: RunnableConfig) -> tuple[str, list[Document]]:
        return _read(await retriever.ainvoke(query, config))

    return StructuredTool.from_function(
        search,
        asearch,
        name=_tool_name(name or "search_documents"),
        description=description or "Searches the documents for passages.",
        args_schema=Query,
        response_format="content_and_artifact",
    )


def answering_tool(chain: Runnable[Any, Any], *, name: str | None = None, description: str | None = None) -> BaseTool:
    """A tool that answers from the documents. The model reads the answer; the chain's output is the artifact.

    Args:
        chain: See `rag_chain`.
        name: What the model calls it by.
        description: What the model is told of it.
    """

    def ask(question: str, config: RunnableConfig) -> tuple[str, Any]:
        output = chain.invoke({"question": question}, config)
        return str(output["answer"]), output

    async def aask(question: str, config: RunnableConfig) -> tuple[str, Any]:
        output = await chain.ainvoke({"question": question}, config)
        return str(output["answer"]), output

    return StructuredTool.from_function(
        ask,
        aask,
        name=_tool_name(name or "ask_documents"),
        description=description or "Answers a question from the documents.",
        args_schema=Question,
        response_format="content_and_artifact",
    )


def _read(passages: list[Document]) -> tuple[str, list[Document]]:
    text = "\n\n".join(passage.page_content for passage in passages)
    if not passages or are_only_nearest(passage.metadata for passage in passages):
        note = other_language_note(passage.metadata for passage in passages)
        text = " ".join(filter(None, ("The documents do not answer this.", note, text)))
    return text, passages


def _tool_name(name: str) -> str:
    # What providers take: https://platform.openai.com/docs/api-reference/chat/create (tools.function.name)
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:64]
