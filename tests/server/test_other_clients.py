"""Clients in JavaScript, and on the command line, ask a server that runs as a process of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from milvus_rag.models.quoting.chat import INTRODUCTION
from support.installed_clients import inspector, llm, needs_javascript, needs_llm, node
from support.mcp_clients import PROGRAM
from support.served import Served, serving

KEY = "correct-horse-battery-staple"
STORAGE = "Data is stored in object storage as segments."


@pytest.fixture(scope="module")
def server(index_uri: str) -> Iterator[Served]:
    arguments = ("--llm", "local")
    with serving(index_uri, *arguments, environment={"MILVUS_RAG_SERVER_KEY": KEY}) as served:
        yield served


@needs_javascript
def test_openai(server: Served) -> None:
    got = node("openai.mjs", f"{server.url}/v1", KEY)
    assert got["models"] == ["milvus-rag", "local"]
    assert STORAGE in got["whole"]
    assert got["streamed"] == got["whole"]
    assert got["usage"]["total_tokens"] > 20
    assert got["source"] == "faq/storage.md"
    assert got["failure"] == ["NotFoundError", 404, "model_not_found"]


@needs_javascript
def test_langchains_remote_runnable(server: Served) -> None:
    got = node("remote_runnable.mjs", server.url, KEY)
    assert STORAGE in got["invoked"]
    assert got["streamed"] == got["chosen"] == got["invoked"] == got["batched"][0]
    assert "growing data" in got["batched"][1]
    assert {"on_chain_start", "on_chat_model_stream", "on_chain_end"} <= set(got["events"])


CALLS = {
    "search": (["question=Where is data stored?", "k=1"], STORAGE),
    "read": (["source=faq/storage.md"], STORAGE),
    "sources": (["pattern=faq/*"], "faq/flush.md"),
    "ask": (["question=Where is data stored?"], INTRODUCTION),
}


def called(reach: list[str], *arguments: str) -> str:
    """What a tool says to the inspector."""
    (content,) = inspector(*reach, "--method", "tools/call", *arguments)["content"]
    return str(content["text"])


@pytest.mark.slow
@needs_javascript
def test_the_inspector_lists_and_calls_every_tool_over_http(server: Served) -> None:
    reach = [f"{server.url}/mcp", "--transport", "http", "--header", f"Authorization: Bearer {KEY}"]
    listed = inspector(*reach, "--method", "tools/list")["tools"]
    assert [tool["name"] for tool in listed] == list(CALLS)
    for name, (given, said) in CALLS.items():
        arguments = [part for each in given for part in ("--tool-arg", each)]
        assert said in called(reach, "--tool-name", name, *arguments)


@pytest.mark.slow
@needs_javascript
def test_the_inspector_lists_and_calls_every_tool_over_stdio(index_uri: str, tmp_path: Path) -> None:
    # The server has the other one open.
    uri = str(shutil.copytree(index_uri, tmp_path / "docs.db", ignore=shutil.ignore_patterns("LOCK")))
    # Options of ours it would take for its own.
    reach = [str(PROGRAM), "mcp", "-e", f"MILVUS_RAG_URI={uri}", "-e", "MILVUS_RAG_LLM=local"]
    listed = inspector(*reach, "--method", "tools/list")["tools"]
    assert [tool["name"] for tool in listed] == list(CALLS)
    for name, (given, said) in CALLS.items():
        arguments = [part for each in given for part in ("--tool-arg", each)]
        assert said in called(reach, "--tool-name", name, *arguments)


@needs_llm
def test_llm(server: Served, tmp_path: Path) -> None:
    (tmp_path / "extra-openai-models.yaml").write_text(
        f"- model_id: docs\n  model_name: milvus-rag\n  api_base: {server.url}/v1\n  api_key_name: docs\n",
        encoding="utf-8",
    )
    assert STORAGE in llm("-m", "docs", "--key", KEY, "Where is data stored?", home=tmp_path)
    # The conversation goes on in its own database.
    assert "memory" in llm("-m", "docs", "--key", KEY, "-c", "And how is it flushed?", "--no-stream", home=tmp_path)
    told = llm("-m", "docs", "--key", KEY, "-s", "Be short.", "-o", "temperature", "0", "Bananas?", home=tmp_path)
    assert "yellow" in told
