"""The chain that the server serves, without the server: the same clients call it in one process; prints JSON.

python benchmarks/bare_chain.py docs.db --clients 16 --requests 500 --llm local
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from load_generator import figures, question

from milvus_rag import chat_model, milvus_retriever, open_store, rag_chain
from milvus_rag.server.settings import ServerSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("uri")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--llm", default="local")
    arguments = parser.parse_args()
    with open_store(arguments.uri) as store:
        chain = rag_chain(milvus_retriever(store), chat_model(arguments.llm))
        pool = ServerSettings(uri=arguments.uri).pool_size
        print(json.dumps(asyncio.run(run(chain, pool, arguments.clients, arguments.requests))))


async def run(chain: Any, pool: int, clients: int, requests: int) -> dict[str, float]:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(pool))
    await chain.ainvoke(question(0))
    numbers = iter(range(requests))
    seconds: list[float] = []
    begin = time.perf_counter()
    await asyncio.gather(*(client(chain, numbers, seconds) for _ in range(clients)))
    return figures(seconds, time.perf_counter() - begin)


async def client(chain: Any, numbers: Iterator[int], seconds: list[float]) -> None:
    for number in numbers:
        begin = time.perf_counter()
        await chain.ainvoke(question(number))
        seconds.append(time.perf_counter() - begin)


if __name__ == "__main__":
    main()
