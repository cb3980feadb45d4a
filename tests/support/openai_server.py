"""A server that speaks OpenAI's protocol as Fireworks, Lepton, vLLM and OpenAI do, and checks what it is sent.

``POST …/chat/completions`` (whole and as SSE, with usage), ``POST …/embeddings`` (float and base64), ``GET …/models``.
The fields and errors are those of OpenAI's API reference; token ids in place of texts are refused as other vendors do.
"""

import base64
import json
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .embedding import hashed_words, quote_context
from .faults import Fault
from .model_server import ModelServer, Recorded, RefusedRequestError, Reply

_CHAT_FIELDS = frozenset({
    "model", "messages", "stream", "stream_options", "temperature", "top_p", "max_tokens",
    "max_completion_tokens", "stop", "n", "seed", "tools", "tool_choice", "parallel_tool_calls",
    "response_format", "presence_penalty", "frequency_penalty", "logprobs", "user",
})  # fmt: skip
_EMBEDDING_FIELDS = frozenset({"model", "input", "encoding_format", "dimensions", "user"})
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_VARIABLES = {
    "fireworks": ("FIREWORKS_API_KEY", "FIREWORKS_BASE_URL"),
    "lepton": ("LEPTONAI_TOKEN", "LEPTON_BASE_URL"),
    "openai": ("OPENAI_API_KEY", "OPENAI_BASE_URL"),
}
# The first event of a stream carries the role alone, like OpenAI's.
_WORDS_AN_EVENT = 2


