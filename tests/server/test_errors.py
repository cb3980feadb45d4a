"""What goes wrong inside is told as a sentence, and to the operator in full."""

import json
import logging
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from milvus_rag import errors
from milvus_rag.server.failures import detail_of, failure_of
from milvus_rag.server.logs import JsonFormatter, TextFormatter
from milvus_rag.server.served_runnables import ServedRetriever
from support.asgi import application

QUESTION = {"input": "Where is data stored?"}
SECRET = "sk-secret at /home/operator/docs.db: Where is data stored?"

OURS = [
    (errors.StoreUnavailableError, 503, "does not answer"),
    (errors.CollectionNotFoundError, 503, "cannot be searched"),
    (errors.EmbeddingMismatchError, 503, "cannot be searched"),
    (errors.StoreAuthenticationError, 503, "cannot be searched"),
    (errors.DatabaseLockedError, 503, "cannot be searched"),
    (errors.ModelTimeoutError, 504, "did not answer in time"),
    (errors.RateLimitError, 503, "not available"),
    (errors.ProviderUnavailableError, 503, "not available"),
    (errors.AuthenticationError, 503, "cannot be used"),
    (errors.MissingKeyError, 503, "cannot be used"),
    (errors.ModelNotFoundError, 503, "cannot be used"),
    (errors.InputTooLargeError, 502, "more than the model can read"),
    (errors.ModelResponseError, 502, "no usable answer"),
    (errors.InputError, 500, "Something went wrong"),
    (RuntimeError, 500, "Something went wrong"),
    (TimeoutError, 504, "took too long"),
]


@pytest.mark.parametrize(("kind", "status", "words"), OURS)
def test_a_client_is_told_a_status_and_a_sentence(kind: type[Exception], status: int, words: str) -> None:
    failure = failure_of(kind(SECRET))
    assert failure.status == status
    assert words in failure.message
    body = failure.body("id-1").decode()
    assert json.loads(body) == {"error": {"status": status, "message": failure.message, "request_id": "id-1"}}
    for part in ("sk-secret", "/home", "stored", "Traceback"):
        assert part not in body
        assert part not in failure.event("id-1").decode()


def test_a_provider_that_says_when_to_come_back_is_quoted() -> None:
    assert failure_of(errors.RateLimitError("no", retry_after=17.2)).headers == {"Retry-After": "17"}
    assert failure_of(errors.ProviderUnavailableError("no", retry_after=0.1)).headers == {"Retry-After": "1"}
    assert int(failure_of(errors.RateLimitError("no")).headers["Retry-After"]) >= 1


def test_errors_of_the_framework_are_in_the_same_shape() -> None:
    assert failure_of(HTTPException(404, "Not Found")).message == "There is nothing here."
    assert failure_of(HTTPException(405, headers={"Allow": "GET"})).headers == {"Allow": "GET"}
    assert failure_of(HTTPException(400, SECRET)).message == "The request cannot be read."
    invalid = RequestValidationError([{"loc": ("body", "input", "text"), "msg": "Value error, it is empty"}])
    assert failure_of(invalid).message == "input: it is empty"
    assert failure_of(RequestValidationError(["Invalid JSON body"])).message == "The request cannot be read."


def test_the_log_has_our_messages_and_no_others() -> None:
    """Other libraries' messages may quote what they were given."""
    assert detail_of(errors.StoreError("the reason"), with_message=False) == "the reason"
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError(SECRET)
    assert SECRET not in detail_of(caught.value, with_message=False)
    assert "test_errors.py" in detail_of(caught.value, with_message=False)
    assert SECRET in detail_of(caught.value, with_message=True)


