"""The models of a run, as its settings say: for the command line and the server."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .errors import InputError
from .settings import Settings

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings
    from langchain_core.language_models import BaseChatModel

DEFAULT_ANSWER_TOKENS: Final = 4096
"""Tokens of an answer where the settings do not say, so that a model that goes in circles comes to an end.

Answers from passages have some hundreds; what a model thinks before counts too.
"""

# Written for an empty text, which an environment variable cannot be told from no text.
_NONE: Final = "none"


def configured_chat_model(
    settings: Settings,
    spec: str | None = None,
    *,
    language: str = "english",
    embedding: "Embeddings | None" = None,
) -> "BaseChatModel":
    """A chat model.

    Args:
        settings: Say which and how. An address and a key belong to the provider of the settings' own model.
        spec: In place of the settings' own.
        language: That of the passages, for a model that compares words.
        embedding: The index', for a model that compares sentences. One of a provider is not asked: that would be a paid
            call for each answer.

    Raises:
        InputError: A setting does not apply to this model.
        ModelError: The model cannot be made, see `milvus_rag.models.chat.chat_model`.
    """
    from .models.chat import chat_model, is_extractive

    spec = spec or settings.chat_spec
    is_own = spec.partition(":")[0] == settings.chat_spec.partition(":")[0]
    if is_extractive(spec):
        if is_own:
            _check_unused(settings, spec)
        own: dict[str, Any] = {}
        if embedding is not None:
            from .models.local.embeddings import LocalEmbeddings

            own = {"embedding": embedding} if isinstance(embedding, LocalEmbeddings) else {}
        return chat_model(spec, language=language, **own)
    options: dict[str, Any] = {
        "temperature": settings.temperature,
        "seed": settings.seed,
        "extra_body": settings.extra_body,
        "base_url": settings.llm_url if is_own else None,
        "api_key": settings.llm_key if is_own else None,
    }
    return chat_model(
        spec,
        timeout=settings.model_timeout,
        answer_timeout=settings.answer_timeout,
        retry_seconds=settings.retry_seconds,
        max_tokens=settings.max_tokens or DEFAULT_ANSWER_TOKENS,
        accept_cut_off=settings.max_tokens is not None,
        **{name: value for name, value in options.items() if value is not None},
    )


def configured_embedding(settings: Settings, spec: str, *, built: Mapping[str, Any] | None = None) -> "Embeddings":
    """An embedding model.

    Args:
        settings: Say how.
        spec: Which.
        built: What a collection remembers of the embedding that it was built with. Prefixes that the settings do not
            name are those of it, also where a later version knows others.

    Raises:
        InputError: A setting does not apply to this model.
        ModelError: The model cannot be made, see `milvus_rag.models.embeddings.embedding_model`.
    """
    from .models.embeddings import embedding_model

    facts = built or {}
    prefixes = {name: _prefix(getattr(settings, name), facts.get(name)) for name in ("query_prefix", "document_prefix")}
    options: dict[str, Any] = {
        "dimension": settings.dimension,
        "base_url": settings.embeddings_url,
        "api_key": settings.embeddings_key,
        "pooling": settings.pooling,
        **prefixes,
    }
    given = {name: value for name, value in options.items() if value is not None}
    return embedding_model(spec, timeout=settings.model_timeout, **given)


def _prefix(given: str | None, remembered: Any) -> str | None:
    if given is not None:
        return "" if given == _NONE else given
    return remembered if isinstance(remembered, str) else None


def _check_unused(settings: Settings, spec: str) -> None:
    names = ("llm_url", "llm_key", "temperature", "max_tokens", "seed", "extra_body")
    if given := [name for name in names if getattr(settings, name) is not None]:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        verb = "does" if len(given) == 1 else "do"
        raise InputError(
            f"The chat model {spec!r} quotes the passages, so {flags} {verb} not apply to it. Name the model that is "
            f"meant (--llm openai:MODEL), or leave them out."
        )
