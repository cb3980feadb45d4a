"""The door for agents: search, read and list the documents by the Model Context Protocol. Needs the extra ``mcp``."""

from typing import TYPE_CHECKING, TextIO

from ...extras import require

if TYPE_CHECKING:
    from ...settings import Settings


def serve_stdio(settings: "Settings", requests: TextIO, answers: TextIO) -> None:
    """Answer an agent's program until it closes its end.

    Args:
        settings: What is answered from.
        requests: What the program writes, see `milvus_rag.server.mcp.own_streams`.
        answers: What it reads.

    Raises:
        MissingExtraError: The protocol's package is not installed.
    """
    for module in ("mcp", "prometheus_client"):
        require(module, "mcp", "The Model Context Protocol")
    from ..settings import server_settings
    from .stdio import run_stdio

    run_stdio(server_settings(settings), requests, answers)
