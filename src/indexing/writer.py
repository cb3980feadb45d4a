"""New chunks into the collection: each text is embedded once, on some threads, and stored on others."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..stores.collection_rows import CollectionRows
from ..stores.request_sizes import ROWS_PER_REQUEST
from ..stores.searched_text import embedded_text
from .chunks import Chunk
from .collection_memory import CollectionMemory
from .embedding_requests import EmbeddingRequests
from .pruning import Leftovers
from .row_writer import RowWriter
from .run_texts import RunTexts
from .tally import Tally
from .work_queue import Limits, Ready, WorkQueue

if TYPE_CHECKING:
    from .ledger import Vector

# New chunks that are looked up at once: each question by text looks through all rows of a Milvus Lite database.
_LOOKED_UP_AT_ONCE = 1000
# Chunks that wait for an answer of the embedding. Twice what is in flight, so that no request waits for the reader.
_MOST_PENDING = 8000
# Texts of the first requests. What is answered is paid for, and only what is stored is kept when a run is killed.
_FIRST_BATCH = 32
# A server stores a request while the next one is put together.
_STORERS = 2


class StoringWriter:
    """A `ChunkWriter` that embeds and stores. Memory is bounded: its caller waits while too many chunks are under way.

    Args:
        rows: Where the chunks go.
        memory: Has the collection remember what is done to it.
        requests: Embeds; None for a store without an embedding.
        tally: Counts what is stored, and what could not be.
        max_concurrency: Embedding requests in flight.
        batch_size: Texts a request; the embedding's limit by default.
        is_lite: Whether it is Milvus Lite, which takes one writer.
        had_rows: Whether there may be rows of which a vector can be taken.
        stop: Ends all threads.
    """

    def __init__(
        self,
        rows: RowWriter,
        *,
        memory: CollectionMemory,
        requests: EmbeddingRequests | None,
        tally: Tally,
        max_concurrency: int,
        batch_size: int | None,
        is_lite: bool,
        had_rows: Callable[[], bool],
        stop: threading.Event,
    ) -> None:
        self._rows = rows
        self._memory = memory
        self._requests = requests
        self._tally = tally
        self._had_rows = had_rows
        batch = batch_size or (requests.max_batch if requests else ROWS_PER_REQUEST)
        storers = 1 if is_lite else _STORERS
        limits = Limits(
            batch=batch,
            first_batch=batch_size or min(batch, _FIRST_BATCH),
            batch_chars=requests.max_batch_chars if requests else 0,
            rows=ROWS_PER_REQUEST,
            pending=min(2 * max_concurrency * batch, _MOST_PENDING) + 4 * ROWS_PER_REQUEST,
            embedders=max_concurrency,
            storers=storers,
        )
        self._queue = WorkQueue(limits, stop)
        # Guarded by `WorkQueue.changed`, as is what turned out to have no vector.
        self._texts = RunTexts()
        self._without_vector: list[Chunk] = []
        # New chunks that were not looked up yet, and those of whose text another chunk was stored meanwhile.
        self._new: list[Chunk] = []
        self._repeated: list[Chunk] = []
        self._storers = self._start("sync storer", self._store_forever, storers)
        self._start("sync embedder", self._embed_forever, max_concurrency if requests else 0)

    @property
    def rows(self) -> CollectionRows | None:
        """The rows of the collection; None while there is none."""
        return self._rows.rows

    # --- called by the reader

    def move(self, chunk: Chunk) -> None:
        """Take a chunk whose text is stored under its id."""
        self._store(Ready([chunk], like=chunk.row_id, moved=True))

    def add(self, chunks: Sequence[Chunk]) -> None:
        """Take new chunks; those of known texts get the vectors that there are."""
        self._new += chunks
        if len(self._new) >= _LOOKED_UP_AT_ONCE:
            self._hand_over_new()

    def drain(self) -> None:
        """Wait until all that was taken is stored.

        Raises:
            MilvusRagError: What ended the run.
            StoppedError: The run was stopped.
        """
        self._hand_over_new()
        self._hand_over_repeated()
        while True:
            with self._queue.changed:
                self._queue.drain()
                lost, self._without_vector = self._without_vector, []
            if not lost:
                return
            for chunk in lost:
                self._embed(chunk, again=True)

    def clear_away(self, leftovers: Leftovers) -> None:
        """Delete rows, and have others know who has them."""
        self._rows.clear_away(leftovers)

    def record(self, records: Mapping[str, str]) -> None:
        """Have rows keep what is to be known of their sources."""
        self._rows.record(records)

    def finish(self, *, complete: bool, had_rows: bool, written: int) -> str | None:
        """Leave the collection as a sync leaves it."""
        rows = self._rows.rows
        if rows is None:
            return None
        return self._memory.finish(rows, complete=complete, had_rows=had_rows, written=written)

    def close(self, seconds: float | None = None) -> None:
        """End the threads; what is embedded already is stored, for so many seconds at most."""
        deadline = float("inf") if seconds is None else time.monotonic() + seconds
        self._queue.close(deadline)
        for thread in self._storers:
            thread.join(None if seconds is None else max(0.0, deadline - time.monotonic()))

    def _hand_over_new(self) -> None:
        new, self._new = self._new, []
        if self._requests is None:
            # Taken once for all of them: else each would wake the threads that wait, and wait for them.
            with self._queue.changed:
                for chunk in new:
                    self._store(Ready([chunk]))
            return
        known = self._rows.ids_by_digest(new) if self._had_rows() else {}
        with self._queue.changed:
            self._repeated += [chunk for chunk in new if not self._hand_over(chunk, known)]
        if len(self._repeated) >= _LOOKED_UP_AT_ONCE:
            self._hand_over_repeated()

    def _hand_over_repeated(self) -> None:
        repeated, self._repeated = self._repeated, []
        known = self._rows.ids_by_digest(repeated, fresh=True)
        for chunk in repeated:
            self._hand_over(chunk, known, again=True)

    def _hand_over(self, chunk: Chunk, known: dict[str, str], *, again: bool = False) -> bool:
        """Have a chunk stored with the vector of a known row, or embedded; see `_embed`."""
        if chunk.digest not in known:
            return self._embed(chunk, again=again)
        self._store(Ready([chunk], like=known[chunk.digest]))
        return True

    def _store(self, ready: Ready) -> None:
        with self._queue.changed:
            self._queue.wait_for_room()
            self._queue.take_in()
            self._queue.put_ready(ready)

    def _embed(self, chunk: Chunk, *, again: bool = False) -> bool:
        """Take a chunk that needs a vector. Its text is embedded once, however many chunks of it come.

        Args:
            chunk: What to embed and store.
            again: Whether to embed a text of this run that is stored already.

        Returns:
            False if it was not taken: its text was embedded and stored meanwhile.
        """
        with self._queue.changed:
            self._queue.wait_for_room()
            if self._texts.is_waited_for(chunk.digest):
                self._texts.wait(chunk)
            elif (vector := self._texts.recent(chunk.digest)) is not None:
                self._queue.put_ready(Ready([chunk], vector))
            elif self._texts.was_stored(chunk.digest) and not again:
                return False
            else:
                self._texts.wait(chunk)
                self._queue.put_text(chunk)
            self._queue.take_in()
            return True

    # --- threads

    def _start(self, name: str, work: Callable[[], None], count: int) -> list[threading.Thread]:
        # Daemons: one that hangs in a request must not keep an interrupted program from ending.
        threads = [threading.Thread(target=self._queue.run, args=(work,), name=name, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads

    def _embed_forever(self) -> None:
        requests = self._requests
        while requests is not None and (batch := self._queue.next_batch()) is not None:
            started = time.monotonic()
            vectors = requests.embed([embedded_text(chunk.text, chunk.metadata) for chunk in batch])
            seconds = time.monotonic() - started
            with self._queue.changed:
                self._queue.embedded(
                    [
                        Ready(self._texts.waiting(chunk.digest), vector)
                        for chunk, vector in zip(batch, vectors, strict=True)
                    ],
                    seconds,
                )

    def _store_forever(self) -> None:
        while taken := self._queue.next_ready():
            self._finish(taken, self._store_all(taken))

    def _store_all(self, taken: Sequence[tuple[Ready, list[Chunk]]]) -> list[Chunk]:
        """Store chunks. Returns those for which there turned out to be no vector."""
        needs_vector = self._requests is not None
        known = self._rows.vectors([ready.like for ready, _ in taken if ready.like]) if needs_vector else {}
        chunks: list[Chunk] = []
        vectors: list[Vector] = []
        lost: list[Chunk] = []
        for ready, its_chunks in taken:
            if isinstance(ready.vector, Exception):
                continue
            vector = known.get(ready.like) if ready.like else ready.vector
            if vector is None and needs_vector:
                lost += its_chunks
                continue
            chunks += its_chunks
            vectors += [vector] * len(its_chunks) if vector is not None else []
        if chunks:
            started = time.monotonic()
            self._rows.write(chunks, vectors)
            self._queue.stored(len(chunks), time.monotonic() - started)
        return lost

    def _finish(self, taken: Sequence[tuple[Ready, list[Chunk]]], lost: list[Chunk]) -> None:
        lost_ids = {chunk.row_id for chunk in lost}
        for ready, chunks in taken:
            if isinstance(ready.vector, Exception):
                for chunk in chunks:
                    self._tally.chunk_failed(chunk, ready.vector)
            elif chunks[0].row_id not in lost_ids:
                (self._tally.moved if ready.moved else self._tally.added)(len(chunks))
        with self._queue.changed:
            self._without_vector += lost
            for ready, chunks in taken:
                vector = None if isinstance(ready.vector, Exception) else ready.vector
                if late := self._texts.stored(ready.chunks, len(chunks), vector):
                    self._queue.put_ready(Ready(late, ready.vector))
                self._queue.done(ready, len(chunks))
