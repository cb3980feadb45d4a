"""The events of a chat answer as LangChain takes them, whatever server sent them; and a whole answer made of them."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from .event_stream import ErrorAnswerError, UnreadableAnswerError, keys_of
from .think_blocks import ThinkBlocks

THOUGHTS: Final = "reasoning_content"
"""The field for thoughts: DeepSeek's name, which LangChain reads as a reasoning block."""

# OpenRouter's and newer vLLM's name for it.
_OTHER_THOUGHTS: Final = "reasoning"
_FINISHED: Final = "stop"
# What stands around the choices, and is the same in all events.
_HEAD: Final = ("id", "object", "created", "model", "system_fingerprint", "service_tier", "provider")


class ChatEvents:
    """Makes events uniform: choices are a list, thoughts are apart from the answer, usage comes once and at the end.

    Servers send usage at the end, or with each event, of all so far; LangChain would add those up.
    """

    def __init__(self) -> None:
        self._blocks: dict[int, ThinkBlocks] = {}
        self._head: dict[str, Any] = {}
        self._usage: Any = None
        self._is_finished = False
        self._has_choices = False
        self._stray: dict[str, Any] = {}

    def add(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event, made uniform.

        Raises:
            ErrorAnswerError: It has an error in it.
            UnreadableAnswerError: It is no event of a chat answer.
        """
        choices = event.get("choices")
        usage = event.get("usage")
        self._usage = usage if usage and isinstance(usage, dict) else self._usage
        self._has_choices = self._has_choices or "choices" in event
        self._stray = self._stray or event
        if choices is not None and not isinstance(choices, list):
            raise UnreadableAnswerError("its choices are no list")
        self._head = self._head or {name: event[name] for name in _HEAD if name in event}
        made = [self._choice(choice, place) for place, choice in enumerate(choices or ())]
        return {**{key: value for key, value in event.items() if key != "usage"}, "choices": made}

    def end(self, *, is_whole: bool) -> Iterator[dict[str, Any]]:
        """The events that close the answer.

        Args:
            is_whole: Whether the server said that this is all: then an answer without a reason to finish is finished.

        Raises:
            UnreadableAnswerError: Nothing that came was of a chat answer.
        """
        if self._stray and not self._has_choices:
            raise UnreadableAnswerError(f"it {keys_of(self._stray)}, and no choices")
        held = {index: blocks.rest() for index, blocks in self._blocks.items()}
        if is_whole and not self._is_finished:
            for index in held or {0: ("", "")}:
                thoughts, text = held.get(index, ("", ""))
                yield self._closing(index, thoughts, text, _FINISHED)
        else:
            yield from (self._closing(index, *rest, None) for index, rest in held.items() if any(rest))
        if self._usage:
            yield {**self._head, "choices": [], "usage": self._usage}

    def _closing(self, index: int, thoughts: str, text: str, finish: str | None) -> dict[str, Any]:
        delta = {"content": text, **({THOUGHTS: thoughts} if thoughts else {})}
        return {**self._head, "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}

    def _choice(self, choice: Any, place: int) -> dict[str, Any]:
        if not isinstance(choice, dict):
            raise UnreadableAnswerError("one of its choices is no object")
        if choice.get("error"):
            raise ErrorAnswerError(choice)
        index = choice.get("index")
        index = index if isinstance(index, int) else place
        # Some send a whole message in an event, too.
        delta = dict(choice.get("delta") or choice.get("message") or {})
        finish = choice.get("finish_reason") or None
        blocks = self._blocks.setdefault(index, ThinkBlocks())
        thoughts = delta.pop(_OTHER_THOUGHTS, None)
        given = delta.pop(THOUGHTS, None) or thoughts
        thoughts = given if isinstance(given, str) else ""
        if isinstance(delta.get("content"), str):
            more, delta["content"] = blocks.split(delta["content"])
            thoughts += more
        if finish:
            self._is_finished = True
            more, rest = blocks.rest()
            thoughts += more
            if rest:
                delta["content"] = (delta.get("content") or "") + rest
        if thoughts:
            delta[THOUGHTS] = thoughts
        if isinstance(delta.get("tool_calls"), list):
            delta["tool_calls"] = [_numbered(call, number) for number, call in enumerate(delta["tool_calls"])]
        return {**{key: value for key, value in choice.items() if key != "message"}, "index": index, "delta": delta}


def collected(events: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One answer of uniform events, as a server sends it where no stream was asked for."""
    whole: dict[str, Any] = {}
    messages: dict[int, dict[str, Any]] = {}
    finishes: dict[int, str | None] = {}
    for event in events:
        for name in _HEAD:
            if whole.get(name) is None and name in event:
                whole[name] = event[name]
        whole["usage"] = event.get("usage") or whole.get("usage")
        for choice in event["choices"]:
            index = choice["index"]
            _add(messages.setdefault(index, {"role": "assistant", "content": ""}), choice["delta"])
            finishes[index] = choice.get("finish_reason") or finishes.get(index)
    choices = [
        {"index": index, "message": messages[index], "finish_reason": finishes[index]} for index in sorted(messages)
    ]
    return {**whole, "choices": choices}


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if value is None or name == "role":
            continue
        before = message.get(name)
        if name == "tool_calls":
            _add_calls(message.setdefault(name, []), value)
        elif isinstance(value, str) and isinstance(before, list):
            message[name] = [*before, {"type": "text", "text": value}] if value else before
        elif isinstance(value, list) and isinstance(before, str):
            message[name] = [*([{"type": "text", "text": before}] if before else []), *value]
        elif (isinstance(value, str) and isinstance(before, str)) or (
            isinstance(value, list) and isinstance(before, list)
        ):
            message[name] = before + value  # type: ignore[operator] # of one type, as was just seen
        else:
            message[name] = value


def _add_calls(calls: list[dict[str, Any]], deltas: list[dict[str, Any]]) -> None:
    for delta in deltas:
        call = next((call for call in calls if call["index"] == delta["index"]), None)
        if call is None:
            call = {"index": delta["index"], "type": "function", "function": {"name": "", "arguments": ""}}
            calls.append(call)
        call["id"] = call.get("id") or delta.get("id")
        function = delta.get("function") or {}
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""


def _numbered(call: Any, number: int) -> dict[str, Any]:
    if not isinstance(call, dict):
        raise UnreadableAnswerError("one of its tool calls is no object")
    return call if isinstance(call.get("index"), int) else {**call, "index": number}
