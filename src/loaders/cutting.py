r"""Cut the blocks of a section into pieces of a limited size, each a verbatim slice of the text."""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from operator import attrgetter
from typing import NamedTuple

from ..markdown.block import Block, Kind, runs
from ..markdown.encoded import embedded_data
from ..markdown.within import ELLIPSIS, opening_of
from .lead_ins import lead_in, table_headers

# What is repeated of a line before the data that is left out of it, at most.
_LONGEST_LEAD = 400
# The whole line of a link definition whose target is data.
_DATA_DEFINITION = re.compile(r"[ \t]*\[[^\[\]]*\]:[ \t]*<?data:[^\s<>]*>?[ \t]*")
# A family of emoji takes eleven code points.
_LONGEST_CHARACTER = 32
_JOINER = "\u200d"
_EXTENDING = frozenset({"Mn", "Me", "Mc"})
_SENTENCE_ENDS = (". ", "! ", "? ", "。", "！", "？")  # noqa: RUF001 - the full-width marks are meant


class SourceText:
    r"""A text, its lines, and where each begins.

    Attributes:
        text: The text.
        lines: The text split at ``"\n"``.
    """

    def __init__(self, text: str, lines: Sequence[str]) -> None:
        self.text = text
        self.lines = lines
        self._starts = list(accumulate([len(line) + 1 for line in self.lines], initial=0))

    def start_of(self, line: int) -> int:
        """The offset of a line's first character."""
        return self._starts[line]

    def span(self, first: int, end: int) -> tuple[int, int]:
        """The offsets of the characters from line ``first`` up to line ``end``, without the last line feed."""
        return self._starts[first], self._starts[end] - 1

    @cached_property
    def _data(self) -> list[tuple[int, int]]:
        return embedded_data(self.text)

    @cached_property
    def table_headers(self) -> list[tuple[int, int, str]]:
        """See `lead_ins.table_headers`."""
        return table_headers(self.lines) if "<table" in self.text or "<TABLE" in self.text else []

    def data_in(self, start: int, end: int) -> list[tuple[int, int]]:
        """Where between two offsets a file's data is written into the text; each is within one line."""
        data = self._data
        return data[bisect_left(data, (start, 0)) : bisect_left(data, (end, 0))] if data else data

    def size(self, first: int, end: int) -> int:
        """The number of these characters."""
        return self._starts[end] - 1 - self._starts[first]


class Piece(NamedTuple):
    """A slice of the text.

    Attributes:
        start: Offset of its first character.
        end: Offset behind its last character.
        first_line: Index of the line that it begins in.
        last_line: Index of the line that it ends in.
        lead: Text to repeat before it: the header of the table that it continues.
        within: What it stands in, see `milvus_rag.markdown.within`.
        lead_in: What leads to it, see `lead_ins`.
        starts_long_block: Whether it is the first piece of a block that is longer than a piece.
    """

    start: int
    end: int
    first_line: int
    last_line: int
    lead: str = ""
    within: str = ""
    lead_in: str = ""
    starts_long_block: bool = False


def cut(source: SourceText, blocks: Sequence[Block], size: int) -> Iterator[Piece]:
    """Cut between blocks, then between lines, then after sentences, between words, and anywhere.

    A block that fits is never cut. When a table must be cut, its header is repeated, unless that takes more than half
    of the size. Data of files, such as pictures in ``data:`` URIs, is left out between two pieces: what stands before
    it in its line is repeated as the lead of the piece behind it.

    Args:
        source: The text.
        blocks: Neighbouring blocks of it.
        size: Greatest length of a piece with its lead, in characters.

    Yields:
        Pieces in order. Between them only line feeds, pieces of nothing but white space, and such data are left out.
    """
    for first, last in _joined(source, blocks, size):
        piece = first if first is last else Piece(first.start, last.end, first.first_line, last.last_line, *first[4:])
        if not _is_blank(source, piece):
            yield _with_state(source, blocks, piece)


def _with_state(source: SourceText, blocks: Sequence[Block], piece: Piece) -> Piece:
    block = blocks[bisect_right(blocks, piece.first_line, key=attrgetter("start")) - 1]
    column = piece.start - source.start_of(piece.first_line)
    is_first = piece.first_line == blocks[0].start and not column
    if not is_first and (not piece.lead or block.items):
        lead = lead_in(source.lines, blocks, source.table_headers, piece.first_line, is_inside=column > 0)
        piece = piece._replace(lead_in=lead)
    if not (block.items or column or piece.first_line > block.start):
        return piece
    within = opening_of(source.lines, block, piece.first_line, piece.last_line + 1, column, has_header=bool(piece.lead))
    return piece._replace(within=within)


def _is_blank(source: SourceText, piece: Piece) -> bool:
    return not source.text[piece.start : piece.end].strip()


