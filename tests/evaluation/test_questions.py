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
        ('{"question": "x", "passages": ["y"]}', "'passages' is a list of objects"),
        ('{"question": "x", "file": "a.md", "start": 3}', "'end' is missing"),
        ('{"question": "x", "file": "a.md", "start": 3, "end": 3}', "'start' is before 'end', and not 3 and 3"),
        ('{"question": "x", "file": "a.md", "start": -1, "end": 3}', "'start' is a number of characters from 0"),
        ('{"question": "x", "file": "a.md", "start": true, "end": 3}', "'start' is a number"),
        ('{"question": "x", "file": "a.md", "start": 0, "end": 3, "text": ""}', "'text' is a text"),
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


def test_a_place_may_stand_beside_a_text_or_for_it(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    lines = [
        {**ONE, "start": 4, "end": 15},
        {"question": "How?", "passages": [{"file": "b.md", "start": 0, "end": 2}], "made_by": "gemini"},
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert read_questions(path) == [
        Question("Where?", (Passage("a.md", "in a bucket", 4, 15),)),
        Question("How?", (Passage("b.md", "", 0, 2),), made=True),
    ]


@pytest.mark.parametrize(
    ("start", "length", "contained"), [(0, 30, True), (10, 10, True), (11, 30, False), (0, 19, False), (30, 30, False)]
)
def test_a_chunk_has_a_place_when_it_spans_it(start: int, length: int, contained: bool) -> None:
    """Whatever other place of the file has the same words."""
    chunk = Document("T\n" + "x" * length, metadata={"source": "a.md", "start_index": start, "body_start": 2})
    assert Passage("a.md", start=10, end=20).is_in(chunk) is contained
    assert Passage("a.md", "x" * 8, 10, 20).is_in(chunk) is contained
    # A chunk is cut without the blanks around it.
    assert Passage("a.md", " " * 2 + "x" * 6 + "\n" * 2, 8, 18).is_in(chunk) is (start <= 10 and start + length >= 16)


def test_a_chunk_that_does_not_say_where_it_stands_is_judged_by_the_text() -> None:
    chunk = Document("stored in a bucket", metadata={"source": "a.md"})
    assert Passage("a.md", "in a bucket", 100, 111).is_in(chunk)
    assert not Passage("b.md", start=100, end=111).is_in(chunk)
    with pytest.raises(InputError, match=r"characters 100 to 111 of a\.md cannot be told"):
        Passage("a.md", start=100, end=111).is_in(chunk)
