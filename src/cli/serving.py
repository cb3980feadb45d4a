"""`milvus-rag serve` and `doctor`."""

from typing import Annotated

import typer

from . import options as o
from .output import INTERRUPTED, print_json

_SERVER = "Server"


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on; any but loopback needs MILVUS_RAG_SERVER_KEY. [default: 127.0.0.1]",
            rich_help_panel=_SERVER,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port to listen on; 0 picks a free one. [default: 8000]", rich_help_panel=_SERVER),
    ] = None,
    docs: Annotated[
        list[str] | None, typer.Option(help="Index what is new below this path first; may be given several times.")
    ] = None,
    root_path: Annotated[
        str | None,
        typer.Option(help="Path under which a reverse proxy shows the server, e.g. /chat.", rich_help_panel=_SERVER),
    ] = None,
    no_auth: Annotated[
        bool,
        typer.Option(
            "--no-auth",
            help="Listen on other addresses without a key: something else checks who asks.",
            rich_help_panel=_SERVER,
        ),
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Host name to answer for; may be given several times. [default: any with a key, else loopback names]",
            rich_help_panel=_SERVER,
        ),
    ] = None,
    allow_llm: Annotated[
        list[str] | None,
        typer.Option(
            help="Chat model that requests may choose beside --llm; may be given several times.",
            rich_help_panel=_SERVER,
        ),
    ] = None,
    log_format: Annotated[
        str | None, typer.Option(help="json or text. [default: json]", rich_help_panel=_SERVER)
    ] = None,
    log_questions: Annotated[
        bool, typer.Option("--log-questions", help="Write questions into the log.", rich_help_panel=_SERVER)
    ] = False,
    llm: o.Llm = None,
    embeddings: o.Embeddings = None,
    provider: o.Provider = None,
    k: o.K = None,
    mode: o.Mode = None,
    rerank: o.Rerank = None,
    fetch_k: o.FetchK = None,
    min_score: o.MinScore = None,
    expand: o.Expand = None,
    glob: o.Glob = None,
    splitter: o.Splitter = None,
    chunk_size: o.ChunkSize = None,
    language: o.Language = None,
    uri: o.Uri = None,
    token: o.Token = None,
    db_name: o.DbName = None,
    collection: o.CollectionName = None,
) -> None:
    """Serve a chat page at /, and LangServe's routes under /rag and /answer.

    Limits are set by environment variables, see the documentation on deployment.
    """
    from ..extras import require

    require("uvicorn", "server", "The server")
    require("langserve", "server", "The server")
    from ..server.access import check_binding
    from ..server.running import run_server
    from ..server.settings import ServerSettings, server_settings
    from ..settings import load_settings

    given = load_settings(
        ServerSettings,
        host=host,
        port=port,
        root_path=root_path,
        no_auth=no_auth or None,
        allowed_hosts=tuple(allow_host) if allow_host else None,
        allowed_llms=tuple(allow_llm) if allow_llm else None,
        log_format=log_format,
        log_questions=log_questions or None,
        llm=llm,
        embeddings=embeddings,
        provider=provider,
        k=k,
        mode=mode,
        reranker=rerank,
        fetch_k=fetch_k,
        min_score=min_score,
        expand=expand,
        glob=glob,
        splitter=splitter,
        chunk_size=chunk_size,
        language=language,
        uri=uri,
        token=token,
        db_name=db_name,
        collection=collection,
    )
    settings = server_settings(given)
    # Before the files are read: a mistake in the address should not cost an indexing run.
    check_binding(settings)
    if docs:
        from .indexing import index_before

        index_before(settings, docs)
    try:
        run_server(settings)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def doctor(
    llm: o.Llm = None,
    embeddings: o.Embeddings = None,
    provider: o.Provider = None,
    rerank: o.Rerank = None,
    uri: o.Uri = None,
    token: o.Token = None,
    db_name: o.DbName = None,
    collection: o.CollectionName = None,
    json: o.Json = False,
) -> None:
    """Check versions, database, collection, keys and models; exit code 1 when something is broken."""
    from ..doctor import diagnose
    from ..settings import load_settings

    settings = load_settings(
        llm=llm,
        embeddings=embeddings,
        provider=provider,
        reranker=rerank,
        uri=uri,
        token=token,
        db_name=db_name,
        collection=collection,
    )
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
