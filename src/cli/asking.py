"""`milvus-rag search` and `ask`."""

import json as json_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..chunk_keys import SCORE_KEY, are_only_nearest, leg_rank_key, leg_score_key, other_language_note
from ..errors import FilterError, InputError
from ..setting_fields import Group
from . import options as o
from .kept_conversation import KeptConversation
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
from .setting_options import takes_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from langchain_core.documents import Document

    from ..settings import Settings

_SEARCHES = ("dense", "full_text", "retrieval")

Question = Annotated[str, typer.Argument(help="The question.")]


@takes_settings(Group.RETRIEVAL, Group.RERANKING, Group.EMBEDDING, Group.MILVUS)
def search(
    question: Question,
    *,
    filter: o.Filter = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the scores and ranks of each search.")] = False,
    settings: "Settings",
    json: o.Json = False,
) -> None:
    """Show the passages that match a question best."""
    from ..configured_store import build_store
    from ..pipeline import build_retriever

    _check(question)
    with build_store(settings, must_exist=True) as store:
        hits = build_retriever(settings, store, filter=read_filter(filter)).invoke(question)
    if json:
        print_json({"question": question, "hits": [hit_as_dict(hit) for hit in hits]})
        return
    if are_only_nearest(hit.metadata for hit in hits):
        note = other_language_note(hit.metadata for hit in hits)
        say(f"The documents seem not to answer this. {note} These are the nearest passages.".replace("  ", " "))
    if explain:
        _print_table(hits)
    elif not hits:
        say("Nothing matches.")
    else:
        for number, hit in enumerate(hits, start=1):
            typer.echo(f"{number}. {citation(hit.metadata)}  (score {hit.metadata.get(SCORE_KEY, 0):.4g})")
            typer.echo("".join(f"   {printable(line)}\n" for line in hit.page_content.strip().splitlines()))


@takes_settings(Group.CHAT, Group.EMBEDDING, Group.RETRIEVAL, Group.RERANKING, Group.FILES, Group.MILVUS)
def ask(
    question: Question,
    *,
    docs: o.Docs = None,
    filter: o.Filter = None,
    go_on: Annotated[bool, typer.Option("--continue", help="Go on with the last conversation of this folder.")] = False,
    settings: "Settings",
    json: o.Json = False,
) -> None:
    """Answer a question from the indexed files, with sources."""
    from ..configured_store import build_store
    from ..pipeline import build_chain

    _check(question)
    if docs:
        from .indexing import index_before

        index_before(settings, docs)

    kept = KeptConversation.of_folder()
    history = kept.read() if go_on else []
    asked: Any = {"question": question, "chat_history": history} if history else {"question": question}
    try:
        with build_store(settings, must_exist=True) as store:
            chain = build_chain(settings, store, filter=read_filter(filter))
            if json:
                result = chain.invoke(asked)
                print_json(_as_dict(result))
            else:
                result = print_answer(chain.stream(asked))
    except KeyboardInterrupt:
        say("\nInterrupted.")
        raise typer.Exit(INTERRUPTED) from None
    kept.write([*history, ("human", question), ("ai", result["answer"])])


def print_answer(parts: "Iterator[Mapping[str, Any]]") -> "Mapping[str, Any]":
    """Print an answer as it comes, what was searched for where that is not the question, and the sources.

    Args:
        parts: A stream of the chain.

    Returns:
        The output that the parts add up to.
    """
    output: dict[str, Any] = {"answer": "", "context": []}
    for part in parts:
        if (searched := part.get("search_question")) and searched != output["question"]:
            say(f"Searching for: {searched}")
        typer.echo(printable_lines(part.get("answer", "")), nl=False)
        output |= {**part, "answer": output["answer"] + part.get("answer", "")}
    typer.echo()
    if output["context"]:
        print_sources(output["context"], output.get("citations"))
    return output


def _as_dict(result: "Mapping[str, Any]") -> "dict[str, Any]":
    """An output of the chain for JSON."""
    sources = [hit_as_dict(document) for document in result["context"]]
    return {**{key: value for key, value in result.items() if key != "context"}, "sources": sources}


def _check(question: str) -> None:
    if not question.strip():
        raise InputError("The question is empty.")
    if any("\ud800" <= character <= "\udfff" for character in question):
        raise InputError("The question is no UTF-8 text. Check the encoding of the terminal, or of what wrote it.")


def read_filter(given: str | None) -> Any:
    """A filter as the command line gives it: a dict as JSON, or an expression of Milvus; None for none."""
    if given is None or not given.lstrip().startswith("{"):
        return given
    try:
        return json_module.loads(given)
    except json_module.JSONDecodeError as exc:
        raise FilterError(f"The filter {given!r} is no JSON: {exc}.") from exc


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
