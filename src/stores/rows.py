"""Documents as rows of a collection, and back."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document
from numpy.typing import NDArray

from ..chunk_keys import ROOTS_KEY
from ..errors import InputError
from ..vectors import usable
from .filters import is_text
from .layout import MAX_VARCHAR, Layout, roots_of
from .plain_metadata import PlainMetadata, missing_field, name_of, plain_metadata
from .searched_text import index_terms


def to_row(
    layout: Layout,
    row_id: str | None,
    text: str,
    metadata: Mapping[str, Any],
    *,
    vector: Sequence[float] | NDArray[np.float32] | None = None,
    sparse: Mapping[int, float] | None = None,
    language: str = "none",
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write a chunk as a row.

    Args:
        layout: The collection's.
        row_id: Primary key; None where Milvus makes it.
        text: The chunk, at most 65,535 bytes of UTF-8.
        metadata: JSON-compatible values under text keys.
        vector: Dense vector, where the collection has such a field.
        sparse: Sparse vector of a model on our side, as index to weight.
        language: Whose analysis the terms are made with.
        extra: Keys beside the metadata, which `to_document` leaves out.

    Raises:
        InputError: Milvus could not keep the text, the id or the metadata.
    """
    _check_text(text, metadata)
    # Asked once, and not for each key.
    ours, own_keys, takes_any = layout.ours, layout.own_keys, layout.dynamic
    row: dict[str, Any] = {}
    for key, value in plain_metadata(metadata).items():
        if not takes_any and key not in layout.static_fields:
            raise InputError(f"The collection has no field for the metadata key {key!r}, and takes no further keys.")
        if key in own_keys:
            raise InputError(
                f"Metadata {key!r} of {name_of(metadata)} is named like a field of the collection, which another "
                f"program made. Rename it, or use a new collection, where metadata may have any names."
            )
        row[layout.key_of(key) if ours else key] = value
    for key in layout.metadata_fields and layout.metadata_fields - layout.nullable_fields - row.keys():
        raise InputError(missing_field(metadata, key))
    row.update(extra or {})
    if row_id is not None:
        row[layout.primary_field] = to_primary_key(layout, row_id)
    row[layout.text_field] = text
    if vector is not None and layout.vector_field:
        row[layout.vector_field] = vector if isinstance(vector, np.ndarray) else list(vector)
    if layout.terms_field and ours:
        row[layout.terms_field] = index_terms(text, language, metadata)
    elif sparse is not None and layout.sparse_field:
        row[layout.sparse_field] = dict(sparse)
    return row


def check_chunk(text: str, metadata: Mapping[str, Any]) -> PlainMetadata:
    """Find out whether Milvus could keep a chunk.

    Returns:
        Its metadata, which `to_row` need not check again.

    Raises:
        InputError: It could not; the message says why.
    """
    if not isinstance(metadata, Mapping):
        raise InputError(f"The metadata of a chunk is a dict, not {type(metadata).__name__}: {metadata!r:.100}")
    _check_text(text, metadata)
    return plain_metadata(metadata)


def check_chunks(
    texts: Sequence[str], metadatas: Sequence[Mapping[str, Any]] | None, ids: Sequence[str | None] | None
) -> None:
    """Find out whether Milvus could keep chunks before they are embedded, which may cost money.

    Raises:
        InputError: It could not keep one, or there are not as many metadatas or ids as texts.
    """
    for name, given in (("metadatas", metadatas), ("ids", ids)):
        if given is not None and len(given) != len(texts):
            raise InputError(f"There are {len(texts)} texts and {len(given)} {name}; there must be one a text.")
    for i, text in enumerate(texts):
        check_chunk(text, metadatas[i] if metadatas else {})
    for row_id in ids or ():
        if row_id:
            to_primary_key(Layout(), row_id)


def check_ids(ids: Any) -> None:
    """Raise an `InputError` where something else stands for a list of ids."""
    if ids is not None and (isinstance(ids, str | bytes) or not isinstance(ids, Iterable)):
        raise InputError(f"ids is a list of texts, not {type(ids).__name__}: {ids!r}")


