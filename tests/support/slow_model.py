"""A chat model server that takes its time, and sees when a client goes away."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any, Self

from .waiting import PATIENCE_SECONDS


class SlowModel:
    """Speaks OpenAI's chat protocol on a loopback port, in a thread of its own. Use it as a context manager.

    Attributes:
        tokens: How many pieces an answer has; ``"word0 "``, ``"word1 "``, …
        pause: Seconds before each piece, and before a whole answer.
        started: Requests that came in.
        finished: Answers that were sent to their end.
        abandoned: Answers whose client closed the connection before.
    """

    def __init__(self, *, tokens: int = 20, pause: float = 0.05) -> None:
        self.tokens = tokens
        self.pause = pause
        self.started = 0
        self.finished = 0
        self.abandoned = 0
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._held_at: int | None = None
        self._port = 0

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send the provider openai here."""
        return {"OPENAI_API_KEY": "test-key-openai", "OPENAI_BASE_URL": f"http://127.0.0.1:{self._port}/v1"}

    @property
    def answer(self) -> str:
        """What it answers."""
        return "".join(self._pieces())

    def wait_for(self, name: str, count: int) -> bool:
        """Wait until `started`, `finished` or `abandoned` has reached a count."""
        with self._changed:
            return self._changed.wait_for(lambda: getattr(self, name) >= count, PATIENCE_SECONDS)

    @contextlib.contextmanager
    def holding(self, piece: int = 0) -> Iterator[None]:
        """Let no answer get beyond the pieces before this one until the block ends."""
        self._held_at = piece
        try:
            yield
        finally:
            self._held_at = None

    def __enter__(self) -> Self:
        threading.Thread(target=lambda: asyncio.run(self._serve()), name="slow model", daemon=True).start()
        assert self._ready.wait(PATIENCE_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    def _count(self, name: str) -> None:
        with self._changed:
            setattr(self, name, getattr(self, name) + 1)
            self._changed.notify_all()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await _head(reader):
                body = json.loads(await reader.readexactly(head))
                self._count("started")
                answer = asyncio.create_task(self._answer(writer, streamed=bool(body.get("stream"))))
                # Nothing more is sent before the answer: what can be read is the end of the connection.
                gone = asyncio.create_task(reader.read(1))
                await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not answer.done():
                    answer.cancel()
                    self._count("abandoned")
                    return
                gone.cancel()
                await asyncio.wait({gone})
                self._count("finished")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, *, streamed: bool) -> None:
        if not streamed:
            await self._wait(0)
            message = {"role": "assistant", "content": self.answer}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            data = json.dumps({**_HEAD, "object": "chat.completion", "choices": [choice]}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data))
            writer.write(data)
            await writer.drain()
            return
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for number, piece in enumerate(self._pieces()):
            await self._wait(number)
            await _send(writer, _event({"content": piece}))
        await _send(writer, _event({}, "stop") + b"data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def _wait(self, piece: int) -> None:
        await asyncio.sleep(self.pause)
        # An event would belong to the loop, and the tests are on another thread.
        while self._held_at is not None and piece >= self._held_at:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def _pieces(self) -> list[str]:
        return [f"word{number} " for number in range(self.tokens)]


_HEAD = {"id": "chatcmpl-1", "created": 1, "model": "slow"}


def _event(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return f"data: {json.dumps({**_HEAD, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n".encode()


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    await writer.drain()


async def _head(reader: asyncio.StreamReader) -> int:
    """Length of the next request's body; 0 at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return 0
    lines = head.decode().lower().split("\r\n")
    return next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)
