"""Clients for servers that speak OpenAI's protocol, through langchain-openai. Needs the extra ``openai``."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr

from ...extras import borrowed
from .calls import Calls
from .checked_chat import CheckedChatModel
from .connections import Connections
from .endpoints import Endpoint
from .failures import malformed
from .table import host_of

_PACKAGE = "langchain-openai"
# The client insists on a key; servers in one's own house ignore it.
_NO_KEY = SecretStr("none")
# OpenAI itself has given up "max_tokens"; many other servers know nothing else.
_OPENAI_HOST = "api.openai.com"
_OPENAI_LIMIT = "max_completion_tokens"


class OpenAICompatibleChat(CheckedChatModel, ChatOpenAI):
    """A chat model behind OpenAI's protocol, with our errors and retries."""

    def _get_request_payload(self, input_: Any, *, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        if _OPENAI_LIMIT in payload and host_of(self.calls.endpoint.base_url) != _OPENAI_HOST:
            payload["max_tokens"] = payload.pop(_OPENAI_LIMIT)
        if "messages" in payload:
            # They are plain JSON already. The client would look through each of them for what is not, which takes as
            # long as building the rest of a request; it takes an extra body as it is.
            payload["extra_body"] = {"messages": payload["messages"], **(payload.get("extra_body") or {})}
            payload["messages"] = []
        return payload

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        try:
            return super()._create_chat_result(response, generation_info)
        except (ValueError, TypeError, LookupError, AttributeError) as exc:
            raise malformed(self.calls.endpoint, exc) from exc

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        try:
            return super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
        except (ValueError, TypeError, LookupError, AttributeError) as exc:
            raise malformed(self.calls.endpoint, exc) from exc

    def _has_token_limit(self, kwargs: Mapping[str, Any]) -> bool:
        return self.max_tokens is not None or bool(kwargs.keys() & {"max_tokens", _OPENAI_LIMIT})


def make_chat(calls: Calls, *, timeout: float, options: Mapping[str, Any]) -> OpenAICompatibleChat:
    """Make a chat model.

    Args:
        calls: Endpoint, errors and retries.
        timeout: Seconds for a request, and for the next piece of a stream.
        options: Further arguments of ``ChatOpenAI``.
    """
    endpoint, connections = calls.endpoint, Connections()
    arguments: dict[str, Any] = {
        "model": endpoint.model,
        "base_url": endpoint.base_url,
        "api_key": endpoint.key or _NO_KEY,
        "default_query": dict(endpoint.query) or None,
        "timeout": timeout,
        "stream_chunk_timeout": timeout,
        "max_retries": 0,
        # A name like gpt-5-pro would switch to an API that only OpenAI has.
        "use_responses_api": False,
        "stream_usage": True,
        "http_client": connections.sync_client,
        "http_async_client": connections.async_client,
        # Else it warns that it would ignore HTTPS_PROXY, which our clients do not.
        "http_socket_options": (),
    }
    return OpenAICompatibleChat(calls=calls, connections=connections, **{**arguments, **options})


class OpenAICompatibleEmbeddings:
    """Embedding requests behind OpenAI's protocol.

    Args:
        endpoint: What is called.
        timeout: Seconds for a request.
        dimension: Asked for in each request, ``None`` for the model's own.
        options: Further arguments of ``OpenAIEmbeddings``.
    """

    def __init__(
        self, endpoint: Endpoint, *, timeout: float, dimension: int | None, options: Mapping[str, Any]
    ) -> None:
        self._connections = Connections()
        arguments: dict[str, Any] = {
            "model": endpoint.model,
            "base_url": endpoint.base_url,
            "api_key": endpoint.key or _NO_KEY,
            "default_query": dict(endpoint.query) or None,
            "timeout": timeout,
            "max_retries": 0,
            "dimensions": dimension,
            # The default sends token ids, which only OpenAI takes, and downloads a tokenizer.
            "check_embedding_ctx_length": False,
            "http_client": self._connections.sync_client,
            "http_async_client": self._connections.async_client,
        }
        self._client = OpenAIEmbeddings(**{**arguments, **options})
        self._client.client = _Plain(borrowed(self._client, "client", _PACKAGE))
        self._client.async_client = _PlainAsync(borrowed(self._client, "async_client", _PACKAGE))

    def embed(self, texts: list[str], *, is_query: bool) -> list[Any]:
        """Embed texts in one request."""
        return self._client.embed_documents(texts, chunk_size=len(texts))

    async def aembed(self, texts: list[str], *, is_query: bool) -> list[Any]:
        """Embed texts in one request."""
        return await self._client.aembed_documents(texts, chunk_size=len(texts))


class _Plain:
    """OpenAI's embeddings resource, whose answers stay as they were sent, and come in the order of their ``index``.

    The client would make an object of each vector, and LangChain a dict of that again, which takes longer than all the
    rest of a request; and neither looks at the ``index``.
    """

    def __init__(self, resource: Any) -> None:
        self._resource = resource.with_raw_response

    def create(self, **arguments: Any) -> Any:
        return _in_order(self._resource.create(**arguments))


class _PlainAsync:
    def __init__(self, resource: Any) -> None:
        self._resource = resource.with_raw_response

    async def create(self, **arguments: Any) -> Any:
        return _in_order(await self._resource.create(**arguments))


def _in_order(response: Any) -> dict[str, Any]:
    body = response.http_response.json()
    data = body["data"]
    for entry in data:
        # As the client asks for them; other servers may send numbers all the same.
        if isinstance(entry["embedding"], str):
            entry["embedding"] = np.frombuffer(base64.b64decode(entry["embedding"]), dtype="<f4")
    indexes = [entry.get("index") for entry in data]
    # Some servers number every vector 0.
    if set(indexes) == set(range(len(indexes))):
        data.sort(key=lambda entry: entry["index"])
    return {**body, "data": data}
