"""What goes away or hangs leaves the server standing."""

import json
import os
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.documents import Document

from milvus_rag import open_store
from milvus_rag.server.listening import listen
from support.lite_server import LiteServer
from support.served import Served, asking, serving
from support.slow_model import SlowModel
from support.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.slow

QUESTION = "Where is data stored?"
ONE = {"input": QUESTION}


@pytest.fixture(scope="module")
def model() -> Iterator[SlowModel]:
    with SlowModel(tokens=40, pause=0.1) as server:
        yield server


@pytest.fixture
def pause(model: SlowModel) -> Iterator[SlowModel]:
    """The model, whose pause a test may change."""
    before = model.pause
    yield model
    model.pause = before


@pytest.fixture(scope="module")
def server(index_uri: str, model: SlowModel) -> Iterator[Served]:
    limits = {"MILVUS_RAG_REQUEST_TIMEOUT": "10"}
    arguments = ("--llm", "openai:slow", "--allow-llm", "local")
    with serving(index_uri, *arguments, environment={**model.environment, **limits}) as served:
        yield served


def ask(server: Served, **options: Any) -> httpx.Response:
    return httpx.post(f"{server.url}/rag/invoke", json={**ONE, **options}, timeout=PATIENCE_SECONDS)


def wait_for_answer(server: Served) -> httpx.Response:
    return wait_until(lambda: (answer := ask(server)).is_success and answer, "the server does not answer again")


LOCAL = {"config": {"configurable": {"llm": "local"}}}


@pytest.mark.parametrize("route", ["/rag/stream", "/answer/stream", "/rag/stream_events", "/rag/stream_log"])
def test_a_client_that_leaves_a_stream_stops_the_model(server: Served, model: SlowModel, route: str) -> None:
    abandoned, finished = model.abandoned, model.finished
    with model.holding(3):
        with httpx.stream("POST", server.url + route, json=ONE, timeout=PATIENCE_SECONDS) as response:
            assert any("word2" in line for line in response.iter_lines())
        assert model.wait_for("abandoned", abandoned + 1)
    assert model.finished == finished
    assert ask(server, **LOCAL).status_code == 200


@pytest.mark.parametrize(
    ("route", "body", "calls"),
    [
        ("/rag/invoke", ONE, 1),
        ("/answer/invoke", ONE, 1),
        ("/rag/batch", {"inputs": [QUESTION, "How is data flushed?"]}, 2),
    ],
)
def test_a_client_that_does_not_wait_stops_the_model(
    server: Served, pause: SlowModel, route: str, body: Any, calls: int
) -> None:
    pause.pause = 20
    started, abandoned = pause.started, pause.abandoned
    with asking(server.url + route, body):
        assert pause.wait_for("started", started + calls)
    assert pause.wait_for("abandoned", abandoned + calls)
    server.wait_for_line(route=route, status=499, error="ClientGoneError")


def test_a_model_that_hangs_is_given_up(server: Served, pause: SlowModel) -> None:
    pause.pause = 60
    abandoned = pause.abandoned
    answer = ask(server)
    assert answer.status_code == 504
    assert answer.json()["error"]["message"] == "The answer took too long."
    assert pause.wait_for("abandoned", abandoned + 1)
    assert ask(server, **LOCAL).status_code == 200


def test_clients_that_come_and_go_leave_nothing_behind(server: Served) -> None:
    for _ in range(10):
        with httpx.stream("POST", f"{server.url}/rag/stream", json=ONE, timeout=PATIENCE_SECONDS) as response:
            next(response.iter_lines())
    wait_until(
        lambda: (
            "milvus_rag_requests_in_progress 0.0" in httpx.get(f"{server.url}/metrics", timeout=PATIENCE_SECONDS).text
        ),
        "a request that nobody waits for is still in progress",
    )
    assert not [line for line in server.lines if "Traceback" in line or "never retrieved" in line]


def test_milvus_lite_may_crash(index_uri: str, tmp_path: Path) -> None:
    database = tmp_path / "docs.db"
    shutil.copytree(index_uri, database)
    with serving(str(database)) as server:
        assert ask(server).status_code == 200
        (milvus_lite,) = children(server.process.pid)
        os.kill(milvus_lite, signal.SIGKILL)

        def answered() -> httpx.Response | None:
            answer = ask(server)
            assert answer.status_code in (200, 503)
            return answer if answer.status_code == 200 else None

        answer = wait_until(answered, "Milvus Lite is not started again", pause=0.2)
        assert answer.json()["output"]["context"]
        (another,) = children(server.process.pid)
        assert another != milvus_lite
        assert server.terminate() == 0
    with open_store(str(database)) as store:
        assert store.get_by_ids(["page-0"])


