"""Embeddings of a provider: prefixes, batches, retries, checks and normalisation around a vendor's client."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self, SupportsIndex

import numpy as np
from langchain_core.embeddings import Embeddings

from ...vectors import BadVectorsError, batches, checked_matrix
from .calls import Calls
from .endpoints import Endpoint
from .failures import response_error

if TYPE_CHECKING:
    from numpy.typing import NDArray


class EmbeddingClient(Protocol):
    """One request for a few texts, as a vendor's client makes it: no retries, no checks."""

    def embed(self, texts: list[str], *, is_query: bool) -> Sequence[Any]:
        """Embed texts in one request. A vector is any sequence of numbers."""
        ...

    async def aembed(self, texts: list[str], *, is_query: bool) -> Sequence[Any]:
        """Embed texts in one request."""
        ...


@dataclass(frozen=True, slots=True)
class Wrapping:
    """What is done around a vendor's client.

    Attributes:
        query_prefix: Put in front of a question.
        document_prefix: Put in front of a document.
        dimension: Length of a vector, ``None`` until the first answer tells.
        normalise: Whether vectors are scaled to length 1, as the metrics ``IP`` and ``COSINE`` need.
        max_batch: Most texts in one request.
        max_batch_chars: Most characters in one request.
    """

    query_prefix: str
    document_prefix: str
    dimension: int | None
    normalise: bool
    max_batch: int
    max_batch_chars: int


class ProviderEmbeddings(Embeddings):
    """Embeddings of a provider, made by `milvus_rag.models.embeddings.embedding_model`.

    Texts are sent in batches under the provider's limits. Either all vectors of a call come back, checked, or one
    error. It can be used from any number of threads and event loops.

    Args:
        client: The vendor's client.
        calls: Errors and retries.
        wrapping: What is done around the client.
    """

    def __init__(self, client: EmbeddingClient, *, calls: Calls, wrapping: Wrapping) -> None:
        self._client = client
        self._calls = calls
        self._wrapping = wrapping
        self._make: Callable[[], ProviderEmbeddings] | None = None

    def made_by(self, make: "Callable[[], ProviderEmbeddings]") -> Self:
        """Say how to make it once more, where a pickle of it arrives."""
        self._make = make
        return self

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return super().__reduce_ex__(protocol) if self._make is None else (_made_again, (self._make, self._wrapping))

    def __deepcopy__(self, memo: object) -> "ProviderEmbeddings":
        # Over the same connections, as long as either is there.
        copied = ProviderEmbeddings(self._client, calls=self._calls, wrapping=self._wrapping)
        return copied.made_by(self._make) if self._make else copied

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._calls.endpoint.name!r})"

    @property
    def model(self) -> str:
        """The model's name."""
        return self._calls.endpoint.model

    @property
    def endpoint(self) -> Endpoint:
        """What is called."""
        return self._calls.endpoint

    @property
    def max_batch(self) -> int:
        """Most texts in one request."""
        return self._wrapping.max_batch

    @property
    def max_batch_chars(self) -> int:
        """Most characters in one request, prefixes not counted."""
        return self._wrapping.max_batch_chars

    @property
    def fingerprint(self) -> dict[str, str | int | bool | None]:
        """What makes vectors comparable: provider, model, dimension, prefixes, normalisation.

        The dimension is ``None`` where the table does not tell it and nothing has been embedded yet.
        """
        return {
            "provider": self._calls.endpoint.provider.name,
            "model": self._calls.endpoint.model,
            "dimension": self._wrapping.dimension,
            "query_prefix": self._wrapping.query_prefix,
            "document_prefix": self._wrapping.document_prefix,
            "normalised": self._wrapping.normalise,
        }

    def without_retries(self) -> "ProviderEmbeddings":
        """The same embeddings over the same connections, each request made once.

        For callers that wait and retry themselves: they find the provider's wish in the error's ``retry_after``.
        """
        once = ProviderEmbeddings(self._client, calls=self._calls.without_retries(), wrapping=self._wrapping)
        return once.made_by(partial(_without_retries, self._make)) if self._make else once

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed documents.

        Args:
            texts: Any number of them.

        Returns:
            A vector for each text, in order.

        Raises:
            InputTooLargeError: A request or a text is over the model's limit.
            RateLimitError: The provider still says 429 after all retries.
            ModelResponseError: Vectors are missing, of a wrong dimension or not finite.
            ModelError: Anything else, see `milvus_rag.errors`.
        """
        vectors: list[list[float]] = self.embed_matrix(texts).tolist()
        return vectors

    def embed_matrix(self, texts: Sequence[str]) -> "NDArray[np.float64]":
        """Embed documents, see `embed_documents`; without a list of each vector, which takes as long as a request.

        Returns:
            The vectors, of shape (number of texts, dimension).
        """
        parts = [
            self._checked(self._calls.run(partial(self._client.embed, batch, is_query=False)), len(batch))
            for batch in self._batches(texts)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self._wrapping.dimension or 0))

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed documents, see `embed_documents`."""
        vectors: list[list[float]] = []
        for batch in self._batches(texts):
            answer = await self._calls.arun(partial(self._client.aembed, batch, is_query=False))
            vectors += self._checked(answer, len(batch)).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        """Embed a question.

        Returns:
            Its vector.

        Raises:
            ModelError: See `embed_documents`.
        """
        texts = [self._wrapping.query_prefix + text]
        answer = self._calls.run(partial(self._client.embed, texts, is_query=True))
        return _only(self._checked(answer, 1))

    async def aembed_query(self, text: str) -> list[float]:
        """Embed a question, see `embed_query`."""
        texts = [self._wrapping.query_prefix + text]
        answer = await self._calls.arun(partial(self._client.aembed, texts, is_query=True))
        return _only(self._checked(answer, 1))

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        prefix = self._wrapping.document_prefix
        for batch in batches(texts, most=self.max_batch, most_chars=self.max_batch_chars):
            yield [prefix + text for text in batch]

    def _checked(self, answer: Any, count: int) -> "NDArray[np.float64]":
        wrapping = self._wrapping
        try:
            vectors = checked_matrix(answer, count=count, dimension=wrapping.dimension, normalise=wrapping.normalise)
        except BadVectorsError as exc:
            raise response_error(self._calls.endpoint, str(exc)) from exc
        if wrapping.dimension is None:
            self._wrapping = replace(wrapping, dimension=vectors.shape[1])
        return vectors


def _made_again(make: Callable[[], ProviderEmbeddings], wrapping: Wrapping) -> ProviderEmbeddings:
    made = make()
    # With the dimension that its first answer told.
    made._wrapping = wrapping
    return made.made_by(make)


def _without_retries(make: Callable[[], ProviderEmbeddings]) -> ProviderEmbeddings:
    return make().without_retries()


def _only(vectors: "NDArray[np.float64]") -> list[float]:
    vector: list[float] = vectors[0].tolist()
    return vector
