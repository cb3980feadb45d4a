"""Requests to an embedding model from many threads: one back-off for all, halving, nothing wrong let through."""

import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from ..client_errors import Kind, read
from ..embedding_protocols import as_batch_embedding
from ..vectors import usable
from .ledger import Vector

# For embeddings that do not tell their limits. Characters are a guard for limits in tokens, at about four a token.
_BATCH = 64
_BATCH_CHARS = 100_000
# A request that fails so often, while it is not the rate that is limited, may fail for one of its texts: halves are
# tried next, each less often.
_ATTEMPTS = 3
_ATTEMPTS_OF_A_HALF = 2
_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 30.0
# So many waits without one request that gets through, some six minutes, are an outage or a quota of the day.
_WAITS_BEFORE_GIVING_UP = 20
# A provider that wants us to wait longer has told us that today nothing more is to be had.
_LONGEST_RETRY_AFTER_SECONDS = 300.0
# So many texts that are refused one by one, and none that is not, are not the texts' fault.
_REFUSALS_BEFORE_GIVING_UP = 100


class StoppedError(Exception):
    """The run was stopped."""


class _GivenUpError(Exception):
    """Nothing gets through any more, for this reason."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Gate:
    """One back-off for all requests: when one is told to wait, all wait.

    Args:
        stop: Ends every wait.
        sleep: Waits up to so many seconds, and says whether the run was stopped; for tests.

    Attributes:
        waits: How often it was held since a request got through.
        successes: How many requests got through.
    """

    def __init__(self, stop: threading.Event, sleep: Callable[[float], bool] | None = None) -> None:
        self._stop = stop
        self._sleep = sleep or stop.wait
        self._condition = threading.Condition()
        self._held_by = 0
        self.waits = 0
        self.successes = 0

    def enter(self) -> None:
        """Wait until nobody holds the gate.

        Raises:
            StoppedError: The run was stopped.
        """
        with self._condition:
            while self._held_by and not self._stop.is_set():
                self._condition.wait(0.1)
        if self._stop.is_set():
            raise StoppedError

    def succeeded(self) -> None:
        """A request got through."""
        with self._condition:
            self.waits = 0
            self.successes += 1

    def hold(self, retry_after: float | None) -> None:
        """Keep everybody waiting: as long as the provider asks, or twice as long as the last time, with jitter.

        Raises:
            StoppedError: The run was stopped.
        """
        with self._condition:
            # Requests that were under way together fail together, which is one reason to wait and not many.
            if not self._held_by:
                self.waits += 1
            self._held_by += 1
            backoff = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2.0 ** (self.waits - 1))
        try:
            jitter = random.uniform(0.5, 1.0)  # noqa: S311 - no cryptography
            if self._sleep(backoff * jitter if retry_after is None else retry_after):
                raise StoppedError
        finally:
            with self._condition:
                self._held_by -= 1
                self._condition.notify_all()


class EmbeddingRequests:
    """Embeds batches from many threads.

    Args:
        embedding: Any LangChain embedding. One of ours is asked for single attempts: the gate does the repeating.
        stop: Ends the run.
        gate: For tests.

    Attributes:
        max_batch: Most texts in a request.
        max_batch_chars: Most characters in a request.
        requests: How many were sent, repeated ones included.
        embedded: How many texts have a vector.
    """

    def __init__(self, embedding: Embeddings, stop: threading.Event, gate: Gate | None = None) -> None:
        offered = as_batch_embedding(embedding)
        self._embed_texts = offered.embed
        self._gate = gate or Gate(stop)
        self._lock = threading.Lock()
        self._dimension: int | None = None
        self._refusals = 0
        self.max_batch = offered.max_batch or _BATCH
        self.max_batch_chars = offered.max_batch_chars or _BATCH_CHARS
        self.requests = 0
        self.embedded = 0

    def embed(self, texts: Sequence[str]) -> list[Vector | Exception]:
        """One vector a text, or why there is none.

        A batch that is refused is halved down to the single text, so that one bad text costs only itself.

        Raises:
            ModelError: Nothing gets through at all: the key is refused, the model is unknown, the provider is down.
            StoppedError: The run was stopped.
        """
        try:
            return self._embed(texts, _ATTEMPTS)
        except _GivenUpError as exc:
            raise exc.reason from None

    def _embed(self, texts: Sequence[str], attempts: int) -> list[Vector | Exception]:
        try:
            vectors = self._request(texts, attempts)
        except (StoppedError, _GivenUpError):
            raise
        except Exception as exc:
            if read(exc).fatal:
                raise
            if len(texts) == 1:
                self._refused(exc)
                return [exc]
            half = len(texts) // 2
            return [
                *self._embed(texts[:half], _ATTEMPTS_OF_A_HALF),
                *self._embed(texts[half:], _ATTEMPTS_OF_A_HALF),
            ]
        with self._lock:
            self.embedded += len(texts)
        return list(vectors)

    def _request(self, texts: Sequence[str], attempts: int) -> Sequence[Vector]:
        failures = 0
        while True:
            self._gate.enter()
            with self._lock:
                self.requests += 1
            try:
                vectors = self._checked(self._embed_texts(list(texts)), len(texts))
            except Exception as exc:
                failure = read(exc)
                if not failure.passing:
                    raise
                asked = failure.retry_after or 0
                if self._gate.waits >= _WAITS_BEFORE_GIVING_UP or asked > _LONGEST_RETRY_AFTER_SECONDS:
                    raise _GivenUpError(exc) from exc
                failures += failure.kind is not Kind.RATE_LIMITED
                if failures >= attempts:
                    raise
                self._gate.hold(failure.retry_after)
            else:
                self._gate.succeeded()
                return vectors

    def _refused(self, exc: Exception) -> None:
        with self._lock:
            self._refusals += 1
            if self._refusals >= _REFUSALS_BEFORE_GIVING_UP and not self._gate.successes:
                raise _GivenUpError(exc) from exc

    def _checked(self, answer: Any, count: int) -> Sequence[Vector]:
        """Refuse an answer that would put wrong rows into the collection."""
        with self._lock:
            vectors = usable(answer, count=count, dimension=self._dimension)
            self._dimension = vectors.shape[1]
        return list(vectors.astype(np.float32))
