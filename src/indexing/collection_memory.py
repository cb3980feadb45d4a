"""What a collection remembers of its syncs, and what it needs after one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.documents import BaseDocumentTransformer

from ..stores.collection_rows import FEW_ROWS, TYPICAL_ROWS, CollectionRows, Row
from ..stores.layout import PARTS_PROPERTY, TERMS_FIELD, Layout
from ..stores.milvus import MilvusStore
from ..stores.searched_text import index_terms
from ..text_analysis import VERSION as ANALYSIS_VERSION
from .known_roots import forgotten, splitter_property
from .scope import Scope
from .splitting import splitter_fingerprint

# Rows were written or deleted on Milvus Lite: they are in memory only, and full-text search is uneven.
_UNFLUSHED = "unflushed"


class CollectionMemory:
    """What one loader's sync has the collection remember, and what it leaves it in.

    Args:
        store: The store.
        scope: What the loader loads.
        splitter: Cuts its documents; None for a run that cuts none.
    """

    def __init__(self, store: MilvusStore, scope: Scope, splitter: BaseDocumentTransformer | None) -> None:
        self._store = store
        self._scope = scope
        self._splitter = splitter

    @property
    def first_memory(self) -> dict[str, Any]:
        """What a collection that the sync creates is created with: a server takes 0.1 s for every later change."""
        return {PARTS_PROPERTY: True, **self._of_writing, **self._of_splitter}

    def remember_writing(self) -> None:
        """Remember, before the first write, what `finish` has to do and where the files are: it may not be reached."""
        layout = self._store.layout
        if layout is not None:
            self._remember(layout, self._of_writing)

    def splitter_change(self, layout: Layout) -> str | None:
        """What to tell a user whose chunks were cut by another splitter before."""
        if self._splitter is None:
            return None
        now, before = splitter_fingerprint(self._splitter), layout.properties.get(splitter_property(self._scope.root))
        if before in (None, now):
            return None
        return f"The splitter changed from {before} to {now}: chunks that it cuts differently are replaced."

    def write(self, rows: CollectionRows, new: Sequence[Row]) -> None:
        """Write rows, unless the index is known to be another one: what goes to the old one is in vain.

        Raises:
            CollectionReplacedError: See `check_not_replaced`.
        """
        self.check_not_replaced(rows)
        rows.upsert(new)

    def check_not_replaced(self, rows: CollectionRows, *, now: bool = False) -> Layout | None:
        """See to it that rows are still those of the index.

        Args:
            rows: What is read and written.
            now: Whether what was known a moment ago is not enough.

        Returns:
            What the collection is like; None if it is gone.

        Raises:
            CollectionReplacedError: A rebuild switched the index to another collection meanwhile.
            EmbeddingMismatchError: The same, and with another embedding.
        """
        if now:
            self._store.collection.refresh()
        layout = self._store.layout
        if layout is not None and layout.name != rows.layout.name:
            raise self._store.collection.replaced()
        return layout

    def finish(self, rows: CollectionRows, *, complete: bool, had_rows: bool, written: int) -> str | None:
        """Do what is due after a sync.

        Args:
            rows: What was written to.
            complete: Whether all documents came.
            had_rows: Whether there were rows before.
            written: How many rows this sync wrote.

        Returns:
            What to tell the user, if there is something.

        Raises:
            CollectionReplacedError: See `check_not_replaced`.
        """
        layout = self.check_not_replaced(rows, now=True)
        if layout is None:
            return None
        note = None
        wanted: dict[str, Any] = {}
        unflushed = bool(layout.properties.get(_UNFLUSHED))
        analysis = layout.properties.get("analysis")
        if analysis and analysis.get("version") != ANALYSIS_VERSION:
            note = "The text analysis changed: all rows were analysed anew."
            language, text_field = analysis["language"], layout.text_field
            rows.rewrite(lambda row: {**row, TERMS_FIELD: index_terms(row[text_field], language, row)})
            self.check_not_replaced(rows, now=True)
            wanted["analysis"] = {"language": language, "version": ANALYSIS_VERSION}
        elif unflushed and had_rows:
            # Where this run wrote nothing, one that died did.
            rows.level_statistics(FEW_ROWS if 0 < written < FEW_ROWS else TYPICAL_ROWS)
        if self._store.server.lite and (unflushed or note):
            rows.flush()
            wanted[_UNFLUSHED] = False
        wanted |= self._scope.entry.as_properties
        if complete:
            wanted |= self._of_splitter
        self._remember(layout, wanted)
        return note

    def _remember(self, layout: Layout, wanted: Mapping[str, Any]) -> None:
        changed = {name: value for name, value in wanted.items() if layout.properties.get(name) != value}
        if changed:
            self._store.collection.set_properties(changed, layout)

    def forget(self, roots: Iterable[str]) -> None:
        """Forget roots that no row has any more, so that nothing grows with the number of places."""
        layout = self._store.layout
        if layout is not None and (gone := forgotten(layout, roots)):
            self._store.collection.set_properties(gone, layout)

    @property
    def _of_writing(self) -> dict[str, Any]:
        return {**({_UNFLUSHED: True} if self._store.server.lite else {}), **self._scope.entry.as_properties}

    @property
    def _of_splitter(self) -> dict[str, Any]:
        if self._scope.whole is not None or self._splitter is None:
            # Most of the root may be cut otherwise.
            return {}
        return dict.fromkeys(("splitter", splitter_property(self._scope.root)), splitter_fingerprint(self._splitter))
