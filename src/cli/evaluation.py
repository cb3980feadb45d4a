"""`milvus-rag eval`."""

from typing import TYPE_CHECKING, Annotated

import typer

from ..setting_fields import Group
from . import options as o
from .indexing import say_problems
from .output import print_json, print_table, say
from .setting_options import takes_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..evaluation.measures import Result
    from ..indexing.report import SyncReport
    from ..settings import Settings


# Without k: each measure says itself how many passages it looks at.
@takes_settings(
    Group.EMBEDDING,
    Group.FILES,
    Group.RETRIEVAL,
    Group.RERANKING,
    Group.MILVUS,
    without=("k",),
    each_of={
        "splitter": "markdown, marker",
        "mode": "dense, full_text, hybrid",
        "reranker": "none, or a reranker",
    },
)
def evaluate(
    questions: Annotated[
        str, typer.Argument(help='JSON lines: {"question": …, "file": …, "text": what its passage must contain}.')
    ],
    *,
    docs: Annotated[
        list[str] | None,
        typer.Option(help="Index this path for the evaluation alone; else the collection is searched as it is."),
    ] = None,
    splitter: tuple[str, ...],
    mode: tuple[str, ...],
    reranker: tuple[str, ...],
    plot: Annotated[str | None, typer.Option(help="Draw a bar chart into this .png file.")] = None,
    settings: "Settings",
    json: o.Json = False,
) -> None:
    """Measure how well passages are found: hit@1, hit@3, hit@5, MRR and nDCG@10."""
    from ..evaluation.chart import check_chart, save_chart
    from ..evaluation.configurations import evaluate as evaluate_all
    from ..evaluation.questions import read_questions

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
        splitters=splitter,
        modes=mode,
        rerankers=reranker,
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
