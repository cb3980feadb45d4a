"""Whether two texts are mostly the same, however they were cut into chunks."""

from collections.abc import Collection, Iterable, Mapping
from zlib import crc32

# Words that follow each other: one alone stands in too many texts.
_WORDS = 4
_ALIKE = 0.5


def word_digests(texts: Iterable[str]) -> frozenset[int]:
    """Digests of all runs of a few words in some texts."""
    return frozenset(
        crc32(" ".join(words[i : i + _WORDS]).encode("utf-8", "surrogatepass"))
        for words in map(str.split, texts)
        for i in range(max(1, len(words) - _WORDS + 1))
        if words
    )


def are_alike(before: Mapping[str, Collection[str]], now: Mapping[str, Collection[int]]) -> bool:
    """Whether at least half of the words that sources had are in the same sources now.

    Args:
        before: Texts of chunks by source.
        now: `word_digests` by source.
    """
    kept = total = 0
    for source, texts in before.items():
        old = word_digests(texts)
        total += len(old)
        kept += len(old.intersection(now.get(source, ())))
    return total > 0 and kept >= _ALIKE * total
