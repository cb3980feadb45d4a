"""Clients for the Gemini API, through langchain-google-genai. Needs the extra ``gemini``."""

import ssl
from collections.abc import Mapping
from typing import Any, Final, Self

from google.genai import Client
from google.genai.types import HttpOptions, HttpRetryOptions
from langchain_google_genai import ChatGoogleGenerativeAI, GoogleGenerativeAIEmbeddings
from pydantic import model_validator

from ...errors import InputError
from ...extras import borrowed
from .calls import Calls
from .checked_chat import CheckedChatModel
from .connections import Connections, tls_context
from .endpoints import Endpoint
from .event_stream import whole_document

_PACKAGE: Final = "langchain-google-genai"
# Of Google's client: 1 is one attempt, 0 its default of 5.
_ONE_ATTEMPT = 1
# An answer with vectors is long, and no error: all of it is read for one only where one begins.
_BEGINNING: Final = 2000
# An environment variable would turn the clients to Vertex AI, which knows no such keys.
_DEVELOPER_API: Final = {"vertexai": False}


class GeminiChat(CheckedChatModel, ChatGoogleGenerativeAI):
    """A Gemini chat model, with our errors and retries."""

    @model_validator(mode="after")
    def _use_per_loop_client(self) -> Self:
        borrowed(self, "client", _PACKAGE)
        self.client = _client(self.calls.endpoint, self.connections, timeout=self.timeout, model=self)
        return self

    def _has_token_limit(self, kwargs: Mapping[str, Any]) -> bool:
        config = kwargs.get("generation_config") or {}
        limits = {"max_tokens", "max_output_tokens"}
        is_set = self.max_output_tokens is not None and self.accept_cut_off
        return is_set or bool((kwargs.keys() | dict(config).keys()) & limits)


def make_chat(
    calls: Calls, *, timeout: float, answer_timeout: float, accept_cut_off: bool, options: Mapping[str, Any]
) -> GeminiChat:
    """Make a chat model.

    Args:
        calls: Endpoint, errors and retries.
        timeout: Seconds for a request, which is the whole answer where it is not streamed, and for the next piece of a
            stream.
        answer_timeout: Seconds that a whole stream may take.
        accept_cut_off: Whether an answer that reaches the limit of tokens is as wanted.
        options: Further arguments of ``ChatGoogleGenerativeAI``.
    """
    endpoint = calls.endpoint
    if "extra_body" in options:
        raise InputError(
            "Gemini's API takes no further fields, so extra_body= (--extra-body) cannot be given. What it takes are "
            "arguments of ChatGoogleGenerativeAI, such as top_k."
        )
    arguments: dict[str, Any] = {
        "model": endpoint.model,
        "base_url": endpoint.base_url,
        "api_key": endpoint.key,
        "timeout": timeout,
        "max_retries": _ONE_ATTEMPT,
        # Left to the model: the class would send 0.7, which Google advises against from Gemini 3 on, and does not see
        # that an alias means such a model.
        "temperature": None,
        "client_args": _http_arguments(),
    }
    own = {
        "calls": calls,
        "connections": Connections(check_answer),
        "accept_cut_off": accept_cut_off,
        "answer_timeout": answer_timeout,
    }
    return GeminiChat(**{**arguments, **options, **_DEVELOPER_API, **own})


class GeminiEmbeddings:
    """Embedding requests to the Gemini API.

    Args:
        endpoint: What is called.
        timeout: Seconds for a request.
        dimension: Asked for in each request, ``None`` for the model's own.
        options: Further arguments of ``GoogleGenerativeAIEmbeddings``.
    """

    def __init__(
        self, endpoint: Endpoint, *, timeout: float, dimension: int | None, options: Mapping[str, Any]
    ) -> None:
        self._connections = Connections(check_answer)
        arguments: dict[str, Any] = {
            "model": endpoint.model,
            "base_url": endpoint.base_url,
            "api_key": endpoint.key,
            "output_dimensionality": dimension,
            "client_args": _http_arguments(),
        }
        self._client = GoogleGenerativeAIEmbeddings(**{**arguments, **options, **_DEVELOPER_API})
        borrowed(self._client, "client", _PACKAGE)
        # The class knows no timeout, and its async client waits up to 10 s before it tries again unasked.
        self._client.client = _client(endpoint, self._connections, timeout=timeout, model=self._client)

    def embed(self, texts: list[str], *, is_query: bool) -> list[list[float]]:
        """Embed texts in one request."""
        if is_query:
            return [self._client.embed_query(text) for text in texts]
        return self._client.embed_documents(texts, batch_size=len(texts))

    async def aembed(self, texts: list[str], *, is_query: bool) -> list[list[float]]:
        """Embed texts in one request."""
        if is_query:
            return [await self._client.aembed_query(text) for text in texts]
        return await self._client.aembed_documents(texts, batch_size=len(texts))


def check_answer(data: bytes) -> None:
    """Look for an error under status 200, which the client takes for an answer without anything in it.

    Raises:
        ErrorAnswerError: It is one.
        UnreadableAnswerError: It is no JSON.
    """
    if not data.lstrip().startswith((b"{", b"[")) or b'"error"' in data[:_BEGINNING]:
        whole_document(data)


def _http_arguments() -> dict[str, ssl.SSLContext]:
    # The client makes one for each library that it may use: "verify" is httpx's name, "ssl" the others'.
    return {"verify": tls_context(), "ssl": tls_context()}


def _client(
    endpoint: Endpoint,
    connections: Connections,
    *,
    timeout: float | None,
    model: ChatGoogleGenerativeAI | GoogleGenerativeAIEmbeddings,
) -> Client:
    return Client(
        vertexai=False,
        api_key=endpoint.key.get_secret_value() if endpoint.key else None,
        http_options=HttpOptions(
            base_url=endpoint.base_url,
            api_version=model.api_version,
            headers=model.additional_headers,
            timeout=None if timeout is None else int(timeout * 1000),
            retry_options=HttpRetryOptions(attempts=_ONE_ATTEMPT),
            client_args=model.client_args,
            async_client_args=model.client_args,
            httpx_client=connections.sync_client,
            httpx_async_client=connections.async_client,
        ),
    )
