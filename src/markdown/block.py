"""One block of a Markdown text, and which blocks belong to one text."""

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import NamedTuple

MAX_HEADING = 256
"""Longest heading text, in characters. It goes in front of every chunk below it, so it must stay short."""


class Kind(Enum):
    """What a block is."""

    HEADING = "heading"
    FENCE = "fence"
    CODE = "indented code"
    TABLE = "table"
    TEXT = "text"
    COMMENT = "comment"
    PREFORMATTED = "preformatted HTML"
    RULE = "thematic break"


class Block(NamedTuple):
    """A run of lines that belong together.

    Attributes:
        kind: What it is. Paragraphs are ``TEXT``, in list items and quotes too, and so is HTML that hides nothing.
        start: Index of its first line, from 0.
        end: Index of the line after its last.
        level: Of a heading, 1 to 6.
        heading: Of a heading, its text without markup, at most ``MAX_HEADING`` characters.
        is_cut: Of a heading, whether its text is longer than that.
        indent: Columns before its first character, in a quote those behind its mark too.
        items: The list items that it stands in, the outermost first: the line that each began in, and the column of
            its text.
        opens: How many of them begin with it.
        quotes: How many quotes it stands in.
        is_closed: Of a fence, whether its last line closes it.
        goes_on: Whether it began before the text: see `milvus_rag.markdown.within`.
    """

    kind: Kind
    start: int
    end: int
    level: int = 0
    heading: str = ""
    is_cut: bool = False
    indent: int = 0
    items: tuple[tuple[int, int], ...] = ()
    opens: int = 0
    quotes: int = 0
    is_closed: bool = False
    goes_on: bool = False

    @property
    def is_code(self) -> bool:
        """Whether its lines are code, which is shown to the character."""
        return self.kind is Kind.FENCE or self.kind is Kind.CODE

    @property
    def code(self) -> slice:
        """Which lines are its code, without those that open and close a fence."""
        is_fence = self.kind is Kind.FENCE
        return slice(self.start + (is_fence and not self.goes_on), self.end - (is_fence and self.is_closed))

    def quoted(self, index: int, indent: int, items: tuple[tuple[int, int], ...], opens: int) -> "Block":
        """A block of what is quoted from a line on, as one of the text around the quote."""
        return self._replace(
            kind=Kind.TEXT if self.kind is Kind.HEADING else self.kind,
            start=self.start + index,
            end=self.end + index,
            level=0,
            heading="",
            is_cut=False,
            indent=indent + self.indent,
            items=(*items, *((began + index, column) for began, column in self.items)),
            opens=opens + self.opens,
            quotes=self.quotes + 1,
        )

    def behind(self, line: int) -> "Block":
        """The block as it is in the text from a line on; of what began before, only that is known that it did."""
        goes_on = self.start < line
        return self._replace(
            start=0 if goes_on else self.start - line,
            end=self.end - line,
            items=tuple((began - line, column) for began, column in self.items),
            opens=0 if goes_on else self.opens,
            goes_on=goes_on,
        )


def runs(blocks: Iterable[Block]) -> Iterator[tuple[Block, ...]]:
    """Group blocks that no blank line separates and that make one text: paragraphs, the items of a list, a quote."""
    run: list[Block] = []
    for block in blocks:
        if run and not (run[-1].end == block.start and _is_one_text(run[-1], block)):
            yield tuple(run)
            run = []
        run.append(block)
    if run:
        yield tuple(run)


def _is_one_text(block: Block, following: Block) -> bool:
    if block.quotes or following.quotes:
        return block.quotes > 0 or block.kind is Kind.TEXT
    if following.kind is not Kind.TEXT and following.kind is not Kind.CODE:
        return False
    return block.kind is Kind.TEXT or (block.kind is Kind.CODE and bool(block.items))
