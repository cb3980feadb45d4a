"""The measures of retrieval, by `ir_measures` (https://ir-measur.es), and of what a model gets to read."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.documents import Document

from ..extras import require
from .evidence import BUDGET, evidence
from .questions import Question
from .significance import Difference, difference, interval

# Passages that are looked at: as deep as the deepest measure.
DEPTH = 10
MEASURES = ("hit@1", "hit@3", "hit@5", "MRR", "nDCG@10", "evidence")
# The one by which configurations are compared.
MAIN = "MRR"


@dataclass(frozen=True)
class Result:
    """How one configuration did.

    Attributes:
        configuration: Its name, e.g. ``"markdown, hybrid"``.
        values: Of each question, by the names in `MEASURES`, 0 to 1. ``evidence`` is the share of the words of the
            right passages that a model reads within the budget.
        ranks: Of each question's first relevant passage, from 1; None where it is not among the first ten.
        milliseconds: Median time of a retrieval.
        characters: That the first three passages have, in the mean.
    """

    configuration: str
    values: dict[str, list[float]]
    ranks: list[int | None]
    milliseconds: float
    characters: float

    @property
    def measures(self) -> dict[str, float]:
        """Means over all questions."""
        return {name: statistics.fmean(values) for name, values in self.values.items()}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """Where the means over all questions that could be asked are, in 95 of 100 cases."""
        return {name: interval(values) for name, values in self.values.items()}

    def beside(self, other: "Result", name: str = MAIN) -> Difference:
        """How much better it is than another configuration on the same questions."""
        return difference(self.values[name], other.values[name])

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "configuration": self.configuration,
            "measures": self.measures,
            "intervals": self.intervals,
            "ranks": self.ranks,
            "milliseconds": self.milliseconds,
            "characters": self.characters,
        }


def best_of(results: Sequence[Result]) -> Result:
    """The one with the highest MRR, the first of several."""
    return max(results, key=lambda result: result.measures[MAIN])


def measure(
    configuration: str,
    questions: Sequence[Question],
    found: Sequence[Sequence[Document]],
    seconds: Sequence[float],
    *,
    budget: float = BUDGET,
) -> Result:
    """Judge what was retrieved.

    Args:
        configuration: Name of what retrieved it.
        questions: With their passages.
        found: For each question, chunks, best first.
        seconds: For each question, how long that took.
        budget: Tokens that a model may read.

    Raises:
        InputError: Whether a chunk has a passage cannot be told, see `Passage.is_in`.
        MissingExtraError: `ir_measures` is not installed.
    """
    library = require("ir_measures", "eval", "The evaluation")
    by_name = {
        "hit@1": library.Success @ 1,
        "hit@3": library.Success @ 3,
        "hit@5": library.Success @ 5,
        "MRR": library.RR @ DEPTH,
        "nDCG@10": library.nDCG @ DEPTH,
    }
    wanted, got, ranks = [], [], []
    for number, (question, chunks) in enumerate(zip(questions, found, strict=True)):
        names = _judge(question, chunks[:DEPTH])
        wanted += [library.Qrel(str(number), f"passage {i}", 1) for i in range(len(question.passages))]
        got += [library.ScoredDoc(str(number), name, -float(rank)) for rank, name in enumerate(names)]
        ranks.append(next((rank for rank, name in enumerate(names, start=1) if name.startswith("passage")), None))
    # Of a question for which nothing was found there may be no value.
    values = {name: [0.0] * len(questions) for name in by_name}
    names_of = {measure_: name for name, measure_ in by_name.items()}
    for metric in library.iter_calc(list(by_name.values()), wanted, got):
        values[names_of[metric.measure]][int(metric.query_id)] = float(metric.value)
    values["evidence"] = [
        evidence(question, chunks, budget=budget) for question, chunks in zip(questions, found, strict=True)
    ]
    return Result(
        configuration=configuration,
        values=values,
        ranks=ranks,
        milliseconds=1000 * statistics.median(seconds),
        characters=statistics.fmean(sum(len(chunk.page_content) for chunk in chunks[:3]) for chunks in found),
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
