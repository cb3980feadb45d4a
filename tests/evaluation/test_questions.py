"""Reading questions, and telling whether a chunk answers one."""

import json
from pathlib import Path

import pytest
from langchain_core.documents import Document

from milvus_rag.errors import InputError
from milvus_rag.evaluation.questions import Passage, Question, read_questions

ONE = {"question": "Where?", "file": "a.md", "text": "in a bucket"}


def test_a_line_is_a_question_with_one_or_several_passages(tmp_path: Path) -> None:
    several = {"question": "How?", "passages": [{"file": "a.md", "text": "x"}, {"file": "b.md", "text": "y"}]}
    path = tmp_path / "questions.jsonl"
    path.write_text(f"{json.dumps(ONE)}\n\n{json.dumps(several)}\n")
    assert read_questions(path) == [
        Question("Where?", (Passage("a.md", "in a bucket"),)),
        Question("How?", (Passage("a.md", "x"), Passage("b.md", "y"))),
    ]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("no json", "line 2"),
        ("[]", "JSON object"),
        ('{"question": "x", "file": "a.md"}', "'text' is missing"),
        ('{"question": " ", "file": "a.md", "text": "y"}', "'question' is a text that is not empty"),
        ('{"question": "x", "passages": []}', "'passages' is a list"),
        ('{"question": "x", "file": 3, "text": "y"}', "'file' is a text"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, wrong: str) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(f"{json.dumps(ONE)}\n{line}\n")
    with pytest.raises(InputError, match=wrong) as caught:
        read_questions(path)
    assert "line 2" in str(caught.value)


def test_a_file_that_is_empty_or_missing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match="no questions"):
        read_questions(tmp_path / "empty.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_questions(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("source", "text", "contained"),
    [
        ("a.md", "stored in\n  a bucket.", True),
        ("docs/a.md", "in a bucket", True),
        ("docs/aa.md", "in a bucket", False),
        ("a.md", "in the bucket", False),
    ],
)
def test_a_chunk_answers_when_file_and_words_fit(source: str, text: str, contained: bool) -> None:
    chunk = Document(page_content=text, metadata={"source": source})
    assert Passage("a.md", "in a bucket").is_in(chunk) is contained
