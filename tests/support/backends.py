"""A provider and the server that plays it, and the four ways to ask a chat model."""

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel

from milvus_rag.models.chat import chat_model
from milvus_rag.models.embeddings import embedding_model
from milvus_rag.models.providers.embeddings import ProviderEmbeddings

from .gemini_server import GeminiServer
from .openai_server import OpenAIServer

Mode = Literal["invoke", "stream", "ainvoke", "astream"]
MODES: tuple[Mode, ...] = ("invoke", "stream", "ainvoke", "astream")


@dataclass
class Backend:
    """A provider and the server that plays it.

    Attributes:
        provider: The provider's name.
        server: Where its requests go.
    """

    provider: str
    server: GeminiServer | OpenAIServer

    @property
    def _arguments(self) -> dict[str, Any]:
        # Retries come at once: tests do not wait.
        return {"api_key": self.server.key, "base_url": self.server.base_url, "backoff": 0.0, "max_retries": 2}

    def chat(self, model: str | None = None, **options: Any) -> BaseChatModel:
        """The provider's chat model, at this server."""
        return chat_model(self._spec(model), **{**self._arguments, **options})

    def embeddings(self, model: str | None = None, **options: Any) -> ProviderEmbeddings:
        """The provider's embedding model, at this server."""
        made = embedding_model(self._spec(model), **{**self._arguments, **options})
        assert isinstance(made, ProviderEmbeddings)
        return made

    def _spec(self, model: str | None) -> str:
        return f"{self.provider}:{model}" if model else self.provider


def ask(model: Any, question: Any, mode: Mode = "invoke", received: list[str] | None = None) -> str:
    """Ask in one of the four ways; each async one in an event loop of its own.

    Args:
        model: A chat model.
        question: What it takes.
        mode: The way.
        received: Takes the pieces of a stream as they come, for streams that break.
    """
    pieces = [] if received is None else received

    async def stream() -> None:
        async for chunk in model.astream(question):
            pieces.append(chunk.text)

    if mode == "invoke":
        return str(model.invoke(question).text)
    if mode == "ainvoke":
        return str(asyncio.run(model.ainvoke(question)).text)
    if mode == "stream":
        pieces.extend(chunk.text for chunk in model.stream(question))
    else:
        asyncio.run(stream())
    return "".join(pieces)


def embed(embeddings: Any, texts: list[str], *, is_async: bool) -> list[list[float]]:
    """Embed documents, sync or in an event loop of its own."""
    vectors: list[list[float]] = (
        asyncio.run(embeddings.aembed_documents(texts)) if is_async else embeddings.embed_documents(texts)
    )
    return vectors
