"""Thoughts that a model writes into its answer between ``<think>`` and ``</think>``, told apart from it piece by piece.

Servers with a parser for them send thoughts in a field of their own; llama.cpp, Ollama and vLLM without one send them
as text (DeepSeek-R1, QwQ, Qwen3 and others begin so).
"""

import re
from enum import Enum
from typing import Final

_TAGS: Final = ("<think>", "<thinking>")
_OPENING: Final = re.compile(r"\s*<(think|thinking)>\s*", re.IGNORECASE)


class _Where(Enum):
    START = "before the first character that tells"
    THOUGHTS = "in the thoughts"
    GAP = "behind the thoughts, before the answer"
    ANSWER = "in the answer"


class ThinkBlocks:
    """Takes a text in pieces of any size, and tells thoughts and answer apart. A block counts at the beginning only."""

    def __init__(self) -> None:
        self._where = _Where.START
        self._held = ""
        self._closing = ""

    def split(self, piece: str) -> tuple[str, str]:
        """The thoughts and the answer that are certain with this piece."""
        self._held += piece
        thoughts = answer = ""
        if self._where is _Where.START:
            if (opening := _OPENING.match(self._held)) and opening.end() < len(self._held):
                self._where, self._closing = _Where.THOUGHTS, f"</{opening[1].lower()}>"
                self._held = self._held[opening.end() :]
            elif not opening and not self._may_open():
                self._where = _Where.ANSWER
        if self._where is _Where.THOUGHTS:
            thoughts = self._thoughts()
        if self._where is _Where.GAP:
            self._held = self._held.lstrip()
            self._where = _Where.ANSWER if self._held else _Where.GAP
        if self._where is _Where.ANSWER:
            answer, self._held = self._held, ""
        return thoughts, answer

    def rest(self) -> tuple[str, str]:
        """The thoughts and the answer that were held back, when nothing more comes."""
        held, self._held = self._held, ""
        if self._where is _Where.THOUGHTS or (self._where is _Where.START and _OPENING.fullmatch(held)):
            return ("" if self._where is _Where.START else held), ""
        return "", held

    def _may_open(self) -> bool:
        start = self._held.lstrip().lower()
        return any(tag.startswith(start) for tag in _TAGS)

    def _thoughts(self) -> str:
        end = self._held.lower().find(self._closing)
        if end >= 0:
            thoughts, self._held = self._held[:end], self._held[end + len(self._closing) :]
            self._where = _Where.GAP
            return thoughts
        # The tag may begin in this piece and end in the next one.
        lower, sizes = self._held.lower(), range(len(self._closing) - 1, 0, -1)
        held = next((size for size in sizes if lower.endswith(self._closing[:size])), 0)
        thoughts, self._held = self._held[: len(self._held) - held], self._held[len(self._held) - held :]
        return thoughts
