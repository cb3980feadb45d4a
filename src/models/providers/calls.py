"""Calls to a provider: our errors, retries with backoff, the same for sync and async.

The clients' own retries are off, since Google's ignore ``Retry-After`` and its embeddings have none at all.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import tenacity
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from ...attempts import is_only_attempt, tell_retry
from ...errors import InputError, MilvusRagError, ProviderUnavailableError, RateLimitError
from .endpoints import Endpoint
from .failures import leaks_key, translate

logger = logging.getLogger(__name__)

T = TypeVar("T")

DEFAULT_TIMEOUT: Final = 60.0
# What OpenAI's client allows a request (openai._constants.DEFAULT_TIMEOUT).
DEFAULT_ANSWER_TIMEOUT: Final = 600.0
DEFAULT_MAX_RETRIES: Final = 6
DEFAULT_BACKOFF: Final = 0.5


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When to call again, and how long to wait before.

    Rate limits (429), server errors (5xx) and connections that fail are worth another call; a refused key, a request
    that is too large or a model that did not answer in time are not.

    Attributes:
        max_retries: Calls after the first one.
        backoff: Seconds before the first retry; doubles each time, with jitter, unless the provider says how long.
        longest_wait: Most seconds between two calls. A provider that asks for more is not called again.
        within: Seconds after the beginning of the first call in which another one may begin; None for any.
    """

    max_retries: int = DEFAULT_MAX_RETRIES
    backoff: float = DEFAULT_BACKOFF
    longest_wait: float = 60.0
    within: float | None = None

    @classmethod
    def checked(cls, *, max_retries: int, backoff: float, timeout: float, within: float | None = None) -> "RetryPolicy":
        """Make a policy from a user's arguments.

        Raises:
            InputError: One of them cannot be used.
        """
        if max_retries < 0:
            raise InputError(f"max_retries must be 0 or more, not {max_retries}.")
        if backoff < 0:
            raise InputError(f"backoff must be 0 or more seconds, not {backoff}.")
        if timeout <= 0:
            raise InputError(f"timeout must be more than 0 seconds, not {timeout}.")
        if within is not None and within < 0:
            raise InputError(f"retry_seconds must be 0 or more, not {within}.")
        return cls(max_retries=max_retries, backoff=backoff, within=within)

    @property
    def stop(self) -> stop_base:
        """When no other call is made."""
        by_number = tenacity.stop_after_attempt(1 + self.max_retries)
        return by_number if self.within is None else by_number | tenacity.stop_before_delay(self.within)

    def allows(self, error: BaseException) -> bool:
        """Whether another call may help."""
        if not isinstance(error, RateLimitError | ProviderUnavailableError):
            return False
        return error.retry_after is None or error.retry_after <= self.longest_wait

    def seconds(self, attempt: int, error: BaseException | None) -> float:
        """How long to wait.

        Args:
            attempt: How many calls were made, from 1.
            error: What the last one raised.
        """
        asked = getattr(error, "retry_after", None)
        if asked is not None:
            # Never earlier than asked, and not all clients at the same moment.
            return float(asked) + min(1.0, self.backoff) * _fraction()
        return min(self.longest_wait, self.backoff * 2.0 ** (attempt - 1) * (1.0 + _fraction()))


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes calls to one endpoint.

    Attributes:
        endpoint: What is called.
        policy: When to call again.
        requests_are_sound: See `milvus_rag.models.providers.failures.translate`.
    """

    endpoint: Endpoint
    policy: RetryPolicy
    requests_are_sound: bool = False

    def run(self, call: Callable[[], T]) -> T:
        """Make a call, again where that may help.

        Raises:
            ModelError: The call failed; the class says how.
        """
        result: T = tenacity.Retrying(**self.retrying())(self._once, call)
        return result

    async def arun(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make an async call, again where that may help.

        Raises:
            ModelError: The call failed; the class says how.
        """
        return await tenacity.AsyncRetrying(**self.retrying())(self._aonce, call)

    def without_retries(self) -> "Calls":
        """The same calls, each made once."""
        return replace(self, policy=replace(self.policy, max_retries=0))

    def retrying(self) -> dict[str, Any]:
        """Arguments of tenacity's ``Retrying`` and ``AsyncRetrying``."""
        return {
            "stop": self.policy.stop,
            "retry": tenacity.retry_if_exception(self._is_worth_another),
            "wait": _PolicyWait(self.policy),
            "before_sleep": _log_retry,
            "reraise": True,
        }

    def translated(self, exc: Exception) -> tuple[MilvusRagError | None, Exception | None]:
        """Our error for an exception, and the cause to name with it.

        The cause is left out where it shows the key: tracebacks print causes.
        """
        error = translate(exc, self.endpoint, request_is_sound=self.requests_are_sound)
        if error is None or error is exc:
            return None, None
        return error, None if leaks_key(exc, self.endpoint) else exc

    def _once(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as exc:
            error, cause = self.translated(exc)
            if error is None:
                raise
        raise error from cause  # outside the handler, or the exception would stay as the context

    async def _aonce(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            return await call()
        except Exception as exc:
            error, cause = self.translated(exc)
            if error is None:
                raise
        raise error from cause

    def _is_worth_another(self, error: BaseException) -> bool:
        return self.policy.allows(error) and not self.endpoint.is_dead_host and not is_only_attempt()


def repeated(policy: RetryPolicy, call: Callable[[], T]) -> T:
    """Make a call whose failures are our errors, again where that may help."""
    result: T = tenacity.Retrying(
        stop=policy.stop,
        retry=tenacity.retry_if_exception(policy.allows),
        wait=_PolicyWait(policy),
        before_sleep=_log_retry,
        reraise=True,
    )(call)
    return result


class _PolicyWait(wait_base):
    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        outcome = retry_state.outcome
        return self._policy.seconds(retry_state.attempt_number, outcome.exception() if outcome else None)


def _log_retry(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logger.warning("%s Trying again in %.1f s.", error, state.upcoming_sleep)
    tell_retry(state.upcoming_sleep)


def _fraction() -> float:
    return random.random()  # noqa: S311 - jitter needs no cryptography
