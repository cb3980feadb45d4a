"""Who may talk to the server."""

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from milvus_rag.errors import SettingsError
from milvus_rag.server.access import check_binding, default_hosts, is_loopback, warn_of_short_key
from milvus_rag.server.settings import ServerSettings
from milvus_rag.settings import load_settings
from support.asgi import application
from support.served import serving
from support.waiting import PATIENCE_SECONDS

KEY = "correct-horse-battery-staple"
QUESTION = {"input": "Where is data stored?"}
PROGRAM = Path(sys.executable).with_name("milvus-rag")

GUARDED = [
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/info"),
    ("GET", "/openapi.json"),
    ("GET", "/nothing-here"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/milvus-rag"),
    ("POST", "/v1/chat/completions"),
    *[
        (method, f"{chain}/{route}")
        for chain in ("/rag", "/answer")
        for method, route in (
            ("POST", "invoke"),
            ("POST", "batch"),
            ("POST", "stream"),
            ("POST", "stream_events"),
            ("POST", "stream_log"),
            ("GET", "input_schema"),
            ("GET", "output_schema"),
            ("GET", "config_schema"),
            ("GET", "playground/"),
            ("GET", "playground/assets/x.js"),
            ("GET", "c/x/playground/"),
            ("GET", "c/x/input_schema"),
        )
    ],
]
WRONG = {
    "none": None,
    "empty": "",
    "another key": "Bearer wrong",
    "the beginning of the key": f"Bearer {KEY[:-1]}",
    "more than the key": f"Bearer {KEY}x",
    "another scheme": f"Basic {KEY}",
    "no scheme": KEY,
    "not ASCII": "Bearer schlüssel",
}


async def test_every_route_but_health_and_the_pages_files_needs_the_key(index_uri: str) -> None:
    async with application(index_uri, server_key=KEY) as client:
        for path in ("/", "/healthz", "/page/chat.js", "/page/theme.css", "/page/icon.svg"):
            assert (await client.get(path)).status_code == 200, path
        for method, path in GUARDED:
            answer = await client.request(method, path, json=QUESTION if method == "POST" else None)
            assert answer.status_code == 401, (method, path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
            assert answer.json()["error"]["message"] == "The server needs its key, as a bearer token."


@pytest.mark.parametrize("header", WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_key_is_refused(index_uri: str, header: str | None) -> None:
    async with application(index_uri, server_key=KEY) as client:
        headers = {} if header is None else {"Authorization": header.encode()}
        answer = await client.post("/rag/invoke", json=QUESTION, headers=headers)
        assert answer.status_code == 401
        assert KEY not in answer.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_right_key_opens(index_uri: str, scheme: str) -> None:
    async with application(index_uri, server_key=KEY) as client:
        headers = {"Authorization": f"{scheme} {KEY}"}
        for path in ("/readyz", "/metrics", "/info", "/openapi.json", "/rag/playground/", "/answer/input_schema"):
            assert (await client.get(path, headers=headers)).status_code == 200, path
        answer = await client.post("/rag/invoke", json=QUESTION, headers=headers)
        assert answer.status_code == 200
        assert answer.json()["output"]["context"][0]["metadata"]["source"] == "faq/storage.md"


async def test_a_refused_request_is_not_read(index_uri: str) -> None:
    """A stranger's body of any size costs nothing."""
    async with application(index_uri, server_key=KEY, max_body_bytes=1024) as client:
        answer = await client.post("/rag/invoke", content=b"x" * 100_000)
        assert answer.status_code == 401


async def test_other_host_names_are_refused_where_names_are_given(index_uri: str) -> None:
    async with application(index_uri, allowed_hosts="docs.example.org, [::1]") as client:
        for host in ("docs.example.org", "DOCS.example.org:8000", "[::1]:8000"):
            assert (await client.get("/healthz", headers={"Host": host})).status_code == 200
        for host in ("evil.example", "", "docs.example.org.evil.example", "[::2]"):
            answer = await client.get("/healthz", headers={"Host": host})
            assert answer.status_code == 421
            assert answer.json()["error"]["message"] == "This server does not answer for that host name."


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback_needs_no_key(host: str) -> None:
    assert is_loopback(host)
    check_binding(ServerSettings(host=host))
    assert default_hosts(ServerSettings(host=host)) == ("localhost", "127.0.0.1", "[::1]")
    assert default_hosts(ServerSettings(host=host, server_key=KEY)) == ()


@pytest.mark.parametrize(
    ("host", "key", "is_told"),
    [("192.168.1.7", "abc", True), ("192.168.1.7", KEY, False), ("127.0.0.1", "abc", False)],
)
def test_a_key_that_can_be_guessed_is_told(
    host: str, key: str, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_short_key(ServerSettings(host=host, server_key=key))
    assert ("it can be guessed" in caplog.text) == is_told
    assert key not in caplog.text


@pytest.mark.parametrize("proxies", ["10.0.0.5", "10.0.0.0/24", "*", "::1", "fd00::/8", "127.0.0.1, 10.0.0.0/8", ""])
def test_a_proxy_is_an_address_or_a_network(proxies: str) -> None:
    load_settings(ServerSettings, trusted_proxies=proxies)


@pytest.mark.parametrize("proxies", ["foo", "10.0.0.0/99", "10.0.0.1/8", "10.0.0.1:80", "nginx, 10.0.0.1"])
def test_any_other_proxy_is_refused(proxies: str) -> None:
    with pytest.raises(SettingsError, match=r"--trust-proxy cannot be used: .* is no address or network"):
        load_settings(ServerSettings, trusted_proxies=proxies)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "localhost.example.org"])  # noqa: S104 - that it is refused is the test
def test_any_other_address_needs_a_key_or_a_word(host: str) -> None:
    with pytest.raises(SettingsError, match="MILVUS_RAG_SERVER_KEY"):
        check_binding(ServerSettings(host=host))
    check_binding(ServerSettings(host=host, server_key=KEY))
    check_binding(ServerSettings(host=host, no_auth=True))
    assert default_hosts(ServerSettings(host=host, no_auth=True)) == ()


def test_the_command_refuses_to_open_up_without_a_key(index_uri: str) -> None:
    done = subprocess.run(
        [PROGRAM, "serve", "--host", "0.0.0.0", "--port", "0", "--uri", index_uri],  # noqa: S104 - as above
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "MILVUS_RAG_SERVER_KEY" in done.stderr.splitlines()[-1]


def test_a_port_that_is_taken_is_said_in_one_line(index_uri: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [PROGRAM, "serve", "--port", str(port), "--uri", index_uri],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"Error: Cannot listen on 127.0.0.1 port {port}")


def test_the_command_opens_up_with_a_key(index_uri: str) -> None:
    with serving(index_uri, "--host", "0.0.0.0", environment={"MILVUS_RAG_SERVER_KEY": KEY}) as server:  # noqa: S104 - as above
        url = server.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - as above
        assert httpx.get(f"{url}/healthz", timeout=PATIENCE_SECONDS).status_code == 200
        assert httpx.get(f"{url}/readyz", timeout=PATIENCE_SECONDS).status_code == 401
        assert (
            httpx.get(f"{url}/readyz", headers={"Authorization": f"Bearer {KEY}"}, timeout=PATIENCE_SECONDS).status_code
            == 200
        )
        server.terminate()
        assert KEY not in "".join(server.lines)


def test_without_a_key_the_command_answers_for_loopback_names_only(index_uri: str) -> None:
    """A web page that gives its own name this machine's address gets nothing."""
    with serving(index_uri) as server:
        assert httpx.get(f"{server.url}/healthz", timeout=PATIENCE_SECONDS).status_code == 200
        assert (
            httpx.get(f"{server.url}/healthz", headers={"Host": "evil.example"}, timeout=PATIENCE_SECONDS).status_code
            == 421
        )
