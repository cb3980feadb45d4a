"""Markdown cut into the smallest pieces that can be quoted by themselves."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A list item longer than this many characters is cut into its own paragraphs, lists and code blocks.
_LONG_ITEM = 600
# A first line longer than this many characters is a sentence, not a heading.
_LONG_HEADING = 150
# Two rulers farther apart than this many lines are no front matter.
_LONG_FRONT_MATTER = 40
# A comment that is not closed within this many lines is none.
_LONG_COMMENT = 1000

# No two quantifiers side by side read the same characters: with two, a line of blanks is read in as many ways as it has
# pairs of them, and the process stands still.
_FENCE = re.compile(r"^\s*(?P<marks>`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}(?P<marks>#{1,6})[ \t](?P<text>.*)")
_BARE_MARKS = re.compile(r"^\s*#+\s*$")
_UNDERLINE = re.compile(r"^ {0,3}(?:=+|-{2,})\s*$")
_RULER = re.compile(r"^ {0,3}(?P<mark>[-*_])\s*(?:(?P=mark)\s*){2,}$")
_FIELD = re.compile(r"^\w[\w-]*:")
_ITEM = re.compile(r"^(?P<indent>\s*)(?:[-*+•]|\d{1,9}[.)])\s+\S")
_RULER_CELL = re.compile(r":?-+:?")
# Tags, a picture or a template's placeholder alone on a line say nothing.
_MUTE = re.compile(r"^\s*(?:</?[a-zA-Z][^>]*>\s*)+$|^\s*!\[[^\]]*\]\([^)]*\)\s*$|^\s*\{\{[^}]*\}\}\s*$")
# Written as escapes: Chinese and Japanese comma, full stop, exclamation and question mark, colon, semicolon, and the
# quotation marks and brackets that may follow a stop.
_WIDE_COLON = "\uff1a"
_WIDE_STOPS = "\u3002\uff01\uff1f\uff0e"
_WIDE_CLOSING = "\u300d\u300f\u201d\u2019\uff09"
_SENTENCE_MARKS = (*".:,;!", *"\u3002\uff01\uff0e\uff0c\uff1b", _WIDE_COLON)

# A lower-case letter goes on with the sentence: "v2.4. and later", "etc. are".
_STOP = re.compile(
    r"(?<![.!?\u2026])(?P<marks>[.!?\u2026]+[\"'\u201d\u2019)\]*_`]*)\s+(?=[^\sa-z)\]])"
    rf"|[{_WIDE_STOPS}]+[{_WIDE_CLOSING})]*\s*(?=\S)"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:e\.g|i\.e|cf|vs|approx|resp|incl|fig|eq|no|st|dr|mr|mrs|ms|prof|[a-z])\.$", re.IGNORECASE
)
_CODE_SPAN = re.compile(r"`+[^`]*`+")


@dataclass(frozen=True, slots=True)
class Quotable:
    """A sentence, list item, table row or code block, to the character as it stands in the text.

    Attributes:
        text: What is quoted.
        block: Number of the paragraph, list, table or code block that it is part of.
        section: Number of the section that it is part of.
        headings: Headings above it, the outermost first.
        table_head: The header lines of its table, which a row is not understood without.
        is_heading: It is a heading: worth a quote only where nothing else is.
        inline: It stands in a paragraph, where blanks separate it from its neighbours.
    """

    text: str
    block: int
    section: int
    headings: tuple[str, ...] = ()
    table_head: str = ""
    is_heading: bool = False
    inline: bool = False

    @property
    def leads_in(self) -> bool:
        """It announces what comes next, as in "There are two types:"."""
        return self.inline and self.text.rstrip(" *_").endswith((":", _WIDE_COLON))


def quotables(text: str, headings: tuple[str, ...] = ()) -> list[Quotable]:
    """Cut Markdown into sentences, list items, table rows, code blocks and headings.

    Nothing is rewritten. Front matter, comments, pictures and lines of nothing but tags are left out. A line after a
    bare ``###``, which is what the tutorials' ``split("# ")`` leaves of a heading, is a heading, and so is the first
    line of the text where a blank line and more text follow.

    Args:
        text: A chunk, or chunks joined with line breaks.
        headings: Headings above the text, as far as they are known; the text may repeat them.

    Returns:
        The pieces in reading order.
    """
    return list(_Cutter(text.split("\n"), headings).cut())


def sentences(paragraph: str) -> list[str]:
    """Cut a paragraph into sentences, without the blanks between them."""
    spans = [match.span() for match in _CODE_SPAN.finditer(paragraph)]
    found, start, span = [], 0, 0
    for stop in _STOP.finditer(paragraph):
        while span < len(spans) and spans[span][1] - 1 <= stop.start():
            span += 1
        if span < len(spans) and spans[span][0] < stop.start():
            continue
        if stop["marks"] == "." and _ABBREVIATION.search(paragraph[max(start, stop.start() - 12) : stop.start() + 1]):
            continue
        found.append(paragraph[start : stop.end()].strip())
        start = stop.end()
    return [sentence for sentence in (*found, paragraph[start:].strip()) if sentence]


class _Cutter:
    """One pass over the lines of a text."""

    def __init__(self, lines: list[str], headings: tuple[str, ...]) -> None:
        self._lines = lines
        self._given = headings
        self._known = {heading.strip() for heading in headings}
        self._path: list[tuple[int, str]] = []
        self._block = self._section = 0

    def cut(self) -> Iterator[Quotable]:
        lines, at, heading_is_due = self._lines, 0, True
        while at < len(lines):
            if (after := _skipped(lines, at)) > at:
                heading_is_due = heading_is_due or bool(_BARE_MARKS.match(lines[at]))
                at = after
                continue
            level = self._heading_level(at, due=heading_is_due)
            heading_is_due = False
            if level is not None:
                yield self._heading(lines[at], level)
                at += 2 if at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1]) else 1
            else:
                end = _block_end(lines, at)
                yield from self._pieces(at, end)
                at = end
            self._block += 1

    def _heading_level(self, at: int, *, due: bool) -> int | None:
        line = self._lines[at]
        if match := _HEADING.match(line):
            return len(match["marks"])
        if self._is_known(line.strip()):
            return 6
        if _ITEM.match(line) or _FENCE.match(line) or "|" in line:
            return None
        following = self._lines[at + 1] if at + 1 < len(self._lines) else ""
        if _UNDERLINE.match(following):
            return 1 if "=" in following else 2
        if not due or following.strip() or len(line) > _LONG_HEADING or line.rstrip().endswith(_SENTENCE_MARKS):
            return None
        return 6 if any(other.strip(" #") for other in self._lines[at + 1 :]) else None

    def _heading(self, line: str, level: int) -> Quotable:
        match = _HEADING.match(line)
        name = _heading_text(match["text"]) if match else line.strip()
        self._section += 1
        if self._is_known(name):
            self._path = []
        else:
            self._path = [*(entry for entry in self._path if entry[0] < level), (level, name)]
        return Quotable(name, self._block, self._section, self._headings, is_heading=True)

    def _is_known(self, line: str) -> bool:
        """Whether a line repeats headings that are given: one of them, or their path with or without a title."""
        path = " > ".join(self._given)
        return line in self._known or (
            bool(path) and (f" > {path}".endswith(f" > {line}") or line.endswith(f" > {path}"))
        )

    @property
    def _headings(self) -> tuple[str, ...]:
        return (*self._given, *(name for _, name in self._path))

    def _pieces(self, begin: int, end: int) -> Iterator[Quotable]:
        """Pieces of one block."""
        lines = self._lines[begin:end]
        whole = "\n".join(lines).rstrip()
        if _FENCE.match(lines[0]):
            yield self._piece(whole)
        elif _is_table(lines, 0):
            head = "\n".join(lines[:2])
            yield from (self._piece(row, table_head=head) for row in lines[2:])
        elif _ITEM.match(lines[0]):
            yield from self._items(lines)
        else:
            yield from (self._piece(sentence, inline=True) for sentence in sentences(whole))

    def _items(self, lines: list[str]) -> Iterator[Quotable]:
        at = 0
        while at < len(lines):
            end = _item_end(lines, at)
            item = "\n".join(lines[at:end]).rstrip()
            if len(item) <= _LONG_ITEM:
                yield self._piece(item)
            else:
                yield from self._parts(lines[at:end])
            at = end

    def _parts(self, item: list[str]) -> Iterator[Quotable]:
        """Paragraphs, lists and code blocks of one item."""
        at = _paragraph_end(item, 0)
        yield self._piece("\n".join(item[:at]).rstrip())
        while at < len(item):
            if (after := _skipped(item, at)) == at:
                after = _block_end(item, at)
                yield self._piece("\n".join(item[at:after]).rstrip())
            at = after

    def _piece(self, text: str, *, table_head: str = "", inline: bool = False) -> Quotable:
        return Quotable(text, self._block, self._section, self._headings, table_head, inline=inline)


def _skipped(lines: list[str], at: int) -> int:
    """Where what says nothing ends: blank lines, marks, tags, comments, rulers, front matter. `at` when it speaks."""
    line = lines[at]
    if not line.strip() or _MUTE.match(line) or _BARE_MARKS.match(line):
        return at + 1
    if line.lstrip().startswith("<!--"):
        return next((i for i in range(at, min(at + _LONG_COMMENT, len(lines))) if "-->" in lines[i]), at) + 1
    if not _RULER.match(line):
        return at
    following = lines[at + 1 : at + 1 + _LONG_FRONT_MATTER]
    if line.strip() == "---" and following and _FIELD.match(following[0]):
        close = next((i for i, other in enumerate(following) if _RULER.match(other)), -1)
        return at + close + 2
    return at + 1


def _block_end(lines: list[str], at: int) -> int:
    """First line after the code block, table, list or paragraph that begins at a line."""
    if _FENCE.match(lines[at]):
        return _fence_end(lines, at)
    if _is_table(lines, at):
        return next((i for i in range(at + 2, len(lines)) if "|" not in lines[i]), len(lines))
    if _ITEM.match(lines[at]):
        end = at
        while end < len(lines) and _ITEM.match(lines[end]):
            end = _item_end(lines, end)
        return end
    return _paragraph_end(lines, at)


def _fence_end(lines: list[str], at: int) -> int:
    match = _FENCE.match(lines[at])
    marks = match["marks"] if match else "```"
    closing = re.compile(rf"^\s*{re.escape(marks[0])}{{{len(marks)},}}\s*$")
    return next((i for i in range(at + 1, len(lines)) if closing.match(lines[i])), len(lines) - 1) + 1


def _is_table(lines: list[str], at: int) -> bool:
    return "|" in lines[at] and at + 1 < len(lines) and "|" in lines[at + 1] and _is_table_ruler(lines[at + 1])


def _is_table_ruler(line: str) -> bool:
    """Whether a line is a table's ``|---|:-:|``."""
    cells = line.strip().removeprefix("|").removesuffix("|").split("|")
    return all(_RULER_CELL.fullmatch(cell.strip()) for cell in cells)


