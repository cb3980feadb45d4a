"""What an exception of any client says: of openai, google-genai, httpx, requests, botocore, or whatever wraps them.

Clients raise dozens of classes from packages of which any may not be installed, and LangChain wraps some of them again.
So no class is imported: the whole chain of an exception is read for evidence, which is an HTTP status, headers, a body,
the names of classes. Providers' calls, a sync with anybody's embedding, and the rerankers all conclude from this.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from .error_bodies import ErrorBody, as_status, read_body, sentence
from .errors import (
    AuthenticationError,
    InputTooLargeError,
    MilvusRagError,
    MissingExtraError,
    MissingKeyError,
    ModelError,
    ModelNotFoundError,
    ModelResponseError,
    ModelTimeoutError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
)
from .retry_after import wait_in_headers


class Kind(StrEnum):
    """What went wrong, by what can be done about it."""

    NOT_SET_UP = "not set up"
    KEY_REFUSED = "key refused"
    MODEL_UNKNOWN = "model unknown"
    ADDRESS_UNKNOWN = "address unknown"
    OUT_OF_QUOTA = "out of quota"
    RATE_LIMITED = "rate limited"
    TOO_LARGE = "too large"
    UNAVAILABLE = "unavailable"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    BROKEN_OFF = "broken off"
    UNREADABLE = "unreadable"
    REFUSED = "refused"
    UNKNOWN = "unknown"


# The more telling first: a class of ours stands for the first kind that has it.
ERROR_CLASSES: Final[Mapping[Kind, type[ModelError]]] = {
    Kind.NOT_SET_UP: MissingKeyError,
    Kind.KEY_REFUSED: AuthenticationError,
    Kind.MODEL_UNKNOWN: ModelNotFoundError,
    Kind.ADDRESS_UNKNOWN: ModelNotFoundError,
    Kind.OUT_OF_QUOTA: QuotaExceededError,
    Kind.RATE_LIMITED: RateLimitError,
    Kind.TOO_LARGE: InputTooLargeError,
    Kind.UNAVAILABLE: ProviderUnavailableError,
    Kind.CONNECTION: ProviderUnavailableError,
    Kind.TIMEOUT: ModelTimeoutError,
    Kind.UNREADABLE: ModelResponseError,
    Kind.BROKEN_OFF: ModelResponseError,
    Kind.REFUSED: ModelError,
    Kind.UNKNOWN: ModelError,
}
"""Our error for each kind."""

_PASSING: Final = frozenset({Kind.RATE_LIMITED, Kind.UNAVAILABLE, Kind.CONNECTION, Kind.TIMEOUT})
_FATAL: Final = frozenset({
    Kind.NOT_SET_UP, Kind.KEY_REFUSED, Kind.MODEL_UNKNOWN, Kind.ADDRESS_UNKNOWN, Kind.OUT_OF_QUOTA,
})  # fmt: skip

# Class names, not classes: httpx and httpx2 have no class in common, and neither may be installed.
_TIMEOUTS: Final = frozenset({
    "TimeoutError", "TimeoutException", "APITimeoutError", "Timeout", "ReadTimeoutError", "ConnectTimeoutError",
})  # fmt: skip
_CONNECTIONS: Final = frozenset({
    "APIConnectionError", "TransportError", "ConnectionError", "ClientConnectionError", "HTTPClientError",
    "ChunkedEncodingError", "ProtocolError", "gaierror", "IncompleteRead",
})  # fmt: skip
# urllib3 counts a refused connection among its timeouts.
_REFUSED_CONNECTIONS: Final = frozenset({"NewConnectionError"})
_UNREADABLE: Final = frozenset({
    "JSONDecodeError", "UnknownApiResponseError", "APIResponseValidationError", "UnreadableAnswerError",
})  # fmt: skip
# An error inside an answer with status 200, whole or in a stream: openai's class, and that of models/providers/events.
_STREAM_ERRORS: Final = frozenset({"APIError", "ErrorAnswerError"})

_STATUS_NAMES: Final = ("status_code", "code", "http_status", "status")
_BODY_NAMES: Final = ("body", "details", "json_body", "http_body", "error")

# What openai's client says where the server said nothing.
_SAYS_NOTHING: Final = re.compile(r"Error code: \d+\.?")

# Providers' words for a request or a text that is over a limit.
_TOO_LARGE: Final = re.compile(
    r"too (?:large|long|big)\b|too many (?:input )?(?:inputs|tokens|texts|items|documents|characters)\b"
    r"|context (?:length|window|size)|(?:max|maximum) context|token limit|input tokens exceed"
    r"|(?:exceed\w*|over) (?:the )?(?:available |allowed )?(?:max|limit|model|context|token)"
    r"|at most [\d,]+ (?:\w+ )?(?:requests|inputs|texts|items|documents|tokens|characters|elements)"
    r"|(?:inputs|texts|items|documents) must be at most|(?:less|fewer) than [\d,]+ tokens"
    r"|max(?:imum)? [\d,]+ tokens|max(?:imum)? (?:allowed tokens|number of (?:tokens|inputs|texts))"
    r"|batch size|maximum allowed batch|maxlength: \d|range of input length|length limit exceeded"
    r"|(?:payload|request entity|request body) (?:size|too)|reduce the (?:length|number|prompt)|reduce your prompt",
    re.IGNORECASE,
)
_TOO_LARGE_CODES: Final = frozenset({
    "context_length_exceeded", "exceed_context_size_error", "max_tokens_per_request", "array_above_max_length",
    "string_above_max_length", "request_too_large", "too_long", "string_too_long",
})  # fmt: skip
# "max_tokens is too large: … supports at most 16384 completion tokens" is a setting, and no text.
_A_SETTING: Final = re.compile(r"at most [\d,]+ completion tokens", re.IGNORECASE)
# A server that fails says many things; these it says of a text. llama.cpp and older Ollama answer 500.
_TOO_LARGE_FOR_THE_SERVER: Final = re.compile(
    r"too large to process|physical batch size|exceed\w* (?:the )?(?:available )?context (?:length|window|size)"
    r"|maximum context length",
    re.IGNORECASE,
)
# More at once than is allowed in a minute: waiting does not help, and a smaller request does.
_TOO_LARGE_FOR_THE_RATE: Final = re.compile(r"request too large for|must be reduced in order to run", re.IGNORECASE)

_QUOTA_CODES: Final = frozenset({
    "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "exceeded_current_quota_error",
    "insufficient_balance", "arrearage", "payment_required", "1113",
})  # fmt: skip
_QUOTA: Final = re.compile(
    r"insufficient[_ ](?:quota|balance|credit|funds)|balance is (?:insufficient|too low)|\bbilling\b|payment required"
    r"|(?:credit|spend\w*|usage) limit (?:is |was |has been )?(?:exceeded|reached)|out of credits|exceeded your monthly"
    r"|api calls / month|(?:your|account) balance|account is overdue|欠费|余额不足",
    re.IGNORECASE,
)
# Gemini says "check your plan and billing" of each limit. Which it is, it says in the quota's id.
_DAILY: Final = re.compile(r"perday", re.IGNORECASE)
_QUOTA_STATUSES: Final = (400, 403, 429)

_RATE_CODES: Final = frozenset({
    "rate_limit_exceeded", "rate_limit_error", "throttlingexception", "throttling", "too_many_requests",
    "resource_exhausted",
})  # fmt: skip
# Of an error inside a good answer, which has no status to tell.
_UNAVAILABLE_CODES: Final = frozenset({
    "server_error", "internal_server_error", "internal_error", "overloaded_error", "overloaded", "unavailable",
    "service_unavailable", "bad_gateway", "gateway_timeout",
})  # fmt: skip
_MODEL_CODES: Final = frozenset({"model_not_found", "deploymentnotfound", "model_not_exist"})
# A server that knows its routes and not the model says so; a router that knows nothing speaks of pages and paths.
_A_MODEL: Final = re.compile(
    r"(?<![/\w])models?\b|\bdeployment|\bno endpoints found|no allowed providers", re.IGNORECASE
)
_MODEL_STATUSES: Final = (None, 400, 404, 422)
# Nothing is there, or something that takes no such request: a web page.
_ADDRESS_STATUSES: Final = (404, 405)
# Others answer 400 to an unknown model.
_NO_SUCH_MODEL: Final = re.compile(
    r"\bmodel\b.{0,100}?\b(?:not found|not exist|does(?: not|n't) exist|not available|not loaded|unknown)"
    r"|\b(?:no such|unknown|invalid) model\b",
    re.IGNORECASE,
)
_KEY_CODES: Final = frozenset({"invalid_api_key", "api_key_invalid"})
# Gemini answers 400, not 401, to an unknown key.
_BAD_KEY: Final = re.compile(r"API[ _]key (not valid|expired|invalid)|API_KEY_INVALID|invalid api key", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ClientFailure:
    """What an exception says.

    Attributes:
        kind: What went wrong.
        message: The server's words, or else those of whatever really happened; one line, as sentences.
        status: The HTTP status.
        retry_after: Seconds that the server asks to wait.
        ours: An error of ours that is in the chain: somebody has read the rest already.
    """

    kind: Kind
    message: str
    status: int | None = None
    retry_after: float | None = None
    ours: MilvusRagError | None = None

    @property
    def passing(self) -> bool:
        """Whether the same request may get through later."""
        return self.kind in _PASSING

    @property
    def fatal(self) -> bool:
        """Whether no request gets through, whatever is in it."""
        return self.kind in _FATAL


def read(exc: BaseException) -> ClientFailure:
    """Read an exception with all that it came from."""
    links = list(chain(exc))
    ours = next((link for link in links if isinstance(link, MilvusRagError)), None)
    if ours is not None:
        wait = getattr(ours, "retry_after", None)
        return ClientFailure(_kind_of_ours(ours), sentence(str(ours)), retry_after=wait, ours=ours)
    found = [_evidence(link) for link in links]
    telling = next((evidence for evidence in found if evidence.status is not None), None) or next(
        (evidence for evidence in found if evidence.body.message), None
    )
    wait = next((evidence.wait for evidence in found if evidence.wait is not None), None)
    if telling is None:
        return ClientFailure(_kind_by_name(links), _innermost(links), retry_after=wait)
    kind = kind_of(None if telling.is_inside else telling.status, telling.body, wait)
    if telling.status is None and kind is Kind.REFUSED:
        kind = _kind_by_name(links)
    return ClientFailure(kind, telling.words, telling.status, wait)


def kind_of(status: int | None, body: ErrorBody, wait: float | None = None) -> Kind:
    """What an error is by its status and body.

    Args:
        status: The HTTP status, None for an error inside a good answer.
        body: What the server says.
        wait: Seconds that it asks to wait, in headers or in the body.
    """
    # An address that answers is right, whatever status is inside.
    is_inside, status = status is None, status or body.status
    words, codes = body.message, body.codes
    if status == 413 or _is_too_large(status, words, codes):
        return Kind.TOO_LARGE
    if _is_out_of_quota(status, words, codes, wait):
        return Kind.OUT_OF_QUOTA
    if status == 429 or codes & _RATE_CODES:
        return Kind.RATE_LIMITED
    if codes & _MODEL_CODES or (status in _MODEL_STATUSES and _NO_SUCH_MODEL.search(words)):
        return Kind.MODEL_UNKNOWN
    if status == 404 and (is_inside or _A_MODEL.search(words)):
        return Kind.MODEL_UNKNOWN
    if status in _ADDRESS_STATUSES and not is_inside:
        return Kind.ADDRESS_UNKNOWN
    if status in (401, 403) or codes & _KEY_CODES or (status in (None, 400) and _BAD_KEY.search(words)):
        return Kind.KEY_REFUSED
    if status in (408, 409) or (status is not None and status >= 500):
        return Kind.UNAVAILABLE
    if status is None and codes & _UNAVAILABLE_CODES:
        return Kind.UNAVAILABLE
    return Kind.REFUSED


def chain(exc: BaseException) -> Iterator[BaseException]:
    """An exception and what it came from, the outermost first, each once; groups with all that is in them."""
    seen: set[int] = set()
    left = [exc]
    while left:
        link = left.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        came_from = link.__cause__
        if came_from is None and not link.__suppress_context__:
            came_from = link.__context__
        left += [came_from] if came_from is not None else []
        left += reversed(link.exceptions) if isinstance(link, BaseExceptionGroup) else []


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What one exception of a chain says; a status that only the body names is inside a good answer."""

    status: int | None
    body: ErrorBody
    words: str
    wait: float | None
    is_inside: bool


