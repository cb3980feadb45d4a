"""What of a folder is left out although its kind is known: what git ignores, and what programs made."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".milvusragignore")
"""Files of patterns as git reads them (https://git-scm.com/docs/gitignore); a later one has the last word."""

# Packages of others, and what a build makes of the files that are here.
_MADE = frozenset(
    {
        "node_modules", "bower_components", "jspm_packages", "site-packages", "__pycache__", "__pypackages__",
        "venv", "virtualenv", "build", "dist", "target", "_build", "_site", "htmlcov",
    }
)  # fmt: skip
# Of a file of patterns no more is read.
_LONGEST = 2**20
# A folder with one of these is an environment of Python's, whatever it is called.
_ENVIRONMENT = ("pyvenv.cfg", "conda-meta")


def is_made(name: str) -> bool:
    """Whether a folder is by its name one that programs fill."""
    return name in _MADE or name.endswith(".egg-info")


def is_environment(names: Sequence[str]) -> bool:
    """Whether a folder with entries of these names is a virtual environment."""
    return any(name in _ENVIRONMENT for name in names)


class _Patterns(NamedTuple):
    """The patterns of one file, for paths in its folder, or, where the root is below that, with what leads there."""

    folder: str
    before: str
    spec: "GitIgnoreSpec"
    negated: tuple[str, ...]


class IgnoreRules:
    """The patterns that hold in one folder: its own, and those of the folders above it.

    Args:
        above: The patterns of the folders above, the outermost first.
    """

    def __init__(self, above: tuple[_Patterns, ...] = ()) -> None:
        self._patterns = above

    def inside(self, folder: str, files: Sequence[tuple[str, str]]) -> "IgnoreRules":
        """The rules of a folder further down.

        Args:
            folder: Its path below the root, empty or with a slash at its end.
            files: Its files of patterns: name and text.
        """
        own = tuple(_patterns(folder, text) for _, text in files)
        return IgnoreRules((*self._patterns, *own)) if own else self

    def verdict(self, path: str) -> bool | None:
        """Whether a path is ignored (True), taken back (False), or not spoken of; a folder has a slash at its end."""
        for patterns in reversed(self._patterns):
            found = patterns.spec.check_file(patterns.before + path.removeprefix(patterns.folder))
            if found.include is not None:
                return bool(found.include)
        return None

    def may_take_back_inside(self, path: str) -> bool:
        """Whether a pattern takes something back below a folder that is left out as such."""
        name = path.rstrip("/").rpartition("/")[2]
        return any(name in negated.split("/") for patterns in self._patterns for negated in patterns.negated)


def rules_above(root: Path) -> IgnoreRules:
    """The patterns of the repository that a folder is in, from its top down to the folder above it.

    Args:
        root: The folder's path, absolute and without links. Where it is ignored itself, somebody wants it all the same,
            and the patterns say nothing of what is in it.
    """
    found = []
    for folder in _folders_above(root):
        below = f"{root.relative_to(folder).as_posix()}/"
        for name in IGNORE_FILES:
            if (text := read_patterns(folder / name)) is not None:
                found.append(_patterns("", text, before=below))
    rules = IgnoreRules(tuple(found))
    return IgnoreRules() if rules.verdict("") else rules


def read_patterns(path: Path) -> str | None:
    """A file of patterns; None where there is none that can be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST)
    except OSError:
        return None


def _folders_above(root: Path) -> list[Path]:
    """The folders above a root that are in the same repository, the outermost first; none outside of one."""
    folders = list(root.parents)
    for depth, folder in enumerate((root, *folders)):
        if os.path.lexists(folder / ".git"):
            return folders[:depth][::-1]
    return []


def _patterns(folder: str, text: str, *, before: str = "") -> _Patterns:
    # Imported where there are patterns: it takes as long as reading a hundred pages.
    from pathspec import GitIgnoreSpec

    lines = text.removeprefix("\ufeff").splitlines()
    negated = tuple(line.strip()[1:] for line in lines if line.startswith("!"))
    return _Patterns(folder, before, GitIgnoreSpec.from_lines(_valid(lines)), negated)


def _valid(lines: Sequence[str]) -> Iterator[str]:
    """Lines without those that are no pattern, which git passes over too."""
    from pathspec import GitIgnoreSpec

    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        yield line
