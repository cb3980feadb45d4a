"""Agents search, read and list the documents, over HTTP and over stdio."""

import io
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession

from milvus_rag import MarkdownLoader, MarkdownSplitter, open_store, sync
from milvus_rag.server.served_runnables import ServedRetriever
from support.asgi import application
from support.mcp_clients import PROGRAM, error_of, over_http, over_stdio, structure_of, text_of
from support.openai_server import OpenAIServer

GUIDE = """# Install

Download the archive.

## Check

Run `widget --version`.
It prints a number.

```sh
widget --version
```
"""
FAQ = """---
title: Questions
---

# FAQ

Data is stored in object storage as segments.
"""
QUESTION = "Where is data stored?"
SECRET = "/a/secret/path"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    (folder / "guide").mkdir()
    (folder / "guide" / "install.md").write_text(GUIDE)
    (folder / "faq.md").write_text(FAQ)
    (folder / "a [b].md").write_text("# Brackets\n\nA name with brackets.\n")
    return folder


@pytest.fixture(scope="module")
def uri(pages: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("mcp") / "docs.db")
    with open_store(path) as store:
        sync(MarkdownLoader(pages), MarkdownSplitter(), store)
    return path


@pytest.fixture(scope="module")
def model() -> Iterator[OpenAIServer]:
    with OpenAIServer() as server:
        yield server


@asynccontextmanager
async def in_session(uri: str, **settings: Any) -> AsyncIterator[ClientSession]:
    """A session over HTTP with an application of this process."""
    async with application(uri, **settings) as client, over_http(client, "http://server/mcp") as session:
        yield session


async def test_the_tools_say_what_they_take_and_that_they_only_read(uri: str) -> None:
    async with in_session(uri, max_question_chars=100) as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
    # No chat model is set.
    assert list(tools) == ["search", "read", "sources"]
    for tool in tools.values():
        assert tool.annotations is not None
        assert tool.annotations.readOnlyHint
        assert not tool.annotations.destructiveHint
        assert tool.description
        assert tool.outputSchema is not None
        assert tool.inputSchema["additionalProperties"] is False
    asked = tools["search"].inputSchema["properties"]
    assert (asked["question"]["minLength"], asked["question"]["maxLength"]) == (1, 100)
    assert (asked["k"]["minimum"], asked["k"]["maximum"], asked["k"]["default"]) == (1, 20, 3)
    assert tools["search"].inputSchema["required"] == ["question"]
    assert tools["read"].inputSchema["properties"]["end_line"]["type"] == "integer"


async def test_search_finds_passages_with_their_places(uri: str) -> None:
    async with in_session(uri) as session:
        result = await session.call_tool("search", {"question": QUESTION, "k": 2})
        found = structure_of(result)
        first = found["passages"][0]
        assert (first["source"], first["start_line"], first["headings"]) == ("faq.md", 7, ["FAQ"])
        assert first["score"] > 0
        assert "[1] faq.md, lines 7-7: Questions > FAQ\n\n" in text_of(result)
        assert "object storage" in text_of(result)
        nothing = await session.call_tool("search", {"question": QUESTION, "filter": 'source == "none.md"'})
        assert structure_of(nothing)["passages"] == []
        assert text_of(nothing).startswith("Nothing matches.")


@pytest.mark.parametrize(
    "filter",
    [
        'source like "guide/%"',
        '{"source": {"$like": "guide/%"}}',
        {"source": {"$like": "guide/%"}},
        {"source": "guide/install.md"},
    ],
)
async def test_a_filter_narrows_the_search(uri: str, filter: Any) -> None:
    async with in_session(uri) as session:
        found = structure_of(
            await session.call_tool("search", {"question": "version data archive", "k": 20, "filter": filter})
        )
    assert {passage["source"] for passage in found["passages"]} == {"guide/install.md"}


async def test_read_gives_the_lines_of_the_source(uri: str) -> None:
    async with in_session(uri) as session:
        whole = structure_of(await session.call_tool("read", {"source": "guide/install.md"}))
        assert whole["content"] == GUIDE.rstrip("\n")
        assert (whole["start_line"], whole["end_line"], whole["next_line"], whole["title"]) == (1, 12, None, "Install")
        part = await session.call_tool("read", {"source": "guide/install.md", "start_line": 7, "end_line": 8})
        assert structure_of(part)["content"] == "\n".join(GUIDE.splitlines()[6:8])
        assert text_of(part).startswith("guide/install.md, lines 7-8\n\nRun `widget")
        # What stands before the first chunk, front matter, is not indexed.
        faq = structure_of(await session.call_tool("read", {"source": "faq.md"}))
        assert faq["content"].splitlines() == FAQ.splitlines()[faq["start_line"] - 1 :]
        assert faq["end_line"] == 7


