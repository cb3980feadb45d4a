"""A conversation in OpenAI's messages, as the chain takes it."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from ..failures import RefusedRequestError
from .requests import ChatMessage

_CLASSES: dict[str, type[BaseMessage]] = {
    "system": SystemMessage,
    "developer": SystemMessage,
    "user": HumanMessage,
    "assistant": AIMessage,
}


def chain_input(messages: Sequence[ChatMessage], *, max_question_chars: int) -> dict[str, Any]:
    """What the chain is asked.

    The last message of a user is the question, and what was said before is the history. What the system or the
    developer says are instructions wherever it stands; empty messages say nothing.

    Returns:
        ``{"question": text, "chat_history": messages}``.

    Raises:
        RefusedRequestError: The user does not have the last word, or the question is empty or too long.
    """
    spoken = [place for place, message in enumerate(messages) if message.role in ("user", "assistant")]
    if not spoken or messages[spoken[-1]].role != "user":
        raise RefusedRequestError(
            400, "The last message is to be the user's: it is the question that is answered.", param="messages"
        )
    asks = spoken[-1]
    question, param = messages[asks].text, f"messages.{asks}.content"
    if not question.strip():
        raise RefusedRequestError(400, "The question, which is the user's last message, is empty.", param=param)
    if len(question) > max_question_chars:
        raise RefusedRequestError(
            400,
            f"A question may have {max_question_chars:,} characters at most, this one has {len(question):,}.",
            code="string_above_max_length",
            param=param,
        )
    history = [
        _CLASSES[message.role](message.text)
        for place, message in enumerate(messages)
        if place != asks and message.text.strip()
    ]
    return {"question": question, "chat_history": history}
