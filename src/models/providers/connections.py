"""HTTP clients: one sync, one async for any number of event loops, closed when nobody holds them any more."""

import asyncio
import os
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import cache
from typing import Any

import httpx

# Of OpenAI's own client (openai._constants.DEFAULT_CONNECTION_LIMITS). With httpx' own, 100 and 20, a server with many
# clients of its own opens and closes connections all the time, and lets requests wait for one.
_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100)

_REQUESTS_PER_CLIENT = 8
_MOST_CLIENTS = 100


@cache
def tls_context() -> ssl.SSLContext:
    """Load the TLS settings of httpx, once: it takes 30 ms, and every client would do it again."""
    return httpx.create_ssl_context()


class Connections:
    """The HTTP clients of one model.

    The vendors' client objects refer to each other in circles, where Python may collect an open socket before the
    client that would have closed it. This object is in no circle: when its last holder goes, the sync client is
    closed; the async one closes with its event loops.

    Args:
        check: Looks at the body of each good answer that is no stream; what it raises is what the request raises.

    Attributes:
        sync_client: For any number of threads.
        async_client: For any number of event loops.
    """

    def __init__(self, check: Callable[[bytes], None] | None = None) -> None:
        options: dict[str, Any] = {"verify": tls_context(), "follow_redirects": True, "limits": _LIMITS}

        def look(response: httpx.Response) -> None:
            if check is not None and _is_whole(response):
                check(response.read())

        async def alook(response: httpx.Response) -> None:
            if check is not None and _is_whole(response):
                check(await response.aread())

        self.sync_client = PerProcessClient(event_hooks={"response": [look]}, **options)
        self.async_client = PerLoopAsyncClient(event_hooks={"response": [alook]}, **options)
        weakref.finalize(self, self.sync_client.close)


def _is_whole(response: httpx.Response) -> bool:
    return response.is_success and "event-stream" not in response.headers.get("content-type", "")


class PerProcessClient(httpx.Client):
    """An ``httpx.Client`` whose connections are of the process that asks: after a fork two would write to one.

    Args:
        options: Arguments of ``httpx.Client``.
    """

    def __init__(self, **options: Any) -> None:
        # This object builds requests and never opens a connection.
        super().__init__(**{**options, "transport": httpx.BaseTransport()})
        self._options = options
        self._clients = {os.getpid(): httpx.Client(**options)}

    def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send a request over a connection of this process."""
        client = self._clients.get(os.getpid())
        if client is None:
            # Those of the other process stay as they are. Of two threads here, the first one's is taken.
            client = self._clients.setdefault(os.getpid(), httpx.Client(**self._options))
        return client.send(request, stream=stream, **options)

    def close(self) -> None:
        """Close the connections of this process."""
        if client := self._clients.get(os.getpid()):
            client.close()
        super().close()


class PerLoopAsyncClient(httpx.AsyncClient):
    """An ``httpx.AsyncClient`` that keeps its connections apart by event loop, and in small groups.

    A pooled connection belongs to the event loop that opened it: in a second ``asyncio.run`` an ordinary client fails
    with "Event loop is closed". This one has ordinary clients for each loop, and closes them when the loop ends.

    At each request and at its end httpcore looks at all connections of its pool, for each of them that is idle: with 64
    at once that took more CPU than all else. So a further client is opened when the others have enough to do.

    Args:
        options: Arguments of ``httpx.AsyncClient``.
    """

    def __init__(self, **options: Any) -> None:
        # This object builds requests and never opens a connection.
        super().__init__(**{**options, "transport": httpx.AsyncBaseTransport()})
        self._options = options
        self._lock = threading.Lock()
        self._open: dict[asyncio.AbstractEventLoop, tuple[list[_Client], AsyncGenerator[None]]] = {}

    async def send(self, request: httpx.Request, *, stream: bool = False, **options: Any) -> httpx.Response:
        """Send a request over a connection of the running loop."""
        client = self._least_busy(await self._of_this_loop())
        client.requests += 1
        try:
            response = await client.send(request, stream=stream, **options)
        except BaseException:
            client.requests -= 1
            raise
        if stream and isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _Counted(response.stream, client)
        else:
            client.requests -= 1
        return response

    async def aclose(self) -> None:
        """Close the connections of the running loop; those of others close with their loops."""
        with self._lock:
            entry = self._open.pop(asyncio.get_running_loop(), None)
        if entry is not None:
            await entry[1].aclose()
        await super().aclose()

    def _least_busy(self, clients: "list[_Client]") -> "_Client":
        """The first that has room, so that few requests share few connections."""
        least_busy = next((client for client in clients if client.requests < _REQUESTS_PER_CLIENT), None)
        if least_busy is None and len(clients) < _MOST_CLIENTS:
            clients.append(least_busy := _Client(**self._options))
        return least_busy or min(clients, key=lambda client: client.requests)

    async def _of_this_loop(self) -> "list[_Client]":
        loop = asyncio.get_running_loop()
        with self._lock:
            for closed in [known for known in self._open if known.is_closed()]:
                del self._open[closed]
            entry = self._open.get(loop)
            if entry is not None:
                return entry[0]
            clients: list[_Client] = []
            lease = _lease(clients)
            self._open[loop] = clients, lease
        # An async generator that was started is closed by the loop's end (asyncio.run, uvicorn, Jupyter's shutdown),
        # which is the only hook that loops have.
        await anext(lease)
        return clients


class _Client(httpx.AsyncClient):
    requests = 0
    """How many are under way, those included whose answer is still being read."""


class _Counted(httpx.AsyncByteStream):
    """An answer that is under way until it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, client: _Client) -> None:
        self._stream = stream
        self._client: _Client | None = client

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part

    async def aclose(self) -> None:
        if self._client is not None:
            self._client.requests -= 1
        self._client = None
        await self._stream.aclose()


async def _lease(clients: list[_Client]) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        for client in clients:
            await client.aclose()
