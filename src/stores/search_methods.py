"""LangChain's search methods, in terms of the store's two searches: dense and full-text."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from ..chunk_keys import VECTOR_KEY
from ..errors import CollectionSchemaError, InputError
from .filters import both
from .layout import Layout

Filter = Mapping[str, Any] | str | None
Hits = list[tuple[Document, float]]

# What LangChain's retrievers and langchain_milvus' callers pass along, and what has no meaning here.
_IGNORED = frozenset({"timeout"})
_LEVEL = "consistency_level"


def check_number(name: str, value: Any, least: int = 1) -> None:
    """Raise an `InputError` for what is no number of hits."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{name} is the number of hits, a whole number of at least {least}, not {value!r}.")


def check_text(query: Any) -> None:
    """Raise an `InputError` for what is no question."""
    if not isinstance(query, str):
        raise InputError(f"A query is a text, not {type(query).__name__}.")


def check_lambda(value: Any) -> None:
    """Raise an `InputError` for what is no weight between likeness to the query and variety."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"lambda_mult is a number from 0 (most variety) to 1 (none), not {value!r}.")


class SearchMethods(VectorStore):
    """Sync search methods of `VectorStore`.

    Keyword arguments of all: `filter`, a dict or an expression, `expr`, and `consistency_level` as in `open_store`.
    """

    embedding: Embeddings | None

    @property
    @abstractmethod
    def layout(self) -> Layout | None:
        """The collection's fields and properties; None while it does not exist."""

    @abstractmethod
    def search_dense(
        self,
        vector: Sequence[float],
        k: int,
        filter: Filter = None,
        *,
        vectors: bool = False,
        consistency_level: str | None = None,
    ) -> Hits:
        """The `k` rows whose vectors are nearest."""

    @abstractmethod
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
        """The `k` rows that match a question's words best."""

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """The `k` documents nearest to a query; see `similarity_search_with_score`."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Hits:
        """The `k` documents nearest to a query, with scores: dense, or full-text in a store without an embedding.

        For both at once see `milvus_retriever`. Keyword arguments: `filter`, `expr`.
        """
        check_text(query)
        check_number("k", k)
        if self.embedding is None:
            return self.search_full_text(query, k, self._filter(kwargs), consistency_level=kwargs.get(_LEVEL))
        return self.similarity_search_with_score_by_vector(self.embedding.embed_query(query), k, **kwargs)

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """The `k` documents nearest to a vector."""
        return [document for document, _ in self.similarity_search_with_score_by_vector(embedding, k, **kwargs)]

    def similarity_search_with_score_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> Hits:
        """The `k` documents nearest to a vector, with scores. Keyword arguments: `filter`, `expr`."""
        return self.search_dense(embedding, k, self._filter(kwargs), consistency_level=kwargs.get(_LEVEL))

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The `k` documents that are near to a query and unlike each other.

        Raises:
            CollectionSchemaError: The store has no embedding.
        """
        check_text(query)
        check_number("k", k)
        check_number("fetch_k", fetch_k)
        check_lambda(lambda_mult)
        if self.embedding is None:
            raise CollectionSchemaError("Maximal marginal relevance needs an embedding; this store has none.")
        vector = self.embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """The `k` documents that are near to a vector and unlike each other."""
        check_number("k", k)
        check_number("fetch_k", fetch_k)
        check_lambda(lambda_mult)
        level, wanted = kwargs.get(_LEVEL), max(k, fetch_k)
        hits = self.search_dense(embedding, wanted, self._filter(kwargs), vectors=True, consistency_level=level)
        vectors = [document.metadata.pop(VECTOR_KEY) for document, _ in hits]
        chosen = maximal_marginal_relevance(np.array(embedding), vectors, lambda_mult=lambda_mult, k=k) if hits else []
        return [hits[i][0] for i in chosen]

    def _filter(self, kwargs: Mapping[str, Any]) -> Filter:
        unknown = sorted(kwargs.keys() - _IGNORED - {"filter", "expr", _LEVEL})
        if unknown:
            raise InputError(f"A search takes k, filter, expr and {_LEVEL}, not {', '.join(unknown)}.")
        chosen: Filter = both(kwargs.get("filter"), kwargs.get("expr"))
        return chosen

    def _select_relevance_score_fn(self) -> Any:
        """A score as LangChain's relevance, 0 to 1."""
        if self.embedding is None:
            return lambda score: score / (1.0 + score)
        layout = self.layout
        if layout is not None and layout.metric == "L2":
            # Of the squared distance of two unit vectors, as langchain_milvus has it; the score is 1 / (1 + distance).
            return lambda score: min(1.0, max(0.0, 1.0 - (1.0 / score - 1.0) / 4.0)) if score > 0 else 0.0
        return lambda score: min(1.0, max(0.0, (1.0 + score) / 2.0))
