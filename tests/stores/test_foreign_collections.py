"""Collections that other programs made: they are read, searched and written by their own schema."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_milvus import BM25BuiltInFunction, Milvus
from pymilvus import DataType, MilvusClient

from milvus_rag import MarkdownLoader, MarkerSplitter, MilvusStore, open_store, sync
from milvus_rag.errors import (
    CollectionSchemaError,
    EmbeddingMismatchError,
    FilterError,
    FullTextUnavailableError,
    InputError,
)
from support.word_embeddings import WordEmbeddings

TEXTS = [
    "Where does Milvus store data?",
    "How does Milvus flush data to storage?",
    "What is the weather in Paris today?",
]
QUESTION = "Where is data stored in Milvus?"


@pytest.fixture
def embedding() -> WordEmbeddings:
    return WordEmbeddings(64)


def _texts(documents: list[Document]) -> list[str]:
    return [document.page_content for document in documents]


def make_tutorials_collection(uri: str, name: str, embedding: WordEmbeddings) -> None:
    """The code of the tutorials, word by word: keys are int64, the text is a dynamic field."""
    milvus_client = MilvusClient(uri=uri)
    milvus_client.create_collection(
        collection_name=name,
        dimension=embedding.dimension,
        metric_type="IP",  # Inner product distance
        consistency_level="Strong",  # Strong consistency level
    )
    data = []
    for i, vector in enumerate(embedding.embed_documents(TEXTS)):
        data.append({"id": i, "vector": vector, "text": TEXTS[i]})
    milvus_client.insert(collection_name=name, data=data)
    milvus_client.close()


class TestTheTutorials:
    @pytest.fixture(scope="class", params=["lite", pytest.param("server", marks=pytest.mark.server)])
    @classmethod
    def store(cls, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MilvusStore]:
        """The tutorials' collection, in Milvus Lite and on a real server."""
        uri = str(tmp_path_factory.mktemp("tutorials") / "milvus_demo.db")
        if request.param == "server":
            uri = request.getfixturevalue("server_uri")
        embedding, name = WordEmbeddings(64), f"tutorial_{uuid.uuid4().hex}"
        make_tutorials_collection(uri, name, embedding)
        with open_store(uri, collection=name, embedding=embedding) as store:
            yield store
            store.drop()

    def test_it_is_searched_read_and_written(self, store: MilvusStore) -> None:
        hits = store.similarity_search_with_score(QUESTION, k=3)
        assert _texts([document for document, _ in hits]) == TEXTS
        assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)
        assert hits[0][1] == pytest.approx(1.0)
        assert hits[0][0].id == "0"
        assert hits[0][0].metadata == {}
        assert _texts(store.max_marginal_relevance_search(QUESTION, k=2)) == TEXTS[:2]
        assert _texts(store.as_retriever(search_kwargs={"k": 1}).invoke(QUESTION)) == TEXTS[:1]

        # Ids are texts here, and integers there.
        assert _texts(store.get_by_ids(["2", "0", "99"])) == [TEXTS[2], TEXTS[0]]
        assert store.count() == 3
        assert store.count({"text": TEXTS[1]}) == 1
        assert store.get_pks({"id": {"$in": [0, 2]}}) == ["0", "2"]

        assert store.add_texts(["New text"], [{"lang": "en"}], ids=["7"]) == ["7"]
        assert store.add_texts(["Newer text"], [{"page": 1}], ids=["7"]) == ["7"]
        [new] = store.get_by_ids(["7"])
        assert (new.page_content, new.metadata) == ("Newer text", {"page": 1})
        [random_id] = store.add_texts(["Without an id"])
        assert _texts(store.get_by_ids([random_id])) == ["Without an id"]
        assert store.count() == 5
        store.delete(["7", random_id, "99"])
        assert store.get_pks("") == ["0", "1", "2"]

    def test_what_it_cannot_do_is_a_clear_error(self, store: MilvusStore) -> None:
        with pytest.raises(InputError, match="integers, 'abc' is none"):
            store.get_by_ids(["abc"])
        with pytest.raises(InputError, match="integers"):
            store.get_by_ids(["--5"])
        with pytest.raises(InputError, match="integers, 'abc' is none"):
            store.add_texts(["text"], ids=["abc"])
        for key in ("id", "text", "vector"):
            with pytest.raises(InputError, match=f"'{key}' of a document is named like a field"):
                store.add_texts(["text"], [{key: 1}])
        with pytest.raises(FullTextUnavailableError, match="has no full-text search"):
            store.search_full_text("data", 3)
        assert store.count() == 3


def test_sync_keeps_away_from_it(lite_uri: str, tmp_path: Path, embedding: WordEmbeddings) -> None:
    """It would take the rows for those of files that are gone."""
    make_tutorials_collection(lite_uri, "my_rag_collection", embedding)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# Title\n\nText\n")
    with open_store(lite_uri, embedding=embedding) as store:
        with pytest.raises(CollectionSchemaError, match="made by another program"):
            sync(MarkdownLoader(tmp_path / "docs"), MarkerSplitter(), store)
        assert store.count() == 3


