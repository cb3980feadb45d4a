"""The writing half of the store: texts, documents and rows into the collection, and out of it."""

import secrets
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, TypeVar

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from numpy.typing import NDArray

from ..errors import (
    CollectionNotFoundError,
    CollectionReplacedError,
    EmbeddingMismatchError,
    InputError,
    ModelResponseError,
)
from ..text_analysis import VERSION as ANALYSIS_VERSION
from ..vectors import usable
from .collection_rows import CollectionRows, Row
from .filters import both
from .fingerprint import fingerprint_of, without_its_embedding
from .layout import Layout
from .rows import check_chunks, check_documents, check_ids, check_vectors, listed, to_row
from .search_methods import Filter
from .searched_text import embedded_texts
from .store_members import StoreMembers

T = TypeVar("T")


class WriteMethods(StoreMembers):
    """Methods of `VectorStore` that write."""

    @abstractmethod
    def _delete_where(self, filter: Filter) -> None:
        """Delete the rows that a filter matches."""

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        timeout: float | None = None,
        batch_size: int = 1000,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Embed texts and store them; a text whose id is there already replaces it.

        Add many at once: on Milvus Lite, each call for less than 500 texts takes up to a second beside the embedding,
        in a store with full-text search. A collection that is created by it is analysed as English, unless the store
        was opened with a language: only `sync` recognises it.

        Args:
            texts: Each at most 65,535 bytes of UTF-8.
            metadatas: JSON-compatible values, one dict a text.
            timeout: Not used; see `open_store`.
            batch_size: Not used; requests are cut to what Milvus takes.
            ids: One a text; random where there is none (UUIDs, or numbers where the keys are numbers).
            **kwargs: Ignored.

        Returns:
            The ids, one a text.

        Raises:
            InputError: Milvus could not keep a text, its metadata or its id. Nothing is embedded or stored.
        """
        texts = listed("texts", texts)
        check_chunks(texts, metadatas, ids)
        searched = embedded_texts(texts, metadatas)
        vectors = self.embedding.embed_documents(searched) if self.embedding and texts else None
        if self.embedding and texts:
            usable(vectors, count=len(texts), zeros=True)
        return self.add_embeddings(texts, vectors, metadatas, ids=ids)

    def add_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """Embed documents and store them under their ids, or the `ids` given; see `add_texts`.

        A collection that is created by it is analysed as English, unless the store was opened with a language.
        """
        # A list, since LangChain goes through them several times.
        return VectorStore.add_documents(self, check_documents(documents), **kwargs)

    def upsert(
        self, ids: list[str] | None = None, documents: Iterable[Document] | None = None, **kwargs: Any
    ) -> list[str]:
        """`add_documents`, by the name that `langchain_milvus` has for it."""
        return self.add_documents(documents or [], **({} if ids is None else {"ids": ids}), **kwargs)

    @classmethod
    def from_documents(cls, documents: Iterable[Document], embedding: Embeddings, **kwargs: Any) -> Self:
        """Open a store and add documents to it; keyword arguments as `MilvusStore` takes them."""
        return super().from_documents(check_documents(documents), embedding, **kwargs)

    @classmethod
    async def afrom_documents(cls, documents: Iterable[Document], embedding: Embeddings, **kwargs: Any) -> Self:
        """Async twin of `from_documents`."""
        return await super().afrom_documents(check_documents(documents), embedding, **kwargs)

    def add_embeddings(
        self,
        texts: Iterable[str],
        embeddings: Iterable[list[float]] | None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Store texts with their vectors, or with none in a store without an embedding; see `add_texts`."""
        texts = listed("texts", texts)
        embeddings = None if embeddings is None else listed("embeddings", embeddings)
        check_chunks(texts, metadatas, ids)
        if embeddings is not None and len(embeddings) != len(texts):
            raise InputError(f"There are {len(texts)} texts and {len(embeddings)} vectors; there must be one a text.")
        if not texts:
            return []
        if embeddings is not None:
            check_vectors(embeddings, len(texts), lambda: self.layout)

        def add(layout: Layout, stored: CollectionRows) -> list[str]:
            if layout.auto_id and any(ids or ()):
                raise InputError(f"Milvus makes the ids of the collection {self.collection_name!r} itself. Give none.")
            row_ids = [row_id or _random_id(layout) for row_id in ids or [None] * len(texts)]
            rows = self.to_rows(layout, row_ids, texts, metadatas or [{}] * len(texts), embeddings)
            if layout.auto_id:
                return stored.add(rows)
            # Of an id that is given twice, Milvus would keep both.
            stored.add(list({row[layout.primary_field]: row for row in rows}.values()))
            return row_ids

        return self._write(self.writable_layout(len(embeddings[0]) if embeddings else None, metadatas or [{}]), add)

    def _write(self, layout: Layout, write: Callable[[Layout, CollectionRows], T]) -> T:
        """Write to a collection, or to the one of the same embedding with which a rebuild took its place meanwhile."""
        try:
            return write(layout, self.collection.rows(layout))
        except (CollectionNotFoundError, CollectionReplacedError):
            self.collection.look_again()
            now = self.layout
            if now is None:
                raise
            return write(now, self.collection.rows(now))

    def writable_layout(
        self, dimension: int | None, metadatas: Iterable[Mapping[str, Any]], *, language: str | None = None
    ) -> Layout:
        """The layout of the collection, which is created if it is not there.

        Args:
            dimension: Length of the vectors; None for a store without an embedding.
            metadatas: Of the first rows.
            language: Of the full-text analysis of a collection that is created; by default `language`.

        Raises:
            InputError: A row lacks a field that the collection is to have.
        """
        if (layout := self.layout) is not None:
            return layout
        self.collection.new.check_rows(metadatas, nullable=self.server.nullable)
        return self._create(dimension, language or self.language)

    def to_rows(
        self,
        layout: Layout,
        ids: Sequence[str],
        texts: Sequence[str],
        metadatas: Sequence[Mapping[str, Any]],
        vectors: Sequence[Sequence[float] | NDArray[np.float32]] | None,
        extras: Sequence[Mapping[str, Any]] | None = None,
    ) -> list[Row]:
        """Chunks as rows of the collection.

        Args:
            layout: The collection's.
            ids: One a chunk.
            texts: The chunks.
            metadatas: One dict a chunk.
            vectors: One a chunk, of one length; None for a store without an embedding.
            extras: Keys to keep beside the metadata, one dict a chunk.

        Raises:
            EmbeddingMismatchError: The vectors have another length than the collection's.
            InputError: Milvus could not keep a text or its metadata.
        """
        if layout.vector_field is None and vectors is not None:
            raise EmbeddingMismatchError(f"The collection {self.collection_name!r} has no vectors, and is given some.")
        if layout.vector_field is not None and vectors is None:
            raise EmbeddingMismatchError(without_its_embedding(self.collection_name, layout.properties))
        wrong = next((len(vector) for vector in vectors or [] if len(vector) != layout.dimension), None)
        if wrong is not None:
            raise EmbeddingMismatchError(
                f"The collection {self.collection_name!r} keeps vectors of {layout.dimension} dimensions, and the "
                f"embedding makes {wrong}. Use the embedding it was built with, or rebuild it."
            )
        sparse = self.sparse_embedding.embed_documents(list(texts)) if self.sparse_embedding else None
        language = self.language
        return [
            to_row(
                layout,
                None if layout.auto_id else row_id,
                text,
                metadata,
                vector=vectors[i] if vectors is not None else None,
                sparse=sparse[i] if sparse else None,
                language=language,
                extra=extras[i] if extras else None,
            )
            for i, (row_id, text, metadata) in enumerate(zip(ids, texts, metadatas, strict=True))
        ]

    def _create(self, dimension: int | None, language: str) -> Layout:
        if self.embedding is not None and not dimension:
            raise ModelResponseError(f"{type(self.embedding).__name__} made a vector without dimensions.")
        if self.embedding is None and not self.has_full_text:
            raise InputError(
                f"The collection {self.collection_name!r} would have neither vectors nor full-text search. Open the "
                f"store with an embedding, or with full_text=True."
            )
        sparse = self.sparse_embedding is not None
        bm25 = self.has_full_text and not sparse
        properties: dict[str, Any] = {}
        if self.embedding is not None:
            properties["embedding"] = {**fingerprint_of(self.embedding), "dimension": dimension}
        if self.sparse_embedding is not None:
            properties["sparse_embedding"] = fingerprint_of(self.sparse_embedding)
        if bm25:
            properties["analysis"] = {"language": language, "version": ANALYSIS_VERSION}
        self.collection.create(dimension=dimension, bm25=bm25, sparse=sparse, properties=properties)
        layout = self.layout
        if layout is None:
            raise AssertionError("unreachable: the collection was just created")
        return layout

    def delete(self, ids: list[str] | None = None, expr: str | None = None, **kwargs: Any) -> bool:
        """Delete by id, or by a filter or expression.

        Args:
            ids: Ids; unknown ones are no error.
            expr: A Milvus expression.
            **kwargs: `filter`, a dict or an expression.

        Raises:
            FilterError: The filter cannot be used; nothing is deleted.
            InputError: There is neither an id nor a filter, or there are both.
        """
        chosen = both(kwargs.get("filter"), expr)
        if ids is None and chosen is None:
            raise InputError("Give ids or a filter to delete; to delete everything use drop().")
        if ids and chosen is not None:
            raise InputError("Give ids or a filter to delete, not both.")
        check_ids(ids)
        if ids:
            layout = self.layout
            if layout is not None:
                self._write(layout, lambda _, rows: rows.delete(ids))
        elif chosen is not None:
            self._delete_where(chosen)
        return True

    def drop(self) -> None:
        """Drop the collection with all that is in it."""
        self.collection.drop()


def _random_id(layout: Layout) -> str:
    return str(secrets.randbits(63)) if layout.integer_ids else str(uuid.uuid4())
