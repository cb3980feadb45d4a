"""What clients send: the bodies of LangServe's protocol, within the operator's limits."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from ..chains.conversation import read_conversation
from ..errors import InputError
from .failures import RefusedRequestError
from .request_record import current_record
from .settings import ServerSettings

# What the retriever would read. To drop a filter in silence would be to answer from documents that the caller wanted
# left out; other keys mean nothing here, and callers inside a LangGraph application send many.
_CLOSED_KEYS = ("filter", "k")
# Far more than is read of a history.
MOST_MESSAGES = 200
_MESSAGE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        {
            "type": "object",
            "properties": {"role": {"type": "string"}, "type": {"type": "string"}, "content": {}},
            "required": ["content"],
        },
        {
            "type": "object",
            "properties": {"type": {"type": "string"}, "data": {"type": "object"}},
            "required": ["data"],
        },
    ]
}


def _sound(question: str) -> str:
    if not question.strip():
        raise ValueError("the question is empty")
    try:
        question.encode()
    except UnicodeEncodeError as exc:
        # Half of a surrogate pair, which JSON can spell and nothing else can.
        raise ValueError("the question is no text") from exc
    return question


QuestionText = Annotated[str, AfterValidator(_sound), Field(min_length=1, examples=["How is data stored?"])]


class Question(BaseModel):
    """A question, as the chain's input, and what was said before it.

    Attributes:
        question: The last one.
        chat_history: The turns before, the oldest first: LangChain messages as JSON, ``["human", text]`` pairs, or
            ``{"role": …, "content": …}``.
    """

    # What is not read is refused by name: a filter that got lost would show too much.
    model_config = ConfigDict(extra="forbid")

    question: QuestionText
    chat_history: list[Any] = Field(
        default_factory=list,
        max_length=MOST_MESSAGES,
        examples=[[["human", "What is a partition?"], ["ai", "A part of a collection."]]],
        json_schema_extra={"items": _MESSAGE_SCHEMA},
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        try:
            read_conversation({"question": self.question, "chat_history": self.chat_history})
        except InputError as exc:
            raise ValueError(str(exc)) from exc
        return self


def _kind_of(given: Any) -> str:
    return "text" if isinstance(given, str) else "object"


# Told apart by their kind, so that an error is about the one that was meant.
Input = Annotated[Annotated[QuestionText, Tag("text")] | Annotated[Question, Tag("object")], Discriminator(_kind_of)]


class CallConfig(BaseModel):
    """The part of LangChain's config that the server reads: ``configurable.llm``, the chat model that answers."""

    model_config = ConfigDict(extra="allow")

    configurable: dict[str, Any] = Field(default_factory=dict, examples=[{}])

    @field_validator("configurable")
    @classmethod
    def _only_open_keys(cls, configurable: dict[str, Any]) -> dict[str, Any]:
        closed = [key for key in _CLOSED_KEYS if configurable.get(key) is not None]
        if closed:
            raise ValueError(f"requests cannot set {' or '.join(closed)} on this server")
        return configurable


class _Body(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def _no_arguments(cls, body: Any) -> Any:
        # LangServe's clients always send them, and would have them passed to the chain, which takes none.
        if isinstance(body, dict) and _has_arguments(body.get("kwargs")):
            raise ValueError("requests cannot pass arguments on this server, leave kwargs empty")
        return body


def _has_arguments(kwargs: Any) -> bool:
    """Whether there is anything in them; the client in JavaScript sends one for each question of a batch."""
    return any(map(_has_arguments, kwargs)) if isinstance(kwargs, list) else bool(kwargs)


class Call(_Body):
    """One question."""

    input: Input
    config: CallConfig = Field(default_factory=CallConfig)


class EventsCall(Call):
    """One question, and which events of its answer are wanted."""

    @model_validator(mode="before")
    @classmethod
    def _version_is_ours(cls, body: Any) -> Any:
        # The client in JavaScript says here what LangServe decides by itself.
        if isinstance(body, dict) and isinstance(body.get("kwargs"), dict):
            return {**body, "kwargs": {name: value for name, value in body["kwargs"].items() if name != "version"}}
        return body

    include_names: list[str] | None = None
    include_types: list[str] | None = None
    include_tags: list[str] | None = None
    exclude_names: list[str] | None = None
    exclude_types: list[str] | None = None
    exclude_tags: list[str] | None = None


def _is_list(given: Any) -> str:
    return "list" if isinstance(given, list) else "one"


_Configs = Annotated[
    Annotated[CallConfig, Tag("one")] | Annotated[list[CallConfig], Tag("list")], Discriminator(_is_list)
]


class BatchCall(_Body):
    """Several questions."""

    inputs: list[Input]
    config: _Configs = Field(default_factory=CallConfig, description="One for all questions, or one a question.")

    @model_validator(mode="after")
    def _one_config_each(self) -> Self:
        if isinstance(self.config, list) and len(self.config) != len(self.inputs):
            raise ValueError(f"there are {len(self.inputs)} inputs and {len(self.config)} configs")
        return self


def accept(settings: ServerSettings, inputs: Sequence[str | Question]) -> None:
    """Check questions against the limits, and note them for the log.

    Raises:
        RefusedRequestError: There are too many, or one is too long.
    """
    questions = [given if isinstance(given, str) else given.question for given in inputs]
    if len(questions) > settings.max_batch:
        raise RefusedRequestError(
            422, f"A batch may have {settings.max_batch:,} questions at most, this one has {len(questions):,}."
        )
    longest = max(map(len, questions), default=0)
    if longest > settings.max_question_chars:
        raise RefusedRequestError(
            422, f"A question may have {settings.max_question_chars:,} characters at most, this one has {longest:,}."
        )
    record = current_record.get()
    if record is not None:
        record.questions = questions


def has_history(given: str | Question) -> bool:
    """Whether a question comes with a history."""
    return isinstance(given, Question) and bool(given.chat_history)
