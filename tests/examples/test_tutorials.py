"""The three tutorials with the models that they name: what reaches the servers is what the tutorials send."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from milvus_rag import (
    MarkdownLoader,
    MarkerSplitter,
    chat_model,
    embedding_model,
    milvus_retriever,
    open_store,
    rag_chain,
    swappable_chat_model,
    sync,
)
from milvus_rag.models.providers.table import PROVIDERS
from support.gemini_server import GeminiServer
from support.model_server import Recorded
from support.openai_server import OpenAIServer
from support.tiny_onnx import make_dense_model
from support.tutorial import PAGES, QUESTION, SYSTEM_PROMPT, user_prompt

Servers = dict[str, GeminiServer | OpenAIServer]


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """Servers that serve the tutorials' models and no others."""
    with (
        GeminiServer(models=["gemini-2.0-flash", "text-embedding-004"], dimension=768) as gemini,
        OpenAIServer(
            models=["accounts/fireworks/models/llama-v3p1-405b-instruct", "nomic-ai/nomic-embed-text-v1.5"]
        ) as fireworks,
        OpenAIServer(models=["mistral-7b"]) as lepton,
    ):
        by_name: Servers = {"gemini": gemini, "fireworks": fireworks, "lepton": lepton}
        for name, server in by_name.items():
            for variable, value in server.environment(name).items():
                monkeypatch.setenv(variable, value)
        yield by_name
        assert [server.violations for server in by_name.values()] == [[], [], []]


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, text in PAGES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def take_the_steps(provider: str, pages: Path, embeddings: str | None = None) -> dict[str, Any]:
    """Index the pages and ask, with the models that the provider's tutorial names."""
    row = PROVIDERS[provider]
    chat = chat_model(f"{provider}:{row.tutorial_chat_model}")
    embedding = embedding_model(embeddings or f"{provider}:{row.tutorial_embedding_model}")
    with open_store("./milvus_demo.db", embedding=embedding, full_text=False) as store:
        assert sync(MarkdownLoader(str(pages)), MarkerSplitter(), store).added == 5
        return rag_chain(milvus_retriever(store, k=3), chat).invoke(QUESTION)


def texts_of(result: dict[str, Any]) -> list[str]:
    return [document.page_content for document in result["context"]]


def sent(server: GeminiServer | OpenAIServer, path: str) -> list[Recorded]:
    return [request for request in server.requests if path in request.path]


def test_gemini(servers: Servers, pages: Path) -> None:
    result = take_the_steps("gemini", pages)
    server = servers["gemini"]
    assert result["answer"].startswith("The documents say: ")
    assert len(result["context"]) == 3
    [chat] = sent(server, "/v1beta/models/gemini-2.0-flash:generateContent")
    documents, question = sent(server, "/v1beta/models/text-embedding-004:batchEmbedContents")
    assert chat.body["systemInstruction"] == {"parts": [{"text": SYSTEM_PROMPT}]}
    assert chat.body["contents"] == [{"role": "user", "parts": [{"text": user_prompt(texts_of(result))}]}]
    chunks = {entry["content"]["parts"][0]["text"] for entry in documents.body["requests"]}
    assert chunks == {chunk for text in PAGES.values() for chunk in text.split("# ") if chunk.strip()}
    assert question.body["requests"][0]["content"]["parts"] == [{"text": QUESTION}]
    assert {request.headers["x-goog-api-key"] for request in server.requests} == {server.key}


def test_fireworks(servers: Servers, pages: Path) -> None:
    result = take_the_steps("fireworks", pages)
    server = servers["fireworks"]
    [chat] = sent(server, "/chat/completions")
    documents, question = sent(server, "/embeddings")
    assert chat.body["model"] == "accounts/fireworks/models/llama-v3p1-405b-instruct"
    assert chat.body["messages"] == [
        {"role": "system", "content": SYSTEM_PROMPT},
        {"role": "user", "content": user_prompt(texts_of(result))},
    ]
    assert documents.body["model"] == question.body["model"] == "nomic-ai/nomic-embed-text-v1.5"
    # The tutorial sends one text a request.
    assert len(documents.body["input"]) == 5
    assert question.body["input"] == [f"search_query: {QUESTION}"]
    assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {server.key}"}


def test_lepton(servers: Servers, pages: Path, tmp_path: Path) -> None:
    """Its embeddings are made on this machine, so that the only request is for the answer."""
    folder = make_dense_model(tmp_path / "tiny")
    result = take_the_steps("lepton", pages, f"local:{folder}")
    server = servers["lepton"]
    [chat] = server.requests
    assert chat.path == "/v1/chat/completions"
    assert chat.body["model"] == "mistral-7b"
    assert chat.body["messages"] == [
        {"role": "system", "content": SYSTEM_PROMPT},
        {"role": "user", "content": user_prompt(texts_of(result))},
    ]
    assert chat.headers["Authorization"] == f"Bearer {server.key}"


def test_one_chain_asked_three_times_reaches_three_servers(servers: Servers, pages: Path) -> None:
    specs = [f"{name}:{PROVIDERS[name].tutorial_chat_model}" for name in servers]
    with open_store("./swap.db") as store:
        sync(MarkdownLoader(str(pages)), MarkerSplitter(), store)
        chain = rag_chain(milvus_retriever(store, k=3), swappable_chat_model(*specs))
        results = [chain.invoke(QUESTION, {"configurable": {"llm": spec}}) for spec in specs]
        assert "".join(piece.get("answer", "") for piece in chain.stream(QUESTION)) == results[0]["answer"]
    [gemini, _], [fireworks], [lepton] = (server.requests for server in servers.values())
    prompt = user_prompt(texts_of(results[0]))
    assert gemini.body["contents"][0]["parts"] == [{"text": prompt}]
    assert fireworks.body["messages"][1]["content"] == lepton.body["messages"][1]["content"] == prompt
    assert len({result["answer"] for result in results}) == 1
