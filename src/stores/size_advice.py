"""When a collection has become too large for Milvus Lite, and how it is moved."""

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .milvus import MilvusStore

MOST_ON_LITE = 50_000
"""Chunks for which Milvus Lite is meant: it compares with all of them, see the table in ``docs/deploy.md``."""


def size_advice(store: "MilvusStore") -> str | None:
    """Say that a collection is too large for where it is, and the command that moves it; None where it is not."""
    layout = store.layout
    if layout is None or not store.server.lite:
        return None
    # What it remembers of its size: to count the rows takes as long as to read them.
    rows = int(store.client.get_collection_stats(layout.name)["row_count"])
    if rows <= MOST_ON_LITE:
        return None
    words = ["milvus-rag", "copy", "--uri", store.server.uri, "--collection", store.collection_name]
    command = f"{shlex.join(words)} --to http://HOST:19530"
    return (
        f"{rows:,} chunks are more than Milvus Lite is meant for ({MOST_ON_LITE:,}): searches and starts take seconds. "
        f"{command} moves them to a Milvus server, and nothing is embedded again."
    )
