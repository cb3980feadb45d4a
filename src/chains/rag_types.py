"""What the chain takes, and what it gives."""

from typing import Any, NotRequired

from langchain_core.documents import Document
from langchain_core.messages import BaseMessage
from typing_extensions import TypedDict

from .citations import Citation

# A message of a history: as an object, as a pair of who said it and what, or as a dict of the two.
HistoryMessage = BaseMessage | tuple[str, str] | dict[str, Any]


class RagInput(TypedDict):
    """What the chain takes; a bare string is taken for the question.

    Attributes:
        question: The user's.
        chat_history: What was said before, the oldest first: LangChain messages, ``("human", text)`` pairs, or
            ``{"role": …, "content": …}`` dicts.
    """

    question: str
    chat_history: NotRequired[list[HistoryMessage]]


class RagOutput(TypedDict):
    """What the chain gives.

    Attributes:
        question: The user's.
        search_question: What was searched for; only where there is a history.
        context: The passages, best first.
        answer: The model's.
        citations: The passages that the answer cites, by their numbers; only with ``citations=True``. Empty where it
            cites nothing.
    """

    question: str
    search_question: NotRequired[str]
    context: list[Document]
    answer: str
    citations: NotRequired[list[Citation]]


class RagPart(TypedDict, total=False):
    """A part of what the chain streams: mostly one of the fields of `RagOutput`. The parts add up to the output.

    Attributes:
        question: The user's, first.
        search_question: What was searched for; only where there is a history.
        context: The passages, best first.
        answer: A piece of the model's answer.
        citations: The passages that the answer cites, last; only with ``citations=True``.
    """

    question: str
    search_question: str
    context: list[Document]
    answer: str
    citations: list[Citation]
