"""What an exception of any client says: the same however it is wrapped, and the same for everybody who asks."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import openai
import pytest
import requests
from google.genai import errors as google_errors
from pydantic import SecretStr

from milvus_rag import errors
from milvus_rag.client_errors import ERROR_CLASSES, Kind, chain, kind_of, read
from milvus_rag.error_bodies import read_body
from milvus_rag.indexing.embedding_requests import EmbeddingRequests, Gate
from milvus_rag.models.providers.endpoints import Endpoint
from milvus_rag.models.providers.failures import translate
from milvus_rag.models.providers.table import PROVIDERS
from milvus_rag.retry_after import wait_in_headers
from support.pages import CountingEmbeddings

ENDPOINT = Endpoint(PROVIDERS["openai"], "m", "http://127.0.0.1:1/v1", SecretStr("sk-of-a-test"))
REQUEST = httpx.Request("POST", "http://127.0.0.1:1/v1/embeddings")


# --- exceptions of clients, each as its package makes them for a status, a message and headers


def of_openai(status: int, message: str, headers: dict[str, str]) -> Exception:
    response = httpx.Response(status, json={"error": {"message": message}}, headers=headers, request=REQUEST)
    kind = {429: openai.RateLimitError, 401: openai.AuthenticationError}.get(status, openai.APIStatusError)
    return kind(f"Error code: {status}", response=response, body={"message": message})


def of_httpx(status: int, message: str, headers: dict[str, str]) -> Exception:
    response = httpx.Response(status, json={"detail": message}, headers=headers, request=REQUEST)
    return httpx.HTTPStatusError("Client error", request=REQUEST, response=response)


def of_google(status: int, message: str, headers: dict[str, str]) -> Exception:
    body = {"error": {"code": status, "message": message, "status": "SOME"}}
    kind = google_errors.ClientError if status < 500 else google_errors.ServerError
    return kind(status, body, httpx.Response(status, json=body, headers=headers, request=REQUEST))


def of_requests(status: int, message: str, headers: dict[str, str]) -> Exception:
    response = requests.Response()
    response.status_code = status
    response._content = message.encode()
    response.headers.update(headers)
    return requests.HTTPError(f"{status} Client Error", response=response)


def of_botocore(status: int, message: str, headers: dict[str, str]) -> Exception:
    error = type("ClientError", (Exception,), {})("An error occurred when calling the InvokeModel operation")
    facts = {"HTTPStatusCode": status, "HTTPHeaders": {name.lower(): value for name, value in headers.items()}}
    error.response = {"Error": {"Code": "Some", "Message": message}, "ResponseMetadata": facts}
    return error


def of_cohere(status: int, message: str, headers: dict[str, str]) -> Exception:
    error = type("ApiError", (Exception,), {})("headers: …")
    error.status_code, error.body, error.headers = status, {"message": message}, headers
    return error


def of_ollama(status: int, message: str, headers: dict[str, str]) -> Exception:
    error = type("ResponseError", (Exception,), {})(f"{message} (status code: {status})")
    error.error, error.status_code, error.response = message, status, type("R", (), {"headers": headers})()
    return error


def of_voyage(status: int, message: str, headers: dict[str, str]) -> Exception:
    error = type("VoyageError", (Exception,), {})(message)
    error.http_status, error.json_body, error.headers = status, {"detail": message}, headers
    return error


def of_aiohttp(status: int, message: str, headers: dict[str, str]) -> Exception:
    error = type("ClientResponseError", (Exception,), {})(f"{status}, message={message!r}")
    error.status, error.message, error.headers = status, message, headers
    return error


CLIENTS = [
    of_openai, of_httpx, of_google, of_requests, of_botocore, of_cohere, of_ollama, of_voyage, of_aiohttp,
]  # fmt: skip
Client = Callable[[int, str, dict[str, str]], Exception]


def wrapped(exc: Exception, depth: int, *, implicit: bool = False) -> Exception:
    """As libraries do it: a ValueError or RuntimeError from it, or raised while it was handled."""
    for level in range(depth):
        outer: Exception = (ValueError, RuntimeError)[level % 2](f"Could not embed ({level})")
        if implicit:
            outer.__context__ = exc
        else:
            outer.__cause__ = exc
        exc = outer
    return exc


# Status, the server's words, what that is.
ERRORS = [
    (400, "the knob must be at most 3", Kind.REFUSED),
    (400, "API key not valid. Please pass a valid API key.", Kind.KEY_REFUSED),
    (401, "Incorrect API key provided", Kind.KEY_REFUSED),
    (402, "You have exceeded your monthly included credits", Kind.OUT_OF_QUOTA),
    (403, "The caller does not have permission", Kind.KEY_REFUSED),
    (403, "Sorry, your account balance is insufficient", Kind.OUT_OF_QUOTA),
    (404, "404 page not found", Kind.ADDRESS_UNKNOWN),
    (408, "too slow", Kind.UNAVAILABLE),
    (413, "Failed to buffer the request body", Kind.TOO_LARGE),
    (422, "`inputs` must have less than 512 tokens. Given: 534", Kind.TOO_LARGE),
    (429, "Rate limit reached for requests", Kind.RATE_LIMITED),
    (429, "You exceeded your current quota, please check your plan and billing details.", Kind.OUT_OF_QUOTA),
    (500, "oops", Kind.UNAVAILABLE),
    (500, "input (979 tokens) is too large to process. increase the physical batch size", Kind.TOO_LARGE),
    (502, "Bad Gateway", Kind.UNAVAILABLE),
    (503, "Loading model", Kind.UNAVAILABLE),
]


def conclusion_of_sync(exc: Exception) -> tuple[int, bool, bool]:
    """What a sync does when the first request of two texts fails so: requests, whether it waited, whether it ended."""
    waited: list[float] = []
    embedding, left = CountingEmbeddings(), [exc]

    def wrong(_: list[str]) -> None:
        if left:
            raise left.pop()

    embedding.wrong = wrong
    stop = threading.Event()
    requests_ = EmbeddingRequests(embedding, stop, Gate(stop, lambda seconds: bool(waited.append(seconds))))
    raised: list[Exception] = []
    try:
        requests_.embed(["a", "b"])
    except Exception as error:  # noqa: BLE001 - whatever the client's is
        raised.append(error)
    assert raised in ([], [exc])
    return requests_.requests, bool(waited), bool(raised)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__.removeprefix("of_"))
@pytest.mark.parametrize(("status", "message", "kind"), ERRORS)
class TestEveryClient:
    def test_says_the_same_to_everybody(self, client: Client, status: int, message: str, kind: Kind) -> None:
        """However deep it is wrapped, by ``from`` or not."""
        for depth, implicit in ((0, False), (1, False), (3, False), (1, True), (3, True)):
            exc = wrapped(client(status, message, {}), depth, implicit=implicit)
            failure = read(exc)
            assert (failure.kind, failure.status) == (kind, status)
            assert message.rstrip(".") in failure.message
            error = translate(exc, ENDPOINT)
            assert isinstance(error, errors.ModelError)
            assert type(error) is ERROR_CLASSES[kind]
            assert message.rstrip(".") in str(error)
            # A sync that is given the client's exception does what it does when it is given ours.
            assert conclusion_of_sync(exc) == conclusion_of_sync(error)

    def test_is_a_reason_to_wait_to_halve_or_to_end(
        self, client: Client, status: int, message: str, kind: Kind
    ) -> None:
        conclusion = conclusion_of_sync(client(status, message, {}))
        if kind in (Kind.RATE_LIMITED, Kind.UNAVAILABLE):
            assert conclusion == (2, True, False)
        elif kind in (Kind.TOO_LARGE, Kind.REFUSED):
            assert conclusion == (3, False, False)
        else:
            assert conclusion == (1, False, True)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__.removeprefix("of_"))
@pytest.mark.parametrize("depth", [0, 2])
def test_every_client_passes_on_how_long_to_wait(client: Client, depth: int) -> None:
    exc = wrapped(client(429, "slow down", {"Retry-After": "7"}), depth)
    assert read(exc).retry_after == 7
    assert getattr(translate(exc, ENDPOINT), "retry_after", None) == 7


class TestWithoutAStatus:
    def requests_refused(self) -> Exception:
        """urllib3 counts a refused connection among its timeouts."""
        try:
            requests.post("http://127.0.0.1:1/v1", timeout=5)
        except requests.ConnectionError as exc:
            return exc
        raise AssertionError("somebody listens on port 1")

    def test_a_refused_connection_is_no_timeout(self) -> None:
        for exc in (self.requests_refused(), wrapped(self.requests_refused(), 2)):
            assert read(exc).kind is Kind.CONNECTION
            assert "refused" in read(exc).message

    @pytest.mark.parametrize(
        ("exc", "kind"),
        [
            (httpx.ReadTimeout("slow"), Kind.TIMEOUT),
            (requests.ReadTimeout("slow"), Kind.TIMEOUT),
            (requests.ConnectTimeout("slow"), Kind.TIMEOUT),
            (openai.APITimeoutError(request=REQUEST), Kind.TIMEOUT),
            (TimeoutError("slow"), Kind.TIMEOUT),
            (httpx.ConnectError("refused"), Kind.CONNECTION),
            (httpx.RemoteProtocolError("peer closed connection"), Kind.CONNECTION),
            (requests.exceptions.ChunkedEncodingError("broken"), Kind.CONNECTION),
            (openai.APIConnectionError(request=REQUEST), Kind.CONNECTION),
            (ConnectionResetError("reset"), Kind.CONNECTION),
            (type("EndpointConnectionError", (type("ConnectionError", (Exception,), {}),), {})("no"), Kind.CONNECTION),
            (requests.exceptions.JSONDecodeError("no", "", 0), Kind.UNREADABLE),
            (openai.APIError("overloaded", REQUEST, body={"message": "overloaded"}), Kind.BROKEN_OFF),
            (openai.APIError("busy", REQUEST, body={"message": "busy", "code": 503}), Kind.UNAVAILABLE),
            (openai.APIError("no", REQUEST, body={"message": "no", "code": "rate_limit_exceeded"}), Kind.RATE_LIMITED),
            (ValueError("?"), Kind.UNKNOWN),
            (KeyError("data"), Kind.UNKNOWN),
        ],
    )
    def test_names_of_classes_tell(self, exc: Exception, kind: Kind) -> None:
        assert read(exc).kind is kind
        assert read(wrapped(exc, 2)).kind is kind
        assert read(exc).passing is (kind in (Kind.TIMEOUT, Kind.CONNECTION, Kind.UNAVAILABLE, Kind.RATE_LIMITED))

    def test_ours_is_what_somebody_has_read_already(self) -> None:
        ours = errors.RateLimitError("slow down", retry_after=3)
        ours.__cause__ = of_httpx(500, "x", {})
        failure = read(wrapped(ours, 2))
        assert (failure.kind, failure.ours, failure.retry_after) == (Kind.RATE_LIMITED, ours, 3)

    @pytest.mark.parametrize(
        ("ours", "fatal"),
        [
            (errors.MissingKeyError("?"), True),
            (errors.MissingExtraError("?"), True),
            (errors.AuthenticationError("?"), True),
            (errors.ModelNotFoundError("?"), True),
            (errors.QuotaExceededError("?"), True),
            (errors.InputTooLargeError("?"), False),
            (errors.ModelError("?"), False),
            (errors.StoreError("?"), False),
        ],
    )
    def test_ours_that_end_everything(self, ours: Exception, fatal: bool) -> None:
        assert read(ours).fatal is fatal
        assert not read(ours).passing


class TestChain:
    def test_cycles_end(self) -> None:
        first, second = ValueError("a"), RuntimeError("b")
        first.__cause__, second.__cause__ = second, first
        assert list(chain(first)) == [first, second]
        assert read(first).kind is Kind.UNKNOWN

    def test_a_context_that_was_suppressed_is_none(self) -> None:
        exc = wrapped(of_httpx(429, "x", {}), 1, implicit=True)
        exc.__suppress_context__ = True
        assert read(exc).kind is Kind.UNKNOWN

    def test_groups_are_looked_into(self) -> None:
        """As asyncio's task groups raise them."""
        group = ExceptionGroup("tasks", [ValueError("x"), wrapped(of_httpx(429, "slow", {"Retry-After": "2"}), 1)])
        assert (read(group).kind, read(group).retry_after) == (Kind.RATE_LIMITED, 2)

    def test_an_exception_with_broken_properties_is_read(self) -> None:
        class BrokenError(Exception):
            @property
            def response(self) -> Any:
                raise RuntimeError("no")

            @property
            def status_code(self) -> int:
                return 503

        assert read(BrokenError("x")).kind is Kind.UNAVAILABLE

    def test_an_answer_that_was_not_read_is_left_alone(self) -> None:
        response = httpx.Response(503, stream=httpx.ByteStream(b""), request=REQUEST)
        failure = read(httpx.HTTPStatusError("Server error", request=REQUEST, response=response))
        assert failure.kind is Kind.UNAVAILABLE
        assert failure.message == "HTTP 503 Service Unavailable, without a reason."

    def test_an_address_with_a_key_is_not_repeated(self) -> None:
        """httpx and requests put it into their own words, which are all there is for an answer without a body."""
        request = httpx.Request("POST", "http://127.0.0.1:1/v1?key=very-secret")
        response = httpx.Response(502, request=request)
        with pytest.raises(httpx.HTTPStatusError, match="very-secret") as caught:
            response.raise_for_status()
        assert "very-secret" not in read(caught.value).message


