"""The events of a chat answer, read from the bytes that came: a stream of server-sent events, or one JSON document.

OpenAI's client reads streams too. It does not tell whether ``[DONE]`` came, which is the only end that some servers
announce; takes a whole answer where a stream was asked for as a stream without events; makes an object of each event.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from ...error_bodies import read_body

_BOM: Final = b"\xef\xbb\xbf"
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
# No line of a stream of events begins with one of these, and every JSON document or web page does.
_DOCUMENTS: Final = (b"{", b"[", b"<", b'"')
_DONE: Final = "[DONE]"
_MOST_KEYS: Final = 6


class ErrorAnswerError(Exception):
    """An error where an answer should be, under the status 200.

    Attributes:
        body: What the server sent.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__(read_body(body).message or "The server gives no reason.")
        self.body = dict(body)


class UnreadableAnswerError(ValueError):
    """What came is no answer. The message is what it is."""


class EventStream:
    """Takes bytes as they come, and gives the events that are in them.

    Attributes:
        is_whole: Whether all that was announced is there: ``[DONE]`` came, or a JSON document is complete.
    """

    def __init__(self) -> None:
        self.is_whole = False
        self._buffer = b""
        self._is_document: bool | None = None
        self._data: list[str] = []
        self._name = ""

    def feed(self, data: bytes) -> Iterable[dict[str, Any]]:
        """The events that are complete with these bytes.

        Raises:
            ErrorAnswerError: An event is an error.
            UnreadableAnswerError: An event is no JSON object.
        """
        self._buffer += data
        if self._is_document is None:
            self._buffer = self._buffer.removeprefix(_BOM).lstrip()
            # A mark that has not come whole is none yet.
            if not self._buffer or _BOM.startswith(self._buffer):
                return
            self._is_document = self._buffer.startswith(_DOCUMENTS)
        if self._is_document:
            return
        # What ends in a carriage return may go on with the rest of that line's end.
        held = b"\r" if self._buffer.endswith(b"\r") else b""
        *lines, self._buffer = _LINE_END.split(self._buffer.removesuffix(b"\r"))
        self._buffer += held
        for line in lines:
            yield from self._line(line.decode("utf-8", "replace"))

    def finish(self) -> Iterator[dict[str, Any]]:
        """The events that nothing comes behind; see `feed`.

        Raises:
            ErrorAnswerError: The document is an error.
            UnreadableAnswerError: Nothing came, or no answer.
        """
        if self._is_document:
            yield whole_document(self._buffer)
            self.is_whole = True
            return
        if self._is_document is None:
            raise UnreadableAnswerError("it is empty")
        try:
            yield from self._line(self._buffer.decode("utf-8", "replace"))
            yield from self._line("")
        except UnreadableAnswerError:
            # The half of an event, where the connection ended.
            return

    def _line(self, line: str) -> Iterator[dict[str, Any]]:
        if not line:
            data, name = "\n".join(self._data), self._name
            self._data, self._name = [], ""
            if data:
                yield from self._event(data, name)
            return
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._name = value

    def _event(self, data: str, name: str) -> Iterator[dict[str, Any]]:
        if self.is_whole:
            return
        if data.strip().startswith(_DONE):
            self.is_whole = True
            return
        try:
            event = json.loads(data)
        except ValueError:
            if name == "error":
                raise ErrorAnswerError({"error": data}) from None
            raise UnreadableAnswerError(f"an event of its stream is no JSON: {data[:80]!r}") from None
        if not isinstance(event, dict):
            raise UnreadableAnswerError(f"an event of its stream is no JSON object: {data[:80]!r}")
        if name == "error" or is_error(event):
            raise ErrorAnswerError(event)
        yield event


def whole_document(data: bytes) -> dict[str, Any]:
    """A JSON object that is the answer.

    Raises:
        ErrorAnswerError: It is an error.
        UnreadableAnswerError: It is something else.
    """
    try:
        document = json.loads(data.removeprefix(_BOM))
    except ValueError:
        said = read_body(data).message
        raise UnreadableAnswerError(
            f"it is no JSON, and begins with: {said[:200]}" if said else "it is empty"
        ) from None
    if not isinstance(document, dict):
        raise UnreadableAnswerError(f"it is a JSON {type(document).__name__}, and no object")
    if is_error(document):
        raise ErrorAnswerError(document)
    return document


def is_error(document: Mapping[str, Any]) -> bool:
    """Whether a document or an event is an error: OpenRouter, LM Studio and old vLLM send them under status 200."""
    return bool(document.get("error")) or document.get("object") == "error"


def keys_of(document: Mapping[str, Any]) -> str:
    """What a document has in it, for messages."""
    names = ", ".join(repr(str(key)[:40]) for key in list(document)[:_MOST_KEYS])
    return f"has {names}" if names else "has nothing in it"
