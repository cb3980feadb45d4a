"""What a collection remembers of its syncs, and what it needs after one."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.documents import BaseDocumentTransformer

from ..errors import CollectionReplacedError
from ..stores.collection_rows import CollectionRows, Row
from ..stores.connection import is_file_uri
from ..stores.layout import TERMS_FIELD, TEXT_FIELD, Layout
from ..stores.milvus import MilvusStore
from ..stores.searched_text import index_terms
from ..text_analysis import VERSION as ANALYSIS_VERSION
from .scope import Scope
from .splitting import splitter_fingerprint

# Rows were written or deleted on Milvus Lite: they are in memory only, and full-text search is uneven.
_UNFLUSHED = "unflushed"


class CollectionMemory:
    """What one loader's sync has the collection remember, and what it leaves it in.

    Args:
        store: The store.
        scope: What the loader loads.
        splitter: Cuts its documents.
    """

    def __init__(self, store: MilvusStore, scope: Scope, splitter: BaseDocumentTransformer) -> None:
        self._store = store
        self._root = scope.root
        self._place = scope.place
        self._splitter = splitter

    @property
    def first_memory(self) -> dict[str, Any]:
        """What a collection that the sync creates is created with: a server takes 0.1 s for every later change."""
        return {**self._of_writing, **self._of_splitter}

    def remember_writing(self) -> None:
        """Remember, before the first write, what `finish` has to do and where the files are: it may not be reached."""
        layout = self._store.layout
        if layout is not None:
            self._remember(layout, self._of_writing)

    def splitter_change(self, layout: Layout) -> str | None:
        """What to tell a user whose chunks were cut by another splitter before."""
        now, before = splitter_fingerprint(self._splitter), layout.properties.get(_splitter_of(self._root))
        if before in (None, now):
            return None
        return f"The splitter changed from {before} to {now}: chunks that it cuts differently are replaced."

    def write(self, rows: CollectionRows, new: Sequence[Row]) -> None:
        """Write rows, unless the index is another one meanwhile: they may have vectors of another embedding.

        Raises:
            CollectionReplacedError: See `check_not_replaced`.
        """
        # Servers pause at such a switch until everybody has noticed; see `rebuild`.
        with rows.alone():
            self.check_not_replaced(rows, now=is_file_uri(self._store.server.uri))
            rows.upsert(new)

    def check_not_replaced(self, rows: CollectionRows, *, now: bool = False) -> None:
        """See to it that rows are still those of the index.

        Args:
            rows: What is read and written.
            now: Whether what was known a moment ago is not enough.

        Raises:
            CollectionReplacedError: A rebuild switched the index to another collection meanwhile.
            EmbeddingMismatchError: The same, and with another embedding.
        """
        if now:
            self._store.collection.refresh()
        layout = self._store.layout
        if layout is not None and layout.name != rows.layout.name:
            raise CollectionReplacedError(
                f"The index {self._store.collection_name!r} was rebuilt during this run, so the new one may lack what "
                f"this run read. Run it again: what is missing is added."
            )

    def finish(self, rows: CollectionRows, *, complete: bool, had_rows: bool) -> str | None:
        """Do what is due after a sync.

        Args:
            rows: What was written to.
            complete: Whether all documents came.
            had_rows: Whether there were rows before.

        Returns:
            What to tell the user, if there is something.

        Raises:
            CollectionReplacedError: See `check_not_replaced`.
        """
        self.check_not_replaced(rows, now=True)
        layout = self._store.layout
        if layout is None:
            return None
        note = None
        wanted: dict[str, Any] = {}
        unflushed = bool(layout.properties.get(_UNFLUSHED))
        analysis = layout.properties.get("analysis")
        if analysis and analysis.get("version") != ANALYSIS_VERSION:
            note = "The text analysis changed: all rows were analysed anew."
            language = analysis["language"]
            rows.rewrite(lambda row: {**row, TERMS_FIELD: index_terms(row[TEXT_FIELD], language, row)})
            self.check_not_replaced(rows, now=True)
            wanted["analysis"] = {"language": language, "version": ANALYSIS_VERSION}
        elif unflushed and had_rows:
            rows.level_statistics()
        if self._store.server.lite and (unflushed or note):
            rows.flush()
            wanted[_UNFLUSHED] = False
        wanted |= self._of_place
        if complete:
            wanted |= self._of_splitter
        self._remember(layout, wanted)
        return note

    def _remember(self, layout: Layout, wanted: Mapping[str, Any]) -> None:
        changed = {name: value for name, value in wanted.items() if layout.properties.get(name) != value}
        if changed:
            self._store.collection.set_properties(changed, layout)

    @property
    def _of_writing(self) -> dict[str, Any]:
        return {**({_UNFLUSHED: True} if self._store.server.lite else {}), **self._of_place}

    @property
    def _of_place(self) -> dict[str, Any]:
        return {_place_name(self._root): self._place} if self._place is not None else {}

    @property
    def _of_splitter(self) -> dict[str, Any]:
        return dict.fromkeys(("splitter", _splitter_of(self._root)), splitter_fingerprint(self._splitter))


def remembered_place(layout: Layout, root: str) -> str | None:
    """Where a loader's files were when it was last synced; None where that is not known."""
    place = layout.properties.get(_place_name(root))
    return place if isinstance(place, str) else None


def _splitter_of(root: str) -> str:
    # Folders that share a collection may be cut differently.
    return f"splitter.{_digest(root)}"


def _place_name(root: str) -> str:
    return f"place.{_digest(root)}"


def _digest(root: str) -> str:
    return hashlib.sha256(root.encode()).hexdigest()[:16]
