"""Sparse embedding functions of ``pymilvus.model`` beside a dense field."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from langchain_milvus.utils.sparse import BaseSparseEmbedding

from ...errors import InputError, ModelError, ModelResponseError
from ...text_analysis import VERSION, analyse
from .functions import PymilvusFunction, find_function

DEFAULT_FUNCTION: Final = "BM25EmbeddingFunction"
# Our entry in the file that BM25EmbeddingFunction writes, which ignores what it does not know.
_ANALYSIS: Final = "analysis"
_DIGEST_CHARS: Final = 16
# Milvus takes no empty vectors. A text without a known word gets a weight at a number that no word has (the largest
# that Milvus takes, https://milvus.io/docs/sparse_vector.md), a question at another one: they find nothing.
_NO_WORD_OF_TEXT: Final = 2**32 - 2
_NO_WORD_OF_QUERY: Final = 2**32 - 3


class PymilvusSparseEmbeddings(BaseSparseEmbedding):
    """Any sparse function of ``pymilvus.model``: BM25, SPLADE; of BGE-M3 and mGTE, which are both, the sparse half.

    It goes beside a dense embedding into a store of langchain-milvus. BM25 weighs words by a corpus: `fit` or `load`
    comes first, and what was fitted is part of the `fingerprint`, so that a collection is not searched with the
    weights of another. BM25 made here by name analyses texts as `milvus_rag.text_analysis` does, and so downloads
    nothing.

    Args:
        function: The name of a function (``"BM25EmbeddingFunction"``, ``"SpladeEmbeddingFunction"``,
            ``"BGEM3EmbeddingFunction"``), its class, a ``functools.partial`` of the class with its arguments, or the
            function itself.
        language: Stop words and stems of a BM25 function that is made here by name.
        timeout: Seconds that a call may take, ``None`` for any.
    """

    def __init__(
        self, function: Any = DEFAULT_FUNCTION, *, language: str = "english", timeout: float | None = None
    ) -> None:
        self._language = language
        self._analyses = function == DEFAULT_FUNCTION
        maker = partial(_make_bm25, language) if self._analyses else function
        self._function = PymilvusFunction(maker, methods=("encode_documents", "encode_queries"), timeout=timeout)

    def __repr__(self) -> str:
        name = DEFAULT_FUNCTION if self._analyses else self._function.name
        return f"{type(self).__name__}({name})"

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a collection remembers of this embedding; without a ``digest`` while nothing is fitted.

        Raises:
            MilvusRagError: The function cannot be made.
        """
        function = self._function.get()
        return {
            "provider": "pymilvus",
            "model": self._function.model,
            "query_prefix": str(getattr(function, "query_instruction", "") or ""),
            "document_prefix": str(getattr(function, "doc_instruction", "") or ""),
            **({"digest": self._digest(function)} if getattr(function, "idf", None) else {}),
        }

    def fit(self, texts: Iterable[str]) -> None:
        """Learn the words' weights from a corpus, in place of those learned before.

        Args:
            texts: The corpus: the chunks that are to be stored.

        Raises:
            InputError: The function learns nothing, or the corpus has no words.
        """
        corpus = list(texts)
        analyse_text = getattr(self._fittable(), "analyzer", None)
        if not corpus or (callable(analyse_text) and not any(analyse_text(text) for text in corpus)):
            raise InputError("The corpus to fit has no words.")
        self._function.call(lambda function: function.fit(corpus))

    def save(self, path: str | Path) -> None:
        """Write what was fitted to a JSON file, in the format of ``BM25EmbeddingFunction``.

        Raises:
            InputError: The function learns nothing, nothing was fitted, or the file cannot be written.
        """
        self._check_fitted(self._fittable())
        file = Path(path).expanduser()
        try:
            self._function.get().save(str(file))
            if self._analyses:
                content = {**json.loads(file.read_text(encoding="utf-8")), _ANALYSIS: self._analysis}
                file.write_text(json.dumps(content), encoding="utf-8")
        except OSError as exc:
            raise InputError(f"The fitted parameters cannot be written to {str(path)!r}: {exc.strerror}.") from exc

    def load(self, path: str | Path) -> None:
        """Read what `save`, or a ``BM25EmbeddingFunction``, has written.

        Args:
            path: The file. There is no default: theirs downloads one.

        Raises:
            InputError: The function learns nothing, there is no such file, or it was fitted with another analysis.
        """
        self._fittable()
        file = Path(path).expanduser()
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except OSError as exc:
            raise InputError(f"The fitted parameters {str(path)!r} cannot be read: {exc.strerror}.") from exc
        except ValueError as exc:
            raise InputError(f"The file {str(path)!r} is no JSON: {exc}.") from exc
        if not isinstance(content, dict) or not isinstance(content.get("idf_word"), list):
            raise InputError(f"The file {str(path)!r} holds no parameters of a {DEFAULT_FUNCTION}.")
        analysis = content.get(_ANALYSIS, self._analysis)
        if self._analyses and analysis != self._analysis:
            raise InputError(
                f"The parameters {str(path)!r} were fitted with another text analysis ({analysis}) than this one "
                f"({self._analysis}): fit again, or give the same language."
            )
        try:
            self._function.call(lambda function: function.load(str(file)))
        except ModelError as exc:
            raise InputError(f"The parameters {str(path)!r} cannot be used: {exc.__cause__!r}.") from exc

    def embed_documents(self, texts: list[str]) -> list[dict[int, float]]:
        """Weigh the words of texts.

        Returns:
            For each text the weights by the words' numbers, all above zero and never empty.

        Raises:
            MissingExtraError: A package that the function needs is not installed.
            ModelError: Nothing was fitted, or the function cannot be made or fails.
        """
        vectors = self._encode("encode_documents", texts) if texts else []
        return [vector or {_NO_WORD_OF_TEXT: 1.0} for vector in vectors]

    def embed_query(self, query: str) -> dict[int, float]:
        """Weigh the words of a question; see `embed_documents`."""
        return self._encode("encode_queries", [query])[0] or {_NO_WORD_OF_QUERY: 1.0}

    @property
    def _analysis(self) -> dict[str, Any]:
        return {"language": self._language, "version": VERSION}

    def _fittable(self) -> Any:
        function = self._function.get()
        if not callable(getattr(function, "fit", None)):
            raise InputError(f"{type(function).__name__} has nothing to fit, save or load: it comes trained.")
        return function

    def _check_fitted(self, function: Any) -> None:
        if not _is_fitted(function):
            raise ModelError(
                f"{type(function).__name__} knows no words yet: call fit() with the texts to store, or load() with a "
                f"file of parameters, before it is used."
            )

    def _encode(self, method: str, texts: list[str]) -> list[dict[int, float]]:
        self._check_fitted(self._function.get())
        answer = self._function.call(lambda function: getattr(function, method)(texts))
        if isinstance(answer, Mapping):
            answer = answer.get("sparse")
            if answer is None:
                raise ModelResponseError(f"{self._function.name} answers no sparse vectors: make it with them.")
        vectors = _rows(answer)
        if len(vectors) != len(texts):
            raise ModelResponseError(f"{self._function.name} answered {len(vectors)} vectors for {len(texts)} texts.")
        return vectors

    def _digest(self, function: Any) -> str:
        """A digest of all that decides about a weight."""
        facts = {
            "words": sorted((word, round(weight, 6), number) for word, (weight, number) in function.idf.items()),
            **{name: getattr(function, name, None) for name in ("avgdl", "k1", "b", "epsilon")},
            **({_ANALYSIS: self._analysis} if self._analyses else {}),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:_DIGEST_CHARS]


def _make_bm25(language: str) -> Any:
    return find_function(DEFAULT_FUNCTION)(analyzer=partial(analyse, language=language))


def _is_fitted(function: Any) -> bool:
    """Whether a function that learns words has learned some; those that come trained have no ``idf``."""
    return bool(getattr(function, "idf", True))


def _rows(matrix: Any) -> list[dict[int, float]]:
    """Rows of a sparse matrix. Milvus takes no weights of zero or below, and they would find nothing."""
    if not hasattr(matrix, "tocsr"):
        raise ModelResponseError(f"A sparse matrix was expected, and {type(matrix).__name__} was answered.")
    rows = (matrix.reshape((1, -1)) if matrix.ndim == 1 else matrix).tocsr()
    rows.sum_duplicates()
    vectors = []
    for start, end in zip(rows.indptr[:-1], rows.indptr[1:], strict=True):
        weights = zip(rows.indices[start:end].tolist(), rows.data[start:end].tolist(), strict=True)
        vector = {int(number): float(weight) for number, weight in weights if weight > 0 or math.isnan(weight)}
        if not all(map(math.isfinite, vector.values())):
            raise ModelResponseError("The function answered a weight that is no finite number.")
        vectors.append(vector)
    return vectors