def _joined(source: SourceText, blocks: Sequence[Block], size: int) -> Iterator[tuple[Piece, Piece]]:
    """The first and the last unit of each piece."""
    first: Piece | None = None
    last: Piece | None = None
    for unit in _units(source, blocks, size):
        if first is None or last is None:
            first = unit
        elif not _can_join(source, first, last, unit, size):
            yield first, last
            first = unit
        last = unit
    if first is not None and last is not None:
        yield first, last


def _can_join(source: SourceText, first: Piece, last: Piece, unit: Piece, size: int) -> bool:
    if len(first.lead) + unit.end - first.start > size or source.data_in(last.end, unit.start):
        return False
    # A long block begins a piece of its own, but takes the line or two that introduce it along.
    return not unit.starts_long_block or last.end - first.start <= size // 4


def _units(source: SourceText, blocks: Sequence[Block], size: int) -> Iterator[Piece]:
    start, end = source.span(blocks[0].start, blocks[-1].end)
    if end - start <= size and not source.data_in(start, end):
        # Most sections fit, and all units of one would be joined.
        yield Piece(start, end, blocks[0].start, blocks[-1].end - 1)
        return
    for run in runs(blocks):
        first, last = run[0], run[-1]
        start, end = source.span(first.start, last.end)
        if source.data_in(start, end):
            yield from _lines(source, first.start, last.end, size)
            continue
        if end - start <= size:
            yield Piece(start, end, first.start, last.end - 1)
            continue
        is_table = first.kind is Kind.TABLE and first is last
        units = _rows(source, first, size) if is_table else _lines(source, first.start, last.end, size)
        yield next(units)._replace(starts_long_block=True)
        yield from units


def _rows(source: SourceText, table: Block, size: int) -> Iterator[Piece]:
    # The header, the delimiters and the first row stay together where they can.
    first_rows = min(table.start + 3, table.end)
    start, end = source.span(table.start, first_rows)
    if end - start <= size:
        yield Piece(start, end, table.start, first_rows - 1)
    else:
        yield from _lines(source, table.start, first_rows, size)
    header_start, header_end = source.span(table.start, table.start + 2)
    lead = source.text[header_start:header_end] + "\n"
    yield from _lines(source, first_rows, table.end, size, lead if len(lead) <= size // 2 else "")


def _lines(source: SourceText, first: int, end: int, size: int, lead: str = "") -> Iterator[Piece]:
    has_data, room = bool(source.data_in(*source.span(first, end))), size - len(lead)
    for number in range(first, end):
        start, line_end = source.span(number, number + 1)
        if has_data and (data := source.data_in(start, line_end)):
            yield from _around(source, number, data, size)
        elif line_end - start <= room:
            yield Piece(start, line_end, number, number, lead)
        else:
            yield from _parts(source, start, line_end, number, size, lead)


def _around(source: SourceText, number: int, data: Sequence[tuple[int, int]], size: int) -> Iterator[Piece]:
    """What a line has around data."""
    text = source.text
    at, line_end = source.span(number, number + 1)
    if _DATA_DEFINITION.fullmatch(text, at, line_end):
        return
    lead = ""
    for start, end in data:
        is_last = not text[end:line_end].strip()
        if not is_last and len(lead) + start - at < min(_LONGEST_LEAD, size // 2):
            lead += text[at:start] + ELLIPSIS
        else:
            yield from _parts(source, at, start, number, size, lead)
            lead = ELLIPSIS
        if is_last:
            return
        at = end
    yield from _parts(source, at, line_end, number, size, lead)


def _parts(source: SourceText, start: int, end: int, number: int, size: int, lead: str) -> Iterator[Piece]:
    while end - start > size - len(lead):
        at = _cut_point(source.text, start, start + size - len(lead))
        yield Piece(start, at, number, number, lead)
        start = at
    yield Piece(start, end, number, number, lead)


def _cut_point(text: str, start: int, limit: int) -> int:
    """The best place for a cut in the second half of a window: behind a sentence, else a blank, else its end."""
    half = start + (limit - start) // 2
    ends = (text.rfind(mark, half, limit) + len(mark) for mark in _SENTENCE_ENDS if text.rfind(mark, half, limit) >= 0)
    at = max(ends, default=0)
    if not at:
        at = max(text.rfind(" ", half, limit), text.rfind("\t", half, limit)) + 1
    return at or _between_characters(text, start, limit)


def _between_characters(text: str, start: int, limit: int) -> int:
    """The last place up to a limit where no character is cut from the marks and joiners that belong to it."""
    at = limit
    while at > limit - _LONGEST_CHARACTER and at > start + 1 and _goes_on(text, at):
        at -= 1
    return at if not _goes_on(text, at) else limit


def _goes_on(text: str, at: int) -> bool:
    character = text[at]
    if character < "\u0300":
        return False
    return (
        unicodedata.combining(character) > 0
        or unicodedata.category(character) in _EXTENDING
        or character == _JOINER
        or text[at - 1] == _JOINER
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )
