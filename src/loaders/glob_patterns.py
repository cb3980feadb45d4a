"""Globs over '/'-separated names: the same for a folder and for a zip."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate

from ..errors import InputError

_ANY_DEPTH = "**"
# Alternatives in braces, the innermost first; more than so many patterns are a mistake.
_BRACES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_MOST_PATTERNS = 1000

States = tuple[frozenset[int], ...]


class Glob:
    """A glob such as ``**/*.md`` or ``en/faq/*.md``, matched a path component at a time.

    ``*``, ``?`` and ``[...]`` stay within one component, ``**`` stands for any number of folders. Upper and lower
    case differ. As in a shell, a wildcard never matches a leading dot: ``.git`` and ``.venv`` are left out unless the
    glob names them (``.github/**/*.md``).

    Raises:
        InputError: The glob is empty, absolute, or leads out of its root with ``..``.
    """

    def __init__(self, pattern: str) -> None:
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        if not parts:
            raise InputError(f"The glob {pattern!r} names no file. Give one such as '**/*.md'.")
        if pattern.startswith("/") or re.match("[A-Za-z]:", pattern):
            raise InputError(f"The glob {pattern!r} is absolute. Give it relative to the path, such as '**/*.md'.")
        if ".." in parts:
            raise InputError(f"The glob {pattern!r} leads out of the path with '..'. Give that folder as the path.")
        if parts[-1] == _ANY_DEPTH:
            parts.append("*")
        self.pattern = pattern
        self._parts = [None if part == _ANY_DEPTH else _component(part) for part in parts]
        self.start = self._with_empty_depths({0})

    def names(self, folder: str) -> bool:
        """Whether one of its components is the name of a folder, to the letter."""
        return folder in self.pattern.split("/")

    def step(self, states: frozenset[int], name: str) -> frozenset[int]:
        """Where the pattern may stand after one more path component; empty when it cannot match any more."""
        after: set[int] = set()
        for state in states:
            if state == len(self._parts):
                continue
            part = self._parts[state]
            if part is None:
                if not is_hidden(name):
                    after.add(state)
            elif part.matches(name):
                after.add(state + 1)
        return self._with_empty_depths(after)

    def is_match(self, states: frozenset[int]) -> bool:
        """Whether a path that ends here matches."""
        return len(self._parts) in states

    def matches(self, path: str) -> bool:
        """Whether a whole relative path matches."""
        states = self.start
        for name in path.split("/"):
            states = self.step(states, name)
            if not states:
                return False
        return self.is_match(states)

    def _with_empty_depths(self, states: set[int]) -> frozenset[int]:
        for index, part in enumerate(self._parts):
            if part is None and index in states:
                states.add(index + 1)
        return frozenset(states)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is left out unless it is named: of a dot, or Office's mark of a file that is open."""
    return name.startswith((".", "~$"))


@dataclass(frozen=True)
class _Component:
    """What matches the name of one file or folder."""

    expression: re.Pattern[str]
    may_be_hidden: bool

    def matches(self, name: str) -> bool:
        return (self.may_be_hidden or not is_hidden(name)) and self.expression.match(name) is not None


def _component(part: str) -> _Component:
    return _Component(re.compile(translate(part)), may_be_hidden=is_hidden(part))


class Globs:
    """Several globs: what one of them matches. Alternatives may stand in braces: ``**/*.{md,mdx}``.

    Raises:
        InputError: See `Glob`; or braces stand for very many patterns.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        self._globs = [Glob(one) for pattern in self.patterns for one in _alternatives(pattern)]
        self.start: States = tuple(glob.start for glob in self._globs)

    def names(self, folder: str) -> bool:
        """Whether one of them names a folder to the letter."""
        return any(glob.names(folder) for glob in self._globs)

    def step(self, states: States, name: str) -> States:
        """Where the patterns may stand after one more path component; empty when none can match any more."""
        after = tuple(glob.step(state, name) for glob, state in zip(self._globs, states, strict=True))
        return after if any(after) else ()

    def is_match(self, states: States) -> bool:
        """Whether a path that ends here matches."""
        return any(glob.is_match(state) for glob, state in zip(self._globs, states, strict=True))

    def matches(self, path: str) -> bool:
        """Whether a whole relative path matches."""
        return any(glob.matches(path) for glob in self._globs)


def _alternatives(pattern: str) -> list[str]:
    """The patterns that one with braces stands for."""
    found = [pattern]
    while braces := next((match for one in found if (match := _BRACES.search(one))), None):
        before, after, word = braces.string[: braces.start()], braces.string[braces.end() :], braces.string
        at = found.index(word)
        found[at : at + 1] = [before + part + after for part in braces[1].split(",")]
        if len(found) > _MOST_PATTERNS:
            raise InputError(f"The glob {pattern!r} stands for over {_MOST_PATTERNS:,} patterns. Write fewer braces.")
    return list(dict.fromkeys(found))
