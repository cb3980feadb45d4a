"""How well the default finds passages of the project's own pages: a floor, well below what it does today."""

import shutil
from pathlib import Path

import pytest

from milvus_rag import MarkdownLoader, MarkdownSplitter
from milvus_rag.evaluation.configurations import evaluate
from milvus_rag.evaluation.measures import Result
from milvus_rag.evaluation.questions import Question, read_questions
from milvus_rag.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The pages that answer questions: a list of other packages' names answers none."""
    folder = tmp_path_factory.mktemp("pages") / "docs"
    shutil.copytree(DOCS, folder, ignore=shutil.ignore_patterns("borrowed-names.md", "images"))
    return str(folder)


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return read_questions(ROOT / "tests" / "data" / "questions.jsonl")


def test_there_are_thirty_and_a_chunk_answers_each(questions: list[Question]) -> None:
    """A page that is rewritten may take the words away that a question looks for: then mend the question."""
    chunks = MarkdownSplitter().split_documents(MarkdownLoader(DOCS).load())

    lost = [q.text for q in questions if not any(passage.is_in(chunk) for passage in q.passages for chunk in chunks)]

    assert len({question.text for question in questions}) == 30
    assert lost == []


def test_the_embedded_default(questions: list[Question], pages: str) -> None:
    """Full-text search: MRR is 0.48 and hit@3 0.60 over 266 chunks; over the 200 of the pages before, 0.52 and 0.63."""
    (result,) = evaluate(Settings(), questions, docs=[pages])

    assert result.measures["MRR"] > 0.42, missed(questions, result)
    assert result.measures["hit@3"] > 0.5, missed(questions, result)


@pytest.mark.shared
@pytest.mark.huge
def test_hybrid_search_with_a_small_dense_model(questions: list[Question], pages: str, shared_model: Path) -> None:
    """MRR is 0.51, hit@3 0.57 and hit@5 0.67 over 266 chunks; over the 200 of the pages before, 0.55, 0.63 and 0.80."""
    (result,) = evaluate(
        Settings(embeddings=f"local:{shared_model}"), questions, docs=[pages], tried={"mode": ["hybrid"]}
    )

    assert result.measures["MRR"] > 0.45, missed(questions, result)
    assert result.measures["hit@5"] > 0.6, missed(questions, result)


def missed(questions: list[Question], result: Result) -> str:
    """What to look at when the floor is not reached."""
    return "\n".join(
        f"{rank or 'not found'}: {question.text}"
        for question, rank in zip(questions, result.ranks, strict=True)
        if rank != 1
    )
