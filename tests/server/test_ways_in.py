"""Methods, addresses and sites by which a request may come, and the name that its route has."""

import socket
from contextlib import ExitStack

import httpx
import pytest

from milvus_rag.errors import SettingsError
from milvus_rag.server.listening import listen
from support.asgi import application
from support.ports import free_port

QUESTION = {"input": "Where is data stored?"}
READ = ("/", "/healthz", "/readyz", "/info", "/metrics", "/openapi.json", "/page/chat.js", "/rag/input_schema",
        "/answer/output_schema", "/rag/playground/")  # fmt: skip


async def test_head_is_answered_where_get_is(index_uri: str) -> None:
    async with application(index_uri, root_path="/chat") as client:
        for path in READ:
            get, head = await client.get(path), await client.head(path)
            assert head.status_code == get.status_code == 200, path
            assert head.content == b"", path
            assert head.headers["content-type"] == get.headers["content-type"]
            if path != "/metrics":
                assert head.headers["content-length"] == get.headers["content-length"]


async def test_head_is_refused_where_get_is(index_uri: str) -> None:
    async with application(index_uri, server_key="k" * 20) as client:
        assert (await client.head("/info")).status_code == 401
        assert (await client.head("/rag/invoke", headers={"Authorization": f"Bearer {'k' * 20}"})).status_code == 405


class TestLoopback:
    async def test_is_answered_by_all_its_names_and_no_others(self, index_uri: str) -> None:
        own = ("127.0.0.1", "127.0.0.2", "127.1.2.3:8000", "127.1", "[::1]:8000", "localhost", "[::ffff:127.0.0.1]")
        others = ("evil.example", "127.0.0.1.evil.example", "[::2]", "10.0.0.1", "0.0.0.0")  # noqa: S104 - refused
        async with application(index_uri, allowed_hosts="localhost") as client:
            for host in own:
                assert (await client.get("/healthz", headers={"Host": host})).status_code == 200, host
            for host in others:
                assert (await client.get("/healthz", headers={"Host": host})).status_code == 421, host

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "[::1]"])
    def test_can_be_listened_on(self, host: str) -> None:
        try:
            (listener,) = listen(host, 0)
        except SettingsError:
            pytest.skip(f"there is no {host} here")
        with listener:
            assert listener.getsockname()[0] == host.strip("[]")

    def test_localhost_is_all_addresses_of_that_name(self) -> None:
        with ExitStack() as stack:
            listeners = [stack.enter_context(listener) for listener in listen("localhost", 0)]
            assert len({listener.getsockname()[1] for listener in listeners}) == 1
            named = {address[0] for *_, address in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)}
            assert {listener.getsockname()[0] for listener in listeners} <= named
            assert listeners

    def test_half_of_a_name_is_not_enough(self) -> None:
        port = free_port()
        with (
            socket.create_server(("127.0.0.1", port)),
            pytest.raises(SettingsError, match="Cannot listen on localhost"),
        ):
            listen("localhost", port)


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://["},
]
OWN = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://docs.example.org"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://server"},
    {"Origin": "https://docs.example.org", "X-Forwarded-Host": "docs.example.org"},
]


class TestOtherSites:
    async def test_ask_nothing_where_no_key_is_needed(self, index_uri: str) -> None:
        async with application(index_uri) as client:
            for headers in FOREIGN:
                answer = await client.post("/rag/invoke", json=QUESTION, headers=headers)
                assert answer.status_code == 403, headers
                assert "does not answer pages of other sites" in answer.json()["error"]["message"]
                assert (await client.get("/", headers=headers)).status_code == 200, headers
            # The page itself, and whatever is no browser.
            for headers in OWN:
                assert (await client.post("/rag/invoke", json=QUESTION, headers=headers)).status_code == 200, headers

    async def test_may_ask_with_the_key(self, index_uri: str) -> None:
        async with application(index_uri, server_key="k" * 20) as client:
            headers = {"Origin": "https://another.example", "Authorization": f"Bearer {'k' * 20}"}
            assert (await client.post("/rag/invoke", json=QUESTION, headers=headers)).status_code == 200


async def counted(client: httpx.AsyncClient) -> str:
    return (await client.get("/metrics", headers={"Authorization": "Bearer " + "k" * 20})).text


async def test_a_refused_request_is_counted_under_its_route(index_uri: str) -> None:
    async with application(index_uri, server_key="k" * 20, allowed_hosts="server", root_path="/chat") as client:
        await client.post("/rag/invoke", json=QUESTION)
        await client.post("/chat/answer/stream", json=QUESTION)
        await client.get("/rag/c/abc/playground/x.js")
        await client.head("/info")
        await client.put("/answer/batch")
        await client.get("/healthz", headers={"Host": "evil.example"})
        await client.get("/nothing/here")
        text = await counted(client)
        for route, status in (
            ("/rag/invoke", 401),
            ("/answer/stream", 401),
            ("/rag/c/{config_hash}/playground/{file_path:path}", 401),
            ("/info", 401),
            ("/answer/batch", 401),
            ("/healthz", 421),
            ("other", 401),
        ):
            assert f'milvus_rag_requests_total{{route="{route}",status="{status}"}} 1.0' in text, (route, status)
