"""How well the default finds passages in documents of other people, beside what somebody else would do.

Every set of questions of a folder (each a folder with ``docs`` and ``questions.jsonl``), the Milvus documentation, and
the project's own pages; on each, the default, each of its searches alone, fusion by rank, the tutorials' way and their
chunks, and chunks of 1,000 characters. Beside are the characters of the first three passages, and the share of the
right words that a model reads within 1,000 tokens: whole pages are found easily and answer nothing. At the end is one
table over all sets, in Markdown, with the mean and the worst.

    python benchmarks/corpora.py --json corpora.json
    python benchmarks/corpora.py --sets FOLDER
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_text_splitters import RecursiveCharacterTextSplitter
from retrieval import DENSE, DOCS, FULL_TEXT, HYBRID, MODEL, QUESTIONS, RRF, SHARED, Remembering, Way

from milvus_rag import (
    LocalEmbeddings,
    MarkdownLoader,
    MarkdownSplitter,
    MarkerSplitter,
    MilvusStore,
    milvus_retriever,
    open_store,
    sync,
)
from milvus_rag.evaluation.measures import DEPTH, measure
from milvus_rag.evaluation.questions import Question, read_questions

if TYPE_CHECKING:
    from langchain_core.documents import BaseDocumentTransformer, Document

ROOT = Path(__file__).resolve().parents[1]
SETS = SHARED / "data" / "retrieval"
EVEN = Way("hybrid, weights .5 .5", {"mode": "hybrid", "weights": (0.5, 0.5)})
MEASURED = ("hit@3", "MRR", "evidence")
# What a rival may give a model to read, as a multiple of what the default does.
MOST_CHARACTERS = 1.5


@dataclass(frozen=True)
class Corpus:
    """Documents with questions."""

    name: str
    docs: Path
    questions: list[Question]


def main() -> None:
    arguments = _arguments()
    if not arguments.model.exists():
        print(f"Nothing to measure: there is no {arguments.model}.")
        return
    embedding = Remembering(LocalEmbeddings(arguments.model))
    figures: dict[str, list[dict[str, Any]]] = {}
    for corpus in _corpora(arguments.sets):
        rows = figures[corpus.name] = list(_measured(corpus, embedding))
        print(f"{corpus.name} ({len(corpus.questions)} questions)")
        for row in rows:
            values = "".join(f"{row[name]:8.3f}" for name in MEASURED)
            print(f"  {row['name']:34}{values}{row['characters']:9,.0f}", flush=True)
        default, best = rows[0], _best_rival(rows)
        print(f"  the best rival: {best['name']}, MRR {best['MRR'] - default['MRR']:+.3f} beside the default\n")
    for name in MEASURED:
        print(f"{name}\n\n{as_markdown(figures, name)}\n")
    if arguments.json:
        arguments.json.write_text(json.dumps({"sets": figures, "model": arguments.model.name}, indent=2) + "\n")


def _corpora(sets: Path) -> Iterator[Corpus]:
    for questions in sorted(sets.glob("*/questions.jsonl")):
        yield Corpus(questions.parent.name, questions.parent / "docs", read_questions(questions))
    if DOCS.exists():
        yield Corpus("milvus", DOCS, read_questions(QUESTIONS))
    yield Corpus("project", ROOT / "docs", read_questions(ROOT / "tests" / "data" / "questions.jsonl"))


def _measured(corpus: Corpus, embedding: Remembering) -> Iterator[dict[str, Any]]:
    chunks: list[tuple[str, BaseDocumentTransformer, Sequence[Way]]] = [
        ("markdown", MarkdownSplitter(), (HYBRID, EVEN, DENSE, FULL_TEXT, RRF)),
        ('"# "', MarkerSplitter(), (HYBRID, DENSE)),
        ("1,000 characters", RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200), (HYBRID,)),
    ]
    for name, splitter, ways in chunks:
        with (
            tempfile.TemporaryDirectory() as folder,
            open_store(str(Path(folder) / "benchmark.db"), embedding=embedding) as store,
        ):
            sync(MarkdownLoader(corpus.docs), splitter, store)
            for way in ways:
                yield _asked(f"{name}, {way.name}", store, way, corpus.questions)


def _asked(name: str, store: MilvusStore, way: Way, questions: Sequence[Question]) -> dict[str, Any]:
    retriever = milvus_retriever(store, k=DEPTH, **way.options)
    found: list[list[Document]] = []
    seconds = []
    for question in questions:
        started = time.perf_counter()
        found.append(retriever.invoke(question.text))
        seconds.append(time.perf_counter() - started)
    result = measure(name, questions, found, seconds)
    return {
        "name": name,
        **{key: round(value, 4) for key, value in result.measures.items()},
        "characters": round(result.characters),
        "milliseconds": round(result.milliseconds, 1),
    }


def _best_rival(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    most = MOST_CHARACTERS * rows[0]["characters"]
    return max((row for row in rows[1:] if row["characters"] <= most), key=lambda row: row["MRR"])


def as_markdown(figures: dict[str, list[dict[str, Any]]], measure_: str) -> str:
    """A table of one measure: a row for each set, then the mean and the worst over all."""
    columns = [row["name"] for row in next(iter(figures.values()))]
    values = {name: [row[measure_] for row in rows] for name, rows in figures.items()}
    together = [*zip(*values.values(), strict=True)]
    values |= {"mean": [statistics.mean(column) for column in together], "worst": [min(column) for column in together]}
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(f'{value:.3f}' for value in row)} |" for name, row in values.items()]
    return "\n".join(lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of a model in ONNX")
    parser.add_argument("--sets", type=Path, default=SETS, help="folder of sets of questions")
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
