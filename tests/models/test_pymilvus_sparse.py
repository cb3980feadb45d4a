"""Sparse functions of pymilvus.model."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymilvus.model.sparse import BM25EmbeddingFunction
from scipy.sparse import csr_array

from milvus_rag import PymilvusSparseEmbeddings
from milvus_rag.errors import InputError, ModelError, ModelResponseError
from support.pymilvus_functions import FakeBoth, FakeSplade

# The blog post's documents and question.
DOCUMENTS = [
    "Artificial intelligence was founded as an academic discipline in 1956.",
    "Alan Turing was the first person to conduct substantial research in AI.",
    "Born in Maida Vale, London, Turing was raised in southern England.",
]
QUESTION = "Where was Turing born?"


class TestSparse:
    def test_the_blog_posts_example(self, tmp_path: Path) -> None:
        """Fit, save, load, and the question finds the document about Turing's birth."""
        fitted = PymilvusSparseEmbeddings()
        fitted.fit(DOCUMENTS)
        fitted.save(tmp_path / "bm25_params.json")
        loaded = PymilvusSparseEmbeddings()
        loaded.load(tmp_path / "bm25_params.json")

        query = loaded.embed_query(QUESTION)
        scores = [
            sum(weight * query.get(word, 0) for word, weight in document.items())
            for document in loaded.embed_documents(DOCUMENTS)
        ]
        assert scores.index(max(scores)) == 2
        assert loaded.embed_documents(DOCUMENTS) == fitted.embed_documents(DOCUMENTS)
        assert query == fitted.embed_query(QUESTION)
        assert loaded.fingerprint == fitted.fingerprint

    def test_parameters_that_their_own_function_saved_are_understood(self, tmp_path: Path) -> None:
        function = BM25EmbeddingFunction(analyzer=str.split)
        function.fit(DOCUMENTS)
        function.save(str(tmp_path / "theirs.json"))

        embeddings = PymilvusSparseEmbeddings(BM25EmbeddingFunction(analyzer=str.split))
        embeddings.load(tmp_path / "theirs.json")

        assert list(embeddings.embed_query("Born").values()) == pytest.approx([np.log(2.5 / 1.5)])

    def test_words_are_compared_by_their_stems_without_a_download(self) -> None:
        embeddings = PymilvusSparseEmbeddings()
        embeddings.fit(["Data are stored.", "A cat sleeps.", "It rains."])
        assert embeddings.embed_query("the storing") == embeddings.embed_query("stores")

    def test_the_language_can_be_chosen(self) -> None:
        embeddings = PymilvusSparseEmbeddings(language="german")
        embeddings.fit(["Die Daten werden gespeichert.", "Eine Katze.", "Regen."])
        assert embeddings.embed_query("der Daten") == embeddings.embed_query("Daten")

    def test_a_question_before_the_fit_is_a_clear_error(self) -> None:
        embeddings = PymilvusSparseEmbeddings()
        for use in (lambda: embeddings.embed_query("a"), lambda: embeddings.embed_documents(["a"])):
            with pytest.raises(ModelError, match=r"knows no words yet: call fit\(\)"):
                use()
        with pytest.raises(ModelError, match="knows no words yet"):
            embeddings.save("never.json")
        assert not Path("never.json").exists()

    def test_a_text_without_a_known_word_finds_nothing_and_can_be_stored(self) -> None:
        """Milvus refuses empty vectors."""
        embeddings = PymilvusSparseEmbeddings()
        embeddings.fit(DOCUMENTS)

        text, query = embeddings.embed_documents(["the of"])[0], embeddings.embed_query("the of")
        assert text
        assert query
        assert not text.keys() & query.keys()
        assert embeddings.embed_documents([]) == []

    @pytest.mark.parametrize("corpus", [[], [""], ["the of", "..."]])
    def test_a_corpus_without_words_cannot_be_fitted(self, corpus: list[str]) -> None:
        with pytest.raises(InputError, match="no words"):
            PymilvusSparseEmbeddings().fit(corpus)

    def test_the_fingerprint_tells_what_was_fitted(self) -> None:
        one, same, other = (PymilvusSparseEmbeddings() for _ in range(3))
        assert "digest" not in one.fingerprint
        one.fit(DOCUMENTS)
        same.fit(iter(DOCUMENTS))
        other.fit(DOCUMENTS[:2])

        assert one.fingerprint == same.fingerprint
        assert one.fingerprint["digest"] != other.fingerprint["digest"]
        assert one.fingerprint["model"] == "BM25EmbeddingFunction"

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (None, "cannot be read"),
            ("{", "is no JSON"),
            ("[]", "holds no parameters"),
            ('{"idf_word": ["a"]}', "cannot be used"),
        ],
    )
    def test_a_file_that_holds_no_parameters_is_refused(self, tmp_path: Path, content: str | None, words: str) -> None:
        file = tmp_path / "params.json"
        if content is not None:
            file.write_text(content)
        with pytest.raises(InputError, match=words):
            PymilvusSparseEmbeddings().load(file)

    def test_parameters_of_another_language_are_refused(self, tmp_path: Path) -> None:
        english = PymilvusSparseEmbeddings()
        english.fit(DOCUMENTS)
        english.save(tmp_path / "params.json")
        with pytest.raises(InputError, match="another text analysis"):
            PymilvusSparseEmbeddings(language="german").load(tmp_path / "params.json")

    def test_a_place_that_cannot_be_written_is_said_to_be_so(self, tmp_path: Path) -> None:
        embeddings = PymilvusSparseEmbeddings()
        embeddings.fit(DOCUMENTS)
        with pytest.raises(InputError, match="cannot be written"):
            embeddings.save(tmp_path / "none" / "params.json")

    def test_splades_interface(self) -> None:
        embeddings = PymilvusSparseEmbeddings(FakeSplade())

        assert embeddings.embed_query("abba") == {0: 2.0, 1: 2.0}
        assert embeddings.embed_documents(["cab", "b"]) == [{0: 1.0, 1: 1.0, 2: 1.0}, {1: 1.0}]
        assert embeddings.fingerprint["model"] == "FakeSplade:letters"
        assert embeddings.fingerprint["document_prefix"] == "doc: "

    @pytest.mark.parametrize("use", ["fit", "load", "save"])
    def test_a_function_that_comes_trained_cannot_be_fitted(self, use: str) -> None:
        with pytest.raises(InputError, match="comes trained"):
            getattr(PymilvusSparseEmbeddings(FakeSplade()), use)("params.json")

    def test_the_sparse_half_of_a_function_that_does_both_is_taken(self) -> None:
        assert PymilvusSparseEmbeddings(FakeBoth()).embed_query("a") == {3: 0.25, 7: 0.5}
        with pytest.raises(ModelResponseError, match="no sparse vectors"):
            PymilvusSparseEmbeddings(FakeBoth(dense=[])).embed_query("a")

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ([{1: 0.5}], "sparse matrix was expected"),
            (csr_array(np.ones((2, 3))), "2 vectors for 1 texts"),
            (csr_array(np.array([[np.nan, 1.0]])), "no finite number"),
        ],
    )
    def test_wrong_vectors_are_an_error(self, answer: Any, words: str) -> None:
        with pytest.raises(ModelResponseError, match=words):
            PymilvusSparseEmbeddings(FakeBoth(sparse=answer)).embed_query("a")

    def test_weights_below_zero_are_left_out(self) -> None:
        """BM25 gives them to words of most documents, and Milvus takes none."""
        answer = csr_array(np.array([[-0.5, 0.0, 0.5]]))
        assert PymilvusSparseEmbeddings(FakeBoth(sparse=answer)).embed_query("a") == {2: 0.5}

    async def test_it_is_the_same_async(self) -> None:
        embeddings = PymilvusSparseEmbeddings(FakeSplade())
        assert await embeddings.aembed_query("abba") == embeddings.embed_query("abba")
