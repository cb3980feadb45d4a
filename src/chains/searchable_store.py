"""What the retriever asks of a store."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from ..word_statistics import WordStatistics
from .neighbours import Filter


class SearchableStore(Protocol):
    """What the retriever asks of a store; `MilvusStore` has it."""

    embedding: Embeddings | None

    @property
    def has_dense(self) -> bool:
        """Whether there is dense search."""

    @property
    def has_full_text(self) -> bool:
        """Whether there is full-text search."""

    def search_dense(
        self, vector: Sequence[float], k: int, filter: Filter = None, *, vectors: bool = False
    ) -> list[tuple[Document, float]]:
        """The `k` nearest rows with their scores."""

    def search_full_text(
        self, question: str, k: int, filter: Filter = None, *, vectors: bool = False, terms: bool = False
    ) -> list[tuple[Document, float]]:
        """The `k` rows that match the words best with their scores."""

    @property
    def language(self) -> str:
        """Language of the full-text search."""

    def question_terms(self, question: str) -> Mapping[str, str]:
        """A question's terms by their names in the collection, for ``min_score="auto"``."""

    def word_statistics(self, *, anew: bool = False) -> WordStatistics | None:
        """How often words occur, for ``min_score="auto"``."""

    def search_by_metadata(
        self, expr: Any, fields: list[str] | None = None, limit: int = 10, *, roots: bool = False
    ) -> list[Document]:
        """Documents that a metadata filter matches; with `roots`, of which folders, as ``$roots`` in the metadata."""
