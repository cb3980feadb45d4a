"""Requests of any size, and what a server may do meanwhile: release a collection, be late, take no writes."""

import logging
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding, Embeddings
from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from milvus_rag import MilvusStore, open_store
from milvus_rag.errors import StoreAuthenticationError, StoreError, StoreUnavailableError
from milvus_rag.stores.collection_rows import MAX_HITS
from milvus_rag.stores.connection import CollectionNotLoadedError, TooMuchAtOnceError, translated_errors
from milvus_rag.stores.request_sizes import batches, id_batches, row_batches
from milvus_rag.stores.thorough_search import thorough
from support.lite_server import LiteServer
from support.no_version import without_version
from support.unprivileged import public_folder, without_privileges


class TestSizes:
    def test_rows_are_cut_by_number_and_by_bytes(self) -> None:
        small = [{"text": "x", "vector": [0.5] * 4}] * 1200
        assert [len(batch) for batch in row_batches(small, lite=True)] == [500, 500, 200]
        large = [{"text": "x" * 65_000, "note": "é" * 20_000, "vector": np.zeros(3072, np.float32)}] * 1000
        for lite, most in ((True, 4 * 2**20), (False, 32 * 2**20)):
            cut = list(row_batches(large, lite=lite))
            assert sum(map(len, cut)) == 1000
            fit = most / (65_000 + 40_000 + 4 * 3072)
            # Names and marks are counted too.
            assert fit - 2 < max(map(len, cut)) <= fit

    def test_ids_are_cut_by_bytes(self) -> None:
        ids = [f"{i}{'é' * 30_000}" for i in range(1000)]
        cut = list(id_batches(ids))
        assert [row_id for batch in cut for row_id in batch] == ids
        assert all(sum(len(row_id.encode()) for row_id in batch) <= 8 * 2**20 for batch in cut)

    def test_one_that_is_too_large_alone_is_alone(self) -> None:
        assert list(batches([1, 9, 1, 1], 10, 3, lambda item: item)) == [[1], [9], [1, 1]]
        assert list(batches([], 10)) == []


class _Wide(Embeddings):
    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [[1.0 / 32] * 1024 for _ in texts]

    def embed_query(self, text: str) -> list[float]:
        return [1.0 / 32] * 1024


@pytest.mark.server
def test_more_than_a_message_and_an_answer_hold(server_uri: str, collection_name: str) -> None:
    """850 rows of 129 KB: a server takes 64 MiB in a request, and gives 100 MB in an answer."""
    ids = [f"{i:04}{'i' * 3000}" for i in range(850)]
    documents = [
        Document("x" * 64_000, id=row_id, metadata={"note": "y" * 60_000, "even": at % 2 == 0})
        for at, row_id in enumerate(ids)
    ]
    with open_store(server_uri, collection=collection_name, embedding=_Wide(), full_text=False, timeout=120) as store:
        assert store.add_documents(documents) == ids
        assert store.count() == 850
        assert [document.id for document in store.get_by_ids(ids)] == ids
        assert sorted(str(d.id) for d in store.search_by_metadata(None, limit=850)) == ids
        hits = store.search_dense([1.0 / 32] * 1024, 850, vectors=True)
        assert {document.id for document, _ in hits} == set(ids)
        assert all(len(document.page_content) == 64_000 for document, _ in hits)
        rows = store.collection.rows()
        fields = [*rows.layout.document_fields, "vector"]
        for size in (850, 400):
            found = [row["pk"] for batch in rows.iterate("", fields, size) for row in batch]
            assert sorted(found) == ids
        store.delete(ids[:800])
        assert store.count() == 50
        store.drop()


def test_large_pages_on_lite(lite_uri: str) -> None:
    """A request for each is short enough to end in time, however many come at once."""
    texts = [f"{i} " + "word " * 10_000 for i in range(100)]
    with open_store(lite_uri, full_text=False, embedding=DeterministicFakeEmbedding(size=4)) as store:
        store.add_texts(texts, ids=[str(i) for i in range(100)])
        assert store.count() == 100
        assert len(store.get_by_ids([str(i) for i in range(100)])) == 100


