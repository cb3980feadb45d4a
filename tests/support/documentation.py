"""The code blocks of a Markdown page: which of them run, and what they are said to print."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

RUN = frozenset({"bash", "console", "python"})
_OUTPUT = "text"
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>\S.*) -->")
_FENCE = re.compile(r"^```(?P<language>\w*)\s*$")
# What differs from run to run, or from one machine to the next.
_VOLATILE = (
    (re.compile(r"\bin \d+\.\d s\b"), "in # s"),
    (re.compile(r"\(score -?[\d.e+-]+\)"), "(score #)"),
)


@dataclass(frozen=True)
class Block:
    """A code block.

    Attributes:
        language: What stands behind the fence.
        code: Its lines.
        line: Where its first fence stands, from 1.
        reason: Why it is not run, from the comment right above it; None where it is.
        follows: The line of the block that it follows with nothing but blank lines between; else None.
    """

    language: str
    code: str
    line: int
    reason: str | None = None
    follows: int | None = None

    @property
    def runs(self) -> bool:
        """Whether it is a command or a program that is run."""
        return self.language in RUN and self.reason is None


def blocks_of(text: str) -> list[Block]:
    """The code blocks of a page."""
    blocks: list[Block] = []
    lines = text.split("\n")
    reason = language = follows = None
    start = 0
    for number, line in enumerate(lines, start=1):
        fence = _FENCE.match(line)
        if language is None and fence:
            language, start = fence["language"], number
        elif language is not None and line == "```":
            blocks.append(Block(language, "\n".join(lines[start : number - 1]), start, reason, follows))
            reason = language = None
            follows = start
        elif language is None and line.strip():
            mark = _NOT_RUN.fullmatch(line.strip())
            reason = mark["reason"] if mark else None
            follows = None
    return blocks


def outputs_of(blocks: list[Block]) -> dict[int, Block]:
    """The ``text`` blocks that say what the block before them prints, by the line of that block."""
    ran = {block.line for block in blocks if block.runs}
    return {block.follows: block for block in blocks if block.language == _OUTPUT and block.follows in ran}


def comparable(output: str) -> str:
    """An output without what differs from run to run."""
    for pattern, replacement in _VOLATILE:
        output = pattern.sub(replacement, output)
    return "\n".join(line.rstrip() for line in output.strip().split("\n"))


def with_outputs(text: str, printed: Mapping[int, str]) -> str:
    """A page whose outputs are those that were printed, by the line of the block that printed them."""
    shown = outputs_of(blocks_of(text))
    lines = text.split("\n")
    for line, output in sorted(printed.items(), reverse=True):
        block = shown[line]
        stripped = "\n".join(row.rstrip() for row in output.strip().split("\n"))
        length = len(block.code.split("\n")) if block.code else 0
        lines[block.line : block.line + length] = stripped.split("\n")
    return "\n".join(lines)
