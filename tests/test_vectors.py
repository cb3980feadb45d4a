"""Checks on vectors, and batches."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.errors import ModelResponseError
from milvus_rag.vectors import BadVectorsError, batches, checked_matrix, numbers, usable


def checked(vectors: Any, *, count: int, dimension: int | None, normalise: bool) -> Any:
    return checked_matrix(vectors, count=count, dimension=dimension, normalise=normalise).tolist()


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

    @pytest.mark.parametrize("normalise", [False, True])
    @pytest.mark.parametrize(
        ("wrong", "why"),
        [
            pytest.param(["0.5", "0.5"], "no vector of numbers", id="numbers as texts"),
            pytest.param([0.5, "0.5"], "no vector of numbers", id="a number as text"),
            pytest.param([True, 0.5], "no vector of numbers", id="a boolean"),
            pytest.param([np.True_, 0.5], "no vector of numbers", id="a boolean of numpy's"),
            pytest.param(np.array([True, False]), "no vector of numbers", id="an array of booleans"),
            pytest.param([1j, 0.5], "no vector of numbers", id="complex"),
            pytest.param(np.array([1j, 0.5]), "no vector of numbers", id="an array of complex"),
            pytest.param([[0.5], [0.5]], "no vector of numbers", id="nested"),
            pytest.param({0: 0.5, 1: 0.5}, "no vector of numbers", id="sparse"),
            pytest.param("ab", "no vector of numbers", id="a text"),
            pytest.param([10**400, 0.5], "no vector of numbers", id="no float"),
            pytest.param(None, "no vector of numbers", id="nothing"),
            pytest.param([math.nan, 0.5], "not a number", id="NaN"),
            pytest.param(np.array([np.inf, 0.5], dtype=np.float16), "infinite", id="infinite"),
            pytest.param([0.0, -0.0], "zeros", id="zeros"),
            pytest.param([0.5], "1 values where 2 are expected", id="shorter"),
            pytest.param([], "0 values where 2 are expected", id="empty"),
        ],
    )
    def test_says_which_is_wrong(self, wrong: Any, why: str, normalise: bool) -> None:
        """In a list of lists, and where all others are arrays."""
        for good in ([0.0, 1.0], np.array([0.0, 1.0], dtype=np.float32)):
            with pytest.raises(BadVectorsError, match=rf"{why}.* \(embedding 3 of 4\)$"):
                checked([good, good, wrong, good], count=4, dimension=2, normalise=normalise)

    def test_refuses_what_32_bits_cannot_hold(self) -> None:
        """Milvus keeps such floats; but what is scaled may be as large as it likes."""
        huge, tiny = [[1e300, 1e300]], [[1e-300, 1e-300]]
        with pytest.raises(BadVectorsError, match="infinite as a 32-bit float"):
            checked(huge, count=1, dimension=2, normalise=False)
        with pytest.raises(BadVectorsError, match="zeros"):
            checked(tiny, count=1, dimension=2, normalise=False)
        assert checked(huge, count=1, dimension=2, normalise=True) == checked(
            tiny, count=1, dimension=2, normalise=True
        )

    def test_zeros_are_a_place_where_distances_count(self) -> None:
        zeros = [[0.0, 0.0], [3.0, 4.0]]
        assert checked_matrix(zeros, count=2, dimension=2, normalise=False, zeros=True).tolist() == zeros
        assert checked_matrix(zeros, count=2, dimension=2, normalise=True, zeros=True).tolist()[0] == [0.0, 0.0]

    @pytest.mark.parametrize("answer", [None, 7, {"data": []}, "ab", iter([[0.5], [0.5]]), np.array([0.5, 0.5])])
    def test_refuses_an_answer_that_is_no_list_of_vectors(self, answer: Any) -> None:
        with pytest.raises(BadVectorsError, match=r"no vector of numbers|vectors for 2 texts"):
            checked(answer, count=2, dimension=None, normalise=False)

    def test_does_not_change_what_it_is_given(self) -> None:
        given_matrix = np.array([[3.0, 4.0]])
        checked(given_matrix, count=1, dimension=2, normalise=True)
        assert given_matrix.tolist() == [[3.0, 4.0]]

    def test_is_one_error_of_ours_with_the_same_words(self) -> None:
        with pytest.raises(ModelResponseError, match=r"^The model m answered 1 vectors for 2 texts\.$"):
            usable([[0.5]], count=2, who="The model m")

    def test_an_array_is_not_looked_through_value_by_value(self) -> None:
        """A sync checks millions of values; `numbers` hands an array on as it is."""

        class Matrix(np.ndarray[Any, Any]):
            def __iter__(self) -> Any:
                raise AssertionError("was gone through")

        matrix = np.ones((64, 384)).view(Matrix)
        assert checked_matrix(matrix, count=64, dimension=384, normalise=False).shape == (64, 384)
        assert np.shares_memory(numbers(matrix, count=64), matrix)


VALUES = st.one_of(
    st.floats(width=32), st.floats(), st.integers(-3, 3), st.booleans(), st.none(), st.sampled_from(["1", "a"])
)


@given(rows=st.lists(st.lists(VALUES, min_size=2, max_size=2), min_size=1, max_size=4))
def test_takes_what_one_by_one_are_numbers(rows: list[list[Any]]) -> None:
    """The oracle looks at each value by itself."""

    def is_good(value: Any) -> bool:
        return type(value) in (int, float) and abs(value) < 3.4028235677973366e38

    good = all(is_good(value) for row in rows for value in row) and all(np.any(np.float32(row)) for row in rows)
    try:
        assert checked(rows, count=len(rows), dimension=2, normalise=False) == rows
    except BadVectorsError:
        assert not good
    else:
        assert good


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
