"""The prompts of the Milvus tutorials, to the byte, those that ask for citations, and how passages are put into them.

Source: https://milvus.io/docs/build_RAG_with_milvus_and_gemini.md and its Fireworks and Lepton twins.
"""

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from ..chunk_keys import SOURCE_KEY
from ..message_keys import CITATIONS_KEY, DOCUMENTS_KEY, SEARCH_QUESTION_KEY

SYSTEM_PROMPT = """
Human: You are an AI assistant. You are able to find answers to the questions from the contextual passage snippets provided.
"""  # noqa: E501 - the tutorials' line
USER_PROMPT = """
Use the following pieces of information enclosed in <context> tags to provide an answer to the question enclosed in <question> tags.
<context>
{context}
</context>
<question>
{question}
</question>
"""  # noqa: E501 - the tutorials' line

CITING_SYSTEM_PROMPT = """You answer questions from numbered passages of documents, and cite the passages that you use.
What the passages do not say you do not know; if they do not answer the question, say so."""
CITING_USER_PROMPT = """Answer the question from these passages. Behind each sentence put the number of the passage that it is from in
square brackets, like this [1], or several, like this [1][3]. Cite no other numbers, and write no list of sources.
<context>
{context}
</context>
<question>
{question}
</question>
"""  # noqa: E501 - a prompt's line

# Anything that a model could take for the end of a block, or for a block of its own. Blanks are read in one way only:
# with two ways, a passage of one bracket and a page of blanks takes a minute.
_TAG = re.compile(r"<(\s*(?:/\s*)?(?:context|question)(?:[^\w.:<>-][^<>]*)?)>", re.IGNORECASE)


def format_context(documents: Sequence[Document]) -> str:
    """Join passages as the tutorials do, with a newline between them."""
    return "\n".join(document.page_content for document in documents)


def format_numbered_context(documents: Sequence[Document]) -> str:
    """Join passages, each below its number and the source that it is from."""
    return "\n\n".join(
        f"{f'[{number}] {_source_line(document)}'.rstrip()}\n{document.page_content}"
        for number, document in enumerate(documents, start=1)
    )


def rag_messages(
    question: str,
    documents: Sequence[Document],
    *,
    system_prompt: str = SYSTEM_PROMPT,
    user_prompt: str = USER_PROMPT,
    history: Sequence[BaseMessage] = (),
    instructions: Sequence[str] = (),
    search_question: str | None = None,
    citations: bool = False,
) -> list[BaseMessage]:
    """Write the messages for a chat model.

    Braces in passages and questions are text. The block tags of the prompt, where they occur in them, get their
    brackets escaped (``&lt;/context&gt;``), so that no passage ends its block; nothing else is changed.

    Args:
        question: The user's.
        documents: The retrieved passages, best first.
        system_prompt: Sent as it is.
        user_prompt: With ``{context}`` and ``{question}``.
        history: What was said before, sent between the two.
        instructions: Sent behind the system prompt.
        search_question: What was searched for, where that is not the question.
        citations: Whether the passages are numbered.

    Returns:
        A system message, the history, and a human message, which also carries the documents in its
        ``additional_kwargs``. No provider is sent these; they are for chat models on this side that cite their sources.
    """
    context = format_numbered_context(documents) if citations else format_context(documents)
    values = {"context": _escape_tags(context), "question": _escape_tags(question)}
    user = re.sub(r"\{(context|question)\}", lambda match: values[match[1]], user_prompt)
    beside: dict[str, Any] = {
        DOCUMENTS_KEY: [{**document.metadata, "text": document.page_content} for document in documents]
    }
    if search_question is not None:
        beside[SEARCH_QUESTION_KEY] = search_question
    if citations:
        beside[CITATIONS_KEY] = True
    system = "\n\n".join([system_prompt, *instructions])
    return [SystemMessage(system), *history, HumanMessage(user, additional_kwargs=beside)]


def _source_line(document: Document) -> str:
    # A name of a file may hold line breaks: what follows one would stand among the passage's own words.
    return " ".join(str(document.metadata.get(SOURCE_KEY) or "").split())


def _escape_tags(text: str) -> str:
    return _TAG.sub(r"&lt;\1&gt;", text)
