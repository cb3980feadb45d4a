"""Rerankers by name."""

from typing import Final

from langchain_core.documents import BaseDocumentCompressor
from pydantic import SecretStr

from ..errors import InputError, UnknownProviderError
from .reranking import OnError, Reranker, Scorer

DEFAULT_TIMEOUT: Final = 30.0
DEFAULT_MAX_RETRIES: Final = 3
_KNOWN: Final = "jina, jina:MODEL, local, local:MODEL, local:/path/to/folder"


def reranker(
    spec: str | BaseDocumentCompressor,
    *,
    top_n: int | None = None,
    on_error: OnError = "raise",
    timeout: float = DEFAULT_TIMEOUT,
    max_retries: int = DEFAULT_MAX_RETRIES,
    api_key: str | SecretStr | None = None,
    base_url: str | None = None,
) -> BaseDocumentCompressor:
    """Make a reranker: a document compressor that puts the best documents first.

    Args:
        spec: ``"jina"`` or ``"jina:MODEL"`` (Jina's API, needs a key); ``"local"``, ``"local:MODEL"`` or
            ``"local:/folder"`` (a cross-encoder on this machine); or a document compressor, which comes back as it is.
            For functions of ``pymilvus.model`` see `milvus_rag.PymilvusReranker`.
        top_n: How many documents come back, ``None`` for all.
        on_error: What happens when the model fails: ``"raise"``, or ``"keep_order"``, which logs a warning and gives
            the documents back in their old order, with the error's words as ``rerank_error`` in their metadata.
        timeout: Seconds to wait for an answer.
        max_retries: Calls after the first one, where another may help. Only for Jina.
        api_key: Jina's key, by default from ``JINA_API_KEY``.
        base_url: Jina's address, by default from ``JINA_BASE_URL`` or Jina's own.

    Returns:
        A reranker whose documents carry a ``rerank_score`` in their metadata, higher is better.

    Raises:
        UnknownProviderError: There is no such reranker.
        MissingKeyError: Jina is asked for, and there is no key.
        MissingExtraError: The package that it needs is not installed.
        InputError: An argument cannot be used.
    """
    if isinstance(spec, BaseDocumentCompressor):
        return spec
    if not isinstance(spec, str):
        raise InputError(
            f"A reranker is given by its name ({_KNOWN}) or as a document compressor, not as {type(spec).__name__}. "
            f"For a function of pymilvus.model use PymilvusReranker(function)."
        )
    provider, colon, model = spec.partition(":")
    if colon and not model.strip():
        raise InputError(f"The spec {spec!r} names no model: write {provider!r} for the default.")
    if timeout <= 0:
        raise InputError(f"timeout must be more than 0 seconds, not {timeout}.")
    scorer: Scorer
    match provider.strip().lower():
        case "jina":
            from .providers.jina import JinaScorer

            scorer = JinaScorer(
                model.strip() or None, timeout=timeout, max_retries=max_retries, api_key=api_key, base_url=base_url
            )
        case "local":
            from .local.cross_encoder import DEFAULT_MODEL, CrossEncoderScorer

            scorer = CrossEncoderScorer(model.strip() or DEFAULT_MODEL, timeout=timeout)
        case _:
            raise UnknownProviderError(f"There is no reranker {spec!r}. Known ones: {_KNOWN}.")
    return Reranker(scorer=scorer, top_n=top_n, on_error=on_error)
