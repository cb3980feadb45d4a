"""The server asked what its documents do not answer."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from milvus_rag import MarkdownLoader, MarkdownSplitter, open_store, sync
from milvus_rag.chains.rag import NO_CONTEXT_ANSWER
from support.openai_server import OpenAIServer
from support.served import Served, serving

PAGES = Path(__file__).resolve().parents[2] / "docs"
QUESTION = "How do I replicate the collection to a second data centre?"


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def server(model: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = str(tmp_path_factory.mktemp("unanswered") / "docs.db")
    with open_store(path) as store:
        sync(MarkdownLoader(PAGES), MarkdownSplitter(), store)
    with serving(path, "--llm", "openai:fake", environment=model.environment("openai")) as served:
        yield served


def test_it_says_so_marks_the_passages_and_asks_no_model(server: Served, model: OpenAIServer) -> None:
    output = httpx.post(f"{server.url}/rag/invoke", json={"input": {"question": QUESTION}}).json()["output"]
    assert output["answer"] == NO_CONTEXT_ANSWER
    assert [passage["metadata"]["only_nearest"] for passage in output["context"]] == [True] * 3
    streamed = httpx.post(f"{server.url}/rag/stream", json={"input": {"question": QUESTION}}).text
    assert NO_CONTEXT_ANSWER in streamed
    assert streamed.count('"only_nearest":true') == 3
    assert httpx.post(f"{server.url}/answer/invoke", json={"input": QUESTION}).json()["output"] == NO_CONTEXT_ANSWER
    assert model.requests == []


def test_what_they_do_answer_is_answered(server: Served, model: OpenAIServer) -> None:
    question = {"input": {"question": "How do I make a key for the server?"}}
    output = httpx.post(f"{server.url}/rag/invoke", json=question).json()["output"]
    assert output["answer"] != NO_CONTEXT_ANSWER
    assert len(model.requests) == 1
