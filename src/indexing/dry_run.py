"""What a sync would do: counted, and nothing written, embedded or paid for."""

from collections.abc import Mapping, Sequence

from ..stores.collection_rows import CollectionRows
from .chunks import Chunk
from .ledger import Ledger
from .pruning import Leftovers
from .tally import Tally

# https://platform.openai.com/tokenizer: of English text.
_CHARS_PER_TOKEN = 4


class CountingWriter:
    """A `ChunkWriter` that only counts.

    Args:
        rows: The collection's, where it exists.
        tally: Counts.
        embeds: Whether texts would be embedded.
    """

    def __init__(self, rows: CollectionRows | None, tally: Tally, *, embeds: bool) -> None:
        self.rows = rows
        self._tally = tally
        self._embeds = embeds
        self._texts: set[str] = set()
        self._chars = 0

    def move(self, chunk: Chunk) -> None:
        """Count a chunk whose metadata changed."""
        self._tally.moved(1)

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Count chunks that are new, and the tokens of those whose text has no vector yet."""
        self._tally.added(len(chunks))
        if not self._embeds or not chunks:
            return
        known = Ledger(self.rows).ids_by_digest([chunk.digest for chunk in chunks]) if self.rows is not None else {}
        for chunk in chunks:
            if chunk.digest not in known and chunk.digest not in self._texts:
                self._texts.add(chunk.digest)
                self._chars += len(chunk.text)
        self._tally.report.estimated_tokens = self._chars // _CHARS_PER_TOKEN

    def drain(self) -> None:
        """Nothing is under way."""

    def clear_away(self, leftovers: Leftovers) -> None:
        """Nothing is written."""

    def record(self, records: Mapping[str, str]) -> None:
        """Nothing is written."""

    def finish(self, *, complete: bool, had_rows: bool, written: int) -> str | None:
        """Nothing is remembered."""
        return None

    def close(self, seconds: float | None = None) -> None:
        """Nothing is open."""
