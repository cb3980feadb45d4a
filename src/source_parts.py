"""Into which part of a collection a source falls: by its name alone, so that every machine says the same."""

import hashlib

# 48 bits: a number that every JSON reader keeps exactly.
PARTS = 2**48


def part_of(source: str) -> int:
    """A number from 0 to below `PARTS`, spread evenly over all names."""
    return int.from_bytes(hashlib.sha256(source.encode("utf-8", "surrogatepass")).digest()[:6])


def shard_range(number: int, count: int) -> range:
    """The parts of the shard `number` of `count`, from 1."""
    return range((number - 1) * PARTS // count, number * PARTS // count)
