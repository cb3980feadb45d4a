"""A vector store on Milvus Lite, Milvus, or Zilliz Cloud that keeps LangChain's contract."""

import logging
import os
import threading
import weakref
from dataclasses import replace
from typing import Any, Self

from langchain_core.embeddings import Embeddings
from langchain_milvus import BM25BuiltInFunction, Milvus
from langchain_milvus.utils.sparse import BaseSparseEmbedding
from pymilvus import MilvusClient
from typing_extensions import Unpack

from ..errors import FullTextUnavailableError
from ..text_analysis import DEFAULT_LANGUAGE
from .async_methods import AsyncMethods
from .collection import Collection
from .collection_names import check_name
from .connection import (
    Server,
    connection_arguments,
    is_file_uri,
    public_uri,
    translated_errors,
    version_of,
)
from .existing_collection import warn_of_differences
from .fingerprint import check_built_with
from .first_search import FirstSearches
from .layout import PRIMARY_FIELD, SPARSE_FIELD, TERMS_FIELD, TEXT_FIELD, VECTOR_FIELD, Layout
from .lite import LITE_DATABASES, without_noise
from .lite_holder import LiteHolder
from .opening import DEFAULT_URI, LangChainArguments, Opening, check_embedding, read_opening
from .read_methods import ReadMethods
from .write_methods import WriteMethods

logger = logging.getLogger(__name__)


def open_store(
    uri: str | os.PathLike[str] = DEFAULT_URI,
    *,
    embedding: Embeddings | None = None,
    collection: str = "my_rag_collection",
    token: str | None = None,
    db_name: str | None = None,
    full_text: bool = True,
    sparse_embedding: BaseSparseEmbedding | None = None,
    language: str | None = None,
    consistency_level: str | None = None,
    timeout: float | None = None,
    **options: Unpack[LangChainArguments],
) -> "MilvusStore":
    """Open a store; its collection is created at the first write.

    Args:
        uri: A path that ends in ``.db``, for Milvus Lite in this process; ``http://HOST:19530``; or a Zilliz Cloud
            endpoint.
        embedding: Makes dense vectors. Without one, the store has full-text search only.
        collection: Name or alias.
        token: ``user:password``, or an API key.
        db_name: Database on the server.
        full_text: Whether a new collection has full-text search (BM25) beside the dense vectors. Without it and
            without an embedding, a store can be looked at only.
        sparse_embedding: A sparse model, for full-text search in place of Milvus' BM25 function.
        language: Language of the full-text analysis, a Snowball language or ``"none"``. Default: what the
            collection was built with. For a new one `sync` recognises it; without sync it is ``"english"``.
        consistency_level: Of this store's reads, and of a new collection: ``"Strong"``, ``"Session"``, ``"Bounded"`` or
            ``"Eventually"``. By default, reads see what this process wrote, and what others wrote but for the last few
            seconds; and a new collection is ``"Strong"``.
        timeout: Seconds that a call to Milvus may take, by default 30.
        **options: Arguments of `langchain_milvus.Milvus`, see `LangChainArguments`: those that say how a collection is
            made are of a new one. Others of its arguments are refused, with what does the same here.

    Raises:
        StoreError: The database cannot be opened; see the subclasses for why.
        EmbeddingMismatchError: The collection was built with another embedding.
        FullTextUnavailableError: There is no embedding, and the full-text search that is wanted is not there either.
        InputError: The URI or the language cannot be used.
    """
    return MilvusStore(
        embedding,
        collection_name=collection,
        uri=uri,
        token=token,
        db_name=db_name,
        full_text=full_text,
        sparse_embedding=sparse_embedding,
        language=language,
        consistency_level=consistency_level,
        timeout=timeout,
        **options,
    )


