"""LangChain's retrievers around our stores and retrievers: one program each."""

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_classic.embeddings import CacheBackedEmbeddings
from langchain_classic.retrievers import (
    ContextualCompressionRetriever,
    EnsembleRetriever,
    MergerRetriever,
    MultiVectorRetriever,
    ParentDocumentRetriever,
    RePhraseQueryRetriever,
    TimeWeightedVectorStoreRetriever,
)
from langchain_classic.retrievers.document_compressors import DocumentCompressorPipeline, EmbeddingsFilter
from langchain_classic.storage import InMemoryByteStore
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.indexing import InMemoryRecordManager, index
from langchain_core.language_models import FakeListChatModel
from langchain_core.stores import InMemoryStore
from langchain_core.vectorstores import InMemoryVectorStore

from milvus_rag import MarkdownSplitter, MilvusStore, milvus_retriever, open_store
from support.notes import NOTES
from support.word_embeddings import WordEmbeddings

TOMATOES, ROSES, LATHE, SAWS = (note.page_content for note in NOTES)


def texts(documents: Any) -> list[str]:
    return [document.page_content for document in documents]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database whose collections belong to a test each."""
    return str(tmp_path_factory.mktemp("retrievers") / "retrievers.db")


@pytest.fixture
def store(uri: str, collection_name: str) -> Iterator[MilvusStore]:
    """An empty store with vectors and full-text search."""
    with open_store(uri, collection=collection_name, embedding=WordEmbeddings()) as opened:
        yield opened


@pytest.fixture
def filled(store: MilvusStore) -> MilvusStore:
    store.add_documents(NOTES)
    return store


async def test_ensemble_of_ours_and_somebody_elses(filled: MilvusStore) -> None:
    other = InMemoryVectorStore(WordEmbeddings())
    other.add_documents([Document("A rose is a rose.", id="o", metadata={"team": "poets"})])
    both = EnsembleRetriever(
        retrievers=[milvus_retriever(filled, k=2), other.as_retriever(search_kwargs={"k": 1})], weights=[0.5, 0.5]
    )

    found = both.invoke("When are roses cut back?")
    assert {ROSES, "A rose is a rose."} <= set(texts(found))
    assert texts(await both.ainvoke("When are roses cut back?")) == texts(found)


def test_ensemble_of_two_searches_of_one_store_has_each_passage_once(filled: MilvusStore) -> None:
    legs: list[Any] = [milvus_retriever(filled, mode=mode, k=3) for mode in ("dense", "full_text")]

    found = EnsembleRetriever(retrievers=legs, id_key=None).invoke("roses cut back in March")

    assert found[0].page_content == ROSES
    assert len(found) == len(set(texts(found)))


def test_merger(filled: MilvusStore) -> None:
    teams: list[Any] = [milvus_retriever(filled, k=1, filter={"team": team}) for team in ("garden", "workshop")]

    assert set(texts(MergerRetriever(retrievers=teams).invoke("second evening"))) == {TOMATOES, LATHE}


async def test_parent_documents(store: MilvusStore) -> None:
    page = Document(f"# Garden\n\n## Tomatoes\n\n{TOMATOES}\n\n## Roses\n\n{ROSES}\n", metadata={"source": "g.md"})
    parents = ParentDocumentRetriever(
        vectorstore=store,
        docstore=InMemoryStore(),
        child_splitter=MarkdownSplitter(chunk_size=60),
        search_kwargs={"k": 1},
    )
    parents.add_documents([page])

    assert store.count() > 1
    assert texts(parents.invoke("roses cut back")) == [page.page_content]
    assert texts(await parents.ainvoke("tomatoes")) == [page.page_content]


def test_several_vectors_a_document(store: MilvusStore) -> None:
    kept = InMemoryStore()
    kept.mset([("1", Document("The whole page about machines."))])
    several = MultiVectorRetriever(vectorstore=store, docstore=kept, id_key="page")
    store.add_documents(
        [Document(text, metadata={"page": "1"}) for text in ("a summary of lathes", "how is a lathe oiled?")]
    )

    assert texts(several.invoke("lathe")) == ["The whole page about machines."]


class Shouting(BaseDocumentCompressor):
    """Keeps what is loud."""

    def compress_documents(self, documents: Any, query: str, callbacks: Any = None) -> list[Document]:
        return [Document(one.page_content.upper(), metadata=one.metadata) for one in documents if "evening" in str(one)]


async def test_contextual_compression(filled: MilvusStore) -> None:
    with warnings.catch_warnings():
        # It imports langchain-community, which says that it goes.
        warnings.simplefilter("ignore")
        alike = EmbeddingsFilter(embeddings=WordEmbeddings(), k=2)
    pipeline = DocumentCompressorPipeline(transformers=[alike, Shouting()])
    compressed = ContextualCompressionRetriever(base_compressor=pipeline, base_retriever=milvus_retriever(filled, k=4))

    found = compressed.invoke("tomatoes watered in July")
    assert texts(found) == [TOMATOES.upper()]
    assert found[0].metadata["team"] == "garden"
    assert "score" in found[0].metadata


def test_a_question_in_other_words(filled: MilvusStore) -> None:
    model = FakeListChatModel(responses=["roses"])
    found = RePhraseQueryRetriever.from_llm(milvus_retriever(filled, k=1), model).invoke("Those with thorns, please?")

    assert texts(found) == [ROSES]


def test_weighted_by_time(store: MilvusStore) -> None:
    timed = TimeWeightedVectorStoreRetriever(vectorstore=store, k=1, decay_rate=0.01)
    timed.add_documents([Document(TOMATOES), Document(ROSES)])

    assert texts(timed.invoke("roses cut back")) == [ROSES]


@pytest.mark.parametrize("cleanup", ["incremental", "full"])
def test_langchains_own_index(store: MilvusStore, cleanup: Any) -> None:
    records = InMemoryRecordManager("notes")
    records.create_schema()
    options: Any = {"cleanup": cleanup, "source_id_key": "source", "key_encoder": "sha256"}

    first = index(NOTES, records, store, **options)
    again = index(NOTES, records, store, **options)
    changed = index(
        [NOTES[0], Document("Roses are cut in April.", metadata=NOTES[1].metadata)], records, store, **options
    )

    assert (first["num_added"], again["num_added"], again["num_skipped"]) == (4, 0, 4)
    assert (changed["num_added"], changed["num_deleted"]) == (1, 1 if cleanup == "incremental" else 3)
    assert ROSES not in texts(store.search_by_metadata({}, limit=9))
    assert store.count() == (4 if cleanup == "incremental" else 2)


def test_cached_embeddings(uri: str, collection_name: str) -> None:
    inner, cache = WordEmbeddings(), InMemoryByteStore()
    cached = CacheBackedEmbeddings.from_bytes_store(inner, cache, namespace="words", key_encoder="sha256")
    with open_store(uri, collection=collection_name, embedding=cached) as store:
        store.add_documents(NOTES)
        assert len(list(cache.yield_keys())) == len(NOTES)
        assert texts(milvus_retriever(store, mode="dense", k=1).invoke("roses cut back in March")) == [ROSES]


@pytest.mark.parametrize(
    ("search", "arguments", "count"),
    [
        ("similarity", {"k": 2}, 2),
        ("mmr", {"k": 2, "fetch_k": 4}, 2),
        ("similarity_score_threshold", {"k": 4, "score_threshold": 0.6}, None),
    ],
)
def test_as_retriever(filled: MilvusStore, search: str, arguments: dict[str, Any], count: int | None) -> None:
    retriever = filled.as_retriever(search_type=search, search_kwargs={**arguments, "filter": {"team": "garden"}})

    found = retriever.invoke("roses cut back in March")
    assert found[0].page_content == ROSES
    assert {document.metadata["team"] for document in found} == {"garden"}
    assert count is None or len(found) == count


def test_from_documents(uri: str, collection_name: str) -> None:
    with MilvusStore.from_documents(NOTES, WordEmbeddings(), uri=uri, collection_name=collection_name) as store:
        assert texts(store.similarity_search("lathe oiled", k=1)) == [LATHE]
        assert store.get_by_ids(["s"])[0].page_content == SAWS
