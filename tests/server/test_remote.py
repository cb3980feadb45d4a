"""LangChain applications, and whoever speaks HTTP, ask a server that runs as a process of its own."""

import json
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage
from langserve import RemoteRunnable

from milvus_rag import create_app, rag_chain
from milvus_rag.models.quoting.chat import INTRODUCTION
from support.faults import failing
from support.openai_server import OpenAIServer
from support.served import Served, serving
from support.waiting import PATIENCE_SECONDS

QUESTION = "Where is data stored?"
STORAGE = "Data is stored in object storage as segments."
FAKE = {"configurable": {"llm": "openai:fake"}}


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def server(index_uri: str, model: OpenAIServer) -> Iterator[Served]:
    with serving(index_uri, "--allow-llm", "openai:fake", environment=model.environment("openai")) as served:
        yield served


@pytest.fixture
async def rag(server: Served) -> AsyncIterator[RemoteRunnable[Any, Any]]:
    async with closing_clients(RemoteRunnable(f"{server.url}/rag")) as runnable:
        yield runnable


@pytest.fixture
async def answer(server: Served) -> AsyncIterator[RemoteRunnable[Any, Any]]:
    async with closing_clients(RemoteRunnable(f"{server.url}/answer")) as runnable:
        yield runnable


@asynccontextmanager
async def closing_clients(runnable: RemoteRunnable[Any, Any]) -> AsyncIterator[RemoteRunnable[Any, Any]]:
    """LangServe closes its clients when they are collected, which may be after their event loop."""
    try:
        yield runnable
    finally:
        runnable.sync_client.close()
        await runnable.async_client.aclose()


def check_output(output: dict[str, Any], said: str) -> None:
    assert output.keys() == {"question", "context", "answer", "citations"}
    assert output["question"] == QUESTION
    assert [(cited["number"], cited["source"]) for cited in output["citations"]][:1] in ([(1, "faq/storage.md")], [])
    first = output["context"][0]
    assert isinstance(first, Document)
    assert first.page_content == STORAGE
    assert first.metadata["source"] == "faq/storage.md"
    assert first.metadata["headings"] == ["FAQ", "Where is data stored?"]
    assert (first.metadata["start_line"], first.metadata["end_line"]) == (3, 9)
    assert first.metadata["score"] > output["context"][-1].metadata["score"] > 0
    assert said in output["answer"]


def check_parts(parts: list[dict[str, Any]], said: str) -> None:
    assert [list(part) for part in parts[:3]] == [["question"], ["context"], ["answer"]]
    *answer, citations = parts[2:]
    assert all(list(part) == ["answer"] for part in answer)
    assert len(answer) > 2
    whole = {"answer": "".join(part["answer"] for part in answer)}
    check_output({**parts[0], **parts[1], **whole, **citations}, said)


# --- RemoteRunnable


@pytest.mark.parametrize(
    "history",
    [
        [HumanMessage("How is data flushed?"), AIMessage("By a flush.")],
        [("human", "How is data flushed?"), ("ai", "By a flush.")],
        [{"role": "user", "content": "How is data flushed?"}, {"role": "assistant", "content": "By a flush."}],
    ],
)
def test_a_conversation(rag: RemoteRunnable[Any, Any], history: list[Any]) -> None:
    asked = {"question": "And where is it stored?", "chat_history": history}
    output = rag.invoke(asked)

    assert output["search_question"] == "And where is it stored? (data flushed)"
    assert output["context"][0].metadata["source"] in ("faq/storage.md", "faq/flush.md")
    parts = list(rag.stream(asked))
    assert [next(iter(part)) for part in parts[:3]] == ["question", "search_question", "context"]
    assert rag.batch([asked])[0]["search_question"] == output["search_question"]


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"filter": "source == 'a'"}, "filter"),
        ({"k": 1}, "k"),
        ({"chat_history": "Hi"}, "list"),
        ({"chat_history": None}, "list"),
        ({"chat_history": ["Hi"]}, "says who said it"),
        ({"chat_history": [["human", "Hi"]] * 201}, "200"),
    ],
)
def test_what_is_not_read_is_refused_by_name(server: Served, more: dict[str, Any], what: str) -> None:
    for route in ("/rag/invoke", "/rag/stream", "/answer/invoke"):
        answer = httpx.post(
            f"{server.url}{route}", json={"input": {"question": QUESTION, **more}}, timeout=PATIENCE_SECONDS
        )
        assert answer.status_code == 422
        assert what in answer.json()["error"]["message"]


