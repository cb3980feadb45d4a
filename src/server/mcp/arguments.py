"""What the tools are called with, within limits."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...errors import FilterError, InputError

MOST_PASSAGES: Final = 20
MOST_SOURCES: Final = 500
_FILTER_CHARS: Final = 4_000
_SOURCE_CHARS: Final = 4_000
_MOST_PROBLEMS: Final = 3


class ToolInputError(InputError):
    """A tool is called with what it cannot use; its message is for the model that called it."""


class _Arguments(BaseModel):
    # What is not read is refused by name: a filter that got lost would show too much.
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="after")
    def _is_text(self) -> "_Arguments":
        for name, value in self:
            try:
                str(value).encode()
            except UnicodeEncodeError as exc:
                raise ValueError(f"{name} is no text") from exc
        return self


class SearchArguments(_Arguments):
    """Arguments of ``search``."""

    question: str = Field(
        min_length=1,
        description="What to look for: a question in plain words, or the words themselves.",
        examples=["How is data stored?"],
    )
    k: int = Field(3, ge=1, le=MOST_PASSAGES, strict=True, description="How many passages.")
    filter: str | dict[str, Any] = Field(
        "",
        max_length=_FILTER_CHARS,
        description=(
            "Look only at chunks whose metadata match: a JSON object such as "
            '{"source": {"$like": "guide/%"}}, or a Milvus expression such as source like "guide/%". '
            "Leave it out to look at all."
        ),
        examples=['source like "guide/%"'],
    )

    @property
    def condition(self) -> str | dict[str, Any] | None:
        """The filter, as the retriever reads it.

        Raises:
            FilterError: It begins as JSON and is none.
        """
        given = self.filter
        if not isinstance(given, str) or not given.lstrip().startswith("{"):
            return given or None
        try:
            read: dict[str, Any] = json.loads(given)
        except json.JSONDecodeError as exc:
            raise FilterError(f"The filter {given!r} is no JSON: {exc}.") from exc
        return read


class ReadArguments(_Arguments):
    """Arguments of ``read``."""

    source: str = Field(
        min_length=1,
        max_length=_SOURCE_CHARS,
        description="A source by its name, as search and sources tell it.",
        examples=["guide/install.md"],
    )
    start_line: int = Field(1, ge=1, strict=True, description="The first line to read, from 1.")
    end_line: int | None = Field(
        None,
        ge=1,
        strict=True,
        description="The last line to read. Leave it out to read to the end, or to as much as one answer holds.",
        json_schema_extra=lambda schema: _plain(schema),
    )

    @model_validator(mode="after")
    def _in_order(self) -> "ReadArguments":
        if self.end_line is not None and self.end_line < self.start_line:
            raise ValueError(f"end_line {self.end_line} is before start_line {self.start_line}")
        return self


class SourcesArguments(_Arguments):
    """Arguments of ``sources``."""

    pattern: str = Field(
        "*",
        min_length=1,
        max_length=_SOURCE_CHARS,
        description="Which names to list; * stands for anything, ? for one character. All by default.",
        examples=["guide/*"],
    )
    limit: int = Field(100, ge=1, le=MOST_SOURCES, strict=True, description="How many names.")
    offset: int = Field(0, ge=0, le=1_000_000, strict=True, description="How many names to pass over first.")


class AskArguments(_Arguments):
    """Arguments of ``ask``."""

    question: str = Field(
        min_length=1,
        description="The question, so that it can be understood alone.",
        examples=["How is data stored?"],
    )


def read_arguments(
    kind: type[BaseModel], given: Mapping[str, Any], *, max_question_chars: int
) -> SearchArguments | ReadArguments | SourcesArguments | AskArguments:
    """Check what a tool is called with.

    Raises:
        ToolInputError: It cannot be used; says what is wrong with which argument, without the values of others.
    """
    question = given.get("question")
    if isinstance(question, str) and not question.strip():
        raise ToolInputError("question: it is empty. Say what to look for.")
    if isinstance(question, str) and len(question) > max_question_chars:
        raise ToolInputError(
            f"question: it may have {max_question_chars:,} characters at most, this one has {len(question):,}. "
            f"Ask for the point of it alone."
        )
    try:
        return kind.model_validate(given)  # type: ignore[return-value]  # one of the four
    except ValidationError as exc:
        raise ToolInputError(_problems(exc.errors(include_input=False, include_url=False))) from exc


def input_schema(kind: type[BaseModel], *, max_question_chars: int) -> dict[str, Any]:
    """The JSON schema of a tool's arguments, with its limits."""
    schema = kind.model_json_schema()
    for field in schema["properties"].values():
        field.pop("title", None)
    if "question" in schema["properties"]:
        schema["properties"]["question"]["maxLength"] = max_question_chars
    return {name: value for name, value in schema.items() if name not in ("title", "description")}


def _plain(schema: dict[str, Any]) -> None:
    """An optional number as a number: many a model's API takes no alternatives."""
    (number, _) = schema.pop("anyOf")
    schema.pop("default", None)
    schema.update(number)


def _problems(errors: Sequence[Any]) -> str:
    sentences = [
        f"{'.'.join(map(str, error['loc'][:1])) or 'arguments'}: {error['msg'].removeprefix('Value error, ')}"
        for error in errors[:_MOST_PROBLEMS]
    ]
    return "; ".join(dict.fromkeys(sentences))
