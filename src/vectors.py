"""Checks on what an embedding model answers."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NO_VECTOR = "answered something that is no vector of numbers"


class BadVectorsError(ValueError):
    """Vectors that cannot be stored. The message says why, as the end of a sentence about who sent them."""


def checked(vectors: Sequence[Any], *, count: int, dimension: int | None, normalise: bool) -> list[list[float]]:
    """Check vectors, all or none; see `checked_matrix`."""
    matrix = checked_matrix(vectors, count=count, dimension=dimension, normalise=normalise)
    rows: list[list[float]] = matrix.tolist()
    return rows


def checked_matrix(
    vectors: Sequence[Any], *, count: int, dimension: int | None, normalise: bool
) -> "NDArray[np.float64]":
    """Check vectors, all or none.

    Args:
        vectors: One for each text.
        count: How many texts there were.
        dimension: How long each must be, ``None`` where it is not known; then all must be as long as the first.
        normalise: Whether to scale each to length 1.

    Returns:
        The vectors, of shape ``(count, dimension)``.

    Raises:
        BadVectorsError: One is missing, too short or long, not finite, or zero where it is to be normalised.
    """
    if len(vectors) != count:
        raise BadVectorsError(f"answered {len(vectors)} vectors for {count} texts")
    if not count:
        return np.empty((0, dimension or 0))
    matrix = _as_matrix(vectors)
    size = matrix.shape[1]
    if not size or size != (dimension or size):
        raise _wrong_size(size, dimension)
    if not np.isfinite(matrix).all():
        raise BadVectorsError("answered a vector with a value that is not a number, or infinite")
    if normalise:
        # The squares of very large or small values are infinite or zero.
        largest = np.abs(matrix).max(axis=1, keepdims=True)
        if not largest.all():
            raise BadVectorsError("answered a vector of zeros, which has no direction")
        matrix /= largest
        matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix


def _as_matrix(vectors: Sequence[Any]) -> "NDArray[np.float64]":
    try:
        sizes = sorted({len(vector) for vector in vectors})
        matrix = np.asarray(vectors) if len(sizes) == 1 else None
    except (TypeError, ValueError) as exc:
        raise BadVectorsError(_NO_VECTOR) from exc
    if matrix is None:
        raise _wrong_size(sizes[0], sizes[-1])
    # Anything else would be taken for numbers too: texts, booleans, nothing.
    if matrix.ndim != 2 or (matrix.size and matrix.dtype.kind not in "fiu"):
        raise BadVectorsError(_NO_VECTOR)
    return matrix.astype(np.float64)


def _wrong_size(size: int, expected: int | None) -> BadVectorsError:
    return BadVectorsError(f"answered a vector of {size} values where {expected or 'some'} are expected")


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
