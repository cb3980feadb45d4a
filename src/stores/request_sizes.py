"""Requests cut to what Milvus takes: by rows, and by bytes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import orjson

# Far below gRPC's 64 MiB a message, and large enough that the request itself is not the cost.
ROWS_PER_REQUEST = 500
# Half of the 64 MiB that a server takes in a message: grpc.serverMaxRecvSize in milvus.yaml.
_SERVER_BYTES = 32 * 2**20
# Milvus Lite stores about a megabyte a second, with its terms; a request is to end long before its time is up.
_LITE_BYTES = 4 * 2**20
# Of an id in an expression, where each character may need a backslash.
_ID_BYTES = 8 * 2**20

T = TypeVar("T")


def row_batches(rows: Sequence[dict[str, Any]], *, lite: bool) -> Iterator[Sequence[dict[str, Any]]]:
    """Rows in their order, in groups that can be written in one request."""
    return batches(rows, ROWS_PER_REQUEST, _LITE_BYTES if lite else _SERVER_BYTES, _row_bytes)


def id_batches(ids: Sequence[str], most: int = ROWS_PER_REQUEST) -> Iterator[Sequence[str]]:
    """Ids in groups that can be named in one request."""
    return batches(ids, most, _ID_BYTES, _bytes_of)


def batches(
    items: Sequence[T], most: int, most_bytes: float = float("inf"), size: Callable[[T], int] = lambda _: 0
) -> Iterator[Sequence[T]]:
    """Items in their order, so many at once; one that alone is larger than the limit is alone."""
    start, total = 0, 0
    for at, item in enumerate(items):
        item_bytes = size(item)
        if at > start and (at - start >= most or total + item_bytes > most_bytes):
            yield items[start:at]
            start, total = at, 0
        total += item_bytes
    if start < len(items):
        yield items[start:]


def _row_bytes(row: dict[str, Any]) -> int:
    vectors = {name: value for name, value in row.items() if isinstance(value, np.ndarray) or _is_vector(value)}
    others = {name: value for name, value in row.items() if name not in vectors} if vectors else row
    try:
        # In C, which makes it a tenth of the time.
        return len(orjson.dumps(others)) + _bytes_of(vectors)
    except TypeError:
        # Rows that are not ours may hold what JSON has not.
        return _bytes_of(row)


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], float)


def _bytes_of(value: Any) -> int:
    """About how many bytes a value has in a request; rather too many."""
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, np.ndarray):
        return 4 * value.size
    if isinstance(value, dict):
        return sum(_bytes_of(key) + _bytes_of(item) + 8 for key, item in value.items())
    if isinstance(value, list | tuple):
        # A vector has 4 bytes a number, a list in the metadata more.
        return 8 * len(value) if _is_vector(value) else sum(_bytes_of(item) + 4 for item in value)
    return 24
