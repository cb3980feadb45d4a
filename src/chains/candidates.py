"""What the searches found, on its way to one list: the floor, the fusion, the scores in the metadata."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from langchain_core.documents import Document

from ..chunk_keys import (
    HEADINGS_KEY,
    RELEVANCE_SCORE_KEY,
    RERANK_ERROR_KEY,
    RERANK_SCORE_KEY,
    RETRIEVAL_SCORE_KEY,
    SCORE_KEY,
    SOURCE_KEY,
    VECTOR_KEY,
    leg_rank_key,
    leg_score_key,
)
from .fusion import add_section_evidence, reciprocal_rank_fusion, weighted_fusion, weights_by_standout

Fusion = Literal["weighted", "rrf"]
Hits = Sequence[tuple[Document, float]]


def above(hits: Hits, vector: Sequence[float], floor: float) -> Hits:
    """The hits whose vectors have at least this cosine with the question's; the vectors are gone then."""
    if not hits:
        return hits
    vectors = np.asarray([document.metadata[VECTOR_KEY] for document, _ in hits], dtype=np.float64)
    question = np.asarray(vector, dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(question)
    cosines = np.divide(vectors @ question, lengths, out=np.zeros(len(hits)), where=lengths > 0)
    return [
        (_with(document, {key: value for key, value in document.metadata.items() if key != VECTOR_KEY}), score)
        for (document, score), cosine in zip(hits, cosines, strict=True)
        if cosine >= floor
    ]


def fuse(
    legs: Mapping[str, Hits], *, limit: int, fusion: Fusion, weights: tuple[float, float] | None, rrf_k: int
) -> list[Document]:
    """Make one list of what one or two searches found.

    Args:
        legs: By the name of the search, its hits, best first.
        limit: So many hits each search was asked for.
        fusion: How two searches are fused.
        weights: Of the dense and the full-text search; None to weigh them by what they found.
        rrf_k: The constant of fusion by rank.

    Returns:
        Documents, best first, with ``score`` in the metadata, and with each leg's score and rank where there are two.
    """
    documents = {_key(document): document for hits in legs.values() for document, _ in hits}
    scores = {leg: {_key(document): score for document, score in hits} for leg, hits in legs.items()}
    if len(legs) == 1:
        (fused,) = scores.values()
        return [_scored(documents[key], {SCORE_KEY: score}) for key, score in fused.items()]
    if fusion == "rrf":
        fused = reciprocal_rank_fusion([list(leg) for leg in scores.values()], k=rrf_k, weights=weights or ())
    else:
        chosen = weights or weights_by_standout(list(scores["full_text"].values()))
        fused = weighted_fusion(list(scores.values()), chosen, limit=limit)
        fused = add_section_evidence(fused, {key: _section(document) for key, document in documents.items()})
    ranks = {leg: {key: rank for rank, key in enumerate(found, start=1)} for leg, found in scores.items()}
    return [
        _scored(
            documents[key],
            {
                **{leg_score_key(leg): scores[leg][key] for leg in legs if key in scores[leg]},
                **{leg_rank_key(leg): ranks[leg][key] for leg in legs if key in ranks[leg]},
                SCORE_KEY: score,
            },
        )
        for key, score in fused.items()
    ]


def distinct(documents: Sequence[Document]) -> list[Document]:
    """Documents without those whose text, titles included, a better one has, such as those of a mirrored page."""
    best: dict[str, Document] = {}
    for document in documents:
        best.setdefault(" ".join(document.page_content.split()), document)
    return list(best.values())


def with_rerank_score(document: Document) -> Document:
    """Let a reranker's score take the place of the search's, which stays as ``retrieval_score``."""
    metadata = document.metadata
    reranked = metadata.get(RERANK_SCORE_KEY, metadata.get(RELEVANCE_SCORE_KEY))
    if reranked is None or RERANK_ERROR_KEY in metadata:
        return document
    return _scored(document, {SCORE_KEY: reranked, RETRIEVAL_SCORE_KEY: metadata.get(SCORE_KEY)})


def _key(document: Document) -> str:
    return document.id or document.page_content


def _section(document: Document) -> tuple[str, ...] | None:
    """What stands below the same heading of the same page."""
    source, headings = document.metadata.get(SOURCE_KEY), document.metadata.get(HEADINGS_KEY)
    if not isinstance(source, str):
        return None
    return (source, *map(str, headings[:-1])) if isinstance(headings, list) else (source,)


def _scored(document: Document, scores: Mapping[str, Any]) -> Document:
    return _with(document, {**document.metadata, **scores})


def _with(document: Document, metadata: dict[str, Any]) -> Document:
    return Document(page_content=document.page_content, metadata=metadata, id=document.id)
