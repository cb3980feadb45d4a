"""From what a client library raises to our errors."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import httpx
import pytest
from pydantic import SecretStr

from milvus_rag.client_errors import read
from milvus_rag.errors import (
    AuthenticationError,
    InputTooLargeError,
    ModelError,
    ModelNotFoundError,
    ModelResponseError,
    ModelTimeoutError,
    ProviderUnavailableError,
    RateLimitError,
)
from milvus_rag.models.providers.endpoints import Endpoint
from milvus_rag.models.providers.failures import leaks_key, translate
from milvus_rag.models.providers.table import PROVIDERS

KEY = "sk-very-secret"


def endpoint(provider: str = "fireworks", model: str = "m", url: str = "http://127.0.0.1:1/v1") -> Endpoint:
    return Endpoint(PROVIDERS[provider], model, url, SecretStr(KEY))


class StatusError(Exception):
    """Shaped like the clients' own: a status, a body, a response with headers."""

    def __init__(self, status: int, message: str = "no", headers: dict[str, str] | None = None, **body: object) -> None:
        super().__init__(f"Error code: {status}")
        self.status_code = status
        self.body = {"error": {"message": message, **body}}
        self.response = SimpleNamespace(headers=httpx.Headers(headers or {}))


class TestTranslate:
    @pytest.mark.parametrize(
        ("status", "message", "kind"),
        [
            (400, "Invalid value for 'temperature'.", ModelError),
            (400, "API key not valid. Please pass a valid API key.", AuthenticationError),
            (401, "Incorrect API key provided.", AuthenticationError),
            (403, "The caller does not have permission.", AuthenticationError),
            (404, "Model not found, inaccessible, and/or not deployed", ModelNotFoundError),
            (408, "timeout", ProviderUnavailableError),
            (413, "anything", InputTooLargeError),
            (400, "This model's maximum context length is 8192 tokens.", InputTooLargeError),
            (400, "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch", InputTooLargeError),
            (400, "The input token count (9000) exceeds the maximum number of tokens allowed", InputTooLargeError),
            (400, "Request payload size exceeds the limit: 20971520 bytes.", InputTooLargeError),
            (422, "batch size 64 > maximum allowed batch size 32", InputTooLargeError),
            (422, "Unprocessable", ModelError),
            (429, "Quota exceeded", RateLimitError),
            (500, "oops", ProviderUnavailableError),
            (503, "overloaded", ProviderUnavailableError),
        ],
    )
    def test_a_status_has_its_class_and_keeps_the_providers_words(
        self, status: int, message: str, kind: type[ModelError]
    ) -> None:
        error = translate(StatusError(status, message), endpoint())
        assert type(error) is kind
        assert message.rstrip(".") in str(error)
        assert "fireworks:m at http://127.0.0.1:1/v1" in str(error)

    def test_reads_the_chain_of_causes(self) -> None:
        try:
            try:
                raise StatusError(429, "slow down", {"Retry-After": "7"})
            except StatusError as exc:
                raise RuntimeError("wrapped by a library") from exc
        except RuntimeError as exc:
            error = translate(exc, endpoint())
        assert isinstance(error, RateLimitError)
        assert error.retry_after == 7

    @pytest.mark.parametrize(
        ("exc", "kind"),
        [
            (httpx.ReadTimeout("slow"), ModelTimeoutError),
            (httpx.ConnectTimeout("slow"), ModelTimeoutError),
            (TimeoutError("slow"), ModelTimeoutError),
            (httpx.ConnectError("refused"), ProviderUnavailableError),
            (httpx.RemoteProtocolError("peer closed connection"), ProviderUnavailableError),
            (ConnectionResetError("reset"), ProviderUnavailableError),
        ],
    )
    def test_timeouts_and_connections(self, exc: Exception, kind: type[ModelError]) -> None:
        assert type(translate(exc, endpoint())) is kind

    def test_an_exception_that_we_know_nothing_about_stays_as_it_is(self) -> None:
        assert translate(TypeError("a bug of the caller's"), endpoint()) is None
        assert translate(KeyError("messages"), endpoint()) is None

    def test_of_a_sound_request_a_type_error_means_a_malformed_answer(self) -> None:
        error = translate(TypeError("'NoneType' object is not iterable"), endpoint(), request_is_sound=True)
        assert isinstance(error, ModelResponseError)

    def test_our_own_errors_pass(self) -> None:
        error = ModelResponseError("ours")
        assert translate(error, endpoint()) is error

    def test_a_404_says_how_to_choose_another_model(self) -> None:
        message = str(translate(StatusError(404, "The model `m` does not exist"), endpoint()))
        assert "'fireworks:MODEL'" in message
        assert "https://app.fireworks.ai/models" in message

    def test_a_refused_key_says_where_it_comes_from(self) -> None:
        assert "FIREWORKS_API_KEY or api_key=" in str(translate(StatusError(401), endpoint()))

    @pytest.mark.parametrize("status", [404, 429, 500])
    def test_a_retired_model_is_named_in_every_failure(self, status: int) -> None:
        message = str(translate(StatusError(status), endpoint("gemini", "gemini-2.0-flash")))
        assert "was shut down on 2026-06-01" in message
        assert "'gemini:gemini-flash-latest'" in message

    def test_leptons_dead_host_says_what_to_set(self) -> None:
        dead = endpoint("lepton", "mistral-7b", "https://mistral-7b.lepton.run/api/v1")
        message = str(translate(httpx.ConnectError("Name or service not known"), dead))
        assert "LEPTON_BASE_URL" in message
        assert "xenon.lepton.run" in message

    def test_the_key_is_cut_out_of_the_providers_words(self) -> None:
        error = translate(StatusError(401, f"Incorrect API key provided: {KEY}"), endpoint())
        assert KEY not in str(error)
        assert "***" in str(error)

    def test_long_messages_are_cut(self) -> None:
        assert len(str(translate(StatusError(500, "x" * 100_000), endpoint()))) < 1000


