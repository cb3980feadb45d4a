"""A passage as clients get it that know nothing of LangChain's documents."""

from collections.abc import Sequence
from typing import Any

from langchain_core.documents import Document
from pydantic import BaseModel, Field

from ..chunk_keys import (
    END_LINE_KEY,
    HEADINGS_KEY,
    ONLY_NEAREST_KEY,
    SCORE_KEY,
    SOURCE_KEY,
    START_LINE_KEY,
    TITLE_KEY,
    headings_of,
    original_place,
    path_of,
)


class Passage(BaseModel):
    """A passage that was found.

    Attributes:
        number: What it is cited by, from 1.
        source: The file that it is from.
        title: That file's.
        headings: Those above it, the outermost first.
        start_line: Its first line in the file, from 1.
        end_line: Its last.
        original_place: Of a converted file, where in the original it is from: ``page 4``.
        score: How well it fits the question, higher is better.
        only_nearest: Whether the documents do not answer the question, and this is one of the nearest passages.
        text: What it says.
    """

    number: int
    source: str | None = None
    title: str | None = None
    headings: list[str] = Field(default_factory=list)
    start_line: int | None = None
    end_line: int | None = None
    original_place: str | None = None
    score: float | None = None
    only_nearest: bool = False
    text: str

    @classmethod
    def of(cls, number: int, document: Document) -> "Passage":
        """A document of the chain's."""
        metadata = document.metadata
        return cls(
            number=number,
            source=_text_or_none(metadata.get(SOURCE_KEY)),
            title=_text_or_none(metadata.get(TITLE_KEY)),
            headings=headings_of(metadata),
            start_line=_line(metadata.get(START_LINE_KEY)),
            end_line=_line(metadata.get(END_LINE_KEY)),
            original_place=original_place(metadata),
            score=metadata.get(SCORE_KEY),
            only_nearest=metadata.get(ONLY_NEAREST_KEY) is True,
            text=document.page_content,
        )

    @property
    def citation(self) -> str:
        """Where it stands, in a line: ``faq.md, lines 3-9: Storage > Segments``."""
        place = self.original_place or (
            f"lines {self.start_line}-{self.end_line}" if self.start_line and self.end_line else ""
        )
        where = ", ".join(filter(None, (self.source or "unknown source", place)))
        # A name of a file may hold line breaks: what follows one would stand among the passage's own words.
        path = " > ".join(path_of({TITLE_KEY: self.title, HEADINGS_KEY: self.headings}))
        return " ".join(": ".join(filter(None, (where, path))).split())


def passages_of(documents: Sequence[Document]) -> list[Passage]:
    """Documents of the chain's, numbered."""
    return [Passage.of(number, document) for number, document in enumerate(documents, start=1)]


def _text_or_none(value: Any) -> str | None:
    return None if value is None else str(value)


def _line(value: Any) -> int | None:
    return value if isinstance(value, int) else None
