"""Embedding requests behind OpenAI's protocol: vectors stay as they were sent, and come in the order of the texts.

The client would make an object of each vector, and LangChain a dict of that again, which takes longer than all the rest
of a request; and neither looks at the ``index``. Both ask for base64, which some servers refuse, and others send of
floats of 64 bits.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ...extras import borrowed
from .event_stream import ErrorAnswerError, UnreadableAnswerError, is_error, keys_of, whole_document
from .habits import Habits

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PACKAGE: Final = "openai"
_PATH: Final = "/embeddings"
_FORMAT: Final = "encoding_format"
# The best first: base64 is the quickest to read, and no word of it is what every server understands.
_FORMATS: Final = ("base64", "float")
# Values of embeddings are around 0.01 to 1; bits that mean something else come out as anything.
_LARGEST, _SMALLEST = 1e5, 1e-12
# Of a 64-bit float that was a 32-bit one, the last bits.
_LAST_BITS: Final = 0x1FFF_FFFF


class _MisreadError(Exception):
    """Vectors in base64 that are probably not of 32-bit floats."""


class EmbeddingRequests:
    """OpenAI's resource for embeddings, in whose place it stands in LangChain's class.

    Args:
        resource: The client's resource.
        habits: What the server refuses, shared by sync and async.
    """

    def __init__(self, resource: Any, habits: Habits) -> None:
        self._raw = resource.with_raw_response
        self._client = borrowed(resource, "_client", _PACKAGE)
        self._habits = habits

    def create(self, **arguments: Any) -> dict[str, Any]:
        """Send a request, again in another format where the server refuses the first one.

        Returns:
            The answer, with its vectors in the order of the texts.
        """
        while True:
            sent = _formatted(arguments, self._habits)
            try:
                if _FORMAT in sent:
                    return _in_order(whole_document(self._raw.create(**sent).http_response.content), sent)
                # The resource always sends one.
                return _in_order(self._client.post(_PATH, cast_to=object, body=sent), sent)
            except Exception as exc:
                if not _learns(self._habits, exc, sent):
                    raise


class AsyncEmbeddingRequests:
    """`EmbeddingRequests` for the async client."""

    def __init__(self, resource: Any, habits: Habits) -> None:
        self._raw = resource.with_raw_response
        self._client = borrowed(resource, "_client", _PACKAGE)
        self._habits = habits

    async def create(self, **arguments: Any) -> dict[str, Any]:
        """Send a request, see `EmbeddingRequests.create`."""
        while True:
            sent = _formatted(arguments, self._habits)
            try:
                if _FORMAT in sent:
                    response = (await self._raw.create(**sent)).http_response
                    return _in_order(whole_document(response.content), sent)
                return _in_order(await self._client.post(_PATH, cast_to=object, body=sent), sent)
            except Exception as exc:
                if not _learns(self._habits, exc, sent):
                    raise


def _formatted(arguments: Mapping[str, Any], habits: Habits) -> dict[str, Any]:
    """What is sent: in the format that the caller wants, or else in the best that is not refused."""
    rest = {name: value for name, value in arguments.items() if name != _FORMAT}
    wanted = [arguments[_FORMAT], *_FORMATS] if arguments.get(_FORMAT) else _FORMATS
    chosen = next((value for value in wanted if not habits.refuses(_FORMAT, value)), None)
    return rest if chosen is None else {**rest, _FORMAT: chosen}


def _learns(habits: Habits, exc: Exception, sent: Mapping[str, Any]) -> bool:
    """Whether a request that failed is worth sending once more in another format."""
    if _FORMAT not in sent:
        return False
    if isinstance(exc, _MisreadError):
        habits.refuse(_FORMAT, sent[_FORMAT])
        return True
    return habits.learn(exc, {_FORMAT: sent[_FORMAT]})


def _in_order(body: Any, sent: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise UnreadableAnswerError(f"it is {str(body)[:80]!r}")
    if is_error(body):
        raise ErrorAnswerError(body)
    data = body.get("data")
    if not isinstance(data, list) or not all(isinstance(entry, dict) and "embedding" in entry for entry in data):
        raise UnreadableAnswerError(f"it {keys_of(body)}, and no list of embeddings under 'data'")
    ordered = [data[place] for place in _places([entry.get("index") for entry in data])]
    return {**body, "data": _decoded(ordered, is_asked_for=sent.get(_FORMAT) == _FORMATS[0])}


def _places(indexes: Sequence[Any]) -> Sequence[int]:
    """Where each vector stands, by its number: from 0 or from 1, as number or text; some servers number all of them 0.

    Raises:
        UnreadableAnswerError: Two have one number, and others have others.
    """
    numbers = [_number(index) for index in indexes]
    known = [number for number in numbers if number is not None]
    if len(known) < len(numbers) or len(set(known)) <= 1:
        return range(len(numbers))
    if len(set(known)) < len(known):
        raise UnreadableAnswerError(f"it numbers its vectors {known[:10]}, so that some have the same number")
    return sorted(range(len(known)), key=known.__getitem__)


def _number(index: Any) -> int | None:
    try:
        return int(float(index))
    except (TypeError, ValueError, OverflowError):
        return None


def _decoded(data: list[dict[str, Any]], *, is_asked_for: bool) -> list[dict[str, Any]]:
    """Vectors as numbers: in base64, as they were asked for, or as the server sends them all the same.

    Raises:
        _MisreadError: They were asked for in base64, and are better asked for in words.
        UnreadableAnswerError: They are something else.
    """
    encoded = [entry["embedding"] for entry in data if isinstance(entry["embedding"], str)]
    if not encoded:
        return data
    try:
        bits = [base64.b64decode(text, validate=True) for text in encoded]
        is_of_64_bits = all(map(_is_of_64_bits, bits))
        if is_asked_for and is_of_64_bits:
            raise _MisreadError
        vectors = iter([np.frombuffer(one, dtype="<f8" if is_of_64_bits else "<f4") for one in bits])
    except (binascii.Error, ValueError):
        if is_asked_for:
            raise _MisreadError from None
        raise UnreadableAnswerError("its vectors are neither numbers nor base64 of floats") from None
    return [{**entry, "embedding": next(vectors)} if isinstance(entry["embedding"], str) else entry for entry in data]


def _is_of_64_bits(bits: bytes) -> bool:
    """Whether bits are more likely a vector of 64-bit floats."""
    if not bits or len(bits) % 8:
        return False
    with np.errstate(invalid="ignore", over="ignore"):
        as_32 = np.frombuffer(bits, dtype="<f4")
        as_64 = np.frombuffer(bits, dtype="<f8")
        if not _are_values(as_64) or np.count_nonzero(as_64) * 2 < as_64.size:
            return False
        first_halves: NDArray[np.uint32] = np.frombuffer(bits, dtype="<u4")[::2]
        return not _are_values(as_32) or not np.any(first_halves & _LAST_BITS)


def _are_values(vector: "NDArray[Any]") -> bool:
    sizes = np.abs(vector[vector != 0])
    return bool(np.isfinite(sizes).all() and (sizes < _LARGEST).all() and (sizes > _SMALLEST).all())
