"""Providers on loopback, for tests that drive the real client libraries over real HTTP."""

from collections.abc import Iterator

import pytest

from milvus_rag.models.providers.calls import RetryPolicy
from support.backends import Backend
from support.gemini_server import GeminiServer
from support.openai_server import OpenAIServer


@pytest.fixture
def openai_server() -> Iterator[OpenAIServer]:
    """An OpenAI-compatible provider that must be sent nothing wrong."""
    with OpenAIServer() as server:
        yield server
        assert server.violations == []


@pytest.fixture
def gemini_server() -> Iterator[GeminiServer]:
    """The Gemini API, that must be sent nothing wrong."""
    with GeminiServer() as server:
        yield server
        assert server.violations == []


@pytest.fixture(params=["fireworks", "gemini"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each of the two wire formats."""
    name = "gemini_server" if request.param == "gemini" else "openai_server"
    return Backend(request.param, request.getfixturevalue(name))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would be waited before each retry; nothing waits."""
    recorded: list[float] = []
    seconds = RetryPolicy.seconds

    def record(self: RetryPolicy, attempt: int, error: BaseException | None) -> float:
        recorded.append(seconds(self, attempt, error))
        return 0.0

    monkeypatch.setattr(RetryPolicy, "seconds", record)
    return recorded
