"""What OpenAI's clients are answered: a completion, or its chunks.

Source: https://platform.openai.com/docs/api-reference/chat/object and ``/chat/streaming``. Beside it stands what only
this server knows, under a name that nobody else uses; clients that do not know it pass it over.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from ...chains.citations import Citation
from ..passages import Passage, passages_of
from ..request_record import RequestRecord

DEFAULT_MODEL = "milvus-rag"
FinishReason = Literal["stop", "length"]
_CUT_OFF = frozenset({"length", "max_tokens"})


class Grounds(BaseModel):
    """What an answer stands on.

    Attributes:
        search_question: What was searched for, where that is not the question.
        passages: What was found, in the order of its numbers.
        citations: The passages that the answer cites; None where it was not asked to cite.
    """

    search_question: str | None = None
    passages: list[Passage] = Field(default_factory=list)
    citations: list[Citation] | None = None

    @classmethod
    def of(cls, output: Mapping[str, Any]) -> "Grounds":
        """The grounds in a chain's output."""
        return cls(
            search_question=output.get("search_question"),
            passages=passages_of(output.get("context") or ()),
            citations=output.get("citations"),
        )


class Usage(BaseModel):
    """Tokens, as the model counts them: of the answer, and of the question to search for where it wrote one."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, record: RequestRecord) -> "Usage":
        """What a request used."""
        read, written = record.tokens_in, record.tokens_out
        return cls(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


class AnswerMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class Choice(BaseModel):
    """The one answer that there is."""

    index: Literal[0] = 0
    message: AnswerMessage
    logprobs: None = None
    finish_reason: FinishReason


class Completion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    milvus_rag: Grounds


class Model(BaseModel):
    """A model that can be asked for."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = DEFAULT_MODEL


class ModelList(BaseModel):
    """All of them, the default first."""

    object: Literal["list"] = "list"
    data: list[Model]


class Chunks:
    """The events of a streamed answer.

    Args:
        id: The answer's.
        created: When, in seconds of Unix.
        model: As the request calls it.
        wants_usage: Whether the tokens are told at the end.
    """

    def __init__(self, *, id: str, created: int, model: str, wants_usage: bool) -> None:
        self._head = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        # Where usage is wanted, all chunks before it say that they have none.
        self._usage: dict[str, Any] = {"usage": None} if wants_usage else {}
        self._wants_usage = wants_usage

    def begin(self) -> dict[str, str]:
        """The first one says who speaks."""
        return self._event({"role": "assistant", "content": "", "refusal": None})

    def more(self, text: str) -> dict[str, str]:
        """A part of the answer."""
        return self._event({"content": text})

    def end(self, reason: FinishReason, grounds: Grounds) -> dict[str, str]:
        """The last one of the answer."""
        return self._event({}, reason, {"milvus_rag": grounds.model_dump()})

    def after(self, usage: Usage) -> list[dict[str, str]]:
        """What comes behind the answer."""
        last = {**self._head, "choices": [], "usage": usage.model_dump()}
        return [*([_data(last)] if self._wants_usage else []), {"data": "[DONE]"}]

    def _event(
        self, delta: Mapping[str, Any], reason: FinishReason | None = None, beside: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _data({**self._head, "choices": [choice], **self._usage, **(beside or {})})


def finish_reason(record: RequestRecord) -> FinishReason:
    """Why an answer ended, in OpenAI's words."""
    return "length" if record.finish_reason.lower() in _CUT_OFF else "stop"


def _data(event: Mapping[str, Any]) -> dict[str, str]:
    return {"data": json.dumps(event, ensure_ascii=False, default=str)}
