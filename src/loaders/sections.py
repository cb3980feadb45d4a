"""Sections of a Markdown text: what stands between one heading and the next."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ..markdown.block import Block, Kind


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it, up to the next heading of any level.

    Attributes:
        headings: Texts of the headings above its text, outermost first, its own last.
        heading: Its heading; None for what stands before the first heading.
        blocks: The blocks of its text, which may include lines of headings.
    """

    headings: tuple[str, ...]
    heading: Block | None
    blocks: tuple[Block, ...]

    @property
    def level(self) -> int:
        """Level of its heading, 0 when it has none."""
        return self.heading.level if self.heading else 0

    @property
    def start(self) -> int:
        """Index of its first line, its heading's or one of its text's."""
        return min(block.start for block in (self.heading, *self.blocks[:1]) if block)

    @property
    def end(self) -> int:
        """Index of the line after its last."""
        return max(block.end for block in (self.heading, *self.blocks[-1:]) if block)


def sections(blocks: Iterable[Block]) -> Iterator[Section]:
    """Group the blocks of a text into sections.

    Args:
        blocks: All blocks of a text, in order.

    Yields:
        Sections in order, also those whose heading has no text below it.
    """
    path: list[tuple[int, str]] = []
    heading: Block | None = None
    below: list[Block] = []
    for block in blocks:
        if block.kind is not Kind.HEADING:
            below.append(block)
            continue
        if heading or below:
            yield Section(tuple(text for _, text in path if text), heading, tuple(below))
        below = []
        heading = block
        while path and path[-1][0] >= block.level:
            path.pop()
        path.append((block.level, block.heading))
    if heading or below:
        yield Section(tuple(text for _, text in path if text), heading, tuple(below))


def place_headings(parts: Iterable[Section], *, in_text: bool) -> Iterator[Section]:
    """Make sure that every heading is seen, and none without need.

    A heading without text of its own is left to the sections below it, where there are any.

    Args:
        parts: The sections of a text.
        in_text: Whether the lines of the headings belong to the text. If not, the reader sees them in the path, and
            only one that is too long for a path is part of the text too.

    Yields:
        The sections that make chunks. One without blocks stands for a heading with nothing below it.
    """
    waiting: tuple[Block, ...] = ()
    for part, following in _with_next(parts):
        blocks = part.blocks
        if part.heading and (in_text or part.heading.is_cut):
            blocks = (*waiting, part.heading, *blocks)
        is_bare = not part.blocks
        has_children = following is not None and following.level > part.level
        waiting = ()
        if is_bare and has_children and in_text:
            waiting = blocks
        elif blocks or (part.headings and part.heading and part.heading.heading and not has_children):
            yield part if blocks is part.blocks else Section(part.headings, part.heading, blocks)


def join_small(
    parts: Iterable[Section], *, below: int, limit: int, size: Callable[[int, int], int]
) -> Iterator[Section]:
    """Join neighbours of the same level under the same heading while one of them is small.

    Args:
        parts: Sections in order.
        below: A section of fewer characters is small.
        limit: Greatest size of what is joined, in characters.
        size: Counts the characters from one line up to another.

    Yields:
        Sections in order. The lines of joined headings are part of the text, and the path is that of their parent.
    """
    joined: Section | None = None
    parent: tuple[str, ...] = ()
    last_size = 0
    for part in parts:
        part_size = size(part.start, part.end)
        if joined and joined.heading and part.heading and part.heading.heading and joined.level == part.level:
            is_sibling = part.headings[:-1] == parent
            is_small = min(part_size, last_size) < below
            if is_sibling and is_small and size(joined.start, part.end) <= limit:
                joined = Section(parent, joined.heading, (*_text_with_heading(joined), *_text_with_heading(part)))
                last_size = size(joined.start, part.end)
                continue
        if joined:
            yield joined
        joined, parent, last_size = part, part.headings[:-1], part_size
    if joined:
        yield joined


def _text_with_heading(part: Section) -> tuple[Block, ...]:
    if part.heading is None or part.heading in part.blocks:
        return part.blocks
    return (part.heading, *part.blocks)


def _with_next(parts: Iterable[Section]) -> Iterator[tuple[Section, Section | None]]:
    iterator = iter(parts)
    current = next(iterator, None)
    while current is not None:
        following = next(iterator, None)
        yield current, following
        current = following
