"""The chunks of a source as `sync` sees them: each with an id that is the same in every run and on every machine."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from langchain_core.documents import Document

from ..chunk_keys import (
    DIGEST_KEY,
    ORIGINAL_POSITION_KEY,
    PART_KEY,
    POSITION_KEY,
    RECORD_KEY,
    ROOT_KEY,
    SOURCE_KEY,
    VERSION_KEY,
)
from ..errors import InputError
from ..source_parts import part_of
from ..stores.layout import PARTS_PROPERTY, Layout, roots_of
from ..stores.plain_metadata import plain_metadata, source_name
from ..stores.searched_text import embedded_as
from .source_records import SourceRecord, decoded, version_of

# 128 bits: no two of 10^15 texts share a digest by chance.
_DIGEST_CHARS = 32


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a source as it is now.

    Attributes:
        row_id: Digest of source, text, and the occurrence of that text in the source.
        source: Where it is from.
        position: Its number in the source, from 0.
        text: Its text.
        metadata: Its metadata, with the position.
        digest: Digest of what is embedded, by which the vector is found again in another source.
        others: Names of other loaders that have the row too.
        version: The version of the source that it is of, see `source_records`; empty where that is not known.
        record: What its row is to keep of the source as a whole; empty where nothing, or not yet.
    """

    row_id: str
    source: str
    position: int
    text: str
    metadata: Mapping[str, Any]
    digest: str
    others: tuple[str, ...] = ()
    version: str = ""
    record: str = ""


class StoredRow(NamedTuple):
    """What the collection has under an id, without its text.

    Attributes:
        returned: The row as Milvus returns it, without its version and its record.
        layout: The collection's.
        version: Of which version of its source it was written; empty where that is not known.
        record: What it keeps of its source as a whole.
    """

    returned: Mapping[str, Any]
    layout: Layout
    version: str = ""
    record: SourceRecord | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], layout: Layout) -> "StoredRow":
        """A row as Milvus returns it."""
        returned = {key: value for key, value in row.items() if key not in (VERSION_KEY, RECORD_KEY)}
        return cls(returned, layout, version_of(row), decoded(row.get(RECORD_KEY)))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """As it was stored."""
        return self.layout.metadata_of(self.returned)

    @property
    def digest(self) -> str | None:
        """Of what its vector was made of."""
        return self.returned.get(DIGEST_KEY)

    @property
    def roots(self) -> tuple[str, ...]:
        """Names of the loaders that have it; none for a row that `sync` did not store."""
        return roots_of(self.returned)

    def is_just(self, row: Mapping[str, Any]) -> bool:
        """Whether the row is one that `row_of` makes. Where it is not, it may still hold the same."""
        return _are_same(self.returned, row)

    def holds(self, chunk: Chunk) -> bool:
        """Whether the row is what a chunk would be stored as, whoever has it."""
        if self.digest != chunk.digest:
            return False
        metadata = self.metadata
        return _are_same(metadata, chunk.metadata) or _are_same(metadata, _plain(chunk.metadata))


def row_of(chunk: Chunk, root: str, layout: Layout) -> dict[str, Any]:
    """What Milvus returns of a row, without its text and its vectors, that a loader alone stored for a chunk."""
    # What is wrong with other keys is said where they are to be stored.
    row = {layout.key_of(key) if isinstance(key, str) else key: item for key, item in chunk.metadata.items()}
    return {**row, **_sync_keys(chunk, root, layout), layout.primary_field: chunk.row_id}


def own_keys(chunk: Chunk, root: str, layout: Layout) -> dict[str, Any]:
    """What a row is written with beside its metadata."""
    keys = {**_sync_keys(chunk, root, layout), VERSION_KEY: chunk.version}
    return {**keys, RECORD_KEY: chunk.record} if chunk.record else keys


def _sync_keys(chunk: Chunk, root: str, layout: Layout) -> dict[str, Any]:
    """Who has a row, what it was embedded as, and in which part its source falls."""
    keys: dict[str, Any] = {ROOT_KEY: [*chunk.others, root], DIGEST_KEY: chunk.digest}
    if layout.properties.get(PARTS_PROPERTY):
        keys[PART_KEY] = part_of(chunk.source)
    return keys


def by_source(documents: Iterable[Document]) -> Iterator[tuple[str, list[Document]]]:
    """Documents that follow each other and have the same source. One that the loader did not finish is left out.

    Raises:
        InputError: A document has no source.
    """
    current: list[Document] = []
    for document in documents:
        if current and _source_of(current[0]) != _source_of(document):
            yield _source_of(current[0]), current
            current = []
        current.append(document)
    if current:
        yield _source_of(current[0]), current


def read_chunks(source: str, documents: Sequence[Document], version: str = "") -> list[Chunk]:
    """Give the chunks of a source their ids and positions."""
    occurrences: Counter[str] = Counter()
    chunks = []
    for position, document in enumerate(documents):
        text = document.page_content
        occurrence = occurrences[text]
        occurrences[text] += 1
        chunks.append(
            Chunk(
                row_id=_digest(source, text, str(occurrence)),
                source=source,
                position=position,
                text=text,
                metadata=_with_position(document.metadata, position),
                digest=_digest(text, embedded_as(text, document.metadata)),
                version=version,
            )
        )
    return chunks


def _with_position(metadata: Mapping[str, Any], position: int) -> dict[str, Any]:
    positioned: dict[str, Any]
    try:
        # As it will come back, so that it is known again. With a number more, for which there is room, it need not be
        # checked once more before it is stored.
        positioned = plain_metadata({**metadata})
    except InputError:
        # What cannot be kept is said where it would be stored.
        positioned = {**metadata}
    if POSITION_KEY in positioned:
        own = {ORIGINAL_POSITION_KEY: positioned[POSITION_KEY]}
        positioned = type(positioned)({**own, **positioned})
    positioned[POSITION_KEY] = position
    return positioned


def _source_of(document: Document) -> str:
    source = source_name(document.metadata.get(SOURCE_KEY))
    if not isinstance(source, str) or not source:
        raise InputError(
            "A document without metadata['source'] cannot be synced: the source says which rows it replaces. "
            "Set it in the loader, or use store.add_documents."
        )
    return source


def _are_same(stored: Any, given: Any) -> bool:
    try:
        return bool(stored == given)
    except (TypeError, ValueError, RecursionError):
        # Arrays, say, which have no one answer. Milvus could not keep them.
        return False


def _plain(metadata: Mapping[str, Any]) -> Any:
    """Metadata as it comes back from Milvus: what JSON makes of it."""
    try:
        return json.loads(json.dumps(metadata))
    except (TypeError, ValueError, RecursionError):
        return dict(metadata)


def _digest(*parts: str) -> str:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    measured = b"".join([len(part).to_bytes(8, "big") + part for part in encoded])
    return hashlib.sha256(measured).hexdigest()[:_DIGEST_CHARS]