@pytest.mark.parametrize("given", [QUESTION, {"question": QUESTION}])
def test_invoke(rag: RemoteRunnable[Any, Any], given: Any) -> None:
    check_output(rag.invoke(given), INTRODUCTION)


def test_batch(rag: RemoteRunnable[Any, Any]) -> None:
    outputs = rag.batch([QUESTION, {"question": "What colour are bananas?"}])
    check_output(outputs[0], INTRODUCTION)
    assert "Bananas are yellow." in outputs[1]["answer"]
    assert rag.batch([]) == []


def test_stream(rag: RemoteRunnable[Any, Any]) -> None:
    check_parts(list(rag.stream(QUESTION)), INTRODUCTION)


async def test_async(rag: RemoteRunnable[Any, Any]) -> None:
    check_output(await rag.ainvoke(QUESTION), INTRODUCTION)
    check_parts([part async for part in rag.astream({"question": QUESTION})], INTRODUCTION)
    for output in await rag.abatch([QUESTION, QUESTION]):
        check_output(output, INTRODUCTION)


async def test_the_answer_as_a_string(answer: RemoteRunnable[Any, Any]) -> None:
    whole = answer.invoke(QUESTION)
    assert isinstance(whole, str)
    assert STORAGE in whole
    pieces = list(answer.stream({"question": QUESTION}))
    assert len(pieces) > 2
    assert "".join(pieces) == whole
    assert "".join([piece async for piece in answer.astream(QUESTION)]) == whole
    assert answer.batch([QUESTION]) == [whole]


async def test_events(rag: RemoteRunnable[Any, Any]) -> None:
    events = [event async for event in rag.astream_events(QUESTION, FAKE)]
    kinds = [event["event"] for event in events]
    assert {"on_retriever_end", "on_chat_model_stream", "on_chain_end"} <= set(kinds)
    assert kinds.index("on_retriever_end") < kinds.index("on_chat_model_stream")
    chosen = [event async for event in rag.astream_events(QUESTION, include_types=["retriever"])]
    assert {event["event"] for event in chosen} == {"on_retriever_start", "on_retriever_end"}


def test_a_chain_may_be_half_remote(answer: RemoteRunnable[Any, Any]) -> None:
    chain = (lambda text: f"{text} is data stored?") | answer | str.upper
    assert STORAGE.upper() in chain.invoke("Where")


def test_the_model_is_swapped_by_a_word(
    rag: RemoteRunnable[Any, Any], answer: RemoteRunnable[Any, Any], model: OpenAIServer
) -> None:
    said = f"The documents say: {STORAGE}"
    asked = len(model.requests)
    check_output(rag.invoke(QUESTION, FAKE), said)
    check_parts(list(rag.stream(QUESTION, FAKE)), said)
    assert answer.invoke(QUESTION, FAKE) == said
    assert "".join(answer.stream(QUESTION, FAKE)) == said
    outputs = rag.batch([QUESTION, QUESTION], [FAKE, {"configurable": {"llm": "local"}}])
    assert outputs[0]["answer"] == said
    assert INTRODUCTION in outputs[1]["answer"]
    assert len(model.requests) == asked + 5
    assert {request.body["model"] for request in model.requests} == {"fake"}
    assert not model.violations


@pytest.mark.parametrize("llm", ["gemini", "openai", "openai:gpt-5", "", 3, ["local"]])
def test_a_model_that_is_not_allowed_is_refused(server: Served, llm: Any) -> None:
    for route in ("/rag/invoke", "/answer/stream"):
        refused = httpx.post(
            f"{server.url}{route}",
            json={"input": QUESTION, "config": {"configurable": {"llm": llm}}},
            timeout=PATIENCE_SECONDS,
        )
        assert refused.status_code == 422
        assert refused.json()["error"]["message"] == "configurable.llm: Input should be 'local' or 'openai:fake'"


@pytest.mark.parametrize("key", ["filter", "k"])
def test_what_the_retriever_would_read_is_refused(server: Served, key: str) -> None:
    """A filter that were dropped in silence would answer from documents that the caller wants left out."""
    config = {"configurable": {key: 1}}
    for route, body in (
        ("/rag/invoke", {"input": QUESTION, "config": config}),
        ("/rag/stream_log", {"input": QUESTION, "config": config}),
        ("/answer/batch", {"inputs": [QUESTION], "config": [config]}),
        ("/answer/batch", {"inputs": [QUESTION], "config": config}),
    ):
        refused = httpx.post(f"{server.url}{route}", json=body, timeout=PATIENCE_SECONDS)
        assert refused.status_code == 422, route
        assert f"requests cannot set {key} on this server" in refused.json()["error"]["message"]


