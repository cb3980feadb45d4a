"""The server as a process: a socket, signals, uvicorn."""

import gc
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import uvicorn
from sse_starlette import sse

from ..errors import CollectionNotFoundError, SettingsError, StoreUnavailableError
from .access import check_binding, default_hosts
from .app import build_app
from .index import Index
from .logs import configure_logs
from .settings import ServerSettings

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
    settings = settings.model_copy(update={"allowed_hosts": default_hosts(settings)})
    listener = listen(settings.host, settings.port)
    with listener:
        configure_logs(settings.log_format)
        app = build_app(settings)
        _look_before(app.state.index, is_lite_here="://" not in settings.uri)
        # It replaces uvicorn's signal handler by one that cuts every event stream at once. Later releases do not.
        unpatch = getattr(sse, "unpatch_uvicorn_signal_handler", None)
        if unpatch is not None:
            unpatch()
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=round(settings.shutdown_timeout),
        )
        # uvicorn raises the signal again when it has stopped: by then a SIGTERM has been obeyed.
        signal.signal(signal.SIGTERM, _exit)
        with _running(beside):
            _Server(config, address_of(listener, settings.root_path)).run(sockets=[listener])


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


class _Server(uvicorn.Server):
    """uvicorn, which says where it listens when it does."""

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What was loaded until now stays. To look through it for garbage took 0.2 s each time, in which nobody was
        # answered.
        gc.collect()
        gc.freeze()
        logger.info("Listening on %s", self._address)


def address_of(listener: socket.socket, root_path: str = "") -> str:
    """The URL of the chat page."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{root_path}/"


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that the server will listen on.

    Raises:
        SettingsError: There is no such address here, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)[0]
        # With the protocol: asyncio sends small packets at once only on sockets that name it, and else every answer
        # waits 40 ms for the client's delayed acknowledgement.
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as exc:
        raise SettingsError(
            f"Cannot listen on {host} port {port}: {exc.strerror or exc}. Choose another with --host and --port."
        ) from exc
    return listener


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
