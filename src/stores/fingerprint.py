"""What made the vectors of a collection, so that no other model searches it by mistake.

All three tutorials use 768 dimensions, the same file and the same collection: mixing them up gives noise without a
word. A fingerprint is a dict of provider, model, dimension, prefixes and normalisation.
"""

from collections.abc import Mapping
from typing import Any

from langchain_core.embeddings import Embeddings
from langchain_milvus.utils.sparse import BaseSparseEmbedding

from ..embedding_protocols import Fingerprinted
from ..errors import EmbeddingMismatchError, InputError
from .layout import Layout

# Facts that make vectors incomparable when they differ. Others (batch sizes, timeouts) do not.
_FACTS = ("provider", "model", "dimension", "query_prefix", "document_prefix", "normalised", "digest")


def fingerprint_of(embedding: Any) -> dict[str, Any]:
    """Describe an embedding.

    Our own embeddings carry a ``fingerprint``; of any other LangChain embedding the class and model name are known.
    A cache before an embedding (LangChain's `CacheBackedEmbeddings`) is that embedding.
    """
    cached = getattr(embedding, "underlying_embeddings", None)
    if isinstance(cached, Embeddings):
        return fingerprint_of(cached)
    own = embedding.fingerprint if isinstance(embedding, Fingerprinted) else None
    if isinstance(own, Mapping):
        return {fact: own[fact] for fact in _FACTS if own.get(fact) is not None}
    model = next(
        (name for attribute in ("model", "model_name", "model_id") if (name := _text(embedding, attribute))), None
    )
    return {"provider": type(embedding).__name__, **({"model": model} if model else {})}


def check_built_with(
    collection: str,
    layout: Layout,
    embedding: Embeddings | None,
    sparse_embedding: BaseSparseEmbedding | None,
    language: str | None,
) -> None:
    """Compare what a collection was built with and what a store is opened with.

    Raises:
        EmbeddingMismatchError: It was built with another embedding, dense or sparse, or with none.
        InputError: It was built for full-text search in another language.
    """
    if embedding is not None and layout.vector_field is None:
        raise EmbeddingMismatchError(
            f"The collection {collection!r} was built without an embedding, and is opened with one. Open it without, "
            f"or rebuild it with the embedding (milvus-rag index --rebuild)."
        )
    if embedding is not None:
        built = {"dimension": layout.dimension, **layout.properties.get("embedding", {})}
        _check_fingerprint(collection, built, fingerprint_of(embedding))
    if sparse_embedding is not None:
        built = layout.properties.get("sparse_embedding", {"provider": "Milvus' BM25 function or another program"})
        _check_fingerprint(collection, built, fingerprint_of(sparse_embedding))
    built_language = layout.properties.get("analysis", {}).get("language")
    if language and built_language and language != built_language:
        raise InputError(
            f"The collection {collection!r} was built for full-text search in {built_language}, and is opened for "
            f"{language}. Open it with language={built_language!r}, or rebuild it (milvus-rag index --rebuild)."
        )


def _check_fingerprint(collection: str, built: Mapping[str, Any], opened: Mapping[str, Any]) -> None:
    """Facts that one side does not know are not compared: a dimension may be unknown before the first call."""
    different = [fact for fact in _FACTS if fact in built and fact in opened and built[fact] != opened[fact]]
    if not different:
        return
    raise EmbeddingMismatchError(
        f"The collection {collection!r} was built with the embedding {describe(built)}, and is opened with "
        f"{describe(opened)}: {', '.join(different)} differ{'s' if len(different) == 1 else ''}, so the results "
        f"would be noise. Open it with the embedding it was built with, rebuild it with the new one "
        f"(milvus-rag index --rebuild), or use another collection name."
    )


def describe(fingerprint: Mapping[str, Any]) -> str:
    """A fingerprint in one line."""
    name = ":".join(str(fingerprint[fact]) for fact in ("provider", "model") if fact in fingerprint) or "unknown"
    rest = [
        f"{fact.replace('_', ' ')} {fingerprint[fact]!r}"
        for fact in ("dimension", "query_prefix", "document_prefix", "normalised")
        if fingerprint.get(fact) not in (None, "")
    ]
    return f"{name} ({', '.join(rest)})" if rest else name


def without_its_embedding(collection: str, properties: Mapping[str, Any]) -> str:
    """What to tell whoever writes to a collection with vectors, and has no embedding to make them."""
    made = properties.get("embedding")
    what = f"vectors of {describe(made)}" if made else "vectors"
    return (
        f"The collection {collection!r} has {what}, so it can be written only with that embedding. Give it "
        f"(--embeddings, or embedding= of open_store), or build the index anew without vectors (--rebuild)."
    )


def _text(embedding: Any, attribute: str) -> str | None:
    value = getattr(embedding, attribute, None)
    return value if isinstance(value, str) else None
