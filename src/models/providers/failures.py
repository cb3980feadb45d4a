"""From a client library's exception to one clear error of ours.

The client libraries raise dozens of classes from four packages (openai, google-genai, httpx, httpx2) of which any may
not be installed, and LangChain wraps some of them again. So the whole chain of an exception is read for evidence: an
HTTP status, response headers, the provider's words, the names of classes.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from ...client_errors import as_seconds, retry_seconds
from ...errors import (
    AuthenticationError,
    InputTooLargeError,
    MilvusRagError,
    ModelError,
    ModelNotFoundError,
    ModelResponseError,
    ModelTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
)
from .endpoints import Endpoint

# Class names, not classes: httpx and httpx2 have no class in common, and neither may be installed.
_TIMEOUTS = frozenset({"TimeoutError", "TimeoutException", "APITimeoutError"})
_CONNECTIONS = frozenset({"APIConnectionError", "TransportError", "ConnectionError"})
_UNREADABLE = frozenset({"JSONDecodeError", "UnknownApiResponseError", "APIResponseValidationError"})
# What a client raises when it takes apart an answer of a shape that it does not expect.
_WRONG_SHAPE = (ValueError, TypeError, AttributeError, LookupError)

# Providers' words for a request or a text that is over a limit.
_TOO_LARGE = re.compile(
    r"too (large|long|big)\b|too many (inputs|tokens|texts|items)|(maximum|max) context|context (length|window)"
    r"|token limit|(exceed|over)\w* the (maximum|max|limit|model)|at most \d+ requests|batch size|maximum allowed batch"
    r"|(payload|request entity|request body) (size|too)|reduce the length|input tokens exceed",
    re.IGNORECASE,
)
# Gemini answers 400, not 401, to an unknown key.
_BAD_KEY = re.compile(r"API[ _]key (not valid|expired|invalid)|API_KEY_INVALID|invalid api key", re.IGNORECASE)
_MOST_CHARS = 500

ErrorT = TypeVar("ErrorT", bound=ModelError)


def translate(exc: BaseException, endpoint: Endpoint, *, request_is_sound: bool = False) -> MilvusRagError | None:
    """Say in our words what went wrong.

    Args:
        exc: What the client raised.
        endpoint: What was called.
        request_is_sound: Whether the request cannot be at fault, so that a ``TypeError`` and the like mean an answer
            of the wrong shape.

    Returns:
        Our error, without a cause; ``None`` where we know no more than the exception says.
    """
    chain = list(_chain(exc))
    ours = next((link for link in chain if isinstance(link, MilvusRagError)), None)
    if ours is not None:
        return ours
    for link in chain:
        status = _status(link)
        if status is not None:
            return _from_status(status, provider_message(link), retry_after(link), endpoint)
    names = {cls.__name__ for link in chain for cls in type(link).__mro__}
    if names & _TIMEOUTS:
        return _error(ModelTimeoutError, endpoint, "did not answer in time. Raise timeout=, or try again later")
    if names & _CONNECTIONS:
        return unreachable(endpoint, _innermost(chain))
    if names & _UNREADABLE or any(_is_wrong_response(link) for link in chain):
        return malformed(endpoint, _innermost(chain))
    if "APIError" in names:  # an error event inside a stream that was answered with 200
        return _error(ModelResponseError, endpoint, f"ended the answer with an error: {provider_message(chain[0])}")
    if request_is_sound and any(isinstance(link, _WRONG_SHAPE) for link in chain):
        return malformed(endpoint, _innermost(chain))
    return None


def malformed(endpoint: Endpoint, detail: object) -> ModelResponseError:
    """An answer that cannot be read."""
    where = " or ".join((*endpoint.provider.url_variables, "base_url="))
    what = f"sent an answer that cannot be read: {_sentence(str(detail))} Is its base URL right ({where})?"
    return _error(ModelResponseError, endpoint, what)


def unreachable(endpoint: Endpoint, detail: object) -> ProviderUnavailableError:
    """No connection, or one that broke."""
    advice = endpoint.provider.url_hint if endpoint.is_dead_host else "Check the network and the base URL"
    return _error(ProviderUnavailableError, endpoint, f"cannot be reached: {_sentence(str(detail))} {advice}")


def response_error(endpoint: Endpoint, what: str) -> ModelResponseError:
    """An answer that was read, and is not what was asked for.

    Args:
        endpoint: What was called.
        what: The sentence's end, after the endpoint's name.
    """
    return _error(ModelResponseError, endpoint, what)


def subject(endpoint: Endpoint) -> str:
    """What the sentence of each error is about."""
    return f"{endpoint.name} at {endpoint.shown_url}"


def leaks_key(exc: BaseException, endpoint: Endpoint) -> bool:
    """Whether an exception, or what it came from, shows the key."""
    key = endpoint.key.get_secret_value() if endpoint.key else ""
    return bool(key) and any(key in f"{link} {link!r}" for link in _chain(exc))


def provider_message(exc: BaseException) -> str:
    """The provider's own words in an exception of a client library, or else those of the library."""
    for source in (getattr(exc, "body", None), getattr(exc, "details", None)):
        if isinstance(source, Mapping):
            inner = source.get("error", source)
            if isinstance(inner, Mapping) and isinstance(inner.get("message"), str):
                return _shortened(inner["message"])
            if isinstance(inner, str):
                return _shortened(inner)
    message = getattr(exc, "message", None)
    return _shortened(message if isinstance(message, str) and message else str(exc))


