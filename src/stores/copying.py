"""A collection copied into another database, with its vectors, so that nothing is embedded again."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CollectionNotFoundError, CollectionSchemaError, FullTextUnavailableError, InputError, StoreError
from .collection import Collection
from .collection_rows import CollectionRows, Row
from .connection import missing_collection
from .layout import ROW_PROPERTIES, SHAPE_PROPERTIES, Layout
from .milvus import MilvusStore
from .request_sizes import ROWS_PER_REQUEST, id_batches
from .write_names import WRITE_NAME

# What a collection is a copy of, while it is not whole.
_COPY_OF = "copy_of"
# Every collection says by itself who writes to it and how its fields lie.
_OF_EACH = frozenset({WRITE_NAME, "layout", _COPY_OF})

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What a copy did.

    Attributes:
        rows: Rows that source and target have.
        written: Rows that were written; the others an earlier copy, which was interrupted, had written.
        removed: Rows of that earlier copy that the source has no more.
        digest: Of all rows, in hexadecimal digits: id, text, metadata and vectors.
        full_text: Whether the target has the full-text search of the source too.
    """

    rows: int
    written: int
    removed: int
    digest: str
    full_text: bool


def copy_collection(source: MilvusStore, target: MilvusStore, *, on_progress: Progress | None = None) -> CopyReport:
    """Copy a collection with vectors, ids, metadata and what it remembers, and read the copy back.

    The target's collection is created. One that an interrupted copy of the same collection left is completed. Whoever
    writes to the source meanwhile finds some of that in the copy and some not; the next `sync` into it sees to that.

    Args:
        source: A store on a collection that this package made; it needs no embedding.
        target: A store on a name that is free; it needs no embedding.
        on_progress: Called with the number of rows that are done, and of all.

    Returns:
        What was done. Rows and digest are the target's, as it was read back, and equal the source's.

    Raises:
        InputError: The target's name is taken, or is the source itself.
        CollectionNotFoundError: There is no source.
        CollectionSchemaError: The source was made by another program.
        FullTextUnavailableError: The source has nothing but full-text search, and the target's server has none.
        StoreError: The copy is not like the source; or Milvus failed, and the same call goes on where it ended.
    """
    layout = _checked(source)
    if target.layout is not None and _is_same(source, target):
        raise InputError("Source and target are the same collection. Give another database, or another name.")
    identity = str(layout.properties.get(WRITE_NAME) or f"{source.server.uri} {layout.name}")
    is_new = _prepare(source.collection, layout, target, identity)
    rows, copied = source.collection.rows(layout), target.collection.rows()
    left_out = _left_out(copied.layout, layout)
    ids = sorted(_ids(rows))
    there = set() if is_new else set(_ids(copied))
    found = _Digest()
    written = 0
    for batch in id_batches(ids, ROWS_PER_REQUEST):
        read = [
            {key: row[key] for key in row if key not in left_out} for row in rows.get(batch, rows.all_fields, "Strong")
        ]
        digests = {str(row[layout.primary_field]): found.add(row, layout) for row in read}
        had = [row_id for row_id in digests if row_id in there]
        same = _same(copied, had, digests, layout)
        missing = [row for row in read if str(row[layout.primary_field]) not in same]
        if missing:
            copied.upsert(missing)
        written += len(missing)
        if on_progress:
            on_progress(found.rows, len(ids))
    gone = sorted(there - found.ids)
    if gone:
        copied.delete(gone)
    if target.server.lite:
        copied.flush()
    read_back = _Digest()
    for batch in id_batches(sorted(_ids(copied)), ROWS_PER_REQUEST):
        for row in copied.get(batch, copied.all_fields, "Strong"):
            read_back.add(row, copied.layout)
    if (read_back.rows, read_back.total) != (found.rows, found.total):
        raise StoreError(
            f"The copy {target.collection_name!r} at {target.server.uri} has {read_back.rows:,} rows with the digest "
            f"{read_back}, and the {found.rows:,} rows that were read have {found}. Copy once more."
        )
    target.collection.set_properties({_COPY_OF: None})
    return CopyReport(found.rows, written, len(gone), str(found), copied.layout.sparse_field is not None)


