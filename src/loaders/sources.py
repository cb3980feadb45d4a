"""Where files come from: one file, or a folder. Archives are in `archives`."""

import heapq
import os
import stat
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from typing_extensions import override

from ..errors import EmptySourceError, LoaderError, SourceTooLargeError, UnreadableFileError
from ..extras import install_line
from .file_facts import file_facts
from .glob_patterns import States, is_hidden
from .ignoring import IGNORE_FILES, IgnoreRules, is_environment, read_patterns, rules_above
from .kinds import EXTRA
from .selection import NEEDS_EXTRA, Selection

Report = Callable[[LoaderError], None]
"""Takes what is wrong with one file or folder, and raises it or lets the rest go on."""


class Files(ABC):
    """Files by '/'-separated name, below one root.

    Attributes:
        shown: The root, as messages name it.
        passed: What `names` passed over, with the reason; folders with a slash at their end.
    """

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.passed: dict[str, str] = {}

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

    def facts(self, name: str, limit: int) -> str | None:
        """Digest of what the file system says of one of `names`, another one after every change; see `file_facts`."""
        return None

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

    @override
    def facts(self, name: str, limit: int) -> str | None:
        return file_facts(self._path, limit)


class Folder(Files):
    """The files below a folder that are chosen.

    A link to a file is that file, unless it is taken under its own name anyway. A link to a folder is followed when
    that folder is not found otherwise, and neither holds the root: each folder is read once, however links run in
    circles. Left out are hidden files, what git ignores (`ignoring`), and folders that programs fill.
    """

    def __init__(self, path: Path, shown: str, selection: Selection) -> None:
        super().__init__(shown)
        self._path = path
        self._selection = selection
        self._renamed: dict[str, str] = {}

    @override
    def names(self, report: Report) -> list[str]:
        self._renamed = {}
        self.passed = {}
        names: set[str] = set()
        for path in sorted(self._without_twins(self._walk(report))):
            name = stable_name(path, names, self.shown, report)
            if name is not None:
                names.add(name)
                if name != path:
                    self._renamed[name] = path
        if not names:
            raise EmptySourceError(
                f"No file in {self.shown} {self._selection.condition}.{_found_instead(self.passed)} "
                f"Is it the right folder? Names that begin with a dot are matched by a glob that has the dot only."
            )
        return sorted(names)

    def _without_twins(self, found: Iterable[tuple[str, bool]]) -> Iterator[str]:
        """Paths without links to files that are taken anyway."""
        links = []
        places: set[str] = set()
        for path, is_link in found:
            if is_link:
                links.append(path)
            else:
                yield path
        if links:
            places = {os.path.realpath(self._path / path) for path in self._real}
        for path in sorted(links):
            place = os.path.realpath(self._path / path)
            if place in places:
                self.passed[path] = "a link to a file that is taken"
                continue
            places.add(place)
            yield path

    def _walk(self, report: Report) -> Iterator[tuple[str, bool]]:
        """Paths of chosen files, and whether each is a link; links to folders wait until all real folders are known."""
        root = os.path.realpath(self._path)
        self._real: list[str] = []
        folders = [_Step("", self._selection.start, rules_above(Path(root)))]
        links: list[_Step] = []
        seen: set[str] = set()
        while folders or links:
            step = folders.pop() if folders else heapq.heappop(links)
            place = os.path.realpath(self._path / step.prefix)
            if place in seen or (step.prefix and _holds(place, root)):
                continue
            seen.add(place)
            entries = self._entries(step.prefix, report)
            names = [entry.name for entry in entries]
            if step.prefix and is_environment(names) and not self._selection.names_last(step.prefix):
                self.passed[step.prefix] = "a virtual environment"
                continue
            rules = step.rules.inside(step.prefix, self._ignore_files(step.prefix, names))
            for entry in entries:
                path = step.prefix + entry.name
                after = self._selection.step(step.states, entry.name)
                kind = _kind(entry)
                if kind == "folder":
                    below = self._below(_Step(f"{path}/", after, rules, step.is_out), entry.name)
                    if below is not None and entry.is_symlink():
                        heapq.heappush(links, below)
                    elif below is not None:
                        folders.append(below)
                elif kind == "file" and self._takes(path, after, rules, is_out=step.is_out):
                    if not entry.is_symlink():
                        self._real.append(path)
                    yield path, entry.is_symlink()

    def _below(self, step: "_Step", name: str) -> "_Step | None":
        """How to go on below a folder; None where nothing of it is taken."""
        if not step.states:
            if not is_hidden(name):
                self.passed[step.prefix] = "not chosen"
            return None
        if self._selection.excludes(step.prefix.rstrip("/")):
            self.passed[step.prefix] = "excluded"
            return None
        verdict = step.rules.verdict(step.prefix)
        if verdict is False:
            return step._replace(is_out=False)
        if verdict or self._selection.leaves_out(name):
            reason = "ignored" if verdict else "made by a program"
            if verdict or not step.rules.may_take_back_inside(step.prefix):
                self.passed[step.prefix] = reason
                return None
            return step._replace(is_out=True)
        return step

    def _takes(self, path: str, states: States, rules: IgnoreRules, *, is_out: bool) -> bool:
        if is_hidden(path.rpartition("/")[2]) and not states:
            return False
        if not states or not self._selection.takes(states, path):
            self.passed[path] = self._selection.why_not(path)
            return False
        verdict = rules.verdict(path)
        if verdict or (is_out and verdict is None):
            self.passed[path] = "ignored"
            return False
        return True

    def _ignore_files(self, prefix: str, names: Sequence[str]) -> list[tuple[str, str]]:
        found = []
        for name in IGNORE_FILES:
            if name in names and (text := read_patterns(self._path / prefix / name)) is not None:
                found.append((name, text))
        return found

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

    @override
    def facts(self, name: str, limit: int) -> str | None:
        return file_facts(self._path / self._renamed.get(name, name), limit)


class _Step(NamedTuple):
    """A folder on the way: its path, where the globs stand, which patterns hold, whether it is left out as such."""

    prefix: str
    states: States
    rules: IgnoreRules
    is_out: bool = False


def _found_instead(passed: Mapping[str, str]) -> str:
    files = [name for name in passed if not name.endswith("/")]
    if not files:
        return ""
    if missing := sorted(name for name in files if passed[name] == NEEDS_EXTRA):
        return f" {', '.join(missing[:3])} {NEEDS_EXTRA}: {install_line(EXTRA)}."
    return f" There are others, such as {', '.join(sorted(files)[:3])}."


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
    return SourceTooLargeError(
        f"{shown} has more than {limit:,} bytes. Raise max_file_bytes if it really is a document."
    )


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
