"""Chunks between a reader and the threads that embed and store them: what is next, and how much is under way."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .chunks import Chunk
from .embedding_requests import StoppedError
from .ledger import Vector

_POLL_SECONDS = 0.1
# An answer that takes less is no reason to ask for less: a larger request costs hardly more time.
_SOON_SECONDS = 1.0
# What is embedded and not stored yet is embedded again after a kill: at most what is stored in this time, beside what
# comes in while an answer is waited for.
_AHEAD_SECONDS = 0.5
# So many texts are no loss, and fewer would make requests to Milvus of a few rows.
_LEAST_AHEAD = 256


@dataclass(slots=True)
class Ready:
    """Chunks of one text that can be stored.

    Attributes:
        chunks: All with the same text; more may come while some are stored.
        vector: Its vector, or why there is none; None where there is a row that has it, or no vector is needed.
        like: Id of a row with the same text.
        moved: Whether the chunks are stored already, and only their metadata changed.
    """

    chunks: list[Chunk]
    vector: Vector | Exception | None = None
    like: str | None = None
    moved: bool = False

    @property
    def is_paid(self) -> bool:
        """Whether the vector was just embedded, and would be lost with this process."""
        return self.vector is not None and not isinstance(self.vector, Exception)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much goes where.

    Attributes:
        batch: Texts an embedding request, at most.
        first_batch: Texts a request at first: what is in flight when a process dies is embedded again.
        batch_chars: Characters an embedding request; a longer text makes one of its own.
        rows: Rows a request to Milvus.
        pending: Chunks that are under way before whoever brings another waits.
        embedders: Embedding requests in flight, at most.
        storers: Requests to Milvus in flight, at most.
    """

    batch: int
    first_batch: int
    batch_chars: int
    rows: int
    pending: int
    embedders: int
    storers: int


