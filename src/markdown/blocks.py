r"""Markdown as a flat sequence of blocks, found in one pass over the lines.

Splitting, searching and quoting all stand on this reader. The rules are CommonMark's
(https://spec.commonmark.org/0.31.2/) with GitHub's tables, save where real pages mean something else than they
render to:

- A heading indented by at most three spaces is a heading, also below a list item that would contain it. One that stands
  deeper in an item, or in a quote, is a part of the item or quote, and text.
- A fence may be indented to any depth, save below indented code, and be closed by a line that is indented less. One in
  a list item goes on behind a line that somebody forgot to indent, where the next fence of all is the one to close it.
- A fence that is never closed, or is followed by another one that opens before it is, ends at the first heading inside
  of it that stands apart between blank lines, so that no page loses its headings. That is not so for a fence that shows
  Markdown, and for pieces of pages, which often end in the middle of a fence.
- A comment that begins inside a line of text hides what looks like headings until it is closed. Other HTML, save
  preformatted text, hides nothing, and blanks before a tag make no code.
- A table ends at the first line without a bar. Its header has a bar, and any number of cells. It may begin in the
  middle of a list item or a quote without being indented or marked.
- Setext headings are looked for outside of lists and quotes only, and no longer than ``MAX_HEADING``.
- The bullet of word processors begins a list item. What is indented below an admonition or a tab of Python-Markdown
  (``!!! note``, ``=== "Linux"``) belongs to it, and is no code.
- Quotes are looked into ``_MAX_QUOTES`` deep; a list in a quote ends at a line without the quote's mark.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from .block import MAX_HEADING, Block, Kind
from .heading_text import heading_text
from .lines import (
    BULLETS,
    closes_fence,
    ends_raw_html,
    fence_marks,
    heading_level,
    indent_of,
    is_delimiter_row,
    is_example,
    is_html,
    is_raw_html,
    is_tag,
    is_thematic_break,
    item_columns,
    opens_comment,
    opens_container,
)

_MAX_QUOTES = 16


def scan_blocks(lines: Sequence[str], start: int = 0, *, is_whole: bool = False) -> list[Block]:
    r"""Find the blocks of a Markdown text, in linear time.

    Args:
        lines: The text split at ``"\n"``.
        start: Index of the first line to look at, e.g. the one behind the front matter.
        is_whole: Whether it is a page, and no piece of one: then a fence that nobody closed ends at a heading.

    Returns:
        Blocks in order. They cover every line but blank ones between blocks.
    """
    return _Scanner(lines, is_whole=is_whole).blocks(start)


def is_prose(text: str) -> bool:
    """Whether a text has no code, tables and comments for sure, which is quickly seen."""
    return not any(mark in text for mark in _MARKS_OF_OTHERS)


# All blocks other than paragraphs begin with one of these, or, a table, contain a bar.
_MARKS_OF_OTHERS = ("|", "    ", "\t", "```", "~~~", "<!--", "<pre")
_ITEM_MARKS = frozenset(f"{BULLETS}0123456789")
_MARKS = _ITEM_MARKS | frozenset("#`~<>=_!?")
# A block of all its values; its own `__new__` and `_make` are functions of Python's, and take three times as long.
_block: Callable[[tuple[Any, ...]], Block] = partial(tuple.__new__, Block)


class _Scanner:
    def __init__(
        self,
        lines: Sequence[str],
        quotes: int = 0,
        *,
        in_paragraph: bool = False,
        is_whole: bool = False,
    ) -> None:
        self._lines = lines
        self._is_whole = is_whole
        self._quotes = quotes
        self._found: list[Block] = []
        # The text or indented code being read, which ends where it begins.
        self._open = Block(Kind.TEXT, 0, 0) if in_paragraph else None
        self._is_plain = False  # whether that is a paragraph of its own, which an underline makes a heading
        self._items: list[tuple[int, int]] = []  # open list items: where each began, and the column of its text
        self._columns: list[int] = []  # these columns

    def blocks(self, start: int) -> list[Block]:
        lines, count, index = self._lines, len(self._lines), start
        while index < count:
            # The block that begins at a line is read, or the line into the open one; all give the next index. Lines of
            # text, which are most, are taken here, since a call for each takes longer than what is to be done.
            line = lines[index]
            body = line.strip()
            if not body:
                if self._open is not None:
                    self._finish(index)
                if self._items and self._is_below_empty_item(index):
                    self._leave(len(self._items) - 1)
                index += 1
            elif line[0] in " \t" or self._items:
                index = self._read_indented(index, line, body)
            elif body[0] in _MARKS or "|" in line:
                index = self._read_marked(index, line, body, 0, 0)
            elif "<!--" in line:
                index = self._read_text(index, line, body, 0)
            else:
                if self._open is None or self._open.kind is not Kind.TEXT:
                    self._begin(Kind.TEXT, index, 0)
                    self._is_plain = True
                index += 1
        self._finish(index)
        return self._found

    def _read_indented(self, index: int, line: str, body: str) -> int:
        if self._items and self._is_below_empty_item(index):
            self._finish(index)
        indent = indent_of(line)
        inside = bisect_right(self._columns, indent)
        beyond = indent - (self._columns[inside - 1] if inside else 0)
        if beyond < 4:
            if body[0] in _MARKS or "|" in line:
                return self._read_marked(index, line, body, indent, inside)
            if self._open is None or self._open.kind is Kind.CODE:
                self._leave(inside)
            return self._read_text(index, line, body, indent)
        if self._open is None:
            self._leave(inside)
        in_code = self._open is not None and self._open.kind is Kind.CODE
        if body[0] in "`~" and not in_code and (marks := fence_marks(body)):
            return self._read_fence(index, marks, indent, inside)
        if in_code:
            return index + 1
        if body[0] == "<":
            return self._read_marked(index, line, body, indent, inside)
        if self._open is not None:
            return self._read_text(index, line, body, indent)
        self._begin(Kind.CODE, index, indent)
        return index + 1

    def _read_text(self, index: int, line: str, body: str, indent: int, opens: int = 0) -> int:
        """Take a line, and the lines that a comment in it hides, into the text block; return the next index."""
        if self._open is None or opens or self._open.kind is Kind.CODE:
            self._begin(Kind.TEXT, index, indent, opens)
            self._is_plain = not self._items and not is_tag(body)
        if self._is_plain and is_html(body):
            self._is_plain = False
        if "<!--" in line and opens_comment(line) and line.count("`", 0, line.rfind("<!--")) % 2 == 0:
            end = self._comment_end(index)
            if end is not None:
                self._is_plain = False
                return end
        return index + 1

    def _read_marked(self, index: int, line: str, body: str, indent: int, inside: int) -> int:
        """Read a line that may begin something else than a paragraph."""
        mark = body[0]
        if mark == "#" and indent < 4 and (level := heading_level(body)):
            self._leave(inside)
            self._add(_atx_heading(index, body, level))
            return index + 1
        if mark in "=-" and self._is_plain and self._open is not None and not body.strip(mark):
            heading = self._setext_heading(index, 1 if mark == "=" else 2)
            if heading is not None:
                self._open = None
                self._found.append(heading)
                return index + 1
        if mark in "!?=" and opens_container(body):
            self._leave(inside)
            self._add(Block(Kind.TEXT, index, index + 1, indent=indent, items=tuple(self._items)))
            self._items.append((index, indent + 4))
            self._columns.append(indent + 4)
            return index + 1
        if mark in "-_*" and is_thematic_break(body):
            self._leave(inside)
            self._add(Block(Kind.RULE, index, index + 1, indent=indent, items=tuple(self._items)))
            return index + 1
        opens = 0
        if mark in _ITEM_MARKS and (opens := self._open_items(index, line, body, indent, inside)):
            inside = len(self._items)
            line = line.expandtabs(4)
            body = line[self._columns[-1] :].strip()
            if not body or line[self._columns[-1]] == " ":
                self._begin(Kind.CODE if body else Kind.TEXT, index, indent, opens)
                return index + 1
            mark = body[0]
        if mark == ">" and self._quotes < _MAX_QUOTES:
            return self._read_quote(index, indent, inside, opens)
        if mark in "`~" and (marks := fence_marks(body)):
            return self._read_fence(index, marks, self._columns[-1] if opens else indent, inside, opens)
        end = None
        if mark == "<" and (end := self._raw_html_end(index, body)):
            kind = Kind.COMMENT if body.startswith("<!--") else Kind.PREFORMATTED
        elif "|" in line and (end := self._table_end(index)):
            kind = Kind.TABLE
        if end:
            self._leave(inside)
            self._add(Block(kind, index, end, indent=indent, items=tuple(self._items), opens=opens))
            return end
        if self._open is None or self._open.kind is Kind.CODE:
            self._leave(inside)
        return self._read_text(index, line, body, indent, opens)

    def _begin(self, kind: Kind, index: int, indent: int, opens: int = 0) -> None:
        self._finish(index)
        rest = (0, "", False, indent, tuple(self._items), opens, 0, False, False)
        self._open = _block((kind, index, index, *rest))

    def _add(self, block: Block) -> None:
        self._finish(block.start)
        self._found.append(block)

    def _finish(self, end: int) -> None:
        if self._open is not None and end > self._open.start:
            self._found.append(_block((*self._open[:2], end, *self._open[3:])))
        self._open = None
        self._is_plain = False

    def _leave(self, inside: int) -> None:
        """Close list items, all but so many."""
        if inside < len(self._items):
            del self._items[inside:], self._columns[inside:]

    def _open_items(self, index: int, line: str, body: str, indent: int, inside: int) -> int:
        """Open the list items that a line begins; return how many."""
        columns = list(item_columns(line.expandtabs(4).rstrip(), indent))
        # In the middle of a paragraph only a list that begins at one is one, and only with text.
        in_paragraph = self._open is not None and self._open.kind is Kind.TEXT and not self._open.quotes
        if columns and in_paragraph and inside == len(self._items):
            marker = body[: columns[0][0] - indent]
            if len(marker) == len(body) or (marker[0].isdigit() and int(marker[:-1]) != 1):
                return 0
        if columns:
            self._leave(inside)
            self._items += [(index, column) for _, column in columns]
            self._columns += [column for _, column in columns]
        return len(columns)

    def _is_below_empty_item(self, index: int) -> bool:
        began, column = self._items[-1]
        return began == index - 1 and len(self._lines[began].expandtabs(4).rstrip()) < column

    def _read_fence(self, index: int, marks: str, column: int, inside: int, opens: int = 0) -> int:
        self._leave(inside)
        end = self._fence_end(index, marks, column)
        is_closed = (
            end > index + 1 and bool(self._lines[end - 1].strip()) and closes_fence(self._lines[end - 1], marks, column)
        )
        indent, items = indent_of(self._lines[index]), tuple(self._items)
        self._add(Block(Kind.FENCE, index, end, indent=indent, items=items, opens=opens, is_closed=is_closed))
        return end

    def _read_quote(self, index: int, indent: int, inside: int, opens: int) -> int:
        self._leave(inside)
        in_paragraph = self._open is not None and self._open.quotes > 0
        self._finish(index)
        inner = []
        at = self._columns[-1] if opens else indent
        for number in range(index, len(self._lines)):
            line = self._lines[number].expandtabs(4)
            # Before the first mark may be what is no blank of Markdown's, such as a form feed: it is in the quote too.
            line = line[at:].lstrip() if number == index else line.lstrip(" ")
            if not line.startswith(">"):
                break
            inner.append(line[2:] if line.startswith("> ") else line[1:])
        end = index + len(inner)
        last, kind = index, Kind.RULE
        for block in _Scanner(inner, self._quotes + 1, in_paragraph=in_paragraph).blocks(0):
            start = block.start + index
            # What is quoted is covered whole, so blank lines of it are blocks of nothing.
            if start > last:
                self._found.append(Block(Kind.TEXT, last, start, indent=indent, quotes=1))
            self._found.append(block.quoted(index, indent, tuple(self._items), opens if start == index else 0))
            last, kind = block.end + index, block.kind
        if end > last:
            self._found.append(Block(Kind.TEXT, last, end, indent=indent, quotes=1))
        elif kind is Kind.TEXT:
            # A paragraph goes on without the mark.
            self._open = self._found.pop()
        return end

    def _setext_heading(self, index: int, level: int) -> Block | None:
        if self._open is None:
            return None
        # No line of it is empty, so a longer one need not be counted, however often it is underlined.
        start = self._open.start
        if index - start > MAX_HEADING:
            return None
        marked = self._lines[start:index]
        if sum(len(line) for line in marked) > MAX_HEADING:
            return None
        return Block(Kind.HEADING, start, index + 1, level, heading_text(" ".join(marked)), indent=self._open.indent)

    def _fence_end(self, index: int, marks: str, column: int) -> int:
        margin = self._columns[-1] if self._columns else 0
        heading = 0
        # Of an example in Markdown headings and fences are a part.
        may_be_open = self._is_whole and not margin and not is_example(self._lines[index], marks)
        mark, blanks = marks[0], " " * margin
        for number in range(index + 1, len(self._lines)):
            inside = self._lines[number]
            if mark not in inside and inside.startswith(blanks) and not (may_be_open and "#" in inside):
                # A line of code, as nearly all are.
                continue
            body = inside.strip()
            if not body:
                continue
            if body[0] == mark:
                if closes_fence(inside, marks, column):
                    return number + 1
                if heading and body.startswith(marks) and fence_marks(body):
                    return heading
            elif may_be_open and not heading and body[0] == "#" and self._stands_apart(number):
                heading = number
            if margin and indent_of(inside) < margin:
                return self._fence_end_outside(number, marks, column, margin)
        return heading or len(self._lines)

    def _stands_apart(self, number: int) -> bool:
        """Whether a line in a fence that may never be closed is a heading of the page rather than a comment."""
        line = self._lines[number]
        level = heading_level(line)
        if not level or self._lines[number - 1].strip():
            return False
        return level > 1 or number + 1 == len(self._lines) or not self._lines[number + 1].strip()

    def _fence_end_outside(self, index: int, marks: str, column: int, margin: int) -> int:
        """The end of a fence in a list item after a line that leaves the item.

        The item ends there and the fence with it, as if closed. Some writers only forget to indent a line of code,
        though, and then the next fence of all is the indented one that closes it.
        """
        for number in range(index, len(self._lines)):
            line = self._lines[number]
            if marks[:3] in line:
                is_closing = closes_fence(line, marks, column) and indent_of(line) >= margin
                return number + 1 if is_closing else index
        return index

    def _raw_html_end(self, index: int, body: str) -> int | None:
        """The end of a comment or of preformatted HTML, which may hold blank lines."""
        if body.startswith("<!--"):
            if not opens_comment(body):
                return index + 1
            return self._comment_end(index) or (index + 1 if "-->" in body[2:] else len(self._lines))
        if not is_raw_html(body):
            return None
        for number in range(index, len(self._lines)):
            if ends_raw_html(self._lines[number]):
                return number + 1
        return len(self._lines)

    def _comment_end(self, index: int) -> int | None:
        """The index behind the comment that a line leaves open; None when nothing closes it."""
        last = self._last_comment_end
        for number in range(index + 1, last + 1):
            line = self._lines[number]
            if "-->" in line and (number == last or not opens_comment(line)):
                return number + 1
        return None

    def _table_end(self, index: int) -> int | None:
        if index + 1 == len(self._lines) or not is_delimiter_row(self._lines[index + 1].strip()):
            return None
        end = index + 2
        while end < len(self._lines) and "|" in self._lines[end]:
            body = self._lines[end].lstrip(" \t")
            if body.startswith(("```", "~~~", ">", "<!--")) or (body[0] == "#" and heading_level(body)):
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


def _atx_heading(index: int, body: str, level: int) -> Block:
    # What is far over the limit is clipped before the regular expressions see it.
    text = heading_text(body[level : 8 * MAX_HEADING])
    is_cut = max(len(text), len(body) // 8) > MAX_HEADING
    return Block(Kind.HEADING, index, index + 1, level, text[:MAX_HEADING], is_cut)