def _evidence(exc: BaseException) -> _Evidence:
    response = _member(exc, "response")
    # botocore's is a dict.
    facts = response.get("ResponseMetadata") if isinstance(response, Mapping) else None
    facts = facts if isinstance(facts, Mapping) else {}
    body = _body(exc, response)
    outer = _status(exc, response) or as_status(facts.get("HTTPStatusCode"))
    status = outer or body.status
    if status is not None and not body.message:
        # aiohttp keeps nothing of the body; others put its words here.
        words = read_body(_member(exc, "message")).message
        body = replace(body, message="" if _SAYS_NOTHING.fullmatch(words) else words)
    headers = [_member(response, "headers"), _member(exc, "headers"), facts.get("HTTPHeaders")]
    waits = [wait_in_headers(found) for found in headers if isinstance(found, Mapping)]
    wait = next((found for found in (*waits, body.wait) if found is not None), None)
    return _Evidence(status, body, _words(exc, status, body), wait, is_inside=outer is None)


def _status(exc: BaseException, response: object) -> int | None:
    holders = (exc, response)
    found = (as_status(_member(holder, name)) for holder in holders for name in _STATUS_NAMES)
    return next((status for status in found if status is not None), None)


def _body(exc: BaseException, response: object) -> ErrorBody:
    bodies = [_member(exc, name) for name in _BODY_NAMES]
    if isinstance(response, Mapping):
        bodies.append(response)
    else:
        # Raises where the body of a stream was not read.
        bodies.append(_member(response, "text"))
    read_ones = [read_body(body) for body in bodies if isinstance(body, str | bytes | Mapping | list) and body]
    empty = ErrorBody()
    best = next((body for body in read_ones if body.message), empty)
    # The client may keep only the message's part of what the server sent.
    return ErrorBody(
        best.message,
        frozenset().union(*(body.codes for body in read_ones)),
        next((body.status for body in read_ones if body.status), None),
        next((body.wait for body in read_ones if body.wait is not None), None),
    )