def _heading_text(text: str) -> str:
    """What follows a heading's marks, without the closing ones and without an anchor (``{#id}``)."""
    text = text.strip()
    if text.endswith("}"):
        before, mark, anchor = text[:-1].rpartition("{#")
        text = before.rstrip() if mark and "}" not in anchor else text
    return text.rstrip("#").rstrip()


def _item_end(lines: list[str], at: int) -> int:
    """First line after a list item and all that is nested in it; trailing blank lines included."""
    indent = _indent(lines[at])
    end, was_blank = at + 1, False
    while end < len(lines):
        line = lines[end]
        blank = not line.strip()
        if not blank:
            nested = _indent(line) > indent
            if not nested and (was_blank or _begins_block(lines, end)):
                break
            if _FENCE.match(line):
                end, was_blank = _fence_end(lines, end), False
                continue
        was_blank = blank
        end += 1
    return end


def _paragraph_end(lines: list[str], at: int) -> int:
    return next((i for i in range(at + 1, len(lines)) if _begins_block(lines, i)), len(lines))


def _begins_block(lines: list[str], at: int) -> bool:
    """Whether a line ends the paragraph before it."""
    return (
        bool(_HEADING.match(lines[at]) or _FENCE.match(lines[at]) or _ITEM.match(lines[at]))
        or _skipped(lines, at) > at
        or _is_table(lines, at)
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