class TestReleased:
    @pytest.fixture(params=["lite", pytest.param("server", marks=pytest.mark.server)])
    def store(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MilvusStore]:
        uri = str(tmp_path / "test.db")
        if request.param == "server":
            uri = request.getfixturevalue("server_uri")
        embedding = DeterministicFakeEmbedding(size=8)
        name = f"test_{uuid.uuid4().hex}"
        with open_store(uri, collection=name, embedding=embedding, full_text=False) as store:
            store.add_texts(["a", "b", "c"], [{"n": 1}, {"n": 2}, {"n": "x"}], ids=["1", "2", "3"])
            yield store
            store.drop()

    def test_reads_and_writes_load_it_again(self, store: MilvusStore) -> None:
        """Whoever releases it, to save memory, stops nobody."""

        def released() -> MilvusStore:
            store.client.release_collection(store.collection_name)
            return store

        assert released().delete(filter={"n": 2}) is True
        assert released().count() == 2
        assert released().add_texts(["d"], [{"n": 4}], ids=["4"]) == ["4"]
        assert len(released().similarity_search("a", k=9)) == 3
        assert released().delete(["3"]) is True
        released().upsert(["1"], [Document("new", metadata={"n": True})])
        assert [document.page_content for document in released().get_by_ids(["1"])] == ["new"]
        released().collection.rows().flush()
        assert sorted(released().get_pks({"n": {"$exists": True}})) == ["1", "4"]
        assert [document.id for document in released().search_by_metadata({"n": True})] == ["1"]


def test_a_server_that_does_not_tell_its_version(tmp_path: Path) -> None:
    with LiteServer(tmp_path / "test.db") as server, without_version(server.uri) as uri, open_store(uri) as store:
        assert store.server.version == "unknown"
        assert store.has_full_text


class _Late(grpc.RpcError, grpc.Call):  # type: ignore[misc]  # grpc has no types
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.DEADLINE_EXCEEDED

    def details(self) -> str:
        return "Deadline Exceeded"

    def _nothing(self, *_: Any) -> Any: ...

    initial_metadata = trailing_metadata = is_active = time_remaining = cancel = add_callback = _nothing


