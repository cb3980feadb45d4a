"""`milvus-rag eval`."""

from typing import TYPE_CHECKING, Annotated

import typer

from . import options as o
from .indexing import say_problems
from .output import print_json, print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..evaluation.measures import Result
    from ..indexing.report import SyncReport


def evaluate(
    questions: Annotated[
        str, typer.Argument(help='JSON lines: {"question": …, "file": …, "text": what its passage must contain}.')
    ],
    docs: Annotated[
        list[str] | None,
        typer.Option(help="Index this path for the evaluation alone; else the collection is searched as it is."),
    ] = None,
    splitter: Annotated[list[str] | None, typer.Option(help="markdown, marker; may be given several times.")] = None,
    mode: Annotated[
        list[str] | None, typer.Option(help="dense, full_text, hybrid; may be given several times.")
    ] = None,
    rerank: Annotated[list[str] | None, typer.Option(help="none, or a reranker; may be given several times.")] = None,
    plot: Annotated[str | None, typer.Option(help="Draw a bar chart into this .png file.")] = None,
    embeddings: o.Embeddings = None,
    provider: o.Provider = None,
    glob: o.Glob = None,
    chunk_size: o.ChunkSize = None,
    language: o.Language = None,
    fetch_k: o.FetchK = None,
    min_score: o.MinScore = None,
    expand: o.Expand = None,
    uri: o.Uri = None,
    token: o.Token = None,
    db_name: o.DbName = None,
    collection: o.CollectionName = None,
    json: o.Json = False,
) -> None:
    """Measure how well passages are found: hit@1, hit@3, hit@5, MRR and nDCG@10."""
    from ..evaluation.chart import check_chart, save_chart
    from ..evaluation.configurations import evaluate as evaluate_all
    from ..evaluation.questions import read_questions
    from ..settings import load_settings

    # One of each is read to be checked like any setting; all of them are then tried.
    for name in splitter or ():
        load_settings(splitter=name)
    for name in mode or ():
        load_settings(mode=name)
    settings = load_settings(
        embeddings=embeddings,
        provider=provider,
        glob=glob,
        chunk_size=chunk_size,
        language=language,
        fetch_k=fetch_k,
        min_score=min_score,
        expand=expand,
        uri=uri,
        token=token,
        db_name=db_name,
        collection=collection,
    )
    asked = read_questions(questions)
    if plot:
        check_chart(plot)
    failed = False

    def on_indexed(reports: "Sequence[SyncReport]") -> None:
        nonlocal failed
        say_problems(reports)
        failed = failed or any(report.failed for report in reports)

    results = evaluate_all(
        settings,
        asked,
        docs=docs or (),
        splitters=splitter or (),
        modes=mode or (),
        rerankers=rerank or (),
        say=say,
        on_indexed=on_indexed,
    )
    if plot:
        save_chart(results, plot, questions=len(asked))
    if json:
        print_json({"questions": len(asked), "results": [result.as_dict() for result in results]})
    else:
        _print_table(results)
        say(f"Means over {len(asked)} questions; ms is the median time of a retrieval.")
    if failed:
        raise typer.Exit(1)


def _print_table(results: "Sequence[Result]") -> None:
    from rich.table import Table

    table = Table("configuration", *results[0].measures, "ms")
    for result in results:
        values = [f"{value:.3f}" for value in result.measures.values()]
        table.add_row(result.configuration, *values, f"{result.milliseconds:.0f}")
    print_table(table)
