"""A collection by its name or alias: what it looks like, and how it is made, loaded and dropped."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

from pymilvus import CollectionSchema, MilvusClient, MilvusException

from ..errors import CollectionNotFoundError, CollectionReplacedError, InputError
from .collection_rows import CollectionRows
from .connection import Server, is_file_uri, missing_collection
from .consistency import ReadConsistency
from .existing_collection import blamed_on, made_as, vector_indexes
from .layout import Layout, read_layout, write_properties
from .lite import clear_half_made
from .new_collection import NewCollection, new_schema
from .read_write_lock import ReadWriteLock, alone
from .switchable_name import SwitchableName
from .write_names import WRITE_NAME, WriteNames, new_write_name

logger = logging.getLogger(__name__)

# How long a layout is believed: another process may rebuild the collection and switch the alias to it.
LAYOUT_SECONDS = 2.0
# In the properties of every collection that we make, so that it is known as ours.
_LAYOUT_VERSION = 1
# A name goes from a collection to an alias between two questions once, and not again and again.
_DESCRIBED_AGAIN = 2
# https://milvus.io/docs/index.md: kinds of index that compare with all vectors.
_EXHAUSTIVE = frozenset({"FLAT", "BIN_FLAT", "GPU_BRUTE_FORCE"})


class Collection(SwitchableName):
    """A collection of a Milvus, by name or alias. Thread-safe as far as `MilvusClient` is.

    Attributes:
        new: How a collection that is created here is made.
        new_properties: What it is to remember besides.
    """

    def __init__(
        self,
        client: MilvusClient,
        server: Server,
        name: str,
        *,
        consistency_level: str | None,
        timeout: float,
        new: NewCollection | None = None,
        search_params: Mapping[str, Any] | None = None,
        lock: ReadWriteLock | None = None,
    ) -> None:
        super().__init__(client, server, name, timeout=timeout, lock=lock)
        self.new = new or NewCollection()
        self.new_properties: Mapping[str, Any] = {}
        self._consistency_level = consistency_level
        self._reads = ReadConsistency(server.uri, consistency_level)
        self._search_params = search_params or {}
        # With when it was asked for; in one piece, since another thread may read it.
        self._known: tuple[Layout | None, float] = (None, float("-inf"))
        self._write_names = WriteNames(client, server.uri, self._describe, lock=lock, timeout=timeout)

    # --- what there is

    @property
    def layout(self) -> Layout | None:
        """Fields and properties, a few seconds old at most; None while the collection does not exist."""
        layout, asked = self._known
        # That there is none may be otherwise a moment later, by another's first write.
        if layout is not None and time.monotonic() - asked <= LAYOUT_SECONDS:
            return layout
        return self.refresh()

    def refresh(self) -> Layout | None:
        """Read the layout anew."""
        # As old as the question: the name may stand for another collection by the time the answer is here.
        asked = time.monotonic()
        layout = self._read()
        self._known = (layout, asked)
        return layout

    def existing(self) -> Layout:
        """The layout of a collection that must be there.

        Raises:
            CollectionNotFoundError: It is not.
        """
        layout = self.layout
        if layout is None:
            raise CollectionNotFoundError(missing_collection(self.name, self.server.uri))
        return layout

    def rows(self, layout: Layout | None = None, consistency_level: str | None = None) -> CollectionRows:
        """The rows of the collection that a layout describes, by default of the one that has the name now.

        Args:
            layout: Describes the collection.
            consistency_level: Of reads that name none; by default the store's.

        Raises:
            CollectionNotFoundError: It does not exist.
        """
        layout = layout or self.existing()
        return CollectionRows(
            self.client,
            self.server,
            layout,
            load=partial(self.load, layout),
            write_name=partial(self.write_name, layout),
            read_name=partial(self._write_names.used, layout),
            reads=ReadConsistency(self.server.uri, consistency_level) if consistency_level else self._reads,
            lock=self._lock,
            timeout=self._timeout,
            search_params=self._search_params,
        )

    def write_name(self, layout: Layout) -> str:
        """The name to write to a collection by, which leads to it alone; see `write_names`.

        Raises:
            CollectionReplacedError: The name stands for another collection than the one described.
            CollectionNotFoundError: The collection is gone.
        """
        name = self._write_names.of(layout)
        if name is None:
            raise self.replaced()
        if name not in (layout.name, layout.properties.get(WRITE_NAME)):
            # It has been made just now, and whoever reads the collection is to know it.
            self.refresh()
        return name

    def replaced(self) -> CollectionReplacedError:
        """What to tell whoever wrote to a collection that is not the index any more."""
        return CollectionReplacedError(
            f"The index {self.name!r} was rebuilt meanwhile, so the new one may lack what was read or written before. "
            f"Run it again: what is missing is added."
        )

    def switched(self, layout: Layout) -> bool:
        """Whether the name stands for another collection than the one described, e.g. after a rebuild."""
        now = self.look_again()
        return now is not None and now.name != layout.name

    def look_again(self) -> Layout | None:
        """Read the layout anew after the collection was not found, and believe nothing of its names."""
        self._write_names.forget()
        return self.refresh()

    def _read(self) -> Layout | None:
        # At the first switch the name goes from a collection to an alias, and is gone for a moment, or for longer where
        # that died. What had it is parked; when that is gone too, the alias is there.
        names = (self.name, self.parked_name, self.name)
        return next((layout for layout in map(self._described, names) if layout is not None), None)

    def _described(self, name: str) -> Layout | None:
        with self._errors():
            for tries_left in reversed(range(_DESCRIBED_AGAIN + 1)):
                if not self._has(name):
                    return None
                try:
                    return self._describe(name)
                except Exception:
                    # Dropped or renamed between the two questions; and by now an alias may have the name.
                    if not tries_left and self._has(name):
                        raise
            return None

    def _describe(self, name: str) -> Layout:
        layout = read_layout(self.client.describe_collection(name, timeout=self._timeout), self.new.names)
        if not layout.ours:
            return self._with_index(layout)
        # Of ours it is known. To describe an index, Milvus Lite counts all rows.
        kind = layout.properties.get("index_type")
        return replace(layout, exhaustive=kind in _EXHAUSTIVE if kind else self.server.lite)

    def _with_index(self, layout: Layout) -> Layout:
        """How the vectors of another program's collection are compared: its index says so, and its schema not."""
        for index in vector_indexes(self.client, layout.name, self._timeout):
            if index["field_name"] == layout.vector_field:
                exhaustive = index.get("index_type") in _EXHAUSTIVE
                return replace(layout, metric=str(index["metric_type"]), exhaustive=exhaustive)
        return layout

    # --- upkeep

    def create(self, *, dimension: int | None, bm25: bool, sparse: bool, properties: Mapping[str, Any]) -> Layout:
        """Create the collection, with its indexes, and load it. One that another process makes meanwhile is fine."""
        self.new.check_possible(self.server)
        nullable = self.server.nullable
        schema = new_schema(self.new, dimension=dimension, bm25=bm25, sparse=sparse, nullable=nullable)
        write_name = new_write_name(self.name)
        ours = {"layout": _LAYOUT_VERSION, WRITE_NAME: write_name}
        own = {**properties, **self.new_properties, **self.new.remembered, **ours}
        remembered = {**self.new.properties, **write_properties(own)}
        with self._errors(), alone(self._lock):
            try:
                self._create(schema, remembered)
            except Exception:
                if self._has(self.name):
                    pass
                elif is_file_uri(self.server.uri) and clear_half_made(self.server.uri, self.name):
                    self._create(schema, remembered)
                else:
                    raise
        if self.refresh() is None:
            # On a server, the alias of a collection that another program dropped stays, and hides a new one.
            with self._errors(), alone(self._lock):
                self.client.drop_alias(self.name, timeout=self._timeout)
            self.refresh()
        if self.existing().properties.get(WRITE_NAME) == write_name:
            self._write_names.give(self.existing().name, write_name)
        is_ours = self.existing().properties.get(WRITE_NAME) == write_name
        try:
            # A server takes seconds to load even an empty collection, in which rows can be written already. Whoever
            # reads before that waits for it; see `CollectionRows`.
            self.load(wait=False)
        except InputError:
            # As it was asked for, it cannot be had; and an empty one would be in the way of the next try.
            if is_ours:
                self.drop()
            raise
        return self.existing()

    def be_made_like(self, old: "Collection") -> None:
        """Have a collection that is created here be made as another one was, in what nobody asked for."""
        layout = old.layout
        if layout is None or not layout.ours:
            return
        with self._errors():
            made = made_as(old.client, layout, lite=old.server.lite, timeout=self._timeout)
        if old.server.uri != self.server.uri:
            made = replace(made, replica_number=1)
        if made.partition_key and not self.server.partition_keys:
            logger.warning(
                "Milvus %s has no partition by a key that could be used, so %r is a field like others in %r.",
                self.server.version,
                made.partition_key,
                self.name,
            )
            made = replace(made, partition_key=None, num_partitions=None)
        self.new = self.new.over(made)

    @contextmanager
    def remembering(self, properties: Mapping[str, Any]) -> Iterator[None]:
        """While this is held, a collection that is created here is to remember this too."""
        before = self.new_properties
        self.new_properties = {**before, **properties}
        try:
            yield
        finally:
            self.new_properties = before

    def _create(self, schema: CollectionSchema, properties: dict[str, str]) -> None:
        self.client.create_collection(
            self.name,
            schema=schema,
            # The tutorials' level, and langchain_milvus' is Session: what others create and read by their own code.
            consistency_level=self._consistency_level or self.new.consistency_level or "Strong",
            properties=properties,
            timeout=self._timeout,
            **self.new.creation_options(),
        )

    def load(self, layout: Layout | None = None, *, wait: bool = True) -> None:
        """Make a collection, by default the one that has the name now, searchable: Milvus Lite opens all released."""
        described = layout or self.existing()
        try:
            self._load(described, wait=wait)
        except CollectionNotFoundError:
            if layout is not None or not self.switched(described):
                raise
            # A rebuild dropped it meanwhile, and there is another of this name.
            self._load(self.existing(), wait=wait)

    def _load(self, layout: Layout, *, wait: bool) -> None:
        indexes = [dict(index) for index in (self.new.index, self.new.sparse_index) if index]
        replicas = self.new.replica_number if self.new.replica_number > 1 else None
        with alone(self._lock):
            if layout.ours:
                with blamed_on("index_params", indexes), self._errors():
                    self._create_missing_indexes(layout)
            with blamed_on("replica_number", replicas), self._errors():
                options = {"replica_number": replicas} if replicas else {}
                self.client.load_collection(layout.name, timeout=self._timeout, _async=not wait, **options)

    def _create_missing_indexes(self, layout: Layout) -> None:
        """Whoever creates a collection may die before its indexes, or be overtaken by another who loads it."""
        there = {index["field_name"] for index in vector_indexes(self.client, layout.name, self._timeout)}
        missing = self.new.missing_indexes(layout, there, lite=self.server.lite)
        if len(missing):
            # pymilvus would wait half a second for each.
            self.client.create_index(layout.name, missing, timeout=self._timeout, sync=False)

    def drop(self) -> None:
        """Drop the collection, or what the alias names, and the alias. It is no error if another process does."""
        with suppress(CollectionNotFoundError), self._errors(), alone(self._lock):
            real = self._real_name()
            # First what a switch left: it would be taken for the collection as soon as that is gone.
            if real != self.parked_name and self._has(self.parked_name):
                self._drop(self.parked_name)
            if real is not None:
                if real != self.name:
                    self.client.drop_alias(self.name, timeout=self._timeout)
                self._drop(real)
        self.refresh()

    def _drop(self, real: str) -> None:
        self._write_names.take(real)
        try:
            self.client.drop_collection(real, timeout=self._timeout)
        except MilvusException:
            # A writer may have given it a name just now.
            self._write_names.take(real)
            self.client.drop_collection(real, timeout=self._timeout)

    def sibling(self, name: str) -> "Collection":
        """Another collection of the same database."""
        return Collection(
            self.client,
            self.server,
            name,
            consistency_level=self._consistency_level,
            timeout=self._timeout,
            lock=self._lock,
        )

    def set_properties(self, properties: Mapping[str, Any], layout: Layout | None = None) -> None:
        """Remember JSON values with a collection, by default with the one that has the name now."""
        name = self.write_name(layout or self.existing())
        with self._errors(), alone(self._lock):
            self.client.alter_collection_properties(name, properties=write_properties(properties))
        self.refresh()
