"""`milvus-rag search` and `ask`."""

import json as json_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..chunk_keys import SCORE_KEY, leg_rank_key, leg_score_key
from ..errors import FilterError, InputError
from . import options as o
from .output import (
    INTERRUPTED,
    citation,
    hit_as_dict,
    print_json,
    print_sources,
    print_table,
    printable,
    printable_lines,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.documents import Document

_SEARCHES = ("dense", "full_text", "retrieval")

Question = Annotated[str, typer.Argument(help="The question.")]


def search(
    question: Question,
    k: o.K = None,
    mode: o.Mode = None,
    rerank: o.Rerank = None,
    filter: o.Filter = None,
    fetch_k: o.FetchK = None,
    min_score: o.MinScore = None,
    expand: o.Expand = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the scores and ranks of each search.")] = False,
    embeddings: o.Embeddings = None,
    provider: o.Provider = None,
    uri: o.Uri = None,
    token: o.Token = None,
    db_name: o.DbName = None,
    collection: o.CollectionName = None,
    json: o.Json = False,
) -> None:
    """Show the passages that match a question best."""
    from ..pipeline import build_retriever, build_store
    from ..settings import load_settings

    settings = load_settings(
        k=k,
        mode=mode,
        reranker=rerank,
        fetch_k=fetch_k,
        min_score=min_score,
        expand=expand,
        embeddings=embeddings,
        provider=provider,
        uri=uri,
        token=token,
        db_name=db_name,
        collection=collection,
    )
    _check(question)
    with build_store(settings, must_exist=True) as store:
        hits = build_retriever(settings, store).invoke(question, config=_config(filter))
    if json:
        print_json({"question": question, "hits": [hit_as_dict(hit) for hit in hits]})
    elif explain:
        _print_table(hits)
    elif not hits:
        say("Nothing matches.")
    else:
        for number, hit in enumerate(hits, start=1):
            typer.echo(f"{number}. {citation(hit.metadata)}  (score {hit.metadata.get(SCORE_KEY, 0):.4g})")
            typer.echo("".join(f"   {printable(line)}\n" for line in hit.page_content.strip().splitlines()))


def ask(
    question: Question,
    docs: Annotated[
        list[str] | None, typer.Option(help="Index what is new below this path first; may be given several times.")
    ] = None,
    llm: o.Llm = None,
    embeddings: o.Embeddings = None,
    provider: o.Provider = None,
    k: o.K = None,
    mode: o.Mode = None,
    rerank: o.Rerank = None,
    filter: o.Filter = None,
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
    json: o.Json = False,
) -> None:
    """Answer a question from the indexed files, with sources."""
    from ..pipeline import build_chain, build_store
    from ..settings import load_settings

    settings = load_settings(
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
    _check(question)
    if docs:
        from .indexing import index_before

        index_before(settings, docs)

    try:
        with build_store(settings, must_exist=True) as store:
            chain = build_chain(settings, store)
            if json:
                result = chain.invoke({"question": question}, config=_config(filter))
                sources = [hit_as_dict(document) for document in result["context"]]
                print_json({"question": question, "answer": result["answer"], "sources": sources})
                return
            context: list[Document] = []
            for piece in chain.stream({"question": question}, config=_config(filter)):
                context = piece.get("context", context)
                typer.echo(printable_lines(piece.get("answer", "")), nl=False)
    except KeyboardInterrupt:
        say("\nInterrupted.")
        raise typer.Exit(INTERRUPTED) from None
    typer.echo()
    if context:
        print_sources(context)


def _check(question: str) -> None:
    if not question.strip():
        raise InputError("The question is empty.")
    if any("\ud800" <= character <= "\udfff" for character in question):
        raise InputError("The question is no UTF-8 text. Check the encoding of the terminal, or of what wrote it.")


def _config(given: str | None) -> Any:
    if given is None:
        return {}
    wanted: Any = given
    if given.lstrip().startswith("{"):
        try:
            wanted = json_module.loads(given)
        except json_module.JSONDecodeError as exc:
            raise FilterError(f"The filter {given!r} is no JSON: {exc}.") from exc
    return {"configurable": {"filter": wanted}}


def _print_table(hits: "list[Document]") -> None:
    from rich import box
    from rich.table import Table

    searches = [name for name in _SEARCHES if any(leg_score_key(name) in hit.metadata for hit in hits)]
    table = Table("", "score", *(name.replace("_", " ") for name in searches), "source", box=box.SIMPLE_HEAD)
    for number, hit in enumerate(hits, start=1):
        found = [_score_and_rank(hit.metadata, name) for name in searches]
        table.add_row(str(number), _short(hit.metadata.get(SCORE_KEY)), *found, citation(hit.metadata))
    print_table(table)


def _score_and_rank(metadata: "Mapping[str, Any]", search: str) -> str:
    score, rank = metadata.get(leg_score_key(search)), metadata.get(leg_rank_key(search))
    return _short(score) if rank is None else f"{_short(score)} (#{rank})"


def _short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
