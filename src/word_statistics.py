"""How often words occur in a collection, so that it is known what each of them is worth."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

# Rows that are counted: one request of two or three megabytes. What a word is worth changes with the logarithm of its
# frequency, so more rows would change little.
SAMPLE = 2000


@dataclass(frozen=True, slots=True)
class WordStatistics:
    """Counts of some or all rows.

    Attributes:
        rows: That were counted.
        rows_with: By term, in how many of them it occurs.
        mean_length: Terms that a row has, at least 1.
        is_whole: Whether these are all rows of the collection.
    """

    rows: int
    rows_with: Mapping[str, int]
    mean_length: float
    is_whole: bool

    @classmethod
    def of(cls, texts: Iterable[str], *, is_whole: bool) -> Self:
        """Count analysed texts, whose terms are joined by blanks."""
        rows = length = 0
        rows_with: Counter[str] = Counter()
        for text in texts:
            terms = text.split()
            rows += 1
            length += len(terms)
            rows_with.update(set(terms))
        return cls(rows, rows_with, max(1.0, length / max(1, rows)), is_whole)

    def has(self, term: str) -> bool:
        """Whether a term was counted."""
        return term in self.rows_with

    def weight(self, term: str) -> float:
        """Robertson's inverse document frequency, over 0."""
        occurs = self.rows_with.get(term, 0)
        return math.log(1 + (self.rows - occurs + 0.5) / (occurs + 0.5))
