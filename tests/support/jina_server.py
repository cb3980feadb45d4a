"""A server that speaks Jina's rerank API, and checks what it is sent (https://api.jina.ai/redoc, /v1/rerank)."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from .embedding import hashed_words
from .faults import Fault
from .model_server import ModelServer, Recorded, RefusedRequestError, Reply

_FIELDS = frozenset({"model", "query", "documents", "top_n", "return_documents", "truncation", "max_chunks_per_doc"})
_MOST_DOCUMENTS = 2048


def shared_words(query: str, text: str) -> float:
    """Score a text: the part of the question's words that it holds."""
    asked = set(re.findall(r"\w+", query.lower()))
    return len(asked & set(re.findall(r"\w+", text.lower()))) / max(1, len(asked))


class JinaServer(ModelServer):
    """Jina's reranker, see `support.model_server.ModelServer`.

    Args:
        key: The only key that is accepted.
        models: The only model names that are served; ``None`` serves every name.
        score: Scores a text for a question.
        delay: Seconds before each answer.
    """

    def __init__(
        self,
        *,
        key: str = "test-key-jina",
        models: Iterable[str] | None = None,
        score: Callable[[str, str], float] = shared_words,
        delay: float = 0,
    ) -> None:
        super().__init__(
            key=key,
            dimension=0,
            models=models,
            max_inputs=_MOST_DOCUMENTS,
            answer=lambda system, user: "",
            embed=hashed_words,
            delay=delay,
        )
        self.score = score

    @property
    def base_url(self) -> str:
        """What ``base_url=`` or ``JINA_BASE_URL`` is set to."""
        return f"{self.root}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send reranking here."""
        return {"JINA_BASE_URL": self.base_url, "JINA_API_KEY": self.key or ""}

    def reply(self, request: Recorded, fault: Fault | None) -> Reply:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            raise RefusedRequestError(401, "Unauthenticated: the API key is not valid.", everyday=True)
        if (request.method, request.path) != ("POST", "/v1/rerank"):
            raise RefusedRequestError(404, f"Not found: {request.method} {request.path}")
        if not str(request.headers.get("Content-Type")).startswith("application/json"):
            raise RefusedRequestError(415, "The body must be JSON.")
        model, query, texts, top_n = self._checked(request.body)
        if fault and fault.kind == "wrong shape":
            return Reply({"results": [{"place": 0}]})
        ranked = sorted(((self.score(query, text), -place) for place, text in enumerate(texts)), reverse=True)
        results: list[dict[str, Any]] = [
            {"index": -place, "relevance_score": score} for score, place in ranked[: top_n or len(ranked)]
        ]
        if request.body.get("return_documents"):
            results = [{**result, "document": {"text": texts[result["index"]]}} for result in results]
        if fault and fault.kind == "not a number":
            results[0]["relevance_score"] = float("nan")
        if fault and fault.kind == "mixed dimensions":
            results[0]["index"] = len(texts)
        tokens = sum(len(text.split()) for text in texts)
        return Reply({"model": model, "object": "list", "usage": {"total_tokens": tokens}, "results": results})

    def error_body(self, status: int, message: str, retry_delay: float | None = None) -> Any:
        if status == 422:
            return {"detail": [{"loc": ["body"], "msg": message, "type": "value_error"}]}
        return {"detail": message}

    def _checked(self, body: Any) -> tuple[str, str, list[str], int | None]:
        if not isinstance(body, dict):
            raise RefusedRequestError(422, "The body must be a JSON object.")
        if unknown := body.keys() - _FIELDS:
            raise RefusedRequestError(422, f"Extra inputs are not permitted: {sorted(unknown)}")
        model, query, top_n = body.get("model"), body.get("query"), body.get("top_n")
        if not isinstance(model, str) or not isinstance(query, str) or not query:
            raise RefusedRequestError(422, "model and query are required.")
        if self.models is not None and model not in self.models:
            raise RefusedRequestError(404, f"Model {model} not found.", everyday=True)
        documents = body.get("documents")
        if not isinstance(documents, list) or not 0 < len(documents) <= self.max_inputs:
            raise RefusedRequestError(422, f"documents must be a list of 1 to {self.max_inputs}.")
        if top_n is not None and (not isinstance(top_n, int) or top_n < 1):
            raise RefusedRequestError(422, "top_n must be 1 or more.")
        texts = [document["text"] if isinstance(document, dict) else document for document in documents]
        if not all(isinstance(text, str) for text in texts):
            raise RefusedRequestError(422, "A document must be a text or an object with a text.")
        return model, query, texts, top_n
