"""What a model gets to read of the passages that answer."""

import pytest
from langchain_core.documents import Document

from milvus_rag.evaluation.evidence import evidence, tokens
from milvus_rag.evaluation.questions import Passage, Question

ANSWER = "Vectors are kept in object storage, the log in a queue."


def _chunk(text: str, source: str = "a.md", **metadata: object) -> Document:
    return Document(text, metadata={"source": source, **metadata})


def _question(*passages: Passage) -> Question:
    return Question("Where?", passages)


@pytest.mark.parametrize(
    ("chunks", "share"),
    [
        ([], 0),
        ([_chunk(f"Storage.\n\n{ANSWER}\n")], 1),
        ([_chunk("Vectors are kept in\n object storage,"), _chunk("the log in a queue.")], 1),
        ([_chunk("Vectors are kept in object storage, yes")], 6 / 11),
        ([_chunk(ANSWER, "b.md")], 0),
        ([_chunk("Vectors are kept.")], 0),
        ([_chunk("Here: Vectors are kept")], 3 / 11),
    ],
)
def test_the_share_of_the_words_that_are_read(chunks: list[Document], share: float) -> None:
    assert evidence(_question(Passage("a.md", ANSWER)), chunks) == pytest.approx(share)


def test_all_passages_of_a_question_count_by_their_words() -> None:
    question = _question(Passage("a.md", "one two three"), Passage("a.md", "four"))
    assert evidence(question, [_chunk("one two three")]) == 0.75


def test_what_is_behind_the_budget_is_not_read() -> None:
    question = _question(Passage("a.md", ANSWER))
    before = _chunk("x" * 400)
    assert evidence(question, [before, _chunk(ANSWER)], budget=100) == 0
    assert evidence(question, [before, _chunk(ANSWER)], budget=120) == 1
    half = evidence(question, [before, _chunk(ANSWER)], budget=107)
    assert 0.3 < half < 0.7
    assert evidence(question, [_chunk(ANSWER), before], budget=20) == 1


def test_characters_of_chinese_are_tokens_and_words() -> None:
    assert tokens("向量数据库") == 5
    assert tokens("vector databases") == 4
    question = _question(Passage("a.md", "向量保存在对象存储"))
    assert evidence(question, [_chunk("说明 向量保存在对象存储。")]) == 1


def test_a_place_without_a_text_is_counted_in_characters() -> None:
    question = _question(Passage("a.md", start=100, end=200))
    chunk = _chunk("Title\n" + "x" * 50, start_index=120, body_start=6)
    assert evidence(question, [chunk]) == 0.5
    assert evidence(question, [chunk, chunk]) == 0.5
    assert evidence(question, [chunk, _chunk("y" * 80, start_index=20)]) == 0.5
    assert evidence(question, [chunk, _chunk("y" * 90, start_index=20, end_index=120)]) == 0.7
