"""Limits on requests: size, number, time; and an end to the work of clients that have gone.

A plain ASGI middleware: Starlette's `BaseHTTPMiddleware` would stand between a stream and its client.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .failures import BUSY, RefusedRequestError
from .metrics import Metrics
from .settings import ServerSettings

_BUSY_RETRY_SECONDS = 1
# Of a body that says that it is too large, so many times the limit are read and thrown away before it is refused: a
# connection that is closed while something is unread is reset, and a proxy in between loses the answer.
_STILL_READ = 4
# A task that is cancelled so often, with so many seconds between, and goes on, is not waited for.
_STOP_TRIES = 10
_STOP_SECONDS = 0.5


class ClientGoneError(Exception):
    """The client closed the connection before it had its answer."""


class RequestLimits:
    """Keeps requests that cost something within the operator's limits.

    Args:
        app: What answers.
        settings: The limits.
        metrics: Where requests in progress are counted.
        applies_to: Whether a request is one of those that cost something.
    """

    def __init__(
        self, app: ASGIApp, *, settings: ServerSettings, metrics: Metrics, applies_to: Callable[[Scope], bool]
    ) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._applies_to = applies_to
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request within the limits.

        Raises:
            RefusedRequestError: It is over one of them.
            ClientGoneError: The client went away.
            TimeoutError: The time is over.
        """
        if scope["type"] != "http" or not self._applies_to(scope):
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.request_timeout
        try:
            async with asyncio.timeout_at(deadline):
                body = await _read(scope, receive, self._settings.max_body_bytes)
        except TimeoutError:
            raise RefusedRequestError(408, "The request did not arrive in time.") from None
        if self._in_progress >= self._settings.max_in_progress:
            raise RefusedRequestError(
                503,
                "The server is busy. Try again in a moment.",
                {"Retry-After": str(_BUSY_RETRY_SECONDS)},
                code=BUSY,
            )
        self._in_progress += 1
        self._metrics.in_progress.inc()
        try:
            await self._answer(scope, body, receive, send, deadline)
        finally:
            self._in_progress -= 1
            self._metrics.in_progress.dec()

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send, deadline: float) -> None:
        is_sent = False

        async def watched_send(message: Message) -> None:
            nonlocal is_sent
            await send(message)
            is_sent = message["type"] == "http.response.body" and not message.get("more_body", False)

        gone = asyncio.ensure_future(_wait_until_gone(receive))
        answer = asyncio.ensure_future(self._app(scope, _replay(body, gone), watched_send))
        try:
            remaining = max(0.0, deadline - asyncio.get_running_loop().time())
            await asyncio.wait({gone, answer}, timeout=remaining, return_when=asyncio.FIRST_COMPLETED)
            if is_sent and not answer.done():
                # A server says that the client is gone also when it has all of its answer: what is left is to clear up.
                await asyncio.wait({answer}, timeout=_STOP_SECONDS)
            if answer.done():
                answer.result()
            elif gone.done() and not is_sent:
                raise ClientGoneError("the client went away")
            elif not is_sent:
                raise TimeoutError
        finally:
            await _stop(answer)
            await _stop(gone)


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Read a body.

    Raises:
        RefusedRequestError: It is larger than the limit.
        ClientGoneError: It breaks off.
    """
    too_large = RefusedRequestError(413, f"The request is larger than {limit:,} bytes.")
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    length = int(declared) if declared.isdigit() else 0
    if length > _STILL_READ * limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError("the client went away")
        size += len(message.get("body", b""))
        if size <= limit:
            parts.append(message.get("body", b""))
        if size > max(limit, length):
            raise too_large
        if not message.get("more_body", False):
            if size > limit:
                raise too_large
            return b"".join(parts)


def _replay(body: bytes, gone: "asyncio.Future[None]") -> Receive:
    """A `receive` that gives the body, and then waits for the client to go."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.shield(gone)
        return {"type": "http.disconnect"}

    return receive


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _stop(task: "asyncio.Future[Any]") -> None:
    """Cancel a task and wait until it has ended."""
    for _ in range(_STOP_TRIES):
        if task.done():
            break
        # More than once: LangChain's `astream_log` meets the first cancellation by waiting for the whole answer.
        task.cancel()
        await asyncio.wait({task}, timeout=_STOP_SECONDS)
    if task.done() and not task.cancelled():
        # Retrieved, so that nobody logs it: what it says comes from being cancelled.
        task.exception()
