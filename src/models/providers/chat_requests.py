"""Chat requests behind OpenAI's protocol: each is made as a stream, whose pieces show that the model lives.

So a timeout counts the silence of a server, also where the whole answer is wanted, and a limit of its own counts the
whole. The other way, one long wait for the whole answer, cannot tell a slow model from a dead one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from .chat_events import ChatEvents, collected
from .endpoints import Endpoint
from .event_stream import EventStream
from .failures import too_slow
from .habits import Habits

# What not every server that streams can stream: the whole answer is asked for at once.
_UNSTREAMED: Final = ("n", "tools", "functions", "logprobs", "response_format", "audio", "modalities")
_END_SECONDS: Final = 0.05
_TOKENS: Final = ("max_tokens", "max_completion_tokens")
_STREAM: Final[Mapping[str, Any]] = {"stream": True, "stream_options": {"include_usage": True}}


@dataclass(frozen=True, slots=True)
class Limits:
    """What is known of a server and allowed to it, shared by sync and async.

    Attributes:
        endpoint: What is called, for messages.
        answer_timeout: Seconds that a whole answer may take.
        default_tokens: A limit of tokens that nobody asked for, without which a server that refuses it is asked.
        habits: What it refuses.
    """

    endpoint: Endpoint
    answer_timeout: float
    default_tokens: int | None = None
    habits: Habits = field(default_factory=Habits)

    def payload(self, arguments: Mapping[str, Any], *, may_stream: bool) -> dict[str, Any]:
        """What is sent."""
        payload = dict(arguments)
        if may_stream and not payload.get("stream") and not any(payload.get(name) for name in _UNSTREAMED):
            payload |= {} if self.habits.refuses("stream", True) else _STREAM
        if self.habits.refuses("stream_options", True):
            payload.pop("stream_options", None)
        if self.habits.refuses("max_tokens", self.default_tokens):
            payload = {name: value for name, value in payload.items() if not self._is_default(name, value)}
        return payload

    def learns(self, exc: Exception, payload: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
        """Whether a request that failed is worth sending once more without something."""
        added: dict[str, Any] = {name: True for name in ("stream_options", "stream") if payload.get(name)}
        if any(self._is_default(name, value) for name, value in payload.items()):
            added["max_tokens"] = self.default_tokens
        if arguments.get("stream"):
            # Somebody wants a stream: without one the request would be another.
            added.pop("stream", None)
        return self.habits.learn(exc, added)

    def _is_default(self, name: str, value: Any) -> bool:
        return name in _TOKENS and value is not None and value == self.default_tokens


class _Reading:
    """Reads one response, whose bytes are fed in, until its end or its limit."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._deadline = time.monotonic() + limits.answer_timeout
        self._stream = EventStream()
        self._events = ChatEvents()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        if time.monotonic() > self._deadline:
            raise too_slow(self._limits.endpoint, self._limits.answer_timeout)
        yield from map(self._events.add, self._stream.feed(data))

    def finish(self) -> Iterator[dict[str, Any]]:
        yield from map(self._events.add, self._stream.finish())
        yield from self._events.end(is_whole=self._stream.is_whole)

    @property
    def is_over(self) -> bool:
        return self._stream.is_whole


class ChatRequests:
    """OpenAI's resource for chat completions, in whose place it stands in LangChain's class.

    Args:
        resource: The client's resource.
        limits: What is allowed.
    """

    def __init__(self, resource: Any, limits: Limits) -> None:
        self._resource = resource.with_raw_response
        self._limits = limits

    @property
    def with_raw_response(self) -> "_Raw":
        """The same, whose answers have headers."""
        return _Raw(self)

    def create(self, **arguments: Any) -> Any:
        """Send a request, as OpenAI's own does.

        Returns:
            Events as dicts, or the whole answer as one.
        """
        return self.send(arguments).parse()

    def send(self, arguments: Mapping[str, Any]) -> "_Answer":
        """Send a request."""
        while True:
            payload = self._limits.payload(arguments, may_stream=True)
            reading = _Reading(self._limits)
            try:
                response = self._resource.create(**payload).http_response
            except Exception as exc:
                if not self._limits.learns(exc, payload, arguments):
                    raise
                continue
            events = _Events(response, reading)
            if arguments.get("stream"):
                return _Answer(response.headers, events)
            with events:
                return _Answer(response.headers, collected(events))


class AsyncChatRequests:
    """`ChatRequests` for the async client."""

    def __init__(self, resource: Any, limits: Limits) -> None:
        self._resource = resource.with_raw_response
        self._limits = limits

    @property
    def with_raw_response(self) -> "_AsyncRaw":
        """The same, whose answers have headers."""
        return _AsyncRaw(self)

    async def create(self, **arguments: Any) -> Any:
        """Send a request, see `ChatRequests.create`."""
        return (await self.send(arguments)).parse()

    async def send(self, arguments: Mapping[str, Any]) -> "_Answer":
        """Send a request."""
        while True:
            payload = self._limits.payload(arguments, may_stream=True)
            reading = _Reading(self._limits)
            try:
                response = (await self._resource.create(**payload)).http_response
            except Exception as exc:
                if not self._limits.learns(exc, payload, arguments):
                    raise
                continue
            events = _AsyncEvents(response, reading)
            if arguments.get("stream"):
                return _Answer(response.headers, events)
            async with events:
                return _Answer(response.headers, collected([event async for event in events]))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What OpenAI's raw responses offer, as far as LangChain asks for it."""

    headers: Any
    content: Any

    def parse(self) -> Any:
        return self.content


@dataclass(frozen=True, slots=True)
class _Raw:
    requests: ChatRequests

    def create(self, **arguments: Any) -> _Answer:
        return self.requests.send(arguments)


@dataclass(frozen=True, slots=True)
class _AsyncRaw:
    requests: AsyncChatRequests

    async def create(self, **arguments: Any) -> _Answer:
        return await self.requests.send(arguments)


class _Events:
    """The events of a response, which is closed with them."""

    def __init__(self, response: Any, reading: _Reading) -> None:
        self._response = response
        self._reading = reading

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for data in self._response.iter_bytes():
            yield from self._reading.feed(data)
            if self._reading.is_over:
                break
        yield from self._reading.finish()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._response.close()


class _AsyncEvents:
    """The events of a response, which is closed with them."""

    def __init__(self, response: Any, reading: _Reading) -> None:
        self._response = response
        self._bytes: AsyncIterator[bytes] = response.aiter_bytes()
        self._reading = reading

    async def __aiter__(self) -> AsyncIterator[dict[str, Any]]:
        async for data in self._bytes:
            for event in self._reading.feed(data):
                yield event
            if self._reading.is_over:
                break
        for event in self._reading.finish():
            yield event

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if exc is None and self._reading.is_over:
            # The end of the body behind the end of the answer: only so is the connection kept. Some send none.
            with suppress(Exception):
                async with asyncio.timeout(_END_SECONDS):
                    async for _ in self._bytes:
                        pass
        await self._response.aclose()
