"""What a name of Milvus leads to: a collection or an alias, and the switch from the one to the other."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, suppress

from pymilvus import MilvusClient, MilvusException

from .collection_names import LONGEST_NAME
from .connection import Server, is_file_uri, translated_errors
from .layout import Layout
from .lite import clear_half_made
from .read_write_lock import ReadWriteLock, alone


class SwitchableName(ABC):
    """A name in a Milvus that can be made to lead to another collection.

    Attributes:
        client: The connection.
        server: What answers.
        name: Name or alias.
    """

    def __init__(
        self, client: MilvusClient, server: Server, name: str, *, timeout: float, lock: ReadWriteLock | None
    ) -> None:
        self.client = client
        self.server = server
        self.name = name
        self._timeout = timeout
        self._lock = lock

    @abstractmethod
    def refresh(self) -> Layout | None:
        """Read the layout anew."""

    def switch_to(self, new: str) -> str | None:
        """Make the name an alias of another collection, in one step where it is an alias already.

        Args:
            new: Name of a collection.

        Returns:
            Name of the collection that it stood for; None if there was none, or it was this one.
        """
        with self._errors(), alone(self._lock):
            old = self._real_name()
            if old == self.name:
                old = self._give_name_to(new)
            elif old is None:
                self._create_alias(new)
            elif old != new:
                self.client.alter_alias(new, self.name, timeout=self._timeout)
        self.refresh()
        return old if old != new else None

    def _give_name_to(self, new: str) -> str:
        # No name can be a collection's and an alias'. For a moment there is none; see `_read`.
        old = self.parked_name
        try:
            self.client.rename_collection(self.name, old, timeout=self._timeout)
        except MilvusException:
            # Another process made it an alias meanwhile.
            now = self._real_name()
            if now in (None, self.name):
                raise
            self.client.alter_alias(new, self.name, timeout=self._timeout)
            return str(now)
        try:
            self._create_alias(new)
        except BaseException:
            # Ctrl-C, say. What else is wrong is more worth knowing.
            with suppress(MilvusException):
                self.client.rename_collection(old, self.name, timeout=self._timeout)
            raise
        return old

    def _create_alias(self, new: str) -> None:
        try:
            self.client.create_alias(new, self.name, timeout=self._timeout)
        except MilvusException:
            # Another process gave the parked collection its name back meanwhile.
            if self._real_name() is None:
                raise
            self.client.alter_alias(new, self.name, timeout=self._timeout)

    def recover_name(self) -> None:
        """Give the name back where `switch_to` died after it had taken it away."""
        with self._errors():
            if self._real_name() is None and self._has(self.parked_name):
                self.client.create_alias(self.parked_name, self.name, timeout=self._timeout)
        self.refresh()

    def clear_half_made_rebuilds(self) -> None:
        """Remove what killed rebuilds and drops left of collections in a Milvus Lite database: no name leads there."""
        if is_file_uri(self.server.uri):
            with alone(self._lock):
                clear_half_made(self.server.uri, f"{self.name}_{'[0-9]' * 8}_*")

    @property
    def parked_name(self) -> str:
        """What a collection is renamed to when its name becomes an alias; older than all that rebuilds make."""
        return f"{self.name}_00000000_000000"

    def _has(self, name: str) -> bool:
        # Servers refuse to look for longer names, such as a parked one may be.
        may_be = self.server.lite or len(name) <= LONGEST_NAME
        return may_be and bool(self.client.has_collection(name, timeout=self._timeout))

    def _real_name(self) -> str | None:
        if not self._has(self.name):
            return None
        return str(self.client.describe_collection(self.name, timeout=self._timeout)["collection_name"])

    def _errors(self) -> AbstractContextManager[None]:
        self.server.check_process()
        return translated_errors(self.server.uri, self.name, timeout=self._timeout)
