"""The prompts of the Milvus tutorials, to the byte, and how passages are put into them.

Source: https://milvus.io/docs/build_RAG_with_milvus_and_gemini.md and its Fireworks and Lepton twins.
"""

import re
from collections.abc import Sequence

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

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

# Anything that a model could take for the end of a block, or for a block of its own. Blanks are read in one way only:
# with two ways, a passage of one bracket and a page of blanks takes a minute.
_TAG = re.compile(r"<(\s*(?:/\s*)?(?:context|question)(?:[^\w.:<>-][^<>]*)?)>", re.IGNORECASE)


def format_context(documents: Sequence[Document]) -> str:
    """Join passages as the tutorials do, with a newline between them."""
    return "\n".join(document.page_content for document in documents)


def rag_messages(
    question: str,
    documents: Sequence[Document],
    *,
    system_prompt: str = SYSTEM_PROMPT,
    user_prompt: str = USER_PROMPT,
) -> list[BaseMessage]:
    """Write the messages for a chat model.

    Braces in passages and questions are text. The block tags of the prompt, where they occur in them, get their
    brackets escaped (``&lt;/context&gt;``), so that no passage ends its block; nothing else is changed.

    Args:
        question: The user's.
        documents: The retrieved passages, best first.
        system_prompt: Sent as it is.
        user_prompt: With ``{context}`` and ``{question}``.

    Returns:
        A system and a human message. The human message also carries the documents in its ``additional_kwargs``, which
        no provider is sent, for chat models on this side that cite their sources.
    """
    values = {"context": _escape_tags(format_context(documents)), "question": _escape_tags(question)}
    user = re.sub(r"\{(context|question)\}", lambda match: values[match[1]], user_prompt)
    cited = [{**document.metadata, "text": document.page_content} for document in documents]
    return [SystemMessage(system_prompt), HumanMessage(user, additional_kwargs={"documents": cited})]


def _escape_tags(text: str) -> str:
    return _TAG.sub(r"&lt;\1&gt;", text)
