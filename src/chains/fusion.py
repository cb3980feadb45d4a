"""Merging the ranked lists of several searches into one."""

from collections.abc import Hashable, Mapping, Sequence

# The constant of reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR 2009.
RRF_K = 60

Scores = Mapping[str, float]

# Of the two weights, what the dense search has where no hit of the full-text search stands out, and where one does; and
# how far it stands out there: see `weights_by_standout`. Chosen on seven sets of questions over other documents, of
# which none lost by it (docs/retrieval.md); around these values little changes.
_EVEN, _LEAST_DENSE = 0.5, 0.2
_NO_STANDOUT, _FULL_STANDOUT = 0.45, 0.8
# The hit that the best one is compared with.
_TENTH = 10


def reciprocal_rank_fusion(
    legs: Sequence[Sequence[str]], *, k: int = RRF_K, weights: Sequence[float] = ()
) -> dict[str, float]:
    """Fuse by rank: each list gives ``weight / (k + rank)``, ranks from 1.

    Args:
        legs: Ids, best first, one list a search.
        k: How much the first ranks count over the later ones; smaller is more.
        weights: One a list; all 1 by default.

    Returns:
        Id to fused score, best first; equal scores in the order of the lists.
    """
    fused: dict[str, float] = {}
    for leg, weight in zip(legs, weights or [1.0] * len(legs), strict=True):
        for rank, row_id in enumerate(leg, start=1):
            fused[row_id] = fused.get(row_id, 0.0) + weight / (k + rank)
    return _sorted(fused)


def weighted_fusion(legs: Sequence[Scores], weights: Sequence[float], *, limit: int) -> dict[str, float]:
    """Fuse by score: a convex combination of the searches' scores, each scaled to 0..1.

    A search's best hit gets 1. What gets 0 is a score of 0, or, in a search that had more to give than its limit, the
    score of its last hit: the most that what it did not return can have. Bruch, Gai and Ingber, An Analysis of Fusion
    Functions for Hybrid Retrieval, ACM TOIS 2023, find such a combination ahead of fusion by rank, and so do we
    (``docs/retrieval.md``): ranks forget how far apart the hits are.

    Args:
        legs: Id to score, one mapping a search; better is higher.
        weights: One a search; only their ratio counts.
        limit: So many hits were asked for in each search.

    Returns:
        Id to fused score, 0 to 1, best first; equal scores in the order of the searches.
    """
    fused: dict[str, float] = {}
    for leg, weight in zip(legs, weights, strict=True):
        if not leg:
            continue
        worst, best = min(leg.values()), max(leg.values())
        floor = worst if len(leg) >= limit else min(0.0, worst)
        share = weight / sum(weights)
        for row_id, score in leg.items():
            scaled = (score - floor) / (best - floor) if best > floor else 1.0
            fused[row_id] = fused.get(row_id, 0.0) + share * scaled
    return _sorted(fused)


def weights_by_standout(full_text: Sequence[float]) -> tuple[float, float]:
    """Weights of the dense and the full-text search for one question, by how far the best full-text hit stands out.

    Words that only one passage has name it, and an embedding that does not know them, or their language, can only be
    wrong; where many passages hold the words equally well, the meaning decides. So the measure is what part of the best
    BM25 score the tenth hit misses.

    Args:
        full_text: Scores of the full-text search, best first.

    Returns:
        Two numbers that make 1.
    """
    if not full_text or full_text[0] <= 0:
        return _EVEN, 1.0 - _EVEN
    standout = 1.0 - max(full_text[min(_TENTH, len(full_text)) - 1], 0.0) / full_text[0]
    share = min(max((standout - _NO_STANDOUT) / (_FULL_STANDOUT - _NO_STANDOUT), 0.0), 1.0)
    dense = _EVEN - (_EVEN - _LEAST_DENSE) * share
    return dense, 1.0 - dense


def add_section_evidence(
    fused: Scores, sections: Mapping[str, Hashable | None], *, share: float = 0.2
) -> dict[str, float]:
    """Let a hit gain from the best other hit of its section: where one passage fits, the next one is likelier to.

    Args:
        fused: Id to score, 0 to 1.
        sections: Id to what stands for its section; None for none.
        share: Of the other hit's score.

    Returns:
        Id to score, 0 to 1, best first.
    """
    best: dict[Hashable, list[float]] = {}
    for row_id, score in fused.items():
        if (section := sections.get(row_id)) is not None:
            best[section] = sorted([*best.get(section, []), score], reverse=True)[:2]
    gained = {}
    for row_id, score in fused.items():
        first, second = [*best.get(sections.get(row_id), []), 0.0, 0.0][:2]
        gained[row_id] = (score + share * (second if score == first else first)) / (1.0 + share)
    return _sorted(gained)


def _sorted(fused: Scores) -> dict[str, float]:
    return dict(sorted(fused.items(), key=lambda item: -item[1]))
