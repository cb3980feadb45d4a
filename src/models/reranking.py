"""Reordering documents by a model that reads question and document together."""

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol, runtime_checkable

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ConfigDict, Field

from ..chunk_keys import RERANK_ERROR_KEY, RERANK_SCORE_KEY
from ..errors import ModelError, ModelResponseError

OnError = Literal["raise", "keep_order"]

_log = logging.getLogger(__name__)


@runtime_checkable
class Scorer(Protocol):
    """A model that says how well texts answer a question."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    def score(self, query: str, texts: list[str]) -> list[tuple[int, float]]:
        """Score texts.

        Args:
            query: The question.
            texts: At least one.

        Returns:
            Places of texts with their scores, higher is better, in any order. Texts may be missing.

        Raises:
            ModelError: It fails.
        """
        ...


class Reranker(BaseDocumentCompressor):
    """Reorders documents by a model's scores.

    The documents that come back are copies, the best first, each with its ``rerank_score`` (higher is better) in the
    metadata. Those that the model left out follow in their old order, without a score.

    Attributes:
        scorer: The model.
        top_n: How many documents come back, ``None`` for all.
        on_error: What happens when the model fails: ``"raise"``, or ``"keep_order"``, which logs a warning and gives
            the documents back in their old order, with the error's words as ``rerank_error`` in their metadata.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    scorer: Scorer
    top_n: Annotated[int, Field(ge=1)] | None = None
    on_error: OnError = "raise"

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        """Reorder documents; they are not changed.

        Raises:
            ModelError: The model fails, and ``on_error`` is ``"raise"``.
        """
        if not documents:
            return []
        try:
            scores = self.scorer.score(query, [document.page_content for document in documents])
            _check(scores, len(documents), self.scorer.name)
        except ModelError as exc:
            if self.on_error == "raise":
                raise
            _log.warning("The documents are not reranked: %s", exc)
            return [_with(document, {RERANK_ERROR_KEY: str(exc)}) for document in documents[: self.top_n]]
        ranked = sorted(scores, key=lambda entry: (-entry[1], entry[0]))
        scored = {place for place, _ in ranked}
        left_out = [document for place, document in enumerate(documents) if place not in scored]
        reordered = [_with(documents[place], {RERANK_SCORE_KEY: score}) for place, score in ranked]
        return [*reordered, *left_out][: self.top_n]


def _check(scores: list[tuple[int, float]], count: int, name: str) -> None:
    places = [place for place, _ in scores]
    if len(set(places)) != len(places) or any(not 0 <= place < count for place in places):
        raise ModelResponseError(f"{name} answered scores for texts that it was not asked about: {places}.")
    if not all(math.isfinite(score) for _, score in scores):
        raise ModelResponseError(f"{name} answered a score that is no finite number.")


def _with(document: Document, metadata: Mapping[str, object]) -> Document:
    return document.model_copy(update={"metadata": {**document.metadata, **metadata}})
