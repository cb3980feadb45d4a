"""Embedding requests of a sync: who waits, what is halved, when it gives up, and what is never let through."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from milvus_rag.errors import (
    AuthenticationError,
    InputTooLargeError,
    MissingKeyError,
    ModelError,
    ModelNotFoundError,
    ModelResponseError,
    ModelTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
)
from milvus_rag.indexing.embedding_requests import EmbeddingRequests, Gate, StoppedError
from support.pages import CountingEmbeddings


class Sleeps:
    """Waits no time at all, and remembers how long it was asked to."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return False


class HttpError(Exception):
    """An error of a client library that is none of ours."""

    def __init__(self, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status_code = status
        self.response = type("Response", (), {"status_code": status, "headers": headers or {}})()


class APIConnectionError(Exception):
    """As openai's: known by its name."""


class Requests:
    """`EmbeddingRequests` whose waits take no time, over an embedding that fails on demand."""

    def __init__(self, wrong: Callable[[list[str]], Any] = lambda _: None) -> None:
        self.embedding = CountingEmbeddings()
        self.embedding.wrong = wrong
        self.stop = threading.Event()
        self.sleeps = Sleeps()
        self.gate = Gate(self.stop, self.sleeps)
        self.requests = EmbeddingRequests(self.embedding, self.stop, self.gate)

    def embed(self, *texts: str) -> list[Any]:
        return self.requests.embed(texts)

    def embedded(self, *texts: str) -> bool:
        """Embed texts, and say whether each has its vector."""
        answers = self.embed(*texts)
        right = [np.allclose(answers[i], self.embedding.vector(text)) for i, text in enumerate(texts)]
        return len(answers) == len(texts) and all(right)


def failing(*errors: Exception) -> Callable[[Sequence[str]], None]:
    """Raise these, one a request, and then nothing."""
    left = list(errors)

    def wrong(_: Sequence[str]) -> None:
        if left:
            raise left.pop(0)

    return wrong


def refusing(text: str, error: Exception) -> Callable[[Sequence[str]], None]:
    """Raise this for every request that has a text."""

    def wrong(texts: Sequence[str]) -> None:
        if text in texts:
            raise error

    return wrong


class TestGate:
    def test_lets_through_while_nobody_holds_it(self) -> None:
        gate = Gate(threading.Event())
        gate.enter()
        gate.succeeded()
        assert (gate.waits, gate.successes) == (0, 1)

    def test_waits_as_long_as_the_provider_asks(self) -> None:
        sleeps = Sleeps()
        Gate(threading.Event(), sleeps).hold(7.5)
        assert sleeps.seconds == [7.5]

    def test_waits_twice_as_long_each_time_up_to_a_limit(self) -> None:
        sleeps = Sleeps()
        gate = Gate(threading.Event(), sleeps)
        for _ in range(12):
            gate.hold(None)
        longest = [min(30.0, 0.5 * 2**i) for i in range(12)]
        assert all(most / 2 <= waited <= most for waited, most in zip(sleeps.seconds, longest, strict=True))

    def test_begins_anew_after_a_success(self) -> None:
        sleeps = Sleeps()
        gate = Gate(threading.Event(), sleeps)
        for _ in range(5):
            gate.hold(None)
        gate.succeeded()
        gate.hold(None)
        assert sleeps.seconds[-1] <= 0.5

    def test_holds_everybody_as_long_as_one_holds_it(self) -> None:
        release, entered = threading.Event(), threading.Event()
        gate = Gate(threading.Event(), lambda _: release.wait(10) and False)

        def enter() -> None:
            gate.enter()
            entered.set()

        with ThreadPoolExecutor(2) as threads:
            holding = threads.submit(gate.hold, None)
            while not gate.waits:
                pass
            waiting = threads.submit(enter)
            assert not entered.wait(0.2)
            release.set()
            holding.result(10)
            waiting.result(10)
        assert entered.is_set()

    def test_counts_failures_of_one_moment_as_one(self) -> None:
        """Eight requests that are refused together are one reason to wait."""
        both = threading.Barrier(2, timeout=10)
        gate = Gate(threading.Event(), lambda _: both.wait() > 5)
        with ThreadPoolExecutor(2) as threads:
            for done in [threads.submit(gate.hold, None) for _ in range(2)]:
                done.result(10)
        assert gate.waits == 1

    def test_lets_nobody_through_when_the_run_is_stopped(self) -> None:
        stop = threading.Event()
        gate = Gate(stop)
        stop.set()
        with pytest.raises(StoppedError):
            gate.enter()
        with pytest.raises(StoppedError):
            gate.hold(1000)


class TestWaiting:
    @pytest.mark.parametrize(
        "error",
        [
            RateLimitError("429"),
            ProviderUnavailableError("503"),
            ModelTimeoutError("slow"),
            ConnectionResetError(),
            TimeoutError(),
            HttpError(429),
            HttpError(500),
            APIConnectionError(),
        ],
        ids=repr,
    )
    def test_what_passes_is_tried_again(self, error: Exception) -> None:
        run = Requests(failing(error))
        assert run.embedded("a", "b")
        assert (run.requests.requests, run.requests.embedded) == (2, 2)
        assert len(run.sleeps.seconds) == 1

    @pytest.mark.parametrize(
        ("error", "seconds"),
        [
            (RateLimitError("429", retry_after=3), 3),
            (ProviderUnavailableError("503", retry_after=4.5), 4.5),
            (HttpError(429, {"retry-after": "6"}), 6),
            (HttpError(503, {"retry-after": "-1"}), 0),
        ],
        ids=repr,
    )
    def test_lasts_as_long_as_asked(self, error: Exception, seconds: float) -> None:
        run = Requests(failing(error))
        assert run.embedded("a")
        assert run.sleeps.seconds == [seconds]

    @pytest.mark.parametrize("zone", ["GMT", "-0000"])
    def test_lasts_until_a_date(self, zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Which is in GMT wherever this machine stands, also where it does not say so."""
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True).replace("GMT", zone)
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        run = Requests(failing(HttpError(429, {"retry-after": date})))
        assert run.embedded("a")
        assert 90 < run.sleeps.seconds[0] <= 100
        monkeypatch.undo()
        time.tzset()

    @pytest.mark.parametrize("value", ["soon", "inf", "nan"])
    def test_has_its_own_length_where_nobody_can_read_the_date(self, value: str) -> None:
        run = Requests(failing(HttpError(429, {"retry-after": value})))
        assert run.embedded("a")
        assert run.sleeps.seconds[0] <= 0.5

    def test_of_our_own_embeddings_is_done_here_alone(self) -> None:
        """A request that also waited by itself would keep its place while everybody else waits."""
        retrying, once = CountingEmbeddings(), CountingEmbeddings()
        retrying.without_retries = lambda: once  # type: ignore[attr-defined]  # what ours have
        EmbeddingRequests(retrying, threading.Event()).embed(["a"])
        assert (retrying.texts, once.texts) == ([], ["a"])

    def test_a_limited_rate_is_waited_for_however_often(self) -> None:
        """As long as others get through, it is only a matter of time."""
        run = Requests(failing(*[RateLimitError("429")] * 15))
        for _ in range(3):
            run.gate.succeeded()
        assert run.embedded("a")


class TestHalving:
    @pytest.mark.parametrize("error", [InputTooLargeError("413"), ModelError("400"), ValueError("?"), HttpError(413)])
    def test_finds_the_text_that_is_refused(self, error: Exception) -> None:
        texts = [str(i) for i in range(20)]
        run = Requests(refusing("13", error))
        answers = run.embed(*texts)
        assert [i for i, answer in enumerate(answers) if answer is error] == [13]
        assert sorted(run.embedding.texts) == sorted(set(texts) - {"13"})
        assert run.requests.embedded == 19
        assert not run.sleeps.seconds

    def test_keeps_the_order(self) -> None:
        def at_most_three(texts: list[str]) -> None:
            if len(texts) > 3:
                raise InputTooLargeError("413")

        assert Requests(at_most_three).embedded(*map(str, range(50)))

    def test_finds_the_text_that_breaks_the_server(self) -> None:
        """While others get through, what fails again and again is not the server's weather."""
        run = Requests(refusing("5", ProviderUnavailableError("500")))
        answers = run.embed(*map(str, range(8)))
        assert [i for i, answer in enumerate(answers) if isinstance(answer, Exception)] == [5]

    @pytest.mark.parametrize(
        "error",
        [
            AuthenticationError("401"),
            MissingKeyError("?"),
            ModelNotFoundError("404"),
            HttpError(401),
            HttpError(403),
            HttpError(404),
        ],
        ids=repr,
    )
    def test_is_spared_when_no_text_can_get_through(self, error: Exception) -> None:
        run = Requests(failing(error))
        with pytest.raises(type(error)):
            run.embed("a", "b", "c")
        assert run.requests.requests == 1


class TestGivingUp:
    @pytest.mark.parametrize("error", [RateLimitError("429"), ProviderUnavailableError("503")])
    def test_after_many_waits_in_which_nothing_got_through(self, error: Exception) -> None:
        run = Requests(failing(*[error] * 1000))
        with pytest.raises(type(error)):
            run.embed(*map(str, range(1000)))
        assert len(run.sleeps.seconds) <= 20
        assert sum(run.sleeps.seconds) > 120

    def test_when_the_provider_asks_for_an_hour(self) -> None:
        run = Requests(failing(RateLimitError("429, try again tomorrow", retry_after=3600)))
        with pytest.raises(RateLimitError, match="tomorrow"):
            run.embed("a", "b")
        assert not run.sleeps.seconds

    def test_when_a_hundred_texts_are_refused_and_none_is_not(self) -> None:
        """Then the texts are not at fault, and asking for thousands more would only cost."""
        run = Requests(failing(*[ModelError("400")] * 10_000))
        with pytest.raises(ModelError, match="400"):
            run.embed(*map(str, range(1000)))
        assert run.requests.requests < 300

    def test_not_when_a_hundred_texts_are_refused_among_others(self) -> None:
        run = Requests(lambda texts: (_ for _ in ()).throw(ModelError("400")) if "bad" in texts[0] else None)
        assert run.embedded("good")
        answers = [answer for i in range(150) for answer in run.embed(f"bad{i}")]
        assert all(isinstance(answer, ModelError) for answer in answers)


class TestWrongAnswers:
    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param([], id="none"),
            pytest.param([[0.1] * 8], id="fewer"),
            pytest.param([[0.1] * 8] * 3, id="more"),
            pytest.param([[0.1] * 8, [0.1] * 7], id="several lengths"),
            pytest.param([[], []], id="empty"),
            pytest.param([0.1, 0.2], id="numbers"),
            pytest.param([[0.1] * 8, [math.nan] * 8], id="NaN"),
            pytest.param([[0.1] * 8, [math.inf] * 8], id="infinite"),
            pytest.param([[0.1] * 8, [1e300] * 8], id="infinite in float32"),
            pytest.param([["a"] * 8, ["b"] * 8], id="texts"),
            pytest.param([None, None], id="nothing"),
            pytest.param(7, id="no list"),
            pytest.param([["0.5"] * 8] * 2, id="numbers as texts"),
            pytest.param([[True] * 8, [0.5] * 8], id="booleans"),
            pytest.param([[1j] * 8] * 2, id="complex"),
            pytest.param([[[0.5]] * 8] * 2, id="nested"),
            pytest.param([[0.0] * 8, [0.5] * 8], id="zeros"),
        ],
    )
    def test_are_refused(self, answer: Any) -> None:
        run = Requests(lambda texts: answer if len(texts) == 2 else None)
        assert run.embedded("a", "b")
        assert run.embedding.batches == [2, 1, 1]

    def test_of_another_dimension_than_before_are_refused(self) -> None:
        run = Requests()
        assert run.embedded("a")
        run.embedding.dimension = 5
        (answer,) = run.embed("b")
        assert isinstance(answer, ModelResponseError)
        assert "5 values where 8 are expected" in str(answer)


def test_limits_are_the_embeddings_own() -> None:
    embedding = CountingEmbeddings()
    embedding.max_batch, embedding.max_batch_chars = 7, 1234  # type: ignore[attr-defined]  # what ours have
    requests = EmbeddingRequests(embedding, threading.Event())
    assert (requests.max_batch, requests.max_batch_chars) == (7, 1234)


def test_a_stopped_run_asks_for_nothing() -> None:
    run = Requests()
    run.stop.set()
    with pytest.raises(StoppedError):
        run.embed("a")
    assert run.requests.requests == 0
