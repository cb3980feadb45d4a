"""What an embedding may offer beside LangChain's interface, asked once by whoever uses it.

Our own embeddings offer it, and any other may: a member of the same name is all it takes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from langchain_core.embeddings import Embeddings


@runtime_checkable
class RetriesByItself(Protocol):
    """Repeats requests that fail, and can be told not to."""

    def without_retries(self) -> "Embeddings":
        """The same embeddings over the same connections, each request made once."""
        ...


@runtime_checkable
class AnswersMatrix(Protocol):
    """Has ``embed_documents`` without a list of each vector, which takes as long as a request."""

    def embed_matrix(self, texts: list[str]) -> Any:
        """Vectors as an array of shape (number of texts, dimension)."""
        ...


@runtime_checkable
class LimitsTexts(Protocol):
    """Knows how many texts a request may have."""

    @property
    def max_batch(self) -> int:
        """Most texts in one request."""
        ...


@runtime_checkable
class LimitsChars(Protocol):
    """Knows how long the texts of a request may be together."""

    @property
    def max_batch_chars(self) -> int:
        """Most characters in one request."""
        ...


@runtime_checkable
class Fingerprinted(Protocol):
    """Knows what makes its vectors comparable."""

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Provider, model, dimension, prefixes, normalisation."""
        ...


@dataclass(frozen=True, slots=True)
class BatchEmbedding:
    """How a caller that batches, waits and repeats by itself uses an embedding.

    Attributes:
        embed: Embeds texts in one request, made once.
        max_batch: Most texts in a request; None where the embedding does not tell.
        max_batch_chars: Most characters in a request; None where the embedding does not tell.
    """

    embed: Callable[[list[str]], Any]
    max_batch: int | None
    max_batch_chars: int | None


def as_batch_embedding(embedding: "Embeddings") -> BatchEmbedding:
    """Ask an embedding what it offers to a caller that batches."""
    once = embedding.without_retries() if isinstance(embedding, RetriesByItself) else embedding
    return BatchEmbedding(
        embed=_quickest(once),
        max_batch=embedding.max_batch if isinstance(embedding, LimitsTexts) else None,
        max_batch_chars=embedding.max_batch_chars if isinstance(embedding, LimitsChars) else None,
    )


def _quickest(embedding: "Embeddings") -> Callable[[list[str]], Any]:
    """``embed_matrix``, where it stands beside the ``embed_documents`` that it equals, and nobody overrode that."""
    owners = [getattr(embedding, "__dict__", {}), *(vars(cls) for cls in type(embedding).__mro__)]
    owner: Mapping[str, Any] = next((names for names in owners if "embed_documents" in names), {})
    if isinstance(embedding, AnswersMatrix) and "embed_matrix" in owner:
        return embedding.embed_matrix
    return embedding.embed_documents
