"""How much a client may do in a time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.server.allowances import Allowances, client_of
from support.asgi import application, let_time_pass

KEY = "correct-horse-battery-staple"
QUESTION = {"input": "Where is data stored?"}


def test_so_much_at_once_and_then_one_each_so_many_seconds() -> None:
    allowances = Allowances(at_once=3, seconds=2)
    for _ in range(3):
        assert allowances.wait("a", 100) == 0
        allowances.take("a", 100)
    assert allowances.wait("a", 100) == 2
    assert allowances.wait("a", 101.5) == 0.5
    assert allowances.wait("a", 102) == 0
    assert allowances.wait("b", 100) == 0
    allowances.give_back("a")
    assert allowances.wait("a", 100) == 0
    # After a while all is as at the beginning.
    assert [allowances.wait("a", 1000), allowances.take("a", 1000), allowances.wait("a", 1000)] == [0, None, 0]


@given(st.lists(st.floats(0, 10), max_size=60), st.integers(1, 5), st.floats(0.1, 3))
def test_no_time_sees_more_than_its_share(pauses: list[float], at_once: int, seconds: float) -> None:
    allowances = Allowances(at_once=at_once, seconds=seconds)
    now, done = 0.0, []
    for pause in pauses:
        now += pause
        if not allowances.wait("a", now):
            allowances.take("a", now)
            done.append(now)
    for first in range(len(done)):
        for last in range(first, len(done)):
            assert last - first + 1 <= at_once + (done[last] - done[first]) / seconds + 1e-6


def test_who_was_seen_longest_ago_is_forgotten() -> None:
    allowances = Allowances(at_once=1, seconds=10, most_clients=3)
    for client in "abcd":
        allowances.take(client, 0)
    assert [client for client in "abcd" if allowances.wait(client, 0)] == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("client", "name"),
    [
        (("192.0.2.7", 4711), "192.0.2.7"),
        (("::ffff:192.0.2.7", 4711), "192.0.2.7"),
        (("2001:db8:1:2:3:4:5:6", 1), "2001:db8:1:2::/64"),
        (("testclient", 1), "testclient"),
        (None, ""),
    ],
)
def test_a_client_is_an_address_or_the_network_that_it_is_given(client: Any, name: str) -> None:
    assert client_of({"type": "http", "client": client}) == name


class TestWrongKeys:
    async def test_are_slowed_down_and_others_are_not(self, index_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        async with application(index_uri, server_key=KEY) as client:

            async def status(key: str, address: str = "192.0.2.1") -> int:
                client._transport.client = (address, 1)  # type: ignore[attr-defined]  # who is asking
                return (await client.get("/info", headers={"Authorization": f"Bearer {key}"})).status_code

            waits: list[float] = []

            async def sleep(seconds: float) -> None:
                waits.append(seconds)

            monkeypatch.setattr("milvus_rag.server.access.asyncio.sleep", sleep)
            assert [await status("wrong") for _ in range(15)] == [401] * 15
            assert len(waits) == 5
            assert waits == sorted(waits)
            assert waits[-1] > 4
            # From here on nothing is looked at, the right key neither: else many tries at once would tell it.
            assert await status("wrong") == 429
            assert await status(KEY) == 429
            assert await status(KEY, "192.0.2.2") == 200
            # What a browser does before anybody has typed a key is no try.
            assert (await client.get("/info")).status_code == 401
            let_time_pass(monkeypatch, 60)
            assert await status(KEY) == 200
            assert [await status(KEY) for _ in range(30)] == [200] * 30

    async def test_are_told_when_to_come_back(self, index_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        async with application(index_uri, server_key=KEY) as client:

            async def sleep(_: float) -> None:
                pass

            monkeypatch.setattr("milvus_rag.server.access.asyncio.sleep", sleep)
            headers = {"Authorization": "Bearer wrong"}
            while (answer := await client.get("/info", headers=headers)).status_code == 401:
                pass
            assert answer.status_code == 429
            assert 1 <= int(answer.headers["Retry-After"]) <= 7
            assert answer.json()["error"]["message"] == "Too many wrong keys. Try again in a moment."


async def test_questions_have_a_rate_where_the_operator_says_so(
    index_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with application(index_uri, max_questions_per_minute=2) as client:
        statuses = [(await client.post("/answer/invoke", json=QUESTION)).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        refused = await client.post("/rag/invoke", json=QUESTION)
        assert 1 <= int(refused.headers["Retry-After"]) <= 30
        # What costs nothing is not counted.
        assert {(await client.get("/info")).status_code for _ in range(5)} == {200}
        client._transport.client = ("192.0.2.9", 1)  # type: ignore[attr-defined]  # somebody else
        assert (await client.post("/answer/invoke", json=QUESTION)).status_code == 200
        client._transport.client = ("127.0.0.1", 1)  # type: ignore[attr-defined]  # the one before
        let_time_pass(monkeypatch, 30)
        assert (await client.post("/answer/invoke", json=QUESTION)).status_code == 200
