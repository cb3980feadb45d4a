"""What a chain is given: a question, and what was said before it, in any of LangChain's forms."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, convert_to_messages
from langchain_core.prompt_values import PromptValue
from pydantic import BaseModel

from ..errors import InputError

QUESTION_KEY = "question"
HISTORY_KEY = "chat_history"
MESSAGES_KEY = "messages"
# What the chain gives: the state of a graph brings back what was answered before, which is replaced.
ANSWER_KEYS = frozenset({"context", "answer", "search_question", "citations"})

# Of the turns before, so much is read: more costs tokens in two requests and says little about the last question.
HISTORY_TURNS = 6
HISTORY_CHARS = 8_000


@dataclass(frozen=True, slots=True)
class Conversation:
    """A question and what was said before it.

    Attributes:
        question: The last one.
        history: Of people and of the model, the oldest first; texts only.
        instructions: What system messages said.
    """

    question: str
    history: tuple[BaseMessage, ...] = ()
    instructions: tuple[str, ...] = ()

    @property
    def earlier_questions(self) -> list[str]:
        """What was asked before, the oldest first."""
        return [str(message.text) for message in self.history if _speaker(message) == "human"]


def read_conversation(given: Any, *, max_turns: int = HISTORY_TURNS, max_chars: int = HISTORY_CHARS) -> Conversation:
    """Read what a chain is given.

    Args:
        given: A question as text; ``{"question": text, "chat_history": [...]}`` with the history as messages,
            ``("human", text)`` pairs or ``{"role", "content"}`` dicts; ``{"messages": [...]}``, a list of messages or a
            prompt value, whose last message asks; or the state of a graph (a dataclass, a pydantic model) with fields
            of these names.
        max_turns: So many questions before the last one are read, with their answers; the oldest are left out first.
        max_chars: So many characters of them.

    Raises:
        InputError: There is no question, it is empty, the history has another form, or there are keys that the chain
            does not read: a filter that got lost would show too much.
    """
    fields = _fields_of(given)
    question, history = fields.get(QUESTION_KEY), _messages_of(fields.get(HISTORY_KEY))
    if (messages := fields.get(MESSAGES_KEY)) is not None:
        if question is not None:
            raise InputError("The chain takes a question or messages, whose last one asks, not both.")
        *before, last = _messages_of(messages) or [AIMessage("")]
        if _speaker(last) != "human":
            raise InputError("The last message is to be the user's: it is what the chain answers.")
        question, history = str(last.text), [*history, *before]
    elif isinstance(question, BaseMessage):
        question = str(question.text)
    if not isinstance(question, str):
        raise InputError(
            f"The chain takes a question as text, or {{'question': text, 'chat_history': [...]}}, "
            f"not {_kind_of(given)}."
        )
    if not question.strip():
        raise InputError("The question is empty.")
    said = [message for message in history if _speaker(message) in ("human", "ai") and message.text.strip()]
    instructions = [str(message.text) for message in history if _speaker(message) == "system"]
    return Conversation(question, _bounded(said, max_turns, max_chars), tuple(instructions))


def _fields_of(given: Any) -> Mapping[str, Any]:
    if isinstance(given, str):
        return {QUESTION_KEY: given}
    if isinstance(given, PromptValue):
        return {MESSAGES_KEY: given.to_messages()}
    if isinstance(given, BaseMessage):
        return {MESSAGES_KEY: [given]}
    if (
        isinstance(given, Sequence)
        and not isinstance(given, bytes)
        and not all(isinstance(each, str) for each in given)
    ):
        return {MESSAGES_KEY: given}
    if dataclasses.is_dataclass(given) and not isinstance(given, type):
        fields: Mapping[str, Any] = {each.name: getattr(given, each.name) for each in dataclasses.fields(given)}
    elif isinstance(given, BaseModel):
        fields = {name: getattr(given, name) for name in type(given).model_fields}
    elif isinstance(given, Mapping):
        fields = given
    else:
        return {}
    known = {QUESTION_KEY, HISTORY_KEY, MESSAGES_KEY, *ANSWER_KEYS}
    unknown = sorted(str(key) for key, value in fields.items() if key not in known and value is not None)
    # Without a question, that is what is said: it may stand under the unknown key.
    if unknown and (fields.get(QUESTION_KEY) is not None or fields.get(MESSAGES_KEY) is not None):
        raise InputError(
            f"The chain does not read {', '.join(unknown)}: it takes question and chat_history, or messages. What is "
            f"to go on beside it goes around it, e.g. RunnablePassthrough.assign(rag=itemgetter('question') | chain). "
            f"As a node of a graph whose state has more: add_node('rag', chain, input_schema=RagInput)."
        )
    return fields


def _messages_of(given: Any) -> list[BaseMessage]:
    if given is None:
        return []
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise InputError(f"The history is a list of messages, not {type(given).__name__}.")
    return [_message_of(each) for each in given]


def _message_of(given: Any) -> BaseMessage:
    if isinstance(given, Mapping) and isinstance(given.get("data"), Mapping) and "type" in given:
        # As `messages_to_dict` writes them.
        given = {"type": given["type"], **given["data"]}
    if isinstance(given, list):
        given = tuple(given)
    if isinstance(given, str):
        raise InputError("A message of the history says who said it, e.g. ('human', text) or {'role': 'user', …}.")
    try:
        (message,) = convert_to_messages([given])
    except (ValueError, TypeError, NotImplementedError, KeyError) as exc:
        raise InputError(
            "A message of the history is a LangChain message, ('human', text) or {'role': 'user', 'content': text}, "
            f"not {_kind_of(given)}."
        ) from exc
    return message


def _bounded(said: Sequence[BaseMessage], max_turns: int, max_chars: int) -> tuple[BaseMessage, ...]:
    """The last turns. What is left begins with a question, as some models demand it."""
    room, turns, begin = max_chars, 0, len(said)
    for position in range(len(said) - 1, -1, -1):
        room -= len(said[position].text)
        if room < 0 or turns == max_turns:
            break
        if _speaker(said[position]) == "human":
            turns += 1
            begin = position
    return tuple(_text_only(message) for message in said[begin:])


def _text_only(message: BaseMessage) -> BaseMessage:
    """A message without calls of tools, ids and what else a model may not take back."""
    return HumanMessage(str(message.text)) if _speaker(message) == "human" else AIMessage(str(message.text))


def _speaker(message: BaseMessage) -> str:
    """Who said it. By its type and not its class: LangServe reads messages as `BaseMessage`; chunks have types too."""
    return {"HumanMessageChunk": "human", "AIMessageChunk": "ai", "SystemMessageChunk": "system"}.get(
        message.type, message.type
    )


def _kind_of(given: Any) -> str:
    if isinstance(given, Mapping):
        if QUESTION_KEY in given:
            return f"{{'question': {type(given[QUESTION_KEY]).__name__}}}"
        return "a dict without one" if given else "an empty dict"
    return type(given).__name__
