"""What a reader has to have read before a piece of a section: the list item or the line that leads to it, a header."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from ..markdown.block import Block, Kind
from ..markdown.encoded import without_data
from ..markdown.sentences import WIDE_COLON, sentences

# It is stored with every piece, so no more is kept of a line, and of all of it.
_LONGEST_LINE, _LONGEST = 200, 400
# So far back a list is followed to the line that leads to it, in blocks; and a table's header goes on, in lines.
_FARTHEST, _TALLEST = 500, 30
_TABLE_START = re.compile(r"<table[\s>]", re.IGNORECASE)
_TABLE_END = re.compile(r"</table\s*>", re.IGNORECASE)
_ROW_END = re.compile(r"</(?:tr|thead)\s*>", re.IGNORECASE)
_TABLE_TAG = re.compile(r"<(?:table|thead|colgroup|col)\b[^<>]*>", re.IGNORECASE)


def lead_in(
    lines: Sequence[str],
    blocks: Sequence[Block],
    headers: Sequence[tuple[int, int, str]],
    line: int,
    *,
    is_inside: bool,
) -> str:
    """What leads to a piece.

    Args:
        lines: The lines of the text.
        blocks: The blocks of the piece's section.
        headers: Of the text, as `table_headers` finds them.
        line: Index of the line that the piece begins in.
        is_inside: Whether it begins in the middle of that line.

    Returns:
        Lines of the source, as Markdown: the innermost last. Empty where the piece begins with what leads to it.
    """
    if header := _header_at(headers, line):
        return header
    at = bisect_right(blocks, line, key=attrgetter("start")) - 1
    block = blocks[at]
    begins = line == block.start and not is_inside
    items = [began for began, _ in (block.items[: len(block.items) - block.opens] if begins else block.items)]
    found = [lines[began] for began in dict.fromkeys(items) if began < line]
    if block.items or (not begins and block.is_code):
        found.insert(0, _leading_line(lines, blocks, at))
    shown = [without_data(part.rstrip()[:_LONGEST_LINE]) for part in found if part.strip()]
    while sum(map(len, shown)) > _LONGEST:
        shown.pop(0)
    return "\n".join(shown)


def table_headers(lines: Sequence[str]) -> list[tuple[int, int, str]]:
    """The header rows of the tables in HTML: the line behind each, the line that its table ends in, and its text."""
    found: list[tuple[int, int, str]] = []
    at = 0
    while at < len(lines):
        if not ("<" in lines[at] and _TABLE_START.search(lines[at])):
            at += 1
            continue
        rows = range(at, min(at + _TALLEST, len(lines)))
        end = next((row for row in rows if _ROW_END.search(lines[row])), None)
        close = next((row for row in range(at, len(lines)) if _TABLE_END.search(lines[row])), len(lines) - 1)
        if end is not None and end < close:
            header = " ".join(" ".join(line.strip() for line in lines[at : end + 1]).split())
            found.append((end + 1, close, _TABLE_TAG.sub("", header).strip()[:_LONGEST]))
        at = close + 1
    return found


def _header_at(headers: Sequence[tuple[int, int, str]], line: int) -> str:
    at = bisect_right(headers, line, key=lambda header: header[0]) - 1
    return headers[at][2] if at >= 0 and line <= headers[at][1] else ""


def _leading_line(lines: Sequence[str], blocks: Sequence[Block], at: int) -> str:
    """The sentence with a colon at its end that leads to a list or to code."""
    before = at - 1
    while before >= max(0, at - _FARTHEST) and blocks[at].items and blocks[before].items:
        before -= 1
    if before < 0 or blocks[before].kind is not Kind.TEXT or blocks[before].items:
        return ""
    # A paragraph may be long; what leads on is at its end.
    text = "\n".join(lines[max(blocks[before].start, blocks[before].end - 3) : blocks[before].end]).rstrip()
    if not text.rstrip("*_ ").endswith((":", WIDE_COLON)):
        return ""
    return " ".join(sentences(text[-_LONGEST_LINE:])[-1].split())
