"""Retries: when, how long, how often."""

import asyncio
import traceback

import httpx
import pytest
from pydantic import SecretStr

from milvus_rag.attempts import retries_told_to
from milvus_rag.errors import (
    AuthenticationError,
    InputError,
    ModelError,
    ModelTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
)
from milvus_rag.models.providers.calls import Calls, RetryPolicy
from milvus_rag.models.providers.endpoints import Endpoint
from milvus_rag.models.providers.table import PROVIDERS

KEY = "sk-very-secret"


def calls(max_retries: int = 3, url: str = "http://127.0.0.1:1/v1", provider: str = "openai") -> Calls:
    endpoint = Endpoint(PROVIDERS[provider], "m", url, SecretStr(KEY))
    return Calls(endpoint, RetryPolicy(max_retries=max_retries, backoff=0.0))


class Flaky:
    """Fails with each exception in turn, then answers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.count = 0

    def __call__(self) -> str:
        self.count += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"

    async def later(self) -> str:
        await asyncio.sleep(0)
        return self()


def run(call: Flaky, made: Calls, *, is_async: bool) -> str:
    return asyncio.run(made.arun(call.later)) if is_async else made.run(call)


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
class TestCalls:
    def test_repeats_until_it_works(self, is_async: bool) -> None:
        call = Flaky(RateLimitError("429"), httpx.ConnectError("refused"), ProviderUnavailableError("503"))
        assert run(call, calls(3), is_async=is_async) == "answer"
        assert call.count == 4

    def test_raises_the_last_failure_when_the_retries_are_used_up(self, is_async: bool) -> None:
        call = Flaky(*[httpx.ConnectError("refused")] * 9)
        with pytest.raises(ProviderUnavailableError, match="refused"):
            run(call, calls(2), is_async=is_async)
        assert call.count == 3

    @pytest.mark.parametrize(
        "failure", [AuthenticationError("401"), ModelTimeoutError("slow"), ModelError("400"), ValueError("a bug")]
    )
    def test_does_not_repeat_what_will_not_change(self, failure: Exception, is_async: bool) -> None:
        call = Flaky(failure)
        with pytest.raises(type(failure)):
            run(call, calls(), is_async=is_async)
        assert call.count == 1

    def test_without_retries_calls_once(self, is_async: bool) -> None:
        call = Flaky(RateLimitError("429", retry_after=3.0))
        with pytest.raises(RateLimitError) as caught:
            run(call, calls().without_retries(), is_async=is_async)
        assert (call.count, caught.value.retry_after) == (1, 3.0)

    def test_does_not_wait_longer_than_the_policy_allows(self, is_async: bool) -> None:
        call = Flaky(RateLimitError("429", retry_after=86_400.0))
        with pytest.raises(RateLimitError):
            run(call, calls(), is_async=is_async)
        assert call.count == 1

    def test_does_not_knock_at_a_dead_host_twice(self, is_async: bool) -> None:
        call = Flaky(httpx.ConnectError("Name or service not known"))
        with pytest.raises(ProviderUnavailableError, match="LEPTON_BASE_URL"):
            run(call, calls(url="https://mistral-7b.lepton.run/api/v1", provider="lepton"), is_async=is_async)
        assert call.count == 1

    def test_says_that_it_waits(self, is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
        run(Flaky(RateLimitError("over its limit.", retry_after=0.0)), calls(), is_async=is_async)
        assert "over its limit. Trying again in 0.0 s." in caplog.text

    def test_names_the_cause(self, is_async: bool) -> None:
        with pytest.raises(ProviderUnavailableError) as caught:
            run(Flaky(httpx.ConnectError("refused")), calls(0), is_async=is_async)
        assert isinstance(caught.value.__cause__, httpx.ConnectError)

    def test_makes_no_call_that_would_begin_too_late(self, is_async: bool) -> None:
        made = calls(6)
        late = Calls(made.endpoint, RetryPolicy(backoff=50.0, within=20.0))
        call = Flaky(*[httpx.ConnectError("refused")] * 9)
        with pytest.raises(ProviderUnavailableError):
            run(call, late, is_async=is_async)
        assert call.count == 1
        asked = Flaky(RateLimitError("429", retry_after=21.0))
        with pytest.raises(RateLimitError):
            run(asked, late, is_async=is_async)
        assert asked.count == 1

    def test_tells_whoever_listens_that_a_call_is_made_again(self, is_async: bool) -> None:
        told: list[float] = []
        with retries_told_to(told.append):
            assert run(Flaky(*[httpx.ConnectError("refused")] * 2), calls(3), is_async=is_async) == "answer"
        assert told == [0.0, 0.0]
        run(Flaky(httpx.ConnectError("refused")), calls(3), is_async=is_async)
        assert len(told) == 2

    def test_leaves_out_a_cause_that_shows_the_key(self, is_async: bool) -> None:
        with pytest.raises(ProviderUnavailableError) as caught:
            run(Flaky(httpx.ConnectError(f"refused for {KEY}")), calls(0), is_async=is_async)
        assert KEY not in "".join(traceback.format_exception(caught.value))
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None


class TestRetryPolicy:
    def test_backs_off_exponentially_with_jitter_up_to_a_limit(self) -> None:
        policy = RetryPolicy(backoff=0.5, longest_wait=10.0)
        for attempt, least in ((1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0)):
            waits = {policy.seconds(attempt, ProviderUnavailableError("503")) for _ in range(50)}
            assert len(waits) > 1
            assert all(least <= wait <= 2 * least for wait in waits)
        assert policy.seconds(30, ProviderUnavailableError("503")) == 10.0

    def test_waits_at_least_as_long_as_the_provider_asks(self) -> None:
        policy = RetryPolicy(backoff=0.5)
        waits = [policy.seconds(1, RateLimitError("429", retry_after=20.0)) for _ in range(50)]
        assert all(20.0 <= wait <= 20.5 for wait in waits)

    def test_zero_seconds_is_an_answer_too(self) -> None:
        assert RetryPolicy(backoff=0.5).seconds(6, RateLimitError("429", retry_after=0.0)) <= 0.5

    @pytest.mark.parametrize(
        ("arguments", "name"),
        [
            ({"max_retries": -1}, "max_retries"),
            ({"backoff": -0.1}, "backoff"),
            ({"timeout": 0}, "timeout"),
            ({"within": -1}, "retry_seconds"),
        ],
    )
    def test_refuses_arguments_that_make_no_sense(self, arguments: dict[str, float], name: str) -> None:
        good = {"max_retries": 1, "backoff": 1.0, "timeout": 1.0}
        with pytest.raises(InputError, match=name):
            RetryPolicy.checked(**{**good, **arguments})  # type: ignore[arg-type]  # a test of wrong values
