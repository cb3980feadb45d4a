"""The server on a real socket in this process: what becomes of connections, and an agent that asks over one."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from langchain.agents import create_agent
from langchain_mcp_adapters.client import MultiServerMCPClient

from milvus_rag import chat_model
from support.scripted_chat import ScriptedChat
from support.served_here import served_here
from support.waiting import PATIENCE_SECONDS

KEY = "correct-horse-battery-staple"
HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
SPOKEN = "In object storage [1]."


@pytest.fixture(scope="module")
def url(index_uri: str) -> Iterator[str]:
    with served_here(index_uri, server_key=KEY) as address:
        yield address


def connected(url: str, data: bytes = b"") -> socket.socket:
    address = urlsplit(url)
    client = socket.create_connection((address.hostname, address.port), timeout=PATIENCE_SECONDS)
    client.sendall(data)
    return client


def rest_of(client: socket.socket) -> bytes:
    """What comes until the server closes."""
    parts = []
    try:
        while part := client.recv(1 << 20):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_a_head_that_does_not_arrive_ends_the_connection_also_after_an_answer() -> None:
    with served_here("http://127.0.0.1:9", head_timeout=0.3, timeout=0.2) as url:
        for sent in (b"", HALF_A_HEAD):
            with connected(url, sent) as client:
                assert rest_of(client) == b""
        with connected(url, HEALTH) as client:
            assert b'{"status":"ok"}' in rest_of(client)


def test_a_newcomer_takes_the_place_of_who_only_waits() -> None:
    with served_here("http://127.0.0.1:9", max_connections=3, head_timeout=3600, timeout=0.2) as url:
        waiting = [connected(url, HALF_A_HEAD) for _ in range(3)]
        assert httpx.get(f"{url}/healthz", timeout=PATIENCE_SECONDS).status_code == 200
        # The oldest one made room.
        assert rest_of(waiting[0]) == b""
        waiting[2].sendall(b"x\r\n\r\n")
        assert waiting[2].recv(15) == b"HTTP/1.1 200 OK"
        for client in waiting:
            client.close()


async def test_an_agent_looks_things_up_over_mcp(url: str) -> None:
    """LangChain's agent with the adapters' tools: it asks wrongly, is told so, asks again, and reads what it found."""
    connection = {"transport": "http", "url": f"{url}/mcp", "headers": {"Authorization": f"Bearer {KEY}"}}
    tools = await MultiServerMCPClient({"docs": connection}).get_tools()  # type: ignore[dict-item]  # as its README
    assert [tool.name for tool in tools] == ["search", "read", "sources"]
    turns = (
        ("search", {"question": "x", "filter": "source =="}),
        ("search", {"question": "Where is data stored?", "k": 1}),
        ("read", {"source": "faq/storage.md"}),
    )
    with ScriptedChat(*turns, SPOKEN) as server:
        model = chat_model("openai:scripted", base_url=server.base_url, api_key=server.key, max_retries=0)
        state = await create_agent(model, tools).ainvoke({"messages": [("human", "Where is data stored?")]})
        said = [(message.type, message.text) for message in state["messages"]]
        assert server.violations == []
    assert [kind for kind, _ in said] == ["human", "ai", "tool", "ai", "tool", "ai", "tool", "ai"]
    assert "Milvus cannot use the filter 'source =='" in said[2][1]
    assert said[4][1].startswith("[1] faq/storage.md, lines 3-9")
    assert "Data is stored in object storage" in said[6][1]
    assert said[-1][1] == SPOKEN


async def test_an_agent_without_the_key_gets_no_tools(url: str) -> None:
    connection = {"transport": "http", "url": f"{url}/mcp", "headers": {"Authorization": "Bearer wrong"}}
    with pytest.raises(Exception) as refused:  # noqa: PT011 - a group of whatever the SDK wraps it in
        await MultiServerMCPClient({"docs": connection}).get_tools()  # type: ignore[dict-item]  # as above
    assert "401" in str(flat(refused.value))
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as client:
        assert (await client.get(f"{url}/healthz")).status_code == 200


def flat(error: BaseException) -> list[BaseException]:
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return [each for one in inner for each in flat(one)] or [error]
