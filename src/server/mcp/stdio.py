"""The protocol over stdin and stdout, for a client that starts the server itself."""

import asyncio
import logging
from typing import TextIO

import anyio
from langchain_core.runnables.config import run_in_executor
from mcp.server.stdio import stdio_server

from ...chains.rag import rag_chain
from ...errors import MilvusRagError
from ..index import Index
from ..metrics import Metrics
from ..served_runnables import ServedRetriever, served_chat
from ..settings import ServerSettings
from .protocol import mcp_server
from .tools import Tools

logger = logging.getLogger(__name__)


def run_stdio(settings: ServerSettings, requests: TextIO, answers: TextIO) -> None:
    """Answer until the client closes stdin.

    Args:
        settings: What is answered from, and the limits.
        requests: What the client writes.
        answers: What it reads.
    """
    # One asks here, one question after the other: searches hold nobody up.
    index = Index(settings.model_copy(update={"lite_process": False}))
    try:
        asyncio.run(_serve(settings, index, requests, answers))
    finally:
        index.close()


def local_tools(settings: ServerSettings, index: Index) -> Tools:
    """The tools over an index; ``ask`` where the settings name a chat model."""
    metrics = Metrics()
    retriever = ServedRetriever(index, metrics)
    if settings.llm is None:
        return Tools(retriever, None, settings)
    chat = served_chat(settings, index, metrics)
    chain = rag_chain(retriever, chat, citations=settings.citations, language=lambda: index.language)
    return Tools(retriever, chain, settings)


async def _serve(settings: ServerSettings, index: Index, requests: TextIO, answers: TextIO) -> None:
    server = mcp_server(local_tools(settings, index), _explain)
    # Opening takes seconds, in which the client can already say what it wants.
    opening = asyncio.create_task(_open(index))
    async with stdio_server(anyio.wrap_file(requests), anyio.wrap_file(answers)) as (read, write):
        await server.run(read, write, server.create_initialization_options())
    await opening


async def _open(index: Index) -> None:
    for problem in await run_in_executor(None, index.warm_up):
        logger.warning("%s", problem)


def _explain(exc: Exception) -> str:
    """The whole message: whoever runs the client runs this too."""
    logger.warning("%s", exc, exc_info=None if isinstance(exc, MilvusRagError) else exc)
    return " ".join(str(exc).split()) or type(exc).__name__
