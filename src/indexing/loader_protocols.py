"""What a loader may offer beside LangChain's interface. `sync` asks for it once, at its start."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import Document

from ..errors import LoaderError
from ..source_versions import SourceVersion


@runtime_checkable
class NamedLoader(Protocol):
    """Names all that it loads, in the same way in every run."""

    @property
    def root(self) -> str:
        """The name."""
        ...


@runtime_checkable
class CoveringLoader(Protocol):
    """Knows which sources it would give."""

    def covers(self, source: str) -> bool:
        """Whether it would give a source, were it there."""
        ...


@runtime_checkable
class ReportingLoader(Protocol):
    """Goes on after what it cannot read, and tells of it."""

    on_error: Callable[[Exception], None] | None


@runtime_checkable
class ListingLoader(Protocol):
    """Lists its sources without reading them."""

    def sources(self) -> Iterable[str]:
        """Their names."""
        ...


@runtime_checkable
class SamplingLoader(Protocol):
    """Gives some of its documents, for a look at what they are like."""

    def sample(self, count: int) -> Iterable[Document]:
        """So many at most, from all over; their text is enough. What cannot be read, or takes long, is left out."""
        ...


@runtime_checkable
class VersionedLoader(Protocol):
    """Tells which version of a source there is before it makes documents of it."""

    def load_changed(self, is_known: Callable[[SourceVersion], bool]) -> Iterator[Document]:
        """What ``lazy_load`` gives, without the sources of which `is_known` says so. It is asked of each of them."""
        ...


@runtime_checkable
class LocalLoader(Protocol):
    """Names its sources by their paths below a folder of this machine."""

    @property
    def base(self) -> Path | None:
        """The folder; None where they are not from one."""
        ...


@runtime_checkable
class WatchableLoader(Protocol):
    """Knows for which changes of files it is to be run again."""

    @property
    def watched(self) -> Path | None:
        """The folder that all of them happen in, without links; None where they are not on this machine."""
        ...

    def concerns(self, path: Path) -> bool:
        """Whether what was made, changed or removed at a path in it may change what the loader gives."""
        ...


@runtime_checkable
class ShardedLoader(Protocol):
    """Gives only a part of its sources, by `milvus_rag.source_parts`."""

    @property
    def shard(self) -> tuple[int, int] | None:
        """Which one of how many, from 1; None for all."""
        ...


@runtime_checkable
class ShardableLoader(Protocol):
    """Can leave out all but a part of its sources before they are read, by `milvus_rag.source_parts`."""

    def in_shard(self, number: int, count: int) -> BaseLoader:
        """The same loader, for the part `number` of `count`, from 1."""
        ...


@runtime_checkable
class SurveyingLoader(Protocol):
    """Lists its sources without reading them, and tells what it could not look into."""

    def list_sources(self, on_error: Callable[[LoaderError], None]) -> Iterable[str]:
        """Their names."""
        ...