class TestSaid:
    @pytest.mark.parametrize("exc", [_Late(), MilvusException(message="rpc deadline exceeded: Retry timeout")])
    @pytest.mark.parametrize("uri", ["./a.db", "http://127.0.0.1:19530"])
    def test_what_took_long_and_how_to_give_more_time(self, uri: str, exc: Exception) -> None:
        with (
            pytest.raises(StoreUnavailableError) as caught,
            translated_errors(uri, "docs", doing="store 500 rows", timeout=30.0),
        ):
            raise exc
        for part in ("did not store 500 rows within 30 seconds", "'docs'", "timeout=", "MILVUS_RAG_TIMEOUT"):
            assert part in str(caught.value)

    def test_a_filter_that_names_it_is_not_late(self) -> None:
        with pytest.raises(StoreError) as caught, translated_errors("./a.db", "docs", "timed out == 1", timeout=30.0):
            raise MilvusException(message="no field of this name: timed out == 1")
        assert "within" not in str(caught.value)

    @pytest.mark.parametrize(
        "message",
        [
            "grpc: received message larger than max (71507712 vs. 67108864)",
            "query results exceed the limit size",
            "query result set exceeds the maxOutputSize Limit",
        ],
    )
    def test_what_is_too_large(self, message: str) -> None:
        with pytest.raises(TooMuchAtOnceError), translated_errors("http://127.0.0.1:19530", "docs"):
            raise MilvusException(message=message)

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            (
                500,
                "failed to search/query delegator 1 for channel dml_6: channel not found[channel=dml_6]",
            ),
            (65535, "fail to search on all shard leaders, err=reason=channel not found"),
            (101, "collection not loaded[collection=47]"),
            (0, "collection:docs or partition:[] not loaded to memory"),
        ],
    )
    def test_a_collection_that_is_not_loaded(self, code: int, message: str) -> None:
        with pytest.raises(CollectionNotLoadedError), translated_errors("http://127.0.0.1:19530", "docs"):
            raise MilvusException(code=code, message=message)

    def test_a_user_without_rights(self) -> None:
        message = "PrivilegeInsert: permission deny to reader in the `default` database"
        with pytest.raises(StoreAuthenticationError) as caught, translated_errors("http://127.0.0.1:19530", "docs"):
            raise MilvusException(message=message)
        assert "read-only" in str(caught.value)
        assert "Grant it the right" in str(caught.value)

    def test_a_folder_that_may_not_be_written(self) -> None:
        with public_folder() as folder:
            database = folder / "test.db"
            with open_store(database) as store:
                store.add_texts(["tea"])
            for path in (database, *database.rglob("*")):
                path.chmod(0o555 if path.is_dir() else 0o444)
            with without_privileges(), pytest.raises(StoreError) as caught:
                open_store(database)
            assert "read-only" in str(caught.value)
            assert "write permission" in str(caught.value)

    @pytest.mark.parametrize("mode", [0o555])
    def test_a_folder_where_no_database_may_be_made(self, mode: int) -> None:
        with public_folder() as folder:
            folder.chmod(mode)
            with without_privileges(), pytest.raises(StoreError, match="read-only"):
                open_store(folder / "test.db")
            folder.chmod(0o755)


