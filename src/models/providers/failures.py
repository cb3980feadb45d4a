"""From a client library's exception to one clear error of ours about an endpoint."""

from typing import Any, TypeVar

from ...client_errors import ERROR_CLASSES, ClientFailure, Kind, chain, read
from ...error_bodies import ended, read_body
from ...errors import MilvusRagError, ModelError, ModelResponseError, ModelTimeoutError, ProviderUnavailableError
from .endpoints import Endpoint, sources_of
from .keys import masked, shows
from .remedies import remedy

# What a client raises when it takes apart an answer of a shape that it does not expect.
_WRONG_SHAPE = (ValueError, TypeError, AttributeError, LookupError)

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
    failure = read(exc)
    if failure.ours is not None:
        return failure.ours
    if failure.kind is Kind.CONNECTION:
        return unreachable(endpoint, failure.message)
    if failure.kind is Kind.UNREADABLE:
        return malformed(endpoint, failure.message)
    if failure.kind is not Kind.UNKNOWN:
        return _error_for(failure, endpoint)
    if request_is_sound and any(isinstance(link, _WRONG_SHAPE) for link in chain(exc)):
        return malformed(endpoint, failure.message)
    return None


def malformed(endpoint: Endpoint, detail: object) -> ModelResponseError:
    """An answer that cannot be read."""
    what = f"sent an answer that cannot be read: {ended(read_body(str(detail)).message)} {address_advice(endpoint)}"
    return _error(ModelResponseError, endpoint, what)


def address_advice(endpoint: Endpoint) -> str:
    """A sentence about the base URL, with the one that is probably meant."""
    where = sources_of(endpoint.provider, "base_url", endpoint.purpose)
    likely = endpoint.likely_url
    return f"Is its base URL right ({where})?" + (f" Most servers want one like {likely}" if likely else "")


def unreachable(endpoint: Endpoint, detail: object) -> ProviderUnavailableError:
    """No connection, or one that broke."""
    advice = endpoint.provider.url_hint if endpoint.is_dead_host else "Check the network and the base URL"
    return _error(ProviderUnavailableError, endpoint, f"cannot be reached: {ended(str(detail))} {advice}")


def too_slow(endpoint: Endpoint, seconds: float) -> ModelTimeoutError:
    """An answer that goes on and on."""
    limit, tokens = remedy("answer_timeout", endpoint.purpose), remedy("max_tokens", endpoint.purpose)
    what = f"did not come to an end with its answer within {seconds:g} s. Raise {limit}, or limit it with {tokens}"
    return _error(ModelTimeoutError, endpoint, what)


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
    return any(shows(f"{link} {link!r}", endpoint.key) for link in chain(exc))


def _error_for(failure: ClientFailure, endpoint: Endpoint) -> ModelError:
    kind = ERROR_CLASSES[failure.kind]
    if failure.kind in (Kind.RATE_LIMITED, Kind.UNAVAILABLE):
        return _error(kind, endpoint, _what_happened(failure, endpoint), retry_after=failure.retry_after)
    return _error(kind, endpoint, _what_happened(failure, endpoint))


def _what_happened(failure: ClientFailure, endpoint: Endpoint) -> str:
    row, message, status = endpoint.provider, failure.message, failure.status
    if failure.kind is Kind.KEY_REFUSED:
        return f"refuses the key: {message} Check {sources_of(row, 'api_key', endpoint.purpose)}"
    if failure.kind is Kind.MODEL_UNKNOWN:
        return f"does not serve this model: {message} Choose another with '{row.name}:MODEL', see {row.models_page}"
    if failure.kind is Kind.ADDRESS_UNKNOWN:
        return f"has nothing for this request at its address ({status}): {message} {address_advice(endpoint)}"
    if failure.kind is Kind.TOO_LARGE:
        return f"refuses the request as too large: {message}"
    if failure.kind is Kind.OUT_OF_QUOTA:
        return f"is out of quota: {message} Trying again does not help: see to the account's credit and limits"
    if failure.kind is Kind.RATE_LIMITED:
        asked = f" It asks to wait {failure.retry_after:g} s." if failure.retry_after else ""
        return f"is over its rate limit: {message}{asked} Try again later, or ask for a higher limit"
    if failure.kind is Kind.TIMEOUT:
        return f"did not answer in time. Raise {remedy('timeout', endpoint.purpose)}, or try again later"
    if failure.kind is Kind.BROKEN_OFF:
        return f"answers with an error: {message}"
    if failure.kind is Kind.UNAVAILABLE:
        return f"fails ({status or 'no status'}): {message}"
    # Many models have one dimension, and their servers refuse to be asked for it.
    asks = endpoint.purpose == "embedding" and "dimension" in message.lower()
    advice = f" Leave {remedy('dimension', 'embedding')} out, or name one that the model has" if asks else ""
    return f"refuses the request ({status}): {message}{advice}"


def _error(kind: type[ErrorT], endpoint: Endpoint, what: str, **attributes: Any) -> ErrorT:
    message = ended(f"{subject(endpoint)} {what}")
    note = endpoint.retirement_note
    return kind(masked(f"{message} {note}" if note else message, endpoint.key), **attributes)
