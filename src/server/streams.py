"""Server-sent events of a chain, as LangServe makes them, sent so that errors and goodbyes are told properly."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Literal, cast

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ..attempts import retries_told_to

# Proxies close connections on which nothing is sent for a minute; a model may think for longer.
_PING_SECONDS = 15.0
_PING = ": ping"
_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class EventStream(StreamingResponse):
    """Sends events as they come.

    In place of ``sse_starlette.EventSourceResponse``, which cuts every stream when the process is told to stop, and
    which has begun to answer 200 before the first search may fail.

    Args:
        events: What LangServe yields: dicts of ``event`` and ``data``.
        held: So many events are held back until the next one comes: what fails before that is answered by a status.
        tells_waiting: Whether the client knows the event ``waiting``: a model is asked again, in ``seconds``.
        newline: What ends a line. Both are right, but many a reader of OpenAI's streams knows no other than theirs.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncIterable[Any],
        *,
        held: int,
        tells_waiting: bool = False,
        newline: Literal["\r\n", "\n"] = "\r\n",
    ) -> None:
        super().__init__(events, headers=_HEADERS)
        self.events = cast("AsyncGenerator[Mapping[str, Any]]", events)
        self.held = held
        self.tells_waiting = tells_waiting
        self.newline = newline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all events."""
        pending: list[bytes] = []
        pings: asyncio.Task[None] | None = None
        waiting = _Waiting(send)
        try:
            async for event in self._told(waiting):
                if event.get("event") == "error":
                    # LangServe's says nothing; the exception that it raises next tells what happened.
                    continue
                pending.append(_encoded(event, self.newline))
                if pings is None:
                    if len(pending) <= self.held and event.get("event") != "end":
                        continue
                    start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                    await send(start)
                    pings = asyncio.create_task(_ping(send, f"{_PING}{self.newline * 2}".encode()))
                    waiting.begin()
                await send({"type": "http.response.body", "body": b"".join(pending), "more_body": True})
                pending.clear()
        except BaseException:
            await _close(self.events)
            raise
        finally:
            if pings is not None:
                pings.cancel()
            waiting.end()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _told(self, waiting: "_Waiting") -> AsyncIterator[Mapping[str, Any]]:
        if not self.tells_waiting:
            async for event in self.events:
                yield event
            return
        with retries_told_to(waiting.tell):
            async for event in self.events:
                yield event


class _Waiting:
    """Tells a client that a model is asked again, from whichever thread asks."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Queue[float] = asyncio.Queue()
        self._telling: asyncio.Task[None] | None = None

    def tell(self, seconds: float) -> None:
        """A model is asked again in so many seconds."""
        self._loop.call_soon_threadsafe(self._told.put_nowait, seconds)

    def begin(self) -> None:
        """The client takes events from now on."""
        self._telling = asyncio.create_task(self._tell())

    def end(self) -> None:
        """It takes no more."""
        if self._telling is not None:
            self._telling.cancel()

    async def _tell(self) -> None:
        while True:
            told = {"event": "waiting", "data": json.dumps({"seconds": round(await self._told.get(), 1)})}
            event = _encoded(told, "\r\n")
            await self._send({"type": "http.response.body", "body": event, "more_body": True})


async def _ping(send: Send, comment: bytes) -> None:
    while True:
        await asyncio.sleep(_PING_SECONDS)
        await send({"type": "http.response.body", "body": comment, "more_body": True})


async def _close(events: AsyncGenerator[Mapping[str, Any]]) -> None:
    """End a generator that is not exhausted.

    LangServe's answers whatever ends it with one more event, and then raises it. Python does not allow that in answer
    to `aclose`, so it is told as a cancellation.
    """
    with suppress(asyncio.CancelledError, StopAsyncIteration):
        await events.athrow(asyncio.CancelledError())
        async for _ in events:
            pass


def _encoded(event: Mapping[str, Any], newline: str) -> bytes:
    lines = [f"event: {event['event']}"] if "event" in event else []
    # JSON without line breaks: one line of data.
    lines += [f"data: {event['data']}"] if "data" in event else []
    return newline.join([*lines, "", ""]).encode()
