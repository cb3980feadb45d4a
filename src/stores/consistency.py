"""How much of what was written before a reader is sure to see, which is what a question to a server costs."""

import time
from typing import Any

from ..errors import InputError

LEVELS = ("Strong", "Session", "Bounded", "Eventually")

# Longer than Milvus lets a bounded read lag behind (common.gracefulTime, 5 s by default).
_RECENT_SECONDS = 60.0


def check_level(level: Any) -> None:
    """Raise an `InputError` for what is no level of Milvus; None asks for none."""
    if level is not None and level not in LEVELS:
        raise InputError(f"consistency_level is one of {', '.join(LEVELS)}, not {level!r}.")


class RecentWrites:
    """When this process wrote to a collection last, through whichever store."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], float] = {}

    def note(self, uri: str, collection: str) -> float:
        """Somebody in this process wrote to a collection, just now; when that was, in seconds of the system's clock."""
        now = time.monotonic()
        self._last = {key: at for key, at in self._last.copy().items() if now - at < _RECENT_SECONDS}
        self._last[uri, collection] = now
        return now

    def last(self, uri: str, collection: str) -> float | None:
        """When somebody in this process did so last; None where that is more than a minute ago."""
        at = self._last.get((uri, collection))
        return at if at is not None and time.monotonic() - at < _RECENT_SECONDS else None


RECENT_WRITES = RecentWrites()


class ReadConsistency:
    """Chooses the level of the reads of one store on a server.

    A strong read waits until Milvus' clock has passed the question, 0.2 s by default. A reader need not: what this
    process wrote it always sees, and of what others write it misses the last few seconds at most, as Milvus is set up
    (common.gracefulTime).

    Args:
        uri: Of the server.
        chosen: The level that the user asks for; None leaves it to this.
    """

    def __init__(self, uri: str, chosen: str | None) -> None:
        self._uri = uri
        self._chosen = chosen
        self._own: float | None = None

    def wrote(self, collection: str, *, is_timed: bool) -> None:
        """This store wrote to a collection, just now.

        Args:
            collection: Its own name.
            is_timed: Whether Milvus said when, which 2.3 does not of a deletion.
        """
        at = RECENT_WRITES.note(self._uri, collection)
        self._own = at if is_timed else None

    def level(self, collection: str, *, ours: bool) -> str | None:
        """The level for reading a collection now; None for the one that it was created with.

        Args:
            collection: Its own name.
            ours: Whether this package made it. Who reads another program's may be that program.
        """
        if self._chosen or not ours:
            return self._chosen
        last = RECENT_WRITES.last(self._uri, collection)
        if last is None:
            return "Bounded"
        # pymilvus knows when it wrote last through this store's connection, and waits for that. Of what another store
        # of this process wrote it knows nothing.
        return "Session" if last == self._own else "Strong"
