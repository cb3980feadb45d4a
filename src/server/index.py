"""The documents behind the server: opened when first needed, tried again after an outage."""

import threading
import time
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

from ..chains.retrieval import MilvusRetriever
from ..chunk_keys import HEADINGS_KEY, SOURCE_KEY, TITLE_KEY
from ..configured_store import build_store
from ..errors import CollectionNotFoundError, EmbeddingMismatchError, MilvusRagError, StoreError, StoreUnavailableError
from ..pipeline import build_retriever
from ..stores.connection import check_uri, is_file_uri, missing_collection
from ..stores.lite import LITE_DATABASES, database_path
from ..stores.milvus import MilvusStore
from ..stores.size_advice import size_advice
from .settings import ServerSettings

# After an outage one request in so many seconds asks Milvus again. The others are refused at once: each of them would
# hold a thread for as long as a call to Milvus may take.
_RETRY_SECONDS = 1.0


class Index:
    """A store and its retriever, for all threads of the server. Nothing is opened before it is needed.

    Args:
        settings: Which store, and how it is searched.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._store: MilvusStore | None = None
        self._retriever: MilvusRetriever | None = None
        self._error: StoreError | None = None
        self._retry_at = 0.0
        self._language = settings.language or "english"

    @property
    def current(self) -> MilvusRetriever | None:
        """The retriever, where the last search with it did not fail."""
        return None if self._error else self._retriever

    @property
    def language(self) -> str:
        """The language of the passages, as it was last known: what is wrong with the store, searches find out."""
        store = self._store
        if store is not None:
            with suppress(StoreError):
                self._language = store.language
        return self._language

    def retriever(self) -> MilvusRetriever:
        """The retriever; opens the store, or tries it again after an outage.

        Raises:
            StoreError: The store cannot be opened, or is still down.
        """
        healthy = self.current
        if healthy is not None:
            return healthy
        # Before the first success all wait for it; in an outage one tries, and nobody waits.
        if not self._lock.acquire(blocking=self._error is None):
            raise self._still_down()
        try:
            healthy = self.current
            if healthy is not None:
                return healthy
            if self._error is not None and time.monotonic() < self._retry_at:
                raise self._still_down()
            return self._try()
        finally:
            self._lock.release()

    def failed(self, error: StoreError) -> None:
        """Tell that a search failed, so that the next one first looks after the store."""
        # What is no outage, such as a collection that its server has not loaded after a restart, is mended at once.
        self._retry_at = time.monotonic() + (_RETRY_SECONDS if isinstance(error, StoreUnavailableError) else 0.0)
        self._error = error

    def check(self) -> None:
        """Find out whether a question could be answered now.

        Raises:
            StoreError: Milvus does not answer, there is no collection, or it was built with another embedding.
        """
        self.retriever()
        try:
            self._look()
        except StoreError as exc:
            self.failed(exc)
            raise

    def warm_up(self) -> list[str]:
        """Open the store and search once, with the embedding too; says what an operator should know."""
        try:
            self.retriever().invoke("What is this about?")
            advice = size_advice(self._store) if self._store else None
        except MilvusRagError as exc:
            # It may be mended from outside: until then /readyz says that it is not, and requests are answered 503.
            return [str(exc)]
        return [advice] if advice else []

    def chunks(self, count: int) -> list[Mapping[str, Any]]:
        """What the metadata of some chunks say of their pages, in no order.

        Raises:
            StoreError: The store cannot be opened, or is down.
        """
        self.retriever()
        store = self._store
        if store is None:
            return []
        rows = store.collection.rows().find("", count, [SOURCE_KEY, TITLE_KEY, HEADINGS_KEY])
        return list(rows)

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            if self._store is not None:
                self._store.close()
            self._store = self._retriever = None

    def _try(self) -> MilvusRetriever:
        try:
            if self._store is not None:
                self._revive(self._store)
            if self._store is None:
                # A Milvus Lite database that stays open could not be indexed into by another process.
                self._store = self._open()
            # Ready is what has loaded: a question would wait for it, and many at once would load as often.
            self._store.warm_up()
            if self._retriever is None:
                self._retriever = build_retriever(self._settings, self._store)
        except StoreError as exc:
            self.failed(exc)
            raise
        self._error = None
        return self._retriever

    def _open(self) -> MilvusStore:
        uri = self._settings.uri
        # What is no database is left as it is.
        check_uri(uri)
        # Searches of Milvus Lite in this process would keep it from everything else.
        apart = self._settings.lite_process and is_file_uri(uri) and Path(uri).is_dir()
        with LITE_DATABASES.kept_apart(database_path(uri)) if apart else nullcontext():
            return build_store(self._settings, must_exist=True)

    def _revive(self, store: MilvusStore) -> None:
        try:
            self._look()
            # Milvus Lite as a server comes back with its collections released.
            store.collection.load()
        except EmbeddingMismatchError:
            # Rebuilt with another embedding: opened again, the store takes the one that the collection remembers.
            self._forget(store)
        except StoreUnavailableError:
            # Not every client finds back to a server that was away: the next try is made with a new one.
            self._forget(store)
            raise

    def _forget(self, store: MilvusStore) -> None:
        self._store = self._retriever = None
        store.close()

    def _look(self) -> None:
        store = self._store
        if store is None:
            return
        store.collection.refresh()
        if store.layout is None:
            raise CollectionNotFoundError(missing_collection(self._settings.collection, store.server.uri))

    def _still_down(self) -> StoreError:
        error = self._error or StoreUnavailableError("The store is being opened.")
        return type(error)(str(error))