class TestLeaksKey:
    def test_looks_through_the_chain(self) -> None:
        outer = RuntimeError("wrapped")
        outer.__cause__ = ValueError(f"key {KEY} refused")
        assert leaks_key(outer, endpoint())
        assert not leaks_key(RuntimeError("wrapped"), endpoint())

    def test_without_a_key_there_is_none_to_leak(self) -> None:
        assert not leaks_key(RuntimeError("x"), Endpoint(PROVIDERS["openai"], "m", "http://127.0.0.1:1/v1"))


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"Retry-After": "3"}, 3.0),
            ({"Retry-After": "0.5"}, 0.5),
            ({"Retry-After": "-4"}, 0.0),
            ({"Retry-After": "soon"}, None),
            ({"Retry-After": "inf"}, None),
            ({"Retry-After": "nan"}, None),
            ({"retry-after-ms": "250"}, 0.25),
            ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
            ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ],
    )
    def test_headers(self, headers: dict[str, str], seconds: float | None) -> None:
        assert read(StatusError(429, headers=headers)).retry_after == seconds

    def test_a_date_counts_from_now(self) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        seconds = read(StatusError(429, headers={"Retry-After": date})).retry_after
        assert seconds is not None
        assert 3500 < seconds <= 3600

    def test_geminis_retry_info(self) -> None:
        exc = Exception("429")
        info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}
        exc.details = {"error": {"code": 429, "details": [{"@type": "other"}, info]}}  # type: ignore[attr-defined]  # as google.genai's
        assert read(exc).retry_after == 37.5


class TestProviderMessage:
    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"error": {"message": "the words"}}, "the words."),
            ({"message": "the words."}, "the words."),
            ({"error": "the words!"}, "the words!"),
            ({"error": {"code": 1}}, "fallback."),
            (None, "fallback."),
            ("<html>", "fallback."),
        ],
    )
    def test_finds_the_words_in_the_usual_places(self, body: object, message: str) -> None:
        exc = Exception("fallback")
        exc.body = body  # type: ignore[attr-defined]  # as openai's
        assert read(exc).message == message
