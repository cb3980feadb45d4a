"""What a model gets to read: the share of the passages that answer, within a budget of tokens."""

import re
from collections.abc import Iterator, Sequence

from langchain_core.documents import Document

from ..chunk_keys import BODY_START_KEY, END_INDEX_KEY
from .questions import Passage, Question, normal, place_of

BUDGET = 1000
"""Tokens, by default: about what three passages of 1,200 characters have, titles included."""

# Characters of Chinese, Japanese and Korean: about a token each. Of other writing a token has about four.
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_IDEOGRAPH = re.compile(f"[{_IDEOGRAPHS}]")
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+")
_CHARACTERS_PER_TOKEN = 4
# So many characters in a row are the passage's and no chance, since they have to be of its file too.
_RUN = 20
# Fewer are, where a passage was cut in two and begins or ends with them.
_EDGE = 3


def tokens(text: str) -> float:
    """About how many tokens a text has, whichever model reads it."""
    ideographs = len(_IDEOGRAPH.findall(text))
    return ideographs + (len(text) - ideographs) / _CHARACTERS_PER_TOKEN


def evidence(question: Question, chunks: Sequence[Document], *, budget: float = BUDGET) -> float:
    """The share of the words of a question's passages that a model reads.

    Args:
        question: With its passages; where there are several, all of their words count together.
        chunks: Best first, as they are put before the model.
        budget: Tokens; what is behind is cut off.

    Returns:
        From 0 to 1. Of a passage that has a place and no text, characters are counted in place of words.
    """
    read = _within(chunks, budget)
    shares = [_share(passage, [chunk for chunk in read if passage.is_of(chunk)]) for passage in question.passages]
    return sum(found for found, _ in shares) / sum(size for _, size in shares)


def _within(chunks: Sequence[Document], budget: float) -> list[Document]:
    """The chunks that a budget has room for, the last of them cut off."""
    read: list[Document] = []
    for chunk in chunks:
        text, costs = chunk.page_content, tokens(chunk.page_content)
        if costs > budget:
            # One step is near enough: where writing is mixed, its parts are mostly mixed alike.
            text = text[: int(len(text) * budget / costs)]
        metadata = dict(chunk.metadata)
        if isinstance(end := metadata.get(END_INDEX_KEY), int):
            metadata[END_INDEX_KEY] = end - (len(chunk.page_content) - len(text))
        read.append(Document(text, metadata=metadata))
        budget -= costs
        if budget <= 0:
            break
    return read


def _share(passage: Passage, chunks: Sequence[Document]) -> tuple[float, float]:
    """So many words of a passage are read, and so many it has."""
    if not passage.text and passage.start is not None and passage.end is not None:
        begin, end = passage.start, passage.end
        places = [place for place in map(place_of, chunks) if place]
        covered = {at for first, behind in places for at in range(max(begin, first), min(end, behind))}
        return len(covered), end - begin
    text = normal(passage.text)
    words = [match.span() for match in _WORD.finditer(text)] or [(0, len(text))]
    held: set[int] = set()
    for chunk in chunks:
        held.update(_held(text, chunk))
    return sum(held.issuperset(range(*word)) for word in words), len(words)


def _held(text: str, chunk: Document) -> Iterator[int]:
    """Places of the characters of a passage that a chunk of its file has."""
    body = chunk.metadata.get(BODY_START_KEY)
    read, own = normal(chunk.page_content), normal(chunk.page_content[body if isinstance(body, int) else 0 :])
    run = min(_RUN, len(text))
    for at in range(len(text) - run + 1):
        if text[at : at + run] in read:
            yield from range(at, at + run)
    for length in range(run - 1, _EDGE - 1, -1):
        if read.endswith(text[:length]):
            yield from range(length)
        if own.startswith(text[-length:]):
            yield from range(len(text) - length, len(text))
