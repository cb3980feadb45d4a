"""Chunks as rows of the collection, which is created before the first of them."""

import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

from ..chunk_keys import RECORD_KEY, ROOT_KEY
from ..stores.collection_rows import CollectionRows, Row
from ..stores.milvus import MilvusStore
from .chunks import Chunk, own_keys
from .collection_memory import CollectionMemory
from .ledger import Ledger, Vector
from .pruning import Leftovers


class RowSink(Protocol):
    """Takes new rows, from several threads: the collection's memory does, and so do files (`bulk`)."""

    def write(self, rows: CollectionRows, new: Sequence[Row]) -> None:
        """Take rows for a collection."""
        ...


class RowWriter:
    """Writes and deletes rows, from several threads.

    Args:
        store: Where they go.
        rows: Those of its collection, where it exists.
        root: Names the loader that the chunks come from.
        memory: Has the collection remember what is done to it.
        language: Of the full-text search of a collection that is created.
        sink: Takes the rows; by default the collection.

    Attributes:
        rows: See above; of the created collection from the first write on.
    """

    def __init__(
        self,
        store: MilvusStore,
        rows: CollectionRows | None,
        *,
        root: str,
        memory: CollectionMemory,
        language: str | None,
        sink: RowSink | None = None,
    ) -> None:
        self.rows = rows
        self._store = store
        self._root = root
        self._memory = memory
        self._sink: RowSink = sink or memory
        self._language = language
        self._creating = threading.Lock()
        self._noted = False

    def write(self, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        """Store chunks, each with its vector where there are any."""
        rows = self._opened(len(vectors[0]) if vectors else None, chunks)
        new = self._store.to_rows(
            rows.layout,
            [chunk.row_id for chunk in chunks],
            [chunk.text for chunk in chunks],
            [chunk.metadata for chunk in chunks],
            vectors or None,
            [own_keys(chunk, self._root, rows.layout) for chunk in chunks],
        )
        self._sink.write(rows, new)

    def vectors(self, row_ids: Sequence[str]) -> dict[str, Vector]:
        """Vectors that are stored, by id of a row."""
        return Ledger(self.rows).vectors(row_ids) if self.rows is not None and row_ids else {}

    def ids_by_digest(self, chunks: Sequence[Chunk], *, fresh: bool = False) -> dict[str, str]:
        """Rows with the vectors of some chunks' texts, see `Ledger.ids_by_digest`."""
        if self.rows is None:
            return {}
        return Ledger(self.rows).ids_by_digest([chunk.digest for chunk in chunks], fresh=fresh)

    def clear_away(self, leftovers: Leftovers) -> None:
        """Delete rows that are left behind, and have others know who has them."""
        rows = self.rows
        if rows is None or not leftovers.any:
            return
        self._memory.remember_writing()
        roots, key = leftovers.kept, rows.layout.primary_field
        rows.rewrite_by_id(list(roots), lambda row: {**row, ROOT_KEY: list(roots[row[key]])})
        rows.delete(leftovers.replaced)
        rows.delete(leftovers.gone)

    def record(self, records: Mapping[str, str]) -> None:
        """Have rows that are stored keep what is to be known of their sources, by id."""
        rows = self.rows
        if rows is None or not records:
            return
        self._memory.remember_writing()
        key = rows.layout.primary_field
        rows.rewrite_by_id(list(records), lambda row: {**row, RECORD_KEY: records[row[key]]})

    def _opened(self, dimension: int | None, chunks: Sequence[Chunk]) -> CollectionRows:
        with self._creating:
            if self.rows is None:
                with self._store.collection.remembering(self._memory.first_memory):
                    metadatas = [chunk.metadata for chunk in chunks]
                    layout = self._store.writable_layout(dimension, metadatas, language=self._language)
                    self.rows = self._store.collection.rows(layout)
            if not self._noted:
                self._memory.remember_writing()
            self._noted = True
            return self.rows
