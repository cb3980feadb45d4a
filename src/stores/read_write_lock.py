"""A lock that many readers may hold at once, or one writer alone."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


class ReadWriteLock:
    """Readers run side by side; a writer waits for those that are in, and keeps further ones out.

    A thread that holds it for writing may take it again, for either.
    """

    def __init__(self) -> None:
        self._entrance = threading.RLock()
        self._changed = threading.Condition()
        self._readers = 0
        self._writer: int | None = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold it beside other readers."""
        if self._writer == threading.get_ident():
            yield
            return
        with self._entrance, self._changed:
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                self._changed.notify_all()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold it alone."""
        if self._writer == threading.get_ident():
            yield
            return
        with self._entrance:
            with self._changed:
                while self._readers:
                    self._changed.wait()
            self._writer = threading.get_ident()
            try:
                yield
            finally:
                self._writer = None


def alone(lock: ReadWriteLock | None) -> AbstractContextManager[None]:
    """Hold a lock for writing, where there is one: a server keeps its writers apart by itself."""
    return lock.writing() if lock else nullcontext()
