"""The servers that play the providers must notice what a real one would refuse, or the other tests prove nothing."""

from typing import Any

import httpx
import pytest

from support.embedding import hashed_words, quote_context
from support.gemini_server import GeminiServer
from support.openai_server import OpenAIServer

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/chat/completions", {**CHAT, "messages": []}, "non-empty list"),
        ("/chat/completions", {"model": "m", "messages": [{"role": "human", "content": "hi"}]}, "Invalid role"),
        ("/chat/completions", {**CHAT, "thinking_budget": 1}, "Unrecognized request arguments"),
        ("/chat/completions", {**CHAT, "model": ""}, "model parameter"),
        ("/embeddings", {"model": "m", "input": [[1, 2, 3]]}, "'input' must be"),
        ("/embeddings", {"model": "m", "input": ["text", ""]}, "'input' must be"),
        ("/embeddings", {"model": "m", "input": "text", "encoding_format": "int8"}, "encoding_format"),
        ("/responses", {"model": "m", "input": "hi"}, "Unknown request URL"),
    ],
)
def test_openai_refuses_what_others_refuse(path: str, body: dict[str, Any], words: str) -> None:
    with OpenAIServer(key=None) as server:
        answer = httpx.post(server.base_url + path, json=body)
        assert answer.status_code in (400, 404)
        assert words in answer.json()["error"]["message"]
        assert words in server.violations[0]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("m:generateContent", {}, "contents"),
        ("m:generateContent", {"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "valid role"),
        ("m:generateContent", {"messages": []}, "Unknown names"),
        ("m:streamGenerateContent", {"contents": [{"parts": [{"text": "x"}]}]}, "alt=sse"),
        ("m:batchEmbedContents", {"requests": []}, "requests"),
        ("m:batchEmbedContents", {"requests": [{"model": "models/n", "content": {"parts": [{"text": "x"}]}}]}, "URL"),
        ("m:batchEmbedContents", {"requests": [{"content": {"parts": []}}]}, "empty"),
        ("m:predict", {}, "No such method"),
    ],
)
def test_gemini_refuses_what_google_refuses(path: str, body: dict[str, Any], words: str) -> None:
    with GeminiServer(key=None) as server:
        answer = httpx.post(f"{server.base_url}/v1beta/models/{path}", json=body)
        assert answer.status_code in (400, 404)
        assert words in answer.json()["error"]["message"]
        assert words in server.violations[0]


def test_a_wrong_key_and_an_unknown_model_are_everyday_refusals() -> None:
    with OpenAIServer(models=["m"]) as server:
        assert httpx.post(f"{server.base_url}/chat/completions", json=CHAT).status_code == 401
        headers = {"Authorization": f"Bearer {server.key}"}
        unknown = {**CHAT, "model": "n"}
        assert httpx.post(f"{server.base_url}/chat/completions", json=unknown, headers=headers).status_code == 404
        assert httpx.get(f"{server.base_url}/models", headers=headers).json()["data"][0]["id"] == "m"
        assert server.violations == []


def test_embed_content_answers_one_vector() -> None:
    with GeminiServer() as server:
        answer = httpx.post(
            f"{server.base_url}/v1beta/models/m:embedContent",
            json={"content": {"parts": [{"text": "milvus"}]}},
            headers={"x-goog-api-key": server.key or ""},
        )
        assert len(answer.json()["embedding"]["values"]) == 3072


def test_texts_about_the_same_are_near_each_other() -> None:
    question = hashed_words("How is data stored in milvus?", 768)

    def score(text: str) -> float:
        return sum(map(float.__mul__, question, hashed_words(text, 768)))

    assert score("Where does Milvus store data?") > 0.8 > 0.3 > score("Which GPUs are supported?")
    assert abs(sum(value * value for value in question) - 1) < 1e-9


def test_an_answer_quotes_the_first_line_of_the_context() -> None:
    user = "Use this.\n<context>\n\n  Milvus stores data.\nMore.\n</context>\n<question>\nWhere?\n</question>\n"
    assert quote_context("", user) == "The documents say: Milvus stores data."
    assert quote_context("", "just a question") == "You said: just a question"
