"""What a mean over some questions says about all questions that could be asked: intervals, and whether two differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Efron and Tibshirani, An Introduction to the Bootstrap, 1993: 1,000 or more for the ends of an interval.
_SAMPLES = 10_000
_SEED = 20
# Drawn at once, so that many questions fit into memory.
_BATCH = 500
LEVEL = 0.95
FEW = 30
"""Under so many questions a bootstrap's interval is too narrow."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """How much better one configuration is than another on the same questions.

    Attributes:
        mean: Of the differences, question by question.
        low: Where the interval of 95 % begins.
        high: Where it ends.
        p: How often chance alone gives a difference so far from 0, from 0 to 1.
    """

    mean: float
    low: float
    high: float
    p: float

    @property
    def is_real(self) -> bool:
        """Whether the two differ: the interval is on one side of 0, and so is all but chance."""
        return (self.low > 0 or self.high < 0) and self.p < 1 - LEVEL


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the mean over all questions is, in 95 of 100 cases: the percentiles of a bootstrap, always the same ones.

    Args:
        values: One a question; at least one.
    """
    means = _resampled(np.asarray(values, dtype=np.float64))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def difference(values: Sequence[float], others: Sequence[float]) -> Difference:
    """Compare two configurations on the same questions: a paired bootstrap, and a paired randomisation test.

    The test is beside it because the bootstrap of few questions is sure of everything: of two that both went up it has
    seen none that went down. Smucker, Allan and Carterette, A Comparison of Statistical Significance Tests for
    Information Retrieval Evaluation, CIKM 2007, find that the two agree otherwise.

    Args:
        values: One a question.
        others: The other configuration's, in the same order.
    """
    differences = np.asarray(values, dtype=np.float64) - np.asarray(others, dtype=np.float64)
    mean = float(differences.mean())
    changed = differences[differences != 0]
    if not len(changed):
        return Difference(0.0, 0.0, 0.0, 1.0)
    low, high = interval(differences.tolist())
    return Difference(mean, low, high, _chance(changed))


def _resampled(values: Numbers) -> Numbers:
    random = np.random.default_rng(_SEED)
    means = [
        values[random.integers(0, len(values), size=(_BATCH, len(values)))].mean(axis=1)
        for _ in range(_SAMPLES // _BATCH)
    ]
    return np.concatenate(means)


def _chance(differences: Numbers) -> float:
    """How often the sum is as far from 0 when each difference may as well have been the other way round."""
    random = np.random.default_rng(_SEED)
    # What adding up in another order may lose is no difference.
    reached = abs(differences.sum()) - 1e-9
    as_far = 0
    for _ in range(_SAMPLES // _BATCH):
        signs = random.integers(0, 2, size=(_BATCH, len(differences))) * 2 - 1
        as_far += int((np.abs(signs @ differences) >= reached).sum())
    return (as_far + 1) / (_SAMPLES + 1)