def listed(name: str, values: Any) -> list[Any]:
    """Values that are given to be added, as a list.

    Raises:
        InputError: They are one text, or nothing that could be gone through.
    """
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise InputError(f"{name} are given as a list, not as {type(values).__name__}: {values!r:.100}")
    return list(values)


def check_documents(documents: Any) -> list[Document]:
    """Documents that are given to be added, as a list, since LangChain goes through them several times.

    Raises:
        InputError: Something else is among them.
    """
    given = listed("documents", documents)
    for document in given:
        if not isinstance(document, Document):
            raise InputError(f"Documents are LangChain's Document, not {type(document).__name__}: {document!r:.100}")
    return given


def check_vectors(vectors: Any, count: int, layout: Callable[[], Layout | None]) -> None:
    """Find vectors that could not be compared with any other.

    Args:
        vectors: What an embedding model answered.
        count: For how many texts.
        layout: Asks for the collection's, None while it does not exist. It is asked only for a vector of zeros, which
            is one where distances are compared, and has no direction that could be.

    Raises:
        ModelResponseError: See `milvus_rag.vectors.checked_matrix`.
    """
    kept = usable(vectors, count=count, zeros=True).astype(np.float32)
    if not kept.any(axis=1).all():
        found = layout()
        usable(kept, count=count, zeros=found is not None and found.metric == "L2")


def _check_text(text: str, metadata: Mapping[str, Any]) -> None:
    if not isinstance(text, str):
        raise InputError(f"A chunk of {name_of(metadata)} is {type(text).__name__}, not a text: {text!r:.100}")
    if len(text) <= MAX_VARCHAR and text.isascii():
        return
    try:
        size = len(text.encode())
    except UnicodeEncodeError as exc:
        raise InputError(f"A chunk of {name_of(metadata)} has half a surrogate pair, which is no text: {exc}") from exc
    if size > MAX_VARCHAR:
        raise InputError(
            f"A chunk of {name_of(metadata)} has {size:,} bytes, and Milvus keeps at most {MAX_VARCHAR:,}. "
            f"Split it into smaller ones, e.g. with MarkdownSplitter(chunk_size=2000)."
        )


def to_document(
    layout: Layout, row: Mapping[str, Any], *, fields: Sequence[str] | None = None, roots: bool = False
) -> Document:
    """Read a row as Milvus returns it; its id is always text.

    Args:
        layout: The collection's.
        row: All of it but vectors and terms.
        fields: Keys of the metadata, None for all.
        roots: Whether the metadata tells which loaders have it, under `ROOTS_KEY`.
    """
    metadata = layout.metadata_of(row)
    if fields is not None:
        metadata = {key: metadata[key] for key in fields if key in metadata}
    return Document(
        page_content=str(row.get(layout.text_field) or ""),
        metadata={**metadata, **({ROOTS_KEY: list(roots_of(row))} if roots else {})},
        id=str(row[layout.primary_field]),
    )


def to_primary_key(layout: Layout, row_id: str) -> str | int:
    """The primary key for an id of LangChain's, which is always text.

    Raises:
        InputError: The collection's keys are integers and this is none, or it is too long.
    """
    if not isinstance(row_id, str):
        raise InputError(f"Ids are texts, {row_id!r} is {type(row_id).__name__}.")
    if layout.integer_ids:
        if not re.fullmatch(r"-?\d+", row_id):
            raise InputError(f"The ids of this collection are integers, {row_id!r} is none.")
        return int(row_id)
    size = len(row_id.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= MAX_VARCHAR:
        raise InputError(f"An id has 1 to {MAX_VARCHAR:,} bytes, this one has {size:,}.")
    if "\x00" in row_id or not is_text(row_id):
        raise InputError(f"The id {row_id!r} has a NUL character or half a surrogate pair, which is no text.")
    return row_id
