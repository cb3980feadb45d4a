"""How a collection that is there was made, so that one that takes its place is like it, and what it has otherwise."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any

import grpc
from pymilvus import MilvusClient, MilvusException

from ..errors import InputError, StoreError
from .layout import INDEXES_PROPERTY, NAMES_PROPERTY, FieldNames, Layout
from .new_collection import NewCollection

logger = logging.getLogger(__name__)

# Of Milvus' properties, those that users set; others it keeps for itself.
_PROPERTIES_OF_USERS = ("mmap.", "collection.", "partitionkey.", "lazyload.")
# What Milvus says of an index beside its parameters.
_OF_EVERY_INDEX = frozenset({
    "index_type", "metric_type", "field_name", "index_name", "total_rows", "indexed_rows", "pending_index_rows",
    "state", "mmap.enabled",
})  # fmt: skip


@contextmanager
def blamed_on(argument: str, value: Any) -> Iterator[None]:
    """Name an argument that somebody gave, where Milvus refuses what it asks for."""
    try:
        yield
    except StoreError as exc:
        if not value or type(exc) is not StoreError:
            raise
        raise InputError(f"{argument}={value!r:.200} cannot be had here: {exc}") from exc


def warn_of_differences(client: MilvusClient, name: str, new: NewCollection, *, lite: bool, timeout: float) -> None:
    """Tell whoever asks for another collection than is there, once in a process."""
    if new == NewCollection():
        return
    indexes = vector_indexes(client, name, timeout)
    others = differences(new, client.describe_collection(name, timeout=timeout), indexes, lite=lite)
    if others:
        _warn(
            f"The collection {name!r} is there already, and stays as it was made: {'; '.join(others)}. To have it "
            f"otherwise, rebuild it (index --rebuild), or give the new one another name."
        )


# Those who look at a collection, and then open it with the embedding that it remembers, open it twice.
@lru_cache(256)
def _warn(text: str) -> None:
    logger.warning("%s", text)


def made_as(client: MilvusClient, layout: Layout, *, lite: bool, timeout: float) -> NewCollection:
    """How a collection of ours was made, as far as somebody asked for it; the rest is left to the server again.

    Args:
        client: The connection.
        layout: The collection's.
        lite: Whether it is in Milvus Lite, whose shards and partitions are its own.
        timeout: Seconds that a call may take.
    """
    description = client.describe_collection(layout.name, timeout=timeout)
    fields = {field["name"]: field for field in description["fields"] if field["name"] in layout.metadata_fields}
    key = next((name for name, field in fields.items() if field.get("is_partition_key")), None)
    properties = {str(name): str(value) for name, value in (description.get("properties") or {}).items()}
    index, sparse_index = _indexes_of(client, layout, timeout)
    return NewCollection(
        description=str(description.get("description") or ""),
        properties={name: value for name, value in properties.items() if name.startswith(_PROPERTIES_OF_USERS)},
        index=index,
        sparse_index=sparse_index,
        names=FieldNames(**layout.properties.get(NAMES_PROPERTY, {})),
        metadata_schema={name: _as_given(field) for name, field in fields.items()},
        partition_key=key,
        num_partitions=None if lite or key is None else description.get("num_partitions"),
        num_shards=None if lite else description.get("num_shards"),
        replica_number=1 if lite else _replicas(client, layout.name, timeout),
        consistency_level=description.get("consistency_level_name"),
    )


def _indexes_of(client: MilvusClient, layout: Layout, timeout: float) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The indexes as they were asked for; of a collection that remembers the kind only, as they are."""
    if (asked := layout.properties.get(INDEXES_PROPERTY)) is not None:
        dense, sparse = asked
        return dense, sparse
    if layout.properties.get("index_type") is None and "metric" not in layout.properties:
        return {}, {}
    described = next((one for one in vector_indexes(client, layout.name, timeout) if not _is_sparse(one)), {})
    own = {name: value for name, value in described.items() if name not in _OF_EVERY_INDEX}
    kind = layout.properties.get("index_type")
    return {"metric_type": layout.metric, **({"index_type": kind, "params": own} if kind else {})}, {}


