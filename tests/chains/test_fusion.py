"""The mathematics of fusion, worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milvus_rag.chains.fusion import (
    RRF_K,
    add_section_evidence,
    reciprocal_rank_fusion,
    weighted_fusion,
    weights_by_standout,
)

LEG = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(-2, 30, allow_nan=False), max_size=8)


def test_rrf_adds_reciprocal_ranks() -> None:
    fused = reciprocal_rank_fusion([["a", "b", "c"], ["c", "d"]])

    assert RRF_K == 60
    assert fused == pytest.approx({"c": 1 / 63 + 1 / 61, "a": 1 / 61, "b": 1 / 62, "d": 1 / 62})
    assert list(fused) == ["c", "a", "b", "d"]


def test_rrf_constant_and_weights() -> None:
    fused = reciprocal_rank_fusion([["a", "b"], ["b", "a"]], k=1, weights=[3.0, 1.0])

    assert fused == pytest.approx({"a": 3 / 2 + 1 / 3, "b": 3 / 3 + 1 / 2})


def test_weighted_fusion_scales_from_zero_when_a_search_gave_all_it_had() -> None:
    dense = {"a": 0.8, "b": 0.4}
    full_text = {"b": 10.0, "c": 5.0}

    fused = weighted_fusion([dense, full_text], [0.5, 0.5], limit=50)

    assert fused == pytest.approx({"b": 0.5 * 0.5 + 0.5 * 1.0, "a": 0.5 * 1.0, "c": 0.5 * 0.5})
    assert list(fused) == ["b", "a", "c"]


def test_weighted_fusion_scales_from_the_last_hit_when_a_search_was_cut_off() -> None:
    dense = {"a": 0.8, "b": 0.7, "c": 0.4}

    fused = weighted_fusion([dense, {}], [1.0, 1.0], limit=3)

    assert fused == pytest.approx({"a": 0.5, "b": 0.5 * 0.75, "c": 0.0})


def test_weighted_fusion_takes_only_the_ratio_of_the_weights() -> None:
    legs = [{"a": 1.0, "b": 0.5}, {"b": 3.0}]

    assert weighted_fusion(legs, [2.0, 6.0], limit=9) == weighted_fusion(legs, [0.25, 0.75], limit=9)


def test_a_weight_of_zero_leaves_a_search_without_a_say() -> None:
    fused = weighted_fusion([{"a": 1.0, "b": 0.5}, {"b": 9.0}], [1.0, 0.0], limit=9)

    assert fused == pytest.approx({"a": 1.0, "b": 0.5})


def test_a_single_hit_is_the_best_one() -> None:
    assert weighted_fusion([{"a": 0.0}, {}], [0.5, 0.5], limit=1) == {"a": 0.5}


@given(st.lists(LEG, min_size=2, max_size=2), st.integers(1, 9))
def test_weighted_scores_are_from_zero_to_one_and_sorted(legs: list[dict[str, float]], limit: int) -> None:
    fused = weighted_fusion(legs, [0.5, 0.5], limit=limit)

    assert fused.keys() == legs[0].keys() | legs[1].keys()
    assert all(-1e-9 <= score <= 1 + 1e-9 for score in fused.values())
    assert list(fused.values()) == sorted(fused.values(), reverse=True)


@given(LEG, st.integers(1, 9))
def test_fusing_a_search_with_nothing_keeps_its_order(leg: dict[str, float], limit: int) -> None:
    ranked = dict(sorted(leg.items(), key=lambda item: -item[1]))

    fused = weighted_fusion([ranked, {}], [0.5, 0.5], limit=limit)

    assert [ranked[key] for key in fused] == sorted(ranked.values(), reverse=True)


def test_a_hit_gains_a_share_of_the_best_other_hit_of_its_section() -> None:
    fused = {"a": 1.0, "b": 0.6, "c": 0.5, "d": 0.4}
    sections = {"a": "x", "b": "y", "c": "x", "d": "x"}

    gained = add_section_evidence(fused, sections, share=0.2)

    assert gained == pytest.approx(
        {"a": (1.0 + 0.2 * 0.5) / 1.2, "c": (0.5 + 0.2 * 1.0) / 1.2, "d": (0.4 + 0.2 * 1.0) / 1.2, "b": 0.6 / 1.2}
    )
    assert list(gained) == ["a", "c", "d", "b"]


def test_hits_without_a_section_gain_nothing_from_each_other() -> None:
    assert add_section_evidence({"a": 0.6, "b": 0.3}, {"a": None}, share=0.5) == pytest.approx({"a": 0.4, "b": 0.2})


def test_two_equal_hits_gain_from_each_other() -> None:
    gained = add_section_evidence({"a": 0.6, "b": 0.6}, {"a": "x", "b": "x"}, share=0.5)

    assert gained == pytest.approx({"a": 0.6, "b": 0.6})


SCORES = st.lists(st.floats(0.001, 100), min_size=1, max_size=60).map(lambda scores: sorted(scores, reverse=True))


@given(SCORES, st.floats(0.01, 100))
def test_weights_follow_how_far_the_best_hit_stands_out(scores: list[float], factor: float) -> None:
    dense, full_text = weights_by_standout(scores)
    assert 0.2 <= dense <= 0.5
    assert dense + full_text == pytest.approx(1)
    # Whatever BM25's scale is in a collection.
    assert weights_by_standout([score * factor for score in scores])[0] == pytest.approx(dense)
    # The further it stands out, the less is asked of meaning; what is behind the tenth hit does not matter.
    assert weights_by_standout([scores[0] * 2, *scores[1:]])[0] <= dense + 1e-9 or len(scores) == 1
    assert weights_by_standout([*scores[:10], *([0.0001] if len(scores) > 10 else [])])[0] == pytest.approx(dense)


@pytest.mark.parametrize(
    ("scores", "dense"),
    [
        ([], 0.5),
        ([3.0], 0.5),
        ([3.0] * 12, 0.5),
        ([10.0, *[5.5] * 9], 0.5),
        ([10.0, *[2.0] * 9], 0.2),
        ([10.0, *[3.75] * 9], 0.35),
        ([10.0, *[0.0] * 9], 0.2),
    ],
)
def test_weights_at_the_ends_and_between(scores: list[float], dense: float) -> None:
    assert weights_by_standout(scores) == pytest.approx((dense, 1 - dense))