def test_other_configuration_does_not_pass_through(rag: RemoteRunnable[Any, Any], server: Served) -> None:
    """An application's own keys, such as LangGraph's thread_id, neither disturb nor arrive."""
    config: Any = {
        "configurable": {"thread_id": "7", "checkpoint_ns": ""},
        "tags": ["mine"],
        "metadata": {"user": "me"},
        "run_name": "mine",
        "recursion_limit": 1,
        "max_concurrency": 1,
    }
    check_output(rag.invoke(QUESTION, config), INTRODUCTION)
    body = {"input": QUESTION, "config": {**config, "callbacks": ["x"], "run_id": "no-uuid"}}
    events = httpx.post(f"{server.url}/rag/stream_events", json=body, timeout=PATIENCE_SECONDS).text
    for trace in ("thread_id", "mine", "no-uuid"):
        assert trace not in events


def test_errors_of_the_model_reach_the_client_as_a_status_and_a_sentence(
    server: Served, rag: RemoteRunnable[Any, Any], model: OpenAIServer
) -> None:
    from support.faults import unauthorized

    model.fail_always(unauthorized("Incorrect API key provided: test-key-openai."))
    try:
        for route in ("/rag/invoke", "/rag/batch", "/answer/stream", "/rag/stream"):
            body = {"inputs": [QUESTION]} if route.endswith("batch") else {"input": QUESTION}
            answer = httpx.post(f"{server.url}{route}", json={**body, "config": FAKE}, timeout=PATIENCE_SECONDS)
            assert "The model cannot be used." in answer.text
            for secret in ("test-key-openai", "Traceback", "127.0.0.1", "Incorrect", QUESTION + " "):
                assert secret not in answer.text.replace(f'{{"question":"{QUESTION}"}}', "")
            assert answer.status_code == (200 if route == "/rag/stream" else 503)
        with pytest.raises(httpx.HTTPStatusError, match="The model cannot be used"):
            rag.invoke(QUESTION, FAKE)
        with pytest.raises(httpx.HTTPStatusError, match="The model cannot be used") as caught:
            list(rag.stream(QUESTION, FAKE))
        assert caught.value.response.status_code == 503
    finally:
        model.recover()
    server.wait_for_line(error="AuthenticationError")
    failed = [line for line in server.logged() if line.get("error") == "AuthenticationError"]
    assert all("test-key-openai" not in json.dumps(line) for line in failed)


# --- plain HTTP


def test_curl_asks(server: Served) -> None:
    command = ["curl", "--silent", "--no-buffer", "--json", json.dumps({"input": QUESTION}), f"{server.url}/rag/stream"]
    events = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    blocks = [block.split("\n") for block in events.replace("\r\n", "\n").strip().split("\n\n")]
    assert blocks[0][0] == "event: metadata"
    assert re.fullmatch(r'data: \{"run_id": "[0-9a-f-]{36}"\}', blocks[0][1])
    assert json.loads(blocks[1][1].removeprefix("data: ")) == {"question": QUESTION}
    assert json.loads(blocks[2][1].removeprefix("data: "))["context"][0]["type"] == "Document"
    assert blocks[-1] == ["event: end"]


def test_only_wanted_endpoints_are_there(server: Served) -> None:
    paths = httpx.get(f"{server.url}/openapi.json", timeout=PATIENCE_SECONDS).json()["paths"]
    routes = ("invoke", "batch", "stream", "stream_events", "stream_log", "input_schema", "output_schema")
    expected = {f"/{chain}/{route}" for chain in ("rag", "answer") for route in (*routes, "config_schema")}
    openai = {"/v1/models", "/v1/models/{model}", "/v1/chat/completions"}
    assert paths.keys() == expected | openai | {"/healthz", "/readyz", "/metrics", "/info", "/starters"}
    for path in ("/rag/feedback", "/rag/token_feedback", "/rag/public_trace_link", "/docs", "/redoc"):
        assert httpx.get(server.url + path, timeout=PATIENCE_SECONDS).status_code == 404
        assert httpx.post(server.url + path, json={}, timeout=PATIENCE_SECONDS).status_code == 404


def test_schemas_describe_the_chain(server: Served) -> None:
    rag = httpx.get(f"{server.url}/rag/output_schema", timeout=PATIENCE_SECONDS).text
    for name in ("question", "context", "answer"):
        assert f'"{name}"' in rag
    assert httpx.get(f"{server.url}/answer/output_schema", timeout=PATIENCE_SECONDS).json()["type"] == "string"
    config = httpx.get(f"{server.url}/rag/config_schema", timeout=PATIENCE_SECONDS).json()
    (properties,) = [definition["properties"] for definition in config["$defs"].values()]
    assert properties.keys() == {"llm"}
    assert properties["llm"]["enum"] == ["local", "openai:fake"]
    assert properties["llm"]["default"] == "local"