TOO_LARGE = [
    (400, "request (1011 tokens) exceeds the available context size (768 tokens), try increasing it"),
    (500, "the input length exceeds the context length"),
    (400, "Requested 340000 tokens, max 300000 tokens per request"),
    (400, "This model's maximum context length is 8192 tokens, however you requested 9000 tokens"),
    (422, "batch size 64 > maximum allowed batch size 32"),
    (400, "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch"),
    (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    (400, "Input id 3 has 9000 tokens, exceeding max 8192 tokens."),
    (400, "Too many inputs. The max number of inputs is 16."),
    (400, "Too many input tokens. Max input tokens: 8192, request input token count: 9000"),
    (400, "total number of texts must be at most 96 - received 100"),
    (422, "List should have at most 32 items after validation, not 64"),
    (400, "expected maxLength: 2048, actual: 3000, please reformat your input"),
    (400, "The max allowed tokens per submitted batch is 120000."),
    (400, "Invalid 'input': array too long. Expected an array with maximum length 2048"),
    (429, "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 51002."),
]
NOT_TOO_LARGE = [
    (400, "temperature must be at most 1"),
    (400, "max_tokens must be at least 1"),
    (400, "max_tokens is too large: 100000. This model supports at most 16384 completion tokens"),
    (500, "The engine is overloaded: too many tokens are waiting"),
    (503, "Model too busy, max queue size reached"),
    (429, "Rate limit reached: 500 requests per min, too many tokens"),
]
OUT_OF_QUOTA = [
    (429, {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}),
    (402, {"error": {"message": "Insufficient Balance"}}),
    (402, "no"),
    (400, {"error": {"message": "Your credit balance is too low to access the API."}}),
    (429, {"error": {"code": "1113", "message": "账户已欠费"}}),
    (
        429,
        {
            "error": {
                "message": "You exceeded your current quota, please check your plan and billing details.",
                "details": [
                    {"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},
                    {"retryDelay": "21s"},
                ],
            }
        },
    ),
]
RATE_LIMITED: list[tuple[int, Any]] = [
    (429, {"error": {"message": "Rate limit reached for m in organization o. Please try again in 2s."}}),
    (429, "Quota exceeded: requests per minute per project."),
    (400, {"__type": "ThrottlingException", "message": "Too many requests"}),
    (
        429,
        {
            "error": {
                "message": "You exceeded your current quota, please check your plan and billing details.",
                "details": [
                    {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]},
                    {"retryDelay": "21s"},
                ],
            }
        },
    ),
]


class TestKind:
    @pytest.mark.parametrize(("status", "message"), TOO_LARGE)
    def test_too_large_is_known_by_meaning(self, status: int, message: str) -> None:
        assert kind_of(status, read_body({"error": message})) is Kind.TOO_LARGE

    @pytest.mark.parametrize(("status", "message"), NOT_TOO_LARGE)
    def test_not_by_a_word_alone(self, status: int, message: str) -> None:
        assert kind_of(status, read_body({"error": message})) is not Kind.TOO_LARGE

    @pytest.mark.parametrize(("status", "body"), OUT_OF_QUOTA)
    def test_an_account_without_credit(self, status: int, body: Any) -> None:
        found = read_body(body)
        assert kind_of(status, found, found.wait) is Kind.OUT_OF_QUOTA

    @pytest.mark.parametrize(("status", "body"), RATE_LIMITED)
    def test_a_limit_of_the_minute(self, status: int, body: Any) -> None:
        """Gemini says "check your plan and billing" of it too; but it says when to come back."""
        found = read_body(body)
        assert kind_of(status, found, found.wait) is Kind.RATE_LIMITED

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            ({"error": {"code": 429, "message": "slow down"}}, Kind.RATE_LIMITED),
            ({"error": {"code": 502, "message": "upstream"}}, Kind.UNAVAILABLE),
            ({"error": {"code": 404, "message": "No successful provider responses."}}, Kind.MODEL_UNKNOWN),
            ({"error": {"message": "maximum context length is 4096 tokens"}}, Kind.TOO_LARGE),
            ({"error": {"code": "model_not_found", "message": "no"}}, Kind.MODEL_UNKNOWN),
            ({"error": {"code": "invalid_api_key", "message": "no"}}, Kind.KEY_REFUSED),
            ({"error": {"message": "something"}}, Kind.REFUSED),
        ],
    )
    def test_an_error_inside_a_good_answer(self, body: Any, kind: Kind) -> None:
        assert kind_of(None, read_body(body)) is kind

    def test_every_kind_has_its_error(self) -> None:
        assert ERROR_CLASSES.keys() == set(Kind)


class TestWaits:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"Retry-After": "3"}, 3.0),
            ({"RETRY-AFTER": " 0.5 "}, 0.5),
            ({"Retry-After": 4}, 4.0),
            ({"Retry-After": "1s"}, 1.0),
            ({"Retry-After": "2m5s"}, 125.0),
            ({"Retry-After": "-4"}, 0.0),
            ({"Retry-After": "soon"}, None),
            ({"Retry-After": "inf"}, None),
            ({"Retry-After": "nan"}, None),
            ({"Retry-After": ""}, None),
            ({"Retry-After": None}, None),
            ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
            ({"retry-after-ms": "x", "Retry-After": "9"}, 9.0),
            ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
            ({"Retry-After": "Wed, 99 Oct 2015 99:28:00 GMT"}, None),
        ],
    )
    def test_headers(self, headers: dict[str, Any], seconds: float | None) -> None:
        assert wait_in_headers(headers) == seconds

    def test_a_date_counts_from_now(self) -> None:
        date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
        seconds = wait_in_headers({"Retry-After": date})
        assert seconds is not None
        assert 3000 < seconds <= 3600
