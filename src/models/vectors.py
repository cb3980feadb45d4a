"""Checks on what an embedding model answers."""

import math
from collections.abc import Iterator, Sequence
from typing import Any


class BadVectorsError(ValueError):
    """Vectors that cannot be stored. The message says why, as the end of a sentence about who sent them."""


def checked(vectors: Sequence[Any], *, count: int, dimension: int | None, normalise: bool) -> list[list[float]]:
    """Check vectors, all or none.

    Args:
        vectors: One for each text.
        count: How many texts there were.
        dimension: How long each must be, ``None`` where it is not known; then all must be as long as the first.
        normalise: Whether to scale each to length 1.

    Returns:
        The vectors, ``count`` lists of ``dimension`` floats.

    Raises:
        BadVectorsError: One is missing, too short or long, not finite, or zero where it is to be normalised.
    """
    if len(vectors) != count:
        raise BadVectorsError(f"answered {len(vectors)} vectors for {count} texts")
    expected = dimension
    result = []
    for vector in vectors:
        try:
            size, length = len(vector), math.hypot(*vector)
        except TypeError as exc:
            raise BadVectorsError("answered something that is no vector of numbers") from exc
        if expected is None:
            expected = size
        if size != expected or not size:
            raise BadVectorsError(f"answered a vector of {size} values where {expected} are expected")
        if not math.isfinite(length):
            raise BadVectorsError("answered a vector with a value that is not a number, or infinite")
        if normalise and not length:
            raise BadVectorsError("answered a vector of zeros, which has no direction")
        result.append([value / length for value in vector] if normalise else list(vector))
    return result


def batches(texts: Sequence[str], *, most: int, most_chars: int) -> Iterator[list[str]]:
    """Cut texts into batches, in order.

    Args:
        texts: What to cut.
        most: Most texts in a batch.
        most_chars: Most characters in a batch. A text that is longer alone makes a batch of its own.
    """
    batch: list[str] = []
    chars = 0
    for text in texts:
        if batch and (len(batch) == most or chars + len(text) > most_chars):
            yield batch
            batch, chars = [], 0
        batch.append(text)
        chars += len(text)
    if batch:
        yield batch
