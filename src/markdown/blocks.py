r"""Markdown as a flat sequence of blocks, found in one pass over the lines.

What counts is where a text may be cut and which lines are headings. The rules are CommonMark's
(https://spec.commonmark.org/0.31.2/) with GitHub's tables, save where real pages mean something else than they
render to:

- A heading indented by at most three spaces is a heading, also below a list item that would contain it.
- A fence may be indented to any depth and be closed by a line that is indented less.
- A comment that begins inside a line of text hides what looks like headings until it is closed. Other HTML, save
  preformatted text, hides nothing.
- A table ends at the first line without a bar.
- Setext headings are looked for outside of lists and quotes only, and no longer than ``MAX_HEADING``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from .front_matter import front_matter_length
from .heading_text import heading_text

MAX_HEADING = 256
"""Longest heading text, in characters. It goes in front of every chunk below it, so it must stay short."""


class Kind(Enum):
    """What a block is."""

    HEADING = "heading"
    FENCE = "fence"
    TABLE = "table"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Block:
    """A run of lines that belong together.

    Attributes:
        kind: What it is. Paragraphs, lists, quotes, HTML, comments and thematic breaks are all ``TEXT``.
        start: Index of its first line, from 0.
        end: Index of the line after its last.
        level: Of a heading, 1 to 6.
        heading: Of a heading, its text without markup, at most ``MAX_HEADING`` characters.
        is_cut: Of a heading, whether its text is longer than that.
    """

    kind: Kind
    start: int
    end: int
    level: int = 0
    heading: str = ""
    is_cut: bool = False


def scan_blocks(lines: Sequence[str], start: int = 0) -> Iterator[Block]:
    r"""Find the blocks of a Markdown text, in linear time.

    Args:
        lines: The text split at ``"\n"``.
        start: Index of the first line to look at, e.g. the one behind the front matter.

    Yields:
        Blocks in order. They cover every line but blank ones between blocks.
    """
    return _Scanner(lines).blocks(start)


def first_heading(lines: Sequence[str]) -> str | None:
    """The text of the first heading behind the front matter, or None."""
    blocks = scan_blocks(lines, front_matter_length(lines))
    return next((block.heading for block in blocks if block.heading), None)


_ITEM_MARKS = frozenset("-+*0123456789")
# All blocks other than paragraphs begin with one of these, or, a table, contain a bar.
_MARKS = _ITEM_MARKS | frozenset("#`~<>=_")

_LIST_ITEM = re.compile(r"[ \t]*(?:(?:[-+*]|\d{1,9}[.)])(?:[ \t]+|$))*")
_DELIMITER_ROW = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?")
_RAW_HTML = re.compile(r"<(?:pre|script|style|textarea)(?:[\s>]|$)", re.IGNORECASE)
_RAW_HTML_END = re.compile(r"</(?:pre|script|style|textarea)>", re.IGNORECASE)
_HTML_BLOCK = re.compile(
    r"</?(?:address|article|aside|blockquote|body|center|dd|details|dialog|div|dl|dt|fieldset|figcaption|figure"
    r"|footer|form|h[1-6]|head|header|hr|html|iframe|legend|li|link|main|menu|nav|ol|option|p|section|summary|table"
    r"|tbody|td|tfoot|th|thead|title|tr|ul)(?:[\s/>]|$)|<[!?]",
    re.IGNORECASE,
)
_TAG_ALONE = re.compile(r"</?[A-Za-z][^<>]*>$")


class _Scanner:
    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._text_start: int | None = None  # first line of the text block being read
        self._is_plain = False  # whether that block is a paragraph of its own, which an underline makes a heading
        self._is_code = False  # whether that block is indented code
        self._list_column = 0  # where the text of the outermost open list item begins, 0 outside of lists

    def blocks(self, start: int) -> Iterator[Block]:
        index = start
        while index < len(self._lines):
            line = self._lines[index]
            body = line.strip()
            if not body:
                yield from self._finish_text(index)
                index += 1
                continue
            indent = _indent(line)
            block = self._block(index, line, body, indent) if body[0] in _MARKS or "|" in line else None
            if block is not None:
                if block.start != self._text_start:
                    yield from self._finish_text(index)
                self._text_start = None
                if block.kind is Kind.HEADING:
                    self._list_column = 0
                yield block
                index = block.end
                continue
            if self._is_code and indent < 4:
                yield from self._finish_text(index)
            index = self._read_text(index, line, body, indent)
        yield from self._finish_text(index)

    def _finish_text(self, end: int) -> Iterator[Block]:
        if self._text_start is not None:
            yield Block(Kind.TEXT, self._text_start, end)
        self._text_start = None
        self._is_code = False

    def _read_text(self, index: int, line: str, body: str, indent: int) -> int:
        """Take a line, and the lines that a comment in it hides, into the text block; return the next index."""
        in_list = self._is_in_list(indent)
        item_end = _item_end(line, body)
        if self._text_start is None:
            self._text_start = index
            self._is_plain = indent < 4 and not in_list and not _TAG_ALONE.match(body)
            self._is_code = indent > 3 and not in_list and not item_end
        if item_end and not in_list:
            self._list_column = _columns(line[:item_end])
        if item_end or body[0] == ">" or (body[0] == "<" and _HTML_BLOCK.match(body)):
            self._is_plain = False
        end = index + 1
        if _opens_comment(line) and line.count("`", 0, line.rfind("<!--")) % 2 == 0:
            end = self._comment_end(index) or end
            self._is_plain = self._is_plain and end == index + 1
        return end

    def _is_in_list(self, indent: int) -> bool:
        if indent < self._list_column:
            self._list_column = 0
        return self._list_column > 0

    def _block(self, index: int, line: str, body: str, indent: int) -> Block | None:
        """The block that begins at this line, or that this line ends by underlining it; None for text."""
        mark = body[0]
        if mark == "#" and indent < 4:
            return _atx_heading(index, body)
        if mark in "=-" and indent < 4 and self._is_plain and not body.strip(mark):
            heading = self._setext_heading(index, 1 if mark == "=" else 2)
            if heading is not None:
                return heading
        if mark in "-_*" and indent < 4 and _is_thematic_break(body):
            return Block(Kind.TEXT, index, index + 1)
        if mark in "`~" or mark in _ITEM_MARKS:
            end = self._fence_end(index, line, body, indent)
            if end is not None:
                return Block(Kind.FENCE, index, end)
        if mark == "<":
            end = self._raw_html_end(index, body)
            if end is not None:
                return Block(Kind.TEXT, index, end)
        if "|" in line:
            end = self._table_end(index)
            if end is not None:
                return Block(Kind.TABLE, index, end)
        return None

    def _setext_heading(self, index: int, level: int) -> Block | None:
        if self._text_start is None:
            return None
        # No line of it is empty, so a longer one need not be counted, however often it is underlined.
        if index - self._text_start > MAX_HEADING:
            return None
        marked = self._lines[self._text_start : index]
        if sum(len(line) for line in marked) > MAX_HEADING:
            return None
        return Block(Kind.HEADING, self._text_start, index + 1, level, heading_text(" ".join(marked)))

    def _fence_end(self, index: int, line: str, body: str, indent: int) -> int | None:
        start = _item_end(line, body) or len(line) - len(line.lstrip(" \t"))
        opening = line[start:]
        mark = opening[:1]
        length = len(opening) - len(opening.lstrip(mark)) if mark and mark in "`~" else 0
        if length < 3 or (mark == "`" and "`" in opening[length:]):
            return None
        column = _columns(line[:start])
        if not self._is_in_list(indent) and body[0] in _ITEM_MARKS:
            self._list_column = column
        for number in range(index + 1, len(self._lines)):
            inside = self._lines[number]
            if not inside.strip():
                continue
            if _closes_fence(inside, mark, length, column):
                return number + 1
            if _indent(inside) < self._list_column:
                return self._fence_end_outside(number, mark, length, column)
        return len(self._lines)

    def _fence_end_outside(self, index: int, mark: str, length: int, column: int) -> int:
        """The end of a fence in a list item after a line that leaves the item.

        The item ends there and the fence with it, as if closed. Some writers only forget to indent a line of code,
        though, and then the next fence of all is the indented one that closes it.
        """
        for number in range(index, len(self._lines)):
            line = self._lines[number]
            if mark * 3 in line:
                is_closing = _closes_fence(line, mark, length, column) and _indent(line) >= self._list_column
                return number + 1 if is_closing else index
        return index

    def _raw_html_end(self, index: int, body: str) -> int | None:
        """The end of a comment or of preformatted HTML, which may hold blank lines."""
        if body.startswith("<!--"):
            if not _opens_comment(body):
                return index + 1
            return self._comment_end(index) or (index + 1 if "-->" in body[2:] else len(self._lines))
        if not _RAW_HTML.match(body):
            return None
        for number in range(index, len(self._lines)):
            if _RAW_HTML_END.search(self._lines[number]):
                return number + 1
        return len(self._lines)

    def _comment_end(self, index: int) -> int | None:
        """The index behind the comment that a line leaves open; None when nothing closes it."""
        last = self._last_comment_end
        for number in range(index + 1, last + 1):
            line = self._lines[number]
            if "-->" in line and (number == last or not _opens_comment(line)):
                return number + 1
        return None

    def _table_end(self, index: int) -> int | None:
        if index + 1 == len(self._lines):
            return None
        delimiters = self._lines[index + 1].strip()
        if "|" not in delimiters or not _DELIMITER_ROW.fullmatch(delimiters):
            return None
        end = index + 2
        while end < len(self._lines) and "|" in self._lines[end]:
            body = self._lines[end].lstrip(" \t")
            if body.startswith(("```", "~~~", ">", "<!--")) or (body[0] == "#" and _atx_heading(end, body)):
                break
            end += 1
        return end

    @cached_property
    def _last_comment_end(self) -> int:
        """Index of the last line that could close a comment, -1 for none: what is never closed costs one look only."""
        index = len(self._lines) - 1
        while index >= 0 and "-->" not in self._lines[index]:
            index -= 1
        return index


def _atx_heading(index: int, body: str) -> Block | None:
    level = len(body) - len(body.lstrip("#"))
    if level > 6 or body[level : level + 1].strip():
        return None
    # What is far over the limit is clipped before the regular expressions see it.
    text = heading_text(body[level : 8 * MAX_HEADING])
    return Block(
        Kind.HEADING, index, index + 1, level, text[:MAX_HEADING], max(len(text), len(body) // 8) > MAX_HEADING
    )


def _is_thematic_break(body: str) -> bool:
    return body.count(body[0]) >= 3 and not body.strip(body[0] + " \t")


def _closes_fence(line: str, mark: str, length: int, column: int) -> bool:
    body = line.strip()
    return body[0] == mark and len(body) >= length and not body.strip(mark) and _indent(line) < column + 4


def _item_end(line: str, body: str) -> int:
    """Where the text of a list item begins in its first line; 0 when the line begins none."""
    if body[0] not in _ITEM_MARKS:
        return 0
    match = _LIST_ITEM.match(line)
    end = match.end() if match else 0
    return end if end > len(line) - len(line.lstrip(" \t")) else 0


def _opens_comment(line: str) -> bool:
    start = line.rfind("<!--")
    return start >= 0 and line.find("-->", start + 2) < 0


def _indent(line: str) -> int:
    if line[0] not in " \t":
        return 0
    return _columns(line[: len(line) - len(line.lstrip(" \t"))])


def _columns(text: str) -> int:
    return len(text.expandtabs(4))
