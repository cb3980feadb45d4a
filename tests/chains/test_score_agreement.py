"""The same question gives the same scores, wherever Milvus runs."""

import uuid
from collections.abc import Iterator

import pytest
from langchain_core.documents import Document

from milvus_rag import MilvusStore, milvus_retriever, open_store
from milvus_rag.chains.retrieval import Mode
from support.lite_server import LiteServer
from support.word_embeddings import WordEmbeddings

QUESTIONS = ("How many dimensions may a vector have?", "error E1042", "backup of names and pages")


@pytest.fixture(scope="module")
def lite_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URI of Milvus Lite as a server."""
    with LiteServer(tmp_path_factory.mktemp("lite-server") / "handbook.db") as server:
        yield server.uri


def copy_of(store: MilvusStore, uri: str) -> MilvusStore:
    """A collection somewhere else with the same rows."""
    copy = open_store(uri, embedding=WordEmbeddings(), collection=f"test_{uuid.uuid4().hex}")
    copy.add_documents(store.search_by_metadata({}, limit=100))
    return copy


def scores(documents: list[Document]) -> list[tuple[str | None, dict[str, float]]]:
    keys = ("score", "dense_score", "dense_rank", "full_text_score", "full_text_rank")
    return [
        (
            document.id,
            {key: pytest.approx(document.metadata[key], rel=1e-4) for key in keys if key in document.metadata},
        )
        for document in documents
    ]


@pytest.mark.parametrize("mode", ["dense", "full_text", "hybrid"])
def test_lite_in_process_and_as_a_server(handbook: MilvusStore, lite_process: str, mode: Mode) -> None:
    with copy_of(handbook, lite_process) as served:
        for question in QUESTIONS:
            here = milvus_retriever(handbook, mode=mode, k=7).invoke(question)
            there = milvus_retriever(served, mode=mode, k=7).invoke(question)

            assert scores(there) == scores(here)
            assert [document.page_content for document in there] == [document.page_content for document in here]


@pytest.mark.server
@pytest.mark.parametrize("mode", ["dense", "full_text", "hybrid"])
def test_lite_and_another_kind_of_milvus(handbook: MilvusStore, core_uri: str, mode: Mode) -> None:
    """BM25's constants are others there, so that only the order is the same, where scores are not equal anyway."""
    with copy_of(handbook, core_uri) as served:
        try:
            for question in QUESTIONS:
                here = milvus_retriever(handbook, mode=mode, k=7).invoke(question)
                there = milvus_retriever(served, mode=mode, k=7).invoke(question)

                assert len(there) == len(here)
                assert there[0].id == here[0].id
                score = {document.id: document.metadata["score"] for document in here}
                found = [score[document.id] for document in there]
                assert found == pytest.approx(sorted(found, reverse=True), rel=1e-4)
                if mode == "dense":
                    assert dict(scores(there)) == dict(scores(here))
        finally:
            served.drop()


@pytest.mark.server
def test_lite_and_a_real_server(handbook: MilvusStore, server_uri: str) -> None:
    with copy_of(handbook, server_uri) as served:
        try:
            for question in QUESTIONS:
                here = milvus_retriever(handbook, mode="dense", k=7).invoke(question)
                there = milvus_retriever(served, mode="dense", k=7).invoke(question)

                by_id = dict(scores(there))
                assert by_id == dict(scores(here))
                # Rows that are equally near come in any order.
                assert [document.metadata["score"] for document in there] == pytest.approx(
                    [document.metadata["score"] for document in here], rel=1e-4
                )
        finally:
            served.drop()
