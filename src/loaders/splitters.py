r"""Splitters: texts in, chunks out, each with the place that it was taken from."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from langchain_core.documents import Document
from langchain_text_splitters import TextSplitter

from ..chunk_keys import (
    BODY_START_KEY,
    END_LINE_KEY,
    HEADINGS_KEY,
    LEAD_IN_KEY,
    PLACES_KEY,
    START_INDEX_KEY,
    START_LINE_KEY,
    WITHIN_KEY,
)
from ..errors import InputError
from ..markdown.block import MAX_HEADING
from ..markdown.front_matter import described_by, front_matter_length, title_of
from ..markdown.page import Page, read_page
from .cutting import Piece, SourceText, cut
from .sections import Section, join_small, place_headings, sections
from .text_places import place_of

_IMMUTABLE = frozenset({str, int, float, bool, type(None)})


class _PlacedSplitter(TextSplitter):
    """A splitter that knows where each chunk was taken from; everything else follows from ``_chunks``."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Says which splitter with which parameters this is; another one makes other chunks of the same text."""

    @abstractmethod
    def _chunks(self, text: str, metadata: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the text of each chunk and the metadata that is its own."""

    def split_text(self, text: str) -> list[str]:
        """Split a text.

        Args:
            text: The text.

        Returns:
            The texts of its chunks, in order.
        """
        return [chunk for chunk, _ in self._chunks(text, {})]

    def create_documents(self, texts: list[str], metadatas: list[dict[Any, Any]] | None = None) -> list[Document]:
        """Split texts into Documents.

        Args:
            texts: The texts.
            metadatas: Metadata of each text; every one of its chunks gets a copy.

        Returns:
            The chunks in order, with their own metadata added.
        """
        return [
            Document(page_content=chunk, metadata={**_copy(metadata), **_in_original(places, own)})
            for text, given in zip(texts, metadatas or [{}] * len(texts), strict=True)
            for places, metadata in [_without_places(given)]
            for chunk, own in self._chunks(text, metadata)
        ]


def _without_places(metadata: Mapping[str, Any]) -> tuple[object, Mapping[str, Any]]:
    """Where in the original the lines of a converted file are from, and the rest of the metadata."""
    places = metadata.get(PLACES_KEY)
    return places, metadata if places is None else {key: metadata[key] for key in metadata if key != PLACES_KEY}


def _in_original(places: object, own: dict[str, Any]) -> dict[str, Any]:
    """A chunk's own metadata, its place in the original in the stead of lines that only the converted text has."""
    if not places:
        return own
    place = place_of(places, own[START_LINE_KEY] - 1, own[END_LINE_KEY] - 1)
    return {**{key: value for key, value in own.items() if key not in (START_LINE_KEY, END_LINE_KEY)}, **place}


def _copy(value: Any) -> Any:
    """`deepcopy`, much faster for what metadata is made of."""
    if type(value) in _IMMUTABLE:
        return value
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if type(value) is list:
        return [_copy(item) for item in value]
    return deepcopy(value)


class MarkerSplitter(_PlacedSplitter):
    """Split at every occurrence of a marker, as the Milvus tutorials do.

    The texts equal ``text.split(marker)`` to the byte; blank ones are left out. The marker is looked for everywhere,
    also inside of code.

    A chunk's metadata has ``start_index`` (offset of its text in the source, in characters), ``start_line`` and
    ``end_line`` (lines of its first and last character that is not white space, from 1).

    Args:
        marker: The text to split at, which is not part of any chunk. ``"# "`` is the tutorials'.

    Raises:
        InputError: The marker is empty.
    """

    def __init__(self, marker: str = "# ") -> None:
        if not marker:
            raise InputError("The marker to split at is empty. Give one such as '# '.")
        super().__init__(chunk_overlap=0, strip_whitespace=False)
        self._marker = marker

    @property
    def fingerprint(self) -> str:
        """Says which splitter with which parameters this is; another one makes other chunks of the same text."""
        return f"marker/1:marker={self._marker!r}"

    def _chunks(self, text: str, metadata: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        start = counted = 0
        line = 1
        for chunk in text.split(self._marker):
            content = chunk.strip()
            if content:
                first = start + len(chunk) - len(chunk.lstrip())
                line += text.count("\n", counted, first)
                counted = first
                yield chunk, {START_INDEX_KEY: start, START_LINE_KEY: line, END_LINE_KEY: line + content.count("\n")}
            start += len(chunk) + len(self._marker)


class MarkdownSplitter(_PlacedSplitter):
    r"""Split Markdown at its headings, and sections that are too long between their blocks.

    A chunk's text is the path of titles above it, a blank line, and a verbatim slice of the source::

        Operational FAQ > Configuration > How do I change the port?

        Edit **milvus.yaml** and set ...

    - Headings inside of fences, comments and preformatted HTML are none. Front matter is left out, but its description,
      summary, keywords, tags and aliases stand below the path of the first chunk. A page of nothing else is one chunk.
    - A section longer than ``chunk_size`` is cut between paragraphs, lists, fences and tables, then between lines, then
      inside a line. A block that fits is never cut. A table that must be cut repeats its header before each piece.
    - Data that is written into the text, such as a picture in a ``data:`` URI, is left out, with ``…`` in its place.
    - A heading without text is seen in the paths of the headings below it; where there are none, it is a chunk.

    A chunk's metadata has ``headings`` (texts of the headings above it, outermost first), ``start_line`` and
    ``end_line`` (lines of the slice, from 1, counting neither its heading nor a repeated table header),
    ``start_index`` (offset of the slice in the source, in characters) and ``body_start`` (offset of the slice in the
    chunk's text): ``page_content[body_start:]`` is found at ``start_index`` to the character. One that begins in the
    middle of a block or a list has ``within``: the line that opened the fence that it goes on with, say, see
    `milvus_rag.markdown.within`. One that somebody does not understand without what stands before it has ``lead_in``:
    the list item above, the line that leads to the list or the code, the header of the table in HTML. Other metadata is
    kept.

    Args:
        chunk_size: Greatest length of a slice with its repeated table header, in characters. The path comes on top: at
            most seven titles of ``MAX_HEADING`` characters.
        min_chunk_size: A section of fewer characters is joined with its neighbour below the same heading, while both
            fit in ``chunk_size``; their heading lines are part of the slice then. 0 joins none.
        heading_path: Whether the path is put before the text. If not, the heading lines stay in the text.
        title: Whether the path begins with the title of the document: ``metadata["title"]``, else the front matter's.
            It is left out where it equals the first heading.

    Raises:
        InputError: A size is out of range.
    """

    def __init__(
        self, *, chunk_size: int = 1200, min_chunk_size: int = 0, heading_path: bool = True, title: bool = True
    ) -> None:
        if chunk_size < 1:
            raise InputError(f"chunk_size is {chunk_size}, and must be 1 or more characters.")
        if not 0 <= min_chunk_size <= chunk_size:
            raise InputError(f"min_chunk_size is {min_chunk_size}, and must be from 0 to chunk_size ({chunk_size}).")
        super().__init__(chunk_size=chunk_size, chunk_overlap=0, strip_whitespace=False)
        self._most_chars = chunk_size
        self._min_chunk_size = min_chunk_size
        self._heading_path = heading_path
        self._title = title

    @property
    def fingerprint(self) -> str:
        """Says which splitter with which parameters this is; another one makes other chunks of the same text."""
        return (
            f"markdown/2:chunk_size={self._most_chars},min_chunk_size={self._min_chunk_size}"
            f",heading_path={self._heading_path},title={self._title}"
        )

    def _chunks(self, text: str, metadata: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        page = read_page(text)
        source = SourceText(text, page.lines)
        title = self._document_title(page, metadata)
        # What the front matter says of the page stands before its first chunk.
        about = described_by(page.fields) if title else []
        for section in self._sections(source, page):
            path = self._path(title, section.headings)
            if not section.blocks:
                before = "\n\n".join([path, *about])
                yield before, _place(_heading_alone(source, section), section, len(before))
                about = []
                continue
            for piece in cut(source, section.blocks, self._most_chars):
                own = text[piece.start : piece.end]
                lead = "".join(f"{part}\n\n" for part in (path, *_unsaid(about, own)) if part) + piece.lead
                yield lead + own, _place(piece, section, len(lead))
                about = []
        if about or (title and title_of(page.fields) and not page.blocks):
            yield _front_matter_alone("\n\n".join([title, *about]), page)

    def _sections(self, source: SourceText, page: Page) -> Iterator[Section]:
        parts = place_headings(sections(page.blocks), in_text=not self._heading_path)
        if not self._min_chunk_size:
            return parts
        return join_small(parts, below=self._min_chunk_size, limit=self._most_chars, size=source.size)

    def _document_title(self, page: Page, metadata: Mapping[str, Any]) -> str:
        if not (self._heading_path and self._title):
            return ""
        title = title_of(metadata) or title_of(page.fields)
        return " ".join(title.split())[:MAX_HEADING]

    def _path(self, title: str, headings: tuple[str, ...]) -> str:
        if not self._heading_path:
            return ""
        is_repeated = not title or (bool(headings) and headings[0].casefold() == title.casefold())
        return " > ".join(headings if is_repeated else (title, *headings))


def _unsaid(about: list[str], text: str) -> list[str]:
    """What a text does not say itself."""
    said = " ".join(text.split()) if about else ""
    return [line for line in about if line not in said]


def _front_matter_alone(text: str, page: Page) -> tuple[str, dict[str, Any]]:
    lines = front_matter_length(page.lines)
    alone = Section((), None, ())
    return text, _place(Piece(0, 0, 0, lines - 1), alone, len(text))


def _heading_alone(source: SourceText, section: Section) -> Piece:
    start, _ = source.span(section.start, section.end)
    return Piece(start, start, section.start, section.end - 1)


def _place(piece: Piece, section: Section, body_start: int) -> dict[str, Any]:
    place: dict[str, Any] = {
        HEADINGS_KEY: list(section.headings),
        START_LINE_KEY: piece.first_line + 1,
        END_LINE_KEY: piece.last_line + 1,
        START_INDEX_KEY: piece.start,
        BODY_START_KEY: body_start,
    }
    if piece.lead_in:
        place[LEAD_IN_KEY] = piece.lead_in
    if piece.within:
        place[WITHIN_KEY] = piece.within
    return place
