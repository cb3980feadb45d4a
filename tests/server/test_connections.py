"""Clients that hold connections, and send nothing that could be answered."""

import contextlib
import resource
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from milvus_rag.server.connections import connection_limit
from support.served import Served, serving
from support.waiting import PATIENCE_SECONDS

HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
QUESTION = b'{"input": "Where is data stored?"}'
KEY = "correct-horse-battery-staple"
FILES = 300


@pytest.fixture(scope="module")
def server(index_uri: str) -> Iterator[Served]:
    variables = {
        "MILVUS_RAG_HEAD_TIMEOUT": "0.5",
        "MILVUS_RAG_MAX_IN_PROGRESS": "8",
        "MILVUS_RAG_SERVER_KEY": KEY,
    }
    with serving(index_uri, environment=variables, files=FILES) as served:
        yield served


@pytest.fixture(scope="module")
def patient() -> Iterator[Served]:
    """A server that waits for heads longer than any test, and has no database."""
    variables = {"MILVUS_RAG_HEAD_TIMEOUT": "3600", "MILVUS_RAG_MAX_CONNECTIONS": "20", "MILVUS_RAG_TIMEOUT": "1"}
    with serving("http://127.0.0.1:9", environment=variables) as served:
        yield served


def connected(server: Served, data: bytes, *, source: str = "127.0.0.1") -> socket.socket:
    address = urlsplit(server.url)
    client = socket.create_connection(
        (address.hostname, address.port), timeout=PATIENCE_SECONDS, source_address=(source, 0)
    )
    client.sendall(data)
    return client


def is_closed(client: socket.socket) -> bool:
    """Wait until the server has closed a connection; what it said before is read away."""
    try:
        while client.recv(65536):
            pass
    except ConnectionResetError:
        return True
    return True


def is_open(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False


def healthz(server: Served) -> int:
    return httpx.get(f"{server.url}/healthz", timeout=PATIENCE_SECONDS).status_code


@pytest.mark.parametrize("sent", [b"", b"G", HALF_A_HEAD], ids=["nothing", "a letter", "half a head"])
def test_a_head_that_does_not_arrive_ends_the_connection(server: Served, sent: bytes) -> None:
    with connected(server, sent) as client:
        assert is_closed(client)


def test_a_head_that_arrives_in_drops_does_not_last_longer(server: Served) -> None:
    with connected(server, HALF_A_HEAD) as client, contextlib.suppress(ConnectionError):
        client.settimeout(0.05)
        # A drop each time that nothing came: the server closes it, or this goes on for ever.
        while True:
            try:
                if not client.recv(1):
                    break
            except TimeoutError:
                client.sendall(b"x")


def test_the_same_holds_for_a_second_request_and_for_a_body_that_nobody_reads(server: Served) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    refused = b"POST /rag/invoke HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{"
    for sent, status in ((whole + HALF_A_HEAD, b"200"), (refused, b"401")):
        with connected(server, sent) as client:
            assert client.recv(13) == b"HTTP/1.1 " + status + b" "
            assert is_closed(client)


def test_an_answer_may_take_longer_than_a_head(server: Served) -> None:
    """What is being answered is not cut off: the body of this question comes late."""
    head = (
        f"POST /answer/invoke HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(QUESTION)}\r\n\r\n"
    )
    with connected(server, head.encode()) as client, connected(server, b"") as clock:
        assert is_closed(clock)
        client.sendall(QUESTION)
        assert client.recv(13) == b"HTTP/1.1 200 "


def test_half_open_connections_beyond_the_files_of_the_process_stop_nobody(index_uri: str, server: Served) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 4096), most))
    try:
        with contextlib.ExitStack() as held:
            for _ in range(FILES + 100):
                held.enter_context(connected(server, HALF_A_HEAD))
            assert healthz(server) == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert not [line for line in server.lines if "Too many open files" in line]


def test_whoever_has_the_most_makes_room(patient: Served) -> None:
    with contextlib.ExitStack() as held:
        mine = held.enter_context(connected(patient, HALF_A_HEAD, source="127.0.0.3"))
        many = [held.enter_context(connected(patient, HALF_A_HEAD)) for _ in range(40)]
        assert healthz(patient) == 200
        # One makes room for each newcomer, the oldest first.
        assert all(is_closed(client) for client in many[:20])
        assert is_open(many[-1])
        assert is_open(mine)


@pytest.mark.parametrize(
    ("wanted", "in_progress", "files", "limit"),
    [
        (None, 128, 1024, 768),
        (100, 128, 1024, 100),
        (5000, 128, 1024, 768),
        (None, 128, 1_048_576, 4096),
        (10_000, 128, 1_048_576, 10_000),
        (None, 128, 256, 16),
        (None, 128, resource.RLIM_INFINITY, 4096),
    ],
)
def test_files_are_left_for_all_else(wanted: int | None, in_progress: int, files: int, limit: int) -> None:
    assert connection_limit(wanted, in_progress=in_progress, files=files) == limit
