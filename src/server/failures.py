"""What a client is told when something goes wrong: a status, a sentence, nothing of the inside.

Messages of our own errors are for operators: they name paths, addresses, collections. So clients get sentences of this
module's own, and the operator finds the message in the log, under the request id that both have.
"""

import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ..errors import (
    InputTooLargeError,
    MilvusRagError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
    StoreError,
    StoreUnavailableError,
)

# Seconds after which an outage is worth another try.
_RETRY_SECONDS: Final = 5
_MOST_PROBLEMS: Final = 3
BUSY: Final = "busy"
RATE_LIMITED: Final = "rate_limited"
# Parts of pydantic's paths that are no keys of the request: where it was found, which branch of a union was tried.
_UNTOLD: Final = frozenset({"body", "text", "object", "one", "list"})


@dataclass(frozen=True, slots=True)
class Failure:
    """What a client is told.

    Attributes:
        status: HTTP status.
        message: A sentence.
        headers: Further headers.
        code: What programs tell it by, where the status alone does not say it.
        param: The field of the request that it is about, where it is about one.
    """

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    param: str = ""

    def body(self, request_id: str) -> bytes:
        """The JSON of an error response."""
        return json.dumps({"error": self._detail(request_id)}).encode()

    def event(self, request_id: str) -> bytes:
        """The error event of a stream that has begun; ``status_code`` and ``message`` are LangServe's."""
        data = {"status_code": self.status, "message": self.message, "error": self._detail(request_id)}
        return f"event: error\r\ndata: {json.dumps(data)}\r\n\r\n".encode()

    def response(self, request_id: str) -> Response:
        """An error response."""
        return Response(self.body(request_id), self.status, dict(self.headers), "application/json")

    def _detail(self, request_id: str) -> dict[str, Any]:
        return ErrorDetail(status=self.status, message=self.message, request_id=request_id).model_dump()


class ErrorDetail(BaseModel):
    """What went wrong, and under which id the server's log has it."""

    status: int
    message: str
    request_id: str


class ErrorBody(BaseModel):
    """The body of every response that is no success."""

    error: ErrorDetail


ERROR_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    401: {"model": ErrorBody, "description": "The key is missing or wrong."},
    403: {"model": ErrorBody, "description": "A page of another site asks, and there is no key."},
    408: {"model": ErrorBody, "description": "The request did not arrive in time."},
    413: {"model": ErrorBody, "description": "The request is too large."},
    422: {"model": ErrorBody, "description": "The request cannot be used."},
    429: {"model": ErrorBody, "description": "Too many questions in a minute, or too many wrong keys."},
    500: {"model": ErrorBody, "description": "The server failed."},
    502: {"model": ErrorBody, "description": "The model gave no usable answer."},
    503: {"model": ErrorBody, "description": "Busy, or the database or the model is not available."},
    504: {"model": ErrorBody, "description": "The answer took too long."},
}


class RefusedRequestError(Exception):
    """A request that the server refuses; what it raises is what the client is told."""

    def __init__(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        code: str = "",
        param: str = "",
    ) -> None:
        super().__init__(message)
        self.failure = Failure(status, message, headers or {}, code, param)


def failure_of(exc: BaseException) -> Failure:
    """Say what a client is told about an exception."""
    if isinstance(exc, RefusedRequestError):
        return exc.failure
    if isinstance(exc, RequestValidationError):
        return Failure(422, _problems(exc.errors()), param=_param(exc.errors()))
    if isinstance(exc, HTTPException):
        return Failure(exc.status_code, _http_message(exc), exc.headers or {})
    if isinstance(exc, StoreError):
        return _store_failure(exc)
    if isinstance(exc, ModelError):
        return _model_failure(exc)
    if isinstance(exc, TimeoutError):
        return Failure(504, "The answer took too long.")
    return Failure(500, "Something went wrong on the server.")


def detail_of(exc: BaseException, *, with_message: bool) -> str:
    """What the log says about an exception.

    Our own messages carry neither secrets nor questions. Those of other libraries may quote what they were given, so
    they are left out unless questions may be logged; where they were raised is always told.
    """
    if isinstance(exc, MilvusRagError | RefusedRequestError | HTTPException):
        return str(exc)
    if isinstance(exc, RequestValidationError):
        return _problems(exc.errors())
    if with_message:
        return "".join(traceback.format_exception(exc))
    return "".join(traceback.format_tb(exc.__traceback__))


def _store_failure(exc: StoreError) -> Failure:
    retry = {"Retry-After": str(_RETRY_SECONDS)}
    if isinstance(exc, StoreUnavailableError):
        return Failure(503, "The database with the documents does not answer at the moment.", retry)
    return Failure(503, "The documents cannot be searched at the moment. The server's log says why.", retry)


def _model_failure(exc: ModelError) -> Failure:
    if isinstance(exc, ModelTimeoutError):
        return Failure(504, "The model did not answer in time.")
    if isinstance(exc, RateLimitError | ProviderUnavailableError):
        seconds = max(1, round(exc.retry_after)) if exc.retry_after else _RETRY_SECONDS
        code = RATE_LIMITED if isinstance(exc, RateLimitError) else ""
        return Failure(503, "The model is not available at the moment.", {"Retry-After": str(seconds)}, code)
    if isinstance(exc, InputTooLargeError):
        return Failure(502, "The question and its passages are more than the model can read.")
    if isinstance(exc, ModelResponseError):
        return Failure(502, "The model gave no usable answer.")
    return Failure(503, "The model cannot be used. The server's log says why.")


def _http_message(exc: HTTPException) -> str:
    return {404: "There is nothing here.", 405: "This address does not take this method."}.get(
        exc.status_code, "The request cannot be read." if exc.status_code < 500 else "Something went wrong."
    )


def _param(errors: Sequence[Any]) -> str:
    """The field that the first problem is about."""
    first = errors[0] if errors else None
    return _place(first) if isinstance(first, dict) and first.get("type") != "json_invalid" else ""


def _place(error: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in error["loc"] if part not in _UNTOLD)


def _problems(errors: Sequence[Any]) -> str:
    """What pydantic found, without the values it found it in."""
    sentences = []
    for error in errors[:_MOST_PROBLEMS]:
        if isinstance(error, dict) and error.get("type") == "json_invalid":
            # FastAPI has the place where a field's name would be.
            *_, place = error["loc"]
            sentences.append(f"The body is no JSON: {error['ctx']['error']}, at character {place + 1}.")
        elif isinstance(error, dict):
            sentences.append(f"{_place(error) or 'body'}: {error['msg'].removeprefix('Value error, ')}")
    return "; ".join(dict.fromkeys(sentences)) or "The request cannot be read."
