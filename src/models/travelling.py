"""Models that are pickled and copied: as how they were made. Connections and what was loaded stay where they are."""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar


class MadeAtFirstUse:
    """Travels without what it made at its first use, which is made again where it arrives; has a `_lock` of its own."""

    _stays: ClassVar[frozenset[str]]
    """The names of the attributes that hold it, and that of the lock."""

    def __getstate__(self) -> dict[str, Any]:
        return {name: None if name in self._stays else value for name, value in self.__dict__.items()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()


class _Making(partial[Any]):
    """A call that shows none of its arguments: one of them may be a key."""

    def __repr__(self) -> str:
        return f"{self.func.__name__}({self.args[0]!r}, …)"


def maker_of(make: Callable[..., Any], given: Mapping[str, Any]) -> Callable[[], Any]:
    """The call that makes a model once more, with what a caller gave: a key from the environment is looked up again.

    Args:
        make: `chat_model`, `embedding_model` or the like.
        given: Its arguments by name, ``options`` being further ones.
    """
    arguments = {name: value for name, value in given.items() if name != "options"}
    return _Making(make, arguments.pop("spec"), **{**arguments, **given["options"]})
