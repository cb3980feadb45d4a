"""Errors as OpenAI's servers tell them, so that its clients raise what their users know.

Source of the shape and of the codes: https://platform.openai.com/docs/guides/error-codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from ..failures import BUSY, RATE_LIMITED, Failure

# Where OpenAI's servers answer with another status than ours: a request that cannot be used is 400 there, and its
# clients wait for `Retry-After` and ask again at 429.
_STATUS: Final[Mapping[int, int]] = {422: 400}
_STATUS_BY_CODE: Final[Mapping[str, int]] = {BUSY: 429, RATE_LIMITED: 429}
_CODES: Final[Mapping[int, str]] = {401: "invalid_api_key", 413: "request_too_large", 429: "rate_limit_exceeded"}
_TYPES: Final[Mapping[int, str]] = {429: "rate_limit_error"}


class OpenAIErrorDetail(BaseModel):
    """What went wrong.

    Attributes:
        message: A sentence.
        type: Its kind: ``invalid_request_error``, ``rate_limit_error``, ``server_error``.
        param: The field of the request that it is about.
        code: What programs tell it by.
        request_id: Under which the server's log has it; OpenAI's own has it in a header only.
    """

    message: str
    type: str
    param: str | None
    code: str | None
    request_id: str


class OpenAIErrorBody(BaseModel):
    """The body of every response below ``/v1`` that is no success."""

    error: OpenAIErrorDetail


@dataclass(frozen=True, slots=True)
class OpenAIFailure(Failure):
    """A failure that is told as OpenAI's servers do."""

    def event(self, request_id: str) -> bytes:
        """The error event of a stream that has begun."""
        return b"data: " + self.body(request_id) + b"\n\n"

    def _detail(self, request_id: str) -> dict[str, Any]:
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return OpenAIErrorDetail(
            message=self.message,
            type=kind,
            param=self.param or None,
            code=_CODES.get(self.status, self.code or None),
            request_id=request_id,
        ).model_dump()


def as_openai(failure: Failure) -> OpenAIFailure:
    """The same failure in OpenAI's words."""
    status = _STATUS_BY_CODE.get(failure.code, _STATUS.get(failure.status, failure.status))
    return OpenAIFailure(status, failure.message, failure.headers, failure.code, failure.param)


OPENAI_ERROR_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": OpenAIErrorBody, "description": "The request cannot be used."},
    401: {"model": OpenAIErrorBody, "description": "The key is missing or wrong."},
    404: {"model": OpenAIErrorBody, "description": "There is no such model."},
    408: {"model": OpenAIErrorBody, "description": "The request did not arrive in time."},
    413: {"model": OpenAIErrorBody, "description": "The request is too large."},
    422: {"model": OpenAIErrorBody, "description": "Never: it is 400 here."},
    429: {"model": OpenAIErrorBody, "description": "Busy, or the model is: try again later."},
    500: {"model": OpenAIErrorBody, "description": "The server failed."},
    502: {"model": OpenAIErrorBody, "description": "The model gave no usable answer."},
    503: {"model": OpenAIErrorBody, "description": "The database or the model is not available."},
    504: {"model": OpenAIErrorBody, "description": "The answer took too long."},
}
