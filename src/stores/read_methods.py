"""The reading half of the store: rows by id, by a filter, by a vector, by words."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar

from langchain_core.documents import Document

from ..chunk_keys import TERMS_KEY, VECTOR_KEY
from ..errors import (
    CollectionSchemaError,
    EmbeddingMismatchError,
    FullTextUnavailableError,
    StoreError,
    StoreUnavailableError,
)
from ..word_statistics import SAMPLE, WordStatistics
from . import conditions
from .collection_rows import CollectionRows
from .conditions import Condition, to_condition
from .connection import RowsWithListsError
from .consistency import check_level
from .filters import Column, both, read_filter
from .layout import Layout
from .rows import check_ids, check_vectors, to_document
from .search_methods import Filter, Hits, check_number, check_text
from .searched_text import index_terms, named_terms
from .store_members import StoreMembers

T = TypeVar("T")


class ReadMethods(StoreMembers):
    """Methods that read, beside those of `VectorStore` that are made of them."""

    _words: tuple[str, WordStatistics] | None = None

    @abstractmethod
    def _no_full_text(self) -> str:
        """Why there is no full-text search."""

    def count(self, filter: Filter = None) -> int:
        """Number of rows, or of those that a filter matches."""
        return self._read_where(filter, lambda _, rows, condition: conditions.count(rows, condition), 0)

    def to_expression(self, filter: Filter, expr: str | None = None) -> str:
        """A filter as a Milvus expression for this collection: all rows that match satisfy it.

        Where Milvus cannot say what a filter does (see `stores.filters`), others do too; the store's own methods, which
        take the filter itself, leave those out.
        """
        return self._condition(both(filter, expr), self.layout).expression

    def _condition(self, filter: Filter, layout: Layout | None, *, use_in: bool = True) -> Condition:
        column_of = layout.column_of if layout else Column
        return to_condition(filter, column_of, lite=self.server.lite, use_in=use_in)

    # --- reading

    def _read(self, read: Callable[[Layout, CollectionRows], T], nothing: T, consistency_level: str | None = None) -> T:
        """Read what the collection has now, or `nothing` while there is none."""
        while True:
            layout = self.layout
            if layout is None:
                return nothing
            try:
                answer = read(layout, self.collection.rows(layout, consistency_level))
            except StoreUnavailableError:
                raise
            except StoreError:
                # A rebuild dropped it meanwhile, and there is another of this name.
                if not self.collection.switched(layout):
                    raise
            else:
                # A server that was searching or counting while it was dropped finds nothing, without an error.
                now = self.layout
                if now is None or now.name == layout.name:
                    return answer

    def _read_where(
        self,
        filter: Filter,
        read: Callable[[Layout, CollectionRows, Condition], T],
        nothing: T,
        consistency_level: str | None = None,
    ) -> T:
        """`_read` with a filter, which is checked also while there is no collection."""
        if self.layout is None and filter is not None:
            read_filter(filter)

        def read_here(layout: Layout, rows: CollectionRows) -> T:
            try:
                return read(layout, rows, self._condition(filter, layout))
            except RowsWithListsError:
                return read(layout, rows, self._condition(filter, layout, use_in=False))

        return self._read(read_here, nothing, consistency_level)

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Documents by id, in the order asked for; unknown ids are left out."""
        check_ids(ids)
        ids = list(ids)
        found: list[Document] = self._read(lambda layout, rows: [to_document(layout, r) for r in rows.get(ids)], [])
        by_id = {document.id: document for document in found}
        return [by_id[row_id] for row_id in ids if row_id in by_id]

    def search_by_metadata(
        self, expr: Filter, fields: list[str] | None = None, limit: int = 10, *, roots: bool = False
    ) -> list[Document]:
        """Documents that a filter matches, with these `fields` of metadata; `roots`: by `ROOTS_KEY` who synced each."""
        check_number("limit", limit)

        def read(layout: Layout, rows: CollectionRows, condition: Condition) -> list[Document]:
            document = partial(to_document, layout, fields=fields, roots=roots)
            return [document(row) for row in conditions.find(rows, condition, limit)]

        return self._read_where(expr, read, [])

    def find_all(self, filter: Filter, *, roots: bool = False) -> list[Document]:
        """All documents that a filter matches, in no order; `roots`: with `ROOTS_KEY`, who synced each."""

        def read(layout: Layout, rows: CollectionRows, condition: Condition) -> list[Document]:
            batches = conditions.iterate(rows, condition)
            return [to_document(layout, row, roots=roots) for batch in batches for row in batch]

        return self._read_where(filter, read, [])

    def get_pks(self, expr: Filter, **kwargs: Any) -> list[str]:
        """Ids of the rows that a filter matches."""

        def read(layout: Layout, rows: CollectionRows, condition: Condition) -> list[str]:
            batches = conditions.iterate(rows, condition, [layout.primary_field])
            return [str(row[layout.primary_field]) for batch in batches for row in batch]

        return self._read_where(expr, read, [])

    def question_terms(self, question: str) -> dict[str, str]:
        """The terms of a question, each once: by the name that it has in the collection, the term as it is."""
        return named_terms(question, self.language)

    def word_statistics(self, *, anew: bool = False) -> WordStatistics | None:
        """How often words occur in up to two thousand rows; read once a collection, and remembered.

        Args:
            anew: Whether to read them even where they are remembered.

        Returns:
            None where there are no words to count: no collection, or one whose full-text search is another's.
        """
        layout = self.layout
        if layout is not None and self._words is not None and self._words[0] == layout.name and not anew:
            return self._words[1]

        def read(layout: Layout, rows: CollectionRows) -> tuple[str, WordStatistics] | None:
            field = layout.terms_field
            if field is None or not layout.ours:
                return None
            found = rows.find("", SAMPLE, [field])
            texts = (str(row.get(field) or "") for row in found)
            return layout.name, WordStatistics.of(texts, is_whole=len(found) < SAMPLE)

        self._words = words = self._read(read, None)
        return None if words is None else words[1]

    def search_dense(
        self,
        vector: Sequence[float],
        k: int,
        filter: Filter = None,
        *,
        vectors: bool = False,
        consistency_level: str | None = None,
    ) -> Hits:
        """The `k` rows whose vectors are nearest; the score is the inner product, or cosine (1 / (1 + distance) on L2).

        Args:
            vector: Of the collection's dimension.
            k: At most so many hits.
            filter: Metadata filter.
            vectors: Whether a hit's metadata carries its vector, under `VECTOR_KEY`.
            consistency_level: Of this search; by default the store's.

        Raises:
            CollectionSchemaError: The collection has no dense vectors.
            EmbeddingMismatchError: The vector has another dimension.
            ModelResponseError: The vector is none of finite numbers.
        """
        check_number("k", k)
        check_level(consistency_level)
        check_vectors([vector], 1, lambda: self.layout)

        def read(layout: Layout, rows: CollectionRows, condition: Condition) -> Hits:
            if layout.vector_field is None:
                raise CollectionSchemaError(
                    f"The collection {self.collection_name!r} has no dense vectors. Search it with mode='full_text'."
                )
            if len(vector) != layout.dimension:
                raise EmbeddingMismatchError(
                    f"The collection {self.collection_name!r} keeps vectors of {layout.dimension} dimensions, and is "
                    f"searched with one of {len(vector)}. Use the embedding it was built with."
                )
            return self._hits(rows, layout.vector_field, list(vector), k, condition, vectors=vectors)

        return self._read_where(filter, read, [], consistency_level)

    def search_full_text(
        self,
        question: str,
        k: int,
        filter: Filter = None,
        *,
        vectors: bool = False,
        terms: bool = False,
        consistency_level: str | None = None,
    ) -> Hits:
        """The `k` rows that match a question's words best, by BM25 or by the sparse model.

        A question of stop words only has no hits.

        Args:
            question: In words.
            k: At most so many hits.
            filter: Metadata filter.
            vectors: Whether a hit's metadata carries its vector, under `VECTOR_KEY`.
            terms: Whether it carries its analysed words, under `TERMS_KEY`, where this package analysed them.
            consistency_level: Of this search; by default the store's.

        Raises:
            FullTextUnavailableError: There is no full-text search here.
        """
        check_text(question)
        check_number("k", k)
        check_level(consistency_level)
        if not self.has_full_text:
            raise FullTextUnavailableError(self._no_full_text())

        def read(layout: Layout, rows: CollectionRows, condition: Condition) -> Hits:
            if layout.sparse_field is None:
                return []
            query: Any = question
            if self.sparse_embedding is not None:
                query = self.sparse_embedding.embed_query(question)
            elif layout.ours:
                query = index_terms(question, self.language)
            if not query:
                return []
            return self._hits(rows, layout.sparse_field, query, k, condition, vectors=vectors, terms=terms)

        return self._read_where(filter, read, [], consistency_level)

    def _hits(
        self,
        rows: CollectionRows,
        field: str,
        query: Any,
        k: int,
        condition: Condition,
        *,
        vectors: bool = False,
        terms: bool = False,
    ) -> Hits:
        layout = rows.layout
        beside = {
            VECTOR_KEY: layout.vector_field if vectors else None,
            TERMS_KEY: layout.terms_field if terms and layout.ours else None,
        }
        wanted = {key: name for key, name in beside.items() if name}
        hits = []
        fields = [*layout.document_fields, *wanted.values()]
        # Servers load by themselves, once for all.
        with self._first_searches.search(layout.name, field, rows.timeout) if rows.on_lite else nullcontext():
            found = conditions.search(rows, condition, field, query, k, fields)
        for row, score in found:
            document = to_document(layout, row)
            document.metadata.update((key, row[name]) for key, name in wanted.items())
            hits.append((document, score))
        return hits

    def warm_up(self) -> None:
        """Search once in each way, so that nobody has to wait for what the first search has to load.

        Milvus Lite takes 3 s for that at 66,000 chunks. Nothing happens while there is no collection.
        """

        def read(layout: Layout, rows: CollectionRows) -> None:
            condition = self._condition(None, layout)
            if self.embedding is not None and layout.vector_field is not None:
                self._hits(rows, layout.vector_field, [1.0] + [0.0] * (layout.dimension - 1), 1, condition)
            if self.has_full_text and layout.sparse_field is not None:
                # It need not be found.
                query: Any = {0: 1.0} if self.sparse_embedding is not None else "milvus"
                self._hits(rows, layout.sparse_field, query, 1, condition)

        self._first_searches.forget()
        self._read(read, None)

    def _delete_where(self, filter: Filter) -> None:
        self._read_where(filter, lambda _, rows, condition: conditions.delete(rows, condition), None)
