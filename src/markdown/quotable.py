"""Markdown cut into the smallest pieces that can be quoted by themselves."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from .block import Block, Kind
from .encoded import without_data
from .front_matter import front_matter_length
from .heading_text import without_endings
from .lines import fence_marks, indent_of
from .noise import without_noise
from .sentences import SENTENCE_MARKS, WIDE_COLON, sentences
from .within import fence_line, scan_piece

# A list item longer than this many characters is cut into its own paragraphs, lists and code blocks.
_LONG_ITEM = 600
# A first line longer than this many characters is a sentence, not a heading.
_LONG_HEADING = 150
# Two rulers farther apart than this many lines are no front matter.
_LONG_FRONT_MATTER = 40

# Tags, a picture or a template's placeholder alone on a line say nothing, nor does a quote's mark. No two quantifiers
# side by side read the same characters: with two, a line of blanks is read in as many ways as it has pairs of them.
_MUTE = re.compile(r"^\s*(?:</?[a-zA-Z][^>]*>\s*)+$|^\s*!\[[^\]]*\]\([^)]*\)\s*$|^\s*\{\{[^}]*\}\}\s*$|^\s*>[\s>]*$")
_MUTE_MARKS = frozenset("<!{>")
_UNSEEN = re.compile(r"\s*<(?:script|style)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quotable:
    """A sentence, list item, table row or code block, as it stands in the text.

    Attributes:
        text: What is quoted.
        block: Number of the paragraph, list, table or code block that it is part of.
        section: Number of the section that it is part of.
        headings: Headings above it, the outermost first.
        table_head: The header lines of its table, which a row is not understood without.
        fence: Of code that begins or ends outside of the text, the line that opens it and the marks that close it, as
            far as they are not part of the text.
        is_heading: It is a heading: worth a quote only where nothing else is.
        is_code: It is code.
        inline: It stands in a paragraph, where blanks separate it from its neighbours.
        is_joined: No blank separates it from the one before, as in Chinese and Japanese.
    """

    text: str
    block: int
    section: int
    headings: tuple[str, ...] = ()
    table_head: str = ""
    is_heading: bool = False
    is_code: bool = False
    inline: bool = False
    is_joined: bool = False
    fence: tuple[str, str] = ("", "")

    @property
    def is_prose(self) -> bool:
        """It is read on from what stands before it: a sentence, an item, a row."""
        return not self.is_code and not self.is_heading

    @property
    def leads_in(self) -> bool:
        """It announces what comes next, as in "There are two types:"."""
        return self.inline and self.text.rstrip(" *_").endswith((":", WIDE_COLON))


def quotables(text: str, headings: tuple[str, ...] = (), *, start: int = 0, within: str = "") -> list[Quotable]:
    """Cut Markdown into sentences, list items, table rows, code blocks and headings.

    Nothing is rewritten, but noise is left out (`milvus_rag.markdown.noise`), the marks of quotes with it, and so are
    front matter, comments, pictures and lines of nothing but tags. A line after a bare ``###``, which is what the
    tutorials' ``split("# ")`` leaves of a heading, is a heading, and so is the first line of the text where a blank
    line and more text follow.

    Args:
        text: A chunk, or chunks joined with line breaks.
        headings: Headings above the text, as far as they are known; the text may repeat them.
        start: Where in it the Markdown begins, behind titles that are none.
        within: What it stands in, see `milvus_rag.markdown.within`.

    Returns:
        The pieces in reading order.
    """
    return list(_Cutter(text[start:].split("\n"), headings, within).cut(text[:start].strip()))


class _Cutter:
    """One pass over the blocks of a text."""

    def __init__(self, lines: list[str], headings: tuple[str, ...], within: str) -> None:
        self._within = within
        self._blocks = list(scan_piece(lines, within))
        self._lines = _for_readers(lines, self._blocks)
        self._given = headings
        self._known = {heading.strip() for heading in headings}
        self._known_path = " > ".join(headings)
        # Index of the last line that is not blank or a mark; -1 for none.
        self._last_text = next((at for at in range(len(lines) - 1, -1, -1) if lines[at].strip(" #")), -1)
        self._path: list[tuple[int, str]] = []
        self._block = self._section = 0

    def cut(self, titles: str) -> Iterator[Quotable]:
        if titles:
            yield self._heading(titles, titles, 6)
            self._block += 1
        at, heading_is_due = 0, not titles and not self._within
        while at < len(self._blocks):
            block = self._blocks[at]
            end = at + 1
            if block.kind is Kind.COMMENT:
                pass
            elif block.kind is Kind.RULE:
                end = self._behind_front_matter(at)
            elif block.kind is Kind.HEADING and not block.heading:
                heading_is_due = True
            elif block.kind is Kind.HEADING:
                yield self._heading(self._marked(block), block.heading, block.level)
                heading_is_due = False
                self._block += 1
            elif block.opens:
                end = self._list_end(at)
                yield from self._items(at, end)
                heading_is_due = False
                self._block += 1
            elif block.kind is Kind.TEXT:
                for first, last in self._paragraphs(block):
                    yield from self._paragraph(first, last, due=heading_is_due)
                    heading_is_due = False
                    self._block += 1
            else:
                end = self._code_end(at)
                yield from self._whole(block, self._blocks[end - 1].end)
                heading_is_due = False
                self._block += 1
            at = end

    def _text(self, start: int, end: int) -> str:
        return "\n".join(self._lines[start:end]).rstrip()

    def _marked(self, heading: Block) -> str:
        """What is quoted of a heading: its text as it stands there, without its marks."""
        lines = self._lines[heading.start : heading.end]
        return without_endings(lines[0].strip()[heading.level :]) if len(lines) == 1 else "\n".join(lines[:-1]).strip()

    def _behind_front_matter(self, at: int) -> int:
        """The block behind a rule, and behind the front matter that it may open where chunks were joined."""
        start = self._blocks[at].start
        end = start + front_matter_length(list(islice(self._lines, start, start + _LONG_FRONT_MATTER + 2)))
        at += 1
        while at < len(self._blocks) and self._blocks[at].start < end:
            at += 1
        return at

    def _paragraphs(self, block: Block) -> Iterator[tuple[int, int]]:
        """The lines of a text between those that say nothing."""
        start = block.start
        for number in range(block.start, block.end):
            if _is_mute(self._lines[number]):
                if number > start:
                    yield start, number
                start = number + 1
        if block.end > start:
            yield start, block.end

    def _paragraph(self, start: int, end: int, *, due: bool) -> Iterator[Quotable]:
        line = self._lines[start].strip()
        if self._is_known(line) or (due and self._is_heading(start, end)):
            yield self._heading(line, line, 6)
            start += 1
        text = self._text(start, end)
        at = 0
        for sentence in sentences(text):
            begins = text.find(sentence, at)
            yield self._piece(sentence, inline=True, is_joined=0 < begins == at)
            at = begins + len(sentence)

    def _is_heading(self, start: int, end: int) -> bool:
        """Whether a line that may be a heading without marks looks like one, and has text below it."""
        line = self._lines[start]
        if end - start > 1 or (end < len(self._lines) and self._lines[end].strip()):
            return False
        if (
            "|" in line
            or line.lstrip().startswith("#")
            or len(line) > _LONG_HEADING
            or line.rstrip().endswith(SENTENCE_MARKS)
        ):
            return False
        return end <= self._last_text

    def _heading(self, text: str, name: str, level: int) -> Quotable:
        self._section += 1
        if self._is_known(name):
            self._path = []
        else:
            self._path = [*(entry for entry in self._path if entry[0] < level), (level, name)]
        return Quotable(text, self._block, self._section, self._headings, is_heading=True)

    def _is_known(self, line: str) -> bool:
        """Whether a line repeats headings that are given: one of them, or their path with or without a title."""
        path = self._known_path
        return line in self._known or (
            bool(path) and (f" > {path}".endswith(f" > {line}") or line.endswith(f" > {path}"))
        )

    @property
    def _headings(self) -> tuple[str, ...]:
        return (*self._given, *(name for _, name in self._path))

    def _code_end(self, at: int) -> int:
        """The block behind indented code, of which blank lines make several."""
        end = at + 1
        if self._blocks[at].kind is Kind.CODE:
            while end < len(self._blocks) and self._blocks[end].kind is Kind.CODE and not self._blocks[end].opens:
                end += 1
        return end

    def _whole(self, block: Block, end: int) -> Iterator[Quotable]:
        """Pieces of a code block or a table."""
        if block.kind is Kind.TABLE:
            rows = block.start if block.goes_on else block.start + 2
            head = self._header() if block.goes_on else "\n".join(self._lines[block.start : rows])
            yield from (self._piece(row, table_head=head) for row in self._lines[rows : block.end])
        elif block.kind is Kind.FENCE:
            opening = fence_line(self._within if block.goes_on else self._lines[block.start])
            closing = "" if block.is_closed else fence_marks(opening)
            text = self._text(block.start, end)
            yield self._piece(text, is_code=True, fence=(opening if block.goes_on else "", closing))
        elif not _UNSEEN.match(self._lines[block.start]):
            yield self._piece(self._text(block.start, end), is_code=block.is_code)

    def _header(self) -> str:
        """The header of the table that the text stands in, as far as it is known."""
        head = self._within.rstrip("\n").split("\n")[-2:]
        return "\n".join(head) if head[0].strip(" |") else ""

    def _list_end(self, at: int) -> int:
        indent = self._blocks[at].indent
        end = at + 1
        while end < len(self._blocks) and self._blocks[end].kind is not Kind.HEADING:
            if not self._blocks[end].opens and self._blocks[end].indent <= indent:
                break
            end += 1
        return end

    def _items(self, at: int, end: int) -> Iterator[Quotable]:
        indent = self._blocks[at].indent
        first = at
        for after in range(at + 1, end + 1):
            if after < end and not (self._blocks[after].opens and self._blocks[after].indent <= indent):
                continue
            yield from self._item(self._blocks[first:after])
            first = after

    def _item(self, blocks: Sequence[Block]) -> Iterator[Quotable]:
        start, end = blocks[0].start, blocks[-1].end
        while end > start + 1 and _is_mute(last := self._lines[end - 1]) and indent_of(last) <= blocks[0].indent:
            end -= 1
        item = self._text(start, end)
        if len(item) <= _LONG_ITEM:
            yield self._piece(item)
            return
        part = 0
        while part < len(blocks):
            block, after = blocks[part], part + 1
            if part and block.opens:
                while after < len(blocks) and (blocks[after].opens or blocks[after].indent > block.indent):
                    after += 1
            if block.kind is Kind.TEXT and not (part and block.opens):
                yield from (self._piece(self._text(first, last)) for first, last in self._paragraphs(block))
            elif block.kind is not Kind.COMMENT:
                yield self._piece(self._text(block.start, blocks[after - 1].end))
            part = after

    def _piece(
        self,
        text: str,
        *,
        table_head: str = "",
        inline: bool = False,
        is_joined: bool = False,
        is_code: bool = False,
        fence: tuple[str, str] = ("", ""),
    ) -> Quotable:
        return Quotable(
            text,
            self._block,
            self._section,
            self._headings,
            table_head,
            inline=inline,
            is_joined=is_joined,
            is_code=is_code,
            fence=fence,
        )


def _for_readers(lines: list[str], blocks: Sequence[Block]) -> list[str]:
    """The lines without noise; as many of them."""
    kept = lines
    for block in blocks:
        text = "\n".join(lines[block.start : block.end])
        is_read = block.kind is Kind.TEXT or block.kind is Kind.TABLE
        quiet = without_noise(text) if is_read else without_data(text)
        if quiet != text:
            kept = list(lines) if kept is lines else kept
            own = quiet.split("\n")
            kept[block.start : block.end] = [*own, *[""] * (block.end - block.start - len(own))]
    return kept


def _is_mute(line: str) -> bool:
    return line.lstrip()[:1] in _MUTE_MARKS and _MUTE.match(line) is not None