def _checked(source: MilvusStore) -> Layout:
    layout = source.layout
    if layout is None:
        raise CollectionNotFoundError(missing_collection(source.collection_name, source.server.uri))
    if not layout.ours:
        raise CollectionSchemaError(
            f"The collection {source.collection_name!r} was made by another program, which alone can make one like "
            f"it. Index its documents anew, or copy it with Milvus' own backup tool."
        )
    return layout


def _is_same(source: MilvusStore, target: MilvusStore) -> bool:
    ours, others = source.collection.existing(), target.collection.existing()
    if (made := ours.properties.get(WRITE_NAME)) is not None:
        # However the database is called: no two collections have the same.
        return bool(others.properties.get(WRITE_NAME) == made)
    return (source.server.uri, ours.name) == (target.server.uri, others.name)


def _prepare(source: Collection, layout: Layout, target: MilvusStore, identity: str) -> bool:
    """Create the target's collection, or know that of an earlier copy again; returns whether it is new."""
    there = target.layout
    if there is not None:
        if there.properties.get(_COPY_OF) != identity:
            raise InputError(
                f"There is a collection {target.collection_name!r} at {target.server.uri} already. Choose another name "
                f"for the copy, or drop that one."
            )
        return False
    bm25 = layout.terms_field is not None and target.server.full_text
    sparse = layout.sparse_field is not None and layout.terms_field is None
    if not (layout.vector_field or bm25 or sparse):
        raise FullTextUnavailableError(
            f"The collection has full-text search only, and {target.server.version} at {target.server.uri} has none. "
            f"Milvus 2.5 and newer have it."
        )
    target.collection.be_made_like(source)
    for name in ROW_PROPERTIES:
        has, gets = layout.properties.get(name), target.collection.new.remembered.get(name)
        if has != gets:
            raise InputError(
                f"The source keeps its rows in other fields than the target would ({name}: {has!r}, {gets!r}). Open "
                f"the target with the names and the metadata_schema that the source was made with."
            )
    others = _OF_EACH | SHAPE_PROPERTIES
    remembered = {name: value for name, value in layout.properties.items() if name not in others}
    if not bm25:
        remembered.pop("analysis", None)
    target.collection.create(
        dimension=layout.dimension or None, bm25=bm25, sparse=sparse, properties={**remembered, _COPY_OF: identity}
    )
    return True


def _left_out(copied: Layout, layout: Layout) -> frozenset[str]:
    """Fields of the source that the target has not."""
    return frozenset(
        name for name in (layout.terms_field, layout.sparse_field) if name and name not in copied.static_fields
    )


def _ids(rows: CollectionRows) -> Iterator[str]:
    key = rows.layout.primary_field
    for batch in rows.iterate("", [key]):
        yield from (str(row[key]) for row in batch)


def _same(copied: CollectionRows, ids: Sequence[str], digests: Mapping[str, int], layout: Layout) -> set[str]:
    """Those rows that the copy has as they are."""
    found = copied.get(ids, copied.all_fields, "Strong") if ids else []
    key = layout.primary_field
    return {str(row[key]) for row in found if _Digest().add(row, copied.layout) == digests[str(row[key])]}


class _Digest:
    """Of rows in any order."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.total = 0

    @property
    def rows(self) -> int:
        return len(self.ids)

    def add(self, row: Row, layout: Layout) -> int:
        """Add a row; returns its own digest."""
        # Milvus makes the one of the other, and what is analysed is in the text.
        made = {layout.terms_field, layout.sparse_field} if layout.terms_field else {None}
        digest = hashlib.sha256()
        for name in sorted(row.keys() - made):
            # The numbers of a vector have 32 bits.
            is_dense = name == layout.vector_field
            kept = np.asarray(row[name], dtype="<f4").tobytes() if is_dense else _json(row[name])
            for part in (name.encode(), kept):
                digest.update(len(part).to_bytes(8, "big") + part)
        value = int.from_bytes(digest.digest()[:16], "big")
        self.ids.add(str(row[layout.primary_field]))
        self.total = (self.total + value) % 2**128
        return value

    def __str__(self) -> str:
        return f"{self.total:032x}"


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, default=float).encode("utf-8", "surrogatepass")