async def test_sources_are_listed_by_pattern_and_in_parts(uri: str) -> None:
    async with in_session(uri) as session:
        every = structure_of(await session.call_tool("sources", {}))
        assert every == {
            "sources": [
                {"source": "a [b].md", "title": "Brackets"},
                {"source": "faq.md", "title": "Questions"},
                {"source": "guide/install.md", "title": "Install"},
            ],
            "total": 3,
            "next_offset": None,
        }
        part = await session.call_tool("sources", {"limit": 1, "offset": 1})
        assert structure_of(part)["next_offset"] == 2
        assert text_of(part) == "faq.md: Questions\n(3 in all: go on with offset=2.)"
        for pattern, names in {"guide/*": ["guide/install.md"], "* [b]*": ["a [b].md"], "none": []}.items():
            listed = structure_of(await session.call_tool("sources", {"pattern": pattern}))
            assert [each["source"] for each in listed["sources"]] == names


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no such tool": ("delete", {}, "There is no tool 'delete' here. Call one of: search, read, sources."),
    "nothing": ("search", {}, "question: Field required"),
    "empty": ("search", {"question": " "}, "question: it is empty. Say what to look for."),
    "over-long": (
        "search",
        {"question": "x" * 51},
        "question: it may have 50 characters at most, this one has 51. Ask for the point of it alone.",
    ),
    "too many": ("search", {"question": "x", "k": 21}, "k: Input should be less than or equal to 20"),
    "no number": ("search", {"question": "x", "k": "3"}, "k: Input should be a valid integer"),
    "unknown": ("search", {"question": "x", "limit": 3}, "limit: Extra inputs are not permitted"),
    "a broken expression": (
        "search",
        {"question": "x", "filter": "source =="},
        "Milvus cannot use the filter 'source =='",
    ),
    "an expression that breaks out": ("search", {"question": "x", "filter": "1 == 1) or (1 == 1"}, "closes nothing"),
    "broken JSON": ("search", {"question": "x", "filter": '{"source"'}, "is no JSON"),
    "an unknown operator": (
        "search",
        {"question": "x", "filter": {"source": {"$like_": "x"}}},
        "'$like_' is not known",
    ),
    "no such source": (
        "read",
        {"source": "none.md"},
        "There is no source 'none.md'. The tool sources lists their names.",
    ),
    "no such lines": ("read", {"source": "faq.md", "start_line": 90}, "'faq.md' has no lines from 90 on"),
    "backwards": ("read", {"source": "faq.md", "start_line": 5, "end_line": 4}, "end_line 4 is before start_line 5"),
}


async def test_a_wrong_call_is_told_to_the_model_and_the_server_stays(uri: str) -> None:
    async with in_session(uri, max_question_chars=50) as session:
        for name, (tool, arguments, message) in WRONG.items():
            assert message in error_of(await session.call_tool(tool, arguments)), name
            assert structure_of(await session.call_tool("search", {"question": QUESTION}))["passages"], name


async def test_without_the_key_nothing_is_said(uri: str) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    accept = {"Accept": "application/json, text/event-stream"}
    async with application(uri, server_key="right") as client:
        for key in ({}, {"Authorization": "Bearer wrong"}):
            refused = await client.post("/mcp", json=call, headers={**accept, **key})
            assert refused.status_code == 401
            assert "search" not in refused.text
        client.headers["Authorization"] = "Bearer right"
        listed = await client.post("/mcp", json=call, headers=accept)
        assert [tool["name"] for tool in listed.json()["result"]["tools"]] == ["search", "read", "sources"]


async def test_limits_and_methods_are_those_of_the_server(uri: str) -> None:
    async with application(uri, max_body_bytes=1024) as client:
        large = await client.post("/mcp", content=b"x" * 2000, headers={"Content-Type": "application/json"})
        assert large.status_code == 413
        for method in ("GET", "DELETE"):
            assert (await client.request(method, "/mcp")).status_code == 405
        broken = await client.post(
            "/mcp", content=b"{", headers={"Content-Type": "application/json", "Accept": "application/json"}
        )
        assert broken.status_code == 400


