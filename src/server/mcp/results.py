"""What the tools give: structures for programs, and the same as text for models that read no structures."""

from typing import Any

from pydantic import BaseModel, Field

from ...chains.citations import Citation
from ..passages import Passage


class Found(BaseModel):
    """Of ``search``.

    Attributes:
        passages: Best first.
        only_nearest: Whether the documents seem not to answer the question, and these are the nearest passages.
        note: What else is to be said of that.
    """

    passages: list[Passage] = Field(default_factory=list)
    only_nearest: bool = False
    note: str | None = None

    @property
    def text(self) -> str:
        """For a model."""
        if not self.passages:
            return "Nothing matches. Use other words, or leave out the filter; the tool sources lists what there is."
        parts = ("The documents seem not to answer this.", self.note, "These are the nearest passages.\n\n")
        note = " ".join(filter(None, parts)) if self.only_nearest else ""
        return note + "\n\n".join(f"[{each.number}] {each.citation}\n\n{each.text.strip()}" for each in self.passages)


class ReadLines(BaseModel):
    """Of ``read``.

    Attributes:
        source: Which one.
        title: Its title.
        start_line: Number of the first line that is given.
        end_line: Number of the last.
        next_line: The line to read on from, where there is more; None where this is the end of what was asked for.
        has_line_numbers: Whether the numbers are the source's own; else they count the lines of its chunks.
        original_places: Of a converted file, where in the original they are from: ``page 4``, ``pages 4-5``.
        content: The lines. Headings are there; what is not indexed, front matter say, is an empty line.
    """

    source: str
    title: str | None = None
    start_line: int
    end_line: int
    next_line: int | None = None
    has_line_numbers: bool = True
    original_places: list[str] = Field(default_factory=list)
    content: str

    @property
    def text(self) -> str:
        """For a model."""
        more = f"\n\n(There is more: read on with start_line={self.next_line}.)" if self.next_line else ""
        lines = f"lines {self.start_line}-{self.end_line}"
        if not self.has_line_numbers:
            # What a model cites is where people find it; the numbers are for reading on.
            lines = ", ".join([*self.original_places, f"{lines} of the text as it is indexed"])
        return f"{' '.join(f'{self.source}, {lines}'.split())}\n\n{self.content}{more}"


class Source(BaseModel):
    """A source, and how it is titled."""

    source: str
    title: str | None = None


class Listed(BaseModel):
    """Of ``sources``.

    Attributes:
        sources: By their names.
        total: How many match, those of this list among them.
        next_offset: Where to go on, where there are more.
    """

    sources: list[Source] = Field(default_factory=list)
    total: int = 0
    next_offset: int | None = None

    @property
    def text(self) -> str:
        """For a model."""
        if not self.sources:
            return "No source has such a name. Leave out the pattern to list all, or search."
        lines = [" ".join(f"{each.source}: {each.title or ''}".split()).removesuffix(":") for each in self.sources]
        if self.next_offset is not None:
            lines.append(f"({self.total:,} in all: go on with offset={self.next_offset}.)")
        return "\n".join(lines)


class Answered(BaseModel):
    """Of ``ask``.

    Attributes:
        answer: With ``[n]`` behind what passage n says.
        passages: What it was written from.
        citations: The passages that it cites; None where the server does not ask for citations.
    """

    answer: str
    passages: list[Passage] = Field(default_factory=list)
    citations: list[Citation] | None = None

    @property
    def text(self) -> str:
        """For a model."""
        cited = {each["number"] for each in self.citations or ()}
        lines = [f"[{each.number}] {each.citation}" for each in self.passages if each.number in cited]
        return "\n\n".join([self.answer, *(["Sources:\n" + "\n".join(lines)] if lines else [])])


Result = Found | ReadLines | Listed | Answered


def output_schema(kind: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a tool's structure."""
    return kind.model_json_schema(mode="serialization")
