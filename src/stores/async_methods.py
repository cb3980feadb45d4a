"""The async half of the store's contract.

The async client of pymilvus belongs to the event loop that it first ran in, and fails in the next one. So here what
has a truly async client, the embedding of a question or of texts, is awaited, and Milvus itself is called in the
executor: a store works in any number of event loops.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables.config import run_in_executor
from langchain_core.vectorstores import VectorStore

from ..vectors import usable
from .rows import check_chunks, check_documents, listed
from .search_methods import Filter, SearchMethods, check_lambda, check_number, check_text
from .searched_text import embedded_texts


class AsyncMethods(SearchMethods):
    """Async methods that call their sync twins, but for the embedding."""

    @abstractmethod
    def add_embeddings(
        self, texts: Iterable[str], embeddings: Iterable[list[float]] | None, **kwargs: Any
    ) -> list[str]:
        """Store texts with the vectors that they have, or with none in a store without an embedding."""

    @abstractmethod
    def get_pks(self, expr: Filter, **kwargs: Any) -> list[str]:
        """Ids of the rows that a filter matches."""

    @abstractmethod
    def search_by_metadata(self, expr: Filter, fields: list[str] | None = None, limit: int = 10) -> list[Document]:
        """Documents that a filter matches."""

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Async twin of `add_texts`."""
        texts = listed("texts", texts)
        check_chunks(texts, metadatas, ids)
        searched = embedded_texts(texts, metadatas)
        vectors = await self.embedding.aembed_documents(searched) if self.embedding and texts else None
        if self.embedding and texts:
            usable(vectors, count=len(texts), zeros=True)
        return await run_in_executor(None, self.add_embeddings, texts, vectors, metadatas=metadatas, ids=ids)

    async def aadd_embeddings(
        self,
        texts: Iterable[str],
        embeddings: Iterable[list[float]],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Async twin of `add_embeddings`."""
        return await run_in_executor(None, self.add_embeddings, texts, embeddings, metadatas=metadatas, ids=ids)

    async def aadd_documents(self, documents: Iterable[Document], **kwargs: Any) -> list[str]:
        """Async twin of `add_documents`."""
        return await VectorStore.aadd_documents(self, check_documents(documents), **kwargs)

    async def aupsert(
        self, ids: list[str] | None = None, documents: Iterable[Document] | None = None, **kwargs: Any
    ) -> list[str]:
        """Async twin of `upsert`."""
        return await self.aadd_documents(documents or [], **({} if ids is None else {"ids": ids}), **kwargs)

    async def adelete(self, ids: list[str] | None = None, **kwargs: Any) -> bool | None:
        """Async twin of `delete`."""
        return await run_in_executor(None, self.delete, ids, **kwargs)

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Async twin of `get_by_ids`."""
        return await run_in_executor(None, self.get_by_ids, ids)

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Async twin of `similarity_search`."""
        return [document for document, _ in await self.asimilarity_search_with_score(query, k, **kwargs)]

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Async twin of `similarity_search_with_score`."""
        check_text(query)
        check_number("k", k)
        if self.embedding is None:
            return await run_in_executor(None, self.similarity_search_with_score, query, k, **kwargs)
        vector = await self.embedding.aembed_query(query)
        return await self.asimilarity_search_with_score_by_vector(vector, k, **kwargs)

    async def asimilarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Async twin of `similarity_search_by_vector`."""
        return [document for document, _ in await self.asimilarity_search_with_score_by_vector(embedding, k, **kwargs)]

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """Async twin of `similarity_search_with_score_by_vector`."""
        return await run_in_executor(None, self.similarity_search_with_score_by_vector, embedding, k, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Async twin of `max_marginal_relevance_search`."""
        check_text(query)
        check_number("k", k)
        check_number("fetch_k", fetch_k)
        check_lambda(lambda_mult)
        if self.embedding is None:
            return await run_in_executor(
                None, self.max_marginal_relevance_search, query, k, fetch_k, lambda_mult, **kwargs
            )
        vector = await self.embedding.aembed_query(query)
        return await self.amax_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Async twin of `max_marginal_relevance_search_by_vector`."""
        return await run_in_executor(
            None, self.max_marginal_relevance_search_by_vector, embedding, k, fetch_k, lambda_mult, **kwargs
        )

    async def aget_pks(self, expr: Filter, **kwargs: Any) -> list[str]:
        """Async twin of `get_pks`."""
        return await run_in_executor(None, self.get_pks, expr, **kwargs)

    async def asearch_by_metadata(
        self, expr: Filter, fields: list[str] | None = None, limit: int = 10
    ) -> list[Document]:
        """Async twin of `search_by_metadata`."""
        return await run_in_executor(None, self.search_by_metadata, expr, fields, limit)

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None,
        metadatas: list[dict[str, Any]] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Async twin of `from_texts`."""
        return await run_in_executor(None, partial(cls.from_texts, texts, embedding, metadatas, **kwargs))  # type: ignore[arg-type]  # a store may have no embedding
