"""Embedding models by name: ``embedding_model("gemini")``."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol, cast

from langchain_core.embeddings import Embeddings
from pydantic import SecretStr

from ..errors import InputError
from ..extras import require
from .embedding_traits import Pooling, embedding_traits
from .providers.calls import DEFAULT_BACKOFF, DEFAULT_MAX_RETRIES, DEFAULT_TIMEOUT, Calls, RetryPolicy
from .providers.embeddings import EmbeddingClient, ProviderEmbeddings, Wrapping
from .providers.endpoints import Endpoint, resolve_endpoint, warn_if_retired
from .providers.table import Spec, find_provider, parse_spec
from .travelling import maker_of

_CLIENTS = {
    "gemini": (".providers.gemini", "GeminiEmbeddings"),
    "openai": (".providers.openai_compatible", "OpenAICompatibleEmbeddings"),
}


class _ClientMaker(Protocol):
    def __call__(
        self, endpoint: Endpoint, *, timeout: float, dimension: int | None, options: Mapping[str, Any]
    ) -> EmbeddingClient: ...


def embedding_model(
    spec: str | Embeddings,
    *,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    max_retries: int = DEFAULT_MAX_RETRIES,
    backoff: float = DEFAULT_BACKOFF,
    retry_seconds: float | None = None,
    dimension: int | None = None,
    query_prefix: str | None = None,
    document_prefix: str | None = None,
    normalise: bool = True,
    max_batch: int | None = None,
    max_batch_chars: int | None = None,
    pooling: Pooling | None = None,
    **options: Any,
) -> Embeddings:
    """Make an embedding model from a spec.

    Args:
        spec: ``provider`` (gemini, fireworks, lepton, openai, local), ``provider:model`` or ``local:/folder``; an
            embedding model of LangChain's comes back as it is, and the other arguments do not apply to it. ``lepton``
            embeds on this machine, as its tutorial does.
        api_key: The provider's key, instead of its environment variable.
        base_url: The server's address, instead of the provider's own or its environment variable.
        timeout: Seconds for a request.
        max_retries: Further calls after 429, 5xx or a failed connection; ``Retry-After`` is honoured.
        backoff: Seconds before the first retry where the provider does not say; doubles each time.
        retry_seconds: Seconds after the first call in which another one may begin; by default any number.
        dimension: Length of a vector to ask for, by default what the table says for the model, or the model's own.
        query_prefix: Put in front of a question, by default what the model wants.
        document_prefix: Put in front of a document, by default what the model wants.
        normalise: Whether vectors are scaled to length 1, so that inner product and cosine rank alike.
        max_batch: Most texts in one request, by default the provider's limit.
        max_batch_chars: Most characters in one request, by default what keeps under the provider's limit of tokens.
        pooling: How a model in a folder makes one vector of those of a text's tokens, by default what the folder says:
            ``"mean"``, ``"cls"`` or ``"lasttoken"``.
        **options: Arguments of LangChain's class for the provider, or of `LocalEmbeddings`.

    Returns:
        Embeddings that work in any number of threads and event loops, with a ``fingerprint``, ``max_batch``,
        ``max_batch_chars`` and ``without_retries()``, see
        `milvus_rag.models.providers.embeddings.ProviderEmbeddings`.

    Raises:
        UnknownProviderError: There is no such provider.
        MissingKeyError: The provider needs a key.
        MissingExtraError: The provider's package is not installed.
        InputError: An argument cannot be used.
    """
    given = dict(locals())
    if not isinstance(spec, str):
        return spec
    parsed = _embedding_spec(parse_spec(spec))
    row = parsed.provider
    if row.protocol == "local":
        refused = [name for name, value in (("api_key", api_key), ("base_url", base_url)) if value is not None]
        if refused or dimension is not None or not normalise:
            raise _not_local(parsed.model or row.embedding_model, refused)
        return _local(parsed.model or row.embedding_model, query_prefix, document_prefix, pooling, options)
    if pooling is not None:
        raise InputError(f"pooling= is for models in folders: {parsed.name} pools where it is served.")
    endpoint = resolve_endpoint(parsed, "embedding", api_key=api_key, base_url=base_url)
    policy = RetryPolicy.checked(max_retries=max_retries, backoff=backoff, timeout=timeout, within=retry_seconds)
    traits = embedding_traits(endpoint.model)
    wrapping = Wrapping(
        query_prefix=traits.query_prefix if query_prefix is None else query_prefix,
        document_prefix=traits.document_prefix if document_prefix is None else document_prefix,
        dimension=traits.dimension if dimension is None else dimension,
        normalise=normalise,
        max_batch=row.max_batch if max_batch is None else max_batch,
        max_batch_chars=row.max_batch_chars if max_batch_chars is None else max_batch_chars,
    )
    for name in ("dimension", "max_batch", "max_batch_chars"):
        if (value := getattr(wrapping, name)) is not None and value < 1:
            raise InputError(f"{name} must be at least 1, not {value}.")
    require(row.embedding_package or "", row.extras[0], f"The provider {row.name}")
    warn_if_retired(endpoint, stacklevel=2)
    asked = dimension if dimension is not None else traits.dimension if traits.asks_dimension else None
    module, name = _CLIENTS[row.protocol]
    make = cast("_ClientMaker", getattr(import_module(module, __package__), name))
    client = make(endpoint, timeout=timeout, dimension=asked, options=options)
    made = ProviderEmbeddings(client, calls=Calls(endpoint, policy, requests_are_sound=True), wrapping=wrapping)
    return made.made_by(maker_of(embedding_model, given))


def _local(
    model: str,
    query_prefix: str | None,
    document_prefix: str | None,
    pooling: Pooling | None,
    options: Mapping[str, Any],
) -> Embeddings:
    from .local.embeddings import LocalEmbeddings

    return LocalEmbeddings(
        model, query_prefix=query_prefix, document_prefix=document_prefix, pooling=pooling, **options
    )


def _not_local(model: str, refused: Sequence[str]) -> InputError:
    if refused:
        return InputError(f"The model local:{model} runs on this machine: leave {' and '.join(refused)} out.")
    return InputError(f"The model local:{model} has a dimension of its own, and its vectors are normalised.")


def _embedding_spec(spec: Spec) -> Spec:
    row = spec.provider
    if row.embeddings_by == row.name:
        return spec
    if spec.model is not None:
        raise InputError(
            f"The provider {row.name} serves no embedding models, so {spec.name!r} names none: use {row.name!r}, which "
            f"means {row.embeddings_by}:{row.embedding_model}, or another provider's."
        )
    return Spec(find_provider(row.embeddings_by), row.embedding_model)
