"""`milvus-rag serve` and `doctor`."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..setting_fields import Group
from . import options as o
from .output import INTERRUPTED, print_json
from .setting_options import takes_settings

if TYPE_CHECKING:
    from ..server.settings import ServerSettings
    from ..settings import Settings


@takes_settings(Group.SERVER, Group.CHAT, Group.EMBEDDING, Group.RETRIEVAL, Group.RERANKING, Group.FILES, Group.MILVUS)
def serve(
    *,
    docs: o.Docs = None,
    watch: Annotated[bool, typer.Option("--watch", help="With --docs: index again whenever a file changes.")] = False,
    settings: "ServerSettings",
) -> None:
    """Serve a chat page at /, LangServe's routes under /rag and /answer, and OpenAI's API under /v1.

    Limits are set by environment variables, see the documentation on deployment.
    """
    from ..extras import require

    require("uvicorn", "server", "The server")
    require("langserve", "server", "The server")
    from ..server.access import check_binding
    from ..server.running import run_server

    # Before the files are read: a mistake in the address should not cost an indexing run.
    check_binding(settings)
    if watch:
        from ..errors import InputError
        from .following import check_watchable

        if not docs:
            raise InputError("Nothing is there to be watched (--watch): say which files (--docs).")
        check_watchable(docs)
    if docs:
        from .indexing import index_before

        index_before(settings, docs)
    beside = None
    if watch and docs:
        from .following import following_beside

        beside = following_beside(settings, docs)
    try:
        run_server(settings, beside=beside)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


@takes_settings(Group.RETRIEVAL, Group.EMBEDDING, Group.RERANKING, Group.CHAT, Group.FILES, Group.MILVUS)
def mcp(*, docs: o.Docs = None, settings: "Settings") -> None:
    """Give an agent the documents, by the Model Context Protocol on stdin and stdout.

    It is started by the agent's program, see the documentation on MCP. milvus-rag serve has the same at /mcp.
    """
    from ..server.mcp.own_streams import protocol_streams

    # Before anything is imported that could write to stdout.
    with protocol_streams() as (requests, answers):
        from ..server.mcp import serve_stdio

        if docs:
            from .indexing import index_before

            index_before(settings, docs)
        try:
            serve_stdio(settings, requests, answers)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


@takes_settings(Group.CHAT, Group.EMBEDDING, Group.RERANKING, Group.MILVUS)
def doctor(*, settings: "Settings", json: o.Json = False) -> None:
    """Check versions, database, collection, keys and models; exit code 1 when something is broken."""
    from ..doctor import diagnose

    findings = diagnose(settings)
    broken = any(finding.state == "broken" for finding in findings)
    if json:
        print_json({"ok": not broken, "findings": [finding.as_dict() for finding in findings]})
    else:
        width = max(len(finding.subject) for finding in findings)
        for finding in findings:
            remedy = f"  -> {finding.remedy}" if finding.remedy else ""
            typer.echo(f"{finding.state:<7}{finding.subject:<{width}}  {finding.message}{remedy}")
    if broken:
        raise typer.Exit(1)
