"""What the halves of the store have of the whole."""

from abc import abstractmethod

from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_milvus.utils.sparse import BaseSparseEmbedding

from .collection import Collection
from .connection import Server
from .first_search import FirstSearches
from .layout import Layout


class StoreMembers(VectorStore):
    """A collection, and what it is searched by."""

    collection_name: str
    embedding: Embeddings | None
    sparse_embedding: BaseSparseEmbedding | None
    _first_searches: FirstSearches

    @property
    @abstractmethod
    def collection(self) -> Collection:
        """The collection itself, row by row."""

    @property
    @abstractmethod
    def server(self) -> Server:
        """What answers at the URI, and what it can do."""

    @property
    @abstractmethod
    def layout(self) -> Layout | None:
        """The collection's fields and properties; None while it does not exist."""

    @property
    @abstractmethod
    def has_full_text(self) -> bool:
        """Whether there is full-text search, or will be once there is a collection."""

    @property
    @abstractmethod
    def language(self) -> str:
        """Language of the full-text analysis."""
