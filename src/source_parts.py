"""Into which part of a collection a source falls: by its name alone, so that every machine says the same."""

import hashlib
from typing import Any

from .errors import InputError

# 48 bits: a number that every JSON reader keeps exactly.
PARTS = 2**48


def part_of(source: str) -> int:
    """A number from 0 to below `PARTS`, spread evenly over all names."""
    return int.from_bytes(hashlib.sha256(source.encode("utf-8", "surrogatepass")).digest()[:6])


def shard_range(number: int, count: int) -> range:
    """The parts of the shard `number` of `count`, from 1."""
    return range((number - 1) * PARTS // count, number * PARTS // count)


def check_shard(shard: Any) -> None:
    """Raise an `InputError` for what is no shard, ``(number, count)``; None is all, and right."""
    if shard is None:
        return
    is_pair = isinstance(shard, tuple) and len(shard) == 2 and all(type(number) is int for number in shard)
    if not is_pair or not 1 <= shard[0] <= shard[1]:
        raise InputError(
            f"A shard is (number, count) with 1 <= number <= count, e.g. (2, 4) for the second of four, not {shard!r}."
        )


def is_in_shard(source: str, shard: tuple[int, int] | None) -> bool:
    """Whether a source falls into a shard; all fall into None."""
    return shard is None or part_of(source) in shard_range(*shard)
