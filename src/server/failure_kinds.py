"""What went wrong with a request, by one of few names: for metrics and alerts."""

from typing import Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from ..errors import (
    InputTooLargeError,
    ModelError,
    ModelResponseError,
    ModelTimeoutError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
    StoreError,
    StoreUnavailableError,
)
from .failures import RefusedRequestError
from .limits import ClientGoneError

# Of refusals, whose class is one and whose status says which it is.
_REFUSED: Final = {
    # A playground, whose reader is shown where the key is asked for.
    303: "no_key",
    401: "no_key",
    403: "other_site",
    404: "not_found",
    405: "wrong_method",
    408: "slow_client",
    413: "too_large",
    421: "other_host",
    422: "invalid",
    429: "too_many",
    503: "busy",
}
# The first that fits.
_KINDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (StoreUnavailableError, "store_unavailable"),
    (StoreError, "store"),
    (ModelTimeoutError, "model_timeout"),
    (QuotaExceededError, "model_quota"),
    (RateLimitError, "model_rate_limit"),
    (ProviderUnavailableError, "model_unavailable"),
    (InputTooLargeError, "model_input_too_large"),
    (ModelResponseError, "model_response"),
    (ModelError, "model"),
    (TimeoutError, "timeout"),
    (RequestValidationError, "invalid"),
)


def kind_of(error: BaseException) -> str:
    """The kind of what went wrong."""
    if isinstance(error, RefusedRequestError):
        return _REFUSED.get(error.failure.status, "refused")
    if isinstance(error, HTTPException):
        return _REFUSED.get(error.status_code, "refused")
    if isinstance(error, ClientGoneError):
        return "client_gone"
    return next((kind for known, kind in _KINDS if isinstance(error, known)), "internal")
