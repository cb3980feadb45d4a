"""What is accepted below /v1, what is refused, and in which words."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.server.failures import RefusedRequestError
from milvus_rag.server.openai_api.conversation import chain_input
from milvus_rag.server.openai_api.requests import ChatMessage
from support.asgi import application, let_time_pass
from support.slow_model import SlowModel

QUESTION = "Where is data stored?"
ASKED = {"model": "milvus-rag", "messages": [{"role": "user", "content": QUESTION}]}
PATH = "/v1/chat/completions"


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    """An error, whose shape is checked."""
    assert response.status_code == status, response.text
    error: dict[str, Any] = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code", "request_id"}
    assert error["request_id"] == response.headers["X-Request-ID"]
    return error


ACCEPTED: dict[str, dict[str, Any]] = {
    "null for everything": dict.fromkeys(
        ["n", "tools", "stop", "stream", "stream_options", "max_tokens", "temperature", "response_format", "logprobs"]
    ),
    "nothing of it": {"n": 1, "tools": [], "tool_choice": "auto", "logit_bias": {}, "logprobs": False, "stop": []},
    "text": {"response_format": {"type": "text"}, "modalities": ["text"]},
    "what changes no answer": {
        "user": "u", "store": False, "metadata": {"a": "b"}, "service_tier": "auto", "safety_identifier": "x",
        "prompt_cache_key": "y", "parallel_tool_calls": True, "prediction": {"type": "content", "content": "z"},
    },
    "a model that quotes is not random": {"temperature": 0.7, "top_p": 1, "seed": 3, "presence_penalty": 0.5},
    "both limits, the same": {"max_tokens": 100, "max_completion_tokens": 100},
    "a stop that is one text": {"stop": "the end"},
}  # fmt: skip
REFUSED: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "two answers": ({"n": 2}, "This server gives one answer: leave out n.", "n"),
    "true is not one": ({"n": True}, "This server gives one answer: leave out n.", "n"),
    "tools": ({"tools": [{"type": "function"}]}, "This server calls no tools: leave out tools.", "tools"),
    "a tool by name": (
        {"tool_choice": "required"},
        "This server calls no tools: leave out tool_choice.",
        "tool_choice",
    ),
    "functions": ({"functions": [{"name": "f"}]}, "This server calls no functions: leave out functions.", "functions"),
    "a structure": (
        {"response_format": {"type": "json_object"}},
        "This server answers in text, and fills in no structure: leave out response_format.",
        "response_format",
    ),
    "probabilities": ({"logprobs": True}, "This server tells no probabilities: leave out logprobs.", "logprobs"),
    "weights": ({"logit_bias": {"1": 5}}, "This server weighs no tokens: leave out logit_bias.", "logit_bias"),
    # To leave a filter out would be to show what the caller wanted left out.
    "a filter": ({"filter": 'source == "a.md"'}, "Unrecognized request argument: filter.", "filter"),
    "k": ({"k": 3}, "Unrecognized request argument: k.", "k"),
    "options of no stream": (
        {"stream_options": {"include_usage": True}},
        "body: stream_options are for streams: set stream to true",
        None,
    ),
    "two limits": (
        {"max_tokens": 5, "max_completion_tokens": 6},
        "body: max_tokens and max_completion_tokens are one limit: give one of them",
        None,
    ),
    "too hot": ({"temperature": 2.5}, "temperature: Input should be less than or equal to 2", "temperature"),
    "no tokens": ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1", "max_tokens"),
    "five stops": ({"stop": list("abcde")}, "stop: List should have at most 4 items after validation, not 5", "stop"),
    "what the model does not take": (
        {"verbosity": "low"},
        "The model local takes no verbosity: leave it out.",
        "verbosity",
    ),
    "no messages": (
        {"messages": []},
        "messages: List should have at least 1 item after validation, not 0",
        "messages",
    ),
    "no question": (
        {"messages": [{"role": "user", "content": " "}]},
        "The question, which is the user's last message, is empty.",
        "messages.0.content",
    ),
    "the assistant's last word": (
        {"messages": [*ASKED["messages"], {"role": "assistant", "content": "In"}]},
        "The last message is to be the user's: it is the question that is answered.",
        "messages",
    ),
    "a picture": (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]},
        "messages.0.content.0: this server reads text, and no image_url",
        "messages.0.content.0",
    ),
    "a result of a tool": (
        {"messages": [*ASKED["messages"], {"role": "tool", "tool_call_id": "1", "content": "x"}]},
        "messages.1: this server calls no tools, and reads no results of them",
        "messages.1",
    ),
}


async def test_what_asks_for_this_answer_is_accepted(index_uri: str) -> None:
    async with application(index_uri) as client:
        for name, given in ACCEPTED.items():
            answer = await client.post(PATH, json={**ASKED, **given})
            assert answer.status_code == 200, (name, answer.text)
            assert "object storage" in answer.json()["choices"][0]["message"]["content"], name


async def test_what_asks_for_another_answer_is_refused(index_uri: str) -> None:
    async with application(index_uri) as client:
        for name, (given, message, param) in REFUSED.items():
            error = error_of(await client.post(PATH, json={**ASKED, **given}), 400)
            told = (error["message"], error["param"], error["type"])
            assert told == (message, param, "invalid_request_error"), name


NO_REQUESTS = [
    b"", b"{", b"[]", b"\xff\xfe", b"null",
    b'{"model": "milvus-rag", "messages": [{"role": "user", "content": "\\ud800"}]}',
]  # fmt: skip


async def test_what_is_no_request_is_refused(index_uri: str) -> None:
    async with application(index_uri) as client:
        for body in NO_REQUESTS:
            answer = await client.post(PATH, content=body, headers={"Content-Type": "application/json"})
            error_of(answer, 400)


async def test_a_body_that_is_no_json_is_told_with_the_place(index_uri: str) -> None:
    headers = {"Content-Type": "application/json"}
    async with application(index_uri) as client:
        for body, told in {
            b"{": "The body is no JSON: Expecting property name enclosed in double quotes, at character 2.",
            b'{"model": "milvus-rag",}': "at character 24.",
            b"where?": "The body is no JSON: Expecting value, at character 1.",
        }.items():
            error = error_of(await client.post(PATH, content=body, headers=headers), 400)
            assert error["message"].endswith(told)
            assert error["param"] is None
            other = await client.post("/rag/invoke", content=body, headers=headers)
            assert other.json()["error"]["message"].endswith(told)


async def test_limits_speak_openais_language(index_uri: str) -> None:
    async with application(index_uri, max_body_bytes=1024, max_question_chars=20, server_key="right") as client:
        assert error_of(await client.get("/v1/models"), 401)["code"] == "invalid_api_key"
        client.headers["Authorization"] = "Bearer right"
        assert error_of(await client.post(PATH, content=b"x" * 2000), 413)["code"] == "request_too_large"
        error = error_of(await client.post(PATH, json=ASKED), 400)
        assert error["message"] == "A question may have 20 characters at most, this one has 21."
        assert error["code"] == "string_above_max_length"
        assert error_of(await client.post("/v1/completions", json={}), 404)["type"] == "invalid_request_error"
        assert error_of(await client.get(PATH), 405)["message"] == "This address does not take this method."
        error = error_of(await client.post(PATH, json={**ASKED, "model": "gpt-4o"}), 404)
        assert (error["code"], error["param"]) == ("model_not_found", "model")
        assert error["message"] == (
            "The model 'gpt-4o' does not exist on this server. Choose one of: milvus-rag, local."
        )


@pytest.fixture(scope="module")
def slow() -> Iterator[SlowModel]:
    with SlowModel(tokens=3, pause=0.01) as server:
        yield server


@pytest.fixture
def _slow_environment(slow: SlowModel, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in slow.environment.items():
        monkeypatch.setenv(name, value)
    slow.pause = 0.01


@pytest.mark.usefixtures("_slow_environment")
async def test_a_busy_server_is_asked_again_later(index_uri: str, slow: SlowModel) -> None:
    async with application(index_uri, llm="openai:slow", max_in_progress=1) as client:
        with slow.holding():
            started = slow.started
            running = asyncio.create_task(client.post(PATH, json=ASKED))
            assert await asyncio.to_thread(slow.wait_for, "started", started + 1)
            refused = await client.post(PATH, json=ASKED)
            error = error_of(refused, 429)
            assert (error["type"], error["code"]) == ("rate_limit_error", "rate_limit_exceeded")
            assert int(refused.headers["Retry-After"]) >= 1
        assert (await running).status_code == 200


@pytest.mark.usefixtures("_slow_environment")
async def test_an_answer_that_takes_too_long_is_an_error_before_or_in_the_stream(
    index_uri: str, slow: SlowModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with application(index_uri, llm="openai:slow", request_timeout=30) as client:
        for streamed, held in ((False, 0), (True, 0), (True, 2)):
            with slow.holding(held):
                started = slow.started
                answer = asyncio.create_task(client.post(PATH, json={**ASKED, "stream": streamed}))
                assert await asyncio.to_thread(slow.wait_for, "started", started + 1)
                if held:
                    await _begun(client)
                let_time_pass(monkeypatch, 30)
                response = await answer
            if held:
                assert response.status_code == 200
                *_, last = response.text.strip().split("\n\n")
                assert "[DONE]" not in response.text
                error = json.loads(last.removeprefix("data: "))["error"]
                assert (error["type"], error["message"]) == ("server_error", "The answer took too long.")
            else:
                assert error_of(response, 504)["message"] == "The answer took too long."


async def _begun(client: httpx.AsyncClient) -> None:
    """Wait until a streamed answer has its first word, which the metrics know."""
    sample = "milvus_rag_first_token_seconds_count"
    before = (await client.get("/metrics")).text
    while sample not in before:
        await asyncio.sleep(0.01)
        before = (await client.get("/metrics")).text


roles = st.sampled_from(["system", "developer", "user", "assistant"])
texts = st.text(alphabet="ab \n", max_size=5)
contents = st.none() | texts | st.lists(texts.map(lambda text: {"type": "text", "text": text}), max_size=3)


@given(st.lists(st.builds(lambda role, content: ChatMessage(role=role, content=content), roles, contents), min_size=1))
def test_a_conversation_is_read_whole_or_refused(messages: list[ChatMessage]) -> None:
    """Every message that says something is the question, or in the history in its order."""
    said = [message for message in messages if message.role in ("user", "assistant")]
    try:
        read = chain_input(messages, max_question_chars=1000)
    except RefusedRequestError:
        assert not said or said[-1].role != "user" or not said[-1].text.strip()
        return
    assert read["question"] == said[-1].text
    others = [message for message in messages if message is not said[-1] and message.text.strip()]
    kinds = {"system": "system", "developer": "system", "user": "human", "assistant": "ai"}
    assert [(message.type, message.text) for message in read["chat_history"]] == [
        (kinds[message.role], message.text) for message in others
    ]
