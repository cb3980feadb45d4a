"""The SDK's own client of the Model Context Protocol, over stdio and over HTTP."""

import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any

import httpx
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent

PROGRAM = Path(sys.executable).with_name("milvus-rag")


@asynccontextmanager
async def over_stdio(
    *arguments: str, environment: Mapping[str, str] | None = None, stderr: IO[str]
) -> AsyncIterator[ClientSession]:
    """A session with ``milvus-rag mcp``, which runs as long as the block does; its stderr goes into a file."""
    command = StdioServerParameters(
        command=str(PROGRAM), args=["mcp", *arguments], env={**os.environ, **(environment or {})}
    )
    async with stdio_client(command, errlog=stderr) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


@asynccontextmanager
async def over_http(client: httpx.AsyncClient, url: str) -> AsyncIterator[ClientSession]:
    """A session with a server at an address, over a client's connections."""
    async with (
        streamable_http_client(url, http_client=client) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


def text_of(result: CallToolResult) -> str:
    """What a tool says, which is one text."""
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def error_of(result: CallToolResult) -> str:
    """What a tool says that failed."""
    assert result.isError, text_of(result)
    assert result.structuredContent is None
    return text_of(result)


def structure_of(result: CallToolResult) -> dict[str, Any]:
    """What a tool gives that did not; the client has compared it with the tool's schema."""
    assert not result.isError, text_of(result)
    assert result.structuredContent is not None
    return result.structuredContent
