"""The server's application in this process, without a socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from milvus_rag.server import create_app
from milvus_rag.server.settings import ServerSettings


def let_time_pass(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Put the clock of the running event loop forward: what waits so long has waited long enough."""
    loop = asyncio.get_running_loop()
    now = loop.time
    monkeypatch.setattr(loop, "time", lambda: now() + seconds)


@contextlib.asynccontextmanager
async def application(uri: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Start an application; yields a client of it. The application itself is ``client.app``.

    Milvus Lite is in this process too, where it is there at once.
    """
    app = create_app(ServerSettings(uri=uri, **{"lite_process": False, **settings}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            client.app = app  # type: ignore[attr-defined]  # for the tests that look inside
            yield client