class TestLangChainMilvus:
    """Of `langchain_milvus.Milvus` itself, whose metadata are fields unless it is told otherwise."""

    def _make(self, uri: str, embedding: WordEmbeddings, **options: Any) -> str:
        name = f"lc_{uuid.uuid4().hex}"
        theirs = Milvus(embedding, connection_args={"uri": uri}, collection_name=name, **options)
        ids: dict[str, Any] = {} if options.get("auto_id") else {"ids": ["a", "b", "c"]}
        theirs.add_texts(TEXTS, [{"lang": "en", "n": n} for n in range(3)], **ids)
        theirs.client.close()
        return name

    def test_dense(self, lite_uri: str, embedding: WordEmbeddings) -> None:
        name = self._make(lite_uri, embedding)
        with open_store(lite_uri, collection=name, embedding=embedding) as store:
            assert _texts(store.similarity_search(QUESTION, k=3)) == TEXTS
            assert [d.id for d in store.similarity_search(QUESTION, filter={"n": {"$gte": 1}})] == ["b", "c"]
            assert [d.id for d in store.search_by_metadata({"n": {"$ne": 1}, "lang": {"$exists": True}})] == ["a", "c"]
            assert [d.id for d in store.search_by_metadata({"lang": {"$nin": ["ko"]}, "n": {"$in": [1, 2]}})] == [
                "b",
                "c",
            ]
            [found] = store.get_by_ids(["b"])
            assert (found.id, found.metadata) == ("b", {"lang": "en", "n": 1})
            store.add_texts(["Another text"], [{"lang": "ko", "n": 9}], ids=["b"])
            assert store.get_by_ids(["b"])[0].metadata == {"lang": "ko", "n": 9}
            assert store.count() == 3
            with pytest.raises(InputError, match="no field for the metadata key 'other'"):
                store.add_texts(["text"], [{"lang": "en", "n": 1, "other": 1}])
            with pytest.raises(CollectionSchemaError, match="`n`"):
                store.add_texts(["text"], [{"lang": "en"}])
            with pytest.raises(FilterError, match=r"no field 'other'.*lang, n, pk, text, vector"):
                store.count({"other": 1})

    def test_bm25_over_the_text(self, lite_uri: str, embedding: WordEmbeddings) -> None:
        name = self._make(
            lite_uri,
            embedding,
            builtin_function=BM25BuiltInFunction(),
            vector_field=["dense", "sparse"],
            # Those that it takes by default are none of Milvus Lite's.
            index_params=[
                {"index_type": "AUTOINDEX", "metric_type": "IP"},
                {"index_type": "SPARSE_INVERTED_INDEX", "metric_type": "BM25"},
            ],
        )
        with open_store(lite_uri, collection=name, embedding=embedding) as store:
            assert store.has_full_text
            assert _texts(store.similarity_search(QUESTION, k=3)) == TEXTS
            # Its analyzer is Milvus' own, which knows no stems: "stored" is not "store".
            hits = store.search_full_text("flush storage", 3)
            assert [document.id for document, _ in hits] == ["b"]
            assert hits[0][1] > 0
            store.add_texts(["The flush of the tide"], [{"lang": "en", "n": 3}], ids=["d"])
            assert {document.id for document, _ in store.search_full_text("flush", 3)} == {"b", "d"}
        with open_store(lite_uri, collection=name) as store:
            assert store.similarity_search("flush storage", k=1)[0].id == "b"
            with pytest.raises(EmbeddingMismatchError, match="only with that embedding"):
                store.add_texts(["text"], [{"lang": "en", "n": 4}])

    def test_ids_that_milvus_makes(self, lite_uri: str, embedding: WordEmbeddings) -> None:
        name = self._make(lite_uri, embedding, auto_id=True, enable_dynamic_field=True)
        with open_store(lite_uri, collection=name, embedding=embedding) as store:
            [row_id] = store.add_texts(["Another text"], [{"any": "key"}])
            assert store.get_by_ids([row_id])[0].metadata == {"any": "key"}
            # Rows that cannot be replaced would be doubled.
            with pytest.raises(InputError, match="makes the ids"):
                store.add_documents(store.get_by_ids([row_id]))
            assert store.count() == 4

    def test_another_text_field(self, lite_uri: str, embedding: WordEmbeddings) -> None:
        name = self._make(lite_uri, embedding, text_field="page_content", enable_dynamic_field=True)
        with open_store(lite_uri, collection=name, embedding=embedding) as store:
            assert store.similarity_search(QUESTION, k=1)[0].page_content == TEXTS[0]
            assert store.similarity_search(QUESTION, k=1)[0].metadata == {"lang": "en", "n": 0}

    def test_metadata_in_one_field(self, lite_uri: str, embedding: WordEmbeddings) -> None:
        name = self._make(lite_uri, embedding, metadata_field="meta")
        with open_store(lite_uri, collection=name, embedding=embedding) as store:
            assert store.get_by_ids(["b"])[0].metadata == {"meta": {"lang": "en", "n": 1}}
            assert store.get_pks({"meta.n": {"$in": [0, 1]}}) == ["a", "b"]
            assert store.get_pks({"$not": {"meta.n": 1}}) == ["a", "c"]
            assert store.get_pks({"meta.other": None}) == ["a", "b", "c"]