def _words(exc: BaseException, status: int | None, body: ErrorBody) -> str:
    if body.message:
        return body.message
    # Of an answer without words, the client's own are its address and the status once more.
    if status is not None and any(_member(exc, name) is not None for name in ("response", *_BODY_NAMES)):
        return sentence(f"HTTP {status} {_phrase(status)}, without a reason")
    return read_body(str(exc)).message


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _member(holder: object, name: str) -> Any:
    """An attribute of a class that is not known, whose properties may raise; None where there is none."""
    try:
        return getattr(holder, name, None)
    except Exception:  # noqa: BLE001 - any class of any package
        return None


def _is_too_large(status: int | None, words: str, codes: frozenset[str]) -> bool:
    if status is None or status in (400, 422):
        return bool(codes & _TOO_LARGE_CODES or (_TOO_LARGE.search(words) and not _A_SETTING.search(words)))
    if status == 429:
        return bool(_TOO_LARGE_FOR_THE_RATE.search(words))
    return status >= 500 and bool(codes & _TOO_LARGE_CODES or _TOO_LARGE_FOR_THE_SERVER.search(words))


def _is_out_of_quota(status: int | None, words: str, codes: frozenset[str], wait: float | None) -> bool:
    if status == 402 or codes & _QUOTA_CODES or any(_DAILY.search(code) for code in codes):
        return True
    # A server that says when to come back has a limit of the minute.
    return status in (None, *_QUOTA_STATUSES) and wait is None and bool(_QUOTA.search(words))


