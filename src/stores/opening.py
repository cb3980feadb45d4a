"""What a store is opened with: our own arguments, and those of langchain_milvus, taken or refused by name."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_milvus.utils.sparse import BaseSparseEmbedding
from typing_extensions import TypedDict

from ..errors import InputError
from ..text_analysis import check_language
from .collection_names import check_name
from .connection import check_uri, is_file_uri
from .consistency import check_level
from .lite import database_path
from .new_collection import NewCollection, read_new_collection

DEFAULT_URI: Final = "./milvus_demo.db"
_CONNECTION_KEYS: Final = ("uri", "token", "user", "password", "db_name", "timeout")
# What langchain_milvus takes besides: the values by which nothing is asked for, and what does the same here.
REFUSED: Final[Mapping[str, tuple[tuple[Any, ...], str]]] = {
    "auto_id": ((False,), "ids are texts here, made where none is given, and adding one again replaces it"),
    "enable_dynamic_field": ((True,), "metadata may have any keys here, which needs the dynamic field"),
    "metadata_field": ((None,), "metadata is kept in Milvus' dynamic field, key by key, which does the same"),
    "partition_names": ((None,), "name a partition_key_field and filter by it, or give each part a collection"),
    "vector_schema": (
        (None,),
        "vectors are FLOAT_VECTOR here; a collection that you make yourself opens by its name",
    ),
    "builtin_function": (
        (None,),
        "full_text=True is Milvus' BM25 function over texts that are analysed here, language= says how; embedding= "
        "makes vectors of texts",
    ),
}


class LangChainArguments(TypedDict, total=False):
    """Arguments of `langchain_milvus.Milvus` that `open_store` takes; how a collection is made, is of a new one.

    Attributes:
        connection_args: ``uri``, ``token`` or ``user`` and ``password``, ``db_name``, ``timeout``; what else there is
            goes to `MilvusClient`, such as ``secure`` and ``server_pem_path``.
        drop_old: Whether a collection of this name is dropped first, with all that is in it.
        search_params: Of the dense search: ``{"params": {"ef": 128}}``.
        index_params: Of the dense index: ``{"index_type": "HNSW", "metric_type": "COSINE", "params": {…}}``; a list
            has a second one for full-text search.
        primary_field: Name of the field of the ids.
        text_field: Name of the field of the texts.
        vector_field: Name of the field of the dense vectors.
        metadata_schema: Metadata keys that are fields of their own, with their types:
            ``{"year": {"dtype": DataType.INT64}}``; with more of `MilvusClient.add_field`'s arguments where one wants,
            such as ``max_length``, or a list's ``element_type`` and ``max_capacity``.
        partition_key_field: A metadata key by which rows are put into partitions; each row must have it.
        num_partitions: How many of them.
        num_shards: How many shards.
        replica_number: In how many copies the collection is loaded.
        collection_description: For people.
        collection_properties: Such as ``{"mmap.enabled": True, "collection.ttl.seconds": 86400}``.
    """

    connection_args: Mapping[str, Any] | None
    drop_old: bool | None
    search_params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    index_params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    primary_field: str | None
    text_field: str | None
    vector_field: str | None
    metadata_schema: Mapping[str, Any] | None
    partition_key_field: str | None
    num_partitions: int | None
    num_shards: int | None
    replica_number: int
    collection_description: str
    collection_properties: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Opening:
    """What a store was opened with, beside its embeddings; see `open_store`."""

    uri: str = field(repr=False)
    collection_name: str
    token: str | None = field(repr=False)
    db_name: str | None
    full_text: bool
    language: str | None
    consistency_level: str | None
    timeout: float
    new: NewCollection
    search_params: Mapping[str, Any]
    connection: Mapping[str, Any] = field(repr=False)


def read_opening(
    *,
    collection_name: str,
    uri: str | os.PathLike[str],
    token: str | None,
    db_name: str | None,
    full_text: bool,
    language: str | None,
    consistency_level: str | None,
    timeout: float | None,
    options: Mapping[str, Any],
) -> Opening:
    """Read the arguments of a store.

    Raises:
        InputError: One of them cannot be used.
    """
    given = _taken(options)
    connection = dict(given.pop("connection_args", None) or {})
    # An address that was to come from somewhere and is not there is no wish for the default.
    uri = os.fspath(_once("uri", None if uri == DEFAULT_URI and "uri" in connection else uri, connection) or "")
    token = _token(token, connection)
    db_name = _once("db_name", db_name, connection)
    timeout = _once("timeout", timeout, connection)
    timeout = 30.0 if timeout is None else timeout
    check_uri(uri)
    # Milvus Lite opens what it has under any name.
    if not (is_file_uri(uri) and collection_name):
        check_name(collection_name)
    if language is not None:
        check_language(language)
    check_level(consistency_level)
    if timeout <= 0:
        raise InputError(f"timeout is a number of seconds above 0, not {timeout}.")
    search = given.pop("search_params", None) or {}
    search = search if isinstance(search, Mapping) else next(iter(search), {})
    if unknown := sorted(search.keys() - {"params", "metric_type"}):
        raise InputError(f"search_params has params, e.g. {{'params': {{'ef': 128}}}}, not {', '.join(unknown)}.")
    given.pop("drop_old", None)
    return Opening(
        # Wherever a copy of the store arrives, it is another working folder.
        uri=database_path(uri) if is_file_uri(uri) else uri,
        collection_name=collection_name,
        token=token,
        db_name=db_name,
        full_text=full_text,
        language=language,
        consistency_level=consistency_level,
        timeout=timeout,
        new=read_new_collection(**given),
        search_params=dict(search.get("params") or {}),
        connection=connection,
    )


def check_embedding(embedding: Any) -> None:
    """Raise an `InputError` for several embeddings, and for a sparse one in the place of the dense one."""
    if isinstance(embedding, list | tuple):
        raise InputError(
            f"A store has one dense embedding, not a list of {len(embedding)}. A sparse one beside it is "
            f"sparse_embedding=; give a second dense one a collection of its own."
        )
    if isinstance(embedding, BaseSparseEmbedding):
        raise InputError(f"{type(embedding).__name__} makes sparse vectors: give it as sparse_embedding=.")


def _taken(options: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in options.items():
        if name in REFUSED:
            harmless, instead = REFUSED[name]
            if value not in harmless:
                raise InputError(f"open_store takes no {name}={value!r:.80}: {instead}.")
        elif name not in LangChainArguments.__annotations__:
            raise InputError(f"open_store takes no argument {name!r}.")
    return {name: value for name, value in options.items() if name not in REFUSED}


def _once(name: str, given: Any, connection: dict[str, Any]) -> Any:
    other = connection.pop(name, None)
    if given is not None and other is not None:
        raise InputError(f"{name} is given twice: as an argument, and in connection_args.")
    return other if given is None else given


def _token(token: str | None, connection: dict[str, Any]) -> str | None:
    token = _once("token", token, connection)
    user, password = connection.pop("user", None), connection.pop("password", None)
    if user and token:
        raise InputError("connection_args has a user, and a token is given too: one of them is enough.")
    if "host" in connection or "port" in connection or "address" in connection or "alias" in connection:
        raise InputError(
            f"connection_args says where Milvus is by its uri, such as 'http://HOST:19530': it has "
            f"{', '.join(_CONNECTION_KEYS)}, and what MilvusClient takes besides."
        )
    return f"{user}:{password or ''}" if user else token
