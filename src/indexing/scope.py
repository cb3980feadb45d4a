"""What a run covers: the name by which a collection knows what a loader loads, where that is, and what is its."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from langchain_core.document_loaders import BaseLoader

from .loader_protocols import CoveringLoader, NamedLoader

# Where loaders of other packages keep what they load.
_PLACES = ("path", "file_path", "web_paths", "web_path", "urls", "url")
_REMOTE = "://"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a loader loads.

    Attributes:
        root: Names it: a row lists the roots that have it.
        is_known: Whether it could be found out what the loader loads.
        place: Where its files are, see `place_of`.
        own_coverage: The loader's own word on whether it would give a source.
    """

    root: str
    is_known: bool
    place: str | None
    own_coverage: Callable[[str], bool] | None

    def coverage(self, *, gave_any: bool) -> Callable[[str], bool] | None:
        """Says of a source whether the loader would give it, were it there; None where nobody knows.

        Args:
            gave_any: Whether the loader gave anything; then all rows of a root that is known are what it would give.
        """
        if self.own_coverage is not None:
            return self.own_coverage
        return (lambda _: True) if self.is_known and gave_any else None

    def covers(self, source: str | None) -> bool:
        """Whether the loader would give a source; a loader that does not say is taken to give all of its root's."""
        return source is not None and (self.own_coverage is None or self.own_coverage(source))

    def may_be_relocated(self, place: str | None) -> bool:
        """Whether what was at a place may be what this loader loads now: there is nothing at that place any more.

        A URL never moves, and what was at a place that is not known may have.

        Args:
            place: As `place_of` said when it was indexed. Another name of the same folder is no other place.
        """
        if place is None:
            return True
        if place == _REMOTE:
            return False
        try:
            Path(place).stat()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return True
        except OSError:
            # It may not be looked at, so it is there.
            return False
        return self.place is not None and _is_same(place, self.place)


def scope_of(loader: BaseLoader) -> Scope:
    """Ask a loader what it loads."""
    root, is_known = root_of(loader)
    covers = loader.covers if isinstance(loader, CoveringLoader) else None
    return Scope(root, is_known, place_of(loader), covers)


def root_of(loader: BaseLoader) -> tuple[str, bool]:
    """Names a loader by what it loads, and says whether that could be found out."""
    own = loader.root if isinstance(loader, NamedLoader) else None
    if isinstance(own, str) and own:
        return own, True
    for name in _PLACES:
        place = getattr(loader, name, None)
        if isinstance(place, str | os.PathLike) and _REMOTE not in str(place):
            place = os.path.abspath(place)  # noqa: PTH100 - not resolved: the link's name is what was asked for
        if isinstance(place, str | list | tuple) and place:
            return f"{type(loader).__name__}:{hashlib.sha256(str(place).encode()).hexdigest()[:16]}", True
    return type(loader).__name__, False


def place_of(loader: BaseLoader) -> str | None:
    """Where a loader's files are, by which a later sync finds out whether they are still there.

    Returns:
        An absolute path; ``"://"`` of a URL, which may hold a password and is asked nothing; None where the loader does
        not tell.
    """
    for name in _PLACES:
        place = getattr(loader, name, None)
        if isinstance(place, str | os.PathLike) and str(place) and _REMOTE not in str(place):
            # Not resolved: what a link leads to may be changed, and it is the same place.
            return os.path.abspath(os.path.expanduser(place))  # noqa: PTH100, PTH111 - as above, and a place is text
        if isinstance(place, str | list | tuple) and _REMOTE in str(place):
            return _REMOTE
    return None


def _is_same(place: str, other: str) -> bool:
    try:
        return Path(place).samefile(other)
    except (OSError, ValueError):
        return False
