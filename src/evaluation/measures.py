"""The measures of retrieval, by `ir_measures` (https://ir-measur.es)."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from langchain_core.documents import Document

from ..extras import require
from .questions import Question

# Passages that are looked at: as deep as the deepest measure.
DEPTH = 10
MEASURES = ("hit@1", "hit@3", "hit@5", "MRR", "nDCG@10")


@dataclass(frozen=True)
class Result:
    """How one configuration did.

    Attributes:
        configuration: Its name, e.g. ``"markdown, hybrid"``.
        measures: Means over all questions, by the names in `MEASURES`, 0 to 1.
        ranks: Of each question's first relevant passage, from 1; None where it is not among the first ten.
        milliseconds: Median time of a retrieval.
    """

    configuration: str
    measures: dict[str, float]
    ranks: list[int | None]
    milliseconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(
    configuration: str, questions: Sequence[Question], found: Sequence[Sequence[Document]], seconds: Sequence[float]
) -> Result:
    """Judge what was retrieved.

    Args:
        configuration: Name of what retrieved it.
        questions: With their passages.
        found: For each question, chunks, best first.
        seconds: For each question, how long that took.

    Raises:
        MissingExtraError: `ir_measures` is not installed.
    """
    library = require("ir_measures", "eval", "The evaluation")
    measures = dict(
        zip(
            MEASURES,
            [library.Success @ 1, library.Success @ 3, library.Success @ 5, library.RR @ DEPTH, library.nDCG @ DEPTH],
            strict=True,
        )
    )
    wanted, got, ranks = [], [], []
    for number, (question, chunks) in enumerate(zip(questions, found, strict=True)):
        names = _judge(question, chunks[:DEPTH])
        wanted += [library.Qrel(str(number), f"passage {i}", 1) for i in range(len(question.passages))]
        got += [library.ScoredDoc(str(number), name, -float(rank)) for rank, name in enumerate(names)]
        ranks.append(next((rank for rank, name in enumerate(names, start=1) if name.startswith("passage")), None))
    means = library.calc_aggregate(list(measures.values()), wanted, got)
    return Result(
        configuration=configuration,
        measures={name: float(means[measure_]) for name, measure_ in measures.items()},
        ranks=ranks,
        milliseconds=1000 * statistics.median(seconds),
    )


def _judge(question: Question, chunks: Sequence[Document]) -> list[str]:
    """Name each chunk by the passage that it is the first to contain; a passage counts once."""
    open_passages = dict(enumerate(question.passages))
    names = []
    for rank, chunk in enumerate(chunks):
        hit = next((i for i, passage in open_passages.items() if passage.is_in(chunk)), None)
        if hit is not None:
            del open_passages[hit]
        names.append(f"other {rank}" if hit is None else f"passage {hit}")
    return names