class WorkQueue:
    """Hands chunks on, in their order. It decides nothing about them. Thread-safe.

    Args:
        limits: How much goes where.
        stop: Ends all waiting.

    Attributes:
        changed: Held while anything of it, or what goes with it, is looked at or changed.
    """

    def __init__(self, limits: Limits, stop: threading.Event) -> None:
        self._limits = limits
        self._stop = stop
        self.changed = threading.Condition()
        self._error: BaseException | None = None
        self._pending = 0
        self._embedding = 0
        # Texts that are being embedded, or are embedded and not stored.
        self._at_risk = 0
        self._rows_a_second: float | None = None
        self._answer_seconds = 0.0
        self._batch = limits.first_batch
        self._to_embed: deque[Chunk] = deque()
        self._to_embed_chars = 0
        # Whether what is to be embedded goes although it fills no request.
        self._flushing = False
        self._ready: deque[Ready] = deque()
        self._give_up_at = float("inf")

    # --- for the reader, which holds `changed`

    def wait_for_room(self) -> None:
        """Wait while too many chunks are under way.

        Raises:
            StoppedError: The run was stopped.
            BaseException: What ended it.
        """
        while self._pending >= self._limits.pending:
            # Where nothing else is under way, all that is pending waits for texts that would fill a request.
            self._flushing = not (self._embedding or self._ready)
            self._wait()
        self._check()

    def take_in(self, count: int = 1) -> None:
        """Note that so many chunks are under way."""
        self._pending += count

    def put_text(self, chunk: Chunk) -> None:
        """Have the text of a chunk embedded."""
        self._to_embed.append(chunk)
        self._to_embed_chars += len(chunk.text)
        if self._fills_request():
            self.changed.notify_all()

    def put_ready(self, ready: Ready) -> None:
        """Have chunks stored."""
        self._ready.append(ready)
        self._at_risk += ready.is_paid
        self.changed.notify_all()

    def drain(self) -> None:
        """Wait until nothing is under way any more.

        Raises:
            StoppedError: The run was stopped.
            BaseException: What ended it.
        """
        while self._pending:
            self._flushing = True
            self._wait()
        self._check()

    # --- for the threads

    def next_batch(self) -> list[Chunk] | None:
        """What to embed in one request; None when the run is over."""
        with self.changed:
            while not self._stop.is_set() and not self._may_embed():
                self.changed.wait(_POLL_SECONDS)
            if self._stop.is_set():
                return None
            batch = [self._to_embed.popleft()]
            chars = len(batch[0].text)
            while (
                self._to_embed
                and len(batch) < self._batch
                and chars + len(self._to_embed[0].text) <= self._limits.batch_chars
            ):
                batch.append(self._to_embed.popleft())
                chars += len(batch[-1].text)
            self._to_embed_chars -= chars
            self._embedding += 1
            self._at_risk += len(batch)
            self._flushing = self._flushing and bool(self._to_embed)
            return batch

    def embedded(self, ready: Sequence[Ready], seconds: float) -> None:
        """Take what came of a batch, and how long that took: requests grow while they are answered soon."""
        with self.changed:
            self._at_risk -= len(ready)
            for item in ready:
                self.put_ready(item)
            self._embedding -= 1
            self._answer_seconds = seconds
            if seconds < _SOON_SECONDS:
                self._batch = min(2 * self._batch, self._limits.batch)
            self.changed.notify_all()

    def next_ready(self) -> list[tuple[Ready, list[Chunk]]]:
        """What to store in one request, with the chunks that go into it; nothing when the run is over."""
        with self.changed:
            while not self._ready and not self._stop.is_set():
                self.changed.wait(_POLL_SECONDS)
            taken: list[tuple[Ready, list[Chunk]]] = []
            rows = paid = 0
            # One share for each storer, and one that comes in meanwhile.
            most_paid = self._may_be_at_risk() // (self._limits.storers + 1)
            while (
                self._ready and rows < self._limits.rows and paid <= most_paid and time.monotonic() < self._give_up_at
            ):
                ready = self._ready.popleft()
                # More may come to wait for the same text while these are stored.
                taken.append((ready, list(ready.chunks)))
                rows += len(ready.chunks)
                paid += ready.is_paid
            return taken

    def stored(self, rows: int, seconds: float) -> None:
        """Note how long a request to Milvus took."""
        with self.changed:
            found = self._limits.storers * rows / max(seconds, 1e-3)
            before = self._rows_a_second
            self._rows_a_second = found if before is None else (before + found) / 2

    def done(self, ready: Ready, count: int) -> None:
        """Note that so many chunks of one text are stored, or refused. Whoever calls holds `changed`."""
        self._pending -= count
        self._at_risk -= ready.is_paid
        self.changed.notify_all()

    def run(self, work: Callable[[], None]) -> None:
        """Work until the run is over; what goes wrong is raised where the run waits."""
        try:
            work()
        except StoppedError:
            return
        except BaseException as exc:  # noqa: BLE001 - is raised again where the run waits
            with self.changed:
                self._error = self._error or exc
                self.changed.notify_all()

    def close(self, give_up_at: float) -> None:
        """End all waiting; what can be stored is handed out until a moment of `time.monotonic`."""
        with self.changed:
            self._give_up_at = give_up_at
            self._stop.set()
            self.changed.notify_all()

    def _may_be_at_risk(self) -> int:
        """Texts: one request an embedder, and no more than keep all storers at work."""
        most = max(self._limits.embedders * self._batch, _LEAST_AHEAD)
        if self._rows_a_second is None:
            return most
        return min(most, max(_LEAST_AHEAD, int(self._rows_a_second * (_AHEAD_SECONDS + self._answer_seconds))))

    def _may_embed(self) -> bool:
        return self._at_risk < self._may_be_at_risk() and (
            self._fills_request() or (self._flushing and bool(self._to_embed))
        )

    def _fills_request(self) -> bool:
        return len(self._to_embed) >= self._batch or self._to_embed_chars > self._limits.batch_chars

    def _wait(self) -> None:
        self._check()
        if self._flushing:
            self.changed.notify_all()
        self.changed.wait(_POLL_SECONDS)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self._stop.is_set():
            raise StoppedError
