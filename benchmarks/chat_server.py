"""A chat model that takes its time: OpenAI's protocol on loopback, one asyncio process.

It prints its base URL, and runs until it is ended.

    python benchmarks/chat_server.py --seconds 0.5
"""

import argparse
import asyncio
import json
from typing import Any

ANSWER = "The documents say that data is stored in segments, and that queries read them from there."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="before each answer")
    asyncio.run(serve(parser.parse_args().seconds))


async def serve(seconds: float) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = next(int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:"))
                body = json.loads(await reader.readexactly(length))
                await asyncio.sleep(seconds)
                writer.write(streamed() if body.get("stream") else whole())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def whole() -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return response("application/json", json.dumps({**_head("chat.completion"), "choices": [choice], "usage": usage}))


def streamed() -> bytes:
    events = [event({"content": f"{word} "}) for word in ANSWER.split()]
    return response("text/event-stream", "".join([*events, event({}, "stop"), "data: [DONE]\n\n"]))


def event(delta: dict[str, Any], reason: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return f"data: {json.dumps({**_head('chat.completion.chunk'), 'choices': [choice]})}\n\n"


def response(content_type: str, body: str) -> bytes:
    data = body.encode()
    return f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def _head(kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": "slow"}


if __name__ == "__main__":
    main()
