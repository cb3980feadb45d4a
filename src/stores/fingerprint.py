"""What made the vectors of a collection, so that no other model searches it by mistake.

All three tutorials use 768 dimensions, the same file and the same collection: mixing them up gives noise without a
word. A fingerprint is a dict of provider, model, dimension, prefixes and normalisation.
"""

from collections.abc import Mapping
from typing import Any

from langchain_core.embeddings import Embeddings

from ..errors import EmbeddingMismatchError

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
    own = getattr(embedding, "fingerprint", None)
    if isinstance(own, Mapping):
        return {fact: own[fact] for fact in _FACTS if own.get(fact) is not None}
    model = next(
        (name for attribute in ("model", "model_name", "model_id") if (name := _text(embedding, attribute))), None
    )
    return {"provider": type(embedding).__name__, **({"model": model} if model else {})}


def check_fingerprint(collection: str, built: Mapping[str, Any], opened: Mapping[str, Any]) -> None:
    """Compare what a collection was built with and what it is opened with.

    Facts that one side does not know are not compared: a dimension may be unknown before the first call.

    Raises:
        EmbeddingMismatchError: They differ.
    """
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


def _text(embedding: Any, attribute: str) -> str | None:
    value = getattr(embedding, attribute, None)
    return value if isinstance(value, str) else None
