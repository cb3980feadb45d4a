"""`milvus-rag eval`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..setting_fields import Group
from . import options as o
from .indexing import say_problems
from .output import print_json, print_table, printable, say
from .setting_options import takes_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..evaluation.measures import Result
    from ..evaluation.questions import Question
    from ..evaluation.suggestion import Suggestion
    from ..indexing.report import SyncReport
    from ..settings import Settings

_FORM = '{"question": …, "file": …, "text": what its passage must contain}'


# Without k: each measure says itself how many passages it looks at. Nothing is answered here, so nothing is cited.
@takes_settings(
    Group.EMBEDDING,
    Group.FILES,
    Group.RETRIEVAL,
    Group.RERANKING,
    Group.CHAT,
    Group.MILVUS,
    without=("k", "citations"),
    each_of={
        "splitter": "markdown, marker",
        "chunk_size": "Characters a chunk may have (markdown splitter)",
        "mode": "dense, full_text, hybrid",
        "fusion": "weighted, rrf",
        "weights": "Of the dense and the full-text search, e.g. 0.3,0.7, or auto",
        "expand": "Chunks to add before and after each passage",
        "reranker": "none, or a reranker",
    },
)
def evaluate(
    questions: Annotated[
        str | None,
        typer.Argument(help=f"JSON lines: {_FORM}; or, with --make-questions, a new file for them (else stdout)."),
    ] = None,
    *,
    docs: Annotated[
        list[str] | None,
        typer.Option(help="Index this path for the evaluation alone; else the collection is searched as it is."),
    ] = None,
    splitter: tuple[str, ...],
    chunk_size: tuple[int, ...],
    mode: tuple[str, ...],
    fusion: tuple[str, ...],
    weights: tuple[Any, ...],
    expand: tuple[int, ...],
    reranker: tuple[str, ...],
    budget: Annotated[
        int, typer.Option(help="Tokens that a model may read, for the measure 'evidence'.", min=1)
    ] = 1000,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Try a handful of settings, and say which to set, if any is better.")
    ] = False,
    make_questions: Annotated[
        int | None,
        typer.Option(help="Have the chat model (--llm) write so many questions from the chunks.", min=1),
    ] = None,
    plot: Annotated[str | None, typer.Option(help="Draw a bar chart into this .png file.")] = None,
    settings: "Settings",
    json: o.Json = False,
) -> None:
    """Measure how well passages are found: hit@1, hit@3, hit@5, MRR, nDCG@10, and what a model gets to read of them."""
    from ..errors import InputError

    tried = {
        "splitter": splitter, "chunk_size": chunk_size, "mode": mode, "fusion": fusion, "weights": weights,
        "expand": expand, "reranker": reranker,
    }  # fmt: skip
    reports = _Reports()
    if make_questions is not None:
        if suggest or plot or any(len(values) > 1 for values in tried.values()):
            raise InputError("Questions are made (--make-questions) or measured with: one command after the other.")
        _make(_base(settings, tried), make_questions, questions, docs or (), reports, json=json)
    elif questions is None:
        raise InputError(
            f"Which questions? Name a file of JSON lines, {_FORM}, or have a chat model write some: "
            f"milvus-rag eval questions.jsonl --make-questions 50 --llm PROVIDER:MODEL."
        )
    elif suggest:
        if plot or any(len(values) > 1 for values in tried.values()):
            raise InputError("--suggest chooses what is tried: give each setting once, as it is now, and no --plot.")
        _suggest(_base(settings, tried), questions, docs or (), budget, reports, json=json)
    else:
        _measure(settings, questions, docs or (), tried, budget, plot, reports, json=json)
    if reports.failed:
        raise typer.Exit(1)


class _Reports:
    """What indexing reports, said as it comes.

    Attributes:
        failed: Whether a file failed, or a question could not be made.
    """

    def __init__(self) -> None:
        self.failed = False

    def __call__(self, reports: "Sequence[SyncReport]") -> None:
        say_problems(reports)
        self.failed = self.failed or any(report.failed for report in reports)


def _base(settings: "Settings", given: "Mapping[str, Sequence[Any]]") -> "Settings":
    """The settings with what was given once."""
    once: dict[str, Any] = {name: values[0] for name, values in given.items() if values}
    if once.get("reranker") == "none":
        once["reranker"] = None
    return settings.model_copy(update=once)


def _read(path: str) -> "list[Question]":
    from ..evaluation.questions import read_questions

    asked = read_questions(path)
    if made := sum(question.made for question in asked):
        say(
            f"Note: {made} of {len(asked)} questions were written by a model from the chunks themselves; people ask "
            f"in other words. Compare configurations by them, and take no mean for how good it is."
        )
    return asked


def _measure(
    settings: "Settings",
    questions: str,
    docs: "Sequence[str]",
    tried: "Mapping[str, Sequence[Any]]",
    budget: int,
    plot: str | None,
    reports: _Reports,
    *,
    json: bool,
) -> None:
    from dataclasses import asdict

    from ..evaluation.chart import check_chart, save_chart
    from ..evaluation.configurations import evaluate as evaluate_all
    from ..evaluation.measures import MAIN
    from ..evaluation.unfound import Unfound, told

    asked = _read(questions)
    if plot:
        check_chart(plot)
    missing: list[Unfound] = []
    results = evaluate_all(
        settings,
        asked,
        docs=docs,
        tried=tried,
        budget=budget,
        say=say,
        on_indexed=reports,
        on_unfound=missing.extend,
    )
    if missing:
        say(told(missing, len(asked)))
    if plot:
        save_chart(results, plot, questions=len(asked))
    if json:
        print_json(
            {
                "questions": len(asked),
                "unfound": [asdict(each) for each in missing],
                "budget": budget,
                "results": [result.as_dict() for result in results],
                "comparisons": _comparisons(results),
            }
        )
        return
    _print_table(results)
    say(
        f"Means over {len(asked)} questions, with 95 % confidence below; evidence is the share of the right words in "
        f"the first {budget:,} tokens; ms is the median time of a retrieval."
    )
    if len(results) > 1:
        say(f"≈ beside the best: no more than chance is between the two ({MAIN}, the same questions).")
    _say_few(len(asked))


def _say_few(count: int) -> None:
    from ..evaluation.significance import FEW

    if count < FEW:
        say(f"Note: {count} questions are few: intervals are wider than is said here. Ask {FEW} or more.")


def _suggest(
    settings: "Settings", questions: str, docs: "Sequence[str]", budget: int, reports: _Reports, *, json: bool
) -> None:
    from ..evaluation.suggestion import suggest

    asked = _read(questions)
    suggestion = suggest(settings, asked, docs=docs, budget=budget, say=say, on_indexed=reports)
    if json:
        print_json(suggestion.as_dict())
        return
    _print_trials(suggestion)
    typer.echo(suggestion.told)
    _say_few(len(asked))


def _make(
    settings: "Settings", n: int, path: str | None, docs: "Sequence[str]", reports: _Reports, *, json: bool
) -> None:
    from ..errors import InputError
    from ..evaluation.configurations import indexed
    from ..evaluation.made_questions import MadeQuestion, make_questions
    from ..models.chat import is_extractive
    from ..pipeline import build_chat_model

    if is_extractive(settings.chat_spec):
        raise InputError("The chat model 'local' quotes, and writes no questions. Name one that does: --llm PROVIDER.")
    if path is not None and Path(path).exists():
        raise InputError(f"{path} is there already, and is not overwritten: name a new file.")
    chat = build_chat_model(settings)
    with indexed(settings.model_copy(update={"embeddings": "none"}), docs, say=say, on_indexed=reports) as (_, store):
        chunks = store.find_all({})
    made, refused = [], []
    try:
        target = Path(path).open("x", encoding="utf-8") if path is not None else None  # noqa: SIM115 - closed below
    except OSError as exc:
        raise InputError(f"{path} cannot be written: {exc.strerror}.") from exc
    try:
        for each in make_questions(chat, chunks, n, made_by=settings.chat_spec, seed=settings.seed or 0):
            if not isinstance(each, MadeQuestion):
                refused.append({"place": each.place, "reason": each.reason})
                say(f"Refused: {printable(f'{each.place}: {each.reason}')}")
                continue
            made.append(each.as_dict())
            line = each.as_line()
            if target is not None:
                target.write(f"{line}\n")
                target.flush()
            elif not json:
                typer.echo(line)
    finally:
        if target is not None:
            target.close()
            if not made and path is not None:
                # The next try is not to be refused for it.
                Path(path).unlink()
    if json:
        print_json({"wanted": n, "questions": made, "refused": refused})
    say(f"{len(made)} of {n} questions made of {len(chunks):,} chunks. Read them: those that nobody asks mislead.")
    reports.failed = reports.failed or len(made) < n


def _comparisons(results: "Sequence[Result]") -> list[dict[str, Any]]:
    """Each two of them."""
    from itertools import combinations

    from ..evaluation.measures import MAIN

    found = []
    for one, other in combinations(results, 2):
        gain = one.beside(other)
        found.append(
            {
                "of": one.configuration,
                "beside": other.configuration,
                MAIN: gain.mean,
                "interval": (gain.low, gain.high),
                "p": gain.p,
                "differ": gain.is_real,
            }
        )
    return found


def _print_table(results: "Sequence[Result]") -> None:
    from rich.table import Table

    from ..evaluation.measures import best_of

    best = best_of(results)
    several = len(results) > 1
    table = Table("configuration", *results[0].measures, *(["beside the best"] if several else []), "ms")
    for result in results:
        intervals = result.intervals
        values = [
            f"{value:.3f}\n{low:.2f} to {high:.2f}"
            for value, (low, high) in zip(result.measures.values(), intervals.values(), strict=True)
        ]
        if several:
            gain = result.beside(best)
            values.append("best" if result is best else f"{'' if gain.is_real else '≈ '}{gain.mean:+.3f}")
        table.add_row(result.configuration, *values, f"{result.milliseconds:.0f}")
    print_table(table)


def _print_trials(suggestion: "Suggestion") -> None:
    from rich.table import Table

    now = suggestion.now.measures
    table = Table("change", "measure", "as it is", "changed", "gain", "95 %", "by chance")
    for trial in suggestion.trials:
        gain = trial.difference
        table.add_row(
            trial.options,
            trial.measure,
            f"{now[trial.measure]:.3f}",
            f"{trial.result.measures[trial.measure]:.3f}",
            f"{gain.mean:+.3f}",
            f"{gain.low:+.3f} to {gain.high:+.3f}",
            f"{trial.chance:.3f}",
        )
    print_table(table)
