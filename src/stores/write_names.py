"""The name under which a collection is written to: an alias that leads to it alone, whatever becomes of its own name.

A request to Milvus says by a name where its rows go. The name of an index is a collection's today and an alias of
another one tomorrow, so a writer that was held up before its request would write to the new one what was meant for the
old one. Here a name is made up that nobody else knows, and given to the collection. Only then is looked at what it
leads to: if that was built as the writer expects, it is so for ever. When the collection is dropped, it leads nowhere.
"""

import re
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress

from pymilvus import MilvusClient, MilvusException

from ..errors import CollectionNotFoundError, StoreError, StoreUnavailableError
from .collection_names import LONGEST_NAME
from .connection import translated_errors
from .layout import Layout, write_properties
from .read_write_lock import ReadWriteLock, alone

# In the properties of a collection, so that its writers share one name. It is looked at as any other before it is used.
WRITE_NAME = "written_as"
_INFIX = "_only_"
_MADE = re.compile(rf".*{_INFIX}[0-9a-f]{{32}}")


def new_write_name(collection: str) -> str:
    """A name that no collection and no alias ever had."""
    made = f"{_INFIX}{uuid.uuid4().hex}"
    return f"{collection[: LONGEST_NAME - len(made)]}{made}"


class WriteNames:
    """Finds the name to write to a collection by, and makes it where there is none. Thread-safe.

    Args:
        client: The connection.
        uri: Of the server, for messages.
        describe: What a name leads to.
        lock: Of a Milvus Lite database.
        timeout: Seconds that a call may take.
    """

    def __init__(
        self,
        client: MilvusClient,
        uri: str,
        describe: Callable[[str], Layout],
        *,
        lock: ReadWriteLock | None,
        timeout: float,
    ) -> None:
        self._client = client
        self._uri = uri
        self._describe = describe
        self._lock = lock
        self._timeout = timeout
        self._finding = threading.Lock()
        self._known: set[str] = set()
        self._last: tuple[Layout, str] | None = None
        self._made: dict[str, str] = {}
        self._refused = False

    def of(self, layout: Layout) -> str | None:
        """The name to write to a collection by.

        It is the collection's own where another program made it, and where no alias can be made: the server has none,
        or the user may not. There a rebuild, which needs them too, is impossible or another user's.

        Args:
            layout: The collection, as the writer believes it to be.

        Returns:
            The name; None where the collection's name leads to another one meanwhile.

        Raises:
            CollectionNotFoundError: The collection is gone.
            StoreUnavailableError: Milvus does not answer.
        """
        if not layout.ours:
            return layout.name
        # In the order in which writers have them, who hold the database already.
        with alone(self._lock), self._finding:
            if self._last is None or self._last[0] is not layout:
                name = self._find(layout)
                if name is None:
                    return None
                self._last = (layout, name)
            return self._last[1]

    def used(self, layout: Layout) -> str:
        """The name to read a collection by: the one that it was written to by here, or else its own.

        pymilvus knows by the name what a reader of its own writes has to wait for (``consistency_level="Session"``).
        """
        last = self._last
        if last is not None and last[0] is layout:
            return last[1]
        remembered = layout.properties.get(WRITE_NAME)
        return remembered if remembered in self._known else layout.name

    def forget(self) -> None:
        """Look at the names anew: a collection was not found by them."""
        self._known, self._last = set(), None

    def give(self, collection: str, name: str) -> None:
        """Give a new collection the name that is in its properties. Where that fails, the first writer sees to it."""
        with suppress(MilvusException), alone(self._lock):
            self._client.create_alias(collection, name, timeout=self._timeout)

    def take(self, collection: str) -> None:
        """Take all such names from a collection that is to be dropped: newer servers drop none that has any."""
        with suppress(MilvusException), alone(self._lock):
            for alias in self._client.list_aliases(collection, timeout=self._timeout)["aliases"]:
                if _MADE.fullmatch(alias):
                    self._client.drop_alias(alias, timeout=self._timeout)

    def _find(self, layout: Layout) -> str | None:
        remembered = layout.properties.get(WRITE_NAME)
        if remembered in self._known:
            return str(remembered)
        if self._refused:
            return layout.name
        try:
            # Who may not change properties finds none there, or another's.
            known = (name for name in (remembered, self._made.get(layout.name)) if name)
            return next((name for name in known if self._leads_to(name, layout)), None) or self._make(layout)
        except (CollectionNotFoundError, StoreUnavailableError):
            raise
        except StoreError:
            if not self._is_alike(layout.name, layout):
                return None
            self._refused = True
            return layout.name

    def _make(self, layout: Layout) -> str | None:
        made = new_write_name(layout.name)
        with translated_errors(self._uri, layout.name):
            self._client.create_alias(layout.name, made, timeout=self._timeout)
            if not self._leads_to(made, layout):
                self._client.drop_alias(made, timeout=self._timeout)
                return None
            self._made[layout.name] = made
            with suppress(MilvusException):
                remembered = write_properties({WRITE_NAME: made})
                self._client.alter_collection_properties(made, properties=remembered, timeout=self._timeout)
        return made

    def _leads_to(self, name: str, layout: Layout) -> bool:
        if not self._is_alike(name, layout):
            return False
        self._known.add(name)
        return True

    def _is_alike(self, name: str, layout: Layout) -> bool:
        try:
            with translated_errors(self._uri, layout.name):
                return _alike(self._describe(name), layout)
        except CollectionNotFoundError:
            return False


def _alike(found: Layout, expected: Layout) -> bool:
    """Whether a collection is the one that was expected, or so like it that rows for the one are right in the other."""
    return found.name == expected.name and _built_with(found) == _built_with(expected)


def _built_with(layout: Layout) -> tuple[object, ...]:
    properties = layout.properties
    language = properties.get("analysis", {}).get("language")
    fields = (layout.vector_field, layout.dimension, layout.sparse_field, layout.terms_field)
    return (*fields, properties.get("embedding"), properties.get("sparse_embedding"), language)
