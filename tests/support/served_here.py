"""The server in a thread of this process, on a real socket: what it does is measured with the tests."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from milvus_rag.server import create_app
from milvus_rag.server.listening import listen
from milvus_rag.server.running import uvicorn_config
from milvus_rag.server.settings import ServerSettings

from .waiting import PATIENCE_SECONDS, wait_until


@contextmanager
def served_here(uri: str, **settings: Any) -> Iterator[str]:
    """Serve on a free port of 127.0.0.1 until the block ends; yields the address, without a slash at its end."""
    chosen = ServerSettings(uri=uri, **{"lite_process": False, **settings})
    server = uvicorn.Server(uvicorn_config(create_app(chosen), chosen))
    (listener,) = listen("127.0.0.1", 0)
    with listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive(), "the server does not start")
            assert thread.is_alive()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(PATIENCE_SECONDS)
