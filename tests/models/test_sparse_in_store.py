"""A sparse model of pymilvus.model beside a dense one, in a store."""

from pathlib import Path

import pytest

from milvus_rag import LocalEmbeddings, PymilvusSparseEmbeddings, milvus_retriever, open_store
from milvus_rag.errors import EmbeddingMismatchError
from support.tiny_onnx import make_dense_model

TEXTS = [
    "Data is stored in memory.",
    "The code GX-1071 means that the index is gone.",
    "A cat and a dog.",
    "The weather in London.",
    "the of",  # no word that counts
]


@pytest.fixture(scope="module")
def embedding(tmp_path_factory: pytest.TempPathFactory) -> LocalEmbeddings:
    return LocalEmbeddings(make_dense_model(tmp_path_factory.mktemp("models") / "tiny"))


def test_it_finds_exact_words_in_hybrid_and_in_full_text_search(embedding: LocalEmbeddings, tmp_path: Path) -> None:
    sparse = PymilvusSparseEmbeddings()
    sparse.fit(TEXTS)
    with open_store(str(tmp_path / "a.db"), embedding=embedding, sparse_embedding=sparse) as store:
        store.add_texts(TEXTS)

        (full_text,) = milvus_retriever(store, mode="full_text", k=1).invoke("What is GX-1071?")
        (hybrid,) = milvus_retriever(store, mode="hybrid", k=1).invoke("What is GX-1071?")
        assert full_text.page_content == hybrid.page_content == TEXTS[1]
        assert hybrid.metadata["full_text_rank"] == 1
        assert milvus_retriever(store, mode="full_text").invoke("unknown words only") == []


def test_other_fitted_parameters_do_not_search_a_collection(embedding: LocalEmbeddings, tmp_path: Path) -> None:
    fitted, other = PymilvusSparseEmbeddings(), PymilvusSparseEmbeddings()
    fitted.fit(TEXTS)
    other.fit(TEXTS[:2])
    uri = str(tmp_path / "a.db")
    with open_store(uri, embedding=embedding, sparse_embedding=fitted) as store:
        store.add_texts(TEXTS)

    with (
        pytest.raises(EmbeddingMismatchError, match="digest"),
        open_store(uri, embedding=embedding, sparse_embedding=other) as store,
    ):
        milvus_retriever(store, mode="hybrid").invoke("GX-1071")
    fitted.save(tmp_path / "params.json")
    again = PymilvusSparseEmbeddings()
    again.load(tmp_path / "params.json")
    with open_store(uri, embedding=embedding, sparse_embedding=again) as store:
        assert milvus_retriever(store, mode="full_text", k=1).invoke("GX-1071")[0].page_content == TEXTS[1]
