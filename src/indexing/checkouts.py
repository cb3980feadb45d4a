"""Which repository a folder is a checkout of: the same one has the same name wherever it is checked out."""

import configparser
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_SCP = re.compile(r"(?:[^@/\s]+@)?([^:/\s]+):(?!//)(.+)")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^@/]*@)?([^/:]+)(?::\d+)?/(.+)", re.IGNORECASE)
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder or file in a checkout.

    Attributes:
        remote: Digest of the repository's remote: it tells no address, which may hold a password.
        path: The place's path in it; empty for the repository as a whole.
        branch: What is checked out, where it is a branch.
    """

    remote: str
    path: str
    branch: str | None

    @property
    def name(self) -> str:
        """What it is remembered by."""
        return f"{self.remote}:{self.path}"

    def steps_up_to(self, name: str) -> int | None:
        """How many folders above this place another one is, by its name; 0 for this one, None for one that is not."""
        remote, _, path = name.partition(":")
        if remote != self.remote or not PurePosixPath(self.path).is_relative_to(path):
            return None
        return len(PurePosixPath(self.path).parts) - len(PurePosixPath(path).parts)

    def path_down_to(self, name: str) -> str | None:
        """The path from this place to another one in it, by its name; None for one that is not in it."""
        remote, _, path = name.partition(":")
        if remote != self.remote or path == self.path or not PurePosixPath(path).is_relative_to(self.path):
            return None
        return PurePosixPath(path).relative_to(self.path).as_posix()


def checkout_of(place: str) -> Checkout | None:
    """The checkout that a place is in; None where there is none, or its repository has no remote."""
    path = Path(os.path.realpath(place))
    for folder in (path, *path.parents):
        git = folder / ".git"
        try:
            if git.exists():
                return _read(git, path.relative_to(folder).as_posix().removeprefix("."))
        except (OSError, ValueError, configparser.Error):
            return None
    return None


def _read(git: Path, inside: str) -> Checkout | None:
    own = git
    if git.is_file():
        # Of a submodule or a further work tree: gitdir: PATH
        target = _text(git).partition("gitdir:")[2].strip()
        own = (git.parent / target).resolve()
    common = own / _text(own / "commondir").strip() if (own / "commondir").is_file() else own
    config = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    config.read_string("\n".join(line.strip() for line in _text(common / "config").splitlines()))
    remotes = [section for section in config.sections() if section.startswith("remote ")]
    section = 'remote "origin"' if 'remote "origin"' in remotes else next(iter(sorted(remotes)), None)
    url = config.get(section, "url", fallback=None) if section else None
    if not url:
        return None
    remote = hashlib.sha256(normal_remote(url).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    head = _text(own / "HEAD").strip()
    return Checkout(remote, inside, head.removeprefix("ref: ") if head.startswith("ref: ") else None)


def normal_remote(url: str) -> str:
    """One name for the addresses of one repository: without scheme, user, password, port, and ``.git``."""
    text = url.strip().rstrip("/").removesuffix(".git")
    for pattern in (_URL, _SCP):
        if match := pattern.fullmatch(text):
            return f"{match[1].lower()}/{match[2].lstrip('/')}"
    return text


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8", "replace")