def retry_after(exc: BaseException) -> float | None:
    """Seconds that a provider asks to wait: its headers, or the ``RetryInfo`` in Gemini's error body.

    See RFC 9110, 10.2.3 for ``Retry-After`` (seconds or a date) and https://google.aip.dev/194 for ``RetryInfo``.
    """
    headers = getattr(getattr(exc, "response", None), "headers", None)
    if headers is not None:
        milliseconds = as_seconds(headers.get("retry-after-ms"))
        if milliseconds is not None:
            return milliseconds / 1000
        seconds = retry_seconds(headers.get("retry-after"))
        if seconds is not None:
            return seconds
    details = getattr(exc, "details", None)
    error = details.get("error", details) if isinstance(details, Mapping) else {}
    for detail in error.get("details") or () if isinstance(error, Mapping) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str):
            return as_seconds(delay.removesuffix("s"))
    return None


def _from_status(status: int, message: str, wait: float | None, endpoint: Endpoint) -> ModelError:
    row = endpoint.provider
    if status in (401, 403) or (status == 400 and _BAD_KEY.search(message)):
        variables = " or ".join(row.key_variables)
        return _error(AuthenticationError, endpoint, f"refuses the key: {message} Check {variables}, or api_key=")
    if status == 404:
        choose = f"Choose another with '{row.name}:MODEL', see {row.models_page}"
        return _error(ModelNotFoundError, endpoint, f"does not serve this model: {message} {choose}")
    if status == 413 or (status in (400, 422) and _TOO_LARGE.search(message)):
        return _error(InputTooLargeError, endpoint, f"refuses the request as too large: {message}")
    if status == 429:
        asked = f" It asks to wait {wait:g} s." if wait else ""
        what = f"is over its rate limit: {message}{asked} Try again later, or ask for a higher limit"
        return _error(RateLimitError, endpoint, what, retry_after=wait)
    if status in (408, 409) or status >= 500:
        return _error(ProviderUnavailableError, endpoint, f"fails ({status}): {message}", retry_after=wait)
    return _error(ModelError, endpoint, f"refuses the request ({status}): {message}")


def _error(kind: type[ErrorT], endpoint: Endpoint, what: str, **attributes: Any) -> ErrorT:
    message = _sentence(f"{subject(endpoint)} {what}")
    note = endpoint.retirement_note
    return kind(_without_key(f"{message} {note}" if note else message, endpoint), **attributes)


def _without_key(text: str, endpoint: Endpoint) -> str:
    key = endpoint.key.get_secret_value() if endpoint.key else ""
    return text.replace(key, "***") if key else text


def _chain(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = exc
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _innermost(chain: list[BaseException]) -> str:
    # The last link is what really happened; the clients' own words are mostly "Connection error."
    last = chain[-1]
    return _shortened(str(last) or type(last).__name__)


def _status(exc: BaseException) -> int | None:
    for name in ("status_code", "code"):
        value = getattr(exc, name, None)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return None


def _is_wrong_response(exc: BaseException) -> bool:
    # pydantic's error for a model of an answer; one for a model of a request is the caller's.
    return type(exc).__name__ == "ValidationError" and str(getattr(exc, "title", "")).endswith("Response")


def _shortened(message: str) -> str:
    text = " ".join(message.split())
    return _sentence(text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]} …")


def _sentence(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."
