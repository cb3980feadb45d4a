"""Dense functions of pymilvus.model."""

import json
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from langchain_core.embeddings import Embeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from pymilvus.model.dense import OnnxEmbeddingFunction
from pymilvus.model.sparse import BM25EmbeddingFunction
from transformers import AutoTokenizer

from milvus_rag import PymilvusEmbeddings
from milvus_rag.errors import InputError, MissingExtraError, ModelError, ModelResponseError, ModelTimeoutError
from support.pymilvus_functions import FakeBoth
from support.tiny_onnx import make_dense_model

# The blog post's documents and question.
DOCUMENTS = [
    "Artificial intelligence was founded as an academic discipline in 1956.",
    "Alan Turing was the first person to conduct substantial research in AI.",
    "Born in Maida Vale, London, Turing was raised in southern England.",
]
QUESTION = "Where was Turing born?"


class LocalOnnx(OnnxEmbeddingFunction):  # type: ignore[misc] # pymilvus.model has no types
    """`DefaultEmbeddingFunction` on a folder: its own constructor takes names on a hub only."""

    def __init__(self, folder: Path) -> None:
        self.model_name = str(folder)
        self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self.ort_session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
        dimension = json.loads((folder / "config.json").read_text())["hidden_size"]
        self._OnnxEmbeddingFunction__dimension = dimension


@pytest.fixture(scope="module")
def onnx_function(tmp_path_factory: pytest.TempPathFactory) -> LocalOnnx:
    return LocalOnnx(make_dense_model(tmp_path_factory.mktemp("models") / "tiny"))


class TestUnit(EmbeddingsUnitTests):
    """LangChain's own tests of embeddings' interface."""

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return PymilvusEmbeddings


class TestIntegration(EmbeddingsIntegrationTests):
    """LangChain's own tests of embeddings that answer."""

    @pytest.fixture(autouse=True)
    def _function(self, onnx_function: LocalOnnx) -> None:
        self._onnx = onnx_function

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return PymilvusEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"function": self._onnx}


class FakeDense:
    """A function that can be worked out by hand: a text's length and 1."""

    model_name = "lengths"
    query_instruction = "query: "
    doc_instruction = ""
    dim = 2

    def __init__(self, answer: Callable[[list[str]], Any] | None = None) -> None:
        self.answer = answer or (lambda texts: [np.array([len(text), 1.0]) for text in texts])
        self.calls: list[int] = []

    def encode_documents(self, documents: list[str]) -> Any:
        self.calls.append(len(documents))
        return self.answer(documents)

    def encode_queries(self, queries: list[str]) -> Any:
        return self.answer(queries)


class TestDense:
    def test_it_agrees_with_the_function_itself(self, onnx_function: LocalOnnx) -> None:
        embeddings = PymilvusEmbeddings(onnx_function)

        ours = np.array(embeddings.embed_documents(DOCUMENTS))
        assert ours == pytest.approx(np.array(onnx_function.encode_documents(DOCUMENTS)))
        assert embeddings.embed_query(QUESTION) == pytest.approx(onnx_function.encode_queries([QUESTION])[0])
        assert embeddings.dimension == 32

    def test_a_class_is_made_at_first_use(self, tmp_path: Path) -> None:
        embeddings = PymilvusEmbeddings(partial(LocalOnnx, tmp_path / "later"))
        make_dense_model(tmp_path / "later")
        assert len(embeddings.embed_query("data")) == 32
        assert repr(embeddings) == "PymilvusEmbeddings(LocalOnnx)"

    def test_the_fingerprint_names_function_model_and_prefixes(self, onnx_function: LocalOnnx) -> None:
        assert PymilvusEmbeddings(FakeDense).fingerprint == {
            "provider": "pymilvus",
            "model": "FakeDense:lengths",
            "dimension": 2,
            "query_prefix": "query: ",
            "document_prefix": "",
            "normalised": True,
        }
        # A folder's place is of no interest elsewhere.
        assert PymilvusEmbeddings(onnx_function).fingerprint["model"] == "LocalOnnx:tiny"

    def test_vectors_have_length_one(self) -> None:
        assert PymilvusEmbeddings(FakeDense()).embed_query("1234567") == pytest.approx([7 / 50**0.5, 1 / 50**0.5])

    def test_many_texts_are_sent_in_batches(self) -> None:
        function = FakeDense()
        assert len(PymilvusEmbeddings(function).embed_documents(["a"] * 150)) == 150
        assert function.calls == [64, 64, 22]

    def test_the_dense_half_of_a_function_that_does_both_is_taken(self) -> None:
        embeddings = PymilvusEmbeddings(FakeBoth())
        assert embeddings.embed_query("a") == pytest.approx([1 / 5**0.5, 2 / 5**0.5])
        assert embeddings.dimension == 2

    def test_a_function_made_without_its_dense_half_is_an_error(self) -> None:
        with pytest.raises(ModelResponseError, match="no dense vectors"):
            PymilvusEmbeddings(FakeBoth(sparse=None)).embed_query("a")

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda texts: [np.ones(2)], "1 vectors for 2 texts"),
            (lambda texts: [np.ones(3)] * 2, "3 values where 2"),
            (lambda texts: [np.array([np.nan, 1])] * 2, "not a number"),
        ],
    )
    def test_wrong_vectors_are_an_error(self, answer: Callable[[list[str]], Any], words: str) -> None:
        with pytest.raises(ModelResponseError, match=words):
            PymilvusEmbeddings(FakeDense(answer)).embed_documents(["a", "b"])

    def test_a_function_that_fails_is_a_clear_error(self) -> None:
        def fail(texts: list[str]) -> Any:
            raise RuntimeError("out of memory")

        with pytest.raises(ModelError, match=r"FakeDense of .* fails: out of memory"):
            PymilvusEmbeddings(FakeDense(fail)).embed_query("a")

    def test_a_function_that_hangs_is_given_up(self) -> None:
        released = threading.Event()
        embeddings = PymilvusEmbeddings(FakeDense(lambda texts: released.wait(60)), timeout=0.1)
        for _ in range(2):  # the first call still holds the function when the second one gives up
            with pytest.raises(ModelTimeoutError, match=r"within 0\.1 s"):
                embeddings.embed_query("a")
        released.set()

    def test_one_thread_at_a_time_uses_the_function(self) -> None:
        inside, most = [0], [0]

        def count(texts: list[str]) -> Any:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            threading.Event().wait(0.01)
            inside[0] -= 1
            return [np.ones(2)]

        embeddings = PymilvusEmbeddings(FakeDense(count))
        threads = [threading.Thread(target=embeddings.embed_query, args=("a",)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == [1]

    @pytest.mark.parametrize("function", [3, object(), BM25EmbeddingFunction.fit, int])
    def test_what_is_no_function_is_refused(self, function: Any) -> None:
        with pytest.raises((InputError, ModelError)):
            PymilvusEmbeddings(function).embed_query("a")

    def test_an_unknown_name_lists_the_known_ones(self) -> None:
        with pytest.raises(InputError, match=r"no 'Nope'.*SentenceTransformerEmbeddingFunction"):
            PymilvusEmbeddings("Nope").embed_query("a")

    def test_a_missing_package_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pymilvus.model", None)
        with pytest.raises(MissingExtraError, match=r"pip install .*\[pymilvus\]"):
            PymilvusEmbeddings().embed_query("a")