def _as_given(field: Mapping[str, Any]) -> dict[str, Any]:
    of_list = {"element_type": field["element_type"]} if field.get("element_type") else {}
    nullable = bool(field.get("nullable"))
    return {"dtype": field["type"], **(field.get("params") or {}), **of_list, "nullable": nullable}


def _replicas(client: MilvusClient, name: str, timeout: float) -> int:
    # Of one that is not loaded, nobody knows it, and some kinds of Milvus have no replicas.
    with suppress(MilvusException, grpc.RpcError):
        return max(1, len(client.describe_replica(name, timeout=timeout)))
    return 1


def vector_indexes(client: MilvusClient, name: str, timeout: float) -> list[Mapping[str, Any]]:
    """The indexes of a collection's vectors, as ``MilvusClient.describe_index`` gives them."""
    found = (client.describe_index(name, index, timeout=timeout) for index in client.list_indexes(name))
    return [index for index in found if index and index.get("metric_type")]


def differences(
    new: NewCollection, description: Mapping[str, Any], indexes: Sequence[Mapping[str, Any]], *, lite: bool
) -> list[str]:
    """What an existing collection is otherwise than it was asked for, each as a sentence's part.

    Args:
        new: What was asked for; what was not is never a difference.
        description: As ``MilvusClient.describe_collection`` gives it.
        indexes: As ``MilvusClient.describe_index`` gives them.
        lite: Whether it is in Milvus Lite, which counts shards and partitions by itself.
    """
    fields = {field["name"]: field for field in description["fields"]}
    found = [*_index_differences("dense", new.index, indexes, sparse=False)]
    found += _index_differences("sparse", new.sparse_index, indexes, sparse=True)
    for name, asked in new.metadata_schema.items():
        if name not in fields:
            found.append(f"it has no field {name!r} (metadata_schema)")
        elif fields[name]["type"] != asked["dtype"]:
            found.append(
                f"its field {name!r} is {fields[name]['type'].name}, not {asked['dtype'].name} (metadata_schema)"
            )
    keys = [name for name, field in fields.items() if field.get("is_partition_key")]
    if new.partition_key and new.partition_key in fields and new.partition_key not in keys:
        found.append(f"its partition_key_field is {keys[0] if keys else 'none'}, not {new.partition_key}")
    if not lite:
        if keys:
            found += _different("num_partitions", new.num_partitions, description.get("num_partitions"))
        found += _different("num_shards", new.num_shards, description.get("num_shards"))
        found += _different("collection_description", new.description or None, description.get("description"))
    has = {str(name): str(value) for name, value in (description.get("properties") or {}).items()}
    for name, value in new.properties.items():
        if has.get(name) != value:
            found.append(f"its property {name} is {has.get(name, 'not set')}, not {value}")
    return found


def _index_differences(
    which: str, asked: Mapping[str, Any], indexes: Sequence[Mapping[str, Any]], *, sparse: bool
) -> Iterator[str]:
    there = next((index for index in indexes if _is_sparse(index) is sparse), None)
    if there is None:
        return
    names = ("index_type",) if sparse else ("index_type", "metric_type")
    given = {**{name: asked[name] for name in names if name in asked}, **(asked.get("params") or {})}
    for name, value in given.items():
        # Milvus Lite does not say all, and AUTOINDEX leaves it to the server.
        if value != "AUTOINDEX" and name in there and str(there[name]) != str(value):
            yield f"its {which} index has {name} {there[name]}, not {value}"


def _is_sparse(index: Mapping[str, Any]) -> bool:
    return str(index.get("index_type", "")).startswith("SPARSE") or index.get("metric_type") == "BM25"


def _different(name: str, asked: object, has: object) -> Iterator[str]:
    if asked is not None and asked != has:
        yield f"its {name} is {has or 'none'}, not {asked}"
