"""Reranker functions of ``pymilvus.model``."""

from typing import Any

from ...errors import ModelResponseError
from ..providers.calls import DEFAULT_BACKOFF, RetryPolicy
from ..reranking import OnError, Reranker
from .functions import PymilvusFunction


class PymilvusReranker(Reranker):
    """Any reranker function of ``pymilvus.model`` as a LangChain document compressor.

    The function is made at first use when its name or class is given. It never runs pip, and a call that hangs is
    given up: several of the functions wait for their servers for ever.

    Args:
        function: The name of a function (``"BGERerankFunction"``), its class, a ``functools.partial`` of the class
            with its arguments, or the function itself.
        top_n: How many documents come back, ``None`` for all.
        on_error: See `milvus_rag.models.reranking.Reranker`.
        timeout: Seconds that a call may take, ``None`` for any.
        max_retries: Calls after the first one, where another may help: after 429, 5xx or a failed connection.
    """

    def __init__(
        self,
        function: Any,
        *,
        top_n: int | None = None,
        on_error: OnError = "raise",
        timeout: float | None = 30.0,
        max_retries: int = 3,
    ) -> None:
        policy = RetryPolicy.checked(max_retries=max_retries, backoff=DEFAULT_BACKOFF, timeout=timeout or 1)
        super().__init__(scorer=_PymilvusScorer(function, timeout, policy), top_n=top_n, on_error=on_error)


class _PymilvusScorer:
    def __init__(self, function: Any, timeout: float | None, policy: RetryPolicy) -> None:
        self._function = PymilvusFunction(function, methods=("__call__",), timeout=timeout, policy=policy)

    @property
    def name(self) -> str:
        return self._function.name

    def score(self, query: str, texts: list[str]) -> list[tuple[int, float]]:
        # Their default is the best five.
        results = self._function.call(lambda function: function(query, texts, top_k=len(texts)))
        try:
            return [(int(result.index), float(result.score)) for result in results]
        except (AttributeError, TypeError, ValueError) as exc:
            raise ModelResponseError(f"{self.name} answered something that is no ranking: {exc}.") from exc
