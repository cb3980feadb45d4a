"""What a run does with the chunks that it compared: store them, or, in a dry run, count them."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ..stores.collection_rows import CollectionRows
from .chunks import Chunk
from .pruning import Leftovers


class ChunkWriter(Protocol):
    """Takes what a comparison found. `writer.StoringWriter` and `dry_run.CountingWriter` do."""

    @property
    def rows(self) -> CollectionRows | None:
        """The rows of the collection; None while there is none."""
        ...

    def move(self, chunk: Chunk) -> None:
        """Take a chunk whose text is stored under its id, and whose metadata changed."""
        ...

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Take chunks that are new, or whose text is embedded otherwise now."""
        ...

    def drain(self) -> None:
        """Wait until all that was taken is done."""
        ...

    def clear_away(self, leftovers: Leftovers) -> None:
        """Take rows that are to go, or to have other roots."""
        ...

    def record(self, records: Mapping[str, str]) -> None:
        """Take what rows are to keep of their sources, by id."""
        ...

    def finish(self, *, complete: bool, had_rows: bool, written: int) -> str | None:
        """Leave the collection as a sync leaves it; see `CollectionMemory.finish`."""
        ...

    def close(self, seconds: float | None = None) -> None:
        """End; what can be stored at once is, for so many seconds at most."""
        ...
