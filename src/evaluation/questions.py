"""Questions with the passages that answer them, a JSON object a line."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from ..chunk_keys import BODY_START_KEY, END_INDEX_KEY, SOURCE_KEY, START_INDEX_KEY
from ..errors import InputError

_FORM = "{'question': …, 'file': …, 'text': …}"


@dataclass(frozen=True)
class Passage:
    """What answers a question.

    Attributes:
        file: The source that it stands in: its name, or the end of it from some folder on.
        text: What the retrieved chunk must contain; blanks and line ends are all alike. Empty where only the place is
            known.
        start: Where it begins in the source, in characters from 0; None where only its text is known.
        end: Where it ends, the character behind its last one.
    """

    file: str
    text: str = ""
    start: int | None = None
    end: int | None = None

    def is_in(self, chunk: Document) -> bool:
        """Whether a chunk contains the passage: that very place, where both say where they stand, else its text.

        Raises:
            InputError: The passage has no text, and the chunk does not say where it stands.
        """
        if not self.is_of(chunk):
            return False
        if self.start is not None and self.end is not None and (held := place_of(chunk)) is not None:
            before, behind = self._blanks()
            return held[0] <= self.start + before and self.end - behind <= held[1]
        self._check_text()
        return normal(self.text) in normal(chunk.page_content)

    def is_of(self, chunk: Document) -> bool:
        """Whether a chunk is of the passage's file."""
        source = str(chunk.metadata.get(SOURCE_KEY, ""))
        return source == self.file or source.endswith(f"/{self.file}")

    def _blanks(self) -> tuple[int, int]:
        """At the beginning and at the end of a place: a chunk has none there."""
        if self.start is None or self.end is None or len(self.text) != self.end - self.start:
            return 0, 0
        return len(self.text) - len(self.text.lstrip()), len(self.text) - len(self.text.rstrip())

    def _check_text(self) -> None:
        if not self.text:
            raise InputError(
                f"Whether a chunk has the characters {self.start} to {self.end} of {self.file} cannot be told: its "
                f"splitter did not write where it begins. Give the passage's 'text' too."
            )


@dataclass(frozen=True)
class Question:
    """A question and its passages: any of them is a hit.

    Attributes:
        text: What is asked.
        passages: One or more.
        made: Whether a model wrote the question.
    """

    text: str
    passages: tuple[Passage, ...]
    made: bool = False


def place_of(chunk: Document) -> tuple[int, int] | None:
    """From where to where a chunk stands in its source, in characters; None where its splitter does not say."""
    start = chunk.metadata.get(START_INDEX_KEY)
    if not isinstance(start, int) or start < 0:
        return None
    end, body = chunk.metadata.get(END_INDEX_KEY), chunk.metadata.get(BODY_START_KEY)
    if not isinstance(end, int):
        end = start + len(chunk.page_content) - (body if isinstance(body, int) else 0)
    return start, end


def read_questions(path: str | Path) -> list[Question]:
    r"""Read a file of questions.

    A line is ``{"question": …, "file": …, "text": …}``, or, for several passages,
    ``{"question": …, "passages": [{"file": …, "text": …}, …]}``. In place of the text, or beside it, a passage can have
    ``"start"`` and ``"end"``, its place in the source in characters. Blank lines are left out, further fields too.

    Raises:
        InputError: The file is not there or empty, or a line is not of that form; the message names the line.
    """
    path = Path(path)
    try:
        lines = path.read_text("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f"The questions {path} cannot be read: {getattr(exc, 'strerror', None) or exc}.") from exc
    questions = list(_questions(path, lines))
    if not questions:
        raise InputError(f"{path} has no questions: each line is {_FORM}.")
    return questions


def normal(text: str) -> str:
    """A text in which blanks and line ends are all alike."""
    return " ".join(text.split())


def _questions(path: Path, lines: list[str]) -> Iterator[Question]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _question(json.loads(line))
        except json.JSONDecodeError as exc:
            raise InputError(f"{path}, line {number}: no JSON ({exc}). Each line is {_FORM}.") from exc
        except (KeyError, TypeError, ValueError, RecursionError) as exc:
            wrong = f"{exc} is missing" if isinstance(exc, KeyError) else str(exc)
            raise InputError(f"{path}, line {number}: {wrong}.") from exc


def _question(given: Any) -> Question:
    if not isinstance(given, Mapping):
        raise TypeError("a question is a JSON object")
    passages = given.get("passages", [given])
    if not isinstance(passages, list) or not passages or not all(isinstance(passage, Mapping) for passage in passages):
        raise TypeError("'passages' is a list of objects with 'file' and 'text'")
    return Question(_text(given, "question"), tuple(map(_passage, passages)), made="made_by" in given)


def _passage(given: Mapping[str, Any]) -> Passage:
    places = [key for key in ("start", "end") if given.get(key) is not None]
    file = _text(given, "file").removeprefix("./")
    if not places:
        return Passage(file, _text(given, "text"))
    start, end = _place(given, "start"), _place(given, "end")
    if start >= end:
        raise ValueError(f"'start' is before 'end', and not {start} and {end}")
    text = _text(given, "text") if given.get("text") is not None else ""
    return Passage(file, text, start, end)


def _place(given: Mapping[str, Any], key: str) -> int:
    value = given[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"{key!r} is a number of characters from 0")
    return value


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given[key]
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{key!r} is a text that is not empty")
    return value
