"""A page of Markdown, read once, and as far as it is asked for: its lines, its front matter, its blocks, its title."""

from functools import cached_property, lru_cache
from pathlib import PurePosixPath

from .block import Block, Kind
from .blocks import scan_blocks
from .front_matter import front_matter_fields, front_matter_length, title_of

# Longer pages are few, and are read again in place of being held in memory.
_MOST_REMEMBERED = 2**20
# Files that stand for the folder that they are in.
_OF_FOLDER = frozenset({"index", "_index", "readme"})


class Page:
    """A page.

    Args:
        text: All of it.

    Attributes:
        lines: Its text, split at line feeds.
        fields: Its front matter's simple fields.
    """

    def __init__(self, text: str) -> None:
        self.lines = tuple(text.split("\n"))
        self.fields = front_matter_fields(self.lines)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Its blocks, those behind the front matter; nobody asks for them where that has a title and a mark splits."""
        return tuple(scan_blocks(self.lines, front_matter_length(self.lines), is_whole=True))

    @property
    def leading_heading(self) -> str:
        """The text of its first heading, if that is of level 1 and the only one of it; else empty."""
        headings = [block for block in self.blocks if block.kind is Kind.HEADING and block.heading]
        first = headings[0] if headings else None
        if first is None or first.level != 1 or any(heading.level == 1 for heading in headings[1:]):
            return ""
        return first.heading


def read_page(text: str) -> Page:
    """Read a page; those that were read last are remembered, since a loader and a splitter ask for each."""
    return _remembered(text) if len(text) <= _MOST_REMEMBERED else Page(text)


# Where a source ends is known by the next one's first document, so a loader is a page ahead of the splitter.
_remembered = lru_cache(maxsize=3)(Page)


def page_title(page: Page, name: str, otherwise: str = "") -> str:
    """What a page is called: its front matter says it, else its one leading heading of level 1, else its file's name.

    A page of several such headings, or one that begins below level 1, has none that stands for all of it.

    Args:
        page: The page.
        name: Its file's path, '/'-separated. ``index`` and ``README`` are called as the folder that they are in.
        otherwise: What stands in for the name, of a file whose format says what it is called.

    Returns:
        Its title; empty where there is neither, nor a name.
    """
    return title_of(page.fields) or page.leading_heading or otherwise or _called(PurePosixPath(name))


def _called(path: PurePosixPath) -> str:
    return path.parent.name if path.stem.casefold() in _OF_FOLDER and path.parent.name else path.stem