def counted(store: MilvusStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the requests for rows that a store makes from now on."""
    sent: list[str] = []
    client = store.client

    def count(name: str) -> None:
        real = getattr(client, name)

        def request(*arguments: Any, **options: Any) -> Any:
            sent.append(name)
            return real(*arguments, **options)

        # `_read` names what it asks by it.
        request.__name__ = name
        monkeypatch.setattr(client, name, request)

    for name in ("search", "query", "query_iterator"):
        count(name)
    return sent


class TestFewerHits:
    @pytest.mark.server
    @pytest.mark.parametrize(
        ("kind", "params"), [("HNSW", {"M": 4, "efConstruction": 8}), ("IVF_FLAT", {"nlist": 64}), ("AUTOINDEX", {})]
    )
    def test_an_index_that_looks_at_a_part(
        self, server_uri: str, collection_name: str, kind: str, params: dict[str, int]
    ) -> None:
        """Of another program's collection, as many are found as there are."""
        client = MilvusClient(server_uri)
        client.create_collection(collection_name, dimension=8, metric_type="L2", auto_id=False)
        client.release_collection(collection_name)
        client.drop_index(collection_name, "vector")
        index = client.prepare_index_params()
        index.add_index("vector", index_type=kind, metric_type="L2", params=params)
        client.create_index(collection_name, index)
        vectors = np.random.default_rng(7).normal(size=(2000, 8)).tolist()
        client.insert(collection_name, [{"id": i, "vector": vector, "text": "x"} for i, vector in enumerate(vectors)])
        client.flush(collection_name)
        embedding = DeterministicFakeEmbedding(size=8)
        # Rows that another client has just written are seen at once by a strong read only.
        named: Any = {"collection": collection_name, "consistency_level": "Strong"}
        with open_store(server_uri, **named, embedding=embedding, full_text=False) as store:
            assert store.count() == 2000
            for k in (10, 700, 1900):
                assert len(store.search_dense(vectors[0], k)) == k
            store.drop()
        client.close()

    @pytest.mark.parametrize(
        ("uri_fixture", "kind", "rows", "filter", "requests"),
        [
            ("lite_uri", "FLAT", 3, None, ["search"]),
            ("lite_uri", "AUTOINDEX", 3, None, ["search", "query"]),
            ("lite_uri", "AUTOINDEX", 20, None, ["search"]),
            ("lite_uri", "AUTOINDEX", 20, {"even": 1}, ["search"]),
            ("lite_uri", "AUTOINDEX", 20, {"even": 7}, ["search", "query"]),
            ("lite_uri", "HNSW", 9, {"even": 0}, ["search", "query"]),
            pytest.param("server_uri", "FLAT", 3, None, ["search"], marks=pytest.mark.server),
            pytest.param("server_uri", "HNSW", 9, {"even": 0}, ["search", "query"], marks=pytest.mark.server),
        ],
    )
    def test_are_asked_for_again_only_where_there_are_more(
        self,
        request: pytest.FixtureRequest,
        collection_name: str,
        uri_fixture: str,
        kind: str,
        rows: int,
        filter: dict[str, Any] | None,
        requests: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Of another program's collection: what its index says decides."""
        uri = request.getfixturevalue(uri_fixture)
        client = MilvusClient(uri)
        index = client.prepare_index_params()
        params = {"M": 8, "efConstruction": 32} if kind == "HNSW" else {}
        index.add_index("vector", index_type=kind, metric_type="COSINE", params=params)
        schema = client.create_schema(enable_dynamic_field=True)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("text", DataType.VARCHAR, max_length=100)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=4)
        client.create_collection(collection_name, schema=schema, index_params=index)
        vectors = np.random.default_rng(7).normal(size=(rows, 4)).tolist()
        made = [{"id": i, "text": "x", "vector": vector, "even": i % 2} for i, vector in enumerate(vectors)]
        client.insert(collection_name, made)
        embedding = DeterministicFakeEmbedding(size=4)
        with open_store(uri, collection=collection_name, embedding=embedding, full_text=False) as store:
            expected = min(10, store.count(filter))
            sent = counted(store, monkeypatch)
            assert len(store.search_dense([1.0, 0.0, 0.0, 0.0], 10, filter)) == expected
            assert sent == requests
            store.drop()
        client.close()

    @pytest.mark.parametrize(
        ("uri_fixture", "requests"),
        [("lite_uri", ["search"]), pytest.param("server_uri", ["search", "query"], marks=pytest.mark.server)],
    )
    def test_of_our_own_collections(
        self,
        request: pytest.FixtureRequest,
        collection_name: str,
        uri_fixture: str,
        requests: list[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        uri = request.getfixturevalue(uri_fixture)
        embedding = DeterministicFakeEmbedding(size=4)
        with open_store(uri, collection=collection_name, embedding=embedding, full_text=False) as store:
            store.add_texts(["a", "b", "c"])
            sent = counted(store, monkeypatch)
            assert len(store.similarity_search("a", k=10)) == 3
            assert len(store.similarity_search("a", k=3)) == 3
            assert sent == [*requests, "search"]
            store.drop()

    def test_a_search_that_finds_fewer_than_there_are(self) -> None:
        asked: list[Mapping[str, Any]] = []

        def ask(params: Mapping[str, Any]) -> list[tuple[dict[str, Any], float]]:
            asked.append(params)
            return [({}, 1.0)] * (9 if params else 4)

        assert len(thorough(ask, 10, lambda: 9)) == 9
        assert [bool(params) for params in asked] == [False, True]
        assert len(thorough(ask, 10, lambda: 4)) == 4
        assert len(asked) == 3

    def test_more_than_milvus_gives_is_said(self, lite_uri: str, caplog: pytest.LogCaptureFixture) -> None:
        count = MAX_HITS + 5
        embedding = DeterministicFakeEmbedding(size=2)
        with open_store(lite_uri, embedding=embedding, full_text=False) as store, caplog.at_level(logging.WARNING):
            store.add_embeddings(["x"] * count, [[1.0, 0.0]] * count)
            assert len(store.search_dense([1.0, 0.0], count)) == MAX_HITS
        assert f"{MAX_HITS} hits" in caplog.text