class TestMetrics:
    """A score is better when higher, whatever the collection's metric."""

    def _make(self, uri: str, name: str, metric: str, embedding: WordEmbeddings) -> None:
        client = MilvusClient(uri=uri)
        client.create_collection(
            name,
            dimension=embedding.dimension,
            metric_type=metric,
            id_type="string",
            max_length=100,
            consistency_level="Strong",
        )
        vectors = embedding.embed_documents(TEXTS)
        client.insert(name, [{"id": str(i), "vector": vectors[i], "text": text} for i, text in enumerate(TEXTS)])
        client.close()

    def _check(self, store: MilvusStore, metric: str) -> None:
        hits = store.similarity_search_with_score(QUESTION, k=3)
        scores = [score for _, score in hits]
        assert [document.id for document, _ in hits] == ["0", "1", "2"]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] == pytest.approx(1.0)
        # Of vectors of length 1, the squared distance is 2 - 2 * cosine; 0.25 is the cosine of the third text.
        assert scores[2] == pytest.approx(1 / (1 + 1.5) if metric == "L2" else 0.25)
        relevance = [score for _, score in store.similarity_search_with_relevance_scores(QUESTION, k=3)]
        assert relevance == sorted(relevance, reverse=True)
        # 0.5 is of a text that has nothing to do with the question, whatever the metric.
        assert relevance[2] == pytest.approx((1 + 0.25) / 2)
        assert all(0 <= score <= 1 for score in relevance)

    @pytest.mark.parametrize("metric", ["IP", "COSINE", "L2"])
    def test_on_lite(self, metric: str, lite_uri: str, embedding: WordEmbeddings) -> None:
        self._make(lite_uri, "others", metric, embedding)
        with open_store(lite_uri, collection="others", embedding=embedding) as store:
            self._check(store, metric)

    @pytest.mark.server
    @pytest.mark.parametrize("metric", ["COSINE", "L2"])
    def test_on_a_server(self, metric: str, server_uri: str, collection_name: str, embedding: WordEmbeddings) -> None:
        self._make(server_uri, collection_name, metric, embedding)
        with open_store(server_uri, collection=collection_name, embedding=embedding) as store:
            self._check(store, metric)
            store.drop()


def test_vectors_beside_are_no_metadata(lite_uri: str) -> None:
    """Neither dense nor binary ones, in a search, by id, or by a filter."""
    client = MilvusClient(uri=lite_uri)
    schema = MilvusClient.create_schema(enable_dynamic_field=True)
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("body", DataType.VARCHAR, max_length=1000)
    for name in ("vector", "title_vector", "summary_vector"):
        schema.add_field(name, DataType.FLOAT_VECTOR, dim=64)
    index = client.prepare_index_params()
    for name in ("vector", "title_vector", "summary_vector"):
        index.add_index(name, index_type="FLAT", metric_type="IP")
    client.create_collection("three", schema=schema, index_params=index)
    vectors = {name: [0.125] * 64 for name in ("vector", "title_vector", "summary_vector")}
    client.insert("three", [{"id": 1, "body": "tea", "topic": "drinks", **vectors}])
    client.close()
    with open_store(lite_uri, collection="three", embedding=WordEmbeddings(64)) as store:
        found = [
            *store.similarity_search("tea", k=1),
            *store.get_by_ids(["1"]),
            *store.search_by_metadata({"topic": "drinks"}),
        ]
        assert [document.metadata for document in found] == [{"topic": "drinks"}] * 3


def test_fields_of_other_names(lite_uri: str) -> None:
    """What a field is for is told by its type."""
    client = MilvusClient(uri=lite_uri)
    schema = MilvusClient.create_schema(enable_dynamic_field=False)
    schema.add_field("Schlüssel", DataType.VARCHAR, is_primary=True, max_length=10)
    schema.add_field("Inhalt", DataType.VARCHAR, max_length=1000)
    schema.add_field("Zahlen", DataType.FLOAT_VECTOR, dim=64)
    client.create_collection("fremd", schema=schema)
    index = client.prepare_index_params()
    index.add_index("Zahlen", index_type="AUTOINDEX", metric_type="COSINE")
    client.create_index("fremd", index)
    client.close()
    with open_store(lite_uri, collection="fremd", embedding=WordEmbeddings(64)) as store:
        store.add_texts(TEXTS, ids=["a", "b", "c"])
        assert [(d.id, d.page_content) for d in store.similarity_search(QUESTION, k=1)] == [("a", TEXTS[0])]
        assert store.get_pks({"Inhalt": TEXTS[1]}) == ["b"]