class MilvusStore(ReadMethods, WriteMethods, AsyncMethods, Milvus):
    """`langchain_milvus.Milvus` with what its users trip over mended. It is made by `open_store`.

    Ids are texts, in and out; adding an id again replaces it; metadata may have any keys; filters are dicts or
    expressions; a score is better when higher, everywhere; every method works in any number of event loops and
    threads. A collection has dense vectors, full-text search, or both, and remembers what made its vectors.

    Attributes:
        embedding: Makes the dense vectors; None for a full-text store.
        sparse_embedding: Makes the sparse vectors; None where Milvus' BM25 function does.
        chosen_language: Language of the full-text analysis, where one was chosen.
    """

    _drops_old = False

    def __init__(
        self,
        embedding_function: Embeddings | None = None,
        *,
        collection_name: str = "my_rag_collection",
        uri: str | os.PathLike[str] = DEFAULT_URI,
        token: str | None = None,
        db_name: str | None = None,
        full_text: bool = True,
        sparse_embedding: BaseSparseEmbedding | None = None,
        language: str | None = None,
        consistency_level: str | None = None,
        timeout: float | None = None,
        **options: Unpack[LangChainArguments],
    ) -> None:
        check_embedding(embedding_function)
        opening = read_opening(
            collection_name=collection_name,
            uri=uri,
            token=token,
            db_name=db_name,
            full_text=full_text,
            language=language,
            consistency_level=consistency_level,
            timeout=timeout,
            options=options,
        )
        self._drops_old = bool(options.get("drop_old"))
        self._open(opening, embedding_function, sparse_embedding)

    def _open(
        self, opening: Opening, embedding: Embeddings | None, sparse_embedding: BaseSparseEmbedding | None
    ) -> None:
        self.embedding = embedding
        self.sparse_embedding = sparse_embedding
        self._opening = opening
        self._wants_full_text = opening.full_text or sparse_embedding is not None
        self.chosen_language = opening.language
        self._uri = public_uri(opening.uri)
        self._connecting = threading.Lock()
        self._left: weakref.finalize[..., Any] | None = None
        self._connect()

    def _connect(self) -> None:
        opening, names = self._opening, self._opening.new.names
        self._checked: Layout | None = None
        self._opened_by: int | None = None
        self._database = opening.uri if is_file_uri(opening.uri) else None
        address, lock = LITE_DATABASES.opened(self._database) if self._database else (opening.uri, None)
        self._lock = lock
        self._first_searches = (
            LITE_DATABASES.first_searches(self._database) if self._database else FirstSearches(address)
        )
        # The base class wants to know now what the collection has; what it really has is in its layout.
        try:
            with translated_errors(self._uri if self._database else opening.uri):
                super().__init__(
                    self.embedding,
                    collection_name=opening.collection_name,
                    connection_args={
                        **opening.connection,
                        **connection_arguments(address, opening.token, opening.db_name, opening.timeout),
                    },
                    consistency_level=opening.consistency_level or "Strong",
                    primary_field=names.primary or PRIMARY_FIELD,
                    text_field=names.text or TEXT_FIELD,
                    vector_field=SPARSE_FIELD if self.embedding is None else names.vector or VECTOR_FIELD,
                    partition_key_field=opening.new.partition_key,
                    builtin_function=None
                    if self.embedding is not None
                    else BM25BuiltInFunction(input_field_names=TERMS_FIELD, output_field_names=SPARSE_FIELD),
                    enable_dynamic_field=True,
                )
                if self._opened_by is None:
                    self._init()
        except BaseException:
            self.close()
            raise

    def _init(self, *_: Any, **__: Any) -> None:
        """Called once connected: by the base class in place of its own, or else by `_connect`."""
        self._opened_by = os.getpid()
        self._server = Server(self._uri, version_of(super().client))
        without_noise("pymilvus.client.iterator.query_iterator")
        self._collection = Collection(
            super().client,
            self._server,
            self.collection_name,
            consistency_level=self._opening.consistency_level,
            timeout=self._opening.timeout,
            new=self._opening.new,
            search_params=self._opening.search_params,
            lock=self._lock,
        )
        if self._drops_old:
            # Before it is looked at: it may have another embedding.
            self._drops_old = False
            self._collection.drop()
        if self.layout is not None:
            self.collection.load()
            warn_of_differences(
                super().client,
                self.collection_name,
                self._opening.new,
                lite=self._server.lite,
                timeout=self._opening.timeout,
            )
        else:
            check_name(self.collection_name)
        if self._wants_full_text and not self.has_full_text:
            if self.embedding is None:
                raise FullTextUnavailableError(self._no_full_text())
            logger.warning("%s Searches are dense only.", self._no_full_text())

    def close(self) -> None:
        """Close the connection. The last store on a Milvus Lite database writes it, and gives it free."""
        process, self._opened_by = self._opened_by, None
        database, self._database = self._database, None
        if process not in (None, os.getpid()):
            # All of it is the process' from which this one was forked.
            return
        if self._left is not None:
            self._left.detach()
        if process is not None:
            _close(process, super().client, database)
        elif database:
            LITE_DATABASES.closed(database)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- where it arrives in another process: by a fork, or as a pickle

    @property
    def collection(self) -> Collection:
        """The collection itself, row by row."""
        self._connect_here()
        return self._collection

    @property
    def server(self) -> Server:
        """What answers at the URI, and what it can do."""
        self._connect_here()
        return self._server

    @property
    def client(self) -> MilvusClient:
        """The connection."""
        self._connect_here()
        return super().client

    def _connect_here(self) -> None:
        """In a process that was forked, gRPC's threads are not there: connect anew."""
        if self._opened_by in (None, os.getpid()):
            return
        with self._connecting:
            if self._opened_by not in (None, os.getpid()):
                self._connect()

    def __reduce__(self) -> tuple[Any, ...]:
        """It travels as what opened it: connections are opened where it arrives. A token that was given travels too."""
        holder = LITE_DATABASES.holder(self._database) if self._database else None
        opening = replace(self._opening, new=self._collection.new)
        return _opened_again, (type(self), opening, self.embedding, self.sparse_embedding, holder)

    # --- what there is

    @property
    def layout(self) -> Layout | None:
        """The collection's fields and properties; None while it does not exist.

        Raises:
            EmbeddingMismatchError: It was built with another embedding, perhaps by a rebuild since it was opened.
        """
        layout = self.collection.layout
        if layout is not None and layout is not self._checked:
            check_built_with(self.collection_name, layout, self.embedding, self.sparse_embedding, self.chosen_language)
            self._checked = layout
        return layout

    @property
    def fields(self) -> list[str]:
        """Names of the collection's fields; none while it does not exist."""
        layout = self.layout
        return sorted(layout.static_fields) if layout else []

    @fields.setter
    def fields(self, _: list[str]) -> None:
        """The base class begins with none, and keeps count by itself."""

    @property
    def exists(self) -> bool:
        """Whether the collection exists."""
        return self.layout is not None

    @property
    def has_dense(self) -> bool:
        """Whether there is dense search: an embedding for the question, and vectors, or a collection to come."""
        return self.embedding is not None

    @property
    def has_full_text(self) -> bool:
        """Whether there is full-text search, or will be once there is a collection."""
        layout = self.layout
        if layout is not None:
            scorer = layout.terms_field is not None or self.sparse_embedding is not None
            return layout.sparse_field is not None and scorer
        possible = self.server.sparse if self.sparse_embedding is not None else self.server.full_text
        return self._wants_full_text and possible

    def _no_full_text(self) -> str:
        if self.layout is not None:
            return (
                f"The collection {self.collection_name!r} has no full-text search that could be used here. Search it "
                f"with its embedding (mode='dense'), or index into a new collection."
            )
        return (
            f"Milvus {self.server.version} at {self.server.uri} has no full-text search, which came with Milvus 2.5. "
            f"Use an embedding model (mode='dense'), a newer server, or Milvus Lite."
        )

    @property
    def language(self) -> str:
        """Language of the full-text analysis."""
        layout = self.layout
        built = layout.properties.get("analysis", {}).get("language") if layout else None
        return str(built or self.chosen_language or DEFAULT_LANGUAGE)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Open a store and add texts to it; keyword arguments as `MilvusStore` takes them."""
        store = cls(embedding, **kwargs)
        try:
            store.add_texts(texts, metadatas, ids=ids)
        except BaseException:
            store.close()
            raise
        return store


def _opened_again(
    kind: type[MilvusStore],
    opening: Opening,
    embedding: Embeddings | None,
    sparse_embedding: BaseSparseEmbedding | None,
    holder: LiteHolder | None,
) -> MilvusStore:
    if is_file_uri(opening.uri):
        LITE_DATABASES.may_be_held(opening.uri, holder)
    store = kind.__new__(kind)
    store._open(opening, embedding, sparse_embedding)
    # Whoever it is handed to need not know that it has to be closed.
    store._left = weakref.finalize(store, _close, os.getpid(), store.client, store._database)
    return store


def _close(process: int, client: MilvusClient, database: str | None) -> None:
    if process == os.getpid():
        client.close()
        if database:
            LITE_DATABASES.closed(database)
