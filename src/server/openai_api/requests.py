"""What OpenAI's clients send: the body of ``/v1/chat/completions``.

Source of the fields and bounds: https://platform.openai.com/docs/api-reference/chat/create. What is not among them is
refused by name, as OpenAI's servers do. Of what is, some reaches the chat model, some changes no answer and is read by
nobody, and some would need what this server has not, so that its answer would be another than was asked for.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Discriminator, Field, Tag, model_validator

from ..failures import RefusedRequestError

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]

# What would be answered wrongly, with the values that ask for nothing.
_NEEDS: Final[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
    "n": ("gives one answer", (1,)),
    "tools": ("calls no tools", ([],)),
    "functions": ("calls no functions", ([],)),
    "tool_choice": ("calls no tools", ("none", "auto")),
    "function_call": ("calls no functions", ("none", "auto")),
    "response_format": ("answers in text, and fills in no structure", ({"type": "text"},)),
    "modalities": ("answers in text", (["text"], [])),
    "audio": ("answers in text", ()),
    "logprobs": ("tells no probabilities", (False,)),
    "top_logprobs": ("tells no probabilities", (0,)),
    "logit_bias": ("weighs no tokens", ({},)),
    "web_search_options": ("searches its documents, and not the web", ()),
}
# What has no effect on the answer.
_UNREAD: Final = (
    "metadata",
    "moderation",
    "parallel_tool_calls",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "user",
)
_STOPS: Final = 4


def _text(given: str) -> str:
    try:
        given.encode()
    except UnicodeEncodeError as exc:
        # Half of a surrogate pair, which JSON can spell and nothing else can.
        raise ValueError("this is no text") from exc
    return given


Text = Annotated[str, AfterValidator(_text)]


class ContentPart(BaseModel):
    """A part of a message's content."""

    type: str = Field(examples=["text"])
    text: Text = ""
    refusal: Text = ""

    @model_validator(mode="after")
    def _is_text(self) -> Self:
        if self.type not in ("text", "refusal"):
            raise ValueError(f"this server reads text, and no {self.type[:40]}")
        return self


def _kind_of(given: Any) -> str:
    return "list" if isinstance(given, list) else "text"


# Told apart by their kind, so that an error is about the one that was meant.
Content = Annotated[
    Annotated[Text | None, Tag("text")] | Annotated[list[ContentPart], Tag("list")], Discriminator(_kind_of)
]


class ChatMessage(BaseModel):
    """What somebody said.

    Attributes:
        role: Who.
        content: What.
        name: Of whom; several people are one to this server.
    """

    role: Literal["system", "developer", "user", "assistant"]
    content: Content = Field(examples=["How is data stored?"], default=None)
    name: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _no_tools(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and (
            given.get("role") in ("tool", "function") or given.get("tool_calls") or given.get("function_call")
        ):
            raise ValueError("this server calls no tools, and reads no results of them")
        return given

    @property
    def text(self) -> str:
        """What was said, as one text."""
        if isinstance(self.content, list):
            return "\n".join(filter(None, (part.text or part.refusal for part in self.content)))
        return self.content or ""


class StreamOptions(BaseModel):
    """How to stream."""

    include_usage: bool | None = None


def _list(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class ChatCall(BaseModel):
    """A conversation whose last question is to be answered.

    Attributes:
        model: ``milvus-rag``, or one of the chat models that ``/v1/models`` lists.
        messages: The conversation. What the system or the developer says are further instructions to the model.
        stream: Whether the answer comes in parts, as server-sent events.
        stream_options: ``{"include_usage": true}`` for the tokens used, at the end of a stream.
        max_tokens: Most tokens of the answer; the server's own limit stays.
        max_completion_tokens: The same, as newer clients call it.
        stop: Texts at which the answer ends.
        temperature: This and what follows go to the chat model.
    """

    model: Text = Field(min_length=1, examples=["milvus-rag"])
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: Annotated[
        list[Annotated[Text, Field(min_length=1)]] | None,
        BeforeValidator(_list, json_schema_input_type=str | list[str] | None),
    ] = Field(None, max_length=_STOPS)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    reasoning_effort: Effort | None = None
    verbosity: Literal["low", "medium", "high"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _only_what_is_known(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        for name, value in given.items():
            if name in cls.model_fields or name in _UNREAD:
                continue
            if name not in _NEEDS:
                shown = str(name)[:80]
                raise RefusedRequestError(
                    400, f"Unrecognized request argument: {shown}.", code="unknown_parameter", param=shown
                )
            reason, nothing = _NEEDS[name]
            # To Python, true is 1.
            if value is not None and (type(value), value) not in [(type(none), none) for none in nothing]:
                raise RefusedRequestError(
                    400, f"This server {reason}: leave out {name}.", code="unsupported_parameter", param=name
                )
        return given

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options are for streams: set stream to true")
        limits = {self.max_tokens, self.max_completion_tokens} - {None}
        if len(limits) == 2:
            raise ValueError("max_tokens and max_completion_tokens are one limit: give one of them")
        return self

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with the tokens used."""
        return bool(self.stream_options and self.stream_options.include_usage)
