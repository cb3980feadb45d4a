r"""What a piece that was cut out of a text stands in, and how it is read with that.

It is Markdown: what a reader has to have read just before the piece to take each of its lines for what the page has
them for. For a piece from the middle of a fence it is the line that opened it, with the list items around it, whose
text is left out; for the middle of a line it ends with ``…``, and without a line feed::

    1. …

       ```python

What else a reader should know, such as the text of these items, can be said in the same way.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..chunk_keys import LEAD_IN_KEY, WITHIN_KEY
from .block import Block, Kind
from .blocks import scan_blocks
from .lines import fence_marks, indent_of

_WORD = re.compile(r"[^\W\d_]")
# Lines that say what a piece is, and nothing of what it is about.
_OPENING = re.compile(
    r"[> \t]*(?:(?:[-+*\u2022]|\d+[.)])[ \t]+)*(?:```|~~~|<!--|<pre)|[> \t]*<table[^<>]*>\s*$", re.IGNORECASE
)
ELLIPSIS = "\u2026"
# What is longer is cut, and of list items left out, since metadata is stored with every piece.
_MAX_LINE = 256
_MAX_ITEMS = 1024
_MAX_COMMENT = 4096


def opening_of(
    lines: Sequence[str], block: Block, line: int, end: int, column: int = 0, *, has_header: bool = False
) -> str:
    """What a piece stands in.

    Args:
        lines: The lines of the text.
        block: The block of it that the piece begins in.
        line: Index of the line that the piece begins in.
        end: Index of the line after its last.
        column: Where in its first line it begins, in characters.
        has_header: Whether the header of its table stands before the piece already.

    Returns:
        Markdown to be put before the piece.
    """
    begins = line == block.start and not column
    items = block.items[: len(block.items) - block.opens] if begins else block.items
    is_fence = block.kind is Kind.FENCE
    if is_fence and not begins and items and _leaves(lines[line : min(end, block.end)], items[-1][1]):
        return f"{fence_line(lines[block.start][:_MAX_LINE])}\n" + (ELLIPSIS if column else "")
    opened = [item for item in items if not (is_fence and item[0] == block.start)]
    if block.quotes or sum(at for _, at in opened) > _MAX_ITEMS:
        opened = []
    before = "".join(
        f"{lines[began][:at].expandtabs(4)[:at].ljust(at)}{ELLIPSIS}\n"
        for n, (began, at) in enumerate(opened)
        if n + 1 == len(opened) or opened[n + 1][0] != began
    )
    own = "" if begins else _own_opening(lines, block, line, column, has_header=has_header)
    is_paragraph = not begins and block.kind is Kind.TEXT
    if before and not is_paragraph:
        before += "\n"
    if is_paragraph and before:
        return before[:-1] if column else before
    return before + own


def _leaves(lines: Sequence[str], margin: int) -> bool:
    """Whether somebody forgot to indent a line of code; alone, the piece would end the list item with it."""
    starts = (line[:_MAX_ITEMS] for line in lines)
    return any(start.strip() and indent_of(start) < margin for start in starts)


def _own_opening(lines: Sequence[str], block: Block, line: int, column: int, *, has_header: bool) -> str:
    """What opens the block that a piece is from the middle of."""
    # No more of a line is looked at than is kept, since one may be cut into many pieces.
    first = lines[block.start][:_MAX_LINE]
    indent = " " * indent_of(first)
    rest = ELLIPSIS if column else ""
    match block.kind:
        case Kind.FENCE:
            return f"{first.rstrip()}\n" + (rest if line > block.start else "")
        case Kind.COMMENT | Kind.PREFORMATTED:
            mark, end = ("<!--", "-->") if block.kind is Kind.COMMENT else ("<pre>", "</")
            is_last = column and line == block.end - 1
            if is_last and lines[line].find(end, column, column + _MAX_COMMENT) < 0:
                return rest
            return f"{indent}{mark}{rest or chr(10)}"
        case Kind.TABLE:
            if has_header or line < block.start + 2:
                return ""
            header = "".join(f"{part[:_MAX_LINE]}\n" for part in lines[block.start : block.start + 2])
            return header if len(header) <= _MAX_LINE else f"{indent}|\n{indent}|-|\n"
        case Kind.CODE:
            margin = min(block.items[-1][1], _MAX_ITEMS) if block.items else 0
            return f"{'> ' * block.quotes}{' ' * (margin + 4)}{rest}" if column else ""
        case Kind.HEADING:
            is_underlined = block.end - block.start > 1
            return rest or f"{ELLIPSIS}\n" if is_underlined else f"{'#' * block.level} {rest}"
        case _:
            return "> " * block.quotes + (rest or f"{ELLIPSIS}\n")


def scan_piece(lines: Sequence[str], within: str) -> Sequence[Block]:
    """The blocks of a piece, as they are in the text that it was cut from.

    Args:
        lines: The lines of the piece.
        within: What it stands in.

    Returns:
        Blocks in order, those that began before it from its first line on.
    """
    if not within:
        return scan_blocks(lines)
    opening = within.split("\n")
    before = len(opening) - 1
    lines = [*opening[:-1], opening[-1] + lines[0], *lines[1:]]
    return [block.behind(before) for block in scan_blocks(lines) if block.end > before]


def words_of(within: str) -> str:
    """What somebody reads of what a piece stands in: the text of list items, of a lead-in, of a table's header."""
    if not within:
        return ""
    lines = [line for line in within.split("\n") if _WORD.search(line) and not _OPENING.match(line)]
    return "\n".join(lines).replace(ELLIPSIS, "")


def markdown_start(text: str, body_start: int) -> int:
    """Where in a chunk's text its Markdown begins: behind the path of titles, before a table's header.

    Args:
        text: The text of a chunk, as `MarkdownSplitter` makes it.
        body_start: Where its own text begins.
    """
    titles = text.find("\n\n", 0, body_start)
    return titles + 2 if titles >= 0 else 0


def closing_of(text: str, start: int = 0, within: str = "") -> str:
    """What closes the code or the comment that a chunk ends in the middle of; empty for any other.

    Args:
        text: The chunk's text.
        start: Where in it the Markdown begins.
        within: What it stands in.
    """
    last = None
    lines = text[start:].split("\n")
    for block in scan_piece(lines, within):
        last = block
    if last is None:
        return ""
    if last.kind is Kind.COMMENT:
        return "" if "-->" in lines[last.end - 1] else "-->"
    if last.kind is not Kind.FENCE or last.is_closed:
        return ""
    return fence_marks(fence_line(within if last.goes_on else lines[last.start]))


def fence_line(opening: str) -> str:
    """The line that opens a fence, without what it stands in: the last of what a piece stands in, or one of a text."""
    line = opening.rstrip(f"\n{ELLIPSIS}").rpartition("\n")[2]
    return line[min(at for mark in ("```", "~~~") if (at := line.find(mark)) >= 0) :]


def within_of(metadata: Mapping[str, Any]) -> str:
    """What a chunk stands in, as its metadata say."""
    found = metadata.get(WITHIN_KEY)
    return found if isinstance(found, str) else ""


def lead_in_of(metadata: Mapping[str, Any]) -> str:
    """What leads to a chunk, as its metadata say."""
    found = metadata.get(LEAD_IN_KEY)
    return found if isinstance(found, str) else ""
