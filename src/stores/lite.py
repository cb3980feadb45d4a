"""Milvus Lite on a path: one server a database, shared by all stores on it, stopped with the last.

It is not stopped while another client of this process uses it, such as a `MilvusClient` of a user's: that one would be
without a server. pymilvus never stops it, so that it stays open then until the process ends.
"""

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from .first_search import FirstSearches
from .lite_clients import forget_server, is_used_by_others, server_address
from .lite_holder import ElsewhereLite, LiteHolder
from .lite_process import LiteProcess
from .read_write_lock import ReadWriteLock

logger = logging.getLogger(__name__)

# pymilvus says at each query of Lite that it has no timestamps, which is so by design and nothing to act upon.
_NOISE = "failed to get mvccTs from milvus server"


@dataclass
class _Database:
    """One that is open.

    Attributes:
        process: Where Milvus Lite is, if not in this process.
        users: How many stores, and others that keep it open.
        lock: See `LiteDatabases.opened`.
        first_searches: Of all stores on it.
    """

    process: LiteProcess | ElsewhereLite | None
    first_searches: FirstSearches
    users: int = 0
    lock: ReadWriteLock = field(default_factory=ReadWriteLock)


class LiteDatabases:
    """Counts who uses which database. pymilvus starts a server for a path and never stops it before exit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, _Database] = {}
        # Servers of a process that this one was forked from.
        self._inherited: list[object] = []
        # Other processes that stores which came from there have left a database open in.
        self._holders: dict[str, LiteHolder] = {}
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Leave to the process that this one was forked from what is its."""
        self._lock = threading.Lock()
        self._holders |= {path: holder for path in self._open if (holder := self.holder(path, of=os.getppid()))}
        opened, self._open = self._open, {}
        # At its exit this process would write to the files of the other one. A server that is kept is not ended.
        self._inherited += [opened, *(forget_server(path) for path in opened)]

    def holder(self, path: str, *, of: int | None = None) -> LiteHolder | None:
        """How another process reaches a database that is open here, which it cannot open itself.

        Args:
            path: The database.
            of: The process that has it open, by default this one.
        """
        database = self._open.get(path)
        if database is None:
            return None
        if isinstance(database.process, ElsewhereLite):
            return database.process.holder
        own = server_address(path)
        address = database.process.address if database.process else own and f"http://{own}"
        return LiteHolder.of(os.getpid() if of is None else of, address) if address else None

    def may_be_held(self, path: str, holder: LiteHolder | None) -> None:
        """A store has come from another process, which may have the database open still."""
        if holder is not None:
            with self._lock:
                self._holders[path] = holder

    def opened(self, path: str, *, apart: bool = False) -> tuple[str, ReadWriteLock]:
        """A store opens a database, whose `database_path` is given. It must call this before it connects.

        Args:
            path: The database.
            apart: Whether Milvus Lite should be in a process of its own. The first user of a database decides.

        Returns:
            What to connect to, and the lock that all stores on this database hold while they read or write. Milvus
            Lite takes one writer a collection (`milvus_lite.adapter.grpc.server`), and what it flushes cannot be read
            until it is on disk.
        """
        with self._lock:
            database = self._open.get(path)
            if database is None:
                held = ElsewhereLite.found(self._holders.get(path), lambda: _start_quietly(path))
                database = self._open[path] = _Database(
                    held or (_started(path) if apart else None), FirstSearches(path, path)
                )
            elif database.process is not None and not database.process.is_running:
                database.process.close()
                database.process = _started(path)
                database.first_searches.forget()
            if database.process is None and _start_here(path) and apart and not database.users:
                logger.warning("Milvus Lite runs in this process: searches hold up all else that it does.")
            database.users += 1
            return database.process.address if database.process else path, database.lock

    def first_searches(self, path: str) -> FirstSearches:
        """Those of a database that is open."""
        return self._open[path].first_searches

    def closed(self, path: str) -> None:
        """A store is closed; with the last one, the database is written and free for other processes."""
        with self._lock:
            database = self._open.get(path)
            if database is None:
                # Opened by the process from which this one was forked.
                return
            database.users -= 1
            if database.users > 0:
                return
            del self._open[path]
            if database.process is not None:
                database.process.close()
            elif not is_used_by_others(path):
                _stop_here(path)

    @contextmanager
    def kept(self, path: str, *, apart: bool = False) -> Iterator[None]:
        """Keep a database open, for the stores that are opened meanwhile, one after the other.

        Args:
            path: The database.
            apart: Whether Milvus Lite should be in a process of its own; see `opened`.
        """
        self.opened(path, apart=apart)
        try:
            yield
        finally:
            self.closed(path)

    def kept_apart(self, path: str) -> AbstractContextManager[None]:
        """`kept`, in a process of its own."""
        return self.kept(path, apart=True)


def _started(path: str) -> LiteProcess | None:
    try:
        return LiteProcess(path)
    except OSError as exc:
        logger.debug("%s", exc)
        return None


def _start_here(path: str) -> bool:
    # As pymilvus will do; but two threads that do it at once stand in each other's way. If it cannot be started,
    # pymilvus will say so.
    start = _of_server_manager("start_and_get_uri")
    return start is None or start(path) is not None


def _start_quietly(path: str) -> bool:
    # It writes a traceback where another process has the database.
    said, nothing = logging.getLogger("milvus_lite.server_manager"), _Silence()
    said.addFilter(nothing)
    try:
        return _start_here(path)
    finally:
        said.removeFilter(nothing)


def _stop_here(path: str) -> None:
    release = _of_server_manager("release_server")
    if release is None:
        logger.warning("Milvus Lite cannot be told to close %s, which stays open until this process ends.", path)
    else:
        release(path)


def _of_server_manager(method: str) -> Callable[[str], object] | None:
    """A method of what pymilvus starts Milvus Lite with; None where a later release has none."""
    try:
        from milvus_lite.server_manager import server_manager_instance
    except ImportError:
        return None
    found: Callable[[str], object] | None = getattr(server_manager_instance, method, None)
    return found


def clear_half_made(path: str, collection: str) -> bool:
    """Remove the folder of a collection whose making was killed halfway; Milvus Lite would trip over it for ever.

    Such a folder has no schema yet, and so no rows that could ever be read. Where Milvus Lite does not tell what a
    schema's file is called, nothing is removed.

    Returns:
        Whether there was one.
    """
    try:
        from milvus_lite.db import SCHEMA_FILENAME
    except ImportError:
        return False
    found = [
        folder
        for folder in Path(path).glob(f"**/collections/{collection}")
        if folder.is_dir() and not (folder / SCHEMA_FILENAME).exists()
    ]
    for folder in found:
        shutil.rmtree(folder)
    return bool(found)


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return False


class _NoNoise(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return _NOISE not in record.getMessage()


# As many as pymilvus' own: its table of servers is one a process.
LITE_DATABASES = LiteDatabases()


def without_noise(logger_name: str) -> None:
    """Keep a warning of pymilvus that does not concern Milvus Lite out of the log."""
    logger = logging.getLogger(logger_name)
    if not any(isinstance(known, _NoNoise) for known in logger.filters):
        logger.addFilter(_NoNoise())


def database_path(uri: str) -> str:
    """The one path of a database, however it is spelled and whatever the working folder becomes.

    It ends with ``.db``, by which pymilvus knows Milvus Lite.
    """
    path = Path(uri)
    real = path.resolve()
    return str(real if real.name.endswith(".db") else path.parent.resolve() / path.name)
