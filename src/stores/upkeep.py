"""What a collection remembers of its syncs, and what it needs after one."""

import hashlib
from collections.abc import Mapping
from typing import Any

from langchain_core.documents import BaseDocumentTransformer

from ..text_analysis import VERSION as ANALYSIS_VERSION
from .collection_rows import CollectionRows
from .layout import TERMS_FIELD, TEXT_FIELD, Layout
from .milvus import MilvusStore
from .origins import splitter_fingerprint
from .searched_text import index_terms

# Rows were written or deleted on Milvus Lite: they are in memory only, and full-text search is uneven.
_UNFLUSHED = "unflushed"


def first_memory(store: MilvusStore, root: str, place: str | None, splitter: BaseDocumentTransformer) -> dict[str, Any]:
    """What a collection that a sync creates is created with: a server takes 0.1 s for every later change of it."""
    return {**_of_written(store, root, place), **_cut_by(root, splitter)}


def remember_writing(store: MilvusStore, root: str, place: str | None) -> None:
    """Remember, before the first write, what `finish` has to do and where the files are: this run may not reach it."""
    layout = store.layout
    if layout is not None:
        _remember(store, layout, _of_written(store, root, place))


def remembered_place(layout: Layout, root: str) -> str | None:
    """Where a loader's files were when it was last synced; None where that is not known."""
    place = layout.properties.get(_place_name(root))
    return place if isinstance(place, str) else None


def splitter_change(layout: Layout, root: str, splitter: BaseDocumentTransformer) -> str | None:
    """What to tell a user whose chunks were cut by another splitter before."""
    now, before = splitter_fingerprint(splitter), layout.properties.get(_splitter_of(root))
    if before in (None, now):
        return None
    return f"The splitter changed from {before} to {now}: chunks that it cuts differently are replaced."


def finish(
    store: MilvusStore,
    rows: CollectionRows,
    *,
    root: str,
    place: str | None,
    splitter: BaseDocumentTransformer | None,
    had_rows: bool,
) -> str | None:
    """Do what is due after a sync.

    Args:
        store: The store.
        rows: What was written to.
        root: Names the loader.
        place: Where its files are.
        splitter: What cut the documents; None where not all of them came.
        had_rows: Whether there were rows before.

    Returns:
        What to tell the user, if there is something.
    """
    layout = store.collection.layout
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
        wanted["analysis"] = {"language": language, "version": ANALYSIS_VERSION}
    elif unflushed and had_rows:
        rows.level_statistics()
    if store.server.lite and (unflushed or note):
        rows.flush()
        wanted[_UNFLUSHED] = False
    if place is not None:
        wanted[_place_name(root)] = place
    if splitter is not None:
        wanted |= _cut_by(root, splitter)
    _remember(store, layout, wanted)
    return note


def _remember(store: MilvusStore, layout: Layout, wanted: Mapping[str, Any]) -> None:
    changed = {name: value for name, value in wanted.items() if layout.properties.get(name) != value}
    if changed:
        store.collection.set_properties(changed)


def _of_written(store: MilvusStore, root: str, place: str | None) -> dict[str, Any]:
    return {
        **({_UNFLUSHED: True} if store.server.lite else {}),
        **({_place_name(root): place} if place is not None else {}),
    }


def _cut_by(root: str, splitter: BaseDocumentTransformer) -> dict[str, Any]:
    return dict.fromkeys(("splitter", _splitter_of(root)), splitter_fingerprint(splitter))


def _splitter_of(root: str) -> str:
    # Folders that share a collection may be cut differently.
    return f"splitter.{_digest(root)}"


def _place_name(root: str) -> str:
    return f"place.{_digest(root)}"


def _digest(root: str) -> str:
    return hashlib.sha256(root.encode()).hexdigest()[:16]
