"""HTTP clients: one sync, one async for any number of event loops, closed when nobody holds them any more."""

import asyncio
import ssl
import threading
import weakref
from collections.abc import AsyncGenerator
from functools import cache
from typing import Any

import httpx

# Of OpenAI's own client (openai._constants.DEFAULT_CONNECTION_LIMITS). With httpx' own, 100 and 20, a server with many
# clients of its own opens and closes connections all the time, and lets requests wait for one.
_LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=100)


@cache
def tls_context() -> ssl.SSLContext:
    """Load the TLS settings of httpx, once: it takes 30 ms, and every client would do it again."""
    return httpx.create_ssl_context()


class Connections:
    """The HTTP clients of one model.

    The vendors' client objects refer to each other in circles, where Python may collect an open socket before the
    client that would have closed it. This object is in no circle: when its last holder goes, the sync client is
    closed; the async one closes with its event loops.

    Attributes:
        sync_client: For any number of threads.
        async_client: For any number of event loops.
    """

    def __init__(self) -> None:
        self.sync_client = httpx.Client(verify=tls_context(), follow_redirects=True, limits=_LIMITS)
        self.async_client = PerLoopAsyncClient(verify=tls_context(), follow_redirects=True, limits=_LIMITS)
        weakref.finalize(self, self.sync_client.close)


class PerLoopAsyncClient(httpx.AsyncClient):
    """An ``httpx.AsyncClient`` that keeps its connections apart by event loop.

    A pooled connection belongs to the event loop that opened it: in a second ``asyncio.run`` an ordinary client fails
    with "Event loop is closed". This one has an ordinary client for each loop, and closes it when the loop ends.

    Args:
        options: Arguments of ``httpx.AsyncClient``.
    """

    def __init__(self, **options: Any) -> None:
        # This object builds requests and never opens a connection.
        super().__init__(**{**options, "transport": httpx.AsyncBaseTransport()})
        self._options = options
        self._lock = threading.Lock()
        self._open: dict[asyncio.AbstractEventLoop, tuple[httpx.AsyncClient, AsyncGenerator[None]]] = {}

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request over a connection of the running loop."""
        return await (await self._of_this_loop()).send(request, **options)

    async def aclose(self) -> None:
        """Close the connections of the running loop; those of others close with their loops."""
        with self._lock:
            entry = self._open.pop(asyncio.get_running_loop(), None)
        if entry is not None:
            await entry[1].aclose()
        await super().aclose()

    async def _of_this_loop(self) -> httpx.AsyncClient:
        loop = asyncio.get_running_loop()
        with self._lock:
            for closed in [known for known in self._open if known.is_closed()]:
                del self._open[closed]
            entry = self._open.get(loop)
            if entry is not None:
                return entry[0]
            client = httpx.AsyncClient(**self._options)
            lease = _lease(client)
            self._open[loop] = client, lease
        # An async generator that was started is closed by the loop's end (asyncio.run, uvicorn, Jupyter's shutdown),
        # which is the only hook that loops have.
        await anext(lease)
        return client


async def _lease(client: httpx.AsyncClient) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        await client.aclose()
