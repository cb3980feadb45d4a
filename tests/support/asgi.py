"""The server's application in this process, without a socket."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

from milvus_rag.server import create_app
from milvus_rag.server.settings import ServerSettings


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