async def test_an_inner_failure_tells_no_more_than_it_should(
    uri: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError(SECRET)

    async with in_session(uri) as session:
        monkeypatch.setattr(ServedRetriever, "search", fail)
        assert error_of(await session.call_tool("search", {"question": QUESTION})) == (
            "Something went wrong on the server."
        )
    (line,) = [fields for record in caplog.records if (fields := getattr(record, "fields", {})).get("error")]
    assert (line["route"], line["tool"], line["error"]) == ("/mcp", "search", "RuntimeError")
    assert SECRET not in str(line)


async def test_while_milvus_is_away_the_model_is_told_so(tmp_path: Path) -> None:
    async with (
        application("http://127.0.0.1:9", timeout=0.2) as client,
        over_http(client, "http://server/mcp") as session,
    ):
        told = error_of(await session.call_tool("search", {"question": QUESTION}))
        assert told == "The database with the documents does not answer at the moment."
        assert (await session.list_tools()).tools


async def test_ask_is_there_where_a_chat_model_is_set(
    uri: str, model: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in model.environment("openai").items():
        monkeypatch.setenv(name, value)
    async with in_session(uri, llm="openai:fake") as session:
        assert [tool.name for tool in (await session.list_tools()).tools][-1] == "ask"
        result = await session.call_tool("ask", {"question": QUESTION})
        answered = structure_of(result)
        assert answered["answer"].startswith("The documents say: ")
        assert answered["passages"][0]["source"] == "faq.md"
        assert text_of(result).startswith(answered["answer"])


async def test_over_stdio_the_same_is_said(uri: str, model: OpenAIServer, tmp_path: Path) -> None:
    environment = {**model.environment("openai"), "PYTHONIOENCODING": "ascii"}
    with (tmp_path / "stderr").open("w+") as stderr:
        async with over_stdio("--uri", uri, "--llm", "openai:fake", environment=environment, stderr=stderr) as session:
            names = [tool.name for tool in (await session.list_tools()).tools]
            assert names == ["search", "read", "sources", "ask"]
            assert structure_of(await session.call_tool("search", {"question": QUESTION}))["passages"]
            assert "object storage" in text_of(await session.call_tool("read", {"source": "faq.md"}))
            assert structure_of(await session.call_tool("sources", {}))["total"] == 3
            assert "The documents say" in text_of(await session.call_tool("ask", {"question": QUESTION}))
            over_long = {"question": "x" * 100_000}
            assert "characters at most, this one has 100,000" in error_of(await session.call_tool("search", over_long))
            for case in ("nothing", "unknown", "a broken expression", "broken JSON"):
                tool, arguments, message = WRONG[case]
                assert message in error_of(await session.call_tool(tool, arguments))
            assert structure_of(await session.call_tool("search", {"question": QUESTION}))["passages"]


async def test_over_stdio_milvus_being_away_is_said(tmp_path: Path) -> None:
    environment = {"MILVUS_RAG_TIMEOUT": "0.2"}
    with (tmp_path / "stderr").open("w+") as stderr:
        async with over_stdio("--uri", "http://127.0.0.1:9", environment=environment, stderr=stderr) as session:
            told = error_of(await session.call_tool("search", {"question": QUESTION}))
            assert (await session.list_tools()).tools
    assert "127.0.0.1:9" in told


async def test_over_stdio_a_missing_index_is_said_with_what_to_do(tmp_path: Path) -> None:
    path = str(tmp_path / "none.db")
    with (tmp_path / "stderr").open("w+") as stderr:
        async with over_stdio("--uri", path, stderr=stderr) as session:
            told = error_of(await session.call_tool("search", {"question": QUESTION}))
        assert f"There is no database at {path}" in told
        assert "milvus-rag index" in told


def test_stdout_carries_nothing_but_the_protocol(pages: Path, tmp_path: Path) -> None:
    """Also while files are indexed first, and whatever a library prints."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, threading\n"
        "def talk():\n"
        "    import time\n"
        "    while 'milvus_rag.server.mcp.own_streams' not in __import__('sys').modules: time.sleep(0.01)\n"
        "    time.sleep(0.5)\n"
        "    print('a chatty library', flush=True); os.write(1, b'a chatty C library\\n'); os.system('echo a child')\n"
        "threading.Thread(target=talk, daemon=True).start()\n"
    )
    request = '{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n'
    with subprocess.Popen(
        [PROGRAM, "mcp", "--docs", str(pages), "--uri", str(tmp_path / "docs.db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    ) as process:
        assert isinstance(process.stderr, io.TextIOBase)
        assert process.stdin is not None
        said = ""
        while "a child" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        process.stdin.write(request)
        process.stdin.flush()
        out, rest = process.communicate()
    assert out == '{"jsonrpc":"2.0","id":1,"result":{}}\n'
    assert "3 files" in said + rest
    assert "a chatty C library" in said
    assert process.returncode == 0


async def test_without_the_package_the_server_has_the_other_doors(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("milvus_rag.server.app.find_spec", lambda _: None)
    async with application(uri) as client:
        assert (await client.post("/mcp", json={})).status_code == 404
        assert (await client.get("/v1/models")).status_code == 200
