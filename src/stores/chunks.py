"""The chunks of a source as `sync` sees them: each with an id that is the same in every run and on every machine."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document

from ..errors import InputError
from .searched_text import embedded_as

# 128 bits: no two of 10^15 texts share a digest by chance.
_DIGEST_CHARS = 32
POSITION_KEY = "chunk"


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
    """

    row_id: str
    source: str
    position: int
    text: str
    metadata: Mapping[str, Any]
    digest: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredRow:
    """What the collection has under an id, without its text.

    Attributes:
        metadata: As it was stored.
        digest: Digest of what its vector was made of.
        roots: Names of the loaders that have it; none for a row that `sync` did not store.
    """

    metadata: Mapping[str, Any]
    digest: str | None
    roots: tuple[str, ...]

    def holds(self, chunk: Chunk) -> bool:
        """Whether the row is what a chunk would be stored as, whoever has it."""
        if self.digest != chunk.digest:
            return False
        return self.metadata == chunk.metadata or self.metadata == _plain(chunk.metadata)


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


def read_chunks(source: str, documents: Sequence[Document]) -> list[Chunk]:
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
                metadata={**document.metadata, POSITION_KEY: position},
                digest=_digest(text, embedded_as(document.metadata)),
            )
        )
    return chunks


def _source_of(document: Document) -> str:
    source = document.metadata.get("source")
    if not isinstance(source, str) or not source:
        raise InputError(
            "A document without metadata['source'] cannot be synced: the source says which rows it replaces. "
            "Set it in the loader, or use store.add_documents."
        )
    return source


def _plain(metadata: Mapping[str, Any]) -> Any:
    """Metadata as it comes back from Milvus: what JSON makes of it."""
    try:
        return json.loads(json.dumps(metadata))
    except (TypeError, ValueError):
        return dict(metadata)


def _digest(*parts: str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()[:_DIGEST_CHARS]
