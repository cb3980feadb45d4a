"""Metadata of a hit: what was stored, and the scores of one search, which do not tell two hits apart."""

from typing import Any

from langchain_core.documents import Document

from ..chunk_keys import (
    ONLY_NEAREST_KEY,
    QUESTION_LANGUAGE_KEY,
    RELEVANCE_SCORE_KEY,
    RERANK_SCORE_KEY,
    RETRIEVAL_SCORE_KEY,
    SCORE_KEY,
    leg_rank_key,
    leg_score_key,
)

_LEGS = ("dense", "full_text")
_SCORES = frozenset(
    [
        SCORE_KEY,
        RETRIEVAL_SCORE_KEY,
        RERANK_SCORE_KEY,
        RELEVANCE_SCORE_KEY,
        ONLY_NEAREST_KEY,
        QUESTION_LANGUAGE_KEY,
        *map(leg_score_key, _LEGS),
    ]
) | frozenset(map(leg_rank_key, _LEGS))


class HitMetadata(dict[str, Any]):
    """A dict that equals another hit's where all but the scores is equal, and any other dict as dicts do.

    So what drops equal documents (`MultiQueryRetriever`) keeps a passage once that several questions found.
    """

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        if isinstance(other, HitMetadata):
            return self._stored() == other._stored()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def _stored(self) -> dict[str, Any]:
        return {key: value for key, value in self.items() if key not in _SCORES}


def as_hit(document: Document) -> Document:
    """The document, with metadata that compare as a hit's do."""
    document.metadata = HitMetadata(document.metadata)
    return document
