"""The server as a process: a socket, signals, uvicorn."""

import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, cast

import uvicorn
from sse_starlette import sse
from starlette.types import ASGIApp

from ..errors import CollectionNotFoundError, StoreUnavailableError
from .access import check_binding, default_hosts, warn_of_short_key
from .app import build_app
from .connections import ACCEPTED_AT_ONCE, Connections, connection_limit
from .index import Index
from .listening import address_of, listen
from .logs import logs
from .settings import ServerSettings

if TYPE_CHECKING:
    import asyncio

logger = logging.getLogger("milvus_rag.server")

_BACKLOG = 2048
_BESIDE_SECONDS = 5.0


def run_server(settings: ServerSettings, *, beside: Callable[[threading.Event], None] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; running answers are finished first.

    Args:
        settings: Say what is served, and where.
        beside: Runs in a thread meanwhile, until its event is set.

    Raises:
        SettingsError: The address may not or cannot be listened on.
        StoreError: The database cannot be opened. (A server that does not answer is waited for instead.)
    """
    check_binding(settings)
    warn_of_short_key(settings)
    settings = settings.model_copy(update={"allowed_hosts": default_hosts(settings)})
    with ExitStack() as opened:
        listeners = [opened.enter_context(listener) for listener in listen(settings.host, settings.port)]
        opened.enter_context(logs(settings.log_format))
        app = build_app(settings)
        _look_before(app.state.index, is_lite_here="://" not in settings.uri)
        # It replaces uvicorn's signal handler by one that cuts every event stream at once. Later releases do not.
        unpatch = getattr(sse, "unpatch_uvicorn_signal_handler", None)
        if unpatch is not None:
            unpatch()
        config = uvicorn_config(app, settings)
        # uvicorn raises the signal again when it has stopped: by then a SIGTERM has been obeyed.
        signal.signal(signal.SIGTERM, _exit)
        with _running(beside):
            _Server(config, address_of(listeners[0], settings.root_path)).run(sockets=listeners)


def uvicorn_config(app: ASGIApp, settings: ServerSettings) -> uvicorn.Config:
    """How uvicorn answers with an application."""
    return uvicorn.Config(
        app,
        # A callable that makes one is what uvicorn calls, though it asks for a class.
        http=cast("type[asyncio.Protocol]", _connections(settings).protocol),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        # So many are accepted before any of them is counted; asyncio uses one number for that and for the queue.
        backlog=ACCEPTED_AT_ONCE,
        timeout_graceful_shutdown=round(settings.shutdown_timeout),
    )


@contextmanager
def _running(beside: Callable[[threading.Event], None] | None) -> Iterator[None]:
    if beside is None:
        yield
        return
    stop = threading.Event()

    def run() -> None:
        try:
            beside(stop)
        except Exception:
            logger.exception("What runs beside the server has ended.")

    # A daemon: what hangs there does not keep the server from ending.
    thread = threading.Thread(target=run, name="beside", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_BESIDE_SECONDS)


def _connections(settings: ServerSettings) -> Connections:
    limit = connection_limit(settings.max_connections, in_progress=settings.max_in_progress)
    if settings.max_connections and limit < settings.max_connections:
        logger.warning("There can be %d connections at once: the limit of open files allows no more.", limit)
    return Connections(limit=limit, head_timeout=settings.head_timeout, send_timeout=settings.request_timeout)


class _Server(uvicorn.Server):
    """uvicorn, which says where it listens when it does."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(_BACKLOG)
        # What was loaded until now stays. To look through it for garbage took 0.2 s each time, in which nobody was
        # answered.
        gc.collect()
        gc.freeze()
        logger.info("Listening on %s", self._address)


def _look_before(index: Index, *, is_lite_here: bool) -> None:
    """Open the index, so that what cannot be mended from outside is said at once and in one line."""
    try:
        index.check()
    except (StoreUnavailableError, CollectionNotFoundError) as exc:
        # A server may come back, and another process may index into it.
        if is_lite_here:
            raise
        logger.warning("%s", exc)


def _exit(_: int, __: FrameType | None) -> NoReturn:
    sys.exit(0)
