"""A page of Markdown, read once: its lines, its front matter, its blocks and its title."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import NamedTuple

from .block import Block, Kind
from .blocks import scan_blocks
from .front_matter import FrontMatterValue, front_matter_fields, front_matter_length, title_of

# Longer pages are few, and are read again in place of being held in memory.
_MOST_REMEMBERED = 2**20
# Files that stand for the folder that they are in.
_OF_FOLDER = frozenset({"index", "_index", "readme"})


class Page(NamedTuple):
    """A page.

    Attributes:
        lines: Its text, split at line feeds.
        fields: Its front matter's simple fields.
        blocks: Its blocks, those behind the front matter.
    """

    lines: tuple[str, ...]
    fields: Mapping[str, FrontMatterValue]
    blocks: tuple[Block, ...]

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
    return _remembered(text) if len(text) <= _MOST_REMEMBERED else _read(text)


def _read(text: str) -> Page:
    lines = tuple(text.split("\n"))
    return Page(lines, front_matter_fields(lines), tuple(scan_blocks(lines, front_matter_length(lines), is_whole=True)))


# Where a source ends is known by the next one's first document, so a loader is a page ahead of the splitter.
_remembered = lru_cache(maxsize=3)(_read)


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
