"""What a model server can do wrong, on demand.

A fault is data; `support.model_server.ModelServer` acts on it. Each constructor says what a client sees.
"""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal[
    "status",  # an HTTP error in the provider's own format
    "hang",  # the request is read, nothing is answered
    "reset",  # the connection is reset before the answer
    "reset mid-answer",  # reset after part of the body, or after some events of a stream
    "cut stream",  # a stream that ends in good order, but before its last event
    "garbled",  # 200, content type JSON, a body that is not JSON
    "web page",  # 200 with an HTML page: a wrong base URL, a captive portal
    "wrong shape",  # 200 with JSON that has none of the expected keys
    "stream error",  # an error event in the middle of a stream
    "empty answer",  # a chat answer without text
    "length",  # a chat answer that the token limit cuts off
    "blocked",  # a chat answer that the provider's filter withholds
    "wrong dimension",  # vectors that are shorter than asked
    "mixed dimensions",  # the last vector is shorter than the others
    "fewer vectors",  # one vector too few
    "not a number",  # a vector with NaN in it
    "zero vector",  # a vector of zeros
    "shuffled",  # vectors in another order, each with its right index
    "unnumbered",  # vectors in their order, each with the index 0
]


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        kind: What happens.
        status: The HTTP status of a "status" fault.
        message: The provider's own words in an error.
        headers: Further response headers of a "status" fault.
        retry_delay: Seconds in a Gemini ``RetryInfo``, where that API says how long to wait.
        after: Events sent before a stream breaks.
    """

    kind: Kind
    status: int = 500
    message: str = "The model is overloaded. Please try again later."
    headers: dict[str, str] = field(default_factory=dict)
    retry_delay: float | None = None
    after: int = 2


def rate_limited(retry_after: float | str | None = None, *, retry_delay: float | None = None) -> Fault:
    """429, with or without a ``Retry-After`` header (seconds, or an HTTP date) or Gemini's ``RetryInfo``."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    message = "Quota exceeded: requests per minute per project."
    return Fault("status", 429, message, headers, retry_delay)


def failing(status: int = 500, *, retry_after: float | None = None) -> Fault:
    """5xx."""
    return Fault("status", status, headers={} if retry_after is None else {"Retry-After": str(retry_after)})


def unauthorized(message: str = "Incorrect API key provided.", status: int = 401) -> Fault:
    """The key is refused. Real servers echo the key in the message at times: pass such a message."""
    return Fault("status", status, message)


def no_such_model(message: str = "Model not found, inaccessible, and/or not deployed") -> Fault:
    """404."""
    return Fault("status", 404, message)


def too_large(status: int = 413, message: str = "Request entity too large: too many input tokens.") -> Fault:
    """413, or the 400 of providers that have no 413."""
    return Fault("status", status, message)


def refused(message: str = "Invalid value for 'temperature'.") -> Fault:
    """400 for another reason."""
    return Fault("status", 400, message)


def broken(kind: Kind, *, after: int = 2) -> Fault:
    """Any fault that is no HTTP status."""
    return Fault(kind, after=after)
