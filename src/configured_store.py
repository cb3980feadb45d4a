"""The store of the settings' collection, with the embedding that its vectors are made with."""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .configured_models import configured_embedding
from .errors import CollectionNotFoundError, FullTextUnavailableError, MissingKeyError
from .settings import Settings

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings

    from .stores.milvus import MilvusStore

logger = logging.getLogger(__name__)

# With a collection: the words by which its embedding was asked for, so that nobody has to repeat them.
SPEC_PROPERTY = "embedding_spec"
# Settings that are arguments of `open_store` as they are: how a new collection is made, and is loaded and searched.
_ARGUMENTS = (
    "index_params", "search_params", "num_shards", "replica_number", "partition_key_field", "num_partitions",
    "collection_properties",
)  # fmt: skip


def build_embedding(settings: Settings) -> "Embeddings | None":
    """The embedding model: the settings', or else the one that the collection was built with.

    None for full-text search only.
    """
    if settings.embeddings is not None:
        return _embedding(settings, str(settings.embeddings), {})
    return _embedding(settings, *remembered_embedding(settings))


def _embedding(settings: Settings, spec: str | None, built: Mapping[str, Any]) -> "Embeddings | None":
    if spec in (None, "none"):
        return None
    try:
        return configured_embedding(settings, str(spec), built=built)
    except MissingKeyError as exc:
        if not built or settings.embeddings_url is not None:
            raise
        # It remembers who made its vectors, and not where that answered: addresses belong to a network.
        raise MissingKeyError(
            f"{exc} The collection {settings.collection!r} has vectors of {spec!r}: where another server answers for "
            f"it, give its address again (--embeddings-url)."
        ) from exc


def remembered_embedding(settings: Settings) -> tuple[str | None, Mapping[str, Any]]:
    """Spec and facts of the embedding that a collection was built with, if it can be made here."""
    with look_at_collection(settings) as store:
        return _embedding_of(settings, store)


def _embedding_of(settings: Settings, store: "MilvusStore") -> tuple[str | None, Mapping[str, Any]]:
    from .models.providers.table import PROVIDERS

    properties = store.layout.properties if store.layout else {}
    built = properties.get("embedding")
    if not built:
        return None, {}
    spec = properties.get(SPEC_PROPERTY)
    if spec == "none":
        # Of a run without the embedding, which earlier versions took for the collection's own.
        spec = None
    if spec is None and built["provider"] in PROVIDERS and built["provider"] != "local":
        spec = f"{built['provider']}:{built['model']}"
    _, _, model = (spec or "").partition(":")
    if spec is not None and (not Path(model).is_absolute() or Path(model).is_dir()):
        return str(spec), built
    logger.warning(
        "The collection %r has vectors of %s, which cannot be made here from what it remembers. Searching by full "
        "text only; give the embedding (--embeddings) to search by meaning too.",
        settings.collection,
        ":".join(str(built[fact]) for fact in ("provider", "model") if fact in built),
    )
    return None, {}


def remember_embedding(settings: Settings, store: "MilvusStore") -> None:
    """Note with the collection how its embedding was asked for."""
    spec = settings.embeddings
    if spec and store.layout and store.layout.vector_field and store.layout.properties.get(SPEC_PROPERTY) != spec:
        store.collection.set_properties({SPEC_PROPERTY: spec})


def build_store(settings: Settings, *, must_exist: bool = False, collection: str | None = None) -> "MilvusStore":
    """The store, opened.

    Args:
        settings: Say where it is and what makes its vectors.
        must_exist: Whether a collection that is not there is an error.
        collection: In place of the settings' collection.

    Raises:
        CollectionNotFoundError: `must_exist`, and the collection does not.
    """
    from .stores.connection import missing_collection

    if must_exist:
        check_database(settings)
    with _kept(settings):
        if settings.embeddings is None and collection is None:
            store = _open_as_built(settings)
        else:
            store = open_collection(settings, build_embedding(settings), collection=collection)
    if must_exist and not store.exists:
        store.close()
        raise CollectionNotFoundError(missing_collection(collection or settings.collection, store.server.uri))
    return store


def _open_as_built(settings: Settings) -> "MilvusStore":
    """The store with the embedding that the collection remembers; opened once where there is none."""
    try:
        store = open_collection(settings, None)
    except FullTextUnavailableError:
        return open_collection(settings, _embedding(settings, *remembered_embedding(settings)))
    try:
        embedding = _embedding(settings, *_embedding_of(settings, store))
    except BaseException:
        store.close()
        raise
    if embedding is None:
        return store
    store.close()
    return open_collection(settings, embedding)


def _kept(settings: Settings) -> "AbstractContextManager[None]":
    """Keep a Milvus Lite database open between two stores: its files are read once."""
    from .stores.connection import check_uri, is_file_uri
    from .stores.lite import LITE_DATABASES, database_path

    # Before anything is written to a folder that is no database.
    check_uri(settings.uri)
    is_there = is_file_uri(settings.uri) and Path(settings.uri).is_dir()
    return LITE_DATABASES.kept(database_path(settings.uri)) if is_there else nullcontext()


def check_database(settings: Settings) -> None:
    """Whoever only looks makes no database."""
    if is_missing(settings):
        raise CollectionNotFoundError(
            f"There is no database at {settings.uri}. Index something into it first (milvus-rag index PATH), or "
            f"correct its path (--uri)."
        )


def is_missing(settings: Settings) -> bool:
    """Whether the settings name a Milvus Lite database that is not there, and could be made."""
    from .stores.connection import check_uri, is_file_uri

    check_uri(settings.uri)
    return is_file_uri(settings.uri) and not Path(settings.uri).exists()


def look_at_collection(settings: Settings) -> "MilvusStore":
    """The store on a collection that is not searched and not written: nothing is asked of it."""
    nothing = dict.fromkeys(_ARGUMENTS)
    return open_collection(settings.model_copy(update=nothing), None, full_text=False)


def open_collection(
    settings: Settings, embedding: "Embeddings | None", *, collection: str | None = None, full_text: bool = True
) -> "MilvusStore":
    """The store as it is, with this embedding."""
    from .stores.milvus import open_store

    options: Any = {name: value for name in _ARGUMENTS if (value := getattr(settings, name)) is not None}
    return open_store(
        settings.uri,
        embedding=embedding,
        collection=collection or settings.collection,
        token=settings.token.get_secret_value() if settings.token else None,
        db_name=settings.db_name,
        full_text=full_text,
        language=settings.language,
        consistency_level=settings.consistency_level,
        timeout=settings.timeout,
        **options,
    )
