"""A hit together with what stands before and after it in its source."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, TypeVar

from langchain_core.documents import Document

from ..chunk_keys import (
    BODY_START_KEY,
    END_INDEX_KEY,
    END_LINE_KEY,
    HEADINGS_KEY,
    LEAD_IN_KEY,
    PLACE_KEYS,
    POSITION_KEY,
    POSITIONS_KEY,
    ROOTS_KEY,
    SOURCE_KEY,
    START_INDEX_KEY,
    START_LINE_KEY,
    WITHIN_KEY,
)
from ..markdown.within import closing_of, markdown_start, within_of

Filter = Mapping[str, Any] | str | None
T = TypeVar("T")

# What the first of several chunks says is so for all of them.
_AT_START = (START_INDEX_KEY, BODY_START_KEY)
# More characters between two chunks of a section are no blank lines.
_FARTHEST_APART = 100
# Fewer characters that end one chunk and begin the next one are chance, and no splitter's overlap; no overlap has more.
_OVERLAP = range(10, 1000)
# Chunks at one place of a source: while it is replaced, old and new ones, and those of each folder with such a file.
_SAME_PLACE = 100


class NeighbourStore(Protocol):
    """What is asked of a store."""

    def search_by_metadata(
        self, expr: Any, fields: list[str] | None = None, limit: int = 10, *, roots: bool = False
    ) -> list[Document]:
        """Documents that a metadata filter matches."""


def with_neighbours(
    store: NeighbourStore, documents: Sequence[Document], n: int, filter: Filter = None
) -> list[Document]:
    """Widen hits by the `n` chunks before and after each, from the same file.

    Hits whose neighbourhoods touch become one document. Its text is in reading order, its id, score and the rest of
    its metadata are its best hit's, and ``start_line`` and ``end_line`` span all of it. Titles that are those of the
    chunk before are not said again. Hits without a position (documents that were not stored by `sync`) stay as they
    are. Of files in several folders that are one source, by their names, each hit's own is read on in.

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
    near = {
        source: [document for first, last in ranges for document in _read(store, source, first, last, filter)]
        for source, ranges in _spans([place for place in map(_place, documents) if place], n).items()
    }
    pages = _pages(documents, near)
    spans = _spans([(page, _position(hit.metadata)) for hit, page in zip(documents, pages, strict=True) if page], n)
    merged: list[Document] = []
    done: set[tuple[_Page, int]] = set()
    for document, page in zip(documents, pages, strict=True):
        if page is None:
            merged.append(document)
            continue
        first, last = next(span for span in spans[page] if span[0] <= _position(document.metadata) <= span[1])
        if (page, first) not in done:
            done.add((page, first))
            # Of those that share a place, the last one stays; so hits come last, and the best of them at the very end.
            hits = [hit for hit, its_page in zip(documents, pages, strict=True) if its_page == page]
            chunks = {
                _position(chunk.metadata): chunk
                for chunk in (*(chunk for chunk in near[page.source] if _is_on(chunk, page)), *reversed(hits))
            }
            merged.append(_merge(document, [chunks[at] for at in sorted(chunks) if first <= at <= last]))
    return merged


class _Page(NamedTuple):
    """A file: a source, and the folder that has it; None for chunks of which no folder is known."""

    source: str
    root: str | None


def _place(document: Document) -> tuple[str, int] | None:
    source, position = document.metadata.get(SOURCE_KEY), document.metadata.get(POSITION_KEY)
    return (source, position) if isinstance(source, str) and isinstance(position, int) else None


def _pages(hits: Sequence[Document], near: Mapping[str, Sequence[Document]]) -> list[_Page | None]:
    """The file of each hit; None for those without a position. One that folders share is put where others are."""
    roots = {chunk.id: _roots(chunk) for chunks in near.values() for chunk in chunks}
    pages: dict[int, _Page] = {}
    for at, hit in sorted(enumerate(hits), key=lambda item: len(roots.get(item[1].id, ()))):
        place, its_roots = _place(hit), roots.get(hit.id, ())
        if place is not None:
            candidates = [_Page(place[0], root) for root in its_roots or (None,)]
            taken = set(pages.values())
            pages[at] = next((page for page in candidates if page in taken), candidates[0])
    return [pages.get(at) for at in range(len(hits))]


def _roots(chunk: Document) -> tuple[str, ...]:
    return tuple(chunk.metadata.get(ROOTS_KEY, ()))


def _is_on(chunk: Document, page: _Page) -> bool:
    return page.root in _roots(chunk) if page.root is not None else not _roots(chunk)


def _spans(places: Iterable[tuple[T, int]], n: int) -> dict[T, list[tuple[int, int]]]:
    """For each source or file, the ranges of positions around its hits, those that touch made one."""
    positions: dict[T, list[int]] = {}
    for page, position in places:
        positions.setdefault(page, []).append(position)
    spans: dict[T, list[tuple[int, int]]] = {}
    for page, found in positions.items():
        ranges = spans.setdefault(page, [])
        for position in sorted(set(found)):
            first, last = max(0, position - n), position + n
            if ranges and first <= ranges[-1][1] + 1:
                ranges[-1] = (ranges[-1][0], last)
            else:
                ranges.append((first, last))
    return spans