@pytest.mark.parametrize("asked_for", [False, True])
async def test_the_unforeseen_is_logged_and_not_told(
    index_uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, asked_for: bool
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError(SECRET)

    async with application(index_uri, log_questions=asked_for) as client:
        monkeypatch.setattr(ServedRetriever, "ainvoke", fail)
        for route in ("/rag/invoke", "/answer/stream"):
            answer = await client.post(route, json=QUESTION)
            assert answer.status_code == 500
            assert answer.json()["error"]["message"] == "Something went wrong on the server."
            assert "secret" not in answer.text
    lines = [
        record.fields for record in caplog.records if hasattr(record, "fields") and record.levelno >= logging.ERROR
    ]
    assert [line["error"] for line in lines] == ["RuntimeError", "RuntimeError"]
    for line in lines:
        assert "in fail" in line["detail"]
        assert (SECRET in line["detail"]) is asked_for
        assert (line.get("questions") == [QUESTION["input"]]) is asked_for


async def test_an_error_in_a_stream_that_has_begun_is_logged(
    index_uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with application(index_uri, llm="lepton") as client:
        answer = await client.post("/rag/stream", json=QUESTION)
    assert answer.status_code == 200
    assert answer.text.rstrip().split("\r\n")[-2] == "event: error"
    (line,) = [record for record in caplog.records if getattr(record, "fields", {}).get("route") == "/rag/stream"]
    assert line.levelname == "WARNING"
    fields = line.__dict__["fields"]
    assert fields["status"] == 200
    assert fields["error"] == "ProviderUnavailableError"
    assert "LEPTON_BASE_URL" in fields["detail"]


@pytest.mark.parametrize("route", ["invoke", "batch", "stream", "stream_events", "stream_log"])
async def test_arguments_that_the_chain_does_not_take_are_refused(index_uri: str, route: str) -> None:
    """To drop them in silence would be to answer something else than was asked."""
    async with application(index_uri) as client:
        for chain in ("/rag", "/answer"):
            call: dict[str, Any] = {"inputs": [QUESTION["input"]]} if route == "batch" else QUESTION
            answer = await client.post(f"{chain}/{route}", json={**call, "kwargs": {"k": 3}})
            assert answer.status_code == 422
            message = answer.json()["error"]["message"]
            assert message == "body: requests cannot pass arguments on this server, leave kwargs empty"


async def test_arguments_that_are_none_are_accepted(index_uri: str) -> None:
    """As LangChain's client in JavaScript sends them."""
    questions = [QUESTION["input"]] * 2
    async with application(index_uri) as client:
        batch = await client.post("/answer/batch", json={"inputs": questions, "kwargs": [{}, {}]})
        assert batch.status_code == 200
        events = await client.post("/answer/stream_events", json={**QUESTION, "kwargs": {"version": "v2"}})
        assert events.status_code == 200
        for path, body in (
            ("/answer/batch", {"inputs": questions, "kwargs": [{}, {"k": 3}]}),
            ("/answer/stream_events", {**QUESTION, "kwargs": {"version": "v2", "k": 3}}),
            ("/answer/invoke", {**QUESTION, "kwargs": {"version": "v2"}}),
        ):
            assert (await client.post(path, json=body)).status_code == 422


async def test_other_methods_and_paths_are_refused_in_the_same_shape(index_uri: str) -> None:
    async with application(index_uri) as client:
        for method, path, status in (
            ("GET", "/rag/invoke", 405),
            ("DELETE", "/", 405),
            ("GET", "/nothing", 404),
            ("GET", "/page/nothing.js", 404),
            ("POST", "/page/chat.js", 405),
            ("GET", "/rag/playground/assets", 404),
            ("GET", "/rag/playground/%00", 404),
            ("GET", "/rag/playground/..%2f..%2fserver.py", 404),
            ("GET", "/rag/c/nonsense/input_schema", 400),
            ("GET", f"/rag/c/{'x' * 600}/playground/", 422),
        ):
            answer = await client.request(method, path)
            assert answer.status_code == status, path
            assert answer.json()["error"]["status"] == status
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def record_of(level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    record = logging.LogRecord("milvus_rag.server", level, __file__, 1, "POST %s 200", ("/rag/invoke",), None)
    record.__dict__["fields"] = fields
    return record


def test_a_log_line_is_one_json_object() -> None:
    line = JsonFormatter().format(record_of(id="a", ms=1.5, detail="two\nlines", model="ä"))
    assert "\n" not in line
    parsed = json.loads(line)
    assert parsed["time"][10] == "T"
    assert {key: parsed[key] for key in ("level", "message", "id", "ms", "detail", "model")} == {
        "level": "info",
        "message": "POST /rag/invoke 200",
        "id": "a",
        "ms": 1.5,
        "detail": "two\nlines",
        "model": "ä",
    }
    try:
        raise ValueError("x")
    except ValueError as exc:
        failed = logging.LogRecord(
            "other", logging.ERROR, __file__, 1, "failed", (), (ValueError, exc, exc.__traceback__)
        )
    assert "ValueError: x" in json.loads(JsonFormatter().format(failed))["traceback"]


def test_a_log_line_may_be_text() -> None:
    line = TextFormatter().format(record_of(id="a", route="/rag/invoke", ms=1.5, detail="two words"))
    assert line.endswith('INFO POST /rag/invoke 200 id=a ms=1.5 detail="two words"')


async def test_what_langchains_javascript_client_sends_is_no_argument(index_uri: str) -> None:
    config = {"tags": [], "metadata": {}, "recursionLimit": 25}
    async with application(index_uri) as client:
        batch = {"inputs": ["a flush", "bananas"], "config": [config, config]}
        assert (await client.post("/rag/batch", json={**batch, "kwargs": [{}, {}]})).status_code == 200
        assert (await client.post("/rag/batch", json={**batch, "kwargs": [{}, {"k": 1}]})).status_code == 422
        events = {"input": "a flush", "config": config, "diff": False}
        for kwargs, status in (({"version": "v2"}, 200), ({"version": "v1"}, 422), ({"version": "v2", "k": 1}, 422)):
            answer = await client.post("/answer/stream_events", json={**events, "kwargs": kwargs})
            assert answer.status_code == status, kwargs
        assert (
            await client.post("/answer/invoke", json={"input": "a", "kwargs": {"version": "v2"}})
        ).status_code == 422
