"""How well the model that quotes answers: how many quotes hold the right words, where the right passage was found.

Measured on the 320 questions over the Milvus documentation, on 105 of them in other words, and on the question sets of
other people in ../shared; what is not there is left out, and said to be. A question counts where one of the three
passages that were retrieved is a right one; the answer is right where it holds the words of that passage that answer
the question, as they stand there. Run with the package of an older version in the path for its figures.

    python benchmarks/quoting.py                     by words: full-text search, a minute
    python benchmarks/quoting.py --mode hybrid       with vectors and by meaning too, some minutes
    python benchmarks/quoting.py --only milvus --show   also the answers that lack the words
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from milvus_rag import (
    ExtractiveChatModel,
    LocalEmbeddings,
    MarkdownLoader,
    MarkdownSplitter,
    milvus_retriever,
    open_store,
    sync,
)
from milvus_rag.chains.prompts import rag_messages
from milvus_rag.evaluation.questions import Question, read_questions

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared"
MODEL = SHARED / "models" / "all-MiniLM-L6-v2-int8"
MILVUS = SHARED / "data" / "milvus_docs_2.4.x_en.zip"
RETRIEVAL = SHARED / "data" / "retrieval"
LANGUAGES = {"xquad_es": "spanish", "xquad_zh": "none"}
# The beginning of an answer that quotes nothing, in this and in older versions.
_NOTHING = ("The documents do not", "There is no")


@dataclass(frozen=True)
class Corpus:
    """Documents with one or more files of questions."""

    name: str
    docs: Path
    questions: dict[str, Path]


@dataclass
class Row:
    """Figures of one file of questions."""

    questions: int = 0
    found: int = 0
    right: int = 0
    refused: int = 0
    characters: int = 0

    @property
    def share(self) -> float:
        """Of the questions whose passage is found, those whose answer has the right words."""
        return self.right / self.found if self.found else 0.0

    @property
    def length(self) -> float:
        """Characters of an answer."""
        return self.characters / self.found if self.found else 0.0


def corpora() -> Iterator[Corpus]:
    """All that there is."""
    own = {
        "milvus": HERE / "questions_milvus.jsonl",
        "milvus, in other words": HERE / "questions_milvus_paraphrased.jsonl",
    }
    yield Corpus("milvus", MILVUS, own)
    for folder in sorted(RETRIEVAL.glob("*/questions.jsonl")):
        name = folder.parent.name
        yield Corpus(name, folder.parent / "docs", {name: folder})


def measure(corpus: Corpus, mode: str, model: Path, *, show: bool) -> Iterator[tuple[str, Row]]:
    """Index a corpus, and ask all of its questions."""
    language = LANGUAGES.get(corpus.name, "english")
    embedding = LocalEmbeddings(model) if mode != "full_text" else None
    options: dict[str, Any] = {"language": language}
    if embedding is not None and "embedding" in ExtractiveChatModel.model_fields:
        options["embedding"] = embedding
    chat = ExtractiveChatModel(**options)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(str(Path(folder) / "benchmark.db"), embedding=embedding, language=language) as store,
    ):
        sync(MarkdownLoader(corpus.docs), MarkdownSplitter(), store)
        retriever = milvus_retriever(store, mode=mode)  # type: ignore[arg-type]  # one of the choices below
        for name, questions in corpus.questions.items():
            row = Row()
            for question in read_questions(questions):
                context = retriever.invoke(question.text)
                row.questions += 1
                if not any(passage.is_in(chunk) for passage in question.passages for chunk in context):
                    continue
                answer = str(chat.invoke(rag_messages(question.text, context)).content)
                is_right = holds(answer, question)
                row.found += 1
                row.right += is_right
                row.refused += answer.startswith(_NOTHING)
                row.characters += len(answer)
                if show and not is_right:
                    print(f"\n## {question.text}\nwanted: {question.passages[0].text!r}\n{answer}\n")
            yield name, row


def holds(answer: str, question: Question) -> bool:
    """Whether an answer has the right words, as far as blanks are left aside."""
    lines = (line.removeprefix(">") for line in answer.split("\n"))
    said = " ".join(" ".join(lines).split())
    return any(" ".join(passage.text.split()) in said for passage in question.passages)


def main() -> None:
    """Print a table, a row a file of questions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=["full_text", "dense", "hybrid"], default="full_text")
    parser.add_argument("--only", action="append", help="a corpus; may be given several times")
    parser.add_argument("--model", type=Path, default=MODEL, help="folder of a model in ONNX")
    parser.add_argument("--show", action="store_true", help="print the answers that lack the right words")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    print(f"{'':28}{'questions':>10}{'in top 3':>10}{'right':>8}{'refused':>9}{'characters':>12}")
    figures = {}
    for corpus in corpora():
        if arguments.only and corpus.name not in arguments.only:
            continue
        if not corpus.docs.exists():
            print(f"{corpus.name}: there is no {corpus.docs}.")
            continue
        for name, row in measure(corpus, arguments.mode, arguments.model, show=arguments.show):
            figures[name] = asdict(row)
            counts = f"{row.questions:10}{row.found:10}{row.share:8.3f}{row.refused:9}{row.length:12.0f}"
            print(f"{name:28}{counts}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"mode": arguments.mode, "figures": figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
