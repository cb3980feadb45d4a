"""What can be seen of a loader of another package: where it loads from, by what it chooses, and what it hides."""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from langchain_core.document_loaders import BaseLoader

REMOTE = "://"

# Where loaders of other packages keep what they load. What is named later may be made of what is named before: of a
# URL, PyPDFLoader has a temporary file as its `file_path`.
_PLACES = ("web_paths", "web_path", "urls", "url", "path", "file_path", "file_paths")
# Loaders that stand before another one, or before what finds the files.
_INNER = ("blob_loader", "loader", "base_loader")
# Errors that a loader keeps to itself when these are set, or, of the last ones, when they are not.
_SWALLOWS = frozenset({"silent_errors", "continue_on_failure", "ignore_errors", "skip_errors", "ignore_load_errors"})
_RAISES = frozenset({"raise_on_error", "raise_for_status", "raise_on_failure"})
# What changes how something is loaded and not what: another value is no other loader.
_MANNERS = (
    _SWALLOWS
    | _RAISES
    | frozenset(
        [
            "on_error",
            "show_progress",
            "use_multithreading",
            "max_concurrency",
            "requests_per_second",
            "requests_kwargs",
            "session",
            "headers",
            "header_template",
            "proxies",
            "verify",
            "verify_ssl",
            "timeout",
            "timeouts",
            "check_response_status",
            "autoset_encoding",
            "autodetect_encoding",
            "load_hidden_progress",
            "use_async",
            "trust_env",
            "cookies",
            "auth",
            "lock",
            "lazy",
            "batch_size",
        ]
    )
)
_SECRET = re.compile(r"key|token|secret|password|credential", re.IGNORECASE)
_ADDRESS = re.compile(r"\bat 0x|0x[0-9a-f]{6,}")
_DEEPEST = 3


def place_of(loader: BaseLoader) -> str | None:
    """Where a loader's files are, by which a later sync finds out whether they are still there.

    Returns:
        An absolute path; ``"://"`` of a URL, which may hold a password and is asked nothing; None where the loader does
        not tell.
    """
    for value in _places(loader):
        if isinstance(value, str | os.PathLike) and str(value) and REMOTE not in str(value):
            # Not resolved: what a link leads to may be changed, and it is the same place.
            return os.path.abspath(os.path.expanduser(value))  # noqa: PTH100, PTH111 - as above, and a place is text
        if isinstance(value, str | list | tuple) and REMOTE in str(value):
            return REMOTE
    return None


def items_of(loader: BaseLoader) -> frozenset[str] | None:
    """What a loader of a list loads, by digests; None for one that finds out itself what there is."""
    for value in _places(loader):
        if isinstance(value, list | tuple) and value and all(isinstance(item, str | os.PathLike) for item in value):
            return frozenset(item_digest(str(item)) for item in value)
        if value:
            return None
    return None


def item_digest(item: str) -> str:
    """A short name for an address, which may hold a password."""
    return hashlib.sha256(item.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def former_root(loader: BaseLoader) -> str | None:
    """The name that version 0.1 gave to what a loader of another package loads; None where it had none."""
    for name in ("path", "file_path", "web_paths", "web_path", "urls", "url"):
        place = getattr(loader, name, None)
        if isinstance(place, str | os.PathLike) and REMOTE not in str(place):
            place = os.path.abspath(place)  # noqa: PTH100 - as `place_of`
        if isinstance(place, str | list | tuple) and place:
            return f"{type(loader).__name__}:{hashlib.sha256(str(place).encode()).hexdigest()[:16]}"
    return None


def address_of(loader: BaseLoader) -> str | None:
    """Where a loader loads from, whole, to be hashed; None where it does not tell, or for a list."""
    for value in _places(loader):
        if isinstance(value, str | os.PathLike) and str(value):
            text = os.fspath(value)
            return text if REMOTE in text else os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111
        if value:
            return None
    return None


def selection_of(loader: BaseLoader) -> str:
    """Digest of all by which a loader chooses what it gives: its class, globs, queries, filters, schemas, parsers.

    Two loaders of one place that differ in it are two: what one does not give may be the other's.
    """
    described = "\n".join(_described(loader, 0, skip=frozenset(_PLACES)))
    return hashlib.sha256(described.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def swallows_errors(loader: BaseLoader) -> bool:
    """Whether a loader may leave out what it could not read without a word."""
    for held in (loader, *_inner(loader)):
        values = _attributes(held)
        if any(values.get(name) for name in _SWALLOWS) or any(values.get(name) is False for name in _RAISES):
            return True
        handler = values.get("on_error")
        if handler is not None and not callable(handler):
            # A word such as "ignore": its own way, which tells nobody.
            return handler not in ("raise", "strict")
    return False


def _places(loader: BaseLoader) -> Iterator[Any]:
    for held in (loader, *_inner(loader)):
        for name in _PLACES:
            value = getattr(held, name, None)
            if isinstance(value, str | os.PathLike | list | tuple) and value and not _is_temporary(value):
                yield value


def _inner(loader: BaseLoader) -> Iterator[Any]:
    for name in _INNER:
        if (inner := getattr(loader, name, None)) is not None:
            yield inner


def _is_temporary(value: Any) -> bool:
    """Whether a place was made by the loader itself for what it downloaded: it has another name in each run."""
    if not isinstance(value, str | os.PathLike):
        return False
    name = Path(value).name
    return os.fspath(value).startswith(tempfile.gettempdir()) and bool(re.fullmatch(r"tmp\w{8}(\..*)?", name))


def _attributes(held: Any) -> dict[str, Any]:
    values = {**getattr(held, "__dict__", {})}
    values |= getattr(held, "__pydantic_private__", None) or {}
    return {name.lstrip("_"): value for name, value in values.items()}


def _described(held: Any, depth: int, skip: frozenset[str] = frozenset()) -> Iterator[str]:
    yield f"{type(held).__module__}.{type(held).__qualname__}"
    # In a class of somebody's own, what holds many things is as likely what was loaded as what it is chosen by.
    is_theirs = not type(held).__module__.startswith("langchain")
    for name, value in sorted(_attributes(held).items()):
        if name in skip or name in _MANNERS or _SECRET.search(name) or (is_theirs and not _is_scalar(value)):
            continue
        yield f"{name}={_value(value, depth + 1)}"


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | os.PathLike | re.Pattern)


def _value(value: Any, depth: int) -> str:
    if value is None or isinstance(value, str | int | float | bytes):
        return repr(value)
    if isinstance(value, os.PathLike):
        return repr(os.fspath(value))
    if isinstance(value, re.Pattern):
        return f"{value.pattern!r}, {value.flags}"
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{value.__module__}.{value.__qualname__}"
    if depth > _DEEPEST:
        return type(value).__qualname__
    if isinstance(value, Mapping):
        return repr(sorted((str(key), _value(item, depth + 1)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return repr([_value(item, depth + 1) for item in value])
    if isinstance(value, set | frozenset):
        return repr(sorted(_value(item, depth + 1) for item in value))
    if type(value).__module__.startswith("langchain"):
        return repr(list(_described(value, depth)))
    return _opaque(value)


def _opaque(value: Any) -> str:
    """Of what nothing is known its type, and its own words where they are no address, as of a compiled query."""
    kind = type(value).__qualname__
    if hasattr(value, "__dict__") or isinstance(value, Iterable):
        return kind
    words = repr(value)
    return kind if _ADDRESS.search(words) else f"{kind} {words}"
