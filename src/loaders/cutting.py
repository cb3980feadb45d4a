r"""Cut the blocks of a section into pieces of a limited size, each a verbatim slice of the text."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import NamedTuple

from ..markdown.block import Block, Kind, runs
from ..markdown.within import opening_of

_SENTENCE_ENDS = (". ", "! ", "? ", "。", "！", "？")  # noqa: RUF001 - the full-width marks are meant


class SourceText:
    r"""A text, its lines, and where each begins.

    Attributes:
        text: The text.
        lines: The text split at ``"\n"``.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self._starts = list(accumulate((len(line) + 1 for line in self.lines), initial=0))

    def span(self, first: int, end: int) -> tuple[int, int]:
        """The offsets of the characters from line ``first`` up to line ``end``, without the last line feed."""
        return self._starts[first], self._starts[end] - 1

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
        starts_long_block: Whether it is the first piece of a block that is longer than a piece.
    """

    start: int
    end: int
    first_line: int
    last_line: int
    lead: str = ""
    within: str = ""
    starts_long_block: bool = False


def cut(source: SourceText, blocks: Sequence[Block], size: int) -> Iterator[Piece]:
    """Cut between blocks, then between lines, then after sentences, between words, and anywhere.

    A block that fits is never cut. When a table must be cut, its header is repeated, unless that takes more than half
    of the size.

    Args:
        source: The text.
        blocks: Neighbouring blocks of it.
        size: Greatest length of a piece with its lead, in characters.

    Yields:
        Pieces in order. Between them only line feeds and pieces of nothing but white space are left out.
    """
    current: Piece | None = None
    for unit in _units(source, blocks, size):
        if current and _can_join(current, unit, size):
            current = current._replace(end=unit.end, last_line=unit.last_line)
            continue
        if current and not _is_blank(source, current):
            yield _with_state(source, blocks, current)
        current = unit
    if current and not _is_blank(source, current):
        yield _with_state(source, blocks, current)


def _with_state(source: SourceText, blocks: Sequence[Block], piece: Piece) -> Piece:
    block = blocks[bisect_right(blocks, piece.first_line, key=attrgetter("start")) - 1]
    column = piece.start - source.span(piece.first_line, piece.first_line + 1)[0]
    if not (block.items or column or piece.first_line > block.start):
        return piece
    within = opening_of(source.lines, block, piece.first_line, piece.last_line + 1, column, has_header=bool(piece.lead))
    return piece._replace(within=within)


def _is_blank(source: SourceText, piece: Piece) -> bool:
    return not source.text[piece.start : piece.end].strip()


def _can_join(current: Piece, unit: Piece, size: int) -> bool:
    if len(current.lead) + unit.end - current.start > size:
        return False
    # A long block begins a piece of its own, but takes the line or two that introduce it along.
    return not unit.starts_long_block or current.end - current.start <= size // 4


def _units(source: SourceText, blocks: Sequence[Block], size: int) -> Iterator[Piece]:
    for run in runs(blocks):
        first, last = run[0], run[-1]
        start, end = source.span(first.start, last.end)
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
    for number in range(first, end):
        start, line_end = source.span(number, number + 1)
        while line_end - start > size - len(lead):
            at = _cut_point(source.text, start, start + size - len(lead))
            yield Piece(start, at, number, number, lead)
            start = at
        yield Piece(start, line_end, number, number, lead)


def _cut_point(text: str, start: int, limit: int) -> int:
    """The best place for a cut in the second half of a window: behind a sentence, else a blank, else its end."""
    half = start + (limit - start) // 2
    ends = (text.rfind(mark, half, limit) + len(mark) for mark in _SENTENCE_ENDS if text.rfind(mark, half, limit) >= 0)
    at = max(ends, default=0)
    if not at:
        at = max(text.rfind(" ", half, limit), text.rfind("\t", half, limit)) + 1
    return at or limit
