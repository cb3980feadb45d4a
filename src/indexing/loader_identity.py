"""Names for what brings documents, and for what cuts them, by which a collection remembers them."""

import copy
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.document_loaders import BaseLoader
from langchain_core.documents import BaseDocumentTransformer

# Where loaders of other packages keep what they load.
_PLACES = ("path", "file_path", "web_paths", "web_path", "urls", "url")
_REMOTE = "://"


def root_of(loader: BaseLoader) -> tuple[str, bool]:
    """Names a loader by what it loads, and says whether that could be found out."""
    own = getattr(loader, "root", None)
    if isinstance(own, str) and own:
        return own, True
    for name in _PLACES:
        place = getattr(loader, name, None)
        if isinstance(place, str | os.PathLike) and _REMOTE not in str(place):
            place = os.path.abspath(place)  # noqa: PTH100 - not resolved: the link's name is what was asked for
        if isinstance(place, str | list | tuple) and place:
            return f"{type(loader).__name__}:{hashlib.sha256(str(place).encode()).hexdigest()[:16]}", True
    return type(loader).__name__, False


def coverage(loader: BaseLoader, *, is_known: bool) -> Callable[[str], bool] | None:
    """Says of a source whether a loader would give it, were it there; None where nobody knows.

    Args:
        loader: It may say so itself, by ``covers``.
        is_known: Whether it is known what it loads; then all rows that came of it are what it would give.
    """
    own: Callable[[str], bool] | None = getattr(loader, "covers", None)
    return own if own is not None else (lambda _: True) if is_known else None


def watched(loader: BaseLoader, on_error: Callable[[Exception], None]) -> BaseLoader:
    """A loader that also tells somebody else of what cannot be read, where it can go on after that."""
    if not hasattr(loader, "on_error"):
        return loader
    users: Callable[[Exception], None] | None = loader.on_error

    def report(error: Exception) -> None:
        on_error(error)
        if users is not None:
            users(error)

    return _reporting_to(loader, report)


def quiet(loader: BaseLoader) -> BaseLoader:
    """A loader that leaves out what cannot be read and tells nobody: whoever loads it in earnest is told."""
    return _reporting_to(loader, lambda _: None) if hasattr(loader, "on_error") else loader


def _reporting_to(loader: BaseLoader, on_error: Callable[[Exception], None]) -> BaseLoader:
    copied: Any = copy.copy(loader)
    copied.on_error = on_error
    reporting: BaseLoader = copied
    return reporting


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


def may_have_moved(place: str | None, here: str | None) -> bool:
    """Whether what was at a place may be what is here now: there is nothing at it any more.

    A URL never moves, and what was at a place that is not known may have.

    Args:
        place: As `place_of` said when it was indexed.
        here: Of what is indexed now; another name of the same folder is no other place.
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
    return here is not None and _is_same(place, here)


def _is_same(place: str, other: str) -> bool:
    try:
        return Path(place).samefile(other)
    except (OSError, ValueError):
        return False


def splitter_fingerprint(splitter: BaseDocumentTransformer) -> str:
    """Says which splitter with which parameters this is."""
    own = getattr(splitter, "fingerprint", None)
    if own:
        return str(own)
    sizes = [
        f"{name}={getattr(splitter, f'_{name}')}"
        for name in ("chunk_size", "chunk_overlap")
        if hasattr(splitter, f"_{name}")
    ]
    return f"{type(splitter).__name__}({', '.join(sizes)})"
