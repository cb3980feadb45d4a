"""Each limit refuses what is over it, and says so in the one shape that errors have."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import product
from typing import Any

import httpx
import pytest

from support.asgi import application, let_time_pass
from support.slow_model import SlowModel

QUESTION = "Where is data stored?"


@pytest.fixture(scope="module")
def model() -> Iterator[SlowModel]:
    with SlowModel(tokens=3, pause=0.01) as server:
        yield server


@pytest.fixture(autouse=True)
def _model_environment(model: SlowModel, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in model.environment.items():
        monkeypatch.setenv(name, value)
    model.pause = 0.01


def error_of(response: httpx.Response, status: int) -> str:
    """The message of an error, whose shape is checked."""
    assert response.status_code == status, response.text
    body = response.json()
    assert body.keys() == {"error"}
    assert body["error"].keys() == {"status", "message", "request_id"}
    assert body["error"]["status"] == status
    assert body["error"]["request_id"] == response.headers["X-Request-ID"]
    return str(body["error"]["message"])


@pytest.mark.parametrize("route", ["/rag/invoke", "/answer/invoke", "/rag/stream", "/rag/batch"])
async def test_a_body_over_the_limit_is_refused(index_uri: str, route: str) -> None:
    async with application(index_uri, max_body_bytes=1024) as client:
        answer = await client.post(route, json={"input": "x" * 1024})
        assert error_of(answer, 413) == "The request is larger than 1,024 bytes."


async def test_a_body_of_unknown_length_is_refused_as_soon_as_it_is_over_the_limit(index_uri: str) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 1_000_000:
            read += 500
            yield b"x" * 500

    async with application(index_uri, max_body_bytes=1024) as client:
        answer = await client.post("/rag/invoke", content=endless())
        error_of(answer, 413)
        assert read == 1500


async def test_a_body_that_does_not_arrive_is_not_waited_for(index_uri: str) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield b'{"input":'
        await asyncio.sleep(30)

    async with application(index_uri, request_timeout=0.2) as client:
        answer = await client.post("/rag/invoke", content=stuck())
        assert error_of(answer, 408) == "The request did not arrive in time."


@pytest.mark.parametrize("given", ["x" * 21, {"question": "x" * 21}])
async def test_a_question_over_the_limit_is_refused(index_uri: str, given: Any) -> None:
    async with application(index_uri, max_question_chars=20) as client:
        for route in ("/rag/invoke", "/answer/stream", "/rag/stream_events", "/rag/stream_log"):
            answer = await client.post(route, json={"input": given})
            message = error_of(answer, 422)
            assert message == "A question may have 20 characters at most, this one has 21."
        answer = await client.post("/rag/batch", json={"inputs": ["short", given]})
        error_of(answer, 422)
        assert (await client.post("/rag/invoke", json={"input": "x" * 20})).status_code == 200


async def test_a_batch_over_the_limit_is_refused(index_uri: str) -> None:
    async with application(index_uri, max_batch=2) as client:
        answer = await client.post("/rag/batch", json={"inputs": [QUESTION] * 3})
        assert error_of(answer, 422) == "A batch may have 2 questions at most, this one has 3."
        assert (await client.post("/rag/batch", json={"inputs": [QUESTION] * 2})).status_code == 200


NO_QUESTIONS = ["", "  \n", {"question": " "}, {"question": 3}, {}, None, 7, ["a"], {"input": "x"}]
NO_REQUESTS = [b"", b"{", b"[]", b"\xff\xfe", b'{"input": "\\ud800"}', b'{"input": "a", "config": 7}', b"[" * 100_000]


async def test_what_is_no_question_is_refused(index_uri: str) -> None:
    async with application(index_uri) as client:
        for given in NO_QUESTIONS:
            error_of(await client.post("/rag/invoke", json={"input": given}), 422)
            error_of(await client.post("/answer/batch", json={"inputs": [QUESTION, given]}), 422)


async def test_what_is_no_request_is_refused(index_uri: str) -> None:
    async with application(index_uri) as client:
        for body, route in product(NO_REQUESTS, ("/rag/invoke", "/rag/stream", "/rag/batch")):
            answer = await client.post(route, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code in (400, 422), (route, body[:30], answer.text)
            error_of(answer, answer.status_code)


async def test_more_requests_than_allowed_at_once_are_told_to_come_back(index_uri: str, model: SlowModel) -> None:
    async with application(index_uri, llm="openai:slow", max_in_progress=2) as client:
        with model.holding():
            started = model.started
            running = [asyncio.create_task(client.post("/rag/invoke", json={"input": QUESTION})) for _ in range(2)]
            assert await asyncio.to_thread(model.wait_for, "started", started + 2)
            refused = await client.post("/answer/invoke", json={"input": QUESTION})
            assert error_of(refused, 503) == "The server is busy. Try again in a moment."
            assert int(refused.headers["Retry-After"]) >= 1
            # What costs nothing is answered all the same.
            assert (await client.get("/healthz")).status_code == 200
            assert "milvus_rag_requests_in_progress 2.0" in (await client.get("/metrics")).text
        assert [(await request).status_code for request in running] == [200, 200]
        assert (await client.post("/rag/invoke", json={"input": QUESTION})).status_code == 200


async def too_late(
    client: httpx.AsyncClient, route: str, model: SlowModel, patch: pytest.MonkeyPatch
) -> httpx.Response:
    """What is answered to a question whose time is over while the model is at work."""
    started = model.started
    answer = asyncio.create_task(client.post(route, json={"input": QUESTION}))
    assert await asyncio.to_thread(model.wait_for, "started", started + 1)
    let_time_pass(patch, 30)
    return await answer


async def test_an_answer_that_takes_too_long_is_given_up(
    index_uri: str, model: SlowModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.pause = 20
    async with application(index_uri, llm="openai:slow", request_timeout=30) as client:
        abandoned = model.abandoned
        answer = await too_late(client, "/rag/invoke", model, monkeypatch)
        assert error_of(answer, 504) == "The answer took too long."
        assert await asyncio.to_thread(model.wait_for, "abandoned", abandoned + 1)
        # A stream that has not begun can still say it by its status.
        answer = await too_late(client, "/answer/stream", model, monkeypatch)
        assert error_of(answer, 504) == "The answer took too long."


async def test_a_stream_that_takes_too_long_ends_with_an_error_event(
    index_uri: str, model: SlowModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.pause = 20
    async with application(index_uri, llm="openai:slow", request_timeout=30) as client:
        answer = await too_late(client, "/rag/stream", model, monkeypatch)
    assert answer.status_code == 200
    *before, last = answer.text.strip().split("\r\n\r\n")
    assert any('"context"' in event for event in before)
    kind, data = last.split("\r\n")
    assert kind == "event: error"
    event = httpx.Response(200, text=data.removeprefix("data: ")).json()
    assert event["status_code"] == 504
    assert event["message"] == "The answer took too long."
    assert event["error"]["request_id"] == answer.headers["X-Request-ID"]
