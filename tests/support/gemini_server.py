"""A server that speaks the Gemini API (v1beta, JSON over HTTP) and checks what it is sent.

``:generateContent``, ``:streamGenerateContent?alt=sse``, ``:batchEmbedContents``, ``:embedContent``, ``GET …/models``.
Fields and errors are those of https://ai.google.dev/api. Vectors of a reduced dimension are not normalised, as there.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .embedding import hashed_words, quote_context
from .faults import Fault
from .model_server import ModelServer, Recorded, RefusedRequestError, Reply
from .openai_server import pieces, spoiled

_ROUTE = re.compile(r"/v1beta/models/(?P<model>[^/:?]+):(?P<verb>\w+)(?P<query>\?.*)?")
_CHAT_FIELDS = frozenset(
    ["contents", "systemInstruction", "generationConfig", "safetySettings", "tools", "toolConfig", "cachedContent"]
)
_EMBEDDING_FIELDS = frozenset({"model", "content", "taskType", "title", "outputDimensionality"})
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"} | {
    413: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
# The full size of Gemini's embedding models; only vectors of this size come normalised.
_FULL_DIMENSION = 3072
_REDUCED_LENGTH = 0.7


class GeminiServer(ModelServer):
    """The Gemini API, see `support.model_server.ModelServer`."""

    def __init__(
        self,
        *,
        key: str | None = "test-key-gemini",
        dimension: int = _FULL_DIMENSION,
        models: Iterable[str] | None = None,
        max_inputs: int = 100,
        answer: Callable[[str, str], str] = quote_context,
        embed: Callable[[str, int], list[float]] = hashed_words,
        delay: float = 0,
    ) -> None:
        super().__init__(
            key=key, dimension=dimension, models=models, max_inputs=max_inputs, answer=answer, embed=embed, delay=delay
        )

    @property
    def base_url(self) -> str:
        """What ``base_url=`` or ``GEMINI_BASE_URL`` is set to: no version, no path."""
        return self.root

    def environment(self, provider: str = "gemini") -> dict[str, str]:
        """The variables that send the provider gemini here."""
        return {"GEMINI_BASE_URL": self.base_url, **({"GEMINI_API_KEY": self.key} if self.key else {})}

    def reply(self, request: Recorded, fault: Fault | None) -> Reply:
        if self.key is not None and request.headers.get("x-goog-api-key") != self.key:
            # Not 401: this is what the API answers to an unknown key.
            raise RefusedRequestError(400, "API key not valid. Please pass a valid API key.", everyday=True)
        if request.method == "GET" and request.path.startswith("/v1beta/models"):
            return Reply({"models": [{"name": f"models/{name}"} for name in self.models or ()]})
        route = _ROUTE.fullmatch(request.path)
        if request.method != "POST" or not route:
            raise RefusedRequestError(404, f"No such method: {request.method} {request.path}")
        model, verb, query = route["model"], route["verb"], route["query"] or ""
        if self.models is not None and model not in self.models:
            message = f"models/{model} is not found for API version v1beta, or is not supported for {verb}."
            raise RefusedRequestError(404, message, everyday=True)
        if verb == "generateContent":
            return self._chat(model, request.body, fault, stream=False)
        if verb == "streamGenerateContent":
            if query != "?alt=sse":
                raise RefusedRequestError(400, f"Expected ?alt=sse, got {query!r}")
            return self._chat(model, request.body, fault, stream=True)
        if verb == "batchEmbedContents":
            return self._embeddings(model, request.body, fault)
        if verb == "embedContent":
            reply = self._embeddings(model, {"requests": [request.body]}, fault)
            return Reply({"embedding": reply.body["embeddings"][0]})
        raise RefusedRequestError(404, f"No such method: {verb}")

    def error_body(self, status: int, message: str, retry_delay: float | None = None) -> Any:
        details: list[dict[str, Any]] = []
        if retry_delay is not None:
            details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_delay:g}s"})
        error = {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
        return {"error": {**error, "details": details} if details else error}

    def _chat(self, model: str, body: Any, fault: Fault | None, *, stream: bool) -> Reply:
        _check_fields(body, _CHAT_FIELDS)
        contents = body.get("contents")
        if not isinstance(contents, list) or not contents:
            raise RefusedRequestError(400, "contents is not specified")
        for content in contents:
            if content.get("role", "user") not in ("user", "model", "function"):
                raise RefusedRequestError(400, f"Please use a valid role: user, model. Got {content.get('role')!r}")
        user = "\n".join(_text_of(content) for content in contents if content.get("role") != "model")
        system = _text_of(body["systemInstruction"]) if "systemInstruction" in body else ""
        if fault and fault.kind == "wrong shape":
            return Reply({"result": "ok"}) if not stream else Reply(events=('{"result": "ok"}',))
        if fault and fault.kind == "blocked":
            blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": model}
            return Reply(blocked) if not stream else Reply(events=(json.dumps(blocked),))
        text, finish = self.answer(system, user), "STOP"
        if fault and fault.kind == "empty answer":
            text = ""
        if fault and fault.kind == "length":
            text, finish = text[: len(text) // 2], "MAX_TOKENS"
        prompt, completion = len(f"{system} {user}".split()), len(text.split())
        usage = {"promptTokenCount": prompt, "candidatesTokenCount": completion, "totalTokenCount": prompt + completion}
        if stream:
            return Reply(events=tuple(self._events(model, text, finish, usage, fault)))
        return Reply({**_candidate(text, finish), "usageMetadata": usage, "modelVersion": model})

    def _events(self, model: str, text: str, finish: str, usage: dict[str, int], fault: Fault | None) -> Iterator[str]:
        tail = {"usageMetadata": usage, "modelVersion": model}
        texts = list(pieces(text)) or [""]
        for place, piece in enumerate(texts):
            if fault and fault.kind == "stream error" and place == fault.after:
                yield json.dumps(self.error_body(503, fault.message))
                return
            last = place == len(texts) - 1
            yield json.dumps({**_candidate(piece, finish if last else None), **tail})

    def _embeddings(self, model: str, body: Any, fault: Fault | None) -> Reply:
        _check_fields(body, frozenset({"requests"}))
        requests = body.get("requests")
        if not isinstance(requests, list) or not requests:
            raise RefusedRequestError(400, "requests is not specified")
        if len(requests) > self.max_inputs:
            message = f"at most {self.max_inputs} requests can be in one batch"
            raise RefusedRequestError(400, f"* BatchEmbedContentsRequest.requests: {message}", everyday=True)
        if fault and fault.kind == "wrong shape":
            return Reply({"result": "ok"})
        vectors = []
        for request in requests:
            _check_fields(request, _EMBEDDING_FIELDS)
            if request.get("model", f"models/{model}") != f"models/{model}":
                raise RefusedRequestError(400, f"The model {request['model']!r} is not that of the URL.")
            text = _text_of(request.get("content") or {})
            if not text:
                raise RefusedRequestError(400, "content is empty")
            dimension = request.get("outputDimensionality") or self.dimension
            vector = self.embed(text, dimension)
            length = 1.0 if dimension == _FULL_DIMENSION else _REDUCED_LENGTH
            vectors.append([value * length for value in vector])
        return Reply({"embeddings": [{"values": vector} for vector in spoiled(vectors, fault)]})


def _check_fields(body: Any, fields: frozenset[str]) -> None:
    if not isinstance(body, dict):
        raise RefusedRequestError(400, "The body must be a JSON object.")
    if unknown := body.keys() - fields:
        raise RefusedRequestError(400, f"Invalid JSON payload received. Unknown names: {sorted(unknown)}")


def _text_of(content: dict[str, Any]) -> str:
    return "\n".join(part["text"] for part in content.get("parts", []) if "text" in part)


def _candidate(text: str, finish: str | None) -> dict[str, Any]:
    content = {"parts": [{"text": text}], "role": "model"} if text else {"role": "model"}
    return {"candidates": [{"content": content, "index": 0} | ({"finishReason": finish} if finish else {})]}
