"""Whether a change is named, and when none is."""

from typing import Any

import numpy as np
import pytest

from milvus_rag.evaluation.configurations import configurations
from milvus_rag.evaluation.measures import MEASURES, Result
from milvus_rag.evaluation.suggestion import judged
from milvus_rag.settings import Settings


def _result(values: list[float]) -> Result:
    return Result("x", {name: [*values] for name in MEASURES}, [None] * len(values), 1.0, 0.0)


def test_a_change_that_helps_is_named_with_its_option_and_variable() -> None:
    dice = np.random.default_rng(1)
    now = dice.choice([0.25, 0.5, 1.0], size=60).tolist()
    better = [min(1.0, value + float(dice.choice([0.0, 0.3]))) for value in now]
    suggestion = judged(_result(now), [({"weights": (0.3, 0.7)}, _result(better)), ({"fusion": "rrf"}, _result(now))])
    assert suggestion.better is not None
    assert suggestion.better.variables == {"MILVUS_RAG_WEIGHTS": "0.3,0.7"}
    assert "Set --weights 0.3,0.7 " in suggestion.told
    assert "n = 60" in suggestion.told
    assert suggestion.left_out == pytest.approx(suggestion.better.difference.mean)
    assert suggestion.as_dict()["set"] == {"MILVUS_RAG_WEIGHTS": "0.3,0.7"}


def test_the_best_of_many_that_do_nothing_is_not_named() -> None:
    """One of twenty is better by a single test of one in twenty."""
    dice = np.random.default_rng(5)
    now = dice.random(40).tolist()
    tried: list[tuple[dict[str, Any], Result]] = [
        ({"weights": (n, 1.0)}, _result(dice.random(40).tolist())) for n in range(20)
    ]
    suggestion = judged(_result(now), tried)
    assert suggestion.better is None
    assert suggestion.told.startswith("Leave the settings as they are: of 20 changes none")
    assert suggestion.as_dict()["set"] is None


def test_a_gain_that_nobody_notices_is_not_named() -> None:
    now = [0.5] * 100
    suggestion = judged(_result(now), [({"chunk_size": 600}, _result([0.505] * 100))])
    assert suggestion.trials[0].difference.is_real
    assert suggestion.better is None


def test_an_index_of_other_chunks_is_made_anew() -> None:
    suggestion = judged(_result([0.1] * 50), [({"chunk_size": 600}, _result([0.6] * 50))])
    assert "--chunk-size 600 and index anew (--rebuild)" in suggestion.told


def test_combinations_that_differ_in_nothing_are_one() -> None:
    tried: dict[str, Any] = {
        "splitter": ["markdown", "marker"], "chunk_size": [600, 1200], "mode": ["full_text", "hybrid"],
        "weights": [(0.3, 0.7), "auto", "auto"],
    }  # fmt: skip
    names = [way.name for way in configurations(Settings(), tried, is_cut=True)]
    assert names == [
        f"{cut}, {searched}"
        for cut in ("markdown 600", "markdown 1200", "marker")
        for searched in ("full_text", "hybrid, weights 0.3,0.7", "hybrid, weights auto")
    ]


def test_long_chunks_are_not_named_for_being_found() -> None:
    longer = _result([0.9] * 50)
    longer.values["evidence"] = [0.3] * 50
    now = _result([0.4] * 50)
    assert judged(now, [({"chunk_size": 2000}, longer)]).better is None
