"""Questions to Milvus whose answers are waited for while other work goes on."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

# So many questions are asked at once.
_THREADS = 3


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
