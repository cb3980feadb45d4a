"""How well passages are found: splitters, modes and fusion side by side, on 320 questions over the Milvus docs.

The questions (`questions_milvus.jsonl`) were written from the pages, half of them to develop on, half of them held out.
The documentation and the dense model are optional and lie in ../shared; without them the benchmark says so and ends.

    python benchmarks/retrieval.py --json retrieval.json          the main table, three minutes
    python benchmarks/retrieval.py --tried --json retrieval.json  also what was tried and not kept
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.documents import BaseDocumentTransformer, Document
from langchain_core.embeddings import Embeddings

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
from milvus_rag.evaluation.measures import DEPTH, MEASURES, Result, measure
from milvus_rag.evaluation.questions import Question, read_questions

SHARED = Path(__file__).resolve().parents[2] / "shared"
MODEL = SHARED / "models" / "all-MiniLM-L6-v2-int8"
DOCS = SHARED / "data" / "milvus_docs_2.4.x_en.zip"
QUESTIONS = Path(__file__).with_name("questions_milvus.jsonl")
HALVES = ("development", "held-out")


class Remembering(Embeddings):
    """Embeds a text once, however many indexes it goes into."""

    def __init__(self, model: Embeddings) -> None:
        self._model = model
        self._vectors: dict[str, list[float]] = {}

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector a text."""
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        self._vectors.update(zip(new, self._model.embed_documents(new), strict=True))
        return [self._vectors[text] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question."""
        return self._model.embed_query(text)


class WithMarkup(BaseDocumentTransformer):
    """`MarkdownSplitter`, but what is embedded and analysed is the chunk as it is."""

    fingerprint = "markdown-with-markup"

    def transform_documents(self, documents: Sequence[Document], **_: Any) -> Sequence[Document]:
        """Chunks that do not say that they are Markdown."""
        chunks = MarkdownSplitter().transform_documents(documents)
        for chunk in chunks:
            del chunk.metadata["body_start"]
        return chunks


@dataclass(frozen=True)
class Way:
    """A way to search an index."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


DENSE = Way("dense", {"mode": "dense"})
FULL_TEXT = Way("full_text", {"mode": "full_text"})
HYBRID = Way("hybrid", {"mode": "hybrid"})
RRF = Way("hybrid, rrf", {"mode": "hybrid", "fusion": "rrf"})

MAIN: list[tuple[str, BaseDocumentTransformer, list[Way]]] = [
    ("marker", MarkerSplitter(), [DENSE, FULL_TEXT, RRF, HYBRID]),
    ("markdown", MarkdownSplitter(), [DENSE, FULL_TEXT, RRF, HYBRID]),
]
TRIED: list[tuple[str, BaseDocumentTransformer, list[Way]]] = [
    ("markdown, markup searched", WithMarkup(), [DENSE, FULL_TEXT, RRF, HYBRID]),
    *((f"markdown, chunk_size={n}", MarkdownSplitter(chunk_size=n), [HYBRID]) for n in (800, 1600, 2000)),
    *((f"markdown, min_chunk_size={n}", MarkdownSplitter(min_chunk_size=n), [HYBRID]) for n in (200, 400)),
    ("markdown, no titles above", MarkdownSplitter(heading_path=False), [HYBRID]),
    (
        "markdown",
        MarkdownSplitter(),
        [
            *(Way(f"hybrid, {k} fetched", {"mode": "hybrid", "fetch_k": k}) for k in (20, 100, 200)),
            *(Way(f"hybrid, weights {w}", {"mode": "hybrid", "weights": w}) for w in ((0.4, 0.6), (0.6, 0.4))),
            *(Way(f"hybrid, rrf, k={k}", {"mode": "hybrid", "fusion": "rrf", "rrf_k": k}) for k in (10, 20)),
        ],
    ),
]


def main() -> None:
    arguments = _arguments()
    missing = [str(path) for path in (arguments.model, arguments.docs) if not path.exists()]
    if missing:
        print(f"Nothing to measure: there is no {' and no '.join(missing)}.")
        return
    questions = read_questions(QUESTIONS)
    halves = [json.loads(line)["half"] for line in QUESTIONS.read_text("utf-8").splitlines()]
    embedding = Remembering(LocalEmbeddings(arguments.model))
    print(f"{'':44}{'chunks':>7}" + "".join(f"{name:>9}" for name in MEASURES) + "".join(f"{h:>13}" for h in HALVES))
    rows = []
    for name, splitter, ways in [*MAIN, *(TRIED if arguments.tried else [])]:
        for row in _measure(name, splitter, ways, embedding, arguments.docs, questions, halves):
            rows.append(row)
            values = [f"{row['measures'][measure_]:9.3f}" for measure_ in MEASURES]
            values += [f"{row['MRR'][half]:13.3f}" for half in HALVES]
            print(f"{row['name']:44}{row['chunks']:7}{''.join(values)}", flush=True)
    if arguments.json:
        figures = {"questions": len(questions), "model": arguments.model.name, "configurations": rows}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


def _measure(
    name: str,
    splitter: BaseDocumentTransformer,
    ways: Sequence[Way],
    embedding: Embeddings,
    docs: Path,
    questions: Sequence[Question],
    halves: Sequence[str],
) -> Iterator[dict[str, Any]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(str(Path(folder) / "benchmark.db"), embedding=embedding) as store,
    ):
        chunks = sync(MarkdownLoader(docs), splitter, store).added
        for way in ways:
            whole = _ask(f"{name}, {way.name}", store, way, questions)
            reciprocals = [1 / rank if rank else 0.0 for rank in whole.ranks]
            by_half = {
                half: [value for value, its_half in zip(reciprocals, halves, strict=True) if its_half == half]
                for half in HALVES
            }
            yield {
                "name": whole.configuration,
                "chunks": chunks,
                "measures": {key: round(value, 4) for key, value in whole.measures.items()},
                "MRR": {half: round(sum(values) / len(values), 4) for half, values in by_half.items()},
                "milliseconds": round(whole.milliseconds, 1),
            }


def _ask(name: str, store: MilvusStore, way: Way, questions: Sequence[Question]) -> Result:
    retriever = milvus_retriever(store, k=DEPTH, **way.options)
    found, seconds = [], []
    for question in questions:
        started = time.perf_counter()
        found.append(retriever.invoke(question.text))
        seconds.append(time.perf_counter() - started)
    return measure(name, questions, found, seconds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of a model in ONNX")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the Milvus documentation as a zip")
    parser.add_argument("--tried", action="store_true", help="measure also what was tried and not kept")
    parser.add_argument("--json", type=Path, help="write the figures there")
    return parser.parse_args()


if __name__ == "__main__":
    main()
