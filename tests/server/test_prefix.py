"""A prefix is taken off whether or not a proxy did it."""

import pytest
from starlette.types import Receive, Scope, Send

from milvus_rag.server.prefix import Prefix, route_path

SEGMENTS = frozenset({"", "rag", "page", "healthz"})

CASES = [
    ("", "/rag/invoke", "/rag/invoke"),
    ("/chat", "/rag/invoke", "/rag/invoke"),
    ("/chat", "/chat/rag/invoke", "/rag/invoke"),
    ("/chat", "/chat/", "/"),
    ("/chat", "/", "/"),
    ("/chat", "/chatty", "/chatty"),
    ("/chat", "/chat/nothing", "/chat/nothing"),
    ("/a/b", "/a/b/page/chat.js", "/page/chat.js"),
    # A prefix by the name of one of the routes.
    ("/rag", "/rag/invoke", "/rag/invoke"),
    ("/rag", "/rag/rag/invoke", "/rag/invoke"),
    ("/rag", "/rag/", "/"),
    ("/rag", "/rag/healthz", "/healthz"),
]


@pytest.mark.parametrize(("prefix", "path", "expected"), CASES)
async def test_the_application_sees_its_own_path(prefix: str, path: str, expected: str) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    scope = {"type": "http", "path": path, "root_path": ""}
    await Prefix(app, prefix=prefix, first_segments=SEGMENTS)(scope, None, None)  # type: ignore[arg-type]  # not called
    assert route_path(seen[0]) == expected
    assert seen[0]["root_path"] == prefix
    assert scope["path"] == path
