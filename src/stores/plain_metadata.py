"""Metadata as Milvus keeps it: JSON. What `langchain_milvus` would store is stored alike, the rest is refused."""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import numpy as np

from ..chunk_keys import SOURCE_KEY
from ..errors import InputError
from .filters import is_text

# https://milvus.io/docs/limitations.md: the dynamic field, in bytes of JSON; less what `sync` adds to a row.
_MAX_METADATA = 65_536 - 512
_LEAST_INT, _LARGEST_INT = -(2**63), 2**63 - 1
# pymilvus writes JSON with orjson, which goes 254 deep; and we add the row itself.
_DEEPEST = 250
# What to store instead of what has no form of its own in JSON.
_REMEDIES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    ((bytes, bytearray, memoryview), "value.decode() or base64"),
    (Decimal, "float(value) or str(value)"),
    (PurePath, "str(value)"),
    (timedelta, "value.total_seconds()"),
    ((set, frozenset), "sorted(value)"),
    ((complex, np.datetime64, np.timedelta64), "str(value)"),
)


class PlainMetadata(dict[str, Any]):
    """Metadata that was checked, and is as Milvus gives it back."""


def plain_metadata(metadata: Mapping[str, Any]) -> PlainMetadata:
    """Metadata as Milvus gives it back.

    A tuple is a list, an enum its value, a date or time its ISO text, a UUID its text, a number or array of numpy
    Python's own. The source may be a path too, and is its text.

    Raises:
        InputError: Something in it has no form that Milvus could keep; the message names the key and the remedy.
    """
    if isinstance(metadata, PlainMetadata):
        return metadata
    plain = PlainMetadata()
    most_bytes = 4
    for key, value in metadata.items():
        if type(key) is str and key and key.isascii():
            # Nearly all that there is, without a call for each of the keys of each chunk.
            if type(value) is str and value.isascii():
                plain[key] = value
                most_bytes += 6 * (len(key) + len(value)) + 8
                continue
            if type(value) is int and _LEAST_INT <= value <= _LARGEST_INT:
                plain[key] = value
                most_bytes += 6 * len(key) + 36
                continue
        if not isinstance(key, str) or not key or not is_text(key):
            raise InputError(f"Metadata of {name_of(metadata)} has the key {key!r}; keys are non-empty texts.")
        if key == SOURCE_KEY and isinstance(value, PurePath):
            value = str(value)
        try:
            plain[key] = _plain(value)
        except ValueError as exc:
            raise InputError(
                f"Metadata {key!r} of {name_of(metadata)} has {exc}, which Milvus cannot keep. Use texts, finite "
                f"numbers, booleans, dates, lists and dicts{_remedy(value)}."
            ) from exc
        most_bytes += 6 * len(key) + 4 + _most_bytes(plain[key])
    # Most are far from the limit, which is known without writing them as JSON.
    size = len(json.dumps(plain, ensure_ascii=False).encode()) if most_bytes > _MAX_METADATA else 0
    if size > _MAX_METADATA:
        raise InputError(
            f"The metadata of {name_of(metadata)} has {size:,} bytes, and Milvus keeps at most {_MAX_METADATA:,}."
        )
    return plain


def source_name(source: Any) -> Any:
    """The text that a source is known by, which may be given as a path, a UUID or a number; else what is given."""
    if isinstance(source, np.generic):
        source = source.item()
    if isinstance(source, Enum):
        source = source.value
    if isinstance(source, PurePath | UUID) or (isinstance(source, int | float) and not isinstance(source, bool)):
        return str(source)
    return source


def name_of(metadata: Any) -> str:
    """What a document is called in a message."""
    named = isinstance(metadata, Mapping) and SOURCE_KEY in metadata
    return repr(metadata[SOURCE_KEY]) if named else "a document"


def missing_field(metadata: Any, key: str) -> str:
    """What to tell whoever stores a row without a field that each must have."""
    return (
        f"{name_of(metadata)} has no metadata {key!r}, which is a field of this collection that each row must have. "
        f"Give it to all documents, or have a collection without that field (metadata_schema, partition_key_field)."
    )


def _most_bytes(plain: Any) -> int:
    """More bytes than a plain value has as JSON."""
    if isinstance(plain, str):
        # An escaped control character is six.
        return 6 * len(plain) + 4
    if isinstance(plain, dict):
        return 4 + sum([6 * len(key) + 4 + _most_bytes(value) for key, value in plain.items()])
    if isinstance(plain, list):
        return 4 + sum(map(_most_bytes, plain))
    return 32


def _plain(value: Any, depth: int = 0) -> Any:
    """A value in JSON's own types; ValueError says what in it has none."""
    if type(value) is str and value.isascii():
        return value
    if type(value) is int and _LEAST_INT <= value <= _LARGEST_INT:
        return value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str) and is_text(value):
        return str(value.value) if isinstance(value, Enum) else str(value)
    if isinstance(value, int) and _LEAST_INT <= value <= _LARGEST_INT:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if depth < _DEEPEST and isinstance(value, list | tuple):
        return [item if type(item) is str and item.isascii() else _plain(item, depth + 1) for item in value]
    if depth < _DEEPEST and isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or not (key.isascii() or is_text(key)):
                raise ValueError(f"a dict with the key {key!r}")
        return {
            key: item if type(item) is str and item.isascii() else _plain(item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if depth < _DEEPEST and isinstance(value, Enum) and not isinstance(value, str | int | float):
        return _plain(value.value, depth + 1)
    if isinstance(value, np.integer | np.floating | np.bool_):
        return _plain(value.item(), depth + 1)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufUO":
        return _plain(value.tolist(), depth + 1)
    raise ValueError(_kind(value))


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "half a surrogate pair"
    if isinstance(value, int):
        return f"the number {value}, of more than 64 bits"
    if isinstance(value, float):
        return f"the number {value}"
    if isinstance(value, list | tuple | dict):
        return f"values nested deeper than {_DEEPEST}"
    return f"a value of the type {type(value).__name__}"


def _remedy(value: Any, depth: int = 0) -> str:
    """What to store instead of a value, or of the first one in it that has no form of its own."""
    inside = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    if depth < _DEEPEST:
        found = next((remedy for item in inside if (remedy := _remedy(item, depth + 1))), "")
        if found:
            return found
    return next((f", such as {remedy}" for kinds, remedy in _REMEDIES if isinstance(value, kinds)), "")
