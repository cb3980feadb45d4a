"""The texts of a run: which of them are being embedded, and which have a vector, so that each is embedded once."""

from collections import OrderedDict

from .chunks import Chunk
from .ledger import Vector

# Of more texts than these, one that comes again may be embedded again.
_MOST_TEXTS = 1_000_000
# Vectors of texts that came last, for those that come again: headings, notices, licences.
_RECENT_BYTES = 16 * 2**20


class RunTexts:
    """Remembers texts by their digest. Not thread-safe: whoever shares it holds a lock."""

    def __init__(self) -> None:
        # From when the first chunk of a text is taken until all of them are stored.
        self._waiting: dict[str, list[Chunk]] = {}
        self._recent: OrderedDict[str, Vector] = OrderedDict()
        self._recent_bytes = 0
        self._stored: set[int] = set()

    def wait(self, chunk: Chunk) -> None:
        """Have a chunk wait for the vector of its text."""
        self._waiting.setdefault(chunk.digest, []).append(chunk)

    def is_waited_for(self, digest: str) -> bool:
        """Whether chunks wait for the vector of a text."""
        return digest in self._waiting

    def waiting(self, digest: str) -> list[Chunk]:
        """All chunks that wait for the vector of a text; more may come while it is made."""
        return self._waiting[digest]

    def recent(self, digest: str) -> Vector | None:
        """The vector of a text that was stored not long ago."""
        vector = self._recent.get(digest)
        if vector is not None:
            self._recent.move_to_end(digest)
        return vector

    def was_stored(self, digest: str) -> bool:
        """Whether a text was embedded and stored in this run."""
        return _number(digest) in self._stored

    def stored(self, chunks: list[Chunk], count: int, vector: Vector | None) -> list[Chunk]:
        """Note that chunks of one text are through.

        Args:
            chunks: All that wait for it, if it is these.
            count: How many of them are through.
            vector: Its vector; None where there is none.

        Returns:
            Those that came meanwhile, and are next.
        """
        digest = chunks[0].digest
        if chunks is not self._waiting.get(digest):
            return []
        if vector is not None:
            self._remember(digest, vector)
        late = chunks[count:]
        if late:
            self._waiting[digest] = late
        else:
            del self._waiting[digest]
        return late

    def _remember(self, digest: str, vector: Vector) -> None:
        if len(self._stored) < _MOST_TEXTS:
            self._stored.add(_number(digest))
        self._recent[digest] = vector
        self._recent_bytes += vector.nbytes
        while self._recent_bytes > _RECENT_BYTES:
            self._recent_bytes -= self._recent.popitem(last=False)[1].nbytes


def _number(digest: str) -> int:
    """Half of a digest, in a third of its memory."""
    return int(digest[:16], 16)