def children(pid: int) -> list[int]:
    return [
        int(child) for listed in Path(f"/proc/{pid}/task").glob("*/children") for child in listed.read_text().split()
    ]


def test_milvus_may_go_away_and_come_back(index_uri: str, tmp_path: Path) -> None:
    database = tmp_path / "docs.db"
    shutil.copytree(index_uri, database)
    with LiteServer(database) as milvus, serving(milvus.uri, environment={"MILVUS_RAG_TIMEOUT": "2"}) as server:
        assert ask(server).status_code == 200
        assert httpx.get(f"{server.url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200
        milvus.kill()
        for _ in range(3):
            answer = ask(server)
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) >= 1
            message = answer.json()["error"]["message"]
            assert message == "The database with the documents does not answer at the moment."
        with httpx.stream("POST", f"{server.url}/rag/stream", json=ONE, timeout=PATIENCE_SECONDS) as stream:
            assert stream.status_code == 503
        assert httpx.get(f"{server.url}/readyz", timeout=PATIENCE_SECONDS).status_code == 503
        assert httpx.get(f"{server.url}/healthz", timeout=PATIENCE_SECONDS).status_code == 200
        milvus.start()
        answer = wait_for_answer(server)
        assert answer.json()["output"]["context"][0]["metadata"]["source"] == "faq/storage.md"
        assert httpx.get(f"{server.url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200
        # Whoever reads the log finds lines, not pages. Older releases of LangChain import transformers, which says so.
        assert not [line for line in server.lines if not line.startswith("{") and "PyTorch was not found" not in line]


def test_a_server_may_start_before_its_milvus_and_its_collection(tmp_path: Path) -> None:
    milvus = LiteServer(tmp_path / "late.db")
    with serving(milvus.uri, environment={"MILVUS_RAG_TIMEOUT": "2"}) as server:
        assert httpx.get(f"{server.url}/readyz", timeout=PATIENCE_SECONDS).status_code == 503
        assert ask(server).status_code == 503
        with milvus:
            wait_until(lambda: "cannot be searched" in ask(server).text, "Milvus is not found")
            assert httpx.get(f"{server.url}/readyz", timeout=PATIENCE_SECONDS).status_code == 503
            with open_store(milvus.uri) as store:
                store.add_documents([Document("Data is stored late.", metadata={"source": "late.md"})])
            answer = wait_for_answer(server)
            assert answer.json()["output"]["context"][0]["metadata"]["source"] == "late.md"
            assert httpx.get(f"{server.url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200


def test_on_sigterm_running_answers_are_finished(index_uri: str, tmp_path: Path, pause: SlowModel) -> None:
    pause.pause = 0.05
    database = tmp_path / "docs.db"
    shutil.copytree(index_uri, database)
    with serving(str(database), "--llm", "openai:slow", environment=pause.environment) as server:
        received: list[str] = []
        begun = threading.Event()

        def listen() -> None:
            with httpx.stream("POST", f"{server.url}/rag/stream", json=ONE, timeout=PATIENCE_SECONDS) as response:
                for line in response.iter_lines():
                    received.append(line)
                    if "word1" in line:
                        begun.set()

        client = threading.Thread(target=listen)
        client.start()
        assert begun.wait(PATIENCE_SECONDS)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_SECONDS) == 0
        client.join(PATIENCE_SECONDS)
        assert received[-2] == "event: end"
        words = [json.loads(line[6:])["answer"] for line in received if line.startswith('data: {"answer"')]
        assert "".join(words) == pause.answer
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/healthz", timeout=PATIENCE_SECONDS)
        # The database was closed in good order: another process can open it.
        with open_store(str(database)) as store:
            assert store.count() == 4


def test_after_its_time_a_stopping_server_does_not_wait(index_uri: str, tmp_path: Path, pause: SlowModel) -> None:
    database = tmp_path / "docs.db"
    shutil.copytree(index_uri, database)
    pause.pause = 60
    environment = {**pause.environment, "MILVUS_RAG_SHUTDOWN_TIMEOUT": "1"}
    with serving(str(database), "--llm", "openai:slow", environment=environment) as server:
        started = pause.started

        def wait_in_vain() -> None:
            with pytest.raises(httpx.HTTPError):
                httpx.post(f"{server.url}/rag/invoke", json=ONE, timeout=PATIENCE_SECONDS).raise_for_status()

        client = threading.Thread(target=wait_in_vain)
        client.start()
        assert pause.wait_for("started", started + 1)
        assert server.terminate() == 0
        client.join(PATIENCE_SECONDS)


def test_small_answers_are_sent_at_once() -> None:
    """asyncio turns Nagle's algorithm off only where a socket names its protocol."""
    (listener,) = listen("127.0.0.1", 0)
    with listener:
        assert listener.proto == socket.IPPROTO_TCP
