"""Kinds of documents that are read, a row each, and how the bytes of one become Markdown."""

from collections.abc import Callable
from typing import NamedTuple

from .decoding import decode
from .notebooks import notebook_as_markdown
from .restructured import restructured_as_markdown
from .text_places import Converted


class Kind(NamedTuple):
    """A kind of documents.

    Attributes:
        name: As people call it.
        suffixes: Ends of its files' names, in lower case.
        convert: Makes Markdown of a file's bytes; the second argument names the file in messages. What it raises as
            a `LoaderError` is that file's failure.
    """

    name: str
    suffixes: tuple[str, ...]
    convert: Callable[[bytes, str], Converted]


def _as_it_is(content: bytes, shown: str) -> Converted:
    return Converted(decode(content, shown))


MARKDOWN = Kind("Markdown", (".md", ".markdown", ".mdown", ".mkd", ".mdx"), _as_it_is)

KINDS: tuple[Kind, ...] = (
    MARKDOWN,
    Kind("text", (".txt",), _as_it_is),
    Kind("reStructuredText", (".rst",), restructured_as_markdown),
    Kind("notebook", (".ipynb",), notebook_as_markdown),
)

_BY_SUFFIX = {suffix: kind for kind in KINDS for suffix in kind.suffixes}


def suffix_of(name: str) -> str:
    """The end of a file's name from its last dot on, in lower case; empty for one without, or a hidden file."""
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def is_known(name: str) -> bool:
    """Whether a file's name is that of a known kind."""
    return suffix_of(name) in _BY_SUFFIX


def kind_of(name: str) -> Kind:
    """The kind of a file by its name; what is not known is read as Markdown, which every text is."""
    return _BY_SUFFIX.get(suffix_of(name), MARKDOWN)