class OpenAIServer(ModelServer):
    """An OpenAI-compatible provider, see `support.model_server.ModelServer`.

    Args:
        uses_tools: Whether a request with tools is first answered with a call of the first one, whose argument is the
            user's text; once the tool's result is there, it is quoted.
    """

    def __init__(
        self,
        *,
        key: str | None = "test-key-openai",
        dimension: int = 768,
        models: Iterable[str] | None = None,
        max_inputs: int = 2048,
        answer: Callable[[str, str], str] = quote_context,
        embed: Callable[[str, int], list[float]] = hashed_words,
        delay: float = 0,
        uses_tools: bool = False,
    ) -> None:
        super().__init__(
            key=key, dimension=dimension, models=models, max_inputs=max_inputs, answer=answer, embed=embed, delay=delay
        )
        self.uses_tools = uses_tools

    @property
    def base_url(self) -> str:
        """What ``base_url=`` or the provider's variable is set to."""
        return f"{self.root}/v1"

    def environment(self, provider: str) -> dict[str, str]:
        """The variables that send a provider (fireworks, lepton, openai) here."""
        key_variable, url_variable = _VARIABLES[provider]
        return {url_variable: self.base_url, **({key_variable: self.key} if self.key else {})}

    def reply(self, request: Recorded, fault: Fault | None) -> Reply:
        self._check_key(request)
        route = request.path.removeprefix("/v1")
        if (request.method, route) == ("POST", "/chat/completions"):
            return self._chat(request.body, fault)
        if (request.method, route) == ("POST", "/embeddings"):
            return self._embeddings(request.body, fault)
        if (request.method, route) == ("GET", "/models"):
            return Reply({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models or ()]})
        raise RefusedRequestError(404, f"Unknown request URL: {request.method} {request.path}")

    def error_body(self, status: int, message: str, retry_delay: float | None = None) -> Any:
        kind = "server_error" if status >= 500 else "invalid_request_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def _check_key(self, request: Recorded) -> None:
        if self.key is not None and request.headers.get("Authorization") != f"Bearer {self.key}":
            raise RefusedRequestError(401, "Incorrect API key provided.", everyday=True)

    def _check_model(self, body: Any, fields: frozenset[str]) -> str:
        if not isinstance(body, dict):
            raise RefusedRequestError(400, "The body must be a JSON object.")
        if unknown := body.keys() - fields:
            raise RefusedRequestError(400, f"Unrecognized request arguments: {sorted(unknown)}")
        model = body.get("model")
        if not isinstance(model, str) or not model:
            raise RefusedRequestError(400, "You must provide a model parameter.")
        if self.models is not None and model not in self.models:
            raise RefusedRequestError(404, f"The model `{model}` does not exist.", everyday=True)
        return model

    def _chat(self, body: Any, fault: Fault | None) -> Reply:
        model = self._check_model(body, _CHAT_FIELDS)
        messages = _checked_messages(body.get("messages"))
        results = _text_of(messages, "tool")
        if self.uses_tools and body.get("tools") and not results:
            return _tool_call(model, body["tools"][0]["function"], _text_of(messages, "user"))
        text = self.answer(_text_of(messages, "system"), results or _text_of(messages, "user"))
        if fault and fault.kind == "wrong shape":
            event = json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}}]})
            return Reply(events=(event,)) if body.get("stream") else Reply({"result": "ok"})
        finish = "stop"
        if fault and fault.kind in ("empty answer", "blocked"):
            text, finish = "", "stop" if fault.kind == "empty answer" else "content_filter"
        if fault and fault.kind == "length":
            text, finish = text[: len(text) // 2], "length"
        usage = _usage(messages, text)
        head = {"id": "chatcmpl-1", "created": 1, "model": model}
        if body.get("stream"):
            with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
            events = _events(head, text, finish, usage if with_usage else None)
            return Reply(events=tuple(_with_error(events, fault)))
        message = {"role": "assistant", "content": text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
        return Reply({**head, "object": "chat.completion", "choices": [choice], "usage": usage})

    def _embeddings(self, body: Any, fault: Fault | None) -> Reply:
        model = self._check_model(body, _EMBEDDING_FIELDS)
        texts = [body["input"]] if isinstance(body.get("input"), str) else body.get("input")
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
            raise RefusedRequestError(400, "'input' must be a non-empty text or a list of them.")
        if len(texts) > self.max_inputs:
            raise RefusedRequestError(400, f"Too many inputs: at most {self.max_inputs}.", everyday=True)
        encoding = body.get("encoding_format", "float")
        if encoding not in ("float", "base64"):
            raise RefusedRequestError(400, f"Invalid encoding_format: {encoding!r}")
        if fault and fault.kind == "wrong shape":
            return Reply({"result": "ok"})
        vectors = [self.embed(text, body.get("dimensions") or self.dimension) for text in texts]
        data = [
            {"object": "embedding", "index": index, "embedding": _encoded(vector, encoding)}
            for index, vector in enumerate(spoiled(vectors, fault))
        ]
        if fault and fault.kind == "shuffled":
            data.reverse()
        if fault and fault.kind == "unnumbered":
            data = [{**entry, "index": 0} for entry in data]
        tokens = sum(len(text.split()) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return Reply({"object": "list", "data": data, "model": model, "usage": usage})


def _tool_call(model: str, function: dict[str, Any], text: str) -> Reply:
    [argument] = function["parameters"]["required"]
    call = {"id": "call_1", "type": "function"}
    call["function"] = {"name": function["name"], "arguments": json.dumps({argument: text})}  # type: ignore[assignment]  # JSON is not of one type
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return Reply({"id": "chatcmpl-1", "created": 1, "model": model, "object": "chat.completion", "choices": [choice]})


def spoiled(vectors: list[list[float]], fault: Fault | None) -> list[list[float]]:
    """Vectors with a fault in them, where there is one."""
    kind = fault.kind if fault else None
    if kind == "wrong dimension":
        return [vector[:-1] for vector in vectors]
    if kind == "mixed dimensions":
        return [*vectors[:-1], vectors[-1][:-1]]
    if kind == "fewer vectors":
        return vectors[:-1]
    if kind == "not a number":
        return [*vectors[:-1], [float("nan"), *vectors[-1][1:]]]
    if kind == "zero vector":
        return [*vectors[:-1], [0.0] * len(vectors[-1])]
    return vectors


def _checked_messages(messages: Any) -> list[dict[str, Any]]:
    if not isinstance(messages, list) or not messages:
        raise RefusedRequestError(400, "'messages' must be a non-empty list.")
    for message in messages:
        if message.get("role") not in _ROLES:
            raise RefusedRequestError(400, f"Invalid role: {message.get('role')!r}")
        if not isinstance(message.get("content"), str | list) and not message.get("tool_calls"):
            raise RefusedRequestError(400, "A message needs content.")
    return messages


def _text_of(messages: list[dict[str, Any]], role: str) -> str:
    texts = []
    for message in messages:
        content = message.get("content")
        if message["role"] == role and isinstance(content, str):
            texts.append(content)
        elif message["role"] == role and isinstance(content, list):
            texts += [part.get("text", "") for part in content]
    return "\n".join(texts)


def _usage(messages: list[dict[str, Any]], text: str) -> dict[str, int]:
    prompt = sum(len(str(message.get("content") or "").split()) for message in messages)
    completion = len(text.split())
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _events(head: dict[str, Any], text: str, finish: str, usage: dict[str, int] | None) -> Iterator[str]:
    def event(delta: dict[str, Any], reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return json.dumps({**head, "object": "chat.completion.chunk", "choices": [choice], "usage": None})

    yield event({"role": "assistant", "content": ""})
    for piece in pieces(text):
        yield event({"content": piece})
    yield event({}, finish)
    if usage:
        yield json.dumps({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    yield "[DONE]"


def pieces(text: str) -> Iterator[str]:
    """A text in a few words at a time; joined, they are the text."""
    words = text.split(" ")
    for start in range(0, len(words), _WORDS_AN_EVENT):
        end = start + _WORDS_AN_EVENT
        yield " ".join(words[start:end]) + (" " if end < len(words) else "")


def _with_error(events: Iterator[str], fault: Fault | None) -> Iterator[str]:
    if not fault or fault.kind != "stream error":
        yield from events
        return
    for _, event in zip(range(fault.after), events, strict=False):
        yield event
    yield json.dumps({"error": {"message": fault.message, "type": "server_error", "code": None}})


def _encoded(vector: list[float], encoding: str) -> list[float] | str:
    if encoding == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
