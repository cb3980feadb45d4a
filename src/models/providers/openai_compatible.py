"""Clients for servers that speak OpenAI's protocol, through langchain-openai. Needs the extra ``openai``."""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr

from ...error_bodies import read_body
from ...extras import borrowed
from .answers import broken_off
from .calls import Calls
from .chat_events import THOUGHTS
from .chat_requests import AsyncChatRequests, ChatRequests, Limits
from .checked_chat import CheckedChatModel
from .connections import Connections
from .embedding_requests import AsyncEmbeddingRequests, EmbeddingRequests
from .endpoints import Endpoint
from .event_stream import ErrorAnswerError, UnreadableAnswerError, is_error
from .failures import malformed, response_error
from .habits import Habits
from .table import host_of

_PACKAGE = "langchain-openai"
# The client insists on a key; servers in one's own house ignore it.
_NO_KEY = SecretStr("none")
# OpenAI and Azure have given up "max_tokens"; many other servers know nothing else.
_OPENAI_HOSTS = ("api.openai.com", ".openai.azure.com")
_OPENAI_LIMIT = "max_completion_tokens"


class OpenAICompatibleChat(CheckedChatModel, ChatOpenAI):
    """A chat model behind OpenAI's protocol, with our errors and retries."""

    def _get_request_payload(self, input_: Any, *, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        payload = super()._get_request_payload(input_, stop=stop, **kwargs)
        if _OPENAI_LIMIT in payload and not host_of(self.calls.endpoint.base_url).endswith(_OPENAI_HOSTS):
            payload["max_tokens"] = payload.pop(_OPENAI_LIMIT)
        if "messages" in payload:
            # They are plain JSON already. The client would look through each of them for what is not, which takes as
            # long as building the rest of a request; it takes an extra body as it is.
            payload["extra_body"] = {"messages": payload["messages"], **(payload.get("extra_body") or {})}
            payload["messages"] = []
        return payload

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        document = _as_dict(response)
        if is_error(document):
            raise ErrorAnswerError(document)
        choices = document.get("choices")
        if choices == []:
            raise response_error(self.calls.endpoint, "answered nothing")
        try:
            result = super()._create_chat_result(response, generation_info)
            for generation, choice in zip(result.generations, choices or (), strict=False):
                keep_what_is_beside(generation.message, choice["message"])
        except (ValueError, TypeError, LookupError, AttributeError) as exc:
            raise malformed(self.calls.endpoint, exc) from exc
        if isinstance(response, dict) and any(choice["finish_reason"] is None for choice in response["choices"]):
            chars = sum(len(generation.message.text) for generation in result.generations)
            raise response_error(self.calls.endpoint, broken_off(chars))
        return result

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        try:
            made = super()._convert_chunk_to_generation_chunk(chunk, default_chunk_class, base_generation_info)
            if made is not None:
                for choice in chunk.get("choices") or ():
                    keep_what_is_beside(made.message, choice["delta"])
            return made
        except (ValueError, TypeError, LookupError, AttributeError) as exc:
            raise malformed(self.calls.endpoint, exc) from exc

    def _has_token_limit(self, kwargs: Mapping[str, Any]) -> bool:
        is_set = self.max_tokens is not None and self.accept_cut_off
        return is_set or bool(kwargs.keys() & {"max_tokens", _OPENAI_LIMIT})


def keep_what_is_beside(message: BaseMessage, sent: Mapping[str, Any]) -> None:
    """Keep what came beside an answer, thoughts and a refusal, where LangChain looks for it."""
    for name in (THOUGHTS, "refusal"):
        if value := sent.get(name):
            message.additional_kwargs[name] = value


def _as_dict(response: Any) -> dict[str, Any]:
    if isinstance(response, dict):
        return response
    dump = getattr(response, "model_dump", None)
    document = dump(exclude={"choices": {"__all__": {"message": {"parsed"}}}}, warnings=False) if dump else None
    if not isinstance(document, dict):
        raise UnreadableAnswerError(read_body(response).message or f"it is a {type(response).__name__}")
    return document


def make_chat(
    calls: Calls, *, timeout: float, answer_timeout: float, accept_cut_off: bool, options: Mapping[str, Any]
) -> OpenAICompatibleChat:
    """Make a chat model.

    Args:
        calls: Endpoint, errors and retries.
        timeout: Seconds that the server may be silent.
        answer_timeout: Seconds that a whole answer may take.
        accept_cut_off: Whether an answer that reaches the limit of tokens is as wanted.
        options: Further arguments of ``ChatOpenAI``.
    """
    endpoint, connections = calls.endpoint, Connections()
    arguments: dict[str, Any] = {
        "model": endpoint.model,
        "base_url": endpoint.base_url,
        "api_key": endpoint.key or _NO_KEY,
        "default_query": dict(endpoint.query) or None,
        "timeout": timeout,
        # It counts comments that keep a connection alive as silence, and logs for itself.
        "stream_chunk_timeout": None,
        "max_retries": 0,
        # A name like gpt-5-pro would switch to an API that only OpenAI has.
        "use_responses_api": False,
        "stream_usage": True,
        "http_client": connections.sync_client,
        "http_async_client": connections.async_client,
        # Else it warns that it would ignore HTTPS_PROXY, which our clients do not.
        "http_socket_options": (),
    }
    own: dict[str, Any] = {"calls": calls, "connections": connections, "accept_cut_off": accept_cut_off}
    chat = OpenAICompatibleChat(**{**arguments, **options, **own})
    limits = Limits(endpoint, answer_timeout, None if accept_cut_off else chat.max_tokens)
    chat.client = ChatRequests(borrowed(chat, "client", _PACKAGE), limits)
    chat.async_client = AsyncChatRequests(borrowed(chat, "async_client", _PACKAGE), limits)
    return chat


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
        habits = Habits()
        resource, async_resource = (borrowed(self._client, name, _PACKAGE) for name in ("client", "async_client"))
        self._client.client = EmbeddingRequests(resource, habits)
        self._client.async_client = AsyncEmbeddingRequests(async_resource, habits)

    def embed(self, texts: list[str], *, is_query: bool) -> list[Any]:
        """Embed texts in one request."""
        return self._client.embed_documents(texts, chunk_size=len(texts))

    async def aembed(self, texts: list[str], *, is_query: bool) -> list[Any]:
        """Embed texts in one request."""
        return await self._client.aembed_documents(texts, chunk_size=len(texts))
