"""A source, put together again from its chunks."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from langchain_core.documents import Document

from ...chunk_keys import (
    BODY_START_KEY,
    END_LINE_KEY,
    POSITION_KEY,
    ROOTS_KEY,
    START_INDEX_KEY,
    START_LINE_KEY,
    headings_of,
    original_place,
)


class SourceText(NamedTuple):
    """Lines of a source.

    Attributes:
        start_line: The first one's number, from 1.
        lines: The lines.
        is_numbered: Whether the numbers are the source's own. Those of a converted file are of its text, and chunks of
            other programs do not say where they are from.
        places: By the number of a line from which on it is so, where in the original it is from: ``page 4``.
    """

    start_line: int
    lines: list[str]
    is_numbered: bool
    places: tuple[tuple[int, str], ...] = ()


def one_folders(chunks: Iterable[Document]) -> list[Document]:
    """The chunks of one file, in order, where several folders have a file of that name: those of the first folder."""
    chunks = list(chunks)
    roots = sorted({root for chunk in chunks for root in chunk.metadata.get(ROOTS_KEY) or ()})
    if roots:
        chunks = [chunk for chunk in chunks if roots[0] in (chunk.metadata.get(ROOTS_KEY) or ())]
    return sorted(chunks, key=_order)


def source_text(chunks: Sequence[Document]) -> SourceText:
    """Put chunks of one source together.

    Headings, which a chunk has as metadata, stand on the lines between the chunks. What no chunk has, front matter say,
    is left empty, so that every line has the number that it has in the source.

    Args:
        chunks: In order.
    """
    begins = [chunk.metadata.get(START_LINE_KEY) for chunk in chunks]
    numbers = [begin for begin in begins if isinstance(begin, int)]
    # Several documents of one name begin at their first lines again.
    if len(numbers) < len(begins) or numbers != sorted(numbers):
        return _one_after_the_other(chunks)
    lines: dict[int, str] = {}
    ends: dict[int, int] = {}
    for chunk in chunks:
        begin, index = int(chunk.metadata[START_LINE_KEY]), chunk.metadata.get(START_INDEX_KEY)
        body = _body(chunk)
        for number, line in enumerate(body.split("\n"), start=begin):
            # A line that was too long for one chunk goes on in the next one.
            goes_on = number == begin and number in lines and ends.get(number) == index
            lines[number] = lines[number] + line if goes_on else line
        if isinstance(index, int):
            ends[max(lines)] = index + len(body)
    previous: Document | None = None
    for chunk in chunks:
        _putheadings_of(previous, chunk, lines)
        previous = chunk
    first, last = min(lines, default=1), max(lines, default=0)
    return SourceText(first, [lines.get(number, "") for number in range(first, last + 1)], is_numbered=True)


def _one_after_the_other(chunks: Sequence[Document]) -> SourceText:
    lines: list[str] = []
    places: list[tuple[int, str]] = []
    for chunk in chunks:
        if lines:
            lines.append("")
        if place := original_place(chunk.metadata):
            places.append((len(lines) + 1, place))
        lines += chunk.page_content.split("\n")
    return SourceText(1, lines, is_numbered=False, places=tuple(places))


def _order(chunk: Document) -> tuple[int, int, str]:
    metadata = chunk.metadata
    at = metadata.get(POSITION_KEY)
    line = metadata.get(START_LINE_KEY)
    return (at if isinstance(at, int) else 0, line if isinstance(line, int) else 0, chunk.id or "")


def _body(chunk: Document) -> str:
    """What is the chunk's own, behind the titles."""
    begin = chunk.metadata.get(BODY_START_KEY)
    return chunk.page_content[begin:] if isinstance(begin, int) else chunk.page_content


def _putheadings_of(before: Document | None, chunk: Document, lines: dict[int, str]) -> None:
    """Put the headings that begin between two chunks on the lines between them."""
    if not isinstance(chunk.metadata.get(BODY_START_KEY), int):
        return
    known, path = headings_of(before.metadata if before else {}), headings_of(chunk.metadata)
    shared = next((at for at, (one, other) in enumerate(zip(known, path, strict=False)) if one != other), len(known))
    new = [f"{'#' * (level + 1)} {heading}" for level, heading in enumerate(path) if level >= shared]
    begin = int(chunk.metadata[START_LINE_KEY])
    after = int(before.metadata.get(END_LINE_KEY) or 0) if before else 0
    free = [number for number in range(after + 1, begin) if number not in lines]
    # With blank lines around each where there is room for them; a file's first line needs none before it.
    step = 2 if len(free) >= 2 * len(new) else 1
    skipped = 1 if len(free) + (before is None) >= 2 * len(new) + 1 else 0
    for heading, number in zip(reversed(new), list(reversed(free))[skipped::step], strict=False):
        lines[number] = heading


def cut_to(text: SourceText, *, start_line: int, end_line: int | None, max_chars: int) -> tuple[SourceText, bool]:
    """Lines of a text, as many as one answer may hold.

    Returns:
        The lines, at least one where there is one, and whether more were asked for than they are.
    """
    first = max(start_line, text.start_line)
    last = text.start_line + len(text.lines) - 1 if end_line is None else end_line
    wanted = text.lines[first - text.start_line : max(last - text.start_line + 1, 0)]
    taken: list[str] = []
    room = max_chars
    for line in wanted:
        room -= len(line) + 1
        if room < 0 and taken:
            break
        taken.append(line[:max_chars])
    end = first + len(taken)
    # That in the middle of which the first line is, and those that begin below it.
    before = [place for number, place in text.places if number <= first]
    within = [place for number, place in text.places if first < number < end]
    places = tuple((first, place) for place in dict.fromkeys([*before[-1:], *within]))
    return SourceText(first, taken, text.is_numbered, places), len(taken) < len(wanted)
