"""How often a call to a model may be made: as often as its policy says, or once."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ONCE: ContextVar[bool] = ContextVar("milvus_rag_one_attempt", default=False)


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
