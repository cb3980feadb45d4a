"""A hit as Milvus returns it: its row, and its score, better when higher."""

from collections.abc import Mapping
from typing import Any


def flat(hit: Mapping[str, Any], primary_field: str) -> dict[str, Any]:
    """The row."""
    return {**hit["entity"], primary_field: hit[primary_field]}


def score(distance: float, metric: str) -> float:
    """The score, of what Milvus calls a distance."""
    if metric == "L2":
        return 1.0 / (1.0 + distance)
    # A BM25 score is never negative; Milvus Lite returns it negated.
    return abs(distance) if metric == "BM25" else distance
