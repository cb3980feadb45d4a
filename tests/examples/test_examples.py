"""Each example as somebody runs it, against servers that play its provider."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.gemini_server import GeminiServer
from support.openai_server import OpenAIServer
from support.served import Served, serving
from support.tiny_onnx import make_dense_model
from support.tutorial import PAGES, SYSTEM_PROMPT, user_prompt
from support.waiting import PATIENCE_SECONDS

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all examples run, one after the other, as somebody tries one tutorial and then the next."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "pages").mkdir()
    for name, text in PAGES.items():
        (folder / "pages" / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def gemini() -> Iterator[GeminiServer]:
    with GeminiServer() as server:
        yield server
        assert server.violations == []


@pytest.fixture
def openai() -> Iterator[OpenAIServer]:
    with OpenAIServer(uses_tools=True) as server:
        yield server
        assert server.violations == []


def run(name: str, folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLES / name, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def read_output(done: subprocess.CompletedProcess[str]) -> tuple[list[str], list[tuple[str, float]], str]:
    """The lines before the JSON, the retrieved texts with their scores, and the answer."""
    assert done.returncode == 0, done.stderr
    start = done.stdout.index("[\n    [")
    retrieved, end = json.JSONDecoder().raw_decode(done.stdout[start:])
    return done.stdout[:start].splitlines(), [tuple(line) for line in retrieved], done.stdout[start + end :].strip()


def check_retrieved(retrieved: list[tuple[str, float]]) -> list[str]:
    """Three texts, best first, with their scores."""
    scores = [score for _, score in retrieved]
    assert scores == sorted(scores, reverse=True)
    assert len(retrieved) == 3
    return [text for text, _ in retrieved]


def messages(request: Any) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request.body["messages"]]


def test_gemini(folder: Path, gemini: GeminiServer) -> None:
    done = run("gemini.py", folder, gemini.environment(), "pages")
    before, retrieved, answer = read_output(done)
    texts = check_retrieved(retrieved)
    introduction, dimension, values, stored = before
    assert introduction == "You said: who are you"
    assert dimension == "768"
    assert len(json.loads(values)) == 10
    assert stored == "Stored 5 chunks of 2 files."
    assert answer == "The documents say: Where does Milvus store data?"
    chat = gemini.requests[-1]
    assert chat.path == "/v1beta/models/gemini-flash-latest:generateContent"
    assert chat.body["systemInstruction"]["parts"] == [{"text": SYSTEM_PROMPT}]
    assert chat.body["contents"][0]["parts"] == [{"text": user_prompt(texts)}]


def test_fireworks_replaces_what_another_tutorial_left(folder: Path, openai: OpenAIServer) -> None:
    done = run("fireworks.py", folder, openai.environment("fireworks"), "pages")
    before, retrieved, answer = read_output(done)
    texts = check_retrieved(retrieved)
    assert before[0] == "768"
    assert before[-1] == "Stored 5 chunks of 2 files."
    assert answer == "The documents say: Where does Milvus store data?"
    assert messages(openai.requests[-1]) == [("system", SYSTEM_PROMPT), ("user", user_prompt(texts))]


def test_lepton(folder: Path, openai: OpenAIServer) -> None:
    model = make_dense_model(folder / "tiny")
    done = run("lepton.py", folder, openai.environment("lepton"), "pages", "--embeddings", f"local:{model}")
    before, retrieved, answer = read_output(done)
    texts = check_retrieved(retrieved)
    assert before[0] == "32"
    assert answer == f"The documents say: {texts[0].splitlines()[0]}"
    [chat] = openai.requests
    assert chat.body["model"] == "mistral-7b"
    assert messages(chat) == [("system", SYSTEM_PROMPT), ("user", user_prompt(texts))]


def test_existing_app(folder: Path, openai: OpenAIServer) -> None:
    question = "Where does Milvus store data?"
    environment = openai.environment("fireworks")
    done = run("existing_app.py", folder, environment, "pages", "--llm", "fireworks", "--question", question)
    assert done.returncode == 0, done.stderr
    chain, lookup, agent = done.stdout.strip().split("\n", 2)
    assert chain.startswith("Chain: The documents say: [operational.md] ")
    assert lookup == f"The agent looks up: {{'query': '{question}'}}"
    assert agent.startswith("Agent: ")
    # What the agent got to read is what the retriever found.
    [result] = [message for message in openai.requests[-1].body["messages"] if message["role"] == "tool"]
    assert "object storage" in result["content"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "pages").mkdir()
    for name, text in PAGES.items():
        (folder / "pages" / name).write_text(text, encoding="utf-8")
    with serving(str(folder / "docs.db"), "--docs", str(folder / "pages")) as served:
        yield served


def test_agent(folder: Path, server: Served, openai: OpenAIServer) -> None:
    question = "Where does Milvus store data?"
    environment = openai.environment("fireworks")
    arguments = ("--url", f"{server.url}/mcp", "--llm", "fireworks", "--question", question)
    done = run("agent.py", folder, environment, *arguments)
    assert done.returncode == 0, done.stderr
    tools, lookup, agent = done.stdout.strip().split("\n", 2)
    assert tools == "Tools: search, read, sources"
    assert lookup == f"The agent calls search: {{'question': '{question}'}}"
    assert agent.startswith("Agent: ")
    [result] = [message for message in openai.requests[-1].body["messages"] if message["role"] == "tool"]
    assert "object storage" in str(result["content"])


def test_conversation(folder: Path, server: Served) -> None:
    questions = ("Where does Milvus store data?", "And what about flushing?")
    done = run("conversation.py", folder, {}, "--url", f"{server.url}/v1", *questions)
    assert done.returncode == 0, done.stderr
    first, _, second = done.stdout.partition(f"> {questions[1]}\n")
    assert first.startswith(f"> {questions[0]}\n")
    assert "object storage" in first
    assert "[1] operational.md, line " in first
    assert "Searched for: " not in first
    assert "Searched for: " in second


def test_an_example_without_its_key_says_what_to_set(folder: Path) -> None:
    done = run("fireworks.py", folder, {}, "pages")
    assert done.returncode == 1
    assert "FIREWORKS_API_KEY" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "name", ["gemini.py", "fireworks.py", "lepton.py", "existing_app.py", "agent.py", "conversation.py"]
)
def test_an_example_says_what_it_needs_and_what_it_prints(name: str) -> None:
    docstring = (EXAMPLES / name).read_text(encoding="utf-8").split('"""')[1]
    assert f"python examples/{name}" in docstring
    assert "Before: " in docstring
    assert "It prints " in docstring
