"""Dense embedding functions of ``pymilvus.model`` as LangChain embeddings."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.embeddings import Embeddings

from ...errors import ModelResponseError
from ...vectors import batches, usable
from .functions import PymilvusFunction

DEFAULT_FUNCTION: Final = "DefaultEmbeddingFunction"


class PymilvusEmbeddings(Embeddings):
    """Any dense function of ``pymilvus.model``; of BGE-M3 and mGTE, which are both, the dense half.

    The function is made at first use when its name or class is given. It never runs pip: a package that it lacks is
    named in an error. Vectors are checked and scaled to length 1.

    Args:
        function: The name of a function (``"DefaultEmbeddingFunction"``, ``"SentenceTransformerEmbeddingFunction"``),
            its class, a ``functools.partial`` of the class with its arguments, or the function itself.
        timeout: Seconds that a call for one batch may take, ``None`` for any: few of the functions have a timeout.
    """

    max_batch: Final = 64
    max_batch_chars: Final = 200_000

    def __init__(self, function: Any = DEFAULT_FUNCTION, *, timeout: float | None = None) -> None:
        self._function = PymilvusFunction(function, methods=("encode_documents", "encode_queries"), timeout=timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._function.name})"

    @property
    def dimension(self) -> int | None:
        """Length of a vector, ``None`` where the function does not say."""
        dimension = getattr(self._function.get(), "dim", None)
        dimension = dimension.get("dense") if isinstance(dimension, Mapping) else dimension
        return dimension if isinstance(dimension, int) else None

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a collection remembers of this embedding. The function is made when it was not yet.

        Raises:
            MilvusRagError: It cannot be made.
        """
        function = self._function.get()
        return {
            "provider": "pymilvus",
            "model": self._function.model,
            "dimension": self.dimension,
            "query_prefix": str(getattr(function, "query_instruction", "") or ""),
            "document_prefix": str(getattr(function, "doc_instruction", "") or ""),
            "normalised": True,
        }

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed texts.

        Returns:
            One vector of length 1 a text, in order.

        Raises:
            MissingExtraError: A package that the function needs is not installed.
            ModelError: The function cannot be made, fails, or does not answer vectors.
        """
        vectors: list[Any] = []
        for batch in batches(texts, most=self.max_batch, most_chars=self.max_batch_chars):
            vectors += self._encode("encode_documents", batch)
        return self._checked(vectors, len(texts))

    def embed_query(self, text: str) -> list[float]:
        """Embed a question; see `embed_documents`."""
        return self._checked(self._encode("encode_queries", [text]), 1)[0]

    def _encode(self, method: str, texts: list[str]) -> Sequence[Any]:
        answer = self._function.call(lambda function: getattr(function, method)(texts))
        if isinstance(answer, Mapping):
            answer = answer.get("dense")
            if answer is None:
                raise ModelResponseError(f"{self._function.name} answers no dense vectors: make it with them.")
        return [getattr(vector, "tolist", lambda vector=vector: vector)() for vector in answer]

    def _checked(self, vectors: Sequence[Any], count: int) -> list[list[float]]:
        rows: list[list[float]] = usable(
            vectors, count=count, dimension=self.dimension, normalise=True, who=self._function.name
        ).tolist()
        return rows
