"""The measures, on rankings that can be worked out by hand."""

import math

import pytest
from langchain_core.documents import Document

from milvus_rag.evaluation.measures import MEASURES, measure
from milvus_rag.evaluation.questions import Passage, Question


def _chunk(text: str) -> Document:
    return Document(page_content=text, metadata={"source": "a.md"})


def _question(*passages: str) -> Question:
    return Question("?", tuple(Passage("a.md", text) for text in passages))


def test_ranks_1_4_and_none() -> None:
    found = [
        [_chunk("yes"), _chunk("no")],
        [_chunk("no"), _chunk("no"), _chunk("no"), _chunk("yes")],
        [_chunk("no")],
    ]
    result = measure("x", [_question("yes")] * 3, found, [0.1, 0.2, 0.3])
    assert result.ranks == [1, 4, None]
    assert result.milliseconds == pytest.approx(200)
    assert tuple(result.measures) == MEASURES
    expected = {
        "hit@1": 1 / 3,
        "hit@3": 1 / 3,
        "hit@5": 2 / 3,
        "MRR": (1 + 1 / 4) / 3,
        "nDCG@10": (1 + 1 / math.log2(5)) / 3,
        "evidence": 2 / 3,
    }
    assert result.measures == pytest.approx(expected)


def test_chunks_with_the_same_passage_count_once() -> None:
    """Otherwise overlapping chunks would do better than distinct ones."""
    result = measure("x", [_question("one", "two")], [[_chunk("one"), _chunk("one"), _chunk("two")]], [0.1])
    ideal = 1 + 1 / math.log2(3)
    assert result.measures["nDCG@10"] == pytest.approx((1 + 1 / math.log2(4)) / ideal)


def test_nothing_found_is_zero_and_not_an_error() -> None:
    result = measure("x", [_question("yes")], [[]], [0.1])
    assert set(result.measures.values()) == {0.0}
    assert result.ranks == [None]


def test_what_comes_after_the_tenth_is_not_looked_at() -> None:
    result = measure("x", [_question("yes")], [[*[_chunk("no")] * 10, _chunk("yes")]], [0.1])
    assert result.measures["MRR"] == 0.0
