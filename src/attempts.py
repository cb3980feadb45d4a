"""How often a call to a model may be made: as often as its policy says, or once; and who is told of another one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ONCE: ContextVar[bool] = ContextVar("milvus_rag_one_attempt", default=False)
_LISTENER: ContextVar[Callable[[float], None] | None] = ContextVar("milvus_rag_retry_listener", default=None)


@contextmanager
def one_attempt() -> Iterator[None]:
    """Let calls that are made meanwhile fail at their first failure: for what is nice to have, and has a next way."""
    token = _ONCE.set(True)
    try:
        yield
    finally:
        _ONCE.reset(token)


def is_only_attempt() -> bool:
    """Whether a call that failed is not to be made again."""
    return _ONCE.get()


@contextmanager
def retries_told_to(listener: Callable[[float], None]) -> Iterator[None]:
    """Have a listener told of each call that failed meanwhile and is made again, and in how many seconds."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def tell_retry(seconds: float) -> None:
    """Tell whoever listens that a call failed and is made again, in so many seconds."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(seconds)
