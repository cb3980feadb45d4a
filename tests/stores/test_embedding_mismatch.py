"""A collection is opened with the embedding that its vectors were made with, or not at all."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from milvus_rag import open_store
from milvus_rag.errors import (
    CollectionSchemaError,
    EmbeddingMismatchError,
    FullTextUnavailableError,
    InputError,
    ModelResponseError,
)
from support.embedding import hashed_words


class _Embedding(Embeddings):
    """One of ours, which can tell what makes its vectors."""

    def __init__(self, dimension: int = 8, **facts: Any) -> None:
        self.fingerprint = {"provider": "local", "model": "small", "dimension": dimension, **facts}
        self._dimension = dimension

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [hashed_words(text, self._dimension) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return hashed_words(text, self._dimension)


class _Unknown(Embeddings):
    """Somebody else's, of which only a class and perhaps a model are known."""

    def __init__(self, dimension: int = 8, **attributes: Any) -> None:
        self._dimension = dimension
        vars(self).update(attributes)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [hashed_words(text, self._dimension) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return hashed_words(text, self._dimension)


class _Another(_Unknown):
    pass


class _Cached(Embeddings):
    """What LangChain's CacheBackedEmbeddings looks like."""

    def __init__(self, underlying_embeddings: Embeddings) -> None:
        self.underlying_embeddings = underlying_embeddings

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self.underlying_embeddings.embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        return self.underlying_embeddings.embed_query(text)


def _build(uri: str, embedding: Embeddings | None, **options: Any) -> None:
    with open_store(uri, collection="docs", embedding=embedding, **options) as store:
        store.add_texts(["Where does Milvus store data?"], ids=["1"])


def _mismatch(uri: str, embedding: Embeddings | None) -> str:
    with pytest.raises(EmbeddingMismatchError) as caught:
        open_store(uri, collection="docs", embedding=embedding)
    return str(caught.value)


class TestWhatMakesVectorsDiffer:
    @pytest.mark.parametrize(
        ("built", "opened", "fact"),
        [
            ({"model": "small"}, {"model": "large"}, "model"),
            ({"provider": "local"}, {"provider": "gemini"}, "provider"),
            ({"dimension": 8}, {"dimension": 16}, "dimension"),
            ({"query_prefix": "query: "}, {"query_prefix": ""}, "query_prefix"),
            ({"document_prefix": "title: none | text: "}, {"document_prefix": "passage: "}, "document_prefix"),
            ({"normalised": True}, {"normalised": False}, "normalised"),
            ({"digest": "0a1b"}, {"digest": "2c3d"}, "digest"),
        ],
    )
    def test_one_fact_is_enough(self, lite_uri: str, built: dict[str, Any], opened: dict[str, Any], fact: str) -> None:
        _build(lite_uri, _Embedding(**built))
        assert f"{fact} differs" in _mismatch(lite_uri, _Embedding(**opened))
        # The error lets go of the database, and the right embedding opens it.
        with open_store(lite_uri, collection="docs", embedding=_Embedding(**built)) as store:
            assert store.similarity_search("store data")[0].id == "1"

    def test_the_message_names_both_and_the_ways_out(self, lite_uri: str) -> None:
        _build(lite_uri, _Embedding(provider="gemini", model="gemini-embedding-2", query_prefix="query: "))
        message = _mismatch(lite_uri, _Embedding(provider="fireworks", model="nomic-embed-text-v1.5"))
        assert "'docs'" in message
        assert "gemini:gemini-embedding-2 (dimension 8, query prefix 'query: ')" in message
        assert "fireworks:nomic-embed-text-v1.5 (dimension 8)" in message
        assert "Open it with the embedding it was built with" in message
        assert "milvus-rag index --rebuild" in message
        assert "another collection name" in message

    def test_what_does_not_change_vectors_is_not_compared(self, lite_uri: str) -> None:
        _build(lite_uri, _Embedding(batch_size=8, timeout=1, device="cpu"))
        with open_store(lite_uri, collection="docs", embedding=_Embedding(batch_size=99, device="gpu")) as store:
            assert store.count() == 1

    def test_what_one_side_does_not_know_is_not_compared(self, lite_uri: str) -> None:
        _build(lite_uri, _Embedding())
        with open_store(lite_uri, collection="docs", embedding=_Embedding(normalised=True, dimension=8)) as store:
            assert store.count() == 1


class TestEmbeddingsOfOthers:
    @pytest.mark.parametrize("attribute", ["model", "model_name", "model_id"])
    def test_their_model_is_known_by_its_attribute(self, lite_uri: str, attribute: str) -> None:
        _build(lite_uri, _Unknown(8, **{attribute: "one"}))
        message = _mismatch(lite_uri, _Unknown(8, **{attribute: "other"}))
        assert "_Unknown:one" in message
        assert "_Unknown:other" in message

    def test_their_class_is_known(self, lite_uri: str) -> None:
        _build(lite_uri, _Unknown())
        message = _mismatch(lite_uri, _Another())
        assert "_Unknown" in message
        assert "_Another" in message

    def test_an_attribute_that_is_no_name_is_none(self, lite_uri: str) -> None:
        _build(lite_uri, _Unknown(model=object()))
        with open_store(lite_uri, collection="docs", embedding=_Unknown(model=object())) as store:
            assert store.count() == 1

    def test_a_cache_before_a_model_is_that_model(self, lite_uri: str) -> None:
        _build(lite_uri, _Embedding(model="one"))
        with open_store(lite_uri, collection="docs", embedding=_Cached(_Embedding(model="one"))) as store:
            assert store.similarity_search("store data")[0].id == "1"
        assert "local:other" in _mismatch(lite_uri, _Cached(_Embedding(model="other")))

    def test_another_dimension_shows_at_the_first_vector(self, lite_uri: str) -> None:
        """Nobody can tell it before; nothing is stored, nothing is found."""
        _build(lite_uri, _Unknown(8))
        with open_store(lite_uri, collection="docs", embedding=_Unknown(16)) as store:
            for use in (
                lambda: store.similarity_search("text"),
                lambda: store.max_marginal_relevance_search("text"),
                lambda: store.add_texts(["text"]),
                lambda: store.add_documents([Document("text")]),
            ):
                with pytest.raises(EmbeddingMismatchError, match=r"'docs' keeps vectors of 8 dimensions.*16"):
                    use()
            assert store.count() == 1

    def test_vectors_of_several_lengths_are_refused_whole(self, lite_uri: str) -> None:
        _build(lite_uri, _Unknown(8))
        with open_store(lite_uri, collection="docs", embedding=_Unknown(8)) as store:
            with pytest.raises(ModelResponseError, match=r"7 values where 8 are expected \(embedding 2 of 2\)"):
                store.add_embeddings(["a", "b"], [[0.5] * 8, [0.5] * 7])
            with pytest.raises(EmbeddingMismatchError, match="8 dimensions"):
                store.add_embeddings(["a", "b"], [[0.5] * 7, [0.5] * 7])
            with pytest.raises(InputError, match="2 texts and 1 vectors"):
                store.add_embeddings(["a", "b"], [[0.5] * 8])
            with pytest.raises(EmbeddingMismatchError, match="only with that embedding"):
                store.add_embeddings(["a"], None)
            assert store.count() == 1


class TestWithAndWithoutVectors:
    def test_a_collection_without_vectors_and_an_embedding(self, lite_uri: str) -> None:
        _build(lite_uri, None)
        message = _mismatch(lite_uri, _Embedding())
        assert "'docs' was built without an embedding" in message
        assert "--rebuild" in message

    def test_a_collection_with_vectors_and_no_embedding(self, lite_uri: str) -> None:
        """Full-text search needs none; writing does."""
        _build(lite_uri, _Embedding())
        with open_store(lite_uri, collection="docs") as store:
            assert store.similarity_search("stored")[0].id == "1"
            assert store.get_by_ids(["1"])[0].page_content == "Where does Milvus store data?"
            with pytest.raises(EmbeddingMismatchError, match="only with that embedding"):
                store.add_texts(["text"])
            with pytest.raises(CollectionSchemaError, match="needs an embedding"):
                store.max_marginal_relevance_search("stored")
            assert store.count() == 1

    def test_a_collection_with_vectors_only_and_no_embedding(self, lite_uri: str) -> None:
        _build(lite_uri, _Embedding(), full_text=False)
        with pytest.raises(FullTextUnavailableError, match="'docs' has no full-text search"):
            open_store(lite_uri, collection="docs")

    def test_vectors_given_to_a_collection_without(self, lite_uri: str) -> None:
        with open_store(lite_uri, collection="docs") as store:
            store.add_texts(["text"])
            with pytest.raises(EmbeddingMismatchError, match="has no vectors"):
                store.add_embeddings(["other"], [[0.5] * 8])
            with pytest.raises(CollectionSchemaError, match="no dense vectors"):
                store.similarity_search_by_vector([0.5] * 8)
            assert store.count() == 1


def test_the_fingerprint_survives_everything(lite_uri: str, tmp_path: Path) -> None:
    """It is in the collection, so it moves with the files, and an empty collection has it too."""
    _build(lite_uri, _Embedding())
    with open_store(lite_uri, collection="docs", embedding=_Embedding()) as store:
        store.delete(["1"])
        store.collection.set_properties({"note": "of somebody else"})
    Path(lite_uri).rename(tmp_path / "moved.db")
    assert "local:other" in _mismatch(str(tmp_path / "moved.db"), _Embedding(model="other"))


@pytest.mark.server
def test_a_server_keeps_the_fingerprint_too(server_uri: str, collection_name: str) -> None:
    with open_store(server_uri, collection=collection_name, embedding=_Embedding(), full_text=False) as store:
        store.add_texts(["text"])
        try:
            with pytest.raises(EmbeddingMismatchError, match="model differs"):
                open_store(server_uri, collection=collection_name, embedding=_Embedding(model="other"))
        finally:
            store.drop()
