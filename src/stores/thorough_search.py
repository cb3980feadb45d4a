"""A search of an index that may look at a part of the rows only: once more, and further, where it finds too few."""

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import StoreError, StoreUnavailableError

# https://milvus.io/docs/hnsw.md and ivf-flat.md: nodes of a graph, and clusters, that a search looks at.
_LEAST_EF, _MOST_EF = 1024, 32_768
_MOST_NPROBE = 1024


def thorough(
    ask: Callable[[Mapping[str, Any]], list[tuple[dict[str, Any], float]]], limit: int, count: Callable[[], int]
) -> list[tuple[dict[str, Any], float]]:
    """Search an index that may look at a part of the rows: once more, at many of them, where it finds too few.

    https://milvus.io/docs/index.md names the parameters of the kinds of index; each takes what is its own.

    Args:
        ask: Searches with parameters.
        limit: Hits that are wanted.
        count: Number of rows that could be found.
    """
    try:
        found = ask({})
    except StoreUnavailableError:
        raise
    except StoreError:
        # A graph refuses to find more than it looks at.
        return ask(_wider(limit))
    if len(found) == limit:
        return found
    try:
        if count() <= len(found):
            return found
        more = ask(_wider(limit))
    except StoreError:
        return found
    return max(found, more, key=len)


def _wider(limit: int) -> dict[str, int]:
    return {"ef": min(max(2 * limit, _LEAST_EF), _MOST_EF), "nprobe": _MOST_NPROBE, "search_list": max(2 * limit, 100)}
