"""Which files of a folder or an archive are taken, and what is said of the others."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..errors import InputError
from ..extras import install_line
from .glob_patterns import Globs, States
from .ignoring import is_made
from .kinds import EXTRA, KINDS, is_known, is_readable, suffix_of

# Why such a file was passed over; the install line comes where that is said.
NEEDS_EXTRA = f"needs the extra {EXTRA}"
"""Why a file is passed over whose kind needs a package that is not there."""

_ALL = "**"


class Selection:
    """What is chosen by globs, or, without any, all files of known kinds.

    Args:
        globs: What is taken; all known kinds by default.
        exclude: What is not, of these. A folder's name alone stands for all in it.

    Raises:
        InputError: A glob cannot be used, see `Glob`.
    """

    def __init__(self, globs: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        if any(not isinstance(glob, str) for glob in (*globs, *exclude)):
            raise InputError("A glob is a text such as '**/*.md'.")
        self._by_kind = not globs
        self._globs = Globs(globs or (_ALL,))
        self._exclude = Globs(part for glob in exclude for part in _with_what_is_inside(glob)) if exclude else None
        self.start: States = self._globs.start

    @property
    def condition(self) -> str:
        """What is true of a file that is chosen, for messages."""
        if self._by_kind:
            return f"is of a known kind ({', '.join(kind.name for kind in KINDS)})"
        return f"matches {' or '.join(map(repr, self._globs.patterns))}"

    def step(self, states: States, name: str) -> States:
        """See `Globs.step`."""
        return self._globs.step(states, name)

    def takes(self, states: States, path: str) -> bool:
        """Whether a file that the globs led to is taken."""
        return self._globs.is_match(states) and self._is_chosen(path)

    def matches(self, path: str) -> bool:
        """Whether a file would be taken by its name."""
        return self._globs.matches(path) and self._is_chosen(path)

    def leaves_out(self, folder: str) -> bool:
        """Whether a folder of this name is filled by programs, and nobody asked for it by name."""
        return is_made(folder) and not self._globs.names(folder)

    def names_last(self, folder: str) -> bool:
        """Whether a folder was asked for by its own name."""
        return self._globs.names(folder.rstrip("/").rpartition("/")[2])

    def excludes(self, path: str) -> bool:
        """Whether a file or a folder is excluded by the user."""
        return self._exclude is not None and self._exclude.matches(path)

    def why_not(self, path: str) -> str:
        """Why a file that is there is passed over."""
        if self.excludes(path):
            return "excluded"
        return "not chosen" if is_readable(path) or not self._globs.matches(path) else NEEDS_EXTRA

    def _is_chosen(self, path: str) -> bool:
        return (not self._by_kind or is_known(path)) and is_readable(path) and not self.excludes(path)


def _with_what_is_inside(glob: str) -> tuple[str, ...]:
    """A pattern without a slash is looked for at any depth, as in a file of patterns for git."""
    stem = glob.rstrip("/")
    if stem and "/" not in stem:
        return stem, f"**/{stem}", f"{stem}/**", f"**/{stem}/**"
    return (stem, f"{stem}/**") if stem and not stem.endswith("**") else (glob,)


@dataclass
class Survey:
    """Which files were taken and which were passed over.

    Attributes:
        taken: Names of files.
        passed: Names of files, and of folders with a slash at their end, each with the reason.
    """

    taken: list[str] = field(default_factory=list)
    passed: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line; empty where all files are of one kind and none was passed over."""
        kinds = Counter(map(_kind_word, self.taken))
        files = [name for name in self.passed if not name.endswith("/")]
        folders = sorted({name.rstrip("/").rpartition("/")[2] for name in self.passed if name.endswith("/")})
        parts = []
        if files:
            parts.append(f"{_count(files)} ({_kinds(Counter(map(_kind_word, files)))})")
        if folders:
            shown = ", ".join(f"{name}/" for name in folders[:_MOST])
            parts.append(f"folders {shown}{', …' if len(folders) > _MOST else ''}")
        if not parts and len(kinds) < 2:
            return ""
        taken = f"Taken: {_count(self.taken)} ({_kinds(kinds)})"
        line = f"{taken}; passed over: {' and '.join(parts)}." if parts else f"{taken}."
        missing = sorted({suffix_of(name) for name, reason in self.passed.items() if reason == NEEDS_EXTRA})
        return f"{line} For {', '.join(missing)}: {install_line(EXTRA)}." if missing else line


class LastSurvey:
    """What the last load of a loader, or of a shallow copy of it, took and passed over."""

    def __init__(self) -> None:
        self.survey: Survey | None = None


# Kinds and folders that one line names.
_MOST = 6


def _count(files: Sequence[str]) -> str:
    return f"{len(files):,} file" if len(files) == 1 else f"{len(files):,} files"


def _kinds(kinds: Counter[str]) -> str:
    common: Iterable[tuple[str, int]] = sorted(kinds.items(), key=lambda entry: (-entry[1], entry[0]))
    words = [f"{count:,} {kind}" for kind, count in common]
    return ", ".join(words[:_MOST]) + (", …" if len(words) > _MOST else "")


def _kind_word(name: str) -> str:
    return suffix_of(name) or "without an ending"
