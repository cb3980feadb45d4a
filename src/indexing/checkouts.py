"""Which repository a folder is a checkout of: the same one has the same name wherever it is checked out."""

import configparser
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

_SCP = re.compile(r"(?:[^@/\s]+@)?([^:/\s]+):(?!//)(.+)")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^@/]*@)?([^/:]+)(?::\d+)?/(.+)", re.IGNORECASE)
_MOST_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder or file in a checkout.

    Attributes:
        names: Digests of the repository's remote and a path in it, of the repository itself first, then of each folder
            on the way, and of the place last: they tell no address, which may hold a password.
        branch: What is checked out, where it is a branch.
    """

    names: tuple[str, ...]
    branch: str | None

    @property
    def name(self) -> str:
        """Of the place itself."""
        return self.names[-1]


def checkout_of(place: str) -> Checkout | None:
    """The checkout that a place is in; None where there is none, or its repository has no remote."""
    path = Path(os.path.realpath(place))
    for folder in (path, *path.parents):
        git = folder / ".git"
        try:
            if git.exists():
                return _read(git, path.relative_to(folder).parts)
        except (OSError, ValueError, configparser.Error):
            return None
    return None


def _read(git: Path, inside: tuple[str, ...]) -> Checkout | None:
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
    remote = normal_remote(url)
    paths = ["/".join(inside[:depth]) for depth in range(len(inside) + 1)]
    names = (hashlib.sha256(f"{remote}\n{path}".encode("utf-8", "surrogatepass")).hexdigest()[:16] for path in paths)
    head = _text(own / "HEAD").strip()
    return Checkout(tuple(names), head.removeprefix("ref: ") if head.startswith("ref: ") else None)


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