def test_a_request_keeps_the_id_that_it_comes_with(server: Served) -> None:
    sound = httpx.get(f"{server.url}/healthz", headers={"X-Request-ID": "trace-1.a_B"}, timeout=PATIENCE_SECONDS)
    assert sound.headers["X-Request-ID"] == "trace-1.a_B"
    for forged in ('a"b', "a b", "x" * 65, "é"):
        answer = httpx.get(f"{server.url}/healthz", headers={"X-Request-ID": forged.encode()}, timeout=PATIENCE_SECONDS)
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_the_state_is_told(server: Served) -> None:
    assert httpx.get(f"{server.url}/healthz", timeout=PATIENCE_SECONDS).json() == {"status": "ok"}
    assert httpx.get(f"{server.url}/readyz", timeout=PATIENCE_SECONDS).json() == {"status": "ready"}
    info = httpx.get(f"{server.url}/info", timeout=PATIENCE_SECONDS).json()
    assert info["models"] == ["local", "openai:fake"]
    assert info["default_model"] == "local"
    assert info["max_question_chars"] == 4000
    assert info["has_key"] is False


def test_metrics_are_counted(server: Served) -> None:
    def value(name: str) -> float:
        text = httpx.get(f"{server.url}/metrics", timeout=PATIENCE_SECONDS).text
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    ok = 'milvus_rag_requests_total{route="/rag/invoke",status="200"}'
    names = (
        ok,
        'milvus_rag_request_seconds_count{route="/rag/invoke"}',
        "milvus_rag_search_seconds_count",
        "milvus_rag_hits_total",
        'milvus_rag_model_seconds_count{model="openai:fake"}',
        'milvus_rag_errors_total{error="RequestValidationError",kind="invalid"}',
    )
    before = [value(name) for name in names]
    httpx.post(f"{server.url}/rag/invoke", json={"input": QUESTION, "config": FAKE}, timeout=PATIENCE_SECONDS)
    httpx.post(f"{server.url}/rag/invoke", json={"input": ""}, timeout=PATIENCE_SECONDS)
    after = [value(name) for name in names]
    hits = len(
        httpx.post(f"{server.url}/rag/invoke", json={"input": QUESTION}, timeout=PATIENCE_SECONDS).json()["output"][
            "context"
        ]
    )
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 2, 1, hits, 1, 1]
    assert value("process_resident_memory_bytes") > 0


def test_one_line_is_logged_a_request(server: Served) -> None:
    headers = {"X-Request-ID": "logged-once"}
    httpx.post(
        f"{server.url}/rag/invoke", json={"input": QUESTION, "config": FAKE}, headers=headers, timeout=PATIENCE_SECONDS
    )
    server.wait_for_line(id="logged-once")
    httpx.get(f"{server.url}/healthz", headers={"X-Request-ID": "after"}, timeout=PATIENCE_SECONDS)
    server.wait_for_line(id="after")
    (line,) = [line for line in server.logged() if line["id"] == "logged-once"]
    assert (line["method"], line["route"], line["status"]) == ("POST", "/rag/invoke", 200)
    assert line["model"] == "openai:fake"
    assert line["hits"] >= 1
    assert line["ms"] > 0
    assert line["level"] == "info"
    assert line["time"].endswith("+00:00")
    assert QUESTION not in "".join(server.lines)


def test_the_names_are_public() -> None:
    assert callable(create_app)
    assert callable(rag_chain)


def test_who_asks_for_it_is_told_that_a_model_is_asked_again(server: Served, model: OpenAIServer) -> None:
    """Others are not: LangServe's client would call the event unknown."""
    body = {"input": QUESTION, "config": FAKE}
    for headers, told in (({"X-Tell-Waiting": "1"}, ["waiting", "waiting"]), ({}, [])):
        model.fail(failing(503, retry_after=0.1), times=2)
        answer = httpx.post(f"{server.url}/rag/stream", json=body, headers=headers, timeout=PATIENCE_SECONDS)
        events = re.findall(r"^event: (\w+)", answer.text, re.MULTILINE)
        assert [event for event in events if event == "waiting"] == told
        assert events[-1] == "end"
        assert STORAGE in answer.text
        for told_seconds in re.findall(r'^data: \{"seconds": ([\d.]+)\}', answer.text, re.MULTILINE):
            assert 0 < float(told_seconds) < 60
