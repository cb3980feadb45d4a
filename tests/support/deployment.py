"""The files of examples/deploy, read as Docker reads them."""

import json
import re
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "examples" / "deploy"
_FLAG = re.compile(r"--[\w-]+(=\S+)?\s+")


def program(name: str) -> Path:
    """A program of the environment that the tests run in."""
    return Path(sys.executable).with_name(name)


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile.

    Attributes:
        name: ``"RUN"``.
        flags: ``("--mount=type=cache,target=/root/.cache/uv",)``.
        value: What follows them, with continued lines joined.
        stage: Number of the stage, from 0; -1 in front of the first.
    """

    name: str
    flags: tuple[str, ...]
    value: str
    stage: int

    @property
    def arguments(self) -> list[str]:
        """The value as a program and its arguments; fails where it would be run by a shell."""
        arguments: list[str] = json.loads(self.value)
        return arguments


def instructions_of(dockerfile: str) -> list[Instruction]:
    """The instructions of a Dockerfile, in their order."""
    lines = [line for line in dockerfile.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found: list[Instruction] = []
    stage = -1
    for text in re.sub(r"\\\n\s*", "", "\n".join(lines)).split("\n"):
        name, _, value = text.partition(" ")
        stage += name == "FROM"
        flags = []
        while match := _FLAG.match(value):
            flags.append(match[0].strip())
            value = value[match.end() :]
        found.append(Instruction(name, tuple(flags), value.strip(), stage))
    return found


def assignments(value: str) -> dict[str, str]:
    """The variables of an ENV."""
    return dict(pair.split("=", 1) for pair in value.split())


def is_sent(path: str, ignore: str) -> bool:
    """Whether a file of the build context gets past a .dockerignore: the last pattern that fits it decides."""
    sent = True
    for line in ignore.splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        if any(_fits(parent, pattern) for parent in (path, *map(str, PurePosixPath(path).parents))):
            sent = line.strip().startswith("!")
    return sent


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern[3:]) for part in path.split("/"))
    return path.count("/") == pattern.count("/") and path != "." and fnmatch(path, pattern)
