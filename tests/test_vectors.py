"""Checks on vectors, and batches."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.vectors import BadVectorsError, batches, checked


class TestChecked:
    def test_scales_to_length_one(self) -> None:
        [vector] = checked([[3.0, 4.0]], count=1, dimension=2, normalise=True)
        assert vector == [0.6, 0.8]

    @pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
    def test_scales_the_very_long_and_the_very_short(self, scale: float) -> None:
        [vector] = checked([[3 * scale, 4 * scale]], count=1, dimension=2, normalise=True)
        assert vector == pytest.approx([0.6, 0.8])

    def test_nothing_is_nothing(self) -> None:
        assert checked([], count=0, dimension=2, normalise=True) == []

    def test_leaves_lengths_alone_where_that_is_asked(self) -> None:
        assert checked([[3.0, 4.0]], count=1, dimension=2, normalise=False) == [[3.0, 4.0]]

    @pytest.mark.parametrize(
        ("vectors", "count", "dimension", "why"),
        [
            ([[1.0]], 2, 1, "1 vectors for 2 texts"),
            ([[1.0], [1.0]], 1, 1, "2 vectors for 1 texts"),
            ([[1.0]], 1, 2, "1 values where 2 are expected"),
            ([[1.0, 0.0], [1.0]], 2, None, "1 values where 2 are expected"),
            ([[]], 1, None, "0 values"),
            ([[math.nan, 1.0]], 1, 2, "not a number"),
            ([[math.inf, 1.0]], 1, 2, "infinite"),
            ([[0.0, 0.0]], 1, 2, "zeros"),
            ([None], 1, 2, "no vector of numbers"),
            ([["a", "b"]], 1, 2, "no vector of numbers"),
            ([7], 1, 2, "no vector of numbers"),
            ([[True, False]], 1, 2, "no vector of numbers"),
            ([[[1.0, 2.0], [1.0, 2.0]]], 1, 2, "no vector of numbers"),
            ([[None, 1.0]], 1, 2, "no vector of numbers"),
        ],
    )
    def test_refuses_all_where_one_is_bad(
        self, vectors: list[object], count: int, dimension: int | None, why: str
    ) -> None:
        with pytest.raises(BadVectorsError, match=why):
            checked(vectors, count=count, dimension=dimension, normalise=True)


@given(
    texts=st.lists(st.text(max_size=30), max_size=40),
    most=st.integers(min_value=1, max_value=10),
    most_chars=st.integers(min_value=1, max_value=60),
)
def test_batches_keep_every_text_in_order_under_both_limits(texts: list[str], most: int, most_chars: int) -> None:
    cut = list(batches(texts, most=most, most_chars=most_chars))
    assert [text for batch in cut for text in batch] == texts
    assert all(0 < len(batch) <= most for batch in cut)
    assert all(len(batch) == 1 or sum(map(len, batch)) <= most_chars for batch in cut)


def test_batches_are_as_large_as_they_may_be() -> None:
    assert list(batches(["aa", "bb", "cc", "d"], most=3, most_chars=4)) == [["aa", "bb"], ["cc", "d"]]
