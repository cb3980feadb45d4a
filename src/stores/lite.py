"""Milvus Lite in this process: one server a database, shared by all stores on it, stopped with the last."""

import logging
import shutil
import threading
from collections import Counter
from pathlib import Path

from .read_write_lock import ReadWriteLock

# pymilvus says at each query of Lite that it has no timestamps, which is so by design and nothing to act upon.
_NOISE = "failed to get mvccTs from milvus server"


class LiteDatabases:
    """Counts who uses which database. pymilvus starts a server for a path and never stops it before exit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: Counter[str] = Counter()
        self._locks: dict[str, ReadWriteLock] = {}

    def opened(self, path: str) -> ReadWriteLock:
        """A store opens a database, whose `database_path` is given. It must call this before it connects.

        Returns:
            The lock that all stores on this database hold while they read or write. Milvus Lite takes one writer a
            collection (`milvus_lite.adapter.grpc.server`), and what it flushes cannot be read until it is on disk.
        """
        from milvus_lite.server_manager import server_manager_instance

        with self._lock:
            # As pymilvus will do; but two threads that do it at once stand in each other's way. If it cannot be
            # started, pymilvus will say so.
            server_manager_instance.start_and_get_uri(path)
            self._users[path] += 1
            return self._locks.setdefault(path, ReadWriteLock())

    def closed(self, path: str) -> None:
        """A store is closed; with the last one, the database is written and free for other processes."""
        from milvus_lite.server_manager import server_manager_instance

        with self._lock:
            self._users[path] -= 1
            if self._users[path] <= 0:
                del self._users[path], self._locks[path]
                server_manager_instance.release_server(path)


def clear_half_made(path: str, collection: str) -> bool:
    """Remove the folder of a collection whose making was killed halfway; Milvus Lite would trip over it for ever.

    Such a folder has no schema yet, and so no rows that could ever be read.

    Returns:
        Whether there was one.
    """
    found = [
        folder
        for folder in Path(path).glob(f"**/collections/{collection}")
        if folder.is_dir() and not (folder / "schema.json").exists()
    ]
    for folder in found:
        shutil.rmtree(folder)
    return bool(found)


class _NoNoise(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return _NOISE not in record.getMessage()


# As many as pymilvus' own: its table of servers is one a process.
LITE_DATABASES = LiteDatabases()


def quiet(logger_name: str) -> None:
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
