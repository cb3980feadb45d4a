"""What a chat model answers, as the chain gives it: text as text, a structure as it is, and one error for the rest."""

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.runnables import AddableDict

from ..errors import InputError, ModelResponseError
from .turn import Turn

# Blocks of a message that are answers, and no text: https://docs.langchain.com/oss/python/langchain/messages
_MEDIA = frozenset({"image", "audio", "video", "file", "image_url"})


def read_answer(given: Any) -> Any:
    """Read what a model, or a runnable around one, has answered.

    Args:
        given: A message or a piece of one, a text, or what a model with a schema gives.

    Returns:
        The text of a message; anything else as it is.

    Raises:
        InputError: The message calls tools, or has an image or the like in it: neither would be seen.
        ModelResponseError: There is none.
    """
    if given is None:
        raise ModelResponseError("The chat model, or what is around it, answers nothing.")
    if not isinstance(given, BaseMessage):
        return given
    called = [
        call.get("name") or "?"
        for kind in ("tool_calls", "tool_call_chunks", "invalid_tool_calls")
        for call in getattr(given, kind, ())
    ]
    if called:
        raise InputError(
            f"The chat model calls the tool {called[0]!r} in place of an answer, and the chain runs none. Give it a "
            f"model without tools, or make an agent that has the retriever as a tool: retriever.as_tool()."
        )
    if isinstance(given.content, list):
        kinds = {block.get("type") for block in given.content if isinstance(block, Mapping)}
        if shown := sorted(str(kind) for kind in kinds & _MEDIA):
            raise InputError(
                f"The chat model answers with {' and '.join(shown)}, and an answer of the chain is text. Call the "
                f"model by itself, with the passages of the retriever."
            )
    return str(given.text)


def whole_answer(turn: Turn, given: Any) -> Any:
    """The answer of a turn whose model does not stream.

    Raises:
        InputError: See `read_answer`; or citations are wanted of what is no text.
    """
    answer = read_answer(given)
    if isinstance(answer, str):
        return turn.shown(answer) + turn.rest()
    turn.check_needs_no_text(answer)
    return answer


class StreamedAnswer:
    """The parts of an answer that is streamed.

    Args:
        turn: Whose answer.
        instead: The answer, where no model is asked.
    """

    def __init__(self, turn: Turn, instead: str) -> None:
        self._turn = turn
        self._instead = instead
        self._is_silent = True
        # Of a structure each part is all that there is so far.
        self._structure: Any = None

    def more(self, given: Any) -> Iterator[Any]:
        """What the model said."""
        answer = read_answer(given)
        if not isinstance(answer, str):
            self._turn.check_needs_no_text(answer)
            self._structure = answer
        elif answer and (shown := self._turn.shown(answer)):
            self._is_silent = False
            yield AddableDict(answer=shown)

    def end(self) -> Iterator[Any]:
        """What is left when it has ended."""
        if self._structure is not None:
            yield AddableDict(answer=self._structure)
            return
        rest = self._instead or self._turn.rest()
        if rest or self._is_silent:
            yield AddableDict(answer=rest)
        if cited := self._turn.cited:
            yield AddableDict(cited)
