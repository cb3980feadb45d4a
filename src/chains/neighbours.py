"""A hit together with what stands before and after it in its source."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

from langchain_core.documents import Document

Filter = Mapping[str, Any] | str | None

# The chunk's number in its source, from 0, as `sync` writes it.
POSITION = "chunk"
# Where the chunk's own text begins in the source, and in the chunk, behind the titles above it, as `MarkdownSplitter`
# writes it. What the first of several chunks says is so for all of them.
_AT_START = ("start_index", "body_start")


class NeighbourStore(Protocol):
    """What is asked of a store."""

    def search_by_metadata(self, expr: Any, fields: list[str] | None = None, limit: int = 10) -> list[Document]:
        """Documents that a metadata filter matches."""

    def to_expression(self, filter: Filter, expr: str | None = None) -> str:
        """A filter, and an expression besides, as one expression."""


def with_neighbours(
    store: NeighbourStore, documents: Sequence[Document], n: int, filter: Filter = None
) -> list[Document]:
    """Widen hits by the `n` chunks before and after each, from the same source.

    Hits whose neighbourhoods touch become one document. Its text is in reading order, its id, score and the rest of
    its metadata are its best hit's, and ``start_line`` and ``end_line`` span all of it. Titles that are those of the
    chunk before are not said again. Hits without a position (documents that were not stored by `sync`) stay as they
    are.

    Args:
        store: Where the hits come from.
        documents: Hits, best first.
        n: Chunks on each side.
        filter: What the hits were filtered by. Neighbours that it does not match are left out: it may say what somebody
            is allowed to read.

    Returns:
        Documents in the order of their best hit.
    """
    if n <= 0:
        return list(documents)
    spans = _spans(documents, n)
    merged: list[Document] = []
    done: set[tuple[str, int]] = set()
    for document in documents:
        place = _place(document)
        if place is None:
            merged.append(document)
            continue
        source, position = place
        first, last = next(span for span in spans[source] if span[0] <= position <= span[1])
        if (source, first) not in done:
            done.add((source, first))
            chunks = _read(store, source, first, last, filter)
            # The best of those that share a place comes last, and stays.
            hits = {place[1]: hit for hit in reversed(documents) if (place := _place(hit)) and place[0] == source}
            chunks.update((at, hit) for at, hit in hits.items() if first <= at <= last)
            merged.append(_merge(document, [chunks[at] for at in sorted(chunks)]))
    return merged


def _place(document: Document) -> tuple[str, int] | None:
    source, position = document.metadata.get("source"), document.metadata.get(POSITION)
    return (source, position) if isinstance(source, str) and isinstance(position, int) else None


def _spans(documents: Sequence[Document], n: int) -> dict[str, list[tuple[int, int]]]:
    """For each source, the ranges of positions around its hits, those that touch made one."""
    positions: dict[str, list[int]] = {}
    for source, position in filter(None, map(_place, documents)):
        positions.setdefault(source, []).append(position)
    spans: dict[str, list[tuple[int, int]]] = {}
    for source, found in positions.items():
        ranges = spans.setdefault(source, [])
        for position in sorted(set(found)):
            first, last = max(0, position - n), position + n
            if ranges and first <= ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], last)
            else:
                ranges.append((first, last))
    return spans


def _read(store: NeighbourStore, source: str, first: int, last: int, filter: Filter) -> dict[int, Document]:
    chosen: Any = {"source": source, POSITION: {"$gte": first, "$lte": last}}
    if filter:
        chosen = store.to_expression(chosen, store.to_expression(filter))
    # While a source is being replaced, old and new chunks may share a position.
    found = store.search_by_metadata(chosen, limit=2 * (last - first + 1))
    return {_position(document.metadata): document for document in sorted(found, key=lambda d: d.id or "")}


def _merge(best: Document, chunks: Sequence[Document]) -> Document:
    begin = chunks[0].metadata
    metadata: dict[str, Any] = {key: value for key, value in best.metadata.items() if key not in _AT_START}
    metadata.update((key, begin[key]) for key in _AT_START if key in begin)
    for key, choose in (("start_line", min), ("end_line", max)):
        lines = [line for chunk in chunks if isinstance(line := chunk.metadata.get(key), int)]
        if lines:
            metadata[key] = choose(lines)
    metadata["chunks"] = [_position(chunk.metadata) for chunk in chunks]
    text = chunks[0].page_content + "".join(_continuation(before, chunk) for before, chunk in pairwise(chunks))
    return Document(page_content=text, metadata=metadata, id=best.id)


def _continuation(before: Document, chunk: Document) -> str:
    """What a chunk adds to the one before it, with what stands between them."""
    ends, begins = before.metadata, chunk.metadata
    starts = [at for metadata in (ends, begins) for key in _AT_START if isinstance(at := metadata.get(key), int)]
    follows = _position(begins) == _position(ends) + 1 and begins.get("headings") == ends.get("headings")
    if not follows or len(starts) < 2 * len(_AT_START):
        return "\n" + chunk.page_content
    # One section that was cut: its titles, and the header of a table that goes on, were said. Between two blocks the
    # source has blank lines; a line that was too long is cut where there is nothing.
    index, body, next_index, next_body = starts
    between = next_index - (index + len(before.page_content) - body)
    return "\n" * min(max(between, 0), 2) + chunk.page_content[next_body:]


def _position(metadata: Mapping[str, Any]) -> int:
    return int(metadata[POSITION])