def _read(store: NeighbourStore, source: str, first: int, last: int, filter: Filter) -> list[Document]:
    chosen: Any = {SOURCE_KEY: source, POSITION_KEY: {"$gte": first, "$lte": last}}
    if filter:
        chosen = {"$and": [chosen, filter]}
    found = store.search_by_metadata(chosen, limit=_SAME_PLACE * (last - first + 1), roots=True)
    return sorted(found, key=lambda document: document.id or "")


def _merge(best: Document, chunks: Sequence[Document]) -> Document:
    begin = chunks[0].metadata
    of_start = (*_AT_START, LEAD_IN_KEY, WITHIN_KEY)
    metadata: dict[str, Any] = {key: value for key, value in best.metadata.items() if key not in of_start}
    metadata.update((key, begin[key]) for key in of_start if key in begin)
    for key, choose in ((START_LINE_KEY, min), (END_LINE_KEY, max)):
        lines = [line for chunk in chunks if isinstance(line := chunk.metadata.get(key), int)]
        if lines:
            metadata[key] = choose(lines)
    metadata.update(_places_of(begin, chunks[-1].metadata))
    if (end := _end_index(chunks[-1])) is not None:
        metadata[END_INDEX_KEY] = end
    metadata[POSITIONS_KEY] = [_position(chunk.metadata) for chunk in chunks]
    return Document(page_content=_text_of(chunks), metadata=metadata, id=best.id)


def _end_index(chunk: Document) -> int | None:
    starts = [chunk.metadata.get(key) for key in _AT_START]
    if not all(isinstance(start, int) for start in starts):
        return None
    index, body = map(int, starts)  # type: ignore[arg-type]
    return index + len(chunk.page_content) - body


def _places_of(begin: Mapping[str, Any], end: Mapping[str, Any]) -> dict[str, Any]:
    """Where in a converted file the first of neighbouring chunks begins and the last one ends."""
    places = {}
    for key in PLACE_KEYS:
        if key in begin:
            places[key] = begin[key]
            last = end.get(f"end_{key}", end.get(key, begin[key]))
            if last != begin[key]:
                places[f"end_{key}"] = last
    return places


def _text_of(chunks: Sequence[Document]) -> str:
    """The text of chunks in reading order, which is Markdown again, also where one is missing between two of them."""
    runs: list[str] = []
    begin = chunks[0]
    run = begin.page_content
    for before, chunk in pairwise(chunks):
        continuation = _continuation(before, chunk)
        if continuation is not None:
            run += continuation
            continue
        closing = closing_of(run, _markdown_start(begin), "" if runs else within_of(begin.metadata))
        runs.append(f"{run}\n{closing}" if closing else run)
        begin, at = chunk, _markdown_start(chunk)
        run = chunk.page_content[:at] + within_of(chunk.metadata) + chunk.page_content[at:]
    return "\n".join([*runs, run])


def _markdown_start(chunk: Document) -> int:
    body_start = chunk.metadata.get(BODY_START_KEY)
    return markdown_start(chunk.page_content, body_start) if isinstance(body_start, int) else 0


def _continuation(before: Document, chunk: Document) -> str | None:
    """What a chunk adds to the one that it goes on with, with what stands between them; None when it does not."""
    ends, begins = before.metadata, chunk.metadata
    starts = [at for metadata in (ends, begins) for key in _AT_START if isinstance(at := metadata.get(key), int)]
    follows = _position(begins) == _position(ends) + 1 and begins.get(HEADINGS_KEY) == ends.get(HEADINGS_KEY)
    if not follows:
        return None
    if len(starts) < 2 * len(_AT_START):
        # Of a splitter that does not say where its chunks begin, and lets them overlap perhaps.
        shared = _overlap(before.page_content, chunk.page_content)
        return chunk.page_content[shared:] if shared else None
    # One section that was cut: its titles, and the header of a table that goes on, were said. Between two blocks the
    # source has blank lines; a line that was too long is cut where there is nothing.
    index, body, next_index, next_body = starts
    between = next_index - (index + len(before.page_content) - body)
    # What is far apart has data between it, which the chunk's lead stands for.
    begin = next_body if between <= _FARTHEST_APART else _markdown_start(chunk)
    return "\n" * min(max(between, 0), 2) + chunk.page_content[begin:]


def _overlap(before: str, text: str) -> int:
    """So many characters that end one text begin the next."""
    longest = min(len(before), len(text), _OVERLAP.stop)
    return next((n for n in range(longest, _OVERLAP.start - 1, -1) if before.endswith(text[:n])), 0)


def _position(metadata: Mapping[str, Any]) -> int:
    return int(metadata[POSITION_KEY])
