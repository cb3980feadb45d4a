"""Clients that ask a server one question after the other, in a process of their own; prints figures as JSON.

python benchmarks/load_generator.py http://127.0.0.1:8000/rag/invoke --clients 16 --requests 500 --llm local

The path says in which protocol: that of LangServe, of OpenAI (``/v1/chat/completions``) or of MCP (``/mcp``).
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--llm", default="local")
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(run(arguments.url, arguments.clients, arguments.requests, arguments.llm))))


def question(number: int) -> str:
    """Each asks for other words of the corpus that `serve.py` makes."""
    return f"How is word{number * 7 % 1999} stored with word{number * 13 % 1999}?"


def asked(path: str, question: str, llm: str) -> tuple[dict[str, Any], str]:
    """The body of a request at a path, and what is in every answer that is one."""
    if path.startswith("/v1/"):
        return {"model": llm, "messages": [{"role": "user", "content": question}]}, '"content"'
    if path.startswith("/mcp"):
        # The chat model that answers is the server's own.
        call = {"name": "ask", "arguments": {"question": question}}
        return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}, '"isError":false'
    return {"input": question, "config": {"configurable": {"llm": llm}}}, '"answer"'


async def run(url: str, clients: int, requests: int, llm: str) -> dict[str, float]:
    numbers = iter(range(requests))
    seconds: list[float] = []
    failures: list[str] = []
    begin = time.perf_counter()
    await asyncio.gather(*(client(url, llm, numbers, seconds, failures) for _ in range(clients)))
    return {"failed": len(failures), **figures(seconds, time.perf_counter() - begin)}


async def client(url: str, llm: str, numbers: Iterator[int], seconds: list[float], failures: list[str]) -> None:
    """One connection, kept open. A client library would take as much of the CPU as the server does."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    for number in numbers:
        request, sign = asked(parts.path, question(number), llm)
        body = json.dumps(request).encode()
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        begin = time.perf_counter()
        writer.write(head.encode() + body)
        answer_head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line[15:]) for line in answer_head.split("\r\n") if line.startswith("content-length:"))
        answer = await reader.readexactly(length)
        seconds.append(time.perf_counter() - begin)
        if not answer_head.startswith("http/1.1 200") or sign.encode() not in answer:
            failures.append(answer.decode(errors="replace")[:200])
    writer.close()


def figures(seconds: list[float], elapsed: float) -> dict[str, float]:
    """Requests per second, and percentiles in milliseconds."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {
        "requests": len(seconds),
        "requests_per_second": len(seconds) / elapsed,
        **{f"p{percent}_ms": cuts[percent - 1] * 1000 for percent in (50, 95, 99)},
    }


if __name__ == "__main__":
    main()
