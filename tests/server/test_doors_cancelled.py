"""Whoever leaves /v1 or /mcp ends the work that was done for him."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.served import Served, asking, serving
from support.slow_model import SlowModel

QUESTION = "Where is data stored?"
CHAT = {"model": "milvus-rag", "messages": [{"role": "user", "content": QUESTION}]}
TOOL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "ask", "arguments": {"question": QUESTION}},
}


@pytest.fixture(scope="module")
def model() -> Iterator[SlowModel]:
    with SlowModel() as slow:
        yield slow


@pytest.fixture(scope="module")
def server(index_uri: str, model: SlowModel) -> Iterator[Served]:
    with serving(index_uri, "--llm", "openai:slow", environment=model.environment) as served:
        yield served


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/chat/completions", CHAT), ("/v1/chat/completions", {**CHAT, "stream": True}), ("/mcp", TOOL)],
)
def test_a_client_that_leaves_ends_the_models_work(
    server: Served, model: SlowModel, path: str, body: dict[str, Any]
) -> None:
    started, abandoned = model.started, model.abandoned
    with model.holding():
        with asking(f"{server.url}{path}", body, {"Accept": "application/json"}):
            assert model.wait_for("started", started + 1)
        assert model.wait_for("abandoned", abandoned + 1)
    server.wait_for_line(route=path, status=499)
