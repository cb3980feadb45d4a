"""What Milvus' answer to a search says: rows, and scores that are better when higher."""

from collections.abc import Mapping
from typing import Any


def flat(hit: Mapping[str, Any], primary_field: str) -> dict[str, Any]:
    """The row of a hit."""
    return {**hit["entity"], primary_field: hit[primary_field]}


def score(distance: float, metric: str) -> float:
    """The score for a distance, as Milvus calls all of them."""
    if metric == "L2":
        return 1.0 / (1.0 + distance)
    # A BM25 score is never negative; Milvus Lite returns it negated.
    return abs(distance) if metric == "BM25" else distance
