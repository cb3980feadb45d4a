"""Kinds of documents that are read, a row each, and how the bytes of one become Markdown."""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
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
            a `LoaderError` is that file's failure. None for a kind that is converted in a process of its own.
        module: For that, the module of `loaders.converters` whose ``convert`` is such a function.
        package: What that imports, where an extra brings it.
        may_be_empty: Whether a file of it without any text is none that failed, as a page that only leads to another.
    """

    name: str
    suffixes: tuple[str, ...]
    convert: Callable[[bytes, str], Converted] | None = None
    module: str = ""
    package: str = ""
    may_be_empty: bool = False

    @property
    def is_here(self) -> bool:
        """Whether the package that it needs is installed."""
        return not self.package or _is_installed(self.package)

    @property
    def reading(self) -> str:
        """Names all that makes documents of its files: its converter, and the packages that a converter may use."""
        made_by = _versions() if self.module else ""
        return f"{self.name}/{_READING}{made_by}"


# Version of how a file becomes a document. One that makes another document of a file gets another number; a release of
# this package counts as another one in any case.
_READING = 1
# What the modules of `loaders.converters` import.
_DISTRIBUTIONS = (
    "beautifulsoup4",
    "lxml",
    "mammoth",
    "markdownify",
    "pypdfium2",
    "python-calamine",
)

EXTRA = "documents"
"""The extra that brings what kinds need."""


@cache
def _versions() -> str:
    """Those of the converters' packages; nothing of one that is not installed."""
    found = []
    for name in _DISTRIBUTIONS:
        with suppress(PackageNotFoundError):
            found.append(f";{name}={version(name)}")
    return "".join(found)


@cache
def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def _as_it_is(content: bytes, shown: str) -> Converted:
    return Converted(decode(content, shown))


MARKDOWN = Kind("Markdown", (".md", ".markdown", ".mdown", ".mkd", ".mdx"), _as_it_is)

KINDS: tuple[Kind, ...] = (
    MARKDOWN,
    Kind("text", (".txt",), _as_it_is),
    Kind("reStructuredText", (".rst",), restructured_as_markdown),
    Kind("notebook", (".ipynb",), notebook_as_markdown),
    Kind("HTML", (".html", ".htm", ".xhtml"), module="pages", may_be_empty=True),
    Kind("PDF", (".pdf",), module="pdf", package="pypdfium2"),
    Kind("Word", (".docx",), module="word", package="mammoth"),
    Kind("PowerPoint", (".pptx",), module="slides"),
    Kind("Excel", (".xlsx", ".xlsm"), module="sheets", package="python_calamine"),
    Kind("EPUB", (".epub",), module="epub"),
)

_BY_SUFFIX = {suffix: kind for kind in KINDS for suffix in kind.suffixes}


def suffix_of(name: str) -> str:
    """The end of a file's name from its last dot on, in lower case; empty for one without, or a hidden file."""
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def is_known(name: str) -> bool:
    """Whether a file's name is that of a known kind."""
    return suffix_of(name) in _BY_SUFFIX


def is_readable(name: str) -> bool:
    """Whether what a file's kind needs is installed; true of an unknown one, which is read as Markdown."""
    return kind_of(name).is_here


def kind_of(name: str) -> Kind:
    """The kind of a file by its name; what is not known is read as Markdown, which every text is."""
    return _BY_SUFFIX.get(suffix_of(name), MARKDOWN)
