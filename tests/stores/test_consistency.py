"""What reads of a server are sure to see, and that nobody waits for more."""

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.documents import Document
from pymilvus import MilvusClient

from milvus_rag import MilvusStore, milvus_retriever, open_store
from milvus_rag.errors import InputError
from support.waiting import wait_until
from support.word_embeddings import WordEmbeddings

EMBEDDING = WordEmbeddings(64)


class Opened:
    """Stores on one collection of a server, and the levels that their searches and queries asked for."""

    def __init__(self, uri: str, collection: str) -> None:
        self._uri, self._collection = uri, collection
        self.stores: list[MilvusStore] = []
        self.levels: list[str | None] = []

    def __call__(self, **options: Any) -> MilvusStore:
        store = open_store(self._uri, embedding=EMBEDDING, collection=self._collection, full_text=False, **options)
        self.stores.append(store)
        for name in ("search", "query"):
            self._listen(store, name)
        return store

    def _listen(self, store: MilvusStore, name: str) -> None:
        ask = getattr(store.client, name)

        def listening(*args: Any, **kwargs: Any) -> Any:
            # How many rows there are is asked after a search that has waited.
            if kwargs["output_fields"] != ["count(*)"]:
                self.levels.append(kwargs.get("consistency_level"))
            return ask(*args, **kwargs)

        listening.__name__ = name
        setattr(store.client, name, listening)

    def asked(self, *calls: Any) -> list[str | None]:
        self.levels.clear()
        for call in calls:
            call()
        return list(dict.fromkeys(self.levels))


@pytest.fixture
def opened(server_uri: str, collection_name: str) -> Iterator[Opened]:
    stores = Opened(server_uri, collection_name)
    yield stores
    stores.stores[0].drop()
    for store in stores.stores:
        store.close()


@pytest.fixture(autouse=True)
def writes(monkeypatch: pytest.MonkeyPatch) -> "Writes":
    return Writes(monkeypatch)


class Writes:
    """Lets the writes of this process be long ago, as they are in a program that only reads."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def are_old(self) -> None:
        self._monkeypatch.setattr("milvus_rag.stores.consistency._RECENT_SECONDS", 0.0)


def _reads(store: MilvusStore) -> list[Any]:
    return [
        lambda: store.similarity_search("tea"),
        lambda: store.search_by_metadata({"n": 0}),
        lambda: store.get_by_ids(["0"]),
        lambda: milvus_retriever(store).invoke("tea"),
    ]


@pytest.mark.server
class TestLevels:
    def test_what_a_store_wrote_it_sees_at_once(self, opened: Opened) -> None:
        store = opened()
        for n in range(10):
            store.add_texts([f"tea {n}"], [{"n": n}], ids=[str(n)])
            assert {document.metadata["n"] for document in store.similarity_search("tea", k=20)} == set(range(n + 1))
            assert len(store.get_by_ids([str(n)])) == 1
        assert opened.asked(*_reads(store)) == ["Session"]
        store.delete(["0"])
        assert len(store.similarity_search("tea", k=20)) == 9
        # Milvus 2.3 does not say when it deleted.
        assert opened.asked(*_reads(store)) == ["Strong"]

    def test_what_another_store_of_this_process_wrote_it_sees_at_once(self, opened: Opened) -> None:
        writer, reader = opened(), opened()
        writer.add_texts(["tea"], [{"n": 0}], ids=["0"])
        for n in range(1, 6):
            writer.add_texts(["tea"], [{"n": n}], ids=[str(n)])
            assert len(reader.similarity_search("tea", k=20)) == n + 1
        assert opened.asked(*_reads(reader)) == ["Strong"]
        reader.add_texts(["tea"], [{"n": 9}])
        assert len(reader.similarity_search("tea", k=20)) == 7
        assert opened.asked(*_reads(reader)) == ["Session"]

    def test_who_only_reads_waits_for_nothing(self, opened: Opened, writes: Writes) -> None:
        opened().add_texts(["tea"], [{"n": 0}], ids=["0"])
        writes.are_old()
        reader = opened()
        assert opened.asked(*_reads(reader)) == ["Bounded"]
        wait_until(lambda: reader.similarity_search("tea"), "what was written elsewhere was never seen")

    @pytest.mark.parametrize("level", ["Strong", "Session", "Bounded", "Eventually"])
    def test_a_level_that_is_asked_for_is_used(self, opened: Opened, writes: Writes, level: str) -> None:
        opened().add_texts(["tea"], [{"n": 0}], ids=["0"])
        writes.are_old()
        assert opened.asked(*_reads(opened(consistency_level=level))) == [level]
        plain = opened()
        calls = [
            lambda: plain.similarity_search("tea", consistency_level=level),
            lambda: plain.similarity_search_by_vector(EMBEDDING.embed_query("tea"), consistency_level=level),
            lambda: plain.max_marginal_relevance_search("tea", consistency_level=level),
            lambda: plain.as_retriever(search_kwargs={"consistency_level": level}).invoke("tea"),
        ]
        assert opened.asked(*calls) == [level]

    def test_another_programs_collection_is_read_at_its_own(
        self, opened: Opened, server_uri: str, collection_name: str
    ) -> None:
        client = MilvusClient(server_uri)
        client.create_collection(collection_name, dimension=64, consistency_level="Strong")
        client.insert(collection_name, [{"id": 1, "vector": EMBEDDING.embed_query("tea"), "text": "tea"}])
        client.close()
        store = opened()
        assert [document.page_content for document in store.similarity_search("tea")] == ["tea"]
        assert opened.asked(lambda: store.similarity_search("tea")) == [None]
        assert opened.asked(lambda: opened(consistency_level="Bounded").similarity_search("tea")) == ["Bounded"]

    def test_a_new_collection_is_strong_unless_another_level_is_asked_for(
        self, opened: Opened, server_uri: str, collection_name: str
    ) -> None:
        store = opened()
        store.add_documents([Document("tea")])
        assert _level_of(store) == 0
        other = f"{collection_name}_bounded"
        with open_store(server_uri, embedding=EMBEDDING, collection=other, consistency_level="Bounded") as bounded:
            bounded.add_texts(["tea"])
            assert _level_of(bounded) == 2
            bounded.drop()


def _level_of(store: MilvusStore) -> int:
    assert store.layout is not None
    return int(store.client.describe_collection(store.layout.name)["consistency_level"])


@pytest.mark.parametrize("level", ["strong", "", 0, "Customized"])
def test_what_is_no_level_is_refused(lite_uri: str, level: Any) -> None:
    with pytest.raises(InputError, match="consistency_level is one of Strong, Session, Bounded, Eventually"):
        open_store(lite_uri, consistency_level=level)
    with open_store(lite_uri, embedding=EMBEDDING) as store:
        store.add_texts(["tea"])
        with pytest.raises(InputError, match="consistency_level is one of"):
            store.similarity_search("tea", consistency_level=level)


@pytest.mark.parametrize("level", ["Strong", "Eventually"])
def test_milvus_lite_sees_everything_at_any_level(lite_uri: str, level: str) -> None:
    with open_store(lite_uri, embedding=EMBEDDING, consistency_level=level) as store:
        store.add_texts(["tea"])
        assert store.similarity_search("tea", consistency_level=level)
