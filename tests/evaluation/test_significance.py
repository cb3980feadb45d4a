"""Intervals and differences of means."""

import statistics

import numpy as np
import pytest

from milvus_rag.evaluation.significance import difference, interval


def test_an_interval_is_that_of_the_normal_distribution_where_there_are_many() -> None:
    values = np.random.default_rng(7).random(400).tolist()
    low, high = interval(values)
    error = 1.96 * statistics.stdev(values) / len(values) ** 0.5
    assert low == pytest.approx(statistics.fmean(values) - error, abs=0.005)
    assert high == pytest.approx(statistics.fmean(values) + error, abs=0.005)
    assert interval(values) == (low, high)


def test_two_that_differ_by_chance_do_not_differ() -> None:
    dice = np.random.default_rng(3)
    wrong = 0
    for _ in range(40):
        one, other = dice.choice([0.0, 0.5, 1.0], size=(2, 50)).tolist()
        wrong += difference(one, other).is_real
    assert wrong <= 6


def test_a_small_gain_on_every_question_is_real_and_one_on_few_is_not() -> None:
    base = [n / 100 for n in range(50)]
    assert difference([value + 0.1 for value in base], base).is_real
    gained = [value + (0.5 if n < 3 else 0) for n, value in enumerate(base)]
    assert not difference(gained, base).is_real
    assert difference(gained, base).p == pytest.approx(0.25, abs=0.03)


def test_two_questions_prove_nothing() -> None:
    """Of which a bootstrap alone is sure."""
    assert difference([1.0, 1.0], [0.0, 0.0]).low == 1.0
    assert not difference([1.0, 1.0], [0.0, 0.0]).is_real


def test_the_same_is_the_same() -> None:
    same = difference([0.1, 0.7], [0.1, 0.7])
    assert (same.mean, same.low, same.high, same.p, same.is_real) == (0, 0, 0, 1, False)
