"""What was asked of a new collection and one that is there already has not: nothing of it is dropped in silence."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from pymilvus import MilvusClient

from .new_collection import NewCollection

logger = logging.getLogger(__name__)


def warn_of_differences(client: MilvusClient, name: str, new: NewCollection, *, lite: bool, timeout: float) -> None:
    """Tell whoever asks for another collection than is there, once in a process."""
    if new == NewCollection():
        return
    found = (client.describe_index(name, index, timeout=timeout) for index in client.list_indexes(name))
    indexes = [index for index in found if index]
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
