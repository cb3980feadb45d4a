"""Where files come from: one file, or a folder. Archives are in `archives`."""

import heapq
import os
import stat
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from typing_extensions import override

from ..errors import EmptySourceError, LoaderError, SourceTooLargeError, UnreadableFileError
from .glob_patterns import Glob

Report = Callable[[LoaderError], None]
"""Takes what is wrong with one file or folder, and raises it or lets the rest go on."""


class Files(ABC):
    """Files by '/'-separated name, below one root."""

    def __init__(self, shown: str) -> None:
        self.shown = shown

    def describe(self, name: str) -> str:
        """A file, as messages name it."""
        return f"{name} in {self.shown}"

    @abstractmethod
    def names(self, report: Report) -> list[str]:
        """All names, sorted. No content is read.

        Raises:
            EmptySourceError: Nothing matches.
        """

    @abstractmethod
    def read(self, name: str, limit: int) -> bytes:
        """The content of one of `names`.

        Raises:
            UnreadableFileError: It cannot be read.
            SourceTooLargeError: It has more than `limit` bytes.
        """

    def close(self) -> None:  # noqa: B027 - only an archive has something to close
        """Give resources back."""


class SingleFile(Files):
    """One file, under its own name."""

    def __init__(self, path: Path, shown: str, name: str) -> None:
        super().__init__(shown)
        self._path = path
        self._name = name

    @override
    def names(self, report: Report) -> list[str]:
        name = stable_name(self._name, (), self.shown, report)
        return [] if name is None else [name]

    @override
    def describe(self, name: str) -> str:
        return self.shown

    @override
    def read(self, name: str, limit: int) -> bytes:
        return _read_file(self._path, self.shown, limit)


class Folder(Files):
    """The files below a folder that a glob matches.

    A link to a file is that file. A link to a folder is followed when that folder is not found otherwise, and neither
    holds the root: each folder is read once, however links run in circles.
    """

    def __init__(self, path: Path, shown: str, glob: Glob) -> None:
        super().__init__(shown)
        self._path = path
        self._glob = glob
        self._renamed: dict[str, str] = {}

    @override
    def names(self, report: Report) -> list[str]:
        self._renamed = {}
        names: set[str] = set()
        for path in sorted(self._walk(report)):
            name = stable_name(path, names, self.shown, report)
            if name is not None:
                names.add(name)
                if name != path:
                    self._renamed[name] = path
        if not names:
            raise EmptySourceError(
                f"No file in {self.shown} matches {self._glob.pattern!r}. "
                f"Is it the right folder? Names that begin with a dot are matched by a glob that has the dot only."
            )
        return sorted(names)

    def _walk(self, report: Report) -> Iterator[str]:
        """Paths of matching files; links to folders wait until all real folders are known."""
        root = os.path.realpath(self._path)
        folders = [("", self._glob.start)]
        links: list[tuple[str, frozenset[int]]] = []
        seen: set[str] = set()
        while folders or links:
            prefix, states = folders.pop() if folders else heapq.heappop(links)
            place = os.path.realpath(self._path / prefix)
            if place in seen or (prefix and _holds(place, root)):
                continue
            seen.add(place)
            for entry in self._entries(prefix, report):
                after = self._glob.step(states, entry.name)
                if not after:
                    continue
                path = prefix + entry.name
                kind = _kind(entry)
                if kind == "folder" and entry.is_symlink():
                    heapq.heappush(links, (path + "/", after))
                elif kind == "folder":
                    folders.append((path + "/", after))
                elif kind == "file" and self._glob.is_match(after):
                    yield path

    def _entries(self, prefix: str, report: Report) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self._path / prefix) as entries:
                return list(entries)
        except OSError as exc:
            shown = f"{prefix} in {self.shown}" if prefix else self.shown
            error = UnreadableFileError(f"The folder {shown} cannot be read: {reason(exc)}.")
            if not prefix:
                raise error from exc
            error.source = prefix
            error.__cause__ = exc
            report(error)
            return []

    @override
    def read(self, name: str, limit: int) -> bytes:
        return _read_file(self._path / self._renamed.get(name, name), self.describe(name), limit)


def stable_name(path: str, taken: Container[str], shown: str, report: Report) -> str | None:
    """The name of a file that is the same on every machine: composed accents, as most systems store them.

    Args:
        path: Its path below the root.
        taken: Names of other files.
        shown: The root.
        report: Told when the file cannot have a name; then the result is None.
    """
    name = unicodedata.normalize("NFC", path)
    try:
        name.encode()
    except UnicodeEncodeError as exc:
        error = UnreadableFileError(f"The name of the file {path!a} in {shown} is not UTF-8. Rename it.")
        error.__cause__ = exc
    else:
        if name not in taken:
            return name
        error = UnreadableFileError(f"Two files in {shown} are named {name}, with accents of two kinds. Rename one.")
    error.source = ascii(path)
    report(error)
    return None


def too_large(shown: str, limit: int) -> SourceTooLargeError:
    """The error for a file that is over the limit on files."""
    return SourceTooLargeError(f"{shown} has more than {limit:,} bytes. Raise max_file_bytes if it really is Markdown.")


def reason(exc: OSError) -> str:
    """Why the system refuses a file, in words."""
    match exc:
        case FileNotFoundError():
            return "it is gone (or a link that leads nowhere)"
        case PermissionError():
            return "no permission"
        case _:
            return exc.strerror or str(exc)


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_dir():
            return "folder"
        # A dangling link is told when it is read; a pipe or a socket is no file and would never end.
        return "file" if entry.is_file() or entry.is_symlink() else "other"
    except OSError:
        return "file"


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _read_file(path: Path, shown: str, limit: int) -> bytes:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableFileError(f"{shown} is not a regular file.")
        if found.st_size > limit:
            raise too_large(shown, limit)
        return path.read_bytes()
    except OSError as exc:
        raise UnreadableFileError(f"{shown} cannot be read: {reason(exc)}.") from exc
