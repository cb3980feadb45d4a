"""Questions to Milvus whose answers are waited for while other work goes on."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from .chunks import Chunk, StoredRow
from .comparison import Expected
from .ledger import LOOKED_UP_AT_ONCE

T = TypeVar("T")

# So many questions are asked at once.
_THREADS = 3
# Groups of chunks that are looked up while further ones are read. A server takes some tenths of a second for the first.
_AHEAD = 8


class Lookahead:
    """Asks questions in their order, on threads of its own. Use it as a context manager."""

    def __init__(self) -> None:
        self._questions: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        for _ in range(_THREADS):
            # A daemon: a question that hangs must not keep an interrupted program from ending.
            threading.Thread(target=self._answer, name="sync look-ahead", daemon=True).start()

    def ask(self, question: Callable[[], T]) -> "Future[T]":
        """Take a question. Its answer is, or its error is raised by, the future's result."""
        future: Future[T] = Future()
        self._questions.put((future, question))
        return future

    def __enter__(self) -> "Lookahead":
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in range(_THREADS):
            self._questions.put(None)

    def _answer(self) -> None:
        while (asked := self._questions.get()) is not None:
            future, question = asked
            try:
                future.set_result(question())
            except BaseException as exc:  # noqa: BLE001 - is raised again where the answer is waited for
                future.set_exception(exc)


class ChunkLookups:
    """Chunks that are looked up, a group at a time, while further ones are read.

    Args:
        lookahead: Asks for them.
        look_up: Finds the rows that are there under some ids.
        as_row: Says what the row of a chunk should be.
    """

    def __init__(
        self,
        lookahead: Lookahead,
        look_up: Callable[[Sequence[str]], Mapping[str, StoredRow]],
        as_row: Callable[[Chunk], Mapping[str, Any]],
    ) -> None:
        self._lookahead = lookahead
        self._look_up = look_up
        self._as_row = as_row
        self._group: list[Chunk] = []
        self._asked: deque[tuple[list[Expected], Future[Mapping[str, StoredRow]]]] = deque()

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Take chunks; they are asked for when there are enough of them."""
        self._group += chunks
        while len(self._group) >= LOOKED_UP_AT_ONCE:
            self._ask()

    def answered(self, *, to_the_end: bool = False) -> Iterator[tuple[list[Expected], Mapping[str, StoredRow]]]:
        """Groups of chunks in their order, each with what its row should be; and the rows under their ids.

        Args:
            to_the_end: Whether to wait for all answers, not only while too many are open.
        """
        if to_the_end:
            self._ask()
        may_wait = 0 if to_the_end else _AHEAD
        while self._asked and (len(self._asked) > may_wait or self._asked[0][1].done()):
            group, stored = self._asked.popleft()
            yield group, stored.result()

    def _ask(self) -> None:
        group, self._group = self._group[:LOOKED_UP_AT_ONCE], self._group[LOOKED_UP_AT_ONCE:]
        asked = self._lookahead.ask(partial(self._look_up, [chunk.row_id for chunk in group]))
        # That it is known before the answer is here shortens an unchanged run.
        self._asked.append(([(chunk, self._as_row(chunk)) for chunk in group], asked))
