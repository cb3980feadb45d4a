"""Questions with the passages that answer them, a JSON object a line."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.documents import Document

from ..chunk_keys import SOURCE_KEY
from ..errors import InputError


@dataclass(frozen=True)
class Passage:
    """What answers a question.

    Attributes:
        file: The source that it stands in: its name, or the end of it from some folder on.
        text: What the retrieved chunk must contain; blanks and line ends are all alike.
    """

    file: str
    text: str

    def is_in(self, chunk: Document) -> bool:
        """Whether a chunk contains the passage."""
        source = str(chunk.metadata.get(SOURCE_KEY, ""))
        same_file = source == self.file or source.endswith(f"/{self.file}")
        return same_file and _words(self.text) in _words(chunk.page_content)


@dataclass(frozen=True)
class Question:
    """A question and its passages: any of them is a hit."""

    text: str
    passages: tuple[Passage, ...]


def read_questions(path: str | Path) -> list[Question]:
    r"""Read a file of questions.

    A line is ``{"question": …, "file": …, "text": …}``, or, for several passages,
    ``{"question": …, "passages": [{"file": …, "text": …}, …]}``. Blank lines are left out.

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
        raise InputError(f"{path} has no questions: each line is {{'question': …, 'file': …, 'text': …}}.")
    return questions


def _questions(path: Path, lines: list[str]) -> Iterator[Question]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
            yield _question(given)
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as exc:
            wrong = f"{exc} is missing" if isinstance(exc, KeyError) else str(exc)
            raise InputError(f"{path}, line {number}: {wrong}.") from exc


def _question(given: Any) -> Question:
    if not isinstance(given, Mapping):
        raise TypeError("a question is a JSON object")
    passages = given.get("passages", [given])
    if not isinstance(passages, list) or not passages:
        raise TypeError("'passages' is a list of objects with 'file' and 'text'")
    return Question(_text(given, "question"), tuple(Passage(_text(p, "file"), _text(p, "text")) for p in passages))


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given[key]
    if not isinstance(value, str) or not value.strip():
        raise TypeError(f"{key!r} is a text that is not empty")
    return value


def _words(text: str) -> str:
    return " ".join(text.split())
