"""Events are sent as they come, errors and goodbyes are told."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.types import Message

from milvus_rag.server import streams
from milvus_rag.server.streams import EventStream

SCOPE = {"type": "http"}


def data(text: str) -> dict[str, str]:
    return {"event": "data", "data": text}


async def receive() -> Message:
    await asyncio.sleep(60)
    return {"type": "http.disconnect"}


class Sent(list[Message]):
    """What was sent."""

    async def send(self, message: Message) -> None:
        self.append(message)

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self).decode()


async def test_events_are_written_as_the_standard_says() -> None:
    async def events() -> AsyncIterator[dict[str, Any]]:
        yield data('"a"')
        yield {"event": "end"}

    sent = Sent()
    await EventStream(events(), held=0)(SCOPE, receive, sent.send)
    assert sent[0]["status"] == 200
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert headers[b"cache-control"] == b"no-cache"
    assert headers[b"x-accel-buffering"] == b"no"
    assert sent.text == 'event: data\r\ndata: "a"\r\n\r\nevent: end\r\n\r\n'
    assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_the_first_events_are_held_back_until_the_next_one() -> None:
    sent = Sent()

    async def events() -> AsyncIterator[dict[str, Any]]:
        yield data("1")
        assert sent == []
        yield data("2")
        assert sent == []
        yield data("3")
        assert "data: 1\r\n\r\nevent: data\r\ndata: 2\r\n\r\nevent: data\r\ndata: 3" in sent.text
        yield data("4")
        assert "data: 4" in sent.text

    await EventStream(events(), held=2)(SCOPE, receive, sent.send)


async def test_a_stream_that_is_shorter_than_what_is_held_is_sent_all_the_same() -> None:
    async def events() -> AsyncIterator[dict[str, Any]]:
        yield data("1")
        yield {"event": "end"}

    sent = Sent()
    await EventStream(events(), held=5)(SCOPE, receive, sent.send)
    assert "data: 1" in sent.text
    assert "event: end" in sent.text


@pytest.mark.parametrize("after", [1, 3])
async def test_the_exception_is_raised_and_langserves_own_error_event_left_out(after: int) -> None:
    async def events() -> AsyncIterator[dict[str, Any]]:
        for number in range(after):
            yield data(str(number))
        yield {"event": "error", "data": "Internal Server Error"}
        raise ValueError("the reason")

    sent = Sent()
    with pytest.raises(ValueError, match="the reason"):
        await EventStream(events(), held=2)(SCOPE, receive, sent.send)
    assert "error" not in sent.text
    # Nothing has begun where everything was held: a status can still be chosen.
    assert bool(sent) is (after > 2)


async def test_a_silent_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_PING_SECONDS", 0.01)
    sent = Sent()
    pinged = asyncio.Event()

    async def send(message: Message) -> None:
        await sent.send(message)
        if message.get("body") == b": ping\r\n\r\n":
            pinged.set()

    async def events() -> AsyncIterator[dict[str, Any]]:
        yield data("1")
        await pinged.wait()
        yield data("2")

    await EventStream(events(), held=0)(SCOPE, receive, send)
    count = len(sent)
    await asyncio.sleep(0.05)
    assert len(sent) == count, "pings after the end"


async def test_a_stream_that_nobody_reads_is_closed() -> None:
    """LangServe's generator answers the request to close with one more event."""
    closed = asyncio.Event()

    async def events() -> AsyncIterator[dict[str, Any]]:
        try:
            while True:
                yield data("1")
        except BaseException:
            yield {"event": "error"}
            raise
        finally:
            closed.set()

    async def stuck(message: Message) -> None:
        if message.get("body"):
            await asyncio.sleep(60)

    task = asyncio.create_task(EventStream(events(), held=0)(SCOPE, receive, stuck))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed.is_set()
