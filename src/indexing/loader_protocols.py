"""What a loader may offer beside LangChain's interface. `sync` asks for it once, at its start."""

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable


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
