"""One search that loads for all that wait for it.

Milvus Lite makes the index of full-text search in memory, in the first search of each part of a collection. Searches
that come meanwhile make one each: sixteen at 66,000 chunks took 40 s of CPU and 5 GB in place of 3 s and 1 GB. So the
first goes alone, and again the first after Lite has written new parts, which is seen by its list of them.
"""

import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# How often another process' search is looked after: a small part of the seconds that it saves.
_LOOK_SECONDS = 0.02


class FirstSearches:
    """The first searches of a Milvus Lite, of all threads of this process and beside those of others.

    Args:
        where: Its path or address: who has the same waits for one another.
        path: The database, where it is known. Without it, only the first search of each field goes alone.
    """

    def __init__(self, where: str, path: str | None = None) -> None:
        self._path = path
        # A folder can be locked too, and then nothing is left behind.
        self._lock_file = Path(path) if path else _lock_file(where)
        self._lock = threading.Lock()
        # By collection and field: which parts of it are loaded; and the end of a search that loads now.
        self._loaded: dict[tuple[str, str], Hashable] = {}
        self._loading: dict[tuple[str, str], threading.Event] = {}

    @contextmanager
    def search(self, collection: str, field: str, patience: float) -> Iterator[None]:
        """Hold this while a field is searched; the first waits for nobody, and others for it.

        Args:
            collection: Its own name, no alias.
            field: What is searched.
            patience: Seconds to wait at most: then it is searched all the same.
        """
        key, until = (collection, field), time.monotonic() + patience
        parts = self._parts(collection)
        done = self._first(key, parts, until)
        if done is None:
            yield
            return
        try:
            with _alone(self._lock_file, until):
                yield
            # Not after an error: then the next one is the first.
            self._loaded[key] = parts
        finally:
            with self._lock:
                del self._loading[key]
            done.set()

    def forget(self) -> None:
        """Know of nothing that it is loaded: Milvus Lite was started anew, maybe."""
        with self._lock:
            self._loaded.clear()

    def _first(self, key: tuple[str, str], parts: Hashable, until: float) -> threading.Event | None:
        """What to set at the end of the first search; None for all others, as soon as they may search."""
        while True:
            with self._lock:
                if key in self._loaded and self._loaded[key] == parts:
                    return None
                running = self._loading.get(key)
                if running is None:
                    return self._loading.setdefault(key, threading.Event())
            if not running.wait(max(0.0, until - time.monotonic())):
                return None

    def _parts(self, collection: str) -> Hashable:
        """Changes with the parts that a collection consists of."""
        if self._path is None:
            return None
        try:
            from milvus_lite.storage.manifest import MANIFEST_FILENAME
        except ImportError:
            return None
        own = Path("collections", collection, MANIFEST_FILENAME)
        root = Path(self._path)
        found = [root / own] if (root / own).exists() else sorted(root.glob(f"databases/*/{own}"))
        states = []
        for file in found:
            with suppress(OSError):
                state = file.stat()
                states.append((state.st_ino, state.st_mtime_ns, state.st_size))
        return tuple(states)


def _lock_file(where: str) -> Path:
    user = os.getuid() if hasattr(os, "getuid") else ""
    digest = hashlib.blake2b(f"{user} {where}".encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir(), f"milvus-rag-{digest}.lock")


@contextmanager
def _alone(lock_file: Path, until: float) -> Iterator[None]:
    """Hold a lock that other processes of this user have too; without it where it cannot be had in time."""
    if fcntl is None:
        yield
        return
    try:
        # In the folder for passing files another user may have put a link of that name: it leads nowhere.
        kind = os.O_RDONLY if lock_file.is_dir() else os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW
        opened = os.open(lock_file, kind | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        while time.monotonic() < until:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOOK_SECONDS)
            else:
                break
        yield
    finally:
        os.close(opened)
