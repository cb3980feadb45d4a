"""The one check on what an embedding model answers, wherever the answer comes from; and batches of texts."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ModelResponseError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NO_VECTOR = "answered something that is no vector of numbers"


class BadVectorsError(ValueError):
    """Vectors that cannot be stored. The message says why, as the end of a sentence about who sent them."""


def usable(
    vectors: Any,
    *,
    count: int,
    dimension: int | None = None,
    normalise: bool = False,
    zeros: bool = False,
    who: str = "The embedding model",
) -> "NDArray[np.float64]":
    """Check vectors, all or none; see `checked_matrix`.

    Args:
        vectors: As `checked_matrix` takes them, and so the next four.
        count: How many texts there were.
        dimension: How long each must be.
        normalise: Whether to scale each to length 1.
        zeros: Whether a vector of zeros is one.
        who: Whose they are, for the message.

    Raises:
        ModelResponseError: They cannot be used.
    """
    try:
        return checked_matrix(vectors, count=count, dimension=dimension, normalise=normalise, zeros=zeros)
    except BadVectorsError as exc:
        raise ModelResponseError(f"{who} {exc}.") from exc


def checked_matrix(
    vectors: Any, *, count: int, dimension: int | None, normalise: bool, zeros: bool = False
) -> "NDArray[np.float64]":
    """Check vectors, all or none.

    Args:
        vectors: One for each text: any sequences of numbers, or a matrix.
        count: How many texts there were.
        dimension: How long each must be, ``None`` where it is not known; then all must be as long as the first.
        normalise: Whether to scale each to length 1.
        zeros: Whether a vector of zeros is one. It has no direction, so by ``IP`` and ``COSINE`` it is equally far from
            everything and never found for what it says; only ``L2`` can do something with it.

    Returns:
        The vectors, of shape ``(count, dimension)``; as 32-bit floats, which Milvus keeps, they are finite too.

    Raises:
        BadVectorsError: One is missing, too short or long, not of finite numbers, or zero.
    """
    matrix = numbers(vectors, count=count, dimension=dimension)
    if not count:
        return np.empty((0, dimension or 0))
    if normalise and np.isfinite(matrix).all():
        # The squares of very large or small values are infinite or zero.
        largest = np.abs(matrix).max(axis=1, keepdims=True)
        matrix = np.divide(matrix, largest, out=np.zeros_like(matrix), where=largest > 0)
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        np.divide(matrix, lengths, out=matrix, where=lengths > 0)
    with np.errstate(over="ignore"):
        kept = matrix.astype(np.float32, copy=False)
    finite = np.isfinite(kept)
    if not finite.all():
        what = "answered a vector with a value that is not a number, or infinite as a 32-bit float"
        raise _bad(what, int(np.argmin(finite.all(axis=1))), count)
    directed = kept.any(axis=1)
    if not zeros and not directed.all():
        raise _bad("answered a vector of zeros, which has no direction", int(np.argmin(directed)), count)
    return matrix


def numbers(vectors: Any, *, count: int, dimension: int | None = None) -> "NDArray[np.float64]":
    """Vectors as a matrix, whatever their values: numbers, and no booleans, texts or nothing.

    Args:
        vectors: Any sequences of numbers, or a matrix.
        count: How many there must be.
        dimension: How long each must be, ``None`` where it is not known.

    Returns:
        Of shape ``(count, dimension)``; it may be the matrix that was given.

    Raises:
        BadVectorsError: They are something else.
    """
    try:
        found = len(vectors)
    except TypeError as exc:
        raise BadVectorsError(_NO_VECTOR) from exc
    if found != count:
        raise BadVectorsError(f"answered {found} vectors for {count} texts")
    matrix = _as_matrix(vectors)
    if found and (matrix is None or not matrix.shape[1] or matrix.shape[1] != (dimension or matrix.shape[1])):
        raise _reason(vectors, dimension)
    return np.empty((0, 0)) if matrix is None else matrix.astype(np.float64, copy=False)


def _as_matrix(vectors: Any) -> "NDArray[Any] | None":
    try:
        matrix = np.asarray(vectors)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None
    # Anything else would be taken for numbers too: texts, booleans, nothing.
    if matrix.ndim != 2 or (matrix.size and matrix.dtype.kind not in "fiu"):
        return None
    if isinstance(vectors, np.ndarray):
        return matrix
    # Among numbers, booleans have become 0 and 1: only vectors with such a value are looked through.
    suspects = np.flatnonzero(((matrix == 0) | (matrix == 1)).any(axis=1))
    return None if any(_has_booleans(vectors[row]) for row in suspects) else matrix


def _has_booleans(vector: Any) -> bool:
    kinds = {vector.dtype.type} if isinstance(vector, np.ndarray) else set(map(type, vector))
    return not kinds.isdisjoint({bool, np.bool_})


def _reason(vectors: Any, dimension: int | None) -> BadVectorsError:
    """Why these are no matrix: the first vector that is none, or has another length than expected."""
    for place, vector in enumerate(vectors):
        matrix = _as_matrix([vector])
        if matrix is None:
            return _bad(_NO_VECTOR, place, len(vectors))
        size = matrix.shape[1]
        dimension = dimension or size
        if not size or size != dimension:
            return _bad(
                f"answered a vector of {size} values where {dimension or 'some'} are expected", place, len(vectors)
            )
    return BadVectorsError(_NO_VECTOR)


def _bad(what: str, place: int, count: int) -> BadVectorsError:
    return BadVectorsError(f"{what} (embedding {place + 1} of {count})" if count > 1 else what)


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