def _kind_of_ours(error: MilvusRagError) -> Kind:
    if isinstance(error, MissingExtraError):
        return Kind.NOT_SET_UP
    return next((kind for kind, ours in ERROR_CLASSES.items() if isinstance(error, ours)), Kind.UNKNOWN)


def _kind_by_name(links: list[BaseException]) -> Kind:
    names = [{cls.__name__ for cls in type(link).__mro__} for link in links]
    known = [_CONNECTIONS if link & _REFUSED_CONNECTIONS else link for link in names]
    every = frozenset[str]().union(*known)
    if every & _TIMEOUTS:
        return Kind.TIMEOUT
    if every & _CONNECTIONS:
        return Kind.CONNECTION
    if every & _UNREADABLE or any(_is_wrong_response(link) for link in links):
        return Kind.UNREADABLE
    return Kind.BROKEN_OFF if every & _STREAM_ERRORS else Kind.UNKNOWN


def _is_wrong_response(exc: BaseException) -> bool:
    # pydantic's error for a model of an answer; one for a model of a request is the caller's.
    return type(exc).__name__ == "ValidationError" and str(getattr(exc, "title", "")).endswith("Response")


def _innermost(links: list[BaseException]) -> str:
    # The last link is what really happened; the clients' own words are mostly "Connection error."
    last = links[-1]
    return sentence(str(last) or type(last).__name__)
