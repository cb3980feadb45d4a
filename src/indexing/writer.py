"""The writing end of a sync: embeds batches on several threads, and stores what is ready on others."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..stores.collection_rows import ROWS_PER_REQUEST, CollectionRows
from ..stores.layout import DIGEST_KEY, ROOT_KEY
from ..stores.milvus import MilvusStore
from ..stores.searched_text import embedded_text
from .chunks import Chunk
from .collection_memory import Upkeep
from .embedding_requests import EmbeddingRequests, StoppedError
from .ledger import Ledger, Vector

_POLL_SECONDS = 0.1
# Texts of a run whose vectors are in the collection; of more than these a repeated one may be embedded again.
_MOST_TEXTS = 1_000_000
# Chunks that wait for an answer of the embedding. Twice what is in flight, so that no request waits for the reader.
_MOST_PENDING = 8000
# Vectors of texts that came last, for those that come again: headings, notices, licences.
_RECENT_BYTES = 16 * 2**20
# A server stores a request while the next one is put together. Milvus Lite takes one writer.
_STORERS = 2


@dataclass(slots=True)
class _Ready:
    """Chunks of one text that can be stored.

    Attributes:
        chunks: All with the same text.
        vector: Its vector, or why there is none; None where there is a row that has it, or no vector is needed.
        like: Id of a row with the same text.
        moved: Whether the chunks are stored already, and only their metadata changed.
    """

    chunks: list[Chunk]
    vector: Vector | Exception | None = None
    like: str | None = None
    moved: bool = False


class SyncWriter:
    """Embeds and stores chunks. Memory is bounded: what takes a chunk waits while too many are under way.

    Args:
        store: Where the rows go; its collection is created with the first of them.
        rows: The collection's, where it exists.
        root: Names the loader that they come from.
        upkeep: Has the collection remember what is done to it.
        requests: Embeds; None for a store without an embedding.
        max_concurrency: Embedding requests in flight.
        batch_size: Texts a request; the embedding's limit by default.
        stop: Ends all threads.
        on_stored: Called with how many chunks were just stored, and whether they were only moved.
        on_failed: Called with a chunk that could not be embedded, and why.
    """

    def __init__(
        self,
        store: MilvusStore,
        rows: CollectionRows | None,
        *,
        root: str,
        upkeep: Upkeep,
        requests: EmbeddingRequests | None,
        max_concurrency: int,
        batch_size: int | None,
        stop: threading.Event,
        on_stored: Callable[[int, bool], None],
        on_failed: Callable[[Chunk, Exception], None],
    ) -> None:
        self.rows = rows
        self._store = store
        self._root = root
        self._upkeep = upkeep
        self._requests = requests
        self._batch = batch_size or (requests.max_batch if requests else ROWS_PER_REQUEST)
        self._most_pending = min(2 * max_concurrency * self._batch, _MOST_PENDING) + 4 * ROWS_PER_REQUEST
        self._stop = stop
        self._on_stored = on_stored
        self._on_failed = on_failed
        self._creating = threading.Lock()
        self._reporting = threading.Lock()
        self._marked = False
        # All that follows is guarded by this.
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._pending = 0
        self._embedding = 0
        self._buffer: list[Chunk] = []
        self._buffer_chars = 0
        self._batches: deque[list[Chunk]] = deque()
        self._ready: deque[_Ready] = deque()
        # Chunks by the digest of their text, from when the first of them is taken until they are stored.
        self._waiting: dict[str, list[Chunk]] = {}
        self._recent: OrderedDict[str, Vector] = OrderedDict()
        self._recent_bytes = 0
        self._stored: set[int] = set()
        self._without_vector: list[Chunk] = []
        self._give_up_at = float("inf")
        # Daemons all: one that hangs in a request must not keep an interrupted program from ending.
        self._storers = self._started("sync storer", self._store_forever, 1 if store.server.lite else _STORERS)
        self._started("sync embedder", self._embed_forever, max_concurrency if requests else 0)

    # --- called by the reader

    def store(self, chunk: Chunk, like: str | None = None, *, moved: bool = False) -> None:
        """Take a chunk that needs no embedding.

        Args:
            chunk: What to store.
            like: Id of a row with the same text, whose vector it gets.
            moved: Whether it is stored already, and only its metadata changed.
        """
        with self._changed:
            self._wait_for_room()
            self._pending += 1
            self._ready.append(_Ready([chunk], like=like, moved=moved))
            self._changed.notify_all()

    def embed(self, chunk: Chunk, *, again: bool = False) -> bool:
        """Take a chunk that needs a vector. Its text is embedded once, however many chunks of it come.

        Args:
            chunk: What to embed and store.
            again: Whether to embed a text of this run that is stored already.

        Returns:
            False if it was not taken: its text was embedded and stored meanwhile.
        """
        with self._changed:
            self._wait_for_room()
            waiting, recent = self._waiting.get(chunk.digest), self._recent.get(chunk.digest)
            if waiting is not None:
                waiting.append(chunk)
            elif recent is not None:
                self._recent.move_to_end(chunk.digest)
                self._ready.append(_Ready([chunk], recent))
                self._changed.notify_all()
            elif _number(chunk.digest) in self._stored and not again:
                return False
            else:
                self._waiting[chunk.digest] = [chunk]
                self._add_to_buffer(chunk)
            self._pending += 1
            return True

    def drain(self) -> None:
        """Wait until all that was taken is stored.

        Raises:
            MilvusRagError: What ended the run.
            StoppedError: The run was stopped.
        """
        while True:
            with self._changed:
                self._send_buffer()
                while self._pending:
                    self._wait()
                self._check()
                lost, self._without_vector = self._without_vector, []
            if not lost:
                return
            for chunk in lost:
                self.embed(chunk, again=True)

    def close(self, seconds: float | None = None) -> None:
        """End the threads; what is embedded already is stored, for so many seconds at most."""
        deadline = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            self._give_up_at = deadline or float("inf")
            self._stop.set()
            self._changed.notify_all()
        for thread in self._storers:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))

    def _started(self, name: str, run: Callable[[], None], count: int) -> list[threading.Thread]:
        threads = [threading.Thread(target=run, name=name, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        return threads

    def _wait_for_room(self) -> None:
        while self._pending >= self._most_pending:
            if not (self._embedding or self._batches or self._ready):
                # All that is pending waits for texts of a batch that is not full yet.
                self._send_buffer()
            self._wait()
        self._check()

    def _wait(self) -> None:
        self._check()
        self._changed.wait(_POLL_SECONDS)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._stop.is_set():
            raise StoppedError

    def _add_to_buffer(self, chunk: Chunk) -> None:
        if self._requests and self._buffer_chars + len(chunk.text) > self._requests.max_batch_chars:
            self._send_buffer()
        self._buffer.append(chunk)
        self._buffer_chars += len(chunk.text)
        if len(self._buffer) >= self._batch:
            self._send_buffer()

    def _send_buffer(self) -> None:
        if self._buffer:
            self._batches.append(self._buffer)
            self._buffer, self._buffer_chars = [], 0
            self._changed.notify_all()

    # --- threads

    def _embed_forever(self) -> None:
        try:
            while (batch := self._next_batch()) is not None:
                vectors = self._request(batch)
                with self._changed:
                    for chunk, vector in zip(batch, vectors, strict=True):
                        self._ready.append(_Ready(self._waiting[chunk.digest], vector))
                    self._embedding -= 1
                    self._changed.notify_all()
        except StoppedError:
            return
        except BaseException as exc:  # noqa: BLE001 - is raised again where the run waits
            self._fail(exc)

    def _next_batch(self) -> list[Chunk] | None:
        with self._changed:
            while not self._batches and not self._stop.is_set():
                self._changed.wait(_POLL_SECONDS)
            if self._stop.is_set():
                return None
            self._embedding += 1
            return self._batches.popleft()

    def _request(self, batch: Sequence[Chunk]) -> list[Vector | Exception]:
        if self._requests is None:
            raise AssertionError("unreachable: nothing is sent to be embedded")
        return self._requests.embed([embedded_text(chunk.text, chunk.metadata) for chunk in batch])

    def _store_forever(self) -> None:
        try:
            while ready := self._next_ready():
                self._finish(ready, self._store_all(ready))
        except BaseException as exc:  # noqa: BLE001 - is raised again where the run waits
            self._fail(exc)

    def _next_ready(self) -> list[tuple[_Ready, list[Chunk]]]:
        """What to store next, as much as goes into one request; nothing when the run is over."""
        with self._changed:
            while not self._ready and not self._stop.is_set():
                self._changed.wait(_POLL_SECONDS)
            ready: list[tuple[_Ready, list[Chunk]]] = []
            rows = 0
            while self._ready and rows < ROWS_PER_REQUEST and time.monotonic() < self._give_up_at:
                item = self._ready.popleft()
                # More may come to wait for the same text while these are stored.
                ready.append((item, list(item.chunks)))
                rows += len(item.chunks)
            return ready

    def _store_all(self, ready: Sequence[tuple[_Ready, list[Chunk]]]) -> list[Chunk]:
        """Store chunks. Returns those for which there turned out to be no vector."""
        known = self._known_vectors([item.like for item, _ in ready if item.like])
        chunks: list[Chunk] = []
        vectors: list[Vector] = []
        lost: list[Chunk] = []
        for item, its_chunks in ready:
            if isinstance(item.vector, Exception):
                continue
            vector = known.get(item.like) if item.like else item.vector
            if vector is None and self._requests is not None:
                lost += its_chunks
                continue
            chunks += its_chunks
            vectors += [vector] * len(its_chunks) if vector is not None else []
        if chunks:
            self._write(chunks, vectors)
        return lost

    def _known_vectors(self, row_ids: Sequence[str]) -> dict[str, Vector]:
        if self.rows is None or self._requests is None or not row_ids:
            return {}
        return Ledger(self.rows).vectors(row_ids)

    def _write(self, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        rows = self._opened(len(vectors[0]) if vectors else None)
        new = self._store.to_rows(
            rows.layout,
            [chunk.row_id for chunk in chunks],
            [chunk.text for chunk in chunks],
            [chunk.metadata for chunk in chunks],
            vectors or None,
            [{ROOT_KEY: [*chunk.others, self._root], DIGEST_KEY: chunk.digest} for chunk in chunks],
        )
        self._upkeep.write(rows, new)

    def _opened(self, dimension: int | None) -> CollectionRows:
        """The collection, which is created before the first write."""
        with self._creating:
            if self.rows is None:
                with self._store.collection.remembering(self._upkeep.first_memory):
                    self.rows = self._store.collection.rows(self._store.writable_layout(dimension))
            if not self._marked:
                self._upkeep.remember_writing()
            self._marked = True
            return self.rows

    def _finish(self, ready: Sequence[tuple[_Ready, list[Chunk]]], lost: list[Chunk]) -> None:
        lost_ids = {chunk.row_id for chunk in lost}
        with self._reporting:
            for item, chunks in ready:
                if isinstance(item.vector, Exception):
                    for chunk in chunks:
                        self._on_failed(chunk, item.vector)
                elif chunks[0].row_id not in lost_ids:
                    self._on_stored(len(chunks), item.moved)
        with self._changed:
            for item, chunks in ready:
                self._pending -= len(chunks)
                if item.chunks is self._waiting.get(chunks[0].digest):
                    self._let_go(item, len(chunks))
            self._without_vector += lost
            self._changed.notify_all()

    def _let_go(self, item: _Ready, done: int) -> None:
        """A text is stored, or refused; chunks of it that came meanwhile are next."""
        digest = item.chunks[0].digest
        if item.vector is not None and not isinstance(item.vector, Exception):
            self._remember(digest, item.vector)
        if late := item.chunks[done:]:
            self._waiting[digest] = late
            self._ready.append(_Ready(late, item.vector))
        else:
            del self._waiting[digest]

    def _remember(self, digest: str, vector: Vector) -> None:
        if len(self._stored) < _MOST_TEXTS:
            self._stored.add(_number(digest))
        self._recent[digest] = vector
        self._recent_bytes += vector.nbytes
        while self._recent_bytes > _RECENT_BYTES:
            self._recent_bytes -= self._recent.popitem(last=False)[1].nbytes

    def _fail(self, error: BaseException) -> None:
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()


def _number(digest: str) -> int:
    """Half of a digest, in a third of its memory."""
    return int(digest[:16], 16)
