"""Bodies of errors, as servers send them, in each of six calls: the class, the words, the number of requests."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from milvus_rag import MarkdownLoader, MarkdownSplitter, open_store, sync
from milvus_rag.errors import (
    AuthenticationError,
    InputTooLargeError,
    ModelError,
    ModelNotFoundError,
    ModelResponseError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
)
from milvus_rag.indexing import embedding_requests
from milvus_rag.models.chat import chat_model
from milvus_rag.models.embeddings import embedding_model
from milvus_rag.models.rerankers import reranker
from support.scripted_server import Script, scripted

RETRIES = 2
_BUSY = 1 + RETRIES


@dataclass(frozen=True)
class Row:
    """What a server says, and what is made of it.

    Attributes:
        script: What it answers to each request.
        kind: Our class.
        words: What of its words is in the message.
        requests: How many are made by a call.
    """

    script: Script
    kind: type[ModelError]
    words: str
    requests: int = 1


ROWS = {
    "FastAPI refuses a field": Row(
        Script({"detail": [{"loc": ["body", "seed"], "msg": "not an int", "type": "int_parsing"}]}, 422),
        ModelError,
        "seed: not an int",
    ),
    "a gateway's text": Row(Script("seed is not an int", 400), ModelError, "seed is not an int"),
    "a list of errors": Row(
        Script({"success": False, "errors": [{"code": 7, "message": "seed is odd"}, {"message": "top_p too"}]}, 400),
        ModelError,
        "seed is odd; top_p too",
    ),
    "the words are deep": Row(
        Script({"error": {"message": "Provider error", "metadata": {"raw": '{"error": "seed is odd"}'}}}, 400),
        ModelError,
        "Provider error: seed is odd",
    ),
    "a proxy's page": Row(
        Script("<html><head><title>Bad Gateway &amp; more</title></head><body>x</body></html>", 502, "text/html"),
        ProviderUnavailableError,
        "Bad Gateway & more",
        _BUSY,
    ),
    "nothing but a status": Row(Script(b"", 500), ProviderUnavailableError, "HTTP 500 Internal Server Error", _BUSY),
    "too many requests": Row(
        Script({"error": "slow down"}, 429, headers={"Retry-After": "0"}), RateLimitError, "slow down", _BUSY
    ),
    "out of credit": Row(
        Script({"error": {"message": "Your credit balance is too low", "code": "insufficient_quota"}}, 429),
        QuotaExceededError,
        "Your credit balance is too low",
    ),
    "a key that is refused": Row(
        Script({"message": "No such user"}, 401), AuthenticationError, "No such user"
    ),
    "no such model": Row(
        Script({"error": "model 'm' not found, try pulling it first"}, 404), ModelNotFoundError, "try pulling it first"
    ),
    "no such route": Row(Script({"detail": "Not Found"}, 404), ModelNotFoundError, "Is its base URL right"),
    "an error under 200": Row(
        Script({"error": {"message": "restarting", "code": 503}}), ProviderUnavailableError, "restarting", _BUSY
    ),
    "an error without a number under 200": Row(
        Script({"error": {"message": "this cannot be done"}}), ModelResponseError, "this cannot be done"
    ),
    "too long, as a failure": Row(
        Script({"error": {"message": "the prompt exceeds the available context size (99 tokens)", "code": 500}}, 500),
        InputTooLargeError,
        "exceeds the available context size",
    ),
    "too long, in other words": Row(
        Script({"error": "`inputs` must have less than 256 tokens"}, 422), InputTooLargeError, "less than 256"
    ),
}  # fmt: skip


def _chat(url: str) -> Any:
    return chat_model("openai:m", base_url=url, max_retries=RETRIES, backoff=0.0)


def _embedding(url: str) -> Any:
    return embedding_model("openai:m", base_url=url, max_retries=RETRIES, backoff=0.0)


async def _astream(url: str) -> None:
    async for _ in _chat(url).astream("q"):
        pass


def _rerank(url: str) -> None:
    compressor = reranker("jina", api_key="jina-key-1234", base_url=url, max_retries=RETRIES)
    compressor.compress_documents([Document("a"), Document("b")], "q")


CALLS: dict[str, Callable[[str], Any]] = {
    "chat invoke": lambda url: _chat(url).invoke("q"),
    "chat stream": lambda url: list(_chat(url).stream("q")),
    "async chat": lambda url: asyncio.run(_chat(url).ainvoke("q")),
    "async chat stream": lambda url: asyncio.run(_astream(url)),
    "embed documents": lambda url: _embedding(url).embed_documents(["a", "b"]),
    "async embed": lambda url: asyncio.run(_embedding(url).aembed_query("a")),
    "rerank": _rerank,
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_same_is_made_of_it_in_each_call(call: Callable[[str], Any], row: Row, waits: list[float]) -> None:
    """Nothing waits here: the fixture sees to it."""
    with scripted(row.script) as server:
        with pytest.raises(ModelError) as caught:
            call(server.url)
        assert type(caught.value) is row.kind
        assert row.words in str(caught.value)
        assert len(server.requests) == row.requests


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_sync_reads_it_too(row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One text, one thread: what is fatal ends the run, what is the text's is reported with it."""
    monkeypatch.setattr(embedding_requests.Gate, "hold", lambda self, retry_after: _count(self))
    monkeypatch.setattr(embedding_requests, "_WAITS_BEFORE_GIVING_UP", 2)
    (tmp_path / "a.md").write_text("# A\nText.\n")
    with scripted(row.script) as server, open_store(str(tmp_path / "a.db"), embedding=_embedding(server.url)) as store:
        raised: list[ModelError] = []
        failed: list[Any] = []
        try:
            failed += sync(MarkdownLoader(tmp_path), MarkdownSplitter(), store, max_concurrency=1).failed
        except ModelError as exc:
            raised.append(exc)
        [said] = map(str, [*raised, *failed])
        assert all(type(exc) is row.kind for exc in raised)
        assert row.words in said
        assert len(server.requests) == (3 if row.requests > 1 else 1)


def _count(gate: embedding_requests.Gate) -> None:
    gate.waits += 1


@pytest.mark.parametrize("way", ["chat", "stream", "embeddings"])
@pytest.mark.parametrize(
    ("body", "kind", "words", "requests"),
    [
        ({"error": {"code": 503, "message": "overloaded"}}, ProviderUnavailableError, "overloaded", 3),
        ({"error": {"message": "this cannot be done"}}, ModelResponseError, "this cannot be done", 1),
        ("<title>Portal</title>", ModelResponseError, "begins with: Portal", 1),
    ],
)  # fmt: skip
def test_gemini_too_has_errors_under_200(
    body: Any, kind: type[ModelError], words: str, requests: int, way: str, waits: list[float]
) -> None:
    with scripted(Script(body)) as server:
        options: dict[str, Any] = {"base_url": server.root, "api_key": "key-of-a-test-1", "max_retries": RETRIES}
        chat, embedding = chat_model("gemini:m", **options), embedding_model("gemini:m", **options)
        calls = {"chat": chat.invoke, "stream": lambda q: list(chat.stream(q)), "embeddings": embedding.embed_query}
        with pytest.raises(kind, match=words):
            calls[way]("q")
        assert len(server.requests) == requests
