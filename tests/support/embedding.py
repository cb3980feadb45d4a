"""Vectors and answers that can be worked out by hand: a hashed bag of words, a quotation."""

import hashlib
import math
import re

_WORD = re.compile(r"\w+")
# So common that two texts about different things share them.
_COMMON = frozenset({
    "a", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "how", "i", "in",
    "is", "it", "of", "on", "or", "that", "the", "this", "to", "with", "you",
})  # fmt: skip
# "stored", "stores" and "store" count as one word.
_STEM = 5


def hashed_words(text: str, dimension: int) -> list[float]:
    """Embed a text: each word counts at a place that its hash gives, the vector has length 1.

    The same on every machine and in every process. Texts that share rare words are near each other, so that a search
    over such vectors finds what it should. A text without words points along the first axis.
    """
    vector = [0.0] * dimension
    for word in _WORD.findall(text.lower()):
        if word in _COMMON:
            continue
        place = int.from_bytes(hashlib.md5(word[:_STEM].encode(), usedforsecurity=False).digest()[:4], "big")
        vector[place % dimension] += 1.0
    length = math.sqrt(sum(value * value for value in vector))
    if not length:
        return [1.0, *vector[1:]]
    return [value / length for value in vector]


def quote_context(system: str, user: str) -> str:
    """Answer a prompt: quote the first line of its <context>, not its number, or else repeat its last line."""
    context = re.search(r"<context>\n(.*)\n</context>", user, re.DOTALL)
    source = context.group(1) if context else user
    stripped = map(str.strip, source.splitlines())
    lines = [line for line in stripped if line and not (context and re.match(r"\[\d+\]", line))]
    if not lines:
        return "There is nothing to quote."
    return f"The documents say: {lines[0]}" if context else f"You said: {lines[-1]}"
